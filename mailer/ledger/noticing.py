"""
Notices: of whom to think, and writing down what goes to them, each once. Part of the ledger on SQLite.

Which letters have moved is read out of the journal, from where it was read last: nothing is asked of a letter when it is
settled, and nothing is read twice. What a notice says and when it is due is decided by the caller.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import apsw

from mailer.delivery import Due, Fixed, State
from mailer.ledger.engine import Engine, rows
from mailer.ledger.moves import move_each, next_number, unpacked
from mailer.notice import Digest, Look, NewNotice, Standing, is_notice, packed
from mailer.notice import unpacked as facts_of

# In the table `install`: how far the journal was read; the last signature that gets no receipt, for an older ledger was put
# back and nobody knows who had one.
_READ, _BEHIND = "receipts read", "receipts behind"
_FACT = "SELECT CAST(value AS INTEGER) FROM install WHERE name = ?"
_KEEP = "INSERT INTO install (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_LAST = "SELECT coalesce(max(seq), 0) FROM journal"
_UP_TO = "SELECT max(seq) FROM (SELECT seq FROM journal WHERE seq > ? ORDER BY seq LIMIT ?)"
_OF_LETTERS = """
INSERT INTO receipt_due (signature, at)
SELECT DISTINCT l.signature, :now FROM journal j JOIN letter l ON l.id = json_extract(j.line, '$.letter')
    WHERE j.seq > :behind AND j.seq <= :up_to AND json_extract(j.line, '$.event') = 'letter'
    AND l.campaign IN (SELECT value FROM json_each(:campaigns)) AND l.state NOT IN ('queued', 'sending', 'deferred')
    ON CONFLICT DO UPDATE SET at = :now
"""
# Letters by phone and post move when they are done; of them the signatory is told as soon as their file was taken in.
_OF_FILES = """
INSERT INTO receipt_due (signature, at)
SELECT DISTINCT s.id, :now FROM journal j JOIN signature s ON s.file = json_extract(j.line, '$.file')
    JOIN letter l ON l.signature = s.id AND l.state = 'by_hand'
    WHERE j.seq > :behind AND j.seq <= :up_to AND json_extract(j.line, '$.event') = 'file'
    AND s.campaign IN (SELECT value FROM json_each(:by_hand)) ON CONFLICT DO UPDATE SET at = :now
"""
_DUE = """
SELECT d.signature, s.campaign, s.state = 'active' AND s.unconfirmed = 0, s.confirmed_at IS NOT NULL,
    EXISTS (SELECT 1 FROM letter WHERE signature = d.signature AND target = '@receipt'), d.signature <= :behind
FROM receipt_due d LEFT JOIN signature s ON s.id = d.signature WHERE d.at <= :now ORDER BY d.at LIMIT :limit
"""
_LETTERS = """
SELECT l.target, l.channel, l.state, l.reason, l.accepted_at,
    max(l.queued_at, coalesce((SELECT max(settled_at) FROM attempt WHERE letter = l.id), 0))
FROM letter l WHERE l.signature = ? AND l.kind = 'letter' ORDER BY l.id
"""
_NEW = """
INSERT INTO letter (id, kind, campaign, signature, target, channel, state, next_attempt_at, queued_at, message_id)
VALUES (:id, 'notice', :campaign, :signature, :lane, 'email', 'queued', :now, :now, :message_id)
"""
_WAITING = """
SELECT id, state, attempt FROM letter WHERE state IN ('queued', 'deferred') AND campaign = ?1 AND target = ?2 AND country = ''
UNION ALL SELECT id, state, attempt FROM letter
    WHERE state = 'held' AND campaign = ?1 AND target = ?2 AND country = '' LIMIT ?3
