"""
What a server answered, at which step, and how it can be judged. Part of `outcome`.

RFC 5321 4.2 (replies), RFC 3463 (enhanced codes).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Characters of a reply that are judged and kept, though one may be 32 KB: what a server has to say fits into two of the longest
# lines of RFC 5321 4.5.3.1.5, and a pattern that costs the square of what it is given (an operator's may) costs little.
LEGIBLE = 1_000


class Stage(StrEnum):
    """How far an attempt came; each name is the step whose reply was awaited."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"


BEFORE_MAIL = (Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH)


class Verdict(StrEnum):
    """The class of one reply, of one recipient's outcome, or of a whole letter's."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    REFUSED = "refused"
    IN_DOUBT = "in_doubt"
    WAITING = "waiting"


class Scope(StrEnum):
    """Whose matter a reply is."""

    RECIPIENT = "recipient"
    LETTER = "letter"
    CAMPAIGN = "campaign"
    RELAY = "relay"


class Sign(StrEnum):
    """
    What a reply says beyond its own letter. What is done about it is decided by `delivery` and `consequences`.

    No reply says BESIDE: it is an ADDRESS that is refused beside others of its letter which are not.
    """

    NONE = ""
    ADDRESS = "address"
    BESIDE = "beside"
    POLICY = "policy"
    FULL = "full"
    RATE = "rate"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered: code 200-599, enhanced code ("5.1.1" or empty) and text free of control characters."""

    code: int
    enhanced: str
    text: str

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)


@dataclass(frozen=True, slots=True)
class Lost:
    """No reply that can be used: the connection was lost, timed out, or talked nonsense. `why` is for the log."""

    why: str
    garbled: bool = False

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True, slots=True)
class Judgement:
    """
    One reply, judged: its class, whose matter it is, the plain words shown for it, and what it is a sign of.

    What is deferred `at_most` so many times for this reason is refused the next time (None: as long as letters are
    kept). `pause` is for how many seconds the relay wants to be left alone; 0 where it did not say.
    """

    verdict: Verdict
    scope: Scope
    reason: str
    sign: Sign = Sign.NONE
    at_most: int | None = None
    pause: int = 0
