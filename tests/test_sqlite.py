"""
The ledger on SQLite: its engine, its file, and the plans of its statements.

Faults are made where they happen: in the file, in its folder, in the connection of another program, or in the disk below
(apsw lets the layer between SQLite and the disk be written in Python). Commits, syncs and steps are counted; nothing waits.
"""

import asyncio
import contextlib
import itertools
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import apsw.ext
import pytest

from mailer import seal, signature
from mailer.address import Address
from mailer.delivery import DUE, MOVES, State, Who
from mailer.errors import CannotWrite, LedgerDamaged, LedgerProblem, LedgerTooNew, MailerError
from mailer.journal import Journal
from mailer.ledger import Entry, Held, Lane
from mailer.ledger.engine import MIGRATIONS, Engine, Work, connect, translated
from mailer.ledger.moves import move
from mailer.ledger.sqlite import SqliteLedger
from mailer.outcome import Stage
from mailer.signature import Signature
from tests.ledgers import (
    CAMPAIGN,
    DOMAIN,
    HELD,
    LANE,
    LATER,
    NEVER,
    NOW,
    begin,
    claim,
    dot,
    entry,
    everything,
    links,
    mark,
    new,
    put,
    settle,
    states,
    told,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = Engine(path)
    yield engine
    engine.close()


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    ledger = SqliteLedger(path)
    yield ledger
    ledger.close()


def remember(name: str) -> Work:
    """A piece of work that leaves a trace."""
    return lambda db: db.execute("INSERT INTO install (name, value) VALUES (?, '')", (name,)).fetchall()


def remembered(path: Path) -> list[str]:
    """The traces, as another program finds them."""
    found = connect(path).execute("SELECT name FROM install ORDER BY name").fetchall()
    return [name for (name,) in found]


class Gate:
    """A piece of work at which the line stops until it is opened: what is submitted meanwhile stands behind it together."""

    def __init__(self, engine: Engine) -> None:
        self._arrived, self._may_go = threading.Event(), threading.Event()
        self._work = engine.submit(self._wait)

    def _wait(self, _: apsw.Connection) -> None:
        self._arrived.set()
        assert self._may_go.wait(60)

    async def __aenter__(self) -> None:
        await asyncio.to_thread(self._arrived.wait)

    async def __aexit__(self, *_: object) -> None:
        self._may_go.set()
        await self._work


# -- opening


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
        LedgerDamaged: {"CorruptError", "NotADBError"},
        CannotWrite: {"CantOpenError", "ReadOnlyError", "PermissionsError", "AuthError"},
    }
    bugs = (
        "AbortError BindingsError ConnectionClosedError ConnectionNotClosedError ConstraintError CursorClosedError EmptyError"
        " Error ExecTraceAbort ExecutionCompleteError ExtensionLoadingError ForkingViolationError FormatError"
        " IncompleteExecutionError InternalError InterruptError InvalidContextError MismatchError MisuseError NoFTS5Error"
        " NoLFSError NoMemError NotFoundError ProtocolError RangeError SchemaChangeError SQLError ThreadingViolationError"
        " TooBigError VFSFileClosedError VFSNotImplementedError VTableNotImplemented_Error"
    )
    found: dict[type[MailerError], set[str]] = {}
    for name in dir(apsw):
        if isinstance(kind := getattr(apsw, name), type) and issubclass(kind, apsw.Error):
            found.setdefault(type(translated(kind("x"), Path("ledger.db"))), set()).add(name)
    assert found.pop(MailerError) <= set(bugs.split())
    assert found == expected


# -- the group commit


async def test_what_waits_in_line_shares_one_commit(engine, path):
    async with Gate(engine):
        before = engine.commits
        works = [engine.submit(remember(f"{n:03}")) for n in range(200)]
    await asyncio.gather(*works)
    assert engine.commits - before == 2  # the gate's, and one for all that stood behind it
    assert remembered(path) == [f"{n:03}" for n in range(200)]


