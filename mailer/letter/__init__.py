"""
The exact bytes of one letter on the wire.

    signature > LETTER > courier > relay

`compose` writes every byte itself: `headers` the fields, `body` the text (and the HTML beside it); `proof` is the last look
before bytes may leave. The standard library's EmailMessage is not used because it lets header text through as new headers
(CVE-2024-6923), turns long names into second addresses and mangles lists with one non-ASCII name (CVE-2025-1795); the
tests parse every letter back with it and compare.

Values are never trusted to be clean: whatever is not plain printable ASCII words goes out as an encoded word, so no value
can end a header. No dot-stuffing here: that belongs to the wire (`relay`); no signature: that takes a key (`dkim`). No file,
no clock, no randomness.

RFC 5322 (format), RFC 5321 4.5.3.1.6 (998); those of the fields and of the body stand in their modules.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from mailer.errors import WireProblem
from mailer.letter.body import Body, body, flowed
from mailer.letter.headers import Mailbox, folded, mailboxes, unstructured
from mailer.letter.proof import AUTOMATIC, HEADERS, SIGNATURE, prove

__all__ = ["AUTOMATIC", "HEADERS", "SIGNATURE", "Letter", "Mailbox", "compose", "fingerprint", "flowed", "prove"]


@dataclass(frozen=True, slots=True)
class Letter:
    """
    One letter, ready to be composed. `text` and `html` have LF line ends, and no `html` is no second part; `date` is aware;
    `message_id` has its brackets. What `is_automatic` is no person's letter but a notice, and only that may have no `reply_to`.
    """

    sender: Mailbox
    reply_to: Mailbox | None
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    subject: str
    text: str
    language: str
    date: datetime
    message_id: str
    evidence: str
    html: str = ""
    is_automatic: bool = False


def compose(letter: Letter) -> bytes:
    """
    Write the bytes of a letter, from the first header to the last CRLF of the body, and prove them.

    Raises:
        WireProblem: the bytes break a rule; the letter must not leave.
    """
    try:
        written = body(letter.text, letter.html, letter.message_id)
        wire = _fields(letter, written).encode("ascii") + b"\r\n" + written.data
    except UnicodeEncodeError as problem:
        raise WireProblem(f"a text cannot be encoded at character {problem.start}: this is a bug in mailer") from None
    prove(wire)
    return wire


def _fields(letter: Letter, written: Body) -> str:
    fields = [
        ("Date", format_datetime(letter.date)),
        ("From", mailboxes([letter.sender])),
        *([("Reply-To", mailboxes([letter.reply_to]))] if letter.reply_to else []),
        ("To", mailboxes(letter.to)),
        *([("Cc", mailboxes(letter.cc))] if letter.cc else []),
        ("Subject", unstructured(letter.subject)),
        ("Message-ID", letter.message_id),
        ("MIME-Version", "1.0"),
        ("Content-Type", written.content_type),
        ("Content-Transfer-Encoding", written.encoding),
        ("Content-Language", letter.language),
        ("X-Letter-Evidence", letter.evidence),
        *([(AUTOMATIC.decode(), "auto-generated")] if letter.is_automatic else []),
    ]
    return "".join(folded(name, value) for name, value in fields)


def fingerprint(wire: bytes) -> str:
    """The SHA-256 of a letter's bytes, in hex; every later attempt must give the same."""
    return hashlib.sha256(wire).hexdigest()
