"""
withdraw, erase: a person wants no more letters, or no trace; beside a running worker.

An address that stands on a command line stays in the shell's history and can be seen by whoever lists processes. So it may be
given on stdin instead, by `-`; and no line that is printed, logged or journaled holds it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TextIO

import click

from mailer import address
from mailer.address import Address
from mailer.cli.ground import again, campaign_of, configuration, counted, hint, is_at_work, near, removal, say
from mailer.config import Configuration
from mailer.errors import BadRow, UnreadableFile, UsageProblem, unquoted
from mailer.ledger import Left

_UNFINISHED = 75
_SHOWN = 20
# Bytes of a ledger that is written anew beside a worker: 100,000 signatures (138 MiB) took 3 s, and a worker waits for 10 s.
_COMPACT_BESIDE = 128 << 20
_HISTORY = "The address is in your shell's history now; the next time: {} -, then type it, Enter, Ctrl-D."


@click.command()
@click.argument("who", metavar="FILE|EMAIL|-")
@click.option("--campaign", default="", help="Which campaign they withdraw from; needed where there are several.")
@click.pass_context
def withdraw(context: click.Context, who: str, campaign: str) -> int:
    """
    Stop what was not sent of people who withdraw.

    They are kept out from then on, and what was sent already is told. EMAIL, or addresses on stdin (-), one a line; or a FILE
    with a column for the address. Such a file may also be dropped into incoming/: as NAME.withdrawn.csv. Ends with 65 where a
    row of it was not understood: who stands there has not withdrawn.
    """
    loaded = configuration(context)
    if not campaign and len(loaded.campaigns) > 1:
        raise click.UsageError("say --campaign: " + ", ".join(sorted(loaded.campaigns)))
    id = campaign_of(loaded, campaign) if campaign else next(iter(loaded.campaigns))
    addresses, unheard = _of_file(loaded, id, Path(who)) if _is_file(who) else (_given(who), 0)
    left = asyncio.run(_withdraw(loaded, id, addresses))
    signed = sum(one.had_signed for one in left)
    say(f"{counted(len(left), 'person') if len(left) == 1 else f'{len(left)} people'} withdrawn: {signed} had signed.")
    _say_letters(left)
    if signed < len(left):
        hint("Who had not signed will not be taken in by a later file.")
    if "@" in who:
        hint(_HISTORY.format(again(loaded, "withdraw")))
    hint(f"What was sent already cannot be called back. Every letter: {again(loaded, 'log --state cancelled')}")
    if unheard:
        say(
            f"{counted(unheard, 'row')} not understood: who stands there has NOT withdrawn. Correct the file and give it again."
        )
    return BadRow.exit_code if unheard else 0


@click.command()
@click.argument("email", metavar="EMAIL|-")
@click.pass_context
def erase(context: click.Context, email: str) -> int:
    """
    Leave no trace of a person, in any campaign.

    What was not sent is cancelled; the files in done/ that hold the person are removed whole, and so are their letters in the
    sandbox; counts stay, and no later file brings them back. With - the address is read from stdin, which no history keeps.
    """
    loaded = configuration(context)
    addresses = _given(email)
    if len(addresses) != 1:
        raise click.UsageError("one address at a time")
    return asyncio.run(_erase(loaded, addresses[0], email))


def _is_file(who: str) -> bool:
    if who == "-":
        return False
    if Path(who).is_file():
        return True
    if "@" not in who:
        raise UsageProblem("there is no such file, and it is no e-mail address; nothing was done")
    return False


def _given(who: str) -> list[Address]:
    """The addresses of a command line, or of stdin."""
    texts = _lines(sys.stdin) if who == "-" else [who]
    found = []
    for number, text in enumerate(texts, 1):
        try:
            found.append(address.parse_written(text))
        except ValueError:
            where = f"line {number} of stdin" if who == "-" else "what you gave"
            raise UsageProblem(f"{where} is no e-mail address; nothing was done") from None
    if not found:
        raise UsageProblem("no address was given on stdin; nothing was done")
    return found


def _lines(stream: TextIO) -> list[str]:
    if stream.isatty():
        hint("Type the address, then Enter and Ctrl-D.")
    return [line.strip() for line in stream if line.strip()]


def _of_file(loaded: Configuration, campaign: str, file: Path) -> tuple[list[Address], int]:
    """The addresses of a list, and how many rows have no good one; each of those is told by its line, and stops nothing."""
    from datetime import UTC, datetime

    from mailer import reading

    found, unheard = [], 0
    try:
        with file.open("rb") as stream:
            today = datetime.now(UTC).date()
            opened = reading.of(stream, file.name, loaded.campaigns[campaign], today, is_list=True)
            for one in opened.rows():
                if one.withdraws is not None:
                    found.append(one.withdraws)
                else:
                    unheard += 1
                    hint(f"line {one.row.line}: not understood: {unquoted(one.reason)}")
    except UnreadableFile as problem:
        raise UnreadableFile(f"the file cannot be read: {problem.reason}") from problem
    except OSError as problem:
        raise UsageProblem(f"the file cannot be read ({problem.strerror}); nothing was done") from problem
    return found, unheard


async def _withdraw(loaded: Configuration, campaign: str, addresses: list[Address]) -> list[Left]:
    from mailer import erasure
    from mailer.app import CLOCK, opened

    async with opened(loaded) as office:
        if campaign not in office.desks:
            raise UsageProblem(f"nothing of {campaign} was taken in yet; first: {again(loaded, 'run')}")
        return list(await erasure.withdraw(office.ledger, office.desks[campaign].recogniser, addresses, CLOCK.seconds))


async def _erase(loaded: Configuration, who: Address, given: str) -> int:
    from mailer import erasure
    from mailer.app import CLOCK, opened, recognisers, spool_of
    from mailer.errors import LedgerProblem

    async with opened(loaded) as office:
        ground = erasure.Ground(office.ledger, await recognisers(office), spool_of(loaded))
        if not ground.campaigns:
            raise UsageProblem(f"nothing was taken in yet; first: {again(loaded, 'run')}")
        left = await erasure.begin(ground, who, CLOCK.seconds)
        say(
            "Erased from the ledger." if left.had_signed else "Nobody has signed with this address; it is kept out from now on."
        )
        _say_letters([left])
        swept, unfinished = erasure.Swept(), ""
        try:
            swept = await erasure.finish(ground, may_compact=_may_compact(loaded))
        except LedgerProblem as problem:
            unfinished = str(problem)
        looked = [*swept.unclear, *swept.rejected]
        looked += erasure.still(loaded.keys.parent, who, looked)
    if swept.files or swept.letters:
        files, letters = counted(swept.files, "file"), counted(swept.letters, "letter")
        say(f"Removed: {files} in done/ with what lay beside, {letters} in the sandbox or outbox.")
    for path in looked[:_SHOWN]:
        hint(f"This may hold the person still, look at it and remove it yourself: {near(path)}")
    for path in erasure.aside(Path(loaded.ledger)):
        hint(f"An older ledger holds the person still, if they were in it; once you can do without it: {removal(path)}")
    hint("Copies elsewhere (backups, the lists that you exported, mail servers) are yours to erase.")
    if "@" in given:
        hint(_HISTORY.format(again(loaded, "erase")))
    if waits := [*swept.waits, *([unfinished] if unfinished else [])]:
        hint(f"Not finished yet: {'; '.join(waits)}. It is finished by the next: {again(loaded, 'run')}")
        return _UNFINISHED
    return 0


def _may_compact(loaded: Configuration) -> bool:
    return Path(loaded.ledger).stat().st_size <= _COMPACT_BESIDE or not is_at_work(loaded)


def _say_letters(left: list[Left]) -> None:
    """What became of the letters of those who leave."""
    from mailer.accounts import out

    all_of = sum(left, Left(False))
    cancelled = all_of.letters["cancelled"]
    told = [f"{counted(cancelled, 'letter')} cancelled"] if cancelled else []
    if text := ", ".join([*told, *filter(None, [out(all_of)])]):
        say(f"Letters: {text}.")
