"""When an office may be written to: hours by its own clock, without the public holidays where it is."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from mailer import checks
from mailer.address import parse
from mailer.campaign import Campaign, Directory, Mission, Sender, Target, Window
from mailer.hours import is_holiday, is_known, opens_at
from tests.offices import Time, at_work, drop, instance
from tests.relays import TO, settings_for
from tests.servers.scripted import ScriptedServer

OFFICE = Window(frozenset(range(5)), 9 * 60, 18 * 60)
ASTANA, LONDON = ZoneInfo("Asia/Almaty"), ZoneInfo("Europe/London")
MISSIONS = Directory(
    (
        Mission("GB", "London", parse("london@mission.example"), covers=("IE",), timezone=LONDON),
        Mission("FR", "Paris", None),
        Mission("GW", "Bissau", parse("pole@mission.example")),
    )
)
TARGETS = {
    "court": Target("court", "office", {}, to=(parse(TO),), timezone=ASTANA, country="KZ"),
    "zoned": Target("zoned", "office", {}, to=(parse("a@b.example"),), timezone=ASTANA),
    "nowhere": Target("nowhere", "office", {}, to=(parse("a@b.example"),)),
    "embassy": Target("embassy", "embassy", {}, directory=MISSIONS, fallback="court", country="KZ", timezone=ASTANA),
}
CAMPAIGN = Campaign("c", "T", "en", ("en",), False, Sender("S", parse("s@campaign.example")), TARGETS, window=OFFICE)


def opens(target: str, now: str, country: str = "", campaign: Campaign = CAMPAIGN) -> str:
    """When it opens, as UTC, to the minute."""
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC).timestamp()
    return datetime.fromtimestamp(opens_at(campaign, target, country, moment), UTC).isoformat()[:16]


@pytest.mark.parametrize(
    ("target", "country", "now", "then"),
    [
        # Republic Day was kept on Friday the 16th of December 2011 in Kazakhstan, and on Saturday and Monday behind it.
        ("court", "", "2011-12-15T12:30", "2011-12-20T03:00"),
        ("zoned", "", "2011-12-15T12:30", "2011-12-20T03:00"),
        ("nowhere", "", "2011-12-15T18:30", "2011-12-16T09:00"),
        # An ordinary evening.
        ("court", "", "2011-09-20T12:30", "2011-09-21T03:00"),
        # The mission in London keeps Christmas Day, Boxing Day and what is kept for them on the days behind, by London's clock.
        ("embassy", "GB", "2011-12-23T18:30", "2011-12-28T09:00"),
        ("embassy", "IE", "2011-12-23T18:30", "2011-12-28T09:00"),
        # And the Independence Day of whose embassy it is.
        ("embassy", "GB", "2011-12-15T18:30", "2011-12-20T09:00"),
        # No address in Paris: the letters go to the court, by the court's calendar and clock.
        ("embassy", "FR", "2011-12-15T12:30", "2011-12-20T03:00"),
        ("embassy", "FR", "2011-12-23T12:30", "2011-12-26T03:00"),
        # A mission of which no zone is known takes the target's; a place without a calendar has working days only.
        ("embassy", "GW", "2011-12-23T12:30", "2011-12-26T03:00"),
    ],
)
def test_letters_go_on_working_days_where_the_office_is(target, country, now, then):
    assert opens(target, now, country) == then


def test_where_the_campaign_says_so_holidays_are_as_other_days():
    always = replace(CAMPAIGN, window=replace(OFFICE, is_open_on_holidays=True))
    assert opens("court", "2011-12-15T12:30", campaign=always) == "2011-12-16T03:00"
    assert opens("court", "2011-12-15T12:30", campaign=replace(CAMPAIGN, window=None)) == "2011-12-15T12:30"


def test_a_window_that_is_shut_for_weeks_by_holidays_opens_behind_them():
    """Mondays only: three in a row are none, around the new year."""
    mondays = replace(CAMPAIGN, window=replace(OFFICE, days=frozenset({0})))
    found = opens("court", "2017-01-01T00:00", campaign=mondays)
    day = date.fromisoformat(found[:10])
    assert day.weekday() == 0 and not is_holiday(day, ["KZ"])


def test_a_calendar_that_is_not_known_or_fails_holds_no_letter():
    assert is_known("KZ") and not is_known("GW") and not is_known("XX")
    assert not is_holiday(date(2011, 12, 16), ["XX"]) and is_holiday(date(2011, 12, 16), ["XX", "KZ"])


async def test_letters_wait_for_the_end_of_a_holiday(tmp_path):
    campaign = (
        "approval: none\nconsent: assumed\npace: none\nwindow: {days: [mon, tue, wed, thu, fri], from: 9:00, to: 18:00}\n"
        f"targets: {{court: {{name: Court, to: {TO}, timezone: Asia/Almaty, country: KZ}}}}\n"
    )
    here = instance(tmp_path, campaign)
    drop(here, 2)
    christmas = datetime(
        2012, 1, 7 + 2, 3, tzinfo=UTC
    ).timestamp()  # Orthodox Christmas was a Saturday; Monday is a working day
    holiday = datetime(2011, 12, 16, 4, tzinfo=UTC).timestamp()
    async with at_work(here, Time(holiday)) as scene, ScriptedServer() as server:
        await scene.take_in()
        await scene.send(settings_for(server))
        assert server.taken == []
        opens = await scene.dispatch().next_at("relay", holiday)
        assert opens == datetime(2011, 12, 20, 3, tzinfo=UTC).timestamp() < christmas
        scene.time.now = opens
        await scene.send(settings_for(server))
        assert len(server.taken) == 2


async def test_check_says_where_holidays_are_not_known(tmp_path):
    campaign = (
        "approval: none\nconsent: assumed\nwindow: {days: [mon], from: 9:00, to: 18:00}\n"
        f"targets: {{court: {{name: Court, to: {TO}, country: KZ}}, pole: {{name: P, to: a@b.example, country: GW}},"
        " lost: {name: L, to: c@d.example}}\n"
    )
    async with at_work(instance(tmp_path, campaign)) as scene:
        notes = [note for note in checks.campaign(scene.office.desks["c"]).notes if "holidays" in note]
        assert notes == [
            "c: pole: the public holidays of GW are not known; the window is open on them",
            "c: lost: neither country nor time zone tells whose public holidays it keeps; the window is open on them",
        ]


def test_the_calendars_cost_nothing_where_no_window_asks_for_them():
    program = "import sys, mailer.hours, mailer.app, mailer.cli.send; print('holidays' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
