"""
How fast, and in which hours: limits for an address, a domain and the relay, working hours in the target's time zone, the
relay's breaker, and the refusals in a row after which a target or a campaign is left alone.

All of it is arithmetic: given what was sent and the time, it says go, or wait until. What was sent stands in the ledger, so
that the passes of a cron job share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import ClassVar

from mailer.campaign import Pace, Window
from mailer.outcome import Sign

MINUTE, HOUR, DAY = 60, 3_600, 86_400
BACK = 300  # seconds by which the clock may be behind the newest time that was seen


@dataclass(frozen=True, slots=True)
class Clock:
    """What the flow knows of time and chance; tests give their own."""

    now: Callable[[], float]
    chance: Callable[[], float]

    @property
    def seconds(self) -> int:
        """Whole seconds since 1970, as the ledger keeps them."""
        return int(self.now())


def went_back(seconds: int) -> str:
    """Why everything stops when the clock is found so many seconds behind a time that was seen already."""
    return f"this machine's clock stands {seconds} s before a time that was seen already: see that it is right"


def keys(relay: str, addresses: Iterable[str]) -> tuple[str, ...]:
    """
    Under what a letter is counted: once for its relay, once for each domain, once for each address.

    >>> keys("mail.example", ["head@court.example", "press@court.example"])
    ('relay:mail.example', '@court.example', 'head@court.example', 'press@court.example')
    """
    each = dict.fromkeys(address.lower() for address in addresses)
    domains = dict.fromkeys("@" + address.rpartition("@")[2] for address in each)
    return (f"relay:{relay}", *domains, *each)


def allowance(pace: Pace, counts: Sequence[int]) -> int | None:
    """
    How many letters may go now under one key; None = no limit.

    `counts` are how many went within the span of each of the pace's limits, which ends now. The spans slide: no 60, 3600 or
    86400 seconds, wherever they begin, ever hold more than the limit.

    >>> allowance(Pace(per_minute=3, per_hour=10), [2, 9]), allowance(Pace(), [])
    (1, None)
    """
    room = [limit - count for (limit, _), count in zip(pace.limits, counts, strict=True)]
    return max(0, min(room)) if room else None


def free_at(pace: Pace, last: Sequence[float | None], now: float) -> float:
    """
    When the next letter may go under one key, in seconds since 1970; `now` if at once.

    `last` is for each of the pace's limits N when the N-th last letter went; None if fewer did.

    >>> free_at(Pace(per_minute=2), [100.0], 140.0), free_at(Pace(per_minute=2), [None], 140.0)
    (160.0, 140.0)
    """
    return max([now, *(at + span for (_, span), at in zip(pace.limits, last, strict=True) if at is not None)])


_BELIEVED = 62  # days in a row; a calendar that closes more of them is taken for wrong, not waited for


def opens_at(window: Window | None, zone: tzinfo | None, now: float, is_off: Callable[[date], bool] | None = None) -> float:
    """
    When letters may next go to a target, in seconds since 1970; `now` if at once. Without a time zone it is read in UTC.

    The target's own clock decides alone: it is open whenever that clock shows a time from `first` until before `last`, on one
    of the days that `is_off` does not take away. Where daylight saving skips hours, these are not made up for, and a window
    that begins among them opens when the clock has jumped; hours that come twice are open twice.

    >>> at = datetime(2011, 9, 24, 12, 0, tzinfo=UTC).timestamp()  # a Saturday
    >>> datetime.fromtimestamp(opens_at(Window(frozenset(range(5)), 9 * 60, 18 * 60), UTC, at), UTC).isoformat()
    '2011-09-26T09:00:00+00:00'
    """
    if window is None:
        return now
    if not window.days:
        raise ValueError("the window names no day")  # the configuration refuses an empty one
    zone = zone or UTC
    if _is_within(window, datetime.fromtimestamp(now, zone), is_off):
        return now
    today = datetime.fromtimestamp(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    for days in range(_BELIEVED):
        moments = sorted(at for at in _moments(window, today + timedelta(days=days)) if at > now)
        for at in moments:
            if _is_within(window, datetime.fromtimestamp(at, zone), is_off):
                return at
    if is_off is None:
        raise ValueError("the window has no hours")  # none in two months of any zone that there is
    return opens_at(window, zone, now)


def _moments(window: Window, day: datetime) -> list[float]:
    """When a window may begin on a day: at its first minute, which may come twice, and where the zone's clock is changed."""
    first = day.replace(hour=window.first // 60, minute=window.first % 60)
    found = [first.timestamp(), first.replace(fold=1).timestamp()]
    low, high = int(day.timestamp()), int((day + timedelta(days=1)).timestamp())
    before = datetime.fromtimestamp(low, day.tzinfo).utcoffset()
    if before == datetime.fromtimestamp(high, day.tzinfo).utcoffset():
        return found
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, day.tzinfo).utcoffset() == before:
            low = middle
        else:
            high = middle
    return [*found, float(high)]


