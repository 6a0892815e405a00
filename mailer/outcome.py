"""
What became of one attempt to hand a letter to the relay.

    spool > intake > signature > letter > courier > OUTCOME > report

An attempt ends in one of four ways: *accepted* (2xx to the dot), *deferred* (may work later), *refused* (never will)
and *in doubt* (the dot may have gone out and nobody answered). Each reply is judged by the first row of a table that
fits it: stage, code, enhanced code, pattern → class and scope. The scope says whose matter it is: one recipient's, the
letter's, the campaign's or the relay's. What is the relay's never refuses a letter.

*Accepted* is the relay's promise, not the target's inbox: a letter can still come back as a DSN.

This module only judges. It opens no connection and reads no clock; when to try again is for `delivery` to decide.
RFC 5321 4.2 (replies), RFC 3463 (enhanced codes).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


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


class Role(StrEnum):
    """Why an address is a recipient of a letter."""

    TO = "to"
    CC = "cc"
    COPY = "copy"


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
    """One reply, judged: its class, whose matter it is, and the plain words shown for it."""

    verdict: Verdict
    scope: Scope
    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table. An empty condition fits everything; codes are prefixes, as are whole parts of enhanced codes."""

    stages: frozenset[Stage]
    verdict: Verdict
    scope: Scope
    reason: str
    codes: tuple[str, ...] = ()
    enhanced: tuple[str, ...] = ()
    pattern: re.Pattern[str] | None = None

    def fits(self, stage: Stage, reply: Reply) -> bool:
        """Whether this row speaks about this reply at this stage."""
        return (
            stage in self.stages
            and (not self.codes or str(reply.code).startswith(self.codes))
            and (not self.enhanced or f"{reply.enhanced}.".startswith(tuple(f"{begin}." for begin in self.enhanced)))
            and (self.pattern is None or self.pattern.search(reply.text) is not None)
        )


def _rule(stages: str, codes: str, says: tuple[Verdict, Scope, str], *, enhanced: str = "", pattern: str = "") -> Rule:
    chosen = frozenset(Stage(name) for name in stages.split())
    compiled = re.compile(pattern, re.IGNORECASE) if pattern else None
    return Rule(chosen, *says, codes=tuple(codes.split()), enhanced=tuple(enhanced.split()), pattern=compiled)


ACCOUNT_REFUSED = "the relay refuses our account"

_BEFORE = " ".join(BEFORE_MAIL)
_TRANSACTION = "mail rcpt data body dot"
_DEFER, _REFUSE = Verdict.DEFERRED, Verdict.REFUSED
_R, _L, _C, _H = Scope.RECIPIENT, Scope.LETTER, Scope.CAMPAIGN, Scope.RELAY
_RATE = r"\b(rate limit|too many|quota|throttl)"
_POLICY = r"\b(spam|block ?list|blacklist|black list|dnsbl|policy)\b"

