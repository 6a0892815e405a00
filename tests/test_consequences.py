"""
What one letter's outcome means for all others: the relay's breaker and window, a campaign's pause, a target's hold.

Three in a row is counted in the ledger, so passes are sent apart here, as cron does; the server is real.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from mailer import app, health, log
from mailer.delivery import ORDERS
from mailer.ledger import Selection
from mailer.pace import Breaker
from mailer.relay import Relay
from mailer.rules import Ruled, redecide
from tests.offices import NOON, ONE_TARGET, RETRY, Scene, at_work, drop, instance, on_a_slow_disk, working
from tests.passes import passed
from tests.relays import CC, TO, impatient, settings_for
from tests.servers.rules import Action
from tests.servers.scripted import Drip, Drop, Garbage, Hang, Reset, Rule, ScriptedServer, Split
from tests.servers.scripted import Reply as Say

GONE = Rule("rcpt", Say("550 5.1.1 no such user"), recipient=TO)
SPAM = Rule("dot", Say("554 5.7.1 spam"))
NEW = "chair@court.example"


async def ailing(scene: Scene, relay: str = "relay") -> list[str]:
    spool = app.spool_of(scene.office.configuration)
    campaigns = scene.office.configuration.campaigns
    return await health.ailments(scene.ledger, relay, scene.time.clock, spool, lambda: False, campaigns)


async def ruled(scene: Scene) -> Ruled:
    """What a pass does before it sends."""
    return await redecide(scene.ledger, await scene.office.ruling(), RETRY, int(scene.time.now))


async def released(scene: Scene, selection: Selection) -> int:
    return (await scene.ledger.order(selection, ORDERS["release"], "it is right", NOON, 0, 100)).moved.total()


# -- a connection that fails, and the next one that does not


LOST: dict[str, Action] = {
    "drop": Drop(),
    "reset": Reset(),
    "garbage": Garbage(),
    "cut": Split("250 2.0.0 ok"),
    "421": Say("421 4.3.2 closing"),
}
STEPS = ("connect", "ehlo", "mail", "rcpt", "data", "body", "dot")
FIRST_BAD = [(step, name) for step in STEPS for name in LOST if (step, name) not in {("body", "cut"), ("body", "421")}]


@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize("step, name", FIRST_BAD)
async def test_the_first_connection_fails_and_the_next_one_carries_on(
    step: Any, name: str, connections: int, tmp_path: Path
) -> None:
    """Before MAIL the letter itself goes again at once; later it has its own answer, and the others go."""
    script = [Rule(step, LOST[name], connection=1)]
    if step == "connect" and name not in {"421", "garbage"}:  # an attempt connects three times where nobody greets
        script = [Rule(step, LOST[name], connection=number) for number in (1, 2, 3)]
    async with working(tmp_path, 3) as scene, ScriptedServer(script) as server:
        slow = on_a_slow_disk(scene, server) if step == "body" else scene
        sent = await slow.send(settings_for(server), connections)
        hit = "in_doubt" if step == "dot" and name != "421" else "deferred"
        expected = {"accepted": 3} if step in {"connect", "ehlo"} else {"accepted": 2, hit: 1}
        assert scene.states() == expected and not sent.relay_failed
        assert await scene.ledger.breaker(settings_for(server).name) == Breaker()
        assert server.violations == [] and len(server.taken) == expected["accepted"] + (step == "dot" and name == "cut")
        scene.assert_sound()


# -- the breaker


async def test_health_speaks_of_a_relay_that_is_down_between_two_probes_too(tmp_path: Path) -> None:
    async with working(tmp_path) as scene, ScriptedServer([Rule("ehlo", Drop())]) as server:
        for _ in range(3):
            await passed(scene, server)
        scene.time.now += 60
        name = settings_for(server).name
        assert not (await scene.ledger.breaker(name)).is_open(scene.time.now)
        (told,) = await ailing(scene, name)
        assert told.startswith("the relay cannot be used: ehlo")
        server.follow([])
        await passed(scene, server)
        assert await ailing(scene, name) == []
        # Where nothing is due nobody asks it, and a limit that is over would be told for ever.
        await scene.ledger.keep_breaker(name, Breaker(3, NOON, "452 too many"), int(scene.time.now))
        assert await ailing(scene, name) == []


async def test_health_speaks_of_a_letter_that_is_deferred_again_and_again(tmp_path: Path) -> None:
    """Stopped by the relay at every dot it counts no try, so nothing gives it up."""
    async with working(tmp_path) as scene, ScriptedServer([Rule("dot", Say("421 4.3.2 closing"))]) as server:
        for _ in range(19):
            await passed(scene, server)
            assert await ailing(scene) == []
            scene.time.now += 4 * 3600
        await passed(scene, server)
        assert await ailing(scene) == ["1 letter of c deferred 20 times and more: mailer log --campaign c --state deferred"]


async def test_health_speaks_of_a_file_that_no_run_takes(tmp_path: Path) -> None:
    async with working(tmp_path) as scene, ScriptedServer() as server:
        await passed(scene, server)
        drop(scene.made, 1, first=2)  # with an old date, as an export has that is moved there
        scene.time.now = time.time() + 3590
        assert await ailing(scene) == []
        scene.time.now += 20
        assert await ailing(scene) == ["1 file in incoming/ for more than an hour: is mailer run still started?"]
        await scene.take_in()
        assert not any("file" in told for told in await ailing(scene))


async def test_health_speaks_of_letters_that_nobody_sends_but_not_of_those_whose_turn_has_not_come(tmp_path: Path) -> None:
    """A pace and working hours make letters wait for days, and whoever is woken for it at night switches the monitoring off."""
    hours = 'pace: {per_hour: 2}\nwindow: {days: [mon, tue, wed, thu, fri], from: "09:00", to: "18:00"}'
    async with working(tmp_path, 5, ONE_TARGET.replace("pace: none", hours)) as scene, ScriptedServer() as server:
        await passed(scene, server)
        assert scene.states() == {"accepted": 2, "queued": 3}
        scene.time.now += 3590
        assert await ailing(scene) == []
        scene.time.now += 20  # a pass should have been here
        assert await ailing(scene) == ["letters have been due for 1 h: is mailer run still started?"]
        await passed(scene, server)
        assert (scene.states(), await ailing(scene)) == ({"accepted": 4, "queued": 1}, [])
        evening, morning = 18 * 3600 + 60, (24 + 9) * 3600 + 1800  # on the same day, and half an hour after it opens
        midnight = scene.time.now - scene.time.now % 86_400
        for at in (evening, morning):
            scene.time.now = midnight + at
            assert await ailing(scene) == []
        scene.time.now += 3600
        assert await ailing(scene) == ["letters have been due for 22 h: is mailer run still started?"]


async def test_an_outage_ends_with_the_first_letter_that_another_relay_takes(tmp_path: Path) -> None:
    """Whoever gives the configuration another relay while the old one is down loses no letter to the time in between."""
    async with working(tmp_path, 2) as scene:
        async with ScriptedServer([Rule("dot", Say("451 4.3.0 later"))]) as old:
            await passed(scene, old)
        assert scene.states() == {"deferred": 2}
        for _ in range(5):
            scene.time.now += 3600
            await passed(scene, old)
        assert await scene.ledger.is_down()
        scene.time.now += 6 * 86_400
        async with ScriptedServer([Rule("ehlo", Drop(), nth=1), Rule("rcpt", Say("450 4.2.0 later"), nth=4)]) as new:
            await passed(scene, new)
            assert scene.states() == {"accepted": 1, "deferred": 1} and not await scene.ledger.is_down()
            scene.time.now += 3600
            await passed(scene, new)
        assert scene.states() == {"accepted": 2}
        scene.assert_sound()


@pytest.mark.parametrize("step", ["rcpt", "data", "body"])
async def test_a_relay_that_answers_mail_does_not_open_its_breaker(step: Any, tmp_path: Path) -> None:
    """Else one letter that a filter behind the relay cuts off would stop all others."""
    async with working(tmp_path, 5) as scene, ScriptedServer([Rule(step, Drop())]) as server:
        await (on_a_slow_disk(scene, server) if step == "body" else scene).send(settings_for(server))
        breaker = await scene.ledger.breaker(settings_for(server).name)
        assert scene.states() == {"deferred": 5} and breaker.failures == 1 and not breaker.is_open(NOON)


@pytest.mark.parametrize("action", [Say("421 4.3.2 closing"), Say("451 4.7.1 slow down"), Drop()], ids=["421", "4.7.1", "drop"])
async def test_a_relay_that_stops_three_letters_at_mail_is_left_alone(action: Action, tmp_path: Path) -> None:
    async with working(tmp_path, 5) as scene, ScriptedServer([Rule("mail", action)]) as server:
        sent = await scene.send(settings_for(server))
        assert scene.states() == {"deferred": 3, "queued": 2} and sent.relay_failed
        assert (await scene.ledger.breaker(settings_for(server).name)).not_before == NOON + 60


async def test_a_not_now_at_mail_shows_that_the_relay_works(tmp_path: Path) -> None:
    script = [
        *(Rule("connect", Say("421 4.3.2 busy"), nth=nth) for nth in (1, 2, 4, 5)),
        Rule("mail", Say("451 4.3.0 later", close=True), nth=1),
    ]
    async with working(tmp_path, 2) as scene, ScriptedServer(script) as server:
        sent = await scene.send(settings_for(server))
        assert scene.states() == {"deferred": 1, "accepted": 1} and not sent.relay_failed


async def test_a_refused_sender_shows_nothing_about_the_relay(tmp_path: Path) -> None:
    script = [
        *(Rule("connect", Say("421 4.3.2 busy"), nth=nth) for nth in (1, 2)),
        Rule("mail", Say("550 5.1.0 no such sender")),
    ]
    async with working(tmp_path, 2) as scene, ScriptedServer(script) as server:
        await scene.send(settings_for(server))
        assert (await scene.ledger.breaker(settings_for(server).name)).failures == 2


@pytest.mark.parametrize("denial", [Say("421 4.7.0 too many connections"), Say("554 5.7.1 no more"), Drop()], ids=str)
async def test_a_relay_that_allows_fewer_connections_gets_its_letters_over_those(denial: Action, tmp_path: Path) -> None:
    """The others are denied while the first is at work; each of them ends, and nobody takes the relay for dead."""
    script = [Rule("connect", denial, connection=number) for number in range(2, 40)]
    async with working(tmp_path, 30) as scene, ScriptedServer(script) as server:
        sent = await scene.send(settings_for(server), 4)
        assert scene.states() == {"accepted": 30} and not sent.relay_failed
        assert server.dots == {1: 30}
        assert await scene.ledger.breaker(settings_for(server).name) == Breaker()
        scene.assert_sound()


async def test_the_one_connection_that_is_allowed_may_still_be_in_the_making(tmp_path: Path) -> None:
    """A refusal is said at once, an EHLO, a handshake and a login take their time."""
    denials = [Rule("connect", Say("421 4.7.0 too many connections"), connection=number) for number in range(2, 40)]
    script = [Rule("ehlo", Drip(seconds=0.004), connection=1), *denials]
    async with working(tmp_path, 10) as scene, ScriptedServer(script) as server:
        sent = await scene.send(settings_for(server), 4)
        assert scene.states() == {"accepted": 10} and not sent.relay_failed and server.dots == {1: 10}


async def test_a_relay_that_denies_every_connection_is_down_however_many_ask(tmp_path: Path) -> None:
    async with working(tmp_path, 30) as scene, ScriptedServer([Rule("connect", Say("421 4.3.2 busy"))]) as server:
        async with asyncio.timeout(20):
            sent = await scene.send(settings_for(server), 4)
        assert scene.states() == {"queued": 30} and "421" in sent.relay_failed
        assert (await scene.ledger.breaker(settings_for(server).name)).not_before == NOON + 60
        assert server.connections <= 4 + 3


# -- a limit


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
async def test_a_limit_leaves_the_relay_alone_to_its_end_and_costs_no_try(step: Any, tmp_path: Path) -> None:
    script = [Rule(step, Say("550 5.4.5 daily sending limit"), nth=1)]
    async with working(tmp_path, 6) as scene, ScriptedServer(script) as server:
        relay = settings_for(server)
        sent = await scene.send(relay)
        assert scene.states() == {"deferred": 1, "queued": 5} and "daily" in sent.relay_failed
        assert {record.tries for record in scene.records()} == {0}
        assert await scene.dispatch().next_at(relay.name, NOON) == NOON + 86_400
        scene.time.now += 86_399
        assert not (await scene.send(relay)).states
        scene.time.now += 1
        assert (await scene.send(relay)).states == {"accepted": 6}
        assert await scene.ledger.breaker(relay.name) == Breaker()


async def test_a_letter_that_was_under_way_does_not_lift_a_limit(tmp_path: Path) -> None:
    """Two connections: one waits for its dot's answer while the other meets the limit."""
    script = [Rule("dot", Hang(), nth=1), Rule("mail", Say("550 5.4.5 limit"), nth=2)]
    async with working(tmp_path, 6) as scene, ScriptedServer(script) as server:
        relay = impatient(server)
        await scene.send(relay, 2)
        assert scene.states()["in_doubt"] == 1 and scene.states()["queued"] == 4
        assert (await scene.ledger.breaker(relay.name)).not_before == NOON + 3600


