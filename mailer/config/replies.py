"""
The operator's own rows of the table of replies: the key `replies` of mailer.yaml.

They stand before the shipped rows, so that a judgement is corrected without code. What a row must not say (accept a letter,
refuse one for the relay's fault) is known by `outcome`; here each key is read, and what is wrong is noted where it stands.
"""

from __future__ import annotations

import re

from mailer.config.section import Section, nearest
from mailer.config.values import choice, shown, text
from mailer.outcome import Rule, Scope, Stage, Verdict, own

# The words for what a reply can be to, in the order of a conversation; to connect there is no reply.
_STAGES = tuple(stage for stage in Stage if stage is not Stage.CONNECT)
_CLASSES = (Verdict.DEFERRED, Verdict.REFUSED)


def read(sections: list[Section]) -> tuple[Rule, ...]:
    """Read the rows, in their order; those with problems are noted and left out."""
    return tuple(rule for section in sections if (rule := _row(section)))


def _row(row: Section) -> Rule | None:
    before = len(row.problems.lines)
    row.need("stage", "class", "scope", "reason")
    rule = Rule(
        stages=frozenset(found.value for found in row.many("stage", _stage)),
        verdict=row.one("class", _class, Verdict.DEFERRED),
        scope=row.one("scope", choice(*Scope), Scope.RELAY),
        reason=row.one("reason", _reason, ""),
        codes=tuple(found.value for found in row.many("code", _code)),
        enhanced=tuple(found.value for found in row.many("enhanced", _enhanced)),
        pattern=row.one("pattern", _pattern, None),
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
