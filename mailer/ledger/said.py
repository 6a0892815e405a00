"""What people have said of letters: approved, closed, paused, ordered. Part of the ledger."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


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
