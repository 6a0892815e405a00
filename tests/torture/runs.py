"""
Runs of the command, forked from a zygote: started, waited for, killed, and gone on with until nothing is due.

    with Zygote() as zygote:
        ended = zygote.run(ground, point=Trip("ledger.sending.SendingPart.mark is done", 2))
        assert ended.code == -signal.SIGKILL
        until_quiet(zygote, ground)

Time is moved from run to run, so that what was deferred and a relay that was left alone are due again.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import apsw

from tests.installed import REPOSITORY, environment
from tests.torture.grounds import Ground

PATIENCE = 60  # seconds that no run here needs
STEP = 4_000  # seconds from run to run: longer than any wait for a letter or a relay
MOST_RUNS = 12
FINE = (0, 65, 69, 73, 74, 75, 78)  # how a run may end that nobody kills (README, "Exit codes"); 70 is a bug


@dataclass(frozen=True)
class Trip:
    """At the nth time that a run comes to a point it sends itself a signal."""

    point: str
    nth: int = 1
    by: signal.Signals = signal.SIGKILL


@dataclass(frozen=True)
class Ended:
    """How a run ended, and all that it said."""

    code: int
    said: str

    @property
    def was_killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def faults(self) -> list[str]:
        """What is wrong with such an end, whatever became of letters."""
        found = [] if self.code in (*FINE, -signal.SIGKILL) else [f"exit {self.code}: {self.said[-500:]}"]
        return [*found, f"a traceback: {self.said[-1500:]}"] if "Traceback" in self.said else found


@dataclass
class Run:
    """A run that goes on."""

    pid: int
    said: Path
    behind: int  # so much stood in the file before

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet; one that has waits for its parent."""
        return "\nState:\tZ" not in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")


class Zygote:
    """The process that runs are forked from."""

    def __init__(self) -> None:
        ours = {name: value for name, value in environment().items() if not name.startswith("COV")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.zygote"],
            cwd=REPOSITORY,
            env=ours,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._living: set[int] = set()
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        for pid in self._living:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.communicate(timeout=PATIENCE)

    def start(
        self,
        here: Ground,
        *words: str,
        point: Trip | None = None,
        later: float = 0,
        counts: Path | None = None,
        stopped: bool = False,
        into: str = "said.txt",
    ) -> Run:
        """
        Start a run, `later` by so many seconds; `counts`: a file into which it writes how often it met each point; `into`: the
        file for what it says, another one for what runs beside.
        """
        said = here.root / into
        behind = said.stat().st_size if said.exists() else 0
        asked = {
            "root": str(here.root),
            "words": words or ("run",),
            "said": str(said),
            "clock": time.time() + later,
            "watch": point is not None or counts is not None,
            "point": point.point if point else "",
            "nth": point.nth if point else 0,
            "signal": point.by if point else 0,
            "counts": str(counts) if counts else "",
            "stopped": stopped,
        }
        run = Run(int(self._ask(asked)["pid"]), said, behind)
        self._living.add(run.pid)
        return run

    def wait(self, run: Run, patience: float = PATIENCE) -> Ended:
        """Wait for its end, so many seconds. Raises: TimeoutError."""
        code = int(self._ask({"wait": run.pid}, patience)["code"])
        self._living.discard(run.pid)
        with run.said.open("rb") as said:
            said.seek(run.behind)
            return Ended(code, said.read().decode())

    def run(self, here: Ground, *words: str, **how: Any) -> Ended:
        """The same from start to end."""
        return self.wait(self.start(here, *words, **how))

    def kill(self, run: Run) -> Ended:
        os.kill(run.pid, signal.SIGKILL)
        return self.wait(run)

    def _ask(self, asked: dict[str, Any], patience: float = PATIENCE) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return self._answer(patience)

    def _answer(self, patience: float = PATIENCE) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], patience)[0]:
            raise TimeoutError("a run did not end")
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def undone(here: Ground) -> Counter[str]:
    """What is left to do: letters by state, and files."""
    waiting, claimed = (here.var / "queue/incoming").rglob("*.csv"), (here.var / "queue/claimed").glob("*.csv")
    left = Counter(path.name for path in (*waiting, *claimed))
    if here.ledger.exists():
        with closing(apsw.Connection(str(here.ledger))) as db:
            db.set_busy_timeout(10_000)
            sql = "SELECT state, count(*) FROM letter WHERE state IN ('queued', 'deferred', 'sending') GROUP BY state"
            left += Counter({str(state): int(str(count)) for state, count in db.execute(sql)})
    return left


def until_quiet(zygote: Zygote, here: Ground, later: float = 0) -> list[Ended]:
    """Fresh runs, as cron starts them, until nothing is left to do; how each ended. Raises: AssertionError."""
    ended = []
    for number in range(1, MOST_RUNS + 1):
        ended.append(zygote.run(here, later=later + number * STEP))
        if not undone(here):
            return ended
    raise AssertionError(f"after {MOST_RUNS} runs there is still something to do: {undone(here)}\n{ended[-1].said[-2000:]}")
