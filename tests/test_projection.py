"""
When the queue will be empty and what misses the deadline: an estimate, held against what sending then really does.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from mailer import notices, projection, rules
from mailer.campaign import Pace
from mailer.ledger import Lane, Selection
from mailer.projection import HOUR, Line, project
from mailer.throttle import Limits
from tests.installed import Place
from tests.offices import NOON, RETRY, Scene, Time, at_work, drop, instance
from tests.relays import TO, settings_for
from tests.servers.scripted import ScriptedServer

NOW = 1_000 * HOUR
COURT, OFFICE = Lane("c", "court", ""), Lane("c", "office", "")


def always(at):
    return at


def line(lane, count, *keys, over_at=None, opens=always, at=NOW):
    return Line(lane, {at // HOUR: count}, keys, opens, over_at)


def hours(*lines, went=None, now=NOW, **paces):
    """In how many hours the queue is empty, and what is late."""
    outlook = project(lines, paces, went or {}, now)["c"]
    late = {lane.target: count for lane, count in outlook.late.items()}
    return None if outlook.empty_at is None else (outlook.empty_at - now) / HOUR, late


@pytest.mark.parametrize(
    ("count", "pace", "expected"),
    [
        (10, Pace(), 0),
        (10, Pace(per_minute=1), 10 / 60),
        (1_000, Pace(per_minute=20, per_hour=500), 2),
        (900, Pace(per_hour=300, per_day=900), 3),
        (1_000, Pace(per_hour=300, per_day=900), 24 + 1 / 3),
        (30, Pace(per_day=10), 48),
        (5_000, Pace(per_day=1), None),
    ],
)
def test_one_lane_goes_at_its_pace(count, pace, expected):
    found, late = hours(line(COURT, count, "court"), court=pace)
    assert (found, late) == (expected if expected is None else pytest.approx(expected, abs=1.01), {})


def test_lanes_that_share_a_limit_share_the_hour():
    both = line(COURT, 300, "court", "relay"), line(OFFICE, 100, "office", "relay")
    assert hours(*both, relay=Pace(per_hour=100), court=Pace(), office=Pace())[0] == 4
    # The one that waits for less is done first: 50 an hour each, for two hours.
    assert both[1].ends_at == NOW + 2 * HOUR and both[0].ends_at == NOW + 4 * HOUR


def test_what_a_lane_cannot_use_of_its_share_another_does():
    slow, fast = line(COURT, 20, "court", "relay"), line(OFFICE, 180, "office", "relay")
    assert hours(slow, fast, relay=Pace(per_hour=100), court=Pace(per_hour=10), office=Pace())[0] == 2
    assert slow.ends_at == fast.ends_at == NOW + 2 * HOUR


def test_what_went_before_counts_in_the_day():
    went = {"court": {NOW // HOUR - 23: 60, NOW // HOUR - 1: 30}}
    found, _ = hours(line(COURT, 20, "court"), went=went, court=Pace(per_day=100))
    assert found == pytest.approx(1, abs=1.01)  # ten at once, ten when the sixty are a day old
    found, _ = hours(line(COURT, 90, "court"), went=went, court=Pace(per_day=100))
    assert found == pytest.approx(23, abs=1.01)


def test_nights_are_waited_for_and_half_hours_count_half():
    def opens(at):
        """Open in the last half of each sixth hour."""
        hour = at // HOUR
        while hour % 6:
            hour += 1
        half = hour * HOUR + HOUR / 2
        return at if half <= at < half + HOUR / 2 else half if at < half else opens((hour + 1) * HOUR)

    start = 996 * HOUR
    found, _ = hours(line(COURT, 90, "court", opens=opens, at=start), now=start, court=Pace(per_minute=1))
    assert found == pytest.approx(13, abs=0.3)  # thirty in each half hour: at 0, 6 and 12


def test_what_is_left_when_the_campaign_is_over_is_late():
    over = NOW + 3 * HOUR
    found, late = hours(
        line(COURT, 1_000, "court", over_at=over),
        line(OFFICE, 10, "office", over_at=over),
        court=Pace(per_hour=100),
        office=Pace(),
    )
    assert late == {"court": (700, 300)} and found == 3
    assert hours(line(COURT, 300, "court", over_at=over), court=Pace(per_hour=100)) == (3, {})
    # Also what would only come due behind it.
    assert hours(line(COURT, 5, "court", over_at=over, at=NOW + 5 * HOUR), court=Pace()) == (3, {"court": (5, 0)})


def test_a_deferred_letter_goes_at_its_next_time():
    assert hours(Line(COURT, {NOW // HOUR: 3, NOW // HOUR + 7: 1}, (), always), now=NOW)[0] == 7


# -- against sending itself


CAMPAIGN = f"""\
approval: none
consent: assumed
pace: {{per_minute: 2, per_hour: 15, per_day: 100}}
deadline: 2011-09-22
window: {{days: [mon, tue, wed, thu, fri], from: 9:00, to: 12:30}}
targets:
  court: {{name: Court, to: {TO}, timezone: UTC}}
  office: {{name: Office, to: ministry@office.example, timezone: Asia/Almaty, country: KZ}}
