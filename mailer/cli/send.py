"""run, work, pause, resume: letters go out, or stand still."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from mailer import log
from mailer.cli.ground import campaign_of, configuration, hint, say
from mailer.config import Configuration
from mailer.errors import AccountRefused, CannotSend, RelayProblem, UnreadableFile
from mailer.worker import Job, Summary


@click.command()
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Send at most N letters.")
@click.option("--intake-only", is_flag=True, help="Take files in, send nothing.")
@click.option("--send-only", is_flag=True, help="Send what is due, take no file in.")
@click.pass_context
def run(context: click.Context, limit: int | None, intake_only: bool, send_only: bool) -> int:
    """One pass, as cron starts it: take in what is there, send what is due, leave."""
    if intake_only and send_only:
        raise click.UsageError("--intake-only and --send-only exclude each other")
    job = Job(intake=not send_only, send=not intake_only, limit=limit)
    return perform(configuration(context), job)


@click.command()
@click.pass_context
def work(context: click.Context) -> int:
    """The same for ever, until SIGTERM; the letters in hand are finished."""
    return perform(configuration(context), Job(forever=True))


@click.command()
@click.argument("campaign", required=False)
@click.option("--why", required=True, metavar="TEXT", help="Told to everybody who looks.")
@click.pass_context
def pause(context: click.Context, campaign: str | None, why: str) -> None:
    """Stop sending at once: one campaign, or all. What is in hand is finished."""
    loaded = configuration(context)
    scope = f"campaign:{campaign_of(loaded, campaign)}" if campaign else "all"
    if asyncio.run(_pause(loaded, scope, why)):
        say(f"{'Campaign ' + campaign if campaign else 'All sending'} is paused.")
    else:
        say("It was paused already.")
    hint(f"To go on: mailer resume {campaign or ''} --why TEXT".replace("  ", " "))


@click.command()
@click.argument("what", required=False, metavar="[CAMPAIGN | relay]")
@click.option("--why", required=True, metavar="TEXT", help="Told to everybody who looks.")
@click.pass_context
def resume(context: click.Context, what: str | None, why: str) -> None:
    """Let sending go on: all, a campaign, or a relay that had stopped by itself."""
    loaded = configuration(context)
    if what == "relay":
        lifted = asyncio.run(_resume_relay(loaded, why))
    else:
        scope = f"campaign:{campaign_of(loaded, what)}" if what else "all"
        lifted = asyncio.run(_resume(loaded, scope, why))
    say(f"{what or 'All sending'} may go on." if lifted else "It was not paused.")
    hint("Letters go out with the next: mailer run")


async def _pause(loaded: Configuration, scope: str, why: str) -> bool:
    from mailer.app import CLOCK, opened
    from mailer.delivery import Who

    async with opened(loaded, create=True) as office:
        return await office.ledger.pause(scope, Who.PERSON, why, CLOCK.seconds)


async def _resume(loaded: Configuration, scope: str, why: str) -> bool:
    from mailer.app import CLOCK, opened

    async with opened(loaded) as office:
        return await office.ledger.resume(scope, why, CLOCK.seconds)


async def _resume_relay(loaded: Configuration, why: str) -> bool:
    from mailer.app import CLOCK, opened
    from mailer.pace import Breaker

    async with opened(loaded) as office:
        before = await office.ledger.breaker(loaded.relay.name)
        await office.ledger.keep_breaker(loaded.relay.name, Breaker(), CLOCK.seconds)
        return before != Breaker()


def perform(loaded: Configuration, job: Job) -> int:
    """Hold the install's lock and do a job; gives the exit code."""
    from mailer.instance import Lock

    loaded.keys.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    with Lock(loaded.keys.parent / "lock") as lock:
        if not lock.acquire():
            say("Another mailer is at work here; this one has nothing to do.")
            return 0
        summary = asyncio.run(_work(loaded, job))
    told(summary)
    return code_of(summary)


async def _work(loaded: Configuration, job: Job) -> Summary:
    from mailer.app import opened, worker_of

    with _shown() as watch:
        async with opened(loaded, create=True) as office:
            worker = await worker_of(office, watch)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, worker.stop)
            _notify("READY=1")
            summary = await worker.run(job)
            _notify("STOPPING=1")
            summary.blocked = [] if not job.send else await _blocked(office)
            return summary


async def _blocked(office: Any) -> list[str]:
    """Why letters wait for a person although time alone would have let them go."""
    tally = office.ledger.reasons()
    paused = await office.ledger.pauses()
    found = [
        f"{campaign}: {count} letters wait for its approval: mailer approve {campaign}"
        for (campaign, state, reason), count in tally.items()
        if state == "held" and reason == "approval"
    ]
    waiting = {waiting.lane.campaign for waiting in await office.ledger.waiting()}
    for pause in paused:
        campaign = pause.scope.removeprefix("campaign:")
        if pause.scope == "all" and waiting:
            found.append(f"all sending is paused ({pause.why}): mailer resume --why TEXT")
        elif campaign in waiting:
            found.append(f"{campaign} is paused ({pause.why}): mailer resume {campaign} --why TEXT")
    return found


def told(summary: Summary) -> None:
    """The last words of a pass: what came in, what went out, what to do next."""
    for file in summary.files:
        count = file.count
        if file.reason:
            say(f"{file.name!r:.80}: set aside, {file.reason}")
        else:
            say(f"{file.name!r:.80}: {count.read} rows, {count.taken} taken, {count.known} known, {count.refused} rejected")
    if summary.states:
        say("Letters: " + ", ".join(f"{count} {state}" for state, count in sorted(summary.states.items())))
    else:
        say("No letter was sent.")
    for sentence in summary.blocked:
        hint(f"Waiting for you: {sentence}")
    if any(file.reason or file.count.refused for file in summary.files):
        hint("Look into var/queue/done/*.rejected.csv and var/queue/rejected/, correct the rows, drop the file again.")
    hint("To see where everything stands: mailer status")


def code_of(summary: Summary) -> int:
    """The exit code of a pass, the first that applies (DESIGN's order: 69, 75, 65, 0)."""
    if summary.account_refused:
        return AccountRefused.exit_code
    if summary.blocked and not summary.states:
        return CannotSend.exit_code
    if summary.relay_failed:
        return RelayProblem.exit_code
    return UnreadableFile.exit_code if any(file.reason for file in summary.files) else 0


def _notify(state: str) -> None:
    """Tell systemd, where it asks to be told (sd_notify(3))."""
    if not (path := os.environ.get("NOTIFY_SOCKET")):
        return
    import socket

    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        notify.sendto(state.encode(), address)


def _shown() -> AbstractContextManager[log.Watch]:
    """Progress bars where a person looks, nothing elsewhere."""
    if not sys.stderr.isatty():
        return nullcontext(log.Watch())
    from mailer.cli.progress import Bars

    return Bars()
