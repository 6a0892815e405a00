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
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer.journal import Journal
from mailer.ledger.sqlite import SqliteLedger
from tests.test_sqlite.ground import TRIED
from tests.test_sqlite.life import Life
from tests.test_sqlite.power import KEPT, LOST, Disk, below
from tests.test_sqlite.survivor import assert_survived, dump, fresh

ALL = bool(os.environ.get("MAILER_TORTURE"))
SEEDS = 25 if ALL else 1
EVERY = 1 if ALL else 6  # moments


async def lived(folder: Path, monkeypatch: pytest.MonkeyPatch, *pragmas: str) -> tuple[Life, Disk]:
    """A whole life above a disk that remembers it."""
    with below(Disk(folder), monkeypatch) as disk:
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
    record_property(f"{TRIED}power losses", tried)
    record_property(f"{TRIED}moments of {disk.syncs} syncs and {len(legal)} commits", len(disk.moments[::EVERY]))


async def test_the_power_may_go_again_while_a_fresh_start_mends_what_it_left(tmp_path, monkeypatch, record_property):
    life, disk = await lived(tmp_path / "live", monkeypatch)
    legal, tried = commits(disk, tmp_path), 0
    for moment in disk.moments[:: 12 if ALL else 90]:
        again = tmp_path / "again"
        shutil.rmtree(again, ignore_errors=True)
        again.mkdir()
        moment.lay(again, 0)
        said = disk.said[: moment.said]
        with below(Disk(again), monkeypatch) as second:
            await start(again, life)
            second.moment("at the end")
        possible = [*legal, *commits(second, tmp_path)]
        for later in second.moments:
            for seed in (LOST, KEPT, *range(3 if ALL else 1)):
                folder = fresh(tmp_path)
                later.lay(folder, seed)
                with told(f"power lost at {moment.what}, and again at {later.what}, seed {seed!r}"):
                    await assert_survived(folder, life, said, possible)
                tried += 1
    record_property(f"{TRIED}second power losses", tried)


async def start(folder: Path, life: Life) -> None:
    """What a start does before anything else."""
    ledger = SqliteLedger(folder / "ledger.db")
    journal = Journal(folder / "journal.jsonl", ledger.journal)
    journal.open()
    await ledger.recover(life.now)
    journal.catch_up()
    ledger.close()


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
