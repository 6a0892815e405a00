"""init, demo: a fresh instance, and a throw-away one that runs the main job end to end."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from mailer.cli.ground import hint, say, table
from mailer.config import Configuration, load


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]")
def init(folder: Path) -> None:
    """Make a fresh instance: configuration, templates and queue folders, sending to the sandbox until you say otherwise."""
    from mailer import instance

    made = instance.create(folder)
    say(f"A new instance is in {folder.resolve()} ({len(made)} files).")
    hint(f"Next: read {folder / 'config/mailer.yaml'} and {folder / 'config/campaigns'}, then")
    hint(f"    cd {folder} && mailer check")
    hint(f"Then drop signature files into {folder / 'var/queue/incoming'} and: mailer run")


@click.command()
@click.argument("folder", default="demo", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]")
def demo(folder: Path) -> int:
    """A throw-away instance (demo/) with sample signatures, end to end; every letter stays in its sandbox."""
    from mailer import instance
    from mailer.cli.send import perform
    from mailer.worker import Job

    if not (folder / "config/mailer.yaml").exists():
        instance.create(folder, samples=True)
        hint(f"A demonstration instance is in {folder}, with sample signatures in its queue.")
    loaded = _sandboxed(load((folder / "config/mailer.yaml").resolve(), os.environ))
    code = perform(loaded, Job())
    _targets_by_state(loaded)
    _where_to_read(loaded)
    return code


def _sandboxed(loaded: Configuration) -> Configuration:
    """Whatever the configuration says, a demonstration only ever speaks to the sandbox."""
    from mailer.relay import Mode

    folder = loaded.keys.parent / "sandbox"
    return replace(loaded, relay=replace(loaded.relay, mode=Mode.SANDBOX, folder=folder, username="", password=""))


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
    table("Letters", ["target", *(state.replace("_", " ") for state in states)], rows, right=frozenset(range(1, 13)))


def _where_to_read(loaded: Configuration) -> None:
    letters = sorted((loaded.relay.folder / "new").glob("*"))
    say(f"The log:   {_near(loaded.journal)}")
    if letters:
        say(f"A letter:  {_near(letters[0])}  ({len(letters)} in this Maildir)")
    hint(f"The same as a table: mailer --config {_near(loaded.path)} log")


def _near(path: Path) -> str:
    """A path as the reader would type it from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
