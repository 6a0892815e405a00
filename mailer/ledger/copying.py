"""
A ledger's file copied as it stands at one moment, while a worker goes on; and what such a copy says of itself.

    ledger.db  >  COPYING  >  mailer backup, mailer upgrade (the copy that it keeps)

The copy says that it is one (`copy` in the table `install`): a raw copy that is put back over the very file it was made from,
with nothing written since, looks like the ledger that was left, and what a worker was just handing over when it was made would
go out again. So a copy is only gone on with by a person's word, see `continuity`. Any edition of a ledger can be copied.

It makes one file, without a write-ahead log beside it, for its owner alone, and durable before it has its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

from mailer.chain import Break, Link, check
from mailer.durable import sync_folder
from mailer.errors import CannotWrite, LedgerDamaged, MailerError
from mailer.ledger.engine import BUSY_MS, FAILURES, close, rows, see_log, translated

Told = Callable[[int, int], None]
_AT_ONCE = 1_000  # pages: four megabytes between two words to whoever waits
_COPY = "INSERT INTO install (name, value) VALUES ('copy', ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_JOURNAL = "SELECT seq, line, hash FROM journal ORDER BY seq"


def nobody(done: int, all: int) -> None:
    """Nobody waits at a terminal."""


def copy(source: Path, target: Path, why: str, told: Told = nobody) -> None:
    """
    Copy a ledger as it is now into a new file, durably; `why` is what the copy says of itself when it is put to work.

    `told` hears of the pages copied so far, and of all. What fails leaves a part of the file: its name is the caller's.

    Raises:
        LedgerProblem: the source cannot be read.
        CannotWrite: the target stands already, or cannot be written.
    """
    see_log(source)
    reader = _opened(source, apsw.SQLITE_OPEN_READWRITE)
    try:
        try:
            reader.execute("BEGIN")
            reader.execute("SELECT 1 FROM install").fetchall()  # from here on it sees one moment, whatever is committed
        except FAILURES as problem:
            raise translated(problem, source) from problem
        _fill(reader, source, target, told)
    finally:
        close(reader)
    say_copy(target, why)
    _sync(target)


def _fill(reader: apsw.Connection, source: Path, target: Path, told: Told) -> None:
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except OSError as problem:
        raise CannotWrite(f"{target}: the copy cannot be made ({problem.strerror})") from problem
    writer = _opened(target, apsw.SQLITE_OPEN_READWRITE)
    try:
        with writer.backup("main", reader, "main") as pages:
            while not pages.done:
                pages.step(_AT_ONCE)
                told(pages.page_count - pages.remaining, pages.page_count)
    except (apsw.CorruptError, apsw.NotADBError) as problem:
        raise translated(problem, source) from problem
    except apsw.Error as problem:
        raise _unwritten(problem, target) from problem
    finally:
        close(writer)


def say_copy(path: Path, why: str) -> None:
    """
    Let a ledger say of itself that it is a copy, and why it must not simply go on. Durable, in the one file.

    Raises:
        MailerError: it cannot be written.
    """
    connection = _opened(path, apsw.SQLITE_OPEN_READWRITE)
    try:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        connection.execute("PRAGMA synchronous = EXTRA")  # FULL does not sync the folder in this mode
        connection.execute(_COPY, (why,))
    except apsw.Error as problem:
        raise _unwritten(problem, path) from problem
    finally:
        close(connection)


def _sync(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
        sync_folder(path.parent)
    except OSError as problem:
        raise CannotWrite(f"{path}: the copy cannot be made durable ({problem.strerror})") from problem


def links(path: Path) -> Iterator[Link]:
    """
    The journal's lines in a copy, from the first; it is opened for nothing else, and nothing is written beside it.

    Raises:
        LedgerProblem: they cannot be read.
    """
    connection = _as_it_lies(path)
    try:
        for row in connection.execute(_JOURNAL):
            yield Link(*row)
    except FAILURES as problem:
        raise translated(problem, path) from problem
    finally:
        close(connection)


def last_line(path: Path) -> int:
    """The number of the last line of a copy's journal; 0 if it has none."""
    connection = _as_it_lies(path)
    try:
        last: int = rows(connection, "SELECT coalesce(max(seq), 0) FROM journal")[0][0]
        return last
    except FAILURES as problem:
        raise translated(problem, path) from problem
    finally:
        close(connection)


def disagreement(path: Path) -> str:
    """Why a copy, with its journal, is not whole; empty if it is. Reads all of it, and writes nothing, nor beside it."""
    try:
        connection = _as_it_lies(path)
        try:
            found = connection.execute("PRAGMA integrity_check(1)").fetchall()
        except FAILURES as problem:
            raise translated(problem, path) from problem
        finally:
            close(connection)
        if found != [("ok",)]:
            return f"{path}: it is not whole ({found[0][0]})"
        followed = check(link.line for link in links(path))
    except LedgerDamaged as problem:
        return str(problem)
    return f"{path}: the journal's table, line {followed.seq}: {followed.why}" if isinstance(followed, Break) else ""


def _as_it_lies(path: Path) -> apsw.Connection:
    """A file that nobody writes to: no lock, no log beside it."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    try:
        return apsw.Connection(f"{path.absolute().as_uri()}?immutable=1", flags=flags)
    except apsw.Error as problem:
        raise translated(problem, path) from problem


def _opened(path: Path, flags: int) -> apsw.Connection:
    try:
        connection = apsw.Connection(str(path), flags=flags)
        connection.set_busy_timeout(BUSY_MS)
    except apsw.Error as problem:
        raise translated(problem, path) from problem
    return connection


def _unwritten(problem: apsw.Error, target: Path) -> MailerError:
    match problem:
        case apsw.FullError():
            return CannotWrite(f"{target.parent}: the disk is full; make room, then try again: nothing was kept")
        case apsw.IOError():
            return CannotWrite(f"{target.parent}: the disk failed ({problem}); nothing was kept")
        case _:
            return translated(problem, target)
