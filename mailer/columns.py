"""
Which column of a sheet holds which field of a signature.

    spool > intake (sheets, COLUMNS) > signature > letter > courier > outcome > report

Organisers export what their tools give them, so a header is matched without regard to case, accents, punctuation and
white space, in the six languages of `headings`. Four rules, from strong to weak; a stronger claim to a field silences a
weaker one:

    4  the campaign says so           columns: {name: "Your full name"}
    3  the header is an alias         Email Address
    2  an alias stands in brackets    I agree that a letter is sent in my name (consent)
       or has a number at its end     acceptance-123
    1  it asks for one field alone    Which country do you live in?

A question asks for a field where nothing but small words (`headings.FILLERS`) stands around the aliases: "Country of birth" and
"May we print your name?" are about something else. So is a heading about somebody else, and a consent to a newsletter, to terms
or to the storing of data is none to a letter, whatever stands in its brackets.

Two columns that claim a field equally well are never chosen between: the file is unreadable until the campaign says
which it is. A column that nobody recognises is left alone.

This module reads headers only. What a field's text must look like is for `signature`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cache, lru_cache, partial
from types import MappingProxyType

from mailer import headings
from mailer.errors import UnreadableFile
from mailer.headings import ALIASES, BESIDE_NAME, NOTHING, WHOLE_ALONE

FIELDS = (
    *("name", "email", "country", "language", "organisation", "role", "city", "postal_address", "message"),
    *("consent", "signed_at", "kind", "confirmed_at", "withdrawn_at"),
)

_LONGEST_HEADER = 2000
_MOST_WORDS = 5
_WORD = re.compile(r"[^\W_]+")


def match(
    header: Iterable[str], overrides: Mapping[str, str] = MappingProxyType({}), needs: Collection[str] = ("name", "email")
) -> Mapping[str, str]:
    """
    Find the column of each field; fields without one are left out. `overrides` is a campaign's `columns:`.

    A sheet has what it `needs`: `name`, or `first_name` and `last_name` instead, and `email`; `fields` joins the two names.

    >>> dict(match(["E-Mail", "ФИО", "Shoe size"]))
    {'email': 'E-Mail', 'name': 'ФИО'}
    >>> match(["Your real name (full)", "E-mail"], {"name": "Your real name (full)"})["name"]
    'Your real name (full)'

    Raises:
        UnreadableFile: no column holds a required field, or not the one that the campaign names for it, or two claim one field
            equally well.
    """
    header = tuple(header)
    _see_named(header, overrides, needs)
    claims = _claims(header, overrides)
    _settle_names(claims)
    found = {field: _only(field, claimed) for field, claimed in claims.items()}
    there = {*found, *(["name"] if "first_name" in found else [])}
    if missing := [field for field in needs if field not in there]:
        raise UnreadableFile(
            f"no column holds the {' or the '.join(map(_said, missing))}; the columns are: {_listed(header)}. Put the "
            f"heading there, or name the column in the campaign's configuration (columns: {{{missing[0]}: …}})"
        )
    return found


def loosely(header: Iterable[str], overrides: Mapping[str, str] = MappingProxyType({})) -> Mapping[str, str]:
    """The columns of those fields that one column claims; nothing is asked for. For a file that is not yet sure to be read."""
    claims = _claims(header, overrides)
    return {field: max(claimed)[1] for field, claimed in claims.items()}


def matcher(
    overrides: Mapping[str, str], needs: Iterable[str] = ("name", "email")
) -> Callable[[tuple[str, ...]], Mapping[str, str]]:
    """Make a `match` that remembers, for files whose rows bring their own keys (JSON, YAML): ask it `tuple(cells)`."""
    return lru_cache(maxsize=256)(partial(match, overrides=dict(overrides), needs=tuple(needs)))


def fields(cells: Mapping[str, str], mapping: Mapping[str, str]) -> dict[str, str]:
    """
    One row's texts by field, as they stand in the file; first and last name become `name`, and the heading of the consent is
    `consent_asked`.

    >>> fields(
    ...     {"First": "Jane", "Last": "Doe", "Mail": "j@x.example"},
    ...     {"first_name": "First", "last_name": "Last", "email": "Mail"},
    ... )
    {'email': 'j@x.example', 'name': 'Jane Doe'}
    """
    texts = {field: cells.get(text, "") for field, text in mapping.items()}
    if "consent" in mapping:
        texts["consent_asked"] = mapping["consent"]
    names = [texts.pop(part).strip() for part in ("first_name", "last_name") if part in texts]
    if len(names) == 2 and names[1].casefold().startswith(f"{names[0].casefold()} "):
        del names[0]  # the second is the whole name
    return {**texts, "name": " ".join(filter(None, names))} if names else texts


def is_known(text: str, overrides: Mapping[str, str] = MappingProxyType({})) -> bool:
    """
    Whether a header would be recognised; by this a CSV's delimiter is found.

    >>> is_known("Электронная почта"), is_known("Which country do you live in?"), is_known("Shoe size")
    (True, True, False)
    """
    return _claim(text) is not None or any(_fold(text) == _fold(named) for named in overrides.values())


def _see_named(header: tuple[str, ...], overrides: Mapping[str, str], needs: Collection[str]) -> None:
    """Whoever names a column means that one: another is never guessed in its place, nor for a consent that is only assumed."""
    there = set(map(_fold, header))
    for field in (*needs, *(["consent"] if "name" in needs and "consent" not in needs else [])):
        if field in overrides and _fold(overrides[field]) not in there:
            raise UnreadableFile(
                f"the campaign says that the {_said(field)} stands in the column «{overrides[field][:60]}», and there is none; "
                f"the columns are: {_listed(header)}. Put the heading there, or correct the campaign's configuration "
                f"(columns: {{{field}: …}})"
            )


def _claims(header: Iterable[str], overrides: Mapping[str, str]) -> dict[str, list[tuple[int, str]]]:
    """Collect the claims to each field. A column that the campaign names claims nothing else."""
    named = {_fold(text): field for field, text in overrides.items()}
    claims: dict[str, list[tuple[int, str]]] = {}
    for text in header:
        override = named.get(_fold(text))
        if claim := (4, override) if override else _claim(text):
            strength, field = claim
            claims.setdefault(field, []).append((strength, text))
    return claims


def _only(field: str, claims: list[tuple[int, str]]) -> str:
    best, _ = max(claims)
    strongest = [text for strength, text in claims if strength == best]
    if len(strongest) > 1:
        raise UnreadableFile(
            f"more than one column looks like the {_said(field)}: {_listed(strongest)}. Rename all but one, "
            f"or name the right one in the campaign's configuration (columns: {{{field}: …}})"
        )
    return strongest[0]


def _settle_names(claims: dict[str, list[tuple[int, str]]]) -> None:
    """
    Choose between a whole name and its parts: the stronger claim counts, a part that stands alone is no name.

    But for those that are called so for a whole one (the Russian Имя), and a German Name beside Vorname, which is the second.
    """
    parts = [part for part in ("first_name", "last_name") if part in claims]
    if "name" in claims and parts and max(claims["name"])[0] < max(max(claims[part])[0] for part in parts):
        del claims["name"]  # a question is none where a heading is a part of a name
    if "name" not in claims and len(parts) == 1 and _fold(_only(parts[0], claims[parts[0]])) in _folded(WHOLE_ALONE):
        claims["name"] = claims.pop(parts[0])
    elif "name" in claims and parts == ["first_name"]:
        strength, text = max(claims["name"])
        if (strength, _fold(text)) == (3, "name") and _fold(max(claims["first_name"])[1]) in _folded(BESIDE_NAME):
            claims["last_name"] = claims.pop("name")
    parts = [part for part in ("first_name", "last_name") if part in claims]
    if "name" in claims or len(parts) == 1:
        for part in parts:
            del claims[part]


def _claim(text: str) -> tuple[int, str] | None:
    """Find the field that a header claims by itself, and how strongly (the module's rules 3 to 1)."""
    return _claim_of(text) if len(text) <= _LONGEST_HEADER else None


@lru_cache(maxsize=1024)
def _claim_of(text: str) -> tuple[int, str] | None:
    exact, inside = _aliases()
    folded = _fold(text)
    if (field := exact.get(folded)) is not None:
        return (3, field) if field else None
    words = folded.split()
    if _begins(words, headings.OTHERS):
        return None
    claim = _by_part(text, folded, exact) or _asked(re.sub(r"[(\[][^()\[\]]*[)\]]", " ", text), inside)
    return None if claim and claim[1] == "consent" and _begins(words, headings.ELSEWHERE) else claim


def _by_part(text: str, folded: str, exact: Mapping[str, str]) -> tuple[int, str] | None:
    """The field whose alias has a number at its end, or stands in brackets."""
    if field := exact.get(re.sub(r"^\d+ | \d+$", "", folded)):
        return 2, field
    bracketed = {exact[alias] for alias in map(_fold, re.findall(r"[(\[]([^()\[\]]*)[)\]]", text)) if exact.get(alias)}
    return (2, bracketed.pop()) if len(bracketed) == 1 else None


def _asked(text: str, inside: Mapping[str, str]) -> tuple[int, str] | None:
    """The one field that a question asks for, and nothing else."""
    words = _fold(text).split()
    mentioned, others = _mentioned(words, inside)
    # Whoever may have withdrawn is heard in any words.
    if mentioned == {"withdrawn_at"} or (len(mentioned) == 1 and others <= _stems(headings.FILLERS)):
        return 1, mentioned.pop()
    return (1, "consent") if _asks_consent(words) else None


def _asks_consent(words: list[str]) -> bool:
    """
    Whether a question asks for consent to a letter that is sent for somebody, and says nothing that makes it another.

    >>> _asks_consent(_fold("Согласны ли вы, чтобы письмо было отправлено от вашего имени?").split())
    True
    >>> _asks_consent(_fold("I agree that a letter is sent to me").split())
    False
    """
    begins = any(f"{' '.join(words)} ".startswith(f"{phrase} ") for phrase in _stems(headings.ASKS_CONSENT))
    is_whole = begins and _begins(words, headings.OF_A_LETTER) and _begins(words, headings.IS_SENT)
    return is_whole and not set(words) & _stems(headings.TAKES_BACK)


def _begins(words: Iterable[str], listed: str) -> bool:
    """Whether any of the words begins as one of those listed; those of three letters and less have to be whole."""
    stems = _stems(listed)
    long = tuple(stem for stem in stems if len(stem) > 3)
    return any(word in stems or word.startswith(long) for word in words)


@cache
def _stems(listed: str) -> frozenset[str]:
    return frozenset(_folded(listed.split(", ")))


def _mentioned(words: list[str], aliases: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """The fields whose aliases stand in a question, and the words beside; of two aliases that overlap the longer counts."""
    fields, others, at = set(), set(), 0
    while at < len(words):
        length = _length(words, at, aliases)
        if length and not any(_length(words, after, aliases) > length for after in range(at + 1, at + length)):
            fields.add(aliases[" ".join(words[at : at + length])])
            at += length
        else:
            others.add(words[at])
            at += 1
    return fields, others


def _length(words: list[str], at: int, aliases: Mapping[str, str]) -> int:
    """How many words the longest alias has that stands at a place of a question; 0 where none does."""
    if at >= len(words) or words[at] not in _first_words():
        return 0
    lengths = range(min(_MOST_WORDS, len(words) - at), 0, -1)
    return next((n for n in lengths if " ".join(words[at : at + n]) in aliases), 0)


@cache
def _aliases() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Alias to field ("" for none): those that count as a whole header, and those that count inside a question too."""
    rows = [(alias, field) for field, row in ALIASES.items() for alias in row.split(", ")]
    exact = {_fold(alias): field for alias, field in rows} | dict.fromkeys(_folded(NOTHING.split(", ")), "")
    inside = {_fold(alias): field for alias, field in rows if not alias.startswith("=")}
    return exact, inside


@cache
def _first_words() -> frozenset[str]:
    """The words with which an alias begins; at any other word of a long question none has to be looked for."""
    return frozenset(alias.split()[0] for alias in _aliases()[1])


def _folded(aliases: Iterable[str]) -> list[str]:
    return [_fold(alias) for alias in aliases]


def _fold(text: str) -> str:
    """
    Take case, accents and punctuation out of a header.

    >>> _fold("  E-Mail_Адрес: (*)  "), _fold("Prénom")
    ('e mail адрес', 'prenom')
    """
    letters = unicodedata.normalize("NFKD", text.casefold())
    marks = [ord(c) for c in set(letters) if unicodedata.combining(c)]
    return " ".join(_WORD.findall(letters.translate(dict.fromkeys(marks)) if marks else letters))


def _said(field: str) -> str:
    return {"email": "e-mail address"}.get(field, field.replace("_", " "))


def _listed(columns: Iterable[str], most: int = 30) -> str:
    columns = [f"«{text[:60]}»" for text in columns]
    return ", ".join(columns[:most]) + (f" and {len(columns) - most} more" if len(columns) > most else "")
