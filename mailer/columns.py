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
    1  it holds one field's aliases   Which country do you live in?

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

from mailer.errors import UnreadableFile
from mailer.headings import ALIASES, BESIDE_NAME, NOTHING, WHOLE_ALONE

FIELDS = (
    *("name", "email", "country", "language", "organisation", "role", "city", "postal_address", "message"),
    *("consent", "signed_at", "kind", "confirmed_at", "withdrawn_at"),
)

_LONGEST_HEADER = 2000
_MOST_WORDS = 5


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
        UnreadableFile: no column holds a required field, or two claim one field equally well.
    """
    header = tuple(header)
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
    return {**texts, "name": " ".join(filter(None, names))} if names else texts


def is_known(text: str, overrides: Mapping[str, str] = MappingProxyType({})) -> bool:
    """
    Whether a header would be recognised; by this a CSV's delimiter is found.

    >>> is_known("Электронная почта"), is_known("Which country do you live in?"), is_known("Shoe size")
    (True, True, False)
    """
    return _claim(text) is not None or _fold(text) in map(_fold, overrides.values())


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
    if "name" not in claims and len(parts) == 1 and _fold(_only(parts[0], claims[parts[0]])) in _folded(WHOLE_ALONE):
        claims["name"] = claims.pop(parts[0])
    elif "name" in claims and parts == ["first_name"]:
        strength, text = max(claims["name"])
        if (strength, _fold(text)) == (3, "name") and _fold(max(claims["first_name"])[1]) in _folded(BESIDE_NAME):
            claims["last_name"] = claims.pop("name")
    parts = [part for part in parts if part in claims] + ["last_name"] * ("last_name" in claims and "last_name" not in parts)
    if "name" in claims and len(parts) == 2 and max(claims["name"])[0] < min(max(claims[part])[0] for part in parts):
        del claims["name"]
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
    if field := exact.get(re.sub(r"^\d+ | \d+$", "", folded)):
        return 2, field
    bracketed = {exact[alias] for alias in map(_fold, re.findall(r"[(\[]([^()\[\]]*)[)\]]", text)) if exact.get(alias)}
    if len(bracketed) == 1:
        return 2, bracketed.pop()
    mentioned = set(_mentioned(folded.split(), inside))
    return (1, mentioned.pop()) if len(mentioned) == 1 else None


def _mentioned(words: list[str], aliases: Mapping[str, str]) -> Iterable[str]:
    """Find the fields whose aliases stand in a question; of two that overlap the longer counts."""
    at = 0
    while at < len(words):
        lengths = range(min(_MOST_WORDS, len(words) - at), 0, -1)
        length = next((n for n in lengths if " ".join(words[at : at + n]) in aliases), 0)
        if length:
            yield aliases[" ".join(words[at : at + length])]
        at += length or 1


@cache
def _aliases() -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Alias to field ("" for none): those that count as a whole header, and those that count inside a question too."""
    rows = [(alias, field) for field, row in ALIASES.items() for alias in row.split(", ")]
    exact = {_fold(alias): field for alias, field in rows} | dict.fromkeys(_folded(NOTHING.split(", ")), "")
    inside = {_fold(alias): field for alias, field in rows if not alias.startswith("=")}
    return exact, inside


def _folded(aliases: Iterable[str]) -> list[str]:
    return [_fold(alias) for alias in aliases]


def _fold(text: str) -> str:
    """
    Take case, accents and punctuation out of a header.

    >>> _fold("  E-Mail_Адрес: (*)  "), _fold("Prénom")
    ('e mail адрес', 'prenom')
    """
    letters = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", letters))


def _said(field: str) -> str:
    return {"email": "e-mail address"}.get(field, field.replace("_", " "))


def _listed(columns: Iterable[str], most: int = 30) -> str:
    columns = [f"«{text[:60]}»" for text in columns]
    return ", ".join(columns[:most]) + (f" and {len(columns) - most} more" if len(columns) > most else "")