"""
RELAYED = "{mode: smtp, host: 127.0.0.1, port: 25, tls: none, pace: {per_hour: 10}}"


async def foreseen(scene: Scene) -> projection.Outlook:
    loaded = scene.office.configuration
    limits, now = Limits(loaded.pace, loaded.domain_pace), int(scene.time.now)
    return (await projection.outlooks(scene.ledger, await scene.office.ruling(), limits, loaded.relay.name, now))["c"]


DAILY = RELAYED.replace("per_hour: 10", "per_hour: 12, per_day: 100")  # receipts take of it by night


@pytest.mark.parametrize(
    ("people", "relay", "receipt"),
    [
        (60, "", "off"),
        (60, RELAYED, "off"),
        (200, "", "off"),
        (200, RELAYED, "off"),
        (60, DAILY, "all"),
    ],
)
async def test_what_is_foreseen_is_what_happens_within_an_hour_or_two(tmp_path, people, relay, receipt):
    """And the pace is not passed to keep the deadline: what is foreseen to be late is, and expires."""
    here = instance(tmp_path, f"{CAMPAIGN}receipt: {receipt}\n", **({"relay": relay} if relay else {}))
    here.write("templates/c/en/receipt.txt.j2", "Subject: Thank you\n\nYour letters are out.\n")
    drop(here, people)
    async with at_work(here, Time(NOON)) as scene, ScriptedServer() as server:
        await scene.take_in()
        before = await foreseen(scene)
        end, last = datetime(2011, 9, 23, tzinfo=UTC).timestamp(), float(NOON)
        settings = settings_for(server)
        while scene.time.now < end + 60:
            sent = _letters(server)
            await rules.redecide(scene.ledger, await scene.office.ruling(), RETRY, int(scene.time.now))
            await notices.think(scene.ledger, scene.office.desks, int(scene.time.now))
            await scene.send(settings)
            last = scene.time.now if _letters(server) > sent else last
            at = await scene.dispatch().next_at(settings.name, scene.time.now)
            if at is None:
                break
            scene.time.now = min(max(at, scene.time.now + 30), end)
        expired = {
            target: len(list(scene.ledger.records(Selection(target=target, state="expired")))) for target in ("court", "office")
        }
        late = {lane.target: count for lane, (count, _) in before.late.items()}
        assert before.waiting == 2 * people
        for target, count in expired.items():
            assert late.get(target, 0) == pytest.approx(count, abs=12), (late, expired)
        assert bool(late) is (people == 200)
        assert before.empty_at is not None
        assert before.empty_at == pytest.approx(end if late else last, abs=(2 if receipt == "off" else 4) * HOUR)


def _letters(server: ScriptedServer) -> int:
    return sum(not dot.recipients[0].startswith("signer") for dot in server.dotted)


# -- as it is told


def test_status_says_when_the_queue_is_empty_and_what_misses_the_deadline(tmp_path):
    today = datetime.now(UTC).date().isoformat()
    place = Place(tmp_path, f"approval: none\npace: {{per_day: 3}}\ndeadline: {today}\n")
    place.drop(5)
    assert place.mailer("run", "--intake-only").code == 0
    told = place.mailer("status", "--json").json["campaigns"]["c"]["projection"]
    assert told["letters"] == 5 and told["empty_at"].endswith("T00:00:00Z")
    assert told["misses_deadline"] == [{"target": "court", "country": "", "letters": 2, "from": 4}]
    said = place.mailer("status").out
    assert "  at this pace: 5 letters out by about " in said and ", if all are accepted\n" in said
    assert "  misses the deadline: 2 letters to court, from letter 4 on\n" in said
    assert place.mailer("run").code == 0
    assert place.letters("accepted") == 3  # and no more: the pace is not passed for a deadline
    left = place.mailer("status", "--json").json["campaigns"]["c"]["projection"]
    assert left["letters"] == 2 and left["misses_deadline"][0]["letters"] == 2


def test_what_is_held_or_gone_has_no_part_in_it(tmp_path):
    place = Place(tmp_path, "approval: none\npace: none\n")
    place.drop(2)
    assert place.mailer("run", "--intake-only").code == 0
    place.mailer("hold", "1", "--why", "wait")
    assert place.mailer("status", "--json").json["campaigns"]["c"]["projection"]["letters"] == 1
    place.mailer("run")
    told = place.mailer("status", "--json")
    assert told.json["campaigns"]["c"]["projection"] is None and "at this pace" not in place.mailer("status").out
    assert json.loads(told.out)
