"""
Ledgers as releases have left them, with letters in every state, kept as data for every later one to be upgraded from.

    PYTHONPATH=<the release's code>:. python -P -m tests.releases 0.1.0     # once, when a release changes the tables

That makes `data/releases/0.1.0/`: the ledger as SQL, the journal's file, the campaign's key. The people in it are invented.
Time stands still in 2011, so that no clock is behind it.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import sys
import tempfile
from pathlib import Path

import apsw
import apsw.shell

from mailer.delivery import ORDERS, State, Who
from mailer.journal import Journal
from mailer.ledger import Selection
from mailer.ledger.moves import move, state_of
from mailer.outcome import Stage
from tests.installed import Place
from tests.ledgers import LATER, NEVER, SILENCE, YES, dot, mark, settle
from tests.offices import NOON, Scene, working

DATA = Path(__file__).parent / "data/releases"
RELEASES = sorted(path.name for path in DATA.iterdir()) if DATA.is_dir() else []
TARGETS = (
    "targets:\n"
    "  court: {name: Court, form_of_address: Dear Madam Chair, to: head@court.example}\n"
    '  press: {name: Press office, kind: phone, phone: "+1 555 0100"}\n'
)
SIGNATURES = 14
_OF_THIS_MACHINE = ("-- Date:", "-- Database:", "-- User:", "-- SQLite")
# Letters to the court have odd numbers, those to the press even ones; each signature has one of both.
STATES = {
    "accepted": 1, "bounced": 1, "deferred": 1, "refused": 1, "in_doubt": 1, "sending": 2, "held": 1, "cancelled": 1,
    "expired": 1, "queued": 4, "done": 1, "by_hand": 13,
}  # fmt: skip


def lying(root: Path, release: str) -> Place:
    """An instance in whose `var/` lies what a release has left there."""
    place = Place(root, f"pace: none\napproval: none\n{TARGETS}")
    kept = DATA / release
    (root / "var/keys").mkdir(parents=True, mode=0o700)
    shutil.copy(kept / "c.key", root / "var/keys/c.key")
    (root / "var/keys/c.key").chmod(0o600)
    shutil.copy(kept / "journal.jsonl", root / "var/journal.jsonl")
    db = apsw.Connection(str(root / "var/ledger.db"))
    db.execute((kept / "ledger.sql").read_text("utf-8")).fetchall()
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    db.close()
    return place


async def _fill(scene: Scene) -> None:
    ledger, now = scene.ledger, int(scene.time.now)
    dues = await scene.claimed(7)
    for due, stage, answer in ((dues[2], Stage.RCPT, LATER), (dues[3], Stage.DOT, NEVER), (dues[4], Stage.DOT, SILENCE)):
        if stage is Stage.DOT:
            assert await mark(ledger, due, now=now)
        assert await settle(ledger, due, stage, answer, rcpt=(LATER,) * 3 if stage is Stage.RCPT else (), now=now)
    for due in dues[:2]:
        await dot(ledger, due, YES, now=now)
    assert await mark(ledger, dues[5], now=now)  # its worker died behind the mark, that of dues[6] before it
    for letter, name in ((15, "hold"), (17, "cancel")):
        await ledger.order(Selection(letter=letter), ORDERS[name], "an example", now, 0, 10)
    _move(scene, dues[1].letter, State.BOUNCED)
    _move(scene, 19, State.EXPIRED)
    _move(scene, 2, State.DONE)


def _move(scene: Scene, letter: int, to: State) -> None:
    """What this release has no command for yet, through its one door for states."""
    db = apsw.Connection(scene.office.configuration.ledger)
    with db:
        found = state_of(db, letter)
        assert found and move(db, found, to, Who.PERSON, "an example", NOON)
    db.close()


async def _made(root: Path) -> None:
    async with working(root, SIGNATURES, f"approval: none\nconsent: assumed\npace: none\n{TARGETS}") as scene:
        await _fill(scene)
        journal = Journal(scene.office.configuration.journal, scene.ledger.journal)
        journal.open()
        journal.catch_up()
        assert dict(scene.states()) == STATES, scene.states()


def _keep(root: Path, to: Path) -> None:
    to.mkdir(parents=True)
    db, told = apsw.Connection(str(root / "var/ledger.db")), io.StringIO()
    apsw.shell.Shell(stdout=told, stderr=told, db=db).process_command(".dump")
    lines = [line for line in told.getvalue().splitlines() if not line.startswith(_OF_THIS_MACHINE)]
    to.joinpath("ledger.sql").write_text("\n".join([*lines, ""]), "utf-8")
    db.close()
    shutil.copy(root / "var/journal.jsonl", to)
    shutil.copy(root / "var/keys/c.key", to)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "instance"
        asyncio.run(_made(made))
        _keep(made, DATA / sys.argv[1])
