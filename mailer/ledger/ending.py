"""
The end of a letter that waits or is held, because no more of it is sent: by a rule or a person. Part of the ledger on SQLite.

What its `to` has accepted ends as accepted, and the way there is the table's: it is claimed and settled in one transaction, by
an attempt that opens no connection. So nothing leaves, and the record tells why.
"""

from __future__ import annotations

import apsw

from mailer.delivery import State, Who, ended
from mailer.ledger.moves import move, packed, unpacked

_CLAIMED = """
UPDATE letter SET state = 'sending', attempt = attempt + 1, next_attempt_at = NULL, recipients = ? WHERE id = ? AND attempt = ?
"""
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
    letter, old, attempt, recipients = row
    then = ended(unpacked(recipients), state, why)
    told: dict[str, object] = {"said": said} if said else {}
    if then.state is state:
        return state if move(db, (letter, State(old), attempt), state, who, why, now, told=told) else None
    if old == State.HELD and not move(db, (letter, State.HELD, attempt), State.QUEUED, who, why, now, at=now, told=told):
        return None
    db.execute(_CLAIMED, (packed(then.recipients), letter, attempt))
    db.execute(_UNSENT, (who, now, why, letter, attempt))
    told["attempt"] = attempt + 1
    return then.state if move(db, (letter, State.SENDING, attempt + 1), then.state, who, then.reason, now, told=told) else None
