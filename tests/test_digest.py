"""
The campaign's own copies: of every letter, as one mail a day, or none; and that none of them holds a letter up.

Real instances, a server with a script, a clock in hand.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from mailer import notices
from mailer.address import parse
from mailer.ledger import Selection
from mailer.notice import Digest, NewNotice
from mailer.preview import read
from tests.offices import LETTER, NOON, Scene, at_work, drop, instance
from tests.relays import COPY, TO, settings_for
from tests.servers.record import Taken
from tests.servers.scripted import Drop, Reply, Rule, ScriptedServer

DAY = 86_400
SECOND = "second@campaign.example"
CAMPAIGN = f"""\
approval: none
consent: assumed
pace: none
copy_to: [{COPY}, {SECOND}]
copy_policy: digest
targets: {{court: {{name: Court, to: {TO}, timezone: UTC}}, office: {{name: Office, to: ministry@office.example}}}}
"""


async def turn(scene: Scene, server: Any) -> None:
    """What a pass does once files are taken in."""
    await notices.think(scene.ledger, scene.office.desks, int(scene.time.now))
    await scene.send(settings_for(server))
    await notices.think(scene.ledger, scene.office.desks, int(scene.time.now))


def digests(server: ScriptedServer) -> list[Taken]:
    return [one for one in server.taken if one.message["Auto-Submitted"]]


def text(one: Taken) -> str:
    return read(one.data).text


async def test_a_digest_tells_of_each_day_once_when_it_is_over(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    async with at_work(here) as scene, ScriptedServer([Rule("rcpt", Reply("550 5.1.1 no"), nth=2, recipient=TO)]) as server:
        await turn(scene, server)
        drop(here, 5)
        await scene.take_in()
        for _ in range(3):
            await turn(scene, server)
        assert digests(server) == [] and len(server.taken) == 9
        assert {one.recipients for one in server.taken} == {(TO,), ("ministry@office.example",)}
        scene.time.now = NOON + DAY // 2 - 1
        await turn(scene, server)
        assert digests(server) == []
        scene.time.now += 1  # midnight, UTC
        for _ in range(3):
            await turn(scene, server)
        (one,) = digests(server)
        assert (one.sender, one.recipients, one.message["Reply-To"]) == ("", (COPY, SECOND), None)
        assert one.message["To"] == f"{COPY}, {SECOND}" and one.message["Subject"] == "c: 9 letters accepted, 2011-09-20"
        assert text(one).startswith(
            "On 2011-09-20 (UTC), A title:\n\nSignatures taken in: 5\n"
            "Letters accepted by the mail server: 9\n  Court: 4\n  Office: 5\n"
        )
        assert "\n  accepted: 9\n  refused: 1\n" in text(one)
        # The first three letters, word for word.
        for name in ("Signer 1", "Signer 2"):
            assert f"{name}, 20 September 2011" in text(one)
        assert text(one).count("Drop the charges. Снимите обвинения.") == 3
        assert "From: Signer 1 via Sender <letters@campaign.example>\nTo: Court <head@court.example>" in text(one)
        # A day on which nothing happens is told to nobody.
        scene.time.now += DAY
        await turn(scene, server)
        await turn(scene, server)
        assert len(digests(server)) == 1
        assert sum(scene.ledger.tally().values()) == 10 and not list(scene.ledger.disagreements())


async def test_a_digest_goes_first_and_no_limit_of_letters_counts_it(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    async with at_work(here) as scene, ScriptedServer() as server:
        await turn(scene, server)
        drop(here, 3)
        await scene.take_in()
        await scene.send(settings_for(server), limit=2)
        scene.time.now += DAY
        await notices.think(scene.ledger, scene.office.desks, int(scene.time.now))
        sent = await scene.send(settings_for(server), limit=3)
        assert [bool(one.message["Auto-Submitted"]) for one in server.taken[2:]] == [True, False, False, False]
        assert (sent.states, sent.notices) == ({"accepted": 3}, {"accepted": 1})


async def test_a_day_that_was_told_is_not_written_down_again(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    async with at_work(here) as scene:
        told = NewNotice("digest c 2011-09-20", "c", Digest("2011-09-20", "2011-09-20", 1, {}, {}), "campaign.example")
        assert [await scene.ledger.write_notices([told], {}, NOON) for _ in range(2)] == [1, 0]
        assert list(scene.ledger.notices().values()) == [1]


async def test_days_on_which_nobody_ran_are_told_together(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    async with at_work(here) as scene, ScriptedServer() as server:
        await turn(scene, server)
        drop(here, 1)
        await scene.take_in()
        await turn(scene, server)
        scene.time.now += 3 * DAY
        await turn(scene, server)
        await turn(scene, server)
        assert [one.message["Subject"] for one in digests(server)] == ["c: 2 letters accepted, 2011-09-20 to 2011-09-22"]


async def test_what_was_before_it_was_switched_on_is_not_told(tmp_path):
    here = instance(tmp_path, CAMPAIGN.replace("copy_policy: digest", "copy_policy: none"))
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await turn(scene, server)
        assert [one.recipients for one in server.taken] == [(TO,), ("ministry@office.example",)]
    here.campaign(CAMPAIGN)
    async with at_work(here) as scene, ScriptedServer() as server:
        for scene.time.now in (NOON + DAY, NOON + DAY, NOON + 2 * DAY, NOON + 2 * DAY):
            await turn(scene, server)
        assert server.taken == []


async def test_switched_on_again_it_does_not_tell_what_was_while_it_was_off(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    async with at_work(here) as scene, ScriptedServer() as server:
        await turn(scene, server)
    here.campaign(CAMPAIGN.replace("copy_policy: digest", "copy_policy: none"))
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        scene.time.now += DAY
        await scene.take_in()
        await turn(scene, server)
        assert len(server.taken) == 2
    here.campaign(CAMPAIGN)
    async with at_work(here) as scene, ScriptedServer() as server:
        for days in (5, 6, 7):
            scene.time.now = NOON + days * DAY
            await turn(scene, server)
        assert server.taken == []


async def test_a_letter_that_can_not_be_written_as_it_went_out_is_not_shown(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    async with at_work(here) as scene, ScriptedServer() as server:
        await turn(scene, server)
        drop(here, 1)
        await scene.take_in()
        await turn(scene, server)
    here.write("templates/c/en/letter.txt.j2", LETTER + "One line more.\n")
    async with at_work(here) as scene, ScriptedServer() as server:
        scene.time.now += DAY
        await turn(scene, server)
        await turn(scene, server)
        (one,) = digests(server)
        assert "Signer" not in text(one)
        changed = "its template, its target or its sender was changed since"
        assert "Letter 1 cannot be shown:" in text(one) and changed in " ".join(text(one).split())


async def test_who_has_left_meanwhile_is_not_shown_and_an_erasure_finds_the_digest_that_did(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    async with at_work(here) as scene, ScriptedServer() as server:
        await turn(scene, server)
        drop(here, 2)
        await scene.take_in()
        await turn(scene, server)
        persons = scene.office.desks["c"].recogniser.persons(parse("signer1@private.example"))
        await scene.ledger.withdraw("c", persons, NOON)
        scene.time.now += DAY
        await turn(scene, server)
        await turn(scene, server)
        (one,) = digests(server)
        assert "Signer 1" not in text(one) and "Signer 2" in text(one)
        other = scene.office.desks["c"].recogniser.persons(parse("signer2@private.example"))
        theirs = scene.ledger.letters_of([("c", person) for person in other])
        assert one.message_id in {id for id, _ in theirs} and len(theirs) == 3


@pytest.mark.parametrize("said", ["550 5.1.1 no such user", "452 4.2.2 full", "451 4.3.0 later"])
@pytest.mark.parametrize("policy", ["every", "digest"])
async def test_a_copy_that_is_not_taken_holds_no_letter(tmp_path, policy, said):
    here = instance(tmp_path, CAMPAIGN.replace("copy_policy: digest", f"copy_policy: {policy}"))
    refused = [Rule("rcpt", Reply(said), recipient=COPY), Rule("rcpt", Reply(said), recipient=SECOND)]
    async with at_work(here) as scene, ScriptedServer(refused) as server:
        await turn(scene, server)
        drop(here, 4)
        await scene.take_in()
        await turn(scene, server)
        scene.time.now += DAY
        await turn(scene, server)
        await turn(scene, server)
        assert scene.states() == {"accepted": 8} and len(server.taken) == 8
        assert all(len(scene.ledger.attempts(record.letter)) == 1 for record in scene.records())
        assert not list(await scene.ledger.streaks()) and not await scene.ledger.pauses()
        told = {state for _, _, state, _ in scene.ledger.notices()}
        assert told == (set() if policy == "every" else {"refused"} if said.startswith("550") else {"deferred"})


async def test_who_had_the_digest_gets_it_once_though_another_does_not_answer(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    async with (
        at_work(here) as scene,
        ScriptedServer([Rule("rcpt", Reply("451 4.3.0 later"), nth=1, recipient=SECOND)]) as server,
    ):
        await turn(scene, server)
        drop(here, 1)
        await scene.take_in()
        await turn(scene, server)
        for scene.time.now in (NOON + DAY, NOON + DAY, NOON + DAY + 600):
            await turn(scene, server)
        assert Counter(who for one in digests(server) for who in one.recipients) == {COPY: 1, SECOND: 1}


async def test_switched_off_what_waits_is_not_sent(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    async with at_work(here) as scene, ScriptedServer([Rule("mail", Drop(), recipient="")]) as server:
        await turn(scene, server)
        drop(here, 1)
        await scene.take_in()
        await turn(scene, server)
        scene.time.now += DAY
        await turn(scene, server)
        await turn(scene, server)
        assert [key[1:3] for key in scene.ledger.notices()] == [("@digest", "deferred")]
    here.campaign(CAMPAIGN.replace("copy_policy: digest", "copy_policy: every"))
    async with at_work(here) as scene, ScriptedServer() as server:
        scene.time.now += 2 * DAY
        await turn(scene, server)
        assert [key[1:3] for key in scene.ledger.notices()] == [("@digest", "cancelled")]
        assert server.taken == [] and len(scene.records()) == len(list(scene.ledger.records(Selection(state="accepted")))) == 2


async def test_behind_a_ledger_that_was_put_back_no_day_is_told_twice(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    async with at_work(here) as scene, ScriptedServer() as server:
        await turn(scene, server)
        drop(here, 1)
        await scene.take_in()
        await turn(scene, server)
        while await scene.ledger.hold_restored(NOON, 10):
            pass
        for scene.time.now in (NOON + DAY, NOON + DAY):
            await turn(scene, server)
        assert digests(server) == []
