"""
Faults of the machine at system calls: the small matrix, a place or two for each call. `make torture` goes on to the last N.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.servers.available import require
from tests.torture import faults
from tests.torture.faults import CALLS, FAILS, KILL, Fault
from tests.torture.runs import Zygote
from tests.torture.trials import SMOOTH

WAYS = (KILL, *FAILS)


@pytest.fixture(scope="module")
def zygote(zygote: Zygote) -> Zygote:
    require("strace")
    return zygote


@pytest.fixture(scope="module")
def made(zygote: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How often a run makes each call."""
    return faults.dry(zygote, tmp_path_factory.mktemp("dry"), SMOOTH)


def test_a_run_makes_every_one_of_the_calls(made: Counter[str]) -> None:
    assert set(+made) == set(CALLS)


@pytest.mark.parametrize("what", WAYS)
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_at_a_system_call_loses_nothing_and_sends_nothing_twice(
    zygote: Zygote, made: Counter[str], tmp_path: Path, call: str, what: str
) -> None:
    share = (CALLS.index(call) * len(WAYS) + WAYS.index(what)) % 5 / 4  # the first, the last, and three between, in turns
    last = 1 + round((made[call] - 1) * share * 0.9)
    for nth in range(last, 0, -1):  # what is done once a second is done more often in a run that is traced through and through
        met = faults.tried(zygote, tmp_path / str(nth), SMOOTH, Fault(call, what, nth))
        judged = met.told.tried.judged
        assert judged.violations == [], str(judged)
        if met.was_met:
            return
    pytest.fail(f"no {call} was made to fail")


@pytest.mark.parametrize(
    "call, what, nth",
    [
        ("pwrite64", "error=ENOSPC", 7),  # the first read of a new ledger: a savepoint could not be rolled back
        ("pwrite64", "error=EIO", 9),
        ("openat", "error=EIO", 2),  # the folder of the campaigns
        ("openat", "error=EIO", 12),  # a file of the program itself
        ("openat", "error=EIO", 29),  # the templates
        ("fdatasync", "error=ENOSPC", 16),  # a settlement and the next claim: asyncio told the second failure
    ],
)
def test_what_once_ended_as_a_bug_or_with_a_traceback_does_not_any_more(
    zygote: Zygote, tmp_path: Path, call: str, what: str, nth: int
) -> None:
    """Which file an openat is about moves with the program; each was another when it was found."""
    judged = faults.tried(zygote, tmp_path, SMOOTH, Fault(call, what, nth)).told.tried.judged
    assert judged.violations == [], str(judged)
