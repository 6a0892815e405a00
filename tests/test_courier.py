"""
The life of one attempt, against a server that does what a script says: what the ledger says afterwards, whatever happened.

    OUTCOMES      a behaviour at a step -> the letter's state, its recipients' states, whether a try was counted, when next
    the mark      durable before the dot; where it fails or changes no row, no dot leaves
    again         who is asked, and with which bytes

Behind each test stands the ledger's oracle: no doubt without a mark, no acceptance without one.
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from mailer.courier import CHANGED, UNRENDERED, Refrained
from mailer.delivery import ORDERS, Due
from mailer.errors import MailerError
from mailer.ledger import Recovered, Selection
from mailer.ledger.reading import ReadingPart
from mailer.ledger.sqlite import SqliteLedger
from mailer.outcome import Outcome
from mailer.relay import Mode, Settings
from mailer.tasks import uncancelled
from tests.offices import (
    NOON,
    ONE_TARGET,
    SUBJECT,
    Scene,
    at,
    at_work,
    beside,
    break_ledger,
    copied,
    drop,
    instance,
    mend_ledger,
    on_a_slow_disk,
    taken_in,
    working,
)
from tests.relays import CC, COPY, SHORT, TO, impatient, settings_for
from tests.servers.rules import Action
from tests.servers.scripted import (
    Drip,
    Drop,
    Early,
    Extra,
    Garbage,
    Hang,
    Offers,
    Reset,
    Rule,
    ScriptedServer,
    Split,
    StoreThenDrop,
    StoreThenHang,
    StoreThenReset,
)
from tests.servers.scripted import Reply as Say
from tests.test_config.instance import Instance

ROLES = ("to", "cc", "copy")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """An instance with one letter to a `to`, a cc and a copy."""
    return asyncio.run(taken_in(tmp_path_factory.mktemp("prepared")))


@pytest.fixture
async def scene(prepared: Instance, tmp_path: Path) -> AsyncIterator[Scene]:
    """The same, for one test: a copy costs less than taking in."""
    async with at_work(copied(prepared, tmp_path / "instance")) as scene:
        yield scene
        scene.assert_sound()


async def carried(scene: Scene, relay: Settings, due: Due | None = None) -> Outcome | Refrained | None:
    """The only letter, claimed and carried over a connection of its own."""
    courier = scene.courier(relay)
    try:
        return await courier.carry(due or (await scene.claimed())[0])
    finally:
        await courier.close()


def standing(scene: Scene, letter: int = 1) -> str:
    """How the recipients stand, in one word each: to cc copy."""
    by_role = {role: state for _, role, state, _ in scene.one(letter).recipients}
    return " ".join(by_role[role] for role in ROLES) if by_role else ""


def dotted(server: ScriptedServer) -> list[tuple[str, ...]]:
    """For whom each final dot was."""
    return [dot.recipients for dot in server.dotted]


# -- outcomes


@dataclass(frozen=True)
class Row:
    """
    A behaviour of the server, and what the ledger says afterwards. `next_in` is in seconds, None: it is not due again.

    `marked`: whether the dot mark was written; None where it depends on how fast the server was heard.
    """

    script: tuple[Rule, ...]
    state: str
    recipients: str = "accepted accepted accepted"
    tries: int = 1
    next_in: int | None = None
    marked: bool | None = False
    dots: int = 0


def row(verb: Any, action: Action, state: str, recipients: str = "", *, only: str | None = None, **more: Any) -> Row:
    script = (Rule(verb, action, recipient=only),)
    if state == "accepted":
        more = {"marked": True, "dots": 1} | more
    return Row(script, state, recipients or "accepted accepted accepted", **more)


def unsent(verb: Any, action: Action) -> Row:
    """Before MAIL: the relay's matter, the letter stays due and no try is counted."""
    return row(verb, action, "queued", " ", tries=0, next_in=0)


def deferred(verb: Any, action: Action, recipients: str = "deferred deferred waiting", **more: Any) -> Row:
    return row(verb, action, "deferred", recipients, **({"next_in": 300} | more))


def stopped(verb: Any, action: Action, recipients: str = "deferred deferred waiting", **more: Any) -> Row:
    """The relay stopped it: it waits, and no try of the letter's own is counted."""
    return deferred(verb, action, recipients, **({"tries": 0} | more))


def refused(verb: Any, action: Action, recipients: str = "refused refused refused", **more: Any) -> Row:
    return row(verb, action, "refused", recipients, **more)


def doubtful(action: Action) -> Row:
    return row("dot", action, "in_doubt", "in_doubt in_doubt in_doubt", marked=True, dots=1)


def at_dot(made: Any, action: Action, **more: Any) -> Row:
    return made("dot", action, marked=True, dots=1, **more)  # type: ignore[no-any-return]


