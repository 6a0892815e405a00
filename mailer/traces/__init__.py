"""
Which of some people a file holds, known by their addresses.

    a file in done/, rejected/, incoming/, the sandbox  >  TRACES  >  erasure

Every file is read once, for all who are looked for: as bytes in whatever encoding, unpacked where it is packed, in all parts of
a workbook, and with the escapes undone in which JSON, XML, letters and links write characters. What cannot be read so, or is no
text, is said not to be searchable, and never called clean. A person whom a file names under another address is not found.

    unwrapped  a file as the texts in it        wanted  whose addresses stand in a text
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from mailer.traces.unwrapped import Unsearchable, folded, pieces, texts, views
from mailer.traces.wanted import Wanted

__all__ = ["Trace", "Wanted", "in_plain_letters", "search"]


@dataclass(frozen=True, slots=True)
class Trace:
    """Who stands in a file, by the numbers of `Wanted`. `is_searched`: nobody else does; if not, anybody may."""

    found: frozenset[int]
    is_searched: bool = True


def search(wanted: Wanted, stream: BinaryIO, name: str = "") -> Trace:
    """Who stands in a file, or in its name."""
    found: set[int] = set()
    for view in views(name):
        found |= wanted.in_text(folded(view))
    try:
        for text in texts(stream, in_old_encodings=wanted.has_own_script):
            found |= wanted.in_text(text)
    except Unsearchable:
        return Trace(frozenset(found), is_searched=False)
    return Trace(frozenset(found))


def in_plain_letters(wanted: Wanted, stream: BinaryIO) -> bool:
    """Whether anybody's address stands in the bytes of a file, letter by letter; quicker than `search`."""
    return any(wanted.in_text(piece) for piece in pieces(stream, "latin-1"))
