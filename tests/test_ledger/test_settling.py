"""The dot mark and the settlement: what is durable before a dot, and what only its answer can tell."""

from dataclasses import replace

import pytest

from mailer.delivery import Fixed, Next, State
from mailer.errors import MailerError
from mailer.ledger import Learned, Mailbox, Mark, Recovered
from mailer.outcome import Outcome, Recipient, Role, Scope, Stage, Standing, Verdict
from tests.ledgers import (
    COPY,
    DAY,
    FIXED,
    HEAD,
    LATER,
    NEVER,
    NOW,
    PRESS,
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
    told,
)

RECIPIENTS_TAKEN = (Recipient(HEAD, Role.TO, Standing.ACCEPTED),)

# -- the dot mark


async def test_a_mark_is_durable_when_it_returns_with_all_that_it_fixes(ledger, second):
    due = await claim_one(ledger)
    assert await mark(ledger, due, rcpt=[YES, LATER, YES], now=NOW + 5)
    (attempt,) = second.attempts(due.letter)
    assert (attempt.marked_at, attempt.settled_at) == (NOW + 5, None)
    record = one(second, due.letter)
    assert (record.state, record.language, record.sha256) == ("sending", FIXED.language, FIXED.sha256)
    assert {address: state for address, _, state, _ in record.recipients} == {
        HEAD: "waiting",
        PRESS: "deferred",
        COPY: "waiting",
    }


async def test_an_attempt_is_marked_once(ledger):
    due = await claim_one(ledger)
    assert await mark(ledger, due)
    assert not await mark(ledger, due)
    assert await ledger.sent_counts([([HEAD], 0)]) == [1]


async def test_the_mark_of_whoever_lost_the_letter_changes_nothing(ledger, second):
    late = await claim_one(ledger)
    await second.recover(NOW)
    (mine,) = await claim(second)
    before = everything(ledger)
    assert not await mark(ledger, late)
    assert not await settle(ledger, late, Stage.DOT, YES)
    assert not await let_go(ledger, late)
    assert everything(ledger) == before
    assert await ledger.sent_counts([([HEAD], 0)]) == [0]
    assert await mark(second, mine)


async def test_a_settled_attempt_takes_no_mark(ledger):
    due = await claim_one(ledger)
    await settle(ledger, due, Stage.RCPT, LATER, rcpt=[LATER, LATER, LATER])
    assert not await mark(ledger, due)


async def test_what_the_first_mark_fixed_stays(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, LATER)
    (again,) = await claim(ledger, now=NOW + DAY)
    assert again.fixed == FIXED
    other = Fixed(NOW + DAY, "other", "ru", "00" * 32)
    assert await mark(ledger, again, fixed=other)
    assert await settle(ledger, again, Stage.DOT, LATER, now=NOW + DAY, fixed=other)
    assert [again.fixed for again in await claim(ledger, now=NOW + 2 * DAY)] == [FIXED]


async def test_a_body_that_may_have_left_without_a_mark_is_fixed_too(ledger):
    due = await claim_one(ledger)
    await settle(ledger, due, Stage.BODY, LATER)
    (again,) = await claim(ledger, now=NOW + DAY)
    assert again.fixed == FIXED


async def test_the_pace_counts_marks_by_key_for_one_day(ledger):
    await put(ledger, 3)
    first, second, third = await claim(ledger)
    await mark(ledger, first, now=NOW)
    await mark(ledger, second, now=NOW + 80_000)
    assert await ledger.sent_counts([([PRESS], 0), ([COPY], 0)]) == [0, 0]
    assert await ledger.sent_counts([([HEAD], since) for since in (NOW - 1, NOW, NOW + 80_000)]) == [2, 1, 0]
    assert await ledger.sent_back([([HEAD], nth) for nth in (1, 2, 3)]) == [NOW + 80_000, NOW, None]
    await mark(ledger, third, now=NOW + 86_400)
    assert await ledger.sent_back([([HEAD], nth) for nth in (1, 2, 3)]) == [NOW + 86_400, NOW + 80_000, None]


