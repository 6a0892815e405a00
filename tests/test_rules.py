"""
What rules do with letters that wait: hold, release, restate, expire; asked again at every pass, and harmless when asked twice.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from mailer import rules
from mailer.address import Address
from mailer.campaign import Campaign, Channel, Directory, Mission, Reason, Sender, Target
from mailer.delivery import State, Who
from mailer.ledger import Approval, Lane, Ledger, Selection
from mailer.outcome import Reply, Stage
from mailer.pace import Breaker
from mailer.rules import Ruled, Ruling
from tests import ledgers
from tests.ledgers import (
    CAMPAIGN,
    DAY,
    DOMAIN,
    LANE,
    LATER,
    LEDGERS,
    NOW,
    RELAY,
    RETRY,
    TARGET,
    YES,
    assert_sound,
    begin,
    claim,
    dot,
    entry,
    everything,
    let_go,
    mark,
    new,
    one,
    put,
    settle,
    states,
)

HEAD = Address("head", "court.example")
COURT = Target(TARGET, "office", {"": "Supreme Court"}, to=(HEAD,))
MISSIONS = (
    Mission("GB", "London", Address("london", "embassy.example"), covers=("IE",), confirmed=True),
    Mission("FR", "Paris", None, covers=("MC",)),
    Mission("DE", "Berlin", Address("berlin", "embassy.example"), confirmed=False),
)
CALL = Target("president", "phone", {"": "President"}, phone="+7 7172 745524")
EMBASSY = Target("embassy", "embassy", {"": "Embassy"}, directory=Directory(MISSIONS))


def campaign(*targets: Target, **fields: Any) -> Campaign:
    sender = Sender("Kazakhstan Solidarity", Address("letters", DOMAIN))
    return Campaign(
        CAMPAIGN, "Drop the charges", "en", ("en",), False, sender, {target.id: target for target in targets}, **fields
    )


@dataclass(frozen=True)
class Office:
    """What a test's rules are asked with; a campaign without approval unless said otherwise."""

    campaign: Campaign
    edition: str = "edition"
    approved: str | None = None
    is_live: bool = False

    @property
    def ruling(self) -> Ruling:
        approvals = {} if self.approved is None else {CAMPAIGN: Approval(self.approved, NOW, "jane")}
        return Ruling({CAMPAIGN: self.campaign}, {CAMPAIGN: self.edition}, approvals, self.is_live)

    async def redecide(self, ledger: Ledger, now: int = NOW) -> Ruled:
        return await rules.redecide(ledger, self.ruling, RETRY, now)


OPEN = Office(campaign(COURT))


