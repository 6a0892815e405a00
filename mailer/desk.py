"""
The desk at which one letter is written: everything of one campaign that goes into its bytes.

    signature, target, campaign  >  DESK (render, compose)  >  letter

The same facts always give the same bytes: preview, the first attempt and the last one all write here. Nothing is sent and
nothing is remembered.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mailer import campaign as campaigns
from mailer import country, letter, signature
from mailer.address import Address, Policy
from mailer.blotter import Blotter
from mailer.campaign import Campaign, Route, Target, worded
from mailer.delivery import Fixed
from mailer.dkim import Signer
from mailer.letter import Letter, Mailbox
from mailer.outcome import Private, Recipient, Role
from mailer.render import CHOICE, Renderer, written_date
from mailer.seal import Seal
from mailer.signature import Kind, Signature, identity


@dataclass(frozen=True, slots=True)
class Recogniser:
    """By what a campaign knows people again: its key, and its rule of which addresses are one person's."""

    campaign: str
    seal: Seal
    policy: Policy

    def persons(self, address: Address) -> list[bytes]:
        """The keyed hashes by which whoever signs with an address is known, as a person or for an organisation."""
        signed = [Signature("", address, kind) for kind in Kind]
        return [self.seal.person(signature.identity(self.campaign, one, self.policy)) for one in signed]


@dataclass(frozen=True, slots=True)
class Desk:
    """What it takes to write one campaign's letters. `is_live`: they go to a real relay, so addresses must be confirmed."""

    campaign: Campaign
    renderer: Renderer
    seal: Seal
    edition: str
    is_live: bool
    blotter: Blotter
    signers: tuple[Signer, ...] = ()

    @property
    def recogniser(self) -> Recogniser:
        """By what its campaign knows people again."""
        return Recogniser(self.campaign.id, self.seal, self.campaign.addresses)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What makes one letter this one: its Message-ID, its date (seconds since 1970), and its language once that is fixed."""

    message_id: str
    date: int
    language: str = ""


def write(desk: Desk, target: Target, route: Route, signed: Signature, stamp: Stamp) -> tuple[Fixed, bytes]:
    """
    The bytes of one letter and what they fix. The same facts always give the same bytes.

    Raises:
        RenderProblem, WireProblem: this letter cannot be written.
        ConfigurationError: no letter can be signed.
    """
    return finished(desk, letter_of(desk, target, route, signed, stamp))


def letter_of(desk: Desk, target: Target, route: Route, signed: Signature, stamp: Stamp) -> Letter:
    """
    One letter, before it is bytes.

    Raises:
        RenderProblem: this letter cannot be written.
    """
    campaign = desk.campaign
    target = route.via or target
    language = stamp.language or campaigns.language(campaign, target, signed.language)
    date = datetime.fromtimestamp(stamp.date, UTC)
    rendered = desk.renderer.render(language, values(campaign, target, signed, language, date))
    voice = signed.organisation if signed.kind is Kind.ORGANISATION else signed.name
    name = worded(target.name, language)
    return Letter(
        sender=Mailbox(f"{voice} via {campaign.sender.name}", campaign.sender.address),
        reply_to=Mailbox(voice, signed.email),
        to=tuple(Mailbox(name, address) for address in route.to),
        cc=tuple(Mailbox("", address) for address in route.cc),
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        language=language,
        date=date,
        message_id=stamp.message_id,
        evidence=desk.seal.evidence(stamp.message_id),
    )


def finished(desk: Desk, written: Letter) -> tuple[Fixed, bytes]:
    """
    The bytes of a letter and what they fix: the letter itself. Its signatures stand above it, the same as long as the keys are.

    Raises:
        WireProblem: it cannot be composed.
        ConfigurationError: no letter can be signed.
    """
    wire, at = letter.compose(written), int(written.date.timestamp())
    return Fixed(at, desk.edition, written.language, letter.fingerprint(wire)), _signed(desk, wire, at)


def _signed(desk: Desk, wire: bytes, at: int) -> bytes:
    if not desk.signers:
        return wire
    signed = b"".join(signer.signature(wire, at) for signer in desk.signers) + wire
    letter.prove(signed)
    return signed


def values(campaign: Campaign, target: Target, signed: Signature, language: str, date: datetime) -> dict[str, object]:
    """What templates see; every value is data, a text that was not given is empty."""
    local = date.astimezone(target.timezone or UTC)
    return {
        "signature": of_signatory(signed, language),
        "target": {
            "name": worded(target.name, language),
            "form_of_address": worded(target.form_of_address, language),
        },
        "campaign": {"title": campaign.title},
        "today": written_date(local.date(), language),
        CHOICE: f"{identity(campaign.id, signed)}\n{target.id}",
    }


def of_signatory(signed: Signature, language: str) -> dict[str, str]:
    """What templates see of a signatory."""
    return {
        "name": signed.name,
        "email": str(signed.email),
        "city": signed.city,
        "country": country.name(signed.country, language) if signed.country else "",
        "organisation": signed.organisation,
        "role": signed.role,
        "postal_address": signed.postal_address,
        "message": own_words(signed.message),
        "voice": str(signed.kind),
    }


def own_words(message: str) -> str:
    r"""
    What a signatory added, as paragraphs with one empty line between them: without stray spaces, gaps and soft hyphens.

    >>> own_words("  Please act. \n\n\n\nSoon, I\u00ad beg.\n")
    'Please act.\n\nSoon, I beg.'
    """
    lines = "\n".join(line.rstrip() for line in message.replace("\u00ad", "").split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def recipients(campaign: Campaign, route: Route) -> tuple[Recipient, ...]:
    """The recipients of a letter, each address once: its target's, then the campaign's copies."""
    roles: list[tuple[Role, Sequence[Address]]] = [
        (Role.TO, route.to),
        (Role.CC, route.cc),
        (Role.COPY, campaign.copy_to),
    ]
    found: dict[str, Recipient] = {}
    for role, addresses in roles:
        for address in addresses:
            found.setdefault(address.key, Recipient(str(address), role))
    return tuple(found.values())


def private(signed: Signature) -> Private:
    """What is personal in a letter, wherever it may be quoted: by a server, or by whoever gives an order."""
    fields = (signed.name, signed.organisation, signed.role, signed.city, signed.postal_address, signed.email.local)
    return Private(fields, (str(signed.email), signed.email.domain), signed.message)


def return_path(desk: Desk, number: int, now: int) -> str:
    """The envelope sender: the campaign's address, or a signed return address that names the letter."""
    sender = desk.campaign.sender
    if not sender.bounce_address:
        return str(sender.address)
    return sender.bounce_address.replace("{token}", desk.seal.token(number, now // 86_400))
