"""
Mail that comes in about letters: reports of real servers as data, filled in for a letter, and what strangers may make up.

    bounce("postfix", letter)     a report in Postfix's form, about a letter that a test's server took
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.servers.record import Taken

FOLDER = Path(__file__).parent / "data" / "bounces"


def headers_of(wire: bytes) -> str:
    """The headers of a letter, as a report quotes them."""
    return wire.partition(b"\r\n\r\n")[0].decode("ascii").replace("\r\n", "\n")


def bounce(name: str, letter: Taken, **other: str) -> bytes:
    """A report in the form of one server about a letter; what it names may be made another."""
    named = {
        "RETURN": letter.sender,
        "HEADERS": headers_of(letter.data),
        "MESSAGE-ID": letter.message_id,
        "head@court.example": letter.recipients[0],
    } | other
    text = (FOLDER / f"{name}.eml").read_text(encoding="utf-8")
    return re.sub("RETURN|HEADERS|MESSAGE-ID|head@court.example", lambda found: named[found[0]], text).encode()


def verdicts() -> Mapping[str, tuple[str, str, str]]:
    """What each report comes to: what it is evidence of, its status, and why the letter came back."""
    found = {}
    for line in (FOLDER / "verdicts.cases").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            name, kind, status, reason = (part.strip() for part in line.split("|"))
            found[name] = (kind, status, reason)
    return found


def answer(letter: Taken, *headers: str, sender: str = "Clerk <clerk@court.example>") -> bytes:
    """An answer to a letter; more headers tell a machine's from a person's."""
    lines = [
        f"From: {sender}",
        "To: letters@campaign.example",
        "Subject: Re: your letter",
        f"In-Reply-To: {letter.message_id}",
        *headers,
        "",
        "We have received your letter. Call 555-CANARY.",
    ]
    return "\r\n".join(lines).encode()
