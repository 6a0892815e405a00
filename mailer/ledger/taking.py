"""Files and signatures: what intake writes down, each exactly once. Part of the ledger on SQLite."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import apsw

from mailer.delivery import State
from mailer.ledger import Count, Entry, NewLetter, Taken
from mailer.ledger.confirming import confirm, release
from mailer.ledger.engine import Engine, rows
from mailer.ledger.moves import next_number, write_journal

_OF_THESE = ("held", "unconfirmed", "confirmed", "withdrawn", "left_out")  # told where there are any
_BEGUN = "UPDATE file SET readings = readings + 1, state = 'reading', ended_at = NULL WHERE id = ?"
_ENDED = """
UPDATE file SET state = :state, reason = :reason, ended_at = :now, read = :read, taken = :taken, known = :known,
    refused = :refused, held = :held, unconfirmed = :unconfirmed, confirmed = :confirmed, withdrawn = :withdrawn,
    left_out = :left_out
WHERE id = :file AND state = 'reading' RETURNING readings
"""
_NEW_SIGNATURE = """
INSERT INTO signature
    (campaign, person, country, file, line, reading, taken_at, sealed, confirmed_at, unconfirmed)
    SELECT :campaign, :person, :country, :file, :line, :reading, :now, :sealed, :confirmed_at, :unconfirmed
    WHERE NOT EXISTS (SELECT 1 FROM withdrawal WHERE campaign = :campaign AND person = :person)
    ON CONFLICT (campaign, person) DO NOTHING RETURNING id
"""
_OLD_SIGNATURE = """
SELECT id, file, line, reading, country, unconfirmed, sealed, state, confirmed_by FROM signature
WHERE campaign = ? AND person = ?
"""
_LEFT_OUT = "SELECT iif(erased, 'erased', 'withdrawn') FROM withdrawal WHERE campaign = ? AND person = ?"
_BROUGHT_AGAIN = "UPDATE signature SET reading = ? WHERE id = ?"
_RENEW = """
UPDATE signature SET line = :line, country = :country, sealed = :sealed, confirmed_at = coalesce(confirmed_at, :confirmed_at),
    unconfirmed = iif(confirmed_at IS NULL, :unconfirmed, 0)
    WHERE id = :id AND state = 'active' AND NOT EXISTS (SELECT 1 FROM letter WHERE signature = signature.id AND attempt > 0)
    RETURNING unconfirmed
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


