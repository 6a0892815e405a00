"""
Whoever reads what mailer says may go away, its disk may be full, nobody may listen from the start: the letters go out all the
same, and the exit code says how the pass ended.
"""

import errno
import io
import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from mailer.cli.progress import Bars
from tests.installed import COMMAND, TIMEOUT, Place, environment
from tests.servers.available import wait
from tests.servers.scripted import Drip, Rule
from tests.servers.spawned import SpawnedServer


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(tmp_path / "here", "approval: none\npace: none\n")


def sent(here: Place) -> int:
    folder = here.root / "var/sandbox/new"
    return len(list(folder.iterdir())) if folder.exists() else 0


def shell(here: Place, line: str) -> int:
    """The exit code of the first command of a pipe."""
    script = f'{line.replace("mailer", str(COMMAND))}; exit "${{PIPESTATUS[0]}}"'
    return subprocess.run(["bash", "-c", script], cwd=here.root, env=environment(), timeout=TIMEOUT, check=False).returncode


@pytest.mark.parametrize(
    "line",
    [
        "mailer -v run 2>&1 >/dev/null | true",
        "mailer -v run 2>/dev/full >/dev/null",
        "mailer -v run 2>&- >/dev/null",
        "mailer -v run | true",
        "mailer -v run >/dev/full",
        "mailer -v run >&-",
        "mailer -v run 2>&1 | true",
        "mailer -v run <&- >&- 2>&-",
        "mailer -v --log-format json run 2>/dev/full >/dev/null",
        "mailer -v --log-format json run 2>&1 >/dev/null | true",
        "mailer -v --log-format journal run 2>&- >/dev/null",
    ],
)
@pytest.mark.parametrize("code", [0, 65])
def test_a_pass_does_its_work_whatever_becomes_of_its_words(line, code, here):
    here.drop(2)
    if code:
        here.put("odd.csv", "no heading\nat all\n")
    assert shell(here, line) == code
    assert sent(here) == 2


@pytest.mark.parametrize("ending", ["| true", "2>/dev/full >/dev/null", "<&- >&- 2>&-"])
def test_a_problem_that_cannot_be_told_has_its_exit_code(ending, here):
    here.write("config/mailer.yaml", "nonsense: 1\n")
    assert shell(here, f"mailer run 2>&1 {ending}") == 78
    assert shell(here, f"mailer run --nonsense 2>&1 {ending}") == 64


def test_a_worker_goes_on_when_the_reader_of_its_log_has_gone(here):
    def has_sent(count: int) -> bool:
        return sent(here) == count

    ours, its = os.pipe()
    with subprocess.Popen([COMMAND, "work"], cwd=here.root, env=environment(), stdout=its, stderr=its) as worker:
        try:
            os.close(its)
            os.close(ours)
            for first in (1, 10):
                here.drop(2, f"{first}.csv", first)
                assert wait(partial(has_sent, 2 if first == 1 else 4)) and worker.poll() is None
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(TIMEOUT) == 0
        finally:
            worker.kill()
    assert sent(here) == 4


@pytest.mark.parametrize("is_gone", [False, True], ids=["while a letter is out", "from the start"])
def test_a_terminal_that_goes_away_takes_nothing_from_a_pass(is_gone, here, tmp_path):
    with SpawnedServer(tmp_path / "server", [Rule("dot", Drip("250 2.0.0 taken", seconds=0.02), nth=1)]) as server:
        here.relay(server.port)
        here.drop(3)
        ours, its = os.openpty()
        with subprocess.Popen([COMMAND, "run"], cwd=here.root, env=environment(TERM="xterm"), stdout=its, stderr=its) as run:
            try:
                os.close(its)
                if not is_gone:
                    server.wait_for("dot")
                os.close(ours)
                assert run.wait(TIMEOUT) == 0
            finally:
                run.kill()
        assert len(server.taken()) == 3


def test_bars_on_a_terminal_that_is_gone_are_not_drawn(monkeypatch):
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EIO, "Input/output error")

        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stderr", Gone())
    monkeypatch.setenv("TERM", "xterm")
    with Bars() as bars:
        bars.rows(1)
        bars.letters(3)
        bars.letters(2)
        bars.letter()
        bars.waiting(5)
