"""
Does anything need a person now; do the ledger, the journal and the folders agree.

    ledger, journal, spool  >  HEALTH  >  cli (health, verify)

Both only look. `ailments` is for monitoring, cheap enough for every minute; `disagreements` reads everything and is for the day
after a crash, a move or a restore. What they find is said in sentences that end with the command to give.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mailer import hours
from mailer.campaign import Campaign, Reason
from mailer.chain import told_at
from mailer.delivery import State
from mailer.highwater import HighWater
from mailer.journal import Journal
from mailer.ledger import Lane, Ledger
from mailer.log import counted
from mailer.outcome import MALFORMED
from mailer.pace import Clock
from mailer.spool import Spool

TOLD_ASIDE_FOR = 86_400  # seconds for which a file that was set aside is told
SHOWN = 5  # numbers of files in one sentence
TOLD_FOR = 7 * 86_400  # seconds for which a letter that was refused as malformed is told
CLOSED_FOR = 86_400  # seconds for which a file that could not be read is told
UNHEARD_FOR = 7 * 86_400  # seconds for which a list of people who withdraw is told of whom it was not clear who
STUCK_AFTER = 3600  # seconds for which a letter may be due, or a file lie there, before somebody should look
WAITS_AFTER = 4 * 3600  # seconds for which the relay may have deferred a letter: as long as Postfix waits before it warns of it
MANY = 20  # letters that wait there before somebody should look
OFTEN = 20  # attempts: half of the five days for which a letter is tried as shipped, or two hours of a relay that stops each


async def ailments(
    ledger: Ledger,
    relay: str,
    clock: Clock,
    spool: Spool,
    is_at_work: Callable[[], bool],
    campaigns: Mapping[str, Campaign],
) -> list[str]:
    """What needs a person, the weightiest first; empty if all is well. `is_at_work` says whether a worker is here just now."""
    found = list(_left_behind(ledger, spool, is_at_work))
    in_doubt = sum(count for (_, _, state), count in ledger.tally().items() if state == State.IN_DOUBT)
    if in_doubt:
        found.append(f"{counted(in_doubt, 'letter')} in doubt: mailer log --state in_doubt, then mailer resolve ID")
    breaker, oldest = await ledger.breaker(relay), ledger.oldest_due(clock.seconds)
    # Between two probes nothing says that it works; where nothing is due there is no next probe either.
    if breaker.is_open(clock.now()) or (breaker.is_probing and oldest is not None):
        found.append(f"the relay cannot be used: {breaker.why}: mailer check --relay, then mailer resume relay --why TEXT")
    for pause in await ledger.pauses():
        campaign = pause.scope.removeprefix("campaign:").removeprefix("all")
        found.append(
            f"{campaign or 'all sending'} is paused: {pause.why}: mailer resume {campaign} --why TEXT".replace("  ", " ")
        )
    if (erasures := len(ledger.erasures())) and not is_at_work():
        found.append(f"{counted(erasures, 'erasure')} not finished: mailer run goes on with it")
    found += await _refused(ledger, clock)
    for campaign, count in ledger.waits_at_relay(clock.seconds - WAITS_AFTER).items():
        if count >= MANY:
            what = f"{counted(count, 'letter')} of {campaign} in the relay's own queue for more than 4 h"
            found.append(f"{what}: postqueue -p says why, and mailer show ID of each")
    reasons = ledger.reasons()
    for (campaign, state, reason), count in reasons.items():
        if state == State.HELD and reason == "approval":
            found.append(f"{counted(count, 'letter')} of {campaign} waiting for its approval: mailer approve {campaign}")
        elif state == State.HELD and reason == Reason.NOT_CONFIGURED:
            what = f"{counted(count, 'letter')} of {campaign} held, it or a target is {reason}"
            found.append(f"{what}: put it back, or mailer cancel --campaign {campaign} --reason '{reason}' --why TEXT")
        elif state == State.HELD and reason == Reason.PRINTED:
            what = (
                f"{counted(count, 'letter')} of {campaign} {reason}, and perhaps done: if so, mailer done, else mailer release"
            )
            found.append(f"{what} --campaign {campaign} --reason '{reason}' --why TEXT")
        elif state == State.HELD and reason not in _CALM:
            found.append(f"{counted(count, 'letter')} of {campaign} held ({reason}): mailer log --state held")
    for campaign, count in ledger.deferred_often(OFTEN).items():
        what = f"{counted(count, 'letter')} of {campaign} deferred {OFTEN} times and more"
        found.append(f"{what}: mailer log --campaign {campaign} --state deferred")
    if files := spool.lying(clock.now() - STUCK_AFTER):
        found.append(f"{counted(files, 'file')} in incoming/ for more than an hour: is mailer run still started?")
    if aside := ledger.set_aside(int(clock.now() - TOLD_ASIDE_FOR)):
        found.append(_set_aside(aside))
    found += spool.troubles(campaigns if len(campaigns) > 1 else ())
    if files := spool.closed(clock.now() - CLOSED_FOR):
        what = f"{counted(files, 'file')} set aside in the last day that mailer's user may not read"
        found.append(f"{what}: have them made readable to their group (chmod g+r), and dropped again")
    found += _unheard(spool, clock)
    if not found and (since := await _stuck_since(ledger, campaigns, clock.seconds)) is not None:
        found.append(f"letters have been due for {(clock.now() - since) / 3600:.0f} h: is mailer run still started?")
    return found


def standing_still(came_on_at: float | None, now: float) -> list[str]:
    """
    Of a worker that has the lock and does not come on: every later pass leaves at once and says that all is well.

    >>> standing_still(0.0, 2 * 3600), standing_still(None, 2 * 3600), standing_still(7000.0, 2 * 3600)
    (['a mailer is at work here that has not come on for 2 h: end it (kill -KILL, its id is in var/lock)'], [], [])
    """
    if came_on_at is None or now - came_on_at <= STUCK_AFTER:
        return []
    hours = f"{(now - came_on_at) / 3600:.0f} h"
    return [f"a mailer is at work here that has not come on for {hours}: end it (kill -KILL, its id is in var/lock)"]


def unread(ledger: Ledger, relay_log: str) -> list[str]:
    """What keeps the relay's log, by its name, from being read; nothing where it is read."""
    troubles = [mark.trouble for mark in ledger.relay_logs() if mark.name == relay_log and mark.trouble]
    return [f"what the relay did with letters is not read: {trouble}: mailer check" for trouble in troubles]


