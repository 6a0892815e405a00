"""What a hostile tester broke once, each named for how."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailer.outcome import Handover, Recipient, Reply, Role, Stage, Standing, decide, may_send
from tests.installed import Place
from tests.servers.rules import Reply as Said
from tests.servers.rules import Rule, StoreThenDrop
from tests.servers.spawned import SpawnedServer

TARGETS = "targets: {court: {name: Court, form_of_address: Dear, to: head@court.example, cc: [press@court.example]}}\n"


@contextmanager
def served(tmp_path: Path, *rules: Rule) -> Iterator[tuple[Place, SpawnedServer]]:
    """An instance of one office with a cc, and a server that follows these rules."""
    with SpawnedServer(tmp_path / "far-side", list(rules)) as server:
        place = Place(tmp_path / "instance", f"pace: none\napproval: none\n{TARGETS}")
        place.relay(server.port)
        main = place.root / "config/mailer.yaml"
        main.write_text(main.read_text().replace("run_for: 1\n", "run_for: 20\nretry: {first: 1, max: 1, jitter: 0}\n"))
        yield place, server


def test_a_cc_that_is_deferred_and_then_refused_ends_the_letter_and_not_the_worker(tmp_path):
    cc = "press@court.example"
    rules = (
        Rule("rcpt", Said("450 4.2.0 later"), recipient=cc, nth=1),
        Rule("rcpt", Said("550 5.1.1 no"), recipient=cc, nth=2),
    )
    with served(tmp_path, *rules) as (place, server):
        place.drop(1)
        assert place.mailer("run").code == 0
        line = place.mailer("log", "--json").lines[0]
        assert line["state"] == "accepted"
        assert {one["role"]: one["state"] for one in line["recipients"]} == {"to": "accepted", "cc": "refused"}
        assert len(server.taken()) == 1
        assert place.mailer("verify").code == 0


def test_a_person_s_acceptance_of_a_doubt_leaves_a_deferred_cc_to_be_asked(tmp_path):
    cc = Rule("rcpt", Said("450 4.2.0 later"), recipient="press@court.example", nth=1)
    with served(tmp_path, cc, Rule("dot", StoreThenDrop(), nth=1)) as (place, server):
        main = place.root / "config/mailer.yaml"
        main.write_text(main.read_text().replace("tls: none", "tls: none, dot_timeout: 1"))
        place.drop(1)
        place.mailer("run")
        assert place.letters("in_doubt") == 1
        for _ in range(50):  # until the server can no longer answer
            if place.mailer("resolve", "1", "--accepted", "--why", "seen in the copies").code == 0:
                break
        assert place.letters("deferred") == 1
        assert place.mailer("run").code == 0
        assert [taken.recipients for taken in server.taken()] == [("head@court.example",), ("press@court.example",)]
        assert place.letters("accepted") == 1


def test_a_pause_gives_no_letter_up(tmp_path):
    with served(tmp_path, Rule("rcpt", Said("450 4.2.0 later"), recipient="head@court.example")) as (place, _):
        main = place.root / "config/mailer.yaml"
        main.write_text(main.read_text().replace("run_for: 20", "run_for: 1").replace("max: 1", "max: 1, give_up_after: 1"))
        place.drop(1)
        place.mailer("run", "--limit", "1")
        place.mailer("pause", "--why", "a week of thinking")
        for _ in range(4):
            place.mailer("run")
        assert place.letters("deferred") == 1
        place.mailer("resume", "--why", "thought")
        for _ in range(3):  # on a slow machine a pass of one second ends before the next try is due
            place.mailer("run")
        assert place.letters("expired") == 1


TO, COPY = Recipient("head@court.example", Role.TO), Recipient("copies@campaign.example", Role.COPY)


def test_what_a_server_says_of_a_copy_holds_no_letter_up():
    fine, quota = Reply(250, "2.1.5", "fine"), Reply(452, "4.3.1", "mailbox quota exceeded")
    assert may_send([TO, COPY], [fine, quota])
    assert not may_send([TO, COPY], [quota, fine])
    came = decide([TO, COPY], Handover(Stage.DOT, Reply(250, "", "taken"), (fine, quota)))
    assert came.verdict.value == "accepted"
    assert came.recipients[0].state is Standing.ACCEPTED
    assert came.recipients[1].state is not Standing.ACCEPTED


def test_what_waits_for_an_office_that_became_a_phone_number_is_for_people_to_do(tmp_path):
    with served(tmp_path) as (place, server):
        place.drop(1)
        assert place.mailer("run", "--intake-only").code == 0
        campaign = place.root / "config/campaigns/c.yaml"
        before = campaign.read_text()
        campaign.write_text(before.replace(TARGETS, "targets: {court: {kind: phone, name: Court, phone: '+7 717'}}\n"))
        place.mailer("run")
        line = place.mailer("log", "--json").lines[0]
        assert (line["state"], line["reason"]) == ("by_hand", "")
        assert not server.taken()
        campaign.write_text(before)
        assert place.mailer("run").code == 0
        assert len(server.taken()) == 1


def test_what_a_crash_left_claimed_is_finished_before_any_letter_goes_also_where_nothing_is_to_be_taken_in(tmp_path):
    with served(tmp_path) as (place, server):
        claimed = place.write(
            "var/queue/claimed/01J8ZK3S4T5V6W7X8Y9Z0A1B2C._.list.csv", "name,email\nPerson 1,one@example.org\n"
        )
        assert place.mailer("run", "--send-only").code == 0
        assert not claimed.exists()
        assert len(server.taken()) == 1
