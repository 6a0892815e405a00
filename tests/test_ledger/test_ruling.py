"""Lanes: what waits, what rules hold, release and expire, and what they leave to a person."""

from collections import Counter
from dataclasses import replace

import pytest

from mailer.delivery import ORDERS, State, Who
from mailer.ledger import Held, Lane, Selection, Waiting
from mailer.outcome import Stage
from tests.ledgers import (
    CAMPAIGN,
    DAY,
    HELD,
    LANE,
    LATER,
    NOW,
    TARGET,
    YES,
    assert_sound,
    claim,
    claim_one,
    dot,
    let_go,
    new,
    one,
    put,
    settle,
    states,
    told,
)

ALL = 10_000


async def test_what_waits_is_shown_by_lane_with_the_time_of_its_first(ledger):
    await put(ledger, 3, new("court"), new("embassy", country="GB"), new("ministry", State.HELD, "approval"), now=NOW + 5)
    await put(ledger, 2, new("court"), new("embassy", country="FR"), first=10, now=NOW + 3)
    await put(ledger, 1, new("court"), campaign="another", now=NOW)
    assert await ledger.waiting() == [
        Waiting(Lane("another", "court", ""), NOW),
        Waiting(Lane(CAMPAIGN, "court", ""), NOW + 3),
        Waiting(Lane(CAMPAIGN, "embassy", "FR"), NOW + 3),
        Waiting(Lane(CAMPAIGN, "embassy", "GB"), NOW + 5),
    ]


async def test_deferred_letters_wait_as_queued_ones_do_and_no_others(ledger):
    await put(ledger, 2)
    first, _ = await claim(ledger)
    assert await ledger.waiting() == []
    await settle(ledger, first, Stage.RCPT, LATER, rcpt=[LATER, LATER, LATER])
    assert await ledger.waiting() == [Waiting(LANE, NOW + 300)]


async def test_a_rule_holds_a_lane_in_bounded_steps_and_leaves_the_others(ledger):
    await put(ledger, 5, new("court"), new("embassy", country="GB"))
    assert await ledger.hold(Lane(CAMPAIGN, "court", ""), "target closed", NOW, 3) == 3
    assert await ledger.hold(Lane(CAMPAIGN, "court", ""), "target closed", NOW, 3) == 2
    assert await ledger.hold(Lane(CAMPAIGN, "court", ""), "target closed", NOW, 3) == 0
    assert await ledger.hold(Lane(CAMPAIGN, "embassy", "FR"), "no route", NOW, 3) == 0
    assert ledger.tally() == {(CAMPAIGN, "court", "held"): 5, (CAMPAIGN, "embassy", "queued"): 5}
    assert {line["why"] for line in told(ledger)} == {"target closed"}


async def test_a_rule_releases_what_it_held_for_that_reason_and_at_once(ledger):
    began = dict.fromkeys(await put(ledger, 3, HELD), State.HELD)
    await put(ledger, 1, new(state=State.HELD, reason="no route"), first=10)
    held = await ledger.held_by_rule()
    assert held == [Held(LANE, "approval"), Held(LANE, "no route")]
    assert await ledger.release(held[0], NOW + 7, 2) == 2
    assert await ledger.release(held[0], NOW + 7, 2) == 1
    assert await ledger.release(held[0], NOW + 7, 2) == 0
    assert [(r.state, r.next_attempt_at) for r in (one(ledger, letter) for letter in began)] == [("queued", NOW + 7)] * 3
    assert Counter(states(ledger).values()) == {"queued": 3, "held": 1}


@pytest.mark.parametrize("why", ["approval", "render error"])
async def test_what_a_person_held_no_rule_releases_restates_or_renders_again(ledger, why):
    (letter,) = await put(ledger, 1)
    (due,) = await claim(ledger)
    assert await let_go(ledger, due, State.HELD, Who.PERSON, why)
    held = Held(LANE, why)
    assert await ledger.release(held, NOW, ALL) == 0
    await ledger.restate(held, "no route")
    await ledger.release_unrendered(CAMPAIGN, "new edition", NOW)
    assert (one(ledger, letter).state, one(ledger, letter).reason, one(ledger, letter).held_by) == (
        "held",
        why,
        "person",
    )


async def test_letters_held_for_another_reason_are_still_held(ledger):
    await put(ledger, 2, HELD)
    await ledger.restate(Held(LANE, "approval"), "target closed")
    assert await ledger.held_by_rule() == [Held(LANE, "target closed")]
    assert set(states(ledger).values()) == {"held"}


