"""
The crontab line that ships, as cron runs it: passes that overlap, one that is killed, and the next one whole.

cron gives a line to /bin/sh with an environment of its own, and sends what it prints to somebody. So what is printed counts
here as much as what became of the letters.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.installed import COMMAND, REPOSITORY, TIMEOUT, Place
from tests.servers.rules import Reply, Rule, StoreThenHang
from tests.servers.spawned import SpawnedServer

CRONTAB = (REPOSITORY / "config/cron/mailer").read_text(encoding="utf-8")
# Five fields of time, the user, and what /bin/sh gets; a `%` would be a line's end to cron.
PASS, HEALTH = re.findall(r"^[\d*/]+(?: +[\d*/]+){4} +mailer +([^%\n]+)$", CRONTAB, re.MULTILINE)
CONNECTIONS = 3


def environment(place: Place) -> dict[str, str]:
    """What cron sets, and what the crontab sets; the command stands in this checkout, and the instance in its own folder."""
    ours = dict(re.findall(r"^(\w+)=(.*)$", CRONTAB, re.MULTILINE))
    cron = {"HOME": str(place.root), "LOGNAME": "mailer", "SHELL": "/bin/sh"}
    path = f"{COMMAND.parent}:{ours['PATH']}"
    return cron | ours | {"PATH": path, "MAILER_CONFIG": str(place.root / "config/mailer.yaml")}


@contextmanager
def started(place: Place, line: str = PASS) -> Iterator[subprocess.Popen[str]]:
    """A line as cron starts it, in a session of its own; it does not outlive the test."""
    process = subprocess.Popen(
        ["/bin/sh", "-c", line],
        cwd=place.root,
        env=environment(place),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=TIMEOUT)


def mailed(place: Place, line: str = PASS) -> str:
    """What cron would send to somebody."""
    with started(place, line) as process:
        return process.communicate(timeout=TIMEOUT)[0]


def at(place: Place, server: SpawnedServer) -> None:
    place.relay(server.port)
    main = place.root / "config/mailer.yaml"
    main.write_text(main.read_text().replace("connections: 1", f"connections: {CONNECTIONS}"))


def assert_each_went_out_once(place: Place, server: SpawnedServer, letters: int, doubts: int) -> None:
    """As many as there are signatures, nobody's twice, and as many in doubt as were in the hands of who was killed."""
    books = server.record()
    assert books.violations == []
    got = Counter(taken.message_id for taken in books.taken)
    assert set(got.values()) == {1} and len(got) == letters
    assert (place.letters("accepted"), place.letters("in_doubt")) == (letters - doubts, doubts)
    assert place.mailer("verify").code == 0


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "here", "pace: none\napproval: none\n")


def test_two_passes_overlap_one_is_killed_and_the_next_one_is_whole(place, tmp_path):
    """The first hangs at the dot with all its connections, the second has nothing to do, the third does all that is left."""
    place.drop(40)
    hanging = [Rule("dot", StoreThenHang(), nth=nth) for nth in range(10, 10 + CONNECTIONS)]
    with SpawnedServer(tmp_path / "far-side", hanging) as server:
        at(place, server)
        with started(place) as first:
            server.wait_for("dot", 9 + CONNECTIONS)
            place.drop(5, "more.csv", first=100)
            assert mailed(place) == ""
            assert len(server.taken()) == 9 + CONNECTIONS and first.poll() is None
            os.killpg(first.pid, signal.SIGKILL)
        assert mailed(place) == ""
        assert_each_went_out_once(place, server, letters=45, doubts=CONNECTIONS)
        assert mailed(place) == ""
        assert_each_went_out_once(place, server, letters=45, doubts=CONNECTIONS)
    assert f"{CONNECTIONS} letters in doubt" in mailed(place, HEALTH)


def test_passes_that_begin_at_the_same_moment_send_each_letter_once(place, tmp_path):
    place.drop(60)
    with SpawnedServer(tmp_path / "far-side") as server:
        at(place, server)
        with ExitStack() as all_of_them:
            passes = [all_of_them.enter_context(started(place)) for _ in range(5)]
            assert [each.communicate(timeout=TIMEOUT)[0] for each in passes] == [""] * 5
        assert_each_went_out_once(place, server, letters=60, doubts=0)


def test_a_pass_that_is_killed_again_and_again_leaves_the_rest_to_the_next(place, tmp_path):
    """Each is killed at another dot; at most as many letters are in doubt as were at theirs."""
    place.drop(30)
    killed_at = (3, 9, 16)
    with SpawnedServer(tmp_path / "far-side", [Rule("dot", StoreThenHang(), nth=nth) for nth in killed_at]) as server:
        place.relay(server.port)
        for nth in killed_at:
            with started(place) as one:
                server.wait_for("dot", nth)
                os.killpg(one.pid, signal.SIGKILL)
        assert mailed(place) == ""
        assert_each_went_out_once(place, server, letters=30, doubts=len(killed_at))


def test_cron_writes_to_somebody_only_of_what_the_next_pass_does_not_mend(place, tmp_path):
    with SpawnedServer(tmp_path / "far-side", [Rule("connect", Reply("421 4.3.2 not now"))]) as server:
        place.relay(server.port)
        place.drop(1)
        assert (place.mailer("run").code, mailed(place)) == (75, "")
    place.write("config/mailer.yaml", "")
    place.put("Canary Jane jane@example.org.csv", b"\x89PNG\r\n")
    told = mailed(place)
    assert "file 2: set aside whole" in told
    assert "canary" not in told.lower() and "jane" not in told.lower()  # a mail goes anywhere, and is kept
    assert mailed(place) == ""
    place.write("config/mailer.yaml", "relai: {}\n")
    assert "did you mean" in mailed(place)


def test_what_waits_for_a_person_is_told_by_the_line_that_asks_for_health(tmp_path):
    place = Place(tmp_path, "pace: none\n")
    place.drop(1)
    assert (mailed(place), mailed(place, HEALTH)) == ("", "")
    assert place.mailer("pause", "--why", "wrong text").code == 0
    place.drop(1, "more.csv", first=2)
    assert place.mailer("run").code == 69
    assert mailed(place) == ""
    assert "paused" in mailed(place, HEALTH)


def test_a_file_that_is_set_aside_while_something_waits_for_a_person_is_told_by_health(tmp_path):
    """Its pass ends with 69, of which cron says nothing: of the file somebody has to hear all the same."""
    place = Place(tmp_path, "pace: none\n")
    assert place.mailer("pause", "--why", "wrong text").code == 0
    place.drop(1)
    place.put("Jane Doe.csv", b"\x89PNG\r\n")
    assert mailed(place) == ""
    told = mailed(place, HEALTH)
    assert "1 file (1) set aside whole in the last day" in told or "1 file (2) set aside whole in the last day" in told
    assert "Jane" not in told


def test_the_file_is_one_that_cron_reads():
    """Debian's cron takes no file with a dot in its name, nor one whose last line has no end (crontab(5))."""
    assert CRONTAB.endswith("\n")
    written = [line for line in CRONTAB.splitlines() if line and not line.startswith("#") and not re.match(r"\w+=", line)]
    assert len(written) == len((PASS, HEALTH))
    assert [path.name for path in (REPOSITORY / "config/cron").iterdir()] == ["mailer"]