# -- an address that is refused


async def test_a_refused_address_costs_three_letters_a_pass_and_the_second_pass_holds_the_rest(tmp_path: Path) -> None:
    async with working(tmp_path, 10) as scene, ScriptedServer([GONE]) as server:
        relay = settings_for(server)
        dispatch = scene.dispatch()
        await dispatch.send(Relay(relay), log.Watch())
        assert scene.states() == {"refused": 3, "queued": 7} and not await ailing(scene)
        # The same worker leaves it alone for a while.
        assert not (await dispatch.send(Relay(relay), log.Watch())).states
        assert await dispatch.next_at(relay.name, NOON) == NOON + 300
        await scene.send(relay)
        assert scene.states() == {"refused": 4, "held": 6}
        assert {record.reason for record in scene.records() if record.state == "held"} == {"address refused"}
        (ailment,) = await ailing(scene)
        assert f"court of c: the address {TO} was refused 4 times" in ailment
        assert "mailer release --campaign c --target court" in ailment
        # Held it stays, pass after pass, those that come in new too.
        drop(scene.made, 1, first=100)
        await scene.take_in()
        assert await ruled(scene) == Ruled(held=1)
        assert await ruled(scene) == Ruled() and not (await scene.send(relay)).states
        assert await scene.dispatch().next_at(relay.name, NOON) is None
        scene.assert_sound()