async def test_a_line_that_never_ends_is_committed_in_parts(engine, path):
    async with Gate(engine):
        before = engine.commits
        works = [engine.submit(lambda db: None) for _ in range(2_500)]
    await asyncio.gather(*works)
    assert engine.commits - before == 1 + 3


async def test_the_marks_and_settlements_of_many_connections_share_a_commit(ledger):
    await put(ledger, 40)
    dues = await claim(ledger)
    async with Gate(ledger._engine):
        before = ledger.commits
        marks = [asyncio.ensure_future(mark(ledger, due)) for due in dues[:20]]
        others = [asyncio.ensure_future(settle(ledger, due, Stage.MAIL, LATER)) for due in dues[20:]]
        await asyncio.sleep(0)  # each comes as far as the line
    assert all(await asyncio.gather(*marks, *others))
    assert ledger.commits - before == 2


async def test_work_is_done_in_the_order_of_the_line(engine):
    seen: list[int] = []
    async with Gate(engine):
        works = [engine.submit(lambda db, n=n: seen.append(n)) for n in range(50)]
    await asyncio.gather(*works)
    assert seen == list(range(50))


class Ours(Exception):
    pass


@pytest.mark.parametrize("raised", [Ours("no"), apsw.ConstraintError("no"), MailerError("no")])
async def test_work_that_raises_undoes_itself_alone(engine, path, raised):
    def fails(db: apsw.Connection) -> None:
        remember("half done")(db)
        raise raised

    async with Gate(engine):
        works = [engine.submit(work) for work in (remember("a"), fails, remember("b"), fails, remember("c"))]
    results = await asyncio.gather(*works, return_exceptions=True)
    expected = MailerError if isinstance(raised, apsw.Error) else type(raised)
    assert [type(result) for result in results] == [list, expected, list, expected, list]
    assert remembered(path) == ["a", "b", "c"]
    await engine.run(remember("d"))
    assert remembered(path) == ["a", "b", "c", "d"]


async def test_an_error_of_sqlite_undoes_its_work_alone(engine, path):
    async with Gate(engine):
        works = [engine.submit(work) for work in (remember("a"), remember("a"), remember("b"))]
    results = await asyncio.gather(*works, return_exceptions=True)
    assert [isinstance(result, MailerError) for result in results] == [False, True, False]
    assert remembered(path) == ["a", "b"]


async def test_a_cancelled_callers_work_is_still_committed(engine, path):
    async with Gate(engine):
        caller = asyncio.create_task(engine.run(remember("mine")))
        await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
    await engine.run(lambda db: None)
    assert remembered(path) == ["mine"]


async def test_closing_finishes_what_stands_in_line(engine, path):
    async with Gate(engine):
        works = [engine.submit(remember(f"{n}")) for n in range(3)]
        closing = asyncio.create_task(asyncio.to_thread(engine.close))
    await asyncio.gather(closing, *works)
    assert remembered(path) == ["0", "1", "2"]


async def test_a_closed_ledger_answers_that_it_is_closed(engine):
    engine.close()
    with pytest.raises(LedgerProblem, match="closed"):
        await engine.run(lambda db: None)


# -- a file that another program holds


async def test_a_ledger_that_another_program_holds_can_be_used_later(engine, path):
    await engine.run(lambda db: db.set_busy_timeout(0))
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerProblem, match="another program") as caught:
        await engine.run(remember("later"))
    assert caught.value.exit_code == 75
    other.execute("ROLLBACK")
    await engine.run(remember("later"))
    assert remembered(path) == ["later"]


