"""
Which letters a language is written with, and of which languages a text can be a word.

    sheets (encodings)  >  ALPHABET  >  the encoding that a file is read in

The same bytes are «Muñoz» in one encoding and «Muńoz» in another. `languages_of` looks at one word that holds more than ASCII:
whether it can be a word at all (no sign in its middle, no two scripts, no capital behind a small letter, some vowel), and which
languages have all of its letters. It only says so; who decides by it is `sheets.rivals`.

Letters are those in daily use; a few that a language only borrows are left out on purpose, because they would take its force
from every proof.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

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
    "uz": _RUSSIAN + "ўқғҳ", "vi": "àáâãèéêìíòóôõùúýăđĩũơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ",
    "fo": "áðíóúýæø", "gd": "àèìòù", "eu": "ñ",
}  # fmt: skip

_SAID = frozenset("’‘“”„‚«»‹›–—…")  # typographic signs, in their right places
_ALONE = frozenset("№€£§°©®²³½×·•")  # signs that stand by themselves
_LONGEST = 60  # characters of a word
_CONTRACTED = re.compile(r"[a-z]+’(?:s|t|re|ve|ll|d|m)|(?:[OoDdLlJjCcNnMmSsTt]|[Qq]u)’[^\W\d_]+", re.IGNORECASE)
_VOWELS = frozenset("aeiouyæøœıəlrаеёиоуыэюяіїєўәөүұӣӯαεηιουω")  # and l, r, of which Czech and Serbian make syllables
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")


Languages = frozenset[str]
ANY: Languages = frozenset(_LETTERS)
CERTAIN: Languages = ANY | {"en"}  # what no accent decides: an English contraction, a word in quotation marks


@lru_cache(maxsize=16384)
def languages_of(text: str) -> Languages | None:
    """
    The languages that have all letters of a word; None where it can be no word of any, empty where it only suits none.

    >>> sorted(languages_of("Kaczyński")), languages_of("Mu±oz"), languages_of("Sæñi"), languages_of("don’t") == CERTAIN
    (['pl'], None, frozenset(), True)
    """
    if len(text) > _LONGEST:
        return None
    found = [_languages_of(word) for word in unicodedata.normalize("NFC", text).split()]
    impossible = [languages for languages in found if languages is None]
    return None if impossible else CERTAIN.intersection(*(languages for languages in found if languages is not None))


def _languages_of(word: str) -> Languages | None:
    bare = word.strip("’‘“”„‚«»‹›–—…'")
    if not bare or bare in _ALONE:
        return ANY
    if bare.isascii():
        return CERTAIN if word.lstrip("“„«‘")[:1].isalpha() else ANY
    if _CONTRACTED.fullmatch(bare) and bare.replace("’", "").isascii():
        return CERTAIN
    if _is_strange(bare):
        return None
    letters = {_small(c) for c in bare if not c.isascii() and c not in _SAID}
    return frozenset(language for language, own in _LETTERS.items() if letters <= set(own))


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
    if len(word) > 2 and not any(c in _VOWELS for c in unicodedata.normalize("NFD", word.lower())):
        return True
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
