"""
The one resend of a letter in doubt that a campaign's policy may give: late, once, with the same bytes and Message-ID.

Without the policy nothing but evidence or a person ends a doubt, however long it lasts.
"""

from __future__ import annotations

from mailer.rules import Ruled
from tests.offices import NOON, ONE_TARGET, at_work, working
from tests.passes import passed
from tests.relays import CC, COPY, TO
from tests.servers.scripted import Reply, Rule, ScriptedServer, StoreThenDrop

HOUR = 3600
POLICY = ONE_TARGET + "in_doubt: {resend_after: 24}\n"


async def test_without_a_policy_a_doubt_stays_one(tmp_path):
    async with ScriptedServer([Rule("dot", StoreThenDrop(), nth=1)]) as server, working(tmp_path) as scene:
        await passed(scene, server)
        for _ in range(40):
            scene.time.now += 24 * HOUR
            assert await passed(scene, server) == Ruled()
        assert scene.one().state == "in_doubt"
        assert len(server.dotted) == 1


async def test_with_it_the_letter_goes_once_more_with_the_same_bytes(tmp_path):
    async with ScriptedServer([Rule("dot", StoreThenDrop(), nth=1)]) as server, working(tmp_path, campaign=POLICY) as scene:
        await passed(scene, server)
        scene.time.now += 24 * HOUR - 1
        assert await passed(scene, server) == Ruled()
        scene.time.now += 1
        assert await passed(scene, server) == Ruled(resent=1)
        first, second = server.taken
        assert first.data == second.data
        assert first.message_id == second.message_id
        assert scene.one().state == "accepted"
        scene.assert_sound()


async def test_it_is_given_once_in_a_letter_s_life(tmp_path):
    async with ScriptedServer([Rule("dot", StoreThenDrop())]) as server, working(tmp_path, campaign=POLICY) as scene:
        for _ in range(40):
            await passed(scene, server)
            scene.time.now += 24 * HOUR
        assert scene.one().state == "in_doubt"
        assert len(server.dotted) == 2
        scene.assert_sound()


async def test_it_asks_only_those_who_have_not_accepted(tmp_path):
    """The office took the letter in an attempt of its own; in doubt is the cc that was asked later."""
    later = Rule("rcpt", Reply("450 4.2.0 later"), recipient=CC, nth=1)
    async with (
        ScriptedServer([later, Rule("dot", StoreThenDrop(), recipient=CC, nth=1)]) as server,
        working(tmp_path, campaign=POLICY) as scene,
    ):
        await passed(scene, server)
        scene.time.now += HOUR
        await passed(scene, server)
        assert scene.one().state == "in_doubt"
        scene.time.now += 25 * HOUR
        assert await passed(scene, server) == Ruled(resent=1)
        assert [taken.recipients for taken in server.taken] == [(TO, COPY), (CC,), (CC,)]
        assert scene.one().state == "accepted"
        scene.assert_sound()


async def test_a_letter_whose_words_have_changed_since_is_held_instead(tmp_path):
    async with ScriptedServer([Rule("dot", StoreThenDrop(), nth=1)]) as server, working(tmp_path, campaign=POLICY) as scene:
        await passed(scene, server)
        scene.made.write("templates/c/en/letter.txt.j2", "Other words.\n")
        async with at_work(scene.made, scene.time) as again:
            again.time.now += 25 * HOUR
            await passed(again, server)
            assert (again.one().state, again.one().reason) == ("held", "the letter differs from its first attempt")
        assert len(server.dotted) == 1


async def test_what_a_person_has_resolved_no_rule_sends(tmp_path):
    async with ScriptedServer([Rule("dot", StoreThenDrop(), nth=1)]) as server, working(tmp_path, campaign=POLICY) as scene:
        await passed(scene, server)
        now = NOON + HOUR
        assert await scene.ledger.resolve(1, accepted=True, why="seen", now=now, not_before=600) == ""
        scene.time.now += 48 * HOUR
        assert await passed(scene, server) == Ruled()
        assert len(server.dotted) == 1


async def test_behind_the_deadline_nothing_is_sent_again(tmp_path):
    over = POLICY + "deadline: 2011-09-20\n"
    async with ScriptedServer([Rule("dot", StoreThenDrop(), nth=1)]) as server, working(tmp_path, campaign=over) as scene:
        await passed(scene, server)
        scene.time.now += 48 * HOUR
        assert await passed(scene, server) == Ruled()
        assert scene.one().state == "in_doubt"
