"""What the commands read: letters, attempts, files, counts, the journal. Part of the ledger on SQLite; it writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from mailer.chain import Link
from mailer.ledger import Attempt, Count, Erasure, FileRecord, Hop, Record, Selection
from mailer.ledger.engine import FAILURES, close, connect, translated
from mailer.ledger.moves import rows_of
from mailer.ledger.schema import undo
from mailer.notice import Lane

_IS_LETTER = "target NOT GLOB '@*'"  # asked of the target, so that an index answers it
_WAITS = f"state IN ('queued', 'deferred') AND {_IS_LETTER}"
_RECORD = """
SELECT l.id, l.campaign, l.signature, l.target, l.channel, l.state, l.reason, coalesce(l.held_by, ''), s.country,
    l.attempt, l.tries, l.message_id, l.recipients, coalesce(a.answer, ''), coalesce(a.relay, ''), s.line, l.queued_at,
    l.next_attempt_at, l.accepted_at, coalesce(l.language, ''), coalesce(l.sha256, ''), s.sealed,
    (SELECT json_group_array(json_array(address, state, server, status, said, at, since, times, queue))
        FROM hop WHERE letter = l.id)
FROM letter l JOIN signature s ON s.id = l.signature
LEFT JOIN attempt a ON a.letter = l.id AND a.number = l.attempt
WHERE l.kind = 'letter'
"""

# The journal tells every move but claims; so a letter stands where its last line left it, or is being sent from there.
_TOLD = """
WITH told AS MATERIALIZED (
    SELECT json_extract(line, '$.letter') AS letter, json_extract(line, '$.to') AS state, max(seq) FROM journal
    WHERE json_extract(line, '$.event') IN ('letter', 'notice') GROUP BY 1)
"""
_OTHERWISE = f"""{_TOLD}
SELECT told.letter, l.state, told.state FROM told CROSS JOIN letter l ON l.id = told.letter
WHERE told.state <> l.state AND NOT (l.state = 'sending' AND told.state IN ('queued', 'deferred')) LIMIT 20
"""  # noqa: S608  both parts are ours
_UNTOLD = f"""{_TOLD}
SELECT id, state, 'nothing of it' FROM letter WHERE state NOT IN ('queued', 'held', 'by_hand', 'sending')
    AND id NOT IN (SELECT letter FROM told) LIMIT 20
"""  # noqa: S608  both parts are ours
# What a reading had brought and a later one did not is forgotten, and told as `dropped` by the line of its file.
_GONE = f"""{_TOLD}
SELECT letter, 'not there', state FROM told WHERE letter NOT IN (SELECT id FROM letter)
    AND NOT EXISTS (SELECT 1 FROM journal WHERE json_extract(line, '$.dropped') IS NOT NULL) LIMIT 20
"""  # noqa: S608  both parts are ours
_UNWRITTEN = (
    "SELECT id FROM signature s WHERE NOT EXISTS (SELECT 1 FROM letter WHERE signature = s.id AND kind = 'letter') LIMIT 20"
)
_UNCOUNTED = """
SELECT id, taken, coalesce(there, 0)
    FROM file LEFT JOIN (SELECT file AS of, count(*) AS there FROM signature GROUP BY file) ON of = file.id
    WHERE state = 'done' AND taken <> coalesce(there, 0) LIMIT 20
"""
_UNFENCED = """
SELECT l.id, s.state FROM signature s JOIN letter l ON l.signature = s.id
WHERE s.state <> 'active' AND l.state IN ('held', 'queued', 'deferred', 'by_hand') LIMIT 20
"""
_UNLISTED = """
SELECT id FROM signature s WHERE state <> 'active'
    AND NOT EXISTS (SELECT 1 FROM withdrawal w WHERE w.campaign = s.campaign AND w.person = s.person) LIMIT 20
"""
# The tables refuse such sums; what has written past them is told.
_SUMS = """
SELECT id FROM file WHERE state = 'done' AND (read <> taken + known + refused OR held > taken OR unconfirmed > held
    OR confirmed + withdrawn + left_out > known) LIMIT 20
