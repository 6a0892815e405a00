"""What nobody has confirmed waits, whatever else would let it go; a later row lets it go, and counts once."""

from __future__ import annotations

from dataclasses import replace

from mailer.campaign import Reason
from mailer.delivery import ORDERS, State
from mailer.ledger import Held, Selection, Taken
from tests.ledgers import (
    CAMPAIGN,
    DOMAIN,
    HELD,
    LANE,
    LATER,
    NOW,
    YES,
    assert_sound,
    begin,
    claim,
    claim_one,
    entry,
    mark,
    new,
    one,
    put,
    states,
)

WAITS = new(state=State.HELD, reason=Reason.UNCONFIRMED)


def unconfirmed(number):
    return replace(entry(number, WAITS), is_unconfirmed=True)


def confirmed(number):
    return replace(entry(number), is_confirmed=True)


async def take(ledger, claim, *entries):
    file = await begin(ledger, claim=claim)
    await ledger.begin_reading(file)
    return list(await ledger.take_in(file, CAMPAIGN, DOMAIN, entries, NOW))


async def test_a_later_file_confirms_and_the_letters_go(ledger):
    assert await take(ledger, "first", unconfirmed(1), unconfirmed(2)) == [Taken(True), Taken(True)]
    assert set(states(ledger).values()) == {"held"}
    assert ledger.silent() == {(CAMPAIGN, "unconfirmed"): 2}
    assert await take(ledger, "second", confirmed(1)) == [Taken(False, b"sealed 1", is_confirmed=True)]
    assert sorted(states(ledger).values()) == ["held", "queued"]
    assert ledger.silent() == {(CAMPAIGN, "unconfirmed"): 1}
    assert_sound(ledger, dict.fromkeys(states(ledger), "held"))
    assert list(ledger.disagreements()) == []


async def test_a_file_that_confirms_counts_the_same_when_it_is_read_again_and_another_file_counts_nothing(ledger):
    await take(ledger, "first", unconfirmed(1))
    for _ in range(2):
        assert [taken.is_confirmed for taken in await take(ledger, "second", confirmed(1))] == [True]
    assert [taken.is_confirmed for taken in await take(ledger, "third", confirmed(1))] == [False]


async def test_a_second_row_of_the_same_file_confirms_and_a_new_reading_leaves_it_so(ledger):
    for country in ("GB", "KZ"):
        first = replace(unconfirmed(1), country=country)
        second = replace(confirmed(1), line=9)
        assert [taken.is_new for taken in await take(ledger, "first", first, second)] == [True, False]
        assert set(states(ledger).values()) == {"queued"}
        assert ledger.silent() == {}


async def test_a_row_that_was_confirmed_when_its_file_was_read_again_goes(ledger):
    await take(ledger, "first", unconfirmed(1))
    assert await take(ledger, "first", confirmed(1)) == [Taken(True, b"sealed 1")]
    assert set(states(ledger).values()) == {"queued"}


async def test_a_row_that_is_not_confirmed_any_more_when_its_file_is_read_again_waits(ledger):
    await take(ledger, "first", entry(1))
    await take(ledger, "first", unconfirmed(1))
    assert set(states(ledger).values()) == {"held"}


async def test_neither_an_order_nor_the_rule_of_a_lane_lets_it_go(ledger):
    await take(ledger, "first", unconfirmed(1))
    for order in ("release", "retry"):
        for selection in (Selection(campaign=CAMPAIGN), Selection(reason=Reason.UNCONFIRMED)):
            assert not (await ledger.order(selection, ORDERS[order], "why", NOW, 0, 10)).moved
    await ledger.release(Held(LANE, Reason.APPROVAL), NOW, 10)
    assert set(states(ledger).values()) == {"held"}
    assert await ledger.expire(CAMPAIGN, None, "too late", NOW, 10) == 1
    assert not (await ledger.order(Selection(campaign=CAMPAIGN), ORDERS["retry"], "why", NOW, 0, 10)).moved


