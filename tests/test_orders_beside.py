"""
What a person orders while letters go out: once it is said to be done, no final dot leaves against it.

One connection and six letters, of which the first is in hand and the next are claimed; the order comes from another program at
a given step of the first letter, while the server has not answered yet.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from mailer.delivery import ORDERS, Who
from mailer.ledger import Obeyed, Selection
from mailer.ledger.sqlite import SqliteLedger
from tests.installed import Place, Said, started
from tests.offices import NOON, Scene, at, at_work, drop, instance, working
from tests.relays import TO, settings_for
from tests.servers.rules import Drip, Rule, StoreThenDrop
from tests.servers.rules import Reply as Busy
from tests.servers.scripted import Reply as Say
from tests.servers.scripted import ScriptedServer
from tests.servers.spawned import SpawnedServer


@pytest.fixture
async def scene(tmp_path):
    async with working(tmp_path, 6) as made:
        yield made


def by_another_program(scene: Scene, order: str, selection: Selection | None = None) -> list[Obeyed]:
    """Give an order, or pause everything, over a ledger of one's own."""
    heard: list[Obeyed] = []

    async def give() -> None:
        ledger = SqliteLedger(Path(scene.office.configuration.ledger))
        try:
            if order == "pause":
                await ledger.pause("all", Who.PERSON, "stop", NOON)
            elif order == "close":
                await ledger.close_target("c", "court", "it moves", NOON)
            else:
                heard.append(await ledger.order(selection or Selection(campaign="c"), ORDERS[order], "why", NOON, 0, 100))
        finally:
            ledger.close()

    asyncio.run(give())
    return heard


@pytest.mark.parametrize(
    ("order", "verb", "taken", "left"),
    [
        ("cancel", "data", 0, {"cancelled": 6}),
        ("cancel", "dot", 1, {"accepted": 1, "cancelled": 5}),
        ("hold", "data", 0, {"held": 6}),
        ("hold", "dot", 1, {"accepted": 1, "held": 5}),
        ("pause", "data", 0, {"queued": 6}),
        ("pause", "dot", 1, {"accepted": 1, "queued": 5}),
        ("close", "data", 0, {"queued": 6}),  # rules hold them, at the next pass
        ("close", "dot", 1, {"accepted": 1, "queued": 5}),
    ],
)
async def test_behind_an_order_no_dot_leaves_against_it(scene, order, verb, taken, left) -> None:
    heard: list[Obeyed] = []
    async with ScriptedServer() as server:
        async with at(server, verb, lambda: heard.extend(by_another_program(scene, order))):
            await scene.send(settings_for(server))
        assert len(server.taken) == len(server.dotted) == taken
        # What could not be sent any more costs one body, and not one for each letter that was claimed.
        assert server.seen["data"] <= taken + 1
    assert scene.states() == Counter(left)
    moved = Counter({state: count for state, count in left.items() if state in {"cancelled", "held"}})
    assert heard == ([] if order in {"pause", "close"} else [Obeyed(moved, taken)])
    scene.assert_sound()


FALLBACK = """\
approval: none
consent: assumed
targets:
  embassy: {kind: embassy, name: Embassy, directory: embassies.yaml, fallback: court}
  court: {name: Court, form_of_address: Dear Sirs, to: mid@court.example}
"""


async def test_a_target_that_is_closed_gets_no_letter_in_the_stead_of_another_either(tmp_path) -> None:
    made = instance(tmp_path, FALLBACK)
    made.write("config/embassies.yaml", "- {country: AT, city: Vienna, email: v@embassy.example, checked_on: 2011-09-20}\n")
    drop(made, 1)  # in a country without an embassy
    async with at_work(made) as scene, ScriptedServer() as server:
        await scene.take_in()
        await scene.ledger.order(Selection(target="court"), ORDERS["cancel"], "why", NOON, 0, 100)
        async with at(server, "data", lambda: by_another_program(scene, "close")):
            await scene.send(settings_for(server))
        assert server.seen["data"] == 1 and server.dotted == []
        assert scene.states() == Counter({"queued": 1, "cancelled": 1})
        scene.assert_sound()


UNPACED = (
    "approval: none\nconsent: assumed\npace: none\ntargets: {court: {name: C, form_of_address: Sirs, to: mid@court.example}}\n"
)
OVER = {
    "hours": ("window: {days: [tue], from: '09:00', to: '12:01'}\n", 60),
    "holiday": ("window: {days: [tue], from: '00:00', to: '24:00'}\n", 12 * 3600),
    "deadline": ("deadline: 2011-09-20\n", 12 * 3600),
}


@pytest.mark.parametrize("connections", [1, 3])
@pytest.mark.parametrize("verb", ["mail", "data", "dot"])
@pytest.mark.parametrize("what", OVER)
async def test_behind_the_end_of_the_hours_no_dot_leaves_whatever_is_in_hand(what, verb, connections, tmp_path) -> None:
    """A server may take minutes over each letter that was claimed before."""
    more, seconds = OVER[what]
    async with working(tmp_path, 12, UNPACED + more) as scene, ScriptedServer() as server:

        def passes() -> None:
            scene.time.now += seconds

        async with at(server, verb, passes):
            await scene.send(settings_for(server), connections)
        sent, most = len(server.dotted), connections if verb == "dot" else connections - 1
        assert (verb == "dot") <= sent <= most
        assert server.seen["mail"] <= sent + connections
        assert +scene.states() == +Counter({"accepted": sent, "queued": 12 - sent})
        scene.assert_sound()


