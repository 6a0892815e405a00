"""
What a crash left is put right: a program that uses the ledger is killed at a named point, and a fresh one recovers.

The program carries three letters one after another, as a courier does. Behind each point stands what the three must be then:
without a mark queued, behind a mark in doubt, once settled as settled. Nothing here waits: the killed kill themselves.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer import recovery
from mailer.blotter import Blotter
from mailer.delivery import State
from mailer.ledger import Ledger, Recovered
from tests import ledgers
from tests.ledgers import DAY, LEDGERS, NOW, assert_sound, claim, dot, everything, mark, put, states

REPOSITORY = Path(__file__).resolve().parents[1]

DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from mailer.outcome import Stage
from tests.ledgers import LATER, LEDGERS, NEVER, SILENCE, YES, claim, let_go, mark, put, settle

ANSWERS = {"accepted": YES, "deferred": LATER, "refused": NEVER, "silence": SILENCE}

def die():
    os.kill(os.getpid(), signal.SIGKILL)

async def live(name, folder, point, which):
    ledger = LEDGERS[name](folder)
    await put(ledger, 3)
    if point == "take in":
        die()
    dues = await claim(ledger)
    if point == "claim":
        die()
    for number, due in enumerate(dues, 1):
        here = number == which
        if here and point == "let go":
            await let_go(ledger, due)
            die()
        await mark(ledger, due)
        if here and point == "mark":
            die()
        await settle(ledger, due, Stage.DOT, ANSWERS[point] if here else YES)
        if here:
            die()

asyncio.run(live(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
"""

DIES_UNCOMMITTED = """
import asyncio, os, signal, sys, threading
from pathlib import Path
from mailer.ledger.sqlite import SqliteLedger
from mailer.outcome import Stage
from tests.ledgers import NOW, YES, claim, mark, put, settle

async def live(folder, step):
    ledger = SqliteLedger(folder / "ledger.db")
    await put(ledger, 1)
    if step != "claim":
        (due,) = await claim(ledger)
    if step in {"settle", "recover"}:
        await mark(ledger, due)
    # The line stops until the step and, behind it, the end stand in it: both share one transaction.
    arrived, may_go = threading.Event(), threading.Event()
    ledger._engine.submit(lambda db: arrived.set() or may_go.wait(60))
    await asyncio.to_thread(arrived.wait)
    steps = {
        "claim": lambda: claim(ledger),
        "mark": lambda: mark(ledger, due),
        "settle": lambda: settle(ledger, due, Stage.DOT, YES),
        "recover": lambda: ledger.recover(NOW),
    }
    last = asyncio.ensure_future(steps[step]())
    await asyncio.sleep(0)
    ledger._engine.submit(lambda db: os.kill(os.getpid(), signal.SIGKILL))
    may_go.set()
    await last
    print("the step was promised, though it was never committed")

asyncio.run(live(Path(sys.argv[1]), sys.argv[2]))
"""

RECOVERS = """
import asyncio, json, sys
from pathlib import Path
from mailer import recovery
from mailer.blotter import Blotter
from tests.ledgers import LEDGERS, NOW

async def live(name, folder):
    ledger = LEDGERS[name](folder)
    found = await recovery.recover(ledger, Blotter(folder / "writing"), NOW + 60)
    ledger.close()
    print(json.dumps([found.let_go, found.in_doubt]))

asyncio.run(live(sys.argv[1], Path(sys.argv[2])))
"""


def run(program: str, *words: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, words)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )


def kill(program: str, *words: object) -> None:
    killed = run(program, *words)
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, ""), killed.stderr


