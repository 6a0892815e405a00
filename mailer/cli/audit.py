"""health, verify: does anything need a person, and does everything agree. They only look."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import click

from mailer.cli.ground import configuration, counted, hint, is_at_work, json_line, near, removal, say
from mailer.config import Configuration

SICK = 1
DAY = 86_400  # seconds


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def health(context: click.Context, as_json: bool) -> int:
    """Tell what needs a person. Exit 0 if nothing does, else 1; for monitoring."""
    found = asyncio.run(_health(configuration(context)))
    if as_json:
        json_line({"well": not found, "reasons": found})
    else:
        say(f"mailer: {'; '.join(found)}" if found else "mailer: all is well")
    return SICK if found else 0


@click.command()
@click.argument("backup", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="[BACKUP]")
@click.pass_context
def verify(context: click.Context, backup: Path | None) -> int:
    """
    See that ledger, journal and folders agree. The journal's chain, its file, and the queue.

    With BACKUP, the folder that `mailer backup` has made, see that this is whole; that needs no instance.
    """
    if backup:
        return _verify_backup(backup)
    loaded = configuration(context)
    found, behind = asyncio.run(_verify(loaded))
    for problem in found:
        say(f"problem: {problem}")
    if behind:
        hint(f"{loaded.journal.name} is behind the ledger by {counted(behind, 'line')}: mailer run writes them")
    if found:
        hint("Keep all files as they are; nothing was changed.")
        return SICK
    say("The ledger, the journal and the folders agree.")
    return 0


def _verify_backup(folder: Path) -> int:
    from mailer import backup

    problems = 0
    for problems, problem in enumerate(backup.faults(folder), 1):  # noqa: B007  how many there were
        say(f"problem: {problem}")
    if problems:
        hint("Put back another one; nothing was changed.")
        return SICK
    say("The backup is whole.")
    hint(f"How it is put back: {near(folder)}/README.txt")
    return 0


async def _health(loaded: Configuration) -> list[str]:
    from mailer import health
    from mailer.app import CLOCK, opened, spool_of
    from mailer.instance import Lock

    still = health.standing_still(Lock(loaded.keys.parent / "lock").came_on_at(), CLOCK.now())
    async with opened(loaded) as office:
        beside = partial(is_at_work, loaded)
        found = await health.ailments(office.ledger, loaded.relay.name, CLOCK, spool_of(loaded), beside, loaded.campaigns)
        found += health.unread(office.ledger, str(loaded.relay_log))
    return still + found + _older_ledgers(loaded, CLOCK.now())


def _older_ledgers(loaded: Configuration, now: float) -> list[str]:
    """Copies of the ledger that lie there for longer than the organisers' files: whoever was erased since is still in them."""
    from mailer.erasure import aside

    days = loaded.keep_files_days
    old = [path for path in aside(Path(loaded.ledger)) if path.lstat().st_mtime < now - days * DAY]
    said = f"an older ledger lies there for more than {days} days, and holds whoever was erased since"
    return [f"{said}: once you can do without it: {removal(path)}" for path in old]


async def _verify(loaded: Configuration) -> tuple[list[str], int]:
    """What does not agree, and how many lines the journal's file lacks that nobody is about to write."""
    from mailer import health
    from mailer.app import opened, spool_of
    from mailer.journal import Journal

    async with opened(loaded) as office:
        journal = Journal(loaded.journal, office.ledger.journal)
        marks = journal, office.high_water, spool_of(loaded)
        mark = (await office.ledger.installed()).get("mark", "")
        beside = partial(is_at_work, loaded)
        was_at_work = beside()
        found = list(health.disagreements(office.ledger, *marks, mark=mark, is_at_work=beside))
        return found, 0 if was_at_work or beside() else journal.behind
