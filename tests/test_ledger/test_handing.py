"""What people carry: where it waits, what of it is on paper, and what follows its target when that is reached otherwise."""

import pytest

from mailer.campaign import Channel, Reason
from mailer.delivery import ORDERS, State, Who
from mailer.ledger import Handed, Held, Lane, Selection
from mailer.outcome import Stage
from tests.ledgers import (
    CAMPAIGN,
    LANE,
    LATER,
    NOW,
    SILENCE,
    TARGET,
    YES,
    assert_sound,
    claim,
    claim_one,
    dot,
    everything,
    let_go,
    mark,
    new,
    one,
    put,
    settle,
    states,
    told,
)

ALL = 10_000
POST = new(state=State.BY_HAND, channel=Channel.POST)
HERE = Handed(CAMPAIGN, TARGET, "post")
OF_GB = Held(Lane(CAMPAIGN, TARGET, "GB"), Reason.OTHERWISE)  # tests' signatories are all from there


async def follow(ledger, held=OF_GB, channel="email", *, is_by_country=False, limit=ALL):
    return await ledger.follow(held, channel, is_by_country=is_by_country, now=NOW, limit=limit)


async def order(ledger, name, letter, reason=""):
    done = await ledger.order(Selection(letter=letter, reason=reason), ORDERS[name], "because", NOW, 0, ALL)
    return dict(done.moved)


async def test_what_waits_by_hand_is_shown_by_target_and_by_how_people_carry_it(ledger):
    await put(ledger, 2, POST, new("palace", State.BY_HAND, channel=Channel.PHONE), new("court"))
    await put(ledger, 1, POST, new("palace", State.BY_HAND, channel=Channel.POST), campaign="another")
    await put(ledger, 1, new("shut", State.HELD, "target closed", channel=Channel.POST), first=9)
    assert await ledger.handed() == [
        Handed("another", "palace", "post"),
        Handed("another", TARGET, "post"),
        Handed(CAMPAIGN, "palace", "phone"),
        HERE,
    ]


async def test_a_rule_holds_it_in_bounded_steps_and_releases_it_to_where_it_was(ledger):
    began = dict.fromkeys(await put(ledger, 3, POST), State.BY_HAND)
    before = [one(ledger, letter) for letter in began]
    assert await ledger.hold_handed(Handed(CAMPAIGN, TARGET, "phone"), "target closed", NOW, ALL) == 0
    assert [await ledger.hold_handed(HERE, "target closed", NOW, 2) for _ in range(3)] == [2, 1, 0]
    (held,) = await ledger.held_by_rule()
    assert held == Held(OF_GB.lane, "target closed")
    assert await ledger.release(held, NOW, ALL) == 0  # none of it is e-mail
    assert [await ledger.release(held, NOW, 2, "post") for _ in range(3)] == [2, 1, 0]
    assert [one(ledger, letter) for letter in began] == before
    assert_sound(ledger, began)


@pytest.mark.parametrize("is_by_country, country", [(True, "GB"), (False, "")])
async def test_what_follows_waits_in_the_lane_of_its_target(ledger, is_by_country, country):
    began = dict.fromkeys(await put(ledger, 3, POST), State.BY_HAND)
    await ledger.hold_handed(HERE, Reason.OTHERWISE, NOW, ALL)
    assert [await follow(ledger, is_by_country=is_by_country, limit=2) for _ in range(3)] == [2, 1, 0]
    assert [waiting.lane for waiting in await ledger.waiting()] == [Lane(CAMPAIGN, TARGET, country)]
    assert len(await claim(ledger, lane=Lane(CAMPAIGN, TARGET, country))) == 3
    assert {one(ledger, letter).channel for letter in began} == {"email"}
    assert_sound(ledger, began)


