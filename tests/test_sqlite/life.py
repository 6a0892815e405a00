"""
A short life of a ledger, as a worker leads it, and a witness outside of it who remembers what was promised.

Letters are taken in, claimed, carried over a few connections at once, held, released, paused, cancelled, resolved; twice the
worker dies with letters in hand and another one recovers. Whatever a method returned is said to the disk at that moment, and
so is every dot, which leaves only behind a mark that returned True. `Life` asks nothing of the disk but to listen.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mailer.delivery import ORDERS, Due, State, Who
from mailer.journal import Journal
from mailer.ledger import Held, NewLetter, Selection
from mailer.ledger.sqlite import SqliteLedger
from mailer.outcome import Lost, Reply, Stage
from tests.ledgers import (
    CAMPAIGN,
    DAY,
    GARBAGE,
    HELD,
    LANE,
    LATER,
    NEVER,
    NOW,
    SILENCE,
    YES,
    claim,
    let_go,
    mark,
    new,
    put,
    settle,
    states,
)

CONNECTIONS = 3
Answer = Reply | Lost
VERDICTS: dict[Answer, str] = {YES: "accepted", LATER: "deferred", NEVER: "refused", SILENCE: "in_doubt", GARBAGE: "in_doubt"}


@dataclass(frozen=True, slots=True)
class Fact:
    """What a method promised when it returned: a question to any later ledger, and the answer that it must give."""

    what: str
    sql: str
    values: tuple[Any, ...]
    answer: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.what} {self.values}"


@dataclass(frozen=True, slots=True)
class Dot:
    """A dot that left: the far side may have the letter."""

    letter: int
    attempt: int

    def __str__(self) -> str:
        return f"the dot of letter {self.letter}, attempt {self.attempt}"


@dataclass(frozen=True, slots=True)
class Filed:
    """The journal's file said that it holds so many lines durably."""

    lines: int

    def __str__(self) -> str:
        return f"line {self.lines} of the file"


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do them all, each to its own end; the first failure is told then."""
    for ended in await asyncio.gather(*works, return_exceptions=True):
        if isinstance(ended, BaseException):
            raise ended


class Life:
    """One ledger from its first day to its last. `say` hears each fact and each dot in the moment of it."""

    def __init__(self, folder: Path, say: Callable[..., None], pragmas: Sequence[str] = ()) -> None:
        self._folder, self._say, self._pragmas = folder, say, pragmas
        self.now = NOW
        self.began: dict[int, str] = {}
        self.answered: dict[Dot, str] = {}  # what came back for a dot

    async def live(self) -> None:
        self._open()
        await self._take_in(6, new())
        await self._carry([YES, LATER, NEVER, SILENCE, YES, GARBAGE])
        await self._rules_and_people()
        await self._die_with_letters_in_hand()
        self.now += DAY
        await self._recover()
        await self._take_in(3, new(), HELD_ELSEWHERE)
        await self._carry([YES, YES, LATER])
        await self._close()
        self._open()
        await self._die_with_letters_in_hand()
        await self._recover()
        self.now += DAY
        await self._resolve_and_retry()
        await self._carry([YES] * 20)
        await self._close()

    async def live_shortly(self) -> None:
        """The same in brief: every method once or twice."""
        self._open()
        await self._take_in(4, new())
        await self._carry([YES, LATER, NEVER, SILENCE])
        await self._rules_and_people()
        await self._die_with_letters_in_hand()
        self.now += DAY
        await self._recover()
        await self._resolve_and_retry()
        await self._close()

    # -- the worker's day

    def _open(self) -> None:
        self.ledger = SqliteLedger(self._folder / "ledger.db")
        self._connection.wal_autocheckpoint(25)  # pages: the log is copied into the file every few commits, and begun again
        for pragma in self._pragmas:
            self._connection.execute(pragma)
        self.journal = Journal(self._folder / "journal.jsonl", self.ledger.journal)
        self.journal.open()

    @property
    def _connection(self) -> Any:
        return self.ledger._engine._connection

    async def _close(self) -> None:
        self._file()
        self.ledger.close()

    def _file(self) -> None:
        """Bring the journal's file up to what a reader sees now."""
        self.journal.catch_up()
        self._say(Filed(self.journal._written))

    async def _take_in(self, count: int, *letters: NewLetter) -> None:
        first = 1 + len(self.began)
        self.began |= {first + number: new.state for number, new in enumerate(letters * count)}
        for letter in await put(self.ledger, count, *letters, first=100 * first, now=self.now):
            self._say(Fact("a letter was taken in", "SELECT count(*) FROM letter WHERE id = ?", (letter,), (1,)))
        self._settled_so_far()

    async def _claim(self, limit: int) -> list[Due]:
        dues = await claim(self.ledger, limit, now=self.now)
        opened = "SELECT count(*) FROM attempt WHERE letter = ? AND number = ?"
        self._say(*(Fact("a letter was claimed", opened, (due.letter, due.attempt), (1,)) for due in dues))
        return dues

    async def _carry(self, answers: Sequence[Answer]) -> None:
        """Carry what is due over all connections at once, while the journal's file follows."""
        line = list(zip(await self._claim(len(answers)), answers, strict=False))
        couriers = [self._carry_each(line[number::CONNECTIONS]) for number in range(CONNECTIONS)]
        await together(couriers)
        self._file()

    async def _carry_each(self, line: Sequence[tuple[Due, Answer]]) -> None:
        for due, answer in line:
            await self._mark_and_dot(due)
            self._file()
            self.answered[Dot(due.letter, due.attempt)] = VERDICTS[answer]
            assert await settle(self.ledger, due, Stage.DOT, answer, now=self.now)
            self._settled(due)

    async def _mark_and_dot(self, due: Due) -> None:
        assert await mark(self.ledger, due, now=self.now)
        sql = "SELECT marked_at FROM attempt WHERE letter = ? AND number = ?"
        self._say(Fact("a mark was made", sql, (due.letter, due.attempt), (self.now,)), Dot(due.letter, due.attempt))

    def _settled(self, due: Due) -> None:
        """What a reader is shown behind a settlement is what was promised."""
        verdict = self.ledger.attempts(due.letter)[due.attempt - 1].verdict
        assert verdict == self.answered[Dot(due.letter, due.attempt)]
        sql = "SELECT verdict FROM attempt WHERE letter = ? AND number = ?"
        self._say(Fact("an attempt was settled", sql, (due.letter, due.attempt), (verdict,)))
        self._settled_so_far()

    def _settled_so_far(self) -> None:
        """The last line of the journal that a reader is shown."""
        seen = list(self.ledger._query("SELECT seq, hash FROM journal ORDER BY seq DESC LIMIT 1"))
        for seq, hash in seen:
            self._say(Fact("a line was shown", "SELECT hash FROM journal WHERE seq = ?", (seq,), (hash,)))

    async def _rules_and_people(self) -> None:
        await self._take_in(2, new())
        await self.ledger.hold(LANE, "approval", self.now, 10)
        self._settled_so_far()
        await self.ledger.release(Held(LANE, "approval"), self.now, 1)
        await self.ledger.pause(f"campaign:{CAMPAIGN}", Who.PERSON, "stop", self.now)
        self._settled_so_far()
        assert await self._claim(1) == []
        await self.ledger.resume(f"campaign:{CAMPAIGN}", "go", self.now)
        await self.ledger.order(Selection(state="held"), ORDERS["release"], "why", self.now, 0, 10)
        await self.ledger.order(Selection(state="deferred"), ORDERS["cancel"], "why", self.now, 0, 1)
        self._settled_so_far()
        await let_go(self.ledger, (await self._claim(1))[0])
        self._settled_so_far()

    async def _die_with_letters_in_hand(self) -> None:
        """A claim behind each connection, all but one of them marked; and the program is gone, its journal not brought up."""
        await self._take_in(CONNECTIONS, new())
        *marked, _ = await self._claim(CONNECTIONS)
        await together(map(self._mark_and_dot, marked))
        self.ledger.close()

    async def _recover(self) -> None:
        self._open()
        await self.ledger.recover(self.now)
        self._settled_so_far()

    async def _resolve_and_retry(self) -> None:
        doubtful = [letter for letter, state in states(self.ledger).items() if state == State.IN_DOUBT]
        for number, letter in enumerate(doubtful):
            await self.ledger.resolve(letter, accepted=number % 2 == 0, why="said", now=self.now, not_before=0)
        await self.ledger.order(Selection(state="refused"), ORDERS["retry"], "why", self.now, 0, 10)
        await self.ledger.expire(CAMPAIGN, self.now - 30 * DAY, "given up", self.now, 10)
        self._settled_so_far()


HELD_ELSEWHERE = new("ministry", HELD.state, HELD.reason)
