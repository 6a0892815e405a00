"""
The pass and the loop: recover, take in, keep (erase, remove), rule, send, write the journal; and a clean stop.

    cron: mailer run  >  WORKER.run      systemd: mailer work  >  WORKER.work

A pass that is killed at any moment leaves what the next one puts right; a pass that is asked to stop finishes the letters
whose dot has gone out, and gives up the others unsent. It decides nothing about a letter: the order of the steps is all that
stands here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from mailer import additions, continuity, log, notices, recovery, rules
from mailer.blotter import Blotter
from mailer.delivery import Retry
from mailer.desk import Desk
from mailer.dispatch import Dispatch
from mailer.errors import LedgerProblem, MailerError
from mailer.highwater import HighWater
from mailer.inbox import Harvest, Inbox
from mailer.intake import Intake, Result
from mailer.journal import Journal
from mailer.ledger import Lane, Ledger, Recovered
from mailer.onward import A_LOOK, Onward
from mailer.pace import Clock
from mailer.relay import Settings as RelaySettings
from mailer.relay import reachable
from mailer.retention import Keeper
from mailer.rules import Ruled, Ruling

EVERY = 60  # seconds between two looks into the mailboxes, and into the relay's log
SOON = 61  # seconds; a pass stays for what is due within a minute, and the pace counts by the second, rounded up
LOOK = 1.0  # seconds between two looks at the incoming folder


@dataclass(slots=True)
class Summary:
    """What one pass did, for its last words and its exit code."""

    recovered: Recovered = field(default_factory=Recovered)
    ruled: Ruled = field(default_factory=Ruled)
    files: list[Result] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    notices: Counter[str] = field(default_factory=Counter)
    added: int = 0
    mail: Harvest = field(default_factory=Harvest)
    onward: Harvest = field(default_factory=Harvest)
    relay_failed: str = ""
    account_refused: str = ""
    stopped: bool = False
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class Parts:
    """
    What a worker works with; `app` builds it. `name` is under whose name it sends; `is_ours` and `is_there` are asked of the
    install's lock and of the ledger's file.
    """

    name: str
    ledger: Ledger
    desks: Mapping[str, Desk]
    inbox: Inbox
    onward: Onward
    intake: Intake
    dispatch: Dispatch
    journal: Journal
    high_water: HighWater
    blotter: Blotter
    keeper: Keeper
    relay: RelaySettings
    retry: Retry
    clock: Clock
    ruling: Callable[[], Awaitable[Ruling]]
    is_stale: Callable[[], bool]
    is_skewed: Callable[[], bool]
    is_ours: Callable[[], bool]
    is_there: Callable[[], bool]
    run_for: float


@dataclass(frozen=True, slots=True)
class Job:
    """What a pass is asked to do; `only` a lane's notices, and nothing beside: then no other step of a pass is taken."""

    intake: bool = True
    send: bool = True
    only: Lane | None = None
    limit: int | None = None
    forever: bool = False


