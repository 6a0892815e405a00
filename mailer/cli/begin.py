"""init, demo: a fresh instance, and a throw-away one that runs the main job end to end."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from mailer.cli.ground import again, counted, hint, near, say, table
from mailer.config import Configuration, load
from mailer.errors import CannotWrite, UsageProblem

# What tells a demonstration from an instance that somebody works with: whose letters must not end in a sandbox.
_MARK = ".demonstration"


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]")
def init(folder: Path) -> None:
    """
    Make a fresh instance, which sends to the sandbox.

    In DIR (unless told, here) come the configuration, the templates and the folders of the queue. No file is overwritten.
    """
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
    return replace(
        loaded, relay=replace(loaded.relay, mode=Mode.SANDBOX, folder=folder, username="", password=""), hindrances=()
    )


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
