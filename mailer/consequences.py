"""
What the outcome of one letter means for all others: for its relay, its campaign, its target.

    courier (an Outcome)  >  CONSEQUENCES  >  ledger (breaker, pause, streak), dispatch

Whatever is the relay's own matter counts over all connections and opens its breaker; a limit that the relay names lets it alone
for as long as it says; a refused sender pauses the campaign. Three refusals in a row by policy pause the campaign too, three of
a target's address hold its letters, once they come from two passes: until then the target is left alone for a while, so that a
relay's bad hour refuses three letters and not all of them. An address that is refused beside others is counted, and told.

All of it stands in the ledger, so that cron passes share it. It judges no reply (`outcome`) and moves no letter that is being
sent (`courier`).
"""

from __future__ import annotations

import secrets
from collections import Counter

from mailer import log
from mailer.campaign import Reason
from mailer.delivery import Due, State, Who
from mailer.ledger import Lane, Ledger
from mailer.outcome import ACCOUNT_REFUSED, Outcome, Scope, Sign, Stage, Standing, Verdict
from mailer.pace import Breaker, Clock, Streak

_AT_ONCE = 10_000  # letters a transaction
_ENVELOPED = frozenset({Stage.DATA, Stage.BODY, Stage.DOT})


class Consequences:
    """What one worker has learned; `rest` is for how many seconds a target is left alone whose address was refused."""

    def __init__(self, ledger: Ledger, clock: Clock, rest: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._rest = rest
        self.breaker = Breaker()
        self._is_down = False
        self._pass, self._ends = "", 0.0
        self._known: set[tuple[Sign, Lane]] = set()
        self._in_this_pass: Counter[Lane] = Counter()
        self._rests_until: dict[Lane, float] = {}
        self._gone: set[Lane] = set()
        self._beside: dict[Lane, tuple[str, ...]] = {}
        self._looks = False

    async def begin(self, relay: str) -> None:
        """
        Sending begins: read what was left. What a worker sends within one rest counts as one pass, however often it begins.
        """
        self.breaker = await self._ledger.breaker(relay)
        self._is_down = await self._ledger.is_down()
        streaks = {
            (streak.sign, Lane(streak.campaign, streak.target, streak.country)): streak
            for streak in await self._ledger.streaks()
        }
        self._known = set(streaks)
        self._beside = {lane: streak.addresses for (sign, lane), streak in streaks.items() if sign is Sign.BESIDE}
        if (now := self._clock.now()) >= self._ends:
            self._pass, self._ends = secrets.token_hex(4), now + self._rest
            self._in_this_pass.clear()
        self._gone.clear()
        self._looks = False

    def goes_at(self, lane: Lane) -> float:
        """When a lane that is left alone may go again (seconds since 1970); 0 if it may."""
        return self._rests_until.get(lane, 0)

    async def stop(self, due: Due) -> tuple[State, str] | None:
        """Where a letter that was claimed before goes instead, and why, because of what others have met since; None: on."""
        lane = Lane(due.campaign, due.target, due.country)
        if lane in self._gone:
            return State.HELD, Reason.ADDRESS_REFUSED
        if self.goes_at(lane) > self._clock.now():
            return State.QUEUED, ""
        # The mark will ask anyway; before a body the ledger is asked only once something is known to be stopped.
        return (State.QUEUED, "") if self._looks and not await self._ledger.may_go(due) else None

    def look(self) -> None:
        """A letter was taken away by an order or a pause: from here on ask before each one, which costs less than a body."""
        self._looks = True

    async def follow(self, relay: str, due: Due, addresses: tuple[str, ...], result: Outcome) -> None:
        """Draw the consequences of one outcome. What is said of a notice says nothing of letters, but how the relay stands."""
        if due.notice:
            if result.stage is not Stage.MAIL:  # where it was about the notice's return path
                await self._of_the_relay(relay, result)
            return
        if result.scope is Scope.CAMPAIGN:
            await self._pause(due.campaign, Who.WORKER, f"{result.reason}: {result.answer}")
        await self._of_the_relay(relay, result)
        await self._of_the_address(Lane(due.campaign, due.target, due.country), addresses, result)
        await self._beside_others(Lane(due.campaign, due.target, due.country), result)
        await self._of_policy(Lane(due.campaign, "", ""), result)

    async def _of_the_relay(self, relay: str, result: Outcome) -> None:
        before, now = self.breaker, self._clock.now()
        is_open = before.is_open(now)  # what began before it opened lifts nothing
        if result.answered_mail and before.failures and not is_open:
            self.breaker = before.worked()
        if result.scope is Scope.RELAY and (not is_open or result.pause):  # else the same outage, met by another connection
            why, account = told(result), result.reason == ACCOUNT_REFUSED
            limited = self.breaker.limited(now, why, result.pause)
            self.breaker = limited if result.sign is Sign.RATE else self.breaker.failed(now, why, account=account)
            log.relay_failed(relay, why, max(0.0, self.breaker.not_before - now))
        is_end = self._is_down and result.answered_mail and not self.breaker.failures  # of an outage, be it of another relay
        if self.breaker != before or is_end:
            self._is_down = self._is_down and not is_end
            await self._ledger.keep_breaker(relay, self.breaker, self._clock.seconds)

    async def _of_the_address(self, lane: Lane, addresses: tuple[str, ...], result: Outcome) -> None:
        # A resend that is refused leaves its letter in doubt, and says the same of the address.
        if result.verdict in {Verdict.REFUSED, Verdict.IN_DOUBT} and result.sign is Sign.ADDRESS:
            streak = await self._ledger.lengthen(Sign.ADDRESS, lane, addresses, self._pass)
            self._known.add((Sign.ADDRESS, lane))
            self._in_this_pass[lane] += 1
            if streak.is_gone:
                self._gone.add(lane)
                log.address_refused(lane.campaign, lane.target, streak.length)
                while await self._ledger.hold(lane, Reason.ADDRESS_REFUSED, self._clock.seconds, _AT_ONCE):
                    pass
            elif self._in_this_pass[lane] >= Streak.LIMIT:
                self._rests_until[lane] = self._clock.now() + self._rest
                self._in_this_pass[lane] = 0
        elif result.stage in _ENVELOPED:
            await self._end(Sign.ADDRESS, lane)

    async def _beside_others(self, lane: Lane, result: Outcome) -> None:
        """Addresses that are refused while the letter goes to others hold nothing, but somebody is to hear of them."""
        if result.gone and result.sign is not Sign.ADDRESS:
            self._beside[lane] = result.gone
            await self._ledger.lengthen(Sign.BESIDE, lane, result.gone, self._pass)
        elif any(r.state is Standing.ACCEPTED and r.address in self._beside.get(lane, ()) for r in result.recipients):
            del self._beside[lane]
            await self._ledger.end_streak(Sign.BESIDE, lane)

    async def _of_policy(self, lane: Lane, result: Outcome) -> None:
        if result.verdict is Verdict.ACCEPTED and result.stage is Stage.DOT:
            await self._end(Sign.POLICY, lane)
        elif result.verdict in {Verdict.REFUSED, Verdict.IN_DOUBT} and result.sign is Sign.POLICY:
            streak = await self._ledger.lengthen(Sign.POLICY, lane, (), self._pass)
            self._known.add((Sign.POLICY, lane))
            if streak.is_long:
                await self._end(Sign.POLICY, lane)
                why = f"{streak.length} letters in a row were refused: {result.reason}: {result.answer}"
                await self._pause(lane.campaign, Who.RULE, why)

    async def _end(self, sign: Sign, lane: Lane) -> None:
        """A streak ends; the ledger is only asked where one is known of."""
        self._in_this_pass.pop(lane, None)
        if (sign, lane) in self._known:
            self._known.discard((sign, lane))
            await self._ledger.end_streak(sign, lane)

    async def _pause(self, campaign: str, who: Who, why: str) -> None:
        scope = f"campaign:{campaign}"
        self.look()
        if await self._ledger.pause(scope, who, why, self._clock.seconds):
            log.campaign_paused(campaign, why)


def told(result: Outcome) -> str:
    """A failure of the relay in one sentence: our word where the account is refused, else where it was and what it said."""
    return f"{result.reason if result.reason == ACCOUNT_REFUSED else result.stage}: {result.answer}"
