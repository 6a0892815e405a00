"""
Which tables a ledger has: the numbered steps in `sql/`, and the number of the last one that a file has seen, its edition.

    sql/0001.sql, 0002.sql, …  >  SCHEMA  >  engine (opens what is of this edition), upgrading (brings up what is older)

A new file gets all tables at once, or none. A file of another edition is only told: an older one waits for `mailer upgrade`,
so that nobody's ledger is rebuilt by a cron job, and a newer one for the mailer that made it, whose name stands in it. A step
is never edited once released; the first sentence of its file says what it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import apsw

from mailer.errors import LedgerDamaged, LedgerProblem, LedgerTooNew, LedgerTooOld

MIGRATIONS = tuple(sorted((Path(__file__).parent / "sql").glob("[0-9]*.sql")))
_TABLES = "SELECT 1 FROM sqlite_schema LIMIT 1"
_RELEASE = "release"  # in the table `install`: which mailer made these tables, for an older one to name
_REMEMBER = "INSERT INTO install (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"


def settle(connection: apsw.Connection, path: Path, *, create: bool = False, migrations: Sequence[Path] = MIGRATIONS) -> None:
    """
    See that a ledger has the tables of this mailer; in an empty file make them, if `create`.

    Raises:
        LedgerTooNew, LedgerTooOld: another mailer made them; nothing was changed.
        LedgerProblem: the file is empty, and not `create`.
        LedgerDamaged: it holds something else than a ledger.
    """
    if _look(connection, path):
        if not create:
            raise LedgerProblem(f"{path} is empty: `mailer run` makes the ledger")
        _make(connection, migrations)
    edition = edition_of(connection, path, migrations)
    if edition < len(migrations):
        raise LedgerTooOld(
            f"{path}: the ledger is of an older mailer (edition {edition}, this one needs {len(migrations)}): `mailer upgrade`"
            " brings it up and keeps a copy; `mailer upgrade --dry-run` only says what it would do"
        )


def _look(connection: apsw.Connection, path: Path) -> bool:
    connection.execute("BEGIN")
    try:
        return is_empty(connection, path)
    finally:
        undo(connection)


def is_empty(connection: apsw.Connection, path: Path) -> bool:
    """
    Whether a file holds no table yet; inside the caller's transaction, for another program may make them just now.

    Raises:
        LedgerDamaged: it holds tables, but none of a ledger's editions.
    """
    has_tables = connection.execute(_TABLES).fetchone() is not None
    if has_tables and not connection.pragma("user_version"):
        raise LedgerDamaged(f"{path}: it holds a database that is no ledger; move it away, and name another under `ledger:`")
    return not has_tables


def edition_of(connection: apsw.Connection, path: Path, migrations: Sequence[Path] = MIGRATIONS) -> int:
    """
    The edition of a ledger that is not newer than this mailer.

    Raises:
        LedgerTooNew: it is; says which mailer made it.
    """
    edition = int(connection.pragma("user_version"))
    if edition <= len(migrations):
        return edition
    made = connection.execute("SELECT value FROM install WHERE name = ?", (_RELEASE,)).fetchone()
    needed = f"mailer {made[0]} or newer" if made else "a newer mailer"
    raise LedgerTooNew(
        f"{path}: the ledger is of edition {edition}, this mailer{_named(release())} knows {len(migrations)}: install {needed},"
        " or go back to the copy that its upgrade kept beside it"
    )


def take(connection: apsw.Connection, migrations: Sequence[Path], edition: int) -> None:
    """Take all steps behind an edition, inside the caller's transaction, and remember by which mailer."""
    for migration in migrations[edition:]:
        # Read to the end: what gives rows stops at the first, and the rest of the file would never be done.
        connection.execute(migration.read_text(encoding="utf-8")).fetchall()
    connection.pragma("user_version", len(migrations))
    if made := release():
        connection.execute(_REMEMBER, (_RELEASE, made))


def _make(connection: apsw.Connection, migrations: Sequence[Path]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not connection.pragma("user_version"):  # another program may have made them just now
            take(connection, migrations, 0)
    except BaseException:
        undo(connection)
        raise
    connection.execute("COMMIT")


def told(migration: Path) -> str:
    """What a step does: the first sentence of its file."""
    first = migration.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("--").strip().partition(". ")[0].rstrip(".")


def release() -> str:
    """The release of this mailer; empty where it runs from a folder that was never installed."""
    from importlib import metadata  # 40 ms, and only needed where tables are made or refused

    try:
        return metadata.version("mailer")
    except metadata.PackageNotFoundError:
        return ""


def _named(release: str) -> str:
    return f" ({release})" if release else ""


def undo(connection: apsw.Connection) -> None:
    """Undo the open transaction. SQLite has already rolled back by itself behind some errors (disk full, I/O)."""
    if not connection.get_autocommit():
        connection.execute("ROLLBACK")
