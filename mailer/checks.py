"""
Is everything in order before letters leave: every letter that a campaign can write, its addresses, the relay, DNS.

    configuration  >  CHECKS  >  cli (check, preview, approve)

Every template x language x target x voice is filled in (`specimens`), once with every field given and once with none; what
fails here would hold letters later. Nothing is queued and nothing is sent; the relay is only greeted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from mailer import alignment, hours, paper, reading
from mailer import campaign as campaigns
from mailer.alignment import Said, Weight
from mailer.announce import specimens_of_receipts
from mailer.campaign import Campaign, Channel, Reason
from mailer.desk import Desk
from mailer.dkim import Signer
from mailer.errors import AccountRefused, ConfigurationError, RelayProblem
from mailer.moment import Order
from mailer.outcome import ACCOUNT_REFUSED, TABLE, Handover, Rule, judge
from mailer.relay import Mode, Settings, reachable
from mailer.resolver import Resolver
from mailer.sheets import form
from mailer.signature import Signature
from mailer.specimens import BARE, FULL, SPECIMEN_DATE, specimens


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found: problems that must be mended, with their exit code, and notes that a person should know."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    exit_code: int = ConfigurationError.exit_code


def campaign(desk: Desk) -> Findings:
    """Check one campaign: every letter that it can write, every address that it would write to."""
    problems = [f"{desk.campaign.id}: dkim: {problem}" for problem in _unusable(desk.signers)]
    desk = replace(desk, signers=()) if problems else desk  # so that all else is checked too
    for signed in (FULL, BARE):
        for one in specimens(desk, signed):
            if one.problem:
                problems.append(f"{desk.campaign.id}: {one.target}, {one.language}, {one.voice}: {one.problem}")
    problems += [f"{desk.campaign.id}: {one.problem}" for one in specimens_of_receipts(desk) if one.problem]
    problems += [f"{desk.campaign.id}: {problem}" for problem in paper.check(desk, FULL, SPECIMEN_DATE)]
    return Findings(tuple(dict.fromkeys(problems)), tuple(_notes(desk)))


def _unusable(signers: Sequence[Signer]) -> Iterator[str]:
    for signer in signers:
        try:
            _ = signer.record
        except ConfigurationError as problem:
            yield str(problem)


def _notes(desk: Desk) -> Iterator[str]:
    campaign = desk.campaign
    for target in campaign.targets.values():
        if target.closed:
            yield f"{campaign.id}: {target.id} is closed ({target.closed}); its letters wait"
        elif target.directory is not None:
            missions = target.directory.missions
            known = [mission for mission in missions if mission.email]
            yield f"{campaign.id}: {target.id}: {len(known)} of {len(missions)} missions have an address, the rest wait"
            unconfirmed = sum(not mission.confirmed for mission in known)
            if desk.is_live and unconfirmed:
                yield f"{campaign.id}: {target.id}: {unconfirmed} addresses are not confirmed (checked_on)"
        elif desk.is_live and campaigns.route(campaign, target, "", live=True).hold is Reason.NOT_CONFIRMED:
            yield f"{campaign.id}: {target.id}: the address is not confirmed (checked_on is empty); its letters wait"
    yield from _of_hours(campaign)
    bounces = campaign.sender.bounce_address
    if bounces and not bounces.endswith(f"@{campaign.sender.address.domain}"):
        yield f"{campaign.id}: bounce_address is in another domain than the sender: SPF will not align with From"
    if desk.is_live and re.search(r"(^|\.)example(\.(org|com|net))?$", campaign.sender.address.domain):
        yield f"{campaign.id}: the sender's address {campaign.sender.address} is an example; nobody can answer it"


def _of_hours(campaign: Campaign) -> Iterator[str]:
    """Where a window does not know the holidays of a target, so that letters go there on these days too."""
    if campaign.window is None or campaign.window.is_open_on_holidays:
        return
    for target in campaign.targets.values():
        if target.channel is not Channel.EMAIL:
            continue
        country = target.country or hours.of_zone(target.timezone)
        if not country and target.directory is None:
            said = "neither country nor time zone tells whose public holidays it keeps; the window is open on them"
            yield f"{campaign.id}: {target.id}: {said}"
        elif country and not hours.is_known(country):
            yield f"{campaign.id}: {target.id}: the public holidays of {country} are not known; the window is open on them"


async def dns(desks: Iterable[Desk], resolver: Resolver, host: str) -> Findings:
    """Ask DNS about every campaign's sender and targets; `host` is the relay that sends, empty where none is set up."""
    said: list[tuple[str, Said]] = []
    for desk in desks:
        keys = [signer.record for signer in desk.signers] if not list(_unusable(desk.signers)) else []
        found = [
            *await alignment.of_sender(resolver, desk.campaign, keys, host),
            *await alignment.of_targets(resolver, desk.campaign),
        ]
        said += [(f"{desk.campaign.id}: {one.sentence}", one) for one in found]
    problems = [sentence for sentence, one in said if one.weight is Weight.PROBLEM]
    unknown = [sentence for sentence, one in said if one.weight is Weight.UNKNOWN]
    notes = tuple(sentence for sentence, one in said if one.weight is Weight.NOTE)
    code = ConfigurationError.exit_code if problems else RelayProblem.exit_code
    return Findings((*problems, *unknown), notes, code)


