"""
How much of a lane may go now, and when the next of it: its working hours, and every pace that it falls under.

    ruling (to whom a lane writes), pace (arithmetic), ledger (what went)  >  THROTTLE  >  dispatch, projection

A letter is counted once for its relay, each domain and each address that it names, copies too; each key has its limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from mailer import hours, notice, pace
from mailer.campaign import UNPACED, Campaign, Pace
from mailer.ledger import Lane, Ledger
from mailer.rules import Ruling


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What is everybody's: the pace over the relay, and that to each domain. Each address has its campaign's.

    `hidden` gives under what else a domain is counted: what goes to signatories has keyed hashes in the ledger.
    """

    pace: Pace = UNPACED
    domain_pace: Pace = UNPACED
    hidden: Callable[[str], Sequence[str]] = lambda _: ()

    def counted(self, key: str) -> tuple[str, ...]:
        """Under what is counted in the ledger, and in hand, what one key limits."""
        return (key, *self.hidden(key)) if key.startswith("@") else (key,)


def paces(limits: Limits, relay: str, ruling: Ruling, lane: Lane) -> dict[str, Pace]:
    """What limits a lane over a relay, by the keys under which its letters are counted; those without a limit are left out."""
    campaign = ruling.campaigns[lane.campaign]
    if lane.target == notice.Lane.DIGEST:
        first, *others = pace.keys(relay, map(str, campaign.digest_to))
    elif lane.is_notices:
        first, *others = notice.paced(lane.target, relay, lane.campaign)
    else:
        first, *others = pace.keys(relay, (*sorted(ruling.written_to(lane)), *map(str, campaign.copy_to)))
    found = {first: limits.pace} | {key: limits.domain_pace if key.startswith("@") else campaign.pace for key in others}
    if lane.target == notice.Lane.RECEIPT:
        found[notice.receipts_over(relay)] = limits.pace.half
    return {key: each for key, each in found.items() if each.limits}


def opens_at(campaign: Campaign, lane: Lane, now: float) -> float:
    """When the lane's hours are open, from `now` on (seconds since 1970); notices have none."""
    return now if lane.is_notices else hours.opens_at(campaign, lane.target, lane.country, now)


async def room(
    ledger: Ledger, limits: Limits, limited: Mapping[str, Pace], in_hand: Mapping[str, int], now: float
) -> int | None:
    """
    How many letters may go now under all of these keys, beside those in hand; None = no limit.

    `in_hand` is counted before the ledger is asked: what is marked in between counts twice, and never not at all.
    """
    counted = {key: limits.counted(key) for key in limited}
    held = {key: sum(in_hand.get(one, 0) for one in counted[key]) for key in limited}
    asked = [(counted[key], int(now - span)) for key, each in limited.items() for _, span in each.limits]
    counts = iter(await ledger.sent_counts(asked) if asked else ())
    allowed = {key: pace.allowance(each, list(islice(counts, len(each.limits)))) for key, each in limited.items()}
    return min((most - held[key] for key, most in allowed.items() if most is not None), default=None)


async def free_at(ledger: Ledger, limits: Limits, limited: Mapping[str, Pace], now: float) -> float:
    """When the next letter may go under all of these keys, in seconds since 1970; `now` if at once."""
    asked = [(limits.counted(key), limit) for key, each in limited.items() for limit, _ in each.limits]
    last = iter(await ledger.sent_back(asked) if asked else ())
    return max([now, *(pace.free_at(each, list(islice(last, len(each.limits))), now) for each in limited.values())])


class Turns:
    """
    The turns of what goes to signatories and organisers, whose domain is known only once it is in hand.

    What would pass its domain's pace gets a turn later, one behind the other, each by as much as the pace asks: so it is
    claimed a second time when it may go, and not again and again before.
    """

    def __init__(self, ledger: Ledger, limits: Limits) -> None:
        self._ledger = ledger
        self._limits = limits
        self._last: dict[str, float] = {}

    async def wait(self, key: str, in_hand: Mapping[str, int], now: float) -> float | None:
        """
        From when on what is in hand to a domain (`@domain`, counted there) may go, in seconds since 1970; None: now.
        """
        limited = {key: self._limits.domain_pace}
        left = await room(self._ledger, self._limits, limited, in_hand, now)
        if left is None or left >= 0:  # it is counted itself
            return None
        apart = max(span / limit for limit, span in self._limits.domain_pace.limits)
        free = await free_at(self._ledger, self._limits, limited, now)
        self._last = {one: at for one, at in self._last.items() if at > now}
        turn = self._last[key] = max(free, self._last.get(key, now) + apart)
        return turn
