"""Edition 2 of the ledger, 0002.sql, on one that edition 1 has filled: nothing is lost, and what it promises is checked."""

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from mailer.ledger import engine

SQL = Path(engine.__file__).parent / "sql"
FILLED = """
INSERT INTO campaign (id, key_fingerprint) VALUES ('c', 'f');
INSERT INTO file (claim, campaign, state, read, taken, known, refused, begun_at) VALUES ('01', 'c', 'done', 9, 2, 4, 3, 1);
INSERT INTO signature (campaign, person, file, line, reading, taken_at, sealed)
    VALUES ('c', x'01', 1, 2, 1, 1, x'5ea1'), ('c', x'02', 1, 3, 1, 1, x'5ea2');
INSERT INTO letter (campaign, signature, target, channel, state, next_attempt_at, queued_at, message_id)
    VALUES ('c', 1, 'court', 'email', 'queued', 1, 1, '<1@c>'), ('c', 2, 'court', 'email', 'queued', 1, 1, '<2@c>');
"""


@pytest.fixture
def upgraded() -> Iterator[apsw.Connection]:
    db = apsw.Connection(":memory:")
    db.execute("PRAGMA foreign_keys = ON")
    db.execute((SQL / "0001.sql").read_text("utf-8") + FILLED)
    db.execute("BEGIN IMMEDIATE")
    db.execute((SQL / "0002.sql").read_text("utf-8"))
    db.execute("COMMIT")
    yield db
    db.close()


def test_it_is_one_step_inside_a_transaction_and_leaves_every_row_as_it_was(upgraded):
    assert upgraded.execute("SELECT sealed, state, confirmed_at, confirmed_by, unconfirmed FROM signature").fetchall() == [
        (b"\x5e\xa1", "active", None, None, 0),
        (b"\x5e\xa2", "active", None, None, 0),
    ]
    counts = "read, taken, known, refused, held, unconfirmed, confirmed, withdrawn, left_out"
    assert upgraded.execute(f"SELECT {counts} FROM file").fetchall() == [(9, 2, 4, 3, 0, 0, 0, 0, 0)]
    assert upgraded.execute("SELECT count(*) FROM letter").get == 2
    assert upgraded.pragma("foreign_key_check") is None
    assert upgraded.pragma("integrity_check") == "ok"


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE file SET read = 10",
        "UPDATE file SET held = 3",
        "UPDATE file SET unconfirmed = 1",
        "UPDATE file SET confirmed = 3, withdrawn = 1, left_out = 1",
        "UPDATE file SET left_out = -1",
        "UPDATE signature SET unconfirmed = 1, confirmed_at = 1",
        "UPDATE signature SET unconfirmed = 2",
        "UPDATE campaign SET confirmation = 2",
        "INSERT INTO withdrawal VALUES ('nobody', x'01', 0, 1)",
    ],
)
def test_sums_that_are_none_are_refused_by_the_tables_themselves(upgraded, wrong):
    with pytest.raises(apsw.ConstraintError):
        upgraded.execute(wrong)
