"""Tab: real shells read the script that mailer prints, and complete verbs, options and what an instance has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.installed import COMMAND, TIMEOUT, Place, Said, environment
from tests.servers.available import require

OTHER = "targets: {press: {kind: phone, name: Press, phone: '+7 7172 747570'}}\n"
# Each prints what the shell would put on the line, an answer a line.
BASH = """\
source {script}
COMP_WORDS=({words} {begun})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
[ {begun} ] || {{ COMP_WORDS+=(""); COMP_CWORD=$((COMP_CWORD + 1)); }}
_mailer_completion mailer
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """\
autoload -Uz compinit && compinit -u -d {script}.dump
source {script}
compadd() {{ while [[ $1 != -a ]]; do shift; done; print -l -- ${{(P)2}} }}
_describe() {{ print -l -- ${{${{(P)3}}%%:*}} }}
words=({words} "{begun}")
CURRENT=${{#words}}
_mailer_completion
"""
FISH = """\
source {script}
complete --do-complete "{words} {begun}" | string split --fields 1 \\t
"""
SHELLS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("completing") / "here")
    place.write("config/campaigns/other.yaml", f"id: other\n{OTHER}")
    return place


def completed(place: Place, shell: str, line: str, **environ: str) -> list[str]:
    """What a shell proposes at the end of a line."""
    require(shell)
    script = place.root / f"completion.{shell}"
    script.write_text(place.mailer("--quiet", "completion", shell).out, encoding="utf-8")
    words, _, begun = line.rpartition(" ")
    text = SHELLS[shell].format(script=script, words=words, begun=begun)
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}[shell]
    told = environment(HOME=str(place.root), XDG_CONFIG_HOME=str(place.root), XDG_DATA_HOME=str(place.root), **environ)
    done = subprocess.run(
        [shell, *options, "-c", text], cwd=place.root, env=told, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    assert done.stderr == ""
    return [answer for answer in done.stdout.splitlines() if answer]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mailer he", ["health"]),
        ("mailer re", ["release", "resolve", "resume", "retry"]),
        ("mailer --log-format j", ["journal", "json"]),
        ("mailer log --fol", ["--follow"]),
        ("mailer log --state in", ["in_doubt"]),
        ("mailer hold --campaign ", ["c", "other"]),
        ("mailer hold --target ", ["court", "press"]),
        ("mailer hold --campaign other --target ", ["press"]),
        ("mailer cancel --target pr", ["press"]),
        ("mailer approve o", ["other"]),
        ("mailer preview ", ["c", "other"]),
        ("mailer pause ", ["c", "other"]),
        ("mailer resume ", ["c", "clock", "ledger", "other", "relay"]),
        ("mailer schema c", ["campaign"]),
        ("mailer completion ", ["bash", "fish", "zsh"]),
        ("mailer approve nothing", []),
    ],
)
def test_a_shell_completes(place, shell, line, expected):
    assert sorted(completed(place, shell, line)) == expected


@pytest.mark.parametrize(("shell", "expected"), [("bash", "'restored ledger'"), ("zsh", "restored ledger")])
def test_a_reason_of_two_words_comes_as_one(place, shell, expected):
    assert completed(place, shell, "mailer release --reason rest") == [expected]


@pytest.mark.parametrize("shell", SHELLS)
def test_another_instance_is_asked_where_the_line_names_it(place, shell, tmp_path):
    other = Place(tmp_path / "there")
    other.write("config/campaigns/elsewhere.yaml", "id: elsewhere\n")
    line = f"mailer --config {other.root}/config/mailer.yaml approve el"
    assert completed(place, shell, line) == ["elsewhere"]


def asked(folder: Path, words: str, **environ: str) -> Said:
    """What the script asks, and what it is told."""
    line = {"_MAILER_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count("\n"))}
    told = environment(**line | environ)
    done = subprocess.run([COMMAND], cwd=folder, env=told, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config/campaigns/c.yaml", "id: [\n"),
        ("config/campaigns/c.yaml", "targets: none\n"),
        ("config/campaigns/c.yaml", b"\xff\xfe"),
        ("config/mailer.yaml", "nonsense: ["),
    ],
)
def test_a_broken_configuration_completes_what_can_be_read_and_says_nothing(tmp_path, name, content):
    place = Place(tmp_path)
    place.write("config/campaigns/other.yaml", OTHER)
    place.write(name, content)
    assert asked(place.root, "mailer\nhold\n--campaign\n").out.split() == ["plain,c", "plain,other"]
    said = asked(place.root, "mailer\nhold\n--target\n")
    assert "plain,press" in said.out and said.err == ""


def test_where_there_is_no_configuration_and_where_the_line_is_none_nothing_is_said(tmp_path):
    for words in ("mailer\nhold\n--campaign\n", "mailer\n--config\nnowhere\nhold\n--target\n"):
        said = asked(tmp_path, words)
        assert (said.out, said.err) == ("", "")
    assert asked(tmp_path, "mailer\nnonsense\n--campaign\n").err == ""
    said = asked(tmp_path, "mailer\nhold\n--campaign\n", _MAILER_COMPLETE="nonsense")
    assert (said.out, said.err) == ("", "")
    assert asked(tmp_path, "mailer\nhea").out == "plain,health\n", "the verbs are there without one"


def test_completing_opens_no_ledger_and_leaves_nothing_behind(tmp_path):
    place = Place(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    place.write("var/ledger.db", "no ledger")
    assert asked(place.root, "mailer\nhold\n--target\n").out == "plain,court\n"
    os.unlink(tmp_path / "var/ledger.db")
    os.rmdir(tmp_path / "var")
    assert sorted(tmp_path.rglob("*")) == before
