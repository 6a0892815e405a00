"""What organisers and scripts read: that the promised keys are there, and that no two of the answers disagree."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.installed import Place, copied, mailer, started
from tests.servers.rules import Reply, Rule, StoreThenDrop
from tests.servers.threaded import ThreadedServer

REPOSITORY = Path(__file__).resolve().parents[1]
LOG_KEYS = {
    *("letter", "campaign", "signature", "target", "channel", "state", "reason", "attempts", "reply", "relay", "message_id"),
    *("recipients", "file", "line", "queued_at", "next_attempt_at", "accepted_at"),
}
TARGETS = """\
targets:
  court: {name: Court, to: head@court.example, cc: [press@court.example]}
  ministry: {name: Ministry, to: office@ministry.example}
  administration: {kind: phone, name: Administration, phone: "+7 7172 745524"}
  embassy: {kind: embassy, name: Embassy, directory: embassies.yaml}
"""
# The embassy has an address for Austria alone. Each of these people meets another answer.
PEOPLE = """\
name,email,country
Well Taken,well@example.org,AT
Poor Refused,refused@example.org,AT
Come Back Later,deferred@example.org,IE
Never Answered,doubt@example.org,IE
Well Taken,well@example.org,AT
No Address,,IE
Another Name,doubt@example.org,IE
"""
NOT_YET = [
    Rule("rcpt", Reply("550 5.1.1 no such office"), nth=2, recipient="head@court.example"),
    Rule("rcpt", Reply("451 4.3.0 come back later"), nth=3, recipient="head@court.example"),
    Rule("dot", StoreThenDrop(), nth=3),
]


@pytest.fixture(scope="module")
def varied(tmp_path_factory) -> SimpleNamespace:
    """An instance with letters in many states: what it said while it worked, its folder, and what the far side took."""
    folder = tmp_path_factory.mktemp("varied")
    place = Place(folder / "instance", f"pace: none\napproval: none\ncopy_to: [copies@campaign.example]\n{TARGETS}")
    with ThreadedServer(NOT_YET) as server:
        place.relay(server.port)
        place.put("=HYPERLINK(evil).csv", PEOPLE)
        place.put("list.docx", b"PK")
        said = place.mailer("run")
        taken = server.taken()
    place.write("var/queue/incoming/young.csv.part", "name,email\n")
    place.drop(1, "waiting.csv", first=50)
    return SimpleNamespace(place=place, said=said, taken=taken, **_read(place.root))


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("demonstration")
    said = mailer(folder, "demo")
    return SimpleNamespace(root=folder / "demo", said=said, **_read(folder / "demo"))


def _read(root: Path) -> dict[str, Any]:
    return {"status": mailer(root, "status", "--json").json, "log": mailer(root, "log", "--json").lines}


def _is_moment(text: object) -> bool:
    """RFC 3339, in UTC."""
    return isinstance(text, str) and text.endswith("Z") and datetime.fromisoformat(text).utcoffset() is not None


# -- the keys that are promised


def test_status_has_the_promised_keys(varied):
    status = varied.status
    assert set(status) >= {"campaigns", "files", "in_doubt", "next_attempt_at", "relay"}
    (campaign,) = status["campaigns"].values()
    assert set(campaign) >= {"signatures", "duplicates", "rejected_rows", "letters", "targets"}
    assert set(status["files"]) >= {"done", "rejected", "waiting"}
    assert set(status["relay"]) >= {"mode", "state"}
    assert _is_moment(status["next_attempt_at"])


def test_each_line_of_the_log_has_the_promised_keys_and_times(varied):
    for line in varied.log:
        assert set(line) >= LOG_KEYS
        assert _is_moment(line["queued_at"])
        assert (line["accepted_at"] is None) == (line["state"] != "accepted")
        assert (line["next_attempt_at"] is None) == (line["state"] not in {"queued", "deferred"})
        assert all(at is None or _is_moment(at) for at in (line["accepted_at"], line["next_attempt_at"]))
        for recipient in line["recipients"]:
            assert set(recipient) == {"address", "role", "state", "reply"}


def test_the_letters_meet_all_that_this_instance_was_made_for(varied):
    assert varied.said.code == 65
    states = Counter(line["state"] for line in varied.log)
    assert set(states) == {"accepted", "refused", "deferred", "in_doubt", "held", "by_hand"}


# -- sums


@pytest.mark.parametrize("instance", ["varied", "demo"])
def test_every_row_of_every_file_is_taken_known_or_rejected(request, instance):
    scene = request.getfixturevalue(instance)
    told = re.findall(r"^.*: (\d+) rows?, (\d+) taken, (\d+) known, (\d+) rejected$", scene.said.out, re.MULTILINE)
    sums = [sum(int(one[place]) for one in told) for place in range(4)]
    assert told
    assert sums[0] == sum(sums[1:])
    (campaign,) = scene.status["campaigns"].values()
    assert sums[1:] == [campaign["signatures"], campaign["duplicates"], campaign["rejected_rows"]]


def test_the_samples_come_to_what_their_description_says(demo):
    described = (REPOSITORY / "samples/README.md").read_text()
    numbers = re.search(r"finds (\d+) rows: (\d+) good .*?, (\d+) already known, (\d+) bad", described)
    assert numbers
    campaign = demo.status["campaigns"]["kazakhstan"]
    found = [campaign["signatures"], campaign["duplicates"], campaign["rejected_rows"]]
    assert [int(number) for number in numbers.groups()] == [sum(found), *found]


@pytest.mark.parametrize("instance", ["varied", "demo"])
def test_every_signature_has_one_letter_to_each_target(request, instance):
    scene = request.getfixturevalue(instance)
    (campaign,) = scene.status["campaigns"].values()
    pairs = Counter((line["signature"], line["target"]) for line in scene.log)
    assert set(pairs.values()) == {1}
    assert len({signature for signature, _ in pairs}) == campaign["signatures"]
    assert len(pairs) == campaign["signatures"] * len(campaign["targets"])


@pytest.mark.parametrize("instance", ["varied", "demo"])
def test_the_letters_by_state_are_those_by_target_and_those_of_the_log(request, instance):
    scene = request.getfixturevalue(instance)
    ((name, campaign),) = scene.status["campaigns"].items()
    by_target: Counter[str] = Counter()
    for counts in campaign["targets"].values():
        by_target.update(counts)
    assert campaign["letters"] == by_target == Counter(line["state"] for line in scene.log)
    for target, counts in campaign["targets"].items():
        assert counts == Counter(line["state"] for line in scene.log if line["target"] == target)
    assert {line["campaign"] for line in scene.log} == {name}
    assert scene.status["in_doubt"] == campaign["letters"].get("in_doubt", 0)


def test_the_files_are_counted_where_they_lie(varied):
    root = varied.place.root / "var/queue"
    assert (root / "incoming/waiting.csv").exists()
    assert (root / "done/=HYPERLINK(evil).csv").exists()
    assert (root / "rejected/list.docx").exists()
    assert varied.status["files"] == {"done": 1, "rejected": 1, "waiting": 1}


def test_the_next_attempt_is_the_first_of_those_in_the_log(varied):
    due = [line["next_attempt_at"] for line in varied.log if line["next_attempt_at"]]
    assert varied.status["next_attempt_at"] == min(due)


def test_status_for_people_says_the_same_as_for_scripts(varied):
    said = varied.place.mailer("status").out
    (campaign,) = varied.status["campaigns"].values()
    heads, *rows = [line.split("  ") for line in said.splitlines() if line.startswith("  ") and "─" not in line]
    states = [head.strip().replace(" ", "_") for head in heads if head.strip()][1:]
    shown = {}
    for row in rows:
        name, *counts = [cell.strip() for cell in row if cell.strip()]
        if name in {*campaign["targets"], "all"}:
            shown[name] = {state: int(count) for state, count in zip(states, counts, strict=True) if count != "0"}
    assert shown.pop("all") == campaign["letters"]
    assert shown == campaign["targets"]
    assert "c: 4 signatures, 2 known again, 1 row rejected" in said
    assert "Files: 1 done, 1 set aside, 1 waiting." in said


def test_the_journal_ends_each_letter_where_the_log_shows_it(varied):
    last = {}
    for text in (varied.place.root / "var/journal.jsonl").read_text().splitlines():
        told = json.loads(text)
        if told["event"] == "letter":
            last[told["letter"]] = told["to"]
    moved = {line["letter"]: line["state"] for line in varied.log if line["attempts"]}
    assert last == moved


# -- what the log says of a letter


def test_a_letter_that_was_taken_is_at_the_far_side_under_its_message_id(varied):
    taken = {message.message_id for message in varied.taken}
    accepted = {line["message_id"] for line in varied.log if line["state"] == "accepted"}
    in_doubt = {line["message_id"] for line in varied.log if line["state"] == "in_doubt"}
    assert len(varied.taken) == len(taken)
    assert taken == accepted | in_doubt
    assert len(in_doubt) == 1


def test_the_recipients_are_those_of_the_configuration_with_what_each_was_told(varied):
    refused = next(line for line in varied.log if line["state"] == "refused")
    assert refused["recipients"] == [
        {"address": "head@court.example", "role": "to", "state": "refused", "reply": "550 5.1.1 no such office"},
        {"address": "press@court.example", "role": "cc", "state": "dropped", "reply": ""},
        {"address": "copies@campaign.example", "role": "copy", "state": "dropped", "reply": ""},
    ]
    assert refused["reason"] == "there is no such mailbox"
    assert refused["reply"].startswith("550 5.1.1")
    doubtful = next(line for line in varied.log if line["state"] == "in_doubt")
    assert {one["state"] for one in doubtful["recipients"]} == {"in_doubt"}
    held = next(line for line in varied.log if line["state"] == "held")
    assert (held["target"], held["reason"], held["attempts"], held["recipients"]) == ("embassy", "no route", 0, [])
    by_hand = next(line for line in varied.log if line["state"] == "by_hand")
    assert (by_hand["target"], by_hand["channel"]) == ("administration", "phone")


def test_the_log_leads_back_to_the_row_that_a_letter_was_written_from(demo):
    filed = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in (demo.root / "var/sandbox/new").iterdir()]
    letters = {str(message["Message-ID"]): str(message["Reply-To"].addresses[0].addr_spec) for message in filed}
    accepted = [line for line in demo.log if line["state"] == "accepted"]
    assert {line["message_id"] for line in accepted} == set(letters)
    for line in accepted:
        rows = (demo.root / "var/queue/done" / line["file"]).read_text("utf-8-sig").splitlines()
        assert letters[line["message_id"]].casefold() in rows[line["line"] - 1].casefold()


def test_what_waits_is_what_the_log_shows_as_queued_or_deferred(varied):
    waits = varied.place.mailer("status", "--waiting", "--json").json["waiting"]
    found = Counter(
        line["target"]
        for state in ("queued", "deferred")
        for line in varied.place.mailer("log", "--json", "--state", state).lines
    )
    assert {wait["target"]: wait["letters"] for wait in waits} == found
    assert all(sum(wait["ages"].values()) == wait["letters"] >= wait["due"] and wait["per_hour"] is None for wait in waits)
    shown = varied.place.mailer("status", "--waiting").out
    assert all(re.search(rf"c +{target} +{count} ", shown) for target, count in found.items()), shown


def test_no_answer_names_a_signatory(varied):
    said = varied.place.mailer("log").out + varied.place.mailer("status").out + varied.place.mailer("show", "1").out
    for personal in ("Well Taken", "well@example.org", "Never Answered", "doubt@example.org"):
        assert personal not in said + json.dumps(varied.log)


# -- choosing


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ("--state accepted", lambda line: line["state"] == "accepted"),
        ("--target embassy", lambda line: line["target"] == "embassy"),
        ("--target embassy --state held", lambda line: (line["target"], line["state"]) == ("embassy", "held")),
        ("--campaign c", lambda line: line["campaign"] == "c"),
        ("--state in_doubt --limit 5", lambda line: line["state"] == "in_doubt"),
    ],
)
def test_the_log_holds_exactly_what_was_asked_for(varied, words, fits):
    found = varied.place.mailer("log", "--json", *words.split()).lines
    assert found
    assert found == [line for line in varied.log if fits(line)]


def test_a_reason_is_chosen_by_its_own_words(varied):
    found = varied.place.mailer("log", "--json", "--reason", "no route").lines
    assert found == [line for line in varied.log if line["reason"] == "no route"]


def test_a_limit_gives_the_first_letters(varied):
    assert varied.place.mailer("log", "--json", "--limit", "3").lines == varied.log[:3]


def test_the_table_the_csv_and_the_json_tell_of_the_same_letters(varied):
    table = varied.place.mailer("log")
    heads, *rows = list(csv.reader(varied.place.mailer("log", "--csv").out.splitlines()))
    assert [int(line.split()[0]) for line in table.out.splitlines()[1:]] == [line["letter"] for line in varied.log]
    assert f"{len(varied.log)} letters." in table.err
    assert heads[0] == "letter"
    for row, line in zip(rows, varied.log, strict=True):
        told = dict(zip(heads, row, strict=True))
        assert told["file"] == "'" + line["file"]  # a spreadsheet would take it for a formula
        assert {name: cell for name, cell in told.items() if name != "file"} == {
            name: "" if line[name] is None else str(line[name]) for name in heads if name != "file"
        }


def test_show_tells_what_the_log_tells_and_every_attempt(varied):
    for state, has_dot in {"accepted": True, "deferred": False, "in_doubt": True, "held": False}.items():
        line = next(line for line in varied.log if line["state"] == state)
        shown = varied.place.mailer("show", str(line["letter"]), "--json").json
        attempts = shown.pop("attempt_list")
        assert shown.pop("evidence") == []
        assert shown == line
        assert [attempt["outcome"] for attempt in attempts] == [state] * line["attempts"]
        assert [attempt["dot_at"] is not None for attempt in attempts] == [has_dot] * line["attempts"]


def test_show_says_what_a_doubt_is_and_how_it_ends(varied):
    doubtful = next(line for line in varied.log if line["state"] == "in_doubt")
    said = varied.place.mailer("show", str(doubtful["letter"]))
    assert "no usable answer to the final dot" in said.out
    assert f"mailer resolve {doubtful['letter']} --accepted --why TEXT" in said.err


def test_following_the_log_shows_the_moves_that_were_asked_for_and_no_others(varied, tmp_path):
    root = copied(varied.place.root, tmp_path / "instance")
    (root / "config/mailer.yaml").write_text("relay: {mode: sandbox}\nrun_for: 1\nwhole_after: 0\n")
    with started(root, "log", "--follow", "--state", "accepted", "--json") as following:
        assert "Following" in following.hint()
        assert mailer(root, "cancel", "--state", "held", "--why", "moves that nobody asked to see").code == 0
        assert mailer(root, "run").code == 0
        moved = [json.loads(following.line()) for _ in range(2)]
        ended = following.end()
    assert {(move["event"], move["to"], move["target"]) for move in moved} == {
        ("letter", "accepted", "court"),
        ("letter", "accepted", "ministry"),
    }
    assert ended.out == ""
