"""
Every letter of an instance as its ledger has it, with what only the key opens, and what people ordered of it.

This reads and judges nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import apsw

from mailer import app, seal, signature
from mailer import campaign as campaigns
from mailer import desk as desks
from mailer.blotter import Blotter
from mailer.config import Configuration
from mailer.delivery import RESTORED, State, Who
from mailer.desk import Desk, Stamp
from mailer.ledger import Attempt, Record, Selection
from mailer.ledger.sqlite import SqliteLedger
from mailer.signature import Signature
from tests.ledgers import told

NOWHERE = Blotter(Path(os.devnull))  # what is written to be compared is no work in hand
_NOT_TAKEN = {State.HELD, State.DEFERRED, State.CANCELLED, State.REFUSED, State.EXPIRED}


@dataclass(frozen=True)
class Moved:
    """One line of the journal about a letter; `at` in seconds since 1970."""

    seq: int
    at: int
    old: str
    new: str
    who: str
    why: str


@dataclass(frozen=True)
class Letter:
    """
    One letter as the ledger has it, and what only its key opens: whose it is. `composed` is the letter written once more from
    what the ledger keeps; `moves` are the journal's lines about it; `restored_at` is the line in which a person first went on
    with a restored ledger, 0 if there is none.
    """

    record: Record
    attempts: Sequence[Attempt]
    address: str
    name: str
    composed: bytes
    moves: Sequence[Moved]
    restored_at: int

    @property
    def standings(self) -> dict[str, str]:
        return {address: state for address, _, state, _ in self.record.recipients}

    @property
    def will_be_in_doubt(self) -> bool:
        """Whether the next start will put it in doubt: a dead worker left its mark and nothing behind it."""
        newest = self.attempts[-1] if self.attempts else None
        return newest is not None and newest.marked_at is not None and newest.settled_at is None

    @property
    def resends(self) -> int:
        """
        How often a person let it go again although it may have been taken: out of doubt, or, behind a restored ledger, at all.
        A person's word about what was only stopped, deferred or refused asks nobody again who has taken it.
        """
        return sum(
            move.who == Who.PERSON
            and move.new == State.QUEUED
            and (move.old not in _NOT_TAKEN or move.seq > self.restored_at > 0)
            for move in self.moves
        )

    @property
    def is_told(self) -> bool:
        """Whether a person ended its doubt by saying that it had arrived."""
        ended = (State.ACCEPTED, State.DEFERRED)
        return any(move.who == Who.PERSON and move.old == State.IN_DOUBT and move.new in ended for move in self.moves)

    @property
    def is_held_back(self) -> bool:
        """Whether its ledger was restored, and only a person lets it go: the ledger need not know then what became of it."""
        if not self.restored_at:
            return False
        by_person = self.record.state == State.CANCELLED or self.record.held_by == Who.PERSON
        return by_person or (self.record.state == State.HELD and self.record.reason == RESTORED)


def letters_of(loaded: Configuration, ledger: SqliteLedger) -> Iterator[Letter]:
    """Every letter; all of them open with the instance's keys."""
    with closing(apsw.Connection(loaded.ledger, flags=apsw.SQLITE_OPEN_READWRITE)) as db:
        fingerprints = _pairs(db, "SELECT id, key_fingerprint FROM campaign")
        dates = _pairs(db, "SELECT id, date FROM letter WHERE sha256 IS NOT NULL")
    made = {
        id: Desk(loaded.campaigns[id], renderer, seal.load(loaded.keys, id, str(fingerprints[id])), "", loaded.live, NOWHERE)
        for id, renderer in app.renderers(loaded).items()
        if id in fingerprints
    }
    moves, since = _moves(ledger), restored_at(ledger)
    for record in ledger.records(Selection()):
        at = made[record.campaign]
        assert record.sealed is not None
        signed, _ = signature.unpack(at.seal.open(record.sealed))
        composed = _composed(at, record, signed, dates[record.letter]) if record.letter in dates else b""
        attempts = ledger.attempts(record.letter)
        mine = moves.get(record.letter, ())
        yield Letter(record, attempts, str(signed.email), signed.name, composed, mine, since)


def _pairs(db: apsw.Connection, sql: str) -> dict[Any, Any]:
    found: Any = db.execute(sql).fetchall()
    return dict(found)


def _composed(at: Desk, record: Record, signed: Signature, date: int) -> bytes:
    target = at.campaign.targets[record.target]
    route = campaigns.route(at.campaign, target, record.country, live=at.is_live)
    return desks.write(at, target, route, signed, Stamp(record.message_id, date, record.language))[1]


def _moves(ledger: SqliteLedger) -> Mapping[int, Sequence[Moved]]:
    found: dict[int, list[Moved]] = {}
    for line in told(ledger):
        at = seconds_of(line["at"])
        move = Moved(line["seq"], at, line["from"], line["to"], line["who"], line.get("why", ""))
        found.setdefault(line["letter"], []).append(move)
    return found


def restored_at(ledger: SqliteLedger) -> int:
    """The first line in which a person went on with a ledger that was not the last one; 0 if none did."""
    return next((line["seq"] for line in told(ledger, "resumed") if line["scope"] == "ledger"), 0)


def seconds_of(moment: str) -> int:
    """A time of the journal in seconds since 1970."""
    return int(datetime.fromisoformat(moment).timestamp())
