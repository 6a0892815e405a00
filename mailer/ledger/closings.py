"""Which targets a person has closed. Part of the ledger on SQLite."""

from __future__ import annotations

from collections.abc import Sequence

import apsw

from mailer.delivery import Who
from mailer.ledger import Closing
from mailer.ledger.engine import Engine, rows
from mailer.ledger.moves import write_journal


class ClosingPart:
    """A closing is read by the rules, which hold and release by it; here no letter moves."""

    _engine: Engine

    async def closings(self) -> Sequence[Closing]:
        """Every target that is closed now, the oldest closing first."""
        sql = "SELECT campaign, target, why, at FROM closing ORDER BY at, campaign, target"
        return [Closing(*row) for row in await self._engine.run(lambda db: db.execute(sql).fetchall())]

    async def close_target(self, campaign: str, target: str, why: str, now: int) -> bool:
        """A person closes a target; True if it was open."""
        sql = "INSERT INTO closing (campaign, target, why, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
        return await self._change(sql, (campaign, target, why, now), "closed", (campaign, target, why), now)

    async def open_target(self, campaign: str, target: str, why: str, now: int) -> bool:
        """A person opens a target again; True if it had been closed."""
        sql = "DELETE FROM closing WHERE campaign = ? AND target = ?"
        return await self._change(sql, (campaign, target), "opened", (campaign, target, why), now)

    async def _change(self, sql: str, values: tuple[str | int, ...], event: str, told: tuple[str, str, str], now: int) -> bool:
        def work(db: apsw.Connection) -> bool:
            rows(db, sql, values)
            if not db.changes():
                return False
            campaign, target, why = told
            line = {"event": event, "campaign": campaign, "target": target, "who": Who.PERSON, "why": why}
            write_journal(db, now, [line])
            return True

        return bool(await self._engine.run(work))
