"""
What one supporter sent: one person's or one organisation's signing of one campaign.

    spool > intake > SIGNATURE > letter > courier > outcome > report

`read` turns one row's texts into a Signature or says in plain words why it cannot (`BadRow`). Real names in any script
pass byte for byte after NFC; what could steer a terminal, a header or a reader's eye (control, bidi-override, tag,
private-use characters) is refused. Values are data: nothing here is ever read as a template or as an address list.

This module knows neither files nor the ledger: which column holds what is for `columns`, who is known for `intake`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from mailer import address, answers, country, garbled
from mailer import moment as moments
from mailer.address import Address, Policy
from mailer.errors import BadRow
from mailer.moment import Order

# Longest text of a field, in characters.
LIMITS = {"name": 100, "organisation": 200, "role": 100, "city": 100, "postal_address": 500, "message": 5000}
_INVISIBLE = "\u115f\u1160\u3164\uffa0"  # Hangul fillers, the letters of people who sign as nobody
_MANY_LINES = {"postal_address", "message"}
_NO_ANSWERS = {"name", "organisation", "role", "city", "message"}  # fields that a yes or no never fills

# Thai, Lao, Burmese and Khmer are written without blanks; a zero-width one says where a line may end.
_SOUTH_EAST = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
_BETWEEN_WORDS = re.compile(f"(?<=[{_SOUTH_EAST}])\u200b(?=[{_SOUTH_EAST}])")
_EVIDENCE = 1000  # characters kept of a consent's question and of its answer


class Kind(StrEnum):
    """Who signs; it chooses the letter's voice ("I" or "we")."""

    PERSON = "person"
    ORGANISATION = "organisation"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a campaign asks of a signature. `today` bounds `signed_at`: nobody signs tomorrow."""

    today: date
    consent_required: bool = True
    opens: date | None = None
    addresses: Policy = address.PLAIN


@dataclass(frozen=True, slots=True)
class Signature:
    """
    One signing, checked. Texts that were not given are empty; `country` is ISO 3166-1 alpha-2.

    `consent_asked` and `consent` are the evidence of it: the heading of the column, and what stood there. It is kept, sealed,
    and never part of a letter.
    """

    name: str
    email: Address
    kind: Kind = Kind.PERSON
    country: str = ""
    language: str = ""
    organisation: str = ""
    role: str = ""
    city: str = ""
    postal_address: str = ""
    message: str = ""
    signed_at: str = ""
    confirmed_at: str = ""
    consent_asked: str = ""
    consent: str = ""


def read(fields: Mapping[str, str], rules: Rules, order: Order = Order.UNKNOWN) -> Signature:
    """
    Check one row. `fields` maps the names of the columns to the row's own texts, and `consent_asked` to the heading of the
    consent; `order` is that of its column's dates.

    >>> read({"name": "Jane Doe", "email": "jane@example.org", "consent": "yes"}, Rules(date(2011, 9, 20))).name
    'Jane Doe'

    Raises:
        BadRow: with one sentence for the organiser: what is wrong and what would be right.
    """
    texts = {field: _clean(field, fields.get(field, "")) for field in LIMITS}
    for field in texts.keys() & _NO_ANSWERS:
        if answers.is_yes_or_no(texts[field]):
            raise BadRow(
                f"the {_said(field)} is «{texts[field]}», which answers another question: correct the column or the cell"
            )
    if not any(character.isalpha() and character not in _INVISIBLE for character in texts["name"]):
        raise BadRow("the name is missing" if not texts["name"] else f"the name «{texts['name']}» has no letter in it")
    if answers.is_no_name(texts["name"]):
        raise BadRow(f"the name «{texts['name']}» is nobody's: write the name of whoever signs, and nothing else")
    _check_consent(fields.get("consent", ""), rules)
    email, kind = _email(fields.get("email", "")), _kind(fields.get("kind", ""))
    _check_address(email, kind, rules.addresses)
    signature = Signature(
        email=email,
        kind=kind,
        country=_country(fields.get("country", "")),
        language=answers.language(fields.get("language", "")),
        signed_at=_signed_at(fields.get("signed_at", ""), rules, order),
        consent_asked=_evidence(fields.get("consent_asked", "")),
        consent=_evidence(fields.get("consent", "")),
        confirmed_at=_confirmed_at(fields.get("confirmed_at", ""), rules, order),
        **texts,
    )
    if signature.kind is Kind.ORGANISATION and not signature.organisation:
        # Many forms have one name field: an organisation that signs may have put its name there.
        signature = replace(signature, organisation=signature.name)
    return signature


def withdraws(fields: Mapping[str, str], *, is_list: bool = False) -> Address | None:
    """
    Who withdraws by this row; None: nobody does, it signs. `is_list`: it stands in a list of those who withdraw.

    >>> str(withdraws({"email": "jane@example.org", "withdrawn_at": "03/04/2011"}))
    'jane@example.org'
    >>> withdraws({"email": "jane@example.org", "withdrawn_at": "no"})

    Raises:
        BadRow: it does, and has no good address.
    """
    if not is_list and not answers.is_withdrawn(fields.get("withdrawn_at", "")):
        return None
    return _email(fields.get("email", ""), address.parse_written)


def confirms(fields: Mapping[str, str], rules: Rules, order: Order = Order.UNKNOWN) -> Address:
    """
    Whose signature a row of a list of confirmations confirms. Without a confirmed_at every row does.

    >>> str(confirms({"email": "jane@example.org", "confirmed_at": "2011-09-21"}, Rules(date(2011, 9, 30))))
    'jane@example.org'

    Raises:
        BadRow: it confirms nobody: no date, none that can be, or no good address.
    """
    if "confirmed_at" in fields and not _confirmed_at(fields["confirmed_at"], rules, order):
        raise BadRow("nothing is confirmed by this row: its confirmed_at is empty or no")
    return _email(fields.get("email", ""), address.parse_written)


def identity(campaign: str, signature: Signature, policy: Policy = address.PLAIN) -> str:
    """The text by which a signing is known again: the same campaign, kind and mailbox is the same signature."""
    return f"{campaign}\n{signature.kind}\n{address.known_by(signature.email, policy)}"


_PACKED = tuple(field.name for field in fields(Signature) if field.name != "email")


def pack(signature: Signature, file: str) -> bytes:
    """Everything personal of one signature in one text, to be sealed: its fields and the name of its file."""
    fields = {name: value for name in _PACKED if (value := getattr(signature, name))}
    return json.dumps(fields | {"email": str(signature.email), "file": file}, ensure_ascii=False).encode()


def unpack(packed: bytes) -> tuple[Signature, str]:
    """The signature and the name of its file, as `pack` wrote them."""
    fields = json.loads(packed)
    file = fields.pop("file")
    local, _, domain = fields.pop("email").rpartition("@")
    return Signature(email=Address(local, domain), **fields | {"kind": Kind(fields["kind"])}), file


def _clean(field: str, text: str) -> str:
    text = garbled.unescaped(text.strip())
    if field not in _MANY_LINES and garbled.has_lost_letters(text):
        raise BadRow(f"the {_said(field)} «{text[:60]}» has question marks for letters: export the list anew, as UTF-8")
    if text.isascii() and text.isprintable():  # most are, and need no look at each character
        return _bounded(field, text.strip())
    text = unicodedata.normalize("NFC", text.replace("\ufeff", "")).strip()
    if field in _MANY_LINES:
        text = re.sub(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]", "\n", text).replace("\t", " ")
    parted = _BETWEEN_WORDS.sub("", text) if "\u200b" in text else text
    for character in parted:
        if _is_refused(character) and not (character == "\n" and field in _MANY_LINES):
            raise BadRow(f"the {_said(field)} holds a character that does not belong in it (U+{ord(character):04X})")
    _bounded(field, text)
    if garbled.is_garbled(text):
        raise BadRow(
            f"the {_said(field)} «{text[:60]}» was read in the wrong encoding before it came here: export the list anew, "
            "as UTF-8"
        )
    return text


def _bounded(field: str, text: str) -> str:
    if len(text) > LIMITS[field]:
        raise BadRow(f"the {_said(field)} is longer than {LIMITS[field]} characters")
    return text


def _evidence(text: str) -> str:
    """A text as it is kept: bounded, and without what could steer a terminal that shows it."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(" " if _is_refused(character) else character for character in unicodedata.normalize("NFC", text))
    return " ".join(text.split())[:_EVIDENCE]


