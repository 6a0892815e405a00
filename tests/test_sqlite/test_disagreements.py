"""What somebody has changed behind the ledger's back is found, and named by its letter."""

import apsw
import pytest

from mailer.ledger.engine import connect
from mailer.ledger.sqlite import SqliteLedger
from tests.ledgers import claim, dot, put


@pytest.mark.parametrize(
    "change, found",
    [
        (
            "UPDATE letter SET state = 'accepted', next_attempt_at = NULL, accepted_at = 1 WHERE id = 3",
            "letter 3 is accepted, but",
        ),
        ("UPDATE letter SET state = 'queued', next_attempt_at = 1 WHERE id = 1", "letter 1 is queued, but"),
        ("UPDATE letter SET state = 'refused' WHERE id = 1", "letter 1 is refused, but"),
        ("DELETE FROM journal WHERE seq = 1", "letter 1 is accepted, but the journal says nothing of it"),
        ("UPDATE attempt SET marked_at = NULL, verdict = 'refused' WHERE letter = 1", "no attempt of it reached the dot"),
        ("DELETE FROM signature WHERE id = 2", "table letter, row 2"),
        ("UPDATE letter SET kind = 'notice', target = '@receipt' WHERE id = 3", "signature 3 has no letter"),
    ],
)
async def test_what_was_changed_behind_its_back_is_found(ledger, path, change, found):
    await put(ledger, 3)
    for due in await claim(ledger, 2):
        await dot(ledger, due)
    assert list(ledger.disagreements()) == []
    other = connect(path)
    other.execute("PRAGMA foreign_keys = OFF")
    other.execute(change)
    assert any(found in problem for problem in ledger.disagreements()), list(ledger.disagreements())


async def test_a_row_that_its_index_does_not_know_is_found(ledger, path):
    await put(ledger, 2)
    ledger.close()
    other = apsw.Connection(str(path))
    other.execute("PRAGMA writable_schema = ON")
    other.execute("UPDATE sqlite_schema SET sql = replace(sql, 'target, state)', 'state, target)') WHERE name = 'letter_state'")
    other.close()
    again = SqliteLedger(path)
    assert any("row 1 missing from index letter_state" in problem for problem in again.disagreements())
    again.close()
