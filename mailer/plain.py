"""
What organisers read beside their files, in their campaign's language.

    signature, sheets (a reason in English)  >  PLAIN  >  accounts

Reasons are made where the fault is found, and in English; here they are told in another language, by a table of sentences
(`plain.ru`). A sentence that the table does not have stays as it is: an English reason is better than none.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

_PLACE = re.compile(r"\{\d+\}")


def told(sentence: str, language: str) -> str:
    """
    A sentence in a language; in English where it is not known in that.

    >>> told(
    ...     "the country «Narnia» is not known: write its name in any official language of Europe or the UN, or its ISO code",
    ...     "en",
    ... )[:12]
    'the country '
    >>> told("the name is longer than 100 characters", "ru")
    'поле «имя» длиннее 100 знаков'
    """
    exact, patterns = _table(language)
    if sentence in exact:
        return exact[sentence]
    for pattern, quoted, text in patterns:
        if found := pattern.fullmatch(sentence):
            parts = [
                part if is_quoted else told(part, language) for part, is_quoted in zip(found.groups(), quoted, strict=True)
            ]
            return text.format(*parts)
    return sentence


@cache
def _table(language: str) -> tuple[dict[str, str], list[tuple[re.Pattern[str], list[bool], str]]]:
    """
    The sentences of a language: those without places, and those with, each with which of its places stand in quotation marks.
    Of two that fit, the one with more words of its own comes first.
    """
    try:
        lines = Path(__file__).with_suffix(f".{language}").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}, []
    exact, patterns = {}, []
    for english, text in pairwise(lines):
        if not text.startswith("\t") or english.startswith("\t"):
            continue
        if not _PLACE.search(english):
            exact[english] = text.strip()
            continue
        pattern = "(.*?)".join(map(re.escape, _PLACE.split(english)))
        quoted = [english[: place.start()].endswith("«") for place in _PLACE.finditer(english)]
        patterns.append((re.compile(pattern, re.DOTALL), quoted, text.strip()))
    return exact, sorted(patterns, key=lambda one: -len(one[0].pattern))