LOSSES: Mapping[str, Action] = {"drop": Drop(), "reset": Reset(), "hang": Hang(), "garbage": Garbage(), "cut": Split("250 ok")}
OUTCOMES: Mapping[str, Row] = {
    "all is well": Row((), "accepted", marked=True, dots=1),
    # before MAIL
    **{f"connect {name}": unsent("connect", action) for name, action in LOSSES.items()},
    **{f"ehlo {name}": unsent("ehlo", action) for name, action in LOSSES.items() if name != "cut"},
    "greeting 421": unsent("connect", Say("421 4.3.2 busy")),
    "greeting 554": unsent("connect", Say("554 5.3.2 go away")),
    "greeting 250": unsent("connect", Say("250 2.0.0 but not 220")),
    "ehlo 421": unsent("ehlo", Say("421 4.3.2 busy")),
    "ehlo 550": unsent("ehlo", Say("550 5.7.1 who are you")),
    # MAIL
    **{f"mail {name}": stopped("mail", action) for name, action in LOSSES.items()},
    "mail 421": stopped("mail", Say("421 4.3.2 closing")),
    "mail 451": deferred("mail", Say("451 4.3.0 later")),
    "mail 451 4.7.1": stopped("mail", Say("451 4.7.1 slow down")),
    "mail 452": deferred("mail", Say("452 4.3.1 disk full")),
    "mail 530": stopped("mail", Say("530 5.7.0 log in first")),
    "mail 550": deferred("mail", Say("550 5.1.0 no such sender")),
    "mail 552 5.3.4": refused("mail", Say("552 5.3.4 too large")),
    "mail 554 5.6.0": refused("mail", Say("554 5.6.0 malformed")),
    # RCPT
    **{f"rcpt {name}": stopped("rcpt", action) for name, action in LOSSES.items()},
    "to 251": row("rcpt", Say("251 2.1.5 will forward"), "accepted", only=TO),
    "to 252": row("rcpt", Say("252 2.1.5 will try"), "accepted", only=TO),
    "to 421": stopped("rcpt", Say("421 4.3.2 closing"), only=TO),
    "to 450": deferred("rcpt", Say("450 4.2.1 busy"), only=TO),
    "to 452 4.5.3": deferred("rcpt", Say("452 4.5.3 too many"), "waiting deferred waiting", only=TO),
    "to 550": refused("rcpt", Say("550 5.1.1 gone"), "refused dropped dropped", only=TO),
    "to 550 by policy": refused("rcpt", Say("550 5.7.1 spam"), "refused dropped dropped", only=TO),
    "to 550 without an enhanced code": refused("rcpt", Say("550 gone"), "refused dropped dropped", only=TO),
    "to 503": stopped("rcpt", Say("503 5.5.1 bad sequence"), only=TO),
    "all 550": refused("rcpt", Say("550 5.1.1 gone")),
    "all 450": deferred("rcpt", Say("450 4.2.1 busy"), "deferred deferred deferred"),
    "cc 550": row("rcpt", Say("550 5.1.1 gone"), "accepted", "accepted refused accepted", only=CC),
    "cc 450": deferred("rcpt", Say("450 4.2.1 busy"), "accepted deferred accepted", only=CC, marked=True, dots=1),
    "cc 452 4.5.3": deferred(
        "rcpt", Say("452 4.5.3 too many"), "accepted waiting accepted", only=CC, marked=True, dots=1, tries=0, next_in=0
    ),
    "cc drop": stopped("rcpt", Drop(), only=CC),
    "cc 421": stopped("rcpt", Say("421 4.3.2 closing"), only=CC),
    "cc 451 about the relay": stopped("rcpt", Say("451 4.4.5 too many letters, rate limit"), only=CC),
    "copy 450": row("rcpt", Say("450 4.2.1 busy"), "accepted", "accepted accepted deferred", only=COPY),
    "copy 550": row("rcpt", Say("550 5.1.1 gone"), "accepted", "accepted accepted refused", only=COPY),
    "copy 421": stopped("rcpt", Say("421 4.3.2 closing"), only=COPY),
    # DATA
    **{f"data {name}": stopped("data", action) for name, action in LOSSES.items()},
    "data 250": stopped("data", Say("250 2.0.0 but not 354")),
    "data 421": stopped("data", Say("421 4.3.2 closing")),
    "data 451": deferred("data", Say("451 4.3.0 later")),
    "data 503": deferred("data", Say("503 5.5.1 bad sequence")),
    "data 554": refused("data", Say("554 5.7.1 no")),
    # the body
    "body drop": stopped("body", Drop(), marked=None),
    "body reset": stopped("body", Reset(), marked=None),
    "body garbage": stopped("body", Garbage(), marked=None),
    "body 421": stopped("body", Early("421 4.3.2 closing", then="drop"), marked=None),
    "body 451": deferred("body", Early("451 4.3.0 later"), marked=None),
    "body 250": stopped("body", Early("250 2.0.0 taken already", then="answer"), marked=None),
    "body 552": refused("body", Early("552 5.3.4 too large", then="drop"), marked=None),
    "body 554": refused("body", Early("554 5.7.1 spam", then="answer"), marked=None),
    # the dot
    **{f"dot {name}": doubtful(action) for name, action in LOSSES.items()},
    "dot taken, drop": doubtful(StoreThenDrop()),
    "dot taken, reset": doubtful(StoreThenReset()),
    "dot taken, hang": doubtful(StoreThenHang()),
    "dot 354": doubtful(Say("354 go on")),
    "dot mixed codes": doubtful(Say("250-taken\n550 or not")),
    "dot 200": row("dot", Say("200 fine"), "accepted"),
    "dot 299": row("dot", Say("299 fine"), "accepted"),
    "dot drip": row("dot", Drip("250 2.0.0 taken"), "accepted"),
    "dot and more": row("dot", Extra("554 5.0.0 what was that"), "accepted"),
    "dot 421": at_dot(stopped, Say("421 4.3.2 closing")),
    "dot 450": at_dot(deferred, Say("450 4.3.0 later")),
    "dot 451 4.7.1": at_dot(deferred, Say("451 4.7.1 greylisted")),
    "dot 552 5.2.2": at_dot(deferred, Say("552 5.2.2 full")),
    "dot 552 5.3.4": at_dot(refused, Say("552 5.3.4 too large")),
    "dot 554": at_dot(refused, Say("554 5.7.1 spam")),
    "dot 554 5.6.0": at_dot(refused, Say("554 5.6.0 malformed")),
}


