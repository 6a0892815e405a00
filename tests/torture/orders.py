"""
A person's orders beside a run, by the real command in a process of its own; and whether a dot mark was made in spite of one.

    order = given(zygote, here, later, "pause", "c")
    ...                                         # the run goes on, ends, is killed
    assert order.defied(marks(here)) == []             # behind the moment in which the command was done no letter was marked

A mark is seen in the ledger, which is exact where the journal's seconds are not: what was not marked when the command was done
must not be marked later, until a person lets it go.
"""

from __future__ import annotations

import re
from collections.abc import Set
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import apsw

from tests.torture.grounds import Ground
from tests.torture.runs import Ended, Zygote

SAID = "ordered.txt"
Mark = tuple[int, int]  # a letter and an attempt
# What a command says, in whatever words, of letters that it came too late for.
TOLD = re.compile(r"\b(dots?|being sent|on (its|their) way|in hand|going out)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Ordered:
    """
    An order that was given: what the command said, which letters it stopped, and what was marked when it was done. An order
    that lets go, or that changed nothing, has stopped none. `missed` are the attempts at letters that it meant and did not
    stop, which were open all the while.
    """

    words: tuple[str, ...]
    ended: Ended
    stopped: frozenset[int]
    missed: frozenset[Mark]
    marked: frozenset[Mark]

    @property
    def count(self) -> int:
        """How many letters it says that it moved; -1 where it says no number."""
        found = re.search(r"^(\d+) letters?: (held|cancelled|queued)", self.ended.said, re.MULTILINE)
        return int(found[1]) if found else -1

    @property
    def tells(self) -> bool:
        """Whether it says that there are letters for which it came too late."""
        return bool(TOLD.search(self.ended.said))

    @property
    def came_too_late_for(self) -> list[Mark]:
        """The attempts whose dot was out already."""
        return sorted(self.missed & self.marked)

    def defied(self, now: Set[Mark]) -> list[Mark]:
        """What was marked since, although it was stopped; `now` are all marks."""
        return sorted(mark for mark in now - self.marked if mark[0] in self.stopped)

    def missed_for_nothing(self, now: Set[Mark]) -> list[Mark]:
        """The attempts that it let go on although their dot was not out yet, and that were marked since."""
        return sorted((now - self.marked) & self.missed)


def given(zygote: Zygote, here: Ground, later: float, *words: str) -> Ordered:
    """Give an order, and look at once what is marked. `later` moves its clock as the run's beside it."""
    before, were_open = _states(here), attempts_in_hand(here)
    ended = zygote.wait(zygote.start(here, *words, "--why", "ordered", later=later, into=SAID))
    # The states first: a letter that is stopped when they are read was so when the marks are.
    after, are_open, marked = _states(here), attempts_in_hand(here), marks(here)
    if words[0] == "pause":
        stopped = set(after) if ended.code == 0 else set()
    elif words[0] in {"hold", "cancel"}:
        state = {"hold": "held", "cancel": "cancelled"}[words[0]]
        stopped = {letter for letter, now in after.items() if now == state and before.get(letter) != state}
    else:
        stopped = set()
    meant = {int(word) for word in words if word.isdigit()} or set(before)
    missed = {attempt for attempt in were_open & are_open if attempt[0] in meant - stopped}
    return Ordered(words, ended, frozenset(stopped), frozenset(missed), frozenset(marked))


def marks(here: Ground) -> set[Mark]:
    """Every dot mark that there is."""
    return {
        (letter, number) for letter, number in _asked(here, "SELECT letter, number FROM attempt WHERE marked_at IS NOT NULL")
    }


def attempts_in_hand(here: Ground) -> set[Mark]:
    """The attempts that are open."""
    return {(letter, number) for letter, number in _asked(here, "SELECT letter, number FROM attempt WHERE settled_at IS NULL")}


def waiting(here: Ground) -> list[int]:
    """The letters that nobody has claimed, the next ones first."""
    sql = "SELECT id FROM letter WHERE state IN ('queued', 'deferred') ORDER BY next_attempt_at, id"
    return [letter for (letter,) in _asked(here, sql)]


def message_id(here: Ground, letter: int) -> str:
    """By which the far side knows a letter."""
    return str(_asked(here, f"SELECT message_id FROM letter WHERE id = {letter}")[0][0])


def _states(here: Ground) -> dict[int, str]:
    return dict(_asked(here, "SELECT id, state FROM letter"))


def _asked(here: Ground, sql: str) -> list[Any]:
    with closing(apsw.Connection(str(here.ledger))) as db:
        db.set_busy_timeout(10_000)
        return db.execute(sql).fetchall()
