"""
The power goes, at every moment of a ledger's life, and the disk keeps what it likes of all that was not synced.

One life is led above a disk that remembers (see `power`, `life`). Then, for every moment before and behind each sync, and
behind each promise, the folder is laid down as it could be found: tidily, or with some sectors of some writes in any order.
Each time a fresh ledger opens it, and

- it is exactly the ledger behind one of the commits: nothing half, and no damage;
- what any method had returned is there: a letter taken in, a mark, a settlement, a line that a reader was shown;
- every dot that left is settled as it was answered, or in doubt once recovery ran; at most one a connection is new in doubt;
- recovery changes nothing the second time; the journal's file is mended, caught up, and never ahead of the table.

`make test` takes a spread of the moments and one seed; with MAILER_TORTURE=1 in the environment pytest takes every moment and
many seeds. What was tried is counted in the last lines of the run.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from mailer import recovery
from mailer.delivery import State
from mailer.journal import Journal
from mailer.ledger import Recovered
from mailer.ledger.sqlite import SqliteLedger
from tests.ledgers import DAY, assert_sound, claim, everything, links, states
from tests.test_sqlite.life import CONNECTIONS, Dot, Fact, Filed, Life
from tests.test_sqlite.power import KEPT, LOST, Disk

ALL = bool(os.environ.get("MAILER_TORTURE"))
SEEDS = 25 if ALL else 1
EVERY = 1 if ALL else 5  # moments


@contextlib.contextmanager
def disk_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    folder.mkdir()
    disk = Disk(folder)
    monkeypatch.setattr(os, "fsync", disk.fsync)
    try:
        yield disk
    finally:
        monkeypatch.undo()
        disk.unregister()


async def lived(folder: Path, monkeypatch: pytest.MonkeyPatch, *pragmas: str) -> tuple[Life, Disk]:
    """A whole life above a disk that remembers it."""
    with disk_of(folder, monkeypatch) as disk:
        life = Life(disk.folder, disk.say, pragmas)
        await life.live()
        disk.moment("at the end")
    return life, disk


async def test_whatever_a_power_loss_leaves_what_was_promised_is_found(tmp_path, monkeypatch, record_property):
    life, disk = await lived(tmp_path / "live", monkeypatch)
    legal = commits(disk, tmp_path)
    tried = 0
    for moment in disk.moments[::EVERY]:
        for seed in (LOST, KEPT, *range(SEEDS)):
            folder = fresh(tmp_path)
            moment.lay(folder, seed)
            with told(f"power lost at {moment.what}, seed {seed!r}"):
                await assert_survived(folder, life, disk.said[: moment.said], legal)
            tried += 1
    record_property("tried", f"{tried} power losses at {len(disk.moments)} moments of {disk.syncs} syncs, {len(legal)} commits")


@pytest.mark.parametrize("less", ["NORMAL", "OFF"])
async def test_a_ledger_that_synced_less_would_be_found_out(tmp_path, monkeypatch, less):
    """The disk does forget: what the ledger promises hangs on `synchronous = FULL`, and these checks see it go."""
    life, disk = await lived(tmp_path / "live", monkeypatch, f"PRAGMA synchronous = {less}")
    legal = commits(disk, tmp_path)
    lost: list[str] = []
    for moment in disk.moments[::20]:
        folder = fresh(tmp_path)
        moment.lay(folder, LOST)
        try:
            await assert_survived(folder, life, disk.said[: moment.said], legal)
        except AssertionError as problem:
            lost.append(str(problem))
    assert any("lost: a mark was made" in problem or "lost: a letter was taken in" in problem for problem in lost), lost


def fresh(tmp_path: Path) -> Path:
    """An empty folder, always the same one."""
    folder = tmp_path / "found"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


@contextlib.contextmanager
def told(where: str) -> Iterator[None]:
    """A failure names the moment and the seed, with which it comes again."""
    try:
        yield
    except Exception as problem:
        problem.add_note(where)
        raise


def commits(disk: Disk, tmp_path: Path) -> list[object]:
    """What stands in a ledger behind each commit of its life: what is found at each moment if nothing is lost."""
    found: list[object] = []
    for moment in disk.moments:
        folder = fresh(tmp_path)
        moment.lay(folder, KEPT)
        if (content := dump(folder)) not in found[-1:]:
            found.append(content)
    return found


def dump(folder: Path) -> object:
    """Every row of every table, as SQLite finds it there; and no damage."""
    if not (folder / "ledger.db").exists():
        return []
    db = apsw.Connection(str(folder / "ledger.db"))
    assert db.pragma("integrity_check") == "ok"
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    tables = db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
    content = [(name, db.execute(f"SELECT * FROM {name}").fetchall()) for (name,) in tables]
    db.close()
    return content


async def assert_survived(folder: Path, life: Life, said: Sequence[Any], legal: Sequence[object]) -> None:
    assert dump(folder) in legal, "the ledger is as it was behind no commit"
    file = folder / "journal.jsonl"
    filed = [line for line in file.read_bytes().split(b"\n")[:-1] if b"\0" not in line] if file.exists() else []
    ledger = SqliteLedger(folder / "ledger.db")
    try:
        for fact in said:
            if isinstance(fact, Fact):
                assert next(ledger._query(fact.sql, fact.values), None) == fact.answer, f"lost: {fact}"
            if isinstance(fact, Filed):
                assert len(filed) >= fact.lines, f"lost: {fact}"
        assert len(filed) <= len(links(ledger)), "the journal's file is ahead of the table"
        journal = Journal(file, ledger.journal)
        journal.open()
        await assert_recovered(ledger, life, [fact for fact in said if isinstance(fact, Dot)])
        journal.catch_up()
        assert journal.disagreement() == ""
        assert file.read_text() == "".join(link.line + "\n" for link in links(ledger))
        await assert_no_dot_goes_again(ledger, life, [fact for fact in said if isinstance(fact, Dot)])
    finally:
        ledger.close()


async def assert_recovered(ledger: SqliteLedger, life: Life, dots: Sequence[Dot]) -> None:
    found = await recovery.recover(ledger, life.now)
    assert found.in_doubt <= CONNECTIONS
    for dot in dots:
        attempts = ledger.attempts(dot.letter)
        assert attempts[dot.attempt - 1].verdict in {life.answered.get(dot, "in_doubt"), "in_doubt"}, dot
    assert_sound(ledger, life.began)
    assert list(ledger.disagreements()) == []
    after = everything(ledger)
    assert await recovery.recover(ledger, life.now) == Recovered()
    assert everything(ledger) == after


async def assert_no_dot_goes_again(ledger: SqliteLedger, life: Life, dots: Sequence[Dot]) -> None:
    """Behind a dot without an answer the letter is in doubt; only a person's word lets it go, as far as the ledger knows."""
    free = {line["letter"] for line in journal_of(ledger) if line.get("order") == "resolve"}
    stand = states(ledger)
    doubtful = {dot.letter for dot in dots if ledger.attempts(dot.letter)[dot.attempt - 1].verdict == "in_doubt"} - free
    assert {stand[letter] for letter in doubtful} <= {State.IN_DOUBT}
    taken = {dot.letter for dot in dots if ledger.attempts(dot.letter)[dot.attempt - 1].verdict == "accepted"}
    assert {stand[letter] for letter in taken} <= {State.ACCEPTED}
    assert {due.letter for due in await claim(ledger, now=life.now + 30 * DAY)}.isdisjoint(doubtful | taken)


def journal_of(ledger: SqliteLedger) -> list[dict[str, Any]]:
    return [json.loads(link.line) for link in links(ledger)]