async def test_what_one_worker_sends_little_by_little_is_one_pass(tmp_path: Path) -> None:
    """A paced target is sent to again and again within a minute, and a minute is no second opinion."""
    async with working(tmp_path, 10) as scene, ScriptedServer([GONE]) as server:
        relay, dispatch = settings_for(server), scene.dispatch()
        for refused in (1, 2, 3, 3, 3):
            await dispatch.send(Relay(relay), log.Watch(), 1)
            assert scene.states()["refused"] == refused
            scene.time.now += 10
        assert scene.states()["held"] == 0
        scene.time.now += 300
        await dispatch.send(Relay(relay), log.Watch())
        assert scene.states() == {"refused": 4, "held": 6}


@pytest.mark.parametrize("selection", [Selection(campaign="c", target="court"), Selection(reason="address refused")])
async def test_a_person_says_that_a_refused_address_is_right(selection: Selection, tmp_path: Path) -> None:
    async with working(tmp_path, 10) as scene, ScriptedServer([GONE]) as server:
        relay = settings_for(server)
        for _ in range(2):
            await scene.send(relay)
        assert await released(scene, selection) == 6
        assert await ruled(scene) == Ruled()
        server.follow([])
        await scene.send(relay)
        assert scene.states() == {"refused": 4, "accepted": 6} and not await ailing(scene)
        scene.assert_sound()


