"""
init, demo: a fresh instance (by questions, as the bundled example, or for the whole machine), and a throw-away one that runs
the main job end to end.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from mailer.cli.ground import again, counted, hint, near, say, table
from mailer.config import Configuration, load
from mailer.errors import CannotWrite, UsageProblem

# What tells a demonstration from an instance that somebody works with: whose letters must not end in a sandbox.
_MARK = ".demonstration"


@click.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]")
@click.option("--bundled", is_flag=True, help="Ask nothing: the bundled example, which sends to the sandbox.")
@click.option("--system", "is_system", is_flag=True, help="For this machine: /etc/mailer, /var/lib/mailer, account, units.")
@click.option("--root", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="With --system: below DIR.")
@click.option("--group", metavar="NAME", help="With --system: who may drop files. [organisers; '' for nobody]")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def init(folder: Path | None, bundled: bool, is_system: bool, root: Path | None, group: str | None, yes: bool) -> None:
    """
    Make a fresh instance, which sends to the sandbox.

    In DIR (unless told, here) come the configuration, the templates and the folders of the queue. On a terminal you are asked
    for your campaign; elsewhere the bundled example is made. No file is overwritten.

    With --system it is made for the whole machine, by root: the account, the folders, and what starts it. Again, it mends.
    """
    if is_system:
        if folder is not None or bundled:
            raise click.UsageError("--system has its own place: leave DIR and --bundled out, or name another root with --root")
        from mailer.cli.machine import install

        return install(root or Path("/"), "organisers" if group is None else group, yes=yes)
    if root is not None or group is not None:
        raise click.UsageError("--root and --group go with --system")
    if bundled or yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return _example(folder or Path("."))
    from mailer.cli.campaign import create

    return create(folder or Path("."))


def _example(folder: Path) -> None:
    from mailer import instance

    made = instance.create(folder)
    say(f"A new instance is in {folder.resolve()} ({counted(len(made), 'file')}).")
    hint(f"Next: read {folder / 'config/mailer.yaml'} and {folder / 'config/campaigns'}, then")
    hint("    mailer check" if folder.resolve() == Path.cwd() else f"    cd {folder} && mailer check")
    hint(f"Then drop signature files into {folder / 'var/queue/incoming'} and: mailer run")


@click.command()
@click.argument("folder", default="demo", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]")
def demo(folder: Path) -> int:
    """
    Show it all in a throw-away instance, on sample signatures.

    In DIR (unless told, demo/). Whatever its configuration says, every letter stays in its sandbox.
    """
    from mailer import instance
    from mailer.cli.send import perform
    from mailer.worker import Job

    main_file = folder / "config/mailer.yaml"
    if not main_file.exists():
        instance.create(folder, samples=True)
        _mark(folder)
        hint(f"A demonstration instance is in {folder}, with sample signatures in its queue.")
    elif not (folder / _MARK).exists():
        raise UsageProblem(f"{folder} is an instance that somebody works with, not a demonstration: name another folder")
    loaded = _sandboxed(load(main_file.resolve(), os.environ))
    code = perform(loaded, Job())
    _targets_by_state(loaded)
    _where_to_read(loaded)
    return code


def _mark(folder: Path) -> None:
    try:
        (folder / _MARK).touch()
    except OSError as problem:
        raise CannotWrite(f"{folder / _MARK}: {problem.strerror}; remove {folder} and try again") from problem


def _sandboxed(loaded: Configuration) -> Configuration:
    """Whatever the configuration says, a demonstration only ever speaks to the sandbox."""
    from mailer.relay import Mode

    folder = loaded.keys.parent / "sandbox"
    relay = replace(loaded.relay, mode=Mode.SANDBOX, folder=folder, username="", password="")
    return replace(loaded, relay=relay, whole_after=0.0, hindrances=())  # its samples came in whole


def _targets_by_state(loaded: Configuration) -> None:
    from mailer.delivery import State
    from mailer.ledger.sqlite import SqliteLedger

    ledger = SqliteLedger(Path(loaded.ledger))
    try:
        tally = ledger.tally()
    finally:
        ledger.close()
    states = [state for state in State if any(key[2] == state for key in tally)]
    targets = sorted({key[:2] for key in tally})
    rows = [[target, *(tally.get((campaign, target, state), 0) for state in states)] for campaign, target in targets]
    heads = ["target", *(state.replace("_", " ") for state in states)]
    table("Letters by target and state", heads, rows, right=frozenset(range(1, 13)))


def _where_to_read(loaded: Configuration) -> None:
    letters = sorted((loaded.relay.folder / "new").glob("*"))
    say(f"The log:   {near(loaded.journal)}")
    if letters:
        say(f"A letter:  {near(letters[0])}  ({counted(len(letters), 'letter')} in this Maildir)")
    hint(f"The log as a table: {again(loaded, 'log')}")
