"""
The targets of a campaign: who is asked, and how each is reached.

What a kind needs and what suits it stand in one table. A target that nobody could reach is a problem, and so is a key
that would do nothing: whoever wrote it meant something by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mailer.address import Address
from mailer.campaign import Channel, Directory, Target, Wording
from mailer.config.directories import Directories
from mailer.config.keys import Key, Named, Part
from mailer.config.problems import Place
from mailer.config.section import Placed, Section, check_once, nearest
from mailer.config.values import (
    choice,
    country,
    email,
    file_name,
    identifier,
    language,
    lines,
    past_day,
    phone,
    shape_of,
    shown,
    text,
    zone,
)

HOLD = "hold"

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
    section = targets.section(replace(TARGET, name=id))
    kind = section.one(replace(KIND, default="") if section.has("kind") else KIND)
    to, cc = section.many(TO), section.many(CC)
    target = Target(
        id=id,
        kind=kind,
        name=_name(section, languages),
        form_of_address=_wording(section, FORM_OF_ADDRESS, languages),
        to=tuple(each.value for each in to),
        cc=tuple(each.value for each in cc),
        phone=section.one(PHONE),
        postal_address=section.one(POSTAL_ADDRESS),
        language=section.one(LANGUAGE),
        timezone=section.one(TIMEZONE),
        country=section.one(COUNTRY),
        confirmed=section.one(CHECKED_ON) is not None or not section.stands("checked_on"),
        closed=_closed(section),
        directory=_directory(section, directories),
        fallback=section.one(FALLBACK),
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
        return _wording(section, NAME, languages)
    id = section.place.path.rpartition(".")[2]
    section.problems.warn(section.at("name"), f"is missing; letters and reports will show {shown(id)}")
    return {"": id}


def _wording(section: Section, wanted: Named, languages: Sequence[str]) -> Wording:
    """A text, or one for each language; the empty key holds the one for all."""
    key = wanted.name
    if not section.has(key):
        return {}
    if section.plain(key) is not None:
        return {"": section.one(replace(WORDS, name=key))}
    by_language = section.section(wanted)
    wording = {code: by_language.one(replace(WORDS, name=code)) for code in by_language.names()}
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
        return section.one(replace(REASON, name=CLOSED.name))
    if not section.has("closed"):
        return ""
    closed = section.section(CLOSED)
    closed.need(*CLOSED.needed)
    reason = closed.one(REASON)
    closed.close()
    return reason


def _directory(section: Section, directories: Directories) -> Directory | None:
    file = section.one(DIRECTORY)
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


# What may stand in a target.
KIND = Key("kind", choice("office", "embassy", "phone", "post"), "office", "How it is reached; phone and post are by hand.")
WORDS = Key("", text, "", "The text in this language.")
NAME = Named(
    "name", "What letters and reports call it: one text, or one for each language.", shape_of(language), WORDS, instead=text
)
FORM_OF_ADDRESS = Named(
    "form_of_address",
    "How a letter to it begins, without a comma: one text, or one for each language.",
    shape_of(language),
    WORDS,
    instead=text,
)
TO = Key("to", email, None, "The addresses that must have the letter.", several=True)
CC = Key("cc", email, None, "The addresses that get it beside them; never written to alone.", several=True)
PHONE = Key("phone", phone, "", "Its telephone number, as one dials it.")
POSTAL_ADDRESS = Key("postal_address", lines, "", "Its postal address; may have several lines.")
LANGUAGE = Key("language", language, "", "The language that it reads.")
TIMEZONE = Key("timezone", zone, None, "Its time zone, like Asia/Almaty, for the window.")
COUNTRY = Key(
    "country",
    country,
    "",
    "Where it is, or, of embassies, whose they are, like KZ: on public holidays there the window is shut. Unless told, the "
    "country of its time zone.",
)
CHECKED_ON = Key(
    "checked_on",
    past_day,
    None,
    "The day on which somebody saw the address on its own page. Where it stands empty, no letter goes there in mode smtp.",
)
REASON = Key("reason", text, "", "Why it is closed.", required=True)
CLOSED = Part("closed", "No letter goes there any more; why, as a text or as reason.", (REASON,), instead=text)
DIRECTORY = Key("directory", file_name, "", "The file beside mailer.yaml that lists the embassies.")
FALLBACK = Key(
    "fallback",
    _fallback,
    "",
    f"The target that is written to where the directory has no address; unless told, or {HOLD}: the letter waits.",
    shape=shape_of(identifier),
)

_ALWAYS: tuple[Key[Any, Any] | Part | Named, ...] = (KIND, NAME, FORM_OF_ADDRESS, LANGUAGE, TIMEZONE, COUNTRY, CLOSED)
_BY_HAND = (PHONE, POSTAL_ADDRESS, CHECKED_ON)
_KEYS = {
    "office": (*_ALWAYS, TO, CC, *_BY_HAND),
    "embassy": (*_ALWAYS, DIRECTORY, FALLBACK, CC),
    "phone": (*_ALWAYS, *_BY_HAND),
    "post": (*_ALWAYS, *_BY_HAND),
}
_SUITS = {kind: {key.name for key in keys} for kind, keys in _KEYS.items()}
_KINDS_OF = {key: [kind for kind, keys in _SUITS.items() if key in keys] for key in sorted(set().union(*_SUITS.values()))}
_NEEDS = {
    "office": ("to", "add `to:` with an e-mail address, or write `kind: phone` or `kind: post`"),
    "embassy": ("directory", "add `directory:` with the file that lists the embassies, like embassies.yaml"),
    "phone": ("phone", "add `phone:` with a telephone number"),
    "post": ("postal_address", "add `postal_address:`"),
}


def _of_kind(kind: str) -> dict[str, Any]:
    """What a kind asks of the other keys, as JSON Schema; one that is not said is the office's."""
    this: dict[str, Any] = {"properties": {"kind": {"const": kind}}}
    if kind != KIND.default:
        this["required"] = ["kind"]
    needed, _ = _NEEDS[kind]
    others = {key: False for key in _KINDS_OF if key not in _SUITS[kind]}
    return {"if": this, "then": {"required": [needed], "properties": others | {needed: {"not": {"enum": [None, "", []]}}}}}


TARGET = Part(
    "",
    "One target.",
    tuple({key.name: key for keys in _KEYS.values() for key in keys}.values()),
    required=True,
    also={"allOf": [_of_kind(kind) for kind in _KEYS]},
)
TARGETS = Named("targets", "Who is written to, by an id of your choice.", shape_of(identifier), TARGET, required=True)
