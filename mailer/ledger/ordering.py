"""What a person orders of letters: hold, release, retry, cancel, resolve. Part of the ledger on SQLite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import apsw

from mailer.campaign import Channel, Reason
from mailer.delivery import DUE, MAY_BE_OUT, ORDERS, STATE_OF, Order, State, Who
from mailer.ledger import Obeyed, Selection
from mailer.ledger.confirming import hold_if_unconfirmed, is_unconfirmed
from mailer.ledger.ending import end, take_back
from mailer.ledger.engine import Engine, rows
from mailer.ledger.leaving import end_if_left, has_left
from mailer.ledger.moves import let_wait, move, packed, unpacked
from mailer.outcome import Recipient, Standing, accepted, asked_again, dropped, of_the_letter

# A cancelled letter comes back only if no attempt of it ever reached the dot; one of who has left or has not confirmed never
# does. What is being sent was just now in another state, for another reason: whoever would stop those must hear of it. What
# ended behind a restore and may be out is sent again only by who names that reason.
_ORDERED = """
SELECT l.id, l.state, l.attempt, l.recipients, l.channel, :sends AND :reason = '' AND l.reason LIKE '%' || :may_be_out
FROM letter l JOIN signature s ON s.id = l.signature
WHERE l.kind = 'letter' AND l.id > :behind AND (:letter IS NULL OR l.id = :letter)
    AND (:campaign = '' OR l.campaign = :campaign) AND (:target = '' OR l.target = :target)
    AND ((:state IN ('', l.state) AND :reason IN ('', l.reason)) OR (:stops AND l.state = 'sending'))
    AND (:file IS NULL OR s.file = :file) AND (:sends = 0 OR (s.state = 'active' AND s.unconfirmed = 0))
    AND (l.state <> 'cancelled' OR NOT EXISTS (SELECT 1 FROM attempt WHERE letter = l.id AND marked_at IS NOT NULL))
ORDER BY l.id LIMIT :limit
"""
_MARKED_AT = "SELECT max(marked_at) FROM attempt WHERE letter = ?"
_KEEP = "UPDATE letter SET recipients = ? WHERE id = ?"
_AFRESH = """
UPDATE letter SET recipients = '[]', tries = 0, first_tried_at = NULL, deaths = 0,
    date = NULL, edition = NULL, language = NULL, sha256 = NULL WHERE id = ?
"""
_AGAIN = "UPDATE letter SET recipients = ?, tries = 0, first_tried_at = NULL, deaths = 0 WHERE id = ?"
_FORGET = """
DELETE FROM streak WHERE sign = 'address' AND (campaign, target, country) IN
    (SELECT campaign, target, country FROM letter WHERE id = ? AND state = 'held' AND reason = ?)
