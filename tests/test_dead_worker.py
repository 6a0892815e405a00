"""A worker died with letters in its hands, and no run has followed: whoever asks hears of them, and what puts them right."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer.instance import Lock
from tests.installed import Place, started
from tests.servers.rules import Rule, StoreThenHang
from tests.servers.spawned import SpawnedServer


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """An instance with a letter behind its dot mark and others claimed; whose worker is alive for as long as a test likes."""
    place = Place(tmp_path / "here", "pace: none\napproval: none\n")
    with SpawnedServer(tmp_path / "far-side", [Rule("dot", StoreThenHang())]) as server:
        place.relay(server.port)
        place.drop(3)
        with started(place.root, "run") as worker:
            server.wait_for("dot", 1)
            beside = place.mailer("health")
            assert (beside.code, beside.out) == (0, "mailer: all is well\n")
            worker.process.kill()
            worker.process.communicate()
            yield place


def test_health_speaks_of_letters_in_a_dead_workers_hands(place):
    said = place.mailer("health")
    left = "3 letters were in a dead worker's hands, 1 of them may be in doubt: mailer run puts them right"
    assert (said.code, said.out) == (1, f"mailer: {left}\n")
    place.mailer("run", "--intake-only")
    assert "1 letter in doubt: mailer log --state in_doubt" in place.mailer("health").out
    assert "dead worker" not in place.mailer("health").out


def test_an_order_about_a_letter_in_a_dead_workers_hands_says_that_a_run_comes_first(place):
    said = place.mailer("cancel", "1", "--why", "wrong text")
    assert (said.code, said.out) == (0, "0 letters: cancelled.\n")
    assert said.err == "1 letter left alone, in the hands of a worker that died: mailer run first, then give the order again.\n"
    place.mailer("run", "--intake-only")
    assert place.mailer("cancel", "1", "--why", "wrong text").out == "1 letter: cancelled.\n"


def test_health_speaks_of_a_file_that_a_dead_worker_had_claimed(tmp_path):
    place = Place(tmp_path, "pace: none\n")
    place.drop(1)
    assert place.mailer("run").code == 0
    (place.root / "var/queue/claimed/01J8ZK3S4T5V6W7X8Y9Z0A1B2C._.list.csv").write_text("name,email\n")
    said = place.mailer("health")
    left = "1 file left in the middle of being taken in: mailer run finishes that"
    assert (said.code, said.out) == (1, f"mailer: {left}\n")
    with Lock(place.root / "var/lock") as lock:
        assert lock.acquire()
        assert place.mailer("health").code == 0


def test_health_speaks_of_a_worker_that_stands_still(tmp_path):
    """Stopped in its tracks (SIGSTOP, a bug): each later pass finds the lock taken, and leaves in peace."""
    place = Place(tmp_path, "pace: none\n")
    assert place.mailer("run").code == 0
    path = place.root / "var/lock"
    with Lock(path) as lock:
        assert lock.acquire()
        assert place.mailer("health").code == 0
        os.utime(path, (path.stat().st_mtime - 2 * 3600,) * 2)
        said = place.mailer("health")
        assert said.code == 1 and "has not come on for 2 h" in said.out
        lock.come_on()
        assert place.mailer("health").code == 0
    os.utime(path, (path.stat().st_mtime - 2 * 3600,) * 2)
    assert place.mailer("health").code == 0
