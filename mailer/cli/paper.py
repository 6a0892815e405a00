"""print: what is done by hand, on paper: call sheets, and letters ready to be posted."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from mailer.campaign import Channel, Target
from mailer.cli import completing
from mailer.cli.ground import again, campaign_of, configuration, counted, hint, say, told_closing, told_pause
from mailer.cli.send import shown
from mailer.config import Configuration
from mailer.delivery import State
from mailer.errors import CannotSend, CannotWrite, ConfigurationError, RenderProblem, UsageProblem
from mailer.log import Watch

if TYPE_CHECKING:
    from mailer.app import Office
    from mailer.desk import Desk
    from mailer.paper import ByHand

_SPECIMENS = 3  # invented people on a call sheet
_SHOWN = 5  # numbers of letters in one sentence


@click.command("print")
@click.argument("campaign", shell_complete=completing.campaigns)
@click.argument("target", required=False, shell_complete=completing.targets)
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="The page to write, an .html."
)
@click.option("--specimen", is_flag=True, help="With invented people, to see what it looks like before it is approved.")
@click.pass_context
def print_(context: click.Context, campaign: str, target: str | None, out: Path, specimen: bool) -> int:
    """
    Print call sheets and letters to post.

    For targets of kind phone and post, or one of them: a page for a browser to print on A4. A call sheet has the number, what
    to say, and for whom; each letter to be posted begins on a sheet of its own, its address where a window envelope shows it.
    Printing marks nothing: when it is done, mailer done --printed FILE.
    """
    loaded = configuration(context)
    campaign = campaign_of(loaded, campaign)
    targets = _targets(loaded, campaign, target)
    if not str(out).isprintable():
        raise UsageProblem(f"{str(out)!a} cannot be typed, and the page names itself: give it another name")
    if out.exists():
        raise UsageProblem(f"{out} is there already: name another file, or remove it")
    return asyncio.run(_print(loaded, campaign, targets, out, specimen))


def _targets(loaded: Configuration, campaign: str, named: str | None) -> list[Target]:
    """The targets that are meant, which must be reached by phone or post."""
    every = loaded.campaigns[campaign].targets
    if named is None:
        found = [one for one in every.values() if one.channel is not Channel.EMAIL]
        if not found:
            raise UsageProblem(f"{campaign} has no target of kind phone or post; its letters go by e-mail")
        return found
    if named not in every:
        raise UsageProblem(f"{campaign} has no target «{named}»; its targets are: {', '.join(sorted(every))}")
    if every[named].channel is Channel.EMAIL:
        raise UsageProblem(f"{named} gets its letters by e-mail; to read them: {again(loaded, f'preview {campaign}')}")
    return [every[named]]


async def _print(loaded: Configuration, campaign: str, targets: list[Target], out: Path, specimen: bool) -> int:
    from mailer.app import CLOCK, opened

    async with opened(loaded, create=True) as office:
        if not specimen:
            await _see_that_it_may(office, campaign, CLOCK.seconds)
            targets = await _open_ones(office, campaign, targets)
        pages = _Pages(loaded, office, campaign, out, specimen, CLOCK.seconds)
        with shown() as watch:
            await pages.write(targets, watch)
        waiting = {} if specimen else office.ledger.tally()
    for target in targets:
        if held := waiting.get((campaign, target.id, State.HELD), 0):
            what = again(loaded, f"log --campaign {campaign} --target {target.id} --state held")
            hint(f"{target.id}: {counted(held, 'letter')} held, see {what}; what may go is by hand behind the next mailer run.")
    for problem in pages.problems:
        say(problem)
    if not pages.letters and not pages.problems:
        say("Nothing is to be done by hand.")
        return 0
    say(f"{counted(pages.letters, 'letter')} in {out}.")
    hint("Open it in a browser and print it: A4, at its own size, without the browser's headers and footers.")
    if not specimen:
        hint("It holds names and addresses: let nobody else read it, and remove it afterwards. mailer erase does not find it.")
        hint(f"When it is done: {pages.marking}")
    return ConfigurationError.exit_code if pages.problems else 0


async def _open_ones(office: Office, campaign: str, targets: list[Target]) -> list[Target]:
    """Those of the targets that are not closed; of the others it is said."""
    loaded = office.configuration
    closings = {closing.target: closing for closing in await office.ledger.closings() if closing.campaign == campaign}
    for target in targets:
        if target.id in closings:
            say(f"Left out, for it is {told_closing(closings[target.id], loaded)}")
        elif target.closed:
            say(f"Left out, for it is closed: {target.id} of {campaign} ({target.closed}), by its configuration")
    return [target for target in targets if not (target.closed or target.id in closings)]


async def _see_that_it_may(office: Office, campaign: str, now: int) -> None:
    """Paper goes out by the same rules as mail. Raises: CannotSend."""
    from mailer.rules import is_over

    loaded, ruling = office.configuration, await office.ruling()
    if not ruling.is_approved(campaign):
        raise CannotSend(
            f"{campaign} is not approved as it stands, so nothing is printed: {again(loaded, f'approve {campaign}')}"
        )
    for pause in await office.ledger.pauses():
        if pause.stops(campaign):
            raise CannotSend(f"nothing is printed: {told_pause(pause, loaded)}")
    if is_over(loaded.campaigns[campaign], now):
        what = again(loaded, f"cancel --campaign {campaign} --state by_hand --why TEXT")
        raise CannotSend(f"the deadline of {campaign} has passed, so nothing is printed; to end what was not done: {what}")


class _Pages:
    """One file under way: what is written, how many letters, and what could not be."""

    def __init__(self, loaded: Configuration, office: Office, campaign: str, out: Path, specimen: bool, now: int) -> None:
        self._desk: Desk = office.desks[campaign]
        self._office, self._campaign, self._out, self._specimen, self._now = office, campaign, out, specimen, now
        marking = again(loaded, f"done --printed {shlex.quote(str(out))} --why TEXT")
        self.marking = "nothing, it is a specimen" if specimen else marking
        self._written: dict[int, str] = {}
        self.problems: list[str] = []

    @property
    def letters(self) -> int:
        """How many are in the file."""
        return len(self._written)

    async def write(self, targets: list[Target], watch: Watch) -> None:
        """
        Write it beside its name, readable for its owner only, and give it the name when it is whole and what is on it is
        written down.
        """
        unfinished = self._out.with_name(f".{self._out.name}.part")
        try:
            with self._office.ledger.at_one_moment():
                self._write_all(unfinished, targets, watch)
            if not unfinished.exists():
                return
            if self._written and not self._specimen:
                await self._note()
            os.link(unfinished, self._out)
        except OSError as problem:
            raise CannotWrite(f"{self._out}: it cannot be written ({problem.strerror})") from problem
        finally:
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)

    async def _note(self) -> None:
        """Nothing that may be on paper goes another way. Raises: CannotSend, if something of it has gone meanwhile."""
        if gone := await self._office.ledger.note_printed(self._campaign, self._written, self._now):
            what = f"{counted(len(gone), 'letter')} of it moved while it was written ({_some(gone)})"
            raise CannotSend(f"nothing is printed, for {what}: print again")

    def _write_all(self, unfinished: Path, targets: list[Target], watch: Watch) -> None:
        """Write the whole file, if there is anything to write."""
        from mailer import paper

        counts = {target.id: sum(1 for _ in self._signed(target)) for target in targets}
        if not any(counts.values()):
            return
        watch.letters(sum(counts.values()))
        title = f"{self._campaign}: {self._desk.campaign.title}"
        self._out.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(unfinished, flags, 0o600), "w", encoding="utf-8") as file:
            file.write(paper.head(title))
            for target in targets:
                if counts[target.id]:
                    self._write_one(file, target, counts[target.id], watch)
            file.write(paper.end(self._campaign, [] if self._specimen else sorted(self._written)))

    def _write_one(self, file: IO[str], target: Target, count: int, watch: Watch) -> None:
        from mailer import paper

        if target.channel is Channel.PHONE:
            try:
                for piece in paper.sheet(self._desk, target, self._told(target, watch), count, self.marking, self._now):
                    file.write(piece)
            except RenderProblem as problem:
                self.problems.append(f"{target.id}: {problem}")
            return
        file.writelines(paper.cover(self._desk, target, self._signed(target), count, self.marking))
        for one in self._signed(target):
            try:
                file.write(paper.letter(self._desk, target, one, self._now))
                self._written[one.letter] = target.channel
            except RenderProblem as problem:
                self.problems.append(f"letter {one.letter} cannot be written: {problem}")
            watch.letter()

    def _told(self, target: Target, watch: Watch) -> Iterator[ByHand]:
        """What goes onto a call sheet, counted as it does."""
        for one in self._signed(target):
            self._written[one.letter] = target.channel
            watch.letter()
            yield one

    def _signed(self, target: Target) -> Iterator[ByHand]:
        """What is to be done for a target; with --specimen of invented people, one in each voice and language."""
        from mailer import paper

        if self._specimen:
            yield from paper.specimens(self._desk, target, _SPECIMENS)
            return
        for letter, sealed in self._office.ledger.by_hand(self._campaign, target.id, target.channel):
            found = paper.opened(self._desk, letter, sealed)
            if isinstance(found, paper.Unwritten):
                if (said := f"letter {letter} cannot be written: {found.why}") not in self.problems:
                    self.problems.append(said)
            else:
                yield found


def _some(letters: Sequence[int]) -> str:
    return ", ".join(map(str, letters[:_SHOWN])) + ("…" if len(letters) > _SHOWN else "")


print = print_
