"""
Does anything need a person now; do the ledger, the journal and the folders agree.

    ledger, journal, spool  >  HEALTH  >  cli (health, verify)

Both only look. `ailments` is for monitoring, cheap enough for every minute; `disagreements` reads everything and is for the day
after a crash, a move or a restore. What they find is said in sentences that end with the command to give.
"""

from __future__ import annotations

from collections.abc import Iterator

from mailer.delivery import State
from mailer.journal import Journal
from mailer.ledger import Ledger
from mailer.pace import Clock
from mailer.spool import Spool

STUCK_AFTER = 3600  # seconds for which a letter may be due before somebody should look


async def ailments(ledger: Ledger, relay: str, clock: Clock) -> list[str]:
    """What needs a person, the weightiest first; empty if all is well."""
    found = []
    in_doubt = sum(count for (_, _, state), count in ledger.tally().items() if state == State.IN_DOUBT)
    if in_doubt:
        found.append(f"{in_doubt} letters are in doubt: mailer log --state in_doubt, then mailer resolve ID")
    breaker = await ledger.breaker(relay)
    if breaker.is_open(clock.now()):
        found.append(f"the relay cannot be used: {breaker.why}: mailer check --relay, then mailer resume relay --why TEXT")
    for pause in await ledger.pauses():
        campaign = pause.scope.removeprefix("campaign:").removeprefix("all")
        found.append(
            f"{campaign or 'all sending'} is paused: {pause.why}: mailer resume {campaign} --why TEXT".replace("  ", " ")
        )
    reasons = ledger.reasons()
    for (campaign, state, reason), count in reasons.items():
        if state == State.HELD and reason == "approval":
            found.append(f"{count} letters of {campaign} wait for its approval: mailer approve {campaign}")
        elif state == State.HELD and reason not in _CALM:
            found.append(f"{count} letters of {campaign} are held ({reason}): mailer log --state held")
    oldest = ledger.oldest_due(clock.seconds)
    if oldest is not None and clock.now() - oldest > STUCK_AFTER and not found:
        found.append(f"letters have been due for {(clock.now() - oldest) / 3600:.0f} h: is mailer run still started?")
    return found


# Reasons that an organiser knows of and need not be told every minute.
_CALM = frozenset({"no route", "target closed", "organiser"})


def disagreements(ledger: Ledger, journal: Journal, spool: Spool) -> Iterator[str]:
    """Where ledger, journal and queue folders do not agree; nothing if they do."""
    yield from ledger.disagreements()
    if problem := journal.disagreement():
        yield problem
    for claimed in spool.claimed():
        yield f"claimed/{claimed.path.name[:26]}…: a file was left in the middle of being taken in; mailer run finishes it"
