"""
Signature files as rows: CSV, XLSX, JSON, JSONL and YAML, whoever exported them.

    spool > intake (SHEETS, columns) > signature > letter > courier > outcome > report

`read` chooses the form by the file's name and gives back a Sheet. Nothing in a file is dropped in silence: each record
that is not blank comes out as one Row, and one that is broken says in plain words what is wrong with it. A file that
cannot be trusted as a whole (an encoding that is not clear, an endless quotation, broken JSON) raises UnreadableFile *before*
its first row, so that no file is taken in by half. Everything is bounded; CSV and JSONL are streamed, in flat memory.

This package does not know what a column means (see `columns`) nor what a good signature is (see `signature`), and opens
no file: it reads the seekable binary stream that it is given, more than once.

    sheet   Row, Sheet, the bounds            form       what a file's name says
    text    bytes to text                     encodings  which of the old encodings a CSV is in
    packed  .gz                               rivals     which of several readings of a CSV is right
    table   headings, and rows by them
    csv_file, json_file, yaml_file, workbook  one form each
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from mailer.sheets.rivals import Spoken, nobody_knows
from mailer.sheets.sheet import Row, Sheet

__all__ = ["Row", "Sheet", "read"]


def read(stream: BinaryIO, name: str, *, known: Callable[[str], bool] | None = None, spoken: Spoken = nobody_knows) -> Sheet:
    """
    Read a signature file. `stream` must be seekable and stay open while the rows are taken.

    `known` says whether a heading is a column's name (see `columns.is_known`); a CSV's delimiter is found by it. `spoken` says
    which languages the people of a CSV's rows may speak, as one of several encodings reads them (see `rivals`).

    >>> from io import BytesIO
    >>> [row.cells for row in read(BytesIO(b"Name;City\\nJane Doe;Riga\\n"), "signatures.CSV").rows]
    [{'Name': 'Jane Doe', 'City': 'Riga'}]

    Raises:
        UnreadableFile: nothing of this file can be taken; its reason says what to do. Comes before the first row, unless the
            file changes while it is read.
    """
    # Each form is imported where a file of it is read: a pass that finds no file pays for none.
    from mailer.sheets import csv_file, form, json_file, packed, yaml_file

    wanted = form.of(name)
    known = known or (lambda _: False)
    if wanted.kind == "xlsx":
        from mailer.sheets import workbook

        return workbook.read(stream, known, wanted.worksheet)
    text = packed.unpacked(stream) if wanted.is_packed else stream
    match wanted.kind:
        case "csv":
            return csv_file.read(text, known, spoken, wanted.encoding)
        case "json":
            return json_file.read(text, wanted.encoding)
        case "jsonl":
            return json_file.read_lines(text, wanted.encoding)
        case _:
            return yaml_file.read(text, wanted.encoding)
