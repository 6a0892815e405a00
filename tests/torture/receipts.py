"""
Receipts as the ledger and the far side have them: nobody gets two, and who is to have one is told, whatever died in between.

They are no letters, so the far side's books are parted first; the oracle of letters sees only letters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import apsw

from mailer.campaign import Receipts
from mailer.config import Configuration
from mailer.delivery import State
from tests.torture.farside import FarSide
from tests.torture.judged import BOOKS, LOST, TWICE, Violation
from tests.torture.letters import Letter

TEMPLATE = "Subject: What became of it\n\n{% for letter in letters %}{{ letter.target }} {{ letter.state }}.{% endfor %}\n"
_OPEN = frozenset({State.HELD, State.QUEUED, State.SENDING, State.DEFERRED, State.IN_DOUBT})
_ENDED = frozenset({State.ACCEPTED, State.REFUSED, State.EXPIRED})
_MAY_HAVE_IT = frozenset({State.ACCEPTED, State.IN_DOUBT})


@dataclass(frozen=True)
class _Notice:
    message_id: str
    signature: int
    state: str
    is_marked: bool


def parted(loaded: Configuration, far: FarSide) -> tuple[FarSide, FarSide]:
    """The far side's books of letters, and those of notices; what nobody knows is told among the letters."""
    known = {one.message_id for one in _notices(loaded)}

    def only(is_notice: bool) -> FarSide:
        def counts(of: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
            return Counter({handed: count for handed, count in of.items() if (handed[0] in known) is is_notice})

        kept = [one for one in far.kept if (one.message_id in known) is is_notice]
        return replace(far, kept=kept, dots=counts(far.dots), taken=counts(far.taken), refused=counts(far.refused))

    return only(False), only(True)


def receipts(
    loaded: Configuration, letters: Sequence[Letter], far: FarSide, *, is_quiet: bool, is_restored: bool
) -> Iterator[Violation]:
    """What is wrong with the receipts; `far` is the far side's books of notices."""
    kept = Counter(recipient for one in far.kept for recipient in one.recipients)
    for recipient, count in kept.items():
        if count > 1:
            yield Violation(TWICE, f"{count} receipts were kept for {recipient}")
    for handed, dots in far.dots.items():
        if dots > 1 + far.refused[handed]:
            yield Violation(TWICE, f"{dots} dots of the receipt {handed[0]}, {far.refused[handed]} refused")
    notices = _notices(loaded)
    state = {one.message_id: one for one in notices}
    for one in far.kept:
        stands = state[one.message_id]
        if stands.state not in _MAY_HAVE_IT and not stands.is_marked and not is_restored:
            yield Violation(TWICE, f"the receipt {one.message_id} was kept and is {stands.state}: it may go out again")
    has_one = {one.signature for one in notices}
    if len(has_one) != len(notices):
        yield Violation(BOOKS, "somebody has two receipts on record")
    if not is_quiet or is_restored or all(one.receipts is Receipts.OFF for one in loaded.campaigns.values()):
        return
    standing: dict[int, set[str]] = {}
    for letter in letters:
        standing.setdefault(letter.record.signature, set()).add(letter.record.state)
    for signature, states in standing.items():
        if states & _ENDED and not states & _OPEN and signature not in has_one:
            yield Violation(LOST, f"signature {signature} has no receipt, though its letters are {sorted(states)}")
    for notice in notices:
        if notice.state in {State.QUEUED, State.SENDING}:
            yield Violation(LOST, f"the receipt {notice.message_id} is still {notice.state}")


def _notices(loaded: Configuration) -> list[_Notice]:
    sql = """
    SELECT message_id, signature, state, EXISTS (SELECT 1 FROM attempt WHERE letter = l.id AND number = l.attempt
        AND marked_at IS NOT NULL AND settled_at IS NULL) FROM letter l WHERE kind = 'notice'
    """
    with closing(apsw.Connection(loaded.ledger, flags=apsw.SQLITE_OPEN_READWRITE)) as db:
        db.set_busy_timeout(10_000)
        found = list(db.execute(sql))
    return [_Notice(str(id), int(str(signature)), str(state), bool(marked)) for id, signature, state, marked in found]