def _is_refused(character: str) -> bool:
    if character.isascii():
        return not character.isprintable()
    return (
        unicodedata.category(character) in {"Cc", "Cs", "Co", "Zl", "Zp"}
        or character in "\u200b\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufffd"
        or 0xE0000 <= ord(character) <= 0xE007F
        or ord(character) & 0xFFFE == 0xFFFE
        or 0xFDD0 <= ord(character) <= 0xFDEF
    )


def _said(field: str) -> str:
    return field.replace("_", " ")


def _email(text: str, parse: Callable[[str], Address] = address.parse) -> Address:
    try:
        return parse(text)
    except ValueError as problem:
        sentence = str(problem).rstrip(".")
        shown = text.strip()[:100]
        raise BadRow(f"the e-mail address «{shown}» is not valid: {sentence}" if shown else sentence) from None


def _check_address(email: Address, kind: Kind, policy: Policy) -> None:
    """Refuse what a campaign does not take; an organisation may sign with an office's address."""
    if not policy.takes_roles and kind is Kind.PERSON and address.is_role(email):
        raise BadRow(f"«{email}» is the address of an office: write that of the person who signs")
    if not policy.takes_disposable and address.is_disposable(email):
        raise BadRow(f"«{email}» is an address that lasts an hour: write one at which this person can be answered")


