"""What an empty pass does not pay for: counted by the modules that it imports, never by seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.installed import TIMEOUT, Place, environment

# Each costs 30 to 150 ms to import, and none is needed where nothing is to be written, sent or printed as a table.
DEAR = {"jinja2", "aiosmtplib", "aiosmtpd", "cryptography", "rich", "babel", "tenacity", "pydantic", "mailbox", "holidays"}
LOOK = "import sys; from mailer.cli import main\ntry: main()\nexcept SystemExit: print(' '.join(sys.modules), file=sys.stderr)"


def imported(folder: Path, *words: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *words],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "instance", "pace: none\n")
    place.drop(2)
    assert place.mailer("run").code == 0
    return place


def test_an_empty_pass_imports_nothing_dear(place: Place):
    assert not imported(place.root, "run") & DEAR


def test_an_empty_pass_imports_none_of_the_other_commands(place: Place):
    modules = {name for name in imported(place.root, "run") if name.startswith("mailer.")}
    assert {name for name in modules if name.startswith("mailer.cli.")} == {
        "mailer.cli.send",
        "mailer.cli.ground",
        "mailer.cli.lines",
        "mailer.cli.streams",
    }
    assert not modules & {"mailer.report", "mailer.checks", "mailer.health", "mailer.letter.parsed"}


def test_an_empty_pass_writes_nothing_down(place: Place):
    """Cron starts it every few minutes: a disk must not wear out by it, nor a journal grow."""

    def written() -> dict[str, bytes]:
        files = [path for path in (place.root / "var").rglob("*") if path.is_file() and path.name != "lock"]
        return {str(path): path.read_bytes() for path in files}

    before = written()
    assert place.mailer("run").code == 0
    assert written() == before


def test_a_pass_that_sends_does_import_them(place: Place):
    """So that the test above cannot pass because the names are wrong."""
    place.drop(1, first=9)
    assert {"jinja2", "aiosmtplib", "aiosmtpd", "cryptography"} <= imported(place.root, "run")
