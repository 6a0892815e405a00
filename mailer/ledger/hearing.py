"""
What the relay's own log says of letters, and what it changes. Part of the ledger on SQLite.

How far the log was read is remembered in the transaction of what was read, so that each line counts once, whenever the machine
dies. A letter is known under the queue id that the relay gave it; what a later id of it says goes before. What was heard moves
a letter by a second step, `heed`, because a line can be there before the answer to its dot is: that the relay has a letter
ends a doubt, and what it gave back is bounced, as by a mail that says so. What is older than the letter's last attempt moves
nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace

import apsw

from mailer.ledger import Asked, Heard, LogMark
from mailer.ledger.engine import Engine, rows
from mailer.ledger.learning import ADD, came_back, taken
from mailer.ledger.moves import LETTER, unpacked
from mailer.ledger.records import Learned
from mailer.outcome import Recipient, Standing

KEPT = 30 * 86_400  # seconds for which a queue id is believed that was not seen to go
NAMED = "the relay's log names it"
_AT_ONCE = 500  # letters that are moved in a transaction

_MARK = "SELECT name, file, length, print, offset, read_at, trouble FROM relay_log WHERE name = ?"
_KEEP_MARK = """
INSERT INTO relay_log (name, file, length, print, offset, read_at, trouble) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT DO UPDATE SET file = ?2, length = ?3, print = ?4, offset = ?5, read_at = ?6, trouble = ?7
"""
_NAMED = "SELECT message_id, id FROM letter WHERE id = ? AND message_id = ?"
_ABOUT = """
SELECT l.id, l.campaign, (SELECT sealed FROM signature WHERE id = l.signature), l.recipients FROM letter l
WHERE l.id IN (SELECT value FROM json_each(?))
"""
# A letter of which nobody knows yet whether the relay has it: what the log says of that must not be forgotten with its queue
# id.
_GONE = """
DELETE FROM relay_queue WHERE queue = ?
    AND NOT EXISTS (SELECT 1 FROM letter WHERE id = relay_queue.letter AND state IN ('sending', 'in_doubt'))
"""
_HOP = """
INSERT INTO hop (letter, address, state, server, status, said, reason, at, since, times, queue, place, is_new)
    VALUES (:letter, :address, :state, :server, :status, :said, :reason, :at, :since, :times, :queue, :place, :is_exact)
    ON CONFLICT DO UPDATE SET state = :state, server = :server, status = :status, said = :said, reason = :reason, at = :at,
    since = :since, times = :times, queue = :queue, place = :place, is_new = :is_exact
"""
_GIVEN_UP = """
UPDATE hop SET state = 'bounced', at = :at, since = :at, times = 1
    WHERE letter = :letter AND place = :place AND state = 'deferred'
"""
_BEGAN = "(SELECT coalesce(max(opened_at), 0) - 1 FROM attempt WHERE letter = l.id AND marked_at IS NOT NULL)"
_QUEUED = f"""
SELECT l.id, q.queue, q.count FROM letter l INDEXED BY letter_in_doubt
CROSS JOIN relay_queue q ON q.letter = l.id WHERE l.state = 'in_doubt' AND q.count > 0 AND q.at >= {_BEGAN}
"""  # noqa: S608  both parts are ours
_HANDLED = f"""
SELECT l.id, h.queue, h.address, h.state, h.status, h.said FROM letter l INDEXED BY letter_in_doubt
CROSS JOIN hop h ON h.letter = l.id WHERE l.state = 'in_doubt' AND h.at >= {_BEGAN} ORDER BY l.id
"""  # noqa: S608  both parts are ours
_BOUNCED = f"""
SELECT l.id, h.address, h.status, h.said, h.reason, h.queue, h.at >= {_BEGAN}
FROM hop h INDEXED BY hop_new CROSS JOIN letter l ON l.id = h.letter
WHERE h.state = 'bounced' AND h.is_new = 1 AND l.state NOT IN ('sending', 'in_doubt') LIMIT ?
"""  # noqa: S608  both parts are ours


class HearingPart:
    """The relay's log, each line once."""

    _engine: Engine

    async def log_mark(self, name: str) -> LogMark:
        """How far a log was read; with an empty `file` where it never was."""
        found = await self._engine.run(lambda db: rows(db, _MARK, (name,)))
        return LogMark(*found[0]) if found else LogMark(name)

    async def keep_log_mark(self, mark: LogMark) -> None:
        """The log was looked at, or could not be."""
        await self._engine.run(lambda db: _keep(db, mark))

    async def whose(self, queues: Collection[str], names: Collection[str]) -> Asked:
        """The letters of ours among these queue ids and Message-IDs, and what is known of them."""

        def work(db: apsw.Connection) -> Asked:
            sql = "SELECT queue, letter FROM relay_queue WHERE queue IN (SELECT value FROM json_each(?))"
            by_queue = dict(rows(db, sql, (json.dumps(sorted(queues)),)))
            by_name: dict[str, int] = {}
            for name in names:
                number = name[1:].partition(".")[0]
                if number.isascii() and number.isdigit():
                    by_name |= dict(rows(db, _NAMED, (int(number), name)))
            letters = sorted({*by_queue.values(), *by_name.values()})
            about = {
                letter: (campaign, sealed, tuple(one.address for one in unpacked(text)))
                for letter, campaign, sealed, text in rows(db, _ABOUT, (json.dumps(letters),))
            }
            return Asked(by_queue, by_name, about)

        asked: Asked = await self._engine.run(work)
        return asked

    async def hear(self, mark: LogMark, heard: Sequence[Heard], now: int) -> None:
        """What lines of the log say, in their order, and how far it was read with them."""

        def work(db: apsw.Connection) -> None:
            for one in heard:
                _hear(db, one, now)
            db.execute("DELETE FROM relay_queue WHERE at < ?", (now - KEPT,))
            _keep(db, mark)

        await self._engine.run(work)

    async def heed(self, now: int) -> Sequence[str]:
        """Move the letters of which something was heard; gives in which state each is now that was moved."""
        moved: list[str] = list(await self._engine.run(lambda db: _end_doubts(db, now)))
        while found := await self._engine.run(lambda db: _bounce(db, now)):
            moved += [state for states in found for state in states]
        return moved


