"""
Texts that were spoilt before they came here: in a wrong encoding, with question marks for letters, escaped for a web page.

    signature (GARBLED, alphabet)

«JosÃ©» is «José» in UTF-8 that some program took for windows-1252; «Èâàí» is «Иван» in windows-1251. A word
is garbled if it can be no word, or suits no language, and becomes one when the mistake is undone. Both are asked, because
«Úžasný», «Різдво» and «IRMÔ look like such bytes and are words. Nothing is mended here: what was lost on the way is not known.

Entities are another matter: programs for the web write «O&#039;Brien» for «O'Brien» by a rule that has one inverse.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

from mailer.alphabet import languages_of

# What programs take UTF-8 for, from the most to the least usual.
_TAKEN_FOR = (
    *("cp1252", "cp1251", "cp1250", "cp1254", "cp1257", "cp1253", "latin_1", "mac_roman", "cp437", "cp850", "cp852", "cp866"),
    *("koi8_r", "mac_cyrillic"),
)
# Alphabets other than Latin that were taken for Latin letters: what it was, what it was taken for.
_CONFUSED = (("cp1251", "cp1252"), ("cp1251", "latin_1"), ("cp1251", "cp1250"), ("cp1253", "cp1252"), ("koi8_r", "cp1252"))
_CONFUSED_LENGTH = 4  # letters: shorter words of accented letters are somebody's («Åäö»)
_SHORTEST = 3  # «С°» and «Её» are no such words
_SEQUENCE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_WORD = re.compile(r"[^\s\u02bc\u2600-\u27bf\U00010000-\U0010ffff,;:!?()\[\]{}/\"-]+|\xa0")
_CUT = re.compile(r"[a-zß-ÿ][ÃÂÐÑ](?![^\W\d_])")  # «Niccolò» without its last byte
_ASKED = re.compile(r"[^\W\d_]\?[^\W\d_]")
_ENTITY = re.compile(r"&(?:amp|quot|apos|lt|gt|nbsp|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")


def is_garbled(text: str) -> bool:
    """
    Whether some word of a text was read in the wrong encoding before.

    >>> [is_garbled(text) for text in ("JosÃ© 😀", "JosĂ©", "JosГ©", "РџРµС‚СЂ", "Èâàí", "Donâ€™t", "Niccol\\xc3")]
    [True, True, True, True, True, True, True]
    >>> [is_garbled(text) for text in ("José", "Пётр", "Úžasný", "Різдво", "ANDRÉ’S «CAFÉ»", "Đorđe", "Nguyễn")]
    [False, False, False, False, False, False, False]
    """
    return not text.isascii() and (bool(_CUT.search(text)) or any(map(_is_garbled, _WORD.findall(text))))


def has_lost_letters(text: str) -> bool:
    """
    Whether a name has a question mark where a letter was.

    >>> has_lost_letters("Jos? Garc?a"), has_lost_letters("Why? Me")
    (True, False)
    """
    return "=?" not in text and bool(_ASKED.search(text))  # «=?utf-8?q?…» is somebody's joke, and no name


def unescaped(text: str) -> str:
    """
    A text without the entities that a program for the web put into it, undone once; others stay as they are.

    >>> unescaped("O&#039;Brien &amp; AT&T"), unescaped("&amp;amp; &copy; &#10;")
    ("O'Brien & AT&T", '&amp; &copy; &#10;')
    """
    return _ENTITY.sub(_character, text) if "&" in text else text


def _character(found: re.Match[str]) -> str:
    character = html.unescape(found.group()).replace("\xa0", " ")
    return character if character.isprintable() else found.group()


@lru_cache(maxsize=16384)
def _is_garbled(word: str) -> bool:
    word = word.removesuffix("’s").strip("’‘“”„‚«»‹›–—…'")  # marks at an end are marks: «IRMÔ
    if len(word) < _SHORTEST:
        return False
    if word.isascii() or languages_of(word):
        return False
    is_no_word = languages_of(word) is None
    is_plain = word.isalpha()  # bytes of UTF-8 in another encoding show signs too; Latin letters within Russian ones do not
    for encoding in _TAKEN_FOR:
        undone, count = _undone(word, encoding)
        if count and (languages_of(undone) or (is_no_word and not is_plain and _is_whole(word, undone, count))):
            return True
    return is_no_word and any(_is_confused(word, was, taken_for) for was, taken_for in _CONFUSED)


def _is_whole(word: str, undone: str, count: int) -> bool:
    """Whether what was undone is the whole of a word, or most of it: a long one holds a sequence or two by chance."""
    foreign = sum(not character.isascii() for character in word)
    covered = len(word) - len(undone) + count
    return covered * 2 > foreign if count > 1 else covered == foreign and _is_text(undone)


def _undone(word: str, encoding: str) -> tuple[str, int]:
    """The word with each sequence of UTF-8 that it holds, in an encoding, as its character; and how many there were."""
    content = b"".join(_byte(character, encoding) or b"\0" for character in word)
    found = [match.span() for match in _SEQUENCE.finditer(content)]
    parts, at, count = [], 0, 0
    for start, end in found:
        try:
            character = content[start:end].decode()
        except UnicodeDecodeError:
            continue
        if not (character.isalpha() or character.isprintable() or character == "\xa0"):
            continue
        parts += [word[at:start], character]
        at, count = end, count + 1
    return "".join(parts) + word[at:], count


def _byte(character: str, encoding: str) -> bytes:
    try:
        return character.encode(encoding)
    except UnicodeEncodeError:
        # Python leaves five codes of windows-1252 open, which browsers and Excel take for control characters.
        return bytes([ord(character)]) if 0x80 <= ord(character) < 0xA0 else b""


def _is_text(word: str) -> bool:
    """Whether all of a word is letters, in whatever script."""
    return all(c.isalpha() or c in "’‘“”«»–—….-'" for c in word)


def _is_confused(word: str, was: str, taken_for: str) -> bool:
    letters = re.sub(r"[\W\d_]+", "", word)
    if len(letters) < _CONFUSED_LENGTH - 1 or len(word) < _CONFUSED_LENGTH:
        return False
    try:
        return bool(languages_of(word.encode(taken_for).decode(was)))
    except UnicodeError:
        return False
