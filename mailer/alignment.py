"""
What DNS should say for a campaign's letters to be believed, and what is missing there, with the record to publish.

    campaign, its keys' records  >  ALIGNMENT (asks the resolver)  >  checks

Of the sender's domain: who may send for it (SPF), the public halves of the keys that sign (DKIM), what receivers should make of
letters that fail both (DMARC), and where replies go (MX). Of each domain that is written to: that it takes mail at all.

It judges what DNS says, not what a receiver makes of it. Whether SPF covers the relay, only the relay's keeper knows: servers
send from other addresses than those at which they are reached.

RFC 7208 (SPF), RFC 6376 3.6.1 (keys in DNS), RFC 7489 6.1, 6.6.3 (DMARC), RFC 5321 5.1 and RFC 7505 (MX, and none).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mailer.campaign import Campaign, Target
from mailer.resolver import Answer, Resolver

_AT_ONCE = 10  # questions
_SHOWN = 3  # places that name one domain; a directory may have more


class Weight(StrEnum):
    """What a sentence is: something to mend, something to know, or something that DNS did not say."""

    PROBLEM = "problem"
    NOTE = "note"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence about one domain."""

    weight: Weight
    sentence: str


async def of_sender(resolver: Resolver, campaign: Campaign, keys: Sequence[tuple[str, str]], relay: str) -> list[Said]:
    """
    What DNS says of a campaign's sender. `keys` are the records that its keys ask for, `relay` is the host that sends.
    """
    sender = campaign.sender
    domain = sender.address.domain
    envelope = sender.bounce_address.rpartition("@")[2] or domain
    mail = await _takes_mail(resolver, domain, f"nobody can answer {sender.address}")
    if not (await resolver.ask(domain, "MX")).exists:
        return mail
    if envelope != domain:
        mail += await _takes_mail(resolver, envelope, "no bounce comes back")
    spf = _spf(envelope, await resolver.ask(envelope, "TXT"), relay)
    signed = [each for name, text in keys for each in _key(name, text, await resolver.ask(name, "TXT"))]
    if not keys:
        said = f"letters are not signed here (dkim:); unless the relay signs them for {domain}, they rest on SPF alone"
        signed = [_note(domain, said)]
    return [*mail, *spf, *signed, *await _dmarc(resolver, domain, str(sender.address))]


