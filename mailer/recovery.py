"""
What a crash left, put right before anything else.

    (a dead worker)  >  RECOVERY  >  ledger

Whoever holds the install's lock knows that no other worker lives, so every open attempt is a dead one. An attempt without a
dot mark sent nothing: its letter is queued again. Behind a dot mark nobody can tell: its letter is in doubt, shown, and not
sent again by itself. Both happen in one transaction, and running it again changes nothing. A letter in whose writing several
workers died is held, so that it kills no more. Files that were claimed are finished by `intake`.
"""

from __future__ import annotations

from mailer import log
from mailer.blotter import Blotter
from mailer.ledger import Ledger, Recovered


async def recover(ledger: Ledger, blotter: Blotter, now: int) -> Recovered:
    """Settle every attempt that a dead worker left open. Only for the holder of the install's lock."""
    found = await ledger.recover(now, blotter.left())
    blotter.wipe()  # a death before this is counted once all the same: its attempt is not open any more
    log.recovered(found.let_go, found.in_doubt, found.poisonous)
    return found
