"""What is read beside letters: the queue for who looks ahead, what people do, what came in. Part of the ledger on SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mailer.ledger import Evidence, Lane, LogMark, Mailbox
from mailer.ledger.reading import ReadingPart

_QUEUE = """
SELECT campaign, target, country, max(next_attempt_at, ?1) / 3600, count(*) FROM letter
WHERE state IN ('queued', 'deferred') AND (target NOT GLOB '@*' OR target = '@receipt') GROUP BY campaign, target, country, 4
"""
_WENT = "SELECT address, at / 3600, count(*) FROM sent WHERE at > ? GROUP BY address, at / 3600"
_NTH = """
SELECT id FROM letter WHERE state IN ('queued', 'deferred') AND campaign = ? AND target = ? AND country = ?
ORDER BY next_attempt_at, id LIMIT 1 OFFSET ?
"""
# Whoever has not confirmed, where that is asked for, is not spoken for by hand either; nor is anybody of a file that is being
# read: what of it stays is only known at its end.
_BY_HAND = """
SELECT l.id, s.sealed FROM letter l JOIN signature s ON s.id = l.signature JOIN file f ON f.id = s.file
WHERE l.campaign = ? AND l.target = ? AND l.channel = ? AND l.state = 'by_hand' AND s.state = 'active' AND s.unconfirmed = 0
    AND f.state = 'done' ORDER BY l.id
"""
# A copy's way is not a target's: it stands in `recipients` with its role.
_HOPS = """
SELECT l.campaign, l.target, h.state, count(*) FROM hop h JOIN letter l ON l.id = h.letter
WHERE l.kind = 'letter' AND EXISTS (SELECT 1 FROM json_each(l.recipients) r
    WHERE json_extract(r.value, '$[0]') = h.address AND json_extract(r.value, '$[1]') <> 'copy') GROUP BY 1, 2, 3
"""


class ForeseeingPart(ReadingPart):
    """More that is read."""

    def queue(self, now: int) -> Mapping[Lane, Mapping[int, int]]:
        """
        How many letters wait in each lane, and receipts in theirs, by the hour since 1970 in which they are due; what is
        overdue, in that of now.
        """
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

    def by_hand(self, campaign: str, target: str, channel: str) -> Iterator[tuple[int, bytes]]:
        """The letters to a target that people carry so, (letter, sealed signature), in the order of their numbers."""
        yield from ((letter, sealed) for letter, sealed in self._query(_BY_HAND, (campaign, target, channel)))

    def nth_waiting(self, lane: Lane, number: int) -> int | None:
        """The number of the letter that goes as the `number`-th of a lane, from 0; None if there are fewer."""
        return next((row[0] for row in self._query(_NTH, (lane.campaign, lane.target, lane.country, number))), None)

    def evidence(self, letter: int) -> Sequence[Evidence]:
        """What came in about a letter behind its acceptance, oldest first."""
        sql = "SELECT at, kind, address, status, said FROM evidence WHERE letter = ? ORDER BY id"
        return [Evidence(*row) for row in self._query(sql, (letter,))]

    def answers(self) -> Mapping[tuple[str, str, str], tuple[int, int]]:
        """By (campaign, target, kind): how many pieces of evidence came by mail, and when the newest (seconds since 1970)."""
        sql = (
            "SELECT l.campaign, l.target, e.kind, count(*), max(e.at) FROM evidence e JOIN letter l ON l.id = e.letter"
            " WHERE e.source NOT GLOB 'log *' GROUP BY l.campaign, l.target, e.kind"
        )
        return {(campaign, target, kind): (count, at) for campaign, target, kind, count, at in self._query(sql)}

    def mailboxes(self) -> Sequence[Mailbox]:
        """How far each mailbox was read, and what keeps it from being read."""
        return [Mailbox(*row) for row in self._query("SELECT name, validity, uid, read_at, trouble FROM mailbox ORDER BY name")]

    def ignored(self) -> Mapping[str, int]:
        """How much mail said nothing that can be believed, by why."""
        return dict(self._query("SELECT why, count FROM mail_ignored"))

    def relay_logs(self) -> Sequence[LogMark]:
        """How far each log of a relay was read, and what keeps it from being read."""
        sql = "SELECT name, file, length, print, offset, read_at, trouble FROM relay_log ORDER BY name"
        return [LogMark(*row) for row in self._query(sql)]

    def hops(self) -> Mapping[tuple[str, str, str], int]:
        """By (campaign, target, state): of how many recipients of letters, but copies, the relay's log says so."""
        return {(campaign, target, state): count for campaign, target, state, count in self._query(_HOPS)}

    def waits_at_relay(self, since: int) -> Mapping[str, int]:
        """By campaign: how many letters the relay could not hand on since before a time (seconds since 1970), and has yet."""
        sql = (
            "SELECT l.campaign, count(DISTINCT l.id) FROM hop h JOIN letter l ON l.id = h.letter"
            " WHERE h.state = 'deferred' AND h.since < ? AND l.kind = 'letter' GROUP BY l.campaign"
        )
        return dict(self._query(sql, (since,)))
