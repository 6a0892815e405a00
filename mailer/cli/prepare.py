"""check, preview, approve: before letters leave. They queue nothing and send nothing."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import click

from mailer.app import Office
from mailer.campaign import Campaign
from mailer.checks import Findings
from mailer.cli import completing
from mailer.cli.ground import again, campaign_of, configuration, counted, hint, say, table
from mailer.config import Configuration
from mailer.errors import CannotSend, CannotWrite, ConfigurationError, UnreadableFile
from mailer.ledger import Approval
from mailer.signature import Signature
from mailer.spool.names import printable

_SHOWN = 20  # rejected rows of a previewed file; the rest is counted
_AWKWARD = 600  # letters from awkward names in one preview


@click.command()
@click.option("--relay", "ask_relay", is_flag=True, help="Connect to the relay and let it take our account; sends nothing.")
@click.option(
    "--dns", "ask_dns", is_flag=True, help="Ask DNS whether senders are believed (SPF, DKIM, DMARC) and targets take mail."
)
@click.pass_context
def check(context: click.Context, ask_relay: bool, ask_dns: bool) -> int:
    """
    Check the configuration, and every letter that it can write.

    Each template is filled in for each target, language and voice, once with every field given and once with none.
    """
    loaded = configuration(context)
    command = " ".join(["check", *(["--relay"] if ask_relay else []), *(["--dns"] if ask_dns else [])])
    return _told(loaded, asyncio.run(_check(loaded, ask_relay, ask_dns)), command)


@click.command()
@click.argument("campaign", shell_complete=completing.campaigns)
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write the letters there, as .eml and as a page, index.html.",
)
@click.option("--send-to", metavar="NAME", default="", help="Send one of each, now, to this one of the campaign's organisers.")
@click.pass_context
def preview(context: click.Context, campaign: str, file: Path | None, out: Path | None, send_to: str) -> int:
    """
    Show a campaign's letters: each target, language and voice.

    Each is shown as it reads, or with --out written as .eml and, all of them side by side, as a page for a browser; there
    also from names that are awkward to write. With FILE, say how its columns are understood and what its rows would come
    to, and write the letters of its first good signature. With --send-to they are mailed to an organiser, whom the campaign's
    `organisers` name: as they would arrive, but for their address lines, and counted nowhere.
    """
    if send_to and (file or out):
        raise click.UsageError("--send-to goes without FILE and --out")
    loaded = configuration(context)
    if send_to:
        from mailer.cli import trial

        return trial.send_to(loaded, campaign_of(loaded, campaign), send_to)
    return asyncio.run(_preview(loaded, campaign_of(loaded, campaign), file, out))


@click.command()
@click.argument("campaign", shell_complete=completing.campaigns)
@click.option("--diff", is_flag=True, help="Only show what has changed since the last approval.")
@click.pass_context
def approve(context: click.Context, campaign: str, diff: bool) -> None:
    """
    Bind your word to a campaign's letters as they stand.

    Templates, targets with their addresses, copies and sender; a later change of any of these holds the queue. What was
    approved before is compared first, and what has changed since is shown.
    """
    loaded = configuration(context)
    asyncio.run(_approve(loaded, campaign_of(loaded, campaign), diff))


async def _check(loaded: Configuration, ask_relay: bool, ask_dns: bool) -> list[Findings]:
    from mailer import checks
    from mailer.app import opened

    async with opened(loaded, create=True) as office:
        desks = list(office.desks.values())
        found = [checks.campaign(desk) for desk in desks]
        ruling = await office.ruling()
        waits = [
            f"{id}: not approved as it stands; its letters wait for: {again(loaded, f'approve {id}')}"
            for id in office.desks
            if not ruling.is_approved(id)
        ]
        waits += _rehearsed(office)
    if loaded.relay_log:
        found.append(checks.relay_log(loaded.relay_log))
    if ask_relay and loaded.hindrances:
        raise ConfigurationError(loaded.hindrances)
    if ask_relay:
        found.append(await checks.relay(loaded.relay, loaded.replies))
    if ask_dns:
        from mailer.resolver import Resolver

        found.append(await checks.dns(desks, Resolver(loaded.dns), loaded.relay.host))
    return [*found, Findings(notes=tuple(waits))]


def _rehearsed(office: Office) -> list[str]:
    """What a rehearsal leaves behind, where letters now go to a real relay: letters that count as sent and reached nobody."""
    from mailer.relay import Mode

    if not office.configuration.live or not (kept := office.ledger.accepted_by([Mode.SANDBOX, Mode.FILE])):
        return []
    letters = counted(kept, "letter")
    return [
        f"{letters} went to the sandbox or to files: accepted there, they reached nobody and are not sent again. To send them,"
        " make a fresh instance (mailer init DIR) and drop the signature files there"
    ]


def _told(loaded: Configuration, found: Iterable[Findings], command: str = "check") -> int:
    """Say what a check found; gives the exit code, that of the first that has a problem."""
    found = list(found)
    for note in (note for one in found for note in one.notes):
        say(f"note: {note}")
    for problem in (problem for one in found for problem in one.problems):
        say(f"problem: {problem}")
    failed = [one for one in found if one.problems]
    if failed:
        hint(f"Mend this, then: {again(loaded, command)}")
        return failed[0].exit_code
    say("No problem was found.")
    hint(f"To read the letters: {again(loaded, 'preview CAMPAIGN')}")
    return 0


async def _preview(loaded: Configuration, campaign: str, file: Path | None, out: Path | None) -> int:
    from mailer import preview as shown
    from mailer import specimens
    from mailer.announce import specimens_of_receipts
    from mailer.app import opened

    async with opened(loaded, create=True) as office:
        desk = office.desks[campaign]
        standing = _standing(desk.edition, (await office.ledger.approvals())[campaign])
        first = _understood(desk.campaign, file) if file else None
        signed = first or specimens.FULL
        found = [*specimens.distinct(desk, signed), *specimens_of_receipts(desk)]
        awkward = list(specimens.awkward(desk, signed, most=_AWKWARD)) if out else []
    for one in [*found, *awkward]:
        if one.problem:
            say(f"== {one.name}: {one.problem}")
        elif out is None:
            say(f"== {one.name}\n{shown.readable(one.wire)}")
        else:
            _write(out / f"{one.name}.eml", one.wire)
    if out is None:
        hint(f"To read them side by side in a browser: {again(loaded, f'preview {campaign} --out DIR')}")
    else:
        page = shown.page(f"{campaign}: {desk.campaign.title}", standing, found, awkward)
        _write(out / "index.html", page.encode())
        letters = sum(not one.problem for one in [*found, *awkward])
        say(f"{counted(letters, 'letter')} in {out}, each as .eml, and all on one page: {out / 'index.html'}")
    if file and first is None:
        hint(f"No row of {file.name} is a signature; these letters are of an invented one.")
    hint("Nothing was queued and nothing was sent.")
    return ConfigurationError.exit_code if any(one.problem for one in found) else 0


def _standing(edition: str, approval: Approval) -> str:
    """Whether somebody has approved letters of an edition, in a sentence."""
    if not approval.hash:
        return f"Edition {edition[:12]}. Nobody has approved letters of this campaign yet."
    if approval.hash == edition:
        return f"Edition {edition[:12]}, approved as it stands."
    return f"Edition {edition[:12]}, changed since edition {approval.hash[:12]} was approved: its letters wait."


def _understood(campaign: Campaign, file: Path) -> Signature | None:
    """Say how a file is understood; gives its first good signature, if there is one."""
    from mailer import checks

    try:
        told = checks.file(campaign, file, datetime.now(UTC).date())
    except UnreadableFile as problem:
        raise UnreadableFile(f"{file}: {problem.reason}") from problem
    say(f"{file.name} is read as {told.form}.")
    table("Columns", ["column", "is taken for"], [(printable(column[:80]), field or "-") for column, field in told.columns])
    more = f", {told.withdraws} by which somebody withdraws" if told.withdraws else ""
    more += f", {told.confirms} by which a signature is confirmed" if told.confirms else ""
    every = told.good + len(told.bad) + told.withdraws + told.confirms
    say(f"{counted(every, 'row')}: {told.good} good, {len(told.bad)} bad{more}")
    for title, rows in (("Rows that would be rejected", told.bad), ("Rows to look at", told.doubtful)):
        if rows:
            table(title, ["line", "reason"], rows[:_SHOWN], right=frozenset({0}))
        if len(rows) > _SHOWN:
            say(f"  … and {len(rows) - _SHOWN} more")
    return told.first


async def _approve(loaded: Configuration, campaign: str, only_diff: bool) -> None:
    from mailer import approval, checks
    from mailer.app import CLOCK, edition_of, opened

    async with opened(loaded, create=True) as office:
        desk, ledger = office.desks[campaign], office.ledger
        before = (await ledger.approvals())[campaign]
        edition, parts = edition_of(loaded, campaign, desk.renderer)
        if before.hash:
            _show_changes(approval.changed(approval.unpacked(await ledger.edition(before.hash) or "{}"), parts))
        else:
            _show_all(parts)
        if only_diff:
            return
        found = checks.campaign(desk)
        if found.problems:
            _told(loaded, [found])
            raise CannotSend(f"{campaign} is not approved: the check fails")
        await ledger.keep_edition(edition, approval.packed(parts), CLOCK.seconds)
        await ledger.approve(campaign, edition, _user(), CLOCK.seconds)
        notes = [*found.notes, *_rehearsed(office)]
    say(f"{campaign} is approved as it stands ({edition[:12]}); a later change holds its letters.")
    for note in notes:
        hint(f"note: {note}")
    hint(f"Letters go out with the next: {again(loaded, 'run')}")


def _user() -> str:
    """Whose word it is: behind sudo the person's, not the service's."""
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a service's user need not have a name
        return f"user {os.getuid()}"


def _show_changes(changes: list[tuple[str, str, str]]) -> None:
    import difflib

    if not changes:
        say("Nothing has changed since it was approved.")
    for part, before, now in changes:
        say(f"changed: {part}")
        compared = difflib.unified_diff(before.splitlines(), now.splitlines(), lineterm="", n=1)
        for line in list(compared)[2:]:  # behind the names of two files that are none
            if not line.startswith("@@"):
                say(f"    {line}")


def _show_all(parts: Mapping[str, str]) -> None:
    """What a first approval covers; templates by name, their text being for `preview`."""
    say("Nothing of this campaign was approved before. It is:")
    for part, text in parts.items():
        say(f"    {part}" if part.startswith("template ") else f"    {part}: {text or 'none'}")


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as problem:
        raise CannotWrite(f"{path}: it cannot be written ({problem.strerror})") from problem
