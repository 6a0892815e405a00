"""
Dates and lists as a language writes them, by the CLDR (Babel).

A language that the CLDR does not know gets dates as 2011-09-20 and lists with commas. English without a country is the world's
(en-001: "20 September 2011"), for letters go from one country to another; `en-US` is America's.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=64)
def written_date(day: date, language: str) -> str:
    """
    A date as a letter in this language writes it.

    >>> written_date(date(2011, 9, 20), "ru"), written_date(date(2011, 9, 20), "en")
    ('20 сентября 2011\u202fг.', '20 September 2011')
    """
    from babel.dates import format_date

    locale = _locale(language)
    return format_date(day, format="long", locale=locale) if locale else day.isoformat()


def listed(texts: Iterable[str], language: str) -> str:
    """
    Texts as one list; those that are empty are left out.

    >>> listed(["homes", "", "wages", "peace"], "en"), listed(["жильё", "мир"], "ru")
    ('homes, wages and peace', 'жильё и мир')
    """
    from babel.lists import format_list

    locale, given = _locale(language), [text for text in texts if text]
    return format_list(given, locale=locale) if locale else ", ".join(given)


@lru_cache(maxsize=64)
def _locale(language: str) -> Any:
    """What Babel knows of a language; None where it knows nothing."""
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse("en-001" if language == "en" else language, sep="-")
    except (UnknownLocaleError, ValueError):
        return None
