"""The one door for a letter's state: every pair of states."""

import itertools
from collections.abc import Iterator

import apsw
import pytest

from mailer.delivery import DUE, MOVES, State, Who
from mailer.errors import MailerError
from mailer.ledger.moves import move
from mailer.ledger.sqlite import SqliteLedger
from tests.ledgers import (
    NOW,
    claim_one,
    everything,
    links,
    mark,
    put,
    states,
    told,
)


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


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE letter SET state = 'held', held_by = 'person' WHERE id = 1",
        "UPDATE letter SET attempt = 2 WHERE id = 1",
        "UPDATE attempt SET settled_at = 1, verdict = 'unsent' WHERE letter = 1",
    ],
)
async def test_the_mark_is_the_fence_whatever_has_become_of_the_letter(ledger, change):
    """Each of these alone must do: held by a person, claimed by another worker, settled by a recovery."""
    due = await claim_one(ledger)
    await ledger._engine.run(lambda db: db.execute(change))
    before = everything(ledger)
    assert not await mark(ledger, due)
    assert everything(ledger) == before


@pytest.mark.parametrize("believed", [(State.DEFERRED, 0), (State.QUEUED, 1)])
async def test_a_move_from_where_a_letter_does_not_stand_changes_nothing(ledger, believed):
    await put(ledger, 1)
    before = everything(ledger)
    state, attempt = believed
    moved = await ledger._engine.run(lambda db: move(db, (1, state, attempt), State.HELD, Who.RULE, "x", NOW))
    assert (moved, everything(ledger)) == (False, before)
