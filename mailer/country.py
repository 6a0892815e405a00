"""
Which country a supporter means, and what that country is called.

    spool > intake > signature (COUNTRY) > letter > courier > outcome > report

`code` reads an ISO 3166-1 code or a name in any official language of Europe, Central Asia and the United Nations, as people
write them ("England", "U.S.A.", "Россия", "Deutschland", "الأردن"), without regard to case, accents and punctuation. English
and Russian come first: what means one country there means no other. `name` writes it for a letter. The names are those of the
CLDR (through Babel); what people say and the CLDR does not is in the table of aliases.

It never guesses: "Korea", "Congo" and "Yugoslavia" are no country here, because a guess would choose the wrong embassy.
A code is a country's or territory's own; those that ISO merely keeps back (EU, UN, IC) are none, Kosovo's XK is one.

Babel loads its data at the first question, not at import.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.resources import files

_LONGEST = 100
NO_COUNTRY = {"AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "ZZ"}
_IGNORED = {"the", "and"}
_AMBIGUOUS = ("Congo", "Kongo", "Конго", "Korea", "Корея", "Corea", "Corée", "Virgin Islands")
_SPELT_OUT = {"st": "saint"}

_ALIASES = {
    "AE": "UAE, Emirates, Эмираты, Объединённые Арабские Эмираты",
    "BA": "Bosnia, Босния",
    "BN": "Brunei Darussalam",
    "BO": "Plurinational State of Bolivia",
    "BQ": "Bonaire Sint Eustatius and Saba",
    "BY": "Belorussia, Byelorussia, Weißrussland, Weissrussland, Белоруссия, Республика Беларусь",
    "CD": "DRC, DR Congo, Democratic Republic of Congo, Democratic Republic of the Congo, ДР Конго",
    "CG": "Republic of Congo, Republic of the Congo, Congo Republic, Республика Конго",
    "CI": "Ivory Coast, Берег Слоновой Кости",
    "CN": "People's Republic of China, PRC, Mainland China, КНР",
    "CV": "Cabo Verde",
    "CZ": "Czech Republic, République tchèque, Tschechische Republik, Чешская Республика",
    "DE": "Federal Republic of Germany, ФРГ",
    "FM": "Federated States of Micronesia",
    "GB": (
        "UK, Großbritannien, Schottland, Inglaterra, Angleterre, "
        "Great Britain, Britain, England, Scotland, Wales, Northern Ireland, Cymru, Англия, Шотландия, Уэльс, "
        "Северная Ирландия, Британия, Соединённое Королевство, United Kingdom of Great Britain and Northern Ireland"
    ),
    "HK": "Hong Kong, Гонконг",
    "IE": "Republic of Ireland, Eire, Ирландская Республика",
    "IR": "Islamic Republic of Iran",
    "KG": "Kyrgyz Republic, Kirghizia, Кыргызстан, Киргизстан",
    "KP": "DPRK, Democratic People's Republic of Korea, Северная Корея",
    "KR": "Republic of Korea, ROK, Южная Корея",
    "KZ": "Republic of Kazakhstan, Қазақстан, Республика Казахстан, РК",
    "LA": "Lao People's Democratic Republic",
    "LY": "Libyan Arab Jamahiriya",
    "MD": "Moldavia, Republic of Moldova, Молдавия, Республика Молдова",
    "MK": "Macedonia, FYROM, the former Yugoslav Republic of Macedonia, Македония",
    "MM": "Burma, Birmanie, Бирма",
    "MO": "Macau, Macao, Макао",
    "NL": "Holland, Holanda, Hollande, Голландия",
    "PN": "Pitcairn",
    "PS": "Palestine, State of Palestine, Occupied Palestinian Territory, Палестина",
    "RU": "Russian Federation, РФ, Российская Федерация",
    "SH": "Saint Helena Ascension and Tristan da Cunha",
    "SY": "Syrian Arab Republic",
    "SZ": "Swaziland, Свазиленд",
    "TL": "East Timor",
    "TM": "Turkmenia, Туркмения",
    "TR": "Turkey, Турецкая Республика",
    "TW": "Taiwan Province of China",
    "TZ": "United Republic of Tanzania",
    "US": "USA, EE.UU., America, United States of America, The States, США, Америка, Соединённые Штаты Америки",
    "VA": "Holy See, Vatican",
    "VE": "Bolivarian Republic of Venezuela",
    "ZA": "Южно-Африканская Республика",
}


def code(text: str) -> str | None:
    """
    Read a country as its ISO 3166-1 alpha-2 code; None where no single country is meant.

    >>> code(" germany "), code("Côte d'Ivoire"), code("Англия"), code("kaz"), code("Korea")
    ('DE', 'CI', 'GB', 'KZ', None)
    """
    text = text.strip()
    return _code(text) if len(text) <= _LONGEST else None


def name(code: str, language: str) -> str:
    """
    Call a country in a language as the CLDR does: in English where that language is unknown, else by its code.

    >>> name("KZ", "ru"), name("KZ", "tlh"), name("QQ", "en")
    ('Казахстан', 'Kazakhstan', 'QQ')
    """
    return _names(language).get(code) or _names("en").get(code, code)


@lru_cache(maxsize=512)
def languages(code: str) -> frozenset[str]:
    """
    The languages that have a standing in a country, as codes without their script.

    >>> sorted(languages("KZ")), languages("")
    (['kk', 'ru'], frozenset())
    """
    from babel.core import get_global

    spoken = get_global("territory_languages").get(code, {})
    return frozenset(language.partition("_")[0] for language, told in spoken.items() if told["official_status"])


@lru_cache(maxsize=4096)
def _code(text: str) -> str | None:
    """
    Look a text up as it stands, turned, and by its brackets if they do not disagree.

    >>> _code("Korea, Republic of"), _code("Great Britain (UK)"), _code("Georgia (USA)")
    ('KR', 'GB', None)
    """
    before, _, after = text.partition(",")
    spellings = _fold(text), _fold(f"{after} {before}")
    for index in (_index, _index_of_all):
        if known := [index()[spelling] for spelling in spellings if spelling in index()]:
            return known[0] or None
    parts = {_index()[part] for part in map(_fold, re.split(r"[()]", text)) if part in _index()}
    return (parts.pop() or None) if len(parts) == 1 else None


@cache
def _index() -> Mapping[str, str]:
    """Map every spelling in English and Russian, folded, to its code."""
    return _unique(_spellings())


@cache
def _index_of_all() -> Mapping[str, str]:
    """The same in all official languages, from the table beside this module (`scripts/country-names` writes it from Babel)."""
    lines = files("mailer").joinpath("country.names").read_text(encoding="utf-8").splitlines()
    return _unique({country: names.split("|") for country, names in (line.split("\t") for line in lines)})


def _unique(spellings: Mapping[str, Iterable[str]]) -> Mapping[str, str]:
    """Map each spelling, folded, to its code; where two countries claim one, nobody gets it ("")."""
    claims: dict[str, set[str]] = {}
    for country, spelt in spellings.items():
        for spelling in spelt:
            claims.setdefault(_fold(spelling), set()).add(country)
    index = {spelling: min(found) if len(found) == 1 else "" for spelling, found in claims.items() if spelling}
    return index | dict.fromkeys(map(_fold, _AMBIGUOUS), "")


def _spellings() -> dict[str, list[str]]:
    """Collect each country's codes, its aliases, its names in English and Russian with and without their brackets."""
    from babel.core import get_global

    spellings = {country: [country, *_ALIASES.get(country, "").split(", ")] for country in _names("en")}
    for language in ("en", "ru"):
        for country, named in _names(language).items():
            spellings[country] += [named, re.sub(r"\(.*?\)", "", named)]
    for old, new in get_global("territory_aliases").items():
        # The CLDR keeps alpha-3 and numeric codes as aliases; a state that fell apart has several heirs and is no country here.
        if len(old) == 3 and len(new) == 1 and new[0] in spellings:
            spellings[new[0]].append(old)
    return spellings


@lru_cache(maxsize=32)
def _names(language: str) -> Mapping[str, str]:
    """List the names of all countries in one language; empty where the CLDR does not know the language."""
    from babel import Locale, UnknownLocaleError

    try:
        territories = Locale.parse(language.replace("-", "_")).territories
    except (ValueError, UnknownLocaleError):
        return {}
    return {key: value for key, value in territories.items() if len(key) == 2 and key not in NO_COUNTRY}


def _fold(text: str) -> str:
    """
    Take case, accents, punctuation and small words out of a name.

    >>> _fold("St. Vincent & the Grenadines"), _fold("U.S.A."), _fold("Côte d’Ivoire")
    ('saintvincentgrenadines', 'usa', 'cotedivoire')
    """
    text = text.casefold().replace("ʻ", "").replace("ʼ", "")  # as accents are, but by their class letters
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKD", text))  # an accent is no letter
    return "".join(_SPELT_OUT.get(word, word) for word in words if word not in _IGNORED or len(words) == 1)
