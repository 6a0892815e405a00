"""
Who a letter goes to, where each of them stands, and what that makes of the letter. Part of `outcome`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from mailer.outcome.reply import Verdict

# Said of a letter whose resend came to nothing.
EARLIER = "an earlier one may have arrived"


class Role(StrEnum):
    """Why an address is a recipient of a letter."""

    TO = "to"
    CC = "cc"
    COPY = "copy"


class Standing(StrEnum):
    """Where one recipient of a letter stands."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    BOUNCED = "bounced"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Recipient:
    """
    One address of a letter's envelope, why it is there, and what became of it so far.

    `times` is how often it was deferred for a reason, `why`, that is believed only so many times. `may_have_it` remembers a dot
    that nobody answered while a resend asks it again: whatever becomes of the resend, the first one may have arrived.
    """

    address: str
    role: Role
    state: Standing = Standing.WAITING
    reply: str = ""
    why: str = ""
    times: int = 0
    may_have_it: bool = False

    @property
    def is_asked(self) -> bool:
        """
        Whether the next attempt addresses it: never again once accepted or refused, a copy only until its first answer.
        """
        if self.role is Role.COPY:
            return self.state in {Standing.WAITING, Standing.IN_DOUBT}
        return self.state in {Standing.WAITING, Standing.DEFERRED, Standing.IN_DOUBT}


def of_the_letter(recipients: Sequence[Recipient]) -> Verdict:
    """
    What a letter came to, by where each of its recipients stands.

    In doubt if any is; else deferred while a `to` or cc may still work; else accepted if a `to` was; else refused.

    >>> of_the_letter([Recipient("a", Role.TO, Standing.ACCEPTED), Recipient("b", Role.TO, Standing.DEFERRED)]).value
    'deferred'
    """
    if any(recipient.state is Standing.IN_DOUBT for recipient in recipients):
        return Verdict.IN_DOUBT
    reached = any(r.role is Role.TO and r.state is Standing.ACCEPTED for r in recipients)
    may_reach = any(r.role is Role.TO and r.is_asked for r in recipients)
    cc_waits = any(r.role is Role.CC and r.is_asked for r in recipients)
    if may_reach or (reached and cc_waits):
        return Verdict.DEFERRED
    return Verdict.ACCEPTED if reached else Verdict.REFUSED


def asked_again(recipient: Recipient) -> Recipient:
    """A recipient as a resend asks it, if it was in doubt. Where a copy went changes no letter: nothing is remembered of it."""
    if recipient.state is not Standing.IN_DOUBT:
        return recipient
    return replace(recipient, state=Standing.WAITING, may_have_it=recipient.role is not Role.COPY)


def accepted(recipient: Recipient, reply: str) -> Recipient:
    """A recipient that has the letter for certain."""
    return replace(recipient, state=Standing.ACCEPTED, reply=reply, why="", times=0, may_have_it=False)


def refused(recipient: Recipient, reply: str) -> Recipient:
    """A recipient that said no; in doubt still, if it may have the letter from before."""
    return replace(recipient, state=Standing.IN_DOUBT if recipient.may_have_it else Standing.REFUSED, reply=reply)


def dropped(recipient: Recipient) -> Recipient:
    """A recipient of a letter of which no more is sent; in doubt still, if it may have the letter from before."""
    if recipient.state not in {Standing.WAITING, Standing.DEFERRED}:
        return recipient
    return replace(recipient, state=Standing.IN_DOUBT if recipient.may_have_it else Standing.DROPPED)
