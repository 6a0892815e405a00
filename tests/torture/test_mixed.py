"""
Letters of four recipients, each with its own answer: what becomes of each of them, and of the letter for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.torture.runs import Trip, Zygote
from tests.torture.trials import MIXED, killed


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as process:
        yield process


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("step", ["mark", "settle"])
def test_killed_around_the_dot_each_recipient_is_accounted_for(zygote: Zygote, tmp_path: Path, step: str, nth: int) -> None:
    tried = killed(zygote, tmp_path, MIXED, [Trip(f"commit of {step} is done", nth)])
    assert tried.judged.violations == [], str(tried.judged)
    assert tried.was_met
