"""
What one text of a configuration means: a number, a day, an address, one of a few words.

Each function takes the text as it was written and returns its meaning, or raises ValueError with a sentence that
follows "key: ". Those that are called with bounds or words first return such a function. What an editor can see of a text
without asking us stands beside each, as JSON Schema (`shape_of`): it never refuses what is taken here.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, TypeAlias, TypeVar

from mailer import address
from mailer.address import Address

W = TypeVar("W", bound=str)
F = TypeVar("F", bound=Callable[[str], Any])
Shape: TypeAlias = Mapping[str, Any]

ANY_TEXT = ["string", "number", "boolean"]
ONE_LINE = "[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\ue000-\\uf8ff]*"

_MINUTES_OF_A_DAY = 24 * 60
_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}", re.ASCII)
_HOST = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?", re.ASCII)

_SHAPES: dict[Callable[[str], Any], Shape] = {}


def _shaped(type: str | list[str], pattern: str = "", **more: Any) -> Callable[[F], F]:
    """Lay a shape beside a function. Its pattern is for texts: a port can be written as 587 or as "587"."""

    def put(means: F) -> F:
        _SHAPES[means] = {"type": type, **({"pattern": pattern} if pattern else {}), **more}
        return means

    return put


def shape_of(means: Callable[[str], Any]) -> Shape:
    """What an editor can know of the texts that a function takes; a text that looks like a number is one for it."""
    return _SHAPES.get(means, {"type": ANY_TEXT})


def shown(text: str) -> str:
    """A text as a sentence repeats it."""
    return f"`{text[:60]}…`" if len(text) > 60 else f"`{text}`"


@_shaped(ANY_TEXT, ONE_LINE)
def text(written: str) -> str:
    """
    A text of one line.

    >>> text("Supreme Court")
    'Supreme Court'
    """
    if "\n" in written or "\r" in written:
        raise ValueError("must be one line")
    return lines(written)


def lines(written: str) -> str:
    """A text that may have several lines."""
    for character in written:
        if character != "\n" and unicodedata.category(character) in {"Cc", "Cs", "Co", "Zl", "Zp"}:
            raise ValueError(f"holds a character that does not belong in it (U+{ord(character):04X})")
    return written


def choice(*words: W) -> Callable[[str], W]:
    """
    One of some words.

    >>> choice("every", "none")("every")
    'every'
    """

    @_shaped(ANY_TEXT, enum=[str(word) for word in words])
    def chosen(written: str) -> W:
        for word in words:
            if written == word:
                return word
        if len(words) == 1:
            raise ValueError(f"must be {words[0]}, not {shown(written)}")
        raise ValueError(f"must be one of {', '.join(words)}, not {shown(written)}")

    return chosen


def whole(low: int, high: int | None = None) -> Callable[[str], int]:
    """
    A whole number within bounds.

    >>> whole(1, 100)("010")
    10
    """

    @_shaped(["integer", "string"], "[-+]?[0-9]{1,15}", **_bounds(low, high))
    def counted(written: str) -> int:
        if not re.fullmatch(r"[-+]?[0-9]{1,15}", written):
            raise ValueError(f"must be a whole number, not {shown(written)}")
        return _within(int(written), low, high)

    return counted


def number(low: float, high: float | None = None) -> Callable[[str], float]:
    """
    A number within bounds.

    >>> number(0, 1)("0.1")
    0.1
    """

    @_shaped(["number", "string"], "[-+]?[0-9.]+([eE][-+]?[0-9]+)?", **_bounds(low, high))
    def measured(written: str) -> float:
        if not re.fullmatch(r"[-+]?([0-9]{1,15}\.?[0-9]{0,15}|\.[0-9]{1,15})([eE][-+]?[0-9]{1,3})?", written):
            raise ValueError(f"must be a number, not {shown(written)}")
        if not math.isfinite(value := float(written)):
            raise ValueError("is too large")
        return _within(value, low, high)

    return measured


N = TypeVar("N", int, float)


def _bounds(low: float, high: float | None) -> dict[str, float]:
    return {"minimum": low} if high is None else {"minimum": low, "maximum": high}


def _within(value: N, low: N, high: N | None) -> N:
    if value < low or (high is not None and value > high):
        raise ValueError(f"must be at least {low}" if high is None else f"must be from {low} to {high}")
    return value


@_shaped(["integer", "string"], "none|[+]?0*[1-9][0-9]*", minimum=1)
def limit(written: str) -> int | None:
    """
    At most so many; None = no limit.

    >>> limit("20"), limit("none")
    (20, None)
    """
    return None if written == "none" else whole(1)(written)


@_shaped("string", "[0-9]{4}-[0-9]{2}-[0-9]{2}")
def day(written: str) -> date:
    """A date of the calendar, as 2011-09-20."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", written):
        try:
            return date.fromisoformat(written)
        except ValueError:
            raise ValueError(f"the calendar has no {shown(written)}") from None
    raise ValueError(f"must be a date like 2011-09-20, not {shown(written)}")


