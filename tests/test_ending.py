"""
How letters end of which no more is sent: at their campaign's deadline, or because somebody cancelled them.

What the relay has taken stays taken, and what it may have taken stays in doubt; only who is certainly missing is dropped.
"""

from __future__ import annotations

from tests.offices import NOON, ONE_TARGET, Scene, working
from tests.passes import passed
from tests.relays import CC, COPY, TO, settings_for
from tests.servers.scripted import Reply, Rule, ScriptedServer

DAY = 86_400
OVER = ONE_TARGET + "deadline: 2011-09-20\n"  # the day of NOON
LATER = Reply("450 4.2.0 later")


def standings(scene: Scene) -> list[str]:
    return [state for _, _, state, _ in scene.one().recipients]


async def test_at_the_deadline_a_letter_that_its_office_has_ends_without_its_cc(tmp_path):
    """And no pass waits for it any more."""
    later = Rule("rcpt", LATER, recipient=CC)
    async with ScriptedServer([later]) as server, working(tmp_path, campaign=OVER) as scene:
        await passed(scene, server)
        assert (scene.one().state, len(server.dotted)) == ("deferred", 1)
        name = settings_for(server).name
        assert await scene.dispatch().next_at(name, scene.time.now) == NOON + 300
        scene.time.now += DAY
        assert await scene.dispatch().next_at(name, scene.time.now) is None
        await passed(scene, server)
        assert (scene.one().state, scene.one().reason) == ("accepted", "given up for cc: the campaign's deadline has passed")
        assert standings(scene) == ["accepted", "dropped", "accepted"]
        assert [taken.recipients for taken in server.taken] == [(TO, COPY)]
        assert (await scene.ledger.waiting(), list(scene.ledger.disagreements())) == ([], [])
        scene.assert_sound()