async def test_all_that_stands_in_line_waits_once_for_a_busy_file(engine, path):
    waits: list[int] = []
    arrived, may_go = threading.Event(), threading.Event()

    def wait(times: int) -> bool:
        waits.append(times)
        arrived.set()
        assert may_go.wait(60)
        return False

    await engine.run(lambda db: db.set_busy_handler(wait))
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    first = engine.submit(remember("first"))
    await asyncio.to_thread(arrived.wait)
    behind = [engine.submit(remember(f"{n}")) for n in range(20)]
    may_go.set()
    results = await asyncio.gather(first, *behind, return_exceptions=True)
    assert {type(result) for result in results} == {LedgerProblem}
    assert waits == [0, 0]  # the first, and all behind it together
    other.execute("ROLLBACK")
    await engine.run(remember("later"))
    assert remembered(path) == ["later"]


# -- a disk that fails


class Disk(apsw.VFS):
    """The default disk, until `fails_at` names an operation; then that raises, if it is on the write-ahead log."""

    def __init__(self) -> None:
        self.fails_at, self.error = "", apsw.IOError("the disk is gone")
        self.calls: Counter[str] = Counter()
        super().__init__("failing", "unix", makedefault=True)

    def xOpen(self, name: Any, flags: list[int]) -> "DiskFile":
        return DiskFile(self, name, flags)

    def meet(self, operation: str) -> None:
        self.calls[operation] += 1
        if operation == self.fails_at:
            raise self.error


class DiskFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        self._disk, self._is_log = disk, bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        super().__init__("unix", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._is_log:
            self._disk.meet("write")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        if self._is_log:
            self._disk.meet("sync")
        super().xSync(flags)


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.unregister()


@pytest.mark.parametrize("operation", ["sync", "write"])
@pytest.mark.parametrize("error", [apsw.IOError("the disk is gone"), apsw.FullError("the disk is full")])
async def test_a_failed_commit_is_final(disk, path, operation, error):
    engine = Engine(path)
    await engine.run(remember("before"))
    async with Gate(engine):
        disk.fails_at, disk.error = operation, error
        works = [engine.submit(remember(name)) for name in ("a", "b")]
    results = await asyncio.gather(*works, return_exceptions=True)
    assert [type(result) for result in results] == [LedgerProblem, LedgerProblem]
    disk.fails_at = ""  # the disk seems well again: nobody knows what it has lost
    for _ in range(2):
        with pytest.raises(LedgerProblem):
            await engine.run(remember("after"))
        with pytest.raises(LedgerProblem):
            await engine.run(lambda db: db.execute("SELECT 1").fetchall())
    engine.close()
    assert remembered(path) in (["before"], ["a", "b", "before"])
    again = Engine(path)
    await again.run(remember("fresh"))
    assert "fresh" in remembered(path)
    again.close()


async def test_a_commit_is_one_sync_and_nothing_returns_before_it(disk, path):
    engine = Engine(path)
    for name in ("a", "b"):
        before = disk.calls["sync"]
        await engine.run(remember(name))
        assert disk.calls["sync"] == before + 1
    async with Gate(engine):
        before = disk.calls["sync"]
        works = [engine.submit(remember(f"{n}")) for n in range(100)]
    await asyncio.gather(*works)
    assert disk.calls["sync"] == before + 1  # the gate wrote nothing
    engine.close()


# -- moves


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteLedger]:
    """One ledger for all pairs of states."""
    ledger = SqliteLedger(tmp_path_factory.mktemp("moves") / "ledger.db")
    yield ledger
    ledger.close()


@pytest.mark.parametrize("old, new_state", list(itertools.product(State, State)), ids=lambda state: str(state))
async def test_what_is_not_in_the_table_of_moves_cannot_happen(moved, old, new_state):
    number = 1 + sum(moved.tally().values())
    await put(moved, 1, first=number)
    lines = len(links(moved))

    def work(db: apsw.Connection) -> bool:
        held_by, at = ("rule" if old is State.HELD else None), (NOW if old in DUE else None)
        sql = "UPDATE letter SET state = ?, held_by = ?, next_attempt_at = ?, accepted_at = ? WHERE id = ?"
        db.execute(sql, (old, held_by, at, NOW, number))
        due_at = NOW if new_state in DUE else None
        return move(db, (number, old, 0), new_state, Who.PERSON, "why", NOW, at=due_at)

    if new_state not in MOVES[old]:
        with pytest.raises(MailerError, match=f"from {old} to {new_state}"):
            await moved._engine.run(work)
        assert len(links(moved)) == lines
        return
    assert await moved._engine.run(work)
    assert states(moved)[number] == new_state
    (line,) = told(moved)[lines:]
    assert (line["letter"], line["from"], line["to"], line["who"]) == (number, old, new_state, "person")


