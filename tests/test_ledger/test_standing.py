"""What stands for the whole install: fingerprints, approvals, editions, pauses, the relay's breaker, refusals in a row."""

import pytest

from mailer.delivery import ORDERS, State, Who
from mailer.ledger import Approval, Lane, Selection
from mailer.outcome import MALFORMED, Reply, Sign, Stage
from mailer.pace import Breaker
from tests.ledgers import (
    CAMPAIGN,
    DAY,
    HEAD,
    LANE,
    NOW,
    PRESS,
    RELAY,
    TARGET,
    YES,
    claim,
    dot,
    let_go,
    new,
    one,
    put,
    settle,
    told,
)


async def test_a_fingerprint_once_remembered_is_never_replaced(ledger):
    await ledger.remember_campaign("one", "first")
    await ledger.remember_campaign("one", "second")
    await ledger.remember_campaign("two", "other")
    assert await ledger.fingerprints() == {"one": "first", "two": "other"}


async def test_an_approval_is_of_one_edition_and_the_newest_counts(ledger):
    await ledger.remember_campaign(CAMPAIGN, "x")
    assert await ledger.approvals() == {CAMPAIGN: Approval()}
    await ledger.approve(CAMPAIGN, "first", "jane", NOW)
    await ledger.approve(CAMPAIGN, "second", "john", NOW + 1)
    assert await ledger.approvals() == {CAMPAIGN: Approval("second", NOW + 1, "john")}
    assert [line["edition"] for line in told(ledger, "approved")] == ["first", "second"]


async def test_an_edition_is_kept_once_under_its_hash(ledger):
    await ledger.keep_edition("hash", "content", NOW)
    await ledger.keep_edition("hash", "never written", NOW)
    assert await ledger.edition("hash") == "content"
    assert await ledger.edition("unknown") is None


async def test_a_scope_is_paused_once_and_resumed_once(ledger):
    assert await ledger.pause("all", Who.PERSON, "a mistake in the text", NOW)
    assert not await ledger.pause("all", Who.WORKER, "another reason", NOW + 1)
    assert await ledger.pause("campaign:one", Who.WORKER, "sender refused", NOW + 2)
    assert [(p.scope, p.who, p.why, p.at) for p in await ledger.pauses()] == [
        ("all", "person", "a mistake in the text", NOW),
        ("campaign:one", "worker", "sender refused", NOW + 2),
    ]
    assert await ledger.resume("all", "mended", NOW + 3)
    assert not await ledger.resume("all", "mended", NOW + 4)
    assert [pause.scope for pause in await ledger.pauses()] == ["campaign:one"]
    assert [line["scope"] for line in told(ledger, "paused")] == ["all", "campaign:one"]
    assert [line["why"] for line in told(ledger, "resumed")] == ["mended"]


async def test_the_breaker_of_a_relay_is_as_the_last_worker_left_it(ledger, second):
    assert await ledger.breaker(RELAY) == Breaker()
    await ledger.keep_breaker(RELAY, Breaker(3, NOW + 60, "greeting: 421"), NOW)
    assert await second.breaker(RELAY) == Breaker(3, NOW + 60, "greeting: 421")
    assert await second.breaker("another:25") == Breaker()
    await second.keep_breaker(RELAY, Breaker(), NOW)
    assert await ledger.breaker(RELAY) == Breaker()
    assert [line["why"] for line in told(ledger, "relay")] == ["greeting: 421"]


# -- refusals in a row


OTHER = Lane(CAMPAIGN, "embassy", "AT")


async def test_refusals_in_a_row_are_counted_by_lane_and_pass(ledger):
    for in_pass in ("a", "a", "b", "b"):
        await ledger.lengthen(Sign.ADDRESS, LANE, [HEAD], in_pass)
    last = await ledger.lengthen(Sign.ADDRESS, LANE, [HEAD], "c")
    await ledger.lengthen(Sign.ADDRESS, OTHER, ["at@embassy.example", "de@embassy.example"], "c")
    await ledger.lengthen(Sign.POLICY, Lane(CAMPAIGN, "", ""), [], "c")
    assert (last.length, last.passes) == (5, 3)
    found = {(s.sign, s.target, s.country, s.addresses): (s.length, s.passes) for s in await ledger.streaks()}
    assert found == {
        (Sign.ADDRESS, TARGET, "", (HEAD,)): (5, 3),
        (Sign.ADDRESS, "embassy", "AT", ("at@embassy.example", "de@embassy.example")): (1, 1),
        (Sign.POLICY, "", "", ()): (1, 1),
    }
    await ledger.end_streak(Sign.ADDRESS, LANE)
    assert {streak.target for streak in await ledger.streaks()} == {"embassy", ""}
    assert (await ledger.lengthen(Sign.ADDRESS, LANE, [HEAD], "d")).length == 1


async def test_another_address_begins_anew(ledger):
    for in_pass in ("a", "b"):
        await ledger.lengthen(Sign.ADDRESS, LANE, [HEAD], in_pass)
    streak = await ledger.lengthen(Sign.ADDRESS, LANE, [PRESS], "c")
    assert (streak.addresses, streak.length, streak.passes) == ((PRESS,), 1, 1)


@pytest.mark.parametrize("order, left", [("release", 1), ("hold", 2), ("retry", 2), ("cancel", 2)])
async def test_who_releases_a_target_believes_its_address_again(order, left, ledger):
    for lane in (LANE, OTHER):
        await ledger.lengthen(Sign.ADDRESS, lane, [HEAD], "a")
    await ledger.order(Selection(campaign=CAMPAIGN, target=TARGET), ORDERS[order], "why", NOW, 0, 10)
    assert len(await ledger.streaks()) == left


@pytest.mark.parametrize("reason, left", [("address refused", 0), ("target closed", 1)])
async def test_who_releases_one_letter_that_waits_for_it_does_too(reason, left, ledger):
    (letter,) = await put(ledger, 1, new(state=State.HELD, reason=reason))
    await ledger.lengthen(Sign.ADDRESS, LANE, [HEAD], "a")
    await ledger.order(Selection(letter=letter), ORDERS["release"], "why", NOW, 0, 10)
    assert len(await ledger.streaks()) == left


async def test_how_often_a_recipient_was_believed_is_kept(ledger):
    full = Reply(552, "5.2.2", "full")
    (letter,) = await put(ledger, 1)
    for times in (1, 2):
        (due,) = await claim(ledger, now=NOW + times * DAY)
        assert await settle(ledger, due, Stage.RCPT, full, rcpt=[full, YES, YES], now=NOW + times * DAY)
        (due,) = await claim(ledger, now=NOW + times * DAY + DAY // 2)
        assert (due.recipients[0].why, due.recipients[0].times) == ("the mailbox is full", times)
        await let_go(ledger, due, now=NOW + times * DAY + DAY // 2)
    assert all(len(row) == 4 for row in one(ledger, letter).recipients)


async def test_letters_refused_lately_are_those_whose_last_attempt_was(ledger):
    await put(ledger, 3)
    malformed = Reply(554, "5.6.0", "malformed")
    first, second, third = await claim(ledger)
    await dot(ledger, first, malformed)
    await dot(ledger, second, malformed, now=NOW + DAY)
    await settle(ledger, third, Stage.RCPT, Reply(553, "5.6.7", "no"), rcpt=[Reply(553, "5.6.7", "no"), YES, YES])
    assert ledger.refused_lately(MALFORMED, NOW - 1) == {CAMPAIGN: 2}
    assert ledger.refused_lately(MALFORMED, NOW) == {CAMPAIGN: 1}
    assert ledger.refused_lately("another reason", NOW - 1) == {}
