"""hold, release, retry, cancel, resolve: what a person orders of letters, beside a running worker, each with a reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import click

from mailer.cli.ground import STATES, campaign_of, configuration, hint, say
from mailer.config import Configuration
from mailer.delivery import ORDERS, Order, State
from mailer.errors import UsageProblem
from mailer.ledger import Selection

_AT_ONCE = 1_000  # letters a transaction: a worker beside it never waits long
_MEANT = {
    "hold": "Stop letters that wait, until a person releases them.",
    "release": "Let held letters go, whoever held them.",
    "retry": "Send letters again. Those that were refused, bounced, expired or cancelled; deferred ones at once.",
    "cancel": "Never send these letters. One that is being sent just now is left alone.",
}


def _selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The ways to say which letters are meant."""
    for option in (
        click.option("--why", required=True, metavar="TEXT", help="Written down with each letter."),
        click.option("--file", type=int, metavar="N", help="Letters of the signatures of this file (its number in the log)."),
        click.option("--reason", default="", help="Letters with this reason."),
        click.option("--state", type=click.Choice(STATES), metavar="STATE", help="Letters in this state."),
        click.option("--target", default="", help="Letters to this target."),
        click.option("--campaign", default="", help="Letters of this campaign."),
        click.argument("letter", type=int, required=False, metavar="[ID]"),
    ):
        command = option(command)
    return command


def _command(order: Order) -> click.Command:
    @click.command(order.name, help=_MEANT[order.name])
    @_selecting
    @click.pass_context
    def command(context: click.Context, /, why: str, **chosen: Any) -> None:
        chosen["state"] = chosen["state"] or ""
        if not any(chosen.values()):
            raise click.UsageError("say which letters: an ID, or --campaign, --target, --state, --reason, --file")
        loaded = configuration(context)
        if chosen["campaign"]:
            campaign_of(loaded, chosen["campaign"])
        moved = asyncio.run(_give(loaded, Selection(**chosen), order, why))
        say(f"{moved} {'letter' if moved == 1 else 'letters'}: {order.state.replace('_', ' ')}.")
        if not moved:
            states = ", ".join(sorted(state.replace("_", " ") for state in order.of))
            hint(f"None of the letters that you mean is in a state that this can change ({states}).")
        elif order.state is State.QUEUED:
            hint("They go out with the next: mailer run")

    return command


hold, release, retry, cancel = (_command(ORDERS[name]) for name in ("hold", "release", "retry", "cancel"))


@click.command()
@click.argument("letter", type=int, metavar="ID")
@click.option("--accepted", "verdict", flag_value="accepted", help="There is evidence that the relay took it.")
@click.option("--resend", "verdict", flag_value="resend", help="Send it again, with the same bytes and Message-ID.")
@click.option("--why", required=True, metavar="TEXT", help="The evidence, or who decided; written down.")
@click.pass_context
def resolve(context: click.Context, letter: int, verdict: str | None, why: str) -> None:
    """End one letter's doubt by your word. Possible once the server can no longer answer."""
    if verdict is None:
        raise click.UsageError("say --accepted or --resend")
    loaded = configuration(context)
    problem = asyncio.run(_resolve(loaded, letter, verdict == "accepted", why))
    if problem:
        raise UsageProblem(f"letter {letter}: {problem}")
    say(f"Letter {letter}: {'accepted' if verdict == 'accepted' else 'queued'}.")


async def _give(loaded: Configuration, selection: Selection, order: Order, why: str) -> int:
    from mailer.app import CLOCK, opened

    async with opened(loaded) as office:
        moved, behind = 0, 0
        while True:
            some, behind = await office.ledger.order(selection, order, why, CLOCK.seconds, behind, _AT_ONCE)
            moved += some.total()
            if not behind:
                return moved


async def _resolve(loaded: Configuration, letter: int, accepted: bool, why: str) -> str:
    from mailer.app import CLOCK, opened

    async with opened(loaded) as office:
        wait = loaded.relay.dot_timeout
        return await office.ledger.resolve(letter, accepted=accepted, why=why, now=CLOCK.seconds, not_before=wait)
