"""
Excel workbooks (.xlsx), read by a child process that can harm nobody.

    bytes > WORKBOOK > (workbook_child) > table > sheet > intake

A workbook is a zip of XML, and the library that reads it is not ours: it works in a process of its own, with limits on memory
and time, with no file, lock, key or password of ours open or in its environment, and it dies with us. It reads a snapshot, so
that what was checked is what is read. What it says is a line of JSON for each row, and each line is bounded here again.

The first sheet with anything in it is taken, or the one that the file's name names (`NAME.Responses.xlsx`). Rows have the
numbers that Excel shows.
"""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from mailer.errors import UnreadableFile
from mailer.sheets.sheet import RECORD, Row, Sheet
from mailer.sheets.table import headings, row, without_blank_end

MOST = 32 << 20  # bytes
_CHUNK = 1 << 18
_LINE = 8 * RECORD  # bytes: a row at its longest, written as JSON
_CHILD = Path(__file__).with_name("workbook_child.py")
_AT_REST = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ADVICE = "give the column a heading, or empty it"
_SAVE = "save the sheet as CSV (in Excel: «CSV UTF-8») and drop that"
_ENDED = {
    -signal.SIGXCPU: f"it takes too long to read: {_SAVE}",
    -signal.SIGABRT: f"it takes too much memory to read: {_SAVE}",
}

_Line = tuple[int, list[str], str | None]


def read(stream: BinaryIO, known: Callable[[str], bool], worksheet: str = "") -> Sheet:
    """
    Read a workbook; `known` says whether a heading is recognised, `worksheet` is what the file's name may name.

    Raises:
        UnreadableFile: it is no workbook, is protected, too large or too much for the child, or all of it is empty.
    """
    told = _told(stream, worksheet)
    part = next(told)  # from here on the child ends with the generator
    lines = (line for line in told if isinstance(line, tuple))
    header = next((cells for _, cells, _ in lines if without_blank_end(cells)), None)
    if header is None:
        raise UnreadableFile("the workbook is empty: the first row of its first sheet has to hold the headings of the columns")
    keys = headings(without_blank_end(header), known)
    rows = (made for line, cells, problem in lines if (made := _row(keys, line, cells, problem)))
    return Sheet(tuple(filter(None, keys)), rows, "utf-8", "xlsx", str(part))


def _row(keys: list[str], line: int, cells: list[str], problem: str | None) -> Row | None:
    return Row(line, {}, problem) if problem and not cells else row(keys, line, cells, problem, _ADVICE)


def _told(stream: BinaryIO, worksheet: str) -> Iterator[str | _Line]:
    """What the child tells: the name of the sheet that it took, then its rows."""
    with _snapshot(stream) as handle, _child(handle, worksheet) as process:
        for told in _messages(process):
            match told:
                case {"problem": str(problem)}:
                    raise UnreadableFile(problem)
                case {"sheet": str(name)}:
                    yield name
                case {"line": int(line), "excess": str(problem)}:
                    yield line, [], problem
                case {"line": int(line), "cells": list(cells)}:
                    yield line, [str(cell) for cell in cells], None
                case {"end": True}:
                    return
    code = process.returncode
    raise UnreadableFile(f"the workbook cannot be read: {_ENDED.get(code, f'it is damaged, or too large; {_SAVE}')}")


def _messages(process: subprocess.Popen[bytes]) -> Iterator[Any]:
    stdout = cast(IO[bytes], process.stdout)
    while line := stdout.readline(_LINE):
        try:
            yield json.loads(line)
        except ValueError:  # cut off, or longer than any row can be
            return
    process.wait()


@contextmanager
def _snapshot(stream: BinaryIO) -> Iterator[int]:
    """A copy of the file that nobody else can change, in memory, under a handle of its own."""
    stream.seek(0)
    begin = stream.read(4)
    if not begin.startswith(b"PK"):
        raise UnreadableFile(
            f"the workbook is protected by a password or in Excel's older format: take the password off and {_SAVE}"
            if begin == b"\xd0\xcf\x11\xe0"
            else f"the file has the name of a workbook (.xlsx), but is none: {_SAVE}"
        )
    stream.seek(0)
    handle = os.memfd_create("workbook", os.MFD_CLOEXEC)
    try:
        with io.FileIO(handle, "r+", closefd=False) as copy:
            while chunk := stream.read(_CHUNK):
                copy.write(chunk)
                if copy.tell() > MOST:
                    raise UnreadableFile(f"the workbook is larger than {MOST >> 20} MB: {_SAVE}, which may have any size")
            copy.seek(0)
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _child(handle: int, worksheet: str) -> Iterator[subprocess.Popen[bytes]]:
    """
    The process that reads; gone when the block is left.

    A stop that is meant for us must not look like a damaged file: the child is born deaf to it, and ends with us.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _AT_REST)
    try:
        process = subprocess.Popen(  # noqa: S603  every word is ours
            [sys.executable, "-I", str(_CHILD), str(handle), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(handle,),
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    stdin, stdout = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
    try:
        with suppress(BrokenPipeError), stdin:  # where it is dead already, `_told` says of what
            stdin.write(worksheet.encode("utf-8", "replace"))
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        stdout.close()
