"""
A campaign: what is asked, of whom, in whose name; and how a target is reached for one signatory.

`route` is the only place that turns a target into addresses. A target that cannot be reached for a signatory has a route
without recipients and a reason: the letter is then held and shows, it is never left out. Addresses come from the
configuration alone, never from a signature.

A directory lists missions by country. A country is served by the mission that stands in it; else by the one that covers
it; one covered by two is served by the first of them in the directory's order that has an address, else by the first:
the order in the file is the organisers' rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo
from enum import StrEnum

from mailer.address import PLAIN, Address, Policy

# A text that may differ by language; the empty key holds the one for all others.
Wording = Mapping[str, str]


class Channel(StrEnum):
    """What carries a letter to its target."""

    EMAIL = "email"
    PHONE = "phone"
    POST = "post"


class Receipts(StrEnum):
    """To whom a receipt goes: to nobody, to those whose address is confirmed, to all whose letters may go out."""

    OFF = "off"
    ON = "on"
    ALL = "all"


class Reason(StrEnum):
    """
    Why a rule holds a letter; each ends by itself when its cause is gone, a refused address also by a person's word.

    All but the last two are a lane's: they are the same for all letters to one target.
    """

    APPROVAL = "approval"
    NO_ROUTE = "no route"
    NOT_CONFIGURED = "not configured any more"
    NOT_CONFIRMED = "address not confirmed"
    CLOSED = "target closed"
    ADDRESS_REFUSED = "address refused"
    OTHERWISE = "target is reached otherwise now"
    PRINTED = "printed before its target changed"
    UNCONFIRMED = "signature not confirmed"


@dataclass(frozen=True, slots=True)
class Mission:
    """One entry of a directory: an embassy, the country it stands in, the countries it covers from there."""

    country: str
    city: str
    email: Address | None
    covers: tuple[str, ...] = ()
    confirmed: bool = False
    timezone: tzinfo | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """The missions of one file, in its order."""

    missions: tuple[Mission, ...]

    def serving(self, code: str) -> Mission | None:
        """The mission that serves a country (alpha-2), by the rule at the top of this module."""
        for mission in self.missions:
            if mission.country == code:
                return mission
        covering = [mission for mission in self.missions if code in mission.covers]
        return next((mission for mission in covering if mission.email), covering[0] if covering else None)


@dataclass(frozen=True, slots=True)
class Target:
    """An office that is asked, and how it is reached. `confirmed` is False where `checked_on` stands empty."""

    id: str
    kind: str
    name: Wording
    form_of_address: Wording = field(default_factory=dict)
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    phone: str = ""
    postal_address: str = ""
    language: str = ""
    timezone: tzinfo | None = None
    country: str = ""  # alpha-2; whose public holidays it keeps
    confirmed: bool = True
    closed: str = ""
    directory: Directory | None = None
    fallback: str = ""

    @property
    def channel(self) -> Channel:
        """Phone and post targets are work for a person; all others get e-mail."""
        return {"phone": Channel.PHONE, "post": Channel.POST}.get(self.kind, Channel.EMAIL)


@dataclass(frozen=True, slots=True)
class Route:
    """How one target is reached for one signatory: recipients, or the reason why there are none."""

    channel: Channel
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    hold: Reason | None = None
    via: Target | None = None


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose mail it is on the wire: always the campaign. `bounce_address` holds `{token}` or is empty."""

    name: str
    address: Address
    bounce_address: str = ""


@dataclass(frozen=True, slots=True)
class Signing:
    """A key that signs the campaign's letters (DKIM): for which domain, under which name in DNS, and the file that holds it."""

    domain: str
    selector: str
    key_file: str