_STILL_WITHOUT = """
SELECT 1 FROM signature WHERE id = ?1 AND state = 'active'
    AND NOT EXISTS (SELECT 1 FROM letter WHERE signature = ?1 AND target = ?2)
    AND NOT EXISTS (SELECT 1 FROM letter l, json_each(l.recipients) r WHERE l.signature = ?1 AND l.kind = 'letter'
        AND json_extract(r.value, '$[1]') = 'to'
        AND lower(json_extract(r.value, '$[0]')) IN (SELECT value FROM json_each(?3)))
"""
# Of a campaign's signatories whose letters may be sent one day, those who have none to a target.
_WITHOUT = """
SELECT id, country, unconfirmed FROM signature AS s WHERE campaign = ? AND id > ? AND state = 'active'
    AND NOT EXISTS (SELECT 1 FROM letter WHERE signature = s.id AND target = ?) ORDER BY id LIMIT ?
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

    async def without_letter(self, campaign: str, target: str, behind: int, limit: int) -> Sequence[tuple[int, str, bool]]:
        """Signatures behind a number that have no letter to a target, (signature, country, is_unconfirmed), at most so many."""
        found = await self._engine.run(lambda db: rows(db, _WITHOUT, (campaign, behind, target, limit)))
        return [(id, country, bool(unconfirmed)) for id, country, unconfirmed in found]

    async def add_letters(
        self,
        campaign: str,
        domain: str,
        letters: Mapping[int, NewLetter],
        addresses: Mapping[int, Sequence[str]],
        now: int,
    ) -> int:
        """
        Write letters of signatures that came before down, by signature, where there is none to this target nor, under another
        name, to one of its addresses, and nobody has left; gives how many. The journal tells of them by one line a target.
        """

        def work(db: apsw.Connection) -> int:
            counts: Counter[str] = Counter()
            for signature, new in letters.items():
                to = json.dumps([address.lower() for address in addresses[signature]])
                if rows(db, _STILL_WITHOUT, (signature, new.target, to)):
                    _write_letters(db, signature, campaign, domain, [new], now)
                    counts[new.target] += 1
            events = [{"event": "added", "campaign": campaign, "target": to, "letters": count} for to, count in counts.items()]
            write_journal(db, now, events)
            return counts.total()

        return int(await self._engine.run(work))

    async def confirm(self, file: int, campaign: str, persons: Sequence[bytes], now: int) -> Sequence[Taken | None]:
        """Rows of a file that only confirm what these people have signed; None for whoever is not known to have signed."""

        def work(db: apsw.Connection) -> list[Taken | None]:
            return [_confirm(db, file, campaign, person, now) for person in persons]

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
            values = {"state": state, "reason": reason, "now": now, "file": file, **asdict(count)}
            closed = rows(db, _ENDED, values)
            if not closed:
                return
            dropped = _drop(db, file, closed[0][0] + 1 if state == "rejected" else closed[0][0])
            event = {"event": "file", "file": file, "state": state, "rows": count.read, "taken": count.taken}
            of_these = {name: number for name in _OF_THESE if (number := getattr(count, name))}
            more = {"known": count.known, "refused": count.refused, **of_these} | ({"dropped": dropped} if dropped else {})
            write_journal(db, now, [event | more])

        await self._engine.run(work)


def _take(db: apsw.Connection, place: tuple[int, int], campaign: str, domain: str, entry: Entry, now: int) -> Taken:
    """One entry of a file in one of its readings: `place` is (file, reading)."""
    file, reading = place
    values = _values(place, campaign, entry, now)
    if found := rows(db, _NEW_SIGNATURE, values):
        _write_letters(db, found[0][0], campaign, domain, entry.letters, now)
        return Taken(True)
    known = rows(db, _OLD_SIGNATURE, (campaign, entry.person))
    if not known:
        return Taken(False, left=rows(db, _LEFT_OUT, (campaign, entry.person))[0][0])
    signature, known_file, line, known_reading, country, unconfirmed, sealed, *_ = known[0]
    if known_file != file or (known_reading >= reading and line != entry.line):
        return _known(db, known[0], file, entry, now)
    if known_reading < reading:
        db.execute(_BROUGHT_AGAIN, (reading, signature))
        renewed = rows(db, _RENEW, values | {"id": signature})
        if renewed and (country, unconfirmed) != (entry.country, renewed[0][0]):  # these decide the routes, and what is held
            db.execute("DELETE FROM letter WHERE signature = ?", (signature,))
            _write_letters(db, signature, campaign, domain, entry.letters, now)
        if renewed and entry.is_unconfirmed and not renewed[0][0]:  # another row had confirmed it
            release(db, signature, now)
    return Taken(True, sealed)


def _known(db: apsw.Connection, known: tuple[Any, ...], file: int, entry: Entry, now: int) -> Taken:
    """A signature that is on record since before: this row may confirm it, or be of somebody who has left."""
    return _confirmed(db, known, file, now, is_confirmed=entry.is_confirmed)


def _confirm(db: apsw.Connection, file: int, campaign: str, person: bytes, now: int) -> Taken | None:
    """A row that only confirms: a person who has signed, or who has left."""
    if known := rows(db, _OLD_SIGNATURE, (campaign, person)):
        return _confirmed(db, known[0], file, now, is_confirmed=True)
    left = rows(db, _LEFT_OUT, (campaign, person))
    return Taken(False, left=left[0][0]) if left else None


def _confirmed(db: apsw.Connection, known: tuple[Any, ...], file: int, now: int, *, is_confirmed: bool) -> Taken:
    signature, *_, unconfirmed, sealed, state, confirmed_by = known
    if state != "active":
        return Taken(False, left=state)
    if is_confirmed:
        confirm(db, signature, file, now)
    return Taken(False, sealed, is_confirmed=is_confirmed and (bool(unconfirmed) or confirmed_by == file))


def _values(place: tuple[int, int], campaign: str, entry: Entry, now: int) -> dict[str, Any]:
    file, reading = place
    return {
        "campaign": campaign,
        "person": entry.person,
        "country": entry.country,
        "file": file,
        "line": entry.line,
        "reading": reading,
        "now": now,
        "sealed": entry.sealed,
        "confirmed_at": now if entry.is_confirmed else None,
        "unconfirmed": entry.is_unconfirmed,
    }


def _write_letters(
    db: apsw.Connection, signature: int, campaign: str, domain: str, letters: Sequence[NewLetter], now: int
) -> None:
    for number, new in enumerate(letters, next_number(db)):
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
