"""
Which letter goes next, how fast, and over how many connections.

    ledger (due, not held, within pace)  >  DISPATCH  >  couriers

Lanes take turns, so that no target waits behind another's million letters. A letter is claimed shortly before it is carried,
because a claim is what a crash has to undo. The relay's breaker is everybody's: failures that are the relay's own matter
count over all connections, and once it is open what was claimed is let go unsent.

A relay may allow fewer connections than are configured: a courier that is denied one while another has one ends its pass.

It renders nothing and judges nothing; it asks `rules` whether a lane may go, `throttle` how much of it, `courier` to carry, and
`consequences` what follows for the others.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from mailer import log, notice, throttle
from mailer.announce import domain
from mailer.campaign import UNPACED, Campaign, Pace
from mailer.consequences import Consequences, told
from mailer.courier import Courier, Refrained
from mailer.delivery import Due, Retry, State, Who
from mailer.desk import Desk
from mailer.errors import KeyProblem, MailerError
from mailer.ledger import Lane, Ledger
from mailer.outcome import ACCOUNT_REFUSED, TABLE, Outcome, Rule, Scope
from mailer.pace import Clock
from mailer.relay import Relay
from mailer.rules import Ruling, is_over
from mailer.tasks import first, is_cancelled
from mailer.throttle import Limits

_ROUND = 4  # letters claimed from a lane at once, for each connection
_PLACES: Mapping[str, int] = {
    notice.Lane.TRIAL: 0,
    notice.Lane.DIGEST: 0,
    notice.Lane.RECEIPT: 2,
}  # in a round; letters go between them


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Who sends, over how many connections, when what is deferred is due again, and by which table replies are judged; how fast.

    `pace` is over the whole relay, `domain_pace` to each domain; each address has its campaign's.
    """

    worker: str
    connections: int
    retry: Retry
    table: Sequence[Rule] = TABLE
    pace: Pace = UNPACED
    domain_pace: Pace = UNPACED

    def limits(self, desks: Collection[Desk]) -> Limits:
        """What is everybody's; at these desks is known what hides the domains of signatories."""
        return Limits(self.pace, self.domain_pace, lambda key: [desk.seal.paced(key) for desk in desks])


@dataclass(slots=True)
class Sent:
    """What became of the letters that were carried, and of the notices beside them, and why no more were."""

    states: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    account_refused: str = ""
    relay_failed: str = ""


@dataclass(frozen=True, slots=True)
class _Open:
    """A lane that may go now, its campaign, the addresses to which its letters go, and what paces them, by key."""

    lane: Lane
    campaign: Campaign
    addresses: tuple[str, ...]
    paces: Mapping[str, Pace]

    def is_open(self, now: float) -> bool:
        """Whether its office may be written to: within its hours, and not after the deadline. Notices may go at any time."""
        return throttle.opens_at(self.campaign, self.lane, now) <= now and not _is_over(self.campaign, self.lane, now)


def _is_over(campaign: Campaign, lane: Lane, now: float) -> bool:
    return not lane.is_notices and is_over(campaign, now)