"""
_ALL_WAITING = """
SELECT id, state, attempt FROM letter WHERE state IN ('held', 'queued', 'deferred') AND target GLOB '@*'
"""
_ACCEPTED = """
SELECT target, count(*) FROM letter
WHERE campaign = ? AND state IN ('accepted', 'bounced') AND kind = 'letter' AND accepted_at >= ? AND accepted_at < ?
GROUP BY target
"""
_STAND = "SELECT state, count(*) FROM letter WHERE campaign = ? AND target NOT GLOB '@*' GROUP BY state"
_SIGNED = "SELECT count(*) FROM signature WHERE campaign = ? AND taken_at >= ? AND taken_at < ?"
_FIRST = """
SELECT id FROM letter WHERE campaign = ? AND state IN ('accepted', 'bounced') AND kind = 'letter'
    AND accepted_at >= ? AND accepted_at < ? ORDER BY accepted_at, id LIMIT ?
"""
_ENCLOSED = """
SELECT l.id, l.attempt, l.campaign, l.target, l.country, s.sealed, l.message_id, l.date, l.edition, l.language, l.sha256,
    l.recipients
FROM letter l JOIN signature s ON s.id = l.signature WHERE l.id = ? AND l.sha256 IS NOT NULL AND s.state = 'active'
"""


class NoticingPart:
    """Who is to be told, and the notices themselves."""

    _engine: Engine

    async def note_moves(self, campaigns: Collection[str], by_hand: Collection[str], now: int, limit: int) -> int:
        """
        Read on in the journal, at most `limit` lines: whose letters have moved in these campaigns, `by_hand` being those of
        them that have targets of phone or post. Gives how many lines were read: again, until there are none.

        What was written before anybody asked is passed over.
        """

        def work(db: apsw.Connection) -> int:
            if not campaigns:
                db.execute("DELETE FROM install WHERE name = ?", (_READ,))
                return 0
            read = rows(db, _FACT, (_READ,))
            behind = read[0][0] if read else rows(db, _LAST)[0][0]
            up_to = rows(db, _UP_TO, (behind, limit))[0][0] or behind
            if up_to > behind:
                values = {"now": now, "behind": behind, "up_to": up_to}
                db.execute(_OF_LETTERS, values | {"campaigns": json.dumps(sorted(campaigns))})
                if by_hand:
                    db.execute(_OF_FILES, values | {"by_hand": json.dumps(sorted(by_hand))})
            if not read or read[0][0] != up_to:
                db.execute(_KEEP, (_READ, up_to))
            return int(up_to - behind)

        return int(await self._engine.run(work))

    async def looks(self, now: int, limit: int) -> Sequence[Look]:
        """
        Signatories to think of now, at most so many; nobody, where there is none. Who has left, had a receipt or must not have
        one is forgotten here.
        """

        def work(db: apsw.Connection) -> list[Look]:
            found: list[Look] = []
            behind = next(iter(rows(db, _FACT, (_BEHIND,))), (0,))[0]
            while not found:
                due = rows(db, _DUE, {"now": now, "limit": limit, "behind": behind})
                if not due:
                    break
                for signature, campaign, may_be_told, is_confirmed, was_told, is_before in due:
                    if was_told or is_before or not may_be_told:
                        db.execute("DELETE FROM receipt_due WHERE signature = ?", (signature,))
                        continue
                    letters = rows(db, _LETTERS, (signature,))
                    standing = tuple(Standing(*row[:5]) for row in letters)
                    quiet_since = max((row[5] for row in letters), default=now)
                    found.append(Look(signature, campaign, bool(is_confirmed), standing, quiet_since))
            return found

        return list(await self._engine.run(work))

    async def looked(self, notices: Sequence[NewNotice], again: Mapping[int, int], never: Sequence[int], now: int) -> int:
        """
        Write receipts down, look at signatures again later (signature: when), and forget others until a letter of theirs moves;
        gives how many receipts are new.
        """

        def work(db: apsw.Connection) -> int:
            db.executemany("UPDATE receipt_due SET at = ? WHERE signature = ?", [(at, id) for id, at in again.items()])
            forgotten = [(id,) for id in (*never, *(one.signature for one in notices))]
            db.executemany("DELETE FROM receipt_due WHERE signature = ?", forgotten)
            return _write(db, notices, now)

        return int(await self._engine.run(work))

    async def write_notices(self, notices: Sequence[NewNotice], facts: Mapping[str, str], now: int) -> int:
        """Write notices down, each once by its name, and keep facts of this install with them; gives how many are new."""

        def work(db: apsw.Connection) -> int:
            db.executemany(_KEEP, list(facts.items()))
            return _write(db, notices, now)

        return int(await self._engine.run(work))

    async def cancel_notices(self, campaign: str, lane: str, why: str, now: int, limit: int) -> int:
        """A rule cancels what waits in a notice's lane, or is held there; gives how many: again, until there are none."""

        def work(db: apsw.Connection) -> int:
            return move_each(db, rows(db, _WAITING, (campaign, lane, limit)), State.CANCELLED, why, now)

        return int(await self._engine.run(work))

    async def day(self, campaign: str, first: str, last: str, since: int, until: int, enclose: int) -> Digest:
        """What went out from a time until before another (seconds since 1970), which are the days `first` to `last`."""

        def work(db: apsw.Connection) -> Digest:
            values = (campaign, since, until)
            accepted, standing = dict(rows(db, _ACCEPTED, values)), dict(rows(db, _STAND, (campaign,)))
            letters = tuple(row[0] for row in rows(db, _FIRST, (*values, enclose)))
            return Digest(first, last, rows(db, _SIGNED, values)[0][0], accepted, standing, letters)

        digest: Digest = await self._engine.run(work)
        return digest