# First match from the top, from specific to general.
TABLE: tuple[Rule, ...] = (
    _rule(_TRANSACTION, "530 534 535 538", (_DEFER, _H, ACCOUNT_REFUSED)),
    _rule(_TRANSACTION, "5", (_DEFER, _H, ACCOUNT_REFUSED), enhanced="5.7.8 5.7.9"),
    _rule("auth", "5", (_DEFER, _H, ACCOUNT_REFUSED)),
    _rule(_BEFORE, "", (_DEFER, _H, "the relay cannot be used just now")),
    _rule(_TRANSACTION, "421", (_DEFER, _H, "the relay is closing")),
    # Too many recipients is about the size of one transaction, and the full mailbox about one mailbox, whatever words like
    # "too many" and "quota" say; servers without enhanced codes say only the words.
    _rule("rcpt", "452", (Verdict.WAITING, _R, "too many recipients at once"), enhanced="4.5.3"),
    _rule("rcpt", "552", (Verdict.WAITING, _R, "too many recipients at once"), enhanced="4.5.3 5.5.3"),
    _rule("rcpt", "452 552", (Verdict.WAITING, _R, "too many recipients at once"), pattern=r"\btoo many recipients\b"),
    _rule("data body dot", "452", (_DEFER, _L, "too many recipients at once"), enhanced="4.5.3"),
    _rule("rcpt", "4", (_DEFER, _R, "the mailbox is full"), enhanced="4.2.2"),
    _rule("data body dot", "4", (_DEFER, _L, "the mailbox is full"), enhanced="4.2.2"),
    _rule("rcpt dot", "5", (_DEFER, _R, "the mailbox is full"), enhanced="5.2.2"),
    # 4.7 behind RCPT is mostly greylisting, which is about one recipient and passes.
    _rule("mail", "4", (_DEFER, _H, "the relay limits how fast we send"), enhanced="4.7"),
    _rule(_TRANSACTION, "550", (_DEFER, _H, "the relay limits how fast we send"), enhanced="5.4.5"),
    _rule(_TRANSACTION, "4 550", (_DEFER, _H, "the relay limits how fast we send"), pattern=_RATE),
    _rule("mail", "4", (_DEFER, _L, "the relay asks to try later")),
    _rule("rcpt", "4", (_DEFER, _R, "the server asks to try later")),
    _rule("data body dot", "4", (_DEFER, _L, "the server asks to try later")),
    # What a letter is too large for, or malformed in, is the letter's matter.
    _rule("mail data body dot", "5", (_REFUSE, _L, "the letter is too large for the server"), enhanced="5.3.4"),
    _rule("mail data body dot", "5", (_REFUSE, _L, "the server says that the letter is malformed"), enhanced="5.6"),
    _rule("rcpt", "5", (_REFUSE, _R, "the server says that the letter is malformed"), enhanced="5.6"),
    # Policy is about what we send or who we are, not about the address.
    _rule("mail", "5", (_DEFER, _C, "the server refuses by policy"), enhanced="5.7"),
    _rule("rcpt", "5", (_REFUSE, _R, "the server refuses by policy"), enhanced="5.7"),
    _rule("rcpt", "5", (_REFUSE, _R, "the server refuses by policy"), pattern=_POLICY),
    _rule("data body dot", "5", (_REFUSE, _L, "the server refuses by policy"), enhanced="5.7"),
    _rule("data body dot", "5", (_REFUSE, _L, "the server refuses by policy"), pattern=_POLICY),
    # A command that the server does not know is about the relay; syntax of one address is about that address.
    _rule("rcpt", "501", (_REFUSE, _R, "there is no such mailbox"), enhanced="5.1.3"),
    _rule("rcpt", "50", (_DEFER, _H, "the relay does not understand us")),
    _rule("data body", "50", (_DEFER, _L, "the relay does not understand us")),
    _rule("mail", "5", (_DEFER, _C, "the relay refuses our sender")),
    _rule("rcpt", "550 551 553", (_REFUSE, _R, "there is no such mailbox"), enhanced="5.1"),
    _rule("rcpt", "552", (_DEFER, _R, "the mailbox is full")),
    _rule("rcpt", "5", (_REFUSE, _R, "the server refuses this recipient")),
    _rule("data body dot", "5", (_REFUSE, _L, "the server refuses the letter")),
)


def judge(stage: Stage, answer: Reply | Lost, table: Sequence[Rule] = TABLE) -> Judgement:
    """
    Judge one answer at one stage. Total: every answer has a judgement.

    >>> judge(Stage.RCPT, Reply(550, "5.1.1", "no such user")).verdict.value
    'refused'
    >>> judge(Stage.DOT, Lost("connection reset")).verdict.value
    'in_doubt'
    >>> judge(Stage.AUTH, Reply(535, "5.7.8", "bad password")).scope.value
    'relay'
    """
    if isinstance(answer, Lost) or not _expected_class(stage, answer.code):
        if stage is Stage.DOT:
            return Judgement(Verdict.IN_DOUBT, Scope.LETTER, f"no usable answer to the final dot: {answer}")
        return Judgement(Verdict.DEFERRED, Scope.RELAY, f"nothing was sent: {answer}")
    if _is_positive(stage, answer.code):
        return Judgement(Verdict.ACCEPTED, Scope.LETTER, "")
    row = next(rule for rule in table if rule.fits(stage, answer))
    return Judgement(row.verdict, row.scope, row.reason)


