"""
One due letter on its way to the relay, and what became of it into the ledger.

    ledger > COURIER (render, compose, hand over, mark, dot, judge, settle) > ledger

`carry` reads top to bottom as the life of an attempt. The order of its last steps is the promise of the whole program: the
body is flushed; the dot mark is durable; the dot leaves, alone; the settlement is durable before this courier's next dot.
Up to the mark nothing was sent, whatever happens. Behind it only an answer tells, and without one the letter is in doubt.
So a stop gives up at once what has no mark, and waits for the answers to dots that have left.

A courier keeps one connection and carries one letter at a time. It chooses no letter (see `worker`), decides no state
(`outcome`, `delivery`) and retries nothing: a sleeping retry would die with the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil
from typing import TypeVar

from mailer import campaign as campaigns
from mailer import delivery, desk, outcome, signature
from mailer.announce import announce
from mailer.campaign import Reason
from mailer.delivery import Due, Fixed, Retry, State, Who
from mailer.desk import Desk, Stamp
from mailer.errors import KeyProblem, RenderProblem, WireProblem
from mailer.ledger import Ledger, Mark
from mailer.outcome import TABLE, Handover, Outcome, Private, Recipient, Rule, Standing
from mailer.pace import Clock, keys
from mailer.relay import Connection, Relay
from mailer.tasks import uncancelled

T = TypeVar("T")
CHANGED = "the letter differs from its first attempt"
UNRENDERED = "render error"


@dataclass(frozen=True, slots=True)
class Draft:
    """
    One letter's bytes and envelope; `fixed` is what no later attempt may change, `private` what no answer of a server may
    bring into the ledger.

    `paced` are the keys under which it is counted, where these are not its recipients'; `at` has the address of each recipient
    that the ledger knows by a word (`announce`); `via` is the target to which it goes where its own has no address.
    """

    wire: bytes = field(repr=False)
    sender: str
    recipients: tuple[Recipient, ...]
    fixed: Fixed
    private: Private = field(repr=False)
    paced: tuple[str, ...] = ()
    at: Mapping[str, str] = field(default_factory=dict, repr=False)
    via: str = ""


@dataclass(frozen=True, slots=True)
class Refrained:
    """Why a letter was held instead of being carried: the reason it is held by, and the detail for whoever mends it."""

    reason: str
    detail: str = ""


class _Stopped(Exception):
    """A stop was asked before the mark; private to this file."""


class Courier:
    """One worker's hand with one connection to the relay."""

    def __init__(
        self,
        desks: Mapping[str, Desk],
        relay: Relay,
        ledger: Ledger,
        retry: Retry,
        clock: Clock,
        table: Sequence[Rule] = TABLE,
    ) -> None:
        self._desks = desks
        self._relay = relay
        self._ledger = ledger
        self._retry = retry
        self._clock = clock
        self._table = table
        self._connection: Connection | None = None
        self._is_connecting = False
        self._is_stopping = False
        self._step: asyncio.Timeout | None = None  # the step before the mark that is being waited for

    @property
    def is_connected(self) -> bool:
        """Whether it has a connection, or has not been denied the one that it asked for."""
        return self._is_connecting or self._connection is not None

    async def carry(self, due: Due, is_open: Callable[[], bool] = lambda: True) -> Outcome | Refrained | None:
        """
        Carry one claimed letter to its end. None: an order, a pause or a closing took it away meanwhile, or its hours were over
        (`is_open`, asked right before the mark), and no dot was sent.
        """
        draft = self._write(due)
        if isinstance(draft, Refrained):
            await self._ledger.let_go(due, State.HELD, Who.RULE, draft.reason, draft.detail, self._clock.seconds)
            return draft
        try:
            connection = await self._unless_stopped(self._connected())
            if isinstance(connection, Handover):
                return await self._settle(due, draft, connection)
            handover = await self._unless_stopped(self._hand_over(due, draft, connection))
            if not handover.goes_on:
                return await self._settle(due, draft, handover)
            return await uncancelled(self._mark_and_dot(due, draft, connection, handover, is_open))
        except _Stopped:
            await self._give_back(due)
            return None
        except BaseException:
            # The dot was not sent, or its answer is not on record: either way this connection must not go on.
            await self._drop()
            raise

    def stop(self) -> None:
        """Give up at once what has no mark yet; a dot that has left is waited for, and its answer settled."""
        if not self._is_stopping:
            self._is_stopping = True
            if self._step is not None:
                self._step.reschedule(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Say goodbye to the relay."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _unless_stopped(self, step: Awaitable[T]) -> T:
        """A step before the mark; a stop does not wait for it, for its server may take minutes and nothing was sent."""
        try:
            async with asyncio.timeout(0 if self._is_stopping else None) as self._step:
                return await step
        except TimeoutError as ended:
            if self._is_stopping:
                raise _Stopped from ended
            raise
        finally:
            self._step = None

    async def _hand_over(self, due: Due, draft: Draft, connection: Connection) -> Handover:
        """Envelope and body. The dot may follow if the handover goes on."""
        asked = [draft.at.get(each.address, each.address) for each in draft.recipients if each.is_asked]
        may_send = partial(outcome.may_send, draft.recipients, table=self._table)
        name = due.message_id.strip("<>")
        handover = await connection.envelope(draft.sender, asked, len(draft.wire), may_send, name)
        if not handover.goes_on:
            return handover
        return await connection.body(draft.wire, handover.rcpt) or handover

    async def _mark_and_dot(
        self, due: Due, draft: Draft, connection: Connection, handover: Handover, is_open: Callable[[], bool]
    ) -> Outcome | None:
        """From the mark to the settlement nobody interrupts: a cut here would be a doubt of our own making."""
        answered, meant = outcome.answered(draft.recipients, handover.rcpt, self._table)
        recipients = outcome.scrubbed(answered, draft.private)
        paced = draft.paced or keys(self._relay.name, (each.address for each in recipients if each.address in meant))
        # Counted by the next whole second: by the last one, a span that begins within it would hold a letter too many.
        mark = Mark(recipients, meant, draft.fixed, paced, ceil(self._clock.now()), draft.via)
        if self._is_stopping or not is_open() or not await self._ledger.mark(due, mark, self._clock.seconds):
            await self._give_back(due)
            return None
        return await self._settle(due, draft, await connection.dot(handover.rcpt))

    async def _give_back(self, due: Due) -> None:
        """Let go of a letter without a dot: closed, its body is no letter, and it waits as it did."""
        await self._drop()
        await self._ledger.let_go(due, State.QUEUED, Who.WORKER, "", "let go unsent", self._clock.seconds)

    async def _settle(self, due: Due, draft: Draft, handover: Handover) -> Outcome | None:
        # Judged as it was said; what is told from here on, to whomever, is free of what is personal.
        decided = outcome.discreet(outcome.decide(draft.recipients, handover, self._table), handover, draft.private)
        decided = outcome.own_matter(decided) if due.notice else decided
        now = self._clock.seconds
        then = delivery.after(due, decided, self._retry, now, self._clock.chance())
        is_ours = await self._ledger.settle(due, decided, then, draft.fixed if decided.reached_data else None, now)
        return decided if is_ours else None

    async def _connected(self) -> Connection | Handover:
        """The connection of the last letter if the server left it alone, else a new one."""
        if self._connection is not None and self._connection.is_usable:
            return self._connection
        if self._connection is not None:
            await self._drop()
        self._is_connecting = True
        try:
            opened = await self._relay.connect()
            if not isinstance(opened, Handover):
                self._connection = opened
        finally:
            self._is_connecting = False
        return opened

    async def _drop(self) -> None:
        if self._connection is not None:
            await self._connection.abort()
            self._connection = None

    def _write(self, due: Due) -> Draft | Refrained:
        """Route, render and compose; whatever cannot be written holds this letter and no other."""
        try:
            return self._announce(due) if due.notice else self._write_letter(due)
        except (RenderProblem, WireProblem) as problem:
            return Refrained(UNRENDERED, str(problem))
        except KeyProblem as problem:
            # The key is the right one (its fingerprint was compared), so it is this record that is damaged.
            return Refrained("damaged record", str(problem))

    def _write_letter(self, due: Due) -> Draft | Refrained:
        at = self._desks[due.campaign]
        target = at.campaign.targets.get(due.target)
        if target is None:
            return Refrained(Reason.NOT_CONFIGURED)
        route = campaigns.route(at.campaign, target, due.country, live=at.is_live)
        if route.hold is not None or not route.to:
            return Refrained(route.hold or Reason.NO_ROUTE)
        signed, _ = signature.unpack(at.seal.open(due.sealed))
        now = self._clock.seconds
        stamp = Stamp(due.message_id, *((due.fixed.date, due.fixed.language) if due.fixed else (now, "")))
        at.renderer.warm()  # it takes long, once, and whoever kills us in that time has met no letter
        with at.blotter.writing(due.letter, due.attempt):
            fixed, wire = desk.write(at, target, route, signed, stamp)
        if due.fixed is not None and due.fixed.sha256 != fixed.sha256:
            return Refrained(CHANGED, f"its template, its target or its sender was changed since; {_advice(due.recipients)}")
        recipients = _still_named(desk.recipients(at.campaign, route), due.recipients)
        if not any(recipient.is_asked for recipient in recipients):
            return Refrained("nobody is left to ask", "whoever had not accepted it is not configured any more")
        via = route.via.id if route.via else ""
        return Draft(wire, desk.return_path(at, due.letter, now), recipients, fixed, desk.private(signed), via=via)

    def _announce(self, due: Due) -> Draft | Refrained:
        """A notice; should its words differ from those of an earlier attempt, nobody has had two who was not to have them."""
        at = self._desks[due.campaign]
        at.renderer.warm()
        with at.blotter.writing(due.letter, due.attempt):
            made = announce(at, due, self._relay.name, self._clock.seconds)
        if isinstance(made, str):
            return Refrained(UNRENDERED, made)
        recipients = _still_named(made.recipients, due.recipients)
        if not any(recipient.is_asked for recipient in recipients):
            return Refrained(UNRENDERED, "whoever had not accepted it is not configured any more")
        return Draft(made.wire, made.sender, recipients, made.fixed, made.private, made.paced, made.at)


def _advice(known: Sequence[Recipient]) -> str:
    """What a person can do with a letter that differs from its first attempt: who has that one, or may, gets no other words."""
    if any(recipient.state is Standing.ACCEPTED or recipient.may_have_it for recipient in known):
        return "who has or may have the first one gets no other: put the change back and release it, or cancel it"
    return "release it to send it as it is now, or put the change back before"


def _still_named(named: Sequence[Recipient], known: Sequence[Recipient]) -> tuple[Recipient, ...]:
    """
    Who is named today, each as the last attempt left it; who is not named any more is never asked again.

    The bytes tell of a changed `to` or cc once they are fixed, but not before, and of a copy never.
    """
    before = {recipient.address: recipient for recipient in known}
    now = [replace(before.pop(one.address, one), role=one.role) for one in named]
    gone = [replace(one, state=Standing.DROPPED) if one.is_asked else one for one in before.values()]
    return (*now, *gone)