def _set_aside(files: Sequence[int]) -> str:
    """
    Files set aside whole, by number: their names may be people's.

    >>> _set_aside([3, 12])
    '2 files (3, 12) set aside whole in the last day: look into rejected/ beside incoming/, each has its reason beside it'
    """
    numbers = ", ".join(map(str, files[:SHOWN])) + ("…" if len(files) > SHOWN else "")
    where = "look into rejected/ beside incoming/, each has its reason beside it"
    return f"{counted(len(files), 'file')} ({numbers}) set aside whole in the last day: {where}"


def _unheard(spool: Spool, clock: Clock) -> Iterator[str]:
    """Lists of people who withdraw that hold rows of which nobody knows whose they are."""
    if not (names := spool.rejected_beside(clock.now() - UNHEARD_FOR)):
        return
    from mailer import reading  # only where there is something to tell

    if files := sum(reading.withdraws(f"{name}.csv") for name in names):
        what = (
            f"{counted(files, 'list')} of people who withdraw with rows that were not understood, so these have not withdrawn"
        )
        yield f"{what}: look into done/*.withdrawn*.rejected.csv, give mailer withdraw FILE, then remove that report"


async def _stuck_since(ledger: Ledger, campaigns: Mapping[str, Campaign], now: int) -> int | None:
    """
    Since when letters have been due though nothing has gone on for an hour, in seconds since 1970; None where all is in order.

    What waits for its turn is in order: a pace that holds letters back has let others go within the hour, as the journal tells.
    """
    then, last = now - STUCK_AFTER, ledger.last_link()
    if last is not None and told_at(last) > then:
        return None
    due = [waiting for waiting in await ledger.waiting() if waiting.due_at < then]
    return min((waiting.due_at for waiting in due if _hours_were_open(campaigns, waiting.lane, then, now)), default=None)


