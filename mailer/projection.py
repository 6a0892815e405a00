"""
When the queue will be empty, and which letters will miss their campaign's deadline: an estimate, at the paces of now.

    ledger (what waits, what went), throttle (limits, hours)  >  PROJECTION  >  cli (status)

Time goes on in steps of an hour, and in each the lanes that are open share what their limits allow, as they do in sending. It
is assumed that each letter is accepted when it goes, that deferred ones go at their next time, and that no more are taken in.
Receipts take what letters leave of their share of the relay's pace, where they are on: as many as if everybody got one.
Held letters wait for somebody, and have no part in it. It decides nothing: a pace is never passed to keep a deadline.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from mailer import notice, throttle
from mailer.campaign import Channel, Pace, Receipts, place
from mailer.ledger import Lane, Ledger
from mailer.rules import Ruling, over_at
from mailer.throttle import Limits

HOUR = 3_600
_STEPS = 24 * 400  # hours that are looked ahead, at most; nights and weekends are passed over at once
_ROUNDS = 12  # in which the lanes of one hour share it
_LITTLE = 1e-6  # of a letter


@dataclass(slots=True)
class Line:
    """
    A lane's letters: how many come due in which hour since 1970, the keys that limit it, from when on its hours are open, and
    the time (seconds since 1970) from which nothing of it goes any more.

    `receipts` is the line of what is told to signatories once their letters went, `told` how much of one comes of each letter.
    """

    lane: Lane
    due: Mapping[int, int]
    keys: Sequence[str]
    opens_at: Callable[[float], float]
    over_at: float | None = None
    receipts: Line | None = None
    told: float = 0
    waits: float = field(default=0, init=False)
    ends_at: float | None = field(default=None, init=False)
    late: int = field(default=0, init=False)

    def later(self, hour: int) -> int:
        """How many letters come due behind an hour."""
        return sum(count for at, count in self.due.items() if at > hour)

    def turn(self, hour: int) -> None:
        """Another hour begins."""
        if due := self.due.get(hour):
            self.waits, self.ends_at = self.waits + due, None


@dataclass(frozen=True, slots=True)
class Outlook:
    """
    What becomes of one campaign's queue: how many letters wait, when it is empty (seconds since 1970; None = not within a
    year), and which letters miss the deadline: the last so many of a lane, behind so many that do not.
    """

    waiting: int
    empty_at: float | None
    late: Mapping[Lane, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class _Room:
    """What one key still allows: its limits, and what went in each of the last 24 hours."""

    pace: Pace
    went: deque[float]
    left: float = 0

    def begin(self, seconds: float) -> None:
        """A step of so many seconds begins."""
        bounds = [float("inf")]
        if self.pace.per_minute is not None:
            bounds.append(self.pace.per_minute * seconds / 60)
        if self.pace.per_hour is not None:
            # The first step is the rest of an hour in which letters went already.
            bounds.append(self.pace.per_hour - self.went[-1] if seconds < HOUR else self.pace.per_hour)
        if self.pace.per_day is not None:
            bounds.append(self.pace.per_day - sum(self.went))
        self.left = max(0.0, min(bounds))

    def turn(self) -> None:
        """Another hour begins."""
        self.went.append(0)


async def outlooks(ledger: Ledger, ruling: Ruling, limits: Limits, relay: str, now: int) -> dict[str, Outlook]:
    """What becomes of the queue of each campaign that has letters in it which may go over a relay, if sending goes on `now`."""
    paces: dict[str, Pace] = {}
    hours: dict[object, Callable[[float], float]] = {}
    queue = ledger.queue(now)
    receipts: dict[str, Line] = {}
    for id in [id for id, campaign in ruling.campaigns.items() if campaign.receipts is not Receipts.OFF]:
        lane = Lane(id, notice.Lane.RECEIPT, "")
        limited = throttle.paces(limits, relay, ruling, lane)
        paces.update(limited)
        receipts[id] = Line(lane, queue.get(lane, {}), list(limited), lambda at: at)
    lines = []
    for lane, due in queue.items():
        campaign = ruling.campaigns.get(lane.campaign)
        if campaign is None or lane.is_notices or ruling.hold(lane) is not None:
            continue
        limited = throttle.paces(limits, relay, ruling, lane)
        paces.update(limited)
        # Lanes whose offices are at one place are open at the same times: asked once.
        where = (lane.campaign, place(campaign, campaign.targets[lane.target], lane.country))
        opens_at = hours.setdefault(where, cache(partial(throttle.opens_at, campaign, lane)))
        told = 1 / sum(target.channel is Channel.EMAIL for target in campaign.targets.values())
        lines.append(Line(lane, due, list(limited), opens_at, over_at(campaign), receipts.get(campaign.id), told))
    return project(lines, paces, ledger.went(now - 24 * HOUR), now, list(receipts.values()))


def project(
    lines: Sequence[Line],
    paces: Mapping[str, Pace],
    went: Mapping[str, Mapping[int, int]],
    now: float,
    receipts: Sequence[Line] = (),
) -> dict[str, Outlook]:
    """
    Look ahead from `now` (seconds since 1970); `went` is how many letters were counted under a key in which hour since 1970,
    `receipts` the lines that take what those of letters leave.

    >>> home = Lane("c", "court", "")
    >>> line = Line(home, {0: 250}, ["court"], lambda at: at)
    >>> project([line], {"court": Pace(per_hour=100)}, {}, 0)["c"]
    Outlook(waiting=250, empty_at=9000, late={})
    """
    hour = int(now) // HOUR
    rooms = {key: _room(pace, went.get(key, {}), hour) for key, pace in paces.items()}
    for line in (*lines, *receipts):
        line.waits = sum(count for at, count in line.due.items() if at <= hour)
    left = [line for line in lines if line.due]
    for _ in range(_STEPS):
        at, end = max(now, hour * HOUR), (hour + 1) * HOUR
        left = [line for line in left if not _is_done(line, hour, at)]
        if not left:
            break
        jump = hour + 1 if _share(left, receipts, rooms, at, end) else _next_hour([*left, *receipts], hour, end)
        while hour < jump:
            hour += 1
            for line in (*left, *receipts):
                line.turn(hour)
            for room in rooms.values():
                room.turn()
    campaigns = dict.fromkeys(line.lane.campaign for line in lines)
    return {id: _outlook([line for line in lines if line.lane.campaign == id]) for id in campaigns}


def _is_done(line: Line, hour: int, at: float) -> bool:
    """Whether nothing of a line goes any more: it is empty, or its time is over, and what is left is late."""
    more = line.waits + line.later(hour)
    if more > _LITTLE and line.over_at is not None and at >= line.over_at:
        line.late, line.ends_at = round(more), line.over_at
        return True
    return more <= _LITTLE


def _outlook(lines: Sequence[Line]) -> Outlook:
    """What becomes of one campaign's lines."""
    ends = [line.ends_at for line in lines if line.due]
    known = [end for end in ends if end is not None]
    empty_at = max(known, default=None) if len(known) == len(ends) else None
    waiting = {line.lane: sum(line.due.values()) for line in lines}
    late = {line.lane: (line.late, waiting[line.lane] - line.late) for line in lines if line.late}
    return Outlook(sum(waiting.values()), empty_at, late)


