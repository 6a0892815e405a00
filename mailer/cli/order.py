"""hold, release, retry, cancel, done, resolve: what a person orders of letters, beside a running worker, each with a reason."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from mailer.app import Office
from mailer.cli import completing
from mailer.cli.ground import STATES, Why, again, configuration, counted, hint, is_at_work, known_campaign, say
from mailer.config import Configuration
from mailer.delivery import ORDERS, Order, State
from mailer.errors import UsageProblem
from mailer.ledger import Obeyed, Selection

_AT_ONCE = 1_000  # letters a transaction: a worker beside it never waits long
_LONGEST_END = 4_000_000  # bytes of a printed page in which its letters are named
_KEPT: dict[str, str] = {
    State.ACCEPTED: "accepted, for a target had them already",
    State.IN_DOUBT: "in doubt, for a target may have them",
}
_MEANT = {
    "hold": "Stop letters that wait, until a person releases them.",
    "release": "Let held letters go, whoever held them.",
    "retry": "Send letters again. Those that were refused, bounced, expired or cancelled; deferred ones at once.",
    "cancel": "Never send these letters. One whose final dot is out is left alone, and told.",
    "done": "Say that calls and posted letters are done.",
}


def _selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The ways to say which letters are meant."""
    for option in (
        click.option("--why", required=True, type=Why(), metavar="TEXT", help="Written down with each letter."),
        click.option("--file", type=int, metavar="N", help="Letters of the signatures of this file (its number in the log)."),
        click.option("--reason", default="", shell_complete=completing.reasons, help="Letters with this reason."),
        click.option("--state", type=click.Choice(STATES), metavar="STATE", help="Letters in this state."),
        click.option("--target", default="", shell_complete=completing.targets, help="Letters to this target."),
        click.option("--campaign", default="", shell_complete=completing.campaigns, help="Letters of this campaign."),
        click.argument("letter", type=int, required=False, metavar="[ID]"),
    ):
        command = option(command)
    return command


_printed: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--printed",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The letters of a page that mailer print has written.",
)


