"""The import contracts of pyproject.toml hold, and each of them is seen to fail when it is broken."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONTRACTS = [
    contract["name"]
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
]

# What to write into which module, so that the contract of this name is broken.
BREAKS = {
    "Imports go down only; names on one line are strangers": ("delivery.py", "import mailer.courier"),
    "Nouns do no I/O and read no clock": ("pace.py", "import time"),
    "Only mailer.relay speaks SMTP": ("worker.py", "import aiosmtplib"),
    "Only mailer.ledger knows SQLite": ("report.py", "import apsw"),
    "Only mailer.render knows Jinja2": ("checks.py", "import jinja2"),
    "Only mailer.sheets knows workbooks and old encodings": ("reading.py", "import python_calamine"),
    "Only mailer.seal and mailer.dkim know cryptography": ("intake.py", "import cryptography"),
    "Only mailer.resolver knows dnspython": ("alignment.py", "import dns.resolver"),
    "Only mailer.hours knows the calendars of holidays": ("dispatch.py", "import holidays"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-logo", "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONSAFEPATH": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "mailer", folder / "mailer", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_every_contract_has_a_break_here():
    assert sorted(BREAKS) == sorted(CONTRACTS)


def test_the_code_as_it_stands_keeps_them_all(checkout: Path):
    result = lint(checkout)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_broken_contract_is_found(checkout: Path, name: str):
    module, line = BREAKS[name]
    path = checkout / "mailer" / module
    before = path.read_text(encoding="utf-8")
    path.write_text(before + f"\n{line}\n", encoding="utf-8")
    try:
        result = lint(checkout)
    finally:
        path.write_text(before, encoding="utf-8")
    assert result.returncode == 1
    assert f"{name} BROKEN" in result.stdout


def test_a_module_that_no_layer_names_is_found(checkout: Path):
    stray = checkout / "mailer" / "stray.py"
    stray.write_text('"""A module that the house has no room for."""\n', encoding="utf-8")
    try:
        result = lint(checkout)
    finally:
        stray.unlink()
    assert result.returncode == 1
    assert "stray" in result.stdout
