"""
The operator's own rows of the table of replies: the key `replies` of mailer.yaml.

They stand before the shipped rows, so that a judgement is corrected without code. What a row must not say (accept a letter,
refuse one for the relay's fault) is known by `outcome`; here each key is read, and what is wrong is noted where it stands.
"""

from __future__ import annotations

import re

from mailer.config.keys import Key, Part, Rows
from mailer.config.section import Section, nearest
from mailer.config.values import ANY_TEXT, ONE_LINE, choice, shown, text
from mailer.outcome import Rule, Scope, Stage, Verdict, own

# The words for what a reply can be to, in the order of a conversation; to connect there is no reply.
_STAGES = tuple(stage for stage in Stage if stage is not Stage.CONNECT)
_CLASSES = (Verdict.DEFERRED, Verdict.REFUSED)


def read(sections: list[Section]) -> tuple[Rule, ...]:
    """Read the rows, in their order; those with problems are noted and left out."""
    return tuple(rule for section in sections if (rule := _row(section)))


def _row(row: Section) -> Rule | None:
    before = len(row.problems.lines)
    row.need(*REPLIES.row.needed)
    rule = Rule(
        stages=frozenset(found.value for found in row.many(STAGE)),
        verdict=row.one(CLASS),
        scope=row.one(SCOPE),
        reason=row.one(REASON),
        codes=tuple(found.value for found in row.many(CODE)),
        enhanced=tuple(found.value for found in row.many(ENHANCED)),
        pattern=row.one(PATTERN),
    )
    row.close()
    if len(row.problems.lines) > before:
        return None
    try:
        return own(rule)
    except ValueError as problem:
        key, _, said = str(problem).partition(" ")
        row.note(key, said)
        return None


def _stage(written: str) -> Stage:
    if written not in _STAGES:
        raise ValueError(f"there is no stage {shown(written)}{nearest(written, {str(stage) for stage in _STAGES})}")
    return Stage(written)


def _class(written: str) -> Verdict:
    if written in {"accepted", "in_doubt"}:
        raise ValueError("must be deferred or refused: only a 2xx accepts, and only a missing answer leaves a doubt")
    return choice(*_CLASSES)(written)


def _reason(written: str) -> str:
    if len(text(written)) > 200:
        raise ValueError("must be at most 200 characters")
    return written


def _code(written: str) -> str:
    if not re.fullmatch(r"[45][0-9]{0,2}", written):
        raise ValueError(f"must be a refusal's code like 550, or the first digits of some, not {shown(written)}")
    return written


def _enhanced(written: str) -> str:
    if not re.fullmatch(r"[45](\.[0-9]{1,3}){0,2}", written):
        raise ValueError(f"must be an enhanced code like 5.7.1, or the first parts of some, not {shown(written)}")
    return written


def _pattern(written: str) -> re.Pattern[str]:
    try:
        return re.compile(text(written), re.IGNORECASE)
    except re.error as problem:
        raise ValueError(f"{shown(written)} is no regular expression: {problem}") from None


STAGE = Key(
    "stage",
    _stage,
    None,
    "What the reply is to.",
    required=True,
    several=True,
    shape={"type": "string", "enum": [str(stage) for stage in _STAGES]},
)
CODE = Key(
    "code",
    _code,
    None,
    "The reply's code, or its first digits.",
    several=True,
    shape={"type": ["integer", "string"], "pattern": "[45][0-9]{0,2}", "minimum": 4, "maximum": 599},
)
ENHANCED = Key(
    "enhanced",
    _enhanced,
    None,
    "Its enhanced code, like 5.7.1, or the first parts of one.",
    several=True,
    shape={"type": ["number", "string"], "pattern": "[45](\\.[0-9]{1,3}){0,2}"},
)
PATTERN = Key(
    "pattern",
    _pattern,
    None,
    "A regular expression, without regard to case, over the first 1,000 characters of its text.",
    shape={"type": ANY_TEXT, "pattern": ONE_LINE},
)
CLASS = Key(
    "class",
    _class,
    Verdict.DEFERRED,
    "deferred: may work later. refused: never will.",
    required=True,
    shape={"type": "string", "enum": [str(verdict) for verdict in _CLASSES]},
)
SCOPE = Key(
    "scope",
    choice(*Scope),
    Scope.RELAY,
    "Whose matter it is: relay never refuses a letter, campaign pauses it.",
    required=True,
)
REASON = Key(
    "reason",
    _reason,
    "",
    "What people are told; the shipped reasons have their consequences (docs/design.md).",
    required=True,
    shape={"type": ANY_TEXT, "pattern": ONE_LINE, "maxLength": 200},
)
REPLIES = Rows(
    "replies",
    "Rows of your own that judge the relay's replies, before the shipped ones; the first that fits decides.",
    Part("", "One row.", (STAGE, CODE, ENHANCED, PATTERN, CLASS, SCOPE, REASON)),
)
