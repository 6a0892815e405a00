"""The documents do not lie: README's configuration loads, every command that they name exists and runs, every path stands."""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from mailer.cli import USAGE
from mailer.cli import mailer as group
from mailer.config import load
from mailer.delivery import MOVES, State
from mailer.errors import MailerError
from mailer.outcome import TABLE
from tests.installed import LONG_AGO, REPOSITORY, Place, mailer
from tests.keys import pem
from tests.test_config.instance import Instance

_OTHERS = [REPOSITORY / "CHANGELOG.md", REPOSITORY / "CONTRIBUTING.md"]
DOCUMENTS = [REPOSITORY / "README.md", *_OTHERS, *sorted((REPOSITORY / "docs").glob("*.md"))]
README = DOCUMENTS[0].read_text(encoding="utf-8")


def blocks(language: str, text: str = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands() -> list[str]:
    """Every line that begins with `mailer`, in a block of shell or between backticks, without its comment."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
            found += [line.split(" # ")[0].split(";")[0] for line in block.splitlines()]
        found += re.findall(r"`(mailer [^`]*)`", text)
    return sorted({line.strip() for line in found if line.startswith("mailer ")})


def parsed(line: str) -> tuple[click.Command, list[str], list[str]]:
    """The command of a line, the words behind it, and the options before it."""
    _, *said = shlex.split(line)
    _, (name, *words), _ = group.make_parser(click.Context(group)).parse_args(list(said))
    command = group.get_command(click.Context(group), name)
    assert command is not None, f"{line}: there is no such command"
    before = said[: len(said) - len(words) - 1]
    if isinstance(command, click.Group):
        before, (inner, *words) = [*before, name], words
        command = command.get_command(click.Context(command), inner)
        assert command is not None, f"{line}: there is no such command"
    return command, words, before


def test_the_readme_is_short_and_its_configuration_too():
    assert len(README.splitlines()) <= 150
    assert sum(len([line for line in block.splitlines() if line.strip()]) for block in blocks("yaml")) <= 40


def test_the_rows_of_replies_on_the_operators_page_are_taken(tmp_path: Path):
    page = blocks("yaml", (REPOSITORY / "docs/operating.md").read_text(encoding="utf-8"))
    (rows,) = [block for block in page if "replies:" in block]
    instance = Instance(tmp_path)
    instance.write("config/mailer.yaml", rows)
    instance.campaign("targets: {court: {name: Court, form_of_address: Dear, to: head@court.example}}\n")
    for name in ("subject", "letter"):
        instance.write(f"templates/c/en/{name}.txt.j2", "Text\n")
    assert len(instance.load().replies) == len(TABLE) + 1


def test_the_configuration_of_the_readme_loads(tmp_path: Path):
    main, campaign = blocks("yaml")
    for path, text in {
        "config/mailer.yaml": main.replace("/etc/mailer/relay.password", str(tmp_path / "password")),
        "config/campaigns/kazakhstan.yaml": campaign.replace("/etc/mailer/letters2011.pem", str(tmp_path / "key.pem")),
        "config/embassies.yaml": (REPOSITORY / "config/embassies.yaml").read_text(encoding="utf-8"),
        "password": "secret\n",
        "key.pem": pem("ed25519").decode("ascii"),
        **{f"templates/kazakhstan/{lang}/{name}.txt.j2": "x\n" for lang in ("en", "ru") for name in ("subject", "letter")},
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    for secret in ("password", "key.pem"):
        (tmp_path / secret).chmod(0o600)
    loaded = load(tmp_path / "config/mailer.yaml", {})
    assert loaded.live
    assert loaded.relay.host == "smtp.example.org"
    assert list(loaded.campaigns["kazakhstan"].targets) == ["supreme-court", "administration", "embassy"]
    assert [each.domain for each in loaded.campaigns["kazakhstan"].dkim] == ["campaign.example"]
    assert not loaded.warnings


@pytest.mark.parametrize("line", commands())
def test_every_command_that_a_document_names_is_one(line: str):
    command, words, _ = parsed(line)
    options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in options, f"{line}: {word} is no option of it"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("documents")
    assert mailer(folder, "demo").code == 0
    assert mailer(folder / "demo", "backup", "kept").code == 0
    next((folder / "demo/kept").iterdir()).rename(folder / "demo/BACKUP")
    assert mailer(folder / "demo", "print", "kazakhstan", "--out", "printed.html").code == 0
    (folder / "demo" / "report.eml").write_text("Subject: says nothing\n\n", encoding="utf-8")
    (folder / "demo" / "who.csv").write_text(f"email\n{WHO}\n", encoding="utf-8")
    return folder / "demo"


# What the words that stand for something stand for here.
WHO = "nobody@example.org"
MEANT = {"ID": "1", "CAMPAIGN": "kazakhstan", "TARGET": "supreme-court", "TEXT": "because", "DIR": "another", "17": "17"}
MEANT |= {"EMAIL": WHO, "-": WHO, "FILE": "who.csv"}


# `work` never ends, `--dns` asks the world (test_alignment runs it against a nameserver of its own), and what is made for a
# whole machine is typed on one of its own: `make bare`.
TYPED = [line for line in commands() if line.split()[1] != "work" and "--dns" not in line and "--system" not in line]


@pytest.mark.parametrize("line", TYPED)
def test_every_command_that_a_document_names_runs(line: str, demo: Path, tmp_path: Path):
    command, words, options = parsed(line)
    words = [MEANT.get(word, word) for word in words]
    needs_why = any("--why" in parameter.opts and parameter.required for parameter in command.params)
    if needs_why and "--why" not in words:
        words += ["--why", "because"]
    if command.name in {"init", "demo"} and not words:
        words = [str(tmp_path / "instance")]
    assert command.name is not None
    if command.name == "print":
        (demo / words[-1]).unlink(missing_ok=True)  # it writes over none
    if command.name == "done":
        words = ["printed.html" if word == "monday.html" else word for word in words]
    said = mailer(demo, *options, command.name, *words)
    # 64 only where a document names a letter that is not in this state here.
    # And where no mailbox is configured here. And 69 where what a document says about pausing was said before.
    assert said.code == 0 or (command.name, said.code) in {("resolve", 64), ("preview", 69), ("print", 69), ("inbox", 64)}, said


def test_the_table_of_the_organisers_page_comes_to_what_the_page_says(tmp_path: Path):
    page = (REPOSITORY / "docs/organisers.md").read_text(encoding="utf-8")
    (table,) = blocks("csv", page)
    assert mailer(tmp_path, "init", ".").code == 0
    file = tmp_path / "var/queue/incoming/march.csv"
    file.write_text(table, encoding="utf-8")
    os.utime(file, (LONG_AGO, LONG_AGO))
    assert mailer(tmp_path, "run", "--intake-only").code == 0
    (beside,) = [path for path in (tmp_path / "var/queue/done").iterdir() if path.name != "march.csv"]
    assert f"`{beside.name}`" in page
    told = [tuple(cell.strip() for cell in row.split("|")[1:4]) for row in page.splitlines() if re.match(r"\| \d+ \|", row)]
    found = list(csv.DictReader(io.StringIO(beside.read_text(encoding="utf-8-sig"))))
    assert told == [(row["line"], row["reason"], row["Full name"]) for row in found]


def test_a_list_of_people_who_withdraw_may_be_called_as_the_organisers_page_says(tmp_path: Path):
    page = (REPOSITORY / "docs/organisers.md").read_text(encoding="utf-8")
    (name,) = set(re.findall(r"`(\S+\.withdrawn\.csv)`", page))
    place = Place(tmp_path, "pace: none\n")
    place.put("march.csv", "name,e-mail\nJane Doe,jane@example.org\n")
    assert place.mailer("run").code == 0
    place.put(name, "e-mail\njane@example.org\nstranger@example.org\n")
    assert place.mailer("run").code == 0
    beside = tmp_path / "var/queue/done" / name.replace(".csv", ".known.csv")
    assert f"`{beside.name}`" in page and "jane@example.org" in beside.read_text(encoding="utf-8-sig")


def test_the_words_of_the_organisers_page_are_the_states():
    page = (REPOSITORY / "docs/organisers.md").read_text(encoding="utf-8").split("These are the words:")[1].split("\n## ")[0]
    told = [row.split("|")[1].strip().replace(" ", "_") for row in page.splitlines() if row.startswith("| ")][1:]
    # Two are not explained, for nobody meets them there: a letter in somebody's hands, and one that came back (not yet told).
    assert set(State) - set(told) == {State.SENDING, State.BOUNCED, State.DONE}
    assert set(told) < set(State)


def test_every_path_of_the_map_of_the_code_stands():
    table = README.split("## The code")[1]
    names = re.findall(r"`([^`]+)`", "".join(row.split("|")[1] for row in table.splitlines() if row.startswith("| `")))
    modules = {word.rstrip("/") for group in names for word in group.split()}
    for module in modules:
        path = REPOSITORY / "mailer" / module
        assert path.with_suffix(".py").is_file() or path.is_dir(), module
    standing = {path.stem for path in (REPOSITORY / "mailer").iterdir() if path.name[0] not in "._"} - {"bundle"}
    assert standing <= modules, f"README's map does not name {sorted(standing - modules)}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path):
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), target


def test_the_rows_about_replies_and_the_reasons_that_are_explained_are_those_of_the_code(tmp_path: Path):
    told = (REPOSITORY / "docs/design.md").read_text(encoding="utf-8").split("## What a reply comes to")[1].split("\n## ")[0]
    (rows,) = re.findall(r"^```yaml\n(.*?)^```", told, re.MULTILINE | re.DOTALL)
    made = Instance(tmp_path)
    made.write("config/mailer.yaml", rows)
    assert len(made.load().replies) == 2 + len(TABLE)
    shipped = (REPOSITORY / "config/mailer.yaml").read_text(encoding="utf-8")
    made.write("config/mailer.yaml", re.sub(r"^# (replies:|  - \{stage)", r"\1", shipped, flags=re.MULTILINE))
    assert len(made.load().replies) == 1 + len(TABLE)
    reasons = re.findall(r"\*(the [^*]+|there is [^*]+)\*", told)
    assert len(reasons) == 8 and set(reasons) <= {row.reason for row in TABLE}


def test_the_table_of_states_is_the_table_of_moves():
    text = (REPOSITORY / "docs/design.md").read_text(encoding="utf-8").split("## States")[1].split("The table is")[0]
    told: dict[State, set[State]] = {}
    for row in re.findall(r"^\| ([a-z_, ]+) \| (.+) \|$", text, re.MULTILINE):
        if row[0].strip() == "from":
            continue
        to = {State(name) for name in re.findall(r"[a-z_]+", re.sub(r"\(.*?\)", "", row[1]))}
        for name in row[0].split(","):
            told[State(name.strip())] = to
    assert told == {state: set(moves) for state, moves in MOVES.items()}


def test_the_readme_names_every_exit_code_and_no_other():
    told = README.split("## Exit codes")[1].split("##")[0]
    assert {int(code) for code in re.findall(r"\b\d+\b", told)} == {0, USAGE, *(kind.exit_code for kind in _tree(MailerError))}


def _tree(kind: type[MailerError]) -> list[type[MailerError]]:
    return [kind, *(below for one in kind.__subclasses__() for below in _tree(one))]


def test_make_alone_prints_its_targets():
    # Under `make check` the outer make would have the inner one tell which folder it enters.
    outside = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    said = subprocess.run(["make"], cwd=REPOSITORY, env=outside, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^make (\w+) +\w", said, re.MULTILINE)
    assert {"demo", "test", "check"} <= set(targets)
    assert len(targets) == len(said.splitlines())
    documented = {
        word for text in (README,) for word in re.findall(r"^make (\w+)|`make (\w+)`", text, re.MULTILINE) for word in word
    }
    assert documented - {""} <= set(targets)


def test_no_document_and_no_code_names_a_path_of_a_machine_or_a_registry():
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    shipped = listed.stdout.split()
    for name in shipped:
        path = REPOSITORY / name
        if path.suffix in {".py", ".md", ".toml", ".lock", ".yaml", ".sh", ""} and path.is_file() and "tests/" not in name:
            text = path.read_text(encoding="utf-8", errors="replace")
            assert str(REPOSITORY) not in text, name
            assert path.suffix != ".lock" or not re.search(r"://|index-url", text), name
