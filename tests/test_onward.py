"""
What the relay's log says finds its letter, changes what is shown of it, and does nothing else.

Letters go to a server of our own first; the log is what a Postfix would have written about them. The end-to-end ones, with a
Postfix, are in test_onward_for_real.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer import app, checks, health, rules
from mailer.address import parse
from mailer.inbox import Harvest
from mailer.ledger import Evidence, Hop
from mailer.ledger.hearing import KEPT
from mailer.maillog import Follower
from mailer.onward import Onward
from tests.installed import Place, started
from tests.maillogs import OK, SERVER, Log, begun, line, named, queued, refused, removed, taken, went
from tests.mails import bounce
from tests.offices import COURT as WITH_CC
from tests.offices import NOON, RETRY, Scene, at, at_work, beside, drop, instance
from tests.relays import CC, COPY, TO, impatient, settings_for
from tests.servers.available import wait
from tests.servers.scripted import Reply, Rule, ScriptedServer, StoreThenHang
from tests.steps import killed_at_each_step
from tests.test_inbox import BARE, COURT, RETURNED, came, sent, with_a_receipt

GONE = refused(f"550 5.1.1 <{TO}>: User unknown")
LATER = refused("451 4.7.1 greylisted")
NAME = "4Hr6yF0KQqzJqVW"


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def follower(scene: Scene, log: Log, at_once: int = 1 << 19) -> Onward:
    return Onward(scene.ledger, scene.office.desks, Follower(log.path, at_once), scene.time.clock)


async def read(scene: Scene, log: Log, *lines: str) -> Harvest:
    """These lines were written, and the log is looked at."""
    log.write(*lines)
    return await follower(scene, log).look()


def hop(scene: Scene, address: str = TO, letter: int = 1) -> Hop:
    return next(one for one in scene.one(letter).hops if one.address == address)


def pieces(scene: Scene, letter: int = 1) -> list[Evidence]:
    return list(scene.ledger.evidence(letter))


# -- what is shown


async def test_what_became_of_each_recipient_is_kept_with_its_server_s_words_and_moves_nothing(tmp_path, log):
    here = instance(tmp_path, BARE + f"copy_to: [{COPY}]\ntargets: {{{WITH_CC}}}\n")
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        found = await read(
            scene,
            log,
            taken(letter, NAME, NOON),
            went(NAME, TO.upper(), NOON + 1),
            went(NAME, CC, NOON + 1, "deferred", LATER),
            went(NAME, COPY, NOON + 2, said="delivered to maildir", server="local"),
            went(NAME, "stranger@private.example", NOON + 2),
        )
        assert found.kinds == {"handed on": 2, "deferred": 1} and not found.moved
        assert hop(scene) == Hop(TO, "handed on", SERVER, "2.0.0", OK, NOON + 1, NOON + 1, 1, f"postfix/{NAME}")
        assert (hop(scene, CC).state, hop(scene, CC).said) == ("deferred", "451 4.7.1 greylisted")
        assert len(scene.one().hops) == 3 and scene.one().state == "accepted" and pieces(scene) == []
        assert scene.ledger.hops() == {("c", "court", "handed on"): 1, ("c", "court", "deferred"): 1}
        assert b"stranger" not in scene.on_disk()
        assert not list(scene.ledger.disagreements())


async def test_a_deferral_says_since_when_and_how_often_until_it_ends(tmp_path, log):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        await read(scene, log, taken(letter, NAME, NOON), went(NAME, TO, NOON, "deferred", LATER))
        for hours in (1, 2):
            await read(scene, log, queued(NAME, 1, NOON), went(NAME, TO, NOON + hours * 3600, "deferred", LATER))
        assert (hop(scene).since, hop(scene).at, hop(scene).times) == (NOON, NOON + 7200, 3)
        assert scene.ledger.waits_at_relay(NOON + 1) == {"c": 1} and scene.ledger.waits_at_relay(NOON) == {}
        await read(scene, log, went(NAME, TO, NOON + 9000), removed(NAME, NOON + 9000))
        assert (hop(scene).state, hop(scene).since, hop(scene).times) == ("handed on", NOON + 9000, 1)
        assert scene.ledger.waits_at_relay(NOON + 1) == {}


# -- what comes back


@pytest.mark.parametrize("first", ["log", "mail"])
async def test_a_bounce_that_the_log_and_a_mail_tell_counts_once(tmp_path, log, first):
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 3)
    async with at_work(here) as scene, ScriptedServer() as server:
        letters = await sent(scene, server)
        for number, letter in enumerate(letters, 1):
            lines = (taken(letter, f"AAAA{number}", NOON), went(f"AAAA{number}", TO, NOON, "bounced", GONE))
            if first == "log":
                assert (await read(scene, log, *lines)).moved == {"bounced": 1}
                assert not (await came(scene, bounce("postfix", letter))).moved
            else:
                assert (await came(scene, bounce("postfix", letter))).moved == {"bounced": 1}
                assert not (await read(scene, log, *lines)).moved
            record = scene.one(number)
            assert record.state == "bounced" and record.recipients[0][2] == "bounced"
            assert record.reason == "there is no such mailbox"
            # Three letters, not six reports, and not before the third.
            assert bool((await scene.office.ruling()).bounced) is (number == 3)
        assert scene.ledger.answers()["c", "court", "bounced"][0] == 3
        moves = [json.loads(link.line) for link in scene.ledger.journal(0, 99)]
        assert sum(move.get("to") == "bounced" for move in moves) == 3
        assert not list(scene.ledger.disagreements())
        scene.assert_sound()


async def test_what_the_relay_gives_up_comes_back_with_what_was_said_last(tmp_path, log):
    here = instance(tmp_path, BARE + f"targets: {{{WITH_CC}}}\n")
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        gone = line("qmgr", f"{NAME}: from=<letters@campaign.example>, status=expired, returned to sender", NOON + 9)
        found = await read(
            scene, log, taken(letter, NAME, NOON), went(NAME, CC, NOON), went(NAME, TO, NOON, "deferred", LATER), gone
        )
        assert found.moved == {"bounced": 1} and scene.one().state == "bounced"
        assert (hop(scene).state, hop(scene).said, hop(scene, CC).state) == ("bounced", "451 4.7.1 greylisted", "handed on")


async def test_of_several_recipients_the_letter_comes_back_with_the_last_and_never_for_a_copy(tmp_path, log):
    here = instance(tmp_path, BARE + f"copy_to: [{COPY}]\ntargets: {{{WITH_CC}}}\n")
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        await read(scene, log, taken(letter, NAME, NOON), *(went(NAME, one, NOON, "bounced", GONE) for one in (CC, COPY)))
        assert scene.one().state == "accepted"
        await read(scene, log, went(NAME, TO, NOON, "bounced", GONE))
        assert scene.one().state == "bounced" and {row[2] for row in scene.one().recipients} == {"bounced"}


async def test_what_the_relay_made_of_an_address_is_shown_and_moves_nothing(tmp_path, log):
    """An alias of several: one that comes back is not all of them."""
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        text = f"{NAME}: to=<one@court.example>, orig_to=<{TO}>, relay={SERVER}, delay=1, dsn=5.1.1, status=bounced ({GONE})"
        found = await read(scene, log, taken(letter, NAME, NOON), line("smtp", text, NOON))
        assert (hop(scene).state, scene.one().state, found.moved) == ("bounced", "accepted", {})


async def test_what_is_said_of_an_earlier_attempt_is_not_said_of_a_later_one(tmp_path, log):
    """In doubt, sent again by a person, accepted; only then the log tells that the first one had come back."""
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang(), nth=1)]) as server:
        await doubt(scene, server)
        scene.time.now = now = NOON + 3600
        assert await scene.ledger.resolve(1, accepted=False, why="asked", now=now, not_before=0) == ""
        await scene.send(settings_for(server))
        assert scene.one().state == "accepted"
        first, second = server.taken
        came_back = went(NAME, TO, NOON + 1, "bounced", GONE) + removed(NAME, NOON + 1)
        found = await read(scene, log, taken(first, NAME, NOON), came_back)
        assert scene.one().state == "accepted" and not found.moved and hop(scene).state == "bounced"
        found = await read(scene, log, taken(second, "BBBBB2", now), went("BBBBB2", TO, now, "bounced", GONE))
        assert scene.one().state == "bounced" and found.moved == {"bounced": 1}


async def test_a_line_that_is_there_before_the_answer_to_the_dot_waits_for_it(tmp_path, log):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        message_id = scene.one().message_id
        (due,) = await scene.claimed()
        log.write(begun(NAME, NOON), named(NAME, message_id, NOON), queued(NAME, 1, NOON))

        log.write(went(NAME, TO, NOON, "bounced", GONE), removed(NAME, NOON))

        def look() -> None:  # another program, before the server answers
            async def once() -> None:
                async with at_work(here, scene.time) as other:
                    found = await follower(other, log).look()
                    assert other.one().state == "sending" and not found.moved and len(other.one().hops) == 1

            asyncio.run(once())

        async with at(server, "dot", look):
            await scene.courier(settings_for(server)).carry(due)
        assert scene.one().state == "accepted"
        assert (await read(scene, log)).moved == {"bounced": 1}


# -- doubts


async def doubt(scene: Scene, server: ScriptedServer) -> str:
    await scene.take_in()
    await scene.send(impatient(server))
    assert scene.one().state == "in_doubt"
    return scene.one().message_id


@pytest.mark.parametrize(
    ("lines", "state"),
    [
        ("named", "in_doubt"),  # the headers had come, the dot perhaps not
        ("named queued for fewer", "in_doubt"),
        ("named queued", "accepted"),
        ("named queued removed", "accepted"),
        ("queued", "in_doubt"),
        ("named begun queued", "in_doubt"),  # the id is another mail's
        ("named other queued", "in_doubt"),
        ("before", "in_doubt"),  # of an earlier attempt
    ],
)
async def test_a_doubt_ends_where_the_relay_says_that_the_letter_is_in_its_queue(tmp_path, log, lines, state):
    here = instance(tmp_path, BARE + f"targets: {{{WITH_CC}}}\n")
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang())]) as server:
        id = await doubt(scene, server)
        written = {
            "named": named(NAME, id, NOON),
            "queued": queued(NAME, 2, NOON),
            "for": "",
            "fewer": queued(NAME, 1, NOON),
            "removed": removed(NAME, NOON),
            "begun": begun(NAME, NOON),
            "other": named(NAME, "<1.0123456789abcdef0123@other.example>", NOON),
            "before": named(NAME, id, NOON - 9) + queued(NAME, 2, NOON - 9) + went(NAME, TO, NOON - 8),
        }
        words = lines.split()
        if "fewer" in words:
            words.remove("queued")
        found = await read(scene, log, *(written[word] for word in words))
        assert scene.one().state == state and found.moved == ({"accepted": 1} if state == "accepted" else {})
        assert [one.kind for one in pieces(scene)] == ["queued"] * (state == "accepted")
        assert not list(scene.ledger.disagreements()) and len(server.taken) == 1
        scene.assert_sound()


async def test_a_doubt_about_one_is_not_ended_by_a_letter_that_another_had_before(tmp_path, log):
    """A content filter gives the first one back so late that it is younger than the second; it is for one recipient, too."""
    here = instance(tmp_path, BARE + f"targets: {{{WITH_CC}}}\n")
    drop(here, 1)
    later = Rule("rcpt", Reply("451 4.7.1 later"), recipient=CC, nth=1)
    async with at_work(here) as scene, ScriptedServer([later, Rule("dot", StoreThenHang(), nth=2)]) as server:
        await scene.take_in()
        await scene.send(settings_for(server))
        assert [row[2] for row in scene.one().recipients] == ["accepted", "deferred"]
        scene.time.now += 3_600
        await scene.send(impatient(server))
        assert [row[2] for row in scene.one().recipients] == ["accepted", "in_doubt"]
        late, id = NOON + 3_700, scene.one().message_id
        await read(scene, log, named(NAME, id, late), queued(NAME, 1, late), went(NAME, TO, late), removed(NAME, late))
        assert scene.one().state == "in_doubt"
        await read(scene, log, named("BBBBB2", id, late), queued("BBBBB2", 1, late), went("BBBBB2", CC, late))
        assert scene.one().state == "accepted"


async def test_a_doubt_ends_recipient_by_recipient_where_only_that_is_told(tmp_path, log):
    here = instance(tmp_path, BARE + f"targets: {{{WITH_CC}}}\n")
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang())]) as server:
        id = await doubt(scene, server)
        await read(scene, log, named(NAME, id, NOON), went(NAME, TO, NOON, "deferred", LATER))
        assert scene.one().state == "in_doubt" and [row[2] for row in scene.one().recipients] == ["accepted", "in_doubt"]
        found = await read(scene, log, went(NAME, CC, NOON), went(NAME, TO, NOON + 5, "bounced", GONE), removed(NAME, NOON + 5))
        assert found.moved == {"accepted": 1, "bounced": 1} and scene.one().state == "bounced"
        moves = [json.loads(link.line) for link in scene.ledger.journal(0, 99)]
        told = [(move["from"], move["to"], move["who"]) for move in moves if move["event"] == "letter"]
        assert told[-2:] == [("in_doubt", "accepted", "rule"), ("accepted", "bounced", "rule")]
        assert not list(scene.ledger.disagreements())


# -- queue ids


async def test_what_a_later_queue_id_says_goes_before_as_behind_a_content_filter(tmp_path, log):
    """A filter gives the letter back before it answers, so what is said of the first id comes last."""
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        filter = "127.0.0.1[127.0.0.1]:10024"
        await read(
            scene,
            log,
            taken(letter, NAME, NOON),
            taken(letter, "4Hr6yF0KQqzSECOND", NOON),
            went("4Hr6yF0KQqzSECOND", TO, NOON, "deferred", LATER),
            went(NAME, TO, NOON, said="250 2.0.0 Ok: queued as 4Hr6yF0KQqzSECOND", server=filter),
            removed(NAME, NOON),
        )
        assert (hop(scene).state, hop(scene).server) == ("deferred", SERVER)
        await read(scene, log, went("4Hr6yF0KQqzSECOND", TO, NOON + 60), removed("4Hr6yF0KQqzSECOND", NOON + 60))
        assert hop(scene).state == "handed on"


@pytest.mark.parametrize("between", ["days", "removed", "begun", "another instance", "too long"])
async def test_a_queue_id_is_the_letter_s_until_it_goes_or_is_another_s(tmp_path, log, between):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        await read(scene, log, taken(letter, NAME, NOON))
        later = NOON + 4 * 86_400
        if between in {"removed", "begun"}:
            log.write({"removed": removed, "begun": begun}[between](NAME, later))
        if between == "too long":
            later = NOON + KEPT + 1
        scene.time.now = later
        await read(scene, log, begun("4Hr6yF0KQqzOTHER", later))
        if between == "another instance":
            log.write(went(NAME, TO, later).replace("postfix/", "postfix-out/"))
        else:
            log.write(went(NAME, TO, later))
        await follower(scene, log).look()
        assert len(scene.one().hops) == (between == "days")


# -- what is not kept


async def test_what_a_server_quotes_of_a_signatory_is_not_kept_and_of_somebody_erased_only_codes(tmp_path, log):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer() as server:
        letters = await sent(scene, server)
        (knows,) = (await app.recognisers(scene.office)).values()
        await scene.ledger.erase([("c", one) for one in knows.persons(parse("signer2@private.example"))], ("c", None), NOON)
        for number, letter in enumerate(letters, 1):
            words = refused(f"451 4.7.1 no mail of Signer {number} <signer{number}@private.example> for <{TO}>")
            await read(scene, log, taken(letter, f"AAAA{number}", NOON), went(f"AAAA{number}", TO, NOON, "deferred", words))
        assert hop(scene).said.startswith("451 4.7.1 no mail of …") and "igner" not in hop(scene).said
        assert hop(scene, letter=2).said == "451 4.7.1"
        data = scene.on_disk()
        assert b"signer1@" not in data.lower() and b"signer2@" not in data.lower()


async def test_of_a_receipt_no_address_is_kept(tmp_path, log):
    async with with_a_receipt(tmp_path) as (scene, _, receipt):
        found = await read(scene, log, taken(receipt, NAME, NOON), went(NAME, receipt.recipients[0], NOON, "bounced", GONE))
        assert not found.kinds and not found.moved
        data = scene.on_disk()
        assert b"signer1@" not in data.lower()


# -- whatever is written there


ODD = [
    "x",
    "(",
    ")",
    "status=bounced (550",
    ", ",
    f"to=<{TO}>",
    "\x00",
    "é",
    "#012",
    "message-id=",
    "(queue active)",
    "removed",
]
STRANGE = st.lists(st.sampled_from(ODD)).map("".join)
FOREIGN = "<1.0123456789abcdef0123@campaign.example>"
LINES = st.one_of(
    st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")),
    st.builds(lambda text: named("FFFFF1", text, NOON), st.text(max_size=40) | st.just(FOREIGN)),
    st.builds(lambda status: went("FFFFF1", TO, NOON, status), st.sampled_from(["sent", "deferred", "bounced"])),
    st.builds(lambda odd: line("smtp", f"{NAME}: to=<{odd}>, relay=x, dsn=5.1.1, status=bounced (x)", NOON), STRANGE),
    st.builds(lambda odd: went(NAME, TO, NOON, "sent", said=odd), STRANGE),
    st.builds(lambda odd: line("cleanup", f"{NAME}: warning: header Subject: {odd}", NOON), STRANGE),
    st.builds(lambda odd: line("smtpd", f"NOQUEUE: reject: helo=<{odd}>", NOON), STRANGE),
)


async def test_whatever_stands_in_the_log_nothing_raises_and_no_letter_moves(tmp_path, log):
    """Of letter 1 the relay says truly that it was handed on; whatever else is written may change the words, and no state."""
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang(), nth=2)]) as server:
        await scene.take_in()
        await scene.send(impatient(server))
        assert scene.states() == {"accepted": 1, "in_doubt": 1}
        await read(scene, log, taken(server.taken[0], NAME, NOON))
        loop = asyncio.get_running_loop()

        def hostile() -> None:
            @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
            @given(st.lists(LINES, max_size=8))
            def each(lines: list[str]) -> None:
                with log.path.open("ab") as file:
                    file.write("".join(lines).encode("utf-8", "replace") + b"\n")
                found = asyncio.run_coroutine_threadsafe(follower(scene, log).look(), loop).result(30)
                assert not found.moved and not found.troubles

            each()

        await asyncio.to_thread(hostile)
        assert scene.states() == {"accepted": 1, "in_doubt": 1} and len(server.taken) == 2
        await rules.redecide(scene.ledger, await scene.office.ruling(), RETRY, NOON)
        await scene.send(settings_for(server))
        assert len(server.taken) == 2 and not list(scene.ledger.disagreements())


# -- the place in the log


async def test_killed_at_any_step_the_place_and_what_was_read_agree(tmp_path, log):
    here = instance(tmp_path, BARE + f"targets: {{{WITH_CC}}}\n")
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang(), nth=2)]) as server:
        await scene.take_in()
        await scene.send(impatient(server))
        ids = [scene.one(number).message_id for number in (1, 2)]
        assert scene.states() == {"accepted": 1, "in_doubt": 1}
    for number, id in enumerate(ids, 1):
        log.write(begun(f"AAAA{number}", NOON), named(f"AAAA{number}", id, NOON), queued(f"AAAA{number}", 2, NOON))
        log.write(*(went(f"AAAA{number}", TO, NOON + second, "deferred", LATER) for second in (1, 2, 3)))
        log.write(
            went(f"AAAA{number}", CC, NOON),
            went(f"AAAA{number}", TO, NOON + 9, "bounced", GONE),
            removed(f"AAAA{number}", NOON + 9),
        )
    folder = here.root / "var"
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    ended = []

    async def once() -> str:
        async with at_work(here) as scene:
            await follower(scene, log, 1_200).look()
            assert not list(scene.ledger.disagreements())
            told = [json.loads(link.line).get("to") for link in scene.ledger.journal(0, 99)]
            return repr((scene.records(), pieces(scene, 1), pieces(scene, 2), told))

    def look(_step: int) -> None:
        """Go on with what was left, then put back what there was before."""
        ended.append(asyncio.run(once()))
        for path in folder.iterdir():
            if path.is_file():
                path.unlink()
        for name, data in before.items():
            (folder / name).write_bytes(data)

    await asyncio.to_thread(killed_at_each_step, lambda: asyncio.run(once()), look)
    assert len(ended) > 40 and len(set(ended)) == 1
    assert ended[0].count("state='bounced', reason='there is no such mailbox'") == 2


async def test_of_a_long_log_a_worker_reads_a_part_at_a_time_and_goes_on_with_its_letters(tmp_path, log):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        log.write(taken(letter, NAME, NOON), *(removed(f"FFFF{number}", NOON) for number in range(1_000)), went(NAME, TO, NOON))
        reader = follower(scene, log, 4_096)
        looks = 0
        while looks == 0 or reader.is_behind:
            assert len(scene.one().hops) == 0
            await reader.look(4)
            looks += 1
        assert looks > 4 and hop(scene).state == "handed on"
        seen: list[tuple[int, int]] = []
        log.write(went(NAME, TO, NOON + 1))
        await follower(scene, log).look(told=lambda done, all: seen.append((done, all)))
        assert seen and seen[-1][0] == seen[-1][1]


def test_a_pass_reads_a_long_log_to_its_end_and_says_what_it_said(tmp_path, log):
    place = Place(tmp_path / "here", "approval: none\npace: none\n", f"relay: {{log: {log.path}}}")
    place.drop(1)
    assert place.mailer("run").code == 0
    (letter,) = place.mailer("log", "--json").lines
    now = time.time()
    foreign = named("FFFFF1", "<x@other.example>", now) * 100_000
    last = went(NAME, TO, now, "deferred", "connect to x[1]:25: timed out", server="none")
    log.write(named(NAME, letter["message_id"], now), foreign, last)
    assert log.path.stat().st_size > 8_000_000
    said = place.mailer("run")
    assert said.code == 0 and "The relay's log: 1 deferred." in said.out
    shown = place.mailer("show", "1").out
    assert f"{TO}: deferred; the relay said connect to x[1]:25: timed out at 20" in shown
    assert place.letters("accepted") == 1 and "nothing new of a letter" in place.mailer("inbox").out


def test_a_worker_that_stays_reads_a_long_log_part_by_part_and_takes_in_a_file_meanwhile(tmp_path, log):
    place = Place(tmp_path / "here", "approval: none\npace: none\n", f"relay: {{log: {log.path}}}")
    now = time.time()
    log.write(named("FFFFF1", "<x@other.example>", now) * 200_000)  # four parts, a second between two
    with started(place.root, "work"):
        place.drop(1)
        assert wait(lambda: place.sandboxed() == 1 if (place.root / "var/sandbox/new").exists() else False)
        assert place.mailer("status").code == 0
        with closing(sqlite3.connect(f"file:{place.root}/var/ledger.db?mode=ro", uri=True)) as ledger:
            assert wait(lambda: ledger.execute("SELECT offset FROM relay_log").fetchall() == [(log.path.stat().st_size,)])


def test_a_check_says_that_the_log_cannot_be_read_and_how_it_could(tmp_path, log):
    assert checks.relay_log(log.path).notes == ()
    assert "there is no such file yet" in checks.relay_log(tmp_path / "nowhere").notes[0]
    if os.geteuid() == 0:
        log.path.chmod(0o640)
        tmp_path.chmod(0o755)
        with as_nobody():
            (said,) = checks.relay_log(log.path).notes
        assert "usermod -aG adm mailer" in said
    place = Place(tmp_path / "here", "", f"relay: {{log: {tmp_path}/nowhere}}")
    checked = place.mailer("check")
    assert checked.code == 0 and f"note: relay: log: {tmp_path}/nowhere: there is no such file yet" in checked.out
    assert place.mailer("run").code == 0
    assert "what the relay did with letters is not read" in place.mailer("health").out


@contextmanager
def as_nobody() -> Iterator[None]:
    """With the rights of an account that has none."""
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_log_that_cannot_be_read_is_told_once_and_needs_a_person(tmp_path, log, caplog):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        await read(scene, log, taken(letter, NAME, NOON))
        log.path.rename(tmp_path / "elsewhere")
        for _ in range(2):
            found = await follower(scene, log).look()
            assert found.troubles == [f"{log.path}: there is no such file"]
        assert caplog.text.count("what the relay did with letters is not read") == 1
        (said,) = health.unread(scene.ledger, str(log.path))
        assert "there is no such file" in said and health.unread(scene.ledger, "None") == []
        (tmp_path / "elsewhere").rename(log.path)
        await read(scene, log, went(NAME, TO, NOON))
        assert health.unread(scene.ledger, str(log.path)) == [] and hop(scene).state == "handed on"
        # Of a log that is not configured any more nothing is remembered.
        (tmp_path / "other").mkdir()
        other = Log(tmp_path / "other")
        await follower(scene, other).look()
        assert [mark.name for mark in scene.ledger.relay_logs()] == [str(other.path)]


async def test_many_letters_that_wait_at_the_relay_need_a_person(tmp_path, log):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 20)
    async with at_work(here) as scene, ScriptedServer() as server:
        for number, letter in enumerate(await sent(scene, server)):
            await read(scene, log, taken(letter, f"AAA{number:03}", NOON), went(f"AAA{number:03}", TO, NOON, "deferred", LATER))
        spool = app.spool_of(scene.office.configuration)
        for hours, is_told in ((4, False), (5, True), (5, False)):
            scene.time.now = NOON + hours * 3600
            if hours == 5 and not is_told:
                await read(scene, log, went("AAA007", TO, NOON + 9))
            said = await health.ailments(scene.ledger, "relay", scene.time.clock, spool, lambda: True, {})
            assert any("letters of c in the relay's own queue for more than 4 h" in one for one in said) is is_told


async def test_the_table_of_queue_ids_keeps_only_what_is_in_the_queue(tmp_path, log):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 3)
    async with at_work(here) as scene, ScriptedServer() as server:
        for number, letter in enumerate(await sent(scene, server)):
            log.write(taken(letter, f"AAAA{number}", NOON), went(f"AAAA{number}", TO, NOON), removed(f"AAAA{number}", NOON))
        await read(scene, log, taken(letter, "BBBBB1", NOON))
        with beside(scene) as db:
            assert list(db.execute("SELECT queue FROM relay_queue")) == [("postfix/BBBBB1",)]
