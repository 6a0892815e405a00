"""
One SQLite file, one thread that writes it, and the group commit.

Work for the ledger is a function of the open connection. It is put in line with `run` and answered when its transaction is
durable: whatever waits in line shares one transaction and one fsync, so that fifty connections cost one disk's wait, not
fifty. A piece of work that raises undoes itself alone: its companions are run again without it. While another program holds
the file, work is given back after one wait, but for what only we know by then: an answer to a dot stays in line.

SQLite comes with apsw, because the one of the system may be in the range of the WAL-reset bug (3.7.0-3.51.2, lost commits
with two connections); the version is asserted. A failed commit is final: the disk may have lost any part of it, so the
engine stops answering and only a fresh start, which recovers, may go on.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import apsw

from mailer import log
from mailer.errors import CannotWrite, LedgerDamaged, LedgerProblem, MailerError
from mailer.ledger import schema
from mailer.ledger.schema import undo

FLOOR = (3, 51, 3)
BUSY_MS = 10_000
PATIENCE = 60  # such waits, ten minutes: as long as a server may take to answer a dot, and less than units give us to stop
MOST_IN_A_COMMIT = 1_000

# What may be raised where the ledger is read; `translated` tells what each means.
FAILURES = (apsw.Error, UnicodeDecodeError, JSONDecodeError)

_LOGGED = 2  # in the header of a file that has a write-ahead log

Work = Callable[[apsw.Connection], Any]


def connect(path: Path, *, create: bool = False) -> apsw.Connection:
    """
    Open the ledger's file with every promise switched on; make its tables if `create`.

    Raises:
        LedgerProblem: it is missing, busy, too new, too old or damaged; says which and what to do.
    """
    found = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if found < FLOOR:
        raise LedgerProblem(f"SQLite {apsw.sqlite_lib_version()} can lose commits; install apsw with SQLite 3.51.3 or newer")
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    see_log(path)
    try:
        connection = apsw.Connection(str(path), flags=flags)
        try:
            _prepare(connection, path, create)
        except BaseException:
            close(connection)
            raise
    except apsw.Error as problem:
        raise translated(problem, path) from problem
    return connection


def see_log(path: Path) -> None:
    """
    See that the log beside a ledger is its own: to be asked before it is opened, for SQLite would take the one for the other.

    A copy, as a backup holds it, says in its header that it has no log (the bytes 18 and 19 of fileformat2.html). A ledger says
    so never again once it has one; therefore the log is looked at first.

    Raises:
        LedgerDamaged: a copy was put over a ledger whose log stayed; says how that is mended.
    """
    log = path.with_name(f"{path.name}-wal")
    try:
        if not log.stat().st_size:
            return
        with path.open("rb") as file:
            written, read = file.read(20)[18:] or (_LOGGED, _LOGGED)
    except (OSError, ValueError):  # there is none; what cannot be read, SQLite says
        return
    if _LOGGED not in (written, read):
        raise LedgerDamaged(
            f"{path}: the ledger is damaged: it is a copy that was put over another one, whose log {log.name} lies beside it;"
            f" move {log.name} and {path.name}-shm away, keep them, and run again: the copy itself is whole"
        )


def _prepare(connection: apsw.Connection, path: Path, create: bool) -> None:
    connection.set_busy_timeout(BUSY_MS)
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")
    if connection.pragma("journal_mode") != "wal":
        raise LedgerProblem(f"{path}: no write-ahead log can be kept there; put the ledger on a local disk")
    schema.settle(connection, path, create=create)


def close(connection: apsw.Connection) -> None:
    """Close a connection, though the disk fails: what was promised is durable, and the next start meets the failure again."""
    with suppress(apsw.Error):
        connection.close()


def rows(db: apsw.Connection, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of one statement."""
    return db.execute(sql, dict(values) if isinstance(values, Mapping) else tuple(values)).fetchall()


