"""Orders and pauses that meet a letter in a worker's hands: up to its dot mark they come first, behind it they say so."""

from __future__ import annotations

from collections import Counter

import pytest

from mailer.delivery import ORDERS, State, Who
from mailer.ledger import Obeyed, Selection
from mailer.outcome import Stage
from tests.ledgers import CAMPAIGN, LATER, NOW, assert_sound, claim, dot, let_go, mark, one, put, settle, states, told

STOPPING = pytest.mark.parametrize(("order", "then"), [("cancel", "cancelled"), ("hold", "held")])


@STOPPING
async def test_a_letter_that_is_claimed_is_taken_back_and_never_marked(ledger, order, then):
    letters = await put(ledger, 3)
    due, other = await claim(ledger, 2)
    assert await ledger.order(Selection(), ORDERS[order], "why", NOW, 0, 10) == Obeyed(Counter({then: 3}))
    assert not await mark(ledger, due)
    assert not await settle(ledger, other, Stage.DATA, LATER)
    assert not await let_go(ledger, due)
    assert states(ledger) == dict.fromkeys(letters, then)
    assert [line["to"] for line in told(ledger) if line["letter"] == due.letter] == ["queued", then]
    assert {attempt.verdict for attempt in ledger.attempts(due.letter)} == {"unsent"}
    assert_sound(ledger, dict.fromkeys(letters, State.QUEUED))


@STOPPING
async def test_a_letter_that_is_marked_is_left_alone_and_counted(ledger, order, then):
    letters = await put(ledger, 3)
    due, _ = await claim(ledger, 2)
    assert await mark(ledger, due)
    assert await ledger.order(Selection(letter=due.letter), ORDERS[order], "why", NOW, 0, 10) == Obeyed(in_hand=1)
    assert await ledger.order(Selection(campaign=CAMPAIGN), ORDERS[order], "why", NOW, 0, 10) == Obeyed(Counter({then: 2}), 1)
    assert states(ledger) == dict(zip(letters, ["sending", then, then], strict=True))
    assert_sound(ledger, dict.fromkeys(letters, State.QUEUED))


@pytest.mark.parametrize("selection", [Selection(state="queued"), Selection(reason="the server asks to try later")])
async def test_of_what_is_being_sent_nobody_knows_what_it_was_so_it_is_counted(ledger, selection):
    letters = await put(ledger, 2)
    await claim(ledger, 1)
    assert (await ledger.order(selection, ORDERS["cancel"], "why", NOW, 0, 10)).in_hand == 1
    assert states(ledger)[letters[0]] == "sending"


@pytest.mark.parametrize("order", ["retry", "release"])
async def test_what_lets_letters_go_does_not_mind_those_that_go(ledger, order):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    assert await ledger.order(Selection(), ORDERS[order], "why", NOW, 0, 10) == Obeyed()
    assert await mark(ledger, due)


async def test_a_letter_that_was_marked_before_can_be_taken_back_from_its_next_attempt(ledger):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await dot(ledger, due, LATER)
    (again,) = await claim(ledger, now=NOW + 14_400)
    assert await ledger.order(Selection(), ORDERS["hold"], "why", NOW, 0, 10) == Obeyed(Counter({"held": 1}))
    assert not await mark(ledger, again)
    assert one(ledger, due.letter).state == "held"


@pytest.mark.parametrize("scope", ["all", "ledger", "clock", f"campaign:{CAMPAIGN}"])
async def test_in_a_pause_no_dot_is_marked(ledger, scope):
    letters = await put(ledger, 2)
    due, marked = await claim(ledger, 2)
    assert await mark(ledger, marked)
    await ledger.pause(scope, Who.PERSON, "stop", NOW)
    assert not await mark(ledger, due)
    assert await let_go(ledger, due)
    assert states(ledger) == dict(zip(letters, ["queued", "sending"], strict=True))
    assert await settle(ledger, marked, Stage.DOT, LATER)  # what had left is answered
    assert_sound(ledger, dict.fromkeys(letters, State.QUEUED))


async def test_the_pause_of_another_campaign_stops_nothing(ledger):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await ledger.pause("campaign:another", Who.PERSON, "stop", NOW)
    assert await mark(ledger, due)
