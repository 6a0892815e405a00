"""
Where each recipient of a letter stands, judged one by one; and where the letter stands for it, worked out from them again.

The second is our own reading of the design ("States"), in words of its own: it asks no function of the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.torture.farside import FarSide
from tests.torture.judged import LOST, STANDS, Violation
from tests.torture.letters import Letter

Rows = Sequence[tuple[str, str, str, str]]  # address, role, state, reply

_MISSING = {"waiting", "deferred"}
_OPEN = {"queued", "deferred", "sending", "held", "in_doubt"}
_GIVEN_UP = {"cancelled", "expired"}  # the whole letter was, by a person or a rule that says so
_BY_RECIPIENTS = {"accepted", "deferred", "refused", "in_doubt"}
GIVEN_UP_FOR_CC = "given up for cc"


def each_recipient(letters: Sequence[Letter], far: FarSide) -> Iterator[Violation]:
    """Whoever has not accepted a letter has refused it, was dropped, is in doubt, or is waited for: nobody is forgotten."""
    kept = {handed for one in far.kept for handed in one.handed}
    for one in letters:
        for address, role, state, reply in one.record.recipients:
            handed = (one.record.message_id, address)
            if state == "accepted" and not one.is_told and not (handed in kept and far.taken[handed]):
                what = f"letter {one.record.letter} is accepted for {address}, but the server has not taken it"
                yield Violation(LOST, what)
            if problem := _forgotten(one, role, state, reply):
                yield Violation(LOST, f"letter {one.record.letter}, {one.record.state}: {address} is {state}, {problem}")


def _forgotten(one: Letter, role: str, state: str, reply: str) -> str:
    """Why a recipient is forgotten; empty where it is not."""
    record = one.record
    if state == "refused" and not reply:
        return "and nothing says by whom"
    if state == "dropped" and not (reply or record.reason):
        return "and nothing says why"
    if state == "in_doubt" and record.state not in {"in_doubt", "sending", *_GIVEN_UP}:
        return "and nothing is asked of it"
    if state not in _MISSING or record.state in _GIVEN_UP:
        return ""
    if record.state in {"queued", "deferred"} and record.next_attempt_at is None:
        return "and there is no next time"
    if record.state in _OPEN:
        return ""
    if role == "copy":  # it is asked once, and its answer stands
        return "" if reply and record.state == "accepted" else "without an answer"
    was_given_up = record.state == "accepted" and record.reason.startswith(GIVEN_UP_FOR_CC)
    return "" if was_given_up and reply else "and nobody will ask it again"


def each_letter(letters: Sequence[Letter]) -> Iterator[Violation]:
    """What an attempt left a letter in is what its recipients make of it."""
    for one in letters:
        record = one.record
        if record.state not in _BY_RECIPIENTS or record.reason.startswith(GIVEN_UP_FOR_CC):
            continue
        if (should := stands_by(record.recipients)) != record.state:
            shown = ", ".join(f"{role} {state}" for _, role, state, _ in record.recipients)
            yield Violation(STANDS, f"letter {record.letter} is {record.state}, and must be {should}: {shown}")


def stands_by(recipients: Rows) -> str:
    """
    The state of a letter whose recipients stand so.

    >>> stands_by([("a", "to", "refused", ""), ("b", "to", "accepted", ""), ("c", "cc", "deferred", "")])
    'deferred'
    >>> stands_by([("a", "to", "refused", ""), ("c", "cc", "dropped", ""), ("d", "copy", "waiting", "")])
    'refused'
    """
    if any(state == "in_doubt" for _, _, state, _ in recipients):
        return "in_doubt"
    offices = {(role, state) for _, role, state, _ in recipients if role != "copy"}
    if any(("to", state) in offices for state in _MISSING):
        return "deferred"
    if ("to", "accepted") not in offices:
        return "refused"  # nobody writes to a cc alone
    return "deferred" if any(("cc", state) in offices for state in _MISSING) else "accepted"
