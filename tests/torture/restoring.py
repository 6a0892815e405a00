"""
Backups in a siege: taken at random moments, beside a worker and between two; and put back over whatever has gone on since.

Behind each, nothing may go out until a person says so if anything has gone out since. A person then goes on with care, and lets
go what the far side has never seen. What it has seen stays held.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

from mailer import app
from mailer.delivery import ORDERS
from mailer.ledger import Selection
from tests.torture import restores
from tests.torture.course import Course
from tests.torture.judged import TWICE
from tests.torture.restores import Copy
from tests.torture.runs import undone

_MOST = 4  # backups that are kept at a time


@dataclass(frozen=True)
class _Kept:
    copy: Copy
    dots: int  # how many had come when it was taken


class Restoring:
    """Somebody who takes backups of an instance in a siege, and sometimes puts one back; every so many deaths."""

    def __init__(self, course: Course, kills: int, changed: Callable[[], object]) -> None:
        """`changed` is called before what others know of the ledger is true no more."""
        self._course = course
        self._changed = changed
        self._every = max(2, kills // 10)
        self._kept: list[_Kept] = []

    def beside(self, number: int) -> None:
        """While the run that will die as the nth is at work."""
        if number % self._every == self._every // 2:
            self._take(is_whole=False)

    def between(self, number: int) -> None:
        """Behind the nth death."""
        if number % self._every == 0:
            if self._kept and number % (2 * self._every) == 0:
                self._put_back()
            self._take(is_whole=True)

    def end(self) -> bool:
        """Nothing is due any more: let go what still waits for a person and went out to nobody; whether there was any."""
        return self._release() > 0

    def _take(self, *, is_whole: bool) -> None:
        course = self._course
        left = undone(course.here)
        if not left or any(what.endswith(".csv") for what in left):
            return  # rows that stand only in files are another story, and so is an end
        dots = course.catch_up()
        folder = course.here.root.parent / "copies" / str(course.counted["backups"])
        self._kept.append(_Kept(restores.taken(course.here, folder, is_whole=is_whole), dots))
        course.counted["backups"] += 1
        if len(self._kept) > _MOST:
            shutil.rmtree(self._kept.pop(0).copy.folder)

    def _put_back(self) -> None:
        course = self._course
        kept = course.dice.choice(self._kept)
        way = course.dice.choice(kept.copy.ways)
        before = course.catch_up()
        # A dot that was under way when its run died may be booked later than the backup which knows of its mark.
        ledger = course.here.ledger
        is_behind = before > kept.dots and bool(restores.marks(ledger) - restores.marks(kept.copy.folder / ledger.name))
        self._changed()
        restores.put_back(course.here, kept.copy, way)
        ended = course.run()
        course.counted[f"restored, exit {ended.code}"] += 1
        is_refused = ended.code == 69 and "resume ledger" in ended.said
        if is_behind and (not is_refused or course.catch_up() > before):
            sent = course.catch_up() - before
            kind = "folder" if kept.copy.is_whole else "backup"
            course.find(TWICE, f"a {kind} put back {way}: exit {ended.code}, {sent} dots, though {before - kept.dots} were out")
        if is_refused:
            course.run("resume", "ledger", "--why", "the disk died")
            course.counted["released behind a restore"] += self._release()

    def _release(self) -> int:
        """By the ledger and not by the command: there are thousands."""
        course = self._course
        course.catch_up()
        letters = restores.known_to_nobody(course.here, course.dotted)
        if letters:
            self._changed()
        return asyncio.run(_released(course, letters)) if letters else 0


async def _released(course: Course, letters: list[int]) -> int:
    now, released = int(time.time() + course.later), 0
    async with app.opened(course.here.loaded) as office:
        for letter in letters:
            obeyed = await office.ledger.order(Selection(letter=letter), ORDERS["release"], "nobody has it", now, 0, 1)
            released += obeyed.moved.total()
    return released
