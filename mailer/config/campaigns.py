"""
One campaign file: what is asked, of whom, from whom, how fast.

What concerns two parts of a campaign at once is checked here as well: a copy address that is also a target's, a language
without templates.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from mailer.address import Address, Policy
from mailer.campaign import Campaign, Pace, Receipts, Window
from mailer.columns import FIELDS
from mailer.config import paces, senders, signing, targets
from mailer.config.campaign_keys import (
    ADDRESSES,
    APPROVAL,
    AVAILABLE,
    COLUMNS,
    CONFIRMATION,
    CONSENT,
    COPY_POLICY,
    COPY_TO,
    DAYS,
    DEADLINE,
    DEFAULT,
    DISPOSABLE,
    FROM,
    GMAIL_DOTS,
    HEADER,
    HOLIDAYS,
    ID,
    IN_DOUBT,
    LANGUAGES,
    OPENS,
    ORGANISER,
    ORGANISERS,
    PACE,
    PLUS_TAG,
    PREFER,
    RECEIPT,
    RESEND_AFTER,
    ROLE,
    TITLE,
    TO,
    WEEK,
    WINDOW,
)
from mailer.config.directories import Directories
from mailer.config.section import Section, check_once, nearest
from mailer.config.values import identifier, shown
from mailer.notice import TEMPLATE

TEMPLATES = ("subject.txt.j2", "letter.txt.j2")

_LIVE_PACE = Pace(per_minute=20, per_hour=500)
TAKEN = frozenset({"relay", "ledger", "clock", "all"})  # what else stands still, and goes on, by a name


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a campaign file is read against. `live`: letters go to a real relay."""

    live: bool
    root: Path
    templates: Path
    directories: Directories


@dataclass(frozen=True, slots=True)
class _Languages:
    default: str
    available: tuple[str, ...]
    prefers_signatory: bool


def read(section: Section, id: str, around: Surroundings) -> Campaign:
    """Read the campaign whose file is called `id`.yaml."""
    section.need("id", "title", "targets")
    section.one(replace(ID, means=_named_as(id)))
    languages = _languages(section.section(LANGUAGES))
    _check_templates(section, id, languages.available, around.templates)
    sender = senders.read(section.section(senders.SENDER))
    reached = targets.read(section.section(targets.TARGETS), languages.available, around.directories)
    opens, deadline = _period(section)
    copies, policy = _copies(section, sender.address, reached.values()), section.one(COPY_POLICY)
    campaign = Campaign(
        id=id,
        title=section.one(TITLE),
        default_language=languages.default,
        languages=languages.available,
        prefers_signatory=languages.prefers_signatory,
        sender=sender,
        targets={name: each.target for name, each in reached.items()},
        copy_to=copies if policy == "every" else (),
        digest_to=copies if policy == "digest" else (),
        approval_required=section.one(APPROVAL) == "required",
        consent_required=section.one(CONSENT) == "required",
        confirmation_required=section.one(CONFIRMATION) == "required",
        opens=opens,
        deadline=deadline,
        pace=paces.read(section, PACE, _LIVE_PACE if around.live else Pace()),
        window=_window(section.section(WINDOW)) if section.has("window") else None,
        columns=_columns(section.section(COLUMNS)),
        addresses=_addresses(section.section(ADDRESSES)),
        dkim=signing.read(section, sender.address, around.root),
        resend_doubts_after=_resend_after(section.section(IN_DOUBT)),
        receipts=_receipts(section, id, languages.default, around.templates),
        organisers=_organisers(section.section(ORGANISERS), reached.values()),
    )
    if policy == "digest" and not copies:
        section.note("copy_policy", "a digest needs copy_to, to whom it goes")
    section.close()
    return campaign


def _named_as(file: str) -> Callable[[str], str]:
    """An id that is its file's name: commands, the spool and the templates know a campaign by it."""

    def named(written: str) -> str:
        if identifier(written) != file:
            raise ValueError(f"is {shown(written)}, but the file is called {shown(file + '.yaml')}; make them alike")
        if written in TAKEN:
            said = "means something else to mailer pause and mailer resume; call it, its file and its templates otherwise"
            raise ValueError(f"{shown(written)} {said}")
        return written

    return named


def _languages(section: Section) -> _Languages:
    section.need(*LANGUAGES.needed)
    default = section.one(DEFAULT)
    available = tuple(dict.fromkeys(each.value for each in section.many(AVAILABLE)))
    if not section.has("available") and default:
        available = (default,)
    if default and available and default not in available:
        section.note("default", f"{shown(default)} is not among the available languages ({', '.join(available)})")
    prefers = section.one(PREFER)
    section.close()
    return _Languages(default, available, prefers == "signatory")


