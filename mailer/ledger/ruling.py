"""
Lanes: what waits and what rules hold. Part of the ledger on SQLite.

A lane is found by one index step, however many letters wait in it, and moved in bounded transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from mailer.campaign import Channel
from mailer.delivery import RESTORED, State, Who
from mailer.ledger import Held, Lane, Waiting
from mailer.ledger.ending import end
from mailer.ledger.engine import Engine, rows
from mailer.ledger.handing import count_as_printed
from mailer.ledger.moves import let_wait, move, move_each, packed, unpacked
from mailer.ledger.noticing import cancel_restored
from mailer.outcome import asked_again

# Each names the term that its index stands by: without it, word for word, a query would read the whole table. A step to the
# next lane goes behind the last entry that the lane could have (x'' sorts behind every text), else SQLite would walk through
# all of the lane.
_NEXT_LANE = """
SELECT campaign, target, country, next_attempt_at FROM letter WHERE state IN ('queued', 'deferred')
    AND (campaign, target, country, next_attempt_at) > (?, ?, ?, 9223372036854775807)
    ORDER BY campaign, target, country, next_attempt_at LIMIT 1
"""
_NEXT_HELD = """
SELECT campaign, target, country, reason FROM letter WHERE state = 'held'
    AND (campaign, target, country, reason, held_by) > (?, ?, ?, ?, x'')
    ORDER BY campaign, target, country, reason, held_by LIMIT 1
"""
_WAITING_IN = """
SELECT id, state, attempt, recipients FROM letter WHERE state IN ('queued', 'deferred')
    AND campaign = ? AND target = ? AND country = ? LIMIT ?
"""
_HELD_IN = """
SELECT id, state, attempt FROM letter WHERE state = 'held'
    AND campaign = ? AND target = ? AND country = ? AND reason = ? AND held_by = 'rule' AND channel = ? LIMIT ?
"""
_RESTATE = """
UPDATE letter SET reason = ? WHERE state = 'held'
    AND campaign = ? AND target = ? AND country = ? AND reason = ? AND held_by = 'rule'
"""
_UNRENDERED = """
SELECT id, state, attempt FROM letter INDEXED BY letter_held
    WHERE state = 'held' AND campaign = ? AND reason = 'render error' AND held_by = 'rule'
"""
# A letter that its `to` has accepted and only misses a cc is not expired: its next attempt ends it.
_GIVEN_UP = """
SELECT id, state, attempt, recipients FROM letter WHERE state IN ('queued', 'deferred') AND campaign = ?
    AND first_tried_at <= ? AND recipients NOT LIKE '%"to","accepted"%' LIMIT ?
"""
# What people carry does not expire: they may have done it.
_OVERDUE = """
SELECT id, state, attempt, recipients FROM letter WHERE state IN ('queued', 'deferred') AND campaign = ?1
    AND target NOT GLOB '@*'
UNION ALL SELECT id, state, attempt, recipients FROM letter INDEXED BY letter_held WHERE state = 'held' AND campaign = ?1
    AND target NOT GLOB '@*' AND channel = 'email'
LIMIT ?2
"""
_ALL_WAITING = "SELECT id, state, attempt FROM letter WHERE state IN ('queued', 'deferred') LIMIT ?"
_DOUBTFUL = (
    "SELECT DISTINCT target, country FROM letter WHERE state = 'in_doubt' AND campaign = ? AND resent = 0 AND kind = 'letter'"
)
_DOUBTED = """
SELECT id, attempt, recipients FROM letter WHERE state = 'in_doubt' AND campaign = ? AND target = ? AND country = ?
    AND resent = 0 AND (SELECT max(marked_at) FROM attempt WHERE letter = letter.id) <= ?
    AND EXISTS (SELECT 1 FROM signature WHERE id = letter.signature AND state = 'active' AND unconfirmed = 0) LIMIT ?