async def test_what_was_printed_stays_for_a_person_and_a_release_says_that_it_was_not_used(ledger):
    first, second, third = await put(ledger, 3, POST)
    assert await ledger.note_printed(CAMPAIGN, {first: "post", second: "post"}, NOW) == []
    assert [(line["target"], line["letters"], line["who"]) for line in told(ledger, "printed")] == [(TARGET, 2, "person")]
    await ledger.hold_handed(HERE, Reason.OTHERWISE, NOW, ALL)
    assert (await follow(ledger), await follow(ledger)) == (1, 0)
    assert [one(ledger, letter).reason for letter in (first, second, third)] == [Reason.PRINTED, Reason.PRINTED, ""]
    assert await order(ledger, "done", first) == {"done": 1}
    # Whoever releases for another reason has not said so.
    assert await order(ledger, "release", second, "approval") == {}
    assert await order(ledger, "release", second) == {"by_hand": 1}
    await ledger.hold_handed(HERE, Reason.OTHERWISE, NOW, ALL)
    assert await follow(ledger) == 1 and one(ledger, second).state == "queued"
    assert_sound(ledger, dict.fromkeys((first, second, third), State.BY_HAND))


async def test_a_release_for_another_reason_does_not_say_that_paper_was_not_used(ledger):
    (letter,) = await put(ledger, 1, POST)
    await ledger.note_printed(CAMPAIGN, {letter: "post"}, NOW)
    await ledger.hold_handed(HERE, "target closed", NOW, ALL)
    assert await order(ledger, "release", letter) == {"by_hand": 1}
    await ledger.hold_handed(HERE, Reason.OTHERWISE, NOW, ALL)
    assert await follow(ledger) == 0 and one(ledger, letter).reason == Reason.PRINTED


@pytest.mark.parametrize("change", ["done", "held", "cancelled", "another campaign", "another channel"])
async def test_a_page_of_which_something_has_moved_is_no_paper(ledger, change):
    first, second = await put(ledger, 2, POST)
    if change in {"done", "cancelled"}:
        await order(ledger, {"done": "done", "cancelled": "cancel"}[change], second)
    if change == "held":
        await ledger.hold_handed(HERE, "target closed", NOW, ALL)
    before = everything(ledger)
    campaign = "another" if change == "another campaign" else CAMPAIGN
    channel = "phone" if change == "another channel" else "post"
    gone = await ledger.note_printed(campaign, {first: "post", second: channel}, NOW)
    assert gone == ([second] if change in {"done", "cancelled", "another channel"} else [first, second])
    assert everything(ledger) == before
    await ledger.hold_handed(HERE, Reason.OTHERWISE, NOW, ALL)
    if change != "held":
        await follow(ledger)
        assert one(ledger, first).state == "queued"


async def test_what_was_tried_in_vain_follows_and_starts_afresh(ledger):
    due = await claim_one(ledger)
    await dot(ledger, due, LATER)
    assert one(ledger, due.letter).recipients and one(ledger, due.letter).sha256
    assert await ledger.hold(LANE, Reason.OTHERWISE, NOW, ALL) == 1
    assert await follow(ledger, Held(LANE, Reason.OTHERWISE), "post") == 1
    after = one(ledger, due.letter)
    assert (after.state, after.channel, after.recipients, after.tries, after.sha256) == ("by_hand", "post", (), 0, "")
    assert_sound(ledger, {due.letter: State.QUEUED})


async def test_what_a_to_has_accepted_does_not_follow(ledger):
    """Its cc was to be tried again: for the target it is out."""
    due = await claim_one(ledger)
    await dot(ledger, due, YES, rcpt=[YES, LATER, YES])
    assert one(ledger, due.letter).state == "deferred"
    await ledger.hold(LANE, Reason.OTHERWISE, NOW, ALL)
    await follow(ledger, Held(LANE, Reason.OTHERWISE), "post")
    assert (one(ledger, due.letter).state, one(ledger, due.letter).channel) == ("accepted", "email")
    assert_sound(ledger, {due.letter: State.QUEUED})


async def test_a_doubt_that_was_to_be_sent_again_does_not_follow(ledger):
    due = await claim_one(ledger)
    await mark(ledger, due)
    await settle(ledger, due, Stage.DOT, SILENCE)
    assert await ledger.resend_doubts(LANE, NOW, NOW, ALL) == 1
    await ledger.hold(LANE, Reason.OTHERWISE, NOW, ALL)
    assert await follow(ledger, Held(LANE, Reason.OTHERWISE), "post") == 0
    assert one(ledger, due.letter).state == "in_doubt"


