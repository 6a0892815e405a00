"""
Whether what people ordered was obeyed, by the order of the journal and, where that is silent, by the time of dot marks.

A claim and a mark have no line of their own. So a letter that a person stopped must have no later line about an attempt, before
a person lets it go; and no mark may be later than a stop by more than the seconds in which times are written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mailer.ledger.sqlite import SqliteLedger
from tests.ledgers import told
from tests.torture.judged import DEFIED, Violation
from tests.torture.letters import Letter, Moved, seconds_of

COARSE = 2  # seconds: a mark and an order of the same second may have come in either order, and each reads its own clock
_FOR_EVER = 2**63


@dataclass(frozen=True)
class Stop:
    """A person stopped a scope ('all', 'campaign:ID'), from a time on (seconds since 1970) until another."""

    scope: str
    since: int
    until: int


def obeyed(ledger: SqliteLedger, letters: Sequence[Letter]) -> Iterator[Violation]:
    """Each letter that went on although a person had stopped it, or all."""
    stops = list(stops_of(ledger))
    for one in letters:
        number, scopes = one.record.letter, {"all", f"campaign:{one.record.campaign}"}
        for move in _went_on(one.moves):
            yield Violation(DEFIED, f"letter {number}: a person had stopped it, and line {move.seq} says {move.new}")
        for stop in [*_stopped(one.moves), *(stop for stop in stops if stop.scope in scopes)]:
            for attempt in one.attempts:
                if attempt.marked_at is not None and stop.since + COARSE <= attempt.marked_at < stop.until:
                    late = attempt.marked_at - stop.since
                    yield Violation(DEFIED, f"letter {number} was marked {late} s behind the stop of {stop.scope}")


def stops_of(ledger: SqliteLedger) -> Iterator[Stop]:
    """What people stopped as a whole."""
    ends = [(line["seq"], line["scope"], seconds_of(line["at"])) for line in told(ledger, "resumed")]
    for line in told(ledger, "paused"):
        if line["who"] == "person":
            until = (at for seq, scope, at in ends if scope == line["scope"] and seq > line["seq"])
            yield Stop(line["scope"], seconds_of(line["at"]), next(until, _FOR_EVER))


def _stopped(moves: Sequence[Moved]) -> Iterator[Stop]:
    """From when until when a person had stopped a letter."""
    for place, move in enumerate(moves):
        if _stops(move):
            until = (later.at for later in moves[place + 1 :] if _lets_go(later))
            yield Stop(f"this letter ({move.new})", move.at, next(until, _FOR_EVER))


def _went_on(moves: Sequence[Moved]) -> Iterator[Moved]:
    is_stopped = False
    for move in moves:
        if is_stopped and not _stops(move) and not _lets_go(move):
            yield move
        is_stopped = _stops(move) or (is_stopped and not _lets_go(move))


def _stops(move: Moved) -> bool:
    return move.who == "person" and move.new in {"held", "cancelled"}


def _lets_go(move: Moved) -> bool:
    """A deadline ends what was held by anybody; nothing goes out for it."""
    return (move.who == "person" and move.new == "queued") or move.new == "expired"
