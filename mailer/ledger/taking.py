"""Files and signatures: what intake writes down, each exactly once. Part of the ledger on SQLite."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import apsw

from mailer.delivery import State
from mailer.ledger import Count, Entry, Taken
from mailer.ledger.engine import Engine, rows
from mailer.ledger.moves import write_journal

_NEW_SIGNATURE = """
INSERT INTO signature (campaign, person, country, file, line, taken_at, sealed) VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (campaign, person) DO NOTHING RETURNING id
"""
_OLD_SIGNATURE = "SELECT file = ? AND line = ?, sealed FROM signature WHERE campaign = ? AND person = ?"
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

    async def take_in(self, file: int, campaign: str, domain: str, entries: Sequence[Entry], now: int) -> Sequence[Taken]:
        """
        Write signatures down with their letters, each exactly once; running it again changes nothing.

        An entry that this same file brought before, at the same line, counts as new: the file is being read again.
        """

        def work(db: apsw.Connection) -> list[Taken]:
            return [self._take(db, file, campaign, domain, entry, now) for entry in entries]

        return list(await self._engine.run(work))

    @staticmethod
    def _take(db: apsw.Connection, file: int, campaign: str, domain: str, entry: Entry, now: int) -> Taken:
        found = rows(db, _NEW_SIGNATURE, (campaign, entry.person, entry.country, file, entry.line, now, entry.sealed))
        if not found:
            is_ours, sealed = rows(db, _OLD_SIGNATURE, (file, entry.line, campaign, entry.person))[0]
            return Taken(bool(is_ours), sealed)
        first = (rows(db, "SELECT max(id) FROM letter")[0][0] or 0) + 1
        for number, new in enumerate(entry.letters, first):
            values = {
                "id": number,
                "campaign": campaign,
                "signature": found[0][0],
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
        return Taken(True)

    async def end_file(self, file: int, state: str, count: Count, reason: str, now: int) -> None:
        """Close a file's accounts: 'done' with its counts, or 'rejected' whole with the reason."""

        def work(db: apsw.Connection) -> None:
            sql = (
                "UPDATE file SET state = ?, read = ?, taken = ?, known = ?, refused = ?, reason = ?, ended_at = ?"
                " WHERE id = ? AND state = 'reading'"
            )
            db.execute(sql, (state, count.read, count.taken, count.known, count.refused, reason, now, file))
            if db.changes():
                event = {"event": "file", "file": file, "state": state, "rows": count.read, "taken": count.taken}
                write_journal(db, now, [event | {"known": count.known, "refused": count.refused}])

        await self._engine.run(work)
