"""
Bytes of the ledger's file are changed anywhere; whatever is read or written then ends well, or as what it is: damage.

SQLite keeps no checksum of a page, so a changed letter in a text may pass; `mailer verify` compares with the journal's chain.
With MAILER_TORTURE=1 in the environment many more files are damaged.
"""

import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from random import Random

import pytest

from mailer.errors import CannotSend, LedgerDamaged
from mailer.journal import Journal
from mailer.ledger import Selection
from mailer.ledger.sqlite import SqliteLedger
from mailer.outcome import Stage
from tests.ledgers import DAY, NOW, YES, claim, dot, mark, put, settle
from tests.test_sqlite.ground import TRIED
from tests.test_sqlite.life import Life

FILES = 3_000 if os.environ.get("MAILER_TORTURE") else 60


@pytest.fixture
async def lived(tmp_path: Path) -> AsyncIterator[Path]:
    """The files of a ledger that has lived."""
    folder = tmp_path / "lived"
    folder.mkdir()
    await Life(folder, lambda *_: None).live()
    yield folder


async def test_whatever_bytes_are_changed_it_is_damage_or_nothing(lived, tmp_path, record_property):
    whole = (lived / "ledger.db").read_bytes()
    ended: Counter[str] = Counter()
    for seed in range(FILES):
        folder = tmp_path / f"{seed}"
        folder.mkdir()
        (folder / "ledger.db").write_bytes(changed(whole, Random(seed)))
        shutil.copy(lived / "journal.jsonl", folder)
        try:
            await use(folder)
            ended["unseen"] += 1
        except (LedgerDamaged, CannotSend) as problem:
            ended[type(problem).__name__] += 1
        except Exception as problem:
            problem.add_note(f"seed {seed}")
            raise
    assert ended["LedgerDamaged"] > FILES / 4
    for end, count in ended.items():
        record_property(f"{TRIED}damaged files ({end})", count)


@pytest.mark.parametrize("before, between, behind", [(60, 5, 40), (20, 5, 40), (5, 30, 5)])
async def test_an_older_copy_beside_the_log_of_the_newer_ledger_sends_nothing_again(tmp_path, before, between, behind):
    """A backup laid below a ledger.db-wal that was left: SQLite takes the two for one, some pages of each."""
    path, restored = tmp_path / "ledger.db", tmp_path / "restored"
    await sends(path, before, 300)
    older = path.read_bytes()
    await sends(path, between)
    restored.mkdir()
    ledger = SqliteLedger(path)
    gone = await carry(ledger, behind)
    journal = Journal(tmp_path / "journal.jsonl", ledger.journal)
    journal.open()
    journal.catch_up()
    (restored / "ledger.db").write_bytes(older)
    for name in ("ledger.db-wal", "journal.jsonl"):
        shutil.copy(tmp_path / name, restored)
    ledger.close()
    assert await claimed_of(restored) & gone == set()


async def sends(path: Path, count: int, signatures: int = 0) -> None:
    """A program that sends so many letters."""
    ledger = SqliteLedger(path)
    if signatures:
        await put(ledger, signatures)
    await carry(ledger, count)
    ledger.close()


async def carry(ledger: SqliteLedger, count: int) -> set[int]:
    """Send so many letters; gives all that were sent so far."""
    for due in await claim(ledger, count):
        await dot(ledger, due)
    return {record.letter for record in ledger.records(Selection(state="accepted"))}


async def claimed_of(folder: Path) -> set[int]:
    """What a start would send, if it sends at all."""
    ledger = None
    try:
        ledger = SqliteLedger(folder / "ledger.db")
        Journal(folder / "journal.jsonl", ledger.journal).open()
        await ledger.recover(NOW)
        return {due.letter for due in await claim(ledger)}
    except (LedgerDamaged, CannotSend):
        return set()
    finally:
        if ledger is not None:
            ledger.close()


def changed(whole: bytes, chance: Random) -> bytes:
    """A few bytes in a few places are others, or as if erased."""
    content = bytearray(whole)
    for _ in range(chance.choice([1, 3, 20])):
        at, length = chance.randrange(len(content) - 200), chance.choice([1, 16, 200])
        content[at : at + length] = chance.choice([chance.randbytes(length), bytes(length), b"\xff" * length])
    return bytes(content)


async def use(folder: Path) -> None:
    """All that a pass and the commands that look do with a ledger."""
    ledger = SqliteLedger(folder / "ledger.db")
    try:
        look_at(ledger)
        journal = Journal(folder / "journal.jsonl", ledger.journal)
        journal.open()
        await ledger.recover(NOW)
        await put(ledger, 1, first=900)
        for due in await claim(ledger, now=NOW + 30 * DAY):
            await mark(ledger, due)
            await settle(ledger, due, Stage.DOT, YES)
        journal.catch_up()
        journal.disagreement()
    finally:
        ledger.close()


def look_at(ledger: SqliteLedger) -> None:
    for record in ledger.records(Selection()):
        ledger.attempts(record.letter)
    looks: list[Callable[[], object]] = [ledger.files, ledger.tally, ledger.signatures, ledger.reasons]
    for look in looks:
        look()
    list(ledger.disagreements())
