"""
The table of replies: stage, code, enhanced code, pattern → class and scope. Part of `outcome`.

Each reply is judged by the first row that fits it, from specific to general; an operator corrects a judgement by a row, not by
code. What is the relay's matter never refuses a letter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailer.outcome.reply import BEFORE_MAIL, Judgement, Lost, Reply, Scope, Stage, Verdict


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
