"""
Reports of delivery by RFC 3464, each recipient that one names. Part of `inbound`.

A report quotes the letter it is about, whole or by its headers; from there come the Message-ID and the evidence header. Real
servers leave fields out, and give the recipient once as it was and once as it became: the original goes before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_string
from email.message import Message

from mailer.inbound.bounds import Headers, headers_of

_MOST = 20  # recipients of one report; no letter of ours has as many
_WALKED = 60  # parts of one mail
_STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_RETURNED = frozenset(
    {"message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers"}
)


@dataclass(frozen=True, slots=True)
class Report:
    """One recipient of a report: what was done about it, its status (RFC 3463), and what the server said."""

    action: str
    recipient: str
    status: str
    diagnostic: str
    message_id: str = ""
    evidence: str = ""


def reports(message: Message) -> Iterator[Report]:
    """Every recipient that a mail reports on; nobody where it is no report."""
    parts = _parts(message)
    blocks = [
        block
        for part in parts
        if _type(part) in {"message/delivery-status", "message/global-delivery-status"}
        for block in _blocks(part)
    ]
    if not blocks:
        return
    quoted = _quoted(parts)
    for block in blocks[:_MOST]:
        action = _field(block, "Action").lower()
        recipient = _address(_field(block, "Original-Recipient")) or _address(_field(block, "Final-Recipient"))
        if not action or not recipient:
            continue  # the first block is about the message
        said = _field(block, "Diagnostic-Code")
        diagnostic = said.partition(";")[2].strip() if ";" in said[:40] else said
        status = _STATUS.search(_field(block, "Status")) or _STATUS.search(diagnostic)
        yield Report(action.split()[0], recipient, status[0] if status else "", diagnostic, quoted.message_id, quoted.evidence)


def _parts(message: Message) -> list[Message]:
    """The parts of a mail, and those within them, as many as a report may have; not what stands within the returned letter."""
    found: list[Message] = []
    todo = [message]
    while todo and len(found) < _WALKED:
        part = todo.pop(0)
        found.append(part)
        payload = part.get_payload()
        if _type(part).startswith("multipart/") and isinstance(payload, list):
            todo += [one for one in payload if isinstance(one, Message)]
    return found


def _blocks(part: Message) -> list[Message]:
    """The groups of fields of a status part, which the parser has taken apart, unless it came encoded."""
    payload = part.get_payload()
    if isinstance(payload, list):
        return [one for one in payload if isinstance(one, Message)]
    text = _text(part)
    return [
        message_from_string(block)
        for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n"))[: _MOST + 1]
        if block.strip()
    ]


def _quoted(parts: list[Message]) -> Headers:
    """What a report quotes of the letter."""
    for part in parts:
        if _type(part) not in _RETURNED:
            continue
        payload = part.get_payload()
        if isinstance(payload, list) and payload and isinstance(payload[0], Message):
            found = headers_of(payload[0])
        else:
            found = headers_of(message_from_string(_text(part)[:64_000]))
        if found.message_id:
            return found
    return Headers("", "")


def _text(part: Message) -> str:
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def _type(part: Message) -> str:
    return str(part.get_content_type()).lower()


def _field(block: Message, name: str) -> str:
    return " ".join(str(block.get(name, ""))[:2_000].split())


def _address(field: str) -> str:
    """The address of a field like "rfc822; head@court.example", without what is around it."""
    address = field.partition(";")[2] if ";" in field else field
    return address.strip().strip("<>").strip()[:320]
