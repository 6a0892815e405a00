"""What is known of the queue for whoever looks ahead, and what is for people to do. Part of the ledger on SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mailer.ledger import Lane
from mailer.ledger.reading import ReadingPart

_QUEUE = """
SELECT campaign, target, country, max(next_attempt_at, ?1) / 3600, count(*) FROM letter
WHERE state IN ('queued', 'deferred') AND target NOT GLOB '@*' GROUP BY campaign, target, country, 4
"""
_WENT = "SELECT address, at / 3600, count(*) FROM sent WHERE at > ? GROUP BY address, at / 3600"
_NTH = """
SELECT id FROM letter WHERE state IN ('queued', 'deferred') AND campaign = ? AND target = ? AND country = ?
ORDER BY next_attempt_at, id LIMIT 1 OFFSET ?
"""
# Whoever has not confirmed, where that is asked for, is not spoken for by hand either.
_BY_HAND = """
SELECT l.id, s.sealed FROM letter l JOIN signature s ON s.id = l.signature
WHERE l.campaign = ? AND l.target = ? AND l.state = 'by_hand' AND s.state = 'active' AND s.unconfirmed = 0 ORDER BY l.id
"""


class ForeseeingPart(ReadingPart):
    """More that is read."""

    def queue(self, now: int) -> Mapping[Lane, Mapping[int, int]]:
        """How many letters wait in each lane, by the hour since 1970 in which they are due, what is overdue in that of now."""
        found: dict[Lane, dict[int, int]] = {}
        for campaign, target, country, hour, count in self._query(_QUEUE, (now,)):
            found.setdefault(Lane(campaign, target, country), {})[hour] = count
        return found

    def went(self, since: int) -> Mapping[str, Mapping[int, int]]:
        """How many letters were counted under each key of the pace since a time, by the hour since 1970."""
        found: dict[str, dict[int, int]] = {}
        for key, hour, count in self._query(_WENT, (since,)):
            found.setdefault(key, {})[hour] = count
        return found

    def by_hand(self, campaign: str, target: str) -> Iterator[tuple[int, bytes]]:
        """The letters to a target that are for people to do, (letter, sealed signature), in the order of their numbers."""
        yield from ((letter, sealed) for letter, sealed in self._query(_BY_HAND, (campaign, target)))

    def nth_waiting(self, lane: Lane, number: int) -> int | None:
        """The number of the letter that goes as the `number`-th of a lane, from 0; None if there are fewer."""
        return next((row[0] for row in self._query(_NTH, (lane.campaign, lane.target, lane.country, number))), None)
