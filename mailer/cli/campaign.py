"""init on a terminal: the answers become an instance, which is checked and read before it stands where it was asked for."""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

import click

from mailer import checks, instance, starting
from mailer.cli.ground import counted, hint, say
from mailer.cli.questions import ask_all
from mailer.config import load
from mailer.errors import CannotWrite, ConfigurationError
from mailer.preview import readable
from mailer.specimens import specimens
from mailer.starting import Plan


def create(folder: Path) -> None:
    """
    Ask, check, show a letter, and make the instance once that is what was meant.

    Raises:
        click.Abort: the person stopped, and nothing was written.
        UsageProblem: the folder is an instance already, or files of one stand in it.
        ConfigurationError: what was answered does not go together.
    """
    instance.refuse_to_repeat(folder)
    try:
        plan = ask_all()
        with tempfile.TemporaryDirectory(prefix="mailer-init-") as name:
            draft = Path(name)
            _write(draft, plan)
            _show(draft, plan)
            click.confirm(f"\nMake this instance in {folder.resolve()}?", default=True, abort=True, err=True)
            made = instance.create(folder, source=draft)
    except click.Abort:
        hint("\nNothing was written.")
        raise
    say(f"A new instance is in {folder.resolve()} ({counted(len(made), 'file')}).")
    hint(f"Next: write the letters out, in {folder / 'templates' / plan.id}, then")
    hint("    mailer check" if folder.resolve() == Path.cwd() else f"    cd {folder} && mailer check")
    hint(f"    mailer preview {plan.id}")
    hint(f"Then drop signature files into {folder / 'var/queue/incoming'} and: mailer run")


def _write(draft: Path, plan: Plan) -> None:
    try:
        for name, content in starting.files(plan).items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(content)
    except OSError as problem:
        raise CannotWrite(f"{problem.filename}: {problem.strerror}; nothing was made, try again") from problem


def _show(draft: Path, plan: Plan) -> None:
    """Check the draft as `mailer check` does, and show its first letter."""
    letter, found = asyncio.run(_checked(draft, plan.id))
    if found.problems:
        raise ConfigurationError(found.problems)
    say(f"\nA letter, as an invented person would send it:\n\n{letter}")
    for note in found.notes:
        say(f"note: {note}")
    say("No problem was found.")


async def _checked(draft: Path, campaign: str) -> tuple[str, checks.Findings]:
    from mailer.app import opened

    async with opened(load(draft / instance.MAIN_FILE, os.environ), create=True) as office:
        desk = office.desks[campaign]
        wire = next((one.wire for one in specimens(desk) if one.wire), b"")
        return readable(wire), checks.campaign(desk)
