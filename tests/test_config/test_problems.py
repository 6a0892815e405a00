"""
What is wrong with a configuration, and how it is told.

The bad ones stand as data in tests/data/config/*.cases: a title, a snippet, and each problem that it must bring, no
more and no less. A campaign's snippet is completed by the required keys that it leaves out; they stand behind it, so
that its lines keep their numbers.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_config.instance import EMBASSY, REQUIRED

CASES = Path(__file__).parent.parent / "data" / "config"


def cases(name):
    blocks = re.split(r"^## ", (CASES / f"{name}.cases").read_text(), flags=re.MULTILINE)[1:]
    found = []
    for block in blocks:
        title, _, rest = block.rstrip("\n").partition("\n")
        lines = rest.split("\n")
        snippet = "".join(f"{line}\n" for line in lines if not line.startswith("=> "))
        found.append(pytest.param(snippet, [line[3:] for line in lines if line.startswith("=> ")], id=title))
    return found


@pytest.mark.parametrize(("snippet", "expected"), [*cases("mailer"), *cases("yaml")])
def test_problems_of_the_main_file(instance, snippet, expected):
    instance.write("config/mailer.yaml", snippet)
    assert instance.problems() == expected


@pytest.mark.parametrize(("snippet", "expected"), [*cases("campaign"), *cases("targets")])
def test_problems_of_a_campaign(instance, snippet, expected):
    instance.campaign(snippet)
    assert [problem.replace(str(instance.root), "ROOT") for problem in instance.problems()] == expected


@pytest.mark.parametrize(("snippet", "expected"), cases("directory"))
def test_problems_of_a_directory(instance, snippet, expected):
    instance.campaign(EMBASSY)
    instance.write("config/embassies.yaml", snippet)
    assert instance.problems() == expected


@pytest.mark.parametrize("id", ["relay", "ledger", "clock", "all"])
def test_a_campaign_is_not_called_what_pause_and_resume_call_something_else(instance, id):
    instance.write(f"config/campaigns/{id}.yaml", REQUIRED.replace("id: c", f"id: {id}"))
    for name in ("subject.txt.j2", "letter.txt.j2"):
        instance.write(f"templates/{id}/en/{name}", "text")
    said = f"`{id}` means something else to mailer pause and mailer resume; call it, its file and its templates otherwise"
    assert instance.problems() == [f"config/campaigns/{id}.yaml:1: id: {said}"]


def test_all_problems_of_all_files_come_at_once_by_file_and_line(instance):
    instance.write("config/mailer.yaml", "relay:\n  mode: smtp\n  prot: 587\nrun_for: -1\n")
    instance.campaign(EMBASSY + "languages: {default: en, available: [en, ru]}\ncopy_to: nobody\n")
    instance.write("config/campaigns/broken.yaml", "id: broken\ntitle: a: b\n")
    instance.write("config/campaigns/other.yml", "id: other\n")
    instance.write("config/embassies.yaml", "- {country: Austria}\n")
    assert [problem.split(": ")[:2] for problem in instance.problems()] == [
        [
            "config/campaigns/broken.yaml:2",
            "a `:` stands where none can; put quotes around the text, and check the indentation",
        ],
        ["config/campaigns/c.yaml:2", "languages"],
        ["config/campaigns/c.yaml:2", "languages"],
        ["config/campaigns/c.yaml:3", "copy_to"],
        ["config/campaigns/other.yml:1", "is not read under this name; a campaign's file ends in .yaml"],
        ["config/embassies.yaml:1", "[0].country"],
        ["config/mailer.yaml:1", "relay.host"],
        ["config/mailer.yaml:3", "relay.prot"],
        ["config/mailer.yaml:4", "run_for"],
    ]


def test_problems_of_line_10_come_behind_those_of_line_9(instance):
    instance.write("config/mailer.yaml", "\n" * 8 + "a: 1\nb: 2\n")
    assert [problem.split(":")[1] for problem in instance.problems()] == ["9", "10"]


def test_a_directory_of_two_targets_tells_its_problems_once(instance):
    embassy = "{kind: embassy, name: E, directory: embassies.yaml}"
    instance.campaign(f"targets:\n  a: {embassy}\n  b: {embassy}\n")
    instance.write("config/embassies.yaml", "- {country: Austria}\n")
    assert len(instance.problems()) == 1


def test_no_campaign_at_all_says_what_to_do(instance):
    (instance.root / "config/campaigns/c.yaml").unlink()
    said = "there is none; write one as config/campaigns/ID.yaml (`mailer init DIR` makes an example)"
    assert instance.problems() == [f"config/mailer.yaml:1: campaigns: {said}"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"spool: var\n# caf\xe9\n", "2: is not UTF-8; save the file as UTF-8"),
        ("spool: var\n".encode("utf-16"), "1: is not UTF-8; save the file as UTF-8"),
        (b"#" * 1_000_001, "1: is larger than 1 MB: this is not a configuration file"),
        (b"a: " + b"[" * 900_000, "1: is nested deeper than 20 levels"),
        (b"spool: \x01", "1: holds a character that YAML does not allow (U+0001)"),
    ],
)
def test_a_file_that_cannot_be_read(instance, content, said):
    instance.write("config/mailer.yaml", content)
    assert instance.problems() == [f"config/mailer.yaml:{said}"]


def test_aliases_cannot_multiply(instance):
    laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{y}: &{y} [{','.join([f'*{x}'] * 9)}]\n" for x, y in zip("abcdefgh", "bcdefghi", strict=True)
    )
    instance.write("config/mailer.yaml", laughs)
    assert 8 * 9 < len(instance.problems()) < 100


def test_files_that_are_not_there(instance):
    (instance.root / "config/mailer.yaml").unlink()
    (instance.root / "config/campaigns/d.yaml").mkdir()
    assert instance.problems() == [
        "config/campaigns/d.yaml:1: is not a file",
        "config/mailer.yaml:1: there is no such file",
    ]
