"""
What a campaign says and to whom, as one hash; what a person approved, and what has changed since.

The content of a campaign is its templates, its targets with their addresses, the addresses of its directories, its copies and
its sender. Its hash is the campaign's *edition*: letters are rendered from an edition, and an approval binds a person's word to
one. Pace, window, closings and receipts are not part of it: they change when letters go, not what they say or to whom.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from mailer.address import Address
from mailer.campaign import Campaign, Target
from mailer.notice import TEMPLATE

Content = Mapping[str, str]


def content(campaign: Campaign, templates: Mapping[str, str]) -> dict[str, str]:
    """The parts of a campaign that an approval covers, by a name that a person understands."""
    parts = {f"template {name}": text for name, text in templates.items() if not name.endswith(f"/{TEMPLATE}")}
    parts["title"] = campaign.title
    parts["sender"] = f"{campaign.sender.name} <{campaign.sender.address}> {campaign.sender.bounce_address}".strip()
    parts["copies"] = _listed(campaign.copy_to)
    if campaign.digest_to:
        parts["copies, each day's together"] = _listed(campaign.digest_to)
    prefers = "the signatory's" if campaign.prefers_signatory else "the target's"
    parts["languages"] = f"{', '.join(campaign.languages)}; {prefers} first, else {campaign.default_language}"
    for target in campaign.targets.values():
        parts[f"target {target.id}"] = _told(target)
        missions = target.directory.missions if target.directory else ()
        # The order is part of it: of two missions that cover a country the first is written to.
        for place, mission in enumerate((mission for mission in missions if mission.email), 1):
            covers = f", covers {' '.join(mission.covers)}" if mission.covers else ""
            parts[f"target {target.id}, {mission.country}"] = f"{place}. {mission.city}: {mission.email}{covers}"
    return parts


def edition(parts: Content) -> str:
    """The hash of a campaign's content: SHA-256 of its parts in canonical JSON, in hex."""
    return hashlib.sha256(packed(parts).encode("utf-8")).hexdigest()


def packed(parts: Content) -> str:
    """A content as the ledger keeps it under its hash."""
    return json.dumps(dict(parts), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def unpacked(text: str) -> dict[str, str]:
    """A content as `packed` wrote it."""
    return {str(name): str(value) for name, value in json.loads(text).items()}


def changed(before: Content, now: Content) -> list[tuple[str, str, str]]:
    """
    What differs between two contents: (part, before, now), an empty text where the part is missing.

    >>> changed({"title": "A"}, {"title": "B", "sender": "S"})
    [('sender', '', 'S'), ('title', 'A', 'B')]
    """
    names = sorted(set(before) | set(now))
    return [(name, before.get(name, ""), now.get(name, "")) for name in names if before.get(name) != now.get(name)]


def _told(target: Target) -> str:
    facts = {
        "kind": target.kind,
        "name": _wording(target.name),
        "form of address": _wording(target.form_of_address),
        "to": _listed(target.to),
        "cc": _listed(target.cc),
        "phone": target.phone,
        "postal address": target.postal_address,
        "language": target.language,
        "fallback": target.fallback,
    }
    return "; ".join(f"{name}: {value}" for name, value in facts.items() if value)


def _wording(wording: Mapping[str, str]) -> str:
    return ", ".join(f"{language or 'all'}: {text}" for language, text in sorted(wording.items()))


def _listed(addresses: tuple[Address, ...]) -> str:
    return ", ".join(str(address) for address in addresses)
