"""
One e-mail address: parsed, normalised, and shown in a log.

A dot-atom local part and an IDNA domain are all that mailer writes to: no quoted local parts, source routes, `%` and `!`
hacks, encoded words or IP literals (each has been used to smuggle another recipient past a parser). The domain is kept as
A-labels, the form that stands on the wire; `key` is the form by which a person is known again.

No DNS is asked here: whether a domain takes mail is for the relay to say.
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
        return f"{self.local}@{self.domain}".casefold()


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


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address:
    if not text:
        raise ValueError("the e-mail address is missing")
    # The library strips nothing and allows none of what is refused above; `test_environment` lets the reserved
    # names (`.test`, `.example` stays refused as a bare name) through, so that samples and tests have addresses.
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False, test_environment=True)
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