def _check_templates(section: Section, id: str, languages: Sequence[str], templates: Path) -> None:
    for code in languages:
        for name in TEMPLATES:
            if not os.path.isfile(templates / id / code / name):
                said = f"there is no templates/{id}/{code}/{name}; write it, or take {shown(code)} out of the languages"
                section.note("languages", said)


def _copies(section: Section, sender: Address, reached: Collection[targets.Read]) -> tuple[Address, ...]:
    """The addresses for the campaign's own copies. None of them is a target's, and no target is the sender."""
    copies = section.many(COPY_TO)
    check_once(copies, section.problems)
    for target in reached:
        for place in target.places_of(sender):
            section.problems.note(place, f"{sender} is the sender's own address")
        for copy in copies:
            if any(target.places_of(copy.value)):
                said = f"{copy.value} is also an address of {shown(target.target.id)}; copies are for the campaign itself"
                section.problems.note(copy.place, said)
    return tuple(copy.value for copy in copies)


def _period(section: Section) -> tuple[date | None, date | None]:
    """The day on which the campaign opens, and the one by whose end its letters are given up."""
    opens, deadline = section.one(OPENS), section.one(DEADLINE)
    if opens and deadline and deadline < opens:
        section.note("deadline", f"is before the campaign opens ({opens})")
    return opens, deadline


def _window(window: Section) -> Window:
    window.need(*WINDOW.needed)
    days = frozenset(WEEK.index(each.value) for each in window.many(DAYS))
    first, last = window.one(FROM), window.one(TO)
    if first is not None and last is not None and last <= first:
        window.note("to", "must be later than `from`, on the same day")
    is_open = window.one(HOLIDAYS) == "open"
    window.close()
    return Window(days, first or 0, last or 0, is_open)


def _columns(columns: Section) -> dict[str, str]:
    """The headers that the campaign's own sheets have, by field; no header names two fields."""
    headers: dict[str, str] = {}
    for field in columns.names():
        if field not in FIELDS:
            columns.note(field, f"there is no such field of a signature{nearest(field, set(FIELDS))}")
        header = columns.one(replace(HEADER, name=field))
        if header and header in headers.values():
            columns.note(field, f"{shown(header)} is already the column of another field")
        if header:
            headers[field] = header
    return headers


def _addresses(section: Section) -> Policy:
    """Which addresses of signatories are taken, and which of them are one and the same person's."""
    policy = Policy(
        takes_roles=section.one(ROLE) == "accept",
        takes_disposable=section.one(DISPOSABLE) == "accept",
        is_same_tagged=section.one(PLUS_TAG) == "same",
        is_same_dotted=section.one(GMAIL_DOTS) == "same",
    )
    section.close()
    return policy


def _resend_after(section: Section) -> float | None:
    """After how many hours a letter in doubt is sent once more; in seconds, None where nobody wishes it."""
    hours: float | None = section.one(RESEND_AFTER)
    section.close()
    return None if hours is None else hours * 3600


def _receipts(section: Section, id: str, language: str, templates: Path) -> Receipts:
    """To whom receipts go; the one who has none in their own language gets the default's."""
    receipts = Receipts(section.one(RECEIPT))
    if receipts is not Receipts.OFF and language and not os.path.isfile(templates / id / language / TEMPLATE):
        said = f"there is no templates/{id}/{language}/{TEMPLATE}; write it, or write receipt: off"
        section.note("receipt", said)
    return receipts


def _organisers(section: Section, reached: Collection[targets.Read]) -> dict[str, Address]:
    """Who may be sent letters to try; nobody among them is a target, for a trial is not for whom it is written to."""
    organisers = {}
    for name in section.names():
        if shape := _misnamed(name):
            section.note(name, shape)
        address = section.one(replace(ORGANISER, name=name))
        if address is None:
            continue
        organisers[name] = address
        for target in reached:
            if any(target.places_of(address)):
                section.note(name, f"{address} is an address of {shown(target.target.id)}; trials are for the campaign itself")
    section.close()
    return organisers


def _misnamed(name: str) -> str:
    """What is wrong with a name that a command takes; empty if nothing is."""
    try:
        identifier(name)
    except ValueError as problem:
        return str(problem)
    return ""
