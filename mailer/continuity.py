"""
Is this still the ledger that we left, on the machine and in the time in which we left it.

    journal, high-water mark, place, clock  >  CONTINUITY  >  worker (go on, or refuse)

A ledger that was restored from an older copy, or a copy at work on a second machine, would send again what has gone out since;
a clock that was set back would date letters wrongly and forget its own limits. Both look well to everything else. So the
ledger remembers where it stood, its journal when it last told something, the journal's file and the high-water mark how far it
had come; where one of them says otherwise all work stops, under the name `ledger` or `clock`, until a person says that it may
go on.

Going on behind a restored ledger is careful: whatever waits there may have gone out meanwhile, so it is held, and a person
releases or cancels it. So are the letters of whom the lost ledger may have taken in: of the files in `done/`, and of those from
before that moment which come back with the copy. What is new goes out as ever.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from mailer import chain, recovery
from mailer.blotter import Blotter
from mailer.delivery import RESTORED, Retry, Who
from mailer.errors import CannotSend
from mailer.highwater import HighWater
from mailer.journal import Journal
from mailer.ledger import Ledger
from mailer.pace import BACK, went_back

LEDGER, CLOCK = "ledger", "clock"
DRIFT = 3600  # seconds by which the wall clock may leave the machine's own within one run
_AT_ONCE = 10_000  # letters a transaction
_ELSEWHERE = (
    "it was last used on another machine, or this file is a copy of the one used then: letters that wait here may have gone out"
    " from there"
)


@dataclass(frozen=True, slots=True)
class Install:
    """What stands around a ledger: its journal's file, its high-water mark, the note of what is being written, its place."""

    journal: Journal
    high_water: HighWater
    blotter: Blotter
    place: str


async def see(ledger: Ledger, install: Install, now: int) -> None:
    """
    See that nothing stands in the way of going on; what does is written down as a pause.

    Raises:
        CannotSend: the ledger or the clock is not what it was; says what to do.
        CannotWrite: the journal's file or the high-water mark cannot be opened.
    """
    high_water, known = install.high_water, await ledger.installed()
    behind = _last_told(ledger) - now
    if why := _not_ours(install, known):
        await ledger.pause(LEDGER, Who.RULE, why, now)
    if behind > BACK:
        await ledger.pause(CLOCK, Who.RULE, went_back(behind), now)
    for pause in await ledger.pauses():
        if pause.scope in {LEDGER, CLOCK}:
            raise CannotSend(f"nothing is done, the {pause.scope} stops it: {pause.why}. {_ADVICE[pause.scope]}")
    if "place" not in known:
        high_water.begin_again(ledger.last_link())  # before it is said to be there
        await ledger.remember_install({"place": install.place, "mark": high_water.identity})
    high_water.rise(ledger.last_link())


def _not_ours(install: Install, known: Mapping[str, str]) -> str:
    """Why this is not the ledger that we left; empty if it is."""
    if why := known.get("copy"):  # it says so itself, also where everything around it is as it was
        return f"{why}. If the ledger that it was made from can still be used, put that back instead"
    try:
        install.journal.open()
    except CannotSend as problem:
        return str(problem)
    if known.get("place", install.place) != install.place:
        return _ELSEWHERE
    return install.high_water.disagreement(known.get("mark", ""))


_ADVICE = {
    LEDGER: "If this is the ledger to go on with: mailer resume ledger --why TEXT; what waits in it is then held, not sent",
    CLOCK: "Once the clock is right: mailer resume clock --why TEXT",
}


def _last_told(ledger: Ledger) -> int:
    """When the journal was last written to, in seconds since 1970; 0 if it never was. No line goes back without a stop."""
    link = ledger.last_link()
    return chain.told_at(link) if link else 0


async def stop_for_the_clock(ledger: Ledger, now: int) -> CannotSend:
    """The clock was set by more than it may while letters went out: write it down; gives what to raise."""
    why = f"the clock was set by more than {DRIFT // 60} minutes while mailer worked: see that it is right"
    await ledger.pause(CLOCK, Who.RULE, why, now)
    return CannotSend(f"nothing more is done: {why}. {_ADVICE[CLOCK]}")


async def trust_ledger(ledger: Ledger, install: Install, adopt: Callable[[], Awaitable[None]], why: str, now: int) -> int:
    """
    A person says that this is the ledger to go on with; gives how many letters are held for it.

    `adopt` makes known who has left since, and, with letters held, whom the lost ledger had taken in. Cut off at any step it is
    simply done again. A journal's file that tells another story is kept beside the new one.
    """
    journal, high_water = install.journal, install.high_water
    await recovery.recover(ledger, install.blotter, now)
    await adopt()
    while await ledger.hold_restored(now, _AT_ONCE):
        pass
    try:
        journal.open()
    except CannotSend:
        journal.begin_again(now)
    high_water.begin_again(ledger.last_link())
    await ledger.remember_install({"place": install.place, "mark": high_water.identity, "restored_at": str(now), "copy": ""})
    await ledger.resume(LEDGER, why, now)
    journal.catch_up()
    high_water.rise(ledger.last_link())
    return sum(count for (_, _, reason), count in ledger.reasons().items() if reason == RESTORED)


async def trust_clock(ledger: Ledger, retry: Retry, why: str, now: int) -> bool:
    """
    A person says that the clock is right now; True if it had stopped anything.

    The journal tells so at the time as it is now, from which on it counts. What was put off by a clock that was ahead is put
    off no longer than it ever may be.
    """
    if not any(pause.scope == CLOCK for pause in await ledger.pauses()):
        return False
    await ledger.bring_back(now, int(now + retry.max * (1 + retry.jitter)))
    return await ledger.resume(CLOCK, why, now)
