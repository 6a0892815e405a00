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
from mailer.config.problems import Place, Problems, relative
from mailer.config.section import Placed, Section, listed
from mailer.config.values import country, email, past_day, text


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
    entry.need("country")
    here = entry.one("country", country, "")
    covers = entry.many("covers", country)
    mission = Mission(
        country=here,
        city=entry.one("city", text, ""),
        email=entry.one("email", email, None),
        covers=tuple(covered.value for covered in covers),
        confirmed=entry.one("checked_on", past_day, None) is not None,
    )
    _check_covers(entry, mission, covers)
    for key in ("website", "email_source"):
        entry.one(key, text, "")
    entry.close()
    return mission


def _check_covers(entry: Section, mission: Mission, covers: list[Placed[str]]) -> None:
    seen = {mission.country}
    for covered in covers:
        if covered.value in seen:
            entry.problems.note(covered.place, f"{covered.value} stands twice in this entry; keep one")
        seen.add(covered.value)