@pytest.mark.parametrize("believed", [(State.DEFERRED, 0), (State.QUEUED, 1)])
async def test_a_move_from_where_a_letter_does_not_stand_changes_nothing(ledger, believed):
    await put(ledger, 1)
    before = everything(ledger)
    state, attempt = believed
    moved = await ledger._engine.run(lambda db: move(db, (1, state, attempt), State.HELD, Who.RULE, "x", NOW))
    assert (moved, everything(ledger)) == (False, before)


# -- plans: what is asked at every pass and for every letter stays cheap however many letters there are


async def test_no_statement_of_the_flow_reads_the_whole_table_of_letters(ledger, path):
    await put(ledger, 5, new("court"), HELD)
    asked: set[str] = set()
    await ledger._engine.run(lambda db: setattr(db, "exec_trace", lambda _, sql, values: asked.add(sql) or True))
    lane = Lane(CAMPAIGN, "court", "")
    await ledger.waiting()
    await ledger.held_by_rule()
    await ledger.hold(Lane(CAMPAIGN, "ministry", ""), "approval", NOW, 10)
    await ledger.release(Held(LANE, "no route"), NOW, 10)
    await ledger.restate(Held(LANE, "no route"), "approval")
    await ledger.release_unrendered(CAMPAIGN, "edition", NOW)
    await ledger.expire(CAMPAIGN, NOW, "given up", NOW, 10)
    marked, settled, gone, _ = await claim(ledger, 4, lane=lane)
    await mark(ledger, marked)
    await dot(ledger, settled, LATER)
    await ledger.let_go(gone, State.QUEUED, Who.WORKER, "", "", NOW)
    await ledger.sent_to(["head@court.example"], NOW)
    await ledger.recover(NOW)
    await ledger.expire(CAMPAIGN, None, "too late", NOW, 10)
    assert {"campaign", "pause", "letter", "attempt", "sent", "journal"} <= {word for sql in asked for word in sql.split()}
    looking = connect(path)
    for sql in sorted(asked):
        for step in plan(looking, sql):
            assert "TEMP B-TREE" not in step, sql
            assert not step.startswith("SCAN") or step in ALLOWED_SCANS, sql


# The index of open attempts holds nothing else; the newest line and the newest letter are at the end of their tables.
ALLOWED_SCANS = {"SCAN attempt USING INDEX attempt_open", "SCAN journal"}


def plan(db: apsw.Connection, sql: str) -> Iterator[str]:
    """The steps by which SQLite would answer a statement."""
    steps = [apsw.ext.query_info(db, sql, explain_query_plan=True).query_plan]
    while steps:
        step = steps.pop()
        yield step.detail
        steps += step.sub or []


async def test_one_step_a_lane_however_many_letters_wait_or_are_held_in_it(ledger):
    """Counted in the steps of SQLite's machine; an index alone does not do it, one may walk through all of it."""
    file = 0

    async def grow(lines: range) -> None:
        nonlocal file
        file = file or await begin(ledger)
        letters = (new("court"), new("embassy", country="GB"), HELD, new("ministry", State.HELD, "no route"))
        await ledger.take_in(file, CAMPAIGN, DOMAIN, [entry(line, *letters) for line in lines], NOW)

    await grow(range(10))
    few = await steps(ledger)
    await grow(range(10, 1_500))
    many = await steps(ledger)
    assert {name: count for name, count in many.items() if count > 1.5 * few[name] + 10} == {}


