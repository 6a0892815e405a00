"""check, preview, approve: before letters leave. They queue nothing and send nothing."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import click

from mailer.campaign import Campaign
from mailer.cli.ground import campaign_of, configuration, hint, say, table
from mailer.config import Configuration
from mailer.errors import CannotSend, CannotWrite, ConfigurationError
from mailer.signature import Signature


@click.command()
@click.option("--relay", "ask_relay", is_flag=True, help="Connect to the relay and let it take our account; sends nothing.")
@click.pass_context
def check(context: click.Context, ask_relay: bool) -> int:
    """The configuration, and every letter that it can write."""
    loaded = configuration(context)
    problems, notes = asyncio.run(_check(loaded, list(loaded.campaigns), ask_relay))
    return _told(problems, notes)


@click.command()
@click.argument("campaign")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Write the letters there, as .eml."
)
@click.pass_context
def preview(context: click.Context, campaign: str, file: Path | None, out: Path | None) -> None:
    """
    Write the letters of a campaign, for each target, language and voice, and show them.

    With FILE, say how its columns are understood and what its rows would come to, and write the letters of its first
    good signature.
    """
    loaded = configuration(context)
    asyncio.run(_preview(loaded, campaign_of(loaded, campaign), file, out))


@click.command()
@click.argument("campaign")
@click.option("--diff", is_flag=True, help="Only show what has changed since the last approval.")
@click.pass_context
def approve(context: click.Context, campaign: str, diff: bool) -> int:
    """Bind your word to a campaign's letters, targets and sender as they stand; a later change holds the queue."""
    loaded = configuration(context)
    return asyncio.run(_approve(loaded, campaign_of(loaded, campaign), diff))


async def _check(loaded: Configuration, campaigns: Iterable[str], ask_relay: bool) -> tuple[list[str], list[str]]:
    from mailer import checks
    from mailer.app import opened

    async with opened(loaded, create=True) as office:
        found = [checks.campaign(office.desks[id]) for id in campaigns]
        ruling = await office.ruling()
        waits = [
            f"{id}: not approved as it stands; letters wait for: mailer approve {id}"
            for id in campaigns
            if not ruling.is_approved(id)
        ]
    if ask_relay:
        found.append(await checks.relay(loaded.relay))
    problems = [problem for one in found for problem in one.problems]
    return problems, [note for one in found for note in one.notes] + waits


def _told(problems: Iterable[str], notes: Iterable[str]) -> int:
    for note in notes:
        say(f"note: {note}")
    problems = list(problems)
    for problem in problems:
        say(f"problem: {problem}")
    if problems:
        hint("Mend these, then check again.")
        return ConfigurationError.exit_code
    say("Everything is in order.")
    hint("To read the letters: mailer preview CAMPAIGN")
    return 0


async def _preview(loaded: Configuration, campaign: str, file: Path | None, out: Path | None) -> None:
    from mailer import checks
    from mailer.app import opened

    async with opened(loaded, create=True) as office:
        desk = office.desks[campaign]
        signed = _understood(desk.campaign, file) if file else None
        found = list(checks.specimens(desk, signed) if signed else checks.specimens(desk))
    for one in found:
        name = f"{one.target}-{one.language}-{one.voice}"
        if one.problem:
            say(f"== {name}: {one.problem}")
        elif out is None:
            say(f"== {name}\n{checks.readable(one.wire)}")
        else:
            _write(out / f"{name}.eml", one.wire)
            say(str(out / f"{name}.eml"))
    hint("Nothing was queued and nothing was sent.")


def _understood(campaign: Campaign, file: Path) -> Signature | None:
    """Say how a file is understood; gives its first good signature, if there is one."""
    from mailer import checks

    told = checks.file(campaign, file, datetime.now(UTC).date())
    table(f"{file.name}: columns", ["field", "column"], told.columns)
    say(f"{told.good + len(told.bad)} rows: {told.good} good, {len(told.bad)} bad")
    if told.bad:
        table("Rows that would be rejected", ["line", "reason"], told.bad, right=frozenset({0}))
    return told.first


async def _approve(loaded: Configuration, campaign: str, only_diff: bool) -> int:
    from mailer import approval, checks
    from mailer.app import CLOCK, edition_of, opened

    async with opened(loaded, create=True) as office:
        desk, ledger = office.desks[campaign], office.ledger
        before = (await ledger.approvals())[campaign]
        edition, parts = edition_of(loaded, campaign, desk.renderer)
        if before.hash:
            _show_changes(approval.changed(approval.unpacked(await ledger.edition(before.hash) or "{}"), parts))
        else:
            say("Nothing of this campaign has been approved before.")
        if only_diff:
            return 0
        found = checks.campaign(desk)
        if found.problems:
            _told(found.problems, found.notes)
            raise CannotSend(f"{campaign} is not approved: the check fails")
        await ledger.keep_edition(edition, approval.packed(parts), CLOCK.seconds)
        await ledger.approve(campaign, edition, getpass.getuser(), CLOCK.seconds)
    say(f"{campaign} is approved as it stands ({edition[:12]}); a later change holds its letters.")
    hint("Letters go out with the next: mailer run")
    return 0


def _show_changes(changes: list[tuple[str, str, str]]) -> None:
    import difflib

    if not changes:
        say("Nothing has changed since it was approved.")
    for part, before, now in changes:
        say(f"changed: {part}")
        for line in difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=1):
            if not line.startswith(("---", "+++", "@@")):
                say(f"    {line}")


def _write(path: Path, wire: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wire)
    except OSError as problem:
        raise CannotWrite(f"{path}: it cannot be written ({problem.strerror})") from problem
