"""
The contract of a ledger: what every engine promises, asked through the Protocol alone.

The states that a test needs are brought about as the flow brings them about; nothing here looks into an engine's file.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailer.campaign import Channel
from mailer.delivery import ORDERS, Due, Fixed, Next, State, Who
from mailer.errors import MailerError
from mailer.ledger import Approval, Count, Entry, Held, Lane, Ledger, NewLetter, Recovered, Selection, Taken, Waiting
from mailer.outcome import Outcome, Recipient, Role, Scope, Stage, Standing, Verdict
from mailer.pace import Breaker
from tests import ledgers
from tests.ledgers import (
    CAMPAIGN,
    COPY,
    DAY,
    DOMAIN,
    FIXED,
    HEAD,
    HELD,
    LANE,
    LATER,
    LEDGERS,
    NEVER,
    NOW,
    PRESS,
    RELAY,
    SILENCE,
    TARGET,
    YES,
    assert_sound,
    begin,
    claim,
    dot,
    entry,
    everything,
    let_go,
    links,
    mark,
    new,
    one,
    put,
    settle,
    states,
    told,
)

EMBASSY = Lane(CAMPAIGN, "embassy", "GB")
ALL = 10_000


@pytest.fixture(params=LEDGERS)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ledger(engine: str, tmp_path: Path) -> Iterator[Ledger]:
    with ledgers.opened(engine, tmp_path) as opened:
        yield opened


@pytest.fixture
def second(engine: str, tmp_path: Path, ledger: Ledger) -> Iterator[Ledger]:
    """The same ledger, opened by a second program."""
    with ledgers.opened(engine, tmp_path) as opened:
        yield opened


async def claim_one(ledger: Ledger, *letters: NewLetter) -> Due:
    await put(ledger, 1, *letters)
    (due,) = await claim(ledger)
    return due


# -- what stands for the whole install


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


# -- taking in


async def test_a_file_that_was_begun_before_is_the_same_file(ledger):
    first = await begin(ledger, claim="01")
    assert await begin(ledger, claim="01") == first
    assert await begin(ledger, claim="02") != first


async def test_a_signature_becomes_one_letter_to_each_target(ledger):
    letters = [
        new("court"),
        new("ministry", State.HELD, "target closed"),
        new("embassy", country="KZ"),
        new("president", State.BY_HAND, channel=Channel.PHONE),
    ]
    await put(ledger, 2, *letters)
    found = list(ledger.records(Selection()))
    assert Counter((r.signature, r.target, r.state) for r in found) == Counter(
        (signature, new.target, new.state) for signature in {r.signature for r in found} for new in letters
    )
    assert {r.target: (r.channel, r.reason, r.held_by, r.next_attempt_at) for r in found} == {
        "court": ("email", "", "", NOW),
        "ministry": ("email", "target closed", "rule", None),
        "embassy": ("email", "", "", NOW),
        "president": ("phone", "", "", None),
    }
    assert {(r.attempts, r.tries, r.queued_at, r.accepted_at, r.recipients) for r in found} == {(0, 0, NOW, None, ())}
    assert sorted((r.line, r.sealed) for r in found if r.target == "court") == [(1, b"sealed 1"), (2, b"sealed 2")]
    assert ledger.signatures() == {CAMPAIGN: 2}


async def test_every_letter_has_a_message_id_of_its_own_in_the_campaigns_domain(ledger):
    await put(ledger, 20, new("court"), new("ministry"))
    ids = [record.message_id for record in ledger.records(Selection())]
    assert len(set(ids)) == 40
    assert all(id.startswith("<") and id.endswith(f"@{DOMAIN}>") for id in ids)


async def test_reading_a_file_again_changes_nothing_and_counts_the_same(ledger):
    entries = [entry(1), entry(2), replace(entry(1), line=3)]
    file = await begin(ledger)
    first = await ledger.take_in(file, CAMPAIGN, DOMAIN, entries, NOW)
    before = everything(ledger)
    assert [taken.is_new for taken in first] == [True, True, False]
    assert [taken.is_new for taken in await ledger.take_in(file, CAMPAIGN, DOMAIN, entries, NOW + 9)] == [True, True, False]
    assert everything(ledger) == before


async def test_who_signed_in_another_file_is_known_and_writes_no_second_letter(ledger):
    await put(ledger, 1)
    file = await begin(ledger, claim="another")
    again = replace(entry(1), sealed=b"under another name")
    assert await ledger.take_in(file, CAMPAIGN, DOMAIN, [again, entry(2)], NOW) == [Taken(False, b"sealed 1"), Taken(True)]
    assert ledger.tally() == {(CAMPAIGN, TARGET, "queued"): 2}


async def test_the_same_person_may_sign_two_campaigns(ledger):
    await put(ledger, 1, campaign="one")
    await put(ledger, 1, campaign="two")
    assert ledger.signatures() == {"one": 1, "two": 1}


async def test_two_readers_of_the_same_rows_write_each_letter_once(ledger, second):
    entries = [entry(number) for number in range(50)]
    file = await begin(ledger)
    both = [reader.take_in(file, CAMPAIGN, DOMAIN, entries, NOW) for reader in (ledger, second) for _ in range(3)]
    for taken in await asyncio.gather(*both):
        assert all(one.is_new for one in taken)
    assert ledger.tally() == {(CAMPAIGN, TARGET, "queued"): 50}


async def test_a_chunk_is_taken_whole_or_not_at_all(ledger):
    file = await begin(ledger)
    bad = replace(entry(3), letters=(new(state=State.ACCEPTED),))  # nobody has accepted it
    with pytest.raises(MailerError):
        await ledger.take_in(file, CAMPAIGN, DOMAIN, [entry(1), entry(2), bad], NOW)
    assert ledger.signatures() == {}
    assert states(ledger) == {}


async def test_a_campaign_that_the_ledger_has_never_seen_takes_no_signature(ledger):
    file = await begin(ledger)
    with pytest.raises(MailerError):
        await ledger.take_in(file, "unknown", DOMAIN, [entry(1)], NOW)
    assert ledger.signatures() == {}


async def test_the_accounts_of_a_file_must_sum_up(ledger):
    file = await begin(ledger)
    with pytest.raises(MailerError):
        await ledger.end_file(file, "done", Count(read=3, taken=1, known=1, refused=0), "", NOW)
    assert [record.state for record in ledger.files()] == ["reading"]
    await ledger.end_file(file, "done", Count(read=3, taken=1, known=1, refused=1), "", NOW)
    assert [(record.state, record.count) for record in ledger.files()] == [("done", Count(3, 1, 1, 1))]


async def test_a_file_is_ended_once(ledger):
    file = await begin(ledger)
    await ledger.end_file(file, "done", Count(1, 1, 0, 0), "", NOW)
    await ledger.end_file(file, "rejected", Count(), "not a table", NOW)
    assert [(record.state, record.reason) for record in ledger.files()] == [("done", "")]
    assert [(line["state"], line["rows"]) for line in told(ledger, "file")] == [("done", 1)]


async def test_a_file_of_no_campaign_is_on_record_with_its_reason(ledger):
    file = await ledger.begin_file("01", None, NOW)
    await ledger.end_file(file, "rejected", Count(), "not a table", NOW)
    assert [(r.campaign, r.state, r.reason) for r in ledger.files()] == [("", "rejected", "not a table")]


# -- lanes, and what rules do with them


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


async def test_what_a_person_held_no_rule_releases_restates_or_renders_again(ledger):
    (letter,) = await put(ledger, 1)
    (due,) = await claim(ledger)
    assert await let_go(ledger, due, State.HELD, Who.PERSON, "approval")
    held = Held(LANE, "approval")
    assert await ledger.release(held, NOW, ALL) == 0
    await ledger.restate(held, "no route")
    await ledger.release_unrendered(CAMPAIGN, "new edition", NOW)
    assert (one(ledger, letter).state, one(ledger, letter).reason, one(ledger, letter).held_by) == (
        "held",
        "approval",
        "person",
    )


async def test_letters_held_for_another_reason_are_still_held(ledger):
    await put(ledger, 2, HELD)
    await ledger.restate(Held(LANE, "approval"), "target closed")
    assert await ledger.held_by_rule() == [Held(LANE, "target closed")]
    assert set(states(ledger).values()) == {"held"}


async def test_a_render_error_ends_with_a_new_edition_and_not_before(ledger):
    await put(ledger, 2, HELD)
    due = await claim_after(ledger, first=10)
    await let_go(ledger, due, State.HELD, Who.RULE, "render error")
    assert await ledger.release_unrendered(CAMPAIGN, "edition 1", NOW) == 1
    (due,) = await claim(ledger)
    await let_go(ledger, due, State.HELD, Who.RULE, "render error")
    assert await ledger.release_unrendered(CAMPAIGN, "edition 1", NOW) == 0
    assert one(ledger, due.letter).state == "held"
    assert await ledger.release_unrendered(CAMPAIGN, "edition 2", NOW) == 1
    assert Counter(states(ledger).values()) == {"held": 2, "queued": 1}


async def claim_after(ledger: Ledger, first: int) -> Due:
    """A letter more, and the claim of it."""
    await put(ledger, 1, first=first)
    (due,) = await claim(ledger)
    return due


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
    sent = await claim_after_sending(ledger)
    expired = [await ledger.expire(CAMPAIGN, None, "too late", NOW, 3) for _ in range(3)]
    assert expired == [3, 1, 0]
    assert ledger.tally() == {
        ("another", "court", "queued"): 1,
        (CAMPAIGN, "court", "expired"): 2,
        (CAMPAIGN, "ministry", "expired"): 2,
        (CAMPAIGN, "president", "by_hand"): 2,
        (CAMPAIGN, TARGET, "accepted"): 1,
    }
    assert one(ledger, sent).state == "accepted"


async def claim_after_sending(ledger: Ledger) -> int:
    due = await claim_after(ledger, first=100)
    await dot(ledger, due)
    return due.letter


async def test_a_letter_that_its_to_has_accepted_never_expires(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES])
    assert one(ledger, due.letter).state == "deferred"
    assert await ledger.expire(CAMPAIGN, NOW + DAY, "given up", NOW + DAY, ALL) == 0
    assert await ledger.expire(CAMPAIGN, None, "too late", NOW + DAY, ALL) == 0


async def test_a_hostile_reply_cannot_make_a_letter_look_accepted(ledger):
    due = await claim_one(ledger)
    await settle(ledger, due, Stage.RCPT, replace(LATER, text='head","to","accepted","'), rcpt=[LATER, LATER, LATER])
    assert await ledger.expire(CAMPAIGN, NOW, "given up", NOW + DAY, ALL) == 1


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
    assert await ledger.sent_to([HEAD], 0) == [NOW]


async def test_the_mark_of_whoever_lost_the_letter_changes_nothing(ledger, second):
    late = await claim_one(ledger)
    await second.recover(NOW)
    (mine,) = await claim(second)
    before = everything(ledger)
    assert not await mark(ledger, late)
    assert not await settle(ledger, late, Stage.DOT, YES)
    assert not await let_go(ledger, late)
    assert everything(ledger) == before
    assert await ledger.sent_to([HEAD], 0) == []
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
    assert await mark(ledger, again, fixed=Fixed(NOW + DAY, "other", "ru", "00" * 32))
    assert (one(ledger, due.letter).language, one(ledger, due.letter).sha256) == (FIXED.language, FIXED.sha256)


async def test_a_body_that_may_have_left_without_a_mark_is_fixed_too(ledger):
    due = await claim_one(ledger)
    await settle(ledger, due, Stage.BODY, LATER)
    (again,) = await claim(ledger, now=NOW + DAY)
    assert again.fixed == FIXED


async def test_the_pace_counts_marks_by_address_for_one_hour(ledger):
    await put(ledger, 3)
    first, second, third = await claim(ledger)
    await mark(ledger, first, now=NOW)
    await mark(ledger, second, now=NOW + 3_000)
    assert await ledger.sent_to([HEAD], NOW - 1) == [NOW, NOW + 3_000]
    assert await ledger.sent_to([HEAD], NOW) == [NOW + 3_000]
    assert await ledger.sent_to([PRESS, COPY], 0) == []
    await mark(ledger, third, now=NOW + 3_600)
    assert await ledger.sent_to([HEAD, PRESS], 0) == [NOW + 3_000, NOW + 3_600]


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


RECIPIENTS_TAKEN = (Recipient(HEAD, Role.TO, Standing.ACCEPTED),)


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


async def test_a_deferred_letter_is_due_again_when_its_wait_is_over(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, LATER)
    assert one(ledger, due.letter).next_attempt_at == NOW + 300
    assert await claim(ledger, now=NOW + 299) == []
    assert [again.letter for again in await claim(ledger, now=NOW + 300)] == [due.letter]


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


# -- recovery


async def test_recovery_queues_what_has_no_mark_doubts_what_has_and_leaves_what_is_settled(ledger):
    letters = await put(ledger, 4)
    unmarked, marked, settled, _ = [*await claim(ledger, 3), None]
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


async def test_an_order_moves_what_its_states_allow_in_bounded_steps(ledger):
    await put(ledger, 5)
    sending, _ = await claim(ledger, 2)
    moved, behind = await ledger.order(Selection(), ORDERS["hold"], "wait", NOW, 0, 4)
    assert (moved, behind > 0) == (2, True)
    assert await ledger.order(Selection(), ORDERS["hold"], "wait", NOW, behind, 4) == (1, 0)
    assert Counter(states(ledger).values()) == {"sending": 2, "held": 3}
    assert (one(ledger, sending.letter + 2).reason, one(ledger, sending.letter + 2).held_by) == ("organiser", "person")
    assert (await ledger.order(Selection(state="held"), ORDERS["release"], "go", NOW, 0, ALL))[0] == 3


# -- reading


@pytest.mark.parametrize(
    "selection, expected",
    [
        (Selection(), 6),
        (Selection(campaign="another"), 1),
        (Selection(target="court"), 2),
        (Selection(state="held"), 1),
        (Selection(reason="approval"), 1),
        (Selection(campaign=CAMPAIGN, target=TARGET, state="queued"), 2),
        (Selection(campaign="another", target="court"), 0),
        (Selection(letter=1), 1),
        (Selection(letter=999), 0),
        (Selection(limit=3), 3),
        (Selection(limit=0), 0),
    ],
)
async def test_records_are_selected_by_what_is_given(ledger, selection, expected):
    await put(ledger, 2, new("court"), new())
    await put(ledger, 1, new("ministry", State.HELD, "approval"), first=10)
    await put(ledger, 1, campaign="another")
    found = [record.letter for record in ledger.records(selection)]
    assert len(found) == expected
    assert found == sorted(found)
    backwards = [record.letter for record in ledger.records(replace(selection, newest_first=True, limit=None))]
    assert backwards == sorted(backwards, reverse=True)


async def test_counts_are_by_campaign_target_state_and_reason(ledger):
    await put(ledger, 3, new("court"), HELD)
    refused, deferred, _ = await claim(ledger, lane=Lane(CAMPAIGN, "court", ""))
    await dot(ledger, refused, NEVER)
    await dot(ledger, deferred, LATER)
    assert ledger.tally() == {
        (CAMPAIGN, "court", "refused"): 1,
        (CAMPAIGN, "court", "deferred"): 1,
        (CAMPAIGN, "court", "sending"): 1,
        (CAMPAIGN, TARGET, "held"): 3,
    }
    assert ledger.reasons() == {
        (CAMPAIGN, "held", "approval"): 3,
        (CAMPAIGN, "refused", "the server refuses the letter"): 1,
        (CAMPAIGN, "deferred", "the server asks to try later"): 1,
    }
    assert ledger.next_attempt_at() == NOW + 300


async def test_an_empty_ledger_has_nothing_to_tell(ledger):
    assert list(ledger.records(Selection())) == []
    assert (ledger.tally(), ledger.signatures(), ledger.reasons(), ledger.files()) == ({}, {}, {}, [])
    assert (ledger.next_attempt_at(), links(ledger), ledger.link(1), ledger.attempts(1)) == (None, [], None, [])
    assert (await ledger.waiting(), await ledger.held_by_rule(), await claim(ledger)) == ([], [], [])
    assert await ledger.recover(NOW) == Recovered()


async def test_the_journal_is_one_chain_however_many_write_it(ledger, second):
    began = dict.fromkeys(await put(ledger, 20), State.QUEUED)
    dues = await claim(ledger)
    await asyncio.gather(*(dot(worker, due) for worker, due in zip(itertools.cycle([ledger, second]), dues, strict=False)))
    chained = links(ledger)
    assert len(chained) == 20
    assert [link for n in range(20) for link in ledger.journal(n, 1)] == chained == [ledger.link(n) for n in range(1, 21)]
    assert_sound(ledger, began)


async def test_a_reader_sees_each_commit_at_once_and_never_half_of_it(ledger, second):
    due = await claim_one(ledger)
    reading = second.records(Selection())
    await dot(ledger, due)
    assert [record.state for record in reading] == ["accepted"]
    assert [record.state for record in second.records(Selection())] == ["accepted"]


async def test_all_of_it_is_there_when_it_is_opened_again(engine, tmp_path):
    with ledgers.opened(engine, tmp_path) as ledger:
        due = await claim_one(ledger)
        await dot(ledger, due)
        await put(ledger, 2, HELD, first=10)
        await ledger.pause("all", Who.PERSON, "stop", NOW)
        await ledger.keep_breaker(RELAY, Breaker(3, NOW + 60, "down"), NOW)
        before = everything(ledger)
    with ledgers.opened(engine, tmp_path) as ledger:
        assert everything(ledger) == before
        assert [pause.scope for pause in await ledger.pauses()] == ["all"]
        assert await ledger.breaker(RELAY) == Breaker(3, NOW + 60, "down")
        assert await ledger.fingerprints() == {CAMPAIGN: f"fingerprint of {CAMPAIGN}"}


async def test_an_entry_brings_its_country_and_no_letter_if_there_is_no_target(ledger):
    file = await begin(ledger)
    await ledger.take_in(file, CAMPAIGN, DOMAIN, [Entry(1, b"p" * 20, "KZ", b"sealed", ())], NOW)
    assert ledger.signatures() == {CAMPAIGN: 1}
    assert states(ledger) == {}
