"""
What systemd hears of a worker, by a socket of the test's own: ready, alive while the work comes on, stopping; and silence.

The watchdog's time is short here (a tenth of a second), so that what lasts long in life lasts many of its times: pings are
counted, never timed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
import pytest

from mailer import log
from mailer.notify import Manager, Pulse
from tests.installed import TIMEOUT, Place, Started, at_work, started
from tests.servers.available import wait
from tests.servers.rules import Drip, Hang, Rule
from tests.servers.spawned import SpawnedServer

SOON = "100000"  # microseconds
ALIVE = "WATCHDOG=1"
MANY = 20  # pings: ten times as long as the watchdog waits


class Listener:
    """The service manager's end of the socket."""

    def __init__(self, folder: Path, name: str = "") -> None:
        self.name = name or str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{self.name[1:]}" if self.name.startswith("@") else self.name)
        self._socket.settimeout(TIMEOUT)
        self.heard: list[str] = []

    def next(self) -> str:
        self.heard.append(self._socket.recv(500).decode())
        return self.heard[-1]

    def until(self, state: str) -> None:
        while not self.next().startswith(state):
            pass

    def pings(self, count: int) -> None:
        """Hear so many more."""
        wanted = Counter(self.heard)[ALIVE] + count
        while Counter(self.heard)[ALIVE] < wanted:
            self.next()

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long; what came before is not counted."""
        self._socket.setblocking(False)
        try:
            while self._socket.recv(500):
                pass
        except BlockingIOError:
            pass
        self._socket.settimeout(seconds)
        try:
            self.next()
        except TimeoutError:
            return True
        finally:
            self._socket.settimeout(TIMEOUT)
        return False

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path)
    yield made
    made.close()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "here", "pace: none\napproval: none\n")


@contextmanager
def watched(place: Place, listener: Listener, **environ: str) -> Iterator[Started]:
    """`mailer work` as systemd starts it with a watchdog, once it has said that it is ready."""
    with started(place.root, "work", **({"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": SOON} | environ)) as worker:
        listener.until("READY=1")
        yield worker


def until(worker: Started, words: str) -> None:
    """Read its log up to these words."""
    while words not in (line := worker.hint()):
        assert line, f"it has ended, and did not say «{words}»"


# -- alive


def test_a_worker_is_ready_alive_and_stopping_in_this_order(place, listener):
    with watched(place, listener) as worker:
        listener.pings(3)
        assert worker.end().code == 0
        listener.until("STOPPING=1")
    states = [heard for heard in listener.heard if not heard.startswith(("STATUS=", ALIVE))]
    assert states == ["READY=1", "STOPPING=1"]
    assert listener.heard[0] == "READY=1"


def test_it_is_alive_while_it_waits_for_the_answer_to_a_dot(place, listener, tmp_path):
    with SpawnedServer(tmp_path / "far-side", [Rule("dot", Hang())]) as server:
        place.relay(server.port)
        place.drop(3)
        with watched(place, listener):
            server.wait_for("dot")
            listener.pings(MANY)
            assert place.letters("sending") == 3


def test_it_is_alive_while_another_program_holds_the_ledger(place, listener, tmp_path):
    with SpawnedServer(tmp_path / "far-side", [Rule("dot", Drip("250 2.0.0 taken", seconds=0.05))]) as server:
        place.relay(server.port)
        place.drop(1)
        with watched(place, listener) as worker:
            server.wait_for("dot")
            other = apsw.Connection(str(place.root / "var/ledger.db"))
            other.set_busy_timeout(10_000)
            other.execute("BEGIN IMMEDIATE")
            assert wait(lambda: len(server.taken()) == 1)
            listener.pings(MANY)
            other.close()
            assert wait(lambda: place.letters("accepted") == 1)
            assert worker.end().code == 0


def test_it_is_alive_while_a_long_file_is_taken_in(place, listener, tmp_path):
    """Its rows are read in the very thread that feeds the watchdog."""
    with SpawnedServer(tmp_path / "far-side", [Rule("connect", Hang())]) as server:
        place.relay(server.port)
        with watched(place, listener):
            place.drop(20_000)
            listener.until("STATUS=at work; 0 letters carried and 20000 rows read")
    first = next(n for n, heard in enumerate(listener.heard) if "rows read" in heard and " 0 rows" not in heard)
    assert "20000 rows" not in listener.heard[first]
    assert Counter(listener.heard[first:])[ALIVE] >= 3


def test_it_is_alive_while_it_waits_for_its_configuration_to_be_mended_and_says_that_it_does(place, listener):
    main = place.root / "config/mailer.yaml"
    with watched(place, listener) as worker:
        main.write_text("relai: {}\n", encoding="utf-8")
        listener.until("RELOADING=1\nMONOTONIC_USEC=")
        listener.until("READY=1")
        listener.until("STATUS=the configuration has problems")
        listener.pings(MANY)
        main.write_text("", encoding="utf-8")
        listener.until("READY=1")
        assert worker.end().code == 0


def test_a_process_that_is_stopped_is_silent_and_goes_on_where_it_was(place, listener):
    with watched(place, listener) as worker:
        listener.pings(3)
        worker.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, worker.process.pid, os.WSTOPPED | os.WNOWAIT)
        assert listener.is_silent(1)  # ten times as long as the watchdog waits
        worker.process.send_signal(signal.SIGCONT)
        listener.pings(3)
        assert worker.end().code == 0


# -- stuck


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def manager(listener: Listener) -> Manager:
    return Manager({"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": SOON, "WATCHDOG_PID": str(os.getpid())})


async def turned(listener: Listener, is_so: Callable[[], bool]) -> None:
    """Let the event loop turn until it is so."""
    while not is_so():
        await asyncio.sleep(0)
        await asyncio.to_thread(listener.next)


async def test_an_event_loop_that_does_not_turn_feeds_nobody(listener):
    pulse = Pulse(manager(listener), log.Watch())
    pulse.begin()
    await turned(listener, lambda: Counter(listener.heard)[ALIVE] >= 2)
    assert listener.is_silent(1)  # the loop is stuck here, for ten times as long as the watchdog waits
    await turned(listener, lambda: Counter(listener.heard)[ALIVE] >= 4)
    pulse.end()


async def test_work_that_comes_on_feeds_the_watchdog_though_the_event_loop_does_not_turn(listener):
    clock = Clock()
    pulse = Pulse(manager(listener), log.Watch(), now=clock)
    for come_on in (lambda: pulse.rows(500), pulse.letter, pulse.turn):
        come_on()  # the last ping is not half of the time ago
        clock.now += 0.06
        come_on()
        listener.pings(1)
    assert listener.heard == [ALIVE] * 3
    assert listener.is_silent(0.01)


async def test_a_loop_in_which_nothing_comes_on_for_longer_than_any_wait_is_left_to_the_watchdog(listener, caplog):
    clock = Clock()
    pulse = Pulse(manager(listener), log.Watch(), longest_wait=100, now=clock)
    pulse.begin()
    await turned(listener, lambda: Counter(listener.heard)[ALIVE] >= 2)
    clock.now += 101
    assert await asyncio.to_thread(listener.is_silent, 1)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["nothing has come on for 101 s"]
    pulse.turn()
    await turned(listener, lambda: Counter(listener.heard)[ALIVE] >= 4)
    pulse.end()


def test_a_worker_that_the_watchdog_ends_says_where_it_was_stuck_and_nothing_of_anybody(place, listener, tmp_path):
    with SpawnedServer(tmp_path / "far-side", [Rule("dot", Hang())]) as server:
        place.relay(server.port)
        place.drop(1)
        with watched(place, listener) as worker:
            server.wait_for("dot")
            ended = worker.end(signal.SIGABRT)
    assert ended.code == -signal.SIGABRT
    assert 'mailer/worker.py", line ' in ended.err or 'asyncio/base_events.py", line ' in ended.err
    assert "person" not in ended.err.casefold()


# -- whom to tell


@pytest.mark.parametrize("kind", ["a path", "an abstract name"])
def test_both_kinds_of_sockets_are_told(kind, tmp_path):
    listener = Listener(tmp_path, f"@mailer-test-{os.getpid()}" if kind == "an abstract name" else "")
    try:
        Manager({"NOTIFY_SOCKET": listener.name}).ready()
        assert listener.next() == "READY=1"
    finally:
        listener.close()


def test_no_child_finds_whom_to_tell(listener):
    """Whatever the worker starts could say that it is ready, or alive, in its name."""
    environ = {"NOTIFY_SOCKET": listener.name, "WATCHDOG_USEC": SOON, "WATCHDOG_PID": "1", "PATH": "/bin"}
    assert (Manager(environ).watchdog, environ) == (0, {"PATH": "/bin"})
    program = (
        "import os, sys, subprocess; from mailer.notify import Manager; Manager(os.environ).ready();"
        "subprocess.run([sys.executable, '-c', 'import os; from mailer.notify import Manager; Manager(os.environ).ready()'])"
    )
    subprocess.run([sys.executable, "-c", program], env=os.environ | {"NOTIFY_SOCKET": listener.name}, check=True)
    assert listener.next() == "READY=1"
    assert listener.is_silent(0.01)


@pytest.mark.parametrize("named", ["/nowhere/notify", "@nobody-listens", "vsock:2:1234", "@", "notify", "/" + 200 * "x"])
def test_whoever_cannot_be_told_stops_nobody(named):
    told = Manager({"NOTIFY_SOCKET": named, "WATCHDOG_USEC": SOON})
    for tell in (told.ready, told.reloading, told.alive, told.stopping):
        tell()
    told.status("at work")


def test_a_manager_that_reads_nothing_stops_no_worker(place, listener):
    """Its line of waiting messages is full from the beginning."""
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.setblocking(False)
    with filler:
        try:
            while True:
                filler.sendto(b"full", listener.name)
        except BlockingIOError:
            pass
        place.drop(2)
        with started(place.root, "work", NOTIFY_SOCKET=listener.name) as worker:
            until(worker, "2 taken")
            assert wait(lambda: place.letters("accepted") == 2)
            assert worker.end().code == 0


# -- a stop in the middle of many letters


def test_sigterm_in_the_middle_of_many_letters_and_a_restart_leave_none_in_doubt(place, tmp_path):
    with SpawnedServer(tmp_path / "far-side") as server:
        place.relay(server.port)
        main = place.root / "config/mailer.yaml"
        main.write_text(main.read_text().replace("connections: 1", "connections: 10"))
        place.drop(400)
        for dots in (50, 150):
            (told := tmp_path / str(dots)).mkdir()
            with at_work(place.root, told) as worker:
                server.wait_for("dot", dots)
                assert worker.end().code == 0
            sent = place.letters("accepted")
            assert dots <= sent == len(server.taken()) < 400
            assert sent + place.letters("queued") == 400
        with at_work(place.root, tmp_path) as worker:
            server.wait_for("dot", 400)
            assert worker.end().code == 0
        assert place.letters("accepted") == 400
        got = Counter(taken.message_id for taken in server.taken())
        assert len(got) == 400 and set(got.values()) == {1}
        assert server.record().violations == []
    assert place.mailer("verify").code == 0