async def test_a_person_says_so_where_nothing_is_held_any_more(tmp_path: Path) -> None:
    async with working(tmp_path, 4) as scene, ScriptedServer([GONE]) as server:
        for _ in range(2):
            await scene.send(settings_for(server))
        assert scene.states() == {"refused": 4} and len(await ailing(scene)) == 1
        assert await released(scene, Selection(campaign="c", target="court")) == 0
        assert not await ailing(scene)


async def test_a_corrected_address_is_released_by_rule(tmp_path: Path) -> None:
    made = instance(tmp_path)
    drop(made, 6)
    async with ScriptedServer([GONE]) as server:
        async with at_work(made) as scene:
            await scene.take_in()
            for _ in range(2):
                await scene.send(settings_for(server))
            assert scene.states() == {"refused": 4, "held": 2}
        made.campaign(ONE_TARGET.replace(TO, NEW))
        async with at_work(made) as scene:
            assert await ruled(scene) == Ruled(released=2)
            assert not await ailing(scene)
            await scene.send(settings_for(server))
            assert scene.states() == {"refused": 4, "accepted": 2}
    assert [dot.recipients[0] for dot in server.dotted] == [NEW, NEW]


@pytest.mark.parametrize("between", [Say("250 2.1.5 ok"), Say("252 2.1.5 will try")], ids=["250", "252"])
async def test_an_address_that_takes_a_letter_in_between_is_not_gone(between: Action, tmp_path: Path) -> None:
    script = [Rule("rcpt", between, recipient=TO, nth=3), GONE]
    async with working(tmp_path, 6) as scene, ScriptedServer(script) as server:
        for _ in range(5):
            await scene.send(settings_for(server), limit=1)
        assert scene.states() == {"refused": 4, "accepted": 1, "queued": 1} and not await ailing(scene)
        await scene.send(settings_for(server), limit=1)
        assert len(await ailing(scene)) == 1


