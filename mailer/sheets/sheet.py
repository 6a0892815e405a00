"""
What every form of signature file is read into: a Sheet of Rows, and the bounds that hold for all of them.

    bytes > text > csv_file | json_file | yaml_file | workbook > SHEET > intake

A row's texts can always be written again as UTF-8, whatever the file held. This module reads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

COLUMNS = 200
HEADINGS = 30_000  # characters of all of a row's headings
CELL = 100_000  # characters
RECORD = 1_000_000  # characters
DEPTH = 20

_UNFIT = re.compile("[\0\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """
    One record that is not blank. `line` is where it starts in the file: the first line is 1.

    `cells` holds its texts by the file's own headings. Where the record is broken `problem` says how, and `cells` holds
    what could be read; what stands under no heading is under "".
    """

    line: int
    cells: Mapping[str, str]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """
    A file, opened for its rows, which are read once and in the file's order.

    `header` is None where each row brings its own keys (JSON, JSONL, YAML). `form` is csv, xlsx, json, jsonl or yaml, and
    `part` the name of the sheet that was taken of a workbook.
    """

    header: tuple[str, ...] | None
    rows: Iterator[Row]
    encoding: str
    form: str
    part: str = ""
    delimiter: str = ""  # of a CSV


def row(line: int, pairs: Iterable[tuple[str, str | None]], problem: str | None = None) -> Row | None:
    """
    Make a row of headings and texts; None stands for a value that is itself a list or an object. Blank: no row.

    >>> row(2, [("name", ""), ("email", " ")]) is None
    True
    >>> row(3, [("name", "Jane"), ("name", "Joan")])
    Row(line=3, cells={'name': 'Jane'}, problem='«name» stands twice in this row')
    """
    cells: dict[str, str] = {}
    for key, text in pairs:
        if key in cells:
            problem = problem or f"{said(key)} stands twice in this row"
        elif text is None:
            problem = problem or f"{said(key)} holds a list or an object, where a plain text is needed"
        cells.setdefault(key, text or "")
    if problem is None and not "".join(cells.values()).strip():
        return None
    return Row(line, *fit(cells, problem))


def fit(cells: dict[str, str], problem: str | None) -> tuple[dict[str, str], str | None]:
    """Hold a record to the bounds: its cells, writable again, and its problem if it has one."""
    problem = problem or _excess(cells)
    if len(cells) > COLUMNS:
        cells = dict(islice(cells.items(), COLUMNS))  # what is written back of it is bounded too
    if sum(map(len, cells)) > HEADINGS:
        cells = {f"{key[:60]}… {number}": text for number, (key, text) in enumerate(cells.items())}
    text = "".join((*cells, *cells.values()))
    if unfit := _UNFIT.search(text):
        kind = "a NUL character" if unfit.group() == "\0" else "half a character (a lone surrogate)"
        problem = problem or f"the row holds {kind}: the program that wrote the file is at fault; write the row again"
        cells = {_SURROGATE.sub("\ufffd", key): _SURROGATE.sub("\ufffd", value) for key, value in cells.items()}
    return cells, problem


def said(key: str) -> str:
    """Write a heading as a message shows it."""
    return f"«{_SURROGATE.sub('?', key[:60])}»"


def _excess(cells: Mapping[str, str]) -> str | None:
    if len(cells) > COLUMNS:
        return f"the row has {len(cells)} columns; at most {COLUMNS} are read"
    # Rows may bring keys of their own, and what they were taken for is remembered.
    if sum(map(len, cells)) > HEADINGS:
        return f"the names of the row's columns are longer than {HEADINGS} characters together"
    if sum(map(len, cells.values())) > CELL:
        for key, text in cells.items():
            if len(text) > CELL:
                return f"{said(key)} holds {len(text)} characters; at most {CELL} are read"
        if sum(map(len, cells.values())) > RECORD:
            return f"the row holds more than {RECORD} characters"
    return None
