"""
A letter's body: its text, and the same in HTML where a campaign has a template for it.

    text, html  >  BODY  >  7-bit bytes with CRLF, their Content-Type and transfer encoding

The text is format=flowed, so that a narrow window wraps it anew and a wide one shows whole paragraphs, and goes as it stands
(7bit) where it is ASCII, else quoted-printable: what is plain stays readable in the bytes. With HTML both are one
multipart/alternative, the text first. Its boundary is derived from the letter and from nothing else, so that every attempt
gives the same bytes, and never occurs in what it bounds.

RFC 2045 6.7 (quoted-printable), RFC 2046 5.1 (multipart), RFC 3676 (flowed).
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

_FLOW = 72  # columns of a flowed line, its trailing space included (RFC 3676 4.2 asks for at most 78)
_TEXT = "text/plain; charset=utf-8; format=flowed"
_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes that end in CRLF, and what the two header fields about them say."""

    content_type: str
    encoding: str
    data: bytes


def body(text: str, html: str, letter: str) -> Body:
    """The body of one letter; `letter` is what no other letter is called (its Message-ID)."""
    plain = _encoded(_TEXT, flowed(text))
    return _alternative(plain, _encoded(_HTML, _unmarked(html)), letter) if html else plain


def _unmarked(html: str) -> str:
    """HTML without what mail servers change on its way: spaces at line ends, and a "From " that begins a line."""
    lines = (line.rstrip() for line in html.strip("\n").split("\n"))
    return "\n".join(" " + line if line.startswith("From ") else line for line in lines)


def _alternative(plain: Body, html: Body, letter: str) -> Body:
    parts = [
        f"Content-Type: {one.content_type}\r\nContent-Transfer-Encoding: {one.encoding}\r\n\r\n".encode("ascii") + one.data
        for one in (plain, html)
    ]
    boundary = _boundary(letter, b"".join(parts))
    between = f"\r\n--{boundary}".encode("ascii")  # its first CRLF is its own, so each part keeps its last line end
    data = (between + b"\r\n" + parts[0] + between + b"\r\n" + parts[1] + between + b"--\r\n").removeprefix(b"\r\n")
    return Body(f'multipart/alternative; boundary="{boundary}"', "7bit", data)


def _boundary(letter: str, inside: bytes) -> str:
    """
    A boundary that every attempt of a letter chooses again, and that does not stand in what it bounds.

    >>> _boundary("<1@campaign.example>", b"") == _boundary("<1@campaign.example>", b"other words")
    True
    """
    candidates = (f"=_{hashlib.sha256(f'{number} {letter}'.encode()).hexdigest()[:32]}" for number in count())
    return next(boundary for boundary in candidates if boundary.encode("ascii") not in inside)


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


def _encoded(content_type: str, text: str) -> Body:
    """A text with LF line ends as it goes out: 7bit where every line is short ASCII, else quoted-printable."""
    lines = text.split("\n")
    if text.isascii() and not any(len(line) > 998 for line in lines) and all(c.isprintable() or c == "\n" for c in text):
        return Body(content_type, "7bit", "\r\n".join([*lines, ""]).encode("ascii"))
    return Body(content_type, "quoted-printable", _quoted_printable(lines))


def _quoted_printable(lines: Sequence[str]) -> bytes:
    r"""
    Lines by RFC 2045 6.7, soft-broken at 76 columns; a trailing space is written as it must be, as =20.

    >>> _quoted_printable(["naïve ", "=" * 26])
    b'na=C3=AFve=20\r\n=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=\r\n=3D\r\n'
    """
    # One line at a time: to b2a_qp a line end is one of its own. Its soft breaks end in LF where a line holds none.
    encoded = [binascii.b2a_qp(line.encode("utf-8"), quotetabs=False, istext=False, header=False) for line in lines]
    return b"\r\n".join([*encoded, b""]).replace(b"=\n", b"=\r\n")