async def relay(settings: Settings, table: Sequence[Rule] = TABLE) -> Findings:
    """Greet the relay as a worker would (TLS, account), and say goodbye; `table` is what its answers are judged by."""
    if settings.mode is Mode.FILE:
        return Findings(notes=(f"letters are written to {settings.folder}; there is no relay to ask",))
    async with reachable(settings) as reached:
        opened = await reached.connect()
        if isinstance(opened, Handover):
            refused = judge(opened.stage, opened.answer, table).reason == ACCOUNT_REFUSED
            code = (AccountRefused if refused else RelayProblem).exit_code
            return Findings((f"relay {reached.name}: {opened.stage}: {opened.answer}",), exit_code=code)
        await opened.close()
    return Findings(notes=(f"relay {reached.name} answers and lets us in",))


def relay_log(path: Path) -> Findings:
    """Whether the log that the relay writes can be read."""
    try:
        with path.open("rb"):
            return Findings()
    except FileNotFoundError:
        said = "there is no such file yet; `maillog_file` or syslog's configuration says where Postfix writes"
    except PermissionError:
        said = "it may not be read; on Debian logs are for the group adm: usermod -aG adm mailer (or in its unit"
        said += " SupplementaryGroups=adm)"
    except OSError as problem:
        said = f"it cannot be read ({problem.strerror})"
    return Findings(notes=(f"relay: log: {path}: {said}",))


@dataclass(frozen=True, slots=True)
class FileFindings:
    """
    How a file is understood: its form in a sentence, what each column is taken for, its good and bad rows, its first signature,
    and how many withdraw or only confirm.

    `columns` are (column, field), the field empty for a column that is left alone.
    """

    form: str
    columns: tuple[tuple[str, str], ...]
    good: int
    bad: tuple[tuple[int, str], ...]
    doubtful: tuple[tuple[int, str], ...]
    first: Signature | None
    withdraws: int = 0
    confirms: int = 0


def file(campaign: Campaign, path: Path, today: date) -> FileFindings:
    """
    Read a file as intake would, and remember nothing.

    Raises:
        UnreadableFile: it would be set aside whole, with this reason.
    """
    good, bad, doubtful, first, withdraws, confirms = 0, [], [], None, 0, 0
    found: dict[str, str] = {}
    with path.open("rb") as stream:
        opened = reading.of(stream, path.name, campaign, today)
        for one in opened.rows():
            found |= opened.understood(one.row)
            if one.withdraws is not None:
                withdraws += 1
            elif one.confirms is not None:
                confirms += 1
            elif one.signed is None:
                bad.append((one.row.line, one.reason))
            else:
                good, first = good + 1, first or one.signed
            if one.warning:
                doubtful.append((one.row.line, one.warning))
    found = found or opened.understood(None)
    return FileFindings(_form(opened), tuple(found.items()), good, tuple(bad), tuple(doubtful), first, withdraws, confirms)


def _form(opened: reading.Reading) -> str:
    """How the file's bytes were read: form, encoding or sheet, and the order of its dates if that had to be found out."""
    sheet = opened.sheet
    told = f"{sheet.form.upper()}, " + (f"the sheet «{sheet.part}»" if sheet.part else f"in {form.spelt(sheet.encoding)}")
    return told if opened.order is Order.UNKNOWN else f"{told}, its dates with the {opened.order}"