class Worker:
    """One worker. Whoever runs it holds the install's lock."""

    def __init__(self, parts: Parts, watch: log.Watch) -> None:
        self._parts = parts
        self._watch = watch
        self._stop = asyncio.Event()
        self._lost = ""
        self._looked_at = self._log_looked_at = float("-inf")

    def stop(self) -> None:
        """Ask for a clean stop: only letters whose dot has gone out are finished."""
        self._stop.set()
        self._parts.intake.stop()
        self._parts.dispatch.stop()

    async def run(self, job: Job) -> Summary:
        """
        Do one pass, or (`forever`) pass after pass; until `stop`, or until the configuration or a template changes.

        Raises:
            CannotSend: the clock was set while it worked.
            LedgerProblem: the lock's or the ledger's file was taken away while it worked; it ended as behind `stop`.
            MailerError: the ledger, a folder or a key failed; what was begun is put right by the next start.
        """
        summary = Summary()
        parts, began = self._parts, self._parts.clock.now()
        if job.only is None:
            summary.recovered = await recovery.recover(parts.ledger, parts.blotter, parts.clock.seconds)
        beside = asyncio.ensure_future(self._guard())
        try:
            # Whatever the pass is asked for: no letter goes out of a file whose reading was cut off.
            if job.only is None:
                summary.files += await parts.intake.finish_claimed()
            while not self._stop.is_set() and not parts.is_stale() and not parts.is_skewed():
                await self._once(job, summary)
                self._watch.turn()
                if job.forever:
                    # Nobody reads the last words of a worker that never ends; its log has told each file, mail and line.
                    summary.files.clear()
                    summary.mail, summary.onward = Harvest(), Harvest()
                wait = await self._wait(job, summary, began)
                if wait is None:
                    break
                await self._sleep(wait)
            if parts.is_skewed():
                raise await continuity.stop_for_the_clock(parts.ledger, parts.clock.seconds)
        finally:
            beside.cancel()
            self._catch_up()
        if self._lost:
            raise LedgerProblem(self._lost)
        summary.stopped = self._stop.is_set()
        summary.is_stale = not summary.stopped and parts.is_stale()
        return summary

    async def _once(self, job: Job, summary: Summary) -> None:
        parts = self._parts
        if job.only is not None:
            await self._send(job, summary)
            return
        await self._look_into_the_log(summary)
        await self._look_into_the_mail(job, summary)
        if job.intake:
            summary.files += await parts.intake.take_ready()
        await parts.keeper.keep()
        now = parts.clock.seconds
        summary.added += await additions.complete(parts.ledger, parts.desks, now)
        ruled = await rules.redecide(parts.ledger, await parts.ruling(), parts.retry, now)
        log.ruled(ruled.held, ruled.released, ruled.expired, ruled.resent)
        summary.ruled += ruled
        await notices.think(parts.ledger, parts.desks, now)
        if job.send:
            await self._send(job, summary)
            await notices.think(parts.ledger, parts.desks, parts.clock.seconds)
        self._catch_up()

    async def _look_into_the_log(self, summary: Summary) -> None:
        """
        The same of the relay's log; of a long one a part at a time, so that no letter waits for it. It goes before the mail,
        for of what came back it knows more.
        """
        parts, now = self._parts, self._parts.clock.now()
        if not parts.onward.has_log or (now - self._log_looked_at < EVERY and not parts.onward.is_behind):
            return
        self._log_looked_at = now
        found = await parts.onward.look(A_LOOK)
        if told := found.told():
            log.relay_log_read(told)
        summary.onward += found

    async def _look_into_the_mail(self, job: Job, summary: Summary) -> None:
        """
        First of all, and once a minute: what came in may say that a letter which waits is out. At once where a worker stays
        and the mail server tells of a new mail.
        """
        parts, now = self._parts, self._parts.clock.now()
        if not parts.inbox.has_mailboxes:
            return
        if now - self._looked_at < EVERY and not (job.forever and await parts.inbox.has_news()):
            return
        self._looked_at = now
        found = await parts.inbox.look()
        if told := found.told():
            log.mail_read(found.mails, told)
        summary.mail += found

    async def _send(self, job: Job, summary: Summary) -> None:
        """Send what is due, if anything is; the relay is not asked for nothing."""
        parts, now = self._parts, self._parts.clock.now()
        left = None if job.limit is None else job.limit - sum(summary.states.values())
        if left == 0 or self._stop.is_set():
            return
        next_at = await parts.dispatch.next_at(parts.relay.name, now, only=job.only)
        if next_at is None or next_at > now:
            return
        # Taking in may have lasted long: what goes out from here on is what the configuration says now.
        if parts.is_stale() or parts.is_skewed():
            return
        await parts.ledger.begin_sending(parts.relay.name, parts.name, parts.clock.seconds)
        self._catch_up()
        beside = asyncio.ensure_future(self._meanwhile())
        try:
            async with reachable(parts.relay) as relay:
                sent = await parts.dispatch.send(relay, self._watch, left, only=job.only)
        finally:
            beside.cancel()
        summary.states.update(sent.states)
        summary.notices.update(sent.notices)
        summary.relay_failed, summary.account_refused = sent.relay_failed, sent.account_refused

    async def _guard(self) -> None:
        """Look each second, whatever the pass does, whether this is still the one that may do it; stop it if not."""
        while not self._lost:
            if lost := self._what_is_lost():
                self._lost = lost
                log.lost(lost)
                self.stop()
            await asyncio.sleep(LOOK)

    def _what_is_lost(self) -> str:
        if not self._parts.is_ours():
            return (
                "the lock's file was removed or replaced, and another mailer may be at work here: never remove it; start again"
            )
        if not self._parts.is_there():
            return (
                "the ledger's file was moved away or replaced while it was in use: put it and its -wal back, then start again"
            )
        return ""

    async def _meanwhile(self) -> None:
        """
        While letters go out: bring the journal's file up, so that whoever follows it sees them go, and begin no new letter
        once a file of the configuration or a template has changed: what it says now may not be approved.
        """
        while True:
            await asyncio.sleep(LOOK)
            if self._parts.is_stale() or self._parts.is_skewed():
                self._parts.dispatch.stop()
            # What fails now (a full disk) is told at the end of the pass, by the last catching up.
            with suppress(MailerError):
                self._catch_up()

    def _catch_up(self) -> None:
        """Bring up to the ledger what stands beside it: the high-water mark; the journal's file, if it is ours to append to."""
        self._parts.high_water.rise(self._parts.ledger.last_link())
        if not self._parts.is_ours():
            return
        self._parts.journal.catch_up()

    async def _wait(self, job: Job, summary: Summary, began: float) -> float | None:
        """Seconds until the next look; None when this pass has done its part."""
        parts, now = self._parts, self._parts.clock.now()
        if job.forever:
            return LOOK
        if job.intake and parts.intake.is_waiting and now - began < parts.run_for:  # one may grow for hours
            return LOOK
        if parts.onward.is_behind and now - began < parts.run_for:
            return 0
        if not job.send or (job.limit is not None and sum(summary.states.values()) >= job.limit):
            return None
        next_at = await parts.dispatch.next_at(parts.relay.name, now, only=job.only)
        if next_at is None or next_at > now + SOON or max(next_at, now) - began >= parts.run_for:
            return None
        return max(0.1, next_at - now)

    async def _sleep(self, seconds: float) -> None:
        if seconds > LOOK:
            log.waiting(seconds)
            self._watch.waiting(seconds)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
