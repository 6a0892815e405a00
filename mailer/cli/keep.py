"""backup, upgrade: what an operator does so that nothing is lost. Neither sends anything."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from mailer.cli.ground import again, configuration, counted, hint, near, say
from mailer.config import Configuration
from mailer.errors import LedgerProblem
from mailer.ledger import upgrading
from mailer.ledger.upgrading import Plan

Told = Callable[[int, int], None]


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--keys", "with_keys", is_flag=True, help="The keys too: whoever has it then can read every signature.")
@click.pass_context
def backup(context: click.Context, folder: Path, with_keys: bool) -> None:
    """
    Keep ledger, journal, configuration and templates.

    In a new dated folder in DIR, whole or not at all; also while a worker is at work. An older one is never touched. What is
    put back sends nothing until you say `mailer resume ledger`: README.txt in it tells how.
    """
    from mailer import backup
    from mailer.app import CLOCK

    loaded = configuration(context)
    sources = backup.Sources(
        main=loaded.path,
        ledger=Path(loaded.ledger),
        journal=loaded.journal,
        templates=loaded.templates,
        keys=loaded.keys,
        spool=loaded.spool,
        with_keys=with_keys,
        signing=_signing(loaded),
    )
    with _shown("the ledger is copied") as told:
        made = backup.write(folder, sources, CLOCK.seconds, told)
    what = f"{counted(made.files, 'file')}, {_size(made.size)}, the journal to line {made.lines}"
    say(f"The backup is in {near(made.folder)} ({what}).")
    if with_keys:
        hint("Its keys open everything in it: keep it where nobody else can read.")
    else:
        hint(f"The keys are not in it, and without them it is of no use: keep those of {near(loaded.keys)} in another place,")
        hint(f"once for each campaign, or have them in it: {again(loaded, f'backup --keys {folder}')}")
        for key in sorted(set(sources.signing.values())):
            hint(f"Nor is the key that signs letters, {near(key)}; a new one under a new selector will do.")
    hint(f"Is it whole: mailer verify {near(made.folder)}; how it is put back: README.txt in it")


def _signing(loaded: Configuration) -> dict[str, Path]:
    """The keys that sign letters, by campaign and selector."""
    signing = ((id, each) for id, campaign in loaded.campaigns.items() for each in campaign.dkim)
    return {f"{id}/{each.selector}.pem": Path(each.key_file) for id, each in signing}


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.pass_context
def upgrade(context: click.Context, dry_run: bool) -> None:
    """
    Bring the ledger of an older release up to this one.

    A copy is kept beside it. With nothing to do it does nothing, so that a script may always call it.
    """
    loaded = configuration(context)
    path = Path(loaded.ledger)
    if not path.exists():
        say("There is no ledger yet: nothing to do.")
        hint(f"The first run makes it: {again(loaded, 'run')}")
    elif dry_run:
        _look(loaded, path)
    else:
        _upgrade(loaded, path)


def _look(loaded: Configuration, path: Path) -> None:
    if _told(path, planned := upgrading.plan(path)):
        say(f"A copy of it would be kept before: {near(planned.copy)} ({_size(planned.size)})")
        hint(f"Nothing was changed. To do it: {again(loaded, 'upgrade')}")


def _upgrade(loaded: Configuration, path: Path) -> None:
    from mailer.app import CLOCK
    from mailer.instance import Lock

    with Lock(loaded.keys.parent / "lock") as lock:
        if not lock.acquire():
            raise LedgerProblem("another mailer is at work here: stop it, then upgrade; nothing was changed")
        if not _told(path, upgrading.plan(path)):
            return
        with _shown("the ledger is copied") as told:
            done = upgrading.upgrade(path, CLOCK.seconds, told)
        asyncio.run(_rise(loaded))
    say(f"Done. As it was it is kept: {near(done.copy)}")
    hint(f"Does everything agree: {again(loaded, 'verify')}; then go on: {again(loaded, 'run')}")
    hint("Once that went well you may remove the copy. It holds sealed personal data, as the ledger does.")


def _told(path: Path, planned: Plan) -> bool:
    """Say what an upgrade does; whether there is anything to do."""
    if not planned.is_due:
        say(f"{near(path)} is of edition {planned.edition}, as this mailer needs it: nothing to do.")
        return False
    say(f"{near(path)} is of edition {planned.edition}, this mailer needs {planned.needed}:")
    for number, step in planned.steps:
        say(f"  {number}: {step}")
    return True


async def _rise(loaded: Configuration) -> None:
    """What is in the journal now is behind no older copy's back."""
    from mailer.app import opened

    async with opened(loaded, needs_keys=False) as office:
        office.high_water.rise(office.ledger.last_link())


@contextmanager
def _shown(what: str) -> Iterator[Told]:
    """A progress bar where a person looks, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, all: None
        return
    from mailer.cli.progress import copying

    with copying(what) as told:
        yield told


def _size(count: int) -> str:
    return f"{count / 1_000_000:.1f} MB" if count >= 100_000 else f"{count / 1000:.0f} kB"
