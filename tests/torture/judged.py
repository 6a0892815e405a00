"""
What the oracle is told, and what it says: intent, violations by kind, and figures that add up.

The kinds are explained in `oracle`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

LOST, TWICE, DOUBT, WIRE, BOOKS, TOLD = "lost", "sent twice in silence", "doubt", "wire", "books", "told"
STANDS, DEFIED = "where it stands", "an order was not obeyed"


@dataclass(frozen=True)
class Violation:
    """One way in which the promise was broken: its kind, and what was found."""

    kind: str
    what: str


@dataclass(frozen=True)
class Intent:
    """
    What was dropped, as whoever dropped it knows: each signatory's address and name, and the files' rows in all, of which
    so many are known since before or no signatures. `sends`: letters may leave; else they wait for a person.
    """

    people: Mapping[str, str]
    rows: int = 0
    known: int = 0
    refused: int = 0
    files: int = 1
    sends: bool = True


@dataclass(frozen=True)
class Judged:
    """What the oracle found, and what it counted."""

    violations: list[Violation] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Judged) -> Judged:
        return Judged(self.violations + other.violations, self.counted + other.counted)

    def __str__(self) -> str:
        lines = [f"{one.kind}: {one.what}" for one in self.violations[:40]]
        return "\n".join([*lines, f"{len(self.violations)} violations; {dict(self.counted)}"])
