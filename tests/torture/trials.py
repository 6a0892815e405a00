"""
One trial: an instance, a server, a run that dies where it is told to, fresh runs until nothing is due; the oracle after each.

A `Scene` is what the trial plays in: how the server behaves, over how many connections. `dry` plays it without a death and
tells how often each point was met, so that first, middle and last are known.
"""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.relays import CC, COPY, TO
from tests.servers.scripted import Drip, Drop, Reply, Rule, StoreThenDrop
from tests.servers.threaded import ThreadedServer
from tests.torture import farside
from tests.torture.course import END
from tests.torture.grounds import SECOND, Ground, ground
from tests.torture.judged import Judged, Violation
from tests.torture.points import ANNOUNCED_ALL
from tests.torture.runs import STEP, Ended, Trip, Zygote, until_quiet

_DOWN = Reply("421 4.3.2 down for a moment")


@dataclass(frozen=True)
class Scene:
    """How the server behaves, and how mailer is set up."""

    name: str
    connections: int
    script: Sequence[Rule] = ()


# Everything happens once. At three MAILs in a row the server is down, so that the breaker opens and letters are let go.
TROUBLES = (
    Rule("dot", Reply("451 4.3.0 later"), nth=1),
    Rule("mail", _DOWN, nth=3),
    Rule("mail", _DOWN, nth=4),
    Rule("mail", _DOWN, nth=5),
    Rule("rcpt", Reply("450 4.2.1 later"), nth=8),
    Rule("data", Drop(), nth=3),
    Rule("dot", Reply("554 5.0.0 no"), nth=3),
    Rule("dot", StoreThenDrop(), nth=4),
)
# Each recipient has its own answer: later, never, too many at once; and doubts while others are still waited for.
_PLENTY, _LATER, _NEVER = Reply("452 4.5.3 too many recipients"), Reply("450 4.2.1 later"), Reply("550 5.1.1 no such user")
ANSWERS = (
    Rule("rcpt", _LATER, nth=1, recipient=SECOND),
    Rule("rcpt", _NEVER, nth=2, recipient=SECOND),
    Rule("rcpt", _PLENTY, nth=3, recipient=SECOND),
    Rule("rcpt", _PLENTY, nth=3, recipient=CC),
    Rule("rcpt", _NEVER, nth=4, recipient=CC),
    Rule("rcpt", _LATER, nth=5, recipient=CC),
    Rule("rcpt", _LATER, nth=1, recipient=COPY),
    Rule("rcpt", _PLENTY, nth=2, recipient=COPY),
    Rule("rcpt", _LATER, nth=5, recipient=TO),
    Rule("rcpt", _NEVER, nth=6, recipient=TO),
    Rule("rcpt", _LATER, nth=6, recipient=SECOND),
    Rule("dot", StoreThenDrop(), nth=5),
    Rule("dot", Reply("451 4.3.0 later"), nth=2),
)
SMOOTH = Scene("smooth, 1 connection", 1)
SMOOTH_FOUR = Scene("smooth, 4 connections", 4)
ROUGH = Scene("rough, 1 connection", 1, TROUBLES)
ROUGH_FOUR = Scene("rough, 4 connections", 4, TROUBLES)
MIXED = Scene("each its own answer, 1 connection", 1, ANSWERS)
SLOW = Scene("slow dots, 2 connections", 2, (Rule("dot", Drip("250 2.0.0 taken", 0.002)),))
SCENES = (SMOOTH, SMOOTH_FOUR, ROUGH, ROUGH_FOUR, MIXED)


@dataclass(frozen=True)
class Tried:
    """What a trial came to. `was_met`: the last of its trips was reached, and the run ended by it."""

    judged: Judged
    was_met: bool


def dry(zygote: Zygote, root: Path, scene: Scene, before: Sequence[Trip] = ()) -> Counter[str]:
    """How often a run meets each point, be it behind others that died."""
    met: Counter[str] = Counter()
    for number, means in enumerate(("", ANNOUNCED_ALL)):
        with ThreadedServer(scene.script) as server:
            here = ground(root / str(number), server.port, connections=scene.connections)
            for run, trip in enumerate(before):
                zygote.run(here, point=trip, later=run * STEP)
            zygote.run(here, point=Trip(means, 0), counts=root / "counts.json", later=len(before) * STEP)
            met += Counter(json.loads((root / "counts.json").read_text(encoding="utf-8")))
    return met


def killed(zygote: Zygote, root: Path, scene: Scene, trips: Sequence[Trip]) -> Tried:
    """Each run but the last ones ends by its trip; then fresh ones until nothing is due."""
    with ThreadedServer(scene.script) as server:
        here = ground(root / "instance", server.port, connections=scene.connections)
        judged, ended = Judged(), []
        for number, trip in enumerate(trips):
            ended.append(zygote.run(here, point=trip, later=number * STEP))
            met = Judged(here.judge(farside.of_record(server.record()), is_quiet=False).violations)
            judged += met
        was_met = ended[-1].was_killed
        return Tried(judged + finished(zygote, here, server, ended, len(trips) * STEP), was_met)


def stopped(zygote: Zygote, root: Path, scene: Scene, trips: Sequence[Trip]) -> Tried:
    """The same with SIGTERM, behind which nothing may be in hand and nothing in doubt; there is one trip."""
    (trip,) = trips
    with ThreadedServer(scene.script) as server:
        here = ground(root / "instance", server.port, connections=scene.connections)
        first = zygote.run(here, point=replace(trip, by=signal.SIGTERM))
        far = farside.of_record(server.record())
        judged = here.judge(far, is_quiet=False)
        left = {"sending": judged.counted["letters sending"], "in doubt": judged.counted["letters in_doubt"] - len(far.silent)}
        found = [Violation(END, f"behind SIGTERM: {count} letters {state}") for state, count in left.items() if count > 0]
        judged = Judged(judged.violations + found)
        # Before it listens to signals, and once it listens no more, the signal itself ends it: there is nothing in hand then.
        was_met = "stopping:" in first.said or first.code == -signal.SIGTERM
        counted = Counter({"stopped": int(was_met), "stopped by the signal itself": int(first.code == -signal.SIGTERM)})
        if first.code == -signal.SIGTERM:
            first = replace(first, code=0)
        return Tried(judged + Judged([], counted) + finished(zygote, here, server, [first], STEP), was_met)


def finished(
    zygote: Zygote, here: Ground, server: ThreadedServer, before: Sequence[Ended], later: float, cut_dots: int = 0
) -> Judged:
    """Fresh runs until nothing is due, and what the oracle says then."""
    problem = ""
    try:
        ended = [*before, *until_quiet(zygote, here, later)]
    except AssertionError as never:
        ended, problem = [*before], str(never)
    judged = here.judge(farside.of_record(server.record()), [one.said for one in ended], cut_dots=cut_dots)
    found = [Violation(END, fault) for one in ended for fault in one.faults]
    found += [Violation(END, problem)] if problem else []
    counted = Counter({"runs": len(ended), "kills": sum(one.was_killed for one in ended), END: len(found)})
    return judged + Judged(found, counted)
