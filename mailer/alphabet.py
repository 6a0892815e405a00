"""
Which letters a language is written with, and whether a text looks as if it had been read in the right encoding.

    sheets (encodings)  >  ALPHABET  >  the encoding that a file is read in

The same bytes are «Muñoz» in one encoding and «Muńoz» in another. `weigh` looks at each word that holds more than ASCII:
whether it is a word at all (no sign in its middle, no two scripts, no capital behind a small letter), and whether its letters
are those of the languages that are spoken where the signatory lives. It only counts; who decides is `sheets.encodings`.

English says nothing about accents, so in an English-speaking country a word proves nothing. Letters are those in daily use;
a few that a language only borrows are left out on purpose, because they would take its force from every proof.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache

_RUSSIAN = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_GREEK = "αβγδεζηθικλμνξοπρστυφχψωςάέήίόύώϊϋΐΰ"
_LETTERS = {
    "az": "çəğıöşüİ", "be": "абвгдеёжзійклмнопрстуўфхцчшыьэюя", "bg": "абвгдежзийклмнопрстуфхцчшщъьюя", "bs": "čćđšž",
    "ca": "àçèéíïòóúü", "cs": "áčďéěíňóřšťúůýž", "cy": "âêîôûŵŷïë", "da": "æøåé", "de": "äöüß", "el": _GREEK,
    "es": "áéíñóúü", "et": "äöõüšž", "fi": "äöåšž", "fr": "àâæçéèêëîïôœùûüÿ", "ga": "áéíóú", "gl": "áéíñóúü",
    "hr": "čćđšž", "hu": "áéíóöőúüű", "is": "áðéíóúýþæö", "it": "àèéìîòóù", "kk": _RUSSIAN + "әғқңөұүһі",
    "ky": _RUSSIAN + "ңөү", "lb": "äéëöü", "lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž", "mk": "абвгдѓежзѕијклљмнњопрстќуфхцчџш",
    "mn": _RUSSIAN + "өү", "mt": "ċġħżàèìòù", "nb": "æøåéòô", "nl": "áéëèïíóöúü", "nn": "æøåéòô", "no": "æøåéòô",
    "pl": "ąćęłńóśźż", "pt": "áâãàçéêíóôõúü", "ro": "ăâîșțşţ", "ru": _RUSSIAN, "sk": "áäčďéíĺľňóôŕšťúýž", "sl": "čšžćđ",
    "sq": "çë", "sr": "čćđšžабвгдђежзијклљмнњопрстћуфхцчџш", "sv": "åäöé", "tg": _RUSSIAN + "ғӣқӯҳҷ", "tk": "äçžňöşüý",
    "tr": "çğıöşüâîûİ", "tt": _RUSSIAN + "әөүҗңһ", "uk": "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",
    "uz": _RUSSIAN + "ўқғҳ",
}  # fmt: skip

_SAID = frozenset("’‘“”„‚«»‹›–—…")  # typographic signs, in their right places
_WORD = re.compile(r"[^\s!-&(-@\[-`{-~]+")  # ASCII signs end a word, all but the apostrophe
_LONGEST = 60  # characters of a word
_CONTRACTED = re.compile(r"[a-z]+’(?:s|t|re|ve|ll|d|m)|(?:[OoDdLlJjCcNnMmSsTt]|[Qq]u)’[^\W\d_]+", re.IGNORECASE)
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")


@dataclass(frozen=True, slots=True)
class Weight:
    """What a text's words came to: how many there were, how many are no words, and the points of the others."""

    words: int = 0
    strange: int = 0
    points: int = 0

    def __add__(self, other: Weight) -> Weight:
        return Weight(self.words + other.words, self.strange + other.strange, self.points + other.points)


Weigh = Callable[[list[list[str]]], Weight]  # the header and some rows of a table, as one encoding reads them


