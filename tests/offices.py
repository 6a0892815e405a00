"""
An instance with letters waiting, for tests of what sends: real folders, a real ledger, real templates, a clock in hand.

    async with working(tmp_path, signatures=3) as scene:
        (due,) = await scene.claimed()
        await scene.courier(settings_for(server)).carry(due)
        assert scene.one().state == "accepted"

Signatures come in as an organiser's file does, through the spool. Time stands still until a test moves it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import apsw

from mailer import app, log
from mailer.app import Office
from mailer.courier import Courier
from mailer.delivery import Due, Retry
from mailer.desk import Desk
from mailer.dispatch import Dispatch, Sent
from mailer.dispatch import Settings as DispatchSettings
from mailer.intake import Intake
from mailer.ledger import Attempt, Ledger, Mark, Record, Selection
from mailer.outcome import Recipient, Role
from mailer.pace import Clock
from mailer.relay import Relay, Settings, reachable
from tests.ledgers import assert_sound
from tests.relays import CC, COPY, TO
from tests.servers.scripted import ScriptedServer
from tests.test_config.instance import Instance

NOON = 1_316_520_000  # 2011-09-20, a Tuesday, 12:00 UTC
RETRY = Retry(first=300, max=14_400, give_up_after=432_000, jitter=0)

COURT = f"court: {{name: Court, form_of_address: Dear Madam Chair, to: {TO}, cc: [{CC}], timezone: UTC}}"
ONE_TARGET = f"""\
approval: none
consent: assumed
pace: none
copy_to: [{COPY}]
targets: {{{COURT}}}
"""
SUBJECT = "Letter of {{ signature.name }}\n"
LETTER = "{{ target.form_of_address }},\n\n.hidden\nDrop the charges. Снимите обвинения.\n\n{{ signature.name }}, {{ today }}\n"

ALL = (Recipient(TO, Role.TO), Recipient(CC, Role.CC), Recipient(COPY, Role.COPY))


@dataclass(slots=True)
class Time:
    """A clock that stands until it is moved; chance has no say."""

    now: float = NOON

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, lambda: 0.5)


def instance(
    root: Path, campaign: str = ONE_TARGET, relay: str = "{mode: smtp, host: 127.0.0.1, port: 25, tls: none}"
) -> Instance:
    """A whole instance with one campaign, `c`. Its mode is smtp, so that nothing of going live is left out."""
    made = Instance(root)
    made.write("config/mailer.yaml", f"relay: {relay}\nretry: {{first: 300, max: 14400, jitter: 0}}\nwhole_after: 0\n")
    made.campaign(campaign)
    made.write("templates/c/en/subject.txt.j2", SUBJECT)
    made.write("templates/c/en/letter.txt.j2", LETTER)
    return made


def another_campaign(made: Instance, id: str, campaign: str) -> None:
    """One more campaign in an instance, with the same letters."""
    made.write(f"config/campaigns/{id}.yaml", f"id: {id}\ntitle: T\nlanguages: {{default: en}}\n" + campaign)
    for name, text in (("subject.txt.j2", SUBJECT), ("letter.txt.j2", LETTER)):
        made.write(f"templates/{id}/en/{name}", text)


def drop(
    made: Instance,
    count: int,
    *,
    first: int = 1,
    folder: str = "",
    countries: Iterable[str] = ("GB",),
    domain: str = "@private.example",
) -> None:
    """Lay a file with so many signatures into the incoming folder, old enough to be taken at once."""
    codes = list(countries)
    lines = [f"Signer {number},signer{number}{domain},{codes[number % len(codes)]}\n" for number in range(first, first + count)]
    file = made.write(f"var/queue/incoming/{folder and folder + '/'}{first}.csv", "Name,Email,Country\n" + "".join(lines))
    os.utime(file, (NOON - 3600, NOON - 3600))


@dataclass(slots=True)
class Scene:
    """One instance at work, and the means of a worker in it."""

    made: Instance
    office: Office
    time: Time
    began: dict[int, str] = field(default_factory=dict)

    @property
    def ledger(self) -> Ledger:
        return self.office.ledger

    async def take_in(self) -> None:
        """Take in what lies in the incoming folder."""
        spool = app.spool_of(self.office.configuration)
        campaigns = self.office.configuration.campaigns
        spool.prepare(campaigns if len(campaigns) > 1 else ())
        await Intake(spool, self.ledger, self.office.desks, self.time.clock, log.Watch()).take_ready()
        self.began |= {record.letter: record.state for record in self.records() if record.letter not in self.began}

    async def claimed(self, limit: int = 1) -> list[Due]:
        """Letters as a dispatcher claims them."""
        found: list[Due] = []
        for waiting in await self.ledger.waiting():
            left = limit - len(found)
            found += await self.ledger.claim(waiting.lane, left, "worker", "relay", int(self.time.now)) if left else ()
        return found

    def courier(self, relay: Settings, desks: Mapping[str, Desk] | None = None) -> Courier:
        return Courier(desks or self.office.desks, Relay(relay), self.ledger, RETRY, self.time.clock)

    def dispatch(self, connections: int = 1, desks: Mapping[str, Desk] | None = None) -> Dispatch:
        loaded = self.office.configuration
        settings = DispatchSettings("worker", connections, RETRY, loaded.replies, loaded.pace, loaded.domain_pace)
        return Dispatch(settings, desks or self.office.desks, self.ledger, self.time.clock, self.office.ruling)

    async def send(self, relay: Settings, connections: int = 1, limit: int | None = None) -> Sent:
        """Send what is due, as one pass does. Raises: TimeoutError where the pass has no end."""
        async with asyncio.timeout(60), reachable(relay) as reached:
            return await self.dispatch(connections).send(reached, log.Watch(), limit)

    def records(self) -> list[Record]:
        return list(self.ledger.records(Selection()))

    def one(self, letter: int = 1) -> Record:
        (record,) = self.ledger.records(Selection(letter=letter))
        return record

    def states(self) -> Counter[str]:
        return Counter(record.state for record in self.records())

    def on_disk(self) -> bytes:
        """All that the ledger's files hold."""
        path = Path(self.office.configuration.ledger)
        return path.read_bytes() + path.with_name(f"{path.name}-wal").read_bytes()

    def last_attempt(self, letter: int = 1) -> Attempt:
        return self.ledger.attempts(letter)[-1]

    def assert_sound(self) -> None:
        """The ledger's own oracle, and that no doubt is without a mark."""
        assert_sound(self.ledger, self.began)
        for record in self.records():
            attempts = self.ledger.attempts(record.letter)
            assert record.state not in {"accepted", "in_doubt"} or any(attempt.marked_at for attempt in attempts)


