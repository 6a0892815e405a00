"""
A log file and those into which it was rotated, read on from where it was left. Part of `maillog`.

A place is a file and a byte in it. The file is known again by its first bytes, for inodes are given to new files, and a log
that is copied and emptied (copytruncate) goes on under another one. So what was begun is finished wherever it lies now
(`mail.log.1`, `mail.log.2`, `mail.log-20110920`), then the next newer one is read from its beginning, and at last the log
itself.

Only whole lines are read: one that is being written is left for the next time. What was compressed by gzip is read as well, for
`postfix logrotate` does that at once; by another program it is not. What cannot be found any more was lost, and that is told.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

_KNOWN_BY = 1_024  # bytes by which a file is known again
_AT_ONCE = 512 * 1024  # bytes that are read at once
_PACKED = ".gz"


class Trouble(Exception):
    """The log cannot be read just now, in a sentence; it stops nothing else."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a log was read: which file (device and inode, and the hash of its first `length` bytes), and the next byte."""

    file: str
    length: int = 0
    print: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """
    Whole lines, and the place behind them. `left` is how many bytes there are to read yet, whole lines or not.

    `is_lost`: what was read last is not there any more, so that lines may have been missed.
    """

    lines: tuple[bytes, ...]
    place: Place
    left: int = 0
    is_lost: bool = False


@dataclass(frozen=True, slots=True)
class _File:
    """One file of a log, as it was looked at; its size is that of what is in it, also where that is packed."""

    path: Path
    id: str
    size: int
    changed_at: float

    @property
    def is_packed(self) -> bool:
        """Whether it is compressed."""
        return self.path.suffix == _PACKED


class Follower:
    """One log, by the path at which it is written."""

    def __init__(self, path: Path, at_once: int = _AT_ONCE) -> None:
        self.path = path
        self._at_once = at_once
        self._unpacked: tuple[str, gzip.GzipFile] | None = None

    @property
    def name(self) -> str:
        """By what the ledger knows it."""
        return str(self.path)

    def next(self, place: Place | None, read_at: int = 0) -> Piece:
        """
        The next lines behind a place, of one file; none where all was read. Without a place it begins with the log as it is.

        `read_at` is when it was read last (seconds since 1970): where that place is gone, older files are not read again.

        Raises:
            Trouble: it cannot be read.
        """
        files = self._files()
        if not files:
            raise Trouble(f"{self.path}: there is no such file")
        known = self._found(files, place) if place else None
        is_lost = place is not None and known is None
        if known is None or place is None:
            newer = [number for number, file in enumerate(files) if is_lost and file.changed_at >= read_at]
            at = newer[0] if newer else len(files) - 1
            behind = Place(files[at].id)
        else:
            at, behind = known, place
        while True:
            lines, behind = self._read(files[at], behind)
            newer = [number for number in range(at + 1, len(files)) if files[number].size]
            if lines or not newer:
                left = sum(file.size for file in files[at:]) - behind.offset
                return Piece(lines, behind, max(0, left), is_lost)
            at = newer[0]  # whoever writes it has gone on to a newer one: nothing will be added here
            behind = Place(files[at].id)

    def _files(self) -> list[_File]:
        """The files of the log that can be read, the oldest first."""
        pattern = re.compile(re.escape(self.path.name) + r"(?:(?:\.([0-9]{1,4})|[.-]([0-9]{8}(?:-?[0-9]{1,10})?))(?:\.gz)?)?")
        found = []
        try:
            names = set(os.listdir(self.path.parent))
            for name in names:
                if name.removesuffix(_PACKED) in names - {name}:
                    continue  # it is being compressed just now
                if known := pattern.fullmatch(name):
                    order = (0, known[2], 0, name) if known[2] else (1, "", -int(known[1] or -1), name)
                    found.append((order, self._looked_at(name)))
        except OSError as problem:
            raise Trouble(f"{self.path}: {self.path.parent} cannot be read ({problem.strerror})") from problem
        return [file for _, file in sorted(found, key=lambda one: one[0]) if file]

    def _looked_at(self, name: str) -> _File | None:
        path = self.path.parent / name
        try:
            seen = path.stat()
        except OSError:  # rotated away in this moment
            return None
        if not stat.S_ISREG(seen.st_mode):
            return None
        size = seen.st_size if path.suffix != _PACKED else _size_unpacked(path)
        return _File(path, f"{seen.st_dev}:{seen.st_ino}", size, seen.st_mtime)

    def _found(self, files: list[_File], place: Place) -> int | None:
        """Which of the files the place is in; the same inode goes before a copy."""
        for is_same in (True, False):
            for number in reversed(range(len(files))):
                file = files[number]
                if (file.id == place.file) is not is_same or file.size < place.offset:
                    continue
                if (place.length or is_same) and self._print(file, place.length) == place.print:
                    return number
        return None

    def _print(self, file: _File, length: int) -> str:
        return hashlib.sha256(self._bytes(file, 0, length)).hexdigest()[:32] if length else ""

    def _read(self, file: _File, place: Place) -> tuple[tuple[bytes, ...], Place]:
        """The whole lines behind a place in its file, as many as are read at once. One that is longer is passed over."""
        start = place.offset
        while data := self._bytes(file, start, self._at_once):
            end = data.rfind(b"\n") + 1
            if not end:
                start += len(data)
                continue
            # Behind a line that was too long for one look, its rest is no line.
            lines = data[: end - 1].split(b"\n")[start > place.offset :]
            start += end
            place = self._known(file, replace(place, file=file.id, offset=start))
            if lines:
                return tuple(lines), place
        return (), place

    def _known(self, file: _File, place: Place) -> Place:
        """A place with as much of the file's beginning as there may be for knowing it again."""
        if place.length == (length := min(place.offset, _KNOWN_BY)):
            return place
        return replace(place, length=length, print=self._print(file, length))

    def _bytes(self, file: _File, offset: int, count: int) -> bytes:
        if file.is_packed:
            return self._bytes_packed(file, offset, count)
        try:
            descriptor = os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as problem:
            raise Trouble(f"{file.path}: it cannot be read ({problem.strerror}); logs are often for the group adm") from problem
        try:
            seen = os.fstat(descriptor)
            if f"{seen.st_dev}:{seen.st_ino}" != file.id:
                return b""  # rotated in this moment: it is found next time
            return os.pread(descriptor, count, offset)
        except OSError as problem:
            raise Trouble(f"{file.path}: it cannot be read ({problem.strerror})") from problem
        finally:
            with suppress(OSError):
                os.close(descriptor)

    def _bytes_packed(self, file: _File, offset: int, count: int) -> bytes:
        """The same of a packed file, which is kept open: only forwards it is read without beginning anew."""
        try:
            if self._unpacked is None or self._unpacked[0] != file.id:
                self._close()
                self._unpacked = (file.id, gzip.open(file.path))  # noqa: SIM115  closed once it was read
            stream = self._unpacked[1]
            stream.seek(offset)
            data = stream.read(count)
        except PermissionError as problem:
            raise Trouble(f"{file.path}: it cannot be read ({problem.strerror})") from problem
        except (OSError, EOFError, zlib.error):  # it is cut off or damaged: what is left of it cannot be read
            data = b""
        if not data:
            self._close()
        return data

    def _close(self) -> None:
        if self._unpacked:
            self._unpacked[1].close()
        self._unpacked = None


def _size_unpacked(path: Path) -> int:
    """What a packed file says of its size, in its last four bytes (RFC 1952 2.3.1)."""
    try:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            return int.from_bytes(file.read(4), "little")
    except OSError:
        return 0