async def test_what_a_person_holds_does_not_follow(ledger):
    (letter,) = await put(ledger, 1)
    await order(ledger, "hold", letter)
    assert await follow(ledger, Held(LANE, "organiser"), "post") == 0 and one(ledger, letter).channel == "email"


@pytest.mark.parametrize("state", [State.HELD, State.BY_HAND])
async def test_what_is_carried_is_done_and_what_is_mailed_is_not(ledger, state):
    mailed, carried = await put(ledger, 1, new("a", State.HELD, "approval"), new("b", state, "x", channel=Channel.PHONE))
    assert await order(ledger, "done", mailed) == {} and await order(ledger, "done", carried) == {"done": 1}
    assert states(ledger) == {mailed: "held", carried: "done"}


async def test_what_was_cancelled_is_by_hand_again(ledger):
    (letter,) = await put(ledger, 1, POST)
    assert await order(ledger, "cancel", letter) == {"cancelled": 1}
    assert await order(ledger, "retry", letter) == {"by_hand": 1}
    assert_sound(ledger, {letter: State.BY_HAND})


async def test_of_a_ledger_that_was_put_back_all_that_is_carried_counts_as_printed(ledger):
    waiting = new("court", State.HELD, "approval")
    letters = await put(ledger, 1, POST, new("shut", State.HELD, "target closed", channel=Channel.POST), waiting)
    await ledger.hold_restored(NOW, ALL)
    assert [one(ledger, letter).reason for letter in letters] == ["", "target closed", "restored ledger"]
    await ledger.hold_handed(HERE, Reason.OTHERWISE, NOW, ALL)
    assert await follow(ledger) == 0 and await follow(ledger, Held(Lane(CAMPAIGN, "shut", ""), "target closed")) == 0
    assert [one(ledger, letter).reason for letter in letters[:2]] == [Reason.PRINTED, Reason.PRINTED]


async def test_no_claim_takes_what_people_carry(ledger):
    """Whatever has queued it."""
    await put(ledger, 1, new(channel=Channel.POST))
    assert await claim(ledger) == []


async def test_what_is_let_go_unsent_behind_the_change_follows_in_the_next_pass(ledger):
    due = await claim_one(ledger)
    await ledger.hold(LANE, Reason.OTHERWISE, NOW, ALL)
    await let_go(ledger, due, State.QUEUED, Who.WORKER)
    assert await ledger.hold(LANE, Reason.OTHERWISE, NOW, ALL) == 1
    assert await follow(ledger, Held(LANE, Reason.OTHERWISE), "phone") == 1
    assert one(ledger, due.letter).state == "by_hand"


async def test_who_is_asked_to_confirm_does_not_hold_what_people_carry(ledger):
    letters = await put(ledger, 1, new("shut", State.HELD, "target closed", channel=Channel.POST), POST, new("court"))
    await ledger.hold_unconfirmed(CAMPAIGN, NOW, 0, ALL)
    assert [one(ledger, letter).reason for letter in letters] == ["target closed", "", Reason.UNCONFIRMED]


async def test_what_is_read_at_one_moment_is_of_that_moment(ledger, second):
    await put(ledger, 2, POST)
    file = [(letter, sealed) for letter, sealed in ledger.by_hand(CAMPAIGN, TARGET, "post")]
    assert file == []  # its file is being read: who stays of it is not known yet
    await ledger.end_file(1, "done", _counted(2), "", NOW)
    with ledger.at_one_moment():
        before = list(ledger.by_hand(CAMPAIGN, TARGET, "post"))
        await second.order(Selection(letter=1), ORDERS["done"], "rung", NOW, 0, ALL)
        assert list(ledger.by_hand(CAMPAIGN, TARGET, "post")) == before and len(before) == 2
    assert len(list(ledger.by_hand(CAMPAIGN, TARGET, "post"))) == 1
    assert list(ledger.by_hand(CAMPAIGN, TARGET, "phone")) == []


def _counted(taken):
    from mailer.ledger import Count

    return Count(read=taken, taken=taken)
