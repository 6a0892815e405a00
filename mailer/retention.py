"""
Beside a worker's passes: what an erasure has left unfinished, and how long the organisers' files are kept.

    worker  >  RETENTION  >  erasure, spool

A pass that finds nothing to erase pays for neither: `erasure`, and all that reads files, is imported when it is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from mailer import log
from mailer.errors import CannotWrite, KeyProblem, LedgerProblem
from mailer.ledger import Ledger
from mailer.pace import HOUR, Clock
from mailer.spool import kept

DAY = 24 * HOUR
_AGAIN = 60  # seconds until an erasure that could not be finished is tried again; then twice as long, to an hour

Finish = Callable[[], Awaitable[bool]]  # whether all erasures are finished


class Keeper:
    """Finishes erasures, and removes what was kept for long enough. `finish` goes on with all that were begun."""

    def __init__(self, ledger: Ledger, finish: Finish, queue: Path, keep_days: int, clock: Clock) -> None:
        self._ledger = ledger
        self._finish = finish
        self._queue = queue
        self._keep_days = keep_days
        self._clock = clock
        self._finish_at = self._remove_at = 0.0
        self._again = _AGAIN

    async def keep(self) -> None:
        """Do what there is to do; what cannot be done just now is told, and tried again in a minute or more."""
        now = self._clock.now()
        try:
            if now >= self._finish_at and self._ledger.erasures():
                self._finish_at = now + self._again
                self._again = min(2 * self._again, HOUR)  # all files are looked through each time, for what a person must do
                if await self._finish():
                    self._finish_at, self._again = 0.0, _AGAIN
            if now >= self._remove_at:
                self._remove_at = now + HOUR
                log.files_removed(await asyncio.to_thread(remove_old, self._queue, self._keep_days, now))
        except (LedgerProblem, CannotWrite, KeyProblem) as problem:
            log.not_erased(str(problem))


def remove_old(queue: Path, days: int, now: float) -> int:
    """
    Remove from `done/` what was put there so many days ago, with its reports; gives how many files.

    Their accounts are closed, for a file comes into `done/` only then.
    """
    among = kept.look(queue, "done")
    return kept.remove(queue, [one for one in among if one.since < now - days * DAY], among)