@_shaped("string", "[0-9]{4}-[0-9]{2}-[0-9]{2}")
def past_day(written: str) -> date:
    """A date on which something has been done, so it is not to come."""
    found = day(written)
    if found > datetime.now(UTC).date() + timedelta(days=1):  # it may be tomorrow already where the writer is
        raise ValueError(f"is the day on which it was done, and {shown(written)} is still to come")
    return found


@_shaped("string", "[0-9]{1,2}:[0-5][0-9]")
def minute(written: str) -> int:
    """
    A time of the day, in minutes since midnight.

    >>> minute("09:30"), minute("24:00")
    (570, 1440)
    """
    if re.fullmatch(r"[0-9]{1,2}:[0-5][0-9]", written):
        hours, _, minutes = written.partition(":")
        if (value := int(hours) * 60 + int(minutes)) <= _MINUTES_OF_A_DAY:
            return value
    raise ValueError(f'must be a time like "09:00", not {shown(written)}')


@_shaped(ANY_TEXT, _IDENTIFIER.pattern)
def identifier(written: str) -> str:
    """The id of a campaign or a target: a name for files, commands and reports."""
    if _IDENTIFIER.fullmatch(written):
        return written
    raise ValueError(f"an id has small letters a-z, digits and hyphens only, 63 at most; {shown(written)} has not")


@_shaped("string", _LANGUAGE.pattern)
def language(written: str) -> str:
    """The code of a language."""
    if _LANGUAGE.fullmatch(written):
        return written
    raise ValueError(f"must be the code of a language, like en or ru, not {shown(written)}")


@_shaped("string", "[A-Z]{2}")
def country(written: str) -> str:
    """The code of a country."""
    if re.fullmatch(r"[A-Z]{2}", written):
        return written
    raise ValueError(f"must be the two capital letters of a country (ISO 3166-1), like KZ, not {shown(written)}")


@_shaped("string", "[^@]+@[^@]+\\.[^@]+")
def email(written: str) -> Address:
    """One e-mail address."""
    if len(written) > 320:
        raise ValueError(f"{shown(written)} is too long for an e-mail address")
    try:
        return address.parse(written)
    except ValueError as problem:
        raise ValueError(f"{shown(written)} is no e-mail address: {problem}") from None


@_shaped(["string", "number"], "(.*[0-9]){3}.*")
def phone(written: str) -> str:
    """A telephone number, in the form in which a person dials it."""
    if sum(character.isdigit() for character in text(written)) < 3:
        raise ValueError(f"must be a telephone number, not {shown(written)}")
    return written


@_shaped(ANY_TEXT, r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?|[0-9a-fA-F.]*:[0-9a-fA-F.]*:[0-9a-fA-F:.]*(%.+)?")
def host(written: str) -> str:
    """The name or the IP address of a server."""
    if _HOST.fullmatch(written) or _is_ip(written):
        return written
    raise ValueError(f"must be the name of a server, like smtp.example.org, not {shown(written)} (the port has its own key)")


@_shaped("string", r"[0-9]+(\.[0-9]+){3}|[0-9a-fA-F.]*:[0-9a-fA-F.]*:[0-9a-fA-F:.]*(%.+)?")
def ip(written: str) -> str:
    """The IP address of a server."""
    if _is_ip(written):
        return written
    raise ValueError(f"must be an IP address, like 192.0.2.53, not {shown(written)}")


def is_loopback(name: str) -> bool:
    """
    Whether a host is this machine itself, whatever the network's name servers say.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost.example.org")
    (True, False)
    """
    from ipaddress import ip_address

    return name == "localhost" or (_is_ip(name) and ip_address(name).is_loopback)


def _is_ip(written: str) -> bool:
    from ipaddress import ip_address

    try:
        return bool(ip_address(written))
    except ValueError:
        return False


@_shaped("string")
def zone(written: str) -> tzinfo:
    """A time zone."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(written)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"must be the name of a time zone, like Asia/Almaty, not {shown(written)}") from None


@_shaped(ANY_TEXT, "[^/].*")
def file_name(written: str) -> str:
    """A file beside mailer.yaml, or in a folder there."""
    if written.startswith("/") or ".." in text(written).split("/"):
        raise ValueError("must be a file beside mailer.yaml, like embassies.yaml")
    return written
