"""
CSV as it comes from spreadsheets and forms: any usual delimiter, quoted cells of many lines.

    bytes > text > CSV_FILE > sheet > intake

The delimiter is the one under which the header row shows most known headings. Quotation marks decide where a row ends,
so they are read strictly; where they do not pair up, the rows end where a lenient reader such as Excel sees them end,
and each line in between is refused by itself: none is swallowed, and no line of somebody's message becomes a row.
A quotation that never closes makes the whole file unreadable, and that is found out before the first row is given.

RFC 4180, and Excel's first line `sep=;`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from itertools import chain, zip_longest
from typing import BinaryIO

from mailer.errors import UnreadableFile
from mailer.sheets.sheet import COLUMNS, RECORD, Row, Sheet, fit, said
from mailer.sheets.text import encoding_of, lines

# The limit is the interpreter's, not ours alone, so it is only ever raised. What bounds a record here is `_feed`.
csv.field_size_limit(max(csv.field_size_limit(), RECORD))

_DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
_ADDRESS = re.compile(r"\s*\"?[^\s@\"]+@[^\s@\"]+\.[^\s@\"]+\"?\s*")

_Record = tuple[int, list[str], str | None]  # its first line, its cells, what is wrong with it


def read(stream: BinaryIO, known: Callable[[str], bool]) -> Sheet:
    """
    Read a CSV; `known` says whether a heading is recognised.

    Raises:
        UnreadableFile: wrong encoding, no header, a heading that stands twice, a row without end.
    """
    encoding = encoding_of(stream)
    delimiter = _delimiter(stream, encoding, known)
    header, records = _open(stream, encoding, delimiter)
    for _ in records:  # to the end once: a quotation that never closes has to be known before the first row
        pass
    keys = _headings(header, known)
    _, records = _open(stream, encoding, delimiter)
    rows = (row for record in records if (row := _row(keys, *record)))
    return Sheet(tuple(filter(None, keys)), rows, encoding, "csv", delimiter=delimiter)


def _delimiter(stream: BinaryIO, encoding: str, known: Callable[[str], bool]) -> str:
    """Choose the delimiter that the file names, or else that of most known headings, unmixed ones first."""
    first = next(lines(stream, encoding, RECORD), "")
    if named := _SEPARATOR.fullmatch(first):
        return named.group(1)

    def score(delimiter: str) -> tuple[int, int, int]:
        try:
            header, _ = _open(stream, encoding, delimiter)
        except UnreadableFile:
            return -1, 0, 0
        found = [heading for heading in header if known(heading)]
        unmixed = [heading for heading in found if not any(other in heading for other in _DELIMITERS)]
        return len(found), len(unmixed), len(header)

    return max(_DELIMITERS, key=score)


def _open(stream: BinaryIO, encoding: str, delimiter: str) -> tuple[list[str], Iterator[_Record]]:
    """Begin to read: the header row, which is the first that is not blank, and the records after it."""
    physical = lines(stream, encoding, RECORD)
    first = next(physical, "")
    if _SEPARATOR.fullmatch(first):
        records = _records(physical, delimiter, 2)
    else:
        records = _records(chain([first], physical), delimiter, 1)
    for line, cells, problem in records:
        if problem or "\0" in "".join(cells):
            raise UnreadableFile(f"the header row (line {line}) is damaged: {problem or 'it holds NUL characters'}")
        if "".join(cells).strip(_DELIMITERS + " "):
            return _without_blank_end(cells), records
    raise UnreadableFile("the file is empty: its first row has to hold the headings of the columns")


def _records(physical: Iterator[str], delimiter: str, line: int) -> Iterator[_Record]:
    """Read the records; one whose quotation marks do not pair up comes as its lines, each with the problem."""
    taken: list[str] = []  # the physical lines of the record in hand
    feed = _feed(physical, taken)
    strict = csv.reader(feed, delimiter=delimiter, skipinitialspace=True, strict=True)
    width = 0  # of the header, the first record that is not blank
    while True:
        taken.clear()
        try:
            cells = _next(strict, feed, taken, delimiter)
        except StopIteration:
            return
        except _Endless:
            raise UnreadableFile(
                f"the row that starts in line {line} does not end: a quotation mark opens there and is never closed, "
                f"or the row is longer than {RECORD} characters; correct it and put the file back"
            ) from None
        if cells is None or (len(taken) > 1 and _hides_rows(cells, delimiter, width)):
            problem = f"the quotation marks {_where(line, len(taken))} do not pair up; correct them and put the file back"
            yield from ((line + n, text.rstrip("\r\n").split(delimiter), problem) for n, text in enumerate(taken))
        else:
            yield line, cells, None
            width = width or len(_without_blank_end(cells))
        line += len(taken)


class _Endless(Exception):
    """A record that has no end, or none within the bound."""


def _feed(physical: Iterator[str], taken: list[str]) -> Iterator[str]:
    """Hand on the lines of one record, noting them in `taken`, and no more of them than the bound allows."""
    size = 0
    for text in physical:
        size = len(text) + (size if taken else 0)
        taken.append(text)
        if size >= RECORD:
            raise _Endless
        yield text


def _next(strict: Iterator[list[str]], feed: Iterator[str], taken: list[str], delimiter: str) -> list[str] | None:
    """Read one record strictly; None for a broken one, which is then read up to its lenient end."""
    try:
        return next(strict)
    except csv.Error:
        beyond = iter(['"\n'])  # asked for only if a quotation is still open when the file ends
        next(csv.reader(chain(taken[:], feed, beyond), delimiter=delimiter, skipinitialspace=True))
        if next(beyond, None) is None:
            raise _Endless from None
        return None


def _hides_rows(cells: list[str], delimiter: str, width: int) -> bool:
    """
    Tell whether a quotation has swallowed rows: a line inside a cell would be a whole row by itself.

    >>> _hides_rows(["Jane,j@x.example,Riga\\nJoe 6", "joe@x.example", "Oslo"], ",", 3)
    True
    >>> _hides_rows(["Jane", "j@x.example", "Dear Sir,\\nplease, please answer,\\nj@x.example"], ",", 3)
    False
    """
    inside = (line.split(delimiter) for cell in cells if "\n" in cell or "\r" in cell for line in cell.splitlines())
    return width > 1 and any(len(parts) >= width and any(map(_ADDRESS.fullmatch, parts)) for parts in inside)


def _headings(header: list[str], known: Callable[[str], bool]) -> list[str]:
    """Make keys for the columns: "" for a nameless one, a number behind an unknown heading that stands twice."""
    if len(header) > COLUMNS:
        raise UnreadableFile(f"the header row has {len(header)} columns; at most {COLUMNS} are read")
    keys: list[str] = []
    for heading in header:
        key, n = heading if heading.strip() else "", 1
        if key in keys and known(key):
            raise UnreadableFile(f"two columns are both called {said(key)}: rename or remove one of them")
        while key and key in keys:
            n += 1
            key = f"{heading} ({n})"
        keys.append(key)
    return keys


def _row(keys: list[str], line: int, cells: list[str], problem: str | None) -> Row | None:
    if not "".join(cells).strip():
        return None
    named = {key: cell for key, cell in zip_longest(keys, cells[: len(keys)], fillvalue="") if key}
    stray = [cell for key, cell in zip_longest(keys, cells, fillvalue="") if not key and cell.strip()]
    if stray:
        problem = problem or f"there is text in a column without a heading: {said(stray[0])}; is a quotation mark missing?"
        named[""] = " | ".join(stray)
    return Row(line, *fit(named, problem))


def _without_blank_end(cells: list[str]) -> list[str]:
    return cells[: max((n for n, cell in enumerate(cells, 1) if cell.strip()), default=0)]


def _where(line: int, length: int) -> str:
    return f"in line {line}" if length == 1 else f"in lines {line} to {line + length - 1}"