def cancel_restored(db: apsw.Connection, why: str, now: int) -> int:
    """
    An older ledger was put back, and nobody knows which notices have gone out since: those on record are cancelled, and whoever
    had signed before gets no receipt any more. Gives how many were cancelled.
    """
    db.execute("DELETE FROM install WHERE name LIKE 'digest %'")
    db.execute(_KEEP, (_BEHIND, rows(db, "SELECT coalesce(max(id), 0) FROM signature")[0][0]))
    return move_each(db, rows(db, _ALL_WAITING), State.CANCELLED, why, now)


def told_by(db: apsw.Connection, due: Due) -> Due:
    """A claimed notice with what it says, and with the letters that it encloses."""
    if not is_notice(due.target):
        return due
    found = rows(db, "SELECT facts FROM notice WHERE letter = ?", (due.letter,))
    facts = found[0][0]
    told = facts_of(due.target, facts)
    return replace(due, notice=facts, enclosed=tuple(_enclosed(db, told.letters)) if isinstance(told, Digest) else ())


def _enclosed(db: apsw.Connection, letters: Iterable[int]) -> Iterable[Due]:
    for letter in letters:
        for id, attempt, campaign, target, country, sealed, message_id, *fixed, recipients in rows(db, _ENCLOSED, (letter,)):
            known = unpacked(recipients)
            yield Due(id, attempt, campaign, target, country, sealed, message_id, 0, None, Fixed(*fixed), known)


def _write(db: apsw.Connection, notices: Iterable[NewNotice], now: int) -> int:
    new = 0
    for one in notices:
        if rows(db, "SELECT 1 FROM notice WHERE name = ?", (one.name,)):
            continue
        number = next_number(db)
        values: dict[str, Any] = {
            "id": number,
            "campaign": one.campaign,
            "signature": one.signature,
            "lane": one.lane,
            "now": now,
            "message_id": f"<{number}.{secrets.token_hex(10)}@{one.domain}>",
        }
        db.execute(_NEW, values)
        db.execute("INSERT INTO notice (letter, name, facts) VALUES (?, ?, ?)", (number, one.name, packed(one.facts)))
        new += 1
    return new