def _hours_were_open(campaigns: Mapping[str, Campaign], lane: Lane, then: int, now: int) -> bool:
    """Whether letters might go there both then and now."""
    campaign = campaigns.get(lane.campaign)
    target = campaign.targets.get(lane.target) if campaign else None
    if campaign is None or target is None:
        return True
    return all(hours.opens_at(campaign, target.id, lane.country, at) == at for at in (then, now))


# Reasons that an organiser knows of and need not be told every minute.
_CALM = frozenset({Reason.NO_ROUTE, Reason.CLOSED, Reason.UNCONFIRMED, "organiser", Reason.ADDRESS_REFUSED})


def _left_behind(ledger: Ledger, spool: Spool, is_at_work: Callable[[], bool]) -> Iterator[str]:
    """What a dead worker had in hand. A live one may begin or end between two looks: asked before and behind."""
    if is_at_work():
        return
    (in_hand, marked), claimed = ledger.in_hand(), len(spool.claimed())
    if is_at_work():
        return
    if claimed:
        yield f"{counted(claimed, 'file')} left in the middle of being taken in: mailer run finishes that"
    if in_hand:
        many = f"{marked} of them may be in doubt" if marked else "none of them is in doubt"
        yield f"{counted(in_hand, 'letter')} were in a dead worker's hands, {many}: mailer run puts them right"


async def _refused(ledger: Ledger, clock: Clock) -> list[str]:
    """What servers refused for a reason that they will have for other letters too."""
    found = []
    for streak in await ledger.streaks():
        who = f"{streak.target} of {streak.campaign}: the address {', '.join(streak.addresses)}"
        if streak.is_gone:
            command = f"mailer release --campaign {streak.campaign} --target {streak.target} --why TEXT"
            found.append(f"{who} was refused {streak.length} times in a row: correct it in the configuration, or {command}")
        if streak.is_told:
            what = f"was refused {streak.length} times in a row, others of the same letters were not"
            found.append(f"{who} {what}: correct it in the configuration, or take it out")
    for campaign, count in ledger.refused_lately(MALFORMED, clock.seconds - TOLD_FOR).items():
        # What leaves here was proved to be well-formed: if a server thinks otherwise, one of the two has a bug.
        what = f"{counted(count, 'letter')} of {campaign} refused as malformed"
        found.append(f"{what}: mailer log --campaign {campaign} --state refused; their bytes are ours, please report it")
    return found


def disagreements(
    ledger: Ledger, journal: Journal, high_water: HighWater, spool: Spool, *, mark: str, is_at_work: Callable[[], bool]
) -> Iterator[str]:
    """
    Where ledger, journal, high-water mark and queue folders do not agree; nothing if they do.

    `mark` is the high-water mark as the ledger knows it; `is_at_work` says whether a worker is here just now: what it has in
    hand is no difference. It is asked last, for one may have come since.
    """
    yield from ledger.disagreements()
    if problem := high_water.disagreement(mark):
        yield problem
    if problem := journal.disagreement():
        yield problem
    before, files, after = _claims(spool), ledger.files(), _claims(spool)
    if is_at_work():
        return
    for claim in sorted(before & after):
        yield f"claimed/{claim}…: a file was left in the middle of being taken in; mailer run finishes it"
    for file in files:
        if file.state == "reading" and file.claim not in before | after:
            gone = f"file {file.id} was being taken in, and is not in claimed/ any more"
            yield f"{gone}: drop it again, nobody is written for twice"


def _claims(spool: Spool) -> set[str]:
    return {claimed.id for claimed in spool.claimed()}
