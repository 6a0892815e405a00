"""The manual pages: those that stand in man/ are those that the code makes, man(1) reads them without a word of complaint."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from mailer.config import schema
from tests.installed import REPOSITORY, commands, mailer
from tests.servers.available import require
from tests.test_schema import every

PAGES = {"mailer": REPOSITORY / "man/man1/mailer.1", "mailer.yaml": REPOSITORY / "man/man5/mailer.yaml.5"}


def shown(page: Path) -> str:
    """A page as man(1) shows it, its words divided by single blanks; nothing is complained about."""
    require("man")
    environ = os.environ | {"LC_ALL": "C.UTF-8", "MANWIDTH": "200", "MAN_KEEP_FORMATTING": ""}
    command = ["man", "--warnings", "--no-hyphenation", "--no-justification", "-l", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    assert done.stderr == ""
    return " ".join(done.stdout.split())


@pytest.mark.parametrize("page", PAGES)
def test_the_page_that_is_kept_is_the_one_that_the_command_prints(page, tmp_path):
    said = mailer(tmp_path, "--quiet", "manual", page)
    assert (said.code, said.err) == (0, "")
    assert PAGES[page].read_text(encoding="utf-8") == said.out, "make manual makes it anew"


@pytest.mark.parametrize("page", PAGES)
def test_the_page_s_first_line_has_a_day(page):
    """Of the page and not of today: it must come out the same whenever it is made. mandoc -T lint asks for it."""
    assert re.match(rf'\.TH {page.upper()} [15] "\d{{4}}-\d\d-\d\d" mailer\n', PAGES[page].read_text(encoding="utf-8"))


def test_the_command_s_page_has_every_verb_with_its_options_and_every_exit_code():
    text = shown(PAGES["mailer"])
    for verb, command in commands().items():
        assert f"mailer {verb}" in text
        for parameter in command.params:
            assert parameter.opts[-1] in text or parameter.param_type_name == "argument", f"{verb} {parameter.opts}"
    told = text.split("EXIT STATUS ")[1].split("FILES ")[0]
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8").split("## Exit codes")[1].split("##")[0]
    for code in re.findall(r"\b\d+\b", readme):
        assert re.search(rf"\b{code} [A-Z]", told), code


def test_the_configuration_s_page_has_every_key_with_its_sentence():
    text = shown(PAGES["mailer.yaml"])
    for file in schema.FILES.values():
        for way, key in every(file).items():
            assert " ".join([way[-1], *key.says.split()]) in text, way


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_no_error_for_mandoc_either(page):
    require("mandoc")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGES[page]], capture_output=True, text=True, check=False)
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []  # it changes with its words only
