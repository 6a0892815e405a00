"""The wheel, installed where no checkout is: it brings its templates, configuration, samples and tables, and works."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.installed import REPOSITORY, TIMEOUT, environment


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command: list[str | Path] = [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, REPOSITORY]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel unpacked into it; what mailer needs comes from the one that runs the tests."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False)
    packages = next(folder.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # A path file that adds packages behind our own; the editable checkout's own path file is not followed from there.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin/python"


def run(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [python, "-m", "mailer", *words]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False)


def test_the_wheel_holds_what_an_instance_is_made_from(wheel: Path):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("templates", "config", "samples"):
        here = {f"mailer/bundle/{path.relative_to(REPOSITORY)}" for path in (REPOSITORY / folder).rglob("*") if path.is_file()}
        assert here
        assert here <= names
    assert {f"mailer/ledger/sql/{path.name}" for path in (REPOSITORY / "mailer/ledger/sql").iterdir()} <= names
    assert not [name for name in names if name.startswith(("tests", "var", "demo"))]


def test_the_wheel_brings_the_manual_pages_to_where_man_looks(wheel: Path):
    """Where pip or pipx install it, share/man lies beside bin/, and man(1) finds it by the PATH."""
    with zipfile.ZipFile(wheel) as archive:
        for page in ("man1/mailer.1", "man5/mailer.yaml.5"):
            (kept,) = [name for name in archive.namelist() if name.endswith(f".data/data/share/man/{page}")]
            assert archive.read(kept) == (REPOSITORY / "man" / page).read_bytes()


def test_the_wheel_brings_the_command(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (points,) = [name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt")]
        assert "mailer = mailer.cli:main" in archive.read(points).decode()


def test_the_code_that_runs_is_the_wheel_s(installed: Path, tmp_path: Path):
    where = subprocess.run(
        [installed, "-c", "import mailer; print(mailer.__file__)"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(where.stdout.strip()).is_relative_to(installed.parents[1])


def test_init_makes_an_instance_that_checks_well(installed: Path, tmp_path: Path):
    assert run(installed, tmp_path, "init", "mine").returncode == 0
    for name in ("config/mailer.yaml", "config/campaigns/kazakhstan.yaml", "config/embassies.yaml", "var/queue/incoming"):
        assert (tmp_path / "mine" / name).exists(), name
    assert run(installed, tmp_path / "mine", "check").returncode == 0
    assert run(installed, tmp_path, "init", "mine").returncode == 64


def test_the_demonstration_runs_from_it_and_a_second_time_sends_nothing(installed: Path, tmp_path: Path):
    first = run(installed, tmp_path, "demo")
    assert first.returncode == 0, first.stderr
    letters = len(list((tmp_path / "demo/var/sandbox/new").iterdir()))
    assert letters == 94
    second = run(installed, tmp_path, "demo")
    assert "No letter was sent." in second.stdout
    assert len(list((tmp_path / "demo/var/sandbox/new").iterdir())) == letters
