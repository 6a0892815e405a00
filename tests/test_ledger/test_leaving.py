"""Whoever withdraws or is erased is written to no more, by whatever path; what was sent stays told, and a doubt stays one."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest

from mailer.delivery import ORDERS, State, Who
from mailer.ledger import Count, Left, Selection, Taken
from mailer.outcome import Stage
from tests.ledgers import (
    CAMPAIGN,
    DOMAIN,
    HELD,
    LANE,
    LATER,
    NEVER,
    NOW,
    SILENCE,
    YES,
    assert_sound,
    begin,
    claim,
    claim_one,
    dot,
    entry,
    everything,
    links,
    mark,
    new,
    one,
    put,
    settle,
    states,
    told,
)

ONE = entry(1).person
BOTH_WAYS = pytest.mark.parametrize("how", ["withdrawn", "erased"])


async def leave(ledger, how, *persons, now=NOW):
    if how == "withdrawn":
        return list(await ledger.withdraw(CAMPAIGN, persons, now))
    return list(await ledger.erase([(CAMPAIGN, person) for person in persons], (CAMPAIGN, b"sealed address"), now))


@BOTH_WAYS
async def test_what_was_not_sent_is_cancelled_and_what_was_is_told(ledger, how):
    letters = [new("court"), new("ministry", State.HELD, "no route"), new("president", State.BY_HAND), new()]
    first, *_ = await put(ledger, 1, *letters)
    other = (await put(ledger, 1, first=2))[0]
    (due,) = (due for due in await claim(ledger) if due.letter < other)
    await dot(ledger, due)
    (left,) = await leave(ledger, how, ONE)
    assert left == Left(True, Counter({"cancelled": 3, "accepted": 1}))
    assert {one(ledger, first + n).reason for n in range(3)} == {how}
    assert [line["person"] for line in told(ledger, how)] == [ONE.hex()]
    assert states(ledger)[other] == "sending", "nobody else is meant"
    assert_sound(ledger, {first: "queued", first + 1: "held", first + 2: "by_hand", first + 3: "queued", other: "queued"})
    assert list(ledger.disagreements()) == []
    assert ledger.silent() == {(CAMPAIGN, how): 1}


@BOTH_WAYS
async def test_done_again_it_changes_nothing_and_tells_the_same(ledger, how):
    await put(ledger, 1, new("court"), new("ministry"))
    before = await leave(ledger, how, ONE)
    stands = everything(ledger)
    assert await leave(ledger, how, ONE, now=NOW + 9) == before
    assert everything(ledger) == stands


@BOTH_WAYS
async def test_a_letter_in_hand_is_taken_back_before_its_mark_and_left_alone_behind_it(ledger, how):
    await put(ledger, 1, new("court"), new())
    (due,) = await claim(ledger)
    (marked,) = await ledger.claim(replace(LANE, target="court"), 1, "worker", "relay", NOW)
    assert await mark(ledger, marked)
    assert await leave(ledger, how, ONE) == [Left(True, Counter({"cancelled": 1, "sending": 1}))]
    assert not await mark(ledger, due)
    assert await settle(ledger, marked, Stage.DOT, YES)
    assert states(ledger) == {marked.letter: "accepted", due.letter: "cancelled"}
    assert list(ledger.disagreements()) == []


@BOTH_WAYS
@pytest.mark.parametrize(
    ("answer", "then"), [(LATER, "cancelled"), (NEVER, "refused"), (SILENCE, "in_doubt"), (YES, "accepted")]
)
async def test_what_comes_of_a_letter_that_was_on_its_way_is_kept_but_it_is_not_tried_again(ledger, how, answer, then):
    due = await claim_one(ledger)
    assert await mark(ledger, due)
    await leave(ledger, how, ONE)
    assert await settle(ledger, due, Stage.DOT, answer)
    assert states(ledger) == {due.letter: then}
    assert_sound(ledger, {due.letter: State.QUEUED})
    assert list(ledger.disagreements()) == []


@BOTH_WAYS
async def test_a_doubt_stays_one_and_neither_a_rule_nor_a_person_sends_it_again(ledger, how):
    due = await claim_one(ledger)
    await dot(ledger, due, SILENCE)
    assert await leave(ledger, how, ONE) == [Left(True, Counter({"in_doubt": 1}))]
    assert await ledger.resend_doubts(LANE, NOW, NOW + 9, 10) == 0
    assert "withdrawn" in await ledger.resolve(due.letter, accepted=False, why="why", now=NOW, not_before=0)
    assert states(ledger) == {due.letter: "in_doubt"}
    assert await ledger.resolve(due.letter, accepted=True, why="why", now=NOW, not_before=0) == ""
    assert states(ledger) == {due.letter: "accepted"}


@BOTH_WAYS
async def test_a_doubt_that_ends_as_accepted_does_not_go_on_to_who_is_missing(ledger, how):
    due = await claim_one(ledger)
    await dot(ledger, due, SILENCE, rcpt=[YES, LATER, YES])
    await leave(ledger, how, ONE)
    assert await ledger.resolve(due.letter, accepted=True, why="why", now=NOW, not_before=0) == ""
    assert one(ledger, due.letter).state == "accepted"
    assert one(ledger, due.letter).reason == f"given up for cc: {how}"
    assert list(ledger.disagreements()) == []


@BOTH_WAYS
@pytest.mark.parametrize("order", ["retry", "release"])
async def test_no_order_brings_their_letters_back(ledger, how, order):
    await put(ledger, 1, new("court"), HELD, new("ministry"))
    (due,) = await ledger.claim(replace(LANE, target="ministry"), 1, "worker", "relay", NOW)
    await dot(ledger, due, NEVER)
    await leave(ledger, how, ONE)
    stands = states(ledger)
    assert set(stands.values()) == {"cancelled", "refused"}
    assert not (await ledger.order(Selection(campaign=CAMPAIGN), ORDERS[order], "why", NOW, 0, 10)).moved
    assert states(ledger) == stands


@BOTH_WAYS
async def test_no_row_of_theirs_is_taken_in_again_be_it_that_they_had_never_signed(ledger, how):
    await begin(ledger)
    await ledger.remember_campaign(CAMPAIGN, "fingerprint")
    await put(ledger, 1)
    stranger = entry(2).person
    assert await leave(ledger, how, ONE, stranger) == [Left(True, Counter({"cancelled": 1})), Left(False)]
    file = await begin(ledger, claim="later")
    taken = await ledger.take_in(file, CAMPAIGN, DOMAIN, [entry(1), entry(2), entry(3)], NOW)
    assert taken == [Taken(False, left=how), Taken(False, left=how), Taken(True)]
    assert sorted(states(ledger).values()) == ["cancelled", "queued"]


@BOTH_WAYS
async def test_their_own_file_read_again_counts_the_same_and_brings_no_letter_back(ledger, how):
    file = await begin(ledger)
    await ledger.begin_reading(file)
    entries = [entry(1), entry(2)]
    await ledger.take_in(file, CAMPAIGN, DOMAIN, entries, NOW)
    await leave(ledger, how, ONE)
    await ledger.begin_reading(file)
    elsewhere = [replace(entry(1, new(country="KZ")), country="KZ"), entry(2)]
    assert [taken.is_new for taken in await ledger.take_in(file, CAMPAIGN, DOMAIN, elsewhere, NOW)] == [True, True]
    await ledger.end_file(file, "done", Count(2, 2), "", NOW)
    assert sorted(states(ledger).values()) == ["cancelled", "queued"]
    assert {record.sealed for record in ledger.records(Selection())} == {None if how == "erased" else b"sealed 1", b"sealed 2"}
    assert list(ledger.disagreements()) == []


@BOTH_WAYS
async def test_a_file_that_does_not_bring_them_any_more_forgets_the_signature_and_not_the_wish(ledger, how):
    file = await begin(ledger)
    await ledger.begin_reading(file)
    await ledger.take_in(file, CAMPAIGN, DOMAIN, [entry(1), entry(2)], NOW)
    await leave(ledger, how, ONE)
    await ledger.begin_reading(file)
    await ledger.take_in(file, CAMPAIGN, DOMAIN, [entry(2)], NOW)
    await ledger.end_file(file, "done", Count(1, 1), "", NOW)
    assert await ledger.take_in(await begin(ledger, claim="later"), CAMPAIGN, DOMAIN, [entry(1)], NOW) == [
        Taken(False, left=how)
    ]


async def test_whatever_path_has_led_there_no_claim_finds_them_and_the_next_start_ends_it(ledger):
    """As a bug would do it: behind the ledger's back the letter is due again."""
    (letter,) = await put(ledger, 1)
    await leave(ledger, "withdrawn", ONE)
    due_again = "UPDATE letter SET state = 'queued', next_attempt_at = 0 WHERE id = ?"
    await ledger._engine.run(lambda db: db.execute(due_again, (letter,)).fetchall())
    assert [problem for problem in ledger.disagreements() if "waits" in problem]
    assert await claim(ledger) == []
    await ledger.recover(NOW)
    assert states(ledger) == {letter: "cancelled"}
    assert list(ledger.disagreements()) == []


