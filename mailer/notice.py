"""
What the campaign writes in its own name: receipts, digests of copies, trials. These are notices, not letters.

    ledger (how a signatory's letters stand)  >  NOTICE  >  ledger (a row that is due)  >  courier

A notice is carried by the same attempts as a letter, so that it too goes out once and no doubt about it is lost; it is never
counted among letters, and nothing that becomes of it holds one. Where a letter has its target, a notice has a lane of its own,
whose name begins with a sign that no target's has. What it says is fixed when it is made: ids, states and reasons, and nothing
personal; names and addresses are looked up when it is written.

It reads no clock: `now` is a parameter, in seconds since 1970.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from mailer.delivery import State

_SIGN = "@"
TEMPLATE = "receipt.txt.j2"  # of receipts, beside those of letters
_DAY = 86_400
# For so long it is waited for what may still become of a letter that is held or in doubt, before a receipt calls it so.
PATIENCE = _DAY


class Lane(StrEnum):
    """What kind of notice, by the name that stands in a target's place."""

    TRIAL = "@trial"
    DIGEST = "@digest"
    RECEIPT = "@receipt"


def is_notice(target: str) -> bool:
    """
    Whether what stands in a target's place is a notice's lane.

    >>> is_notice("@receipt"), is_notice("supreme-court")
    (True, False)
    """
    return target.startswith(_SIGN)


@dataclass(frozen=True, slots=True)
class Standing:
    """How one letter of a signatory stands: to which target, by which channel; `at` is when it was accepted."""

    target: str
    channel: str
    state: str
    reason: str = ""
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """To a signatory: what became of each of their letters."""

    letters: tuple[Standing, ...]


@dataclass(frozen=True, slots=True)
class Digest:
    """
    To the campaign's copies: what went out from the day `first` to the day `last` (ISO, UTC), by target; how all letters stand;
    and the numbers of the first letters, which are written out below.
    """

    first: str
    last: str
    signatures: int
    accepted: Mapping[str, int]
    standing: Mapping[str, int]
    letters: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """To an organiser: one of the letters as it would be, the `number`-th `of` so many."""

    organiser: str
    target: str
    language: str
    voice: str
    number: int
    of: int


Facts = Receipt | Digest | Trial
_LANES: Mapping[type, Lane] = {Receipt: Lane.RECEIPT, Digest: Lane.DIGEST, Trial: Lane.TRIAL}


@dataclass(frozen=True, slots=True)
class NewNotice:
    """A notice to be written down: of two with the same `name` there is only the first. `domain` is for its Message-ID."""

    name: str
    campaign: str
    facts: Facts
    domain: str
    signature: int | None = None

    @property
    def lane(self) -> Lane:
        """In which lane it waits."""
        return _LANES[type(self.facts)]


def packed(facts: Facts) -> str:
    """What a notice says, as the ledger keeps it."""
    return json.dumps(asdict(facts), ensure_ascii=False, separators=(",", ":"))


def unpacked(lane: str, text: str) -> Facts:
    """The same as `packed` wrote it."""
    told = json.loads(text)
    match lane:
        case Lane.RECEIPT:
            return Receipt(tuple(Standing(**one) for one in told["letters"]))
        case Lane.DIGEST:
            return Digest(**told | {"letters": tuple(told["letters"])})
        case _:
            return Trial(**told)


@dataclass(frozen=True, slots=True)
class Look:
    """A signatory of whose letters one has moved: how all of them stand, and when the newest of their attempts ended."""

    signature: int
    campaign: str
    is_confirmed: bool
    letters: tuple[Standing, ...]
    quiet_since: int


_UNDER_WAY = frozenset({State.QUEUED, State.SENDING, State.DEFERRED})
_OPEN = frozenset({State.HELD, State.IN_DOUBT})
# Letters that tell a signatory something: they came to an end that is not by an order, or are for a person to do.
_TELLING = frozenset({State.ACCEPTED, State.REFUSED, State.BOUNCED, State.EXPIRED, State.BY_HAND, State.DONE})


def receipt(letters: Sequence[Standing], quiet_since: int, now: int, passing: frozenset[str]) -> Receipt | int | None:
    """
    The receipt for these letters; or when to look again (seconds since 1970); or None: not before one of them moves.

    `passing` are the reasons for which a letter is held only until somebody acts for all, so that it is waited for.

    >>> sent, held = Standing("court", "email", "accepted", at=5), Standing("embassy", "email", "held", "no route")
    >>> receipt([sent, held], 5, 10, frozenset()), receipt([held], 5, 10, frozenset()) is None
    (86405, True)
    >>> receipt([sent, held], 5, 86_405, frozenset()) == Receipt((sent, held))
    True
    """
    states = {State(one.state) for one in letters}
    if states & _UNDER_WAY or not states & _TELLING:
        return None
    if any(one.state == State.HELD and one.reason in passing for one in letters):
        return None
    if states & _OPEN and now < quiet_since + PATIENCE:
        return quiet_since + PATIENCE
    return Receipt(tuple(letters))


def paced(lane: str, relay: str, campaign: str) -> tuple[str, ...]:
    """
    Under what a notice is counted for the pace, the relay's key first; a digest also counts for whom it goes to (`pace.keys`),
    a receipt or a trial for its domain, of which the ledger knows a keyed hash (`Seal.paced`).

    All receipts of a campaign count as if they went to one address: slower than would be allowed, and never faster.

    >>> paced("@receipt", "mail.example", "homes"), paced("@trial", "mail.example", "homes")
    (('relay:mail.example', 'receipts over mail.example', 'receipts:homes'), ('relay:mail.example',))
    """
    own = (receipts_over(relay), f"receipts:{campaign}") if lane == Lane.RECEIPT else ()
    return (f"relay:{relay}", *own)


def receipts_over(relay: str) -> str:
    """Under what all receipts over a relay are counted: they get half of its pace at most, and leave the rest to letters."""
    return f"receipts over {relay}"