@pytest.mark.parametrize("name", OUTCOMES)
async def test_what_becomes_of_a_letter(name: str, scene: Scene) -> None:
    expected = OUTCOMES[name]
    async with ScriptedServer(expected.script) as server:
        relay = impatient(server, connect_timeout=SHORT)
        result = await carried(on_a_slow_disk(scene, server) if name.startswith("body") else scene, relay)
        assert isinstance(result, Outcome)
    record, attempt = scene.one(), scene.last_attempt()
    assert (record.state, standing(scene)) == (expected.state, expected.recipients.strip())
    assert record.tries == expected.tries
    assert record.next_attempt_at == (None if expected.next_in is None else NOON + expected.next_in)
    assert expected.marked is None or (attempt.marked_at is not None) == expected.marked
    assert len(server.dotted) == expected.dots and server.violations == []
    assert attempt.settled_at == NOON and attempt.verdict == ("unsent" if expected.state == "queued" else expected.state)
    # What the ledger calls accepted, the server took; a doubt and a dot go together.
    assert bool(server.taken) or expected.state != "accepted"
    assert (record.sha256 != "") == bool(attempt.marked_at or attempt.stage in {"body", "dot"})
    if server.taken:
        assert hashlib.sha256(server.taken[0].data).hexdigest() == record.sha256
    # Each state other than well and good says why.
    assert record.state == "accepted" or record.reason or record.state == "queued"


@pytest.mark.parametrize("name", ["all is well", "cc 550", "to 450", "data 451", "dot 554", "dot drop", "body 552"])
async def test_the_same_becomes_of_it_where_pipelining_is_not_offered(name: str, scene: Scene) -> None:
    expected = OUTCOMES[name]
    async with ScriptedServer(expected.script, offers=Offers(extensions=())) as server:
        await carried(scene, impatient(server))
    assert (scene.one().state, standing(scene)) == (expected.state, expected.recipients)
    assert len(server.dotted) == expected.dots and server.violations == []


async def test_a_relay_that_is_not_there_leaves_the_letter_due_and_untried(scene: Scene) -> None:
    async with ScriptedServer() as server:
        relay = settings_for(server)
    result = await carried(scene, relay)
    assert isinstance(result, Outcome) and not result.reached_mail
    record = scene.one()
    assert (record.state, record.tries, record.next_attempt_at, record.recipients) == ("queued", 0, NOON, ())
    assert scene.last_attempt().verdict == "unsent" and scene.last_attempt().marked_at is None


async def test_a_letter_is_taken_to_the_letter(scene: Scene) -> None:
    async with ScriptedServer() as server:
        await carried(scene, settings_for(server))
    (taken,) = server.taken
    assert (taken.sender, taken.recipients) == ("letters@campaign.example", (TO, CC, COPY))
    assert taken.message_id == scene.one().message_id
    assert taken.message["Subject"] == "Letter of Signer 1" and COPY not in taken.data.decode()
    assert ".hidden" in taken.message.get_content().splitlines()


