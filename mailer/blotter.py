"""
Which letter is being written just now, noted where it outlives the process.

    courier (render, compose)  >  BLOTTER  >  recovery

A template or a name may kill whoever writes that letter: the memory runs out, a library crashes. Every start would meet the
same letter again. So the courier notes the letter before it writes it and wipes the note behind it, and whoever starts behind
a death finds which letter was being written: that death counts against it, and a kill from outside at any other moment counts
against none.

The note is written into the kernel's memory, not to the disk: it outlives every death of the process, which is all that it is
for. A power failure may lose it, and then nothing is counted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailer.errors import CannotWrite

_WIDTH = 40  # bytes; a note is always as long, so that a wiped one leaves nothing behind
_WIPED = b" " * _WIDTH


class Blotter:
    """One file with at most one note: (letter, attempt)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    @contextmanager
    def writing(self, letter: int, attempt: int) -> Iterator[None]:
        """
        Note a letter as long as the block lasts.

        Raises:
            CannotWrite: the note cannot be written.
        """
        self._note(f"{letter} {attempt}".encode().ljust(_WIDTH))
        try:
            yield
        finally:
            self._note(_WIPED)

    def left(self) -> tuple[int, int] | None:
        """The letter and attempt that were being written when the last process died; None if it died elsewhere."""
        try:
            words = self._path.read_bytes().split()
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise CannotWrite(f"{self._path}: it cannot be read ({problem.strerror})") from problem
        if len(words) != 2 or not all(word.isdigit() for word in words):
            return None
        return int(words[0]), int(words[1])

    def wipe(self) -> None:
        """Forget the note: it has been counted."""
        self._note(_WIPED)

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _note(self, text: bytes) -> None:
        try:
            if self._handle is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                self._handle = os.open(self._path, flags, 0o600)
            os.pwrite(self._handle, text, 0)
        except OSError as problem:
            raise CannotWrite(f"{self._path}: it cannot be written ({problem.strerror})") from problem
