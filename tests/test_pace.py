"""
How fast and in which hours: limits that slide, office hours in any time zone, the relay's breaker.
"""

from bisect import bisect_left
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.campaign import Pace, Window
from mailer.outcome import Sign
from mailer.pace import HOUR, MINUTE, Breaker, Clock, Streak, allowance, free_at, opens_at

# limits a minute and an hour, when letters went, now; how many may go, and when the next may
ALLOWANCES = [
    (None, None, [1, 2, 3], 3, None, 3),
    (3, None, [], 100, 3, 100),
    (3, None, [100, 130], 159, 1, 159),
    (3, None, [100, 130], 160, 2, 160),
    (2, None, [100, 130], 140, 0, 160),
    (2, None, [100, 130], 160, 1, 160),
    (2, None, [130, 100], 159.9, 0, 160),
    (2, None, [100, 130, 140], 150, 0, 190),  # a limit that was lowered: more went than it allows
    (None, 2, [100, 200], 3699, 0, 3700),
    (None, 2, [100, 200], 3700, 1, 3700),
    (2, 3, [100, 150, 200], 205, 0, 3700),  # the stricter of the two
    (2, 3, [100, 200], 205, 1, 205),
    (1, 100, [100], 100, 0, 160),
    (2, None, [100.1, 130.7], 140, 0, 160.1),
]


def counts(pace: Pace, sent: list[float], now: float) -> list[int]:
    """How many of these went within each of a pace's spans, as the ledger counts them."""
    return [sum(at + span > now for at in sent) for _, span in pace.limits]


def last(pace: Pace, sent: list[float]) -> list[float | None]:
    """When the N-th last went, for each of a pace's limits N, as the ledger finds it."""
    return [sorted(sent)[-limit] if len(sent) >= limit else None for limit, _ in pace.limits]


@pytest.mark.parametrize(("minute", "hour", "sent", "now", "may_go", "free"), ALLOWANCES)
def test_a_limit_leaves_room_as_its_window_slides(minute, hour, sent, now, may_go, free):
    pace = Pace(minute, hour)
    assert allowance(pace, counts(pace, sent, now)) == may_go
    assert free_at(pace, last(pace, sent), now) == pytest.approx(free)


LIMITS = st.none() | st.integers(1, 5)
WAITS = st.lists(st.floats(0, 500) | st.sampled_from([0.0, 0.1, 59.9, 60.0, 3600.0]), max_size=40)


@given(LIMITS, LIMITS, WAITS, st.integers(1, 5))
@example(1, None, [0.1] * 5, 1)
@example(3, 4, [0.0] * 30, 2)
def test_no_minute_and_no_hour_ever_holds_more_than_the_limit(per_minute, per_hour, waits, at_once):
    """Send as greedily as allowed, looking again after any wait, and then count in every window that there is."""
    pace = Pace(per_minute, per_hour)
    sent: list[float] = []
    now = 1_316_505_600.0
    for wait in waits:
        now += wait
        room = allowance(pace, counts(pace, sent, now))
        assert (room is None or room > 0) == (free_at(pace, last(pace, sent), now) == now)
        sent += [now] * (at_once if room is None else min(room, at_once))
    for limit, span in ((per_minute, MINUTE), (per_hour, HOUR)):
        for first, begin in enumerate(sent):
            assert limit is None or bisect_left(sent, begin + span) - first <= limit


@given(st.integers(1, 5), st.integers(1, 5), st.lists(st.floats(0, 2e9), max_size=12), st.floats(0, 2e9))
def test_when_it_is_free_it_is_free_and_not_a_moment_before(per_minute, per_hour, sent, now):
    pace = Pace(per_minute, per_hour)
    sent = [at for at in sent if at <= now]
    free = free_at(pace, last(pace, sent), now)
    assert free >= now
    assert (allowance(pace, counts(pace, sent, free)) or 0) > 0
    if free > now:
        assert allowance(pace, counts(pace, sent, now)) == 0


# Office hours

WORKDAYS = frozenset(range(5))
OFFICE = Window(WORKDAYS, 9 * 60, 18 * 60)
NIGHT = Window(frozenset(range(7)), 0, 24 * 60)