async def test_one_letter_that_is_claimed_can_be_cancelled_alone(scene) -> None:
    async with ScriptedServer() as server:
        async with at(server, "dot", lambda: by_another_program(scene, "cancel", Selection(letter=3))):
            await scene.send(settings_for(server))
        assert len(server.taken) == 5
    assert scene.one(3).state == "cancelled"
    assert scene.states() == Counter({"accepted": 5, "cancelled": 1})
    scene.assert_sound()


async def test_an_answer_about_what_was_taken_back_counts_for_nothing(scene) -> None:
    unknown = Rule("rcpt", Say("550 5.1.1 no such user"), recipient=TO)
    async with ScriptedServer([unknown]) as server, at(server, "rcpt", lambda: by_another_program(scene, "cancel")):
        sent = await scene.send(settings_for(server))
    assert not sent.states
    assert scene.states() == Counter({"cancelled": 6})
    assert await scene.ledger.streaks() == []
    scene.assert_sound()


async def test_what_was_paused_goes_out_once_it_is_resumed(scene) -> None:
    async with ScriptedServer() as server:
        async with at(server, "data", lambda: by_another_program(scene, "pause")):
            await scene.send(settings_for(server))
        await scene.ledger.resume("all", "go", NOON)
        await scene.send(settings_for(server))
        assert len(server.taken) == len(server.dotted) == 6
    assert scene.states() == Counter({"accepted": 6})


def test_an_order_beside_a_run_says_what_it_could_not_reach(tmp_path) -> None:
    place = Place(tmp_path / "here", "pace: none\napproval: none\n")
    slowly = Rule("dot", Drip("250 2.0.0 taken\r\n", seconds=0.5), nth=1)
    with SpawnedServer(tmp_path / "far-side", [slowly]) as server:
        place.relay(server.port)
        place.drop(6)
        with started(place.root, "run") as run:
            server.wait_for("dot", 1)
            said = place.mailer("cancel", "--campaign", "c", "--why", "wrong text")
            assert (said.code, said.out) == (0, "5 letters: cancelled.\n")
            assert said.err == "1 letter being sent just now, left alone: give the order again in a moment.\n"
            run.process.communicate(timeout=60)
        assert len(server.taken()) == 1
    assert place.letters("accepted") == 1
    assert place.letters("cancelled") == 5
    assert place.mailer("verify").code == 0


TWO = "targets: {court: {name: Court, form_of_address: Dear Sirs, to: [head@court.example, clerk@court.example]}}\n"
CLERK_LATER = Rule("rcpt", Busy("451 4.2.1 later"), recipient="clerk@court.example")


def test_what_a_target_has_already_is_told_by_who_cancels_the_rest(tmp_path) -> None:
    place = Place(tmp_path / "here", f"pace: none\napproval: none\n{TWO}")
    with SpawnedServer(tmp_path / "far-side", [CLERK_LATER]) as server:
        place.relay(server.port)
        place.drop(1)
        assert place.mailer("run").code == 0
        said = place.mailer("cancel", "1", "--why", "the clerk is ill")
        assert (said.code, said.out) == (0, "0 letters: cancelled.\n")
        assert said.err == "1 letter: accepted, for a target had them already; only who was missing is dropped.\n"
        assert place.letters("accepted") == 1
        assert place.mailer("verify").code == 0


def test_a_doubt_that_is_resolved_says_who_still_misses_the_letter(tmp_path) -> None:
    place = Place(tmp_path / "here", f"pace: none\napproval: none\n{TWO}")
    with SpawnedServer(tmp_path / "far-side", [CLERK_LATER, Rule("dot", StoreThenDrop())]) as server:
        place.relay(server.port, ", dot_timeout: 1")
        place.drop(1)
        assert place.mailer("run").code == 0
        assert place.letters("in_doubt") == 1
        server.wait_for("dot", 1)
        said = resolved(place, "1", "--accepted")
        assert said.out == "Letter 1: deferred.\n"
        assert "to them alone it goes again" in said.err
        assert place.mailer("verify").code == 0


def resolved(place: Place, *words: str) -> Said:
    """Resolve a letter once the server can no longer answer, which the command says until it is so."""
    while (said := place.mailer("resolve", *words, "--why", "the copy came")).code:
        assert "may still answer" in said.err
    return said


@pytest.mark.parametrize("words", [("pause",), ("cancel", "1"), ("hold", "--campaign", "c")])
def test_who_says_stop_is_not_kept_from_it_by_a_key_that_is_missing(tmp_path, words) -> None:
    place = Place(tmp_path / "here", "pace: none\n")
    place.drop(1)
    assert place.mailer("run", "--intake-only").code == 0
    (place.root / "var/keys/c.key").rename(tmp_path / "c.key")
    assert place.mailer("run").code == 78
    assert place.mailer(*words, "--why", "stop").code == 0
    (tmp_path / "c.key").rename(place.root / "var/keys/c.key")
    assert place.mailer("run").code == (69 if words == ("pause",) else 0)
    assert place.letters("accepted") == 0


def test_an_order_that_cannot_be_marked_is_done_and_says_so(tmp_path) -> None:
    place = Place(tmp_path / "here", "pace: none\n")
    place.drop(1)
    assert place.mailer("run", "--intake-only").code == 0
    (mark,) = (place.root / "var/high-water").iterdir()
    mark.unlink()
    mark.mkdir()  # a name that can't be given to another
    (mark / "inside").touch()
    mark.parent.chmod(0o500)
    said = place.mailer("pause", "--why", "stop")
    mark.parent.chmod(0o700)
    assert (said.code, said.out) == (0, "All sending is paused.\n")
