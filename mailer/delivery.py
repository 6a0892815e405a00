"""
The states of a letter, the moves that are allowed between them, and when to try again.

    queued -> sending -> accepted | deferred | refused | in_doubt

`MOVES` is the whole of it: what is not in the table cannot happen, in any ledger. A move is a compare-and-set on (state,
attempt); the ledger makes it and writes who moved it, when and why. `after` turns the outcome of an attempt into the next
state and time.

Failure direction: in doubt, keep the letter and show it. Nothing here sends twice in silence: a letter whose final dot may
have gone out leaves `in_doubt` by evidence or by a person only.

This module decides; it has no clock, no randomness of its own and no database.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mailer.campaign import Channel
from mailer.outcome import EARLIER, Outcome, Recipient, Role, Scope, Sign, Stage, Standing, Verdict, dropped


class State(StrEnum):
    """Where a letter stands."""

    HELD = "held"
    QUEUED = "queued"
    SENDING = "sending"
    DEFERRED = "deferred"
    IN_DOUBT = "in_doubt"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    BOUNCED = "bounced"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    BY_HAND = "by_hand"
    DONE = "done"


_S = State
MOVES: Mapping[State, frozenset[State]] = {
    _S.HELD: frozenset({_S.QUEUED, _S.BY_HAND, _S.DONE, _S.CANCELLED, _S.EXPIRED}),
    _S.QUEUED: frozenset({_S.SENDING, _S.HELD, _S.CANCELLED, _S.EXPIRED}),
    _S.SENDING: frozenset({_S.ACCEPTED, _S.DEFERRED, _S.REFUSED, _S.IN_DOUBT, _S.HELD, _S.QUEUED}),
    _S.DEFERRED: frozenset({_S.SENDING, _S.QUEUED, _S.HELD, _S.CANCELLED, _S.EXPIRED}),
    _S.IN_DOUBT: frozenset({_S.ACCEPTED, _S.DEFERRED, _S.REFUSED, _S.QUEUED, _S.CANCELLED}),
    _S.ACCEPTED: frozenset({_S.BOUNCED}),
    _S.REFUSED: frozenset({_S.QUEUED}),
    _S.BOUNCED: frozenset({_S.QUEUED}),
    _S.EXPIRED: frozenset({_S.QUEUED}),
    _S.CANCELLED: frozenset({_S.QUEUED, _S.BY_HAND}),
    _S.BY_HAND: frozenset({_S.HELD, _S.DONE, _S.CANCELLED}),
    _S.DONE: frozenset(),
}

# The states in which a letter waits for its turn, and those in which nothing more will happen by itself.
DUE = (State.QUEUED, State.DEFERRED)
OPEN = (State.HELD, State.QUEUED, State.SENDING, State.DEFERRED, State.IN_DOUBT, State.BY_HAND)

# So many workers that died while they wrote a letter, and it is held.
POISONOUS = 3

# Why rules hold letters that only a person lets go.
POISON = "poison"
RESTORED = "restored ledger"
# How the reason of such a letter ends where it was ended and not released.
MAY_BE_OUT = "it may have gone out before the ledger was restored"


def may_move(old: State, new: State) -> bool:
    """
    Whether the table allows this move.

    >>> may_move(State.SENDING, State.ACCEPTED), may_move(State.ACCEPTED, State.QUEUED)
    (True, False)
    """
    return new in MOVES[old]


def waits(channel: str) -> State:
    """
    Where a letter waits that nothing stops.

    >>> waits("email"), waits("post")
    (<State.QUEUED: 'queued'>, <State.BY_HAND: 'by_hand'>)
    """
    return State.QUEUED if channel == Channel.EMAIL else State.BY_HAND


class Who(StrEnum):
    """Who moved a letter. What a person held, only a person releases."""

    WORKER = "worker"
    RULE = "rule"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Order:
    """What a person may order of letters: from which states, to which one."""

    name: str
    of: frozenset[State]
    state: State

    @property
    def stops(self) -> bool:
        """Whether it keeps letters that wait from going out, so that what is claimed and not begun is meant too."""
        return State.QUEUED in self.of


ORDERS: Mapping[str, Order] = {
    order.name: order
    for order in (
        Order("hold", frozenset({_S.QUEUED, _S.DEFERRED}), _S.HELD),
        Order("release", frozenset({_S.HELD}), _S.QUEUED),
        Order("retry", frozenset({_S.DEFERRED, _S.REFUSED, _S.BOUNCED, _S.EXPIRED, _S.CANCELLED}), _S.QUEUED),
        Order("cancel", frozenset({_S.HELD, _S.QUEUED, _S.DEFERRED, _S.IN_DOUBT, _S.BY_HAND}), _S.CANCELLED),
        Order("done", frozenset({_S.BY_HAND, _S.HELD}), _S.DONE),
    )
}


@dataclass(frozen=True, slots=True)
class Fixed:
    """
    What the first attempt that reaches DATA fixes, so that every later one gives the same bytes.

    `date` is in whole seconds since 1970, `edition` names the templates, `sha256` is of the wire bytes.
    """

    date: int
    edition: str
    language: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Due:
    """
    One letter that was claimed: the letter's facts, its sealed signature, and the attempt that is now open.

    `reached_mail_at` is when the newest attempt before it that reached MAIL ended (seconds since 1970). What is no letter but a
    notice has what it says (`mailer.notice`), and the letters that it encloses.
    """

    letter: int
    attempt: int
    campaign: str
    target: str
    country: str
    sealed: bytes
    message_id: str
    tries: int
    first_tried_at: int | None
    fixed: Fixed | None
    recipients: tuple[Recipient, ...]
    deaths: int = 0
    reached_mail_at: int | None = None
    notice: str = ""
    enclosed: tuple[Due, ...] = ()

    @property
    def goes_alone(self) -> bool:
        """Whether nothing else may be in hand while it is written: the next death would otherwise be nobody's for sure."""
        return self.deaths >= POISONOUS - 1


