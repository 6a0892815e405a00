"""The log: the same records in every format, one JSON object a line, the journal's priorities, nothing personal anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from mailer.log import EVENTS
from tests.installed import COMMAND, REPOSITORY, TIMEOUT, Place, Said, at_work, environment, on_a_terminal, shown_lines
from tests.servers.available import wait
from tests.servers.rules import Reply, Rule
from tests.servers.spawned import SpawnedServer

FORMS = ("plain", "journal", "json")
PRIORITIES = {"error": "<3>", "warning": "<4>", "info": "<6>", "debug": "<7>"}
LEVELS = {10: "debug", 20: "info", 30: "warning", 40: "error"}
NAME, LOCAL, FILE = "Canary Person", "canary.person", "canary-list"


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[SpawnedServer]:
    """A server that refuses the first letter, and says whose it was."""
    with SpawnedServer(
        tmp_path / "far-side", [Rule("dot", Reply(f"550 5.7.1 {NAME} <{LOCAL}.0@example.org> no"), nth=1)]
    ) as server:
        yield server


def busy(root: Path, relay: SpawnedServer) -> Place:
    """Here a pass has something to tell at every level: one letter is refused, a file set aside, a folder mended."""
    place = Place(root, "pace: none\napproval: none\n")
    place.relay(relay.port)
    rows = [f"{NAME},{LOCAL}.{number}@example.org,IE" for number in range(3)]
    place.put(f"{FILE}.csv", "\n".join(["name,email,country", *rows, f"{NAME},none,IE", ""]))
    place.put(f"{FILE}-odd.csv", f"{NAME},{LOCAL}@example.org\n")
    (place.root / "var/queue/incoming").chmod(0o777)
    return place


def as_journal(place: Place, *words: str, stream: str = "stderr") -> Said:
    """Run it as systemd does: a stream is known as the journal by its device and number."""
    ours, its = os.pipe()
    found = os.fstat(its)
    out, err = (its if stream == name else subprocess.PIPE for name in ("stdout", "stderr"))
    environ = environment(JOURNAL_STREAM=f"{found.st_dev}:{found.st_ino}")
    with subprocess.Popen([COMMAND, *words], cwd=place.root, env=environ, text=True, stdout=out, stderr=err) as process:
        os.close(its)
        with open(ours, encoding="utf-8") as journal:
            told = journal.read()
        printed, said = process.communicate(timeout=TIMEOUT)
        return Said(process.returncode, *((told, said) if stream == "stdout" else (printed, told)))


def records(said: Said) -> list[dict[str, object]]:
    return [json.loads(line) for line in said.err.splitlines()]


def told(said: Said, form: str) -> list[str]:
    """What a pass has told, without what differs between two instances, formats and moments."""
    if form == "json":
        lines = [line for record in records(said) for line in str(record["message"]).splitlines()]
    else:
        lines = [line.removeprefix("mailer: ") for line in said.err.splitlines()]
    lines = [re.sub(r"^<\d>", "", line) for line in lines]
    return sorted(re.sub(r"/\S*/var|127\.0\.0\.1:\d+", "…", line) for line in lines)


@pytest.mark.parametrize("level", [(), ("-v",), ("--quiet",)], ids=["normal", "verbose", "quiet"])
def test_each_level_shows_the_same_in_every_format(tmp_path, level):
    seen = {}
    for form in FORMS:
        with SpawnedServer(tmp_path / f"{form}-side", [Rule("dot", Reply("550 5.7.1 no"), nth=1)]) as server:
            place = busy(tmp_path / form, server)
            said = place.mailer(*level, "--log-format", form, "run")
        assert said.code == 65
        seen[form] = told(said, form)
    assert seen["plain"] == seen["journal"] == seen["json"]
    has = {
        word: any(word in line for line in seen["json"])
        for word in ("accepted (", "4 rows", "refused (", "set aside", "status")
    }
    assert (
        list(has.values())
        == {
            (): [False, False, True, True, True],
            ("-v",): [True, True, True, True, True],
            ("--quiet",): [False, False, False, True, False],
        }[level]
    )


def test_a_record_has_its_event_s_name_level_time_and_fields(tmp_path, relay):
    said = busy(tmp_path / "here", relay).mailer("-v", "--log-format", "json", "run")
    found = records(said)
    for record in found:
        event = EVENTS[str(record["event"])]
        assert list(record)[:4] == ["time", "level", "event", "message"]
        assert set(record) == {"time", "level", "event", "message", *event.fields}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(record["time"]))
        assert record["level"] in {LEVELS[event.level], "debug" if event.calm else ""}
    by_name = {record["event"]: record for record in found}
    assert {"mended", "file_taken", "file_set_aside", "letter_settled", "hint"} <= by_name.keys()
    assert by_name["file_taken"] | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "file_taken",
        "message": by_name["file_taken"]["message"],
        "campaign": "c",
        "file": by_name["file_taken"]["file"],
        "rows": 4,
        "taken": 3,
        "known": 0,
        "rejected": 1,
    }
    (refused,) = [record for record in found if record.get("state") == "refused"]
    assert (refused["campaign"], refused["target"], refused["level"]) == ("c", "court", "warning")
    assert refused["reason"] == "the server refuses by policy" and str(refused["answer"]).startswith("550 5.7.1 …")


def test_in_the_journal_a_record_has_its_priority(tmp_path, relay):
    place = busy(tmp_path / "here", relay)
    prefixes = {line[:3]: line for line in place.mailer("-v", "--log-format", "journal", "run").err.splitlines()}
    assert set(prefixes) == set(PRIORITIES.values())
    assert "set aside" in prefixes["<3>"] and "accepted" in prefixes["<7>"]


@pytest.mark.parametrize("form", FORMS)
def test_no_format_holds_anything_personal(tmp_path, relay, form):
    place = busy(tmp_path / "here", relay)
    told = [place.mailer("-v", "--log-format", form, "run").err]
    place.mailer("pause", "--why", "moved")
    told += [place.mailer("-v", "--log-format", form, *words).err for words in (["run"], ["status"], ["health"], ["verify"])]
    assert "refused" in told[0] and "set aside" in told[0]
    assert not [word for word in (NAME, LOCAL, FILE, "example.org") if word.lower() in "".join(told).lower()], told


@pytest.mark.parametrize("form", FORMS)
def test_what_a_restore_says_of_a_file_does_not_name_it(tmp_path, form):
    place = Place(tmp_path / "here", "pace: none\n")
    place.drop(1)
    assert place.mailer("run").code == 0
    (place.root / "var/high-water").rename(tmp_path / "gone")
    assert place.mailer("resume", "ledger", "--why", "restored").code == 0
    place.put(f"{FILE}.csv", f"name,email,country\n{NAME},{LOCAL}@example.org,IE\n")
    said = place.mailer("--log-format", form, "run")
    assert "before the ledger was restored" in said.err
    assert not [word for word in (NAME, LOCAL, FILE) if word.lower() in said.err.lower()]


def test_stderr_that_is_the_journal_is_known_by_itself(tmp_path, relay):
    said = as_journal(busy(tmp_path / "here", relay), "run")
    assert said.code == 65 and said.err
    assert all(re.match("<[3-7]>", line) for line in said.err.splitlines())
    assert not re.search("^<", said.out, re.MULTILINE)
    assert as_journal(busy(tmp_path / "told", relay), "--log-format", "plain", "run").err.startswith("mailer: ")


def test_a_journal_that_is_another_stream_s_leaves_plain_lines(tmp_path, relay):
    said = as_journal(busy(tmp_path / "here", relay), "run", stream="stdout")
    assert said.err.startswith("mailer: ")


def test_results_that_go_to_the_journal_name_no_file(tmp_path, relay):
    place = busy(tmp_path / "here", relay)
    said = as_journal(place, "run", stream="stdout")
    assert ": 4 rows, 3 taken, 0 known, 1 rejected" in said.out
    assert ": set aside whole" in said.out
    assert not [word for word in (NAME, LOCAL, FILE) if word.lower() in said.out.lower()]
    assert [re.sub(r":.*", "", line) for line in said.out.splitlines()][:2] == ["file 1", "file 2"]


@pytest.mark.parametrize(
    ("words", "code", "events"),
    [
        (["run"], 78, ["refused_configuration", "failed"]),
        (["run", "--nonsense"], 64, ["refused_usage"]),
        (["nonsense"], 64, ["refused_usage"]),
        (["--nonsense"], 64, ["refused_usage"]),
        (["--config"], 64, ["refused_usage"]),
        (["--config", "nowhere.yaml", "status"], 78, ["refused_configuration", "failed"]),
        (["init", "."], 64, ["failed"]),
    ],
)
def test_why_a_command_failed_is_a_record_too(tmp_path, words, code, events):
    place = Place(tmp_path, "pace: none\n", "spol: x\n")
    said = place.mailer("--log-format", "json", "--quiet", *words)
    assert said.code == code
    assert [record["event"] for record in records(said)] == events
    assert {record["level"] for record in records(said)} == {"error"}
    said = place.mailer("--log-format", "journal", *words)
    assert all(line.startswith("<3>") for line in said.err.splitlines())


def test_several_lines_are_one_record_in_json_and_a_prefix_each_in_the_journal(tmp_path):
    place = Place(tmp_path, "pace: none\n", "spol: x\nrelya: y\n")
    first, last = records(place.mailer("--log-format", "json", "run"))
    assert first["event"] == "refused_configuration" and last["event"] == "failed" and last["exit_code"] == 78
    problems = first["problems"]
    assert isinstance(problems, list) and len(problems) == 2 and first["message"] == "\n".join(problems)
    assert place.mailer("--log-format", "journal", "run").err.splitlines() == [
        f"<3>{line}" for line in [*problems, last["message"]]
    ]
    assert place.mailer("run").err.splitlines() == [*problems, f"mailer: {last['message']}"]


def test_a_worker_tells_a_configuration_that_went_wrong_as_one_record(tmp_path):
    place = Place(tmp_path / "here", "pace: none\n")
    with at_work(place.root, tmp_path, "--log-format", "json") as worker:
        place.write("config/mailer.yaml", "spol: x\nrelya: y\n")
        record = json.loads(worker.hint())
        ended = worker.end()
    assert record["event"] == "misconfigured" and len(record["problems"]) == 2
    assert record["message"].splitlines()[1:] == record["problems"]
    assert json.loads(ended.err.splitlines()[0])["event"] == "stopping"


def test_quiet_says_nothing_where_all_is_well_and_results_stay(tmp_path):
    place = Place(tmp_path, "pace: none\n")
    place.drop(2)
    said = place.mailer("--quiet", "run")
    assert (said.code, said.err) == (0, "")
    assert "Letters: 2 accepted" in said.out
    assert "accepted" in place.mailer("-q", "status").out


def has_sent(place: Place, count: int) -> bool:
    return (place.root / "var/sandbox/new").exists() and place.sandboxed() == count


def test_a_quiet_worker_tells_no_file_and_one_that_is_not_does(tmp_path):
    for word, expected in (("--quiet", 0), ("--log-format=plain", 1)):
        place = Place(tmp_path / word, "pace: none\n")
        with at_work(place.root, tmp_path / word, word) as worker:
            place.drop(2)
            assert wait(partial(has_sent, place, 2))
            said = worker.end()
        assert said.err.count("2 rows") == expected
        assert said.code == 0


def test_json_stays_json_on_a_stderr_of_another_encoding(tmp_path):
    said = Place(tmp_path).mailer("--log-format", "json", "pause", "liberté", "--why", "x", PYTHONIOENCODING="ascii")
    (record,) = records(said)
    assert "«liberté»" in str(record["message"]) and record["exit_code"] == 64


def test_quiet_and_verbose_exclude_each_other(tmp_path):
    assert Place(tmp_path).mailer("--quiet", "-v", "run").code == 64


def test_on_a_terminal_json_stays_json_and_quiet_draws_no_bar(tmp_path):
    place = Place(tmp_path, "pace: none\n")
    place.drop(3)
    said = on_a_terminal(place.root, "-v", "--log-format", "json", "run", columns=40)
    assert [json.loads(line)["event"] for line in said.err.splitlines()].count("letter_settled") == 3
    place.drop(3, "more.csv", 10)
    assert on_a_terminal(place.root, "--quiet", "run").err == ""
    place.drop(3, "most.csv", 20)
    assert any("rows read" in line or "letters" in line for line in shown_lines(on_a_terminal(place.root, "run").err))


def table() -> list[str]:
    """The table of events, as the operators' page has it."""
    rows = ["| event | level | fields | what it says |", "|---|---|---|---|"]
    for event in EVENTS.values():
        level = LEVELS[event.level] + (f"; debug: {', '.join(sorted(event.calm))}" if event.calm else "")
        rows.append(f"| `{event.name}` | {level} | {' '.join(event.fields) or '-'} | {event.meaning} |")
    return rows


def test_the_table_of_events_on_the_operators_page_is_that_of_the_code():
    page = (REPOSITORY / "docs/operating.md").read_text(encoding="utf-8").split("## The log\n")[1].split("\n## ")[0]
    assert [line for line in page.splitlines() if line.startswith("|")] == table(), "\n".join(table())