def _is_positive(stage: Stage, code: int) -> bool:
    """Whether the reply lets us go on: 354 to DATA, none in the middle of the body, any 2xx elsewhere (252 to RCPT too)."""
    if stage is Stage.DATA:
        return code == 354
    return 200 <= code <= 299 and stage is not Stage.BODY


def _expected_class(stage: Stage, code: int) -> bool:
    """1xx, 3xx out of place, and a 2xx to DATA or to the body belong to no step of the protocol: garbage."""
    return code >= 400 or _is_positive(stage, code)


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
    """One address of a letter's envelope, why it is there, and what became of it so far."""

    address: str
    role: Role
    state: Standing = Standing.WAITING
    reply: str = ""

    @property
    def is_asked(self) -> bool:
        """
        Whether the next attempt addresses it: never again once accepted or refused, a copy only until its first answer.
        """
        if self.role is Role.COPY:
            return self.state in {Standing.WAITING, Standing.IN_DOUBT}
        return self.state in {Standing.WAITING, Standing.DEFERRED, Standing.IN_DOUBT}


@dataclass(frozen=True, slots=True)
class Handover:
    """
    How far one attempt came: the step it ended at, the answer that ended it, and each asked recipient's own answer.

    `rcpt` has one answer for each recipient asked, in the envelope's order, or is empty if none was.
    """

    stage: Stage
    answer: Reply | Lost
    rcpt: tuple[Reply | Lost, ...] = ()

    @property
    def goes_on(self) -> bool:
        """Whether the server waits for the body (354 to DATA)."""
        return self.stage is Stage.DATA and isinstance(self.answer, Reply) and self.answer.code == 354


