"""inbox: what came in behind acceptance, from the relay's log, from the mailboxes or from files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.ground import again, configuration, counted, hint, say, table
from mailer.cli.lines import are_for_a_person
from mailer.config import Configuration
from mailer.errors import UsageProblem

if TYPE_CHECKING:
    from mailer.inbox import Harvest
    from mailer.onward import Onward


@click.command()
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="[FILE]...")
@click.pass_context
def inbox(context: click.Context, files: tuple[Path, ...]) -> None:
    """
    Read what came in, and what the relay's log says.

    Bounces, copies and answers from the mailboxes that `inbox` of mailer.yaml names, and the log of the relay that `relay: log`
    names, as `mailer run` does first of all; or from FILEs, a mail each (.eml). Each mail and each line counts once. None is
    moved, marked, answered or removed, and no letter goes out for it.
    """
    loaded = configuration(context)
    if not files and not loaded.inbox and not loaded.relay_log:
        raise UsageProblem("no mailbox is configured: write `inbox:` into config/mailer.yaml, or name files")
    onward, found = asyncio.run(_read(loaded, files))
    if loaded.relay_log and not files:
        say(f"The relay's log: {onward.told() or 'nothing new of a letter'}.")
    say(f"{counted(found.mails, 'mail')} read." + (f" {found.told()}." if found.told() else ""))
    if found.ignored:
        table("Ignored:", ["why", "mails"], sorted(found.ignored.items()), right=frozenset({1}))
    for trouble in [*onward.troubles, *found.troubles]:
        hint(f"Not read: {trouble}")
    hint(f"What became of every letter: {again(loaded, 'log')}")


async def _read(loaded: Configuration, files: tuple[Path, ...]) -> tuple[Harvest, Harvest]:
    """What the relay's log said, and what mail did."""
    from mailer.app import opened
    from mailer.inbound.bounds import LARGEST
    from mailer.inbox import Harvest, key_of
    from mailer.ledger import Mailbox
    from mailer.mailboxes import Mail

    async with opened(loaded) as office:
        reader = office.inbox()
        if not files:
            return await _followed(office.onward()), await reader.look()
        found = Harvest()
        for path in files:
            with open(path, "rb") as file:  # noqa: ASYNC230  nobody else waits
                raw = file.read(LARGEST)
            found += await reader.take(Mail(key_of(raw), raw), Mailbox("files"))
        return Harvest(), found


async def _followed(onward: Onward) -> Harvest:
    """Read the relay's log to its end; whoever sits at a terminal sees how far it is."""
    if not onward.has_log or not are_for_a_person():
        return await onward.look()
    from mailer.cli.progress import copying

    with copying("the relay's log") as told:
        return await onward.look(told=told)
