"""
Any life that letters can have, and what holds at every moment of it.

Hypothesis takes letters in, claims, marks, settles, lets go, holds, releases, expires, orders, pauses and crashes; people
confirm, withdraw and are erased; in any order, by two programs that have the ledger open, one after the other and both at once,
and with attempts that another worker has long taken over. Beside the ledger it keeps what a witness of the wire would know:
which attempt is in whose hand, and for which letter a dot may have left without an answer. Then, whatever was done:

- no letter leaves the table of moves, and none moves twice in one step, but those that end as somebody has them or may;
- at most one attempt of a letter is open, and only its holder marks or settles it, once;
- what is paused is not claimed;
- a letter whose dot may have left unanswered is being sent, in doubt or cancelled, or accepted by its office and tells of it,
  and never gets a second dot by itself;
- one that was in doubt keeps its bytes for ever; while no resend of it is taken nothing calls it refused or expired, and only
  who sees the doubt cancels it;
- for who has withdrawn, was erased or has not confirmed nothing goes out, nothing waits, and no row of theirs is taken in; what
  is in doubt of theirs stays so;
- the journal is one chain, and its lines lead to the states in the table.

With MAILER_TORTURE=1 in the environment many more lives are led.
"""

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from mailer.campaign import Channel, Reason
from mailer.delivery import DUE, ORDERS, Due, State, Who, may_move
from mailer.errors import MailerError
from mailer.ledger import Handed, Held, Lane, Ledger, NewLetter, Recovered, Selection
from mailer.outcome import EARLIER, Lost, Reply, Role, Stage
from tests import ledgers
from tests.ledgers import (
    CAMPAIGN,
    DAY,
    DOMAIN,
    GARBAGE,
    LATER,
    LEDGERS,
    NEVER,
    NOW,
    SILENCE,
    YES,
    assert_sound,
    begin,
    entry,
    everything,
    mark,
    new,
    recipients,
    settle,
    states,
)

T = TypeVar("T")
TARGETS = ("court", "ministry")
BOTH = [Lane(CAMPAIGN, target, "") for target in TARGETS]
LANES = st.sampled_from(BOTH)
SCOPES = st.sampled_from(["all", f"campaign:{CAMPAIGN}"])
REASONS = st.sampled_from([Reason.APPROVAL, "render error", "organiser"])
HIDING = {State.REFUSED, State.EXPIRED, State.CANCELLED}  # a letter's ends that speak of no doubt
ENDED_IN = (State.HELD, *DUE)  # where a letter is that a deadline or a cancellation ends, by way of an attempt without a dot
BEFORE_THE_BODY = (Stage.CONNECT, Stage.AUTH, Stage.MAIL, Stage.RCPT, Stage.DATA)
WHICH = st.tuples(st.sampled_from([True, True, True, False]), st.integers(0, 4))  # of those in hand or of all; from the newest
RCPT = st.lists(st.sampled_from([YES, YES, LATER, NEVER]), min_size=2, max_size=2)  # of cc and copy


async def together(*works: Awaitable[T]) -> list[T]:
    """Do all at once."""
    return list(await asyncio.gather(*works))


