"""
The end of a letter that waits or is held, because no more of it is sent: by a rule or a person. Part of the ledger on SQLite.

What a `to` has accepted ends as accepted, and what somebody may have from before, because a resend of it came to no end, is in
doubt again. What was held because an older ledger was put back ends with that in its reason. The way there is the table's: it
is claimed and settled in one transaction, by an attempt that opens no connection. So nothing leaves, and the record tells why.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import apsw

from mailer.delivery import MAY_BE_OUT, RESTORED, State, Who, ended, given_up, has_reached
from mailer.ledger.engine import rows
from mailer.ledger.moves import close_attempt, move, packed, unpacked
from mailer.outcome import EARLIER, Standing

# What somebody ended no rule sends again, should it be in doubt.
_CLAIMED = """
UPDATE letter SET state = 'sending', attempt = attempt + 1, next_attempt_at = NULL, recipients = ?, resent = 1
WHERE id = ? AND attempt = ?
"""
_MARKED = "SELECT 1 FROM attempt WHERE letter = ? AND number = ? AND marked_at IS NOT NULL"
_RESTORED = "SELECT 1 FROM letter WHERE id = ? AND state = 'held' AND reason = ?"
_UNSENT = """
INSERT INTO attempt (letter, number, worker, relay, opened_at, settled_at, verdict, reason)
SELECT letter, number + 1, ?1, relay, ?2, ?2, 'unsent', ?3 FROM attempt WHERE letter = ?4 AND number = ?5
"""


def end(
    db: apsw.Connection, row: tuple[int, str, int, str], state: State, who: Who, why: str, now: int, *, said: str = ""
) -> State | None:
    """
    End a letter, given as (id, state, attempt, recipients), in `state` or as those say who have accepted it; gives in which.
    None: it stood elsewhere. `said` are a person's words.
    """
    letter, old, attempt, text = row
    if old == State.IN_DOUBT:
        return _end_doubt(db, row, state, who, now, said)
    if old == State.HELD and rows(db, _RESTORED, (letter, RESTORED)):
        why = f"{why}; {MAY_BE_OUT}" if why else MAY_BE_OUT
    then = ended(unpacked(text), state, why or state)
    told: dict[str, object] = {"said": said} if said else {}
    if then.state is state:
        return state if move(db, (letter, State(old), attempt), state, who, why, now, told=told) else None
    if old == State.HELD and not move(db, (letter, State.HELD, attempt), State.QUEUED, who, why, now, at=now, told=told):
        return None
    db.execute(_CLAIMED, (packed(then.recipients), letter, attempt))
    db.execute(_UNSENT, (who, now, why, letter, attempt))
    told["attempt"] = attempt + 1
    return then.state if move(db, (letter, State.SENDING, attempt + 1), then.state, who, then.reason, now, told=told) else None


def _end_doubt(
    db: apsw.Connection, row: tuple[int, str, int, str], state: State, who: Who, now: int, said: str
) -> State | None:
    """Whoever ends a doubt knows of it; but what a `to` has accepted besides stays accepted, with what was doubtful told."""
    letter, _, attempt, text = row
    before, then, reason = unpacked(text), state, ""
    if has_reached(before):
        doubted = [recipient.role for recipient in before if recipient.state is Standing.IN_DOUBT]
        then, reason = State.ACCEPTED, given_up(doubted, f"{state}; {EARLIER}")
        after = [replace(r, state=Standing.DROPPED) if r.is_asked else r for r in before]
        db.execute("UPDATE letter SET recipients = ? WHERE id = ?", (packed(after), letter))
    told = {"said": said} if said else {}
    return then if move(db, (letter, State.IN_DOUBT, attempt), then, who, reason, now, told=told) else None


def take_back(db: apsw.Connection, row: tuple[Any, ...], now: int) -> bool:
    """Take a claimed letter out of its worker's hands, as if it had been let go; not one whose dot mark stands."""
    letter, _, attempt, _ = row
    if rows(db, _MARKED, (letter, attempt)):
        return False
    why = "taken back by an order"
    close_attempt(db, letter, attempt, "unsent", why, now)
    return move(db, (letter, State.SENDING, attempt), State.QUEUED, Who.PERSON, why, now, at=now, told={"attempt": attempt})
