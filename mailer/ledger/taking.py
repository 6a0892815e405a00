"""Files and signatures: what intake writes down, each exactly once. Part of the ledger on SQLite."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import apsw

from mailer.delivery import State
from mailer.ledger import Count, Entry, Taken
from mailer.ledger.engine import Engine, rows
from mailer.ledger.moves import write_journal

_BEGUN = "UPDATE file SET readings = readings + 1, state = 'reading', ended_at = NULL WHERE id = ?"
_NEW_SIGNATURE = """
INSERT INTO signature (campaign, person, country, file, line, reading, taken_at, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (campaign, person) DO NOTHING RETURNING id
"""
_OLD_SIGNATURE = "SELECT id, file, line, reading, country, sealed FROM signature WHERE campaign = ? AND person = ?"
_BROUGHT_AGAIN = "UPDATE signature SET reading = ? WHERE id = ?"
_RENEW = """
UPDATE signature SET line = ?, country = ?, sealed = ? WHERE id = ? AND sealed IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM letter WHERE signature = signature.id AND attempt > 0)
"""
# What a reading brought of which a later one, the last, knows nothing. Only where no letter was begun: none is, before its
# file is done.
_DROPPED = """
FROM signature AS s WHERE file = :file AND reading < :behind
    AND NOT EXISTS (SELECT 1 FROM letter WHERE signature = s.id AND attempt > 0)
"""
_NEW_LETTER = """
INSERT INTO letter (id, campaign, signature, target, country, channel, state, reason, held_by, next_attempt_at, queued_at,
    message_id)
VALUES (:id, :campaign, :signature, :target, :country, :channel, :state, :reason, :held_by, :next, :now, :message_id)
"""


class TakingPart:
    """One transaction a chunk of rows; running a chunk again changes nothing."""

    _engine: Engine

    async def begin_file(self, claim: str, campaign: str | None, now: int) -> int:
        """Write a file down as being read, or find it again behind a crash; gives its number."""

        def work(db: apsw.Connection) -> int:
            sql = "INSERT INTO file (claim, campaign, state, begun_at) VALUES (?, ?, 'reading', ?) ON CONFLICT DO NOTHING"
            db.execute(sql, (claim, campaign, now))
            return int(rows(db, "SELECT id FROM file WHERE claim = ?", (claim,))[0][0])

        return int(await self._engine.run(work))

    async def begin_reading(self, file: int) -> None:
        """
        A file is read from its first row, for the first time or again: its accounts are open.

        What an earlier reading brought and this one does not is forgotten when its accounts are closed.
        """
        await self._engine.run(lambda db: db.execute(_BEGUN, (file,)))

    async def take_in(self, file: int, campaign: str, domain: str, entries: Sequence[Entry], now: int) -> Sequence[Taken]:
        """
        Write signatures down with their letters, each exactly once; running it again changes nothing.

        An entry that an earlier reading of this same file brought, or this one at the same line, counts as new.
        """

        def work(db: apsw.Connection) -> list[Taken]:
            reading = rows(db, "SELECT readings FROM file WHERE id = ?", (file,))[0][0]
            return [_take(db, (file, reading), campaign, domain, entry, now) for entry in entries]

        return list(await self._engine.run(work))

    async def forget_file(self, file: int) -> None:
        """A file that was read and brought nobody is forgotten, and counted nowhere."""
        sql = "DELETE FROM file WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM signature WHERE file = ?1)"
        await self._engine.run(lambda db: rows(db, sql, (file,)))

    async def end_file(self, file: int, state: str, count: Count, reason: str, now: int) -> None:
        """
        Close a file's accounts: 'done' with its counts, or 'rejected' whole with the reason.

        Only what its last reading brought stays; of a rejected file nothing does.
        """

        def work(db: apsw.Connection) -> None:
            sql = (
                "UPDATE file SET state = ?, read = ?, taken = ?, known = ?, refused = ?, reason = ?, ended_at = ?"
                " WHERE id = ? AND state = 'reading' RETURNING readings"
            )
            closed = rows(db, sql, (state, count.read, count.taken, count.known, count.refused, reason, now, file))
            if not closed:
                return
            dropped = _drop(db, file, closed[0][0] + 1 if state == "rejected" else closed[0][0])
            event = {"event": "file", "file": file, "state": state, "rows": count.read, "taken": count.taken}
            more = {"known": count.known, "refused": count.refused} | ({"dropped": dropped} if dropped else {})
            write_journal(db, now, [event | more])

        await self._engine.run(work)


def _take(db: apsw.Connection, place: tuple[int, int], campaign: str, domain: str, entry: Entry, now: int) -> Taken:
    """One entry of a file in one of its readings: `place` is (file, reading)."""
    file, reading = place
    values = (campaign, entry.person, entry.country, file, entry.line, reading, now, entry.sealed)
    if found := rows(db, _NEW_SIGNATURE, values):
        _write_letters(db, found[0][0], campaign, domain, entry, now)
        return Taken(True)
    signature, known_file, line, known_reading, country, sealed = rows(db, _OLD_SIGNATURE, (campaign, entry.person))[0]
    if known_file != file or (known_reading >= reading and line != entry.line):
        return Taken(False, sealed)
    if known_reading < reading:
        db.execute(_BROUGHT_AGAIN, (reading, signature))
        db.execute(_RENEW, (entry.line, entry.country, entry.sealed, signature))
        if db.changes() and country != entry.country:  # it decides the routes
            db.execute("DELETE FROM letter WHERE signature = ?", (signature,))
            _write_letters(db, signature, campaign, domain, entry, now)
    return Taken(True, sealed)


def _write_letters(db: apsw.Connection, signature: int, campaign: str, domain: str, entry: Entry, now: int) -> None:
    first = 1 + sum(seq for (seq,) in rows(db, "SELECT seq FROM sqlite_sequence WHERE name = 'letter'"))
    for number, new in enumerate(entry.letters, first):
        values = {
            "id": number,
            "campaign": campaign,
            "signature": signature,
            "target": new.target,
            "country": new.country,
            "channel": new.channel,
            "state": new.state,
            "reason": new.reason,
            "held_by": "rule" if new.state is State.HELD else None,
            "next": now if new.state is State.QUEUED else None,
            "now": now,
            "message_id": f"<{number}.{secrets.token_hex(10)}@{domain}>",
        }
        db.execute(_NEW_LETTER, values)


def _drop(db: apsw.Connection, file: int, behind: int) -> int:
    """Forget the signatures that only readings before `behind` brought; gives how many."""
    if behind <= 1:  # the one reading there was brought them all
        return 0
    values = {"file": file, "behind": behind}
    db.execute(f"DELETE FROM letter WHERE signature IN (SELECT id {_DROPPED})", values)  # noqa: S608  all of it is ours
    db.execute(f"DELETE FROM signature WHERE id IN (SELECT id {_DROPPED})", values)  # noqa: S608
    return int(db.changes())