# -- the mark, and then the dot


@dataclass
class Witness:
    """A second program that looks into the ledger's file whenever a final dot reaches the server."""

    path: Path
    server: ScriptedServer
    saw: list[tuple[str, bool]]

    def __post_init__(self) -> None:
        self.server.listen(self.look)

    def look(self) -> None:
        if len(self.server.dotted) == len(self.saw):
            return
        reader = ReadingPart(self.path)
        try:
            sending = [
                record
                for record in reader.records(Selection(state="sending"))
                if record.message_id == self.server.dotted[-1].message_id
            ]
            marks = [attempt for record in sending for attempt in reader.attempts(record.letter) if attempt.marked_at]
            self.saw.append((self.server.dotted[-1].message_id, len(sending) == 1 == len(marks)))
        finally:
            reader.close()


async def test_when_the_dot_reaches_the_server_another_program_already_reads_the_mark(tmp_path: Path) -> None:
    async with working(tmp_path, 6) as scene, ScriptedServer([Rule("dot", Say("451 4.3.0 later"), nth=2)]) as server:
        witness = Witness(Path(scene.office.configuration.ledger), server, [])
        await scene.send(settings_for(server), connections=2)
        assert len(witness.saw) == 6 and all(was_marked for _, was_marked in witness.saw)
        scene.assert_sound()


async def test_while_the_server_thinks_about_the_dot_the_mark_stands_and_nothing_is_settled(scene: Scene) -> None:
    async with ScriptedServer([Rule("dot", Hang())]) as server:
        carrying = asyncio.create_task(carried(scene, settings_for(server, dot_timeout=0.5)))
        await server.until(lambda: server.seen["dot"] == 1)
        attempt = scene.last_attempt()
        assert attempt.marked_at == NOON and attempt.settled_at is None and scene.one().state == "sending"
        await carrying
    assert scene.one().state == "in_doubt"


async def test_the_mark_says_for_whom_the_dot_is_and_what_is_fixed(scene: Scene) -> None:
    script = [Rule("rcpt", Say("550 5.1.1 gone"), recipient=CC), Rule("dot", Hang())]
    async with ScriptedServer(script) as server:
        carrying = asyncio.create_task(carried(scene, settings_for(server, dot_timeout=0.5)))
        await server.until(lambda: server.seen["dot"] == 1)
        assert standing(scene) == "waiting refused waiting"
        with beside(scene) as db:
            assert db.execute("SELECT marked FROM attempt").fetchall() == [(f'["{TO}", "{COPY}"]',)]
        await carrying
    assert standing(scene) == "in_doubt refused in_doubt"


def recovered_by_another(path: Path) -> None:
    """What another worker does that takes this one for dead."""

    async def recover() -> None:
        ledger = SqliteLedger(path)
        try:
            assert (await ledger.recover(NOON)).let_go == 1
        finally:
            ledger.close()

    asyncio.run(recover())


@pytest.mark.parametrize("verb", ["mail", "rcpt", "data"])
async def test_a_mark_that_changes_no_row_closes_the_connection_and_sends_no_dot(verb: str, scene: Scene) -> None:
    path = Path(scene.office.configuration.ledger)
    async with ScriptedServer() as server:
        async with at(server, verb, lambda: recovered_by_another(path)):
            assert await carried(scene, settings_for(server)) is None
        await server.until(lambda: server.commands[1][-1] == "DATA")
        assert server.dots == {} and server.taken == []
        record = scene.one()
        assert (record.state, record.tries, record.attempts) == ("queued", 0, 1)
        # It is carried again by whoever claims it next, with a new attempt.
        assert isinstance(await carried(scene, settings_for(server)), Outcome)
    assert scene.one().state == "accepted" and len(server.dotted) == 1


async def test_a_ledger_that_fails_at_the_mark_lets_no_dot_leave(scene: Scene) -> None:
    async with ScriptedServer() as server:
        async with at(server, "data", lambda: break_ledger(scene, "marked_at")):
            with pytest.raises(MailerError):
                await carried(scene, settings_for(server))
        await server.until(lambda: server.commands[1][-1] == "DATA")
        assert server.dots == {} and server.taken == []
    assert scene.one().state == "sending" and scene.last_attempt().marked_at is None
    # The next start queues it again: nothing was sent.
    assert (await scene.ledger.recover(NOON)).let_go == 1 and scene.one().state == "queued"


