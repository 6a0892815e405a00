"""
When an office may be written to: the campaign's working hours, where the office is, without the public holidays there.

    campaign (window), target (time zone, country)  >  HOURS  >  dispatch, health, projection

Which days are holidays is known by a library that follows the laws of some 250 countries. What it does not know, or cannot say,
is a working day: no letter waits for a calendar that fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, tzinfo
from functools import cache, lru_cache

from mailer import pace
from mailer.campaign import Campaign, place


def opens_at(campaign: Campaign, target: str, country: str, now: float) -> float:
    """
    When letters of signatories in `country` may next go to a target of the campaign, in seconds since 1970; `now` if at once.
    """
    window = campaign.window
    if window is None:
        return now
    zone, countries = place(campaign, campaign.targets[target], country)
    countries = countries or ((of_zone(zone),) if of_zone(zone) else ())
    if window.is_open_on_holidays or not countries:
        return pace.opens_at(window, zone, now)
    return pace.opens_at(window, zone, now, lambda day: is_holiday(day, countries))


def is_holiday(day: date, countries: Sequence[str]) -> bool:
    """Whether a day is a public holiday in any of these countries (alpha-2)."""
    return any(day in _holidays(country, day.year) for country in countries)


def is_known(country: str) -> bool:
    """Whether the public holidays of a country (alpha-2) are known."""
    return bool(_holidays(country, 2020))


def of_zone(zone: tzinfo | None) -> str:
    """
    The one country (alpha-2) that a time zone is of; empty where it is of none, or there is no zone.

    >>> from zoneinfo import ZoneInfo
    >>> of_zone(ZoneInfo("Asia/Almaty")), of_zone(ZoneInfo("Etc/GMT+5")), of_zone(None)
    ('KZ', '', '')
    """
    return _of_zone(getattr(zone, "key", ""))


@cache
def _of_zone(name: str) -> str:
    """By the CLDR's table, through Babel."""
    from babel.core import get_global

    country = str(get_global("zone_territories").get(str(get_global("zone_aliases").get(name, name)), ""))
    return country if len(country) == 2 and country.isalpha() and country != "ZZ" else ""


@lru_cache(maxsize=1024)
def _holidays(country: str, year: int) -> frozenset[date]:
    import holidays  # 60 ms, which only a campaign with a window pays

    try:
        return frozenset(holidays.country_holidays(country, years=year))
    except Exception:  # noqa: BLE001  whatever fails in it is no reason for a letter to wait
        return frozenset()
