"""
Faults of the machine: at the N-th call of one system call a run is killed, or the call fails with EIO or ENOSPC.

strace(1) attaches to a run that has been forked and waits, so that the count begins with the instance's own work. Behind each
fault come fresh runs without one, until nothing is due, and the oracle. `all_trials` goes on with N = 1, 2, 3, … until a run
has ended without meeting the fault.

Each thread of a run has its own count, so one fault may be met twice, once by the thread that writes the ledger.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.servers.available import wait
from tests.servers.threaded import ThreadedServer
from tests.torture import farside
from tests.torture.grounds import ground
from tests.torture.judged import Judged
from tests.torture.matrix import Told, room
from tests.torture.runs import STEP, Run, Zygote
from tests.torture.trials import SMOOTH, Scene, Tried, finished

CALLS = ("fsync", "fdatasync", "renameat2", "rename", "unlink", "openat", "write", "pwrite64", "sendto", "connect")
KILL, FAILS = "signal=KILL", ("error=EIO", "error=ENOSPC")
# Calls that one name does not cover: which one a library makes depends on its C library.
_ALSO = {"rename": "rename,renameat", "unlink": "unlink,unlinkat"}
# Other threads only send the byte that wakes the loop, on a socket pair of their own process, where nothing ever fails.
_OF_THE_LOOP = ("sendto",)


@dataclass(frozen=True)
class Fault:
    """What happens at the nth call."""

    call: str
    what: str
    nth: int

    def __str__(self) -> str:
        return f"{self.call} {self.nth}: {self.what}"


@dataclass(frozen=True)
class Met:
    """A trial, and whether its fault was met."""

    told: Told
    was_met: bool


@dataclass
class _Series:
    """One call that fails in one way, with N going up until a run has ended without meeting the fault."""

    zygote: Zygote
    scene: Scene
    call: str
    what: str
    is_over: bool = False

    def trial(self, nth: int) -> Told:
        with room() as root:
            met = tried(self.zygote, root, self.scene, Fault(self.call, self.what, nth))
        self.is_over = not met.was_met
        return met.told


def all_trials(zygote: Zygote, scene: Scene = SMOOTH) -> Iterator[Callable[[], Told]]:
    """For each call and each way to fail: N = 1, 2, 3, …"""
    for call, what in itertools.product(CALLS, (KILL, *FAILS)):
        series = _Series(zygote, scene, call, what)
        for nth in itertools.count(1):
            if series.is_over:
                break
            yield partial(series.trial, nth)


def dry(zygote: Zygote, root: Path, scene: Scene) -> Counter[str]:
    """How often a run without a fault makes each of the calls."""
    with ThreadedServer(scene.script) as server:
        here = ground(root / "instance", server.port, connections=scene.connections)
        run = zygote.start(here, stopped=True)
        tracer = traced(run, root / "strace", ["-f", "-e", f"trace={','.join(_ALSO.get(call, call) for call in CALLS)}"])
        zygote.wait(run)
        by_thread: Counter[tuple[str, str]] = Counter()
        for line in tracer.read().splitlines():
            thread, made = line.split(maxsplit=1)
            by_thread[thread, made.partition("(")[0]] += 1
        return Counter({call: _most(by_thread, call, run.pid) for call in CALLS})


def _most(by_thread: Counter[tuple[str, str]], call: str, loop: int) -> int:
    """How often the thread that makes it most makes a call."""
    names = _ALSO.get(call, call).split(",")
    threads = {str(loop)} if call in _OF_THE_LOOP else {thread for thread, _ in by_thread}
    return max(sum(by_thread[thread, name] for name in names) for thread in threads)


def tried(zygote: Zygote, root: Path, scene: Scene, fault: Fault) -> Met:
    """One run with a fault, and what became of it."""
    with ThreadedServer(scene.script) as server:
        here = ground(root / "instance", server.port, connections=scene.connections)
        run = zygote.start(here, stopped=True)
        seen = _injected(run, fault, root / "strace")
        ended = zygote.wait(run)
        injected = seen.read().count("INJECTED")
        was_met = injected > 0 or ended.was_killed
        cut = 0 if ended.was_killed else injected
        judged = Judged(here.judge(farside.of_record(server.record()), is_quiet=False, cut_dots=cut).violations)
        judged += finished(zygote, here, server, [ended], STEP, cut_dots=cut)
        counted = Counter({"faults": int(was_met), f"exit {ended.code} behind {fault.what}": int(was_met)})
        return Met(Told(str(fault), Tried(judged + Judged([], counted), was_met)), was_met)


class Tracer:
    """A strace that is attached."""

    def __init__(self, process: subprocess.Popen[bytes], file: Path) -> None:
        self._process = process
        self._file = file

    def read(self) -> str:
        """All that it traced; it ends with the run."""
        self._process.wait(60)
        return self._file.read_text(encoding="utf-8", errors="replace")


def _injected(run: Run, fault: Fault, file: Path) -> Tracer:
    """Let a run that waits go on into its fault."""
    calls = _ALSO.get(fault.call, fault.call)
    how = ["-e", f"trace={calls}", "-e", f"inject={calls}:{fault.what}:when={fault.nth}"]
    return traced(run, file, how if fault.call in _OF_THE_LOOP else ["-f", *how])


def traced(run: Run, file: Path, how: Sequence[str]) -> Tracer:
    """Attach to a run that waits, and let it go on."""
    assert wait(lambda: _status(run.pid, "State")[:1] in {"T", "t"}), "the run does not wait"
    process = subprocess.Popen(["strace", "-qq", "-o", file, *how, "-p", str(run.pid)], stderr=subprocess.DEVNULL)
    assert wait(lambda: _status(run.pid, "TracerPid") not in {"", "0"} or process.poll() is not None), "strace does not attach"
    os.kill(run.pid, signal.SIGCONT)
    return Tracer(process, file)


def _status(pid: int, field: str) -> str:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name == field:
                return value.strip()
    return ""
