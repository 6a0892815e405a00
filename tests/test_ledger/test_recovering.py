"""What a crash left, and what a person then says of it."""

from collections import Counter
from dataclasses import replace

import pytest

from mailer.delivery import ORDERS, State
from mailer.ledger import Ledger, Obeyed, Recovered, Selection
from mailer.outcome import Recipient, Role, Stage, Standing
from tests.ledgers import (
    CAMPAIGN,
    COPY,
    DAY,
    FIXED,
    HEAD,
    LANE,
    LATER,
    NEVER,
    NOW,
    PRESS,
    RECIPIENTS,
    SILENCE,
    YES,
    assert_sound,
    claim,
    claim_one,
    dot,
    everything,
    let_go,
    mark,
    one,
    put,
    settle,
    states,
    told,
)

ALL = 10_000


# -- recovery


async def test_recovery_queues_what_has_no_mark_doubts_what_has_and_leaves_what_is_settled(ledger):
    letters = await put(ledger, 4)
    unmarked, marked, settled = await claim(ledger, 3)
    await mark(ledger, marked, rcpt=[YES, LATER, YES])
    await dot(ledger, settled)
    assert await ledger.recover(NOW + 60) == Recovered(let_go=1, in_doubt=1)
    assert states(ledger) == dict(zip(letters, ["queued", "in_doubt", "accepted", "queued"], strict=True))
    assert one(ledger, unmarked.letter).next_attempt_at == NOW + 60
    assert [state for _, _, state, _ in one(ledger, marked.letter).recipients] == ["in_doubt", "deferred", "in_doubt"]
    assert_sound(ledger, dict.fromkeys(letters, State.QUEUED))


async def test_recovering_again_changes_nothing(ledger):
    await put(ledger, 2)
    first, _ = await claim(ledger)
    await mark(ledger, first)
    await ledger.recover(NOW)
    before = everything(ledger)
    assert await ledger.recover(NOW + 60) == Recovered()
    assert everything(ledger) == before


async def test_a_letter_in_doubt_goes_nowhere_by_itself(ledger):
    due = await claim_one(ledger)
    await mark(ledger, due)
    await ledger.recover(NOW)
    before = everything(ledger)
    far = NOW + 400 * DAY
    assert await ledger.waiting() == []
    assert await claim(ledger, now=far) == []
    assert await ledger.hold(LANE, "approval", far, ALL) == 0
    assert await ledger.expire(CAMPAIGN, None, "too late", far, ALL) == 0
    assert await ledger.expire(CAMPAIGN, far, "given up", far, ALL) == 0
    assert not await let_go(ledger, due)
    assert not await settle(ledger, due, Stage.DOT, YES)
    assert everything(ledger) == before


async def test_what_was_accepted_survives_the_doubt_about_the_rest(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES])
    (again,) = await claim(ledger, now=NOW + 300)
    await mark(ledger, again, now=NOW + 300)
    await ledger.recover(NOW + 301)
    assert [(address, state) for address, _, state, _ in one(ledger, due.letter).recipients] == [
        (HEAD, "accepted"),
        (PRESS, "in_doubt"),
        (COPY, "accepted"),
    ]


# -- a person's orders


async def in_doubt(ledger: Ledger) -> int:
    due = await claim_one(ledger)
    await mark(ledger, due)
    await ledger.recover(NOW)
    return due.letter


async def test_a_doubt_is_resolved_when_no_answer_can_come_any_more(ledger):
    letter = await in_doubt(ledger)
    assert "may still answer" in await ledger.resolve(letter, accepted=False, why="-", now=NOW + 599, not_before=600)
    assert await ledger.resolve(letter, accepted=False, why="the court has nothing", now=NOW + 600, not_before=600) == ""
    assert "not in doubt" in await ledger.resolve(letter, accepted=True, why="-", now=NOW + 600, not_before=600)
    assert "no such letter" in await ledger.resolve(letter + 1, accepted=True, why="-", now=NOW + 600, not_before=600)
    (again,) = await claim(ledger, now=NOW + 600)
    assert again.fixed == FIXED
    assert all(recipient.is_asked for recipient in again.recipients)
    assert told(ledger)[-1]["said"] == "the court has nothing"
    assert_sound(ledger, {letter: State.QUEUED})


async def test_a_doubt_resolved_as_accepted_is_not_sent_again(ledger):
    letter = await in_doubt(ledger)
    assert await ledger.resolve(letter, accepted=True, why="the copy came", now=NOW + 600, not_before=600) == ""
    record = one(ledger, letter)
    assert (record.state, record.accepted_at) == ("accepted", NOW + 600)
    assert {state for _, _, state, _ in record.recipients} == {"accepted"}
    assert await claim(ledger, now=NOW + DAY) == []


async def test_a_retry_asks_only_who_is_missing_and_with_the_same_bytes(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, rcpt=[YES, NEVER, YES])
    await ledger.expire(CAMPAIGN, None, "too late", NOW, ALL)
    assert one(ledger, due.letter).state == "accepted"
    partly = await claim_one(ledger, first=10)
    await dot(ledger, partly, rcpt=[YES, LATER, YES])
    assert await ledger.order(Selection(), ORDERS["retry"], "now", NOW + 1, 0, ALL) == Obeyed(Counter({"queued": 1}))
    (again,) = await claim(ledger, now=NOW + 1)
    assert (again.letter, again.fixed, again.tries, again.first_tried_at) == (partly.letter, FIXED, 0, None)
    assert [(r.address, r.is_asked) for r in again.recipients] == [(HEAD, False), (PRESS, True), (COPY, False)]


