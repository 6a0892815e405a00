"""
The pace of the relay, of a domain and of an address together, over days and cron passes, counted at the far side.
"""

from collections.abc import Awaitable, Sequence
from pathlib import Path

import apsw
import pytest

from mailer import log, notices, throttle
from mailer.campaign import Pace
from mailer.dispatch import Dispatch, Settings
from mailer.ledger import Lane
from mailer.ledger.sqlite import SqliteLedger
from mailer.notice import NewNotice, Trial
from mailer.relay import Relay
from mailer.throttle import Limits
from tests.offices import NOON, ONE_TARGET, RETRY, Scene, another_campaign, at_work, beside, drop, instance, working
from tests.relays import COPY, TO, settings_for
from tests.servers.scripted import Drop, Rule, ScriptedServer

SPANS = (60, 3_600, 86_400)
ADDRESS, DOMAIN, RELAY = Pace(3, 10, 30), Pace(4, 14, 40), Pace(5, 16, 45)
PACED = ONE_TARGET.replace("pace: none", "pace: {per_minute: 3, per_hour: 10, per_day: 30}")
OTHERS = PACED.replace(TO, "deputy@" + TO.partition("@")[2]) + "sender: {name: Other, address: other@campaign.example}\n"


def a_pass(scene: Scene, connections: int, paces: tuple[Pace, Pace] = (RELAY, DOMAIN)) -> Dispatch:
    """What one cron run sends by: it knows nothing but what the ledger has kept."""
    settings = Settings("worker", connections, RETRY, pace=paces[0], domain_pace=paces[1])
    return Dispatch(settings, scene.office.desks, scene.ledger, scene.time.clock, scene.office.ruling)


async def by_and_by(
    scene: Scene, server: ScriptedServer, connections: int, paces: tuple[Pace, Pace] = (RELAY, DOMAIN)
) -> list[float]:
    """Cron run after cron run, receipts too, until nothing waits; when each of what came to the far side came."""
    relay, came = settings_for(server), list[float]()
    for _ in range(1_000):
        await notices.think(scene.ledger, scene.office.desks, int(scene.time.now))
        sending, known = a_pass(scene, connections, paces), len(server.dotted)
        await sending.send(Relay(relay), log.Watch())
        came.extend(scene.time.now for _ in server.dotted[known:])
        is_more = await notices.think(scene.ledger, scene.office.desks, int(scene.time.now))
        next_at = await sending.next_at(relay.name, scene.time.now)
        if next_at is None:
            return came
        assert is_more or next_at > scene.time.now, "more may go at once, but was not sent"
        scene.time.now = next_at
    raise AssertionError("there is no end to it")


def by_key(came: Sequence[float], server: ScriptedServer) -> dict[str, list[float]]:
    """When it came, by what it counts for."""
    found: dict[str, list[float]] = {}
    for at, dot in zip(came, server.dotted, strict=True):
        addresses = [address.lower() for address in dot.recipients]
        for key in dict.fromkeys(["relay", *("@" + address.partition("@")[2] for address in addresses), *addresses]):
            found.setdefault(key, []).append(at)
    return found


def most_within(times: Sequence[float], seconds: float) -> int:
    return max(sum(begin <= at < begin + seconds for at in times) for begin in times)


@pytest.mark.parametrize("connections", [1, 4])
async def test_no_span_ever_holds_more_than_a_limit_of_address_domain_or_relay(connections: int, tmp_path: Path) -> None:
    made = instance(tmp_path, PACED)
    another_campaign(made, "d", OTHERS)
    drop(made, 60, folder="c")
    drop(made, 60, first=100, folder="d")
    async with at_work(made) as scene, ScriptedServer() as server:
        await scene.take_in()
        came = by_key(await by_and_by(scene, server, connections), server)
        assert scene.states() == {"accepted": 120} and len(came["relay"]) == 120
        for key, times in came.items():
            pace = RELAY if key == "relay" else DOMAIN if key.startswith("@") else ADDRESS
            for (limit, span), known in zip(pace.limits, SPANS, strict=True):
                assert span == known and most_within(times, span) <= limit, key
        # The copy's address is in every letter, so its pace is what holds all of them: it is used up, and never exceeded.
        assert [most_within(came[COPY], span) for span in SPANS] == [3, 10, 30]


@pytest.mark.parametrize(
    ("relay", "domain", "gone"),
    [(Pace(4), Pace(), 4), (Pace(), Pace(3), 3), (Pace(per_day=5), Pace(9), 5), (Pace(), Pace(), 12)],
)
async def test_the_relay_and_a_domain_have_limits_of_their_own(relay: Pace, domain: Pace, gone: int, tmp_path: Path) -> None:
    async with working(tmp_path, 12, ONE_TARGET) as scene, ScriptedServer() as server:
        for _ in range(3):  # three cron runs within the same second
            await a_pass(scene, 3, (relay, domain)).send(Relay(settings_for(server)), log.Watch())
        assert len(server.dotted) == gone


