"""
Who has not confirmed yet: held until a row confirms it, or the campaign asks for it no more. Part of the ledger on SQLite.

A signature is unconfirmed, and so are all its letters at once: this is no matter of a lane. Work for a person (phone, post) is
not held, for nothing goes out by it.
"""

from __future__ import annotations

import json

import apsw

from mailer.campaign import Reason
from mailer.delivery import DUE, State, Who
from mailer.ledger.engine import Engine, rows
from mailer.ledger.moves import move

_CONFIRM = """
UPDATE signature SET confirmed_at = ?, confirmed_by = ?, unconfirmed = 0
WHERE id = ? AND state = 'active' AND confirmed_at IS NULL
"""
_WAITS = "SELECT id, attempt FROM letter WHERE signature = ? AND state = 'held' AND held_by = 'rule' AND reason = ?"
_NOT_YET = """
SELECT id FROM signature
WHERE campaign = ? AND id > ? AND state = 'active' AND confirmed_at IS NULL AND unconfirmed = 0 ORDER BY id LIMIT ?
"""
_SHALL_WAIT = """
SELECT id, state, attempt FROM letter WHERE signature = ? AND
    (state IN ('queued', 'deferred') OR (state = 'held' AND held_by = 'rule' AND reason IN (SELECT value FROM json_each(?))))
    AND channel = 'email'
"""
_LANES = json.dumps(list(frozenset(Reason) - {Reason.UNCONFIRMED}))
_UNCONFIRMED = "SELECT id FROM signature WHERE campaign = ? AND state = 'active' AND unconfirmed = 1 LIMIT ?"

_IS_UNCONFIRMED = "SELECT 1 FROM letter l JOIN signature s ON s.id = l.signature WHERE l.id = ? AND s.unconfirmed = 1"


class ConfirmingPart:
    """What follows where a campaign begins, or ceases, to ask for confirmed signatures."""

    _engine: Engine

    async def asked_confirmation(self) -> frozenset[str]:
        """The campaigns that asked for it when this was followed last."""
        sql = "SELECT id FROM campaign WHERE confirmation = 1"
        return frozenset(row[0] for row in await self._engine.run(lambda db: rows(db, sql)))

    async def ask_confirmation(self, campaign: str, is_asked: bool) -> None:
        """It has been followed: all that is on record is held, or released."""
        sql = "UPDATE campaign SET confirmation = ? WHERE id = ?"
        await self._engine.run(lambda db: db.execute(sql, (is_asked, campaign)))

    async def hold_unconfirmed(self, campaign: str, now: int, behind: int, limit: int) -> int:
        """
        Hold what waits of those who have not confirmed, at most `limit` signatures behind a number; gives the number of the
        last, to go on behind, 0 when there are no more.
        """

        def work(db: apsw.Connection) -> int:
            found = [row[0] for row in rows(db, _NOT_YET, (campaign, behind, limit))]
            for signature in found:
                _hold(db, signature, now)
            return int(found[-1]) if found else 0

        return int(await self._engine.run(work))

    async def release_unconfirmed(self, campaign: str, now: int, limit: int) -> int:
        """They need not confirm any more; gives how many were released: again, until none is."""

        def work(db: apsw.Connection) -> int:
            found = [row[0] for row in rows(db, _UNCONFIRMED, (campaign, limit))]
            for signature in found:
                db.execute("UPDATE signature SET unconfirmed = 0 WHERE id = ?", (signature,))
                release(db, signature, now)
            return len(found)

        return int(await self._engine.run(work))


def confirm(db: apsw.Connection, signature: int, file: int, now: int) -> None:
    """A row of this file says that the signatory has confirmed it: its letters may go."""
    db.execute(_CONFIRM, (now, file, signature))
    if db.changes():
        release(db, signature, now)


def release(db: apsw.Connection, signature: int, now: int) -> None:
    """Queue what was held of a signature because it was not confirmed; other rules may hold it at once."""
    for letter, attempt in rows(db, _WAITS, (signature, Reason.UNCONFIRMED)):
        move(db, (letter, State.HELD, attempt), State.QUEUED, Who.RULE, "", now, at=now)


def is_unconfirmed(db: apsw.Connection, letter: int) -> bool:
    """Whether a letter may not go because its signature is not confirmed."""
    return bool(rows(db, _IS_UNCONFIRMED, (letter,)))


def hold_if_unconfirmed(db: apsw.Connection, letter: int, now: int) -> None:
    """A letter that would be tried again waits, where its signatory was asked to confirm meanwhile: no claim would find it."""
    for state, attempt in rows(db, "SELECT state, attempt FROM letter WHERE id = ?", (letter,)):
        if state in DUE and is_unconfirmed(db, letter):
            move(db, (letter, State(state), attempt), State.HELD, Who.RULE, Reason.UNCONFIRMED, now)


def _hold(db: apsw.Connection, signature: int, now: int) -> None:
    """What a rule holds for another reason waits for this one too, which is not its lane's: else that one would let it go."""
    db.execute("UPDATE signature SET unconfirmed = 1 WHERE id = ?", (signature,))
    for letter, state, attempt in rows(db, _SHALL_WAIT, (signature, _LANES)):
        if state in DUE:
            move(db, (letter, State(state), attempt), State.HELD, Who.RULE, Reason.UNCONFIRMED, now)
        else:
            db.execute("UPDATE letter SET reason = ? WHERE id = ?", (Reason.UNCONFIRMED, letter))