@dataclass(frozen=True, slots=True)
class Retry:
    """When a deferred letter is due again; all in seconds. `jitter` is a share of the wait, 0 to 1."""

    first: float = 300
    max: float = 14400
    give_up_after: float = 432000
    jitter: float = 0.1

    def wait(self, tries: int, chance: float) -> float:
        """
        Seconds to wait behind the `tries`-th try (from 1); `chance` in [0, 1) spreads letters that failed together.

        >>> Retry(first=300, max=1000, jitter=0).wait(1, 0.5), Retry(first=300, max=1000, jitter=0).wait(9, 0.5)
        (300.0, 1000.0)
        """
        wait = min(self.max, self.first * 2 ** min(max(tries - 1, 0), 30))
        return float(wait * (1 + self.jitter * (2 * chance - 1)))

    def longest(self, chance: float) -> float:
        """Seconds to wait for what takes hours whatever we do, like a full mailbox."""
        return float(self.max * (1 + self.jitter * (2 * chance - 1)))


@dataclass(frozen=True, slots=True)
class Next:
    """What follows an attempt: the letter's next state, why, and when it is due again (seconds since 1970)."""

    state: State
    reason: str = ""
    at: int | None = None
    tries: int = 0
    first_tried_at: int | None = None
    recipients: tuple[Recipient, ...] = field(default=())


# Where a letter goes that came to this.
STATE_OF: Mapping[Verdict, State] = {
    Verdict.ACCEPTED: State.ACCEPTED,
    Verdict.REFUSED: State.REFUSED,
    Verdict.IN_DOUBT: State.IN_DOUBT,
    Verdict.DEFERRED: State.DEFERRED,
}