class Dispatch:
    """One worker's sending, from the first claim to the last settlement."""

    def __init__(
        self,
        settings: Settings,
        desks: Mapping[str, Desk],
        ledger: Ledger,
        clock: Clock,
        ruling: Callable[[], Awaitable[Ruling]],
    ) -> None:
        self._settings = settings
        self._desks = desks
        self._ledger = ledger
        self._clock = clock
        self._ruling = ruling
        self._consequences = Consequences(ledger, clock, settings.retry.first)
        self._couriers: set[Courier] = set()
        self._in_hand: Counter[str] = Counter()
        self._limits = settings.limits(desks.values())
        self._turns = throttle.Turns(ledger, self._limits)
        self._stopping = False

    def stop(self) -> None:
        """Begin no new letter, give up those whose dot has not gone out, and finish the others."""
        self._stopping = True
        for courier in self._couriers:
            courier.stop()

    async def send(self, relay: Relay, watch: log.Watch, limit: int | None = None, *, only: Lane | None = None) -> Sent:
        """
        Send what is due now, at most `limit` letters, or `only` what waits in one lane; done when nothing more may go.

        Raises:
            MailerError: the ledger or a disk failed; nothing more was sent.
        """
        sent = Sent()
        if watch.is_shown:
            watch.letters(await self._ledger.count_due(self._clock.seconds))
        await self._consequences.begin(relay.name)
        line: asyncio.Queue[tuple[Due, _Open] | None] = asyncio.Queue(maxsize=self._settings.connections)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._settings.connections):
                    settings = self._settings
                    courier = Courier(self._desks, relay, self._ledger, settings.retry, self._clock, settings.table)
                    group.create_task(self._carry_all(courier, relay, line, sent, watch))
                await self._feed(relay, line, limit, only)
                for _ in range(self._settings.connections):
                    await line.put(None)
        except BaseExceptionGroup as problems:
            raise first(problems) from problems
        return sent

    async def next_at(self, relay: str, now: float, *, only: Lane | None = None) -> float | None:
        """When the next letter may go (seconds since 1970), of one lane or all; None if nothing waits for time alone."""
        ruling = await self._ruling()
        breaker = await self._ledger.breaker(relay)
        pauses = await self._ledger.pauses()
        moments = []
        for waiting in await self._ledger.waiting():
            is_stopped = any(pause.stops(waiting.lane.campaign) for pause in pauses)
            if is_stopped or ruling.hold(waiting.lane) is not None:
                continue
            campaign = ruling.campaigns[waiting.lane.campaign]
            if _is_over(campaign, waiting.lane, now):
                continue
            if only not in (None, waiting.lane):
                continue
            paces = throttle.paces(self._limits, relay, ruling, waiting.lane)
            free_at = await throttle.free_at(self._ledger, self._limits, paces, now)
            free_at = throttle.opens_at(campaign, waiting.lane, free_at)
            moments.append(max(waiting.due_at, breaker.not_before, self._consequences.goes_at(waiting.lane), free_at))
        return min(moments, default=None)

    async def _feed(
        self, relay: Relay, line: asyncio.Queue[tuple[Due, _Open] | None], limit: int | None, only: Lane | None
    ) -> None:
        """Claim round by round until nothing may go, not even what was let go meanwhile."""
        left, was_idle = limit, False
        while left != 0 and self._may_go_on():
            lanes = [lane for lane in await self._open_lanes(relay.name) if only in (None, lane.lane)]
            letters, claimed = await self._claim_round(relay, line, lanes, left)
            left = None if left is None else left - letters
            if claimed == 0 or self._consequences.breaker.is_probing:
                await line.join()
            if claimed == 0 and was_idle:
                return
            was_idle = claimed == 0

    def _may_go_on(self) -> bool:
        return not self._stopping and not self._consequences.breaker.is_open(self._clock.now())

    async def _claim_round(
        self, relay: Relay, line: asyncio.Queue[tuple[Due, _Open] | None], lanes: Sequence[_Open], left: int | None
    ) -> tuple[int, int]:
        """Each lane once; a probe of a relay that had failed goes alone. Gives how many letters were claimed, and how much."""
        letters = claimed = 0
        for lane in lanes:
            room = await self._room(lane, None if left is None or lane.lane.is_notices else left - letters)
            if room <= 0:
                continue
            if not self._may_go_on() or (self._consequences.breaker.is_probing and claimed):
                break
            for due in await self._ledger.claim(lane.lane, room, self._settings.worker, relay.name, self._clock.seconds):
                claimed += 1
                letters += not lane.lane.is_notices
                if due.goes_alone:
                    await line.join()
                self._in_hand.update(lane.paces.keys())
                await line.put((due, lane))
                if due.goes_alone:
                    await line.join()
        return letters, claimed

    async def _room(self, lane: _Open, left: int | None) -> int:
        """How many letters to claim from a lane now; asked for each in its turn, for lanes share keys of the pace."""
        bounds = [self._settings.connections * _ROUND]
        if self._consequences.breaker.is_probing:
            bounds.append(1)
        allowed = await throttle.room(self._ledger, self._limits, lane.paces, self._in_hand, self._clock.now())
        if allowed is not None:
            bounds.append(allowed)
        if left is not None:
            bounds.append(left)
        return min(bounds)

    async def _open_lanes(self, relay: str) -> list[_Open]:
        """
        The lanes in which something is due, that rules let go, and whose hours are open: first what somebody waits for, last
        the receipts, so that no letter waits for one.
        """
        now = self._clock.now()
        ruling = await self._ruling()
        found = []
        for waiting in await self._ledger.waiting():
            if max(waiting.due_at, self._consequences.goes_at(waiting.lane)) > now or ruling.hold(waiting.lane) is not None:
                continue
            campaign = self._desks[waiting.lane.campaign].campaign
            paces = throttle.paces(self._limits, relay, ruling, waiting.lane)
            lane = _Open(waiting.lane, campaign, ruling.addresses(waiting.lane), paces)
            if lane.is_open(now):
                found.append(lane)
        return sorted(found, key=lambda one: _PLACES.get(one.lane.target, 1))

    async def _carry_all(
        self,
        courier: Courier,
        relay: Relay,
        line: asyncio.Queue[tuple[Due, _Open] | None],
        sent: Sent,
        watch: log.Watch,
    ) -> None:
        """Carry one letter after another over one connection, as long as the relay allows it."""
        self._couriers.add(courier)
        is_denied = False
        try:
            while not (is_denied or is_cancelled()) and (item := await line.get()) is not None:
                due, lane = item
                try:
                    is_denied = await self._carry_in_turn(courier, relay, due, lane, sent)
                    if not due.notice:
                        watch.letter()
                finally:
                    self._in_hand.subtract(lane.paces.keys())
                    self._in_hand += Counter()  # forget those at zero
                    line.task_done()
        finally:
            self._couriers.discard(courier)
            await courier.close()

    async def _carry_in_turn(self, courier: Courier, relay: Relay, due: Due, lane: _Open, sent: Sent) -> bool:
        """As `_carry`; but a notice to a domain that its lane does not tell waits where that would pass the domain's pace."""
        key = self._domain(due)
        if not key:
            return await self._carry(courier, relay, due, lane, sent)
        self._in_hand[key] += 1
        try:
            at = await self._turns.wait(key, self._in_hand, self._clock.now())
            if at is None:
                return await self._carry(courier, relay, due, lane, sent)
            left = "its domain's pace"
            await self._ledger.let_go(due, State.QUEUED, Who.WORKER, "", left, self._clock.seconds, at=ceil(at))
            return False
        finally:
            self._in_hand[key] -= 1

    def _domain(self, due: Due) -> str:
        """What paces a notice beside its lane, if domains are paced; a record that is damaged is for the courier to hold."""
        try:
            return domain(self._desks[due.campaign], due) if due.notice and self._settings.domain_pace.limits else ""
        except KeyProblem:
            return ""

    async def _carry(self, courier: Courier, relay: Relay, due: Due, lane: _Open, sent: Sent) -> bool:
        """Carry one letter; whether the relay denied this courier a connection while it serves another."""
        now = self._clock.now()
        is_stopped = self._stopping or self._consequences.breaker.is_open(now) or not lane.is_open(now)
        if stop := (State.QUEUED, "") if is_stopped else await self._consequences.stop(due):
            who = Who.RULE if stop[0] is State.HELD else Who.WORKER
            await self._ledger.let_go(due, stop[0], who, stop[1], "let go unsent", self._clock.seconds)
            return False
        try:
            result = await courier.carry(due, lambda: lane.is_open(self._clock.now()))
        except MailerError:
            raise
        except Exception as bug:  # noqa: BLE001  a bug must cost one letter, not the campaign; the letter is held, loudly
            detail = f"{type(bug).__name__} in mailer"
            await self._ledger.let_go(due, State.HELD, Who.RULE, "error in mailer", detail, self._clock.seconds)
            log.bug(due.letter, bug)
            (sent.notices if due.notice else sent.states)[State.HELD] += 1
            return False
        if isinstance(result, Outcome) and result.is_denied and self._serves_another(courier):
            log.fewer_connections(relay.name, told(result))
            return True
        await self._account(relay, due, lane.addresses, result, sent)
        return False

    def _serves_another(self, courier: Courier) -> bool:
        return any(other.is_connected for other in self._couriers if other is not courier)

    async def _account(
        self, relay: Relay, due: Due, addresses: tuple[str, ...], result: Outcome | Refrained | None, sent: Sent
    ) -> None:
        """Count what became of a letter, and learn from it about the relay, the campaign and the target."""
        if result is None:
            self._consequences.look()
            return
        states, settled = (sent.notices, log.notice_settled) if due.notice else (sent.states, log.settled)
        if isinstance(result, Refrained):
            states[State.HELD] += 1
            settled(due.letter, due.campaign, due.target, State.HELD, result.reason, result.detail)
            return
        state = result.verdict if result.reached_mail else State.QUEUED
        states[state] += 1
        settled(due.letter, due.campaign, due.target, state, result.reason, result.answer)
        await self._consequences.follow(relay.name, due, addresses, result)
        if result.scope is Scope.RELAY:
            sent.relay_failed = told(result)
            sent.account_refused = sent.relay_failed if result.reason == ACCOUNT_REFUSED else sent.account_refused
        elif not self._consequences.breaker.failures:
            sent.relay_failed = sent.account_refused = ""
