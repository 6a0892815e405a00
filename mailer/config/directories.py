"""
A directory: the missions of one country, as the targets of kind embassy use them.

A file is a list, a line for each mission: country, city, email, website, covers, email_source, checked_on. An address
counts as confirmed only where `checked_on` has a day. Which mission serves a country is for `campaign.Directory` to
say.
"""

from __future__ import annotations

import os
from pathlib import Path

from mailer.campaign import Directory, Mission
from mailer.config import yamls
from mailer.config.keys import Key, Part, Rows
from mailer.config.problems import Place, Problems, relative
from mailer.config.section import Placed, Section, listed
from mailer.config.values import country, email, past_day, text, zone

COUNTRY = Key("country", country, "", "Where the mission stands, as ISO 3166-1 alpha-2; NO for Norway.", required=True)
CITY = Key("city", text, "", "The city, for those who read the file.")
EMAIL = Key("email", email, None, "Its address; while there is none its letters wait without a route.")
TIMEZONE = Key("timezone", zone, None, "Its time zone, like Europe/Vienna, for the window; unless told, the target's.")
COVERS = Key("covers", country, None, "Further countries that it is accredited to; people there write to it.", several=True)
WEBSITE = Key("website", text, "", "Its page, where the address can be looked up.")
EMAIL_SOURCE = Key("email_source", text, "", "Where the address was seen.")
CHECKED_ON = Key(
    "checked_on",
    past_day,
    None,
    "The day on which somebody saw the address on the mission's own page. While it is empty no letter goes there in mode smtp.",
)
MISSIONS = Rows(
    "embassies.yaml",
    "A directory: which mission a letter of a target of kind embassy goes to, by the country of the person who signs.",
    Part("", "One mission.", (COUNTRY, CITY, EMAIL, COVERS, TIMEZONE, WEBSITE, EMAIL_SOURCE, CHECKED_ON)),
)


class Directories:
    """The directory files of one configuration, each read once; they lie in `folder`, within the instance at `root`."""

    def __init__(self, folder: Path, root: Path, problems: Problems) -> None:
        self._folder = folder
        self._root = root
        self._problems = problems
        self._read: dict[str, Directory] = {}

    def has(self, file: str) -> bool:
        """Whether there is such a file."""
        return os.path.isfile(self._folder / file)

    def get(self, file: str) -> Directory:
        """The missions of a file; problems in it are noted once, at its own lines."""
        if file not in self._read:
            named = relative(self._folder / file, self._root)
            node = yamls.load(self._folder / file, named, self._problems)
            entries = listed(node, Place(named), self._problems) if node else []
            self._read[file] = Directory(_missions(entries))
        return self._read[file]


def _missions(entries: list[Section]) -> tuple[Mission, ...]:
    missions: list[Mission] = []
    lines: dict[str, int] = {}
    for entry in entries:
        mission = _mission(entry)
        if mission.country in lines:
            entry.note("country", f"{mission.country} stands twice, first in line {lines[mission.country]}; keep one")
        if mission.country:
            lines.setdefault(mission.country, entry.place.line)
        missions.append(mission)
    return tuple(missions)


def _mission(entry: Section) -> Mission:
    entry.need(*MISSIONS.row.needed)
    here = entry.one(COUNTRY)
    covers = entry.many(COVERS)
    mission = Mission(
        country=here,
        city=entry.one(CITY),
        email=entry.one(EMAIL),
        covers=tuple(covered.value for covered in covers),
        confirmed=entry.one(CHECKED_ON) is not None,
        timezone=entry.one(TIMEZONE),
    )
    _check_covers(entry, mission, covers)
    for key in (WEBSITE, EMAIL_SOURCE):
        entry.one(key)
    entry.close()
    return mission


def _check_covers(entry: Section, mission: Mission, covers: list[Placed[str]]) -> None:
    seen = {mission.country}
    for covered in covers:
        if covered.value in seen:
            entry.problems.note(covered.place, f"{covered.value} stands twice in this entry; keep one")
        seen.add(covered.value)