async def test_what_a_restored_ledger_holds_is_not_let_go_by_a_confirmation_nor_before_it_by_a_person(ledger):
    await take(ledger, "first", unconfirmed(1))
    await ledger.hold_restored(NOW, 10)
    restored = Selection(reason="restored ledger")
    assert not (await ledger.order(restored, ORDERS["release"], "why", NOW, 0, 10)).moved
    await take(ledger, "second", confirmed(1))
    assert set(states(ledger).values()) == {"held"}
    assert (await ledger.order(restored, ORDERS["release"], "why", NOW, 0, 10)).moved


async def test_who_has_withdrawn_is_not_brought_back_by_a_confirmation(ledger):
    await take(ledger, "first", unconfirmed(1))
    await ledger.withdraw(CAMPAIGN, [entry(1).person], NOW)
    assert await take(ledger, "second", confirmed(1)) == [Taken(False, left="withdrawn")]
    assert set(states(ledger).values()) == {"cancelled"}


async def test_a_campaign_that_begins_to_ask_holds_what_waits_and_lets_it_go_when_it_asks_no_more(ledger):
    queued = await put(ledger, 2)
    held = await put(ledger, 1, HELD, first=3)
    await take(ledger, "confirmed", confirmed(4))
    by_person = (await put(ledger, 1, first=5))[0]
    await ledger.order(Selection(letter=by_person), ORDERS["hold"], "why", NOW, 0, 1)
    behind = 0
    while behind := await ledger.hold_unconfirmed(CAMPAIGN, NOW, behind, 2):
        pass
    await ledger.ask_confirmation(CAMPAIGN, True)
    assert await ledger.asked_confirmation() == {CAMPAIGN}
    waits = {record.letter for record in ledger.records(Selection(reason=Reason.UNCONFIRMED))}
    assert waits == {*queued, *held}
    assert one(ledger, by_person).reason == "organiser"
    assert len(await claim(ledger)) == 1, "the confirmed one"
    while await ledger.release_unconfirmed(CAMPAIGN, NOW, 2):
        pass
    await ledger.ask_confirmation(CAMPAIGN, False)
    assert {states(ledger)[letter] for letter in waits} == {"queued"}
    assert ledger.silent() == {} and await ledger.asked_confirmation() == frozenset()
    assert list(ledger.disagreements()) == []


async def in_doubt_and_then_asked(ledger, rcpt):
    """A letter came to be in doubt, and then its campaign began to ask for confirmation."""
    due = await claim_one(ledger)
    await mark(ledger, due, rcpt=rcpt)
    await ledger.recover(NOW)
    assert states(ledger) == {due.letter: "in_doubt"}
    assert await ledger.hold_unconfirmed(CAMPAIGN, NOW, 0, 10)
    return due.letter


async def test_a_doubt_whose_signature_is_not_confirmed_is_not_sent_again_and_the_person_hears_why(ledger):
    letter = await in_doubt_and_then_asked(ledger, [YES, YES, YES])
    assert await ledger.resend_doubts(LANE, NOW, NOW + 9, 10) == 0
    assert "is not confirmed" in await ledger.resolve(letter, accepted=False, why="-", now=NOW, not_before=0)
    assert states(ledger) == {letter: "in_doubt"}
    assert await ledger.resolve(letter, accepted=True, why="-", now=NOW, not_before=0) == ""
    assert states(ledger) == {letter: "accepted"}


async def test_who_is_missing_from_a_letter_that_ends_as_accepted_waits_for_the_confirmation(ledger):
    letter = await in_doubt_and_then_asked(ledger, [YES, LATER, YES])
    assert await ledger.resolve(letter, accepted=True, why="-", now=NOW, not_before=0) == ""
    assert (one(ledger, letter).state, one(ledger, letter).reason) == ("held", Reason.UNCONFIRMED)
    assert list(ledger.disagreements()) == []