def recovered(name: str, folder: Path) -> tuple[list[int], str]:
    """Recovery by a fresh program: what it found, and what it said."""
    done = run(RECOVERS, name, folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


POINTS = {
    ("take in", 1): ["queued", "queued", "queued"],
    ("claim", 1): ["queued", "queued", "queued"],
    ("let go", 1): ["queued", "queued", "queued"],
    ("let go", 2): ["accepted", "queued", "queued"],
    ("let go", 3): ["accepted", "accepted", "queued"],
    ("mark", 1): ["in_doubt", "queued", "queued"],
    ("mark", 2): ["accepted", "in_doubt", "queued"],
    ("mark", 3): ["accepted", "accepted", "in_doubt"],
    ("accepted", 1): ["accepted", "queued", "queued"],
    ("accepted", 2): ["accepted", "accepted", "queued"],
    ("accepted", 3): ["accepted", "accepted", "accepted"],
    ("deferred", 2): ["accepted", "deferred", "queued"],
    ("refused", 2): ["accepted", "refused", "queued"],
    ("silence", 2): ["accepted", "in_doubt", "queued"],
}


@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("point, which", POINTS)
async def test_killed_at_any_point_each_letter_is_what_its_record_backs(tmp_path, name, point, which):
    kill(DIES, name, tmp_path, point, which)
    found, _ = recovered(name, tmp_path)
    with ledgers.opened(name, tmp_path) as ledger:
        assert list(states(ledger).values()) == POINTS[point, which]
        assert found[1] == (1 if point == "mark" else 0)
        assert_sound(ledger, dict.fromkeys(states(ledger), State.QUEUED))
        before = everything(ledger)
        assert await recovery.recover(ledger, Blotter(tmp_path / "writing"), NOW + 120) == Recovered()
        assert everything(ledger) == before
        await assert_the_rest_goes_out_once(ledger)


async def assert_the_rest_goes_out_once(ledger: Ledger) -> None:
    """What waits can be sent; of what may have left, nothing goes again."""
    doubtful = [letter for letter, state in states(ledger).items() if state == State.IN_DOUBT]
    for due in await claim(ledger, now=NOW + DAY):
        await dot(ledger, due, now=NOW + DAY)
    after = states(ledger)
    assert [letter for letter, state in after.items() if state == State.IN_DOUBT] == doubtful
    assert set(after.values()) <= {"accepted", "in_doubt", "refused"}
    for letter in after:
        marked = [attempt for attempt in ledger.attempts(letter) if attempt.marked_at is not None]
        assert [attempt.verdict for attempt in marked[:-1]] == ["deferred"] * (len(marked) - 1)


@pytest.mark.parametrize(
    "step, state, found",
    [
        ("claim", "queued", [0, 0]),
        ("mark", "queued", [1, 0]),
        ("settle", "in_doubt", [0, 1]),
        ("recover", "in_doubt", [0, 1]),
    ],
)
def test_killed_in_the_transaction_of_a_step_the_step_was_not_made(tmp_path, step, state, found):
    kill(DIES_UNCOMMITTED, tmp_path, step)
    assert recovered("sqlite", tmp_path)[0] == found
    with ledgers.opened("sqlite", tmp_path) as ledger:
        assert list(states(ledger).values()) == [state]
        assert_sound(ledger, dict.fromkeys(states(ledger), State.QUEUED))


@pytest.fixture(params=LEDGERS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with ledgers.opened(request.param, tmp_path) as opened:
        yield opened


async def test_what_was_found_is_told_and_nothing_where_nothing_was(ledger, tmp_path, caplog):
    blotter = Blotter(tmp_path / "writing")
    await put(ledger, 3)
    marked, *_ = await claim(ledger)
    await mark(ledger, marked)
    assert await recovery.recover(ledger, blotter, NOW) == Recovered(let_go=2, in_doubt=1)
    assert [record.getMessage() for record in caplog.records] == [
        "an earlier run was cut off: 2 letters not sent by it, and queued again",
        "an earlier run was cut off: 1 letter now in doubt, never sent again by itself",
    ]
    caplog.clear()
    assert await recovery.recover(ledger, blotter, NOW) == Recovered()
    assert caplog.records == []