async def test_a_render_error_ends_with_a_new_edition_and_not_before(ledger):
    await put(ledger, 2, HELD)
    due = await claim_one(ledger, first=10)
    await let_go(ledger, due, State.HELD, Who.RULE, "render error")
    assert await ledger.release_unrendered(CAMPAIGN, "edition 1", NOW) == 1
    (due,) = await claim(ledger)
    await let_go(ledger, due, State.HELD, Who.RULE, "render error")
    assert await ledger.release_unrendered(CAMPAIGN, "edition 1", NOW) == 0
    assert one(ledger, due.letter).state == "held"
    assert await ledger.release_unrendered(CAMPAIGN, "edition 2", NOW) == 1
    assert Counter(states(ledger).values()) == {"held": 2, "queued": 1}


async def test_what_was_first_tried_before_a_time_expires_and_what_never_was_does_not(ledger):
    old, young, untried, held = await put(ledger, 4)
    dues = {due.letter: due for due in await claim(ledger)}
    await settle(ledger, dues[old], Stage.RCPT, LATER, rcpt=[LATER, LATER, LATER], now=NOW)
    await settle(ledger, dues[young], Stage.RCPT, LATER, rcpt=[LATER, LATER, LATER], now=NOW + 100)
    await let_go(ledger, dues[untried])
    await let_go(ledger, dues[held], State.HELD, Who.PERSON, "organiser")
    assert await ledger.expire(CAMPAIGN, NOW - 1, "given up", NOW + DAY, ALL) == 0
    assert await ledger.expire("another", NOW, "given up", NOW + DAY, ALL) == 0
    assert await ledger.expire(CAMPAIGN, NOW, "given up", NOW + DAY, ALL) == 1
    assert states(ledger) == {old: "expired", young: "deferred", untried: "queued", held: "held"}
    assert (one(ledger, old).reason, one(ledger, old).next_attempt_at) == ("given up", None)


async def test_behind_the_deadline_everything_that_waits_or_is_held_expires_in_bounded_steps(ledger):
    await put(ledger, 2, new("court"), new("ministry", State.HELD, "approval"), new("president", State.BY_HAND))
    await put(ledger, 1, new("court"), campaign="another")
    sent = await claim_one(ledger, first=100)
    await dot(ledger, sent)
    expired = [await ledger.expire(CAMPAIGN, None, "too late", NOW, 3) for _ in range(3)]
    assert expired == [3, 1, 0]
    assert ledger.tally() == {
        ("another", "court", "queued"): 1,
        (CAMPAIGN, "court", "expired"): 2,
        (CAMPAIGN, "ministry", "expired"): 2,
        (CAMPAIGN, "president", "by_hand"): 2,
        (CAMPAIGN, TARGET, "accepted"): 1,
    }
    assert one(ledger, sent.letter).state == "accepted"


async def test_a_letter_that_its_to_has_accepted_is_not_given_up_before_its_next_attempt(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES])
    assert one(ledger, due.letter).state == "deferred"
    assert await ledger.expire(CAMPAIGN, NOW + DAY, "given up", NOW + DAY, ALL) == 0
    assert one(ledger, due.letter).state == "deferred"


@pytest.mark.parametrize("place", ["deferred", "queued", "held by a rule", "held by a person"])
async def test_behind_the_deadline_a_letter_that_its_to_has_accepted_ends_as_that_without_who_is_missing(ledger, place):
    due = await claim_one(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES])
    if place == "queued":
        await ledger.order(Selection(), ORDERS["retry"], "now", NOW, 0, ALL)
    elif place == "held by a rule":
        await ledger.hold(LANE, "target closed", NOW, ALL)
    elif place == "held by a person":
        await ledger.order(Selection(), ORDERS["hold"], "wait", NOW, 0, ALL)
    assert one(ledger, due.letter).state == place.split()[0]
    assert await ledger.expire(CAMPAIGN, None, "too late", NOW + DAY, ALL) == 1
    assert await ledger.expire(CAMPAIGN, None, "too late", NOW + DAY, ALL) == 0
    record = one(ledger, due.letter)
    assert (record.state, record.reason, record.accepted_at) == ("accepted", "given up for cc: too late", NOW + DAY)
    assert [state for _, _, state, _ in record.recipients] == ["accepted", "dropped", "accepted"]
    first, last = ledger.attempts(due.letter)
    assert (first.verdict, last.verdict, last.marked_at, last.reason) == ("deferred", "unsent", None, "too late")
    assert last.relay == first.relay
    line = told(ledger)[-1]
    assert (line["from"], line["to"], line["who"], line["why"]) == ("sending", "accepted", "rule", record.reason)
    assert_sound(ledger, {due.letter: State.QUEUED})
    assert list(ledger.disagreements()) == []


async def test_a_hostile_reply_cannot_make_a_letter_look_accepted(ledger):
    due = await claim_one(ledger)
    await settle(ledger, due, Stage.RCPT, replace(LATER, text='head","to","accepted","'), rcpt=[LATER, LATER, LATER])
    assert await ledger.expire(CAMPAIGN, NOW, "given up", NOW + DAY, ALL) == 1
