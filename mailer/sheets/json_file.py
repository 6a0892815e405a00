"""
JSON and JSON Lines.

    bytes > text > JSON_FILE > sheet > intake

A JSON file is a list of objects, an object that holds such a list, or one object. It is checked whole, then its objects
are read one at a time. In JSON Lines every line stands for itself: a broken one is that row's problem and no other's,
and a file of any length takes no more memory than its longest line.

Numbers are texts, as they are written: no telephone number loses a zero, no long one its end. RFC 8259.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import BinaryIO, NoReturn

from mailer.errors import UnreadableFile
from mailer.sheets.sheet import DEPTH, RECORD, Row, Sheet, row, said
from mailer.sheets.text import count_breaks, encoding_of, lines, whole

_MOST = 16 << 20  # bytes
_VALUES = 400_000  # commas and brackets: what is checked whole is held in memory, a few bytes of text at fifty times their size
_ADVICE = "write it as JSON Lines (.jsonl, one object on each line), which may have any size"
_LISTS = ("signatures", "data", "rows")
_SPACE = re.compile(r"[ \t\r\n]*")


class _NotJson(ValueError):
    """What Python's reader takes and JSON does not have."""


def _refuse(constant: str) -> NoReturn:
    raise _NotJson(f"{constant} is no JSON value")


class _Depth(int):
    """How deep an object goes: all that is kept of it while the file is checked, and one for all of that depth."""

    __slots__ = ()


_DEPTHS = tuple(map(_Depth, range(DEPTH + 2)))


def _depth(value: object) -> int:
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return value if isinstance(value, _Depth) else 0


def _measure(pairs: list[tuple[str, object]]) -> _Depth:
    return _DEPTHS[min(1 + max((_depth(value) for _, value in pairs), default=0), DEPTH + 1)]


# An object is a tuple of its pairs, so that a key that stands twice is seen; an array is a list.
_values = json.JSONDecoder(object_pairs_hook=tuple, parse_int=str, parse_float=str, parse_constant=_refuse)
_depths = json.JSONDecoder(object_pairs_hook=_measure, parse_int=str, parse_float=str, parse_constant=_refuse)


def read(stream: BinaryIO, named: str = "") -> Sheet:
    """
    Read a JSON file; `named` is the encoding that its name says.

    Raises:
        UnreadableFile: wrong encoding, not JSON, too large, too deep, or without one list of objects.
    """
    text, encoding = whole(stream, _MOST, _ADVICE, named)
    if sum(map(text.count, ",[{")) > _VALUES:
        raise UnreadableFile(f"the file holds more than {_VALUES} values: {_ADVICE}")
    try:
        depth = _depth(_depths.decode(text))
    except RecursionError:
        depth = DEPTH + 1
    except json.JSONDecodeError as error:
        raise UnreadableFile(f"line {error.lineno} is not JSON: {_said(error)}") from None
    except _NotJson as error:
        raise UnreadableFile(f"the file is not JSON: {error}") from None
    if depth > DEPTH:
        raise UnreadableFile(f"the file's lists and objects are nested more than {DEPTH} deep")
    start = _start(text)
    if text[start] == "[" and text[_skip(text, start + 1)] not in "{]n":  # null is a blank row
        raise UnreadableFile('the list of signatures holds no objects: {"name": …, "email": …} is needed for each')
    return Sheet(None, _rows(text, start), encoding, "json")


def read_lines(stream: BinaryIO, named: str = "") -> Sheet:
    """
    Read a JSON Lines file; `named` is the encoding that its name says.

    Raises:
        UnreadableFile: wrong encoding. Everything else is one line's problem.
    """
    encoding = encoding_of(stream, named)
    numbered = enumerate(lines(stream, encoding, RECORD), 1)
    rows = (row for line, text in numbered if text.strip() and (row := _line(line, text)))
    return Sheet(None, rows, encoding, "jsonl")


def _line(line: int, text: str) -> Row | None:
    try:
        if len(text) >= RECORD:
            raise _NotJson(f"it is longer than {RECORD} characters")
        return _object(line, _values.decode(text))
    except RecursionError:
        problem = f"lists and objects are nested more than {DEPTH} deep"
    except json.JSONDecodeError as error:
        problem = _said(error)
    except _NotJson as error:
        problem = str(error)
    return row(line, [("", text.strip()[:1000])], f"this line is not one JSON object: {problem}")


def _said(error: json.JSONDecodeError) -> str:
    return f"{error.msg.removesuffix(' at')} at column {error.colno}"


def _object(line: int, value: object) -> Row | None:
    """One element as a row; null is a blank one."""
    if value is None:
        return None
    if not isinstance(value, tuple):
        return row(line, [("", str(value)[:1000])], 'an object is needed here: {"name": …, "email": …}')
    return row(line, [(key, _text(cell)) for key, cell in value])


def _text(value: object) -> str | None:
    """
    One value as a text; None for a list or an object.

    >>> _text(True), _text("010"), _text(None), _text([])
    ('true', '010', '', None)
    """
    match value:
        case str():
            return value
        case bool():
            return str(value).lower()
        case None:
            return ""
        case _:
            return None


def _start(text: str) -> int:
    """Where the list of signatures begins; where there is none, the one object."""
    start = _skip(text, 0)
    if text[start] not in "[{":
        raise UnreadableFile("the file holds neither a list of signatures nor an object with one")
    if text[start] == "[":
        return start
    lists = [(key, at) for key, at in _members(text, start) if _is_list(text, at, named=key in _LISTS)]
    lists = [(key, at) for key, at in lists if key in _LISTS] or lists
    if len(lists) > 1:
        names = ", ".join(said(key) for key, _ in lists)
        raise UnreadableFile(f"the file holds more than one list: {names}; leave only that of the signatures")
    return lists[0][1] if lists else start


def _is_list(text: str, at: int, named: bool) -> bool:
    """Whether the value at `at` is a list; one without a name that we know has to hold an object."""
    return text[at] == "[" and (named or text[_skip(text, at + 1)] == "{")


def _rows(text: str, start: int) -> Iterator[Row]:
    line, counted = 1, 0
    for at, value in _elements(text, start):
        line, counted = line + count_breaks(text, counted, at), at
        if made := _object(line, value):
            yield made


def _elements(text: str, at: int) -> Iterator[tuple[int, object]]:
    """Each element of the list at `at`, or the one object there, and where it begins. The text is known to be JSON."""
    if text[at] == "{":
        yield at, _values.raw_decode(text, at)[0]
        return
    at = _skip(text, at + 1)
    while text[at] != "]":
        value, end = _values.raw_decode(text, at)
        yield at, value
        at = _past_comma(text, end)


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Each key of the object at `at`, and where its value begins."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, end = _depths.raw_decode(text, at)
        at = _skip(text, _skip(text, end) + 1)
        yield key, at
        at = _past_comma(text, _depths.raw_decode(text, at)[1])


def _past_comma(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    blank = _SPACE.match(text, at)
    return blank.end() if blank else at