def after(due: Due, outcome: Outcome, retry: Retry, now: int, chance: float) -> Next:
    """
    Turn the outcome of an attempt into the letter's next state and time; `now` in seconds since 1970.

    What failed before MAIL is the relay's matter: the letter is let go unsent and stays due, no try is counted; nor is one
    where the relay stopped it later, but then it waits. What a `to` has accepted is never given up as expired (see `ended`).
    """
    if not outcome.reached_mail:
        return Next(State.QUEUED, outcome.reason, now, due.tries, due.first_tried_at, due.recipients)
    first = _first_tried_at(due, outcome, now)
    state = STATE_OF[outcome.verdict]
    if state is State.DEFERRED and first is not None and now - first >= retry.give_up_after and has_reached(outcome.recipients):
        return replace(ended(outcome.recipients, State.EXPIRED, outcome.reason), tries=due.tries + 1, first_tried_at=first)
    if state is not State.DEFERRED:
        return Next(state, outcome.reason, None, due.tries + 1, first, outcome.recipients)
    if _is_only_split(outcome):
        return Next(state, outcome.reason, now, due.tries, first, outcome.recipients)
    tries = due.tries if outcome.scope is Scope.RELAY else due.tries + 1
    wait = retry.longest(chance) if outcome.sign is Sign.FULL else retry.wait(tries, chance)
    return Next(state, outcome.reason, int(now + wait), tries, first, outcome.recipients)


def _first_tried_at(due: Due, outcome: Outcome, now: int) -> int | None:
    """
    From when on the letter may be given up. What the relay stopped is no try: the time does not begin with it, and since the
    attempt before it none has passed.
    """
    if outcome.verdict is not Verdict.DEFERRED or outcome.scope is not Scope.RELAY:
        return due.first_tried_at or now
    if due.first_tried_at is None or due.reached_mail_at is None:
        return due.first_tried_at
    return due.first_tried_at + max(0, now - max(due.first_tried_at, due.reached_mail_at))


def ended(recipients: Sequence[Recipient], state: State, why: str) -> Next:
    """
    How a letter ends of which no more is sent: in `state`, unless somebody has it or may have it.

    Who is missing is dropped. If a `to` has accepted it, the letter is accepted; a doubt that a resend was to end is one again.

    >>> half = [Recipient("a", Role.TO, Standing.ACCEPTED), Recipient("b", Role.CC, Standing.DEFERRED)]
    >>> ended(half, State.EXPIRED, "too late").state.value, ended(half[1:], State.EXPIRED, "too late").state.value
    ('accepted', 'expired')
    """
    after = tuple(dropped(recipient) for recipient in recipients)
    if any(recipient.state is Standing.IN_DOUBT for recipient in after):
        return Next(State.IN_DOUBT, f"{why}; {EARLIER}", recipients=after)
    if not has_reached(recipients):
        return Next(state, why, recipients=tuple(recipients))
    missing = [recipient.role for recipient in recipients if recipient.is_asked]
    return Next(State.ACCEPTED, given_up(missing, why), recipients=after)


def given_up(roles: Sequence[Role], why: str) -> str:
    """
    For whom of an accepted letter no more is tried, and why; a copy is not told of.

    >>> given_up([Role.CC, Role.CC, Role.TO, Role.COPY], "too late"), given_up([Role.COPY], "too late")
    ('given up for to and cc: too late', 'too late')
    """
    own = [role for role in (Role.TO, Role.CC) if role in roles]
    return f"given up for {' and '.join(own)}: {why}" if own else why


def has_reached(recipients: Sequence[Recipient]) -> bool:
    """Whether a `to` of the letter has accepted it."""
    return any(r.role is Role.TO and r.state is Standing.ACCEPTED for r in recipients)


def _is_only_split(outcome: Outcome) -> bool:
    """
    Whether all that is missing is a rest that the server had no room for in one transaction: no failure, goes on at once.

    Without a dot there was no progress, and going on at once would spin.
    """
    missing = [r for r in outcome.recipients if r.is_asked and r.role is not Role.COPY]
    return outcome.stage is Stage.DOT and all(r.state is Standing.WAITING for r in missing)
