"""A letter is in one hand at a time: claims, letting go, and what is paused."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from mailer.delivery import Due, State, Who
from mailer.ledger import Lane
from tests.ledgers import (
    CAMPAIGN,
    DAY,
    LANE,
    LATER,
    NOW,
    RELAY,
    TARGET,
    YES,
    assert_sound,
    claim,
    claim_one,
    let_go,
    mark,
    new,
    one,
    put,
    states,
    told,
)

EMBASSY = Lane(CAMPAIGN, "embassy", "GB")


# -- claiming


async def test_a_claim_opens_an_attempt_before_any_connection(ledger, second):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    record = one(second, due.letter)
    assert (record.state, record.attempts, record.tries, record.next_attempt_at) == ("sending", 1, 0, None)
    (attempt,) = second.attempts(due.letter)
    assert (attempt.number, attempt.worker, attempt.relay, attempt.opened_at) == (1, "worker", RELAY, NOW)
    assert (attempt.marked_at, attempt.settled_at, attempt.verdict) == (None, None, "")
    assert due == Due(
        due.letter,
        1,
        CAMPAIGN,
        TARGET,
        "",
        b"sealed 1",
        record.message_id,
        tries=0,
        first_tried_at=None,
        fixed=None,
        recipients=(),
    )


async def test_a_claim_takes_what_is_due_the_oldest_first_and_no_more_than_asked(ledger):
    late = await put(ledger, 2, now=NOW + 100)
    early = await put(ledger, 3, first=10)
    assert [due.letter for due in await claim(ledger, 2)] == early[:2]
    assert [due.letter for due in await claim(ledger, 9, now=NOW + 99)] == early[2:]
    assert await claim(ledger, 9, now=NOW + 99) == []
    assert [due.letter for due in await claim(ledger, 9, now=NOW + 100)] == late


async def test_a_claim_is_of_one_lane(ledger):
    await put(ledger, 1, new("court"), new("embassy", country="GB"), new("ministry", State.HELD, "approval"))
    await put(ledger, 1, new("embassy", country="FR"), first=10)
    (due,) = await claim(ledger, lane=EMBASSY)
    assert (due.target, due.country) == ("embassy", "GB")
    assert await claim(ledger, lane=Lane(CAMPAIGN, "ministry", "")) == []
    assert Counter(states(ledger).values()) == {"queued": 2, "held": 1, "sending": 1}


async def test_no_letter_is_claimed_twice_however_many_claim(ledger, second):
    letters = await put(ledger, 60)
    claims = await asyncio.gather(*(claim(worker, 7) for _ in range(10) for worker in (ledger, second)))
    assert sorted(due.letter for dues in claims for due in dues) == letters
    assert {len(ledger.attempts(letter)) for letter in letters} == {1}


@pytest.mark.parametrize(
    "scope, claimed", [("all", []), (f"campaign:{CAMPAIGN}", ["another"]), ("campaign:another", [CAMPAIGN])]
)
async def test_what_is_paused_gives_no_letter(ledger, second, scope, claimed):
    await put(ledger, 1)
    await put(ledger, 1, campaign="another")
    lanes = [LANE, replace(LANE, campaign="another")]
    await second.pause(scope, Who.PERSON, "stop", NOW)
    assert [due.campaign for lane in lanes for due in await claim(ledger, lane=lane)] == claimed
    await second.resume(scope, "go", NOW)
    assert len([due for lane in lanes for due in await claim(ledger, lane=lane)]) == 2 - len(claimed)


# -- letting go


async def test_a_letter_let_go_unsent_is_due_at_once_and_no_try_is_counted(ledger):
    due = await claim_one(ledger)
    assert await let_go(ledger, due)
    record = one(ledger, due.letter)
    assert (record.state, record.next_attempt_at, record.tries) == ("queued", NOW, 0)
    assert [attempt.verdict for attempt in ledger.attempts(due.letter)] == ["unsent"]
    assert [again.attempt for again in await claim(ledger)] == [2]


@pytest.mark.parametrize("who, held_by", [(Who.RULE, "rule"), (Who.PERSON, "person")])
async def test_a_letter_held_while_in_hand_says_by_whom_and_why(ledger, who, held_by):
    due = await claim_one(ledger)
    assert await let_go(ledger, due, State.HELD, who, "render error")
    record = one(ledger, due.letter)
    assert (record.state, record.reason, record.held_by) == ("held", "render error", held_by)
    assert [(a.verdict, a.reason) for a in ledger.attempts(due.letter)] == [("held", "detail")]
    assert [(line["who"], line["why"], line["detail"]) for line in told(ledger)] == [(who, "render error", "detail")]


@pytest.mark.parametrize("state", [State.QUEUED, State.HELD])
async def test_behind_the_mark_no_letter_is_let_go(ledger, state):
    due = await claim_one(ledger)
    await mark(ledger, due, rcpt=[YES, LATER, YES])
    assert await let_go(ledger, due, state, Who.WORKER, "a bug")
    record = one(ledger, due.letter)
    assert (record.state, record.next_attempt_at) == ("in_doubt", None)
    assert [recipient_state for _, _, recipient_state, _ in record.recipients] == ["in_doubt", "deferred", "in_doubt"]
    assert await claim(ledger, now=NOW + DAY) == []
    assert_sound(ledger, {due.letter: State.QUEUED})