@pytest.mark.parametrize("dead", [TO, CC])
async def test_an_address_that_is_refused_beside_one_that_is_not_is_told_and_holds_nothing(dead: str, tmp_path: Path) -> None:
    """Once it takes a letter, or the configuration names another one, nothing is told any more."""
    campaign = ONE_TARGET.replace(f"to: {TO}", f"to: [{TO}, {NEW}]")
    made = instance(tmp_path, campaign)
    drop(made, 6)
    refuses = Rule("rcpt", Say("550 5.1.1 no such user"), recipient=dead)
    async with ScriptedServer([refuses]) as server:
        async with at_work(made) as scene:
            await scene.take_in()
            await scene.send(settings_for(server), limit=3)
            assert scene.states() == {"accepted": 3, "queued": 3} and not await ailing(scene)
            await scene.send(settings_for(server), limit=1)
            assert scene.states() == {"accepted": 4, "queued": 2} and await ruled(scene) == Ruled()
            told = await ailing(scene)
            assert told == [f"court of c: the address {dead} was refused 4 times in a row, others of the same letters were not:"
                            " correct it in the configuration, or take it out"]  # fmt: skip
            server.follow([Rule("rcpt", Say("450 4.2.0 later"), recipient=dead)])
            await scene.send(settings_for(server), limit=1)
            assert await ailing(scene) == told
        made.campaign(campaign.replace(dead, "another@court.example"))
        async with at_work(made) as scene:
            assert await ruled(scene) == Ruled() and not await ailing(scene)
        made.campaign(campaign)
        async with at_work(made) as scene:
            drop(made, 4, first=100)
            await scene.take_in()
            server.follow([refuses])
            for _ in range(3):
                await scene.send(settings_for(server), limit=1)
            assert len(await ailing(scene)) == 1
            server.follow([])
            await scene.send(settings_for(server), limit=1)
            assert not await ailing(scene)


async def test_one_mission_that_is_gone_holds_no_other(tmp_path: Path) -> None:
    made = instance(tmp_path, "approval: none\nconsent: assumed\npace: none\n"
                    "targets: {embassy: {kind: embassy, name: Embassy, directory: embassies.yaml}}\n")  # fmt: skip
    made.write("config/embassies.yaml", "- {country: AT, city: Vienna, email: at@embassy.example, checked_on: 2011-09-20}\n"
               "- {country: DE, city: Berlin, email: de@embassy.example, checked_on: 2011-09-20}\n")  # fmt: skip
    drop(made, 20, countries=("AT", "DE"))
    script = [Rule("rcpt", Say("550 5.1.1 gone"), recipient="at@embassy.example")]
    async with at_work(made) as scene, ScriptedServer(script) as server:
        await scene.take_in()
        for _ in range(2):
            await scene.send(settings_for(server))
        assert scene.states() == {"accepted": 10, "refused": 4, "held": 6}
        assert {record.country for record in scene.records() if record.state == "held"} == {"AT"}


# -- policy


