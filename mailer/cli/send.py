"""run, work: letters go out, in one pass or in one after the other."""

from __future__ import annotations

import asyncio
import faulthandler
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from mailer import log
from mailer.app import Office
from mailer.campaign import Campaign, Reason
from mailer.cli.ground import again, configuration, counted, hint, near, say, told_pause
from mailer.cli.lines import are_for_a_person
from mailer.cli.streams import give_up
from mailer.config import Configuration, load
from mailer.delivery import State
from mailer.errors import (
    AccountRefused,
    CannotSend,
    CannotWrite,
    ConfigurationError,
    RelayProblem,
    UnreadableFile,
    unquoted,
)
from mailer.notify import Manager, Pulse
from mailer.outcome import ACCOUNT_REFUSED
from mailer.spool.names import printable
from mailer.worker import Job, Summary, Worker

if TYPE_CHECKING:
    from mailer.instance import Lock

_BEAT = 60.0  # seconds between two signs of life in the lock's file


@click.command()
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Send at most N letters.")
@click.option("--intake-only", is_flag=True, help="Take files in, send nothing.")
@click.option("--send-only", is_flag=True, help="Send what is due, take no file in.")
@click.pass_context
def run(context: click.Context, limit: int | None, intake_only: bool, send_only: bool) -> int:
    """
    One pass: take in what is there, send what is due, leave.

    As cron starts it. It stays only while something is due within a minute, and never for longer than `run_for`.
    """
    if intake_only and send_only:
        raise click.UsageError("--intake-only and --send-only exclude each other")
    job = Job(intake=not send_only, send=not intake_only, limit=limit)
    return perform(configuration(context), job)


@click.command()
@click.pass_context
def work(context: click.Context) -> int:
    """
    The same for ever, until SIGTERM.

    As systemd starts it: the folder is looked at every second. On SIGTERM letters whose final dot has gone out
    are finished, and the others wait for the next start.
    """
    return perform(configuration(context), Job(forever=True))


def perform(loaded: Configuration, job: Job) -> int:
    """
    Hold the install's lock and do a job; gives the exit code.

    Raises:
        ConfigurationError: letters are to be sent, and the relay's password is not handed over.
    """
    from mailer.instance import Lock, make_way

    manager = Manager(os.environ)  # before anything else: no child may find it in its environment
    if job.send and loaded.hindrances:
        raise ConfigurationError(loaded.hindrances)
    if manager.watchdog:
        faulthandler.enable(2)  # where it was stuck when the watchdog ends it: places in the code, no values
    if job.forever:
        log.show_files()
    make_way(loaded.keys.parent)
    with Lock(loaded.keys.parent / "lock") as lock:
        if not lock.acquire():
            tell("Another mailer is at work here; this one has nothing to do.")
            hint(f"What it does: {again(loaded, 'log --follow')}")
            return 0
        loaded, summary, blocked = asyncio.run(_perform(loaded, job, manager, lock))
    told(loaded, summary, blocked)
    return 0 if job.forever else code_of(summary, blocked)


class _Stop:
    """That a signal has asked this command to stop: it outlives each of its workers, and whoever comes next hears of it too."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._asked = asyncio.Event()
        self._worker: Worker | None = None

    @property
    def is_asked(self) -> bool:
        """Whether it was."""
        return self._asked.is_set()

    def ask(self) -> None:
        """Stop the worker of now, and let no other begin."""
        if not self.is_asked:
            log.stopping()
            self._manager.stopping()
        self._asked.set()
        if self._worker:
            self._worker.stop()

    def reach(self, worker: Worker) -> None:
        """From now on this is the worker of now."""
        self._worker = worker
        if self.is_asked:
            worker.stop()

    async def within(self, seconds: float) -> bool:
        """Wait for it so long; whether it was asked."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), seconds)
        return self.is_asked


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around every worker of one command: who started it, its pulse, and the install's lock."""

    manager: Manager
    pulse: Pulse
    is_ours: Callable[[], bool]


async def _perform(loaded: Configuration, job: Job, manager: Manager, lock: Lock) -> tuple[Configuration, Summary, list[str]]:
    """Do the job with one worker; `forever` with one after the other, each by the configuration as it then stands."""
    stop = _Stop(manager)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup(1) starts it
            asyncio.get_running_loop().add_signal_handler(number, stop.ask)
    with shown() as watch:
        around = _Around(manager, Pulse(manager, watch), lock.is_ours)
        beating = asyncio.ensure_future(_come_on(lock))
        try:
            while True:
                summary, blocked = await _work(loaded, job, stop, around)
                is_over = not (job.forever and summary.is_stale) or stop.is_asked
                if is_over or (changed := await _read_again(loaded, stop, around)) is None:
                    return loaded, summary, blocked
                loaded = changed
        finally:
            beating.cancel()
            manager.stopping()
            around.pulse.end()


