"""preview --send-to: an organiser gets one of each letter as it would arrive, now, and nothing counts it."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from tests.installed import Place
from tests.servers.rules import Reply, Rule
from tests.servers.spawned import SpawnedServer

ANNA = "anna@campaign.example"
TARGETS = """\
targets:
  court: {name: Court, form_of_address: Dear Madam Chair, to: head@court.example, cc: press@court.example}
  office: {name: Office, to: ministry@office.example, language: ru}
"""
CAMPAIGN = f"organisers: {{anna: {ANNA}}}\ncopy_to: copies@campaign.example\n{TARGETS}"


@pytest.fixture
def relay(tmp_path):
    with SpawnedServer(tmp_path / "far-side", []) as server:
        yield server


def made(root: Path) -> Place:
    """A campaign that nobody has approved, in two languages."""
    place = Place(root / "instance", CAMPAIGN)
    text = (place.root / "config/campaigns/c.yaml").read_text()
    place.write("config/campaigns/c.yaml", text.replace("{default: en}", "{default: en, available: [en, ru]}"))
    place.write("templates/c/ru/subject.txt.j2", "Письмо от {{ signature.name }}\n")
    place.write("templates/c/ru/letter.txt.j2", "{{ target.name }}!\n\n{{ signature.name }}\n")
    return place


def test_an_organiser_gets_one_of_each_and_nobody_else_anything(tmp_path, relay):
    place = made(tmp_path)
    place.relay(relay.port)
    place.drop(2)
    assert place.mailer("run").code == 69  # not approved: no letter goes
    said = place.mailer("preview", "c", "--send-to", "anna")
    assert (said.code, said.out) == (0, "6 letters for anna: 6 accepted.\n")
    assert [one.recipients for one in relay.taken()] == [(ANNA,)] * 6
    assert {one.sender for one in relay.taken()} == {"letters@campaign.example"}
    seen = [one.message for one in relay.taken()]
    assert [str(one["To"]) for one in seen] == [
        f'"Trial {number} of 6: {what}" <{ANNA}>'
        for number, what in enumerate(
            [f"{what}, {voice}" for what in ("court, en", "court, ru", "office, ru") for voice in ("person", "organisation")], 1
        )
    ]
    assert {(one["Cc"], str(one["Reply-To"]), one["Auto-Submitted"]) for one in seen} == {
        (None, "Sender <letters@campaign.example>", "auto-generated")
    }
    assert str(seen[0]["From"]) == "Jane O'Specimen via Sender <letters@campaign.example>"
    assert str(seen[0]["Subject"]) == "Letter of Jane O'Specimen"
    assert "Dear Madam Chair," in seen[0].get_content() and "Office!" in seen[4].get_content()
    # It is counted among no letters, and can be given again.
    told = place.mailer("status", "--json").json["campaigns"]["c"]
    assert told["letters"] == {"held": 4} and told["notices"] == {"trial": {"accepted": 6}}
    assert len(place.mailer("log", "--json").lines) == 4
    assert place.mailer("preview", "c", "--send-to", "anna").out.startswith("6 letters for anna: 6 accepted")
    assert place.mailer("verify").code == 0
    assert "trials: 12 accepted" in place.mailer("status").out


def test_of_the_letters_that_wait_none_goes_with_it(tmp_path, relay):
    place = made(tmp_path)
    text = (place.root / "config/campaigns/c.yaml").read_text()
    place.write("config/campaigns/c.yaml", f"approval: none\n{text}")
    place.relay(relay.port)
    place.drop(2)
    place.mailer("run", "--intake-only")
    assert place.mailer("preview", "c", "--send-to", "anna").code == 0
    assert [one.recipients for one in relay.taken()] == [(ANNA,)] * 6
    assert place.letters("queued") == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["c", "--send-to", "boris"], "names no organiser «boris»; there are: anna"),
        (["c", "--send-to", "anna", "--out", "here"], "--send-to goes without FILE and --out"),
        (["d", "--send-to", "anna"], "there is no campaign «d»"),
    ],
)
def test_what_it_is_not_for_is_refused(tmp_path, words, said):
    place = made(tmp_path)
    told = place.mailer("preview", *words)
    assert (told.code, told.out) == (64, "") and said in told.err


def test_without_organisers_it_says_where_to_write_them(tmp_path):
    told = Place(tmp_path).mailer("preview", "c", "--send-to", "anna")
    assert told.code == 64 and "write organisers: {anna: ADDRESS} there" in told.err


def test_a_letter_that_cannot_be_written_sends_none(tmp_path, relay):
    place = made(tmp_path)
    place.relay(relay.port)
    place.write("templates/c/ru/letter.txt.j2", "{{ nothing }}\n")
    said = place.mailer("preview", "c", "--send-to", "anna")
    assert said.code == 78 and "ru/letter.txt.j2:1: 'nothing' is undefined" in said.err and not relay.taken()


def test_while_sending_is_paused_nothing_goes(tmp_path, relay):
    place = made(tmp_path)
    place.relay(relay.port)
    place.drop(1)
    place.mailer("run", "--intake-only")
    place.mailer("pause", "--why", "wait")
    said = place.mailer("preview", "c", "--send-to", "anna")
    assert said.code == 69 and "wait" in said.err and not relay.taken()


def test_what_the_relay_does_not_take_is_not_sent_later(tmp_path):
    place = made(tmp_path)
    with SpawnedServer(tmp_path / "one", [Rule("rcpt", Reply("451 4.3.0 later"))]) as relay:
        place.relay(relay.port)
        said = place.mailer("preview", "c", "--send-to", "anna")
        assert said.out == "6 letters for anna: 6 deferred.\n" and said.code == 69
        assert "not tried again" in said.err
    with SpawnedServer(tmp_path / "two", []) as relay:
        place.relay(relay.port)
        place.mailer("run")
        assert not relay.taken()
    assert place.mailer("status", "--json").json["campaigns"]["c"]["notices"] == {"trial": {"cancelled": 6}}
    place.relay(1)  # nobody listens there
    said = place.mailer("preview", "c", "--send-to", "anna")
    assert said.code == 75 and "the relay cannot be used just now" in said.err
    assert place.mailer("status", "--json").json["campaigns"]["c"]["notices"] == {"trial": {"cancelled": 12}}


def test_beside_a_mailer_at_work_it_leaves_them_to_that_one(tmp_path, relay):
    place = made(tmp_path)
    place.relay(relay.port)
    assert place.mailer("run").code == 0
    with open(place.root / "var/lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = place.mailer("preview", "c", "--send-to", "anna")
        assert said.code == 0 and "the mailer that is at work here sends them" in said.out
    assert not relay.taken()
    place.mailer("run")
    assert [one.recipients for one in relay.taken()] == [(ANNA,)] * 6
    journal = (place.root / "var/journal.jsonl").read_text().splitlines()
    assert {json.loads(line)["event"] for line in journal} == {"sending", "notice"}


def test_a_trial_does_not_pass_the_pace_of_its_organisers_domain(tmp_path, relay):
    place = made(tmp_path)
    place.relay(relay.port, ", domain_pace: {per_minute: 5}")
    said = place.mailer("preview", "c", "--send-to", "anna")  # in a pass that waits for nothing
    assert (said.code, said.out) == (69, "6 letters for anna: 5 accepted.\n")
    assert "not tried again" in said.err and len(relay.taken()) == 5
