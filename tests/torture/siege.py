"""
A siege: so many letters, and so many deaths at random moments of the sending, with a server that fails one thing in a hundred.

    python -m tests.torture siege --letters 30000 --kills 1000 --seed 7

Each run is killed some moments after the server has seen it begin, and the phase in which each
death fell is counted. Now and then a cheap look says that nothing goes wrong yet; the whole oracle is asked at the end, when
fresh runs have gone on until nothing is due.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import apsw

from tests.servers.available import wait
from tests.servers.quoting import PARTS
from tests.servers.rules import Action
from tests.servers.scripted import (
    Drip,
    Drop,
    Garbage,
    Quote,
    Reply,
    Reset,
    Rule,
    Split,
    StoreThenDrop,
    StoreThenReset,
    Verb,
)
from tests.servers.spawned import SpawnedServer
from tests.torture import farside
from tests.torture.course import END, Course
from tests.torture.grounds import ground
from tests.torture.judged import BOOKS, DOUBT, Judged
from tests.torture.ordering import Ordering
from tests.torture.restoring import Restoring
from tests.torture.runs import Zygote, undone

LOOK_EVERY = 50  # kills between two cheap looks
FILES = 8
QUOTES, RESTORES, ORDERS, RECEIPTS = "quotes", "restores", "orders", "receipts"
# Beside: the server quotes letters, backups are put back, people give orders, signatories get receipts.
SCENES = frozenset({QUOTES, RESTORES, ORDERS, RECEIPTS})
_MOST_RUNS = 100  # behind the last kill


@dataclass(frozen=True)
class Plan:
    """How large the siege is. The same seed draws the same faults and moments; how they meet is up to the machine."""

    letters: int
    kills: int
    connections: int = 4
    seed: int = 1
    odds: float = 0.01
    within: float = 0.13  # seconds of sending within which a run dies: so that the letters last for all kills
    beside: frozenset[str] = frozenset()  # of SCENES


def weather(odds: float, *, quotes: bool = False) -> list[Rule]:
    """
    A server that fails so much of everything, at every stage: later, never, gone, nonsense, and taken without a word; and that
    quotes letters in half as many of its answers.
    """
    later, down, none = Reply("451 4.3.0 later"), Reply("421 4.3.2 down"), Reply("550 5.1.0 no")
    own = (Reply("452 4.5.3 too many recipients"), Reply("450 4.2.1 busy"), Reply("452 4.2.2 mailbox full"))
    silent: tuple[Action, ...] = (Split("250 2.0.0 taken"), Garbage(), StoreThenDrop(), StoreThenReset())
    stages: dict[Verb, Sequence[Action]] = {
        "connect": (down, Drop(), Garbage()),
        "ehlo": (down, Drop()),
        "mail": (later, down, Drop(), Reset(), Garbage()),
        "rcpt": (later, none, down, Drop(), Reset(), *own),
        "data": (later, down, Drop(), Reset()),
        "body": (Drop(), Reset()),
        "dot": (later, Reply("554 5.0.0 no"), down, Drop(), Reset(), *silent),
    }
    rules = [Rule(verb, action, odds=odds / len(actions)) for verb, actions in stages.items() for action in actions]
    return rules + (_quotations(odds / 2) if quotes else [])


def _quotations(odds: float) -> list[Rule]:
    texts: dict[Verb, Sequence[str]] = {
        "mail": ("451 4.3.0 not from {}",),
        "rcpt": ("450 4.2.1 not now: {}", "550 5.6.0 not for me: {}"),
        "data": ("451 4.3.0 {}", "554 5.6.0 {}"),
        "dot": ("451 4.3.0 {}", "554 5.6.0 {}"),
    }
    each = len(PARTS)
    return [
        Rule(verb, Quote(text, part=part), odds=odds / len(said) / each)
        for verb, said in texts.items()
        for text in said
        for part in PARTS
    ]


class Siege:
    """One siege under way."""

    def __init__(self, plan: Plan, course: Course) -> None:
        self.plan = plan
        self.course = course
        self._pause = threading.Event()
        self._ordering = Ordering(course, plan.kills) if ORDERS in plan.beside else None
        forget = self._ordering.forget if self._ordering else bool
        self._restoring = Restoring(course, plan.kills, forget) if RESTORES in plan.beside else None

    def kill(self, number: int) -> None:
        """The nth run, until some moment after the server has seen it; one that ends before that is counted as ended."""
        course = self.course
        before = course.booked
        run = course.start()
        if not wait(lambda: course.booked > before or not run.is_alive, 30):
            course.find(END, "a run neither sent nor ended within 30 s")
        if self._restoring:
            self._restoring.beside(number)
        if self._ordering:
            self._ordering.beside(number)
        self._pause.wait(course.dice.random() * self.plan.within)
        if course.kill(run).was_killed:
            course.counted["kills"] += 1
            course.counted[f"killed {self._phase()}"] += 1
        if self._ordering:
            self._ordering.between()
        if self._restoring:
            self._restoring.between(number)

    def look(self) -> None:
        """What can be told at once: no letter without its attempt, no more doubt than deaths and silence explain."""
        with closing(apsw.Connection(str(self.course.here.ledger))) as db:
            ((broken,),) = db.execute("SELECT count(*) FROM letter l WHERE state = 'accepted' AND NOT EXISTS (SELECT 1"
                " FROM attempt a WHERE a.letter = l.id AND a.marked_at IS NOT NULL AND verdict = 'accepted')")  # fmt: skip
            worst = db.execute("SELECT count(*) FROM attempt WHERE verdict = 'in_doubt' AND stage = '' GROUP BY worker")
            most = max((int(str(count)) for (count,) in worst), default=0)
        if broken:
            self.course.find(BOOKS, f"{broken} letters are accepted without an answer")
        if most > self.plan.connections:
            self.course.find(DOUBT, f"{most} letters in doubt by one death")

    def finish(self) -> None:
        """Fresh runs until nothing is due."""
        for _ in range(_MOST_RUNS):
            self.course.run()
            # Each is asked: what one lets go may be the other's.
            went_on = [part.end() for part in (self._ordering, self._restoring) if part]
            if not undone(self.course.here) and not any(went_on):
                return
        self.course.find(END, f"behind {_MOST_RUNS} runs there is still something to do: {undone(self.course.here)}")

    def _phase(self) -> str:
        """In which phase the run died: by what it left."""
        sql = (
            "SELECT (SELECT count(*) FROM attempt WHERE settled_at IS NULL AND marked_at IS NOT NULL),"
            " (SELECT count(*) FROM attempt WHERE settled_at IS NULL), (SELECT count(*) FROM file WHERE state = 'reading')"
        )
        with closing(apsw.Connection(str(self.course.here.ledger))) as db:
            ((marked, sending, reading),) = db.execute(sql)
        if marked:
            return "between mark and settlement"
        return "with letters in hand" if sending else "while a file was read" if reading else "with nothing in hand"


def lay(zygote: Zygote, root: Path, plan: Plan, tell: Callable[[str], object] = str) -> Judged:
    """The whole siege, and what the oracle says of it; `tell` is told how far it has come."""
    # An order takes longer than many letters do: some forty take their time, so that it comes while letters are in hand.
    slow = Rule("dot", Drip("250 2.0.0 taken", 0.02), odds=min(1, 40 / plan.letters))
    script = [*weather(plan.odds, quotes=QUOTES in plan.beside), *([slow] if ORDERS in plan.beside else [])]
    with SpawnedServer(root / "far", script, options=[f"--seed={plan.seed}"]) as server:
        here = ground(
            root / "instance",
            server.port,
            files=FILES,
            people=plan.letters // FILES,
            connections=plan.connections,
            sends_receipts=RECEIPTS in plan.beside,
        )
        course = Course(zygote, here, server, random.Random(plan.seed))
        siege = Siege(plan, course)
        for number in range(1, plan.kills + 1):
            siege.kill(number)
            if number % LOOK_EVERY == 0:
                siege.look()
                tell(f"    {number} kills, left to do: {dict(undone(here))}, {len(course.found)} violations")
        siege.finish()
    far = farside.of_record(server.record())
    said = (here.root / "said.txt").read_text(encoding="utf-8")
    counted = course.counted + Counter(violation.kind for violation in course.found)
    return here.judge(far, [said]) + Judged(course.found, counted)
