"""
The last look at a letter's bytes before they may leave.

    compose  >  PROOF  >  relay

It trusts nothing of what composed them: the bytes are read again against the rules of the wire (7-bit, CRLF only, lines of at
most 998, exactly one of each header field), part by part where there are parts. A signature may stand above the fields, and
nothing else. It knows no letter, so it cannot tell whether they say what was meant; the tests do, by parsing each back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

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
AUTOMATIC = b"Auto-Submitted"  # a notice has it and a letter never: nobody is to answer it by a machine (RFC 3834)
SIGNATURE = b"DKIM-Signature"

_OPTIONAL = {b"Cc"}
_OPTIONAL_OF_A_NOTICE = {b"Cc", b"Reply-To"}
_OF_A_PART = [b"Content-Type", b"Content-Transfer-Encoding"]
_MOST_SIGNATURES = 2  # one a kind of key
_TEXT = rb"text/plain; charset=utf-8; format=flowed"
_TYPE = re.compile(rb'^Content-Type: (?:%s|multipart/alternative;\s+boundary="(=_[0-9a-f]{32})")$' % _TEXT, re.MULTILINE)


def prove(wire: bytes) -> None:
    """
    Check the bytes of a letter, signed or not yet, against the rules of the wire.

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
    if max(map(len, wire.split(b"\r\n"))) > 998:
        raise WireProblem("the letter has a line longer than 998 bytes")
    names = _unsigned(_names(head))
    fields, optional = ((*HEADERS, AUTOMATIC), _OPTIONAL_OF_A_NOTICE) if AUTOMATIC in names else (HEADERS, _OPTIONAL)
    if sorted(names) != sorted(name for name in fields if name in names or name not in optional):
        raise WireProblem("the letter's headers are not exactly one of each: " + b", ".join(names).decode("ascii"))
    typed = _TYPE.search(head.replace(b"\r\n", b"\n"))
    if typed is None:
        raise WireProblem("the letter is of a type that mailer does not write")
    if boundary := typed[1]:
        _prove_parts(boundary, body)


def _names(head: bytes) -> list[bytes]:
    return [line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]


def _unsigned(names: Sequence[bytes]) -> Sequence[bytes]:
    for place in range(_MOST_SIGNATURES):
        if names[place : place + 1] != [SIGNATURE]:
            return names[place:]
    return names[_MOST_SIGNATURES:]


def _prove_parts(boundary: bytes, body: bytes) -> None:
    """Two parts, each with its two fields and a body, and the boundary nowhere else."""
    first, between, last = b"--%s\r\n" % boundary, b"\r\n--%s\r\n" % boundary, b"\r\n--%s--\r\n" % boundary
    parts = body.removeprefix(first).removesuffix(last).split(between)
    is_bounded = body.startswith(first) and body.endswith(last) and len(parts) == 2
    if not is_bounded or any(boundary in part for part in parts):
        raise WireProblem("the letter's parts are not bounded by their boundary")
    for part in parts:
        fields, separator, content = part.partition(b"\r\n\r\n")
        if not separator or not content.endswith(b"\r\n") or _names(fields) != _OF_A_PART:
            raise WireProblem("a part of the letter has no body, or not exactly its two headers")