async def _come_on(lock: Lock) -> None:
    """For as long as the event loop turns; `mailer health` tells of one that stands still."""
    while True:
        lock.come_on()
        await asyncio.sleep(_BEAT)


async def _read_again(before: Configuration, stop: _Stop, around: _Around) -> Configuration | None:
    """
    The configuration after a change; while it has problems nothing is sent, and they are told once. None where a stop is asked
    meanwhile.
    """
    around.manager.reloading()
    told: tuple[str, ...] = ()
    while True:
        try:
            loaded = load(before.path, os.environ)
            if loaded.hindrances:
                raise ConfigurationError(loaded.hindrances)
        except ConfigurationError as problem:
            if problem.problems != told:
                log.misconfigured(problem.problems)
                around.manager.ready()  # the reading is over, and this is what came of it
                around.manager.status("the configuration has problems: nothing is sent until they are mended")
                told = problem.problems
            # What mends it need not be one of our files: a mode, a password in a place of its own.
            if await stop.within(1):
                return None
            around.pulse.turn()
        else:
            log.read_again()
            return loaded


async def _work(loaded: Configuration, job: Job, stop: _Stop, around: _Around) -> tuple[Summary, list[str]]:
    """Do the job with one worker; gives what was done, and what waits for a person."""
    from mailer.app import opened, worker_of

    async with opened(loaded, create=True) as office:
        worker = await worker_of(office, around.pulse, around.is_ours)
        stop.reach(worker)
        around.manager.ready()
        around.pulse.begin()
        summary = await worker.run(job)
        if not job.send:
            return summary, []
        await _learn_of_an_outage(office, summary)
        return summary, await _blocked(office)


async def _learn_of_an_outage(office: Office, summary: Summary) -> None:
    """A relay that an earlier pass found down, and that this one left alone, is told as well where letters wait for it."""
    from mailer.app import CLOCK

    breaker = await office.ledger.breaker(office.configuration.relay.name)
    now = CLOCK.now()
    if not breaker.is_open(now) or not any(waiting.due_at <= now for waiting in await office.ledger.waiting()):
        return
    summary.relay_failed = breaker.why
    if breaker.why.startswith(ACCOUNT_REFUSED):
        summary.account_refused = breaker.why


async def _blocked(office: Office) -> list[str]:
    """Why letters wait for a person, although time alone would have let them go; each with what to do."""
    loaded, ledger = office.configuration, office.ledger
    ruling, reasons = await office.ruling(), ledger.reasons()
    found = []
    for id, campaign in ruling.campaigns.items():
        unapproved = reasons.get((id, State.HELD, Reason.APPROVAL), 0)
        unconfirmed = reasons.get((id, State.HELD, Reason.NOT_CONFIRMED), 0)
        if not ruling.is_approved(id) and unapproved + unconfirmed:
            waits = counted(unapproved + unconfirmed, "letter")
            found.append(f"{id} is not approved as it stands, {waits} held: {again(loaded, f'approve {id}')}")
        if unconfirmed and not _has_confirmed(campaign):
            found.append(f"{id}: no address is confirmed: look each up, and write the day beside it as checked_on")
        if refused := reasons.get((id, State.HELD, Reason.ADDRESS_REFUSED), 0):
            waits = f"{id}: {counted(refused, 'letter')} held, their address was refused"
            found.append(f"{waits}: {again(loaded, 'health')} names it; correct it, or release them")
    for (id, state, reason), count in reasons.items():
        if state == State.HELD and reason == Reason.NOT_CONFIGURED:
            command = again(loaded, f"cancel --campaign {id} --reason '{reason}' --why TEXT")
            found.append(f"{id}: {counted(count, 'letter')} held, it or a target is {reason}: put it back, or {command}")
        elif state == State.HELD and reason == Reason.PRINTED:
            these = f"--campaign {id} --reason '{reason}' --why TEXT"
            what = f"{id}: {counted(count, 'letter')} {reason}, and perhaps done: if so, {again(loaded, f'done {these}')}"
            found.append(f"{what}; if nobody used the paper, {again(loaded, f'release {these}')}")
    waiting_in = {waiting.lane.campaign for waiting in await ledger.waiting()}
    for pause in await ledger.pauses():
        if any(map(pause.stops, waiting_in)):
            found.append(told_pause(pause, loaded))
    return found


