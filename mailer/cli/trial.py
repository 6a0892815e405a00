"""preview --send-to: one of each of a campaign's letters to an organiser, now, beside the queue and never counted in it."""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections import Counter
from typing import TYPE_CHECKING

from mailer.cli.ground import again, counted, hint, near, say, told_pause
from mailer.cli.send import shown, words_of
from mailer.config import Configuration
from mailer.delivery import State
from mailer.errors import CannotSend, ConfigurationError, RelayProblem, UsageProblem
from mailer.ledger import Lane
from mailer.notice import Lane as Kind
from mailer.notice import NewNotice, Trial

if TYPE_CHECKING:
    from mailer.app import Office
    from mailer.desk import Desk
    from mailer.instance import Lock


def send_to(loaded: Configuration, campaign: str, organiser: str) -> int:
    """
    Send one of each letter to an organiser of the campaign; gives the exit code.

    Raises:
        UsageProblem: there is no such organiser.
        ConfigurationError: a letter cannot be written, or the relay's password is not handed over.
        CannotSend: sending is paused.
    """
    from mailer.instance import Lock, make_way

    known = loaded.campaigns[campaign].organisers
    if organiser not in known:
        there = f"there are: {', '.join(sorted(known))}" if known else f"write organisers: {{{organiser}: ADDRESS}} there"
        raise UsageProblem(f"config/campaigns/{campaign}.yaml names no organiser «{organiser}»; {there}")
    if loaded.hindrances:
        raise ConfigurationError(loaded.hindrances)
    make_way(loaded.keys.parent)
    with Lock(loaded.keys.parent / "lock") as lock:
        if lock.acquire():
            letters, became, failed = asyncio.run(_send(loaded, campaign, organiser, lock))
        else:
            letters, became, failed = asyncio.run(_leave_it(loaded, campaign, organiser)), None, ""
    if became is None:
        say(f"{counted(letters, 'letter')} for {organiser}: the mailer that is at work here sends them.")
        hint(f"What became of them: {again(loaded, 'status')}")
        return 0
    told = ", ".join(f"{count} {words_of(state)}" for state, count in sorted(became.items())) or "none went out"
    say(f"{counted(letters, 'letter')} for {organiser}: {told}.")
    if loaded.live:
        hint(f"They are for {organiser} alone and count nowhere. Read them as an official would, on a telephone too.")
    else:
        hint(f"In this mode nothing leaves this machine: they lie with the letters, in {near(loaded.relay.folder)}/")
    if became[State.ACCEPTED] == letters:
        return 0
    hint("What the mail server did not take is not tried again: mend it, and send them anew.")
    if failed:
        raise RelayProblem(f"the relay cannot be used just now: {failed}")
    return CannotSend.exit_code


async def _send(loaded: Configuration, campaign: str, organiser: str, lock: Lock) -> tuple[int, Counter[str], str]:
    """Write them down, carry them, and leave none behind; gives how many, what became of them, and why the relay failed."""
    from mailer.app import CLOCK, opened, worker_of
    from mailer.worker import Job

    async with opened(loaded, create=True) as office:
        with shown() as watch:
            worker = await worker_of(office, watch, lock.is_ours)
            letters = await _write_down(office, campaign, organiser)
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, worker.stop)
            summary = await worker.run(Job(intake=False, only=Lane(campaign, Kind.TRIAL, "")))
        why = "a trial is for now, and was not taken"
        while await office.ledger.cancel_notices(campaign, Kind.TRIAL, why, CLOCK.seconds, 1_000):
            pass
        return letters, summary.notices, summary.relay_failed


async def _leave_it(loaded: Configuration, campaign: str, organiser: str) -> int:
    from mailer.app import opened

    async with opened(loaded) as office:
        return await _write_down(office, campaign, organiser)


async def _write_down(office: Office, campaign: str, organiser: str) -> int:
    """One notice for each target, language and voice that is ever written; gives how many."""
    from mailer import specimens
    from mailer.app import CLOCK

    for pause in await office.ledger.pauses():
        if pause.stops(campaign):
            raise CannotSend(f"nothing is sent: {told_pause(pause, office.configuration)}")
    desk: Desk = office.desks[campaign]
    found = list(specimens.distinct(desk))
    if problems := [f"{campaign}: {one.name}: {one.problem}" for one in found if one.problem]:
        raise ConfigurationError(problems)
    domain, pack = desk.campaign.sender.address.domain, secrets.token_hex(8)
    notices = [
        NewNotice(
            f"trial {pack} {number}",
            campaign,
            Trial(organiser, one.target, one.language, one.voice, number, len(found)),
            domain,
        )
        for number, one in enumerate(found, 1)
    ]
    await office.ledger.write_notices(notices, {}, CLOCK.seconds)
    return len(found)