def at(text: str, zone: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


HOURS = [
    (OFFICE, "Asia/Almaty", "2011-09-20T08:59:59", "2011-09-20T09:00"),
    (OFFICE, "Asia/Almaty", "2011-09-20T09:00:00", "2011-09-20T09:00"),
    (OFFICE, "Asia/Almaty", "2011-09-20T17:59:59", "2011-09-20T17:59:59"),
    (OFFICE, "Asia/Almaty", "2011-09-20T18:00:00", "2011-09-21T09:00"),
    (OFFICE, "Asia/Almaty", "2011-09-23T18:00:00", "2011-09-26T09:00"),  # Friday evening
    (OFFICE, "Asia/Almaty", "2011-09-24T12:00:00", "2011-09-26T09:00"),
    (Window(frozenset({6}), 600, 601), "UTC", "2011-09-25T10:01:00", "2011-10-02T10:00"),  # one minute a week
    (Window(WORKDAYS, 18 * 60, 24 * 60), "UTC", "2011-09-20T23:59:59", "2011-09-20T23:59:59"),
    (Window(WORKDAYS, 18 * 60, 24 * 60), "UTC", "2011-09-23T23:59:59", "2011-09-23T23:59:59"),
    (NIGHT, "Europe/Berlin", "2011-03-27T03:10:00", "2011-03-27T03:10"),
    # daylight saving begins and ends: still nine o'clock by the office's clock
    (OFFICE, "Europe/Berlin", "2011-03-25T20:00:00", "2011-03-28T09:00"),
    (OFFICE, "Europe/Berlin", "2011-10-28T20:00:00", "2011-10-31T09:00"),
    (OFFICE, "America/New_York", "2011-11-04T20:00:00", "2011-11-07T09:00"),
    (OFFICE, "Australia/Lord_Howe", "2011-09-30T20:00:00", "2011-10-03T09:00"),  # by half an hour
    # hours that are skipped are not made up for, and none outside the window is used instead
    (Window(frozenset(range(7)), 130, 170), "Europe/Berlin", "2011-03-27T00:00:00", "2011-03-28T02:10"),
    (Window(frozenset(range(7)), 60, 150), "Europe/Berlin", "2011-03-27T03:15:00", "2011-03-28T01:00"),
    # midnight itself is skipped
    (Window(frozenset({6}), 0, 600), "America/Sao_Paulo", "2011-10-15T12:00:00", "2011-10-16T01:00"),
    # Samoa had no Friday the 30th: it crossed the date line
    (Window(frozenset({4}), 540, 1080), "Pacific/Apia", "2011-12-24T12:00:00", "2012-01-06T09:00"),
]


@pytest.mark.parametrize(("window", "zone", "now", "opens"), HOURS)
def test_letters_go_in_the_targets_office_hours(window, zone, now, opens):
    found = opens_at(window, ZoneInfo(zone), at(now, zone))
    assert datetime.fromtimestamp(found, ZoneInfo(zone)).isoformat()[:19] == datetime.fromisoformat(opens).isoformat()


def test_without_a_window_it_is_always_open_and_without_a_zone_it_is_utc():
    assert opens_at(None, None, 12.5) == 12.5
    assert opens_at(OFFICE, None, at("2011-09-20T08:00:00", "UTC")) == at("2011-09-20T09:00:00", "UTC")


def test_an_empty_window_is_a_mistake_and_no_endless_wait():
    with pytest.raises(ValueError, match="names no day"):
        opens_at(Window(frozenset(), 0, 60), UTC, 0)


ZONES = ["Asia/Almaty", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Beirut", "Australia/Lord_Howe",
         "Pacific/Apia", "Asia/Kathmandu", "Africa/Casablanca", "Antarctica/Troll"]  # fmt: skip
MINUTES = st.lists(st.integers(0, 1440), min_size=2, max_size=2, unique=True).map(sorted)
DAYS = st.frozensets(st.integers(0, 6), min_size=1)


def is_within(window: Window, local: datetime) -> bool:
    return local.weekday() in window.days and window.first <= local.hour * 60 + local.minute < window.last


@given(DAYS, MINUTES, st.sampled_from(ZONES), st.integers(1_293_840_000, 1_356_998_400))  # 2011 and 2012
def test_whenever_it_opens_the_offices_clock_is_within_its_hours(days, minutes, zone, now):
    window = Window(days, *minutes)
    found = opens_at(window, ZoneInfo(zone), now)
    assert now <= found <= now + 22 * 86_400
    assert is_within(window, datetime.fromtimestamp(found, ZoneInfo(zone)))
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    if is_within(window, local):
        assert found == now


CHANGES = [("Europe/Berlin", "2011-03-27T00:00"), ("Europe/Berlin", "2011-10-30T00:00"),
           ("Australia/Lord_Howe", "2011-10-02T00:00"), ("Australia/Lord_Howe", "2011-04-03T00:00"),
           ("Asia/Almaty", "2024-02-29T12:00"), ("America/Sao_Paulo", "2011-10-15T20:00")]  # fmt: skip


@given(DAYS, MINUTES, st.sampled_from(CHANGES), st.integers(0, 86_400))
def test_around_a_change_of_the_clock_it_opens_at_the_first_moment_that_is_within_its_hours(days, minutes, change, after):
    zone, window = change[0], Window(days, *minutes)
    now = at(change[1], zone) + after // 60 * 60
    found = opens_at(window, ZoneInfo(zone), now)
    assert is_within(window, datetime.fromtimestamp(found, ZoneInfo(zone)))
    earlier = range(int(now), int(min(found, now + 2 * 86_400)), 60)
    assert not any(is_within(window, datetime.fromtimestamp(moment, ZoneInfo(zone))) for moment in earlier)


ALL_DAYS = frozenset(range(7))


# a window, a zone, then moments in UTC: from the first it opens at the second
@pytest.mark.parametrize(
    ("first", "last", "zone", "now", "opens"),
    [
        (150, 300, "Europe/Berlin", "2011-03-27T00:00", "2011-03-27T01:00"),  # 02:30 is skipped: when it strikes 03:00
        (130, 170, "Europe/Berlin", "2011-03-27T00:00", "2011-03-28T00:10"),  # all of it is skipped
        (60, 150, "Europe/Berlin", "2011-03-27T01:00", "2011-03-27T23:00"),  # its end is
        (135, 165, "Europe/Berlin", "2011-10-30T00:50", "2011-10-30T01:15"),  # 02:15 strikes a second time
        (60, 150, "Europe/Berlin", "2011-10-30T00:40", "2011-10-30T01:00"),  # 02:00 does
        (150, 240, "Europe/Berlin", "2011-10-30T01:10", "2011-10-30T01:30"),
        (130, 200, "Australia/Lord_Howe", "2011-10-01T15:20", "2011-10-01T15:30"),  # half an hour: 02:00 is 02:30
        (100, 115, "Australia/Lord_Howe", "2011-04-02T14:56", "2011-04-02T15:10"),  # 01:40 strikes a second time
        (1410, 1440, "Asia/Almaty", "2024-02-29T17:59", "2024-02-29T17:59"),  # 23:59 at +06; then 23:00 at +05 again
        (1410, 1440, "Asia/Almaty", "2024-02-29T18:00", "2024-02-29T18:30"),
    ],
)
def test_hours_that_are_skipped_or_come_twice(first, last, zone, now, opens):
    found = opens_at(Window(ALL_DAYS, first, last), ZoneInfo(zone), at(now, "UTC"))
    assert datetime.fromtimestamp(found, UTC).isoformat()[:16] == opens


@given(DAYS, st.sampled_from(ZONES), st.integers(1_293_840_000, 1_356_998_400))
def test_it_opens_at_the_first_moment_that_is_within_its_hours(days, zone, now):
    window = Window(days, 9 * 60, 18 * 60)
    found = opens_at(window, ZoneInfo(zone), now)
    earlier = range(now, int(found), 1800)
    assert not any(is_within(window, datetime.fromtimestamp(moment, ZoneInfo(zone))) for moment in earlier)


# The breaker


def test_a_breaker_opens_at_the_third_failure_in_a_row_and_waits_twice_as_long_each_time():
    breaker, waits = Breaker(), []
    for _ in range(12):
        breaker = breaker.failed(1000, "down")
        waits.append(breaker.not_before - 1000 if breaker.is_open(1000) else 0)
    assert waits == [0, 0, 60, 120, 240, 480, 960, 1800, 1800, 1800, 1800, 1800]
    assert breaker.why == "down"


def test_it_closes_when_the_relay_works_and_counts_anew():
    breaker = Breaker().failed(0, "down").failed(0, "down").worked()
    assert breaker == Breaker()
    assert not breaker.failed(0, "down").failed(0, "down").is_open(1)


def test_behind_its_pause_one_letter_probes_alone():
    breaker = Breaker(2).failed(1000, "down")
    assert (breaker.is_open(1059), breaker.is_open(1060)) == (True, False)
    assert breaker.is_probing
    assert not Breaker(2).is_probing


def test_a_refused_account_opens_it_at_once_for_a_quarter_of_an_hour():
    breaker = Breaker().failed(1000, "535 no", account=True)
    assert (breaker.not_before, breaker.is_probing, breaker.why) == (1900, True, "535 no")
    assert breaker.failed(2000, "535 no", account=True).not_before == 2900


@given(st.lists(st.booleans(), max_size=60), st.floats(0, 2e9))
def test_it_never_stays_shut_for_longer_than_half_an_hour(failures, now):
    breaker = Breaker()
    for account in failures:
        breaker = breaker.failed(now, "down", account=account)
    assert not breaker.is_open(now + 1800)


def test_a_clock_counts_in_whole_seconds_for_the_ledger():
    assert Clock(lambda: 12.9, lambda: 0.5).seconds == 12


@pytest.mark.parametrize(
    ("before", "pause", "until"),
    [(Breaker(), 3600, 4600), (Breaker(2, 0, "down"), 60, 1060), (Breaker(3, 9000, "refused"), 60, 9000)],
)
def test_a_limit_opens_the_breaker_for_as_long_as_it_holds_and_a_probe_ends_it(before, pause, until):
    breaker = before.limited(1000, "limit", pause)
    assert breaker.not_before == until and breaker.is_open(until - 1) and not breaker.is_open(until)
    assert breaker.is_probing


@pytest.mark.parametrize(
    ("sign", "length", "passes", "is_gone"),
    [(Sign.ADDRESS, 3, 2, True), (Sign.ADDRESS, 9, 1, False), (Sign.ADDRESS, 2, 2, False), (Sign.POLICY, 3, 2, False)],
)
def test_an_address_is_gone_behind_three_refusals_in_a_row_from_two_passes(sign, length, passes, is_gone):
    assert Streak(sign, "c", "court", "", ("head@court.example",), length, passes).is_gone is is_gone