def _has_confirmed(campaign: Campaign) -> bool:
    """Whether any address of a campaign may be written to through a real relay."""
    offices = any(target.to and target.confirmed for target in campaign.targets.values())
    directories = [target.directory for target in campaign.targets.values() if target.directory]
    return offices or any(mission.email and mission.confirmed for one in directories for mission in one.missions)


def told(loaded: Configuration, summary: Summary, blocked: list[str]) -> None:
    """The last words of a pass: what came in, what went out, what to do next."""
    from mailer import accounts

    for file in summary.files:
        count, name, reason = file.count, printable(file.name), file.reason
        if not sys.stdout.isatty():  # a journal, a mail of cron's: read by others, and kept, so no name and no word of a file
            name, reason = f"file {file.file}" if file.file else "a file", unquoted(reason)
        if reason:
            tell(f"{name}: set aside whole: {reason}")
        else:
            rows = f"{counted(count.read, 'row')}, {count.taken} taken, {count.known} known, {count.refused} rejected"
            late = "; once more, for it was written to after it had been read" if file.is_late else ""
            held = f" (file {file.file}, held)" if sys.stdout.isatty() else " (held)"
            tell(f"{name}: {rows}" + (held if file.is_held else "") + late)
            if parts := accounts.parts(count):
                tell(f"  {parts}")
    states = Counter(summary.states) + Counter({State.EXPIRED: summary.ruled.expired})
    if states:
        tell("Letters: " + ", ".join(f"{count} {words_of(state)}" for state, count in sorted(states.items())))
    else:
        tell("No letter was sent.")
    if mail := summary.mail.told():
        tell(f"Mail that came in: {mail}.")
    if onward := summary.onward.told():
        tell(f"The relay's log: {onward}.")
    if summary.added:
        tell(f"Of those who had signed before a target was added: {counted(summary.added, 'letter')} more.")
    if summary.notices:
        kinds = ", ".join(f"{count} {words_of(state)}" for state, count in sorted(summary.notices.items()))
        tell(f"Receipts, digests and trials: {kinds}")
    for file in filter(lambda file: file.is_held, summary.files):
        these = f"--file {file.file} --why TEXT"
        hint(f"File {file.file} is from before the ledger was restored: its letters may have gone out, and are held.")
        hint(f"If they have not: {again(loaded, f'release {these}')}; if they have: {again(loaded, f'cancel {these}')}")
    for sentence in blocked:
        hint(f"Waiting for you: {sentence}")
    if summary.relay_failed:
        hint(f"The relay cannot be used just now: {summary.relay_failed}. Ask it: {again(loaded, 'check --relay')}")
    if any(file.count.refused for file in summary.files):
        hint(f"Rejected rows, each with its reason: {near(loaded.spool)}/done/*.rejected.csv; correct them, drop them again")
    if unheard := sum(file.unheard for file in summary.files):
        hint(f"{counted(unheard, 'row')} of lists of people who withdraw not understood: who stands there has NOT withdrawn.")
    if any(file.doubtful for file in summary.files):
        hint(f"Addresses that look mistyped: {near(loaded.spool)}/done/*.doubtful.csv; their letters go out all the same")
    if any(file.reason for file in summary.files):
        hint(f"Files set aside, each with its reason: {near(loaded.spool)}/rejected/")
    hint(f"Where everything stands: {again(loaded, 'status')}")


def words_of(state: str) -> str:
    """What became of a letter, in the words of a pass."""
    return {State.QUEUED: "put back unsent", State.IN_DOUBT: "in doubt"}.get(State(state), state)


def tell(text: str) -> None:
    """A line of the last words. The work is done: where nobody takes them, its exit code is the same and the hints follow."""
    try:
        say(text)
    except (BrokenPipeError, CannotWrite) as problem:
        give_up(sys.stdout)
        if isinstance(problem, CannotWrite):
            log.failed(str(problem), problem.exit_code)


def code_of(summary: Summary, blocked: list[str]) -> int:
    """The exit code of a pass, the first that applies; whatever became of single letters does not."""
    if summary.account_refused:
        return AccountRefused.exit_code
    if blocked and not summary.states:
        return CannotSend.exit_code
    if summary.relay_failed:
        return RelayProblem.exit_code
    return UnreadableFile.exit_code if any(file.reason or file.unheard for file in summary.files) else 0


def shown() -> AbstractContextManager[log.Watch]:
    """Progress bars where a person looks, nothing elsewhere."""
    if not are_for_a_person():
        return nullcontext(log.Watch())
    from mailer.cli.progress import Bars

    return Bars()