"""


class RulingPart:
    """Holding, releasing and expiring by rule. Which rule applies is decided by the caller."""

    _engine: Engine

    async def waiting(self) -> Sequence[Waiting]:
        """Every lane in which a letter waits, with the time of its first; one index step a lane."""

        def work(db: apsw.Connection) -> list[Waiting]:
            found: list[Waiting] = []
            key: tuple[Any, ...] = ("", "", "")
            while more := rows(db, _NEXT_LANE, key):
                key = more[0][:3]
                found.append(Waiting(Lane(*key), more[0][3]))
            return found

        return list(await self._engine.run(work))

    async def held_by_rule(self) -> Sequence[Held]:
        """Every lane in which letters are held, by reason; one index step each. What a person holds may be among it."""

        def work(db: apsw.Connection) -> list[Held]:
            found: list[Held] = []
            key: tuple[Any, ...] = ("", "", "", "")
            while more := rows(db, _NEXT_HELD, key):
                key = more[0]
                found.append(Held(Lane(*key[:3]), key[3]))
            return found

        return list(await self._engine.run(work))

    async def hold(self, lane: Lane, reason: str, now: int, limit: int) -> int:
        """
        A rule holds what waits in a lane, at most `limit` letters a transaction; gives how many it held.

        A resend that is stopped so is no wait for better days: its letter is in doubt again.
        """
        values = (lane.campaign, lane.target, lane.country, limit)

        def work(db: apsw.Connection) -> int:
            return sum(_hold(db, row, reason, now) for row in rows(db, _WAITING_IN, values))

        return int(await self._engine.run(work))

    async def release(self, held: Held, now: int, limit: int, channel: str = Channel.EMAIL) -> int:
        """
        A rule releases what it held in a lane for this reason, of what has this channel; what a person held stays. What people
        carry is by hand again.
        """
        values = (held.lane.campaign, held.lane.target, held.lane.country, held.reason, channel, limit)

        def work(db: apsw.Connection) -> int:
            found = ((id, State(state), attempt) for id, state, attempt in rows(db, _HELD_IN, values))
            return sum(let_wait(db, letter, Who.RULE, "", now) is not None for letter in found)

        return int(await self._engine.run(work))

    async def restate(self, held: Held, reason: str) -> None:
        """The letters stay held, but now for another reason."""
        values = (reason, held.lane.campaign, held.lane.target, held.lane.country, held.reason)
        await self._engine.run(lambda db: rows(db, _RESTATE, values))

    async def release_unrendered(self, campaign: str, edition: str, now: int) -> int:
        """Release letters that a render error held once the campaign's content has changed since; gives how many."""

        def work(db: apsw.Connection) -> int:
            rows(db, "UPDATE campaign SET edition = ?1 WHERE id = ?2 AND edition <> ?1", (edition, campaign))
            return move_each(db, rows(db, _UNRENDERED, (campaign,)), State.QUEUED, "", now) if db.changes() else 0

        return int(await self._engine.run(work))

    async def expire(self, campaign: str, before: int | None, reason: str, now: int, limit: int) -> int:
        """
        Expire what was tried first before a time, or (None) all of a campaign that still waits or is held.

        What a `to` has accepted ends as that.
        """
        sql, values = (_OVERDUE, (campaign, limit)) if before is None else (_GIVEN_UP, (campaign, before, limit))

        def work(db: apsw.Connection) -> int:
            return sum(end(db, row, State.EXPIRED, Who.RULE, reason, now) is not None for row in rows(db, sql, values))

        return int(await self._engine.run(work))

    async def hold_restored(self, now: int, limit: int) -> int:
        """
        Hold all that waits, whatever for, so that only a person lets it go, who is told of what may have gone out, be it that a
        person held it before; nor is any doubt resent by a rule. Gives how many letters moved: again, until none does.
        """

        def work(db: apsw.Connection) -> int:
            cancelled = cancel_restored(db, RESTORED, now)
            count_as_printed(db, now)
            db.execute("UPDATE letter SET reason = ? WHERE state = 'held' AND channel = 'email'", (RESTORED,))
            db.execute("UPDATE letter SET resent = 1 WHERE state = 'in_doubt'")
            return cancelled + move_each(db, rows(db, _ALL_WAITING, (limit,)), State.HELD, RESTORED, now)

        return int(await self._engine.run(work))

    async def doubtful(self, campaign: str) -> Sequence[Lane]:
        """The lanes of a campaign in which a letter is in doubt that no rule has sent again yet."""
        found = await self._engine.run(lambda db: rows(db, _DOUBTFUL, (campaign,)))
        return [Lane(campaign, target, country) for target, country in found]

    async def resend_doubts(self, lane: Lane, before: int, now: int, limit: int) -> int:
        """
        Queue letters of a lane that are in doubt since before a time, once in the life of each: with the same bytes and
        Message-ID, for the recipients that are in doubt or were not reached. Gives how many.
        """

        def work(db: apsw.Connection) -> int:
            return sum(
                _resend(db, row, now) for row in rows(db, _DOUBTED, (lane.campaign, lane.target, lane.country, before, limit))
            )

        return int(await self._engine.run(work))


def _hold(db: apsw.Connection, row: tuple[Any, ...], reason: str, now: int) -> bool:
    letter, state, attempt, recipients = row
    if any(recipient.may_have_it for recipient in unpacked(recipients)):
        return end(db, row, State.HELD, Who.RULE, reason, now) is not None
    return move(db, (letter, State(state), attempt), State.HELD, Who.RULE, reason, now)


def _resend(db: apsw.Connection, row: tuple[Any, ...], now: int) -> bool:
    letter, attempt, recipients = row
    after = [asked_again(recipient) for recipient in unpacked(recipients)]
    db.execute(
        "UPDATE letter SET recipients = ?, resent = 1, tries = 0, first_tried_at = NULL WHERE id = ?", (packed(after), letter)
    )
    why = "in doubt for long: sent once more, as the campaign says"
    return move(db, (letter, State.IN_DOUBT, attempt), State.QUEUED, Who.RULE, why, now, at=now)