async def test_a_retry_of_what_nobody_has_taken_begins_afresh(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, NEVER)
    assert await ledger.order(Selection(), ORDERS["retry"], "address found", NOW + 1, 0, ALL) == Obeyed(Counter({"queued": 1}))
    (again,) = await claim(ledger, now=NOW + 1)
    assert (again.attempt, again.fixed, again.recipients, again.tries) == (2, None, (), 0)
    assert_sound(ledger, {due.letter: State.QUEUED})


async def test_what_may_have_left_is_not_sent_again_by_way_of_a_cancellation(ledger):
    letter = await in_doubt(ledger)
    assert await ledger.order(Selection(), ORDERS["cancel"], "no", NOW, 0, ALL) == Obeyed(Counter({"cancelled": 1}))
    assert await ledger.order(Selection(), ORDERS["retry"], "yes", NOW, 0, ALL) == Obeyed()
    assert one(ledger, letter).state == "cancelled"


@pytest.mark.parametrize("state", ["queued", "deferred", "held", "in_doubt"])
async def test_what_an_office_has_accepted_is_not_cancelled_only_who_is_missing_is_dropped(ledger, state):
    due = await claim_one(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES])
    if state == "in_doubt":
        (again,) = await claim(ledger, now=NOW + 300)
        await dot(ledger, again, SILENCE, now=NOW + 300)
    elif state != "deferred":
        await ledger.order(Selection(), ORDERS["hold" if state == "held" else "retry"], "now", NOW, 0, ALL)
    assert one(ledger, due.letter).state == state
    assert await ledger.order(Selection(), ORDERS["cancel"], "enough", NOW + DAY, 0, ALL) == Obeyed(Counter({"accepted": 1}))
    record, earlier = one(ledger, due.letter), "; an earlier one may have arrived" if state == "in_doubt" else ""
    assert (record.state, record.reason) == ("accepted", f"given up for cc: cancelled{earlier}")
    assert [standing for _, _, standing, _ in record.recipients] == ["accepted", "dropped", "accepted"]
    assert (told(ledger)[-1]["who"], told(ledger)[-1]["said"]) == ("person", "enough")
    assert await claim(ledger, now=NOW + 400 * DAY) == []
    assert_sound(ledger, {due.letter: State.QUEUED})
    assert list(ledger.disagreements()) == []


async def test_a_doubt_resolved_as_accepted_goes_on_to_the_cc_that_misses_it_alone(ledger):
    due = await claim_one(ledger)
    await mark(ledger, due, rcpt=[YES, LATER, YES])
    await ledger.recover(NOW)
    assert await ledger.resolve(due.letter, accepted=True, why="the copy came", now=NOW + 600, not_before=600) == ""
    (again,) = await claim(ledger, now=NOW + 600)
    assert [(r.address, r.is_asked) for r in again.recipients] == [(HEAD, False), (PRESS, True), (COPY, False)]
    assert again.fixed == FIXED
    assert_sound(ledger, {due.letter: State.QUEUED})


TWO = (Recipient(HEAD, Role.TO), Recipient("clerk@court.example", Role.TO))
UNREACHED = (Recipient(HEAD, Role.TO, Standing.REFUSED), Recipient(PRESS, Role.CC), Recipient(COPY, Role.COPY))


@pytest.mark.parametrize(
    ("known", "rcpt", "state", "after"),
    [
        (TWO, [YES, YES], "accepted", "accepted accepted"),
        (TWO, [YES, LATER], "deferred", "accepted deferred"),
        (TWO, [LATER, YES], "deferred", "deferred accepted"),
        (TWO, [YES, NEVER], "accepted", "accepted refused"),
        (RECIPIENTS, [YES, LATER, LATER], "deferred", "accepted deferred deferred"),
        (RECIPIENTS, [YES, NEVER, LATER], "accepted", "accepted refused deferred"),
        (RECIPIENTS, [YES, YES, LATER], "accepted", "accepted accepted deferred"),  # a copy is not asked twice
        (UNREACHED, [YES, LATER], "refused", "refused accepted dropped"),  # no office has it, whoever else has
    ],
)
async def test_a_doubt_resolved_as_accepted_ends_as_its_recipients_say(ledger, known, rcpt, state, after):
    due = replace(await claim_one(ledger), recipients=known)
    await mark(ledger, due, rcpt=rcpt)
    await ledger.recover(NOW)
    assert await ledger.resolve(due.letter, accepted=True, why="the copy came", now=NOW + 600, not_before=600) == ""
    record = one(ledger, due.letter)
    assert (record.state, " ".join(state for _, _, state, _ in record.recipients)) == (state, after)
    assert record.next_attempt_at == (NOW + 600 if state == "deferred" else None)
    assert_sound(ledger, {due.letter: State.QUEUED})


async def test_an_order_moves_what_its_states_allow_in_bounded_steps(ledger):
    await put(ledger, 5)
    sending, other = await claim(ledger, 2)
    assert await mark(ledger, sending) and await mark(ledger, other)
    obeyed = await ledger.order(Selection(), ORDERS["hold"], "wait", NOW, 0, 4)
    assert (obeyed.moved, obeyed.in_hand, obeyed.behind > 0) == ({"held": 2}, 2, True)
    assert await ledger.order(Selection(), ORDERS["hold"], "wait", NOW, obeyed.behind, 4) == Obeyed(Counter({"held": 1}))
    assert Counter(states(ledger).values()) == {"sending": 2, "held": 3}
    assert (one(ledger, sending.letter + 2).reason, one(ledger, sending.letter + 2).held_by) == ("organiser", "person")
    assert (await ledger.order(Selection(state="held"), ORDERS["release"], "go", NOW, 0, ALL)).moved == {"queued": 3}