@dataclass(frozen=True, slots=True)
class Pace:
    """At most so many letters to one address, to one domain or over the relay; None = no limit."""

    per_minute: int | None = None
    per_hour: int | None = None
    per_day: int | None = None

    @property
    def limits(self) -> tuple[tuple[int, int], ...]:
        """
        Each limit that there is, with its span in seconds.

        >>> Pace(per_minute=20, per_day=900).limits
        ((20, 60), (900, 86400))
        """
        spans = ((self.per_minute, 60), (self.per_hour, 3_600), (self.per_day, 86_400))
        return tuple((limit, span) for limit, span in spans if limit is not None)

    @property
    def half(self) -> Pace:
        """
        Half of each limit, but never none.

        >>> Pace(per_minute=1, per_hour=25).half
        Pace(per_minute=1, per_hour=13, per_day=None)
        """
        halves = (limit and (limit + 1) // 2 for limit in (self.per_minute, self.per_hour, self.per_day))
        return Pace(*halves)

    @property
    def hourly(self) -> int | None:
        """
        The most letters in an hour.

        >>> Pace(per_minute=20, per_hour=500).hourly, Pace(per_minute=2).hourly, Pace().hourly
        (500, 120, None)
        """
        hours = ((self.per_day, 1), (self.per_hour, 1), (self.per_minute, 60))
        limits = [limit * times for limit, times in hours if limit is not None]
        return min(limits, default=None)


UNPACED = Pace()


@dataclass(frozen=True, slots=True)
class Window:
    """
    Working hours in the target's time zone: weekdays (0 = Monday), first and last minute of the day; and whether public
    holidays of the target's country are as other days.
    """

    days: frozenset[int]
    first: int
    last: int
    is_open_on_holidays: bool = False


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign as configured."""

    id: str
    title: str
    default_language: str
    languages: tuple[str, ...]
    prefers_signatory: bool
    sender: Sender
    targets: Mapping[str, Target]
    copy_to: tuple[Address, ...] = ()  # of every letter
    digest_to: tuple[Address, ...] = ()  # of each day
    approval_required: bool = True
    consent_required: bool = True
    confirmation_required: bool = False
    opens: date | None = None
    deadline: date | None = None
    pace: Pace = field(default_factory=Pace)
    window: Window | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    addresses: Policy = PLAIN  # of the signatories
    dkim: tuple[Signing, ...] = ()
    resend_doubts_after: float | None = None  # seconds; None: only evidence or a person ends a doubt
    receipts: Receipts = Receipts.OFF
    organisers: Mapping[str, Address] = field(default_factory=dict)


def route(campaign: Campaign, target: Target, country: str, *, live: bool) -> Route:
    """
    Say how `target` is reached for a signatory in `country` (alpha-2 or empty).

    `live` is True where letters go to a real relay: then only confirmed addresses have a route.
    """
    if target.channel is not Channel.EMAIL:
        return Route(target.channel, hold=Reason.CLOSED if target.closed else None, via=target)
    if target.closed:
        return Route(Channel.EMAIL, hold=Reason.CLOSED)
    if target.directory is None:
        return _checked(target, target.to, target.cc, target.confirmed, live)
    mission = target.directory.serving(country)
    if mission and mission.email:
        return _checked(target, (mission.email,), target.cc, mission.confirmed, live)
    if target.fallback:
        return route(campaign, campaign.targets[target.fallback], country, live=live)
    return Route(Channel.EMAIL, hold=Reason.NO_ROUTE)


def _checked(target: Target, to: tuple[Address, ...], cc: tuple[Address, ...], confirmed: bool, live: bool) -> Route:
    if live and not confirmed:
        return Route(Channel.EMAIL, hold=Reason.NOT_CONFIRMED)
    return Route(Channel.EMAIL, to, cc, via=target)


def place(campaign: Campaign, target: Target, country: str) -> tuple[tzinfo | None, tuple[str, ...]]:
    """
    Where the office is to which the letters of signatories in `country` go: its time zone, if that is known, and the countries
    whose holidays it keeps. A mission keeps those of the country where it stands, and those of its own, the target's.
    """
    mission = target.directory.serving(country) if target.directory else None
    if mission and mission.email:
        return mission.timezone or target.timezone, tuple(filter(None, dict.fromkeys((mission.country, target.country))))
    if target.directory and target.fallback:
        return place(campaign, campaign.targets[target.fallback], country)
    return target.timezone, tuple(filter(None, (target.country,)))


def language(campaign: Campaign, target: Target, signatory: str) -> str:
    """
    The language of a letter: the target's or the signatory's, as the campaign prefers, if it has templates; else the default.

    Where there are none in just that one, those in the same language of another country do: a reader of `pt` reads `pt-BR`.
    """
    wishes = (signatory, target.language) if campaign.prefers_signatory else (target.language, signatory)
    return understood(wishes, campaign.languages) or campaign.default_language


def understood(wishes: Sequence[str], languages: Sequence[str]) -> str:
    """The first of the wished languages that there is, or one near to it; empty if there is none."""
    for wish in filter(None, wishes):
        if wish in languages:
            return wish
        if near := next((known for known in languages if _spoken(known) == _spoken(wish)), None):
            return near
    return ""


def _spoken(language: str) -> str:
    return language.partition("-")[0]


def worded(wording: Wording, language: str) -> str:
    """
    The text for one language, else the one for all.

    >>> worded({"": "Supreme Court", "ru": "Верховный суд"}, "en")
    'Supreme Court'
    """
    return wording.get(language) or wording.get("") or next(iter(wording.values()), "")
