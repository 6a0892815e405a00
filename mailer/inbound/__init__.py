"""
What a mail that came in says of letters that went out: a bounce, a delay, the campaign's own copy, an answer.

    mailboxes (raw bytes)  >  INBOUND  >  inbox (whose letter? is it ours?)  >  ledger

Anybody can mail us, so nothing here is believed: a tiding names a letter by what it quotes, and whether that is ours is for
`inbox` to verify. A mail is read within bounds of size, nesting and headers (`bounds`); whatever is in it, reading raises
nothing, sends nothing and keeps none of its text but a server's own words.

Standard reports of delivery (RFC 3464) are read by their fields, others by flufl.bounce; answers are told from machines'
answers by RFC 3834.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email.message import Message
from enum import StrEnum

from mailer.inbound.bounds import LARGEST, headers_of, parsed
from mailer.inbound.dsn import Report, reports

LONGEST_SAID = 500  # characters kept of what a server said
OURS = re.compile(r"<[0-9]{1,18}\.[0-9a-f]{20}@[A-Za-z0-9.-]{1,253}>")
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,128}@[A-Za-z0-9.-]{1,253}")
_SAID = re.compile(r"\b[45][0-9]{2}[ -](?:[45]\.[0-9]{1,3}\.[0-9]{1,3} )?[A-Za-z<][^\r\n]{2,200}")
_DELIVERED_TO = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To")
_MACHINES = ("X-Autoreply", "X-Autorespond", "X-Autoresponse", "X-Auto-Response-Suppress", "X-Loop")
_BULK = frozenset({"bulk", "junk", "list", "auto_reply", "auto-reply"})
_AWAY = re.compile(
    r"out of (the )?office|automatic reply|auto(matic)?[- ]?(reply|response|antwort)|abwesenheit|автоответ|вне офиса", re.I
)


class Kind(StrEnum):
    """What a mail is evidence of."""

    BOUNCED = "bounced"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"
    COPY = "copy"
    AUTOMATIC = "automatic answer"
    ANSWER = "answer"


@dataclass(frozen=True, slots=True)
class Tiding:
    """
    One thing that a mail says: of which recipient, with which status (RFC 3463) and in whose words.

    `message_id` and `evidence` are those that it quotes, `sent_to` the addresses to which it came; all may be forged.
    """

    kind: Kind
    message_id: str = ""
    evidence: str = ""
    sent_to: tuple[str, ...] = ()
    address: str = ""
    status: str = ""
    said: str = field(default="", repr=False)


_OF_ACTIONS = {
    "failed": Kind.BOUNCED,
    "delayed": Kind.DELAYED,
    "delivered": Kind.DELIVERED,
    "relayed": Kind.RELAYED,
    "expanded": Kind.EXPANDED,
}


def read(raw: bytes) -> tuple[Tiding, ...]:
    """What a mail says; nothing where it says nothing of letters. It raises nothing, whatever the mail is."""
    raw = raw[:LARGEST]
    message = parsed(raw)
    if message is None:
        return ()
    sent_to = tuple(_addresses(message))
    found = (
        list(_of_reports(message)) or list(_of_itself(message)) or list(_of_answers(message)) or list(_of_others(message, raw))
    )
    return tuple(replace(one, sent_to=sent_to, said=_words(one.said)) for one in found)


def _of_reports(message: Message) -> Iterator[Tiding]:
    """A report of delivery by RFC 3464, a tiding for each recipient that it names."""
    for report in reports(message):
        kind = _OF_ACTIONS.get(report.action)
        if kind is not None:
            yield _tiding(kind, report)


def _tiding(kind: Kind, report: Report) -> Tiding:
    return Tiding(kind, report.message_id, report.evidence, (), report.recipient, report.status, report.diagnostic)


def _of_itself(message: Message) -> Iterator[Tiding]:
    """Our own letter, as the campaign's copy of it."""
    headers = headers_of(message)
    if headers.evidence and OURS.fullmatch(headers.message_id):
        yield Tiding(Kind.COPY, headers.message_id, headers.evidence)


def _of_answers(message: Message) -> Iterator[Tiding]:
    """An answer to a letter, by a person or by a machine; of its text nothing is read."""
    answered = " ".join(str(message.get(name, ""))[:10_000] for name in ("In-Reply-To", "References"))
    ours = OURS.findall(answered)
    if ours:
        yield Tiding(Kind.AUTOMATIC if _is_automatic(message) else Kind.ANSWER, ours[-1])


def _is_automatic(message: Message) -> bool:
    submitted = str(message.get("Auto-Submitted", "no")).partition(";")[0].strip().lower()
    if submitted != "no" or any(name in message for name in _MACHINES):
        return True
    if str(message.get("Precedence", "")).strip().lower() in _BULK or str(message.get("Return-Path", "?")).strip() == "<>":
        return True
    return bool(_AWAY.search(str(message.get("Subject", ""))[:250]))


def _of_others(message: Message, raw: bytes) -> Iterator[Tiding]:
    """A bounce in a form of its server's own, as flufl.bounce knows it; only where a machine wrote it."""
    if not _is_of_a_mailer(message):
        return
    from flufl.bounce import all_failures  # 30 ms, for what most inboxes never see

    logging.getLogger("flufl.bounce").disabled = True  # what fails in it would be told with words of this mail
    try:
        later, failed = all_failures(message)
    except Exception:  # noqa: BLE001  whatever fails in it, this mail says nothing
        return
    text = raw.decode("ascii", "replace")
    quoted, said = OURS.search(text), _SAID.search(text)
    for kind, addresses in ((Kind.BOUNCED, failed), (Kind.DELAYED, later)):
        for address in sorted(addresses):
            words = said[0] if said else ""
            yield Tiding(kind, quoted[0] if quoted else "", address=address.decode("ascii", "replace"), said=words)


def _is_of_a_mailer(message: Message) -> bool:
    sender = str(message.get("From", "")).lower()
    names = ("mailer-daemon", "postmaster", "mail delivery", "mdaemon", "microsoftexchange")
    return str(message.get("Return-Path", "")).strip() == "<>" or any(name in sender for name in names)


def _addresses(message: Message) -> Iterator[str]:
    """To whom it came, as far as its headers say."""
    for name in _DELIVERED_TO:
        for value in (message.get_all(name) or [])[:20]:
            yield from _ADDRESS.findall(str(value)[:2_000])


def _words(said: str) -> str:
    """What a server said, on one line."""
    return " ".join("".join(character if character.isprintable() else " " for character in said).split())[:LONGEST_SAID]
