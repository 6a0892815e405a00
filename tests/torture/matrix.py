"""
All trials of one kind: every named point, at the first, the middle and the last time that it is met.

    killed there · killed again in the run that follows · asked to stop there

A generator gives one trial after another, each to be called: so whoever asks can leave some out, and show how far it has come.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.torture import points
from tests.torture.runs import Trip, Zygote
from tests.torture.trials import ROUGH, ROUGH_FOUR, SCENES, SLOW, SMOOTH, Scene, Tried, dry, killed, stopped

# What a first death leaves for the run that dies of the second: a file in the middle, letters that were claimed, a mark.
LEFT = (
    Trip("ledger.taking.TakingPart.take_in is done", 2),
    Trip("ledger.sending.SendingPart.claim is done", 1),
    Trip("ledger.sending.SendingPart.mark is done", 3),
)

Trial = Callable[[Zygote, Path, Scene, Sequence[Trip]], Tried]


@dataclass(frozen=True)
class Told:
    """One trial by name, and what it came to."""

    name: str
    tried: Tried


def places(met: int) -> list[int]:
    """
    The first, the middle and the last of so many.

    >>> places(7), places(2), places(1), places(0)
    ([1, 4, 7], [1, 2], [1], [])
    """
    return sorted({1, (met + 1) // 2, met}) if met else []


def kills(zygote: Zygote, scenes: Sequence[Scene] = SCENES) -> Iterator[Callable[[], Told]]:
    """One death at each point."""
    for scene in scenes:
        met = met_by(zygote, scene)
        for trip in _trips(met):
            yield partial(told, zygote, scene, [trip], killed)


def second_kills(zygote: Zygote, scenes: Sequence[Scene] = (SMOOTH, ROUGH_FOUR)) -> Iterator[Callable[[], Told]]:
    """A death at each point of the run that puts right what a first one left, at the first time."""
    for scene in scenes:
        for left in LEFT:
            for trip in _trips(met_by(zygote, scene, [left])):
                if trip.nth > 1:
                    continue
                yield partial(told, zygote, scene, [left, trip], killed)


def stops(zygote: Zygote, scenes: Sequence[Scene] = (SLOW, ROUGH)) -> Iterator[Callable[[], Told]]:
    """SIGTERM at each point."""
    for scene in scenes:
        for trip in _trips(met_by(zygote, scene)):
            yield partial(told, zygote, scene, [trip], stopped)


def met_by(zygote: Zygote, scene: Scene, before: Sequence[Trip] = ()) -> Counter[str]:
    """How often a run meets each point."""
    with room() as root:
        return dry(zygote, root, scene, before)


def _trips(met: Counter[str]) -> Iterator[Trip]:
    return (Trip(name, nth) for name in points.names() for nth in places(met[name]))


def told(zygote: Zygote, scene: Scene, trips: Sequence[Trip], trial: Trial) -> Told:
    """One trial in a room of its own, by the name of what happens in it."""
    with room() as root:
        name = f"{scene.name}: {', then '.join(f'{trip.point} ({trip.nth})' for trip in trips)}"
        return Told(name, trial(zygote, root, scene, trips))


@contextmanager
def room() -> Iterator[Path]:
    """A folder for one trial."""
    with tempfile.TemporaryDirectory(prefix="mailer-torture-") as folder:
        yield Path(folder)
