"""
The log of a Postfix on this machine: what it did with mail behind its acceptance, a line each.

    mail.log, mail.log.1 (bytes)  >  MAILLOG (lines to notes)  >  onward (whose letter?)  >  ledger

A line is a note about one queue id: which Message-ID it carries, that it is in the queue, what the next server said, that it is
gone. What Postfix writes was taken from its source and from its own logs: `log_adhoc`, `cleanup`, `qmgr`.

Strangers have a say in these lines (their names, addresses, replies), so a line is read by its fixed fields from the left, and
what a server said is all that stands in the last pair of brackets: nothing in it is ever looked for. Whatever a line is,
reading raises nothing. The files are followed by `following`; it only reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from mailer.maillog.following import Follower, Piece, Place, Trouble
from mailer.maillog.stamps import Stamps

__all__ = ["Follower", "Note", "Piece", "Place", "Stamps", "Trouble", "What", "notes"]

_LONGEST_SAID = 1_000  # characters kept of what a server said


class What(StrEnum):
    """What a line says of the mail with a queue id."""

    BEGUN = "begun"  # another mail has this id from here on
    NAMED = "named"
    QUEUED = "queued"
    HANDED_ON = "handed on"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    DISCARDED = "discarded"
    GIVEN_UP = "given up"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Note:
    """
    One line: about which queue id (with the instance of Postfix in front), when (seconds since 1970).

    `count` is for how many recipients it is queued; `address` to whom it went, `original` to whom it was meant before Postfix
    had another address for that; `server` who was next, `said` in whose words.
    """

    what: What
    queue: str
    at: int
    message_id: str = ""
    count: int = 0
    address: str = ""
    original: str = ""
    server: str = ""
    status: str = ""
    said: str = field(default="", repr=False)


_AGENTS = b"smtp|lmtp|local|virtual|pipe|error|discard"
# The name is `syslog_name`: that of the instance, and perhaps the service's. Queue ids are short (hexadecimal) or long.
_LINE = re.compile(
    rb"(?P<stamp>[A-Z][a-z]{2} [ 0-3][0-9] [0-9:]{8}"
    rb"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(?:\.[0-9]{1,9})?(?:Z|[+-][0-9]{2}:[0-9]{2}))"
    rb" [^ ]{1,255} (?P<instance>[A-Za-z0-9_.-]{1,64})(?:/[A-Za-z0-9_.-]{1,64}){0,3}?"
    rb"/(?P<program>smtpd|pickup|cleanup|qmgr|" + _AGENTS + rb")\[[0-9]{1,10}\]: "
    rb"(?P<repeated>message repeated [0-9]{1,9} times: \[ ?)?(?P<queue>[0-9A-Za-z]{5,40}): (?P<rest>.*)",
    re.DOTALL,
)
_ADDRESS = rb"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,128}@[A-Za-z0-9.-]{1,253}"
_DELIVERY = re.compile(
    rb"to=<(?P<address>" + _ADDRESS + rb")>(?:, orig_to=<(?P<original>" + _ADDRESS + rb")>)?"
    rb", relay=(?P<server>[A-Za-z0-9._:/\[\]-]{1,400})(?:, [a-z_]{1,20}=[A-Za-z0-9./:+_-]{1,60}){0,6}"
    rb", dsn=(?P<status>[245]\.[0-9]{1,3}\.[0-9]{1,3}), status=(?P<what>sent|deferred|bounced) \((?P<said>.*)",
    re.DOTALL,
)
_SAID = re.compile(r"host [^ ]{1,300} (?:said|refused to talk to me): (.*)", re.DOTALL)
_IN_REPLY = re.compile(r" \(in reply to [A-Za-z ()]{2,40} command\)$")
_ESCAPED = re.compile(r"#[0-3][0-7]{2}")
_QUEUED = re.compile(rb"from=<.*>, size=[0-9]{1,19}, nrcpt=([0-9]{1,9}) \(queue active\)", re.DOTALL)
_GIVEN_UP = re.compile(rb"from=<.*>, status=(?:force-)?expired, returned to sender", re.DOTALL)
_BY_STATUS = {b"sent": What.HANDED_ON, b"deferred": What.DEFERRED, b"bounced": What.BOUNCED}


def notes(lines: Iterable[bytes], stamps: Stamps) -> Iterator[Note]:
    """What lines of the log say, in their order; most say nothing of a mail's way."""
    for line in lines:
        found = _LINE.match(line.lstrip(b"\0"))
        if not found:
            continue
        at, rest = stamps.seconds(found["stamp"]), found["rest"].rstrip(b"\r ")
        if found["repeated"]:
            rest = rest.removesuffix(b"]")
        if at is None:
            continue
        queue = f"{found['instance'].decode('ascii')}/{found['queue'].decode('ascii')}"
        if note := _note(found["program"], queue, at, rest):
            yield note


def _note(program: bytes, queue: str, at: int, rest: bytes) -> Note | None:
    match program:
        case b"smtpd" | b"pickup":
            return Note(What.BEGUN, queue, at) if rest.startswith((b"client=", b"uid=")) else None
        case b"cleanup":
            name, _, value = rest.partition(b"=")
            return Note(What.NAMED, queue, at, value[:400].decode("ascii", "replace")) if name == b"message-id" else None
        case b"qmgr":
            return _of_queue(queue, at, rest)
        case _:
            return _of_delivery(queue, at, rest, is_discarded=program == b"discard")


def _of_queue(queue: str, at: int, rest: bytes) -> Note | None:
    if rest == b"removed":
        return Note(What.REMOVED, queue, at)
    if found := _QUEUED.fullmatch(rest):
        return Note(What.QUEUED, queue, at, count=int(found[1]))
    return Note(What.GIVEN_UP, queue, at) if _GIVEN_UP.fullmatch(rest) else None


def _of_delivery(queue: str, at: int, rest: bytes, *, is_discarded: bool) -> Note | None:
    found = _DELIVERY.match(rest)
    if not found:
        return None
    what = _BY_STATUS[found["what"]]
    return Note(
        What.DISCARDED if is_discarded and what is What.HANDED_ON else what,
        queue,
        at,
        address=found["address"].decode("ascii"),
        original=(found["original"] or b"").decode("ascii"),
        server=found["server"].decode("ascii"),
        status=found["status"].decode("ascii"),
        said=_words(found["said"]),
    )


def _words(said: bytes) -> str:
    """
    What the next server said, or Postfix of it, on one line: without the bracket at its end, and what Postfix put around it.

    >>> _words(b"host mx.court.example[192.0.2.1] said: 550 5.1.1 Unknown#012 (x) (in reply to RCPT TO command))")
    '550 5.1.1 Unknown (x)'
    >>> _words(b"connect to mx.court.example[192.0.2.1]:25: Connection timed out)")
    'connect to mx.court.example[192.0.2.1]:25: Connection timed out'
    """
    text = _ESCAPED.sub(" ", said[: 4 * _LONGEST_SAID].removesuffix(b")").decode("utf-8", "replace"))
    if server := _SAID.fullmatch(text):
        text = _IN_REPLY.sub("", server[1])
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())[:_LONGEST_SAID]
