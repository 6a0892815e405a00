"""
Who leaves: somebody withdraws or is erased, and the way of an erasure to its end. Part of the ledger on SQLite.

A person is known by the keyed hash of (campaign, kind, address), and that is what stays of one who was erased, so that no file
brings them back. What was not sent of theirs is cancelled; what was accepted stays so, and what is in doubt too, for their
leaving is no evidence. No letter of theirs is due any more: whatever path would lead there ends it, and no claim finds it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import apsw

from mailer.delivery import State, Who
from mailer.ledger import Left
from mailer.ledger.ending import end, take_back
from mailer.ledger.engine import Engine, rows
from mailer.ledger.moves import LETTER, write_journal

_WITHDRAW = """
INSERT INTO withdrawal (campaign, person, erased, at) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET erased = 1, at = excluded.at WHERE excluded.erased > erased
"""
_SIGNED = "SELECT id FROM signature WHERE campaign = ? AND person = ?"
_LETTERS = "SELECT id, state, attempt, recipients FROM letter WHERE signature = ?"
_STATES = "SELECT state FROM letter WHERE signature = ? AND kind = 'letter'"
_WITHDRAWN = "UPDATE signature SET state = 'withdrawn', unconfirmed = 0 WHERE id = ? AND state = 'active'"
_ERASED = "UPDATE signature SET state = 'erased', unconfirmed = 0, sealed = NULL WHERE id = ?"
_LEFT = "SELECT s.state FROM letter l JOIN signature s ON s.id = l.signature WHERE l.id = ? AND s.state <> 'active'"
_ALL_LEFT = """
SELECT l.id, l.state, l.attempt, l.recipients, s.state FROM signature s CROSS JOIN letter l ON l.signature = s.id
WHERE s.state <> 'active' AND s.state IN ('withdrawn', 'erased') AND l.state IN ('held', 'queued', 'deferred', 'by_hand')
"""
_UNSENT = frozenset({State.HELD, State.QUEUED, State.DEFERRED, State.BY_HAND})


class LeavingPart:
    """Withdrawals and erasures, each recorded with the keyed hash of whom it is about."""

    _engine: Engine

    async def withdraw(self, campaign: str, persons: Sequence[bytes], now: int) -> Sequence[Left]:
        """
        These people have withdrawn from a campaign, known in it or not: what was not sent of theirs is cancelled, and nothing
        of theirs is taken in again. Done again it changes nothing, and tells the same.
        """

        def work(db: apsw.Connection) -> list[Left]:
            return [_leave(db, campaign, person, "withdrawn", now) for person in persons]

        return list(await self._engine.run(work))

    async def erase(self, persons: Sequence[tuple[str, bytes]], address: tuple[str, bytes | None], now: int) -> Sequence[Left]:
        """
        The same for people of campaigns, (campaign, person) each; and what is sealed of them is emptied.

        `address`, (campaign, sealed by its key), is kept as an erasure that is not finished, until `end_erasure`: None where it
        is not known, and there is nothing to look for in files.
        """

        def work(db: apsw.Connection) -> list[Left]:
            db.execute("INSERT INTO erasure (campaign, sealed, begun_at) VALUES (?, ?, ?)", (*address, now))
            return [_leave(db, campaign, person, "erased", now) for campaign, person in persons]

        return list(await self._engine.run(work))

    async def end_erasure(self, erasure: int, *, is_compact: bool) -> None:
        """No file holds the person any more: the address is forgotten. Once the ledger is compact too, so is the erasure."""
        forget, end = "UPDATE erasure SET sealed = NULL WHERE id = ?", "DELETE FROM erasure WHERE id = ? AND sealed IS NULL"
        await self._engine.run(lambda db: rows(db, end if is_compact else forget, (erasure,)))

    async def compact(self) -> None:
        """
        Write the ledger's file anew, without what was freed in it, and empty its log, so that nothing of it lies about.

        Raises:
            LedgerProblem: another program reads or writes it for long; done again it goes on.
        """
        await self._engine.compact()


def _leave(db: apsw.Connection, campaign: str, person: bytes, how: str, now: int) -> Left:
    db.execute(_WITHDRAW, (campaign, person, how == "erased", now))
    if db.changes():  # by this line a ledger that is put back learns of it again
        write_journal(db, now, [{"event": how, "campaign": campaign, "person": person.hex(), "who": Who.PERSON}])
    signed = rows(db, _SIGNED, (campaign, person))
    if not signed:
        return Left(False)
    ((signature,),) = signed
    for letter, state, attempt, recipients in rows(db, _LETTERS, (signature,)):
        is_back = state == State.SENDING and take_back(db, (letter, state, attempt, recipients), now)
        if is_back or state in _UNSENT:
            stands = State.QUEUED if is_back else state
            end(db, (letter, stands, attempt, recipients), State.CANCELLED, Who.PERSON, how, now)
    db.execute(_ERASED if how == "erased" else _WITHDRAWN, (signature,))
    return Left(True, Counter(state for (state,) in rows(db, _STATES, (signature,))))


def has_left(db: apsw.Connection, letter: int) -> str:
    """How the signatory of a letter has left: withdrawn or erased; empty if not."""
    found = rows(db, _LEFT, (letter,))
    return str(found[0][0]) if found else ""


def end_if_left(db: apsw.Connection, letter: int, now: int) -> None:
    """A letter that was on its way when its signatory left, and would be tried again, ends."""
    if how := has_left(db, letter):
        (row,) = rows(db, LETTER, (letter,))
        if row[1] in _UNSENT:
            end(db, row, State.CANCELLED, Who.RULE, how, now)


def end_all_left(db: apsw.Connection, now: int) -> None:
    """The same for all, whatever has left them there."""
    for *row, how in rows(db, _ALL_LEFT):
        end(db, (row[0], row[1], row[2], row[3]), State.CANCELLED, Who.RULE, how, now)
