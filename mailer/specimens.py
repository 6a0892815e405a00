"""
Letters that a campaign would write, of invented people: for `check`, `preview` and whoever is asked to approve it.

    campaign  >  SPECIMENS (desk)  >  checks | preview

They are written at the same desk as real letters. Some of the people have names that are awkward to write; whoever approves a
campaign sees what becomes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mailer import campaign as campaigns
from mailer.address import Address
from mailer.campaign import Campaign, Channel, Route, Target
from mailer.desk import Desk, Stamp, letter_of, write
from mailer.errors import RenderProblem, WireProblem
from mailer.letter import Letter
from mailer.signature import Kind, Signature

SPECIMEN_DATE = 1_316_505_600  # 2011-09-20, so that specimens do not change from day to day
_NOWHERE = Address("no-address-known", "mission.invalid")
_JANE = Address("jane.doe", "example.org")
FULL = Signature(
    "Jane O'Specimen",
    _JANE,
    country="IE",
    organisation="Example Workers' Union",
    role="Secretary",
    city="Dublin",
    postal_address="1 Example Street\nDublin 1\nIreland",
    message="I have followed this case for months.\n\nPlease act.",
)
BARE = Signature("Jane Specimen", _JANE, organisation="Example Workers' Union")
AWKWARD = {
    "one letter": "Å",
    "60 letters": "Wolfeschlegelsteinhausenbergerdorff Llanfairpwllgwyngyllgoge",
    "Arabic": "محمد بن عبد الله الأنصاري",
    "emoji": "Zoë 🌻 Müller",
    "quotes": 'O\'Brien "Bob" <x>',
}


@dataclass(frozen=True, slots=True)
class Specimen:
    """One letter as it would be written, or why it cannot be. `awkward` is what its name is an example of, if of anything."""

    target: str
    language: str
    voice: Kind
    wire: bytes = b""
    problem: str = ""
    awkward: str = ""

    @property
    def name(self) -> str:
        """By what a person and a file tell it from the others."""
        return "-".join(filter(None, (self.target, self.language, str(self.voice), self.awkward.replace(" ", "-").lower())))


def specimens(desk: Desk, signed: Signature = FULL) -> Iterator[Specimen]:
    """One letter for each target, language and voice of a campaign, whether or not it is ever written so."""
    for target in _written(desk.campaign):
        for language in desk.campaign.languages:
            yield from _voices(desk, target, language, signed)


def distinct(desk: Desk, signed: Signature = FULL) -> Iterator[Specimen]:
    """One letter for each target, voice and language in which the target is ever written to."""
    for target in _written(desk.campaign):
        for language in _reached(desk.campaign, target):
            yield from _voices(desk, target, language, signed)


def awkward(desk: Desk, signed: Signature = FULL, *, most: int) -> Iterator[Specimen]:
    """
    The distinct letters again, each from every awkward name; of the first targets only, where that would be more than `most`.
    """
    count = 0
    for target in _written(desk.campaign):
        for language in _reached(desk.campaign, target):
            count += len(AWKWARD) * len(Kind)
            if count > most:
                return
            for example, name in AWKWARD.items():
                yield from _voices(desk, target, language, replace(signed, name=name, organisation=name), example)


def _written(campaign: Campaign) -> list[Target]:
    return [target for target in campaign.targets.values() if target.channel is Channel.EMAIL]


def _reached(campaign: Campaign, target: Target) -> Sequence[str]:
    """In which languages a target is written to; the missions of a directory have their own, so it may be any."""
    if target.directory is not None:
        return campaign.languages
    return list(dict.fromkeys(campaigns.language(campaign, target, theirs) for theirs in ("", *campaign.languages)))


def _voices(desk: Desk, target: Target, language: str, signed: Signature, example: str = "") -> Iterator[Specimen]:
    route = _any_route(desk.campaign, target, signed.country)
    stamp = Stamp(f"<specimen@{desk.campaign.sender.address.domain}>", SPECIMEN_DATE, language)
    for kind in Kind:
        made = Specimen(target.id, language, kind, awkward=example)
        try:
            yield replace(made, wire=write(desk, target, route, replace(signed, kind=kind), stamp)[1])
        except (RenderProblem, WireProblem) as problem:
            yield replace(made, problem=str(problem))


def letter(desk: Desk, target: Target, language: str, voice: Kind, stamp: Stamp) -> Letter:
    """
    The specimen of one target, language and voice before it is bytes, for whoever gives it another envelope.

    Raises:
        RenderProblem: it cannot be written.
    """
    route = _any_route(desk.campaign, target, FULL.country)
    return letter_of(desk, target, route, replace(FULL, kind=voice), replace(stamp, language=language))


def _any_route(campaign: Campaign, target: Target, country: str) -> Route:
    """The target's addresses as they stand, confirmed or not; of a directory, the signatory's mission or any with one."""
    route = campaigns.route(campaign, target, country, live=False)
    if route.hold is None:
        return route
    missions = target.directory.missions if target.directory else ()
    known = next((mission.email for mission in missions if mission.email), _NOWHERE)
    return Route(Channel.EMAIL, target.to or (known,), target.cc, via=target)
