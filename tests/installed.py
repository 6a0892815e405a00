"""
The installed command, started as people start it: in an instance's folder, by its name, its words and its exit code read.

    here = Place(tmp_path, "approval: none\n")
    here.drop(3)
    assert here.mailer("run").code == 0

Nothing of the program is imported into the test for it: what counts is what a terminal, cron or a script would see.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import apsw
import click

from mailer.instance import file_of, place_of
from tests.test_config.instance import Instance

REPOSITORY = Path(__file__).resolve().parents[1]
COMMAND = Path(sys.executable).with_name("mailer")
TIMEOUT = 120  # seconds that no command ever needs
COURT = "court: {name: Court, form_of_address: Dear Madam Chair, to: head@court.example}"
LETTER = "{{ target.form_of_address }},\n\nDrop the charges.\n\n{{ signature.name }}\n"
_COMPILED = tempfile.TemporaryDirectory(prefix="mailer-compiled-")
LONG_AGO = 1_300_000_000  # a file that was last changed then is whole


@dataclass(frozen=True)
class Said:
    """What one command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """The JSON objects of its lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**more: str) -> dict[str, str]:
    """Ours, without what would lead a command to another instance."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MAILER_") and name != "COLUMNS"}
    if ours.pop("PYTHONDONTWRITEBYTECODE", ""):  # a command is started so often here that it must not be compiled each time
        ours["PYTHONPYCACHEPREFIX"] = _COMPILED.name
    ours["PATH"] = os.pathsep.join([str(COMMAND.parent), ours.get("PATH", os.defpath)])  # hints say `mailer`, not where it is
    return ours | more