@pytest.mark.parametrize("step", ["rcpt", "data", "dot"])
async def test_three_refusals_by_policy_in_a_row_pause_the_campaign_and_hold_no_target(step: Any, tmp_path: Path) -> None:
    refusal = Rule(step, Say("554 5.7.1 spam"))
    async with working(tmp_path, 8) as scene, ScriptedServer([refusal]) as server:
        relay = settings_for(server)
        await scene.send(relay)
        assert scene.states() == {"refused": 3, "queued": 5}
        (pause,) = await scene.ledger.pauses()
        assert (pause.scope, pause.who) == ("campaign:c", "rule") and "554 5.7.1 spam" in pause.why
        assert await ruled(scene) == Ruled() and any("c is paused" in ailment for ailment in await ailing(scene))
        await scene.ledger.resume("campaign:c", "mended", NOON)
        await scene.send(relay, limit=2)  # counted anew
        assert not await scene.ledger.pauses()
        server.follow([])
        await scene.send(relay)
        assert scene.states() == {"refused": 5, "accepted": 3} and not await scene.ledger.streaks()
        scene.assert_sound()


async def test_three_in_a_row_are_counted_over_passes_and_an_acceptance_ends_the_row(tmp_path: Path) -> None:
    async with working(tmp_path, 9) as scene, ScriptedServer([SPAM]) as server:
        relay = settings_for(server)
        for script in ([SPAM], [SPAM], [], [SPAM], [SPAM]):
            server.follow(script)
            await scene.send(relay, limit=1)
        assert not await scene.ledger.pauses()
        await scene.send(relay, limit=1)
        assert len(await scene.ledger.pauses()) == 1 and scene.states() == {"refused": 5, "accepted": 1, "queued": 3}


async def test_a_person_who_lets_a_campaign_go_on_meanwhile_is_obeyed(tmp_path: Path) -> None:
    """What was claimed is put back only as long as the pause stands."""
    async with (
        working(tmp_path, 12) as scene,
        ScriptedServer([Rule("dot", Say("554 5.7.1 spam"), nth=n) for n in (1, 2, 3)]) as server,
    ):
        relay = settings_for(server)

        async def resume() -> None:
            await server.until(lambda: server.seen["dot"] == 3)
            while not await scene.ledger.resume("campaign:c", "mended", NOON):  # noqa: ASYNC110  the worker pauses it soon
                await asyncio.sleep(0)

        resuming = asyncio.create_task(resume())
        async with asyncio.timeout(20):
            await scene.send(relay)
            await resuming
            await scene.send(relay)
        assert scene.states() == {"refused": 3, "accepted": 9}


# -- what is believed only so often


@pytest.mark.parametrize("step", ["data", "dot"])
@pytest.mark.parametrize("code", [500, 501, 502, 503, 504])
async def test_a_relay_that_does_not_understand_the_letter_is_asked_once_more(code: int, step: Any, tmp_path: Path) -> None:
    async with working(tmp_path) as scene, ScriptedServer([Rule(step, Say(f"{code} 5.5.1 what"))]) as server:
        await scene.send(settings_for(server))
        assert scene.one().state == "deferred" and scene.one().next_attempt_at == NOON + 300
        scene.time.now += 300
        await scene.send(settings_for(server))
        assert (scene.one().state, scene.one().reason) == ("refused", "the relay does not understand us")
        assert scene.last_attempt().verdict == "refused"
        scene.assert_sound()


async def test_a_slip_of_a_server_that_lost_count_costs_nothing(tmp_path: Path) -> None:
    async with working(tmp_path) as scene, ScriptedServer([Rule("dot", Say("503 5.5.1 what"), nth=1)]) as server:
        await scene.send(settings_for(server))
        scene.time.now += 300
        await scene.send(settings_for(server))
        assert scene.one().state == "accepted"


@pytest.mark.parametrize("reply", ["552 5.2.2 full", "552 no room", "550 5.2.2 quota", "554 mailbox full"])
async def test_a_mailbox_that_stays_full_is_asked_again_three_times_hours_apart(reply: str, tmp_path: Path) -> None:
    script = [Rule("rcpt", Say(reply), recipient=TO)]
    async with working(tmp_path) as scene, ScriptedServer(script) as server:
        for _ in range(3):
            await scene.send(settings_for(server))
            assert scene.one().state == "deferred" and scene.one().next_attempt_at == scene.time.now + 14_400
            scene.time.now += 14_400
        await scene.send(settings_for(server))
        assert (scene.one().state, scene.one().reason, scene.one().attempts) == ("refused", "the mailbox is full", 4)
        # A person's retry begins anew.
        await scene.ledger.order(Selection(letter=1), ORDERS["retry"], "emptied", int(scene.time.now), 0, 10)
        await scene.send(settings_for(server))
        assert scene.one().state == "deferred"
        scene.assert_sound()