async def test_of_addresses_to_which_nobody_writes_any_more_nothing_is_kept_behind_the_day(ledger):
    """Each mark takes away more than it adds, so that a day of other addresses goes with the first letters behind it."""
    await put(ledger, 10)
    *many, before, behind = await claim(ledger)
    for number, due in enumerate(many):
        keys = tuple(f"{HEAD}{number}.{key}" for key in range(8))
        assert await ledger.mark(due, Mark((), (HEAD,), FIXED, keys), NOW)
    assert await mark(ledger, before, now=NOW + DAY - 1)
    assert len(ledger.went(0)) == 65
    assert await mark(ledger, behind, now=NOW + DAY)
    assert len(ledger.went(0)) == 15


# -- settling


@pytest.mark.parametrize(
    "stage, answer, state, tries",
    [
        (Stage.DOT, YES, "accepted", 1),
        (Stage.DOT, LATER, "deferred", 1),
        (Stage.DOT, NEVER, "refused", 1),
        (Stage.DOT, SILENCE, "in_doubt", 1),
        (Stage.BODY, SILENCE, "deferred", 0),  # the server spoke before the dot, which was kept back
    ],
)
async def test_behind_the_mark_the_answer_decides(ledger, stage, answer, state, tries):
    due = await claim_one(ledger)
    assert await mark(ledger, due, now=NOW + 1)
    assert await settle(ledger, due, stage, answer, now=NOW + 2)
    record = one(ledger, due.letter)
    (attempt,) = ledger.attempts(due.letter)
    assert (record.state, record.tries, attempt.verdict, attempt.stage) == (state, tries, state, stage)
    assert (attempt.marked_at, attempt.settled_at, attempt.answer) == (NOW + 1, NOW + 2, str(answer))
    assert record.accepted_at == (NOW + 2 if state == "accepted" else None)
    assert [(line["from"], line["to"], line["attempt"], line["reply"]) for line in told(ledger)] == [
        ("sending", state, 1, str(answer))
    ]
    assert_sound(ledger, {due.letter: State.QUEUED})


@pytest.mark.parametrize(
    "stage, answer, state, tries",
    [
        (Stage.CONNECT, SILENCE, "queued", 0),
        (Stage.AUTH, replace(NEVER, code=535), "queued", 0),
        (Stage.MAIL, LATER, "deferred", 1),
        (Stage.RCPT, LATER, "deferred", 1),
        (Stage.DATA, NEVER, "refused", 1),
        (Stage.BODY, NEVER, "refused", 1),
        (Stage.BODY, SILENCE, "deferred", 0),
    ],
)
async def test_before_the_mark_nothing_was_sent(ledger, stage, answer, state, tries):
    due = await claim_one(ledger)
    rcpt = [answer] * 3 if stage is Stage.RCPT else []
    assert await settle(ledger, due, stage, answer, rcpt=rcpt)
    (attempt,) = ledger.attempts(due.letter)
    assert (one(ledger, due.letter).state, one(ledger, due.letter).tries) == (state, tries)
    assert attempt.marked_at is None
    assert_sound(ledger, {due.letter: State.QUEUED})


async def test_a_settlement_is_written_once(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due)
    before = everything(ledger)
    assert not await settle(ledger, due, Stage.DOT, NEVER)
    assert not await let_go(ledger, due)
    assert everything(ledger) == before


@pytest.mark.parametrize("verdict, state", [(Verdict.ACCEPTED, State.ACCEPTED), (Verdict.IN_DOUBT, State.IN_DOUBT)])
async def test_without_a_mark_no_letter_is_accepted_or_in_doubt(ledger, verdict, state):
    due = await claim_one(ledger)
    before = everything(ledger)
    outcome = Outcome(verdict, Scope.LETTER, "", RECIPIENTS_TAKEN, Stage.DOT, "250 taken")
    with pytest.raises(MailerError):
        await ledger.settle(due, outcome, Next(state, "", None, 1, NOW, RECIPIENTS_TAKEN), FIXED, NOW)
    assert everything(ledger) == before


