"""
A letter's header fields: RFC 5322 fields with RFC 2047 words, folded.

Values are never trusted to be clean: whatever is not plain printable ASCII words goes out as encoded words, so no value can
end a field, and no name can become a second address. Nothing here knows which fields a letter has.

RFC 5322 (2.2.3 folding, 3.2.4 quoted strings), RFC 2047 (words of at most 75 columns).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from mailer.address import Address
from mailer.errors import WireProblem

_FOLD = 76  # columns; RFC 5322 recommends at most 78, an encoded word holds at most 75


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A name and an address as a header shows them; the name may be empty."""

    name: str
    address: Address


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


def mailboxes(named: Sequence[Mailbox]) -> str:
    """The value of an address field: From, Reply-To, To or Cc."""
    return ", ".join(f"{_phrase(m.name)} <{m.address}>" if m.name else str(m.address) for m in named)


def folded(name: str, value: str) -> str:
    """One header field, folded before spaces so that lines keep within _FOLD columns wherever a space allows it."""
    lines, line = [], name + ":"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > _FOLD and line.strip(" ") and line != name + ":":
            lines.append(line)
            line = ""
        line += " " + word
    return "\r\n".join([*lines, line]) + "\r\n"
