"""
The one door for a letter's state, inside a transaction: compare, set, and write the journal line.

What is not in `delivery.MOVES` raises; what another worker or a person has moved meanwhile changes no row and gives False.
These are functions of an open transaction; the methods that call them are in `standing`, `taking` and `sending`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import apsw

from mailer import chain
from mailer.chain import Link
from mailer.delivery import State, Who, may_move, waits
from mailer.errors import MailerError
from mailer.notice import is_notice
from mailer.outcome import Recipient, Role, Standing
from mailer.pace import BACK, went_back

LETTER = "SELECT id, state, attempt, recipients FROM letter WHERE id = ?"
# A letter that was held is as old as on its release: the time in which it could not go does not give it up.
MOVE = (
    "UPDATE letter SET state = :new, reason = :why, held_by = :held_by, next_attempt_at = :at,"
    " first_tried_at = iif(state = 'held', NULL, first_tried_at),"
    " accepted_at = coalesce(:accepted_at, accepted_at) WHERE id = :id AND state = :old AND attempt = :attempt"
    " RETURNING campaign, target"
)


def move(
    db: apsw.Connection,
    letter: tuple[int, State, int],
    new: State,
    who: Who,
    why: str,
    now: int,
    *,
    at: int | None = None,
    told: Mapping[str, object] | None = None,
) -> bool:
    """
    Move one letter, given as (id, the state and the attempt it is believed to have).

    `at` is when it is due (seconds since 1970) where the new state waits; `told` is added to its journal line.

    Raises:
        MailerError: the table of moves does not allow this one; nothing is changed.
    """
    number, old, attempt = letter
    if not may_move(State(old), new):
        raise MailerError(f"letter {number} cannot move from {old} to {new}: this is a bug in mailer")
    held_by = None if new is not State.HELD else "person" if who is Who.PERSON else "rule"
    values = {"new": new, "why": why, "held_by": held_by, "at": at, "id": number, "old": old, "attempt": attempt}
    row = db.execute(MOVE, values | {"accepted_at": now if new is State.ACCEPTED else None}).fetchone()
    if row is None:
        return False
    line = {
        "event": "notice" if is_notice(row[1]) else "letter",
        "letter": number,
        "campaign": row[0],
        "target": row[1],
        "from": old,
        "to": new,
        "who": who,
    }
    write_journal(db, now, [line | ({"why": why} if why else {}) | dict(told or {})])
    return True


def move_each(db: apsw.Connection, rows: Iterable[tuple[int, str, int]], new: State, why: str, now: int) -> int:
    """A rule moves letters, given as (id, state, attempt); gives how many moved."""
    at = now if new in {State.QUEUED, State.DEFERRED} else None
    return sum(move(db, (id, State(state), attempt), new, Who.RULE, why, now, at=at) for id, state, attempt in rows)


def let_wait(
    db: apsw.Connection,
    letter: tuple[int, State, int],
    who: Who,
    why: str,
    now: int,
    *,
    told: Mapping[str, object] | None = None,
) -> State | None:
    """Let a letter wait for its turn; gives where: queued, or by hand if people carry it. None: it did not move."""
    ((channel,),) = db.execute("SELECT channel FROM letter WHERE id = ?", (letter[0],)).fetchall()
    new = waits(str(channel))
    is_moved = move(db, letter, new, who, why, now, at=now if new is State.QUEUED else None, told=told)
    return new if is_moved else None


def close_attempt(db: apsw.Connection, letter: int, number: int, verdict: str, reason: str, now: int) -> None:
    """End an attempt that has no outcome of its own: let go unsent, held, or cut off behind its dot mark."""
    sql = "UPDATE attempt SET settled_at = ?, verdict = ?, reason = ? WHERE letter = ? AND number = ? AND settled_at IS NULL"
    db.execute(sql, (now, verdict, reason, letter, number))


# `since` is where the time begins that is not counted; `at` is when it was said.
PAUSE = "INSERT INTO pause (scope, who, why, at, since) VALUES (?1, ?2, ?3, ?4, ?4) ON CONFLICT DO NOTHING"


def write_journal(
    db: apsw.Connection, now: int, events: Iterable[Mapping[str, object]], *, is_clock_trusted: bool = False
) -> None:
    """
    Forge the next links of the journal's chain, inside the transaction of what they tell.

    Whoever would write a line long before the last one stops everything for the clock with it: later lines would hide it.
    """
    row = db.execute("SELECT seq, line, hash FROM journal ORDER BY seq DESC LIMIT 1").fetchone()
    last = Link(*row) if row else None
    at = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if last and not is_clock_trusted and (behind := chain.told_at(last) - now) > BACK:
        db.execute(PAUSE, ("clock", Who.RULE, went_back(behind), now))
        if db.changes():
            events = [{"event": "paused", "scope": "clock", "who": Who.RULE, "why": went_back(behind)}, *events]
    for event in events:
        last = chain.link(last, {"at": at, **event})
        db.execute("INSERT INTO journal (seq, line, hash) VALUES (?, ?, ?)", (last.seq, last.line, last.hash))


def packed(recipients: Iterable[Recipient]) -> str:
    """Recipients as the ledger keeps them: [[address, role, state, reply], ...]; what they remember follows where they do."""
    told = [
        [r.address, r.role, r.state, r.reply, *([r.why, r.times] if r.times or r.may_have_it else []), *[True] * r.may_have_it]
        for r in recipients
    ]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def unpacked(text: str) -> tuple[Recipient, ...]:
    """Recipients as `packed` wrote them; nothing at all, as a damaged page may give, is no JSON."""
    return tuple(Recipient(a, Role(role), Standing(state), *rest) for a, role, state, *rest in json.loads(text or ""))


def rows_of(text: str) -> tuple[tuple[str, str, str, str], ...]:
    """The same for reports, as plain texts."""
    return tuple((a, role, state, reply) for a, role, state, reply, *_ in json.loads(text or ""))


def next_number(db: apsw.Connection) -> int:
    """The number of the next letter or notice: one that none ever had."""
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'letter'").fetchone()
    return 1 + int(found[0] if found else 0)


def state_of(db: apsw.Connection, letter: int) -> tuple[int, State, int] | None:
    """A letter as (id, state, attempt), for the compare-and-set; None if there is none."""
    row = db.execute("SELECT id, state, attempt FROM letter WHERE id = ?", (letter,)).fetchone()
    return (row[0], State(row[1]), row[2]) if row else None
