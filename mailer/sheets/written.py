"""
Rows written back for the organiser: why each was not taken, in a CSV that opens rightly in Excel.

The file keeps the original columns and puts the line and the reason before them, parted by what the file itself is parted by:
Excel reads a CSV by the separator of the machine that it runs on, and most files were written by such an Excel. Cells that
a spreadsheet would run as a formula are defused. Rows are spooled to a file in the folder that is given, so that a million
of them cost no memory.
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any

_FORMULA = re.compile(r"(^|[;,\t|\r\n])(?=[=+\-@\t\r＝＋－＠])")  # a cell's beginning, also where an Excel splits it otherwise
_CHUNK = 65_536


def defused(text: str) -> str:
    """
    A cell that no spreadsheet takes for a formula.

    >>> defused("=HYPERLINK(1)"), defused("Jane"), defused("x;=cmd"), defused("＝1")
    ("'=HYPERLINK(1)", 'Jane', "x;'=cmd", "'＝1")
    """
    return _FORMULA.sub(r"\1'", text)


@dataclass(frozen=True, slots=True)
class Form:
    """How rows are written back: the delimiter, and the headings of line, reason and what stands in no column."""

    delimiter: str = ","
    headings: tuple[str, str, str] = ("line", "reason", "other")


class RowsBeside:
    """The rows of one kind (rejected, known) of one file. Nothing is written while there is none."""

    def __init__(self, folder: Path, columns: Sequence[str] | None, form: Form) -> None:
        self._folder = folder
        self._form = form
        self._columns = list(columns) if columns is not None else None
        self._file: Any = None
        self._writer: Any = None
        self.count = 0

    def add(self, line: int, reason: str, cells: Mapping[str, str]) -> None:
        """Write one row down."""
        if self._writer is None:
            self._begin(cells)
        columns = self._columns or []
        others = "; ".join(f"{key}: {value}" if key else value for key, value in cells.items() if key not in columns and value)
        row = [str(line), reason, *(cells.get(column, "") for column in columns), others]
        self._writer.writerow([defused(cell) for cell in row])
        self.count += 1

    def chunks(self) -> Iterator[bytes]:
        """The file's bytes, from the first."""
        self._file.flush()
        raw = self._file.buffer
        raw.seek(0)
        while chunk := raw.read(_CHUNK):
            yield chunk

    def close(self) -> None:
        """Forget the rows."""
        if self._file is not None:
            self._file.close()

    def _begin(self, cells: Mapping[str, str]) -> None:
        # A file whose rows bring their own keys shows those of its first row; what others have more stands at the end.
        if self._columns is None:
            self._columns = [key for key in cells if key]
        raw = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115  it lives as long as the rows; `close` ends it
        # The byte order mark tells Excel that this is UTF-8.
        self._file = TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        self._writer = csv.writer(self._file, delimiter=self._form.delimiter, lineterminator="\r\n", quoting=csv.QUOTE_ALL)
        line, reason, other = self._form.headings
        self._writer.writerow([defused(heading) for heading in [line, reason, *self._columns, other]])