async def test_a_letter_in_doubt_counts_and_one_that_was_let_go_unsent_does_not(tmp_path: Path) -> None:
    async with working(tmp_path, 2, ONE_TARGET) as scene, ScriptedServer([Rule("dot", Drop())]) as server:
        relay = settings_for(server)
        await a_pass(scene, 1, (Pace(1), Pace())).send(Relay(relay), log.Watch())
        assert scene.states() == {"in_doubt": 1, "queued": 1}
        assert await scene.ledger.sent_counts([([f"relay:{relay.name}"], NOON - 1)]) == [1]
        assert await a_pass(scene, 1, (Pace(1), Pace())).next_at(relay.name, NOON) == NOON + 60
    async with working(tmp_path / "other", 2, ONE_TARGET) as scene, ScriptedServer([Rule("data", Drop())]) as server:
        relay = settings_for(server)
        await a_pass(scene, 1, (Pace(1), Pace())).send(Relay(relay), log.Watch())
        assert not server.dotted and await scene.ledger.sent_counts([([f"relay:{relay.name}"], 0)]) == [0]


async def test_a_letter_in_the_middle_of_a_second_is_counted_until_its_whole_span_is_over(tmp_path: Path) -> None:
    async with working(tmp_path, 2, ONE_TARGET) as scene, ScriptedServer() as server:
        relay = settings_for(server)
        scene.time.now = NOON + 0.9
        await a_pass(scene, 1, (Pace(1), Pace())).send(Relay(relay), log.Watch())
        scene.time.now = NOON + 60.5  # 59.6 s behind it
        await a_pass(scene, 1, (Pace(1), Pace())).send(Relay(relay), log.Watch())
        assert len(server.dotted) == 1
        assert await a_pass(scene, 1, (Pace(1), Pace())).next_at(relay.name, scene.time.now) == NOON + 61


async def test_what_a_pace_costs_a_letter_in_statements_and_commits(tmp_path: Path) -> None:
    """Counted: the mark writes a row a key anyway, and each round asks for each limit once, however many letters it takes."""
    told = {}
    for name, paced in {"none": False, "all": True}.items():
        campaign = ONE_TARGET.replace("pace: none", _WIDE) if paced else ONE_TARGET
        async with working(tmp_path / name, 64, campaign) as scene, ScriptedServer() as server:
            wide = Pace(1_000, 2_000, 3_000)
            sending = a_pass(scene, 4, (wide, wide) if paced else (Pace(), Pace()))
            told[name] = await _counted(scene, sending.send(Relay(settings_for(server)), log.Watch()))
            assert scene.states() == {"accepted": 64}
    (statements, commits), (more, as_many) = told["none"], told["all"]
    lines, rounds = 6 * 3, 64 // 16 + 2  # relay; two domains; to, cc, copy; each with three limits
    assert more - statements <= rounds * (lines + 2), told  # asked in one transaction
    assert max(commits, as_many) <= 3 * 64, told  # how many share a commit is up to the machine


_WIDE = "pace: {per_minute: 1000, per_hour: 2000, per_day: 3000}"


async def _counted(scene: Scene, sending: Awaitable[object]) -> tuple[int, int]:
    """How many statements and commits a ledger needs for something; rows of one statement count once."""
    ledger = scene.ledger
    assert isinstance(ledger, SqliteLedger)
    asked: list[str] = []

    def ask(cursor: apsw.Cursor, sql: str, values: object) -> bool:
        if not (asked and asked[-1] == sql and sql.startswith("INSERT INTO sent")):
            asked.append(sql)
        return True

    await ledger._engine.run(lambda db: setattr(db, "exec_trace", ask))
    before = ledger.commits
    await sending
    await ledger._engine.run(lambda db: setattr(db, "exec_trace", None))
    return len(asked), ledger.commits - before


async def test_receipts_fall_under_paces_of_their_own_and_under_no_hours(tmp_path: Path) -> None:
    """A signatory is no office: what stands in the window is about whom letters go to."""
    made = instance(tmp_path, PACED + 'receipt: on\nwindow: {days: [mon], from: "09:00", to: "10:00"}\n')
    made.write("templates/c/en/receipt.txt.j2", "Subject: Thank you\n\nYour letters are out.\n")
    async with at_work(made) as scene:
        ruling, limits = await scene.office.ruling(), Limits(RELAY, DOMAIN)
        receipts, letters = Lane("c", "@receipt", ""), Lane("c", "court", "")
        campaign, found = ruling.campaigns["c"], throttle.paces(limits, "mail.example", ruling, receipts)
        assert found == {"relay:mail.example": RELAY, "receipts over mail.example": RELAY.half, "receipts:c": ADDRESS}
        assert throttle.opens_at(campaign, receipts, NOON) == NOON < throttle.opens_at(campaign, letters, NOON)
        assert {TO, COPY} < set(throttle.paces(limits, "mail.example", ruling, letters))