async def of_targets(resolver: Resolver, campaign: Campaign) -> list[Said]:
    """What DNS says of each domain that a campaign writes to."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def asked(domain: str, places: Sequence[str]) -> list[Said]:
        more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
        async with gate:
            return await _takes_mail(resolver, domain, f"no letter reaches {', '.join(places[:_SHOWN])}{more}")

    found = await asyncio.gather(*(asked(domain, places) for domain, places in _domains(campaign).items()))
    return [one for said in found for one in said]


def _domains(campaign: Campaign) -> Mapping[str, list[str]]:
    """Each domain that is written to, with the places of the configuration that name it."""
    named = [(address.domain, "copy_to") for address in campaign.copy_to]
    for target in campaign.targets.values():
        named += [(address.domain, target.id) for address in (*target.to, *target.cc)]
        named += _missions(target)
    found: dict[str, list[str]] = {}
    for domain, place in dict.fromkeys(named):
        found.setdefault(domain, []).append(place)
    return found


def _missions(target: Target) -> Iterable[tuple[str, str]]:
    missions = target.directory.missions if target.directory else ()
    return [(mission.email.domain, f"{target.id} {mission.country}") for mission in missions if mission.email]


async def _takes_mail(resolver: Resolver, domain: str, or_else: str) -> list[Said]:
    """Whether a domain takes mail: it names a server, or is one itself (RFC 5321 5.1)."""
    mx = await resolver.ask(domain, "MX")
    if mx.failed:
        return [_unknown(domain, "whether it takes mail", mx)]
    if not mx.exists:
        return [_problem(domain, f"there is no such name in DNS; {or_else}")]
    if "." in mx.texts:
        return [_problem(domain, f"it says that it takes no mail (a null MX); {or_else}")]
    if mx.texts:
        return []
    hosts = [await resolver.ask(domain, kind) for kind in ("A", "AAAA")]
    if any(host.texts for host in hosts):
        return []
    if failed := next((host for host in hosts if host.failed), None):
        return [_unknown(domain, "whether it takes mail", failed)]
    return [_problem(domain, f"no server takes its mail (neither MX nor an address); {or_else}")]


def _spf(domain: str, answer: Answer, relay: str) -> list[Said]:
    if answer.failed:
        return [_unknown(domain, "who may send for it (SPF)", answer)]
    records = [text for text in answer.texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]
    if not records:
        wanted = _record(domain, f"v=spf1 a:{relay or 'RELAY'} ~all")
        keeper = "or with the `include:` that the relay's keeper names"
        return [_problem(domain, f"it does not say who may send for it (SPF). Publish, {keeper}: {wanted}")]
    if len(records) > 1:
        return [_problem(domain, f"it has {len(records)} SPF records, and receivers then believe none. Keep one")]
    words = records[0].lower().split()
    if "all" in words or "+all" in words:
        return [_problem(domain, "its SPF lets everybody send (+all). End it with ~all or -all")]
    if not any(word in {"-all", "~all"} or word.startswith("redirect=") for word in words):
        return [_note(domain, "its SPF does not end with ~all or -all, so it denies nobody")]
    return []


def _key(name: str, wanted: str, answer: Answer) -> list[Said]:
    if answer.failed:
        return [_unknown(name, "which key signs (DKIM)", answer)]
    publish = f"Publish: {_record(name, wanted)}"
    if not answer.texts:
        return [_problem(name, f"the key that signs (DKIM) is not there, and every signature fails. {publish}")]
    if len(answer.texts) > 1:
        return [_problem(name, f"there are {len(answer.texts)} records where one key belongs. {publish}")]
    tags = _tags(answer.texts[0])
    if tags.get("p") == "":
        return [_problem(name, f"the key that signs (DKIM) is revoked there. {publish}")]
    if tags.get("p") != _tags(wanted)["p"]:
        return [_problem(name, f"it holds another key than the one that signs (DKIM). {publish}")]
    if tags.get("k", "rsa") != _tags(wanted)["k"]:
        return [_problem(name, f"it names another kind of key than the one that signs (DKIM). {publish}")]
    if "y" in tags.get("t", "").split(":"):
        return [_note(name, "the key is published as a trial (t=y), so receivers may make nothing of it")]
    return []


async def _dmarc(resolver: Resolver, domain: str, address: str) -> list[Said]:
    """The policy of the domain itself, else of the nearest one above it that has one."""
    labels = domain.split(".")
    for place in range(max(1, len(labels) - 1)):
        above = ".".join(labels[place:])
        answer = await resolver.ask(f"_dmarc.{above}", "TXT")
        if answer.failed:
            return [_unknown(f"_dmarc.{above}", "what becomes of forged letters (DMARC)", answer)]
        policies = [text for text in answer.texts if text.replace(" ", "").lower().startswith("v=dmarc1")]
        if len(policies) > 1:
            return [
                Said(
                    Weight.PROBLEM, f"_dmarc.{above}: it has {len(policies)} policies, and receivers then follow none. Keep one"
                )
            ]
        if policies and _tags(policies[0]).get("p", "").lower() in {"none", "quarantine", "reject"}:
            return []
        if policies:
            return [
                Said(Weight.PROBLEM, f"_dmarc.{above}: its policy names no p= that receivers know (none, quarantine, reject)")
            ]
    publish = _record(f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:{address}")
    return [
        Said(
            Weight.PROBLEM, f"{domain}: it does not say what becomes of letters forged in its name (DMARC). Publish: {publish}"
        )
    ]


def _tags(text: str) -> dict[str, str]:
    """
    The tags of a record, by name, without white space.

    >>> _tags("v=DKIM1; p=AB CD=")
    {'v': 'DKIM1', 'p': 'ABCD='}
    """
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip().lower(): "".join(value.split()) for name, _, value in pairs}


def _record(name: str, text: str) -> str:
    """
    A TXT record as a zone file has it: in strings of at most 255 characters.

    >>> _record("campaign.example", "v=spf1 -all")
    'campaign.example. TXT "v=spf1 -all"'
    """
    strings = [text[start : start + 255] for start in range(0, len(text), 255)]
    return f"{name}. TXT " + " ".join(f'"{string}"' for string in strings)


def _problem(name: str, said: str) -> Said:
    return Said(Weight.PROBLEM, f"{name}: {said}")


def _note(name: str, said: str) -> Said:
    return Said(Weight.NOTE, f"{name}: {said}")


def _unknown(name: str, what: str, answer: Answer) -> Said:
    return Said(Weight.UNKNOWN, f"{name}: DNS does not say {what}: {answer.failed}")