@pytest.mark.parametrize("reply", ["452 4.2.2 full", "422 4.2.2 full"])
async def test_a_mailbox_that_is_full_for_now_is_asked_every_few_hours(reply: str, tmp_path: Path) -> None:
    async with working(tmp_path) as scene, ScriptedServer([Rule("rcpt", Say(reply), recipient=TO)]) as server:
        for _ in range(6):
            await scene.send(settings_for(server))
            assert scene.one().state == "deferred" and scene.one().next_attempt_at == scene.time.now + 14_400
            scene.time.now += 14_400


async def test_a_cc_whose_mailbox_stays_full_goes_without_and_other_answers_count_for_nothing(tmp_path: Path) -> None:
    cc = "press@court.example"
    said = ["552 5.2.2 full", "450 4.2.1 busy", "552 5.2.2 full", "552 5.2.2 full", "552 5.2.2 full"]
    script = [Rule("rcpt", Say(text), recipient=cc, nth=nth) for nth, text in enumerate(said, 1)]
    async with working(tmp_path) as scene, ScriptedServer(script) as server:
        for _ in said:
            await scene.send(settings_for(server))
            scene.time.now += 14_400
        states = [state for _, _, state, _ in scene.one().recipients]
        assert scene.one().state == "accepted" and states == ["accepted", "refused", "accepted"]
        assert len(server.dotted) == 1


async def test_a_person_who_asks_again_for_who_is_missing_has_its_mailbox_believed_anew(tmp_path: Path) -> None:
    script = [Rule("rcpt", Say("552 5.2.2 full"), recipient="press@court.example")]
    async with working(tmp_path) as scene, ScriptedServer(script) as server:
        for attempt in range(1, 7):
            if attempt == 4:
                await scene.ledger.order(Selection(letter=1), ORDERS["retry"], "emptied", int(scene.time.now), 0, 10)
            await scene.send(settings_for(server))
            assert scene.one().state == "deferred", attempt
            scene.time.now += 14_400
        await scene.send(settings_for(server))
        assert scene.one().state == "accepted"


async def test_a_full_mailbox_makes_nobody_else_wait_so_long(tmp_path: Path) -> None:
    script = [Rule("rcpt", Say("452 4.2.2 full"), recipient=TO), Rule("rcpt", Say("450 4.2.1 busy"))]
    async with working(tmp_path) as scene, ScriptedServer(script) as server:
        await scene.send(settings_for(server))
        assert scene.one().next_attempt_at == NOON + 300


# -- our bytes, and the operator's own rows


async def test_letters_that_a_server_calls_malformed_are_told_for_a_week(tmp_path: Path) -> None:
    async with working(tmp_path, 2) as scene, ScriptedServer([Rule("dot", Say("554 5.6.0 malformed"))]) as server:
        await scene.send(settings_for(server))
        assert scene.states() == {"refused": 2}
        (ailment,) = await ailing(scene)
        assert ailment.startswith("2 letters of c refused as malformed")
        scene.time.now += 8 * 86_400
        assert not await ailing(scene)


async def test_an_operator_corrects_a_judgement_without_code(tmp_path: Path) -> None:
    made = instance(tmp_path)
    drop(made, 1)
    with (tmp_path / "config/mailer.yaml").open("a") as file:
        file.write(
            'replies:\n- {stage: rcpt, code: 554, pattern: "try .*later", class: deferred, scope: recipient, reason: busy}\n'
        )
        file.write("- {stage: dot, code: 4, enhanced: 4.7.1, class: refused, scope: letter, reason: never}\n")
    script = [Rule("rcpt", Say("554 5.7.1 try again later"), nth=1, recipient=TO), Rule("dot", Say("450 4.7.1 no"))]
    async with at_work(made) as scene, ScriptedServer(script) as server:
        await scene.take_in()
        await scene.send(settings_for(server))
        assert (scene.one().state, scene.one().reason) == ("deferred", "busy")
        scene.time.now += 300
        await scene.send(settings_for(server))
        assert (scene.one().state, scene.one().reason) == ("refused", "never")
        scene.assert_sound()
