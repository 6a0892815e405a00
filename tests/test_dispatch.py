"""
Which letter goes next, how fast, and what stops it: lanes, pace, limit, the breaker, pauses, a bug, a clean stop.

The server is real and shows in which order letters came, and when by the test's own clock.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailer import log
from mailer.delivery import Who
from mailer.dispatch import Dispatch
from mailer.dispatch import Settings as DispatchSettings
from mailer.errors import MailerError
from mailer.ledger.sqlite import SqliteLedger
from mailer.outcome import Handover, Lost
from mailer.outcome import Reply as Answer
from mailer.pace import Breaker, Clock
from mailer.relay import Connection, Mode, Relay, Settings
from mailer.relay.files import FileConnection
from mailer.render import Rendered, Renderer
from tests.offices import (
    COURT,
    NOON,
    ONE_TARGET,
    RETRY,
    Scene,
    another_campaign,
    at_work,
    break_ledger,
    drop,
    instance,
    mend_ledger,
    working,
)
from tests.relays import SHORT, TO, impatient, settings_for
from tests.servers.scripted import Drip, Drop, Early, Garbage, Hang, Offers, Reset, Rule, ScriptedServer
from tests.servers.scripted import Reply as Say

MINISTRY = "mid@ministry.example"
TWO_TARGETS = ONE_TARGET.replace(COURT, f"{COURT}, ministry: {{name: Ministry, to: {MINISTRY}}}")
DIRECTORY = """\
- {country: AT, city: Vienna, email: vienna@embassy.example, covers: [SI, HU, SK], checked_on: 2011-09-20}
- {country: DE, city: Berlin, email: berlin@embassy.example, checked_on: 2011-09-20}
"""
EMBASSIES = """\
approval: none
consent: assumed
pace: {per_minute: 3, per_hour: 20}
targets: {embassy: {kind: embassy, name: Embassy, directory: embassies.yaml}}
"""


def patient(server: ScriptedServer) -> Settings:
    """Waits as shipped: whoever waits for one of them waits longer than a test does."""
    return replace(settings_for(server), connect_timeout=300, command_timeout=300, data_timeout=180, dot_timeout=600)


def order(server: ScriptedServer) -> list[str]:
    """The first address of each letter, in the order in which the letters came."""
    return [dot.recipients[0] for dot in server.dotted]


class Log:
    """When each letter came to the server, by the clock of the scene."""

    def __init__(self, scene: Scene, server: ScriptedServer) -> None:
        self.came: dict[str, list[float]] = {}
        self._scene, self._server, self._known = scene, server, 0
        server.listen(self._look)

    def _look(self) -> None:
        for dot in self._server.dotted[self._known :]:
            self.came.setdefault(dot.recipients[0], []).append(self._scene.time.now)
        self._known = len(self._server.dotted)


def most_within(times: Sequence[float], seconds: float) -> int:
    """The most letters in any window of so many seconds."""
    return max(sum(begin <= at < begin + seconds for at in times) for begin in times)


# -- lanes


@pytest.mark.parametrize("connections", [1, 2])
async def test_lanes_take_turns_and_each_letter_goes_once(connections: int, tmp_path: Path) -> None:
    async with working(tmp_path, 30, TWO_TARGETS) as scene, ScriptedServer() as server:
        sent = await scene.send(settings_for(server), connections)
        assert sent.states == {"accepted": 60} and scene.states() == {"accepted": 60}
        came = Counter(dot.message_id for dot in server.dotted)
        assert len(came) == 60 and set(came.values()) == {1}
        # No target is ever further ahead than what is claimed of one lane at once, and what is in hand.
        ahead = 0
        for address in order(server):
            ahead += 1 if address == TO else -1
            assert abs(ahead) <= connections * 4 + 2 * connections
        assert server.connections <= connections and server.violations == []
        scene.assert_sound()


async def test_a_lane_goes_from_its_oldest_letter_on(tmp_path: Path) -> None:
    async with working(tmp_path, 9) as scene, ScriptedServer() as server:
        await scene.send(settings_for(server))
        assert [taken.message["Subject"] for taken in server.taken] == [f"Letter of Signer {n}" for n in range(1, 10)]


async def test_nothing_due_asks_the_relay_for_nothing(tmp_path: Path) -> None:
    async with working(tmp_path, 0) as scene, ScriptedServer() as server:
        sent = await scene.send(settings_for(server), 3)
        assert not sent.states and server.connections == 0


async def test_a_deferred_letter_is_not_due_before_its_time(tmp_path: Path) -> None:
    async with working(tmp_path) as scene, ScriptedServer([Rule("dot", Say("451 4.3.0 later"), nth=1)]) as server:
        await scene.send(settings_for(server))
        assert not (await scene.send(settings_for(server))).states
        scene.time.now += 299
        assert not (await scene.send(settings_for(server))).states
        scene.time.now += 1
        assert (await scene.send(settings_for(server))).states == {"accepted": 1}


@pytest.mark.parametrize("limit", [1, 5, 29, 30, 99])
async def test_a_limit_is_never_exceeded(limit: int, tmp_path: Path) -> None:
    async with working(tmp_path, 15, TWO_TARGETS) as scene, ScriptedServer() as server:
        sent = await scene.send(settings_for(server), 3, limit)
        assert sum(sent.states.values()) == len(server.taken) == min(limit, 30)
        assert scene.states()["queued"] == 30 - min(limit, 30)


# -- pace


async def sent_by_and_by(scene: Scene, relay: Settings, connections: int) -> None:
    """Pass after pass, each at the moment for which the last one said that more may go."""
    dispatch = scene.dispatch(connections)
    for _ in range(1_000):
        await dispatch.send(Relay(relay), log.Watch())
        next_at = await dispatch.next_at(relay.name, scene.time.now)
        if next_at is None:
            return
        assert next_at > scene.time.now, "more may go at once, but was not sent"
        scene.time.now = next_at
    raise AssertionError("there is no end to it")


@pytest.mark.parametrize("connections", [1, 4])
async def test_the_pace_to_an_address_is_never_exceeded_and_nothing_is_left_behind(connections: int, tmp_path: Path) -> None:
    """Letters of four countries go to one embassy: the limit is the address's, not the lane's."""
    made = instance(tmp_path, EMBASSIES)
    made.write("config/embassies.yaml", DIRECTORY)
    drop(made, 60, countries=("AT", "SI", "HU", "SK", "DE"))
    async with at_work(made) as scene, ScriptedServer() as server:
        await scene.take_in()
        came = Log(scene, server).came
        await sent_by_and_by(scene, settings_for(server), connections)
        assert scene.states() == {"accepted": 60} and scene.time.now - NOON < 3 * 3600
        assert {address: len(times) for address, times in came.items()} == {
            "vienna@embassy.example": 48,
            "berlin@embassy.example": 12,
        }
        for times in came.values():
            assert most_within(times, 60) == 3
            assert most_within(times, 3600) <= 20
        scene.assert_sound()


async def test_two_campaigns_share_the_pace_of_an_address(tmp_path: Path) -> None:
    paced = ONE_TARGET.replace("pace: none", "pace: {per_minute: 4, per_hour: none}")
    made = instance(tmp_path, paced)
    another_campaign(made, "d", paced + "sender: {name: Other, address: other@campaign.example}\n")
    drop(made, 10, folder="c")
    drop(made, 10, first=100, folder="d")
    async with at_work(made) as scene, ScriptedServer() as server:
        await scene.take_in()
        came = Log(scene, server).came
        await sent_by_and_by(scene, settings_for(server), 1)
        assert {address: len(times) for address, times in came.items()} == {TO: 20}
        assert most_within(came[TO], 60) == 4


async def test_a_target_with_two_addresses_has_the_whole_pace_at_each(tmp_path: Path) -> None:
    both = ONE_TARGET.replace(f"to: {TO}", f"to: [{TO}, {MINISTRY}]").replace("pace: none", "pace: {per_minute: 4}")
    async with working(tmp_path, 10, both) as scene, ScriptedServer() as server:
        assert (await scene.send(settings_for(server))).states == {"accepted": 4}
        assert await scene.dispatch().next_at(settings_for(server).name, NOON) == NOON + 60


async def test_letters_that_were_refused_at_their_address_take_nothing_from_its_pace(tmp_path: Path) -> None:
    paced = ONE_TARGET.replace("pace: none", "pace: {per_minute: 2}")
    async with working(tmp_path, 6, paced) as scene:
        async with ScriptedServer([Rule("rcpt", Say("550 5.0.0 no"), recipient=TO)]) as server:
            await scene.send(settings_for(server))
        assert scene.states() == {"refused": 6}


async def test_outside_its_hours_a_target_gets_nothing(tmp_path: Path) -> None:
    hours = ONE_TARGET + 'window: {days: [tue, wed], from: "09:00", to: "12:30"}\n'
    async with working(tmp_path, 3, hours) as scene, ScriptedServer() as server:
        scene.time.now = NOON + 3600  # Tuesday 13:00
        relay = settings_for(server)
        assert not (await scene.send(relay)).states and server.connections == 0
        assert await scene.dispatch().next_at(relay.name, scene.time.now) == NOON + 21 * 3600  # Wednesday 09:00
        scene.time.now = NOON + 21 * 3600
        assert (await scene.send(relay)).states == {"accepted": 3}


# -- the breaker


async def test_three_failures_of_the_relay_open_its_breaker_and_no_letter_is_blamed(tmp_path: Path) -> None:
    async with working(tmp_path, 10) as scene, ScriptedServer([Rule("ehlo", Drop())]) as server:
        relay = settings_for(server)
        sent = await scene.send(relay)
        assert sent.relay_failed.startswith("ehlo") and not sent.account_refused
        assert server.connections == 3
        assert scene.states() == {"queued": 10} and {record.tries for record in scene.records()} == {0}
        breaker = await scene.ledger.breaker(relay.name)
        assert (breaker.failures, breaker.not_before) == (3, NOON + 60)
        assert await scene.dispatch().next_at(relay.name, scene.time.now) == NOON + 60
        # Another pass shares it: nobody is connected to while it is open.
        assert not (await scene.send(relay)).states and server.connections == 3
        scene.assert_sound()


async def test_behind_an_open_breaker_one_letter_probes_alone_and_each_failure_doubles_the_wait(tmp_path: Path) -> None:
    async with working(tmp_path, 10) as scene, ScriptedServer([Rule("ehlo", Drop())]) as server:
        relay = settings_for(server)
        await scene.send(relay, 4)
        opened_by = server.connections
        assert opened_by <= 4 + 2
        for wait in (60, 120, 240, 480, 960, 1800, 1800):
            assert (await scene.ledger.breaker(relay.name)).not_before == scene.time.now + wait
            scene.time.now += wait
            await scene.send(relay, 4)
            opened_by += 1
            assert server.connections == opened_by  # one probe
        server.follow([Rule("dot", Hang(), connection=server.connections + 1)])
        scene.time.now += 1800
        probing = asyncio.create_task(scene.send(replace(relay, dot_timeout=SHORT), 4))
        await server.until(lambda: server.seen["dot"] == 1)
        assert server.connections == opened_by + 1  # while it lasts, nobody else
        await probing
        assert await scene.ledger.breaker(relay.name) == Breaker()
        assert scene.states() == {"accepted": 9, "in_doubt": 1}


async def test_a_relay_that_answers_in_between_keeps_its_breaker_shut(tmp_path: Path) -> None:
    script = [Rule("connect", Say("421 4.3.2 busy"), nth=nth) for nth in (1, 2, 4, 5)]
    script += [Rule("dot", Say("250 2.0.0 taken", close=True))]
    async with working(tmp_path, 3) as scene, ScriptedServer(script) as server:
        sent = await scene.send(settings_for(server))
        assert scene.states() == {"accepted": 3} and not sent.relay_failed
        assert await scene.ledger.breaker(settings_for(server).name) == Breaker()


@pytest.mark.parametrize(
    "verb, action",
    [("connect", Say("250 hello")), ("ehlo", Say("251 hello")), ("connect", Garbage()), ("ehlo", Reset())],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_a_relay_that_never_comes_to_mail_ends_the_pass(verb: Any, action: Any, tmp_path: Path) -> None:
    """A letter that stays due and a breaker that stays shut would be claimed and let go for ever."""
    async with working(tmp_path, 2) as scene, ScriptedServer([Rule(verb, action)]) as server:
        async with asyncio.timeout(20):
            assert (await scene.send(settings_for(server))).relay_failed
        assert scene.states() == {"queued": 2} and server.connections <= 9


async def test_a_loss_behind_the_dot_does_not_count_against_the_relay(tmp_path: Path) -> None:
    async with working(tmp_path, 5) as scene, ScriptedServer([Rule("dot", Drop())]) as server:
        sent = await scene.send(settings_for(server))
        assert scene.states() == {"in_doubt": 5} and not sent.relay_failed
        assert server.dots == dict.fromkeys(range(1, 6), 1)
        scene.assert_sound()


async def test_in_doubt_is_never_sent_again_by_itself(tmp_path: Path) -> None:
    async with working(tmp_path, 2) as scene, ScriptedServer([Rule("dot", Reset())]) as server:
        relay = settings_for(server)
        await scene.send(relay)
        for _ in range(3):
            scene.time.now += 10 * 86_400
            assert not (await scene.send(relay)).states
            assert await scene.dispatch().next_at(relay.name, scene.time.now) is None
        assert len(server.dotted) == 2


# -- the account, the sender


ACCOUNT = {"username": "user", "password": "guess"}
DEMANDING = Offers(credentials=("user", "secret"))


async def test_a_refused_account_stops_all_sending_and_waits_a_quarter_of_an_hour(tmp_path: Path) -> None:
    async with working(tmp_path, 8, TWO_TARGETS) as scene, ScriptedServer(offers=DEMANDING) as server:
        relay = settings_for(server, **ACCOUNT)
        sent = await scene.send(relay)
        assert "535" in sent.account_refused and sent.relay_failed
        assert server.connections == 1
        assert scene.states() == {"queued": 16} and {record.tries for record in scene.records()} == {0}
        assert (await scene.ledger.breaker(relay.name)).not_before == NOON + 900
        scene.time.now += 900
        await scene.send(relay)
        assert server.connections == 2
        scene.time.now += 900
        sent = await scene.send(replace(relay, password="secret"))
        assert sent.states == {"accepted": 16} and not sent.account_refused
        assert await scene.ledger.breaker(relay.name) == Breaker()


async def test_an_account_that_is_refused_at_mail_stops_all_sending_too(tmp_path: Path) -> None:
    async with working(tmp_path, 4) as scene, ScriptedServer(offers=DEMANDING) as server:
        sent = await scene.send(settings_for(server))
        assert "530" in sent.account_refused and len(server.commands) == 1
        assert scene.states() == {"deferred": 1, "queued": 3} and scene.one().tries == 0


async def test_a_connection_that_is_lost_at_auth_is_no_refusal_of_the_account(tmp_path: Path) -> None:
    """A person would be sent to look for a wrong password."""
    async with working(tmp_path, 4) as scene, ScriptedServer([Rule("auth", Drop())], offers=DEMANDING) as server:
        sent = await scene.send(settings_for(server, **ACCOUNT))
        assert sent.relay_failed and not sent.account_refused
        assert (await scene.ledger.breaker(settings_for(server).name)).not_before == NOON + 60


async def test_a_signatory_who_is_called_like_our_own_words_does_not_hide_what_happened(tmp_path: Path) -> None:
    """Names are taken out of what a server said, not out of what we say about it."""
    made = instance(tmp_path)
    file = made.write(
        "var/queue/incoming/1.csv", "Name,Email\nThe Relay,account@private.example\nServer,mailbox@private.example\n"
    )
    os.utime(file, (NOON - 3600, NOON - 3600))
    async with at_work(made) as scene:
        await scene.take_in()
        async with ScriptedServer(offers=DEMANDING) as server:
            assert (await scene.send(settings_for(server, **ACCOUNT))).account_refused
            await scene.ledger.keep_breaker(settings_for(server).name, Breaker(), NOON)
            server.follow([Rule("rcpt", Say("550 5.1.1 the mailbox of The Relay is gone"), recipient=TO)])
            await scene.send(settings_for(server, **ACCOUNT | {"password": "secret"}))
        assert {record.reason for record in scene.records()} == {"there is no such mailbox"}
        assert scene.one().reply == "550 5.1.1 … mailbox of … is gone"


@pytest.mark.parametrize("refusal", ["550 5.1.0 no such sender", "553 5.1.8 bad domain", "550 5.7.1 not from you"])
async def test_a_refused_sender_pauses_its_campaign_and_no_other(refusal: str, tmp_path: Path) -> None:
    made = instance(tmp_path)
    other = "sender: {name: Other, address: other@campaign.example}\n"
    another_campaign(made, "d", other + ONE_TARGET.replace(TO, MINISTRY))
    drop(made, 9, folder="c")
    drop(made, 9, first=100, folder="d")
    async with at_work(made) as scene:
        await scene.take_in()
        # The script knows senders by the target they write to: the first campaign's comes first in turn.
        async with ScriptedServer([Rule("mail", Say(refusal), nth=1)]) as server:
            await scene.send(settings_for(server))
            (pause,) = await scene.ledger.pauses()
            assert (pause.scope, pause.who) == ("campaign:c", "worker") and refusal in pause.why
            assert order(server).count(MINISTRY) == 9
            stopped = scene.states()
            assert stopped["deferred"] == 1 and stopped["queued"] >= 5  # what was in hand still went
            scene.time.now += 86_400
            before = len(server.dotted)
            assert not (await scene.send(settings_for(server))).states and len(server.dotted) == before
            assert await scene.dispatch().next_at(settings_for(server).name, scene.time.now) is None
            await scene.ledger.resume("campaign:c", "mended", int(scene.time.now))
            await scene.send(settings_for(server))
        assert scene.states() == {"accepted": 18}


@pytest.mark.parametrize("scope, left", [("all", 6), ("campaign:c", 6), ("campaign:other", 0)])
async def test_what_is_paused_gives_nothing(scope: str, left: int, tmp_path: Path) -> None:
    async with working(tmp_path, 6) as scene, ScriptedServer() as server:
        await scene.ledger.pause(scope, Who.PERSON, "wrong text", NOON)
        await scene.send(settings_for(server), 2)
        assert scene.states()["queued"] == left and len(server.dotted) == 6 - left
        assert (await scene.dispatch().next_at(settings_for(server).name, NOON)) is None


async def test_a_pause_beside_a_running_worker_stops_it_within_what_it_has_in_hand(tmp_path: Path) -> None:
    async with working(tmp_path, 40) as scene, ScriptedServer() as server:
        path = Path(scene.office.configuration.ledger)
        paused = asyncio.Event()

        async def pause() -> None:
            beside = SqliteLedger(path)
            try:
                await beside.pause("all", Who.PERSON, "wrong text", NOON)
            finally:
                beside.close()
            paused.set()

        async def at_the_third() -> None:
            await server.until(lambda: server.seen["dot"] >= 3)
            await pause()

        pausing = asyncio.create_task(at_the_third())
        await scene.send(settings_for(server))
        await pausing
        states = scene.states()
        assert states["sending"] == 0 and states["queued"] + states["accepted"] == 40
        assert states["queued"] >= 40 - 3 * 4 - 4
        scene.assert_sound()


# -- a bug, a failing ledger, a clean stop


class Odd(Renderer):
    """A renderer with a bug in it: what it raises for one signatory nobody has thought of."""

    def render(self, language: str, values: Mapping[str, object]) -> Rendered:
        signed: Any = values["signature"]
        if signed["name"] == "Signer 2":
            raise LookupError(signed["email"])
        return super().render(language, values)


async def test_a_bug_holds_one_letter_and_the_rest_flows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with working(tmp_path, 5) as scene, ScriptedServer() as server:
        desk = scene.office.desks["c"]
        desks = {"c": replace(desk, renderer=Odd(scene.office.configuration.templates / "c"))}
        sent = await scene.dispatch(2, desks).send(Relay(settings_for(server)), log.Watch())
        assert sent.states == {"accepted": 4, "held": 1}
        assert (scene.one(2).state, scene.one(2).reason) == ("held", "error in mailer")
        assert scene.states() == {"accepted": 4, "held": 1} and len(server.taken) == 4
        scene.assert_sound()
    assert "letter 2 is held: a bug in mailer (LookupError" in caplog.text and "private.example" not in caplog.text


class Buggy(FileConnection):
    """A connection with a bug in it, behind the mark: the letter may or may not have its name."""

    async def dot(self, rcpt: tuple[Answer | Lost, ...]) -> Handover:
        raise LookupError("a bug")


class ToBuggy(Relay):
    async def connect(self) -> Connection | Handover:
        return Buggy(self.settings.folder)


async def test_a_bug_behind_the_mark_leaves_a_doubt_and_not_a_held_letter(tmp_path: Path) -> None:
    """Whether the letter left, a bug like that cannot tell."""
    async with working(tmp_path) as scene:
        await scene.dispatch().send(ToBuggy(Settings(Mode.FILE, tmp_path / "outbox")), log.Watch())
        assert scene.one().state == "in_doubt"
        scene.assert_sound()


async def test_a_letter_whose_file_cannot_get_its_name_was_not_sent(tmp_path: Path) -> None:
    """The outbox goes away between body and dot: the name is what makes a file a letter."""
    outbox = tmp_path / "outbox"

    def now() -> float:
        for file in outbox.glob("*.part"):  # the time is asked for behind the body, for the mark
            file.unlink()
        return NOON

    async with working(tmp_path) as scene:
        settings = DispatchSettings("worker", 1, RETRY)
        dispatch = Dispatch(settings, scene.office.desks, scene.ledger, Clock(now, lambda: 0.5), scene.office.ruling)
        await dispatch.send(Relay(Settings(Mode.FILE, outbox)), log.Watch())
        assert [*outbox.iterdir()] == []
        assert (scene.one().state, scene.one().next_attempt_at) == ("deferred", NOON + 300)
        assert "451" in scene.one().reply
        await scene.send(Settings(Mode.FILE, outbox))
        scene.time.now += 300
        await scene.send(Settings(Mode.FILE, outbox))
        assert scene.one().state == "accepted" and len([*outbox.iterdir()]) == 1
        scene.assert_sound()


async def test_a_ledger_that_fails_ends_the_pass_and_what_was_dotted_is_settled_or_in_doubt(tmp_path: Path) -> None:
    async with working(tmp_path, 20) as scene, ScriptedServer() as server:
        server.listen(lambda: break_ledger(scene, "marked_at") if server.seen["dot"] == 5 else None)
        with pytest.raises(MailerError):
            await scene.send(settings_for(server), 3)
        dots = len(server.dotted)
        assert 5 <= dots <= 5 + 3
        mend_ledger(scene)
        await scene.ledger.recover(NOON)
        assert scene.states()["accepted"] + scene.states()["in_doubt"] == dots
        assert scene.states()["queued"] == 20 - dots
        scene.assert_sound()


@pytest.mark.parametrize("connections", [1, 3])
async def test_a_stop_finishes_the_letters_whose_dot_has_gone_out_and_begins_no_other(connections: int, tmp_path: Path) -> None:
    async with working(tmp_path, 20) as scene:
        async with ScriptedServer([Rule("dot", Drip("250 2.0.0 taken", seconds=0.01))]) as server:
            dispatch = scene.dispatch(connections)
            sending = asyncio.create_task(dispatch.send(Relay(settings_for(server)), log.Watch()))
            await server.until(lambda: server.seen["dot"] == connections)
            dispatch.stop()
            async with asyncio.timeout(30):
                sent = await sending
            await server.until(lambda: server.seen["quit"] == connections)
        assert sent.states == {"accepted": connections} and len(server.dotted) == connections
        assert scene.states() == {"accepted": connections, "queued": 20 - connections}
        scene.assert_sound()


@pytest.mark.parametrize("verb", ["connect", "ehlo", "mail", "rcpt", "data"])
async def test_a_stop_gives_up_at_once_what_no_dot_has_left_for(verb: Any, tmp_path: Path) -> None:
    """The server would be waited for for minutes at each of these steps, and then at the dot as well."""
    async with working(tmp_path, 5) as scene, ScriptedServer([Rule(verb, Hang())]) as server:
        dispatch = scene.dispatch(2)
        sending = asyncio.create_task(dispatch.send(Relay(patient(server)), log.Watch()))
        await server.until(lambda: server.connections == 2 if verb == "connect" else server.seen[verb] == 2)
        for _ in range(100):  # turns of the loop in which the client finds itself connected: what waits then is what we mean
            await asyncio.sleep(0)
        dispatch.stop()
        async with asyncio.timeout(30):
            sent = await sending
        assert not sent.states and not sent.relay_failed and not server.dotted
        assert scene.states() == {"queued": 5}
        assert {scene.last_attempt(letter).verdict for letter in (1, 2)} == {"unsent"}
        scene.assert_sound()
        async with ScriptedServer() as well:
            assert (await scene.send(settings_for(well))).states == {"accepted": 5}


async def test_a_stop_waits_for_the_answer_to_a_dot_while_it_gives_up_the_others(tmp_path: Path) -> None:
    script = [Rule("dot", Drip("250 2.0.0 taken", seconds=0.01)), Rule("data", Hang(), nth=2)]
    async with working(tmp_path, 5) as scene, ScriptedServer(script) as server:
        dispatch = scene.dispatch(2)
        sending = asyncio.create_task(dispatch.send(Relay(patient(server)), log.Watch()))
        await server.until(lambda: server.seen["dot"] == 1 and server.seen["data"] == 2)
        dispatch.stop()
        async with asyncio.timeout(30):
            assert (await sending).states == {"accepted": 1}
        assert scene.states() == {"accepted": 1, "queued": 4} and len(server.dotted) == 1
        scene.assert_sound()


async def test_a_stop_between_body_and_mark_leaves_no_letter(tmp_path: Path) -> None:
    """Where no step before the mark waits for anybody, only the last look before it is left."""
    async with working(tmp_path, 1) as scene:
        courier = scene.courier(Settings(Mode.FILE, tmp_path / "outbox"))
        courier.stop()
        assert await courier.carry((await scene.claimed())[0]) is None
        assert not list((tmp_path / "outbox").iterdir()) and scene.states() == {"queued": 1}
        assert scene.last_attempt().marked_at is None
        scene.assert_sound()


async def test_a_stop_before_the_first_letter_sends_nothing(tmp_path: Path) -> None:
    async with working(tmp_path, 3) as scene, ScriptedServer() as server:
        dispatch = scene.dispatch()
        dispatch.stop()
        async with asyncio.timeout(30):
            assert not (await dispatch.send(Relay(settings_for(server)), log.Watch())).states
        assert scene.states() == {"queued": 3} and server.connections == 0


async def test_a_server_that_fails_now_and_then_gets_each_letter_in_the_end(tmp_path: Path) -> None:
    script = [
        Rule("mail", Say("451 4.3.0 later"), nth=3),
        Rule("rcpt", Say("450 4.2.1 busy"), nth=7),
        Rule("data", Say("451 4.3.0 later"), nth=5),
        Rule("body", Early("451 4.3.0 later"), nth=9),
        Rule("dot", Say("451 4.3.0 later"), nth=11),
        Rule("dot", Say("421 4.3.2 closing"), nth=13),
        Rule("connect", Say("421 4.3.2 busy"), nth=3),
        Rule("rcpt", Reset(), nth=50),
    ]
    async with working(tmp_path, 20, TWO_TARGETS) as scene, ScriptedServer(script) as server:
        await sent_by_and_by(scene, impatient(server), 3)
        assert scene.states() == {"accepted": 40} and server.violations == []
        # Each address got each letter once: a letter that was asked for again had not been taken before.
        got = Counter((taken.message_id, address) for taken in server.taken for address in taken.recipients)
        assert set(got.values()) == {1} and len(got) == 20 * 3 + 20 * 2
        scene.assert_sound()
