"""
Killed, and asked to stop, at named points: the small matrix. `make torture` goes through the whole of it.

Every fourth point dies here once: at its first, its middle or its last time, over one connection or over four,
or where each recipient has its own answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.servers.scripted import Hang, Rule
from tests.servers.threaded import ThreadedServer
from tests.torture import farside, matrix, points
from tests.torture.grounds import ground
from tests.torture.matrix import LEFT, places
from tests.torture.runs import STEP, Trip, Zygote, until_quiet
from tests.torture.trials import MIXED, ROUGH, ROUGH_FOUR, SLOW, SMOOTH, SMOOTH_FOUR, killed, stopped

POINTS = points.names()
RARE = ("keep_breaker", "let_go")  # met only where the relay fails
SHARED = ("ledger.engine.Engine.", "commit of ")  # how many there are depends on how many works share a transaction


@pytest.fixture(scope="module")
def met(zygote: Zygote) -> Mapping[str, Counter[str]]:
    """How often each point is met, by scene."""
    return {scene.name: matrix.met_by(zygote, scene) for scene in (SMOOTH, SMOOTH_FOUR, MIXED, ROUGH, SLOW)}


def trip_of(met: Counter[str], point: str, number: int) -> Trip:
    """The first, the middle and the last time in turns."""
    found = places(met[point])
    assert found, f"no run comes to {point}"
    return Trip(point, found[number % len(found)])


def test_there_are_enough_points_and_each_has_its_own_name() -> None:
    assert len(POINTS) == len(set(POINTS)) > 150


def test_every_point_is_met_by_some_run(met: Mapping[str, Counter[str]]) -> None:
    assert set(POINTS) <= set(met[SMOOTH.name] + met[ROUGH.name])


@pytest.mark.parametrize("number, point", list(enumerate(POINTS))[::4], ids=POINTS[::4])
def test_killed_at_a_named_point_nothing_is_lost_and_nothing_goes_twice(
    zygote: Zygote, met: Mapping[str, Counter[str]], tmp_path: Path, number: int, point: str
) -> None:
    scene = ROUGH if any(rare in point for rare in RARE) else (SMOOTH, SMOOTH_FOUR, MIXED)[number // 4 % 3]
    tried = killed(zygote, tmp_path, scene, [trip_of(met[scene.name], point, number // 4)])
    assert tried.judged.violations == [], str(tried.judged)
    assert tried.was_met or scene is not SMOOTH or point.startswith(SHARED)
    assert tried.judged.counted["kills"] == tried.was_met


@pytest.mark.parametrize(
    "point, in_doubt",
    [
        ("relay.wire.SmtpConnection.body is done", 0),
        ("mark is written", 0),
        ("commit of mark begins", 0),
        ("commit of mark is done", 1),
        ("ledger.sending.SendingPart.mark is done", 1),
        ("relay.wire.SmtpConnection.dot is done", 1),
        ("settle is written", 1),
        ("commit of settle begins", 1),
        ("commit of settle is done", 0),
    ],
)
def test_a_letter_is_in_doubt_from_its_mark_to_its_settlement_and_at_no_other_time(
    zygote: Zygote, tmp_path: Path, point: str, in_doubt: int
) -> None:
    tried = killed(zygote, tmp_path, SMOOTH, [Trip(point, 2)])
    assert tried.judged.violations == [], str(tried.judged)
    assert tried.was_met and tried.judged.counted["letters in_doubt"] == in_doubt


@pytest.mark.parametrize("left", LEFT, ids=str)
@pytest.mark.parametrize(
    "point",
    ["recover is written", "commit of recover begins", "commit of recover is done", "intake.Intake.finish_claimed is done"],
)
def test_killed_again_while_it_puts_right_what_a_kill_had_left_it_is_put_right_all_the_same(
    zygote: Zygote, tmp_path: Path, left: Trip, point: str
) -> None:
    tried = killed(zygote, tmp_path, ROUGH_FOUR if left is LEFT[1] else SMOOTH, [left, Trip(point)])
    assert tried.judged.violations == [], str(tried.judged)
    assert tried.was_met and tried.judged.counted["kills"] == 2


@pytest.mark.parametrize("number, point", list(enumerate(POINTS))[::8], ids=POINTS[::8])
def test_asked_to_stop_at_a_named_point_nothing_is_left_in_hand_and_nothing_in_doubt(
    zygote: Zygote, met: Mapping[str, Counter[str]], tmp_path: Path, number: int, point: str
) -> None:
    scene = ROUGH if any(rare in point for rare in RARE) else SLOW
    tried = stopped(zygote, tmp_path, scene, [trip_of(met[scene.name], point, number // 8)])
    assert tried.judged.violations == [], str(tried.judged)
    assert tried.judged.counted["kills"] == 0


def test_a_second_run_beside_a_living_one_says_so_and_beside_a_dead_one_goes_on(zygote: Zygote, tmp_path: Path) -> None:
    with ThreadedServer([Rule("dot", Hang(), nth=2)]) as server:
        here = ground(tmp_path / "instance", server.port)
        living = zygote.start(here)
        server.wait_for("dot", 2)
        before = here.judge(farside.of_record(server.record()), is_quiet=False)
        second = zygote.run(here, later=STEP)
        assert (second.code, second.said.count("Another mailer is at work here")) == (0, 1)
        assert here.judge(farside.of_record(server.record()), is_quiet=False).counted == before.counted
        zygote.kill(living)
        ended = until_quiet(zygote, here, STEP)
        assert [one.code for one in ended] == [0]
        judged = here.judge(farside.of_record(server.record()), [one.said for one in ended])
        assert judged.violations == [], str(judged)
        assert (judged.counted["letters accepted"], judged.counted["letters in_doubt"]) == (5, 1)
