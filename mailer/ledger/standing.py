"""
What stands for the whole install: fingerprints, approvals, pauses, the relay's breaker, refusals in a row. Part of the ledger
on SQLite.

Time in which nobody could send, a pause or an outage of the relay, does not count towards giving a letter up: when it ends, the
first try of every letter that waits moves on by as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apsw

from mailer.delivery import Who
from mailer.ledger import Approval, Lane, Pause
from mailer.ledger.engine import Engine, rows
from mailer.ledger.moves import PAUSE, write_journal
from mailer.outcome import Sign
from mailer.pace import HOUR, Breaker, Streak

DAY = 24 * HOUR

# Other addresses than those that were refused begin a new streak.
_LENGTHEN = """
INSERT INTO streak VALUES (?1, ?2, ?3, ?4, ?5, 1, 1, ?6) ON CONFLICT DO UPDATE SET addresses = ?5, pass = ?6,
    length = CASE WHEN addresses = ?5 THEN length + 1 ELSE 1 END,
    passes = CASE WHEN addresses <> ?5 THEN 1 WHEN pass = ?6 THEN passes ELSE passes + 1 END
RETURNING length, passes
"""

_INSTALL = "INSERT INTO install (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
_AHEAD = (
    "UPDATE letter SET next_attempt_at = :latest WHERE state IN ('queued', 'deferred') AND next_attempt_at > :latest",
    "UPDATE letter SET first_tried_at = :now WHERE state IN ('queued', 'deferred', 'sending') AND first_tried_at > :now",
    # Since when a doubt has lasted: until then a person would be told that the server may still answer.
    "UPDATE attempt SET marked_at = :now WHERE marked_at > :now AND letter IN (SELECT id FROM letter WHERE state = 'in_doubt')",
    "UPDATE sent SET at = :now WHERE at > :now",
    "UPDATE pause SET at = min(at, :now), since = min(since, :now)",
    # A limit of the relay's may last a day, no outage does.
    "UPDATE relay SET not_before = min(not_before, :tomorrow), down_since = min(down_since, :now)",
)
_STOPPED = "SELECT scope FROM pause WHERE scope IN ('all', 'ledger', 'clock', 'campaign:' || ?)"
# What a dead worker has in hand waits too. Whatever the clock says, no time goes back by this.
_NOT_COUNTED = """
UPDATE letter SET first_tried_at = first_tried_at + :now - min(:now, max(first_tried_at, :since))
WHERE campaign = :campaign AND first_tried_at IS NOT NULL AND
    (state IN ('queued', 'deferred') OR (state = 'sending' AND id IN (SELECT letter FROM attempt WHERE settled_at IS NULL)))
"""
_DOWN = "SELECT name, down_since FROM relay WHERE down_since IS NOT NULL"
_KEEP_BREAKER = """
INSERT INTO relay (name, failures, not_before, why, down_since) VALUES (?1, ?2, ?3, ?4, iif(?5, ?6, NULL))
    ON CONFLICT DO UPDATE SET failures = ?2, not_before = ?3, why = ?4, down_since = iif(?5, coalesce(down_since, ?6), NULL)
