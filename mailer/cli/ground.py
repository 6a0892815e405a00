"""What every command stands on: its configuration, and how it says things."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mailer.cli.streams import give_up
from mailer.config import Configuration, find, load
from mailer.delivery import State
from mailer.errors import CannotWrite, ConfigurationError, UsageProblem
from mailer.ledger import Closing, Ledger, Pause
from mailer.log import counted, hint, note

STATES = tuple(str(state) for state in State)
_INDENT = "  "
_LONGEST = 200

__all__ = [
    "STATES",
    "Why",
    "again",
    "campaign_of",
    "configuration",
    "counted",
    "hint",
    "is_at_work",
    "json_line",
    "known_campaign",
    "near",
    "removal",
    "say",
    "table",
    "told_closing",
    "told_pause",
    "written",
]


def configuration(context: click.Context) -> Configuration:
    """
    The instance's configuration; its warnings go to stderr.

    Raises:
        UsageProblem: the instance is another account's.
    """
    loaded = load(find(context.obj, os.environ, Path.cwd()), os.environ)
    _see_whose(loaded, context.command_path.partition(" ")[2])
    for warning in loaded.warnings:
        note(warning)
    return loaded


def _see_whose(loaded: Configuration, verb: str) -> None:
    """
    Only the account to which an instance belongs works in it: what root or a person made there (a ledger's -wal, a line of the
    journal, a folder) the service could not write any more.
    """
    var = loaded.keys.parent
    try:
        owner = var.stat().st_uid
    except OSError:  # nothing was made yet; or whoever makes the first file in it says what is wrong
        return
    if owner != os.geteuid():
        name, command = _account(owner), again(loaded, verb)
        become = f"runuser -u {name} --" if os.geteuid() == 0 and name.isidentifier() else f"sudo -u {name}"
        raise UsageProblem(f"{var} is {name}'s, and only that account may work in it; type: {become} {command} …")


def _account(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"'#{number}'"


def campaign_of(configuration: Configuration, campaign: str) -> str:
    """A campaign's id as given, if there is such a one."""
    if campaign not in configuration.campaigns:
        raise UsageProblem(
            f"there is no campaign «{campaign}»; the campaigns are: {', '.join(sorted(configuration.campaigns))}"
        )
    return campaign


async def known_campaign(configuration: Configuration, ledger: Ledger, campaign: str) -> None:
    """See that there is, or was, such a campaign: letters of one that is not configured any more can still be ordered about."""
    known = {*configuration.campaigns, *await ledger.fingerprints()}
    if campaign not in known:
        raise UsageProblem(f"there is no campaign «{campaign}»; the campaigns are: {', '.join(sorted(known))}")


def is_at_work(configuration: Configuration) -> bool:
    """Whether a worker is here just now."""
    from mailer.instance import Lock

    return Lock(configuration.keys.parent / "lock").is_held()


def near(path: Path) -> str:
    """A path as the reader would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def removal(path: Path) -> str:
    """What removes a file or a whole folder, as the reader would type it from here."""
    return f"rm {'-r ' if path.is_dir() else ''}{shlex.quote(near(path))}"


def again(configuration: Configuration, words: str) -> str:
    """A command as the reader would type it from here, for this same instance."""
    try:
        is_found = find(None, os.environ, Path.cwd()) == configuration.path
    except ConfigurationError:
        is_found = False
    return f"{_name()} {words}" if is_found else f"{_name()} --config {shlex.quote(near(configuration.path))} {words}"


def _name() -> str:
    """The command as it was typed where it is not found by its name alone, as in a checkout's .venv."""
    called = Path(sys.argv[0])
    return "mailer" if called.name != "mailer" or shutil.which("mailer") else shlex.quote(near(called))


def told_pause(pause: Pause, loaded: Configuration) -> str:
    """A pause in a sentence that ends with what lifts it."""
    campaign = pause.scope.removeprefix("campaign:") if pause.scope != "all" else ""
    what = f"resume {campaign} --why TEXT" if campaign else "resume --why TEXT"
    return f"paused: {campaign or 'all sending'} ({pause.why}): {again(loaded, what)}"


def told_closing(closing: Closing, loaded: Configuration) -> str:
    """A closed target in a sentence that ends with what opens it."""
    from mailer.report import moment

    what = again(loaded, f"target open {closing.campaign} {closing.target} --why TEXT")
    return f"closed: {closing.target} of {closing.campaign} since {moment(closing.at)} ({closing.why}): {what}"


class Why(click.ParamType[str]):
    """
    A person's reason for an order: one line, kept in the journal for good and shown to everybody who looks; so it names nobody.
    """

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The line as it is kept."""
        text = value.strip()
        if not text or not text.isprintable() or len(text) > _LONGEST:
            self.fail(f"say it in one line of 1 to {_LONGEST} characters", param, ctx)
        if "@" in text:
            self.fail("it stays in the journal for good, where no person is named: leave the address out", param, ctx)
        return text


def say(text: str = "") -> None:
    """A line of the result."""
    with written():
        click.echo(text)


def table(title: str, heads: Iterable[str], rows: Iterable[Iterable[object]], *, right: frozenset[int] = frozenset()) -> None:
    """A table on stdout; `right` are the columns of numbers. On a terminal its cells fold to fit, elsewhere none does."""
    # rich is imported where something is printed: it costs 40 ms.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, head in enumerate(heads):
        made.add_column(head, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row))
    width = shutil.get_terminal_size().columns - len(_INDENT) if sys.stdout.isatty() else 10_000
    drawn = io.StringIO()
    Console(file=drawn, width=width, highlight=False, force_terminal=sys.stdout.isatty()).print(made)
    say("\n".join([title, *(_INDENT + line.rstrip() for line in drawn.getvalue().splitlines())]))


def json_line(value: Any) -> None:
    """One JSON value on one line of stdout."""
    import json

    say(json.dumps(value, ensure_ascii=False))


@contextmanager
def written() -> Iterator[None]:
    """See that what the block writes has arrived; a full disk behind stdout is told as what it is."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as problem:
        give_up(sys.stdout)
        raise CannotWrite(f"the output cannot be written ({problem.strerror})") from problem
