"""
One SQLite file, one thread that writes it, and the group commit.

Work for the ledger is a function of the open connection. It is put in line with `run` and answered when its transaction is
durable: whatever waits in line shares one transaction and one fsync, so that fifty connections cost one disk's wait, not
fifty. A piece of work that raises undoes itself alone: its companions are run again without it.

SQLite comes with apsw, because the one of the system may be in the range of the WAL-reset bug (3.7.0-3.51.2, lost commits
with two connections); the version is asserted. A failed commit is final: the disk may have lost any part of it, so the
engine stops answering and only a fresh start, which recovers, may go on.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import apsw

from mailer.errors import CannotWrite, LedgerDamaged, LedgerProblem, LedgerTooNew, MailerError

FLOOR = (3, 51, 3)
BUSY_MS = 10_000
MOST_IN_A_COMMIT = 1_000
MIGRATIONS = sorted((Path(__file__).parent / "sql").glob("[0-9]*.sql"))

Work = Callable[[apsw.Connection], Any]


def connect(path: Path, *, create: bool = False) -> apsw.Connection:
    """
    Open the ledger's file with every promise switched on; make its tables if `create`.

    Raises:
        LedgerProblem: it is missing, busy, too new or damaged; says which and what to do.
    """
    found = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if found < FLOOR:
        raise LedgerProblem(f"SQLite {apsw.sqlite_lib_version()} can lose commits; install apsw with SQLite 3.51.3 or newer")
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    try:
        connection = apsw.Connection(str(path), flags=flags)
        connection.set_busy_timeout(BUSY_MS)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
        if connection.pragma("journal_mode") != "wal":
            raise LedgerProblem(f"{path}: no write-ahead log can be kept there; put the ledger on a local disk")
        _migrate(connection, path, create)
    except apsw.Error as problem:
        raise translated(problem, path) from problem
    return connection


def _migrate(connection: apsw.Connection, path: Path, create: bool) -> None:
    """Bring the tables to this version, each step in a transaction of its own; refuse a newer ledger."""
    version = connection.pragma("user_version")
    if version > len(MIGRATIONS):
        raise LedgerTooNew(f"{path}: edition {version} of the ledger is newer than this mailer ({len(MIGRATIONS)})")
    if version == 0 and not create and connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is None:
        raise LedgerProblem(f"{path} is empty: `mailer run` makes the ledger")
    for number, migration in enumerate(MIGRATIONS[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            if connection.pragma("user_version") < number:
                connection.execute(migration.read_text(encoding="utf-8"))
                connection.pragma("user_version", number)
        except BaseException:
            if not connection.get_autocommit():  # SQLite has rolled back by itself behind some errors (disk full, I/O)
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def rows(db: apsw.Connection, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of one statement."""
    return db.execute(sql, tuple(values)).fetchall()


def translated(problem: apsw.Error, path: Path) -> MailerError:
    """The one place that turns apsw's exceptions into ours."""
    match problem:
        case apsw.BusyError() | apsw.LockedError():
            return LedgerProblem(f"{path}: another program holds the ledger; try again")
        case apsw.FullError():
            return LedgerProblem(f"{path}: the disk is full; make room, then run again")
        case apsw.CorruptError() | apsw.NotADBError():
            return LedgerDamaged(f"{path}: the ledger is damaged ({problem}); keep the file and restore a backup")
        case apsw.CantOpenError() | apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.AuthError():
            return CannotWrite(f"{path}: the ledger cannot be opened or written ({problem}); check owner and mode")
        case apsw.IOError():
            return LedgerProblem(f"{path}: the disk failed ({problem}); nothing more is sent, check it and run again")
        case _:
            return MailerError(f"{path}: {type(problem).__name__}: {problem}")


class Engine:
    """The thread that owns the writing connection, and the line of work before it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits = 0
        self._connection = connect(path, create=True)
        self._line: queue.SimpleQueue[tuple[Work, Future[Any]] | None] = queue.SimpleQueue()
        self._broken: MailerError | None = None
        self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> asyncio.Future[Any]:
        """
        Put work in line; the future is done when its transaction is durable, or failed when it is undone.

        Raises:
            LedgerProblem: the ledger was closed, and nobody would answer.
        """
        if not self._thread.is_alive():
            raise LedgerProblem(f"{self.path}: the ledger is closed")
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # from here on a cancelled caller cannot take it back
        self._line.put((work, future))
        return asyncio.wrap_future(future)

    async def run(self, work: Work) -> Any:
        """
        Do work in a transaction that is durable when this returns.

        A cancelled caller does not stop it: what stands in line is committed.
        """
        return await asyncio.shield(self.submit(work))

    def close(self) -> None:
        """Finish what stands in line, then close the file."""
        self._line.put(None)
        self._thread.join()
        self._connection.close()

    def _serve(self) -> None:
        while (first := self._line.get()) is not None:
            batch = [first]
            ended = False
            while len(batch) < MOST_IN_A_COMMIT and not self._line.empty():
                more = self._line.get()
                if more is None:
                    ended = True
                    break
                batch.append(more)
            self._commit_together(batch)
            if ended:
                return

    def _commit_together(self, batch: list[tuple[Work, Future[Any]]]) -> None:
        try:
            self._begin()
        except MailerError as problem:
            _fail(batch, problem)  # no piece of work is to blame, and one wait for a busy file is enough for all
            return
        try:
            results = self._transact([work for work, _ in batch])
        except Exception as problem:  # noqa: BLE001  whatever a piece of work raises is its caller's to see
            if len(batch) == 1:
                _fail(batch, problem)
            else:
                for one in batch:
                    self._commit_together([one])
            return
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)

    def _begin(self) -> None:
        if self._broken:
            raise self._broken
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as problem:
            raise translated(problem, self.path) from problem

    def _transact(self, works: list[Work]) -> list[Any]:
        """Do the works of an open transaction and commit it."""
        try:
            results = [work(self._connection) for work in works]
        except apsw.Error as problem:
            self._undo()
            raise translated(problem, self.path) from problem
        except BaseException:
            self._undo()
            raise
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as problem:
            # Whether it is on the disk can only be told by a fresh start.
            self._broken = translated(problem, self.path)
            self._undo()
            raise self._broken from problem
        self.commits += 1
        return results

    def _undo(self) -> None:
        # SQLite has already rolled back by itself behind some errors (disk full, I/O).
        if not self._connection.get_autocommit():
            self._connection.execute("ROLLBACK")


def _fail(batch: list[tuple[Work, Future[Any]]], problem: Exception) -> None:
    for _, future in batch:
        future.set_exception(problem)
