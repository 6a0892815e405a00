"""
The table of replies: stage, code, enhanced code, pattern → class and scope. Part of `outcome`.

Each reply is judged by the first row that fits it, from specific to general; an operator corrects a judgement by a row (the
key `replies` of mailer.yaml, before the shipped ones), not by code. Patterns see the first LEGIBLE characters of a reply. What
is the relay's or the campaign's matter never refuses a letter, only a 2xx accepts one, and no row makes or lifts a doubt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailer.outcome.reply import BEFORE_MAIL, LEGIBLE, Judgement, Lost, Reply, Scope, Sign, Stage, Verdict

HOUR, DAY = 3600, 86_400


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
    sign: Sign = Sign.NONE
    at_most: int | None = None

    def fits(self, stage: Stage, reply: Reply) -> bool:
        """Whether this row speaks about this reply at this stage."""
        return (
            stage in self.stages
            and (not self.codes or str(reply.code).startswith(self.codes))
            and (not self.enhanced or f"{reply.enhanced}.".startswith(tuple(f"{begin}." for begin in self.enhanced)))
            and (self.pattern is None or self.pattern.search(reply.text[:LEGIBLE]) is not None)
        )


def _rule(
    stages: str,
    codes: str,
    says: tuple[Verdict, Scope, str],
    *,
    enhanced: str = "",
    pattern: str = "",
    sign: Sign = Sign.NONE,
    at_most: int | None = None,
) -> Rule:
    chosen = frozenset(Stage(name) for name in stages.split())
    compiled = re.compile(pattern, re.IGNORECASE) if pattern else None
    return Rule(chosen, *says, tuple(codes.split()), tuple(enhanced.split()), compiled, sign, at_most)


ACCOUNT_REFUSED = "the relay refuses our account"
MALFORMED = "the server says that the letter is malformed"

_BEFORE = " ".join(BEFORE_MAIL)
_TRANSACTION = "mail rcpt data body dot"
_DEFER, _REFUSE = Verdict.DEFERRED, Verdict.REFUSED
_R, _L, _C, _H = Scope.RECIPIENT, Scope.LETTER, Scope.CAMPAIGN, Scope.RELAY

# Too many connections, errors or recipients are no window of time.
_RATE = (
    r"\b(rate limit|throttl|quota"
    r"|too many(?! (\w+ ){0,2}(connections|sessions|errors|recipients|(invalid|unknown|failed|bad) \w+)\b))"
)
_FULL = r"\b(mailbox|inbox|account|user)\b.{0,30}\b(full|quota)\b|\bquota\b.{0,30}\b(mailbox|inbox)\b|\bover ?quota\b"
_POLICY = r"\b(spam|block ?list|blacklist|black list|dnsbl|policy)\b"
_UNKNOWN = (
    r"\b(no such|unknown|invalid) (user|mailbox|recipient|address|account|person)\b"
    r"|\b(user|mailbox|recipient|address|account) (is )?(unknown|not found|not known|does(n't| not) exist)\b"
)

_PLENTY = (Verdict.WAITING, _R, "too many recipients at once")
_IS_FULL = (_DEFER, _R, "the mailbox is full")
_LIMITED = (_DEFER, _H, "the relay limits how fast we send")
_NO_MAILBOX = (_REFUSE, _R, "there is no such mailbox")
_BY_POLICY = "the server refuses by policy"
_BAD_SENDER = (_DEFER, _C, "the relay refuses our sender")

# First match from the top, from specific to general.
TABLE: tuple[Rule, ...] = (
    _rule(_TRANSACTION, "530 534 535 538", (_DEFER, _H, ACCOUNT_REFUSED)),
    _rule(_TRANSACTION, "5", (_DEFER, _H, ACCOUNT_REFUSED), enhanced="5.7.8 5.7.9"),
    _rule("auth", "5", (_DEFER, _H, ACCOUNT_REFUSED)),
    _rule(_BEFORE, "55", _LIMITED, enhanced="5.4.5", sign=Sign.RATE),
    _rule(_BEFORE, "45 55", _LIMITED, pattern=_RATE, sign=Sign.RATE),
    _rule(_BEFORE, "", (_DEFER, _H, "the relay cannot be used just now")),
    _rule(_TRANSACTION, "421", (_DEFER, _H, "the relay is closing")),
    # Too many recipients is about the size of one transaction, and the full mailbox about one mailbox, whatever words like
    # "too many" and "quota" say; servers without enhanced codes say only the words.
    _rule("rcpt", "452", _PLENTY, enhanced="4.5.3"),
    _rule("rcpt", "552", _PLENTY, enhanced="4.5.3 5.5.3"),
    _rule("rcpt", "452 552", _PLENTY, pattern=r"\btoo many recipients\b"),
    _rule("data body dot", "452", (_DEFER, _L, "too many recipients at once"), enhanced="4.5.3"),
    # A mailbox is emptied in hours, not in minutes. A 5xx says that it will stay full: asked three times more, then believed.
    _rule("rcpt", "4", _IS_FULL, enhanced="4.2.2", sign=Sign.FULL),
    _rule("rcpt", "5", _IS_FULL, enhanced="5.2.2", sign=Sign.FULL, at_most=3),
    _rule("rcpt", "45", _IS_FULL, pattern=_FULL, sign=Sign.FULL),
    _rule("rcpt", "55", _IS_FULL, pattern=_FULL, sign=Sign.FULL, at_most=3),
    _rule("data body dot", "4", (_DEFER, _L, "the mailbox is full"), enhanced="4.2.2"),
    _rule("dot", "5", _IS_FULL, enhanced="5.2.2"),
    # 4.7 behind RCPT is mostly greylisting, which is about one recipient and passes.
    _rule("mail", "4", (_DEFER, _H, "the relay slows us down"), enhanced="4.7"),
    _rule(_TRANSACTION, "550", _LIMITED, enhanced="5.4.5", sign=Sign.RATE),
    _rule(_TRANSACTION, "4 550 554", _LIMITED, pattern=_RATE, sign=Sign.RATE),
    _rule("mail", "4", (_DEFER, _L, "the relay asks to try later")),
    _rule("rcpt", "4", (_DEFER, _R, "the server asks to try later")),
    _rule("data body dot", "4", (_DEFER, _L, "the server asks to try later")),
    # What a letter is too large for, or malformed in, is the letter's matter.
    _rule("mail data body dot", "5", (_REFUSE, _L, "the letter is too large for the server"), enhanced="5.3.4"),
    _rule("mail data body dot", "5", (_REFUSE, _L, MALFORMED), enhanced="5.6"),
    _rule("rcpt", "5", (_REFUSE, _R, MALFORMED), enhanced="5.6"),
    # Many servers (Postfix's smtpd_delay_reject) keep what they think of a sender until RCPT.
    _rule("rcpt", "5", _BAD_SENDER, enhanced="5.1.7 5.1.8"),
    _rule("rcpt", "55", _BAD_SENDER, pattern=r"\bsender address rejected\b"),
    # Policy is about what we send or who we are, not about the address.
    _rule("mail", "5", (_DEFER, _C, _BY_POLICY), enhanced="5.7"),
    _rule("rcpt", "5", (_REFUSE, _R, _BY_POLICY), enhanced="5.7", sign=Sign.POLICY),
    _rule("rcpt", "5", (_REFUSE, _R, _BY_POLICY), pattern=_POLICY, sign=Sign.POLICY),
    _rule("data body dot", "5", (_REFUSE, _L, _BY_POLICY), enhanced="5.7", sign=Sign.POLICY),
    _rule("data body dot", "5", (_REFUSE, _L, _BY_POLICY), pattern=_POLICY, sign=Sign.POLICY),
    # A command that the server does not know is about the relay; syntax of one address is about that address. Behind the
    # envelope it may be one slip of a server that lost count, and if not, it is about these bytes.
    _rule("rcpt", "501", _NO_MAILBOX, enhanced="5.1.3", sign=Sign.ADDRESS),
    _rule("rcpt", "50", (_DEFER, _H, "the relay does not understand us")),
    _rule("data body dot", "500 501 502 503 504", (_DEFER, _L, "the relay does not understand us"), at_most=1),
    _rule("mail", "5", _BAD_SENDER),
    _rule("rcpt", "550", _NO_MAILBOX, enhanced="5.1", sign=Sign.ADDRESS),
    _rule("rcpt", "550", _NO_MAILBOX, pattern=_UNKNOWN, sign=Sign.ADDRESS),
    _rule("rcpt", "551 553", _NO_MAILBOX, sign=Sign.ADDRESS),
    _rule("rcpt", "552", _IS_FULL, sign=Sign.FULL, at_most=3),
    _rule("rcpt", "5", (_REFUSE, _R, "the server refuses this recipient")),
    _rule("data body dot", "5", (_REFUSE, _L, "the server refuses the letter")),
)


def own(rule: Rule) -> Rule:
    """
    An operator's row, with what its reason means beyond one letter where it is one of ours.

    Raises:
        ValueError: a row must not say that, in a sentence that names the key.
    """
    if rule.verdict not in {_DEFER, _REFUSE}:
        raise ValueError("class must be deferred or refused: only a 2xx accepts, and only a missing answer leaves a doubt")
    if rule.verdict is _REFUSE and rule.scope in {_H, _C}:
        raise ValueError(f"class must be deferred where the scope is {rule.scope}: what is not a letter's fault refuses none")
    if rule.stages & set(BEFORE_MAIL) and rule.scope is not _H:
        raise ValueError("scope must be relay before mail: nothing was asked there about a letter")
    if rule.scope is _R and rule.stages & {Stage.MAIL, Stage.DATA, Stage.BODY}:
        raise ValueError("scope can be recipient at rcpt and at dot only")
    if rule.scope is _L and Stage.RCPT in rule.stages:
        raise ValueError("scope must be recipient at rcpt where it is not campaign or relay: each recipient has its own reply")
    if not (rule.codes or rule.enhanced or rule.pattern):
        raise ValueError("code or enhanced or pattern must be given: a row without them would fit every reply")
    if rule.codes and rule.enhanced and not {code[0] for code in rule.codes} & {each[0] for each in rule.enhanced}:
        raise ValueError("enhanced begins with another digit than code, so the row fits no reply")
    known = (
        row.sign for row in TABLE if row.reason == rule.reason and row.verdict is rule.verdict and row.stages & rule.stages
    )
    return Rule(
        rule.stages,
        rule.verdict,
        rule.scope,
        rule.reason,
        rule.codes,
        rule.enhanced,
        rule.pattern,
        next(known, Sign.NONE),
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
    pause = window(answer.text[:LEGIBLE]) if row.sign is Sign.RATE else 0
    return Judgement(row.verdict, row.scope, row.reason, row.sign, row.at_most, pause)


_SPAN = re.compile(
    r"(?:\b(?:per|in|within|for|every|after|an?)|/)\s*(?:(\d{1,5})\s*)?(second|minute|hour|day)s?\b", re.IGNORECASE
)
_UNITS = {"second": 1, "minute": 60, "hour": HOUR, "day": DAY}


def window(text: str) -> int:
    """
    For how many seconds a limit holds, as the server's words say it: an hour unless they say otherwise, a day at most.

    >>> window("rate limit exceeded"), window("daily sending quota"), window("100 per day"), window("try again in 15 minutes")
    (3600, 86400, 86400, 900)
    """
    if re.search(r"\b(daily|today|tomorrow)\b", text, re.IGNORECASE):
        return DAY
    found = _SPAN.search(text)
    return min(DAY, max(1, int(found[1] or 1)) * _UNITS[found[2].lower()]) if found else HOUR


def _is_positive(stage: Stage, code: int) -> bool:
    """Whether the reply lets us go on: 354 to DATA, none in the middle of the body, any 2xx elsewhere (252 to RCPT too)."""
    if stage is Stage.DATA:
        return code == 354
    return 200 <= code <= 299 and stage is not Stage.BODY


def _expected_class(stage: Stage, code: int) -> bool:
    """1xx, 3xx out of place, and a 2xx to DATA or to the body belong to no step of the protocol: garbage."""
    return code >= 400 or _is_positive(stage, code)
