"""
What is wrong with a configuration: collected while it is read, told all at once.

    file:line: path: problem

Whoever reads a value notes what is wrong with it and goes on with a stand-in, so that one mistake hides no other.
`file` counts from the instance's folder, `path` is the way to the key (`targets.embassy.to[0]`). Every problem is one
line, whatever the file holds: what could steer a terminal is shown as a blank box, and what is endless is cut.

A hindrance stops whoever speaks to the relay, and nobody else. A warning is something that will work, but perhaps not as
meant; it stops nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LONGEST_LINE = 400
LONGEST_KEY = 60


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands, or should: a file, a line of it (from 1), the path of a key (empty: the file itself)."""

    file: str
    line: int = 1
    path: str = ""

    def key(self, name: str, line: int | None = None) -> Place:
        """The place of a key of this mapping; without a line of its own it is told at the mapping's."""
        shown = name[:LONGEST_KEY] or "''"
        return Place(self.file, line or self.line, f"{self.path}.{shown}" if self.path else shown)

    def item(self, index: int, line: int) -> Place:
        """The place of an item (from 0) of this list."""
        return Place(self.file, line, f"{self.path}[{index}]")


class Problems:
    """The problems, hindrances and warnings of one configuration; notes them in any order, tells them by file and line."""

    def __init__(self) -> None:
        self._problems: list[tuple[Place, str]] = []
        self._hindrances: list[tuple[Place, str]] = []
        self._warnings: list[tuple[Place, str]] = []

    def note(self, place: Place, said: str) -> None:
        """Note what makes the configuration unusable."""
        self._problems.append((place, said))

    def hinder(self, place: Place, said: str) -> None:
        """Note what keeps this process from the relay; whoever only looks or orders can do without."""
        self._hindrances.append((place, said))

    def warn(self, place: Place, said: str) -> None:
        """Note what works, but perhaps not as meant."""
        self._warnings.append((place, said))

    @property
    def lines(self) -> tuple[str, ...]:
        """All problems, a line each."""
        return _told(self._problems)

    @property
    def hindrances(self) -> tuple[str, ...]:
        """All hindrances, a line each."""
        return _told(self._hindrances)

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings, a line each."""
        return _told(self._warnings)


def relative(path: Path, root: Path) -> str:
    """
    What problems call a file: its way from the instance's folder, if it lies in there.

    >>> relative(Path("/srv/mailer/config/mailer.yaml"), Path("/srv/mailer"))
    'config/mailer.yaml'
    """
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


def _told(found: list[tuple[Place, str]]) -> tuple[str, ...]:
    in_order = sorted(found, key=lambda each: (each[0].file, each[0].line))
    lines = (f"{at.file}:{at.line}: {at.path}{': ' if at.path else ''}{said}" for at, said in in_order)
    return tuple(_one_line(line) for line in lines)


def _one_line(text: str) -> str:
    """
    Show a text on one line of a terminal.

    >>> _one_line("a" + chr(10) + chr(27) + "b")
    'a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b'
    """
    shown = text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in shown)