"""
# Who releases what was printed says that the paper was not used.
_UNUSED = "DELETE FROM printed WHERE letter = (SELECT id FROM letter WHERE id = ? AND state = 'held' AND reason = ?)"
_SETTLED = frozenset({Standing.ACCEPTED, Standing.IN_DOUBT, Standing.BOUNCED})


class OrderingPart:
    """A person's orders, each recorded with its reason. A letter whose dot mark stands is left alone, and counted."""

    _engine: Engine

    async def order(self, selection: Selection, order: Order, why: str, now: int, behind: int, limit: int) -> Obeyed:
        """
        Give an order about the letters that are meant and whose state allows it, at most `limit` behind a number.

        One that is claimed and not yet marked is taken back first: its mark will find no row, and no dot leaves.
        """

        def work(db: apsw.Connection) -> Obeyed:
            values = {
                "behind": behind,
                "letter": selection.letter,
                "campaign": selection.campaign,
                "target": selection.target,
                "state": selection.state,
                "reason": selection.reason,
                "file": selection.file,
                "sends": order.state is State.QUEUED,
                "stops": order.stops,
                "limit": limit,
                "may_be_out": MAY_BE_OUT,
            }
            selected: list[tuple[Any, ...]] = db.execute(_ORDERED, values).fetchall()
            found = [row[:5] for row in selected if not row[5]]
            if order is ORDERS["release"]:
                _believe_again(db, selection, [row[0] for row in found], now)
                db.executemany(_UNUSED, [(row[0], Reason.PRINTED) for row in found])
            is_any = not selection.reason and selection.state in {"", State.SENDING}
            sent = [row for row in found if order.stops and row[1] == State.SENDING]
            in_hand = {row[0] for row in sent if not (is_any and take_back(db, row[:4], now))}
            rest = (row for row in found if row[0] not in in_hand)
            moved: Counter[str] = Counter(new for row in rest if (new := _obey(db, row, order, why, now)) is not None)
            behind_it = int(selected[-1][0]) if len(selected) == limit else 0
            return Obeyed(moved, len(in_hand), behind_it, len(selected) - len(found))

        obeyed: Obeyed = await self._engine.run(work)
        return obeyed

    async def resolve(self, letter: int, *, accepted: bool, why: str, now: int, not_before: float) -> str:
        """
        End a doubt by a person's word; an empty text, or why it cannot be done.

        `not_before` is the time that must lie behind the dot mark (seconds): until then the answer may still come.
        """

        def work(db: apsw.Connection) -> str:
            found = rows(db, "SELECT state, attempt, recipients FROM letter WHERE id = ?", (letter,))
            if not found or found[0][0] != State.IN_DOUBT:
                return "the letter is not in doubt" if found else "there is no such letter"
            if not accepted and has_left(db, letter):
                return "whoever signed it has withdrawn, and it is not sent again: --accepted, or mailer cancel"
            if not accepted and is_unconfirmed(db, letter):
                return "its signature is not confirmed, so it is not sent again: --accepted, or first a row that confirms it"
            marked_at = rows(db, _MARKED_AT, (letter,))[0][0]
            if marked_at is not None and now < marked_at + not_before:
                return f"the server may still answer; ask again in {marked_at + not_before - now:.0f} s"
            after = [_resolved(recipient, accepted) for recipient in unpacked(found[0][2])]
            # A resend is tried from now on; a letter that somebody still misses goes on to them alone.
            new = STATE_OF[of_the_letter(after)] if accepted else State.QUEUED
            if new is State.REFUSED:
                after = [dropped(recipient) for recipient in after]
            db.execute(_KEEP if accepted else _AGAIN, (packed(after), letter))
            move(
                db,
                (letter, State.IN_DOUBT, found[0][1]),
                new,
                Who.PERSON,
                "no `to` has accepted it" if new is State.REFUSED else "",
                now,
                at=now if new in DUE else None,
                told={"order": "resolve", "said": why},
            )
            end_if_left(db, letter, now)
            hold_if_unconfirmed(db, letter, now)
            return ""

        return str(await self._engine.run(work))


def _resolved(recipient: Recipient, is_accepted: bool) -> Recipient:
    if is_accepted and recipient.state is Standing.IN_DOUBT:
        return accepted(recipient, recipient.reply)
    return asked_again(recipient)


def _believe_again(db: apsw.Connection, selection: Selection, letters: Sequence[int], now: int) -> None:
    """Who releases what waits for a refused address says that it is right, else the rule would hold it again at once."""
    believed = "INSERT INTO install SELECT 'believed ' || campaign || ' ' || target, ? FROM letter WHERE id = ? AND reason = ?"
    renew = f"{believed} ON CONFLICT DO UPDATE SET value = excluded.value"
    db.executemany(renew, [(str(now), letter, Reason.ADDRESS_REFUSED) for letter in letters])
    if selection.campaign and selection.target:
        sql = "DELETE FROM streak WHERE sign = 'address' AND campaign = ? AND target = ?"
        db.execute(sql, (selection.campaign, selection.target))
    db.executemany(_FORGET, [(letter, Reason.ADDRESS_REFUSED) for letter in letters])


def _obey(db: apsw.Connection, row: tuple[Any, ...], order: Order, why: str, now: int) -> State | None:
    """Give one letter an order; gives the state in which it is then, None if it stays where it was."""
    letter, state, attempt, recipients, channel = row
    if state == State.SENDING:  # it was taken back
        state = State.QUEUED
    if State(state) not in order.of or (order.state is State.DONE and channel == Channel.EMAIL):
        return None
    if order.state is State.CANCELLED:
        return end(db, (letter, state, attempt, recipients), State.CANCELLED, Who.PERSON, "", now, said=why)
    if order.state is State.QUEUED:
        _prepare_again(db, letter, unpacked(recipients))
        return let_wait(db, (letter, State(state), attempt), Who.PERSON, "", now, told={"said": why})
    reason = "organiser" if order.state is State.HELD else ""
    is_moved = move(db, (letter, State(state), attempt), order.state, Who.PERSON, reason, now, told={"said": why})
    return order.state if is_moved else None


def _prepare_again(db: apsw.Connection, letter: int, recipients: tuple[Recipient, ...]) -> None:
    """
    A letter that certainly nobody has taken yet starts afresh, with the addresses and words of today; else only who is missing
    is asked again, with the same bytes.
    """
    if not any(recipient.state in _SETTLED or recipient.may_have_it for recipient in recipients):
        db.execute(_AFRESH, (letter,))
        return
    again = [r if r.state in _SETTLED else replace(r, state=Standing.WAITING, reply="", why="", times=0) for r in recipients]
    db.execute(_AGAIN, (packed(again), letter))
