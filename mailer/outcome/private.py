"""
What is personal in one letter, and a server's words without it. Part of `outcome`.

    reply, judged as it was said  >  PRIVATE  >  ledger, journal, log

Spam filters and policy servers quote what they refuse. A signatory's names, role, city and addresses are taken out word by
word; of the message, three words that follow each other: single ones ("message", "spam") say why a server refuses. What is
encoded (RFC 2047, base64, quoted-printable) is taken out unread. A reply's codes always stay.

It does not see what a server has changed beyond spelling (translated, transliterated, abbreviated), one or two words of a
message by themselves, nor what is quoted of another letter.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from mailer.outcome.reply import LEGIBLE
from mailer.outcome.words import Word, is_unspaced, words

_WORDS, _CHARACTERS = 3, 6  # of a message, in a row; characters where no spaces show its words
_TELLING = 5  # letters by which a word is known inside another, or in pieces

_LOOKED_AT = 4 * LEGIBLE  # characters of a reply; what is personal makes it shorter, and may go on behind what is shown

_CODES = re.compile(r"[2-5][0-9]{2}(?= |$)(?: [245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |$))?")
# What servers say of nearly every letter that they take.
_ORDINARY = re.compile(
    r"2[0-9]{2}(?: 2\.[0-9]{1,3}\.[0-9]{1,3})?"
    r"(?:[ :.,]+(?:ok|okay|sender|recipient|message|mail|accepted|fine|taken|for delivery|queued"
    r"|queued as (?=\w*[0-9])\w{8,20}))*\.?",
    re.IGNORECASE | re.ASCII,
)
# Chinese, Japanese, Korean: two characters are a name.
_DENSE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]{2,}")
# Two characters in a row that were written as codes: UTF-8 has no letter beyond ASCII in one byte.
_ESCAPED = re.compile(r"(?:[=%][0-9A-F]{2}|\\x[0-9A-F]{2}|\\u[0-9A-F]{4}|\\[0-7]{3}|&#x?[0-9A-F]{1,6};){2}", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/]{24,}={0,2}")  # servers' own ids are shorter, or of one case


class Private:
    """
    What is personal in one letter: each word of `fields`, `wholes` only as they are, and what stands together in a message.

    It is taken apart once a reply has to be looked through, which most do not: that takes longer than writing the letter.
    """

    def __init__(self, fields: Iterable[str] = (), wholes: Iterable[str] = (), message: str = "") -> None:
        self._fields = tuple(fields)
        self._wholes = tuple(wholes)
        self._message = message

    @cached_property
    def words(self) -> frozenset[str]:
        """Words that are personal by themselves, in the form in which texts are compared."""
        singles = {whole for text in self._wholes if len(whole := _letters(text)) >= _TELLING}
        for field in self._fields:
            found = words(field)
            singles |= {both for one, two in _pairs(found) if len(both := one + two) >= _TELLING}
            for start, end in _unbroken(found):
                singles |= set(_spellings(field[start:end]))
        return frozenset(singles)

    @cached_property
    def runs(self) -> frozenset[tuple[str, ...]]:
        """Words that are personal in a row."""
        of_message = _runs([word.letters for word in words(self._message)])
        pairs = (pair for field in self._fields for pair in _pairs(words(field)))
        return frozenset(of_message) | {pair for pair in pairs if len("".join(pair)) > 3 or _DENSE.fullmatch("".join(pair))}


def _pairs(found: Sequence[Word]) -> Iterator[tuple[str, str]]:
    """Words beside each other, in both orders."""
    for one, two in itertools.pairwise(found):
        yield one.letters, two.letters
        yield two.letters, one.letters


def _runs(said: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The words of a message in rows; one that is shorter than a row counts whole."""
    if len(said) >= _WORDS and not any(map(is_unspaced, said)):
        yield from zip(*(said[place:] for place in range(_WORDS)), strict=False)
        return
    for place in range(len(said)):
        length = _CHARACTERS if any(is_unspaced(word) for word in said[place : place + _WORDS]) else _WORDS
        run = tuple(said[place : place + length])
        if len(run) == length or (place == 0 and len(run) > 1):
            yield run


def _unbroken(found: Sequence[Word]) -> Iterator[tuple[int, int]]:
    """From where to where a text goes on without a break: its words, but for scripts whose characters are one each."""
    start = 0
    for place, word in enumerate(found, start=1):
        if place == len(found) or found[place].start > word.end:
            yield found[start].start, word.end
            start = place