async def test_a_ledger_that_fails_at_the_settlement_leaves_a_doubt_for_the_next_start(scene: Scene) -> None:
    async with ScriptedServer() as server:
        async with at(server, "data", lambda: break_ledger(scene, "settled_at")):
            with pytest.raises(MailerError):
                await carried(scene, settings_for(server))
        assert len(server.dotted) == 1 and "QUIT" not in server.commands[1]
    assert scene.one().state == "sending" and scene.last_attempt().marked_at == NOON
    mend_ledger(scene)
    assert (await scene.ledger.recover(NOON)).in_doubt == 1 and scene.one().state == "in_doubt"


async def test_an_answer_is_written_down_once_a_ledger_that_was_held_is_free(scene: Scene) -> None:
    """Another program takes the file just before the server answers the dot, for longer than any other work would wait."""
    waits = 0
    with beside(scene) as other:

        def wait(_: int) -> bool:
            nonlocal waits
            waits += 1
            if waits == 3:
                other.execute("ROLLBACK")
            return False

        assert isinstance(scene.ledger, SqliteLedger)
        await scene.ledger._engine.run(lambda db: db.set_busy_handler(wait))
        async with ScriptedServer() as server, at(server, "dot", lambda: other.execute("BEGIN IMMEDIATE")):
            await carried(scene, settings_for(server))
    assert (scene.one().state, waits, len(server.dotted)) == ("accepted", 3, 1)
    assert await scene.ledger.recover(NOON) == Recovered()


async def test_a_closed_ledger_lets_no_dot_leave(tmp_path: Path) -> None:
    with pytest.raises(MailerError, match="closed"):  # so it ends, too
        async with working(tmp_path) as scene, ScriptedServer() as server:
            (due,) = await scene.claimed()
            carrying = asyncio.create_task(carried(scene, settings_for(server), due))
            await server.until(lambda: server.seen["data"] == 1)
            scene.ledger.close()
            with pytest.raises(MailerError, match="closed"):
                await carrying
            assert server.dots == {}


# -- cancellation


@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancellation_in_the_dot_wait_still_settles_what_the_server_says(times: int, scene: Scene) -> None:
    async with ScriptedServer([Rule("dot", Drip("250 2.0.0 taken", seconds=0.01))]) as server:
        carrying = asyncio.create_task(carried(scene, settings_for(server)))
        await server.until(lambda: server.seen["dot"] == 1)
        for _ in range(times):
            carrying.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await carrying
    assert scene.one().state == "accepted" and len(server.taken) == 1


async def test_a_cancellation_in_the_dot_wait_of_a_silent_server_settles_a_doubt(scene: Scene) -> None:
    async with ScriptedServer([Rule("dot", Hang())]) as server:
        carrying = asyncio.create_task(carried(scene, impatient(server)))
        await server.until(lambda: server.seen["dot"] == 1)
        carrying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await carrying
    assert scene.one().state == "in_doubt"


@pytest.mark.parametrize("verb", ["connect", "ehlo", "mail", "rcpt", "data"])
async def test_a_cancellation_before_the_mark_sends_nothing(verb: Any, scene: Scene) -> None:
    async with ScriptedServer([Rule(verb, Hang())]) as server:
        carrying = asyncio.create_task(carried(scene, settings_for(server, connect_timeout=SHORT)))
        await server.until(lambda: server.seen[verb] == 1)
        carrying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await carrying
        assert server.dots == {} and server.connections == 1
    assert scene.one().state == "sending" and scene.last_attempt().marked_at is None
    assert (await scene.ledger.recover(NOON)).let_go == 1