@pytest.fixture(params=LEDGERS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with ledgers.opened(request.param, tmp_path) as opened:
        yield opened


# -- why a lane is held


@pytest.mark.parametrize("is_live, required, approved, reason", [
    (False, True, None, None),  # nothing leaves the house: nothing to approve
    (True, False, None, None),
    (True, True, None, Reason.APPROVAL),
    (True, True, "", Reason.APPROVAL),
    (True, True, "an older edition", Reason.APPROVAL),
    (True, True, "edition", None),
])  # fmt: skip
def test_what_goes_to_a_real_relay_is_approved_as_it_stands(is_live, required, approved, reason):
    office = Office(campaign(COURT, approval_required=required), approved=approved, is_live=is_live)
    assert office.ruling.hold(LANE) is reason


def test_an_empty_edition_is_never_approved():
    assert Office(campaign(COURT), edition="", approved="", is_live=True).ruling.hold(LANE) is Reason.APPROVAL


@pytest.mark.parametrize("lane", [replace(LANE, campaign="unknown"), replace(LANE, target="unknown")])
def test_what_is_not_configured_any_more_is_held_as_that(lane):
    assert OPEN.ruling.hold(lane) is Reason.NOT_CONFIGURED


@pytest.mark.parametrize("country, is_live, reason", [
    ("GB", True, None),
    ("IE", True, None),
    ("FR", False, Reason.NO_ROUTE),
    ("", False, Reason.NO_ROUTE),
    ("DE", False, None),
    ("DE", True, Reason.NOT_CONFIRMED),
])  # fmt: skip
def test_a_lane_of_a_directory_is_held_by_its_country(country, is_live, reason):
    office = Office(campaign(EMBASSY, approval_required=False), is_live=is_live)
    assert office.ruling.hold(Lane(CAMPAIGN, "embassy", country)) is reason


def test_a_target_that_became_one_for_a_person_has_no_address_to_send_to():
    office = Office(campaign(replace(COURT, kind="phone", to=(), phone="+7 7172 747570")))
    assert office.ruling.hold(LANE) is Reason.OTHERWISE


def test_a_closed_target_comes_before_its_approval():
    office = Office(campaign(replace(COURT, closed="dissolved")), is_live=True)
    assert office.ruling.hold(LANE) is Reason.CLOSED


async def test_what_people_carry_waits_by_hand_before_it_is_approved_and_behind_a_closing(ledger):
    """It is at the printing that an approval is asked for."""
    (letter,) = await put(ledger, 1, new(CALL.id, State.BY_HAND, channel=Channel.PHONE))
    open_, shut = Office(campaign(CALL), is_live=True), Office(campaign(replace(CALL, closed="dissolved")), is_live=True)
    assert await open_.redecide(ledger) == Ruled()
    assert await shut.redecide(ledger) == Ruled(held=1)
    assert (one(ledger, letter).state, one(ledger, letter).reason) == ("held", Reason.CLOSED)
    assert await open_.redecide(ledger) == Ruled(released=1)
    assert one(ledger, letter).state == "by_hand"


# -- asked again at every pass


CAUSES: Mapping[str, tuple[Office, Office, Reason]] = {
    "approval": (
        Office(campaign(COURT), is_live=True),
        Office(campaign(COURT), approved="edition", is_live=True),
        Reason.APPROVAL,
    ),
    "closing": (Office(campaign(replace(COURT, closed="dissolved"))), OPEN, Reason.CLOSED),
    "address": (Office(campaign(replace(COURT, kind="embassy", to=(), directory=Directory(())))), OPEN, Reason.NO_ROUTE),
    "confirmation": (
        Office(campaign(replace(COURT, confirmed=False), approval_required=False), is_live=True),
        Office(campaign(COURT, approval_required=False), is_live=True),
        Reason.NOT_CONFIRMED,
    ),
    "target": (Office(campaign()), OPEN, Reason.NOT_CONFIGURED),
}  # fmt: skip


@pytest.mark.parametrize("cause", CAUSES)
async def test_what_a_rule_held_it_releases_when_the_cause_is_gone(ledger, cause):
    before, after, reason = CAUSES[cause]
    letters = await put(ledger, 3)
    assert await before.redecide(ledger) == Ruled(held=3)
    assert {(one(ledger, n).state, one(ledger, n).reason, one(ledger, n).held_by) for n in letters} == {
        ("held", reason, "rule")
    }
    assert await after.redecide(ledger, NOW + 60) == Ruled(released=3)
    assert {(one(ledger, n).state, one(ledger, n).reason, one(ledger, n).next_attempt_at) for n in letters} == {
        ("queued", "", NOW + 60)
    }
    assert_sound(ledger, dict.fromkeys(letters, State.QUEUED))


@pytest.mark.parametrize("office", [office for cause in CAUSES.values() for office in cause[:2]])
async def test_asked_twice_rules_change_nothing_the_second_time(ledger, office):
    await put(ledger, 2, new(), new("ministry", State.HELD, Reason.CLOSED))
    await office.redecide(ledger)
    before = everything(ledger)
    assert await office.redecide(ledger, NOW + 60) == Ruled()
    assert everything(ledger) == before


async def test_letters_whose_cause_has_changed_stay_held_for_the_new_one(ledger):
    (letter,) = await put(ledger, 1)
    for (before, after), reason in zip(
        itertools.pairwise([CAUSES[cause][0] for cause in ("approval", "closing", "confirmation", "target")]),
        [Reason.CLOSED, Reason.NOT_CONFIRMED, Reason.NOT_CONFIGURED],
        strict=True,
    ):
        await before.redecide(ledger)
        assert await after.redecide(ledger) == Ruled()
        assert (one(ledger, letter).state, one(ledger, letter).reason) == ("held", reason)
    assert await OPEN.redecide(ledger) == Ruled(released=1)


async def test_each_country_of_a_directory_is_decided_alone(ledger):
    file = await begin(ledger)
    countries = ["GB", "IE", "FR", "MC", "DE", ""]
    entries = [replace(entry(n, new("embassy", country=code)), country=code) for n, code in enumerate(countries)]
    await ledger.take_in(file, CAMPAIGN, DOMAIN, entries, NOW)
    office = Office(campaign(EMBASSY, approval_required=False), is_live=True)
    assert await office.redecide(ledger) == Ruled(held=4)
    assert [one(ledger, letter).reason for letter in states(ledger)] == [
        "",
        "",
        *["no route"] * 2,
        "address not confirmed",
        "no route",
    ]
    paris = replace(MISSIONS[1], email=Address("paris", "embassy.example"), confirmed=True)
    found = replace(EMBASSY, directory=Directory((MISSIONS[0], paris, MISSIONS[2])))
    assert await Office(campaign(found, approval_required=False), is_live=True).redecide(ledger) == Ruled(released=2)
    assert Counter(states(ledger).values()) == {"queued": 4, "held": 2}


@pytest.mark.parametrize("why", ["organiser", *Reason])
async def test_what_a_person_held_only_a_person_releases(ledger, why):
    """Even where the person's reason reads like a rule's."""
    (letter,) = await put(ledger, 1)
    (due,) = await claim(ledger)
    await let_go(ledger, due, State.HELD, Who.PERSON, why)
    before = everything(ledger)
    for office in (office for cause in CAUSES.values() for office in cause[:2]):
        assert await office.redecide(ledger) == Ruled()
    assert everything(ledger) == before
    assert one(ledger, letter).state == "held"


async def test_rules_leave_alone_what_is_being_sent_and_what_has_ended(ledger):
    await put(ledger, 4)
    sending, marked, accepted, doubtful = await claim(ledger)
    await mark(ledger, marked)
    await dot(ledger, accepted)
    await mark(ledger, doubtful)
    await ledger.let_go(doubtful, State.QUEUED, Who.WORKER, "", "a bug", NOW)
    before = everything(ledger)
    assert await Office(campaign(replace(COURT, closed="dissolved"), deadline=date(2011, 9, 1))).redecide(ledger) == Ruled()
    assert everything(ledger) == before
    assert sending.letter in states(ledger)


async def test_a_render_error_is_released_by_the_next_edition(ledger):
    (letter,) = await put(ledger, 1)
    await OPEN.redecide(ledger)
    (due,) = await claim(ledger)
    await let_go(ledger, due, State.HELD, Who.RULE, "render error")
    assert await OPEN.redecide(ledger) == Ruled()
    assert one(ledger, letter).state == "held"
    assert await replace(OPEN, edition="mended").redecide(ledger) == Ruled(released=1)
    assert await replace(OPEN, edition="mended").redecide(ledger) == Ruled()
    assert one(ledger, letter).state == "queued"


@pytest.mark.parametrize("why", ["the letter differs from its first attempt", "error in mailer"])
async def test_what_no_rule_can_tell_to_be_mended_stays_held(ledger, why):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await let_go(ledger, due, State.HELD, Who.RULE, why)
    assert await replace(OPEN, edition="mended").redecide(ledger) == Ruled()
    assert set(states(ledger).values()) == {"held"}


# -- expiring


def at(day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(2011, 9, day, hour, minute, second, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("now, expired", [(at(19), 0), (at(20, 23, 59, 59), 0), (at(21), 3), (at(30), 3)])
async def test_a_deadline_ends_with_its_day(ledger, now, expired):
    targets = [COURT, replace(COURT, id="ministry", closed="dissolved"), CALL, replace(CALL, id="shut", closed="dissolved")]
    office = Office(campaign(*targets, deadline=date(2011, 9, 20)))
    carried = new(CALL.id, State.BY_HAND, channel=Channel.PHONE), new("shut", State.HELD, Reason.CLOSED, channel=Channel.PHONE)
    await put(ledger, 1, new(), new("ministry", State.HELD, Reason.CLOSED), *carried, now=at(1))
    (due,) = await claim(ledger)
    await settle(ledger, due, Stage.MAIL, LATER)
    await put(ledger, 1, first=10, now=at(1))
    assert await office.redecide(ledger, now) == Ruled(expired=expired)
    assert Counter(states(ledger).values())["expired"] == expired
    assert Counter(states(ledger).values())["by_hand"] == 1
    assert {record.state for record in ledger.records(Selection(target="shut"))} == {"held"}  # somebody may have done it


async def test_without_a_deadline_nothing_that_was_never_tried_expires(ledger):
    await put(ledger, 2)
    assert await OPEN.redecide(ledger, NOW + 400 * DAY) == Ruled()


@pytest.mark.parametrize("after, expired", [(RETRY.give_up_after - 1, 0), (RETRY.give_up_after, 1)])
async def test_a_letter_is_given_up_so_long_after_its_first_try(ledger, after, expired):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await settle(ledger, due, Stage.MAIL, LATER)
    assert await OPEN.redecide(ledger, NOW + int(after)) == Ruled(expired=expired)


@pytest.mark.parametrize("scope, expired", [("all", 0), (f"campaign:{CAMPAIGN}", 0), ("campaign:another", 1)])
async def test_nothing_is_given_up_while_nobody_may_send_it_but_a_deadline_is_a_deadline(ledger, scope, expired):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await settle(ledger, due, Stage.MAIL, LATER)
    await ledger.pause(scope, Who.PERSON, "stop", NOW)
    late = NOW + int(RETRY.give_up_after)
    assert await OPEN.redecide(ledger, late) == Ruled(expired=expired)
    over = Office(campaign(COURT, deadline=date(2011, 9, 20)))
    assert await over.redecide(ledger, late) == Ruled(expired=1 - expired)


async def test_a_letter_that_only_misses_a_cc_is_not_expired_but_ended_by_its_next_attempt(ledger):
    (letter,) = await put(ledger, 1)
    (due,) = await claim(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES])
    late = NOW + int(RETRY.give_up_after)
    assert await OPEN.redecide(ledger, late) == Ruled()
    (again,) = await claim(ledger, now=late)
    await settle(ledger, again, Stage.RCPT, LATER, rcpt=[LATER], now=late)
    assert (one(ledger, letter).state, one(ledger, letter).accepted_at) == ("accepted", late)
    assert_sound(ledger, {letter: State.QUEUED})


async def test_rules_move_any_number_of_letters_in_portions(ledger):
    """More than one transaction takes: a portion at a time, until nothing is left."""
    most = rules._AT_ONCE
    await put(ledger, most + 1)
    closed = Office(campaign(replace(COURT, closed="dissolved")))
    assert await closed.redecide(ledger) == Ruled(held=most + 1)
    assert await OPEN.redecide(ledger) == Ruled(released=most + 1)
    over = Office(campaign(COURT, deadline=date(2011, 9, 1)))
    assert await over.redecide(ledger) == Ruled(expired=most + 1)


async def test_a_cc_is_not_given_up_by_the_letter_that_ends_an_outage(ledger):
    (letter,) = await put(ledger, 1)
    (due,) = await claim(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES])
    down = Breaker(3, NOW + 60, "down")
    await ledger.keep_breaker(RELAY, down, NOW + DAY)
    late = NOW + 6 * DAY
    (again,) = await claim(ledger, now=late)
    assert again.first_tried_at == NOW + 5 * DAY
    await settle(ledger, again, Stage.RCPT, LATER, rcpt=[LATER], now=late)
    await ledger.keep_breaker(RELAY, down.worked(), late)
    assert await OPEN.redecide(ledger, late) == Ruled()
    assert one(ledger, letter).state == "deferred"


async def test_a_letter_is_not_given_up_for_the_time_in_which_the_relay_closes_every_transaction(ledger):
    """The relay answers MAIL, so that no outage is counted, and closes at RCPT: only the letter's own tries make it old."""
    (letter,) = await put(ledger, 1)
    closes = Reply(421, "4.3.2", "closing")
    (due,) = await claim(ledger)
    await settle(ledger, due, Stage.RCPT, LATER, rcpt=[LATER, YES, YES])
    for day in range(1, 8):
        (again,) = await claim(ledger, now=NOW + day * DAY)
        await settle(ledger, again, Stage.RCPT, closes, rcpt=[closes], now=NOW + day * DAY)
        assert await OPEN.redecide(ledger, NOW + day * DAY) == Ruled()
    (again,) = await claim(ledger, now=NOW + 8 * DAY)
    await settle(ledger, again, Stage.RCPT, LATER, rcpt=[LATER, YES, YES], now=NOW + 8 * DAY)
    assert await OPEN.redecide(ledger, NOW + 12 * DAY - 1) == Ruled()  # one day, and four, of its own
    assert await OPEN.redecide(ledger, NOW + 12 * DAY) == Ruled(expired=1)
    assert one(ledger, letter).state == "expired"


async def test_nothing_is_given_up_while_the_relay_is_down(ledger):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await settle(ledger, due, Stage.MAIL, LATER)
    down = Breaker(3, NOW + 60, "down")
    await ledger.keep_breaker(RELAY, down, NOW + 6 * DAY)
    assert await OPEN.redecide(ledger, NOW + 6 * DAY) == Ruled()
    await ledger.keep_breaker("another:25", Breaker(1, 0, "down"), NOW + 6 * DAY)  # the configuration names it since
    assert await OPEN.redecide(ledger, NOW + 6 * DAY) == Ruled()
    await ledger.keep_breaker(RELAY, down.worked(), NOW + 6 * DAY)
    assert await OPEN.redecide(ledger, NOW + 6 * DAY) == Ruled(expired=1)