@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.MAIL, Stage.RCPT, Stage.DATA])
async def test_behind_a_mark_no_settlement_says_that_nothing_was_sent(ledger, stage):
    """Should a bug ever settle a marked attempt as if it had ended before the body, recovery must find it open."""
    due = await claim_one(ledger)
    await mark(ledger, due)
    before = everything(ledger)
    with pytest.raises(MailerError):
        await settle(ledger, due, stage, SILENCE)
    assert everything(ledger) == before
    assert await ledger.recover(NOW) == Recovered(in_doubt=1)


async def test_a_move_that_the_table_does_not_have_undoes_the_settlement(ledger):
    due = await claim_one(ledger)
    before = everything(ledger)
    outcome = Outcome(Verdict.REFUSED, Scope.LETTER, "", RECIPIENTS_TAKEN, Stage.MAIL, "554 no")
    with pytest.raises(MailerError, match="cannot move from sending to expired"):
        await ledger.settle(due, outcome, Next(State.EXPIRED, "", None, 1, NOW, RECIPIENTS_TAKEN), None, NOW)
    assert everything(ledger) == before


async def test_what_one_recipient_accepted_is_not_asked_of_it_again(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES])
    (again,) = await claim(ledger, now=NOW + 300)
    assert [(r.address, r.is_asked) for r in again.recipients] == [(HEAD, False), (PRESS, True), (COPY, False)]
    assert (again.attempt, again.tries, again.first_tried_at) == (2, 1, NOW)
    await dot(ledger, again, now=NOW + 300)
    record = one(ledger, due.letter)
    assert (record.state, record.attempts, record.accepted_at) == ("accepted", 2, NOW + 300)
    assert {state for _, _, state, _ in record.recipients} == {"accepted"}
    assert [attempt.verdict for attempt in ledger.attempts(due.letter)] == ["deferred", "accepted"]


async def test_a_letter_that_its_to_has_is_accepted_though_its_cc_then_refuses_without_a_dot(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES])
    (again,) = await claim(ledger, now=NOW + 300)
    assert await settle(ledger, again, Stage.RCPT, NEVER, rcpt=[NEVER], now=NOW + 300)
    assert one(ledger, due.letter).state == "accepted"
    assert [(a.verdict, a.marked_at) for a in ledger.attempts(due.letter)] == [("deferred", NOW), ("refused", None)]
    assert_sound(ledger, {due.letter: State.QUEUED})


async def test_a_deferred_letter_is_due_again_when_its_wait_is_over(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, LATER)
    assert one(ledger, due.letter).next_attempt_at == NOW + 300
    assert await claim(ledger, now=NOW + 299) == []
    assert [again.letter for again in await claim(ledger, now=NOW + 300)] == [due.letter]


@pytest.mark.parametrize("when", ["claimed", "marked"])
async def test_a_bounce_that_comes_in_while_the_rest_is_being_sent_is_not_forgotten(ledger, when):
    due = await claim_one(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES])
    (again,) = await claim(ledger, now=NOW + DAY)

    async def come_back() -> None:
        bounce = Learned(due.letter, "bounced", HEAD, "5.1.1", "no such user", "no such user", "a mail")
        await ledger.learn(Mailbox("bounces"), "a mail", [bounce], [], NOW + DAY)

    if when == "claimed":
        await come_back()
    assert await mark(ledger, again, now=NOW + DAY)
    if when == "marked":
        await come_back()
    assert await settle(ledger, again, Stage.DOT, YES, now=NOW + DAY)
    record = one(ledger, due.letter)
    assert {address: state for address, _, state, _ in record.recipients} == {
        HEAD: "bounced",
        PRESS: "accepted",
        COPY: "accepted",
    }
    assert record.state == "bounced" and [line["to"] for line in told(ledger)][-2:] == ["accepted", "bounced"]
    assert_sound(ledger, {due.letter: "queued"})