async def test_who_has_withdrawn_can_be_erased_and_who_was_erased_stays_so(ledger):
    await put(ledger, 1)
    await leave(ledger, "withdrawn", ONE)
    await leave(ledger, "erased", ONE)
    await leave(ledger, "withdrawn", ONE)
    assert ledger.silent() == {(CAMPAIGN, "erased"): 1}
    (record,) = ledger.records(Selection())
    assert record.sealed is None
    assert json.loads(links(ledger)[-1].line)["event"] == "erased"


async def test_an_erasure_is_kept_until_it_is_finished(ledger):
    await put(ledger, 1)
    await leave(ledger, "erased", ONE)
    (erasure,) = ledger.erasures()
    assert (erasure.campaign, erasure.sealed) == (CAMPAIGN, b"sealed address")
    assert "sealed address" not in repr(erasure)
    await ledger.end_erasure(erasure.id, is_compact=True)
    assert ledger.erasures() == [erasure], "the address is forgotten first"
    await ledger.end_erasure(erasure.id, is_compact=False)
    assert [again.sealed for again in ledger.erasures()] == [None]
    await ledger.compact()
    await ledger.end_erasure(erasure.id, is_compact=True)
    assert ledger.erasures() == []


async def test_a_person_who_has_left_is_not_held_for_a_restored_ledger(ledger):
    (letter,) = await put(ledger, 1)
    await leave(ledger, "withdrawn", ONE)
    assert await ledger.hold_restored(NOW, 10) == 0
    assert states(ledger) == {letter: "cancelled"}
    assert await ledger.let_go(replace(await claim_one(ledger, first=2)), State.QUEUED, Who.WORKER, "", "", NOW)
