"""
Whether a file holds a person, known by their address.

    a file in done/, rejected/, incoming/, the sandbox  >  TRACES  >  erasure

Plain text is searched as it stands, in every encoding that writes an address as its letters, and in UTF-16; what is packed or
writes characters otherwise (JSON, YAML, a domain in its own script) is read as a sheet, cell by cell. What can be read neither
way is not known to hold anybody, and that is what is said of it. A person whom a file names under another address is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from mailer import address, sheets
from mailer.address import Address
from mailer.errors import UnreadableFile

_CHUNK = 1 << 20
_PLAIN = (".csv", ".tsv", ".txt")
_WORD = re.compile(r"[^\s<>()\[\],;:\"'|=]+@[^\s<>()\[\],;:\"'|=]+")


@dataclass(frozen=True)
class Needle:
    """One address that is looked for, in the forms in which it may stand in a file."""

    address: Address

    @cached_property
    def forms(self) -> tuple[bytes, ...]:
        """As bytes, in small letters."""
        key = self.address.key
        return key.encode(), key.encode("utf-16-le"), key.encode("utf-16-be")

    @property
    def is_plain(self) -> bool:
        """Whether every text writes it with the same letters: a domain in its own script may stand there as such."""
        return "xn--" not in self.address.domain

    def is_in_cell(self, text: str) -> bool:
        """
        Whether a cell holds the address, alone or among other words.

        >>> Needle(address.parse("jane@xn--bcher-kva.example")).is_in_cell("Jane Doe <Jane@Bücher.example>, Riga")
        True
        """
        if self.address.local.casefold() not in text.casefold():
            return False
        return any(self._is(word) for word in _WORD.findall(text))

    def _is(self, word: str) -> bool:
        try:
            return address.parse(word.strip(".")).key == self.address.key
        except ValueError:
            return False


def is_there(needle: Needle, stream: BinaryIO, name: str) -> bool | None:
    """Whether a file holds the address; None where its form cannot be searched. `name` says which form it has."""
    if in_bytes(needle, stream):
        return True
    if needle.is_plain and name.casefold().endswith(_PLAIN):
        return False
    stream.seek(0)
    try:
        return any(needle.is_in_cell(cell) for row in sheets.read(stream, name).rows for cell in row.cells.values())
    except UnreadableFile:
        return False if needle.is_plain and name.casefold().endswith((".eml", ".html", ".md")) else None


def in_bytes(needle: Needle, stream: BinaryIO) -> bool:
    """Whether the bytes of a file hold the address, without regard to case."""
    return any(form in chunk for chunk in _chunks(stream, max(map(len, needle.forms))) for form in needle.forms)


def _chunks(stream: BinaryIO, overlap: int) -> Iterator[bytes]:
    """A file in small letters, piece by piece, each with the end of the one before it."""
    end = b""
    while chunk := stream.read(_CHUNK):
        piece = end + chunk.lower()
        yield piece
        end = piece[-overlap:]
