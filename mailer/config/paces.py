"""
Limits of how fast letters go, as they are written in mailer.yaml and in a campaign: so many a minute, an hour and a day.

It only reads them; what counts under which of them is for `pace` to say.
"""

from __future__ import annotations

from dataclasses import replace

from mailer.campaign import Pace
from mailer.config.keys import Key, Part
from mailer.config.section import Section
from mailer.config.values import choice, limit, shown

PER_MINUTE: Key[int | None, int | None] = Key("per_minute", limit, None, "Letters in any 60 seconds, or none.")
PER_HOUR: Key[int | None, int | None] = Key("per_hour", limit, None, "Letters in any hour, or none.")
PER_DAY: Key[int | None, int | None] = Key("per_day", limit, None, "Letters in any 24 hours, or none.")
_KEYS = (PER_MINUTE, PER_HOUR, PER_DAY)
RELAY_PACE = Part("pace", "How fast the relay is given letters, all campaigns together.", _KEYS, instead=choice("none"))
DOMAIN_PACE = Part(
    "domain_pace",
    "How fast each domain is written to, copies included, all campaigns together.",
    _KEYS,
    instead=choice("none"),
)


def read(around: Section, part: Part, default: Pace) -> Pace:
    """How fast; a limit that is not written is the default's, and `none` is no limit."""
    written = around.plain(part.name)
    if written == "none":
        return Pace()
    if written:
        around.note(part.name, f"must be none, or {{per_minute: 20, per_hour: 500}}, not {shown(written)}")
        return default
    section = around.section(part)
    pace = Pace(
        per_minute=section.one(replace(PER_MINUTE, default=default.per_minute)),
        per_hour=section.one(replace(PER_HOUR, default=default.per_hour)),
        per_day=section.one(replace(PER_DAY, default=default.per_day)),
    )
    section.close()
    return pace
