"""
Orders beside a run that has letters in hand: what was stopped before its dot mark has no dot; what came too late for is told.

The server takes its time at one step, so that an order is given while a letter is there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.scripted import Drip, Rule, Verb
from tests.servers.threaded import ThreadedServer
from tests.torture import farside, orders
from tests.torture.grounds import Ground, ground
from tests.torture.orders import Ordered
from tests.torture.runs import STEP, Ended, Run, Zygote, until_quiet

# Tests/test_orders_beside.py asks the same of the command in every run.
pytestmark = pytest.mark.skipif(not os.environ.get("MAILER_TORTURE"), reason="a part of make torture")

Step = tuple[Verb, str]
_SLOWLY = 0.07  # seconds from byte to byte of an answer: some two seconds for an order that takes a fifth of one

MAIL: Step = ("mail", "250 2.1.0 we take our time")
DATA: Step = ("data", "354 go on, as soon as we are ready")
DOT: Step = ("dot", "250 2.0.0 taken, as you have wished")


@dataclass
class Hour:
    """A run whose second letter is at a slow step of the server just now."""

    zygote: Zygote
    here: Ground
    server: ThreadedServer
    worker: Run

    def order(self, *words: str) -> Ordered:
        """Give an order now; the run is still at work when it is done."""
        given = orders.given(self.zygote, self.here, 0, *words)
        assert given.ended.code == 0, given.ended.said
        assert self.worker.is_alive, "the run was over before the order was given"
        return given

    def is_dotted(self, letter: int) -> bool:
        """Whether a dot of the letter has come."""
        return self.dots_of(letter) > 0

    def dots_of(self, letter: int) -> int:
        message_id = orders.message_id(self.here, letter)
        return sum(dot.message_id == message_id for dot in self.server.record().dotted)

    def end(self, *, killed: bool = False) -> Ended:
        return self.zygote.kill(self.worker) if killed else self.zygote.wait(self.worker)

    def judge(self, *ended: Ended) -> None:
        far = farside.of_record(self.server.record())
        judged = self.here.judge(far, [one.said for one in ended], is_quiet=False)
        assert judged.violations == [], str(judged)
        assert [fault for one in ended for fault in one.faults] == []


@contextmanager
def at(zygote: Zygote, root: Path, step: Step, connections: int = 1) -> Iterator[Hour]:
    """The second time that a run comes to a step, at which the server takes its time for its answer."""
    verb, text = step
    with ThreadedServer([Rule(verb, Drip(text, _SLOWLY), nth=2)]) as server:
        here = ground(root / "instance", server.port, connections=connections)
        worker = zygote.start(here)
        server.wait_for(verb, 2)
        yield Hour(zygote, here, server, worker)


BEFORE_THE_DOT: list[tuple[Verb, str]] = [
    ("mail", "250 2.1.0 we take our time"),
    ("data", "354 go on, as soon as we are ready"),
]
AT_THE_DOT: tuple[Verb, str] = ("dot", "250 2.0.0 taken, as you have wished")


@pytest.mark.parametrize("words", ["pause c", "pause", "hold --campaign c", "cancel --campaign c"])
@pytest.mark.parametrize(
    ("step", "connections", "killed"), [(DATA, 1, False), (DATA, 3, True), (DATA, 3, False), (MAIL, 1, True)], ids=str
)
def test_behind_a_stop_of_all_no_letter_is_marked(
    zygote: Zygote, tmp_path: Path, step: Step, words: str, killed: bool, connections: int
) -> None:
    with at(zygote, tmp_path, step, connections) as hour:
        order = hour.order(*words.split())
        ended = [order.ended, hour.end(killed=killed), zygote.run(hour.here, later=STEP)]
        assert order.defied(orders.marks(hour.here)) == []
        if not words.startswith("pause"):
            assert order.missed_for_nothing(orders.marks(hour.here)) == []
            assert order.tells or not order.came_too_late_for
        hour.judge(*ended)


@pytest.mark.parametrize("words", ["hold 2", "cancel 2"])
@pytest.mark.parametrize("step", [MAIL, DATA], ids=str)
def test_a_letter_that_is_in_hand_is_stopped_before_its_dot(zygote: Zygote, tmp_path: Path, step: Step, words: str) -> None:
    with at(zygote, tmp_path, step) as hour:
        order = hour.order(*words.split())
        ended = [order.ended, hour.end()]
        ended += until_quiet(zygote, hour.here)
        assert (order.count, order.defied(orders.marks(hour.here)), hour.is_dotted(2)) == (1, [], False), order.ended.said
        hour.judge(*ended)


@pytest.mark.parametrize("words", ["hold 2", "cancel 2", "hold --campaign c", "cancel --campaign c"])
def test_an_order_that_comes_too_late_for_a_dot_tells_so(zygote: Zygote, tmp_path: Path, words: str) -> None:
    with at(zygote, tmp_path, DOT) as hour:
        order = hour.order(*words.split())
        ended = [order.ended, hour.end(), *until_quiet(zygote, hour.here)]
        assert order.count == (0 if words.endswith("2") else 4)  # the first was accepted, the second is at its dot
        assert order.tells, f"nothing is told of the letter whose dot is out: {order.ended.said}"
        assert order.defied(orders.marks(hour.here)) == []
        assert hour.dots_of(2) == 1
        hour.judge(*ended)


@pytest.mark.parametrize("pause, resume", [(["pause", "c"], ["resume", "c"]), (["pause"], ["resume"])])
def test_what_was_in_hand_when_all_was_stopped_goes_out_once_it_may(
    zygote: Zygote, tmp_path: Path, pause: list[str], resume: list[str]
) -> None:
    with at(zygote, tmp_path, DATA) as hour:
        order = hour.order(*pause)
        ended = [order.ended, hour.end(), zygote.run(hour.here, *resume, "--why", "asked", later=STEP)]
        assert order.defied(orders.marks(hour.here)) == []
        ended += until_quiet(zygote, hour.here, STEP)
        judged = hour.here.judge(farside.of_record(hour.server.record()), [one.said for one in ended])
        assert judged.violations == [], str(judged)
        assert judged.counted["letters accepted"] == 6


@pytest.mark.parametrize("words, again", [("hold 5", "release 5"), ("cancel 5", "retry 5")])
def test_a_letter_that_waits_is_stopped_and_goes_once_it_may(zygote: Zygote, tmp_path: Path, words: str, again: str) -> None:
    """This much every ledger can do: nobody has it in hand."""
    with at(zygote, tmp_path, DOT) as hour:
        order = hour.order(*words.split())
        ended = [order.ended, hour.end(), *until_quiet(zygote, hour.here)]
        assert (order.count, order.defied(orders.marks(hour.here)), hour.is_dotted(5)) == (1, [], False)
        hour.judge(*ended)
        ended.append(zygote.run(hour.here, *again.split(), "--why", "asked", later=STEP))
        ended += until_quiet(zygote, hour.here, STEP)
        assert hour.dots_of(5) == 1
        hour.judge(*ended)