def weigh(text: str, languages: Collection[str]) -> Weight:
    """
    Weigh the words of a text that hold more than ASCII, against the languages that its writer may speak.

    >>> weigh("José Muñoz", ["es"]), weigh("José Muńoz", ["es"]).points, weigh("Èâàí Ïåòðîâ", []).strange
    (Weight(words=2, strange=0, points=2), 0, 2)
    """
    total = Weight()
    letters = _letters_of(frozenset(languages))
    for word in _WORD.findall(unicodedata.normalize("NFC", text)):
        if not word.isascii():
            total += _weight(word, letters) if len(word) <= _LONGEST else Weight(1, strange=1)
    return total


@cache
def _letters_of(languages: frozenset[str]) -> frozenset[str]:
    """All letters of some languages; none where one of them is not in the table, save English, which has none of its own."""
    known = [_LETTERS.get(language.partition("_")[0]) for language in languages if language != "en"]
    return frozenset("".join(filter(None, known)))


@lru_cache(maxsize=16384)
def _weight(word: str, letters: frozenset[str]) -> Weight:
    bare = word.strip("’‘“”„‚«»‹›–—…'")
    if bare.isascii():
        return Weight(1, points=1)
    if _CONTRACTED.fullmatch(bare) and bare.replace("’", "").isascii():
        return Weight(1, points=2)
    if _is_strange(bare):
        return Weight(1, strange=1)
    beyond = {_small(c) for c in bare if not c.isascii() and c not in _SAID}
    if not _scripts(beyond) & _scripts(letters):  # they write with other letters there: no proof either way
        return Weight(1)
    return Weight(1, points=1 if beyond <= letters else -1)


def _is_strange(word: str) -> bool:
    """
    Whether this can't be a word of anybody's language.

    >>> [_is_strange(word) for word in ("Mu±oz", "JosÈ", "иВАНОВ", "Josй", "Èâàí", "Łódź", "García")]
    [True, True, True, True, True, False, False]
    """
    for before, here in zip(" " + word, word, strict=False):
        if not here.isascii() and not _is_letter(here) and here not in "’–":
            return True
        if here.isupper() and before.islower() and not (before + here).isascii():
            return True
        if here == "–" and before.isalpha():
            return True
    found = _scripts(word)
    if found == {"GREEK"} and _is_no_greek(word):
        return True
    foreign = sum(not c.isascii() for c in word)
    return len(found) > 1 or (found == {"LATIN"} and len(word) > 2 and foreign * 4 > len(word) * 3)


def _is_no_greek(word: str) -> bool:
    """
    Whether a word of Greek letters breaks what every Greek word keeps: one accent where it has two vowels and small letters,
    a dialytika only behind a vowel, and ς only at its end.

    >>> _is_no_greek("Παπαδόπουλος"), _is_no_greek("ΐννΰ"), _is_no_greek("Οπθμεπξβΰ"), _is_no_greek("Οεςπξβ")
    (False, True, True, True)
    """
    parts = unicodedata.normalize("NFD", word.lower())
    vowels = sum(c in "αεηιουω" for c in parts)
    accents = parts.count("\u0301")
    is_wrong = re.search(r"(?:^|[^αεηιουω\u0301])[ιυ]\u0308|ς(?=[^\W_])|σ\b", parts)
    return bool(is_wrong) or (not word.isupper() and vowels > 1 and accents != 1)


def _small(character: str) -> str:
    """The small letter; the Turkish İ, whose small one is an ASCII i, stays what it is."""
    small = character.lower()
    return small if len(small) == 1 else character


def _is_letter(character: str) -> bool:
    """A letter or a part of one; a spacing accent (ˇ), which counts as a letter elsewhere, is none."""
    return unicodedata.category(character) in {"Lu", "Ll", "Lt", "Lo", "Mn", "Mc"}


def _scripts(characters: Iterable[str]) -> set[str]:
    return {script for c in characters if c.isalpha() if (script := _script(c))}


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    name = unicodedata.name(character, "")
    return next((script for script in _SCRIPTS if name.startswith(script)), "")


def by_words(table: list[list[str]]) -> Weight:
    """Weigh a table by its words alone, where nobody knows who speaks what."""
    return sum((weigh(cell, ()) for row in table for cell in row), Weight())
