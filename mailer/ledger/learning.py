"""
What came in about letters that went out, and what it changes. Part of the ledger on SQLite.

What a mailbox has shown is remembered in the transaction of what it says, so that each mail counts once, whenever the machine
dies. A bounce moves its recipient, and the letter once no `to` has it any more; the campaign's own copy ends a doubt as
accepted. Nothing here makes a letter go out.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import apsw

from mailer.delivery import STATE_OF, State, Who
from mailer.ledger.engine import Engine, rows
from mailer.ledger.moves import LETTER, move, packed, unpacked, write_journal
from mailer.ledger.records import Learned, Mailbox
from mailer.outcome import Recipient, Role, Standing, accepted, of_the_letter

ADD = """
INSERT INTO evidence (letter, kind, address, at, status, said, source) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_KEEP_MAILBOX = """
INSERT INTO mailbox (name, validity, uid, read_at, trouble) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE SET validity = ?2, uid = ?3, read_at = ?4, trouble = ?5
"""
_IGNORED = "INSERT INTO mail_ignored (why, count) VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1"
_MISSING = """
UPDATE letter SET reason = :reason WHERE state = 'in_doubt' AND campaign = :campaign AND reason NOT LIKE :like
    AND recipients LIKE '%"copy","in_doubt"%'
    AND (SELECT max(marked_at) FROM attempt WHERE letter = letter.id) < :before
    AND EXISTS (SELECT 1 FROM evidence e JOIN letter other ON other.id = e.letter
        WHERE e.kind = 'copy' AND other.campaign = letter.campaign AND other.accepted_at >
            (SELECT max(marked_at) FROM attempt WHERE letter = letter.id)) RETURNING id
"""


class LearningPart:
    """Late evidence, each piece once."""

    _engine: Engine

    async def mailbox(self, name: str) -> tuple[Mailbox, frozenset[str]]:
        """How far a mailbox was read, and the names of its mails that were."""

        def work(db: apsw.Connection) -> tuple[Mailbox, frozenset[str]]:
            found = rows(db, "SELECT validity, uid, read_at, trouble FROM mailbox WHERE name = ?", (name,))
            read = rows(db, "SELECT name FROM mail_read WHERE mailbox = ?", (name,))
            return Mailbox(name, *found[0]) if found else Mailbox(name), frozenset(row[0] for row in read)

        told: tuple[Mailbox, frozenset[str]] = await self._engine.run(work)
        return told

    async def learn(
        self, mailbox: Mailbox, key: str, learned: Sequence[Learned], ignored: Sequence[str], now: int
    ) -> Sequence[str]:
        """
        One mail was read: what it says, why other things in it are not believed, and how far the mailbox was read with it.
        Gives in which state each letter is now that was moved.
        """

        def work(db: apsw.Connection) -> list[str]:
            if rows(db, "SELECT 1 FROM mail_read WHERE mailbox = ? AND name = ?", (mailbox.name, key)):
                return []
            db.execute("INSERT INTO mail_read (mailbox, name) VALUES (?, ?)", (mailbox.name, key))
            db.execute(_KEEP_MAILBOX, (mailbox.name, mailbox.validity, mailbox.uid, now, ""))
            db.executemany(_IGNORED, [(why,) for why in ignored])
            moved = []
            for one in learned:
                db.execute(ADD, (one.letter, one.kind, one.address, now, one.status, one.said, one.source))
                if db.changes():
                    moved += _follow(db, one, now)
            return moved

        return list(await self._engine.run(work))

    async def looked_into(self, mailbox: Mailbox, keys: Collection[str] | None, now: int) -> None:
        """A mailbox was looked into, or could not be; of names that do not lie there any more (`keys`) nothing is kept."""

        def work(db: apsw.Connection) -> None:
            db.execute(_KEEP_MAILBOX, (mailbox.name, mailbox.validity, mailbox.uid, now, mailbox.trouble))
            if keys is not None:
                known = [row[0] for row in rows(db, "SELECT name FROM mail_read WHERE mailbox = ?", (mailbox.name,))]
                gone = [(mailbox.name, name) for name in known if name not in keys]
                db.executemany("DELETE FROM mail_read WHERE mailbox = ? AND name = ?", gone)

        await self._engine.run(work)

    async def letter_of(self, message_id: str) -> tuple[int, str] | None:
        """The letter with a Message-ID, and its campaign; a letter's number stands in front in it."""
        number = message_id[1:].partition(".")[0]
        if not number.isdigit():
            return None
        sql = "SELECT id, campaign FROM letter WHERE id = ? AND message_id = ?"
        found = await self._engine.run(lambda db: rows(db, sql, (int(number), message_id)))
        return (found[0][0], found[0][1]) if found else None

    async def campaign_of(self, letter: int) -> str | None:
        """The campaign of a letter; None if there is no such letter."""
        found = await self._engine.run(lambda db: rows(db, "SELECT campaign FROM letter WHERE id = ?", (letter,)))
        return str(found[0][0]) if found else None

    async def about(self, letter: int) -> tuple[bytes | None, Sequence[str]]:
        """The sealed signature of a letter, None where there is none or it was erased; and the addresses that it names."""
        sql = "SELECT (SELECT sealed FROM signature WHERE id = l.signature), recipients FROM letter l WHERE id = ?"
        found = await self._engine.run(lambda db: rows(db, sql, (letter,)))
        return (found[0][0], [one.address for one in unpacked(found[0][1])]) if found else (None, [])

    async def call_missing(self, campaign: str, reason: str, before: int, now: int) -> int:
        """
        Say of doubts from before a time (seconds since 1970) that they were probably not sent: no copy of them came, though
        copies of later letters did. They stay in doubt. Gives of how many it is new.
        """

        def work(db: apsw.Connection) -> int:
            values = {"reason": reason, "like": f"{reason}%", "campaign": campaign, "before": before}
            found = rows(db, _MISSING, values)
            write_journal(db, now, [{"event": "missing", "letter": letter, "campaign": campaign} for (letter,) in found])
            return len(found)

        return int(await self._engine.run(work))

    async def bounced_addresses(self, statuses: Sequence[str], times: int) -> Sequence[tuple[str, str, str, str]]:
        """
        Addresses of lanes, (campaign, target, country, address), from which so many letters and more came back with such a
        status since a person last believed in them.
        """
        sql = """
        SELECT l.campaign, l.target, l.country, lower(e.address) FROM evidence e JOIN letter l ON l.id = e.letter
        WHERE e.kind = 'bounced' AND l.kind = 'letter' AND e.status IN (SELECT value FROM json_each(?))
            AND e.at > coalesce((SELECT CAST(value AS INTEGER) FROM install
                WHERE name = 'believed ' || l.campaign || ' ' || l.target), 0)
        GROUP BY 1, 2, 3, 4 HAVING count(DISTINCT l.id) >= ?
        """
        found = await self._engine.run(lambda db: rows(db, sql, (json.dumps(list(statuses)), times)))
        return [(campaign, target, country, address) for campaign, target, country, address in found]