def _is_within(window: Window, local: datetime, is_off: Callable[[date], bool] | None = None) -> bool:
    if local.weekday() not in window.days or not window.first <= local.hour * 60 + local.minute < window.last:
        return False
    return is_off is None or not is_off(local.date())


@dataclass(frozen=True, slots=True)
class Breaker:
    """
    Whether the relay is asked at all. It opens behind `LIMIT` failures in a row that were the relay's own matter.

    `not_before` is in seconds since 1970; each further failure doubles the pause, from `FIRST` to `LONGEST` seconds.
    """

    failures: int = 0
    not_before: float = 0
    why: str = ""

    LIMIT: ClassVar[int] = 3
    FIRST: ClassVar[int] = 60
    LONGEST: ClassVar[int] = 1800
    REFUSED: ClassVar[int] = 900

    def is_open(self, now: float) -> bool:
        """Whether sending waits."""
        return now < self.not_before

    @property
    def is_probing(self) -> bool:
        """Whether the next letter is a probe, which goes alone."""
        return self.failures >= self.LIMIT

    def failed(self, now: float, why: str, *, account: bool = False) -> Breaker:
        """
        The breaker after one more failure of the relay. A refused account waits for a person, with a probe in 15 minutes.

        >>> Breaker().failed(100, "down").is_open(101), Breaker(2).failed(100, "down").not_before
        (False, 160)
        """
        failures = self.failures + 1
        if account:
            return Breaker(max(failures, self.LIMIT), now + self.REFUSED, why)
        if failures < self.LIMIT:
            return Breaker(failures, self.not_before, why)
        return Breaker(failures, now + min(self.LONGEST, self.FIRST * 2 ** min(failures - self.LIMIT, 20)), why)

    def limited(self, now: float, why: str, pause: float) -> Breaker:
        """The breaker after the relay said for how many seconds it takes no more; the next letter is a probe."""
        return Breaker(max(self.failures, self.LIMIT), max(self.not_before, now + pause), why)

    def worked(self) -> Breaker:
        """The breaker after the relay answered a MAIL with 200 to 499 and did not mean itself."""
        return Breaker()


@dataclass(frozen=True, slots=True)
class Streak:
    """
    Refusals in a row that are about more than one letter, and in how many passes they came.

    A lane's are of its `addresses` (sign address), or of some of them beside others (sign beside); a campaign's, without target
    and country, are by policy.
    """

    sign: Sign
    campaign: str
    target: str
    country: str
    addresses: tuple[str, ...]
    length: int
    passes: int

    LIMIT: ClassVar[int] = 3

    @property
    def is_long(self) -> bool:
        """Whether it speaks for more than the letters that met it."""
        return self.length >= self.LIMIT

    @property
    def is_gone(self) -> bool:
        """Whether an address is taken for gone: not by one pass alone, which a relay's bad hour fills."""
        return self.sign is Sign.ADDRESS and self.is_long and self.passes > 1

    @property
    def is_told(self) -> bool:
        """Whether somebody should hear of addresses that are refused while the letters go to others."""
        return self.sign is Sign.BESIDE and self.is_long and self.passes > 1
