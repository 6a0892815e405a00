"""
The process that reads a workbook for `workbook`, alone and bounded. It imports nothing of mailer.

    workbook  --a handle-->  WORKBOOK_CHILD  --lines of JSON-->  workbook

Before anything is read it takes its own rights away: memory, time, new files, children. What the archive claims to hold and
what it does hold is added up first, because a few kilobytes can stand for gigabytes. Then the sheet is read whole by
python-calamine, which knows no entities and no external links, and its rows are written out as texts:

    {"sheet": "Responses"}   {"line": 2, "cells": ["Jane Doe", …]} …   {"end": true}        or   {"problem": "…"}

A number that is whole has no ".0", a date is ISO 8601, a formula its last value, an error cell empty.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import resource
import signal
import sys
from datetime import date, datetime
from typing import Any, BinaryIO

MEMORY = 224 << 20  # bytes of address space
SECONDS = 2  # of processor time for a small file
_SECONDS_A_MEGABYTE = 1  # and as much for each of a larger one
ENTRIES = 1000
UNPACKED = 512 << 20  # bytes
RATIO = 200  # of a sheet of one value in every cell; a bomb has thousands
_ALWAYS = 10 << 20  # bytes, unpacked, for which no ratio is asked
_CHUNK = 1 << 18
CELLS = 201  # one more than is read, so that an excess shows
RECORD = 1_000_000  # characters
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class _Refused(Exception):
    """Why this workbook is not read, for the organiser."""


def limit(size: int, parent: int) -> None:
    """Take away what is not needed; `parent` is who must not be outlived."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    seconds = SECONDS + _SECONDS_A_MEGABYTE * (size >> 20)
    _bound(resource.RLIMIT_CPU, seconds, seconds + 2)
    _bound(resource.RLIMIT_AS, MEMORY, MEMORY)
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        _bound(what, 0, 0)


def _bound(what: int, soft: int, hard: int) -> None:
    """Set a limit; one that is lower already (a service's own) stays."""
    _, before = resource.getrlimit(what)
    most = hard if before == resource.RLIM_INFINITY else min(hard, before)
    resource.setrlimit(what, (min(soft, most), most))


def main() -> None:
    """Read what the handle holds and tell it."""
    handle, parent = int(sys.argv[1]), int(sys.argv[2])
    limit(os.fstat(handle).st_size, parent)
    wished = sys.stdin.buffer.read().decode("utf-8", "replace")
    out = io.TextIOWrapper(sys.stdout.buffer, "utf-8", errors="replace", newline="\n", write_through=False)
    try:
        with io.FileIO(handle) as file:
            add_up(file)
            tell(file, wished, out)
    except _Refused as refused:
        out.write(json.dumps({"problem": str(refused)}) + "\n")
    except MemoryError:
        os.abort()
    out.flush()


def add_up(file: BinaryIO) -> None:
    """See what the archive holds, as it says and as it is."""
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > ENTRIES:
                raise _Refused(f"the workbook holds {len(entries)} parts; at most {ENTRIES} are read")
            if any(entry.flag_bits & 1 for entry in entries):
                raise _Refused("the workbook is protected by a password: take it off and drop it again")
            if not any(entry.filename == "[Content_Types].xml" for entry in entries):
                raise _Refused("the file has the name of a workbook (.xlsx), but is another kind of archive")
            most = min(UNPACKED, max(_ALWAYS, RATIO * sum(entry.compress_size for entry in entries)))
            if sum(entry.file_size for entry in entries) > most:
                raise _Refused(_too_much(most))
            total = 0
            for entry in entries:
                with archive.open(entry) as part:
                    while chunk := part.read(_CHUNK):
                        total += len(chunk)
                        if total > most:
                            raise _Refused(_too_much(most))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError, OverflowError):
        raise _Refused("the workbook is damaged: open it in Excel and save it anew") from None


def _too_much(most: int) -> str:
    return f"unpacked, the workbook holds more than {most >> 20} MB: save the sheet as CSV and drop that"


def tell(file: BinaryIO, wished: str, out: io.TextIOWrapper) -> None:
    """Choose the sheet and write its rows."""
    import python_calamine

    file.seek(0)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(file)
        sheet = _chosen(book, wished)
    except python_calamine.PasswordError:
        raise _Refused("the workbook is protected by a password: take it off and drop it again") from None
    except python_calamine.CalamineError:
        raise _Refused("the workbook is damaged: open it in Excel and save it anew") from None
    if sheet is None or sheet.start is None:
        raise _Refused("the workbook is empty: the first row of its first sheet has to hold the headings of the columns")
    out.write(json.dumps({"sheet": sheet.name}) + "\n")
    for line, cells in enumerate(sheet.iter_rows(), 1):  # from the sheet's first row, blank or not
        _tell_row(line, cells, out)
    out.write(json.dumps({"end": True}) + "\n")


def _chosen(book: Any, wished: str) -> Any:
    """
    The sheet of that name, else the first that holds anything; one that is hidden only where it is named.

    Older releases wrote a number behind the name, into `done/`.
    """
    import re

    names = {one.name.casefold(): one.name for one in book.sheets_metadata}
    wishes = (wished.casefold(), re.sub(r"-[0-9]+\Z", "", wished.casefold()))
    if named := next((names[wish] for wish in wishes if wish in names), None):
        return book.get_sheet_by_name(named)
    for one in book.sheets_metadata:
        if str(one.typ).endswith("WorkSheet") and str(one.visible).endswith(".Visible"):
            sheet = book.get_sheet_by_name(one.name)
            if sheet.start is not None:
                return sheet
    return None


def _tell_row(line: int, cells: list[Any], out: io.TextIOWrapper) -> None:
    texts = [text_of(cell) for cell in cells[:CELLS]]
    while texts and not texts[-1].strip():
        texts.pop()
    told: dict[str, Any] = {"line": line, "cells": texts}
    if sum(map(len, texts)) > RECORD:
        told = {"line": line, "excess": f"the row holds more than {RECORD} characters"}
    if texts:
        out.write(json.dumps(told, ensure_ascii=False) + "\n")


def text_of(cell: Any) -> str:
    """
    One cell as a text.

    >>> text_of(79161234567.0), text_of(3.5), text_of(True), text_of(datetime(2011, 9, 20, 10, 5))
    ('79161234567', '3.5', 'true', '2011-09-20 10:05:00')
    """
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell)


if __name__ == "__main__":
    main()
