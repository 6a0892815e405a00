"""Opening: every promise is switched on, and what is too new, damaged, empty or not ours is refused."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import apsw.ext
import pytest

from mailer.delivery import Who
from mailer.errors import CannotWrite, LedgerDamaged, LedgerProblem, LedgerTooNew, MailerError
from mailer.ledger.engine import connect, translated
from mailer.ledger.schema import MIGRATIONS
from mailer.ledger.sqlite import SqliteLedger
from tests.ledgers import (
    NOW,
    claim,
    put,
    states,
)
from tests.test_sqlite.ground import remember, remembered


@pytest.mark.parametrize("version", ["3.7.0", "3.40.1", "3.51.2"])
def test_an_engine_that_can_lose_commits_is_refused(path, monkeypatch, version):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    with pytest.raises(LedgerProblem, match=version):
        connect(path, create=True)
    assert not path.exists()


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0"])
def test_an_engine_without_that_bug_is_taken(path, monkeypatch, version):
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    connect(path, create=True)
    assert path.exists()


PROMISES = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}


async def test_every_promise_is_switched_on_for_writer_and_reader(ledger, path):
    on = {name: await ledger._engine.run(lambda db, name=name: db.pragma(name)) for name in PROMISES}
    assert on == PROMISES
    assert {name: ledger._reader.pragma(name) for name in PROMISES} == PROMISES
    assert ledger._reader.pragma("query_only") == 1
    assert {name: connect(path).pragma(name) for name in PROMISES} == PROMISES


def test_where_no_write_ahead_log_can_be_kept_no_ledger_is(path):
    with pytest.raises(LedgerProblem, match="local disk"):
        connect(Path(":memory:"), create=True)


async def test_opening_again_makes_nothing_anew(engine, path):
    await engine.run(remember("before"))
    connect(path, create=True)
    assert connect(path).pragma("user_version") == len(MIGRATIONS)
    assert remembered(path) == ["before"]


def test_who_only_looks_makes_no_tables(path):
    with pytest.raises(CannotWrite):
        connect(path)
    path.touch()
    with pytest.raises(LedgerProblem, match="mailer run"):
        connect(path)


def test_a_newer_ledger_is_refused_and_left_as_it_is(path):
    connect(path, create=True).pragma("user_version", len(MIGRATIONS) + 1)
    for create in (False, True):
        with pytest.raises(LedgerTooNew) as caught:
            connect(path, create=create)
        assert caught.value.exit_code == 78


def test_a_file_that_is_no_ledger_is_damaged(path):
    path.write_bytes(b"These are not the letters that you are looking for.\n" * 100)
    with pytest.raises(LedgerDamaged) as caught:
        connect(path, create=True)
    assert caught.value.exit_code == 74


async def test_a_page_that_was_overwritten_is_told_by_reader_and_writer(path):
    ledger = SqliteLedger(path)
    await put(ledger, 1)
    ledger.close()
    db = connect(path)
    ((page,),) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'letter'")
    size = db.pragma("page_size")
    db.close()
    content = path.read_bytes()
    path.write_bytes(content[: (page - 1) * size] + b"\xff" * size + content[page * size :])
    ledger = SqliteLedger(path)
    for look in (lambda: claim(ledger), lambda: asyncio.to_thread(states, ledger)):
        with pytest.raises(LedgerDamaged, match="restore a backup"):
            await look()
    ledger.close()


@pytest.fixture
def as_nobody() -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    """Become somebody for whom modes count: root may write everything."""

    @contextlib.contextmanager
    def nobody() -> Iterator[None]:
        before = os.geteuid()
        if before == 0:
            os.seteuid(65_534)
        try:
            yield
        finally:
            os.seteuid(before)

    yield nobody


@pytest.mark.parametrize("folder_mode, file_mode", [(0o777, 0o444), (0o555, 0o666), (0o555, 0o444), (0o777, 0o000)])
async def test_what_may_not_be_written_is_said_with_its_path(as_nobody, folder_mode, file_mode):
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name, "ledger.db")
        SqliteLedger(path).close()
        os.chmod(path, file_mode)
        os.chmod(folder, folder_mode)
        try:
            with as_nobody(), pytest.raises(CannotWrite, match=str(path)) as caught:
                ledger = SqliteLedger(path)
                try:
                    await ledger.pause("all", Who.PERSON, "stop", NOW)
                finally:
                    ledger.close()
        finally:
            os.chmod(folder, 0o700)
        assert caught.value.exit_code == 73


def test_each_of_the_librarys_exceptions_is_ours():
    """An apsw that has a class more fails here: say in `translated` what it means."""
    expected = {
        LedgerProblem: {"BusyError", "LockedError", "FullError", "IOError"},
        LedgerDamaged: {"CorruptError", "NotADBError", "SQLError"},
        CannotWrite: {"CantOpenError", "ReadOnlyError", "PermissionsError", "AuthError"},
    }
    bugs = (
        "AbortError BindingsError ConnectionClosedError ConnectionNotClosedError ConstraintError CursorClosedError EmptyError"
        " Error ExecTraceAbort ExecutionCompleteError ExtensionLoadingError ForkingViolationError FormatError"
        " IncompleteExecutionError InternalError InterruptError InvalidContextError MismatchError MisuseError NoFTS5Error"
        " NoLFSError NoMemError NotFoundError ProtocolError RangeError SchemaChangeError ThreadingViolationError"
        " TooBigError VFSFileClosedError VFSNotImplementedError VTableNotImplemented_Error"
    )
    found: dict[type[MailerError], set[str]] = {}
    for name in dir(apsw):
        if isinstance(kind := getattr(apsw, name), type) and issubclass(kind, apsw.Error):
            found.setdefault(type(translated(kind("x"), Path("ledger.db"))), set()).add(name)
    assert found.pop(MailerError) <= set(bugs.split())
    assert found == expected
