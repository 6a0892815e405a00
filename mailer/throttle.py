"""
How much of a lane may go now, and when the next of it: its working hours, and every pace that it falls under.

    ruling (to whom a lane writes), pace (arithmetic), ledger (what went)  >  THROTTLE  >  dispatch, projection

A letter is counted once for its relay, each domain and each address that it names, copies too; each key has its limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from mailer import hours, notice, pace
from mailer.campaign import UNPACED, Pace
from mailer.ledger import Lane, Ledger
from mailer.rules import Ruling


@dataclass(frozen=True, slots=True)
class Limits:
    """What is everybody's: the relay's name, the pace over it, and that to each domain. Each address has its campaign's."""

    relay: str
    pace: Pace = UNPACED
    domain_pace: Pace = UNPACED


def paces(limits: Limits, ruling: Ruling, lane: Lane) -> dict[str, Pace]:
    """What limits a lane, by the keys under which its letters are counted; those without a limit are left out."""
    campaign = ruling.campaigns[lane.campaign]
    if lane.target == notice.Lane.DIGEST:
        first, *others = pace.keys(limits.relay, map(str, campaign.digest_to))
    elif lane.is_notices:
        first, *others = notice.paced(lane.target, limits.relay, lane.campaign)
    else:
        first, *others = pace.keys(limits.relay, (*sorted(ruling.written_to(lane)), *map(str, campaign.copy_to)))
    found = {first: limits.pace} | {key: limits.domain_pace if key.startswith("@") else campaign.pace for key in others}
    return {key: each for key, each in found.items() if each.limits}


def opens_at(ruling: Ruling, lane: Lane, now: float) -> float:
    """When the lane's hours are open, from `now` on (seconds since 1970); notices have none."""
    return now if lane.is_notices else hours.opens_at(ruling.campaigns[lane.campaign], lane.target, lane.country, now)


async def room(ledger: Ledger, limited: Mapping[str, Pace], in_hand: Mapping[str, int], now: float) -> int | None:
    """
    How many letters may go now under all of these keys, beside those in hand; None = no limit.

    `in_hand` is counted before the ledger is asked: what is marked in between counts twice, and never not at all.
    """
    held = {key: in_hand.get(key, 0) for key in limited}
    asked = [(key, int(now - span)) for key, each in limited.items() for _, span in each.limits]
    counts = iter(await ledger.sent_counts(asked) if asked else ())
    allowed = {key: pace.allowance(each, list(islice(counts, len(each.limits)))) for key, each in limited.items()}
    return min((most - held[key] for key, most in allowed.items() if most is not None), default=None)


async def free_at(ledger: Ledger, limited: Mapping[str, Pace], now: float) -> float:
    """When the next letter may go under all of these keys, in seconds since 1970; `now` if at once."""
    asked = [(key, limit) for key, each in limited.items() for limit, _ in each.limits]
    last = iter(await ledger.sent_back(asked) if asked else ())
    return max([now, *(pace.free_at(each, list(islice(last, len(each.limits))), now) for each in limited.values())])
