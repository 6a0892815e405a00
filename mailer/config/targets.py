"""
The targets of a campaign: who is asked, and how each is reached.

What a kind needs and what suits it stand in one table. A target that nobody could reach is a problem, and so is a key
that would do nothing: whoever wrote it meant something by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailer.address import Address
from mailer.campaign import Channel, Directory, Target, Wording
from mailer.config.directories import Directories
from mailer.config.problems import Place
from mailer.config.section import Placed, Section, check_once, nearest
from mailer.config.values import choice, email, file_name, identifier, language, lines, past_day, phone, shown, text, zone

HOLD = "hold"

_ALWAYS = frozenset({"kind", "name", "form_of_address", "language", "timezone", "closed"})
_BY_HAND = frozenset({"phone", "postal_address", "checked_on"})
_SUITS = {
    "office": _ALWAYS | _BY_HAND | {"to", "cc"},
    "embassy": _ALWAYS | {"directory", "fallback", "cc"},
    "phone": _ALWAYS | _BY_HAND,
    "post": _ALWAYS | _BY_HAND,
}
_KINDS_OF = {key: [kind for kind, keys in _SUITS.items() if key in keys] for key in sorted(frozenset().union(*_SUITS.values()))}
_NEEDS = {
    "office": ("to", "add `to:` with an e-mail address, or write `kind: phone` or `kind: post`"),
    "embassy": ("directory", "add `directory:` with the file that lists the embassies, like embassies.yaml"),
    "phone": ("phone", "add `phone:` with a telephone number"),
    "post": ("postal_address", "add `postal_address:`"),
}
# YAML 1.1 made truth values of these; as the reason for a closing they are a misunderstanding.
_NO_REASONS = {"yes", "no", "on", "off", "true", "false"}


@dataclass(frozen=True, slots=True)
class Read:
    """A target as read, with the part of the file that it was read from and the places of its own addresses."""

    target: Target
    section: Section
    addresses: tuple[Placed[Address], ...]

    def places_of(self, address: Address) -> list[Place]:
        """Where in the campaign's file an address is made one of this target's."""
        places = [each.place for each in self.addresses if each.value.key == address.key]
        missions = self.target.directory.missions if self.target.directory else ()
        if any(mission.email and mission.email.key == address.key for mission in missions):
            places.append(self.section.at("directory"))
        return places


def read(targets: Section, languages: Sequence[str], directories: Directories) -> dict[str, Read]:
    """Read the mapping of targets; `languages` are those in which there will be letters."""
    found = {id: _target(id, targets, languages, directories) for id in targets.names()}
    for each in found.values():
        _check_fallback(each, {id: other.target for id, other in found.items()})
    return found


def _target(id: str, targets: Section, languages: Sequence[str], directories: Directories) -> Read:
    _check_id(id, targets)
    section = targets.section(id)
    kind = section.one("kind", choice(*_SUITS), "" if section.has("kind") else "office")
    to, cc = section.many("to", email), section.many("cc", email)
    target = Target(
        id=id,
        kind=kind,
        name=_name(section, languages),
        form_of_address=_wording(section, "form_of_address", languages),
        to=tuple(each.value for each in to),
        cc=tuple(each.value for each in cc),
        phone=section.one("phone", phone, ""),
        postal_address=section.one("postal_address", lines, ""),
        language=section.one("language", language, ""),
        timezone=section.one("timezone", zone, None),
        confirmed=section.one("checked_on", past_day, None) is not None or not section.stands("checked_on"),
        closed=_closed(section),
        directory=_directory(section, directories),
        fallback=section.one("fallback", _fallback, ""),
    )
    _check_kind(section, kind)
    check_once([*to, *cc], section.problems)
    section.close()
    return Read(target, section, (*to, *cc))


def _check_id(id: str, targets: Section) -> None:
    try:
        identifier(id)
    except ValueError as problem:
        targets.note(id, str(problem))
    if id == HOLD:
        targets.note(id, "is a word of `fallback`; give this target another id")


def _check_kind(section: Section, kind: str) -> None:
    """Whether the target can be reached, and whether each of its keys does something."""
    if kind not in _SUITS:
        return
    needed, advice = _NEEDS[kind]
    if not section.has(needed):
        section.problems.note(section.place, f"nothing says how to reach it: {advice}")
    for key, kinds in _KINDS_OF.items():
        if section.stands(key) and kind not in kinds:
            section.note(key, f"does nothing at a target of kind {kind}; it belongs to kind {' or '.join(kinds)}")


def _name(section: Section, languages: Sequence[str]) -> Wording:
    if section.has("name"):
        return _wording(section, "name", languages)
    id = section.place.path.rpartition(".")[2]
    section.problems.warn(section.at("name"), f"is missing; letters and reports will show {shown(id)}")
    return {"": id}


def _wording(section: Section, key: str, languages: Sequence[str]) -> Wording:
    """A text, or one for each language; the empty key holds the one for all."""
    if not section.has(key):
        return {}
    if section.plain(key) is not None:
        return {"": section.one(key, text, "")}
    by_language = section.section(key)
    wording = {code: by_language.one(code, text, "") for code in by_language.names()}
    for code in wording:
        try:
            language(code)
        except ValueError as problem:
            by_language.note(code, str(problem))
    if missing := [code for code in languages if not wording.get(code)]:
        said = f"has no text in {', '.join(missing)}; letters in it will show the one in {next(iter(wording), '')}"
        section.problems.warn(section.at(key), said)
    return wording


def _closed(section: Section) -> str:
    """Why a target is closed; empty: it is open."""
    written = section.plain("closed")
    if written is not None:
        if written.lower() in _NO_REASONS:
            section.note("closed", "must say why, as closed: {reason: …}; without this line the target is open")
        return section.one("closed", text, "")
    if not section.has("closed"):
        return ""
    closed = section.section("closed")
    closed.need("reason")
    reason = closed.one("reason", text, "")
    closed.close()
    return reason


def _directory(section: Section, directories: Directories) -> Directory | None:
    file = section.one("directory", file_name, "")
    if not file:
        return None
    if not directories.has(file):
        section.note("directory", f"there is no file {shown(file)} beside mailer.yaml")
        return None
    return directories.get(file)


def _fallback(written: str) -> str:
    return "" if written == HOLD else identifier(written)


def _check_fallback(read: Read, targets: Mapping[str, Target]) -> None:
    """The fallback is a target that gets e-mail, and no way leads back."""
    wanted = read.target.fallback
    if not wanted:
        return
    if wanted not in targets:
        read.section.note("fallback", f"there is no target {shown(wanted)}{nearest(wanted, {*targets, HOLD})}")
    elif targets[wanted].channel is not Channel.EMAIL:
        read.section.note("fallback", f"{shown(wanted)} gets no e-mail; write `hold`, or a target that does")
    elif _leads_back(read.target.id, targets):
        read.section.note("fallback", f"leads back to {shown(read.target.id)} itself; write `hold`, or another target")


def _leads_back(start: str, targets: Mapping[str, Target]) -> bool:
    seen: set[str] = set()
    here = targets[start].fallback
    while here in targets and here not in seen:
        seen.add(here)
        here = targets[here].fallback
    return start in seen
