"""
One YAML file as a tree of texts, each with the line on which it stands.

Every plain value stays the text that was written: `NO` is Norway, `010` is no eight, `off` is the word off. Only an
empty value, `~` and `null` mean that nothing is given. What a text means is for the reader of its key to say
(`values`), who alone knows whether a number, a day or a name is wanted. So none of YAML 1.1's guesses is ever made.

Refused with their line: a key that stands twice, tags (`!!python/…`), aliases (so nothing multiplies), a second
document, more than 1 MB, more than 20 levels. The tree is built from the parser's events; no object is ever made from
a file's words.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mailer.config.problems import Place, Problems

LARGEST = 1_000_000
DEEPEST = 20
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NOTHING = ("", "~", "null", "Null", "NULL")

# The parser's words (libyaml's and PyYAML's) in plainer ones.
_PLAINLY = {
    "values are not allowed": "a `:` stands where none can; put quotes around the text, and check the indentation",
    "entries are not allowed": "a list cannot begin here; put its first `-` on a line of its own",
    "cannot start any token": "this character cannot stand here; put quotes around the text, and indent by spaces",
    "unexpected end of stream": "the quotes that open here are never closed",
    "unknown escape": 'a `\\` means something between double quotes; use single quotes, or write it as "\\\\"',
    "or ']'": "a list in [ ] is not closed, or lacks a comma",
    "or '}'": "a mapping in { } is not closed, or lacks a comma",
    "'-' indicator": "this line is not indented as the list above it",
    "block end": "this line is not indented as the lines above it",
    "expected key": "this line is not indented as the lines above it",
    "expected ':'": "this line needs the form `key: value`",
    "tag handle": "tags (words that begin with `!`) have no place here; put quotes around the text",
}


@dataclass(slots=True)
class Node:
    """A value of the file: a text, a list, a mapping, or nothing. In a mapping its line is the key's."""

    line: int
    value: str | list[Node] | dict[str, Node] | None


class _Malformed(Exception):
    """The file cannot be read any further."""

    def __init__(self, line: int, said: str) -> None:
        self.line = line
        self.said = said
        super().__init__(said)


def load(path: Path, file: str, problems: Problems) -> Node | None:
    """Read the YAML file at `path`, which problems call `file`. None: it cannot be read, and the problem is noted."""
    try:
        return read(_content(path), file, problems)
    except _Malformed as malformed:
        problems.note(Place(file, malformed.line), malformed.said)
        return None


def read(text: str, file: str, problems: Problems) -> Node:
    """Turn a YAML text into its tree; an empty one is a mapping without keys."""
    try:
        return _Document(text, Place(file), problems).read()
    except yaml.MarkedYAMLError as error:
        raise _Malformed(*_plainly(error)) from None
    except yaml.reader.ReaderError as error:
        raise _Malformed(1, f"holds a character that YAML does not allow (U+{_code(error.character):04X})") from None
    except UnicodeEncodeError:
        raise _Malformed(1, "holds a character that YAML does not allow (half of a pair)") from None


def _content(path: Path) -> str:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _Malformed(1, "is not a file")
        with open(path, "rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise _Malformed(1, "there is no such file") from None
    except OSError as error:
        raise _Malformed(1, f"cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise _Malformed(1, "is larger than 1 MB: this is not a configuration file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Malformed(content.count(b"\n", 0, error.start) + 1, "is not UTF-8; save the file as UTF-8") from None


def _code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")


def _plainly(error: yaml.MarkedYAMLError) -> tuple[int, str]:
    """The line of a syntax error and what is wrong there."""
    problem = str(error.problem or error.context or "cannot be read")
    at_start = "unexpected end of stream" in problem or "or ']'" in problem or "or '}'" in problem
    mark = (error.context_mark if at_start else None) or error.problem_mark or error.context_mark
    said = next((plain for words, plain in _PLAINLY.items() if words in problem), f"is not YAML: {problem}")
    return (mark.line + 1 if mark else 1), said


class _Document:
    """The one document of a text, read event by event."""

    def __init__(self, text: str, place: Place, problems: Problems) -> None:
        self._take: Callable[[], Any] = iter(yaml.parse(text, Loader=_LOADER)).__next__
        self._place = place
        self._problems = problems

    def read(self) -> Node:
        """Read it all."""
        self._take()  # the stream starts
        if isinstance(self._take(), yaml.StreamEndEvent):
            return Node(1, {})
        node = self._node(self._take(), None, self._place, 0)
        self._take()  # the document ends
        following = self._take()
        if not isinstance(following, yaml.StreamEndEvent):
            raise _Malformed(following.start_mark.line + 1, "a second document begins (`---`); keep one in a file")
        return Node(1, {}) if node.value is None else node

    def _node(self, event: Any, line: int | None, place: Place, depth: int) -> Node:
        line = line or event.start_mark.line + 1
        place = Place(place.file, line, place.path)
        if isinstance(event, yaml.AliasEvent):
            self._problems.note(
                place, "aliases (words that begin with `*`) have no place here; write it out, or put quotes around it"
            )
            return Node(line, None)
        if event.tag is not None:
            self._problems.note(place, "tags (words that begin with `!`) have no place here; put quotes around the text")
        if depth > DEEPEST:
            raise _Malformed(line, f"is nested deeper than {DEEPEST} levels")
        if isinstance(event, yaml.SequenceStartEvent):
            return Node(line, self._items(place, depth))
        if isinstance(event, yaml.MappingStartEvent):
            return Node(line, self._keys(place, depth))
        return Node(line, None if not event.style and event.value in _NOTHING else event.value)

    def _items(self, place: Place, depth: int) -> list[Node]:
        items: list[Node] = []
        while not isinstance(event := self._take(), yaml.SequenceEndEvent):
            line = event.start_mark.line + 1
            items.append(self._node(event, line, place.item(len(items), line), depth + 1))
        return items

    def _keys(self, place: Place, depth: int) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        while not isinstance(event := self._take(), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                self._problems.note(Place(place.file, line, place.path), "a key must be one word")
                self._node(event, line, place, depth + 1)
                self._node(self._take(), line, place, depth + 1)
                continue
            key = place.key(event.value, line)
            node = self._node(self._take(), line, key, depth + 1)
            if event.value in nodes:
                self._problems.note(key, f"stands twice, first in line {nodes[event.value].line}; keep one")
            nodes.setdefault(event.value, node)
        return nodes
