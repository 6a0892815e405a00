"""
One e-mail address: parsed, normalised, and shown in a log.

A dot-atom local part and an IDNA domain are all that mailer writes to: no quoted local parts, source routes, `%` and `!`
hacks, encoded words or IP literals (each has been used to smuggle another recipient past a parser). The domain is kept as
A-labels, the form that stands on the wire; `key` is the form by which a person is known again.

No DNS is asked here: whether a domain takes mail is for the relay to say. A domain that looks mistyped is only doubted, an
address of an office or one for an hour is refused only where a campaign's `Policy` says so.

By what a person is known again is that policy's too, and decided once: another answer later would make strangers of everybody.
RFC 5321 4.1.2 (Mailbox), RFC 5322 3.4.1, RFC 5891 (A-labels).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

# The atext of RFC 5322 without % and !, by which servers still route on (Postfix: allow_percent_hack, swap_bangpath).
_ATEXT = r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]"
# Nor "=?", which begins an encoded word: readers that decode whole headers find another address there.
_WIRE = re.compile(rf"(?!.*=\?){_ATEXT}+(?:\.{_ATEXT}+)*@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+")


@dataclass(frozen=True, slots=True)
class Address:
    """An address as the envelope and the headers carry it: ASCII, `local@a-label.domain`."""

    local: str
    domain: str

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def key(self) -> str:
        """The form by which one mailbox is known again: without regard to case."""
        return known_by(self)


@dataclass(frozen=True, slots=True)
class Policy:
    """
    What a campaign makes of addresses. The two of `is_same_…` are part of everybody's identity: see `known_by`.

    `is_same_tagged`: jane+news@ is jane@. `is_same_dotted`: j.a.n.e@gmail.com is jane@gmail.com, as Gmail has it.
    """

    takes_roles: bool = True
    takes_disposable: bool = True
    is_same_tagged: bool = False
    is_same_dotted: bool = False

    @property
    def sameness(self) -> str:
        """What of it is part of an identity, as one word for the ledger; empty for what has always been so."""
        return "+".join(filter(None, ("tag" * self.is_same_tagged, "dots" * self.is_same_dotted)))


PLAIN = Policy()


def same_by(sameness: str) -> Policy:
    """
    The policy whose `sameness` the ledger has kept; what it takes is not part of it.

    >>> same_by("tag+dots").sameness, same_by("").sameness
    ('tag+dots', '')
    """
    kept = sameness.split("+")
    return Policy(is_same_tagged="tag" in kept, is_same_dotted="dots" in kept)


_GMAIL = frozenset({"gmail.com", "googlemail.com"})
_ROLES = frozenset({
    "abuse", "admin", "administrator", "billing", "board", "campaign", "contact", "editor", "enquiries", "feedback",
    "finance", "hello", "help", "hostmaster", "hr", "info", "information", "inquiries", "jobs", "kontakt", "legal",
    "list", "mail", "mailbox", "mailer-daemon", "marketing", "media", "news", "newsletter", "no-reply", "noreply",
    "office", "orders", "post", "postmaster", "press", "presse", "root", "sales", "secretariat", "secretary",
    "security", "sekretariat", "service", "spam", "support", "team", "usenet", "webmaster", "welcome",
})  # fmt: skip
# Domains that are mistyped often enough to ask, and those one slip away that are somebody's own.
_POPULAR = (
    *("gmail.com", "googlemail.com", "hotmail.com", "hotmail.fr", "outlook.com", "yahoo.com", "icloud.com", "proton.me"),
    *(
        "protonmail.com",
        "yandex.ru",
        "yandex.com",
        "rambler.ru",
        "web.de",
        "t-online.de",
        "orange.fr",
        "free.fr",
        "laposte.net",
    ),
)
_REAL = frozenset(
    {"yandex.rs", "hotmail.fi", "hotmail.gr", "outlook.co", "yahoo.co", "yandex.co", "orange.fi", "free.fm", "web.dk"}
)
_NO_ENDING = frozenset({"con", "cmo", "ocm", "comm", "vom", "xom", "rru", "coom"})


def known_by(address: Address, policy: Policy = PLAIN) -> str:
    """
    The text by which one mailbox is known again under a policy.

    >>> jane = Address("Jane.Doe+news", "gmail.com")
    >>> known_by(jane), known_by(jane, Policy(is_same_tagged=True, is_same_dotted=True))
    ('jane.doe+news@gmail.com', 'janedoe@gmail.com')
    """
    local, domain = address.local.casefold(), address.domain.casefold()
    if policy.is_same_tagged:
        local = local.partition("+")[0] or local
    if policy.is_same_dotted and domain in _GMAIL:
        local, domain = local.replace(".", ""), "gmail.com"
    return f"{local}@{domain}"


def is_role(address: Address) -> bool:
    """Whether it is an office's address, not a person's (RFC 2142, and usage)."""
    return address.local.casefold().partition("+")[0] in _ROLES


def is_disposable(address: Address) -> bool:
    """Whether it belongs to a service of addresses for an hour; the list is asked for at the first question."""
    from disposable_email_domains import blocklist

    labels = address.domain.split(".")
    return any(".".join(labels[n:]) in blocklist for n in range(len(labels) - 1))


def doubt(address: Address) -> str:
    """
    What an address was probably meant to be, if its domain looks mistyped; else empty. A doubt, and no more.

    >>> doubt(Address("jane", "gmial.com")), doubt(Address("jane", "example.con")), doubt(Address("jane", "mail.com"))
    ('jane@gmail.com', 'jane@example.com', '')
    """
    name, _, ending = address.domain.rpartition(".")
    if address.domain in _POPULAR or address.domain in _REAL:
        return ""
    for popular in _POPULAR:
        if popular[0] == address.domain[0] and _is_one_slip(popular, address.domain):
            return f"{address.local}@{popular}"
    return f"{address.local}@{name}.com" if ending in _NO_ENDING else ""


def _is_one_slip(one: str, other: str) -> bool:
    """Whether two texts are one letter apart: another, one more, one less, or two neighbours changed."""
    if abs(len(one) - len(other)) > 1:
        return False
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    left, right = one[at:], other[at:]
    is_swapped = left[:2] == right[1::-1] and left[2:] == right[2:]
    return left != right and (left[1:] == right[1:] or left[1:] == right or left == right[1:] or is_swapped)


def parse(text: str) -> Address:
    """
    Read one address, or say in plain words why it is none.

    >>> str(parse(" Jane.Doe@Bücher.example "))
    'Jane.Doe@xn--bcher-kva.example'
    >>> parse("jane@nowhere")
    Traceback (most recent call last):
        ...
    ValueError: The part after the @-sign is not valid. It should have a period.

    Raises:
        ValueError: with a sentence for the person who typed the address.
    """
    return _parse(text.strip())


def parse_written(text: str) -> Address:
    """
    Read the one address of somebody who withdraws, as mail programs write it too: with a name, or as a link.

    >>> str(parse_written("Jane Doe <jane@example.org>")), str(parse_written("mailto:jane@example.org?subject=stop"))
    ('jane@example.org', 'jane@example.org')

    Raises:
        ValueError: with a sentence for the person who typed the address.
    """
    text = text.strip().rstrip(";,")
    if found := re.fullmatch(r"[^<>@]*<([^<>]*)>", text):
        text = found[1].strip()
    if found := re.fullmatch(r"mailto:([^?]*)(?:\?.*)?", text, flags=re.IGNORECASE | re.DOTALL):
        text = found[1]
    return parse(text)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address:
    if not text:
        raise ValueError("the e-mail address is missing")
    # The library strips nothing and allows none of what is refused above; `test_environment` lets the reserved
    # names (`.test`, `.example` stays refused as a bare name) through, so that samples and tests have addresses.
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, strict=True, test_environment=True)
    except EmailNotValidError as problem:
        raise ValueError(str(problem)) from None
    address = Address(found.local_part, found.ascii_domain.lower())
    if not _WIRE.fullmatch(str(address)):
        raise ValueError("the e-mail address has a form that mail servers do not take")
    return address


def masked(text: str) -> str:
    """
    Show an address in a log without naming a person.

    >>> masked("jane.doe@example.org")
    'j…@example.org'
    """
    local, at, domain = text.rpartition("@")
    return f"{local[:1]}…@{domain}" if at else "…"
