"""
A letter's bytes, read back by the standard library's email package: what tests compare with what was meant.

Both of its parsers read every letter, the old one (compat32) and the new one (policy.default). Where they take liberties
of their own, it is written here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes, policy
from email.header import decode_header
from email.message import EmailMessage, Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

Named = tuple[str, str]  # a name and an address


@dataclass(frozen=True)
class Parsed:
    """One letter as a reader's mail program has it."""

    sender: list[Named]
    reply_to: list[Named]
    to: list[Named]
    cc: list[Named]
    subject: str
    date: datetime
    message_id: str
    language: str
    text: str
    headers: list[str]
    html: str = ""

    @property
    def addresses(self) -> list[str]:
        """Every address in every header, in the order in which they stand."""
        return [address for named in (self.sender, self.reply_to, self.to, self.cc) for _, address in named]


def by_old_rules(wire: bytes) -> Parsed:
    """Read by compat32, which gives raw headers; RFC 2047 words are decoded behind the parsing, as they must be."""
    message: Message[str, str] = message_from_bytes(wire, policy=policy.compat32)
    assert not message.defects
    raw = {name: value.replace("\r\n", "") for name, value in message.items()}

    def named(header: str) -> list[Named]:
        return [(_decoded(name), address) for name, address in getaddresses([raw.get(header, "")]) if name or address]

    return _parsed(message, named, _decoded(raw["Subject"]), raw)


def by_new_rules(wire: bytes) -> Parsed:
    """Read by policy.default, whose names are given without white space: it mistakes that (CPython gh-128110)."""
    message = message_from_bytes(wire, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    raw = {name: str(value) for name, value in message.items()}

    def named(header: str) -> list[Named]:
        value: Any = message[header]
        return [(without_space(each.display_name), each.addr_spec) for each in value.addresses] if value else []

    if not message.is_multipart():
        assert message.get_content().replace("\r\n", "\n") == _content(message)
    return _parsed(message, named, raw["Subject"], raw)


def without_space(text: str) -> str:
    return "".join(text.split())


def unflowed(text: str) -> str:
    """Undo format=flowed by RFC 3676 4.1-4.4; there are no quotations in our letters."""
    paragraphs, begun = [], ""
    for line in text.removesuffix("\n").split("\n"):
        assert not line.startswith(">"), "a line that a reader takes for a quotation"
        assert line != "-- ", "a line that a reader takes for a signature separator"
        begun += line.removeprefix(" ")
        if not line.endswith(" "):
            paragraphs.append(begun)
            begun = ""
    assert not begun, "a last line that promises to go on"
    return "\n".join(paragraphs)


def _parsed(message: Message[Any, Any], named: Any, subject: str, raw: dict[str, str]) -> Parsed:
    plain, html = _parts(message)
    assert plain.get_content_type() == "text/plain"
    assert plain.get_param("format") == "flowed"
    return Parsed(
        sender=named("From"),
        reply_to=named("Reply-To"),
        to=named("To"),
        cc=named("Cc"),
        subject=subject,
        date=parsedate_to_datetime(raw["Date"]),
        message_id=raw["Message-ID"],
        language=raw["Content-Language"],
        text=unflowed(_content(plain)),
        headers=[name for name in message if name != "DKIM-Signature"],
        html=_content(html) if html else "",
    )


def _parts(message: Message[Any, Any]) -> tuple[Message[Any, Any], Message[Any, Any] | None]:
    """The text, and the HTML beside it where there is one: in this order, and nothing around them."""
    if not message.is_multipart():
        return message, None
    assert message.get_content_type() == "multipart/alternative"
    assert not message.preamble and not message.epilogue
    parts: Any = message.get_payload()
    plain, html = parts
    for part in (plain, html):
        assert not part.defects
        assert part.keys() == ["Content-Type", "Content-Transfer-Encoding"]
        assert part.get_content_charset() == "utf-8"
    assert html.get_content_type() == "text/html"
    return plain, html


def _content(message: Message[Any, Any]) -> str:
    payload = message.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode("utf-8").replace("\r\n", "\n")


def _decoded(value: str) -> str:
    parts: Sequence[tuple[Any, str | None]] = decode_header(value)
    return "".join(part if isinstance(part, str) else part.decode(charset or "ascii") for part, charset in parts)
