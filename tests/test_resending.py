"""
The one resend of a letter in doubt that a campaign's policy may give: late, once, with the same bytes and Message-ID.

Without the policy nothing but evidence or a person ends a doubt, however long it lasts.
"""

from __future__ import annotations

from collections import Counter

import pytest

from mailer.delivery import ORDERS, Who
from mailer.ledger import Obeyed, Selection
from mailer.pace import Breaker
from mailer.rules import Ruled, redecide
from tests.offices import NOON, ONE_TARGET, RETRY, at_work, working
from tests.passes import passed
from tests.relays import CC, COPY, TO, settings_for
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


CLOSED = POLICY.replace("timezone: UTC", "timezone: UTC, closed: {reason: moved}")


async def test_it_is_not_given_while_a_rule_would_hold_it(tmp_path):
    """The office is closed meanwhile: held for that, the doubt would be shown nowhere."""
    async with ScriptedServer([Rule("dot", StoreThenDrop(), nth=1)]) as server, working(tmp_path, campaign=POLICY) as scene:
        await passed(scene, server)
        scene.made.campaign(CLOSED)
        scene.time.now += 48 * HOUR
        async with at_work(scene.made, scene.time) as closed:
            assert await passed(closed, server) == Ruled()
            assert closed.one().state == "in_doubt"
        scene.made.campaign(POLICY)
        async with at_work(scene.made, scene.time) as opened:
            assert await passed(opened, server) == Ruled(resent=1)
            assert opened.one().state == "accepted"


@pytest.mark.parametrize("scope", ["all", "campaign:c"])
async def test_nor_in_a_pause_nor_in_an_outage(tmp_path, scope):
    async with ScriptedServer([Rule("dot", StoreThenDrop(), nth=1)]) as server, working(tmp_path, campaign=POLICY) as scene:
        await passed(scene, server)
        scene.time.now += 48 * HOUR
        now = int(scene.time.now)
        await scene.ledger.pause(scope, Who.PERSON, "wait", now)
        assert await passed(scene, server) == Ruled()
        await scene.ledger.resume(scope, "go", now)
        down = Breaker(3, now, "down")
        await scene.ledger.keep_breaker("another", down, now)
        assert (await redecide(scene.ledger, await scene.office.ruling(), RETRY, now)).resent == 0
        assert scene.one().state == "in_doubt"


@pytest.mark.parametrize("is_claimed", [False, True])
async def test_a_resend_that_a_rule_stops_leaves_its_letter_in_doubt(tmp_path, is_claimed):
    """A person asked for it, and the office is closed before it goes, or while a worker has it in hand."""
    async with ScriptedServer([Rule("dot", StoreThenDrop(), nth=1)]) as server, working(tmp_path) as scene:
        await passed(scene, server)
        now = int(scene.time.now) + HOUR
        scene.time.now = now
        assert await scene.ledger.resolve(1, accepted=False, why="again", now=now, not_before=600) == ""
        dues = await scene.claimed() if is_claimed else []
        scene.made.campaign(CLOSED.replace("in_doubt: {resend_after: 24}\n", ""))
        async with at_work(scene.made, scene.time) as closed:
            for due in dues:
                await closed.courier(settings_for(server)).carry(due)
            await passed(closed, server)
            record = closed.one()
            assert (record.state, record.reason) == ("in_doubt", "target closed; an earlier one may have arrived")
            assert record.recipients[0][2] == "in_doubt"
            closed.began = scene.began
            closed.assert_sound()
        assert len(server.dotted) == 1


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


NOBODY = Reply("550 5.1.1 no such user")


