"""
A letter on its way: claimed, marked, settled; and what a crash left of it. Part of the ledger on SQLite.

The order of these three transactions is the promise: a claim opens an attempt before any connection is asked; the mark is
durable before the dot leaves; the settlement is durable before the next dot of that connection.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import apsw

from mailer.campaign import Reason
from mailer.delivery import DUE, POISON, POISONOUS, Due, Fixed, Next, State, Who, ended
from mailer.ledger import Lane, Mark, Recovered
from mailer.ledger.engine import Engine, rows
from mailer.ledger.learning import came_back_whole
from mailer.ledger.leaving import end_all_left, end_if_left
from mailer.ledger.moves import close_attempt, move, packed, state_of, unpacked
from mailer.ledger.noticing import told_by
from mailer.outcome import Outcome, Recipient, Stage, Standing, Verdict
from mailer.pace import DAY

# Anything that stops the campaign of the letter at hand.
_STOPPED = "SELECT 1 FROM pause WHERE scope IN ('all', 'ledger', 'clock', 'campaign:' || letter.campaign)"
# The last fence, whatever path has queued it: of who has withdrawn, was erased or has not confirmed nothing goes out.
_MAY_BE_SENT_FOR = "SELECT 1 FROM signature WHERE id = letter.signature AND state = 'active' AND unconfirmed = 0"
# The state is asked once more of the row itself: what only a damaged index believes to be due is not sent again.
_CLAIM = f"""
UPDATE letter SET state = 'sending', reason = '', attempt = attempt + 1, next_attempt_at = NULL
WHERE id IN (
    SELECT id FROM letter
    WHERE state IN ('queued', 'deferred') AND campaign = ? AND target = ? AND country = ? AND next_attempt_at <= ?
    AND channel = 'email'
    AND NOT EXISTS ({_STOPPED}) AND (signature IS NULL OR EXISTS ({_MAY_BE_SENT_FOR}))
    ORDER BY next_attempt_at, id LIMIT ?)
    AND state IN ('queued', 'deferred')
RETURNING id, attempt, campaign, target, country, message_id, tries, first_tried_at, date, edition, language, sha256,
    recipients, deaths,
    (SELECT max(settled_at) FROM attempt WHERE letter = letter.id AND verdict NOT IN ('unsent', 'held')), signature
"""  # noqa: S608  all parts are ours
_OPEN = "INSERT INTO attempt (letter, number, worker, relay, opened_at) VALUES (?, ?, ?, ?, ?)"
_BY_RULE = frozenset(Reason)  # why rules hold what may go on by itself one day
# A target that was closed while its letters were in hand; the second is where they go if it has no address of its own.
_CLOSED = "SELECT 1 FROM closing WHERE campaign = letter.campaign AND target IN (letter.target, ?)"
_DOWN_SINCE = "SELECT min(down_since) FROM relay"
_MAY_GO = f"""
letter = ? AND number = ? AND marked_at IS NULL AND settled_at IS NULL
    AND EXISTS (SELECT 1 FROM letter WHERE id = attempt.letter AND state = 'sending' AND letter.attempt = attempt.number
        AND NOT EXISTS ({_STOPPED}) AND NOT EXISTS ({_CLOSED}))
