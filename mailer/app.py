"""
Builds the parts from the configuration, and closes them.

    config > APP > worker, checks, report

The one place that knows every part's constructor. A ledger is made by the first `run`; commands that only look say so where
there is none yet. Keys are opened before anything else is: a missing or different key stops the command, never the letters'
identity.
"""

from __future__ import annotations

import errno
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mailer import approval, continuity, inbox, log, seal
from mailer.address import same_by
from mailer.blotter import Blotter
from mailer.config import Configuration, fingerprint
from mailer.continuity import Install
from mailer.desk import Desk, Recogniser
from mailer.dispatch import Dispatch
from mailer.dispatch import Settings as DispatchSettings
from mailer.dkim import Signer
from mailer.errors import CannotWrite, ConfigurationError, KeyProblem, UsageProblem
from mailer.highwater import HighWater
from mailer.inbox import Inbox
from mailer.instance import file_of, make_way, place_of
from mailer.intake import Intake
from mailer.journal import Journal
from mailer.ledger import Ledger
from mailer.onward import Onward
from mailer.pace import Clock, Streak
from mailer.render import Renderer
from mailer.retention import Keeper
from mailer.rules import Ruling
from mailer.spool import Settings as SpoolSettings
from mailer.spool import Spool
from mailer.worker import Parts, Worker

CLOCK = Clock(time.time, random.random)


@dataclass(frozen=True, slots=True)
class Office:
    """An instance at work: its configuration, its ledger, and a desk for each campaign."""

    configuration: Configuration
    ledger: Ledger
    desks: Mapping[str, Desk]
    blotter: Blotter
    high_water: HighWater

    async def ruling(self) -> Ruling:
        """What rules are asked with, approvals and closings read afresh."""
        campaigns = {id: desk.campaign for id, desk in self.desks.items()}
        editions = {id: desk.edition for id, desk in self.desks.items()}
        approvals, streaks = await self.ledger.approvals(), await self.ledger.streaks()
        closed = frozenset((closing.campaign, closing.target) for closing in await self.ledger.closings())
        bounced = frozenset(await self.ledger.bounced_addresses(inbox.GONE, Streak.LIMIT))
        return Ruling(campaigns, editions, approvals, self.configuration.live, streaks, closed, bounced)

    def inbox(self) -> Inbox:
        """The mailboxes that are configured, ready to be read; nothing is asked of them yet."""
        from mailer import mailboxes

        opened = [mailboxes.opened(settings) for settings in self.configuration.inbox]
        return Inbox(self.ledger, self.desks, opened, CLOCK, self.configuration.replies)

    def onward(self) -> Onward:
        """The relay's log, if one is configured, ready to be read."""
        from mailer.maillog import Follower

        named = self.configuration.relay_log
        return Onward(self.ledger, self.desks, Follower(named) if named else None, CLOCK, self.configuration.replies)


def renderers(configuration: Configuration) -> dict[str, Renderer]:
    """The templates of every campaign, read once."""
    return {id: Renderer(configuration.templates / id) for id in configuration.campaigns}


def edition_of(configuration: Configuration, campaign: str, renderer: Renderer) -> tuple[str, dict[str, str]]:
    """The hash of a campaign's content as it stands on disk, and the content."""
    parts = approval.content(configuration.campaigns[campaign], renderer.sources)
    return approval.edition(parts), parts


@asynccontextmanager
async def opened(configuration: Configuration, *, create: bool = False, needs_keys: bool = True) -> AsyncIterator[Office]:
    """
    Open the ledger and the keys; `create` makes what a first run needs. What was written is marked when it is closed.

    Without `needs_keys` a campaign whose key is missing is left out: whoever says stop must not be kept from it.

    Raises:
        LedgerProblem, KeyProblem, CannotWrite: with what to do.
    """
    path = Path(configuration.ledger)
    if create:
        make_way(path.parent)
    else:
        _find(path)
    # apsw and the tables are only imported where a ledger is opened.
    from mailer.ledger.sqlite import SqliteLedger

    ledger, blotter = SqliteLedger(path), Blotter(path.parent / "writing")
    try:
        high_water, before = HighWater(path.parent / "high-water", ledger.link, file_of), ledger.last_link()
        desks = await _desks(configuration, ledger, blotter, make_keys=create, needs_keys=needs_keys)
        yield Office(configuration, ledger, desks, blotter, high_water)
        if (last := ledger.last_link()) != before:
            try:
                high_water.rise(last)
            except CannotWrite as problem:  # what was asked for is done, and durable
                log.not_marked(str(problem))
    finally:
        blotter.close()
        ledger.close()


async def _desks(
    configuration: Configuration, ledger: Ledger, blotter: Blotter, *, make_keys: bool, needs_keys: bool
) -> dict[str, Desk]:
    """
    A desk for each campaign. One that the ledger has never seen gets its key here, or is left out by commands that only look.
    """
    fingerprints = await ledger.fingerprints()
    if needs_keys:
        await _keep_sameness(configuration, ledger, can_write=make_keys)
    desks = {}
    for id, renderer in renderers(configuration).items():
        if id not in fingerprints and not make_keys:
            continue
        try:
            opened = seal.load(configuration.keys, id, fingerprints.get(id))
        except KeyProblem:
            if needs_keys:
                raise
            continue
        if id not in fingerprints:
            await ledger.remember_campaign(id, opened.fingerprint)
        edition, _ = edition_of(configuration, id, renderer)
        campaign = configuration.campaigns[id]
        signers = tuple(Signer(each) for each in campaign.dkim)
        desks[id] = Desk(campaign, renderer, opened, edition, configuration.live, blotter, signers)
    return desks