@asynccontextmanager
async def at_work(made: Instance, time: Time | None = None) -> AsyncIterator[Scene]:
    """Open an instance as it stands; opened twice, it is as if by two programs."""
    async with app.opened(made.load(), create=True) as office:
        scene = Scene(made, office, time or Time())
        scene.began = {record.letter: "queued" for record in scene.records()}
        yield scene


@asynccontextmanager
async def working(root: Path, signatures: int = 1, campaign: str = ONE_TARGET) -> AsyncIterator[Scene]:
    """An instance with one campaign and so many signatures taken in."""
    made = instance(root, campaign)
    drop(made, signatures)
    async with at_work(made) as scene:
        await scene.take_in()
        yield scene


class _SlowLedger:
    """
    A ledger whose mark takes as long as a server needs for what it does to a body. What it does behind the dot is another story
    (in doubt), and which of the two it is would be up to the machine.
    """

    def __init__(self, ledger: Ledger, server: ScriptedServer) -> None:
        self._ledger, self._server = ledger, server

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def mark(self, due: Due, mark: Mark, now: int) -> bool:
        await self._server.until(lambda: self._server.seen["body"] > 0)
        for _ in range(100):  # turns of the loop in which the server acts and the kernel tells
            await asyncio.sleep(0)
        return await self._ledger.mark(due, mark, now)


def on_a_slow_disk(scene: Scene, server: ScriptedServer) -> Scene:
    """The same scene, where what a server does to a body is there before the dot."""
    return replace(scene, office=replace(scene.office, ledger=cast(Ledger, _SlowLedger(scene.ledger, server))))


@contextmanager
def beside(scene: Scene) -> Iterator[apsw.Connection]:
    """A second program's connection to the ledger's file."""
    db = apsw.Connection(scene.office.configuration.ledger)
    db.set_busy_timeout(10_000)
    try:
        yield db
    finally:
        db.close()


@asynccontextmanager
async def at(server: ScriptedServer, verb: str, do: Any) -> AsyncIterator[list[BaseException]]:
    """Have another program act the first time that the server meets a verb, before it answers."""
    problems: list[BaseException] = []
    done = False

    def act() -> None:
        nonlocal done
        if done or not server.seen[verb]:
            return
        done = True

        def run() -> None:
            try:
                do()
            except BaseException as problem:  # noqa: BLE001  told where the test waits
                problems.append(problem)

        # A thread with connections of its own, and the loop stands still meanwhile: the order of events is fixed.
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    server.listen(act)
    yield problems
    assert done and problems == []


def break_ledger(scene: Scene, column: str) -> None:
    """From now on the ledger's file refuses one kind of change to attempts, as a damaged one does."""
    with beside(scene) as db:
        refusal = "BEGIN SELECT RAISE(ABORT, 'the disk is tired'); END"
        db.execute(f"CREATE TRIGGER IF NOT EXISTS broken BEFORE UPDATE OF {column} ON attempt {refusal}")


def mend_ledger(scene: Scene) -> None:
    with beside(scene) as db:
        db.execute("DROP TRIGGER broken")


async def taken_in(root: Path, signatures: int = 1, campaign: str = ONE_TARGET) -> Instance:
    """The same, closed again."""
    async with working(root, signatures, campaign) as scene:
        return scene.made


def copied(made: Instance, root: Path) -> Instance:
    """An instance as it stands on disk, once more; not while it is at work."""
    shutil.copytree(made.root, root)
    again = copy(made)
    again.root = root
    return again