ALIKE = "@court.example"  # whoever signs with an address of the target's own domain
RECEIPT = "Subject: Thank you\n\nYour letters are out, {{ signature.name }}.\n"


@pytest.mark.parametrize("connections", [1, 4])
async def test_receipts_and_letters_to_one_domain_share_its_pace(connections: int, tmp_path: Path) -> None:
    made = instance(tmp_path, ONE_TARGET + "receipt: all\n")
    made.write("templates/c/en/receipt.txt.j2", RECEIPT)
    drop(made, 5, domain=ALIKE)
    drop(made, 5, first=6, domain="@Private.Example")
    async with at_work(made) as scene, ScriptedServer() as server:
        await scene.take_in()
        came = await by_and_by(scene, server, connections, (Pace(), Pace(per_minute=2, per_hour=30)))
        assert len(came) == len({dot.message_id for dot in server.dotted}) == 20
        found = by_key(came, server)
        assert (len(found[ALIKE]), len(found["@private.example"])) == (15, 5)
        assert most_within(found[ALIKE], 60) <= 2 and most_within(found["@private.example"], 60) <= 2
        # Nothing in the ledger tells who signs from where, nor that it is a target's domain.
        with beside(scene) as db:
            keys = {row[0] for row in db.execute("SELECT address FROM sent")}
        assert not any("private" in key.lower() or ("@" in key and key.startswith("s")) for key in keys)
        # Each that had to wait was claimed once more, and not again and again.
        assert max(len(scene.ledger.attempts(record)) for record in range(1, 21)) <= 4
        scene.assert_sound()


async def test_receipts_leave_half_of_the_relays_pace_to_letters(tmp_path: Path) -> None:
    made = instance(tmp_path, ONE_TARGET + "receipt: all\n")
    made.write("templates/c/en/receipt.txt.j2", RECEIPT)
    drop(made, 4)
    async with at_work(made) as scene, ScriptedServer() as server:
        await scene.take_in()
        hourly = Pace(per_hour=6), Pace()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await a_pass(scene, 2, hourly).send(Relay(settings_for(server)), log.Watch())
        assert scene.states() == {"accepted": 4}
        scene.time.now += 3_601
        await notices.think(scene.ledger, scene.office.desks, NOON + 3_601)
        await a_pass(scene, 2, hourly).send(Relay(settings_for(server)), log.Watch())
        assert len(server.dotted) == 4 + 3  # of four receipts
        drop(made, 3, first=5)
        await scene.take_in()
        await a_pass(scene, 2, hourly).send(Relay(settings_for(server)), log.Watch())
        assert scene.states() == {"accepted": 7}  # at once


async def test_what_went_to_signatories_and_organisers_counts_for_later_passes_and_for_letters(tmp_path: Path) -> None:
    paces = Pace(), Pace(per_minute=2)
    made = instance(tmp_path, ONE_TARGET + f"receipt: all\norganisers: {{anna: anna{ALIKE}}}\n")
    made.write("templates/c/en/receipt.txt.j2", RECEIPT)
    drop(made, 2, domain=ALIKE)

    async with at_work(made) as scene, ScriptedServer() as server:

        async def gone(seconds: int) -> list[str]:
            """Which first addresses a pass then writes to."""
            scene.time.now, known = NOON + seconds, len(server.dotted)
            await notices.think(scene.ledger, scene.office.desks, NOON + seconds)
            await a_pass(scene, 1, paces).send(Relay(settings_for(server)), log.Watch())
            return [dot.recipients[0] for dot in server.dotted[known:]]

        await scene.take_in()
        assert await gone(0) == [TO, TO]
        assert sorted(await gone(61)) == [f"signer1{ALIKE}", f"signer2{ALIKE}"]
        drop(made, 1, first=3)
        await scene.take_in()
        assert await gone(100) == []
        assert await gone(122) == [TO]
        trials = [NewNotice(f"trial {n}", "c", Trial("anna", "court", "en", "person", n, 3), "c.example") for n in (1, 2, 3)]
        await scene.ledger.write_notices(trials, {}, NOON)
        assert await gone(123) == [f"anna{ALIKE}", "signer3@private.example"]
        drop(made, 1, first=4)
        await scene.take_in()
        assert await gone(150) == []
        assert await gone(184) == [f"anna{ALIKE}", TO]
        assert await gone(500) == [f"anna{ALIKE}", "signer4@private.example"]