def _keep(db: apsw.Connection, mark: LogMark) -> None:
    values = (mark.name, mark.file, mark.length, mark.print, mark.offset, mark.read_at, mark.trouble)
    db.execute(_KEEP_MARK, values)
    db.execute("DELETE FROM relay_log WHERE name <> ?", (mark.name,))  # of one that is not configured any more


def _hear(db: apsw.Connection, one: Heard, now: int) -> None:
    found = rows(db, "SELECT id, letter FROM relay_queue WHERE queue = ?", (one.queue,))
    place, letter = found[0] if found else (0, 0)
    match one.what:
        case "named":
            if letter != one.letter:
                db.execute("DELETE FROM relay_queue WHERE queue = ?", (one.queue,))
                sql = "INSERT INTO relay_queue (queue, letter, at) VALUES (?, ?, ?)"
                db.execute(sql, (one.queue, one.letter, min(one.at, now)))
        case "begun":
            db.execute("DELETE FROM relay_queue WHERE queue = ?", (one.queue,))
        case "queued":
            db.execute("UPDATE relay_queue SET count = ? WHERE queue = ?", (one.count, one.queue))
        case "removed":
            db.execute(_GONE, (one.queue,))
        case "given up":
            db.execute(_GIVEN_UP, {"letter": letter, "place": place, "at": one.at})
        case _:
            if letter == one.letter:
                _went(db, one, place)


def _went(db: apsw.Connection, one: Heard, place: int) -> None:
    """What became of one recipient; not what is older than what is known."""
    sql = "SELECT state, at, since, times, place FROM hop WHERE letter = ? AND address = ?"
    since, times = one.at, 1
    for state, at, began, before, known in rows(db, sql, (one.letter, one.address)):
        if known > place or (known == place and (one.at < at or (one.at == at and state == one.what))):
            return
        if known == place and state == one.what:
            since, times = began, before + 1
    db.execute(_HOP, asdict(one) | {"state": one.what, "since": since, "times": times, "place": place})


def _end_doubts(db: apsw.Connection, now: int) -> list[str]:
    """
    End the doubts about letters that the relay has: all at once where it queued a letter for as many as are in doubt and nobody
    has had it before; else recipient by recipient, as it handles them.
    """
    moved: list[str] = []
    for number, queue, count in rows(db, _QUEUED):
        letter, before = _stands(db, number)
        doubts = [one for one in before if one.state is Standing.IN_DOUBT]
        has_it = any(one.state in {Standing.ACCEPTED, Standing.BOUNCED} for one in before)
        if count == len(doubts) and not has_it:
            _add(db, Learned(number, "queued", said=f"in the relay's queue as {queue.partition('/')[2]}"), queue, now)
            moved += taken(db, letter, before, NAMED, now)
    for number, queue, address, what, status, said in rows(db, _HANDLED):
        letter, before = _stands(db, number)
        if any(one.address == address and one.state is Standing.IN_DOUBT for one in before):
            if what != "bounced":  # that is added where it moves the letter
                _add(db, Learned(number, what, address, status, said), queue, now)
            moved += taken(db, letter, before, NAMED, now, of=[address])
    return moved


def _stands(db: apsw.Connection, letter: int) -> tuple[tuple[int, str, int], Sequence[Recipient]]:
    """A letter and its recipients as they stand now."""
    ((*told, text),) = rows(db, LETTER, (letter,))
    number, state, attempt = told
    return (number, state, attempt), unpacked(text)


def _bounce(db: apsw.Connection, now: int) -> list[list[str]]:
    """Some of the letters that the relay gave back; for each what it moved. Nothing where there are none."""
    found = []
    for letter, address, status, said, reason, queue, is_of_last in rows(db, _BOUNCED, (_AT_ONCE,)):
        db.execute("UPDATE hop SET is_new = 0 WHERE letter = ? AND address = ?", (letter, address))
        one = Learned(letter, "bounced", address, status, said, reason)
        found.append(came_back(db, one, now) if _add(db, one, queue, now) and is_of_last else [])
    return found


def _add(db: apsw.Connection, one: Learned, queue: str, now: int) -> bool:
    """Write evidence down; whether it is new."""
    one = replace(one, source=f"log {queue}")
    db.execute(ADD, (one.letter, one.kind, one.address, now, one.status, one.said, one.source))
    return bool(db.changes())