def _follow(db: apsw.Connection, one: Learned, now: int) -> list[str]:
    """What a piece of evidence moves; in which states its letter came to be."""
    found = rows(db, LETTER, (one.letter,))
    if not found:
        return []
    letter, state, attempt, text = found[0]
    before = unpacked(text)
    if one.kind == "copy":
        return taken(db, (letter, state, attempt), before, "the campaign's copy arrived", now)
    if one.kind != "bounced":
        return []
    moved = taken(db, (letter, state, attempt), before, "it came back, so it had been taken", now)
    return moved + came_back(db, one, now)


def came_back_whole(recipients: Iterable[Recipient]) -> bool:
    """Whether a letter came back from a `to`, and no other has it or may have it."""
    tos = {one.state for one in recipients if one.role is Role.TO}
    return Standing.BOUNCED in tos and not tos & {Standing.ACCEPTED, Standing.IN_DOUBT}


def came_back(db: apsw.Connection, one: Learned, now: int) -> list[str]:
    """A bounce moves its recipient, and the letter once no `to` has it any more."""
    (letter, state, attempt, text), *_ = rows(db, LETTER, (one.letter,))
    after = _without(unpacked(text), one)
    db.execute("UPDATE letter SET recipients = ? WHERE id = ?", (packed(after), letter))
    if state == State.ACCEPTED and came_back_whole(after):
        told: dict[str, object] = {"evidence": "bounced", "status": one.status}
        reason = one.reason or "it came back"
        if move(db, (letter, State.ACCEPTED, attempt), State.BOUNCED, Who.RULE, reason, now, told=told):
            return [State.BOUNCED]
    return []


def taken(
    db: apsw.Connection,
    letter: tuple[int, str, int],
    before: Sequence[Recipient],
    why: str,
    now: int,
    of: Collection[str] | None = None,
) -> list[str]:
    """
    The relay had taken the letter: a doubt ends by it, as if the relay had said so. Where that is known of some recipients only
    (`of`), the letter is in doubt as long as one is.
    """
    number, state, attempt = letter
    if state != State.IN_DOUBT:
        return []
    is_meant = [one.state is Standing.IN_DOUBT and (of is None or one.address in of) for one in before]
    after = [accepted(one, one.reply) if meant else one for one, meant in zip(before, is_meant, strict=True)]
    new = STATE_OF[of_the_letter(after)]
    if new is State.REFUSED:  # only a copy had been meant: no `to` has it
        return []
    db.execute("UPDATE letter SET recipients = ? WHERE id = ?", (packed(after), number))
    if new is State.IN_DOUBT:
        return []
    at = now if new is State.DEFERRED else None
    is_moved = move(db, (number, State.IN_DOUBT, attempt), new, Who.RULE, why, now, at=at, told={"evidence": why})
    return [str(new)] if is_moved else []


def _without(recipients: Iterable[Recipient], one: Learned) -> list[Recipient]:
    """The recipients once one has given the letter back; where the bounce names nobody of them, its only `to` has."""
    known = list(recipients)
    named = [r for r in known if r.address.casefold() == one.address.casefold()]
    to = [r for r in known if r.role is Role.TO]
    meant = named or (to if len(to) == 1 else [])
    gone = {r.address for r in meant if r.state is Standing.ACCEPTED}
    said = " ".join(filter(None, (one.status, one.said)))
    return [replace(r, state=Standing.BOUNCED, reply=said) if r.address in gone else r for r in known]
