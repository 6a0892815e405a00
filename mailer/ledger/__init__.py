"""
The durable record of signatures, letters and attempts, behind one Protocol.

    intake > LEDGER > courier > LEDGER > report

Every change of a letter's state goes through a ledger's compare-and-set on (state, attempt), is checked against
`delivery.MOVES`, and writes its journal line in the same transaction; a claim has no line, its record is the attempt that it
opens. What a method returns has been made durable.

A ledger judges nothing, renders nothing and reads no clock: `now` is always a parameter, in whole seconds since 1970.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mailer.chain import Link
from mailer.delivery import Due, Fixed, Next, Order, State, Who
from mailer.ledger.records import Attempt as Attempt
from mailer.ledger.records import Count as Count
from mailer.ledger.records import FileRecord as FileRecord
from mailer.ledger.records import Record as Record
from mailer.notice import Digest, Look, NewNotice, is_notice
from mailer.outcome import Outcome, Recipient, Sign
from mailer.pace import Breaker, Streak


@dataclass(frozen=True, slots=True)
class NewLetter:
    """A letter to be written down: to which target, how, and in which state it begins."""

    target: str
    country: str
    channel: str
    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One row of a file that became a signature: its line, its keyed hash, its sealed data and its letters.

    `is_confirmed`: the row says so. `is_unconfirmed`: it does not, and the campaign asks for it, so that its letters are held.
    """

    line: int
    person: bytes
    country: str
    sealed: bytes
    letters: tuple[NewLetter, ...]
    is_confirmed: bool = False
    is_unconfirmed: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """
    What became of an entry: newly taken, or known since before; then `sealed` is what is on record.

    `is_confirmed`: a signature that had waited for it is confirmed by this file. `left`: it is of somebody who was left out,
    for they have withdrawn or were erased.
    """

    is_new: bool
    sealed: bytes | None = None
    is_confirmed: bool = False
    left: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """Somebody who has left a campaign: whether they had signed, and how many of their letters are in which state now."""

    had_signed: bool
    letters: Counter[str] = field(default_factory=Counter)

    def __add__(self, more: Left) -> Left:
        return Left(self.had_signed or more.had_signed, self.letters + more.letters)


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure that is not finished; `sealed` opens the address with its campaign's key. None: only compacting is left."""

    id: int
    campaign: str
    sealed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Lane:
    """
    What waits for one target of one campaign, or one kind of its notices; `country` is empty unless the route depends on it.
    """

    campaign: str
    target: str
    country: str

    @property
    def is_notices(self) -> bool:
        """Whether notices wait in it, and not letters."""
        return is_notice(self.target)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A lane and when its first letter is due (seconds since 1970)."""

    lane: Lane
    due_at: int


@dataclass(frozen=True, slots=True)
class Held:
    """A lane in which letters are held by a rule, with their reason."""

    lane: Lane
    reason: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a crash had left: letters let go unsent, letters now in doubt, and letters held because workers died of them."""

    let_go: int = 0
    in_doubt: int = 0
    poisonous: int = 0


@dataclass(frozen=True, slots=True)
class Mark:
    """
    What is made durable before the dot: every recipient as it stands, those for whom the dot is meant, what is fixed
    from now on, the keys of the pace under which this letter is counted, and as of when
    (seconds since 1970; None = the time of the mark).
    """

    recipients: tuple[Recipient, ...]
    meant: tuple[str, ...]
    fixed: Fixed
    paced: tuple[str, ...] = ()
    counted_at: int | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """What a person approved of a campaign: the hash of its content, when and who; the hash is empty if nobody did."""

    hash: str = ""
    at: int | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Closing:
    """A target that a person has closed, why, and when (seconds since 1970)."""

    campaign: str
    target: str
    why: str
    at: int


