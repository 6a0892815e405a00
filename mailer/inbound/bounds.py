"""
A mail within bounds: of what is larger, deeper or longer than any report of delivery, only the beginning is read. Part of
`inbound`.

The standard library's parser is given no more than it can take apart in well under a second: it takes the square of what it is
given for some headers, and recurses into each part.
"""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message

LARGEST = 256 * 1024  # bytes that are read of a mail
_HEADERS = 64 * 1024  # bytes of headers
_HEADER_LINES = 1_000
_PARTS = 40  # boundaries that are followed
_LINE = 2_000  # bytes of a header's line


@dataclass(frozen=True, slots=True)
class Headers:
    """By what a letter of ours is known: its Message-ID, and what proves that we wrote it."""

    message_id: str
    evidence: str


def parsed(raw: bytes) -> Message | None:
    """A mail of at most LARGEST bytes taken apart; None where it is none, or is made to be hard to read."""
    head, gap, body = _split(raw)
    lines = head[:_HEADERS].split(b"\n")[:_HEADER_LINES]
    if raw.lower().count(b"boundary=") > _PARTS or raw.lower().count(b"message/rfc822") > _PARTS:
        body = b""
    try:
        return message_from_bytes(b"\n".join(line[:_LINE] for line in lines) + gap + body)
    except Exception:  # noqa: BLE001  a bug in somebody's parser must not stop a worker that reads strangers' mail
        return None


def _split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """The headers, the first empty line, and what is behind it."""
    gaps = [gap for gap in (b"\r\n\r\n", b"\n\n") if gap in raw]
    return raw.partition(min(gaps, key=raw.index)) if gaps else (raw, b"\n\n", b"")


def headers_of(message: Message) -> Headers:
    """The two headers by which a letter of ours is known; empty where they are not there."""
    return Headers(_value(message, "Message-ID"), _value(message, "X-Letter-Evidence"))


def _value(message: Message, name: str) -> str:
    """A header's value on one line; of several the first."""
    return "".join(str(message.get(name, ""))[:1_000].split())