async def test_uncancelled_work_gives_its_result_its_failure_and_the_cancellation_behind_it() -> None:
    gate = asyncio.Event()
    ended: list[str] = []

    async def work() -> str:
        await gate.wait()
        ended.append("whole")
        return "result"

    task = asyncio.create_task(uncancelled(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["whole"]
    assert await uncancelled(work()) == "result"

    async def fails() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        await uncancelled(fails())


async def test_uncancelled_work_that_fails_behind_a_cancellation_is_not_printed_by_asyncio() -> None:
    """It would be, with its traceback: its failure is that of another courier, who tells it."""
    printed: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: printed.append(context))
    may_go = asyncio.Event()

    async def work() -> None:
        await may_go.wait()
        raise MailerError("the disk failed")

    task = asyncio.create_task(uncancelled(work()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    may_go.set()
    await asyncio.wait([task])
    assert task.cancelled()
    del task
    gc.collect()
    assert printed == []


# -- again


async def test_a_partly_accepted_letter_asks_only_who_is_missing_with_the_same_bytes(scene: Scene) -> None:
    script = [Rule("rcpt", Say("450 4.2.1 busy"), recipient=CC, nth=1)]
    async with ScriptedServer(script) as server:
        await carried(scene, settings_for(server))
        assert scene.one().state == "deferred" and dotted(server) == [(TO, COPY)]
        scene.time.now += 86_400 + 300  # another day, so that a date of today would differ
        await carried(scene, settings_for(server))
    assert dotted(server) == [(TO, COPY), (CC,)]
    assert server.taken[0].raw == server.taken[1].raw
    assert (scene.one().state, standing(scene)) == ("accepted", "accepted accepted accepted")


async def test_what_one_transaction_has_no_room_for_goes_in_the_next_at_once(scene: Scene) -> None:
    script = [
        Rule("rcpt", Say("452 4.5.3 too many"), recipient=CC, nth=1),
        Rule("rcpt", Say("452 4.5.3 too many"), recipient=COPY, nth=1),
    ]
    async with ScriptedServer(script) as server:
        sent = await scene.send(settings_for(server))
    assert dotted(server) == [(TO,), (CC, COPY)] and server.taken[0].raw == server.taken[1].raw
    assert (scene.one().state, scene.one().tries) == ("accepted", 1) and sent.states["accepted"] == 1


@pytest.mark.parametrize("first", [Say("451 4.3.0 later"), Say("421 4.3.2 closing"), Say("452 4.3.1 full")])
async def test_a_letter_that_is_deferred_at_the_dot_goes_again_with_the_same_bytes(first: Action, scene: Scene) -> None:
    bodies: list[bytes] = []
    async with ScriptedServer([Rule("dot", first, nth=1)]) as server:
        await carried(scene, settings_for(server))
        digest = scene.one().sha256
        scene.time.now += 86_400
        await carried(scene, settings_for(server))
        bodies += [taken.data for taken in server.taken]
    assert scene.one().sha256 == digest == hashlib.sha256(bodies[0]).hexdigest()
    assert dotted(server) == [(TO, CC, COPY)] * 2 and scene.one().state == "accepted"


async def test_before_its_first_body_a_letter_has_the_date_of_the_day(scene: Scene) -> None:
    async with ScriptedServer([Rule("rcpt", Say("450 4.2.1 busy"), nth=1, recipient=TO)]) as server:
        await carried(scene, settings_for(server))
        assert scene.one().sha256 == ""
        scene.time.now += 86_400
        await carried(scene, settings_for(server))
    assert "21 September" in server.taken[0].message.get_content()


@pytest.mark.parametrize("what", ["template", "target's name", "sender"])
async def test_a_letter_that_would_differ_from_its_first_attempt_is_held(what: str, tmp_path: Path) -> None:
    made = instance(tmp_path)
    drop(made, 1)
    async with ScriptedServer([Rule("dot", Say("451 4.3.0 later"), nth=1)]) as server:
        async with at_work(made) as scene:
            await scene.take_in()
            await carried(scene, settings_for(server))
        if what == "template":
            made.write("templates/c/en/subject.txt.j2", SUBJECT.replace("Letter", "A letter"))
        else:
            changed = {"target's name": ("name: Court", "name: The Court"), "sender": ("", "")}[what]
            made.campaign(
                ONE_TARGET.replace(*changed)
                + ("sender: {name: Other, address: o@campaign.example}\n" if what == "sender" else "")
            )
        async with at_work(made) as scene:
            scene.time.now += 300
            result = await carried(scene, settings_for(server))
            assert isinstance(result, Refrained) and result.reason == CHANGED
            assert (scene.one().state, scene.one().reason, scene.one().held_by) == ("held", CHANGED, "rule")
            assert result.detail.endswith("release it to send it as it is now, or put the change back before")
            assert len(server.dotted) == 1
            await scene.ledger.order(Selection(), ORDERS["release"], "as it is now", int(scene.time.now), 0, 10)
            await carried(scene, settings_for(server))
            assert scene.one().state == "accepted"
            scene.assert_sound()


async def test_a_letter_that_differs_from_one_that_an_office_has_can_only_be_put_back_or_cancelled(tmp_path: Path) -> None:
    made = instance(tmp_path)
    drop(made, 1)
    async with ScriptedServer([Rule("rcpt", Say("450 4.2.1 busy"), recipient=CC)]) as server:
        async with at_work(made) as scene:
            await scene.take_in()
            await carried(scene, settings_for(server))
        made.write("templates/c/en/subject.txt.j2", SUBJECT.replace("Letter", "A letter"))
        async with at_work(made) as scene:
            for _ in range(2):
                scene.time.now += 300
                result = await carried(scene, settings_for(server))
                assert isinstance(result, Refrained) and result.detail.endswith(
                    "put the change back and release it, or cancel it"
                )
                await scene.ledger.order(Selection(), ORDERS["release"], "go", int(scene.time.now), 0, 10)
            await scene.ledger.order(Selection(), ORDERS["cancel"], "enough", int(scene.time.now), 0, 10)
            assert scene.one().state == "accepted"
            scene.assert_sound()
    assert len(server.dotted) == 1


async def test_a_letter_whose_address_was_corrected_goes_to_the_new_one_alone(tmp_path: Path) -> None:
    """Nobody is written to whom the configuration does not name, also not on a second try."""
    made = instance(tmp_path)
    drop(made, 1)
    new_to, new_copy = "chair@court.example", "archive@campaign.example"
    async with ScriptedServer([Rule("rcpt", Say("450 4.2.1 busy"), recipient=TO)]) as server:
        async with at_work(made) as scene:
            await scene.take_in()
            await carried(scene, settings_for(server))
            assert standing(scene) == "deferred deferred waiting"
        made.campaign(ONE_TARGET.replace(TO, new_to).replace(COPY, new_copy))
        async with at_work(made) as scene:
            scene.time.now += 300
            await carried(scene, settings_for(server))
            assert scene.one().state == "accepted"
            scene.assert_sound()
    assert dotted(server) == [(new_to, CC, new_copy)]


async def test_a_copy_that_is_not_configured_any_more_is_not_written_to(tmp_path: Path) -> None:
    """The copies' addresses stand in no header, so the bytes do not tell."""
    made = instance(tmp_path)
    drop(made, 1)
    script = [
        Rule("rcpt", Say("452 4.5.3 too many"), recipient=COPY, nth=1),
        Rule("rcpt", Say("450 4.2.1 busy"), recipient=CC, nth=1),
    ]
    async with ScriptedServer(script) as server:
        async with at_work(made) as scene:
            await scene.take_in()
            await carried(scene, settings_for(server))
            assert standing(scene) == "accepted deferred waiting"
        made.campaign(ONE_TARGET.replace(f"copy_to: [{COPY}]\n", ""))
        async with at_work(made) as scene:
            scene.time.now += 300
            await carried(scene, settings_for(server))
            assert scene.one().state == "accepted"
    assert dotted(server) == [(TO,), (CC,)]


async def test_who_refused_is_not_asked_again(scene: Scene) -> None:
    script = [Rule("rcpt", Say("550 5.1.1 gone"), recipient=CC), Rule("dot", Say("451 4.3.0 later"), nth=1)]
    async with ScriptedServer(script) as server:
        await carried(scene, settings_for(server))
        assert standing(scene) == "deferred refused waiting"
        scene.time.now += 300
        await carried(scene, settings_for(server))
    assert dotted(server) == [(TO, COPY), (TO, COPY)]
    assert (scene.one().state, standing(scene)) == ("accepted", "accepted refused accepted")


async def test_a_copy_that_had_its_answer_is_not_asked_again(scene: Scene) -> None:
    script = [Rule("rcpt", Say("450 4.2.1 busy"), recipient=COPY), Rule("rcpt", Say("450 4.2.1 busy"), recipient=CC, nth=1)]
    async with ScriptedServer(script) as server:
        await carried(scene, settings_for(server))
        assert standing(scene) == "accepted deferred deferred"
        scene.time.now += 300
        await carried(scene, settings_for(server))
    assert dotted(server) == [(TO,), (CC,)] and standing(scene) == "accepted accepted deferred"


@pytest.mark.parametrize(
    "second, standing_then",
    [
        (Rule("rcpt", Say("550 5.1.1 gone")), "accepted refused accepted"),
        (Rule("data", Say("554 5.7.1 no")), "accepted refused accepted"),
        (Rule("body", Early("554 5.7.1 no")), "accepted refused accepted"),
        (Rule("dot", Say("554 5.7.1 no")), "accepted refused accepted"),
        (Rule("mail", Say("552 5.3.4 too large")), "accepted refused accepted"),
    ],
    ids=lambda value: value.verb if isinstance(value, Rule) else "",
)
async def test_a_letter_that_its_to_has_stays_accepted_when_its_cc_refuses_it_later(
    second: Rule, standing_then: str, scene: Scene
) -> None:
    async with ScriptedServer([Rule("rcpt", Say("450 4.2.1 busy"), recipient=CC)]) as server:
        await carried(scene, settings_for(server))
        assert (scene.one().state, standing(scene)) == ("deferred", "accepted deferred accepted")
        scene.time.now += 300
        server.follow([second])
        await carried(scene, settings_for(server))
        assert (scene.one().state, standing(scene)) == ("accepted", standing_then)
        assert scene.one().accepted_at == NOON + 300 and dotted(server)[0] == (TO, COPY)


async def test_each_further_try_waits_longer(scene: Scene) -> None:
    waits: list[int] = []
    async with ScriptedServer([Rule("rcpt", Say("450 4.2.1 busy"))]) as server:
        for _ in range(8):
            await carried(scene, settings_for(server))
            due_at = scene.one().next_attempt_at
            assert due_at is not None
            waits.append(due_at - int(scene.time.now))
            scene.time.now = due_at
    assert waits == [300, 600, 1200, 2400, 4800, 9600, 14_400, 14_400] and scene.one().tries == 8


# -- what cannot be written


@pytest.mark.parametrize(
    "template, told",
    [
        ("{{ signature.nickname }}", "letter.txt.j2:1"),
        ("{% for a in range(9999) %}{% for b in range(999) %}xxxxxxxxxx{% endfor %}{% endfor %}", "grows past"),
        ("  \n", "is empty"),
    ],
)
async def test_a_letter_that_cannot_be_rendered_is_held_and_nobody_is_connected_to(
    template: str, told: str, tmp_path: Path
) -> None:
    made = instance(tmp_path)
    drop(made, 1)
    made.write("templates/c/en/letter.txt.j2", template)
    async with at_work(made) as scene, ScriptedServer() as server:
        await scene.take_in()
        result = await carried(scene, settings_for(server))
        assert isinstance(result, Refrained) and told in result.detail
        assert (scene.one().state, scene.one().reason) == ("held", UNRENDERED)
        assert scene.last_attempt().verdict == "held" and server.connections == 0
        scene.assert_sound()


@pytest.mark.parametrize(
    "campaign, reason",
    [
        (ONE_TARGET.replace("timezone: UTC", "timezone: UTC, closed: {reason: moved}"), "target closed"),
        (ONE_TARGET.replace("timezone: UTC", "timezone: UTC, checked_on: "), "address not confirmed"),
        (ONE_TARGET.replace("court: {", "ministry: {"), "not configured any more"),
    ],
)
async def test_a_letter_whose_target_was_closed_meanwhile_is_held(campaign: str, reason: str, tmp_path: Path) -> None:
    made = instance(tmp_path)
    drop(made, 1)
    async with at_work(made) as scene, ScriptedServer() as server:
        await scene.take_in()
        (due,) = await scene.claimed()
        made.campaign(campaign)
        async with at_work(made) as later:
            result = await carried(later, settings_for(server), due)
        assert isinstance(result, Refrained) and result.reason == reason
        assert (scene.one().state, scene.one().reason) == ("held", reason) and server.connections == 0


async def test_a_damaged_record_is_held_and_told_without_its_content(scene: Scene) -> None:
    (due,) = await scene.claimed()
    async with ScriptedServer() as server:
        result = await carried(scene, settings_for(server), replace(due, sealed=due.sealed[:-1] + bytes([due.sealed[-1] ^ 1])))
        assert isinstance(result, Refrained) and result.reason == "damaged record" and server.connections == 0
    assert scene.one().state == "held"


# -- the connection


async def test_letters_share_a_connection_until_it_is_lost(tmp_path: Path) -> None:
    async with working(tmp_path, 5) as scene:
        script = [Rule("dot", Say("250 2.0.0 taken", close=True), nth=2), Rule("dot", Say("354 go on"), nth=4)]
        async with ScriptedServer(script) as server:
            courier = scene.courier(settings_for(server))
            for due in await scene.claimed(5):
                await courier.carry(due)
            await courier.close()
            await server.until(lambda: server.seen["quit"] == 1)
        assert server.dots == {1: 2, 2: 2, 3: 1} and server.violations == []
        assert scene.states() == {"accepted": 4, "in_doubt": 1}


async def test_a_bug_in_the_middle_of_a_letter_costs_its_connection(tmp_path: Path) -> None:
    async with working(tmp_path, 2) as scene, ScriptedServer() as server:
        first, second = await scene.claimed(2)
        at_c = scene.office.desks["c"]
        bad = replace(at_c, campaign=replace(at_c.campaign, sender=replace(at_c.campaign.sender, bounce_address="{token}\n@x")))
        courier = scene.courier(settings_for(server))
        await courier.carry(first)
        broken = scene.courier(settings_for(server), {"c": bad})
        with pytest.raises(ValueError, match="control character"):
            await broken.carry(second)
        await courier.close()
        assert len(server.dotted) == 1 and "QUIT" not in server.commands[2]
        assert scene.one(2).state == "sending"


async def test_a_letter_goes_into_a_file_by_the_same_steps(tmp_path: Path) -> None:
    async with working(tmp_path) as scene:
        result = await carried(scene, Settings(Mode.FILE, tmp_path / "outbox"))
        assert isinstance(result, Outcome) and scene.one().state == "accepted"
        (file,) = (tmp_path / "outbox").iterdir()
        wire = file.read_bytes().split(b"\r\n", 2)[2]
        assert hashlib.sha256(wire).hexdigest() == scene.one().sha256 and scene.last_attempt().marked_at == NOON
        scene.assert_sound()
