"""
What a crash, a power loss or a failed disk has left of a ledger: is all there that was promised, and nothing half.

A fresh ledger opens the folder, recovers, and is asked for each fact of its earlier life (see `life`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from mailer.delivery import State
from mailer.journal import Journal
from mailer.ledger import Recovered
from mailer.ledger.sqlite import SqliteLedger
from tests.ledgers import DAY, assert_sound, claim, everything, links, states
from tests.test_sqlite.life import CONNECTIONS, Dot, Fact, Filed, Life


def fresh(tmp_path: Path) -> Path:
    """An empty folder, always the same one."""
    folder = tmp_path / "found"
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


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


async def assert_survived(folder: Path, life: Life, said: Sequence[Any], legal: Sequence[object] = ()) -> None:
    """`said` is what was promised, and which dots had left; `legal`, where known, what stood in it behind each commit."""
    content = dump(folder)
    assert not legal or content in legal, "the ledger is as it was behind no commit"
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
    found = await ledger.recover(life.now)
    assert found.in_doubt <= CONNECTIONS
    for dot in dots:
        attempts = ledger.attempts(dot.letter)
        assert attempts[dot.attempt - 1].verdict in {life.answered.get(dot, "in_doubt"), "in_doubt"}, dot
    assert_sound(ledger, life.began)
    assert list(ledger.disagreements()) == []
    after = everything(ledger)
    assert await ledger.recover(life.now) == Recovered()
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
