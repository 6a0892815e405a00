"""
What people carry: letters by hand, those of them that are on paper, and what was to go otherwise. Part of the ledger on SQLite.

A letter by hand has the channel by which people carry it. Where its target is reached otherwise now, it follows, but only as
long as nobody can have it: what a `to` has accepted stays so, and what was printed may be in the post, so that it waits for a
person's word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from mailer.campaign import Channel, Reason
from mailer.delivery import State, Who, ended
from mailer.ledger import Handed, Held
from mailer.ledger.confirming import hold_if_unconfirmed
from mailer.ledger.ending import end
from mailer.ledger.engine import Engine, rows
from mailer.ledger.moves import let_wait, move_each, unpacked, write_journal

# Behind the last that it could have: else SQLite would walk through all of them (as in `ruling`).
_NEXT = """
SELECT campaign, target, channel FROM letter
WHERE state = 'by_hand' AND (campaign, target, channel, attempt) > (?, ?, ?, 9223372036854775807)
    ORDER BY campaign, target, channel, attempt LIMIT 1
"""
_THESE = "SELECT id, state, attempt FROM letter WHERE state = 'by_hand' AND campaign = ? AND target = ? AND channel = ? LIMIT ?"
# Where the target has become one of a directory, the country decides the route; by hand it decides nothing.
_OF_COUNTRY = "UPDATE letter SET country = (SELECT country FROM signature WHERE id = letter.signature) WHERE id = ?"
_PART = """
UPDATE letter SET country = (SELECT country FROM signature WHERE id = letter.signature) WHERE id IN (
    SELECT l.id FROM letter l JOIN signature s ON s.id = l.signature WHERE l.campaign = ? AND l.target = ? AND l.country = ''
    AND s.country <> '' AND l.state IN ('queued', 'deferred', 'held') LIMIT ?)
"""
_OTHERS = """
state = 'held' AND campaign = ? AND target = ? AND country = ? AND reason = ? AND held_by = 'rule' AND channel <> ?
"""
_STAY = f"UPDATE letter SET reason = ? WHERE {_OTHERS} AND id IN (SELECT letter FROM printed)"  # noqa: S608  all of it is ours
_MAY_FOLLOW = f"SELECT id, state, attempt, recipients FROM letter WHERE {_OTHERS} LIMIT ?"  # noqa: S608
# Nothing that an attempt has fixed is true of it any more.
_FOLLOWS = """
UPDATE letter SET channel = ?, country = iif(?, country, ''), recipients = '[]', tries = 0, first_tried_at = NULL, deaths = 0,
    date = NULL, edition = NULL, language = NULL, sha256 = NULL WHERE id = ?
"""
_IS_STILL = "SELECT target FROM letter WHERE id = ? AND campaign = ? AND state = 'by_hand' AND channel = ?"
_PRINTED = "INSERT INTO printed (letter, at) VALUES (?, ?) ON CONFLICT DO UPDATE SET at = excluded.at"


class HandingPart:
    """What a change of its target's kind makes of a letter is the caller's to say; what is on paper is remembered here."""

    _engine: Engine

    async def handed(self) -> Sequence[Handed]:
        """To whom letters wait by hand, and how people carry them; one index step each."""

        def work(db: apsw.Connection) -> list[Handed]:
            found: list[Handed] = []
            key: tuple[Any, ...] = ("", "", "")
            while more := rows(db, _NEXT, key):
                key = more[0]
                found.append(Handed(*key))
            return found

        return list(await self._engine.run(work))

    async def hold_handed(self, handed: Handed, reason: str, now: int, limit: int) -> int:
        """A rule holds what waits by hand, at most `limit` letters a transaction; gives how many it held."""

        def work(db: apsw.Connection) -> int:
            found = rows(db, _THESE, (handed.campaign, handed.target, handed.channel, limit))
            db.executemany(_OF_COUNTRY, [(row[0],) for row in found])
            return move_each(db, found, State.HELD, reason, now)

        return int(await self._engine.run(work))

    async def follow(self, held: Held, channel: str, *, is_by_country: bool, now: int, limit: int) -> int:
        """
        Letters that a rule held in a lane for this reason, and that have another channel than their target has now, wait as
        that says; what was printed stays held for a person. Gives how many, at most `limit`: again, until there are none.
        """
        values = (held.lane.campaign, held.lane.target, held.lane.country, held.reason, channel)

        def work(db: apsw.Connection) -> int:
            db.execute(_STAY, (Reason.PRINTED, *values))
            found = rows(db, _MAY_FOLLOW, (*values, limit))
            for row in found:
                _follow(db, row, channel, now, is_by_country=is_by_country)
            return len(found)

        return int(await self._engine.run(work))

    async def part(self, campaign: str, target: str, limit: int) -> int:
        """
        A target has come to be one of a directory: what waits for it, or is held, waits by countries from now on. Gives how
        many letters are in a lane of their own now, at most `limit`: again, until there are none.
        """

        def work(db: apsw.Connection) -> int:
            db.execute(_PART, (campaign, target, limit))
            return db.changes()

        return int(await self._engine.run(work))

    async def note_printed(self, campaign: str, letters: Mapping[int, str], now: int) -> Sequence[int]:
        """
        Write down that letters are on paper, each with the channel for which, before anybody can have it. Those that do not
        wait for that any more are given, and then nothing is written down: the paper is none.
        """

        def work(db: apsw.Connection) -> list[int]:
            still = {letter: rows(db, _IS_STILL, (letter, campaign, channel)) for letter, channel in letters.items()}
            if gone := [letter for letter, found in still.items() if not found]:
                return gone
            db.executemany(_PRINTED, [(letter, now) for letter in letters])
            counts = Counter(found[0][0] for found in still.values())
            events = [
                {"event": "printed", "campaign": campaign, "target": target, "letters": count, "who": Who.PERSON}
                for target, count in sorted(counts.items())
            ]
            write_journal(db, now, events)
            return []

        return list(await self._engine.run(work))


def count_as_printed(db: apsw.Connection, now: int) -> None:
    """An older ledger was put back, and nobody knows what was printed, done or sent since of what people carry."""
    for state in (State.BY_HAND, State.HELD):
        sql = "INSERT INTO printed SELECT id, ? FROM letter WHERE state = ? AND channel <> 'email' ON CONFLICT DO NOTHING"
        db.execute(sql, (now, state))


def _follow(db: apsw.Connection, row: tuple[Any, ...], channel: str, now: int, *, is_by_country: bool) -> None:
    letter, state, attempt, recipients = row
    if ended(unpacked(recipients), State.HELD, "").state is not State.HELD:  # somebody has it, or may have it
        end(db, (letter, state, attempt, recipients), State.HELD, Who.RULE, Reason.OTHERWISE, now)
        return
    db.execute(_FOLLOWS, (channel, is_by_country and channel == Channel.EMAIL, letter))
    let_wait(db, (letter, State.HELD, attempt), Who.RULE, "", now)
    hold_if_unconfirmed(db, letter, now)