def mailer(folder: Path, *words: str | Path, **environ: str) -> Said:
    """Run the command in a folder, without a terminal."""
    done = subprocess.run(
        [COMMAND, *words],
        cwd=folder,
        env=environment(**environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


class Place(Instance):
    """An instance of one campaign `c` with the target `court`, and the command run in it."""

    def __init__(self, root: Path, campaign: str = "", main: str = "") -> None:
        super().__init__(root)
        self.write("config/mailer.yaml", f"{main}\nwhole_after: 0\n")
        self.campaign(f"consent: assumed\n{campaign}" + ("" if "targets:" in campaign else f"targets: {{{COURT}}}\n"))
        self.write("templates/c/en/subject.txt.j2", "Letter of {{ signature.name }}\n")
        self.write(
            "templates/c/en/letter.txt.j2", "{{ target.form_of_address }},\n\nDrop the charges.\n\n{{ signature.name }}\n"
        )

    def mailer(self, *words: str | Path, **environ: str) -> Said:
        return mailer(self.root, *words, **environ)

    def python(self, program: str, *words: str) -> Said:
        """Run a program of a few lines as if it were the command, with these words."""
        run = [sys.executable, "-c", program, *words]
        done = subprocess.run(
            run, cwd=self.root, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def relay(self, port: int, more: str = "") -> None:
        """From now on letters go to a server on this machine. A pass ends at once, and waits for nothing."""
        relay = f"mode: smtp, host: 127.0.0.1, port: {port}, tls: none, connections: 1{more}"
        self.write("config/mailer.yaml", f"relay: {{{relay}}}\nrun_for: 1\nwhole_after: 0\n")

    def drop(self, count: int = 1, name: str = "signatures.csv", first: int = 1) -> Path:
        """A whole file of so many signatures lies in the incoming folder."""
        people = range(first, first + count)
        rows = [f"Person {number},person.{number}@example.org,IE" for number in people]
        return self.put(name, "\n".join(["name,email,country", *rows, ""]))

    def put(self, name: str, content: str | bytes) -> Path:
        """A file comes to lie in the incoming folder at once, old enough to be taken, whoever is at work there."""
        written = self.write(f"dropped-{name}", content)
        os.utime(written, (LONG_AGO, LONG_AGO))
        path = self.root / "var/queue/incoming" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return written.replace(path)

    def sandboxed(self) -> int:
        """How many messages have gone into the sandbox."""
        return len(list((self.root / "var/sandbox/new").iterdir()))

    def letters(self, state: str) -> int:
        """How many letters of the campaign stand in a state."""
        count = self.mailer("status", "--json").json["campaigns"]["c"]["letters"].get(state, 0)
        assert isinstance(count, int)
        return count


def that_has_sent(count: int, root: Path, campaign: str = "pace: none\n", name: str = "signatures.csv") -> Place:
    """An instance that has sent so many letters, in the sandbox."""
    made = Place(root, campaign)
    made.drop(count, name)
    assert made.mailer("run").code == 0
    return made


def copied(of: Path, root: Path) -> Path:
    """An instance once more, which does not know that it is a copy: it goes on where the first one stood."""
    shutil.copytree(of, root, dirs_exist_ok=True)
    # What was read is kept for late writers by its inode, and a copy has others: each would be taken in again.
    shutil.rmtree(root / "var/queue/claimed/.read", ignore_errors=True)
    ledger = root / "var/ledger.db"
    with apsw.Connection(str(ledger)) as db:
        db.execute("UPDATE install SET value = ? WHERE name = 'place'", (place_of(ledger),))
        db.execute("UPDATE install SET value = ? WHERE name = 'mark'", (file_of(next((root / "var/high-water").iterdir())),))
    db.close()
    return root


def commands() -> dict[str, click.Command]:
    """Every verb of the command, by its name, as its own help lists them."""
    from mailer.cli import mailer as group

    context = click.Context(group)
    found = {verb: group.get_command(context, verb) for verb in group.list_commands(context)}
    return {verb: command for verb, command in found.items() if command is not None}


class Started:
    """A command that goes on, whose end is asked for."""

    def __init__(self, process: subprocess.Popen[str], notified: socket.socket | None = None) -> None:
        self.process = process
        self._notified = notified

    def told(self) -> str:
        """What it tells systemd next (sd_notify(3)); for one that is `at_work`."""
        assert self._notified is not None
        return self._notified.recv(100).decode()

    def line(self) -> str:
        """Its next line on stdout; empty once it has ended, which it does at the latest when the time is over."""
        return self._next(self.process.stdout)

    def hint(self) -> str:
        """Its next line on stderr."""
        return self._next(self.process.stderr)

    def _next(self, stream: IO[str] | None) -> str:
        assert stream is not None
        too_late = threading.Timer(TIMEOUT, self.process.kill)
        too_late.start()
        try:
            return stream.readline()
        finally:
            too_late.cancel()

    def end(self, by: signal.Signals = signal.SIGTERM) -> Said:
        """Send a signal, and read all that it said."""
        self.process.send_signal(by)
        out, err = self.process.communicate(timeout=TIMEOUT)
        return Said(self.process.returncode, out, err)


@contextmanager
def started(folder: Path, *words: str, **environ: str) -> Iterator[Started]:
    """Start the command; whatever becomes of the test, it does not outlive it."""
    process = subprocess.Popen(
        [COMMAND, *words],
        cwd=folder,
        env=environment(**environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Started(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=TIMEOUT)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


@contextmanager
def at_work(folder: Path, socket_folder: Path, *options: str) -> Iterator[Started]:
    """`mailer work`, once it has said that it is ready, as systemd hears it (sd_notify(3)); options stand before the verb."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        path = str(socket_folder / "notify")
        notified.bind(path)
        notified.settimeout(TIMEOUT)
        with started(folder, *options, "work", NOTIFY_SOCKET=path) as worker:
            worker = Started(worker.process, notified)
            assert worker.told() == "READY=1"
            yield worker


def on_a_terminal(folder: Path, *words: str, columns: int = 80, **environ: str) -> Said:
    """Run the command with two terminals of so many columns, one as its stdout and one as its stderr."""
    ours, its = zip(*(_terminal(columns) for _ in range(2)), strict=True)
    process = subprocess.Popen(
        [COMMAND, *words],
        cwd=folder,
        env=environment(TERM="xterm", **environ),
        stdin=subprocess.DEVNULL,
        stdout=its[0],
        stderr=its[1],
    )
    for end in its:
        os.close(end)
    with ThreadPoolExecutor() as readers:  # each has a small buffer
        out, err = readers.map(_all_of, ours)
    return Said(process.wait(TIMEOUT), out, err)


def typed(folder: Path, *words: str | Path, keys: str, **environ: str) -> Said:
    """Run the command on one terminal, into which a person types; all that it shows is in `out`."""
    ours, its = _terminal(200)
    process = subprocess.Popen(
        [COMMAND, *words], cwd=folder, env=environment(TERM="xterm", **environ), stdin=its, stdout=its, stderr=its,
        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(its, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(its)
    shown = b""
    with contextlib.suppress(OSError):
        for line in keys.splitlines(keepends=True):  # one answer a question: Ctrl-C takes what is typed ahead
            while not shown.rstrip(b" ").endswith(b":"):
                if not (chunk := os.read(ours, 65_536)):
                    break
                shown += chunk
            os.write(ours, line.encode())
            shown += b"\n"
    rest = _all_of(ours)
    return Said(process.wait(TIMEOUT), shown.decode() + rest, "")


def _terminal(columns: int) -> tuple[int, int]:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    return ours, its


def _all_of(terminal: int) -> str:
    """All that a terminal showed until its other side was closed; Linux says that with EIO."""
    shown = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 65_536):
            shown += chunk
    os.close(terminal)
    return shown.decode()


def shown_lines(screen: str) -> Sequence[str]:
    """What a terminal showed, line by line, without what only moves its cursor or colours it."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)
    return [line for part in plain.split("\n") for line in part.split("\r") if line]
