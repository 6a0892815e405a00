"""pause, resume: sending stands still, and goes on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import click

from mailer.app import Office
from mailer.cli import completing
from mailer.cli.ground import Why, again, campaign_of, configuration, counted, hint, known_campaign, say, told_pause
from mailer.cli.send import shown
from mailer.config import Configuration
from mailer.errors import CannotSend, LedgerProblem, UsageProblem

_STOPS = ("relay", "ledger", "clock")  # what stops by itself, by the names that `resume` knows


@click.command()
@click.argument("campaign", required=False, shell_complete=completing.campaigns)
@click.option("--why", required=True, type=Why(), metavar="TEXT", help="Told to everybody who looks.")
@click.pass_context
def pause(context: click.Context, campaign: str | None, why: str) -> None:
    """Stop sending at once: one campaign, or all. What is in hand goes back unsent, unless its last byte is on its way."""
    loaded = configuration(context)
    scope = f"campaign:{campaign_of(loaded, campaign)}" if campaign else "all"
    if asyncio.run(_pause(loaded, scope, why)):
        say(f"{'Campaign ' + campaign if campaign else 'All sending'} is paused.")
    else:
        say(f"{'Campaign ' + campaign if campaign else 'All sending'} was paused already; nothing was changed.")
    hint(f"To go on: {again(loaded, f'resume {campaign} --why TEXT' if campaign else 'resume --why TEXT')}")


@click.command()
@click.argument("what", required=False, shell_complete=completing.what_stops, metavar="[CAMPAIGN | relay | ledger | clock]")
@click.option("--why", required=True, type=Why(), metavar="TEXT", help="Told to everybody who looks.")
@click.pass_context
def resume(context: click.Context, what: str | None, why: str) -> None:
    """
    Let sending go on: all of it, or what had stopped by itself.

    Without a name the general stop is lifted; campaigns that were paused one by one stay so. `relay` tries at once one that
    had failed and is being left alone for a while. `ledger` goes on with one that was restored or moved: what waits in it may
    have gone out since, so it is held until you release or cancel it. `clock` goes on once the time is right.
    """
    loaded = configuration(context)
    scope = what if what in _STOPS else f"campaign:{what}" if what else "all"
    lifted, still = asyncio.run(_resume(loaded, scope, why))
    subject = {"all": "All sending"}.get(scope, f"The {what}" if what in _STOPS else f"Campaign {what}")
    say(f"{subject} may go on." if lifted else "It was not stopped; nothing was changed.")
    for stop in still:
        hint(f"Still {stop}")
    if not still:
        hint(f"Letters go out with the next: {again(loaded, 'run')}")


async def _pause(loaded: Configuration, scope: str, why: str) -> bool:
    from mailer.app import CLOCK, opened
    from mailer.delivery import Who

    async with opened(loaded, create=True, needs_keys=False) as office:
        return await office.ledger.pause(scope, Who.PERSON, why, CLOCK.seconds)


async def _resume(loaded: Configuration, scope: str, why: str) -> tuple[bool, list[str]]:
    """Whether something was lifted, and what still stops letters."""
    from mailer import continuity
    from mailer.app import CLOCK, opened
    from mailer.pace import Breaker

    # Of a ledger that was put back, campaigns may be unknown that have begun since.
    is_ledger = scope == continuity.LEDGER
    async with opened(loaded, create=is_ledger, needs_keys=is_ledger) as office:
        ledger, now = office.ledger, CLOCK.seconds
        match scope:
            case "relay":
                lifted = await ledger.breaker(loaded.relay.name) != Breaker()
                await ledger.keep_breaker(loaded.relay.name, Breaker(), now, why if lifted else "")
            case continuity.LEDGER:
                lifted = await _trust_ledger(office, why)
            case continuity.CLOCK:
                await _look(office)
                lifted = await continuity.trust_clock(ledger, loaded.retry, why, now)
            case _:
                if scope != "all":
                    await known_campaign(loaded, ledger, scope.removeprefix("campaign:"))
                lifted = await ledger.resume(scope, why, now)
        return lifted, [told_pause(pause, loaded) for pause in await ledger.pauses()]


async def _look(office: Office) -> None:
    """See what a run would stop for: who has been told by one of another ledger or clock need not wait for the next."""
    from mailer import continuity
    from mailer.app import CLOCK, install_of

    install = install_of(office)
    with suppress(CannotSend):
        await continuity.see(office.ledger, install, CLOCK.seconds)


async def _trust_ledger(office: Office, why: str) -> bool:
    """Go on with a ledger that is not the one of the last run; False where it is."""
    from mailer import additions, continuity, erasure
    from mailer.app import CLOCK, install_of, spool_of
    from mailer.instance import Lock
    from mailer.intake import Intake

    loaded, ledger = office.configuration, office.ledger
    with Lock(loaded.keys.parent / "lock") as lock, shown() as watch:
        if lock.acquire():
            await _look(office)
        stops = {pause.scope for pause in await ledger.pauses()}
        if continuity.LEDGER not in stops:
            return False
        if not lock.acquire():
            raise UsageProblem("another mailer is at work here; stop it first")
        if continuity.CLOCK in stops:
            said = again(loaded, "resume clock --why TEXT")
            raise UsageProblem(f"the clock stops it too, and what is from before this moment is told by it: first {said}")
        spool = spool_of(loaded)
        spool.prepare()
        before = (await ledger.installed()).get("place", "")
        intake = Intake(spool, ledger, office.desks, CLOCK, watch)

        async def adopt() -> None:
            await erasure.replay(ledger, loaded.journal, CLOCK.seconds)
            await intake.adopt()
            # The lost ledger may have written to targets that this one does not know: these letters are held with the others.
            await additions.complete(ledger, office.desks, CLOCK.seconds)

        held = await continuity.trust_ledger(ledger, install_of(office), adopt, why, CLOCK.seconds)
    if held:
        hint(f"{counted(held, 'letter')} held, for they may have gone out since this copy was made.")
        these = "--reason 'restored ledger' --why TEXT"
        hint(f"If they have not: {again(loaded, f'release {these}')}; if they have: {again(loaded, f'cancel {these}')}")
    await _stop_the_other(Path(loaded.ledger), before)
    return True


async def _stop_the_other(ledger: Path, place: str) -> None:
    """
    Where the ledger that stood at a place still lies nearby, as one that was moved aside does, it must not go on as if nothing
    had happened, should it be put back.
    """
    from mailer import continuity
    from mailer.app import CLOCK
    from mailer.delivery import Who
    from mailer.instance import place_of
    from mailer.ledger.sqlite import SqliteLedger

    for other in (*ledger.parent.glob(f"*/{ledger.name}"), *ledger.parent.parent.glob(f"*/{ledger.name}")):
        if other == ledger or place_of(other) != place:
            continue
        why = "a copy of it was trusted, and may have sent since what waits here"
        try:
            stopped = SqliteLedger(other)
        except LedgerProblem:  # a damaged one is why the copy was put back
            hint(f"The ledger in {other.parent} could not be stopped, for it cannot be used as it is: never put it back.")
            continue
        try:
            await stopped.pause(continuity.LEDGER, Who.RULE, why, CLOCK.seconds)
        finally:
            stopped.close()
        hint(f"The ledger in {other.parent} was stopped: put it back only with `mailer resume ledger`.")
