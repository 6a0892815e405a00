"""
A text as its words, in the form in which two texts are compared. Part of `outcome`.

Who quotes a letter changes it: other case, other composition (NFC, NFD), accents lost, wide letters, other punctuation and
white space. A word is therefore compared by its bare letters and digits, and knows where it stands in the text as written.
Scripts that set no spaces between words (Chinese, Japanese, Thai, Khmer, Burmese) have one for each character.

It is no morphology: a word in another case of its grammar, or in other letters, is another word.

Unicode Standard Annex 15 (normal forms).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

# Letters that do not decompose, as whoever has only ASCII writes them.
_ASCII = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})
_ASCII_WORD = re.compile(r"[A-Za-z0-9]+")
# Punctuation that was written as a code, as in `jane%2Edoe`; the first digit is one with which no name begins.
_PUNCTUATION = re.compile(r"[%=](?:2[0-9A-F]|3[A-F]|40|5[B-F]|60|7[B-E])", re.IGNORECASE)


# Thai, Lao, Tibetan, Burmese, Khmer, kana, Chinese characters.
_UNSPACED = re.compile(r"[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


class Word(NamedTuple):
    """A word's bare letters and digits, and the characters of the text that it is: from `start` to `end`."""

    letters: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    """
    The words of a text, in their order.

    >>> [word.letters for word in words("«Świętokrzyski», Jérôme_O'Neill 小明")]
    ['swietokrzyski', 'jerome', 'o', 'neill', '小', '明']
    """
    text = _PUNCTUATION.sub("   ", text)
    if text.isascii():  # as nearly all are: it decomposes into nothing, and this is far quicker
        return [Word(found[0].lower(), *found.span()) for found in _ASCII_WORD.finditer(text)]
    bare = list(map(_bare, text))
    found = []
    place = 0
    while place < len(bare):
        end = place + 1
        if bare[place]:
            is_alone = is_unspaced(bare[place])
            while end < len(bare) and _goes_on(text[end], bare[end], is_alone):
                end += 1
            found.append(Word("".join(bare[place:end]), place, end))
        place = end
    return found


@lru_cache(maxsize=8192)
def is_unspaced(letters: str) -> bool:
    """Whether these are letters of a script in which a word is not seen by its spaces."""
    return _UNSPACED.match(letters) is not None


def _goes_on(character: str, bare: str, is_alone: bool) -> bool:
    """Whether a character belongs to the word before it; an accent by itself always does."""
    return not (is_alone or is_unspaced(bare)) if bare else unicodedata.category(character)[0] == "M"


@lru_cache(maxsize=8192)
def _bare(character: str) -> str:
    """The letters and digits that a character is compared as; none if it only separates or decorates."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
    return "".join(one for one in folded.translate(_ASCII) if one.isalnum() or _is_vowel(one))


def _is_vowel(character: str) -> bool:
    """Whether a mark is a letter (the vowels of Indic scripts and Thai), and no accent and nothing that chooses a glyph."""
    if unicodedata.category(character)[0] != "M" or unicodedata.combining(character):
        return False
    return not unicodedata.name(character, "").startswith(("VARIATION SELECTOR", "COMBINING", "MONGOLIAN FREE"))
