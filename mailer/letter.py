"""
The exact bytes of one letter on the wire.

    signature > LETTER > courier > relay

`compose` writes every byte itself: RFC 5322 headers with RFC 2047 words, CRLF only, a format=flowed text body in 7bit or
quoted-printable. The standard library's EmailMessage is not used because it lets header text through as new headers
(CVE-2024-6923), turns long names into second addresses and mangles lists with one non-ASCII name (CVE-2025-1795); the
tests parse every letter back with it and compare. `prove` is the last look before bytes may leave.

Values are never trusted to be clean: whatever is not plain printable ASCII words goes out as an encoded word, so no value
can end a header. No dot-stuffing here: that belongs to the wire (`relay`). No file, no clock, no randomness.

RFC 5322 (format), RFC 2047 (words), RFC 2045 6.7 (quoted-printable), RFC 3676 (flowed), RFC 5321 4.5.3.1.6 (998).
"""

from __future__ import annotations

import binascii
import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from mailer.address import Address
from mailer.errors import WireProblem

HEADERS = (
    b"Date",
    b"From",
    b"Reply-To",
    b"To",
    b"Cc",
    b"Subject",
    b"Message-ID",
    b"MIME-Version",
    b"Content-Type",
    b"Content-Transfer-Encoding",
    b"Content-Language",
    b"X-Letter-Evidence",
)
_OPTIONAL = {b"Cc"}
_FOLD = 76  # columns; RFC 5322 recommends at most 78, an encoded word holds at most 75
_FLOW = 72  # columns of a flowed line, its trailing space included (RFC 3676 4.2 asks for at most 78)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address as a header shows them; the name may be empty."""

    name: str
    address: Address


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter, ready to be composed. `text` has LF line ends; `date` is aware; `message_id` has its brackets."""

    sender: Mailbox
    reply_to: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    subject: str
    text: str
    language: str
    date: datetime
    message_id: str
    evidence: str


def compose(letter: Letter) -> bytes:
    """
    Write the bytes of a letter, from the first header to the last CRLF of the body, and prove them.

    Raises:
        WireProblem: the bytes break a rule; the letter must not leave.
    """
    try:
        wire = _written(letter)
    except UnicodeEncodeError as problem:
        raise WireProblem(f"a text cannot be encoded at character {problem.start}: this is a bug in mailer") from None
    prove(wire)
    return wire


def _written(letter: Letter) -> bytes:
    encoding, body = _encoded(flowed(letter.text))
    fields = [
        ("Date", format_datetime(letter.date)),
        ("From", _mailboxes([letter.sender])),
        ("Reply-To", _mailboxes([letter.reply_to])),
        ("To", _mailboxes(letter.to)),
        *([("Cc", _mailboxes(letter.cc))] if letter.cc else []),
        ("Subject", unstructured(letter.subject)),
        ("Message-ID", letter.message_id),
        ("MIME-Version", "1.0"),
        ("Content-Type", "text/plain; charset=utf-8; format=flowed"),
        ("Content-Transfer-Encoding", encoding),
        ("Content-Language", letter.language),
        ("X-Letter-Evidence", letter.evidence),
    ]
    return "".join(_folded(name, value) for name, value in fields).encode("ascii") + b"\r\n" + body


def fingerprint(wire: bytes) -> str:
    """The SHA-256 of a letter's bytes, in hex; every later attempt must give the same."""
    return hashlib.sha256(wire).hexdigest()


def prove(wire: bytes) -> None:
    """
    Check the bytes of a letter against the rules of the wire.

    Raises:
        WireProblem: naming the first rule that is broken.
    """
    head, separator, body = wire.partition(b"\r\n\r\n")
    if not separator or not body.endswith(b"\r\n"):
        raise WireProblem("the letter has no body, or does not end in CRLF")
    bare = wire.replace(b"\r\n", b"")
    if b"\r" in bare or b"\n" in bare:
        raise WireProblem("the letter has a bare CR or LF")
    if b"\0" in bare or not bare.isascii():
        raise WireProblem("the letter has a byte that is not 7-bit text")
    if any(len(line) > 998 for line in wire.split(b"\r\n")):
        raise WireProblem("the letter has a line longer than 998 bytes")
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
    if sorted(names) != sorted(name for name in HEADERS if name in names or name not in _OPTIONAL):
        raise WireProblem("the letter's headers are not exactly one of each: " + b", ".join(names).decode("ascii"))