"""  # noqa: S608  all parts are ours
_MARK = f"UPDATE attempt SET marked_at = ?, marked = ? WHERE {_MAY_GO}"  # noqa: S608  both parts are ours
_FIX = "UPDATE letter SET date = ?, edition = ?, language = ?, sha256 = ? WHERE id = ? AND sha256 IS NULL"
# The oldest come first. Each letter adds fewer rows than it may take away, so that none outlives its day for long, be it of an
# address that nobody writes to any more.
_FORGET_SENT = "DELETE FROM sent WHERE rowid IN (SELECT rowid FROM sent ORDER BY rowid LIMIT 50) AND at <= ?"
_SETTLE = """
UPDATE attempt SET settled_at = ?, verdict = ?, stage = ?, scope = ?, reason = ?, answer = ?, recipients = ?
WHERE letter = ? AND number = ? AND settled_at IS NULL
"""


class SendingPart:
    """Claims, dot marks, settlements and recovery."""

    _engine: Engine

    async def claim(self, lane: Lane, limit: int, worker: str, relay: str, now: int) -> Sequence[Due]:
        """Claim what is due in a lane, oldest first, and open an attempt for each; a paused campaign gives none."""

        def work(db: apsw.Connection) -> list[Due]:
            claimed = rows(db, _CLAIM, (lane.campaign, lane.target, lane.country, now, limit))
            db.executemany(_OPEN, [(row[0], row[1], worker, relay, now) for row in claimed])
            down_since = rows(db, _DOWN_SINCE)[0][0]
            due = (_as_old(_due(row, _sealed(db, row[-1])), down_since, now) for row in sorted(claimed))
            return [told_by(db, one) for one in due]

        return list(await self._engine.run(work))

    async def count_due(self, now: int) -> int:
        """How many letters are due, for a progress bar."""
        sql = (
            "SELECT count(*) FROM letter"
            " WHERE state IN ('queued', 'deferred') AND next_attempt_at <= ? AND target NOT GLOB '@*'"
        )
        return int((await self._engine.run(lambda db: rows(db, sql, (now,))))[0][0])

    async def sent_counts(self, asked: Sequence[tuple[Collection[str], int]]) -> Sequence[int]:
        """
        How many letters were counted under keys of the pace since a time, for each (keys, time); counted where they are, for
        they may be many.
        """
        sql = "SELECT count(*) FROM sent WHERE address = ? AND at > ?"

        def work(db: apsw.Connection) -> list[int]:
            return [sum(rows(db, sql, (key, since))[0][0] for key in keys) for keys, since in asked]

        return list(await self._engine.run(work))

    async def sent_back(self, asked: Sequence[tuple[Collection[str], int]]) -> Sequence[int | None]:
        """
        When the N-th last letter was counted under any of some keys of the pace, for each (keys, N); None where fewer are on
        record.
        """
        sql = "SELECT at FROM sent WHERE address = ?1 ORDER BY at DESC LIMIT ?3 OFFSET ?2 - ?3"

        def work(db: apsw.Connection) -> list[int | None]:
            found: list[int | None] = []
            for keys, nth in asked:
                # Of one key only the N-th is read; of several any may be the N-th of all.
                most = 1 if len(keys) == 1 else nth
                at = sorted((row[0] for key in keys for row in rows(db, sql, (key, nth, most))), reverse=True)
                found.append(at[most - 1] if len(at) >= most else None)
            return found

        return list(await self._engine.run(work))

    async def may_go(self, due: Due) -> bool:
        """Whether a mark would be given now: no order took the letter back, nothing is paused, and its target is not closed."""
        sql = f"SELECT 1 FROM attempt WHERE {_MAY_GO}"  # noqa: S608  both parts are ours
        return bool(await self._engine.run(lambda db: rows(db, sql, (due.letter, due.attempt, ""))))

    async def mark(self, due: Due, mark: Mark, now: int) -> bool:
        """
        Make durable that the dot may leave from now on, and for whom.

        False means that this attempt is not ours any more, that sending was paused, or that its target was closed: close the
        connection, send no dot.
        """

        def work(db: apsw.Connection) -> bool:
            db.execute(_MARK, (now, json.dumps(mark.meant), due.letter, due.attempt, mark.via))
            if not db.changes():
                return False
            standing = packed(_beside_what_came(db, due, mark.recipients))
            db.execute("UPDATE letter SET recipients = ? WHERE id = ?", (standing, due.letter))
            if due.fixed is None:
                fixed = mark.fixed
                db.execute(_FIX, (fixed.date, fixed.edition, fixed.language, fixed.sha256, due.letter))
            at = now if mark.counted_at is None else mark.counted_at
            db.executemany("INSERT INTO sent (address, at) VALUES (?, ?)", [(key, at) for key in mark.paced])
            db.execute(_FORGET_SENT, (now - DAY,))
            return True

        return bool(await self._engine.run(work))

    async def settle(self, due: Due, outcome: Outcome, then: Next, fixed: Fixed | None, now: int) -> bool:
        """
        Write the outcome of an attempt with its letter's next state, in one transaction with the journal line.

        `fixed` is given once bytes of the letter may have left. False means that the letter was moved meanwhile. While another
        program holds the ledger it waits long: if it gave up, a letter whose answer is known would be in doubt.
        """

        def work(db: apsw.Connection) -> bool:
            verdict = _verdict_of_the_attempt(outcome)
            values = (
                now,
                verdict,
                outcome.stage,
                outcome.scope,
                outcome.reason,
                outcome.answer,
                packed(outcome.recipients),
            )
            db.execute(_SETTLE, (*values, due.letter, due.attempt))
            if not db.changes():
                return False
            if fixed is not None:
                db.execute(_FIX, (fixed.date, fixed.edition, fixed.language, fixed.sha256, due.letter))
            sql = "UPDATE letter SET recipients = ?, tries = ?, first_tried_at = ? WHERE id = ?"
            after = _beside_what_came(db, due, then.recipients)
            db.execute(sql, (packed(after), then.tries, then.first_tried_at, due.letter))
            told = {"attempt": due.attempt, "stage": outcome.stage, "reply": outcome.answer}
            letter = (due.letter, State.SENDING, due.attempt)
            moved = move(db, letter, then.state, Who.WORKER, then.reason, now, at=then.at, told=told)
            if moved and then.state is State.ACCEPTED and came_back_whole(after):
                move(db, (due.letter, State.ACCEPTED, due.attempt), State.BOUNCED, Who.RULE, "it came back", now)
            if then.state in DUE:
                end_if_left(db, due.letter, now)
            return moved

        return bool(await self._engine.run(work, is_patient=True))

    async def let_go(
        self, due: Due, state: State, who: Who, reason: str, detail: str, now: int, *, at: int | None = None
    ) -> bool:
        """
        Give a claimed letter back unsent: queued again, due `at` a time or at once, or held with a reason.

        A letter whose dot mark stands is not let go, whoever asks: it goes in doubt.
        """

        def work(db: apsw.Connection) -> bool:
            sql = "SELECT marked FROM attempt WHERE letter = ? AND number = ? AND marked_at IS NOT NULL AND settled_at IS NULL"
            if marked := rows(db, sql, (due.letter, due.attempt)):
                return _doubt(db, due.letter, due.attempt, marked[0][0], detail or reason, now)
            close_attempt(db, due.letter, due.attempt, "held" if state is State.HELD else "unsent", detail or reason, now)
            told: dict[str, object] = {"attempt": due.attempt} | ({"detail": detail} if detail else {})
            letter = (due.letter, State.SENDING, due.attempt)
            then = Next(state, reason, (at or now) if state is State.QUEUED else None)
            if reason in _BY_RULE and any(recipient.may_have_it for recipient in due.recipients):
                then = ended(due.recipients, state, reason)  # a resend that is stopped: in doubt again, and shown
            moved = move(db, letter, then.state, who, then.reason, now, at=then.at, told=told)
            if moved and then.recipients:
                db.execute("UPDATE letter SET recipients = ? WHERE id = ?", (packed(then.recipients), due.letter))
            return moved

        return bool(await self._engine.run(work))

    async def recover(self, now: int, written: tuple[int, int] | None = None) -> Recovered:
        """
        Put right what a crash left, in one transaction: without a dot mark nothing was sent, with it the letter is in doubt.

        Only for whoever holds the lock: every open attempt is taken for dead. Running it again changes nothing. `written` is
        the (letter, attempt) in whose writing the dead worker was: a letter in which several have died is held. Notices are put
        right as well, and not counted.
        """

        def work(db: apsw.Connection) -> Recovered:
            unmarked = rows(db, "SELECT letter, number FROM attempt WHERE settled_at IS NULL AND marked_at IS NULL")
            if written in unmarked:
                db.execute("UPDATE letter SET deaths = deaths + 1 WHERE id = ? AND attempt = ?", written)
            gone = [(letter, _let_go_dead(db, letter, number, now)) for letter, number in unmarked]
            let_go = Counter(state for letter, state in gone if _is_letter(db, letter))
            marked = rows(db, "SELECT letter, number, marked FROM attempt WHERE settled_at IS NULL")
            why = "the worker stopped behind the dot mark"
            doubts = [letter for letter, number, meant in marked if _doubt(db, letter, number, meant, why, now)]
            in_doubt = sum(_is_letter(db, letter) for letter in doubts)
            end_all_left(db, now)
            return Recovered(let_go[State.QUEUED], in_doubt, let_go[State.HELD])

        recovered: Recovered = await self._engine.run(work)
        return recovered


def _beside_what_came(db: apsw.Connection, due: Due, after: Sequence[Recipient]) -> Sequence[Recipient]:
    """Recipients behind an attempt: whom it did not ask stands as in the ledger, for a bounce may have come in meanwhile."""
    if not due.recipients:  # the first attempt asks everybody
        return after
    before = {one.address: one for one in due.recipients}
    text = rows(db, "SELECT recipients FROM letter WHERE id = ?", (due.letter,))[0][0]
    now = {one.address: one for one in unpacked(text)}
    return [now.get(one.address, one) if before.get(one.address) == one else one for one in after]


def _verdict_of_the_attempt(outcome: Outcome) -> str:
    """
    What this attempt came to, which is not always what the letter came to: a letter that its `to` accepted before is accepted
    once its cc has refused, and that attempt ended without a dot; one that was in doubt is in doubt still.
    """
    if not outcome.reached_mail:
        return "unsent"
    if outcome.attempt is not None:
        return str(outcome.attempt)
    if outcome.verdict is Verdict.ACCEPTED and outcome.stage is not Stage.DOT:
        return "refused"
    return str(outcome.verdict)


def _is_letter(db: apsw.Connection, letter: int) -> bool:
    return bool(rows(db, "SELECT 1 FROM letter WHERE id = ? AND kind = 'letter'", (letter,)))


def _let_go_dead(db: apsw.Connection, letter: int, number: int, now: int) -> State | None:
    """Where a letter goes whose attempt died before the dot; None where it was moved meanwhile."""
    why, state, told = "the worker stopped before the dot", State.QUEUED, {}
    deaths = rows(db, "SELECT deaths FROM letter WHERE id = ?", (letter,))[0][0]
    if deaths >= POISONOUS:
        why, state, told = POISON, State.HELD, {"detail": f"{deaths} workers died while they wrote it"}
    close_attempt(db, letter, number, "held" if state is State.HELD else "unsent", told.get("detail", why), now)
    if state_of(db, letter) != (letter, State.SENDING, number):
        return None
    at = now if state is State.QUEUED else None
    return state if move(db, (letter, State.SENDING, number), state, Who.RULE, why, now, at=at, told=told) else None


def _doubt(db: apsw.Connection, letter: int, number: int, marked: str, why: str, now: int) -> bool:
    close_attempt(db, letter, number, "in_doubt", why, now)
    if state_of(db, letter) != (letter, State.SENDING, number):
        return False
    meant = set(json.loads(marked))
    text = rows(db, "SELECT recipients FROM letter WHERE id = ?", (letter,))[0][0]
    after = [replace(r, state=Standing.IN_DOUBT) if r.address in meant else r for r in unpacked(text)]
    db.execute("UPDATE letter SET recipients = ? WHERE id = ?", (packed(after), letter))
    return move(db, (letter, State.SENDING, number), State.IN_DOUBT, Who.RULE, why, now)


def _due(row: tuple[Any, ...], sealed: bytes) -> Due:
    (
        letter,
        attempt,
        campaign,
        target,
        country,
        message_id,
        tries,
        first,
        date,
        edition,
        language,
        sha256,
        recipients,
        deaths,
        reached_mail_at,
        _,
    ) = row
    fixed = Fixed(date, edition, language, sha256) if sha256 else None
    known = unpacked(recipients)
    return Due(
        letter, attempt, campaign, target, country, sealed, message_id, tries, first, fixed, known, deaths, reached_mail_at
    )


def _as_old(due: Due, down_since: int | None, now: int) -> Due:
    """A letter in hand when an outage ends, or with which it ends, is as old as when the outage began."""
    if down_since is None or due.first_tried_at is None:
        return due
    return replace(due, first_tried_at=due.first_tried_at + max(0, now - max(due.first_tried_at, down_since)))


def _sealed(db: apsw.Connection, signature: object) -> bytes:
    found = rows(db, "SELECT sealed FROM signature WHERE id = ?", (signature,))
    return found[0][0] or b"" if found else b""