@dataclass(frozen=True, slots=True)
class Pause:
    """One reason why sending stands: its scope ('all', 'campaign:ID', 'ledger', 'clock'), who ordered it and why."""

    scope: str
    who: str
    why: str
    at: int

    def stops(self, campaign: str) -> bool:
        """Whether letters of this campaign stand still because of it."""
        return self.scope in {"all", "ledger", "clock", f"campaign:{campaign}"}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant; an empty field means all."""

    campaign: str = ""
    target: str = ""
    state: str = ""
    reason: str = ""
    letter: int | None = None
    file: int | None = None
    limit: int | None = None
    newest_first: bool = False


@dataclass(frozen=True, slots=True)
class Obeyed:
    """
    What an order came to: letters moved, by the state that they have now; letters left alone because they were being sent;
    the number of a letter to go on behind, 0 when there are no more; and letters left alone because they may be out (restored).

    A cancellation leaves accepted what was, and in doubt what may be.
    """

    moved: Counter[str] = field(default_factory=Counter)
    in_hand: int = 0
    behind: int = 0
    may_be_out: int = 0

    def __add__(self, more: Obeyed) -> Obeyed:
        in_hand, may_be_out = self.in_hand + more.in_hand, self.may_be_out + more.may_be_out
        return Obeyed(self.moved + more.moved, in_hand, more.behind, may_be_out)


class Ledger(Protocol):
    """What the flow asks of a ledger. Every method that changes something is one transaction."""

    # -- what stands for the whole install
    async def fingerprints(self) -> Mapping[str, str]: ...
    async def remember_campaign(self, campaign: str, fingerprint: str) -> None: ...
    async def approvals(self) -> Mapping[str, Approval]: ...
    async def approve(self, campaign: str, edition: str, by: str, now: int) -> None: ...
    async def keep_edition(self, edition: str, content: str, now: int) -> None: ...
    async def edition(self, edition: str) -> str | None: ...
    async def pauses(self) -> Sequence[Pause]: ...
    async def closings(self) -> Sequence[Closing]: ...
    async def close_target(self, campaign: str, target: str, why: str, now: int) -> bool: ...
    async def open_target(self, campaign: str, target: str, why: str, now: int) -> bool: ...
    async def resume(self, scope: str, why: str, now: int) -> bool: ...
    async def begin_sending(self, relay: str, worker: str, now: int) -> None: ...
    async def bring_back(self, now: int, latest: int) -> None: ...
    async def breaker(self, relay: str) -> Breaker: ...
    async def is_down(self) -> bool: ...
    async def pause(self, scope: str, who: Who, why: str, now: int) -> bool: ...
    async def keep_breaker(self, relay: str, breaker: Breaker, now: int, why: str = "") -> None: ...
    async def installed(self) -> Mapping[str, str]: ...
    async def remember_install(self, facts: Mapping[str, str]) -> None: ...
    async def streaks(self) -> Sequence[Streak]: ...
    async def lengthen(self, sign: Sign, lane: Lane, addresses: Sequence[str], in_pass: str) -> Streak: ...
    async def end_streak(self, sign: Sign, lane: Lane) -> None: ...

    # -- intake
    async def begin_file(self, claim: str, campaign: str | None, now: int) -> int: ...
    async def begin_reading(self, file: int) -> None: ...
    async def take_in(self, file: int, campaign: str, domain: str, entries: Sequence[Entry], now: int) -> Sequence[Taken]: ...
    async def forget_file(self, file: int) -> None: ...
    async def end_file(self, file: int, state: str, count: Count, reason: str, now: int) -> None: ...

    # -- who leaves
    async def confirm(self, file: int, campaign: str, persons: Sequence[bytes], now: int) -> Sequence[Taken | None]: ...
    async def withdraw(self, campaign: str, persons: Sequence[bytes], now: int) -> Sequence[Left]: ...
    async def erase(
        self, persons: Sequence[tuple[str, bytes]], address: tuple[str, bytes | None], now: int
    ) -> Sequence[Left]: ...
    async def end_erasure(self, erasure: int, *, is_compact: bool) -> None: ...
    async def compact(self) -> None: ...

    # -- rules and recovery
    async def asked_confirmation(self) -> frozenset[str]: ...
    async def ask_confirmation(self, campaign: str, is_asked: bool) -> None: ...
    async def hold_unconfirmed(self, campaign: str, now: int, behind: int, limit: int) -> int: ...
    async def release_unconfirmed(self, campaign: str, now: int, limit: int) -> int: ...
    async def waiting(self) -> Sequence[Waiting]: ...
    async def held_by_rule(self) -> Sequence[Held]: ...
    async def hold(self, lane: Lane, reason: str, now: int, limit: int) -> int: ...
    async def release(self, held: Held, now: int, limit: int) -> int: ...
    async def restate(self, held: Held, reason: str) -> None: ...
    async def release_unrendered(self, campaign: str, edition: str, now: int) -> int: ...
    async def expire(self, campaign: str, before: int | None, reason: str, now: int, limit: int) -> int: ...
    async def hold_restored(self, now: int, limit: int) -> int: ...
    async def doubtful(self, campaign: str) -> Sequence[Lane]: ...
    async def resend_doubts(self, lane: Lane, before: int, now: int, limit: int) -> int: ...
    async def recover(self, now: int, written: tuple[int, int] | None = None) -> Recovered: ...

    # -- notices
    async def note_moves(self, campaigns: Collection[str], by_hand: Collection[str], now: int, limit: int) -> int: ...
    async def looks(self, now: int, limit: int) -> Sequence[Look]: ...
    async def looked(self, notices: Sequence[NewNotice], again: Mapping[int, int], never: Sequence[int], now: int) -> int: ...
    async def write_notices(self, notices: Sequence[NewNotice], facts: Mapping[str, str], now: int) -> int: ...
    async def cancel_notices(self, campaign: str, lane: str, why: str, now: int, limit: int) -> int: ...
    async def day(self, campaign: str, first: str, last: str, since: int, until: int, enclose: int) -> Digest: ...

    # -- sending
    async def claim(self, lane: Lane, limit: int, worker: str, relay: str, now: int) -> Sequence[Due]: ...
    async def count_due(self, now: int) -> int: ...
    async def sent_to(self, addresses: Sequence[str], since: int) -> Sequence[int]: ...

    async def sent_count(self, key: str, since: int) -> int: ...

    async def sent_back(self, key: str, nth: int) -> int | None: ...
    async def may_go(self, due: Due) -> bool: ...
    async def mark(self, due: Due, mark: Mark, now: int) -> bool: ...
    async def settle(self, due: Due, outcome: Outcome, then: Next, fixed: Fixed | None, now: int) -> bool: ...
    async def let_go(self, due: Due, state: State, who: Who, reason: str, detail: str, now: int) -> bool: ...

    # -- a person's orders
    async def order(self, selection: Selection, order: Order, why: str, now: int, behind: int, limit: int) -> Obeyed: ...
    async def resolve(self, letter: int, *, accepted: bool, why: str, now: int, not_before: float) -> str: ...

    # -- reading
    def records(self, selection: Selection) -> Iterator[Record]: ...
    def attempts(self, letter: int) -> Sequence[Attempt]: ...
    def files(self) -> Sequence[FileRecord]: ...
    def set_aside(self, since: int) -> Sequence[int]: ...
    def notices(self) -> Mapping[tuple[str, str, str, str], int]: ...
    def tally(self) -> Mapping[tuple[str, str, str], int]: ...
    def signatures(self) -> Mapping[str, int]: ...
    def silent(self) -> Mapping[tuple[str, str], int]: ...
    def name_of(self, file: int) -> tuple[str, bytes] | None: ...
    def erasures(self) -> Sequence[Erasure]: ...
    def letters_of(self, persons: Sequence[tuple[str, bytes]]) -> Sequence[tuple[str, str]]: ...
    def in_hand(self) -> tuple[int, int]: ...
    def reasons(self) -> Mapping[tuple[str, str, str], int]: ...
    def disagreements(self) -> Iterator[str]: ...
    def accepted_by(self, relays: Sequence[str]) -> int: ...
    def waits(self, now: int, bounds: Sequence[int]) -> Mapping[tuple[str, str], Sequence[int]]: ...
    def refused_lately(self, reason: str, since: int) -> Mapping[str, int]: ...
    def deferred_often(self, times: int) -> Mapping[str, int]: ...
    def oldest_due(self, now: int) -> int | None: ...
    def next_attempt_at(self) -> int | None: ...
    def journal(self, behind: int, limit: int) -> Sequence[Link]: ...
    def last_link(self) -> Link | None: ...
    def link(self, seq: int) -> Link | None: ...
    def close(self) -> None: ...
