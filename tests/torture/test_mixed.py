"""
Letters of four recipients, each with its own answer: what becomes of each of them, and of the letter for it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.relays import TO
from tests.servers.scripted import Reply, Rule, StoreThenDrop
from tests.servers.threaded import ThreadedServer
from tests.torture import farside
from tests.torture.grounds import SECOND, ground
from tests.torture.runs import STEP, Trip, Zygote, until_quiet
from tests.torture.trials import MIXED, killed

_LATER, _PLENTY = Reply("450 4.2.1 later"), Reply("452 4.5.3 too many recipients")


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("step", ["mark", "settle"])
def test_killed_around_the_dot_each_recipient_is_accounted_for(zygote: Zygote, tmp_path: Path, step: str, nth: int) -> None:
    tried = killed(zygote, tmp_path, MIXED, [Trip(f"commit of {step} is done", nth)])
    assert tried.judged.violations == [], str(tried.judged)
    assert tried.was_met


@pytest.mark.parametrize("answer", [_LATER, _PLENTY], ids=lambda answer: answer.text[:9])
@pytest.mark.parametrize("missing", [TO, SECOND])
def test_a_doubt_that_a_person_ends_as_arrived_goes_on_to_whom_it_was_not_meant_for(
    zygote: Zygote, tmp_path: Path, missing: str, answer: Reply
) -> None:
    """One `to` was put off at RCPT, the other's dot had no answer."""
    script = [Rule("rcpt", answer, nth=1, recipient=missing), Rule("dot", StoreThenDrop(), nth=1)]
    with ThreadedServer(script) as server:
        here = ground(tmp_path / "instance", server.port, files=1, people=1)
        ended = [zygote.run(here), zygote.run(here, "resolve", "1", "--accepted", "--why", "they wrote back", later=STEP)]
        assert ended[-1].code == 0, ended[-1].said
        ended += until_quiet(zygote, here, STEP)
        judged = here.judge(farside.of_record(server.record()), [one.said for one in ended])
        assert judged.violations == [], str(judged)
        assert {to for taken in server.taken() for to in taken.recipients} >= {TO, SECOND}
