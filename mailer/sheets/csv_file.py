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
from functools import partial
from itertools import chain
from typing import BinaryIO

from mailer.errors import UnreadableFile
from mailer.sheets import encodings
from mailer.sheets.rivals import Spoken
from mailer.sheets.sheet import COLUMNS, HEADINGS, RECORD, Sheet
from mailer.sheets.table import headings, row, without_blank_end
from mailer.sheets.text import lines

# The limit is the interpreter's, not ours alone, so it is only ever raised. What bounds a record here is `_feed`.
csv.field_size_limit(max(csv.field_size_limit(), RECORD))

_DELIMITERS = ",;\t|"
_SEPARATOR = re.compile(r'"?sep=(.)"?[\r\n]*', re.IGNORECASE)
_BLANK = 1000  # lines in front of the headings
_ADVICE = "is a quotation mark missing?"
_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook (or another archive): give it the ending .xlsx, or open it and save it as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook in Excel's older format: open it and save it as .xlsx or .csv",
    b"%PDF": "a PDF: a table is needed",
    b"\x1f\x8b": "packed: give it the ending .csv.gz",
}
_WEB = re.compile(rb"\s*<(?:!doctype|html|table|\?xml)", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*\"?[^\s@\"]+@[^\s@\"]+\.[^\s@\"]+\"?\s*")

_Record = tuple[int, list[str], str | None]  # its first line, its cells, what is wrong with it


def read(stream: BinaryIO, known: Callable[[str], bool], spoken: Spoken, named: str = "") -> Sheet:
    """
    Read a CSV; `known` says whether a heading is recognised, `spoken` what its people may speak, `named` its encoding.

    Raises:
        UnreadableFile: an encoding that is not clear, no header, a heading that stands twice, a row without end.
    """
    _refuse_foreign(stream)
    encoding = encodings.of(stream, named, partial(_bytes, stream, known=known), spoken)
    delimiter = _delimiter(stream, encoding, known)
    header, records = _open(stream, encoding, delimiter)
    for _ in records:  # to the end once: a quotation that never closes has to be known before the first row
        pass
    keys = headings(header, known)
    _, records = _open(stream, encoding, delimiter)
    rows = (made for line, cells, problem in records if (made := row(keys, line, cells, problem, _ADVICE)))
    return Sheet(tuple(filter(None, keys)), rows, encoding, "csv", delimiter=delimiter)


def _refuse_foreign(stream: BinaryIO) -> None:
    """Say of what only has a CSV's name what it is."""
    stream.seek(0)
    begin = stream.read(200)
    for mark, told in _FOREIGN.items():
        if begin.startswith(mark):
            raise UnreadableFile(f"the file has the name of a CSV, but is {told}")
    if _WEB.match(begin):
        raise UnreadableFile("the file has the name of a CSV, but is a web page: open it in Excel and save it as CSV")


def _bytes(stream: BinaryIO, encodings: list[str], known: Callable[[str], bool]) -> Iterator[list[str]]:
    """
    The header and the records of a file, each byte as one character (Latin-1), as far as it can be read.

    They are parted by the delimiter under which most headings are known in any of the encodings that it may be in.

    Raises:
        UnreadableFile: the header row cannot be read in any encoding.
    """
    scored = [_scored(stream, encoding, known) for encoding in encodings]
    _, delimiter = max(scored, key=lambda one: one[0], default=((), ","))
    header, records = _open(stream, "latin-1", delimiter)
    try:
        yield header
        yield from (cells for _, cells, _ in records)
    except UnreadableFile:
        return


def _delimiter(stream: BinaryIO, encoding: str, known: Callable[[str], bool]) -> str:
    """Choose the delimiter that the file names, or else that of most known headings, unmixed ones first."""
    return _scored(stream, encoding, known)[1]


def _scored(stream: BinaryIO, encoding: str, known: Callable[[str], bool]) -> tuple[tuple[int, ...], str]:
    """The best delimiter, and before it how well it does: how many headings are known, are unmixed, are there."""
    first = next(lines(stream, encoding, RECORD), "")
    if named := _SEPARATOR.fullmatch(first):
        return (), named.group(1)

    def score(delimiter: str) -> tuple[int, ...]:
        try:
            header, _ = _open(stream, encoding, delimiter)
        except UnreadableFile:
            return -1, 0, 0
        found = [heading for heading in header[:COLUMNS] if known(heading)]  # a file with more is refused anyway
        unmixed = [heading for heading in found if not any(other in heading for other in _DELIMITERS)]
        return len(found), len(unmixed), len(header)

    scores = {delimiter: score(delimiter) for delimiter in _DELIMITERS}
    best = max(_DELIMITERS, key=lambda delimiter: scores[delimiter])
    return scores[best], best


def _open(stream: BinaryIO, encoding: str, delimiter: str) -> tuple[list[str], Iterator[_Record]]:
    """Begin to read: the header row, which is the first that is not blank, and the records after it."""
    physical = lines(stream, encoding, RECORD)
    first = next(physical, "")
    if _SEPARATOR.fullmatch(first):
        records = _records(physical, delimiter, 2)
    else:
        records = _records(chain([first], physical), delimiter, 1)
    for line, cells, problem in records:
        if line > _BLANK:
            raise UnreadableFile(f"the first {_BLANK} lines are blank: the first row has to hold the headings of the columns")
        if problem or "\0" in "".join(cells):
            raise UnreadableFile(f"the header row (line {line}) is damaged: {problem or 'it holds NUL characters'}")
        if (text := "".join(cells)).strip(_DELIMITERS + " "):
            if len(text) > HEADINGS:
                raise UnreadableFile(f"the headings are longer than {HEADINGS} characters together")
            return without_blank_end(cells), records
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
            width = width or len(without_blank_end(cells))
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


def _where(line: int, length: int) -> str:
    return f"in line {line}" if length == 1 else f"in lines {line} to {line + length - 1}"
