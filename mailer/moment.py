"""
When something was signed: dates as people, forms and spreadsheets write them.

    columns > MOMENT > signature

ISO 8601, RFC 5322, Google Forms in both of its habits, Excel's in most countries, and months by their names in English,
Russian, German, French, Spanish and Kazakh. Times without a zone are UTC, which is a day's doubt at most.

03/04/2011 is the third of April or the fourth of March, and nothing in it says which. The other dates of its column may: where
one of them has a day beyond the twelfth, all are written in that order (`order`). Otherwise it is refused, and never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cache

_SLASHED = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d\d)\b")
_YEAR_FIRST = re.compile(r"(\d{4})[/.-](\d{1,2})[/.-](\d{1,2})\b")
_NAMED = re.compile(
    r"(?:[^\W\d_]{2,12}\.?,? )?(?:(?P<day>\d{1,2})(?:st|nd|rd|th|er|-?го)?\.?(?: (?:of |de )?|-)(?P<month>[^\W\d_]{3,12})\.?"
    r"|(?P<month2>[^\W\d_]{3,12})\.? (?P<day2>\d{1,2})(?:st|nd|rd|th)?)"
    r"(?:,? |-)(?:de |del )?(?P<year>\d{4})(?: ?(?:года|год|г|ж|жыл)\b\.?)?"
)
_CLOCK = re.compile(
    r"[ ,T]*(?:at |um |à |a las |в )?(?P<hour>\d{1,2})[:.h](?P<minute>\d\d)(?:[:.](?P<second>\d\d)(?:[.,]\d{1,9})?)?"
    r" ?(?P<half>[ap]\.?m\.?)?(?: ?(?:uhr|ч))?"
    r" ?(?P<zone>z|utc|gmt|est|edt|cst|cdt|mst|mdt|pst|pdt|cet|cest|msk|bst)?"
    r" ?(?:(?P<sign>[+-])(?P<hours>\d{1,2}):?(?P<minutes>\d\d)?)?"
)
_ZONES = {
    **{"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7},
    **{"cet": 1, "cest": 2, "bst": 1, "msk": 4},  # Moscow's in 2011; a day's doubt covers what it was before and after
}
_MONTHS = (
    "january jan январь января янв januar jän janvier janv enero ene қаңтар қаң",
    "february feb февраль февраля фев февр februar février févr febrero ақпан ақп",
    "march mar март марта мар märz mär mars marzo наурыз нау",
    "april apr апрель апреля апр avril avr abril abr сәуір сәу",
    "may май мая mai mayo мамыр мам",
    "june jun июнь июня июн juni juin junio маусым мау",
    "july jul июль июля июл juli juillet juil julio шілде шіл",
    "august aug август августа авг août agosto ago тамыз там",
    "september sep sept сентябрь сентября сен сент septembre septiembre setiembre қыркүйек қыр",
    "october oct октябрь октября окт oktober okt octobre octubre қазан қаз",
    "november nov ноябрь ноября ноя нояб novembre noviembre қараша қар",
    "december dec декабрь декабря дек dezember dez décembre déc diciembre dic желтоқсан жел",
)


class Order(StrEnum):
    """In which order the dates of one column are written."""

    DAY_FIRST = "day first"
    MONTH_FIRST = "month first"
    UNKNOWN = "unknown"


class Ambiguous(ValueError):
    """A date that can be read in two ways, and nothing says which."""


def is_slashed(text: str) -> bool:
    """Whether a text begins with a date of which two parts could be the month."""
    return bool(_SLASHED.match(text.strip()))


def order(texts: Iterable[str]) -> Order:
    """
    The order of day and month in which the dates of one column are written.

    >>> order(["03/04/2011", "25/04/2011"]), order(["03/04/2011"]), order(["25/04/2011", "04/25/2011"])
    (<Order.DAY_FIRST: 'day first'>, <Order.UNKNOWN: 'unknown'>, <Order.UNKNOWN: 'unknown'>)
    """
    found = set()
    for text in texts:
        if (parts := _SLASHED.match(text.strip())) and parts[2] != ".":
            first, second = int(parts[1]), int(parts[3])
            if first > 12 >= second:
                found.add(Order.DAY_FIRST)
            elif second > 12 >= first:
                found.add(Order.MONTH_FIRST)
    return found.pop() if len(found) == 1 else Order.UNKNOWN


def parse(text: str, order: Order = Order.UNKNOWN) -> datetime:
    """
    Read a date, with or without a time; in UTC.

    >>> str(parse("2011/09/20 8:05:00 PM GMT+5:30")), str(parse("20 сентября 2011 г., 10:05"))
    ('2011-09-20 14:35:00+00:00', '2011-09-20 10:05:00+00:00')
    >>> str(parse("03/04/2011", Order.DAY_FIRST))
    '2011-04-03 00:00:00+00:00'

    Raises:
        Ambiguous: it has two readings, and `order` does not say which.
        ValueError: it is no date.
    """
    text = unicodedata.normalize("NFC", " ".join(text.split())).casefold()
    try:
        moment = _of_parts(text, order) or _of_iso(text) or _of_mail(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as problem:
        raise ValueError(str(problem)) from None


def _of_parts(text: str, order: Order) -> datetime | None:
    """A date by its parts, and behind it a time or nothing."""
    day = _day(text, order)
    if day is None:
        return None
    (year, month, number), end = day
    rest = text[end:].strip(" ,")
    if not rest:
        return datetime(year, month, number, tzinfo=UTC)
    clock = _CLOCK.fullmatch(rest)
    return None if clock is None else _at(year, month, number, clock)


def _day(text: str, order: Order) -> tuple[tuple[int, int, int], int] | None:
    """The year, the month and the day that a text begins with, and where they end."""
    if found := _YEAR_FIRST.match(text):
        return (int(found[1]), int(found[2]), int(found[3])), found.end()
    if found := _SLASHED.match(text):
        first, second, year = int(found[1]), int(found[3]), int(found[4]) + (2000 if len(found[4]) == 2 else 0)
        day, month = _sorted(first, second, Order.DAY_FIRST if found[2] == "." else order, found[0])
        return (year, month, day), found.end()
    if found := _NAMED.match(text):
        month_name = found["month"] or found["month2"]
        if month_name in _months():
            return (int(found["year"]), _months()[month_name], int(found["day"] or found["day2"])), found.end()
    return None


def _sorted(first: int, second: int, order: Order, text: str) -> tuple[int, int]:
    """Day and month of two numbers, as their column is written; one beyond the twelfth is a day in any column."""
    if first == second:
        return first, second
    if order is Order.UNKNOWN:
        if first > 12 or second > 12:
            order = Order.DAY_FIRST if first > 12 else Order.MONTH_FIRST
        else:
            raise Ambiguous(text)
    return (first, second) if order is Order.DAY_FIRST else (second, first)


def _at(year: int, month: int, day: int, clock: re.Match[str]) -> datetime:
    hour = int(clock["hour"])
    if half := clock["half"]:
        if not 1 <= hour <= 12:
            raise ValueError("a clock of twelve hours has no such hour")
        hour = hour % 12 + (12 if half[0] == "p" else 0)
    zone: tzinfo = timezone(timedelta(hours=_ZONES.get(clock["zone"] or "", 0)))
    if clock["sign"]:
        offset = timedelta(hours=int(clock["hours"]), minutes=int(clock["minutes"] or 0))
        zone = timezone(-offset if clock["sign"] == "-" else offset)
    return datetime(year, month, day, hour, int(clock["minute"]), int(clock["second"] or 0), tzinfo=zone)


def _of_iso(text: str) -> datetime | None:
    """What the standard library reads as ISO 8601, if a year stands before a hyphen: it takes eight digits for a date too."""
    try:
        return datetime.fromisoformat(text.upper()) if re.match(r"\d{4}-", text) else None
    except ValueError:
        return None


def _of_mail(text: str) -> datetime:
    """RFC 5322 3.3, as mail programs and some exports write it."""
    if not re.match(r"[a-z]{3}, \d", text):
        raise ValueError("it is no date")
    try:
        return parsedate_to_datetime(text)
    except (TypeError, IndexError) as problem:
        raise ValueError(str(problem)) from None


@cache
def _months() -> dict[str, int]:
    return {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