async def _keep_sameness(configuration: Configuration, ledger: Ledger, *, can_write: bool) -> None:
    """
    See that each campaign knows people again by what it always did; another rule would write to everybody a second time.

    Raises:
        ConfigurationError: a campaign that has signatures says otherwise than before.
    """
    facts, signatures = await ledger.installed(), ledger.signatures()
    changed = {
        f"same {id}": campaign.addresses.sameness
        for id, campaign in configuration.campaigns.items()
        if facts.get(f"same {id}", "") != campaign.addresses.sameness
    }
    problems = [
        f"config/campaigns/{id}.yaml: addresses: plus_tag and gmail_dots cannot be changed once signatures were taken in: "
        "whoever signed would be a stranger, and be written for again; write them as before"
        for id in configuration.campaigns
        if f"same {id}" in changed and signatures.get(id)
    ]
    if problems:
        raise ConfigurationError(problems)
    if changed and can_write:
        await ledger.remember_install(changed)


def spool_of(configuration: Configuration) -> Spool:
    """The instance's queue folders."""
    var = configuration.keys.parent
    return Spool(SpoolSettings(configuration.spool, configuration.group, var, configuration.whole_after))


async def recognisers(office: Office) -> dict[str, Recogniser]:
    """
    By what each campaign knows people. Campaigns that are not configured any more count, as long as their keys are there:
    without its key nothing of a campaign can be read.
    """
    loaded, campaigns = office.configuration, {id: desk.recogniser for id, desk in office.desks.items()}
    facts = await office.ledger.installed()
    for id, known in (await office.ledger.fingerprints()).items():
        if id not in campaigns:
            with suppress(KeyProblem):
                policy = same_by(facts.get(f"same {id}", ""))
                campaigns[id] = Recogniser(id, seal.load(loaded.keys, id, known), policy)
    return campaigns


async def _finish_erasures(office: Office) -> bool:
    """Go on with what erasures have begun; whether all are finished."""
    from mailer import erasure

    ground = erasure.Ground(office.ledger, await recognisers(office), spool_of(office.configuration))
    swept = await erasure.finish(ground)
    log.erased(swept.files, swept.letters, swept.waits)
    return not swept.waits


def install_of(office: Office) -> Install:
    """What stands around its ledger."""
    loaded = office.configuration
    journal = Journal(loaded.journal, office.ledger.journal)
    return Install(journal, office.high_water, office.blotter, place_of(Path(loaded.ledger)))


async def worker_of(office: Office, watch: log.Watch, is_ours: Callable[[], bool]) -> Worker:
    """
    A worker, ready to run; the caller holds the lock, and `is_ours` says whether it still does.

    Raises:
        CannotSend: this is not the ledger, the machine or the time in which the last one ended.
        CannotWrite: a folder cannot be made.
    """
    configuration = office.configuration
    spool = spool_of(configuration)
    for sentence in spool.prepare(configuration.campaigns if len(configuration.campaigns) > 1 else ()):
        log.mended(sentence)
    now, is_skewed = CLOCK.seconds, skew()
    install = install_of(office)
    await continuity.see(office.ledger, install, now)
    for desk in office.desks.values():
        _, parts = edition_of(configuration, desk.campaign.id, desk.renderer)
        await office.ledger.keep_edition(desk.edition, approval.packed(parts), now)
    name = f"{os.uname().nodename}:{os.getpid()}:{secrets.token_hex(2)}"
    settings = DispatchSettings(
        name,
        configuration.relay.connections,
        configuration.retry,
        configuration.replies,
        configuration.pace,
        configuration.domain_pace,
    )
    return Worker(
        Parts(
            name=name,
            ledger=office.ledger,
            desks=office.desks,
            inbox=office.inbox(),
            onward=office.onward(),
            intake=Intake(spool, office.ledger, office.desks, CLOCK, watch, await _restored_at(office.ledger)),
            dispatch=Dispatch(settings, office.desks, office.ledger, CLOCK, office.ruling),
            journal=install.journal,
            high_water=office.high_water,
            blotter=office.blotter,
            keeper=Keeper(
                office.ledger, partial(_finish_erasures, office), configuration.spool, configuration.keep_files_days, CLOCK
            ),
            relay=configuration.relay,
            retry=configuration.retry,
            clock=CLOCK,
            ruling=office.ruling,
            is_stale=lambda: fingerprint(configuration.path, configuration.beside) != configuration.seen,
            is_skewed=is_skewed,
            is_ours=is_ours,
            is_there=_watched(Path(configuration.ledger)),
            run_for=configuration.run_for,
        ),
        watch,
    )


async def _restored_at(ledger: Ledger) -> int:
    return int((await ledger.installed()).get("restored_at", 0))


def _watched(path: Path) -> Callable[[], bool]:
    """Watch a file from now on; the answer says whether it still stands there. Where the disk does not say, it does."""
    opened = path.stat()

    def is_there() -> bool:
        try:
            return os.path.samestat(path.stat(), opened)
        except OSError as problem:
            return problem.errno != errno.ENOENT

    return is_there


def skew() -> Callable[[], bool]:
    """Watch the clock from now on; the answer says whether it was set by more than it may be."""
    began = CLOCK.now() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return lambda: abs(CLOCK.now() - time.clock_gettime(time.CLOCK_BOOTTIME) - began) > continuity.DRIFT


def _find(path: Path) -> None:
    if not path.exists():
        raise UsageProblem(f"{path}: there is no ledger yet; `mailer run` makes it")