"""
_UNBACKED = """
SELECT l.id FROM letter l WHERE l.state = 'accepted' AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.letter = l.id
    AND a.marked_at IS NOT NULL AND a.verdict IN ('accepted', 'in_doubt', 'deferred')) LIMIT 20
"""


class ReadingPart:
    """A second connection, for one reader; in WAL mode it neither waits for the writer nor holds it up."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = connect(path)
        self._reader.execute("PRAGMA query_only = ON")

    def close(self) -> None:
        """Close the reader's connection."""
        close(self._reader)

    @contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """What is read within is of one moment, whatever is written meanwhile."""
        with self._told():
            self._reader.execute("BEGIN")
        try:
            yield
        finally:
            undo(self._reader)

    def _query(self, sql: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        with self._told():
            yield from self._reader.execute(sql, tuple(values))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FAILURES as problem:
            raise translated(problem, self._path) from problem

    def records(self, selection: Selection) -> Iterator[Record]:
        """The letters that are meant, as a stream, in the order of their numbers."""
        wanted = {
            "l.campaign": selection.campaign,
            "l.target": selection.target,
            "l.state": selection.state,
            "l.reason": selection.reason,
            "l.id": selection.letter,
            "s.file": selection.file,
        }
        given = {column: value for column, value in wanted.items() if value not in ("", None)}
        sql = _RECORD + "".join(f" AND {column} = ?" for column in given)
        sql += " ORDER BY l.id" + (" DESC" if selection.newest_first else "")
        sql += f" LIMIT {int(selection.limit)}" if selection.limit is not None else ""
        for row in self._query(sql, list(given.values())):
            with self._told():
                hops = tuple(Hop(*one) for one in json.loads(row[-1] or ""))
                values: list[Any] = [*row[:12], rows_of(row[12]), *row[13:-1], hops]
            yield Record(*values)

    def attempts(self, letter: int) -> Sequence[Attempt]:
        """Every attempt of a letter, oldest first."""
        sql = (
            "SELECT number, worker, relay, opened_at, marked_at, settled_at, coalesce(verdict, ''), stage, reason, answer,"
            " recipients FROM attempt WHERE letter = ? ORDER BY number"
        )
        with self._told():
            found: list[list[Any]] = [[*row[:10], rows_of(row[10])] for row in self._query(sql, (letter,))]
        return [Attempt(*values) for values in found]

    def files(self) -> Sequence[FileRecord]:
        """Every file that was taken in or set aside, oldest first."""
        counts = [one.name for one in fields(Count)]
        sql = f"SELECT id, coalesce(campaign, ''), state, reason, claim, {', '.join(counts)} FROM file ORDER BY id"  # noqa: S608
        found: list[list[Any]] = [[*row[:3], Count(*row[5:]), *row[3:5]] for row in self._query(sql)]
        return [FileRecord(*values) for values in found]

    def set_aside(self, since: int) -> Sequence[int]:
        """The numbers of the files that were set aside whole since a time (seconds since 1970)."""
        sql = "SELECT id FROM file WHERE state = 'rejected' AND ended_at > ? ORDER BY id"
        return [row[0] for row in self._query(sql, (since,))]

    def tally(self) -> Mapping[tuple[str, str, str], int]:
        """The number of letters by (campaign, target, state)."""
        sql = f"SELECT campaign, target, state, count(*) FROM letter WHERE {_IS_LETTER} GROUP BY campaign, target, state"  # noqa: S608
        return {(campaign, target, state): count for campaign, target, state, count in self._query(sql)}

    def notices(self) -> Mapping[tuple[str, str, str, str], int]:
        """The number of notices by (campaign, lane, state, reason)."""
        sql = (
            "SELECT campaign, target, state, reason, count(*) FROM letter WHERE kind = 'notice'"
            " AND target IN (SELECT value FROM json_each(?)) AND campaign IN (SELECT id FROM campaign)"
            " GROUP BY campaign, target, state, reason"
        )
        return {(campaign, lane, *how): count for campaign, lane, *how, count in self._query(sql, (json.dumps(list(Lane)),))}

    def signatures(self) -> Mapping[str, int]:
        """The number of signatures by campaign."""
        return dict(self._query("SELECT campaign, count(*) FROM signature GROUP BY campaign"))

    def silent(self) -> Mapping[tuple[str, str], int]:
        """The number of signatures for which nothing is sent, by (campaign, unconfirmed | withdrawn | erased)."""
        sql = (
            "SELECT campaign, iif(state = 'active', 'unconfirmed', state), count(*) FROM signature"
            " WHERE state <> 'active' OR unconfirmed = 1 GROUP BY campaign, 2"
        )
        return {(campaign, how): count for campaign, how, count in self._query(sql)}

    def name_of(self, file: int) -> tuple[str, bytes] | None:
        """What opens the name of a file, (campaign, sealed); None where nobody of it is on record."""
        sql = "SELECT campaign, sealed FROM signature WHERE file = ? AND sealed IS NOT NULL ORDER BY id DESC LIMIT 1"
        return next(((campaign, sealed) for campaign, sealed in self._query(sql, (file,))), None)

    def erasures(self) -> Sequence[Erasure]:
        """The erasures that are not finished, oldest first."""
        return [Erasure(*row) for row in self._query("SELECT id, campaign, sealed FROM erasure ORDER BY id")]

    def letters_of(self, persons: Sequence[tuple[str, bytes]]) -> Sequence[tuple[str, str]]:
        """
        The letters and notices of people, (campaign, person) each, and the digests in which such a letter is written out: the
        Message-ID and the state of each.
        """
        sql = (
            "WITH theirs AS (SELECT l.* FROM signature s JOIN letter l ON l.signature = s.id"
            " WHERE s.campaign = ? AND s.person = ?)"
            " SELECT message_id, state FROM theirs UNION SELECT l.message_id, l.state FROM letter l"
            " JOIN notice n ON n.letter = l.id WHERE l.target = '@digest' AND EXISTS"
            " (SELECT 1 FROM json_each(n.facts, '$.letters') d JOIN theirs ON theirs.id = d.value)"
        )
        return [(id, state) for person in persons for id, state in self._query(sql, person)]

    def in_hand(self) -> tuple[int, int]:
        """How many letters are being sent, and of how many of them the final dot may have gone out."""
        sql = "SELECT count(*), count(marked_at) FROM attempt WHERE settled_at IS NULL"
        in_hand, marked = next(self._query(sql))
        return in_hand, marked

    def reasons(self) -> Mapping[tuple[str, str, str], int]:
        """The number of letters that need a look, by (campaign, state, reason)."""
        sql = (
            f"SELECT campaign, state, reason, count(*) FROM letter WHERE reason <> '' AND {_IS_LETTER}"  # noqa: S608
            " AND state IN ('held', 'deferred', 'refused', 'in_doubt', 'expired')"
            " GROUP BY campaign, state, reason ORDER BY campaign, state, count(*) DESC"
        )
        return {(campaign, state, reason): count for campaign, state, reason, count in self._query(sql)}

    def waits(self, now: int, bounds: Sequence[int]) -> Mapping[tuple[str, str], Sequence[int]]:
        """
        What waits to go out, by (campaign, target): how many letters, how many of them are due, and how many of each age.

        `bounds` are ages in seconds, rising; the last count is of what is older than all of them. A letter's age begins when
        it was taken in.
        """
        younger = [f"sum(?1 - queued_at <= {int(bound)})" for bound in bounds]  # each with those before it
        counts = ", ".join(["count(*)", "sum(next_attempt_at <= ?1)", *younger])
        of = f"FROM letter WHERE state IN ('queued', 'deferred') AND {_IS_LETTER} GROUP BY campaign, target"
        sql = f"SELECT campaign, target, {counts} {of}"
        return {
            (campaign, target): [count, due, *(more - less for less, more in pairwise([0, *younger, count]))]
            for campaign, target, count, due, *younger in self._query(sql, (now,))
        }

    def refused_lately(self, reason: str, since: int) -> Mapping[str, int]:
        """How many letters were refused for a reason behind their envelope since a time, by campaign."""
        sql = (
            "SELECT l.campaign, count(*) FROM letter l JOIN attempt a ON a.letter = l.id AND a.number = l.attempt"
            " WHERE l.kind = 'letter' AND l.state = 'refused' AND l.reason = ?"
            " AND a.stage IN ('data', 'body', 'dot') AND a.settled_at > ?"
            " GROUP BY l.campaign"
        )
        return dict(self._query(sql, (reason, since)))

    def deferred_often(self, times: int) -> Mapping[str, int]:
        """How many letters are deferred that were so many times and more, by campaign."""
        sql = (
            "SELECT campaign, count(*) FROM letter l WHERE kind = 'letter' AND state = 'deferred' AND attempt >= ?1"
            " AND (SELECT count(*) FROM attempt WHERE letter = l.id AND verdict = 'deferred') >= ?1 GROUP BY campaign"
        )
        return dict(self._query(sql, (times,)))

    def disagreements(self) -> Iterator[str]:
        """Where the ledger does not agree with itself; nothing if all is well. Reads every page: minutes for millions."""
        for (problem,) in self._query("PRAGMA integrity_check(20)"):
            if problem != "ok":
                yield f"the ledger's file: {problem}"
        for table, row, *_ in self._query("PRAGMA foreign_key_check"):
            yield f"table {table}, row {row}: it names a row that is not there"
        for sql in (_OTHERWISE, _UNTOLD, _GONE):
            for letter, state, told in self._query(sql):
                yield f"letter {letter} is {state}, but the journal says {told}"
        for (signature,) in self._query(_UNWRITTEN):
            yield f"signature {signature} has no letter"
        for file, taken, there in self._query(_UNCOUNTED):
            yield f"file {file}: {taken} signatures were taken in, {there} are there"
        for (file,) in self._query(_SUMS):
            yield f"file {file}: its rows do not sum up to what was taken, known and rejected"
        for letter, how in self._query(_UNFENCED):
            yield f"letter {letter} waits, though its signatory is {how}"
        for (signature,) in self._query(_UNLISTED):
            yield f"signature {signature} is withdrawn or erased, but a later file would bring it back"
        for (letter,) in self._query(_UNBACKED):
            yield f"letter {letter} is accepted, but no attempt of it reached the dot"

    def accepted_by(self, relays: Sequence[str]) -> int:
        """How many letters were accepted by relays of these names. Reads every accepted letter: seconds for millions."""
        sql = (
            "SELECT count(*) FROM letter l JOIN attempt a ON a.letter = l.id AND a.number = l.attempt"
            " WHERE l.kind = 'letter' AND l.state = 'accepted' AND a.relay IN (SELECT value FROM json_each(?))"
        )
        return int(next(self._query(sql, (json.dumps(list(relays)),)))[0])

    def oldest_due(self, now: int) -> int | None:
        """Since when the letter that waits longest has been due, in seconds since 1970; None if none is."""
        sql = f"SELECT min(next_attempt_at) FROM letter WHERE {_WAITS} AND next_attempt_at <= ?"  # noqa: S608
        return next((row[0] for row in self._query(sql, (now,))), None)

    def next_attempt_at(self) -> int | None:
        """When the next letter is due, in seconds since 1970."""
        sql = f"SELECT min(next_attempt_at) FROM letter WHERE {_WAITS}"  # noqa: S608
        return next((row[0] for row in self._query(sql)), None)

    def journal(self, behind: int, limit: int) -> Sequence[Link]:
        """The journal's lines behind a number, at most so many."""
        sql = "SELECT seq, line, hash FROM journal WHERE seq > ? ORDER BY seq LIMIT ?"
        return [Link(*row) for row in self._query(sql, (behind, limit))]

    def link(self, seq: int) -> Link | None:
        """One line of the journal."""
        return next((Link(*row) for row in self._query("SELECT seq, line, hash FROM journal WHERE seq = ?", (seq,))), None)

    def last_link(self) -> Link | None:
        """The newest line of the journal."""
        return next((Link(*row) for row in self._query("SELECT seq, line, hash FROM journal ORDER BY seq DESC LIMIT 1")), None)
