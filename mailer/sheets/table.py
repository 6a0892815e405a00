"""
A table's first row as headings, and its other rows by them: what CSV and workbooks have in common.

    csv_file | workbook  >  TABLE  >  sheet
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

from mailer.errors import UnreadableFile
from mailer.sheets.sheet import COLUMNS, Row, fit, said


def headings(header: list[str], known: Callable[[str], bool]) -> list[str]:
    """
    Make keys for the columns: "" for a nameless one, a number behind an unknown heading that stands twice.

    Raises:
        UnreadableFile: there are too many, or one that is `known` stands twice.
    """
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


def row(keys: list[str], line: int, cells: list[str], problem: str | None, advice: str) -> Row | None:
    """Make a row of a record's cells; None for a blank one. `advice` is what to look for where a cell has no heading."""
    if not "".join(cells).strip():
        return None
    if len(cells) > COLUMNS * 2:  # that many empty cells behind are a spreadsheet's habit
        problem, cells = f"the row has {len(cells)} columns; at most {COLUMNS} are read", cells[:COLUMNS]
    named = {key: cell for key, cell in zip_longest(keys, cells[: len(keys)], fillvalue="") if key}
    stray = [cell for key, cell in zip_longest(keys, cells, fillvalue="") if not key and cell.strip()]
    if stray:
        problem = problem or f"there is text in a column without a heading: {said(stray[0])}; {advice}"
        named[""] = " | ".join(stray)
    return Row(line, *fit(named, problem))


def without_blank_end(cells: list[str]) -> list[str]:
    """A record up to its last cell that is not blank."""
    return cells[: max((n for n, cell in enumerate(cells, 1) if cell.strip()), default=0)]
