"""
Bring a ledger of an older mailer up to this one: `mailer upgrade`.

    a ledger of edition 1  >  its copy beside it, durable  >  steps 2, 3, … in one transaction  >  a ledger of this edition

Killed at any moment it leaves the old ledger or the new one, whole; done again it goes on, and with nothing to do it does
nothing. While it is at it no other program can write. The copy says of itself that it is one (see `copying`): put back, it
sends nothing until a person says so.

It holds no lock and asks nobody: that is the caller's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from mailer.durable import sync_folder
from mailer.errors import CannotWrite, LedgerDamaged
from mailer.ledger import copying, schema
from mailer.ledger.copying import Told, nobody
from mailer.ledger.engine import BUSY_MS, FAILURES, close, see_log, translated
from mailer.ledger.moves import write_journal


@dataclass(frozen=True, slots=True)
class Plan:
    """What an upgrade would do: from which edition to which, by which steps, with how many bytes copied to where before."""

    edition: int
    needed: int
    steps: tuple[tuple[int, str], ...]
    copy: Path
    size: int

    @property
    def is_due(self) -> bool:
        """Whether there is anything to do."""
        return self.edition < self.needed


def plan(path: Path, migrations: Sequence[Path] = schema.MIGRATIONS) -> Plan:
    """
    Say what `upgrade` would do. Changes nothing.

    Raises:
        LedgerTooNew: a newer mailer made it.
        LedgerProblem: it cannot be read.
    """
    connection = _opened(path)
    try:
        return _planned(connection, path, migrations)
    except FAILURES as problem:
        raise translated(problem, path) from problem
    finally:
        close(connection)


def upgrade(path: Path, now: int, told: Told = nobody, migrations: Sequence[Path] = schema.MIGRATIONS) -> Plan:
    """
    Do it; gives what was done. `now` (seconds since 1970) stands in the journal, `told` hears how far the copy has come.

    Raises:
        LedgerProblem: it cannot be done; the ledger is as it was.
        CannotWrite: the copy cannot be kept; nothing was begun.
    """
    connection = _opened(path)
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()  # a copy that was put back has none yet
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON").fetchall()
        # A step may build a table anew, which takes away rows that others name; what names what is looked at behind it.
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("BEGIN IMMEDIATE")
        try:
            planned = _planned(connection, path, migrations)
            if planned.is_due:
                _keep(path, planned, told)
                _step(connection, path, planned, migrations, now)
        except BaseException:
            schema.undo(connection)
            raise
        connection.execute("COMMIT")
    except FAILURES as problem:
        raise translated(problem, path) from problem
    finally:
        close(connection)
    return planned


def _opened(path: Path) -> apsw.Connection:
    see_log(path)
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(BUSY_MS)
    except apsw.Error as problem:
        raise translated(problem, path) from problem
    return connection


def _planned(connection: apsw.Connection, path: Path, migrations: Sequence[Path]) -> Plan:
    needed = len(migrations)
    # Of a file that is still empty the first run makes the ledger.
    edition = needed if schema.is_empty(connection, path) else schema.edition_of(connection, path, migrations)
    steps = tuple((number, schema.told(step)) for number, step in enumerate(migrations[edition:], edition + 1))
    return Plan(edition, needed, steps, _free(path, needed), path.stat().st_size)


def _free(path: Path, needed: int) -> Path:
    """A name for the copy that nothing has: an older one is never written over, for nobody knows which is the newer."""
    name = f"{path.name}.before-{needed}"
    number = 1
    while os.path.lexists(found := path.with_name(name if number == 1 else f"{name}.{number}")):
        number += 1
    return found


def _keep(path: Path, planned: Plan, told: Told) -> None:
    """Copy the ledger beside itself: whole and durable under its name, or not there. What is committed is what is copied."""
    part = path.with_name(f".{path.name}.before-{planned.needed}.part")
    why = "this is the copy that `mailer upgrade` kept of the ledger before it: what waits here may have gone out since"
    try:
        part.unlink(missing_ok=True)  # of one that was cut off
        try:
            copying.copy(path, part, why, told)
            os.rename(part, planned.copy)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as problem:
        raise CannotWrite(f"{planned.copy}: the copy cannot be kept ({problem.strerror}); nothing was changed") from problem


def _step(connection: apsw.Connection, path: Path, planned: Plan, migrations: Sequence[Path], now: int) -> None:
    schema.take(connection, migrations, planned.edition)
    if lost := connection.execute("PRAGMA foreign_key_check").fetchall():
        raise LedgerDamaged(
            f"{path}: {len(lost)} rows name others that are not there (in {lost[0][0]}): it cannot be brought up, and is as it"
            " was; keep it, and report this"
        )
    told = {"event": "upgraded", "from": planned.edition, "to": planned.needed, "release": schema.release(), "who": "person"}
    write_journal(connection, now, [told])