async def steps(ledger: SqliteLedger) -> dict[str, int]:
    """How many steps each question of a pass takes that finds nothing to move."""
    asked: dict[str, Callable[[], Any]] = {
        "waiting": ledger.waiting,
        "held_by_rule": ledger.held_by_rule,
        "hold": lambda: ledger.hold(Lane(CAMPAIGN, "president", ""), "approval", NOW, 10),
        "release": lambda: ledger.release(Held(LANE, "target closed"), NOW, 10),
        "release_unrendered": lambda: ledger.release_unrendered(CAMPAIGN, "", NOW),
        "expire": lambda: ledger.expire(CAMPAIGN, NOW, "given up", NOW, 10),
        "claim": lambda: ledger.claim(Lane(CAMPAIGN, "court", ""), 1, "worker", "relay", NOW - 1),
        "recover": lambda: ledger.recover(NOW),
    }
    counts: dict[str, int] = {}
    for name, ask in asked.items():
        counted = itertools.count()
        await ledger._engine.run(lambda db, counted=counted: db.set_progress_handler(lambda: bool(next(counted) * 0), 1))
        await ask()
        counts[name] = next(counted)
    await ledger._engine.run(lambda db: db.set_progress_handler(None))
    return counts


# -- personal data


@pytest.mark.parametrize("is_closed", [False, True], ids=["while it is open", "when it is closed"])
async def test_nothing_personal_stands_in_the_ledger_or_its_journal(tmp_path, path, is_closed):
    """A canary in every field, and a life for each letter; then every byte of every file is searched for it."""
    ledger = SqliteLedger(path)
    opened = seal.load(tmp_path / "keys", CAMPAIGN, None)
    file = await begin(ledger)
    entries = [canary(opened, line) for line in range(1, 6)]
    assert [taken.is_new for taken in await ledger.take_in(file, CAMPAIGN, DOMAIN, entries * 2, NOW)] == [True] * 10
    accepted, deferred, refused, doubtful, held = await claim(ledger)
    await dot(ledger, accepted)
    await dot(ledger, deferred, LATER)
    await dot(ledger, refused, NEVER)
    await mark(ledger, doubtful)
    await ledger.let_go(held, State.HELD, Who.RULE, "render error", "letter.txt.j2:3", NOW)
    await ledger.recover(NOW)
    journal = Journal(tmp_path / "journal.jsonl", ledger.journal)
    journal.open()
    assert journal.catch_up() == 5
    if is_closed:
        ledger.close()
    files = {found.name: found.read_bytes().lower() for found in tmp_path.iterdir() if found.is_file()}
    assert {"ledger.db", "journal.jsonl"} | (set() if is_closed else {"ledger.db-wal"}) <= set(files)
    content = b"".join(files.values())
    assert b"head@court.example" in content  # what is public is found: the search works
    assert b"render error" in files["journal.jsonl"]
    assert [needle for needle in needles() if needle in content] == []
    ledger.close()


CANARY = "Kanarienvögelchen"


def canary(opened: seal.Seal, line: int) -> Entry:
    signed = Signature(
        name=f"{CANARY} {line}",
        email=Address(f"{CANARY.lower().replace('ö', 'oe')}{line}", "canary.example"),
        organisation=CANARY,
        role=CANARY,
        city=CANARY,
        postal_address=CANARY,
        message=CANARY,
        signed_at="2011-09-20T08:00:00Z",
    )
    person = opened.person(signature.identity(CAMPAIGN, signed))
    return Entry(line, person, "GB", opened.close(signature.pack(signed, f"{CANARY}.csv")), (new(),))


def needles() -> Iterator[bytes]:
    """The canary in the forms in which it could stand in a file."""
    for text in (CANARY, CANARY.lower(), "kanarienvoegelchen", "canary.example"):
        yield text.lower().encode()
        yield text.lower().encode("utf-16-le")
        yield text.lower().encode("ascii", "backslashreplace")
    yield b"kanarienv"
