"""A siege in small: some dozens of letters, a few deaths at random moments, a server that fails one thing in twenty;
alone, and with what may happen beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.torture import siege
from tests.torture.runs import Zygote
from tests.torture.siege import Plan


@pytest.mark.parametrize("beside", ["", siege.QUOTES, siege.RESTORES, siege.ORDERS, siege.RECEIPTS])
def test_killed_at_random_moments_beside_a_server_that_fails_nothing_is_lost_and_nothing_goes_twice(
    tmp_path: Path, beside: str
) -> None:
    plan = Plan(letters=96, kills=8, seed=11, odds=0.05, beside=frozenset({beside} & siege.SCENES))
    with Zygote() as zygote:
        judged = siege.lay(zygote, tmp_path, plan)
    assert judged.violations == [], str(judged)
    assert judged.counted["letters"] == 96 and judged.counted["kills"] > 0
    assert (judged.counted["receipts"] > 60) is (beside == siege.RECEIPTS)
