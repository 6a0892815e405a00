"""
Backups of an instance, taken as operators take them, and put back over it in each of the ways in which that is done.

    backup   the ledger by SQLite's own backup, which may be asked beside a worker, and the journal's file
    folder   all of var/, while nothing runs

    over     the contents are written into the very files, as cp does; what else stands there stays
    fresh    each file is unlinked and made anew, as tar does; what else stands there stays
    anew     var/ is removed with all that is in it and made anew; only of a backup that has all of it

Nothing here judges, and whether anything has gone out since, so that nothing more may, is for whoever has the far side's books.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import apsw

from tests.torture.grounds import Ground

Way = Literal["over", "fresh", "anew"]
BESIDE = ("-wal", "-shm")  # of a ledger that is put back the old ones are no part


@dataclass(frozen=True)
class Copy:
    """A backup in a folder. `is_whole`: it has all of var/."""

    folder: Path
    is_whole: bool

    @property
    def ways(self) -> Sequence[Way]:
        return ("over", "fresh", "anew") if self.is_whole else ("over", "fresh")


def taken(here: Ground, folder: Path, *, is_whole: bool) -> Copy:
    """Take a backup; one of the whole folder only while nothing runs."""
    if is_whole:
        shutil.copytree(here.var, folder)
        return Copy(folder, is_whole)
    folder.mkdir(parents=True)
    if (journal := here.var / "journal.jsonl").exists():
        shutil.copy2(journal, folder)
    with closing(apsw.Connection(str(here.ledger))) as of, closing(apsw.Connection(str(folder / here.ledger.name))) as to:
        of.set_busy_timeout(10_000)
        with to.backup("main", of, "main") as backup:
            while not backup.done:
                backup.step(100)
    return Copy(folder, is_whole)


def put_back(here: Ground, copy: Copy, way: Way) -> None:
    """Put a backup back; no worker may live."""
    var = here.var
    if way == "anew":
        shutil.rmtree(var)
        shutil.copytree(copy.folder, var)
        return
    for ending in BESIDE:
        Path(f"{here.ledger}{ending}").unlink(missing_ok=True)
    if copy.is_whole:
        shutil.rmtree(var / "queue")  # files that were taken in since are not in two folders at once
    for path in sorted(copy.folder.rglob("*")):
        target = var / path.relative_to(copy.folder)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copystat(path, target)
            continue
        if way == "fresh":
            target.unlink(missing_ok=True)
        with target.open("wb") as file:
            file.write(path.read_bytes())
        shutil.copystat(path, target)


def marks(ledger: Path) -> set[tuple[int, int]]:
    """Every dot mark of a ledger's file: a letter and the number of its attempt."""
    with closing(apsw.Connection(str(ledger))) as db:
        db.set_busy_timeout(10_000)
        rows = db.execute("SELECT letter, number FROM attempt WHERE marked_at IS NOT NULL").fetchall()
    return {(int(str(letter)), int(str(number))) for letter, number in rows}


def known_to_nobody(here: Ground, seen: Collection[str]) -> list[int]:
    """The letters that are held though the far side has seen no dot of their Message-ID: a careful person lets these go."""
    with closing(apsw.Connection(str(here.ledger))) as db:
        rows = db.execute("SELECT id, message_id FROM letter WHERE state = 'held' ORDER BY id").fetchall()
    return [int(str(id)) for id, message_id in rows if message_id not in seen]
