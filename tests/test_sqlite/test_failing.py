"""A file that another program holds, and a disk that fails below SQLite (apsw lets that layer be written in Python)."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import apsw
import pytest

from mailer.errors import LedgerProblem
from mailer.ledger.engine import PATIENCE, Engine, connect
from mailer.outcome import Stage
from tests.ledgers import NOW, YES, claim, mark, put, settle, states
from tests.test_sqlite.ground import Gate, remember, remembered

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


async def test_an_answer_waits_far_longer_for_a_busy_file_than_what_can_be_asked_again(ledger, path, caplog):
    """Only the worker knows it: given up, its letter would be in doubt."""
    await put(ledger, 2)
    answered, unmarked = await claim(ledger)
    assert await mark(ledger, answered)
    other = connect(path)
    waits = 0
    arrived, may_go = threading.Event(), threading.Event()

    def wait(times: int) -> bool:
        nonlocal waits
        waits += 1
        arrived.set()
        assert may_go.wait(60)
        if waits == PATIENCE:
            other.execute("ROLLBACK")
        return False

    await ledger._engine.run(lambda db: db.set_busy_handler(wait))
    other.execute("BEGIN IMMEDIATE")
    first = ledger._engine.submit(remember("first"))
    await asyncio.to_thread(arrived.wait)
    settled = asyncio.ensure_future(settle(ledger, answered, Stage.DOT, YES))
    marked = asyncio.ensure_future(mark(ledger, unmarked))
    await asyncio.sleep(0)  # both stand in line
    may_go.set()
    for impatient in (first, marked):
        with pytest.raises(LedgerProblem, match="another program"):
            await impatient
    assert await settled
    assert states(ledger) == {answered.letter: "accepted", unmarked.letter: "sending"}
    assert waits == PATIENCE  # one of them for the first
    assert [record.getMessage() for record in caplog.records] == [
        "another program holds the ledger: 1 answers wait to be written down, and nothing is sent meanwhile"
    ]


async def test_an_answer_is_written_down_though_the_log_cannot_be(ledger, path):
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            other.execute("ROLLBACK")
            raise BrokenPipeError

    await put(ledger, 1)
    (due,) = await claim(ledger)
    await mark(ledger, due)
    await ledger._engine.run(lambda db: db.set_busy_timeout(0))
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    broken = Broken()
    logging.getLogger("mailer").addHandler(broken)
    try:
        async with asyncio.timeout(60):
            assert await settle(ledger, due, Stage.DOT, YES)
    finally:
        logging.getLogger("mailer").removeHandler(broken)
    assert states(ledger) == {due.letter: "accepted"}


@pytest.mark.parametrize("raised", [MemoryError, SystemExit])
async def test_what_is_raised_outside_of_any_work_is_told_to_all_in_line_and_the_next_is_done(engine, path, raised):
    def fail(times: int) -> bool:
        raise raised

    await engine.run(lambda db: db.set_busy_handler(fail))
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    waiting = [engine.submit(remember(f"{n}")) for n in range(3)]
    async with asyncio.timeout(60):
        for one in waiting:
            with pytest.raises(LedgerProblem, match=raised.__name__):
                await one
    other.execute("ROLLBACK")
    async with asyncio.timeout(60):
        await engine.run(remember("later"))
    assert remembered(path) == ["later"]


async def test_even_an_answer_does_not_wait_for_ever(ledger, path):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await mark(ledger, due)
    await ledger._engine.run(lambda db: db.set_busy_timeout(0))
    other = connect(path)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerProblem, match="another program"):
        await settle(ledger, due, Stage.DOT, YES)
    other.execute("ROLLBACK")
    assert (await ledger.recover(NOW)).in_doubt == 1


async def test_a_broken_ledger_keeps_nobody_waiting(disk, path):
    engine = Engine(path)
    await engine.run(remember("before"))
    disk.fails_at = "sync"
    for _ in range(2):
        with pytest.raises(LedgerProblem, match="the disk failed"):
            await engine.run(remember("after"), is_patient=True)
    engine.close()


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
