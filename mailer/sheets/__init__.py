"""
Signature files as rows: CSV, JSON, JSONL and YAML, whoever exported them.

    spool > intake (SHEETS, columns) > signature > letter > courier > outcome > report

`read` chooses the form by the file's name and gives back a Sheet. Nothing in a file is dropped in silence: each record
that is not blank comes out as one Row, and one that is broken says in plain words what is wrong with it. A file that
cannot be trusted as a whole (another encoding, an endless quotation, broken JSON) raises UnreadableFile *before* its
first row, so that no file is taken in by half. Everything is bounded; CSV and JSONL are streamed, in flat memory.

This package does not know what a column means (see `columns`) nor what a good signature is (see `signature`), and opens
no file: it reads the seekable binary stream that it is given, more than once.

    sheet   Row, Sheet, the bounds            text    bytes to text; the only place that knows encodings
    csv_file, json_file, yaml_file            one form each
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from mailer.errors import UnreadableFile
from mailer.sheets import csv_file, json_file, yaml_file
from mailer.sheets.sheet import Row, Sheet

__all__ = ["Row", "Sheet", "read"]

_FORMS = {
    **dict.fromkeys(("csv", "tsv", "txt"), "csv"),
    "json": "json",
    **dict.fromkeys(("jsonl", "ndjson"), "jsonl"),
    **dict.fromkeys(("yaml", "yml"), "yaml"),
}


def read(stream: BinaryIO, name: str, *, known: Callable[[str], bool] | None = None) -> Sheet:
    """
    Read a signature file. `stream` must be seekable and stay open while the rows are taken.

    `known` says whether a heading is a column's name (see `columns.is_known`); a CSV's delimiter is found by it.

    >>> from io import BytesIO
    >>> [row.cells for row in read(BytesIO(b"Name;City\\nJane Doe;Riga\\n"), "signatures.CSV").rows]
    [{'Name': 'Jane Doe', 'City': 'Riga'}]

    Raises:
        UnreadableFile: nothing of this file can be taken; its reason says what to do. Comes before the first row, unless the
            file changes while it is read.
    """
    match _form(name):
        case "csv":
            return csv_file.read(stream, known or (lambda _: False))
        case "json":
            return json_file.read(stream)
        case "jsonl":
            return json_file.read_lines(stream)
        case _:
            return yaml_file.read(stream)


def _form(name: str) -> str:
    stem, _, extension = name.rpartition(".")
    form = _FORMS.get(extension.casefold()) if stem else None
    if form is None:
        raise UnreadableFile(
            f"files of this kind{f' (.{extension[:20]})' if stem else ''} are not read: save the table as CSV "
            "(in Excel: «CSV UTF-8»); accepted are .csv, .tsv, .txt, .json, .jsonl, .ndjson, .yaml and .yml"
        )
    return form