class Lives(RuleBasedStateMachine):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.at_end = ExitStack()
        self.run = self.at_end.enter_context(asyncio.Runner()).run
        self.folder = Path(self.at_end.enter_context(tempfile.TemporaryDirectory()))
        self.now = NOW
        self.began: dict[int, str] = {}
        self.stood: dict[int, str] = {}
        self.dues: list[Due] = []
        self.in_hand: dict[int, Due] = {}
        self.marked: dict[int, Sequence[Reply]] = {}  # of those in hand: what was answered to RCPT
        self.paused: set[str] = set()
        self.unanswered: set[int] = set()  # the witness: a dot may have left, and nobody has told
        self.resent: set[int] = set()  # the same, but another one was allowed since
        self.by_policy: set[int] = set()
        self.person: dict[int, int] = {}  # of each letter
        self.printed: set[int] = set()  # and nobody has said since that it was not used
        self.left: set[int] = set()  # the people who have withdrawn or were erased
        self.unconfirmed: set[int] = set()
        self.gone_at: dict[int, int] = {}  # of a letter whose signatory has left: its newest attempt by then

    def teardown(self) -> None:
        self.ledger.close()
        self.other.close()
        self.at_end.close()

    def do(self, work: Awaitable[T]) -> T:
        async def done() -> T:
            return await work

        return self.run(done())

    def due(self, which: tuple[bool, int]) -> Due:
        """A claim that was made once; often one that is in hand still."""
        of = list(self.in_hand.values()) if which[0] and self.in_hand else self.dues
        return of[-1 - which[1] % len(of)]

    def is_held_by(self, due: Due) -> bool:
        return self.in_hand.get(due.letter) is due

    # -- the world

    @initialize()
    def begin_both(self) -> None:
        self.open()
        self.do(self.ledger.remember_campaign(CAMPAIGN, "fingerprint"))
        self.take_in(2, State.QUEUED)

    def open(self) -> None:
        """Two programs have it open; what is done, the one at hand does."""
        self.ledger: Ledger = LEDGERS[self.name](self.folder)
        self.other: Ledger = LEDGERS[self.name](self.folder)

    @rule()
    def the_other_program_goes_on(self) -> None:
        self.ledger, self.other = self.other, self.ledger

    @rule(seconds=st.sampled_from([1, 300, 3_600, 6 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(count=st.integers(1, 3), state=st.sampled_from([State.QUEUED, State.QUEUED, State.HELD, State.BY_HAND]))
    def take_in(self, count: int, state: State) -> None:
        reason, channel = "approval" if state is State.HELD else "", Channel.POST if state is State.BY_HAND else Channel.EMAIL
        letters = [new(target, state, reason, channel=channel) for target in TARGETS]
        self.put(count, *letters)

    def put(self, count: int, *letters: NewLetter, is_unconfirmed: bool = False) -> None:
        first = 1 + len(self.began)
        people = [replace(entry(first + n, *letters), is_unconfirmed=is_unconfirmed) for n in range(count)]
        file = self.do(begin(self.ledger, claim=f"file {first}", now=self.now))
        before = set(states(self.ledger))
        taken = self.do(self.ledger.take_in(file, CAMPAIGN, DOMAIN, people, self.now))
        strangers = [one.line for one in people if one.line in self.left]
        assert [one.line for one, result in zip(people, taken, strict=True) if result.left] == strangers
        written = sorted(set(states(self.ledger)) - before)
        signed = [one.line for one in people if one.line not in self.left for _ in letters]
        for letter, person in zip(written, signed, strict=True):
            self.began[letter] = self.stood[letter] = letters[0].state
            self.person[letter] = person
            if is_unconfirmed:
                self.unconfirmed.add(person)

    # -- a worker

    @rule(limit=st.integers(1, 3))
    def claim(self, limit: int) -> None:
        for lane in BOTH:
            self.take(self.do(ledgers.claim(self.ledger, limit, lane=lane, now=self.now)))

    @rule(lane=LANES)
    def claim_at_once(self, lane: Lane) -> None:
        """Both programs ask for the same; each letter is given to one of them."""
        asked = (ledgers.claim(ledger, 2, lane=lane, now=self.now) for ledger in (self.ledger, self.other))
        for dues in self.do(together(*asked)):
            self.take(dues)

    def take(self, dues: Sequence[Due]) -> None:
        assert not (self.paused and dues)
        for due in dues:
            assert due.letter not in self.in_hand
            assert due.letter not in self.unanswered
            doubts = [attempt for attempt in self.ledger.attempts(due.letter) if attempt.verdict == "in_doubt"]
            assert due.fixed is not None or not doubts, "another letter under the same Message-ID"
            self.dues.append(due)
            self.in_hand[due.letter] = due

    @precondition(lambda self: self.dues)
    @rule(which=WHICH, others=RCPT)
    def mark(self, which: tuple[bool, int], others: list[Reply]) -> None:
        self.mark_of(self.due(which), others)

    @precondition(lambda self: self.dues)
    @rule(which=WHICH)
    def mark_at_once(self, which: tuple[bool, int]) -> None:
        """Both programs believe that an attempt is theirs; one dot may leave."""
        due = self.due(which)
        is_ours = self.is_held_by(due) and due.letter not in self.marked and not self.paused
        asked = (mark(ledger, due, now=self.now) for ledger in (self.ledger, self.other))
        assert sum(self.do(together(*asked))) == is_ours
        if is_ours:
            assert due.letter not in self.unanswered
            self.marked[due.letter] = ()
            self.unanswered.add(due.letter)

    def mark_of(self, due: Due, others: list[Reply]) -> None:
        asked = [recipient for recipient in recipients(due) if recipient.is_asked]
        rcpt = [YES if recipient.role is Role.TO else others.pop() for recipient in asked]
        if YES not in rcpt:
            return  # there would be no dot
        is_ours = self.is_held_by(due) and due.letter not in self.marked and not self.paused
        assert self.do(mark(self.ledger, due, rcpt=rcpt, now=self.now)) == is_ours
        if is_ours:
            assert due.letter not in self.unanswered
            self.marked[due.letter] = rcpt
            self.unanswered.add(due.letter)

    @precondition(lambda self: self.dues)
    @rule(which=WHICH, answer=st.sampled_from([YES, LATER, NEVER, SILENCE, GARBAGE]), is_kept=st.booleans())
    def settle_behind_the_mark(self, which: tuple[bool, int], answer: Reply | Lost, is_kept: bool) -> None:
        self.settle_of(self.due(which), answer, is_kept)

    @precondition(lambda self: self.in_hand)
    @rule(which=WHICH, others=RCPT, answer=st.sampled_from([YES, YES, LATER, NEVER, SILENCE]))
    def carry(self, which: tuple[bool, int], others: list[Reply], answer: Reply | Lost) -> None:
        """All the way, as it should be."""
        due = self.due((True, which[1]))
        self.mark_of(due, others)
        self.settle_of(due, answer, is_kept=False)

    def settle_of(self, due: Due, answer: Reply | Lost, is_kept: bool) -> None:
        if self.is_held_by(due) and due.letter not in self.marked:
            return
        stage = Stage.BODY if is_kept and answer is not YES else Stage.DOT  # the dot was kept back, the server spoke first
        rcpt = self.marked.get(due.letter, ())
        is_ours = self.is_held_by(due)
        assert self.do(settle(self.ledger, due, stage, answer, rcpt=rcpt, now=self.now)) == is_ours
        if is_ours:
            self.ended(due)
            if isinstance(answer, Reply) or stage is Stage.BODY:
                self.unanswered.discard(due.letter)
            if answer is YES:
                self.resent.discard(due.letter)

    @precondition(lambda self: self.dues)
    @rule(which=WHICH, stage=st.sampled_from([*BEFORE_THE_BODY, Stage.BODY]), answer=st.sampled_from([LATER, NEVER, SILENCE]))
    def settle_before_the_mark(self, which: tuple[bool, int], stage: Stage, answer: Reply | Lost) -> None:
        due = self.due(which)
        if due.letter in self.marked and self.is_held_by(due):
            return
        asked = sum(recipient.is_asked for recipient in recipients(due))
        rcpt = [answer] * asked if stage is Stage.RCPT and isinstance(answer, Reply) else []
        is_ours = self.is_held_by(due)
        assert self.do(settle(self.ledger, due, stage, answer, rcpt=rcpt, now=self.now)) == is_ours
        if is_ours:
            self.ended(due)

    @precondition(lambda self: self.in_hand)
    @rule(which=WHICH, stage=st.sampled_from(BEFORE_THE_BODY), answer=st.sampled_from([YES, SILENCE]))
    def settle_wrongly(self, which: tuple[bool, int], stage: Stage, answer: Reply | Lost) -> None:
        """A bug: without a mark, as if the dot had been answered or lost; behind it, as if nothing had been sent."""
        due = self.due((True, which[1]))
        before = everything(self.ledger)
        wrong = (stage, SILENCE) if due.letter in self.marked else (Stage.DOT, answer)
        with pytest.raises(MailerError):
            self.do(settle(self.ledger, due, *wrong, now=self.now))
        assert everything(self.ledger) == before

    @precondition(lambda self: self.dues)
    @rule(which=WHICH, state=st.sampled_from([State.QUEUED, State.HELD]), who=st.sampled_from(Who), reason=REASONS)
    def let_go(self, which: tuple[bool, int], state: State, who: Who, reason: str) -> None:
        due = self.due(which)
        is_ours = self.is_held_by(due)
        assert self.do(self.ledger.let_go(due, state, who, reason, "detail", self.now)) == is_ours
        if is_ours:
            self.ended(due)

    def ended(self, due: Due) -> None:
        del self.in_hand[due.letter]
        self.marked.pop(due.letter, None)

    # -- rules, which leave alone what a person held

    @rule(what=st.sampled_from(["hold", "release", "restate", "edition", "expire"]), lane=LANES, why=REASONS, now=REASONS)
    def decide(self, what: str, lane: Lane, why: str, now: str) -> None:
        by_person = self.held_by_person()
        if what == "hold":
            assert self.do(self.ledger.hold(lane, why, self.now, 1)) <= 1
        elif what == "release":
            assert self.do(self.ledger.release(Held(lane, why), self.now, 2)) <= 2
        elif what == "restate":
            self.do(self.ledger.restate(Held(lane, why), now))
        elif what == "edition":
            self.do(self.ledger.release_unrendered(CAMPAIGN, why, self.now))
        else:
            assert self.do(self.ledger.expire(CAMPAIGN, self.now - 5 * DAY, "given up", self.now, 2)) <= 2
        assert self.held_by_person() == by_person

    @rule(what=st.sampled_from(["hold", "release", "follow"]), lane=LANES, why=REASONS, channel=st.sampled_from(Channel))
    def decide_otherwise(self, what: str, lane: Lane, why: str, channel: Channel) -> None:
        """The target is reached otherwise, or what people carry is stopped and goes on: its lane is then of a country."""
        by_person = self.held_by_person()
        for held in (Held(lane, why), Held(replace(lane, country="GB"), why)):
            if what == "hold":
                assert self.do(self.ledger.hold_handed(Handed(CAMPAIGN, lane.target, channel), why, self.now, 2)) <= 2
            elif what == "release":
                assert self.do(self.ledger.release(held, self.now, 2, channel)) <= 2
            else:
                asked = self.ledger.follow(held, channel, is_by_country=False, now=self.now, limit=2)
                assert self.do(asked) <= 2
        assert self.held_by_person() == by_person

    @rule(which=st.integers(0, 20))
    def print(self, which: int) -> None:
        """A page with one letter on it, of which it is said that it waits by hand."""
        letter = 1 + which % (len(self.began) or 1)
        waits = states(self.ledger).get(letter) == State.BY_HAND
        is_post = waits and next(iter(self.ledger.records(Selection(letter=letter)))).channel == Channel.POST
        assert self.do(self.ledger.note_printed(CAMPAIGN, {letter: "post"}, self.now)) == ([] if is_post else [letter])
        if is_post:
            self.printed.add(letter)

    def held_by_person(self) -> list[tuple[int, str]]:
        held = self.ledger.records(Selection(state="held"))
        return [(record.letter, record.reason) for record in held if record.held_by == "person"]

    # -- a person

    @rule(name=st.sampled_from([*sorted(ORDERS), "deadline"]), lane=LANES, limit=st.integers(1, 4))
    def order(self, name: str, lane: Lane, limit: int) -> None:
        if name == "deadline":
            self.do(self.ledger.expire(CAMPAIGN, None, "too late", self.now, limit))
        else:
            held = self.ledger.records(Selection(target=lane.target, state="held", reason=Reason.PRINTED))
            on_paper = {record.letter for record in held}
            obeyed = self.do(self.ledger.order(Selection(target=lane.target), ORDERS[name], "why", self.now, 0, limit))
            assert name in {"hold", "cancel"} or not obeyed.in_hand
            if name == "release":
                self.printed -= on_paper
            stands = states(self.ledger)
            for letter in [letter for letter in self.in_hand if stands[letter] != State.SENDING]:
                assert name in {"hold", "cancel"} and letter not in self.marked
                self.stood[letter] = State.QUEUED  # it was taken back, and stood there for a moment
                del self.in_hand[letter]

    @rule(scope=SCOPES, is_lifted=st.booleans())
    def pause(self, scope: str, is_lifted: bool) -> None:
        assert self.do(self.ledger.pause(scope, Who.PERSON, "stop", self.now)) == (scope not in self.paused)
        self.paused.add(scope)
        for lane in BOTH:
            self.take(self.do(ledgers.claim(self.other, lane=lane, now=self.now)))
        if is_lifted:
            self.resume(scope)

    @precondition(lambda self: self.paused)
    @rule(scope=SCOPES)
    def resume(self, scope: str) -> None:
        assert self.do(self.ledger.resume(scope, "go", self.now)) == (scope in self.paused)
        self.paused.discard(scope)

    @rule(limit=st.integers(1, 3))
    def resend_by_policy(self, limit: int) -> None:
        moved = sum(self.do(self.ledger.resend_doubts(lane, self.now, self.now, limit)) for lane in BOTH)
        again = {letter for letter, state in states(self.ledger).items() if self.stood[letter] == "in_doubt" != state}
        assert len(again) == moved
        assert not again & self.by_policy, "once in the life of a letter"
        self.by_policy |= again
        self.resent |= again
        self.unanswered -= again

    @precondition(lambda self: self.unanswered or self.resent)
    @rule(accepted=st.booleans(), is_early=st.booleans())
    def resolve(self, accepted: bool, is_early: bool) -> None:
        letter = min(self.unanswered | self.resent)
        was_in_doubt = self.stood[letter] == State.IN_DOUBT
        wait = 100 * DAY if is_early else 0
        refused = self.do(self.ledger.resolve(letter, accepted=accepted, why="why", now=self.now, not_before=wait))
        has_left = not accepted and self.person[letter] in self.left
        assert bool(refused) == (is_early or not was_in_doubt or has_left)
        if not refused:
            self.unanswered.discard(letter)
            (self.resent.discard if accepted else self.resent.add)(letter)

    # -- whoever confirms, or leaves

    @rule(count=st.integers(1, 2))
    def take_in_unconfirmed(self, count: int) -> None:
        waits = [new(target, State.HELD, Reason.UNCONFIRMED) for target in TARGETS]
        self.put(count, *waits, is_unconfirmed=True)

    @precondition(lambda self: self.unconfirmed)
    @rule()
    def confirm(self) -> None:
        person = min(self.unconfirmed)
        file = self.do(begin(self.ledger, claim="confirmed", now=self.now))
        row = replace(entry(person), is_confirmed=True)
        (taken,) = self.do(self.ledger.take_in(file, CAMPAIGN, DOMAIN, [row], self.now))
        assert taken.is_confirmed != bool(taken.left) and bool(taken.left) == (person in self.left)
        self.unconfirmed.discard(person)

    @rule(whom=st.sampled_from(["marked", "in hand", "signed", "stranger"]), back=st.integers(1, 5), is_erased=st.booleans())
    def leave(self, whom: str, back: int, is_erased: bool) -> None:
        """Somebody whose letter is being sent, who has signed, or a stranger, who may come to sign."""
        of = {"marked": list(self.marked), "in hand": list(self.in_hand)}.get(whom, []) or list(self.person)
        person = 1 + len(self.began) if whom == "stranger" else self.person[of[-1 - back % len(of)]]
        who, before = entry(person).person, states(self.ledger)
        if is_erased:
            (left,) = self.do(self.ledger.erase([(CAMPAIGN, who)], (CAMPAIGN, b"sealed"), self.now))
        else:
            (left,) = self.do(self.ledger.withdraw(CAMPAIGN, [who], self.now))
        self.left.add(person)
        self.unconfirmed.discard(person)
        theirs = [letter for letter, signatory in self.person.items() if signatory == person]
        stands = states(self.ledger)
        assert left.had_signed == bool(theirs)
        assert left.letters == Counter(stands[letter] for letter in theirs)
        for letter in theirs:
            if before[letter] == State.SENDING and letter not in self.marked:  # it was taken back
                self.stood[letter] = State.QUEUED
                self.in_hand.pop(letter, None)
            self.gone_at.setdefault(letter, len(self.ledger.attempts(letter)))
            assert before[letter] != State.IN_DOUBT or stands[letter] == State.IN_DOUBT

    # -- a crash

    @rule(is_closed=st.booleans())
    def crash(self, is_closed: bool) -> None:
        if is_closed:
            self.ledger.close()
            self.other.close()
            self.open()
        found = Recovered(len(self.in_hand) - len(self.marked), len(self.marked))
        assert self.do(self.ledger.recover(self.now)) == found
        self.in_hand.clear()
        self.marked.clear()
        before = everything(self.ledger)
        assert self.do(self.ledger.recover(self.now)) == Recovered()
        assert everything(self.ledger) == before

    # -- at every moment

    @invariant()
    def no_letter_leaves_the_table_of_moves(self) -> None:
        stands = states(self.ledger)
        assert set(stands) == set(self.began)
        moved = {letter: (self.stood[letter], state) for letter, state in stands.items() if state != self.stood[letter]}
        on_its_way = {letter for letter in self.gone_at if moved.get(letter) == (State.SENDING, State.CANCELLED)}
        others = [move for letter, move in moved.items() if letter not in on_its_way]  # those were deferred for a moment
        left = [move for move in others if not may_move(State(move[0]), State(move[1]))]
        assert set(left) <= {(State(old), State(new)) for old in ENDED_IN for new in (State.ACCEPTED, State.IN_DOUBT)}
        ended = {move for letter, move in moved.items() if letter in self.resent and move[1] in HIDING}
        assert ended <= {("in_doubt", "cancelled")}
        self.stood = stands

    @invariant()
    def only_those_in_hand_are_being_sent(self) -> None:
        sending = {letter for letter, state in states(self.ledger).items() if state == State.SENDING}
        assert sending == set(self.in_hand)

    @invariant()
    def what_may_have_been_sent_is_shown_and_goes_nowhere(self) -> None:
        allowed = {State.SENDING, State.IN_DOUBT, State.CANCELLED}
        for record in self.ledger.records(Selection()):
            # Accepted by its office, of whose cc a person cancelled the doubt: the letter tells.
            is_told = record.state == State.ACCEPTED and record.reason.endswith(EARLIER)
            assert record.letter not in self.unanswered or record.state in allowed or is_told

    @invariant()
    def what_people_carry_is_not_sent_and_what_is_sent_nobody_carries(self) -> None:
        for record in self.ledger.records(Selection()):
            is_carried = record.channel != Channel.EMAIL
            assert not is_carried or record.state in {State.HELD, State.BY_HAND, State.DONE, State.CANCELLED}, record
            assert is_carried or record.state not in {State.BY_HAND, State.DONE}, record
            assert is_carried or record.letter not in self.printed, record
            if is_carried:
                assert not any(role == Role.TO and state == "accepted" for _, role, state, _ in record.recipients)
                assert all(attempt.verdict != "accepted" for attempt in self.ledger.attempts(record.letter))

    @invariant()
    def nothing_goes_out_for_who_has_left_or_has_not_confirmed(self) -> None:
        stands = states(self.ledger)
        for letter, attempts in self.gone_at.items():
            later = self.ledger.attempts(letter)[attempts:]
            assert all(attempt.marked_at is None and attempt.verdict == "unsent" for attempt in later), "another try"
            assert stands[letter] not in {State.HELD, *DUE, State.BY_HAND}
        for letter, person in self.person.items():
            assert person not in self.unconfirmed or stands[letter] in {State.HELD, State.EXPIRED, State.CANCELLED}

    @invariant()
    def the_ledger_is_sound(self) -> None:
        assert_sound(self.ledger, self.began)
        assert list(self.ledger.disagreements()) == []


@pytest.mark.parametrize("name", LEDGERS)
def test_whatever_is_done_to_letters_the_promise_holds(name):
    lives: Any = partial(Lives, name)
    run_state_machine_as_test(
        lives,
        settings=settings(
            max_examples=2_000 if os.environ.get("MAILER_TORTURE") else 40, stateful_step_count=50, deadline=None
        ),
    )
