"""
How letters end of which no more is sent: at their campaign's deadline, or because somebody cancelled them.

What the relay has taken stays taken, and what it may have taken stays in doubt; only who is certainly missing is dropped.
"""

from __future__ import annotations

import pytest

from mailer.delivery import ORDERS
from mailer.ledger import Selection
from tests.offices import NOON, ONE_TARGET, Scene, working
from tests.passes import passed
from tests.relays import CC, COPY, TO, settings_for
from tests.servers.scripted import Reply, Rule, ScriptedServer, StoreThenDrop

DAY, HOUR = 86_400, 3_600
OVER = ONE_TARGET + "deadline: 2011-09-20\n"  # the day of NOON
LATER = Reply("450 4.2.0 later")


def standings(scene: Scene) -> list[str]:
    return [state for _, _, state, _ in scene.one().recipients]


@pytest.mark.parametrize("how", ["deadline", "deadline, held", "given up", "cancelled"])
async def test_however_a_resend_is_ended_the_first_one_may_have_arrived(how, tmp_path):
    """So the letter is in doubt again, and no rule sends it once more."""
    policy = ONE_TARGET + "in_doubt: {resend_after: 24}\n" + ("deadline: 2011-09-22\n" if "deadline" in how else "")
    lost, later = Rule("dot", StoreThenDrop(), nth=1), Rule("rcpt", LATER, recipient=TO)
    async with ScriptedServer([lost]) as server, working(tmp_path, campaign=policy) as scene:
        await passed(scene, server)
        scene.time.now += HOUR
        now = int(scene.time.now)
        assert await scene.ledger.resolve(1, accepted=False, why="again", now=now, not_before=600) == ""
        async with ScriptedServer([later]) as second:
            await passed(scene, second)
            assert scene.one().state == "deferred"
            if how == "cancelled":
                assert (await scene.ledger.order(Selection(), ORDERS["cancel"], "no", now, 0, 10)).moved == {"in_doubt": 1}
            elif how == "deadline, held":
                assert (await scene.ledger.order(Selection(), ORDERS["hold"], "wait", now, 0, 10)).moved == {"held": 1}
            for _ in range(7):
                scene.time.now += DAY
                await passed(scene, second)
            assert not second.dotted
        assert scene.one().state == "in_doubt"
        assert scene.one().reason.endswith("; an earlier one may have arrived")
        assert standings(scene) == ["in_doubt", "in_doubt", "dropped"]
        assert list(scene.ledger.disagreements()) == []
        scene.assert_sound()


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
