"""
A week of cron runs on a moved clock: two campaigns, a run each hour, and at the far side a count of every span that there is.

    python -m tests.pace_week        prints the table

The flow is the real one, configuration to wire; each run begins with nothing but what the ledger has kept, and stays while
something is due within a minute, at most four, as `mailer run` does. It starts no processes.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from mailer import log
from mailer.campaign import Pace
from mailer.dispatch import Dispatch, Settings
from mailer.relay import Relay
from tests.offices import NOON, RETRY, Scene, another_campaign, at_work, drop, instance
from tests.relays import COPY, TO, settings_for
from tests.servers.scripted import ScriptedServer

STEP, DAY, STAY = 3_600, 86_400, 240
MINISTER, DEPUTY, ARCHIVE = "minister@ministry.example", "deputy@court.example", "archive@other.example"
C, D, DOMAIN, RELAY = Pace(4, 20, 120), Pace(5, 18, 90), Pace(6, 25, 150), Pace(8, 30, 180)
LIMITS = {TO: C, MINISTER: C, COPY: C, DEPUTY: D, ARCHIVE: D}
ZONES = {TO: "Europe/Madrid", MINISTER: "Asia/Almaty", DEPUTY: "Europe/Madrid"}
MAIN = f"""\
{{mode: smtp, host: 127.0.0.1, port: 25, tls: none,
  pace: {{per_minute: {RELAY.per_minute}, per_hour: {RELAY.per_hour}, per_day: {RELAY.per_day}}},
  domain_pace: {{per_minute: {DOMAIN.per_minute}, per_hour: {DOMAIN.per_hour}, per_day: {DOMAIN.per_day}}}}}"""
HOURS = 'approval: none\nconsent: assumed\nwindow: {days: [mon, tue, wed, thu, fri], from: "09:00", to: "18:00"}\n'
FIRST = f"""{HOURS}pace: {{per_minute: 4, per_hour: 20, per_day: 120}}
copy_to: [{COPY}]
targets:
  court: {{name: Court, to: {TO}, timezone: {ZONES[TO]}}}
  ministry: {{name: Ministry, to: {MINISTER}, timezone: {ZONES[MINISTER]}}}
"""
SECOND = f"""{HOURS}pace: {{per_minute: 5, per_hour: 18, per_day: 90}}
copy_to: [{ARCHIVE}]
sender: {{name: Other, address: other@campaign.example}}
targets:
  deputy: {{name: Deputy, to: {DEPUTY}, timezone: {ZONES[DEPUTY]}}}
"""


@dataclass(frozen=True, slots=True)
class Row:
    """What the far side counted under one key: letters in all, and the most in any span beside what is allowed."""

    key: str
    letters: int
    most: tuple[int, ...]
    limits: tuple[int, ...]
    outside: int


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most letters in any so many seconds; `times` in order."""
    return max(sum(begin <= at < begin + seconds for at in times) for begin in times)


def is_outside(key: str, at: float) -> bool:
    """Whether a target was written to at night or at a weekend of its own."""
    local = datetime.fromtimestamp(at, ZoneInfo(ZONES[key]))
    return local.weekday() > 4 or not 9 <= local.hour < 18


def table(came: Mapping[str, Sequence[float]]) -> list[Row]:
    """A row for each key that the far side has met."""
    found = []
    for key, times in sorted(came.items()):
        pace = RELAY if key == "relay" else DOMAIN if key.startswith("@") else LIMITS[key]
        most = tuple(most_within(times, span) for _, span in pace.limits)
        outside = sum(is_outside(key, at) for at in times) if key in ZONES else 0
        found.append(Row(key, len(times), most, tuple(limit for limit, _ in pace.limits), outside))
    return found


async def week(folder: Path, signatures: int) -> tuple[list[Row], Scene, ScriptedServer]:
    """So many signatures to each of two campaigns, a week of runs, and what the far side counted."""
    made = instance(folder, FIRST, MAIN)
    another_campaign(made, "d", SECOND)
    drop(made, signatures, folder="c")
    drop(made, signatures, first=10_000, folder="d")
    came: dict[str, list[float]] = {}
    async with at_work(made) as scene, ScriptedServer() as server:
        await scene.take_in()
        for begin in range(NOON, NOON + 7 * DAY, STEP):
            scene.time.now = begin
            await _run(scene, server, came, begin + STAY)
        return table(came), scene, server


async def _run(scene: Scene, server: ScriptedServer, came: dict[str, list[float]], until: float) -> None:
    relay, read = settings_for(server), scene.office.configuration
    settings = Settings("worker", 3, RETRY, pace=read.pace, domain_pace=read.domain_pace)
    sending = Dispatch(settings, scene.office.desks, scene.ledger, scene.time.clock, scene.office.ruling)
    while scene.time.now < until:
        known = len(server.dotted)
        await sending.send(Relay(relay), log.Watch())
        for dot in server.dotted[known:]:
            domains = {"@" + address.partition("@")[2] for address in dot.recipients}
            for key in ("relay", *domains, *dot.recipients):
                came.setdefault(key, []).append(scene.time.now)
        next_at = await sending.next_at(relay.name, scene.time.now)
        if next_at is None or next_at > scene.time.now + 60:
            return
        scene.time.now = next_at


def main() -> None:
    """Print the table of a whole week."""
    with TemporaryDirectory() as folder:
        rows, _, _ = asyncio.run(week(Path(folder), 400))
    print(f"{'key':28}{'letters':>8}{'minute':>10}{'hour':>10}{'day':>12}{'outside':>9}")
    for row in rows:
        spans = [f"{most}/{limit}" for most, limit in zip(row.most, row.limits, strict=True)]
        print(f"{row.key:28}{row.letters:>8}{spans[0]:>10}{spans[1]:>10}{spans[2]:>12}{row.outside:>9}")


if __name__ == "__main__":
    main()