"""


class StandingPart:
    """The rows that are read at every pass and seldom written."""

    _engine: Engine

    async def fingerprints(self) -> Mapping[str, str]:
        """The fingerprint of each campaign's key."""
        return dict(await self._engine.run(lambda db: db.execute("SELECT id, key_fingerprint FROM campaign").fetchall()))

    async def remember_campaign(self, campaign: str, fingerprint: str) -> None:
        """Write a new campaign down with its key's fingerprint."""
        sql = "INSERT INTO campaign (id, key_fingerprint) VALUES (?, ?) ON CONFLICT DO NOTHING"
        await self._engine.run(lambda db: db.execute(sql, (campaign, fingerprint)))

    async def approvals(self) -> Mapping[str, Approval]:
        """What stands approved, by campaign."""
        sql = "SELECT id, approved, approved_at, approved_by FROM campaign"
        found = await self._engine.run(lambda db: rows(db, sql))
        return {campaign: Approval(*rest) for campaign, *rest in found}

    async def approve(self, campaign: str, edition: str, by: str, now: int) -> None:
        """Bind a person's approval to the hash of a campaign's content."""

        def work(db: apsw.Connection) -> None:
            sql = "UPDATE campaign SET approved = ?, approved_at = ?, approved_by = ? WHERE id = ?"
            db.execute(sql, (edition, now, by, campaign))
            write_journal(db, now, [{"event": "approved", "campaign": campaign, "edition": edition, "who": "person"}])

        await self._engine.run(work)

    async def keep_edition(self, edition: str, content: str, now: int) -> None:
        """Keep the content that letters are rendered from, under its hash."""
        sql = "INSERT INTO edition (hash, content, kept_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        await self._engine.run(lambda db: db.execute(sql, (edition, content, now)))

    async def edition(self, edition: str) -> str | None:
        """The content kept under a hash."""
        sql = "SELECT content FROM edition WHERE hash = ?"
        row = await self._engine.run(lambda db: db.execute(sql, (edition,)).fetchone())
        return row[0] if row else None

    async def pauses(self) -> Sequence[Pause]:
        """Every reason why sending stands now."""
        sql = "SELECT scope, who, why, at FROM pause ORDER BY at, scope"
        return [Pause(*row) for row in await self._engine.run(lambda db: db.execute(sql).fetchall())]

    async def pause(self, scope: str, who: Who, why: str, now: int) -> bool:
        """Stop a scope ('all', 'campaign:ID', 'ledger', 'clock'); True if it was not stopped yet."""

        def work(db: apsw.Connection) -> bool:
            db.execute(PAUSE, (scope, who, why, now))
            if not db.changes():
                return False
            write_journal(db, now, [{"event": "paused", "scope": scope, "who": who, "why": why}])
            return True

        return bool(await self._engine.run(work))

    async def resume(self, scope: str, why: str, now: int) -> bool:
        """A person lets a scope go on; True if it had been stopped. `all` lifts the general stop alone."""

        def work(db: apsw.Connection) -> bool:
            lifted = rows(db, "DELETE FROM pause WHERE scope = ? RETURNING since", (scope,))
            if not lifted:
                return False
            for campaign in _campaigns(db) if not scope.startswith("campaign:") else [scope.removeprefix("campaign:")]:
                _end_of_standstill(db, campaign, lifted[0][0], now)
            told = {"event": "resumed", "scope": scope, "who": "person", "why": why}
            write_journal(db, now, [told], is_clock_trusted=scope == "clock")
            return True

        return bool(await self._engine.run(work))

    async def bring_back(self, now: int, latest: int) -> None:
        """
        Bring back the times of a clock that was ahead: nothing has happened behind `now`, and no letter is due behind `latest`
        (both in seconds since 1970).
        """

        def work(db: apsw.Connection) -> None:
            for sql in _AHEAD:
                db.execute(sql, {"now": now, "latest": latest, "tomorrow": now + DAY})

        await self._engine.run(work)

    async def begin_sending(self, relay: str, worker: str, now: int) -> None:
        """Letters go out from here on: told before the first does, so that no older copy of the ledger looks like this one."""
        told = {"event": "sending", "relay": relay, "worker": worker}
        await self._engine.run(lambda db: write_journal(db, now, [told]))

    async def breaker(self, relay: str) -> Breaker:
        """The relay's breaker as the last worker left it."""
        sql = "SELECT failures, not_before, why FROM relay WHERE name = ?"
        row = await self._engine.run(lambda db: db.execute(sql, (relay,)).fetchone())
        return Breaker(*row) if row else Breaker()

    async def is_down(self) -> bool:
        """Whether an outage lasts: a relay failed, be it one that is not configured any more, and none has worked since."""
        return bool(await self._engine.run(lambda db: rows(db, _DOWN)))

    async def keep_breaker(self, relay: str, breaker: Breaker, now: int, why: str = "") -> None:
        """
        Keep the breaker for the next worker; once this relay works, no outage is counted, nor that of one before it.

        `why` is a person's reason for letting it go on.
        """

        def work(db: apsw.Connection) -> None:
            down = dict(rows(db, _DOWN))
            values = (relay, breaker.failures, int(breaker.not_before), breaker.why, breaker.is_probing, now)
            db.execute(_KEEP_BREAKER, values)
            works = not breaker.failures or (relay in down and not breaker.is_probing)
            if down and works:
                db.execute("UPDATE relay SET down_since = NULL")
                for campaign in _campaigns(db):
                    _end_of_standstill(db, campaign, min(down.values()), now)
            if why:
                write_journal(db, now, [{"event": "resumed", "scope": "relay", "who": "person", "why": why}])
            if breaker.is_open(now):
                write_journal(
                    db, now, [{"event": "relay", "relay": relay, "why": breaker.why, "not_before": breaker.not_before}]
                )

        await self._engine.run(work)

    async def installed(self) -> Mapping[str, str]:
        """What the ledger knows of itself: `place`, where it was last at work."""
        return dict(await self._engine.run(lambda db: rows(db, "SELECT name, value FROM install")))

    async def remember_install(self, facts: Mapping[str, str]) -> None:
        """Keep facts of this install; others stay as they are."""
        await self._engine.run(lambda db: db.executemany(_INSTALL, list(facts.items())))

    async def streaks(self) -> Sequence[Streak]:
        """Every row of refusals that nothing has ended."""
        sql = "SELECT sign, campaign, target, country, addresses, length, passes FROM streak"
        found = await self._engine.run(lambda db: rows(db, sql))
        return [
            Streak(Sign(sign), campaign, target, country, tuple(addresses.split()), length, passes)
            for sign, campaign, target, country, addresses, length, passes in found
        ]

    async def lengthen(self, sign: Sign, lane: Lane, addresses: Sequence[str], in_pass: str) -> Streak:
        """Count one more refusal in a row; gives the streak as it is now."""
        values = (sign, lane.campaign, lane.target, lane.country, " ".join(addresses), in_pass)
        ((length, passes),) = await self._engine.run(lambda db: rows(db, _LENGTHEN, values))
        return Streak(sign, lane.campaign, lane.target, lane.country, tuple(addresses), length, passes)

    async def end_streak(self, sign: Sign, lane: Lane) -> None:
        """Forget it: something else has come in between."""
        sql = "DELETE FROM streak WHERE sign = ? AND campaign = ? AND target = ? AND country = ?"
        await self._engine.run(lambda db: rows(db, sql, (sign, lane.campaign, lane.target, lane.country)))


def _campaigns(db: apsw.Connection) -> list[str]:
    return [row[0] for row in rows(db, "SELECT id FROM campaign")]


def _end_of_standstill(db: apsw.Connection, campaign: str, since: int, now: int) -> None:
    """
    A campaign's letters may go again: the time since then is not counted. Where something else still stops them, it is the
    end of that which counts, from then on.
    """
    still = [row[0] for row in rows(db, _STOPPED, (campaign,))]
    for scope in still:
        db.execute("UPDATE pause SET since = min(since, ?) WHERE scope = ?", (since, scope))
    if not still:
        db.execute(_NOT_COUNTED, {"now": now, "since": since, "campaign": campaign})
