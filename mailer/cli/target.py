"""target close, target open: one target's letters wait, and go on."""

from __future__ import annotations

import asyncio

import click

from mailer.campaign import Channel
from mailer.cli import completing
from mailer.cli.ground import Why, again, campaign_of, configuration, hint, say
from mailer.config import Configuration
from mailer.errors import UsageProblem


@click.group()
def target() -> None:
    """Close a target, or open it again."""


def _target_of(loaded: Configuration, campaign: str, target: str) -> str:
    """A target's id as given, if the campaign has such a one."""
    targets = loaded.campaigns[campaign_of(loaded, campaign)].targets
    if target not in targets:
        raise UsageProblem(f"{campaign} has no target «{target}»; its targets are: {', '.join(sorted(targets))}")
    return target


@target.command()
@click.argument("campaign", shell_complete=completing.campaigns)
@click.argument("target", shell_complete=completing.targets)
@click.option("--why", required=True, type=Why(), metavar="TEXT", help="Told to everybody who looks.")
@click.pass_context
def close(context: click.Context, campaign: str, target: str, why: str) -> None:
    """Begin no letter to a target any more. What waits for it, by hand too, is held; a letter that is in hand is finished."""
    loaded = configuration(context)
    is_new = asyncio.run(_change(loaded, campaign, _target_of(loaded, campaign, target), why, is_open=False))
    say(f"{target} of {campaign} is closed." if is_new else f"{target} of {campaign} was closed already; nothing was changed.")
    if _is_carried(loaded, campaign, target):
        hint("Its letters wait until it is opened, and none is printed; what was printed before can still be marked as done.")
    else:
        hint("Its letters wait until it is opened, or are given up at the campaign's deadline.")
    hint(f"To go on: {again(loaded, f'target open {campaign} {target} --why TEXT')}")


@target.command("open")
@click.argument("campaign", shell_complete=completing.campaigns)
@click.argument("target", shell_complete=completing.targets)
@click.option("--why", required=True, type=Why(), metavar="TEXT", help="Written down.")
@click.pass_context
def open_(context: click.Context, campaign: str, target: str, why: str) -> None:
    """Let letters go to a target again. What a person holds stays held."""
    loaded = configuration(context)
    was_closed = asyncio.run(_change(loaded, campaign, _target_of(loaded, campaign, target), why, is_open=True))
    say(f"{target} of {campaign} is open again." if was_closed else "It was not closed by a command; nothing was changed.")
    if said := loaded.campaigns[campaign].targets[target].closed:
        hint(f"The configuration closes it too ({said}): take `closed` out of config/campaigns/{campaign}.yaml.")
    elif was_closed and _is_carried(loaded, campaign, target):
        hint(f"Its letters are by hand again behind the next: {again(loaded, 'run')}")
    elif was_closed:
        hint(f"Its letters go out with the next: {again(loaded, 'run')}")


def _is_carried(loaded: Configuration, campaign: str, target: str) -> bool:
    """Whether it is people who carry the letters to a target."""
    return loaded.campaigns[campaign].targets[target].channel is not Channel.EMAIL


async def _change(loaded: Configuration, campaign: str, target: str, why: str, *, is_open: bool) -> bool:
    from mailer.app import CLOCK, opened

    async with opened(loaded, create=True, needs_keys=False) as office:
        change = office.ledger.open_target if is_open else office.ledger.close_target
        return await change(campaign, target, why, CLOCK.seconds)
