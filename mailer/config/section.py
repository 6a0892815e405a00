"""
One mapping of a configuration file, read key by key.

A reader asks for each key that it knows, by its declaration (`keys`): what the key's text means, and what stands for it when it
is absent. What is wrong is noted where it stands, and reading goes on with the stand-in: so all problems of a file come
out in one go, those between its parts too. `close` notes the keys that nobody asked for, with the nearest that
exists.

A key without a value counts as absent; only `stands` sees it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from mailer.address import Address
from mailer.config.keys import Key, Named, Part, Rows
from mailer.config.problems import Place, Problems
from mailer.config.values import shown
from mailer.config.yamls import Node

T = TypeVar("T")
D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Placed(Generic[T]):
    """A value and where it stands, for problems that show only beside other values."""

    value: T
    place: Place


class Section:
    """A mapping. It knows where it stands and which keys were asked for; it does not know what they mean."""

    def __init__(self, node: Node, place: Place, problems: Problems) -> None:
        self.place = place
        self.problems = problems
        self._nodes = node.value if isinstance(node.value, dict) else {}
        self._asked: set[str] = set()
        self._refused: set[str] = set()
        self._is_mapping = isinstance(node.value, dict | None)
        if not self._is_mapping:
            problems.note(place, "must be a mapping (lines of the form `key: value`)")

    def at(self, key: str) -> Place:
        """Where a key stands; the mapping's own line if it is absent."""
        node = self._nodes.get(key)
        return self.place.key(key, node.line if node else None)

    def note(self, key: str, said: str) -> None:
        """Note a problem of one key."""
        self.problems.note(self.at(key), said)

    def stands(self, key: str) -> bool:
        """Whether a key is written at all, be it without a value."""
        return key in self._nodes

    def has(self, key: str) -> bool:
        """Whether a key has a value, be it a wrong one; it counts as asked for."""
        self._asked.add(key)
        node = self._nodes.get(key)
        return node is not None and bool(node.value.strip() if isinstance(node.value, str) else node.value)

    def names(self) -> list[str]:
        """All keys, of a mapping whose keys are names; each counts as asked for."""
        self._asked.update(self._nodes)
        return list(self._nodes)

    def plain(self, key: str) -> str | None:
        """The text of a key that has one; None where it holds a list, a mapping or nothing."""
        node = self._known(key)
        return node.value.strip() if node and isinstance(node.value, str) else None

    def one(self, key: Key[T, D]) -> T | D:
        """The meaning of one text, or the default."""
        node, place = self._known(key.name), self.at(key.name)
        found = self._read(node, place, key.means) if node else []
        return found[0].value if found else key.default

    def many(self, key: Key[T, D]) -> list[Placed[T]]:
        """The meanings of one text or of a list of them; those that have none are noted and left out."""
        node, place = self._known(key.name), self.at(key.name)
        if node is None or not isinstance(node.value, list):
            return self._read(node, place, key.means) if node else []
        places = [place.item(index, item.line) for index, item in enumerate(node.value)]
        return [found for item, at in zip(node.value, places, strict=True) for found in self._read(item, at, key.means)]

    def section(self, part: Part | Named) -> Section:
        """The mapping under a key; one without keys where there is none."""
        place = self.at(part.name)
        return Section(self._known(part.name) or Node(place.line, {}), place, self.problems)

    def sections(self, rows: Rows) -> list[Section]:
        """The mappings of a list under a key, or the one that may stand for it; none where there is no list."""
        node = self._known(rows.name)
        if rows.or_one and node and isinstance(node.value, dict):
            return [Section(node, self.at(rows.name), self.problems)]
        return listed(node, self.at(rows.name), self.problems) if node else []

    def need(self, *names: str) -> None:
        """Note those of the keys that have no value; nothing is missing in what is no mapping at all."""
        for name in names:
            if self._is_mapping and not self.has(name):
                self.note(name, "is missing")

    def refuse(self, key: str, said: str) -> None:
        """Note a key that people expect and that must not stand."""
        self._refused.add(key)
        if self.stands(key):
            self.note(key, said)

    def close(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._nodes:
            if key not in self._asked | self._refused:
                self.note(key, f"unknown key{nearest(key, self._asked)}")

    def _known(self, key: str) -> Node | None:
        return self._nodes[key] if self.has(key) else None

    def _read(self, node: Node, place: Place, parse: Callable[[str], T]) -> list[Placed[T]]:
        written = (node.value or "").strip() if isinstance(node.value, str | None) else None
        if not written:
            self.problems.note(place, "is empty" if written == "" else "must be one value, not a list or a mapping")
            return []
        try:
            return [Placed(parse(written), place)]
        except ValueError as problem:
            self.problems.note(place, str(problem))
            return []


def nothing(problems: Problems) -> Section:
    """A mapping without keys, for a file that cannot be read."""
    return Section(Node(1, {}), Place(""), problems)


def listed(node: Node, place: Place, problems: Problems) -> list[Section]:
    """The mappings of a file that is a list of them."""
    if not isinstance(node.value, list):
        problems.note(place, "must be a list (lines that begin with `- `)")
        return []
    return [Section(item, place.item(index, item.line), problems) for index, item in enumerate(node.value)]


def check_once(addresses: Sequence[Placed[Address]], problems: Problems) -> None:
    """Note each address that stands among them for the second time."""
    seen: set[str] = set()
    for each in addresses:
        if each.value.key in seen:
            problems.note(each.place, f"{each.value} stands twice here; keep one")
        seen.add(each.value.key)


def nearest(word: str, words: set[str]) -> str:
    """
    The end of a sentence about an unknown word: what was probably meant, else what there is.

    >>> nearest("prot", {"host", "port"}), nearest("x", {"host", "port"})
    ('; did you mean `port`?', '; there are: host, port')
    """
    from difflib import get_close_matches

    if close := get_close_matches(word[:60], sorted(words), n=1):
        return f"; did you mean {shown(close[0])}?"
    return f"; there are: {', '.join(sorted(words))}" if words else ""
