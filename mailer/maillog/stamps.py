"""
When a line of the log was written, in either of the two forms that syslog has. Part of `maillog`.

The traditional one (RFC 3164) has no year and no zone: it is this machine's time, and of the years the newest in which it is
not in the future. RFC 3339 says it all.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

_MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_OLD = re.compile(rb"([A-Z][a-z]{2}) ([ 0-3][0-9]) ([0-2][0-9]):([0-5][0-9]):([0-6][0-9])")
_AHEAD = 2 * 86_400  # seconds that a line may be in the future: a clock or a zone that is not ours
_REMEMBERED = 1_000


class Stamps:
    """Stamps as seconds since 1970, read at a time `now`; those of one second are worked out once."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._known: dict[bytes, int | None] = {}

    def seconds(self, stamp: bytes) -> int | None:
        """
        When that was; None where there is no such time, or it has not come yet.

        >>> stamps = Stamps(1_316_505_600)
        >>> [stamps.seconds(one) for one in (b"2011-09-20T10:00:00.5+02:00", b"2011-09-31T10:00:00Z", b"9999-01-01T00:00:00Z")]
        [1316505600, None, None]
        """
        if stamp not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[stamp] = self._traditional(stamp) if stamp[:1].isalpha() else self._full(stamp)
        return self._known[stamp]

    def _traditional(self, stamp: bytes) -> int | None:
        found = _OLD.fullmatch(stamp)
        month = _MONTHS.get(found[1]) if found else None
        if not found or not month:
            return None
        day, hour, minute, second = (int(part) for part in found.groups()[1:])
        this_year = time.localtime(self._now).tm_year
        for year in (this_year, this_year - 1):
            try:
                datetime(year, month, day, hour, minute, tzinfo=UTC)  # mktime takes the 31st of April for the 1st of May
                at = int(time.mktime((year, month, day, hour, minute, second, -1, -1, -1)))
            except (ValueError, OverflowError):
                continue
            if at <= self._now + _AHEAD:
                return at
        return None

    def _full(self, stamp: bytes) -> int | None:
        try:
            at = int(datetime.fromisoformat(stamp.decode("ascii")).timestamp())
        except (ValueError, OverflowError):
            return None
        return at if 0 <= at <= self._now + _AHEAD else None
