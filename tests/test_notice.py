"""When there is a receipt, by how a signatory's letters stand; and what it says comes back as it was written down."""

from __future__ import annotations

import pytest

from mailer.delivery import State
from mailer.notice import PATIENCE, Digest, Lane, NewNotice, Receipt, Standing, Trial, packed, receipt, unpacked

AT = 1_000_000
PASSING = frozenset({"approval"})


def letters(*states: str) -> list[Standing]:
    """One letter for each state; a held one has a reason behind a colon."""
    parted = [one.partition(":") for one in states]
    return [Standing(f"t{number}", "email", state, reason) for number, (state, _, reason) in enumerate(parted)]


ENDED = ["accepted", "refused", "bounced", "expired", "by_hand", "done"]


@pytest.mark.parametrize("state", ENDED)
def test_when_all_have_come_to_an_end_there_is_one_at_once(state):
    assert receipt(letters(state, "accepted"), AT, AT, PASSING) == Receipt(tuple(letters(state, "accepted")))
    assert isinstance(receipt(letters(state), AT, AT, PASSING), Receipt)
    assert isinstance(receipt(letters(state, "cancelled"), AT, AT, PASSING), Receipt)


@pytest.mark.parametrize("state", ["queued", "sending", "deferred"])
def test_while_one_is_under_way_there_is_none(state):
    for ended in ENDED:
        assert receipt(letters(ended, state), AT, AT + 9 * PATIENCE, PASSING) is None


@pytest.mark.parametrize("states", [["cancelled"], ["held:no route"], ["in_doubt"], ["held:no route", "cancelled"]])
def test_where_nothing_has_come_to_an_end_there_is_nothing_to_tell(states):
    assert receipt(letters(*states), AT, AT + 9 * PATIENCE, PASSING) is None


@pytest.mark.parametrize("state", ["held:no route", "held:organiser", "in_doubt"])
def test_what_may_still_go_is_waited_for_a_day(state):
    these = letters("accepted", state)
    assert receipt(these, AT, AT + PATIENCE - 1, PASSING) == AT + PATIENCE
    assert receipt(these, AT, AT + PATIENCE, PASSING) == Receipt(tuple(these))


def test_what_one_word_lets_go_for_all_is_waited_for_as_long_as_it_takes():
    assert receipt(letters("accepted", "held:approval"), AT, AT + 99 * PATIENCE, PASSING) is None


def test_every_state_is_thought_of():
    assert {*ENDED, "queued", "sending", "deferred", "held", "in_doubt", "cancelled"} == set(map(str, State))


@pytest.mark.parametrize(
    "facts",
    [
        Receipt((Standing("court", "email", "accepted", "", 5), Standing("palace", "phone", "by_hand"))),
        Digest("2011-09-20", "2011-09-21", 3, {"court": 2}, {"accepted": 2, "held": 1}, (4, 5)),
        Trial("anna", "court", "ru", "person", 1, 6),
    ],
)
def test_what_it_says_comes_back(facts):
    lane = NewNotice("name", "c", facts, "campaign.example").lane
    assert unpacked(lane, packed(facts)) == facts
    assert str(lane) == {Receipt: "@receipt", Digest: "@digest", Trial: "@trial"}[type(facts)] == Lane(lane)