def _printed_too(order: Order) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Only what people do is printed."""
    return _printed if order is ORDERS["done"] else lambda command: command


def _selections_of(printed: Path) -> list[Selection]:
    """The letters that a printed page says are in it."""
    from mailer import paper

    try:
        with open(printed, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _LONGEST_END))
            found = paper.letters_in(file.read().decode("utf-8", errors="replace"))
    except OSError as problem:
        raise UsageProblem(f"{printed}: it cannot be read ({problem.strerror})") from problem
    if found is None or not found[1]:
        raise UsageProblem(f"{printed} is no page of mailer print, or a specimen: nothing done")
    campaign, letters = found
    return [Selection(campaign=campaign, letter=letter) for letter in letters]


def _command(order: Order) -> click.Command:
    @click.command(order.name, help=_MEANT[order.name])
    @_selecting
    @_printed_too(order)
    @click.pass_context
    def command(context: click.Context, /, why: str, printed: Path | None = None, **chosen: Any) -> None:
        chosen["state"] = chosen["state"] or ""
        if not any(chosen.values()) and printed is None:
            raise click.UsageError("say which letters: an ID, or --campaign, --target, --state, --reason, --file")
        if any(chosen.values()) and printed is not None:
            raise click.UsageError("--printed names its letters itself: it goes alone")
        loaded = configuration(context)
        selections = _selections_of(printed) if printed else [Selection(**chosen)]
        obeyed = asyncio.run(_give(loaded, selections, order, why))
        moved = obeyed.moved
        by_hand = moved[State.BY_HAND]
        said = order.state if moved[order.state] or not by_hand else State.BY_HAND
        say(f"{counted(moved[said], 'letter')}: {said.replace('_', ' ')}.")
        if by_hand:
            these = "They are" if said is State.BY_HAND else f"{counted(by_hand, 'letter')}"
            then = f"where the target has an address now, out with the next: {again(loaded, 'run')}"
            hint(f"{these} for people to do; {then}")
        for state in sorted(moved.keys() - {order.state, State.BY_HAND}):
            hint(f"{counted(moved[state], 'letter')}: {_KEPT[state]}; only who was missing is dropped.")
        if obeyed.in_hand:
            hint(f"{counted(obeyed.in_hand, 'letter')} {_why_in_hand(loaded)}")
        if obeyed.may_be_out:
            what = "left alone, for they may have gone out before the ledger was restored"
            hint(f"{counted(obeyed.may_be_out, 'letter')} {what}: if not, name them by their --reason (mailer show ID).")
        elif not moved and not obeyed.in_hand:
            states = ", ".join(sorted(state.replace("_", " ") for state in order.of))
            hint(f"None of the letters that you mean is in a state that this can change ({states}).")
            if order.state is State.QUEUED:
                hint("What is withdrawn, or not confirmed where the campaign asks for that, is never sent by an order.")
        if moved[State.QUEUED] and order.state is State.QUEUED:
            hint("They go out with the next: mailer run")

    return command


def _why_in_hand(loaded: Configuration) -> str:
    """Why letters that are being sent were left alone, and what to do."""
    if is_at_work(loaded):
        return "being sent just now, left alone: give the order again in a moment."
    return f"left alone, in the hands of a worker that died: {again(loaded, 'run')} first, then give the order again."


hold, release, retry, cancel, done = (_command(order) for order in ORDERS.values())


@click.command()
@click.argument("letter", type=int, metavar="ID")
@click.option("--accepted", "verdict", flag_value="accepted", help="There is evidence that the relay took it.")
@click.option("--resend", "verdict", flag_value="resend", help="Send it again, with the same bytes and Message-ID.")
@click.option("--why", required=True, type=Why(), metavar="TEXT", help="The evidence, or who decided; written down.")
@click.pass_context
def resolve(context: click.Context, letter: int, verdict: str | None, why: str) -> None:
    """End one letter's doubt by your word. Possible once the server can no longer answer."""
    if verdict is None:
        raise click.UsageError("say --accepted or --resend")
    loaded = configuration(context)
    state = asyncio.run(_resolve(loaded, letter, verdict == "accepted", why))
    say(f"Letter {letter}: {state}.")
    if state == State.DEFERRED:
        hint("Somebody whom it names has not had it: to them alone it goes again, with the next: mailer run")
    elif state == State.QUEUED:
        hint("It goes out with the next: mailer run")


def _see_that_it_names_nobody(office: Office, letter: int | None, why: str) -> None:
    """A reason about one letter must not say whose it is: the journal is kept for good, and free of names."""
    from mailer import desk, outcome, signature

    for record in office.ledger.records(Selection(letter=letter)) if letter else ():
        at = office.desks.get(record.campaign)
        if at is None or record.sealed is None:
            continue
        signed, _ = signature.unpack(at.seal.open(record.sealed))
        if outcome.without(why, desk.private(signed)) != why:
            raise UsageProblem(
                "--why says who signed this letter, and stays in the journal for good: say it without; nothing done"
            )


async def _give(loaded: Configuration, selections: Sequence[Selection], order: Order, why: str) -> Obeyed:
    from mailer.app import CLOCK, opened

    async with opened(loaded, needs_keys=False) as office:
        for campaign in {selection.campaign for selection in selections if selection.campaign}:
            await known_campaign(loaded, office.ledger, campaign)
        for selection in selections:
            _see_that_it_names_nobody(office, selection.letter, why)
        obeyed = Obeyed()
        for selection in selections:
            while True:
                obeyed += await office.ledger.order(selection, order, why, CLOCK.seconds, obeyed.behind, _AT_ONCE)
                if not obeyed.behind:
                    break
        return obeyed


async def _resolve(loaded: Configuration, letter: int, accepted: bool, why: str) -> str:
    """End a doubt; gives the state in which the letter is then."""
    from mailer.app import CLOCK, opened

    async with opened(loaded, needs_keys=False) as office:
        ledger, wait = office.ledger, loaded.relay.dot_timeout
        _see_that_it_names_nobody(office, letter, why)
        if problem := await ledger.resolve(letter, accepted=accepted, why=why, now=CLOCK.seconds, not_before=wait):
            raise UsageProblem(f"letter {letter}: {problem}")
        return next(ledger.records(Selection(letter=letter))).state