def flowed(text: str) -> str:
    """
    Wrap paragraphs as format=flowed: a line that ends in a space goes on in the next one (RFC 3676 4.2).

    >>> flowed("From me")
    ' From me'
    """
    lines = [soft for line in text.strip("\n").split("\n") for soft in _soft_lines(line.rstrip())]
    return "\n".join(lines)


def _soft_lines(line: str) -> Iterator[str]:
    """
    One paragraph as lines of at most _FLOW columns, broken only behind single spaces, each stuffed where needed.

    It is never broken behind two dashes that begin a line: "-- " would be a signature separator, which is not flowed.
    """
    rest = line
    while len(rest) > _FLOW - 2:
        shortest = 3 if rest.startswith("-- ") else 1
        cut = rest.rfind(" ", shortest, _FLOW - 1)
        cut = cut if cut > 0 else rest.find(" ", shortest)
        if cut < 0:
            break
        yield _stuffed(rest[: cut + 1])
        rest = rest[cut + 1 :]
    yield _stuffed(rest)


def _stuffed(line: str) -> str:
    return " " + line if line.startswith((" ", ">", "From ")) else line


def _encoded(text: str) -> tuple[str, bytes]:
    """The body's transfer encoding and bytes: 7bit where every line is short ASCII, else quoted-printable."""
    lines = text.split("\n")
    if text.isascii() and not any(len(line) > 998 for line in lines) and all(c.isprintable() or c == "\n" for c in text):
        return "7bit", "\r\n".join([*lines, ""]).encode("ascii")
    return "quoted-printable", b"".join(_quoted_printable(line) + b"\r\n" for line in lines)


def _quoted_printable(line: str) -> bytes:
    r"""
    One line by RFC 2045 6.7, soft-broken at 76 columns; a trailing space is written as it must be, as =20.

    >>> _quoted_printable("naïve ")
    b'na=C3=AFve=20'
    """
    # b2a_qp writes its soft breaks with the line end it finds, LF where there is none.
    encoded = binascii.b2a_qp(line.encode("utf-8"), quotetabs=False, istext=False, header=False)
    return encoded.replace(b"=\n", b"=\r\n")


_BROKEN = frozenset("\r\n\0")
_PLAIN = re.compile(r"(?!.*=\?)[\x21-\x7e]{1,60}(?: [\x21-\x7e]{1,60})*")


def unstructured(text: str) -> str:
    """
    A Subject's value: as it stands where it is plain printable words, else as encoded words.

    >>> unstructured("Drop the charges"), unstructured("Снимите")
    ('Drop the charges', '=?utf-8?b?0KHQvdC40LzQuNGC0LU=?=')
    """
    return text if _PLAIN.fullmatch(text) else _encoded_words(text)


def _phrase(name: str) -> str:
    r"""
    A display name: quoted where it is plain, else as encoded words; never a second address.

    >>> _phrase('O\'Brien "Bob" <x>')
    '"O\'Brien \\"Bob\\" <x>"'
    """
    if not _PLAIN.fullmatch(name) or len(name) > 60:
        return _encoded_words(name)
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _encoded_words(text: str) -> str:
    """
    RFC 2047 B words of at most 75 columns, never splitting a character; joined by a space that readers drop.

    Line ends and NUL would do no harm on the wire; but whoever decodes them and writes the header anew writes two headers.
    """
    if not _BROKEN.isdisjoint(text):
        raise WireProblem("a name or a subject holds a line end or a NUL")
    words, chunk = [], b""
    for character in text:
        piece = character.encode("utf-8")
        if len(chunk) + len(piece) > 39:  # 52 columns of base64, 64 with the frame: the first word fits its line too
            words.append(chunk)
            chunk = b""
        chunk += piece
    words.append(chunk)
    return " ".join(f"=?utf-8?b?{b64encode(word).decode()}?=" for word in words)


def _mailboxes(mailboxes: Sequence[Mailbox]) -> str:
    return ", ".join(f"{_phrase(m.name)} <{m.address}>" if m.name else str(m.address) for m in mailboxes)


def _folded(name: str, value: str) -> str:
    """One header field, folded before spaces so that lines keep within _FOLD columns wherever a space allows it."""
    lines, line = [], name + ":"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > _FOLD and line.strip(" ") and line != name + ":":
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]) + "\r\n"