def _kind(text: str) -> Kind:
    """
    >>> _kind("For an organisation"), _kind("")
    (<Kind.ORGANISATION: 'organisation'>, <Kind.PERSON: 'person'>)
    """
    is_person, is_organisation = answers.who_signs(text)
    if is_person != is_organisation:
        return Kind.PERSON if is_person else Kind.ORGANISATION
    raise BadRow(f"«{text.strip()[:60]}» does not say who signs: write person or organisation")


def _country(text: str) -> str:
    if not text.strip():
        return ""
    found = country.code(text)
    if found is None:
        raise BadRow(
            f"the country «{text.strip()[:60]}» is not known: write its name in any official language of Europe or the UN, "
            "or its ISO code"
        )
    return found


def _check_consent(text: str, rules: Rules) -> None:
    """Let pass who agrees, and where consent is assumed whoever said nothing; never who said anything else."""
    agrees = answers.agrees(text)
    if agrees is False:
        raise BadRow("the signatory did not consent")
    if not agrees and (shown := _evidence(text)[:60]):
        raise BadRow(f"the consent «{shown}» is not clearly a yes: write yes if this person agreed to the letter, else no")
    if rules.consent_required and not agrees:
        raise BadRow("consent is missing: write yes in the consent column if this person agreed to the letter")


def _confirmed_at(text: str, rules: Rules, order: Order) -> str:
    """
    When it was confirmed: a date, or a yes, which is today; empty where it was not.

    >>> [_confirmed_at(said, Rules(date(2011, 9, 30)), Order.UNKNOWN) for said in ("да", "-")]
    ['2011-09-30T00:00:00Z', '']
    """
    text = text.strip()
    is_confirmed = answers.is_confirmed(text)
    if is_confirmed is not None:
        return f"{rules.today}T00:00:00Z" if is_confirmed else ""
    try:
        return _signed_at(text, Rules(rules.today), order)
    except BadRow:
        raise BadRow(f"confirmed_at is «{text[:40]}», which is neither a date (2011-09-30) nor yes or no") from None


def _signed_at(text: str, rules: Rules, order: Order) -> str:
    text = text.strip()
    if not text:
        return ""
    moment = _moment(text, order)
    # A day's grace on both sides: the signatory's midnight is not ours.
    if rules.opens and moment.date() < rules.opens - timedelta(days=1):
        raise BadRow(f"signed on {moment.date()}, before the campaign opened on {rules.opens}")
    if moment.date() > rules.today + timedelta(days=1):
        raise BadRow(f"signed on {moment.date()}, which has not come yet")
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _moment(text: str, order: Order) -> datetime:
    try:
        return moments.parse(text, order)
    except moments.Ambiguous as found:
        raise BadRow(
            f"the date «{found}» can be read in two ways, and no other date of the column says which: write it as 2011-09-30"
        ) from None
    except ValueError:
        raise BadRow(f"the date «{text[:40]}» is not understood: write it as 2011-09-30") from None
