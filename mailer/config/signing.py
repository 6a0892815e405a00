"""
The keys that sign a campaign's letters (DKIM): one, or one of each kind.

    dkim: {selector: letters2011, key_file: /etc/mailer/letters.pem}        domain: the sender's, unless it is a parent of it

A signature for another domain than the sender's says nothing about From (DMARC, RFC 7489 3.1.1), so it is refused here. A key
is a secret: its file is one that others on this machine cannot read. What kind of key it is, and whether it is a sound one,
is seen when it is opened (`dkim`); `mailer check` opens it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from mailer.address import Address
from mailer.campaign import Signing
from mailer.config.keys import Key, Part, Rows
from mailer.config.password import check_closed
from mailer.config.section import Section
from mailer.config.values import ANY_TEXT, shown, text

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_MOST = 2
_HEAD = 20_000  # bytes; a key of 4096 bits has 3,300


def read(campaign: Section, sender: Address, root: Path) -> tuple[Signing, ...]:
    """Read `dkim:` of a campaign; `root` is the folder from which relative paths count."""
    sections = campaign.sections(DKIM)
    if len(sections) > _MOST:
        campaign.note("dkim", "has more than two keys; a letter is signed with one, or with one RSA and one Ed25519 key")
    found = [_signing(section, sender, root) for section in sections]
    selectors = [each.selector for each in found if each.selector]
    if len(selectors) != len(set(selectors)):
        campaign.note("dkim", "has two keys of one selector; each key has a name of its own in DNS")
    return tuple(found)


def _signing(section: Section, sender: Address, root: Path) -> Signing:
    section.need(*DKIM.row.needed)
    domain = section.one(replace(DOMAIN, default=sender.domain))
    if sender.domain and domain != sender.domain and not sender.domain.endswith(f".{domain}"):
        said = f"is not the domain of the sender, {sender.domain}, nor one above it: it would vouch for somebody else"
        section.note("domain", f"{shown(domain)} {said}")
    file = section.one(KEY_FILE)
    if file:
        _check(section, root / file)
    signing = Signing(domain, section.one(SELECTOR), str(root / file))
    section.close()
    return signing


def _name(written: str) -> str:
    if _NAME.fullmatch(written):
        return written.lower()
    raise ValueError(f"must be a name as DNS has them (letters, digits, hyphens, dots), not {shown(written)}")


def _check(section: Section, path: Path) -> None:
    """What can be seen of a key without opening it; nothing that is noted repeats a word of it."""
    try:
        check_closed(path)
        with open(path, "rb") as stream:
            content = stream.read(_HEAD)
    except ValueError as problem:
        section.note("key_file", str(problem))
    except OSError as problem:
        section.note("key_file", f"`{path}` cannot be read: {problem.strerror}")
    else:
        if b"PRIVATE KEY-----" not in content or b"ENCRYPTED" in content:
            made = "openssl genpkey -algorithm ed25519, or openssl genrsa 2048"
            section.note("key_file", f"`{path}` holds no private key in PEM without a passphrase ({made})")


_DNS_NAME = {"type": ANY_TEXT, "pattern": _NAME.pattern}
DOMAIN = Key("domain", _name, "", "The domain that signs: the sender's, unless one above it is told.", shape=_DNS_NAME)
SELECTOR = Key("selector", _name, "", "The key's name in DNS, where its record is published.", required=True, shape=_DNS_NAME)
KEY_FILE = Key(
    "key_file", text, "", "The private key, RSA or Ed25519, in PEM without a passphrase; closed to others.", required=True
)
DKIM = Rows(
    "dkim",
    "A key that signs each letter (DKIM), or one RSA and one Ed25519 key.",
    Part("", "One key.", (SELECTOR, KEY_FILE, DOMAIN)),
    or_one=True,
    most=_MOST,
)
