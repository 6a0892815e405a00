"""
The states of a letter: which moves there are, and what follows an attempt.
"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.delivery import DUE, MOVES, OPEN, Due, Next, Retry, State, after, has_reached, may_move
from mailer.outcome import Outcome, Recipient, Role, Scope, Stage, Standing, Verdict

# The table as it was decided, word for word; whatever is not in it cannot happen.
ALLOWED = {
    "held": "queued by_hand done cancelled expired",
    "queued": "sending held cancelled expired",
    "sending": "accepted deferred refused in_doubt held queued",
    "deferred": "sending queued held cancelled expired",
    "in_doubt": "accepted deferred refused queued cancelled",
    "accepted": "bounced",
    "refused": "queued",
    "bounced": "queued",
    "expired": "queued",
    "cancelled": "queued by_hand",
    "by_hand": "held done cancelled",
    "done": "",
}


@pytest.mark.parametrize(("old", "new"), list(itertools.product(State, State)))
def test_a_letter_moves_as_the_table_says_and_not_otherwise(old, new):
    assert may_move(old, new) == (new in ALLOWED[old].split())


def test_the_table_knows_every_state():
    assert set(MOVES) == set(State) == set(ALLOWED)


def test_what_waits_may_be_sent_and_nothing_else_may():
    assert {state for state in State if may_move(state, State.SENDING)} == set(DUE)


def test_what_has_ended_moves_only_by_a_person_or_by_late_evidence():
    ended = {state for state in State if MOVES[state] <= {State.QUEUED, State.BY_HAND, State.BOUNCED}}
    assert ended == set(State) - set(OPEN)


# What follows an attempt

NOW = 1_000_000
RETRY = Retry(first=300, max=14400, give_up_after=432_000, jitter=0)


def due(tries: int = 0, first_tried_at: int | None = None) -> Due:
    return Due(7, 3, "c", "court", "AT", b"", "<7@c>", tries, first_tried_at, None, (Recipient("as before", Role.TO),))


def outcome(verdict: Verdict, stage: Stage = Stage.DOT, scope: Scope = Scope.LETTER, states: str = "deferred") -> Outcome:
    """An outcome for a `to` and, where a second state is given, a cc and a copy."""
    told = zip(Role, states.split(), strict=False)
    return Outcome(verdict, scope, "why", tuple(Recipient(role, role, Standing(state)) for role, state in told), stage, "")


ENDED = [
    (Verdict.ACCEPTED, State.ACCEPTED),
    (Verdict.REFUSED, State.REFUSED),
    (Verdict.IN_DOUBT, State.IN_DOUBT),
]


@pytest.mark.parametrize(("verdict", "state"), ENDED)
def test_an_attempt_that_ends_a_letter_leaves_no_next_time(verdict, state):
    ended = outcome(verdict, states=verdict)
    assert after(due(2, 500), ended, RETRY, NOW, 0.5) == Next(state, "why", None, 3, 500, ended.recipients)
    assert may_move(State.SENDING, state)


def test_a_deferred_letter_is_due_again_later():
    deferred = outcome(Verdict.DEFERRED)
    assert after(due(), deferred, RETRY, NOW, 0.5) == Next(State.DEFERRED, "why", NOW + 300, 1, NOW, deferred.recipients)
    assert after(due(2, 500), deferred, RETRY, NOW, 0.5) == Next(State.DEFERRED, "why", NOW + 1200, 3, 500, deferred.recipients)


@pytest.mark.parametrize("stage", ["connect", "greeting", "ehlo", "starttls", "auth"])
def test_what_fails_before_mail_lets_the_letter_go_unsent_and_costs_it_nothing(stage):
    failed = outcome(Verdict.DEFERRED, Stage(stage), Scope.RELAY)
    assert after(due(2, 500), failed, RETRY, NOW, 0.5) == Next(State.QUEUED, "why", NOW, 2, 500, due().recipients)
    assert after(due(), failed, RETRY, NOW, 0.5).first_tried_at is None


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "body", "dot"])
def test_what_the_relay_stops_later_waits_but_counts_as_no_try(stage):
    stopped = outcome(Verdict.DEFERRED, Stage(stage), Scope.RELAY)
    assert after(due(), stopped, RETRY, NOW, 0.5) == Next(State.DEFERRED, "why", NOW + 300, 0, None, stopped.recipients)
    later = after(due(2, 500), stopped, RETRY, NOW, 0.5)
    assert (later.tries, later.first_tried_at) == (2, 500)


@pytest.mark.parametrize(
    ("states", "stage", "at_once"),
    [
        ("accepted waiting", "dot", True),  # no room for the cc in one transaction: the rest goes on at once
        ("accepted waiting waiting", "dot", True),
        ("accepted deferred", "dot", False),
        ("deferred waiting", "dot", False),
        ("waiting", "rcpt", False),  # without a dot there was no progress, and going on at once would spin
    ],
)
def test_a_rest_without_room_goes_on_at_once(states, stage, at_once):
    then = after(due(1, NOW), outcome(Verdict.DEFERRED, Stage(stage), states=states), RETRY, NOW, 0.5)
    assert (then.state, then.at, then.tries) == (State.DEFERRED, *((NOW, 1) if at_once else (NOW + 600, 2)))


@pytest.mark.parametrize(
    ("states", "tried_for", "state"),
    [
        ("accepted deferred", 431_999, State.DEFERRED),
        ("accepted deferred", 432_000, State.ACCEPTED),
        ("accepted waiting", 432_000, State.ACCEPTED),
        ("deferred deferred", 432_000, State.DEFERRED),  # it expires by rule, not by an attempt
    ],
)
def test_a_cc_is_given_up_where_the_office_has_its_letter(states, tried_for, state):
    then = after(due(9, NOW - tried_for), outcome(Verdict.DEFERRED, states=states), RETRY, NOW, 0.5)
    assert then.state is state
    assert (then.at is None) == (state is State.ACCEPTED)
    assert (then.tries, then.first_tried_at) == (10, NOW - tried_for)
    assert then.reason == ("given up for cc: why" if state is State.ACCEPTED else "why")


def test_the_office_has_its_letter_once_a_to_is_accepted():
    assert has_reached([Recipient("a", Role.TO, Standing.ACCEPTED)])
    assert not has_reached([Recipient("a", Role.CC, Standing.ACCEPTED), Recipient("b", Role.TO)])


def test_waits_double_from_the_first_up_to_the_longest():
    assert [RETRY.wait(tries, 0.5) for tries in range(1, 10)] == [300, 600, 1200, 2400, 4800, 9600, 14400, 14400, 14400]
    assert RETRY.wait(0, 0.5) == 300
    assert RETRY.wait(10**9, 0.5) == 14400
    assert Retry() == Retry(first=300, max=14400, give_up_after=432_000, jitter=0.1)


@given(tries=st.integers(0, 1000), chance=st.floats(0, 1, exclude_max=True), jitter=st.floats(0, 1))
def test_jitter_spreads_a_wait_by_its_share_and_no_further(tries, chance, jitter):
    even = RETRY.wait(tries, chance)
    wait = Retry(jitter=jitter).wait(tries, chance)
    assert even * (1 - jitter) - 1e-6 <= wait <= even * (1 + jitter) + 1e-6
    assert Retry(jitter=0.1).wait(tries, 0.0) == pytest.approx(even * 0.9)


VERDICTS = st.sampled_from([Verdict.ACCEPTED, Verdict.DEFERRED, Verdict.REFUSED, Verdict.IN_DOUBT])
STATES = st.lists(st.sampled_from(Standing), min_size=1, max_size=3).map(" ".join)


@given(VERDICTS, st.sampled_from(Stage), st.sampled_from(Scope), STATES, st.integers(0, 50), st.integers(1, NOW) | st.none())
def test_whatever_an_attempt_came_to_the_letter_may_move_there_and_waits_for_something(
    verdict, stage, scope, states, tries, first
):
    then = after(due(tries, first), outcome(verdict, stage, scope, states), RETRY, NOW, 0.5)
    assert may_move(State.SENDING, then.state)
    assert (then.at is not None) == (then.state in DUE)
    assert then.at is None or then.at >= NOW
    assert then.tries in {tries, tries + 1}
