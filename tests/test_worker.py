"""
The pass and the loop as cron and systemd run them: a real process, a real spool, a real server; asked to stop, and killed.

The server is a process of its own and keeps what it took on disk, so that its books outlive whoever is killed. Behind each
kill stands the same oracle: every letter is where its evidence says, none was taken twice, and at most as many are in doubt as
there were connections.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mailer import app, log
from mailer.ledger import Record, Selection
from mailer.ledger.reading import ReadingPart
from mailer.worker import Job
from tests.offices import NOON, at_work, drop, instance
from tests.relays import CC, COPY, TO, settings_for
from tests.servers.available import free_port, wait
from tests.servers.scripted import Drip, Hang, Rule, ScriptedServer, StoreThenHang
from tests.servers.scripted import Reply as Say
from tests.servers.spawned import SpawnedServer
from tests.test_config.instance import Instance

PATIENCE = 60  # seconds; no command here takes so long


def pointed_at(made: Instance, port: int, connections: int = 1, more: str = "", retry: str = "{first: 300, jitter: 0}") -> None:
    """Have the instance send to a port of this machine; a pass does not stay for what is due in a minute."""
    relay = f"{{mode: smtp, host: 127.0.0.1, port: {port}, tls: none, connections: {connections}{more}}}"
    made.write("config/mailer.yaml", f"relay: {relay}\nretry: {retry}\nrun_for: 30\nwhole_after: 0\n")


def command(made: Instance, *words: str) -> list[str]:
    return [sys.executable, "-m", "mailer", "--config", str(made.root / "config/mailer.yaml"), *words]


def mailer(made: Instance, *words: str, code: int = 0) -> str:
    """Run a command to its end; gives what it said."""
    done = subprocess.run(command(made, *words), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@contextmanager
def started(made: Instance, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A command at work; whatever becomes of the test, its process ends with it."""
    with subprocess.Popen(command(made, *words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def records(made: Instance) -> list[Record]:
    reader = ReadingPart(made.root / "var" / "ledger.db")
    try:
        return list(reader.records(Selection()))
    finally:
        reader.close()


def states(made: Instance) -> Counter[str]:
    return Counter(record.state for record in records(made))


def look(made: Instance) -> None:
    """The ledger's own oracle, over the ledger as it lies on disk."""

    async def open_and_look() -> None:
        async with at_work(made) as scene:
            scene.assert_sound()

    asyncio.run(open_and_look())


def assert_nothing_lost_nothing_twice(made: Instance, server: SpawnedServer, doubts: int) -> None:
    """What the far side took and what the ledger says are the same, and nobody got a letter twice."""
    books = server.record()
    assert books.violations == []
    got = Counter((taken.message_id, address) for taken in books.taken for address in taken.recipients)
    assert all(times == 1 for times in got.values())
    found = records(made)
    by_state = {state: {record.message_id for record in found if record.state == state} for state in states(made)}
    accepted, doubtful = by_state.get("accepted", set()), by_state.get("in_doubt", set())
    assert {message_id for message_id, _ in got} <= accepted | doubtful
    assert accepted <= {message_id for message_id, _ in got}
    dots = Counter(dot.message_id for dot in books.dotted)
    assert all(times == 1 for times in dots.values())
    assert doubtful <= set(dots) and len(doubtful) == doubts
    assert len(accepted) + len(doubtful) == len(found)
    mailer(made, "verify")
    look(made)


# -- a pass


def test_a_pass_takes_in_what_lies_there_and_sends_it_and_a_second_one_sends_nothing(tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 3)
    odd = made.write("var/queue/incoming/4.csv", "Name,Email\nJane,jane@private.example\n,nobody@private.example\nJoe,joe@\n")
    os.utime(odd, (NOON, NOON))
    with SpawnedServer(tmp_path / "server") as server:
        pointed_at(made, server.port, connections=2)
        said = mailer(made, "run")
        assert "3 rows, 3 taken" in said and "3 rows, 1 taken, 0 known, 2 rejected" in said and "4 accepted" in said
        assert states(made) == {"accepted": 4}
        assert {file.name for file in (made.root / "var/queue/done").iterdir()} == {"1.csv", "4.csv", "4.rejected.csv"}
        assert "No letter was sent" in mailer(made, "run")
        # The same file again is known, every row of it.
        drop(made, 3)
        assert "3 rows, 0 taken, 3 known" in mailer(made, "run")
        assert_nothing_lost_nothing_twice(made, server, doubts=0)
        assert {taken.recipients for taken in server.taken()} == {(TO, CC, COPY)}


@pytest.mark.parametrize("words, sent, left", [(["--limit", "2"], 2, 3), (["--intake-only"], 0, 5), (["--send-only"], 0, 0)])
def test_a_pass_does_what_it_is_asked_and_no_more(words: list[str], sent: int, left: int, tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 5)
    with SpawnedServer(tmp_path / "server") as server:
        pointed_at(made, server.port)
        mailer(made, "run", *words)
        assert len(server.taken()) == sent and states(made)["queued"] == left


def test_a_pass_stays_for_what_is_due_soon(tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 2)
    with SpawnedServer(tmp_path / "server", [Rule("dot", Say("451 4.3.0 later"), nth=1)]) as server:
        pointed_at(made, server.port, retry="{first: 1, jitter: 0}")
        mailer(made, "run")
        assert states(made) == {"accepted": 2} and len(server.taken()) == 2


@pytest.mark.parametrize(
    "script, offers, code, told",
    [
        (Rule("connect", Say("421 4.3.2 busy")), [], 75, "421"),
        (Rule("noop", Say("250")), ["--user=user:secret"], 69, "535"),
    ],
    ids=["a relay that is busy", "an account that is refused"],
)
def test_a_relay_that_cannot_be_used_is_told_by_the_exit_code(
    script: Rule, offers: list[str], code: int, told: str, tmp_path: Path
) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 5)
    made.write("password", "guess\n").chmod(0o600)
    with SpawnedServer(tmp_path / "server", [script], options=offers) as server:
        pointed_at(made, server.port, more=f", username: user, password_file: {made.root}/password" if offers else "")
        assert told in mailer(made, "run", code=code)
        assert {(record.state, record.tries) for record in records(made)} == {("queued", 0)}


def test_an_address_that_passes_of_cron_find_gone_is_held_and_told_until_a_person_releases_it(tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 10)
    script = [Rule("rcpt", Say("550 5.1.1 no such user"), recipient=TO, nth=nth) for nth in range(1, 5)]
    with SpawnedServer(tmp_path / "server", script) as server:
        pointed_at(made, server.port)
        mailer(made, "run")
        assert states(made) == {"refused": 3, "queued": 7}
        mailer(made, "run")
        assert states(made) == {"refused": 4, "held": 6}
        assert f"the address {TO} was refused 4 times in a row" in mailer(made, "health", code=1)
        assert "address refused: three letters in a row" in mailer(made, "status")
        assert "their address was refused" in mailer(made, "run", code=69)
        mailer(made, "release", "--campaign", "c", "--target", "court", "--why", "it is right")
        mailer(made, "run")
        assert states(made) == {"refused": 4, "accepted": 6}
        mailer(made, "health")
    look(made)


def test_a_row_of_the_operators_own_is_what_a_pass_judges_by(tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 1)
    with SpawnedServer(tmp_path / "server", [Rule("dot", Say("554 5.7.1 come back later"))]) as server:
        pointed_at(made, server.port)
        row = "{stage: dot, code: 554, pattern: later, class: deferred, scope: letter, reason: the relay is moody}"
        with (made.root / "config/mailer.yaml").open("a") as file:
            file.write(f"replies: [{row}]\n")
        mailer(made, "run")
    assert [(record.state, record.reason) for record in records(made)] == [("deferred", "the relay is moody")]


def test_a_relay_that_is_not_there_leaves_everything_due(tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 5)
    pointed_at(made, free_port(), connections=3)
    mailer(made, "run", code=75)
    assert {(record.state, record.tries) for record in records(made)} == {("queued", 0)}
    look(made)


def test_a_pass_beside_one_at_work_says_so_and_does_nothing(tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 2)
    with SpawnedServer(tmp_path / "server", [Rule("dot", Hang(), nth=1)]) as server:
        pointed_at(made, server.port)
        with started(made, "run") as first:
            server.wait_for("dot")
            assert "Another mailer is at work" in mailer(made, "run")
            assert states(made) == {"sending": 2}
            first.kill()
        mailer(made, "run")
        assert states(made) == {"in_doubt": 1, "accepted": 1}


# -- the loop, and a clean stop


def test_the_loop_takes_what_is_dropped_while_it_runs_and_leaves_at_once_when_it_is_asked(tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    with SpawnedServer(tmp_path / "server") as server:
        pointed_at(made, server.port, connections=2)
        with started(made, "work") as loop:
            for first in (1, 100):
                drop(made, 3, first=first)
                server.wait_for("dot", 3 if first == 1 else 6)
            loop.send_signal(signal.SIGTERM)
            said, _ = loop.communicate(timeout=PATIENCE)
            assert loop.returncode == 0, said
        assert_nothing_lost_nothing_twice(made, server, doubts=0)
        assert states(made) == {"accepted": 6} and server.record().seen["quit"] >= 1


@pytest.mark.parametrize("words, number", [(["work"], signal.SIGTERM), (["run"], signal.SIGINT), (["run"], signal.SIGHUP)])
def test_a_signal_in_the_dot_wait_finishes_the_letters_in_hand(
    words: list[str], number: signal.Signals, tmp_path: Path
) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 20)
    script = [Rule("dot", Drip("250 2.0.0 taken, after some thought", seconds=0.02), nth=nth) for nth in (3, 4)]
    with SpawnedServer(tmp_path / "server", script) as server:
        pointed_at(made, server.port, connections=2)
        with started(made, *words) as process:
            server.wait_for("dot", 4)
            process.send_signal(number)
            said, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, said
        found = states(made)
        assert found["in_doubt"] == found["sending"] == 0
        assert found == {"accepted": 4, "queued": 16} and len(server.taken()) == 4
        look(made)


def test_a_pass_that_is_to_outlive_its_terminal_does_so(tmp_path: Path) -> None:
    """nohup(1) has it ignore SIGHUP."""
    made = instance(tmp_path / "instance")
    drop(made, 5)
    with SpawnedServer(tmp_path / "server", [Rule("dot", Drip("250 2.0.0 taken", seconds=0.02), nth=1)]) as server:
        pointed_at(made, server.port)
        with subprocess.Popen(
            ["nohup", *command(made, "run")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            server.wait_for("dot")
            process.send_signal(signal.SIGHUP)
            assert process.wait(PATIENCE) == 0
        assert states(made) == {"accepted": 5}


def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 3)
    with SpawnedServer(tmp_path / "server", [Rule("dot", Drip("250 2.0.0 taken", seconds=0.02))]) as server:
        pointed_at(made, server.port)
        with started(made, "work") as process:
            server.wait_for("dot")
            for _ in range(5):
                process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=PATIENCE)
            assert process.returncode == 0, said
        assert states(made) == {"accepted": 1, "queued": 2}
        look(made)


# -- killed


@pytest.mark.parametrize(
    "nth, hang",
    [(1, StoreThenHang()), (4, Hang()), (4, StoreThenHang()), (8, Hang())],
    ids=["the first, taken", "one in the middle, not taken", "one in the middle, taken", "the last, not taken"],
)
def test_a_kill_in_the_dot_wait_leaves_exactly_that_letter_in_doubt(nth: int, hang: Hang, tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 8)
    with SpawnedServer(tmp_path / "server", [Rule("dot", hang, nth=nth)]) as server:
        pointed_at(made, server.port)
        with started(made, "run") as process:
            server.wait_for("dot", nth)
            process.kill()
            process.communicate()
        assert "in doubt" in mailer(made, "run")
        (doubtful,) = (record for record in records(made) if record.state == "in_doubt")
        assert doubtful.message_id == server.record().dotted[nth - 1].message_id
        assert_nothing_lost_nothing_twice(made, server, doubts=1)


def test_a_kill_with_several_connections_in_the_dot_wait_leaves_as_many_doubts_and_no_more(tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 20)
    with SpawnedServer(tmp_path / "server", [Rule("dot", StoreThenHang(), nth=nth) for nth in (5, 6, 7)]) as server:
        pointed_at(made, server.port, connections=3)
        with started(made, "run") as process:
            server.wait_for("dot", 7)
            process.kill()
            process.communicate()
        mailer(made, "run")
        # They stay so: no later run sends them again.
        assert "No letter was sent" in mailer(made, "run")
        assert_nothing_lost_nothing_twice(made, server, doubts=3)


@pytest.mark.parametrize("verb", ["connect", "rcpt", "data"])
def test_a_kill_before_the_dot_leaves_no_doubt_and_each_letter_goes_once(verb: str, tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 5)
    nth = 1 if verb == "connect" else 3
    with SpawnedServer(tmp_path / "server", [Rule(verb, Hang(), nth=nth)]) as server:  # type: ignore[arg-type]
        pointed_at(made, server.port)
        with started(made, "run") as process:
            server.wait_for(verb, nth)
            process.kill()
            process.communicate()
        assert states(made)["sending"] >= 1
        said = mailer(made, "run")
        assert "not sent by it, and queued again" in said
        assert states(made) == {"accepted": 5}
        assert_nothing_lost_nothing_twice(made, server, doubts=0)


def test_a_kill_while_a_file_is_taken_in_loses_no_row_and_doubles_none(tmp_path: Path) -> None:
    made = instance(tmp_path / "instance")
    drop(made, 4_000)
    pointed_at(made, free_port())
    ledger = made.root / "var/ledger.db"

    def some() -> bool:
        return ledger.exists() and (made.root / "var/queue/claimed").exists() and count(made) > 0

    with started(made, "run", "--intake-only") as process:
        assert wait(some)
        process.kill()
        process.communicate()
    assert 0 < count(made) < 4_000
    assert "4000 rows, 4000 taken" in mailer(made, "run", "--intake-only")
    assert states(made) == {"queued": 4_000} and [file.name for file in (made.root / "var/queue/done").iterdir()] == ["1.csv"]
    mailer(made, "verify")


def count(made: Instance) -> int:
    try:
        return len(records(made))
    except Exception:  # noqa: BLE001  the tables are just being made
        return 0


async def test_a_change_that_comes_while_everything_is_read_is_seen(tmp_path: Path) -> None:
    """The configuration is read, then the ledger is opened, then the work begins: a template saved in between is not sent."""
    made = instance(tmp_path)
    drop(made, 1)
    loaded = made.load()
    async with app.opened(loaded, create=True) as office:
        made.write("templates/c/en/letter.txt.j2", "Other words, which nobody has approved.\n")
        worker = await app.worker_of(office, log.Watch(), lambda: True)
        summary = await worker.run(Job())
        assert summary.is_stale
        assert not summary.states


class Meddler(log.Watch):
    """Somebody corrects the configuration while a long file is being taken in."""

    def __init__(self, made: Instance) -> None:
        self._made = made

    def rows(self, count: int) -> None:
        self._made.write("templates/c/en/letter.txt.j2", "The right words.\n")


async def test_a_change_while_a_file_is_taken_in_comes_before_its_first_letter(tmp_path: Path) -> None:
    made = instance(tmp_path)
    drop(made, 3)
    async with app.opened(made.load(), create=True) as office, ScriptedServer() as server:
        office = replace(office, configuration=replace(office.configuration, relay=settings_for(server)))
        worker = await app.worker_of(office, Meddler(made), lambda: True)
        summary = await worker.run(Job())
        assert summary.is_stale
        assert [file.count.taken for file in summary.files] == [3]
        assert server.seen["mail"] == 0


def test_each_time_that_letters_go_out_is_told_before_the_first_of_them(tmp_path: Path) -> None:
    """An older copy of the ledger, from between two of them, is then behind the mark."""
    made = instance(tmp_path)
    drop(made, 1)
    with SpawnedServer(tmp_path / "far-side", [Rule("dot", Say("451 4.3.0 later"), nth=1)]) as server:
        pointed_at(made, server.port, retry="{first: 1, max: 1, jitter: 0}")
        mailer(made, "run")
        assert len(server.taken()) == 1
    lines = [json.loads(line) for line in (made.root / "var/journal.jsonl").read_text().splitlines()]
    told = [line["event"] if line["event"] != "letter" else line["to"] for line in lines]
    assert told == ["file", "sending", "deferred", "sending", "accepted"]