def translated(problem: Exception, path: Path) -> MailerError:
    """The one place that turns apsw's exceptions into ours, and what is raised where a damaged page is read as text."""
    match problem:
        case apsw.BusyError() | apsw.LockedError():
            return LedgerProblem(f"{path}: another program holds the ledger; try again")
        case apsw.FullError():
            return LedgerProblem(f"{path}: the disk is full; make room, then run again")
        # Our statements never change: what SQLite cannot make sense of in one is a schema that is not as we made it.
        case apsw.CorruptError() | apsw.NotADBError() | apsw.SQLError() | UnicodeDecodeError() | JSONDecodeError():
            return _damaged(path, problem)
        case apsw.CantOpenError() | apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.AuthError():
            return CannotWrite(f"{path}: the ledger cannot be opened or written ({problem}); check owner and mode")
        case apsw.IOError():
            return LedgerProblem(f"{path}: the disk failed ({problem}); nothing more is sent, check it and run again")
        case _:
            return MailerError(f"{path}: {type(problem).__name__}: {problem}")


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A piece of work in line, and who is to be told; a patient one stays while another program holds the file."""

    work: Work
    future: Future[Any]
    is_patient: bool


def _damaged(path: Path, problem: Exception) -> LedgerDamaged:
    what = f"{path}: the ledger is damaged ({problem})"
    return LedgerDamaged(f"{what}; keep it and its -wal, but move both away, and restore a backup")


def _compact(path: Path) -> None:
    connection = connect(path)
    try:
        connection.execute("VACUUM")
        ((is_busy, *_),) = rows(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
    except apsw.Error as problem:
        raise translated(problem, path) from problem
    finally:
        close(connection)
    if is_busy:
        raise LedgerProblem(f"{path}: another program reads the ledger, and holds its log; try again")


class Engine:
    """The thread that owns the writing connection, and the line of work before it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits = 0
        self._connection = connect(path, create=True)
        self._line: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._broken: MailerError | None = None
        self._thread = threading.Thread(target=self._serve, name="ledger", daemon=True)
        self._thread.start()

    def submit(self, work: Work, *, is_patient: bool = False) -> asyncio.Future[Any]:
        """
        Put work in line; the future is done when its transaction is durable, or failed when it is undone.

        Raises:
            LedgerProblem: the ledger was closed, and nobody would answer.
        """
        if not self._thread.is_alive():
            raise LedgerProblem(f"{self.path}: the ledger is closed")
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()  # from here on a cancelled caller cannot take it back
        self._line.put(_Job(work, future, is_patient))
        return asyncio.wrap_future(future)

    async def run(self, work: Work, *, is_patient: bool = False) -> Any:
        """
        Do work in a transaction that is durable when this returns.

        A cancelled caller does not stop it: what stands in line is committed.
        """
        return await asyncio.shield(self.submit(work, is_patient=is_patient))

    async def compact(self) -> None:
        """
        Write the file anew and empty its log, on a connection of its own: neither can be done in a transaction.

        Raises:
            LedgerProblem: another program reads or writes it for longer than one wait.
        """
        await asyncio.to_thread(_compact, self.path)

    def close(self) -> None:
        """Finish what stands in line, then close the file."""
        self._line.put(None)
        self._thread.join()
        close(self._connection)

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
            try:
                self._commit_together(batch)
            except BaseException as problem:  # noqa: BLE001  outside of any work; with this thread all who wait would wait for ever
                with suppress(apsw.Error):
                    undo(self._connection)
                what = f"{self.path}: the ledger could not be used ({type(problem).__name__}); try again"
                _fail([job for job in batch if not job.future.done()], LedgerProblem(what))
            if ended:
                return

    def _commit_together(self, batch: list[_Job]) -> None:
        if not (batch := self._begin_for(batch)):
            return
        try:
            results = self._transact([job.work for job in batch])
        except Exception as problem:  # noqa: BLE001  whatever a piece of work raises is its caller's to see
            if len(batch) == 1:
                _fail(batch, problem)
            else:
                for one in batch:
                    self._commit_together([one])
            return
        for job, result in zip(batch, results, strict=True):
            job.future.set_result(result)

    def _begin_for(self, batch: list[_Job]) -> list[_Job]:
        """Begin the transaction of those whose turn it is; the others are told why it is not."""
        for wait in range(1, PATIENCE + 1):
            try:
                self._begin()
                break
            except MailerError as problem:
                # No piece of work is to blame, and one wait for a busy file is enough for all that can be asked again.
                is_busy = isinstance(problem.__cause__, apsw.BusyError) and wait < PATIENCE
                _fail([job for job in batch if not (is_busy and job.is_patient)], problem)
                batch = [job for job in batch if is_busy and job.is_patient]
                if not batch:
                    break
                if wait == 1:
                    with suppress(Exception):  # no answer is lost for a line of the log
                        log.ledger_is_held(len(batch))
        return batch

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
        except FAILURES as problem:
            undo(self._connection)
            raise translated(problem, self.path) from problem
        except BaseException:
            undo(self._connection)
            raise
        try:
            self._connection.execute("COMMIT")
        except apsw.Error as problem:
            # Whether it is on the disk can only be told by a fresh start.
            self._broken = translated(problem, self.path)
            undo(self._connection)
            raise self._broken from problem
        self.commits += 1
        return results


def _fail(batch: list[_Job], problem: Exception) -> None:
    for job in batch:
        job.future.set_exception(problem)