# Asked with the answers to RCPT, in order: may the body follow?
MaySend = Callable[[Sequence[Reply | Lost]], bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to, for the letter and for each of its recipients."""

    verdict: Verdict
    scope: Scope
    reason: str
    recipients: tuple[Recipient, ...]
    stage: Stage
    answer: str

    @property
    def reached_mail(self) -> bool:
        """Whether the relay was asked about this letter at all; before that no try is counted."""
        return self.stage not in BEFORE_MAIL

    @property
    def reached_data(self) -> bool:
        """Whether bytes of the letter may have left; from then on its bytes are fixed."""
        return self.stage in {Stage.BODY, Stage.DOT}


def answered(
    recipients: Sequence[Recipient], rcpt: Sequence[Reply | Lost], table: Sequence[Rule] = TABLE
) -> tuple[tuple[Recipient, ...], tuple[str, ...]]:
    """The recipients with what each was told at RCPT so far, and the addresses that the body is meant for."""
    answers = iter(rcpt)
    told = []
    meant = []
    for recipient in recipients:
        own = next(answers, None) if recipient.is_asked else None
        verdict = judge(Stage.RCPT, own, table).verdict if own is not None else None
        if verdict is None or verdict is Verdict.ACCEPTED:
            told.append(recipient)
        else:
            told.append(replace(recipient, state=Standing(verdict.value), reply=str(own)))
        if verdict is Verdict.ACCEPTED:
            meant.append(recipient.address)
    return tuple(told), tuple(meant)


def may_send(recipients: Sequence[Recipient], rcpt: Sequence[Reply | Lost], table: Sequence[Rule] = TABLE) -> bool:
    """Whether the body may follow: a `to` is accepted, now or before, and no answer was about the relay itself."""
    judged = [judge(Stage.RCPT, answer, table) for answer in rcpt]
    if any(one.scope is Scope.RELAY for one in judged):
        return False
    asked = [recipient for recipient in recipients if recipient.is_asked]
    now = {r.address for r, one in zip(asked, judged, strict=True) if one.verdict is Verdict.ACCEPTED}
    reached = any(r.role is Role.TO and (r.state is Standing.ACCEPTED or r.address in now) for r in recipients)
    return reached and bool(now)


def decide(recipients: Sequence[Recipient], handover: Handover, table: Sequence[Rule] = TABLE) -> Outcome:
    """
    Decide what an attempt came to.

    `recipients` are all of the letter's; those already accepted or refused were not asked. The letter is in doubt if any
    recipient is; else deferred while a `to` or cc may still work; else accepted if a `to` was; else refused. A copy
    never changes it, and where no `to` can be reached cc and copy are dropped: they are never written to alone.
    """
    ended = judge(handover.stage, handover.answer, table)
    answers = iter(handover.rcpt)
    after = [_after(r, next(answers, None), handover, ended, table) if r.is_asked else r for r in recipients]
    verdict = _of_the_letter(after)
    if verdict is Verdict.REFUSED:
        after = [_dropped(recipient) for recipient in after]
    if verdict not in {ended.verdict, Verdict.ACCEPTED}:
        ended = _told_by_the_recipients(recipients, handover, verdict, table) or ended
    reason = "" if verdict is Verdict.ACCEPTED else ended.reason
    return Outcome(verdict, ended.scope, reason, tuple(after), handover.stage, str(handover.answer))


def _after(
    recipient: Recipient, own: Reply | Lost | None, handover: Handover, ended: Judgement, table: Sequence[Rule]
) -> Recipient:
    """One asked recipient after an attempt: its own answer counts where it has one, else the answer that ended it all."""
    said = judge(Stage.RCPT, own, table) if own is not None else None
    is_meant = said is not None and said.verdict is Verdict.ACCEPTED
    if said and not is_meant and said.scope is not Scope.RELAY:
        return replace(recipient, state=Standing(said.verdict.value), reply=str(own))
    if handover.stage is Stage.DOT and is_meant and ended.verdict is Verdict.ACCEPTED:
        return replace(recipient, state=Standing.ACCEPTED, reply=str(own))
    if ended.verdict is Verdict.REFUSED and handover.stage is not Stage.RCPT:
        return replace(recipient, state=Standing.REFUSED, reply=str(handover.answer))
    if ended.verdict is Verdict.IN_DOUBT and is_meant:
        return replace(recipient, state=Standing.IN_DOUBT, reply=str(handover.answer))
    # Nothing was taken. A copy that never had an answer of its own is asked again with the next attempt.
    return replace(recipient, state=Standing.WAITING if recipient.role is Role.COPY else Standing.DEFERRED, reply="")


def _of_the_letter(recipients: Sequence[Recipient]) -> Verdict:
    if any(recipient.state is Standing.IN_DOUBT for recipient in recipients):
        return Verdict.IN_DOUBT
    reached = any(r.role is Role.TO and r.state is Standing.ACCEPTED for r in recipients)
    may_reach = any(r.role is Role.TO and r.is_asked for r in recipients)
    cc_waits = any(r.role is Role.CC and r.is_asked for r in recipients)
    if may_reach or (reached and cc_waits):
        return Verdict.DEFERRED
    return Verdict.ACCEPTED if reached else Verdict.REFUSED


def _dropped(recipient: Recipient) -> Recipient:
    return replace(recipient, state=Standing.DROPPED) if recipient.state in {Standing.WAITING, Standing.DEFERRED} else recipient


def _told_by_the_recipients(
    recipients: Sequence[Recipient], handover: Handover, verdict: Verdict, table: Sequence[Rule]
) -> Judgement | None:
    """Where the answers to RCPT made the letter's verdict, the words are those of the first that did; copies make none."""
    asked = [recipient for recipient in recipients if recipient.is_asked]
    made = {verdict, Verdict.WAITING} if verdict is Verdict.DEFERRED else {verdict}
    for recipient, answer in zip(asked, handover.rcpt, strict=False):
        said = judge(Stage.RCPT, answer, table)
        if said.verdict in made and recipient.role is not Role.COPY:
            return said
    return None


def without(text: str, private: Sequence[str]) -> str:
    """
    What a server said, free of words that are personal: servers echo what letters say. Only for what has been judged.

    >>> without("550 spam by jane DOE", ["Jane Doe"])
    '550 spam by …'
    """
    words = "|".join(re.escape(word) for word in sorted(private, key=len, reverse=True))
    return re.sub(words, "…", text, flags=re.IGNORECASE) if words else text


def scrubbed(recipients: Sequence[Recipient], private: Sequence[str]) -> tuple[Recipient, ...]:
    """Recipients whose replies are free of words that are personal."""
    return tuple(replace(recipient, reply=without(recipient.reply, private)) for recipient in recipients)