@pytest.mark.parametrize(
    ("step", "stage", "why"),
    [
        ("rcpt", "rcpt", "there is no such mailbox"),
        ("data", "data", "the server refuses the letter"),
        ("dot", "dot", "the server refuses the letter"),
    ],
)
async def test_a_resend_that_is_refused_says_nothing_of_the_first_one(step, stage, why, tmp_path):
    """Nor does a person's order send other words under the same Message-ID."""
    refuses = Rule(step, NOBODY if step == "rcpt" else Reply("554 5.0.0 no"), nth=2, recipient=TO if step == "rcpt" else None)
    lost = Rule("dot", StoreThenDrop(), nth=1)
    async with ScriptedServer([lost, refuses]) as server, working(tmp_path, campaign=POLICY) as scene:
        await passed(scene, server)
        scene.time.now += 25 * HOUR
        assert await passed(scene, server) == Ruled(resent=1)
        assert (scene.one().state, scene.one().reason) == ("in_doubt", f"{why}; an earlier one may have arrived")
        assert (scene.last_attempt().verdict, scene.last_attempt().stage) == ("refused", stage)
        assert scene.one().recipients[0][2] == "in_doubt"
        scene.assert_sound()
        now = int(scene.time.now)
        assert await scene.ledger.order(Selection(), ORDERS["retry"], "again", now, 0, 10) == Obeyed()
        assert await scene.ledger.resolve(1, accepted=False, why="again", now=now, not_before=0) == ""
        await passed(scene, server)
        assert scene.one().state == "accepted"
        assert len({taken.data for taken in server.taken}) == 1
        scene.assert_sound()


async def test_each_recipient_of_a_resend_keeps_its_own_doubt(tmp_path):
    """The office took the second one; of the cc nobody knows."""
    rules = [Rule("dot", StoreThenDrop(), nth=1), Rule("rcpt", NOBODY, recipient=CC, nth=2)]
    async with ScriptedServer(rules) as server, working(tmp_path, campaign=POLICY) as scene:
        await passed(scene, server)
        scene.time.now += 25 * HOUR
        await passed(scene, server)
        assert (scene.one().state, scene.one().reason) == (
            "in_doubt",
            "there is no such mailbox; an earlier one may have arrived",
        )
        assert [state for _, _, state, _ in scene.one().recipients] == ["accepted", "in_doubt", "accepted"]
        assert scene.last_attempt().verdict == "accepted"
        assert await scene.ledger.resolve(1, accepted=True, why="it wrote back", now=int(scene.time.now), not_before=0) == ""
        assert scene.one().state == "accepted"
        scene.assert_sound()


async def test_a_copy_that_refuses_the_resend_keeps_no_letter_in_doubt(tmp_path):
    rules = [Rule("dot", StoreThenDrop(), nth=1), Rule("rcpt", NOBODY, recipient=COPY, nth=2)]
    async with ScriptedServer(rules) as server, working(tmp_path, campaign=POLICY) as scene:
        await passed(scene, server)
        scene.time.now += 25 * HOUR
        await passed(scene, server)
        assert scene.one().state == "accepted"


async def test_a_resend_that_is_held_and_released_keeps_its_bytes(tmp_path):
    async with ScriptedServer([Rule("dot", StoreThenDrop(), nth=1)]) as server, working(tmp_path) as scene:
        await passed(scene, server)
        now = int(scene.time.now) + HOUR
        assert await scene.ledger.resolve(1, accepted=False, why="again", now=now, not_before=600) == ""
        assert await scene.ledger.order(Selection(), ORDERS["hold"], "wait", now, 0, 10) == Obeyed(Counter({"held": 1}))
        assert await scene.ledger.order(Selection(), ORDERS["release"], "go", now, 0, 10) == Obeyed(Counter({"queued": 1}))
        scene.made.write("templates/c/en/letter.txt.j2", "Other words.\n")
        async with at_work(scene.made, scene.time) as again:
            again.time.now = now
            await passed(again, server)
            assert (again.one().state, again.one().reason) == ("held", "the letter differs from its first attempt")
        assert len(server.dotted) == 1


async def test_resends_that_an_address_refuses_leave_it_alone_as_first_ones_do(tmp_path):
    rules = [*(Rule("dot", StoreThenDrop(), nth=n) for n in range(1, 6)), Rule("rcpt", NOBODY, recipient=TO)]
    once = ScriptedServer(rules[:5])
    async with once as first, working(tmp_path, signatures=5, campaign=POLICY) as scene:
        await passed(scene, first)
        assert scene.states() == {"in_doubt": 5}
        scene.time.now += 25 * HOUR
        async with ScriptedServer(rules[5:]) as second:
            assert await passed(scene, second) == Ruled(resent=5)
        assert scene.states() == {"in_doubt": 3, "queued": 2}


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
