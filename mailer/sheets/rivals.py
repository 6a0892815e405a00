"""
Which of several readings of the same bytes is right: shown by what the others cannot be, or by nobody.

    encodings > RIVALS > the encoding that a file is read in

One byte is ñ, ń or с, so every reading has rivals: the same words as all other old encodings read them. A reading wins only
over each of them:

    impossible   the rival has words that are none («Mu±oz», «JosÈ»), and this one has not;
    no language  the rival's words suit no language, or need more languages than this one's: two more, or one more where the
                 rival is an encoding that hardly anybody writes;
    at home      three different words suit where their rows live, and the rival's do not. Not for the rare encodings:
                 KZ-1048 makes good Kazakh words of Ukrainian names, and Ukrainians live in Kazakhstan.

One row proves nothing but what is impossible. Where no reading wins over all, nobody is right: a name is not to be guessed.
Nothing is opened here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from mailer.alphabet import ANY, CERTAIN, Languages, languages_of

Table = list[list[str]]
Spoken = Callable[[Table], list[frozenset[str]]]  # a header and rows > the languages of each of the rows

_TOKEN = re.compile(r"[^\x00-&(-@\[-`{-\x7f]+")  # ASCII signs end a word in every encoding, all but the apostrophe
_WORDS = 1500  # by which a file is judged
_LONGEST = 100  # characters of a word
_SHARE = 0.2  # of the words in which two readings differ, so many have to be impossible or suit no language
_ROWS = 2  # rows, and different words of them, that show that a language does not suit
_AT_HOME = 3
_LANGUAGES = 2  # more than the other needs
_FREQUENT = frozenset(
    {"cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1257", "koi8_r", "koi8_u", "cp866", "mac_roman", "iso8859_2"}
)


@dataclass(slots=True)
class Word:
    """One word as one encoding reads it: of which languages it may be (None: of none at all), and where it stands."""

    text: str
    languages: Languages | None
    rows: set[int] = field(default_factory=set)
    at_home: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """One text of a file: its table, and its words by their bytes (as Latin-1 shows them)."""

    encoding: str
    table: Table
    words: dict[str, Word]

    @property
    def bad(self) -> int:
        """How many words are none, or suit no language."""
        return sum(not word.languages for word in self.words.values())


def nobody_knows(table: Table) -> list[frozenset[str]]:
    """The languages of each row, where nobody knows who speaks what."""
    return [frozenset()] * (len(table) - 1)


def read(encoding: str, table: Table, spoken: Spoken) -> Reading:
    """Read a table of bytes (as Latin-1 shows them) in an encoding that can read all of them."""
    decoded = [_decoded(row, encoding) for row in table]
    words: dict[str, Word] = {}
    at = [frozenset[str](), *spoken(decoded)]
    for number, (row, languages) in enumerate(zip(table, at, strict=True)):
        for token in _tokens(row):
            if token not in words and len(words) == _WORDS:
                continue
            if token not in words:
                text = token.encode("latin-1").decode(encoding)
                words[token] = Word(text, languages_of(text) if len(text) <= _LONGEST else None)
            word = words[token]
            word.rows.add(number)
            word.at_home = word.at_home or bool(word.languages and word.languages & languages)
    return Reading(encoding, decoded, words)


def winner(readings: list[Reading], accepted: list[str]) -> Reading | None:
    """The reading that wins over every other, if there is one; only one of the `accepted` encodings can."""
    for one in readings:
        if (
            one.encoding in accepted
            and one.bad <= _SHARE * len(one.words)
            and all(_wins(one, other) for other in readings if other is not one)
        ):
            return one
    return None


def likely(readings: list[Reading]) -> list[Reading]:
    """Those readings that a person should look at: nearly all of their words may be words; or, where there are none, all."""
    ordered = sorted(readings, key=lambda reading: reading.bad)
    return [reading for reading in ordered if reading.bad <= ordered[0].bad + _SHARE * len(reading.words)]


def _wins(one: Reading, other: Reading) -> bool:
    differing = [(word, other.words[token]) for token, word in one.words.items() if word.text != other.words[token].text]
    if not differing:
        return False
    most = len(differing) * _SHARE
    bad = sum(not mine.languages for mine, _ in differing)
    impossible = [theirs for mine, theirs in differing if mine.languages and theirs.languages is None]
    if len(impossible) >= max(1, most) and bad * 2 <= len(impossible):
        return True
    suits_none = [theirs for mine, theirs in differing if mine.languages and not theirs.languages]
    certain = [theirs for mine, theirs in differing if mine.languages == CERTAIN and theirs.languages != CERTAIN]
    if len(suits_none) >= max(_ROWS, most) and bad * 2 <= len(suits_none) and _rows(suits_none) >= _ROWS:
        return True
    if len(certain) >= max(_ROWS, most) and not bad:
        return True
    is_rarer = one.encoding in _FREQUENT and other.encoding not in _FREQUENT
    seen = list(one.words.values()) if is_rarer else [mine for mine, _ in differing]
    if _needed(other) - _needed(one) >= (1 if is_rarer else _LANGUAGES) and _rows(seen) > _ROWS and not bad:
        return True
    return one.encoding in _FREQUENT and _is_at_home(differing)


def _is_at_home(differing: list[tuple[Word, Word]]) -> bool:
    mine = [one for one, _ in differing if one.at_home]
    theirs = [other for _, other in differing if other.at_home]
    is_most = len(mine) >= _AT_HOME and len(mine) * 2 >= len(differing) and _rows(mine) >= _ROWS
    return is_most and len(theirs) * 10 <= len(mine)


def _needed(reading: Reading) -> int:
    """How many languages it takes to have all words of a reading, beside those that suit none."""
    left = [word.languages for word in reading.words.values() if word.languages and word.languages not in (ANY, CERTAIN)]
    count = 0
    while left:
        every = sorted({language for languages in left for language in languages})
        best = max(every, key=lambda language: sum(language in languages for languages in left))
        left = [languages for languages in left if best not in languages]
        count += 1
    return count


def _rows(words: list[Word]) -> int:
    return len(set().union(*(word.rows for word in words)))


def _decoded(row: list[str], encoding: str) -> list[str]:
    return "\x1f".join(row).encode("latin-1").decode(encoding).split("\x1f")


def _tokens(row: list[str]) -> Iterator[str]:
    return (token for cell in row for token in _TOKEN.findall(cell) if not token.isascii())
