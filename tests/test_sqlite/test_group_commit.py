"""The group commit: what stands in line shares a commit, and fails alone."""

import asyncio

import apsw
import pytest

from mailer.errors import LedgerProblem, MailerError
from mailer.ledger.engine import Engine
from mailer.outcome import Stage
from tests.ledgers import (
    LATER,
    claim,
    mark,
    put,
    settle,
)
from tests.test_sqlite.ground import Gate, remember, remembered


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


async def test_what_was_put_in_line_cannot_be_taken_back(engine, path):
    async with Gate(engine):
        engine.submit(remember("mine")).cancel()
    await asyncio.wait_for(engine.run(remember("next")), 10)
    assert remembered(path) == ["mine", "next"]


def grown(engine: Engine, length: int) -> None:
    """Returns when so much stands in line."""
    while engine._line.qsize() < length:
        pass


async def test_closing_finishes_what_stands_in_line(engine, path):
    async with Gate(engine):
        works = [engine.submit(remember(f"{n}")) for n in range(3)]
        closing = asyncio.create_task(asyncio.to_thread(engine.close))
        await asyncio.to_thread(grown, engine, 4)  # the end itself stands in line
    await asyncio.wait_for(asyncio.gather(closing, *works), 10)
    assert remembered(path) == ["0", "1", "2"]


async def test_a_closed_ledger_answers_that_it_is_closed(engine):
    engine.close()
    with pytest.raises(LedgerProblem, match="closed"):
        await asyncio.wait_for(engine.run(lambda db: None), 10)