def _letters(text: str) -> str:
    return "".join(word.letters for word in words(text))


def _spellings(written: str) -> Iterator[str]:
    """A word of a name as it may be quoted, if it is long enough to tell anybody: whole, or its letters beyond ASCII lost."""
    letters = _letters(written)
    composed = unicodedata.normalize("NFC", letters)
    is_name = sum(not character.isdigit() for character in composed) > 2 or _DENSE.fullmatch(composed) is not None
    if is_name or len(letters) >= _TELLING:
        yield letters
    left = re.sub("[^a-z0-9]", "", unicodedata.normalize("NFC", written).casefold())
    if is_name and len(left) > 2:
        yield left


def without(text: str, private: Private) -> str:
    """
    What a server said, free of what is personal, and no longer than LEGIBLE. Only for what has been judged.

    It is cut behind what is personal and not in the middle of it: half a word would not be known any more.

    >>> without("550 5.7.1 spam by DOE, Jane", Private(["Jane Doe"]))
    '550 5.7.1 spam by …'
    """
    if len(text) <= LEGIBLE and _ORDINARY.fullmatch(text):
        return text
    codes = _CODES.match(text)
    kept, rest = (codes[0], text[codes.end() :]) if codes else ("", text)
    limit = len(rest) if len(rest) <= _LOOKED_AT else _LOOKED_AT - LEGIBLE
    parts = [kept]
    shown = 0
    for start, end in _joined(rest, sorted(_found(rest[:_LOOKED_AT], private))):
        parts += [rest[shown:start], "…"]
        shown = end
    parts += [rest[shown:limit], "…" if shown < limit < len(rest) else ""]
    free = "".join(parts)
    return free if len(free) <= LEGIBLE else f"{free[: LEGIBLE - 1]}…"


def _joined(text: str, spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans of a text, in their order; those with nothing said between them become one."""
    begin, behind = 0, -1
    for start, end in spans:
        if behind >= 0 and any(character.isalnum() for character in text[behind:start]):
            yield begin, behind
            behind = -1
        begin, behind = (start if behind < 0 else begin), max(behind, end)
    if behind >= 0:
        yield begin, behind


def _found(text: str, private: Private) -> Iterator[tuple[int, int]]:
    """From where to where something personal stands, in any order."""
    yield from _encoded(text)
    said = words(text)
    letters = [word.letters for word in said]
    for length in {len(run) for run in private.runs}:
        for place in range(len(said) - length + 1):
            if tuple(letters[place : place + length]) in private.runs:
                yield said[place].start, said[place + length - 1].end
    stream = "".join(letters)
    owners = [word for word in said for _ in word.letters]
    begins = {0} | {place for place in range(1, len(owners)) if owners[place] is not owners[place - 1]} | {len(owners)}
    for word in private.words:
        place = stream.find(word)
        while place >= 0:
            behind = place + len(word)
            first, last = owners[place], owners[behind - 1]
            is_whole = place in begins and behind in begins
            if _is_meant(word, text[first.start : last.end], is_whole=is_whole, is_one=first is last):
                yield first.start, last.end
            place = stream.find(word, place + 1)


def _is_meant(word: str, quoted: str, *, is_whole: bool, is_one: bool) -> bool:
    """
    Whether a private word's letters, met in the words `quoted`, are that word: "is a" is not Isa, and "undoes" not Doe.

    Scripts without capitals set particles, or whole sentences, without a space beside a name.
    """
    if word.upper() == word.lower() and not any(character.isdigit() for character in word):
        return True
    is_telling = len(word) >= _TELLING
    if is_one:
        return is_whole or (is_telling and not word.isdigit())
    return is_whole and (is_telling or not re.search(r"\s", quoted))


def _encoded(text: str) -> Iterator[tuple[int, int]]:
    """Pieces without white space that are encoded, or the part of one that is base64."""
    for found in re.finditer(r"\S+", text):
        if "=?" in found[0] or "?=" in found[0] or _ESCAPED.search(found[0]):
            yield found.span()
            continue
        for run in _BASE64.finditer(text, *found.span()):
            if run[0] not in {run[0].upper(), run[0].lower()}:
                yield run.span()