def _room(pace: Pace, went: Mapping[int, int], hour: int) -> _Room:
    return _Room(pace, deque((float(went.get(at, 0)) for at in range(hour - 23, hour + 1)), maxlen=24))


def _share(lines: Sequence[Line], receipts: Sequence[Line], rooms: Mapping[str, _Room], at: float, end: float) -> bool:
    """
    One step: the lines that are open take what their keys allow, each the same until it is empty or a key is, and receipts what
    they leave; whether any took.
    """
    for room in rooms.values():
        room.begin(end - at)
    letters = _take(lines, rooms, at, end)
    return _take(receipts, rooms, at, end) or letters


def _take(lines: Sequence[Line], rooms: Mapping[str, _Room], at: float, end: float) -> bool:
    """What lines that are alike take in a step; whether any took."""
    most = {key: room.left for key, room in rooms.items()}
    left = {id(line): _most(line, rooms, at, end) for line in lines}
    going = [line for line in lines if line.waits > _LITTLE and left[id(line)] > _LITTLE]
    beside = {key: sum(key in line.keys for line in going) for key in rooms}
    took: dict[int, float] = {}
    for _ in range(_ROUNDS):
        going = [line for line in going if min([line.waits, left[id(line)], *(rooms[key].left for key in line.keys)]) > _LITTLE]
        users = {key: sum(key in line.keys for line in going) for key in rooms}
        fair = {key: room.left / users[key] for key, room in rooms.items() if users[key]}
        for line in going:
            share = min([line.waits, left[id(line)], *(fair[key] for key in line.keys)])
            line.waits -= share
            if line.receipts is not None:
                line.receipts.waits += share * line.told
            left[id(line)] -= share
            took[id(line)] = took.get(id(line), 0) + share
            for key in line.keys:
                rooms[key].left -= share
                rooms[key].went[-1] += share
            if line.waits <= _LITTLE:
                # Those beside it went meanwhile.
                parts = [took[id(line)] * beside[key] / most[key] for key in line.keys if most[key] < float("inf")]
                first = max(at, min(line.opens_at(at), end))
                line.waits, line.ends_at = 0, round(first + (end - first) * min(1.0, max(parts, default=0)))
    return bool(took)


def _most(line: Line, rooms: Mapping[str, _Room], at: float, end: float) -> float:
    """What may go of a line in a step beside what its keys allow: nothing while it is shut, and in a part of it a part."""
    share = _open_share(line, at, end)
    if share in (0, 1):
        return float("inf") if share else 0
    paces = [rooms[key].pace.per_minute for key in line.keys]
    return min([pace * (end - at) / 60 * share for pace in paces if pace is not None], default=float("inf"))


def _open_share(line: Line, at: float, end: float) -> float:
    """For which part of a step the hours of a line are open, by its quarters."""
    quarter = (end - at) / 4
    return sum(line.opens_at(at + place * quarter) == at + place * quarter for place in range(4)) / 4


def _next_hour(lines: Sequence[Line], hour: int, end: float) -> int:
    """Where nothing went: the next hour in which something may, because it comes due, opens, is over, or a limit lets go."""
    found = [min((at for at in line.due if at > hour), default=hour + _STEPS) for line in lines]
    found += [int(line.over_at) // HOUR for line in lines if line.over_at is not None]
    found += [int(line.opens_at(end)) // HOUR for line in lines if line.waits > _LITTLE]
    return max(hour + 1, min(found))
