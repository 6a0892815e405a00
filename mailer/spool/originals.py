"""
Mailer's own copy of a claimed file, and the organiser's file itself for as long as somebody may still write to it.

    claimed/x  >  claimed/.<id>.copy (read)  >  done/x.csv          the copy: mailer's own, which nobody else can change
    claimed/x  >  claimed/.read/<id>-seen<mark>.…  >  (let go)      the file as it was dropped, out of everybody's reach

A file that was moved stays open to whoever writes it: an upload over a line that stands still goes on behind the claim, and its
owner keeps every right to it. So what is read, and kept in `done/`, is a copy; and the file is looked at for an hour more. Its
name tells by a mark what it looked like when it was read. Nothing is decided here: `intake` says what follows.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from mailer.spool import files, names
from mailer.spool.files import Claimed, Waiting
from mailer.spool.folders import READ, Folder, about, explained, is_plain
from mailer.spool.names import Label

FOLDER = ".read"  # below claimed/
WATCHED_FOR = 3600.0  # seconds without a change, behind which nobody is taken to write to a file any more
_CREATE = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_AT_ONCE = 1 << 26  # bytes that the system copies in one call
_CANNOT = frozenset({errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP})


@dataclass(frozen=True, slots=True)
class Copy:
    """A claimed file's copy, open for reading. `seen` is what the file looked like before it was copied."""

    claimed: Claimed
    stream: BinaryIO
    seen: os.stat_result

    def close(self) -> None:
        """Close the copy, which stays where it is."""
        self.stream.close()


class Originals:
    """The files that were read, as their organisers dropped them."""

    def __init__(self, claimed: Path) -> None:
        self._claimed = claimed

    def late(self, now: float) -> list[Waiting]:
        """Those that were written to after they had been read, oldest first; each is to be claimed and read again."""
        return [Waiting.of((one.folder, one.name), found, now, one.id) for one, found in self._all() if _is_late(one, found)]

    def late_ones(self) -> int:
        """How many were written to after they had been read."""
        return sum(_is_late(one, found) for one, found in self._all())

    def unchanged(self) -> list[tuple[str, Path]]:
        """The others, by the id of their claim; all that they hold is in `done/` too."""
        place = self._claimed / FOLDER
        return [(label.id, place / label.text) for label, found in self._all() if not _is_late(label, found)]

    def let_go(self, now: float) -> None:
        """
        Remove those that have stood still for `WATCHED_FOR`, and copies whose file somebody took away.

        Raises:
            CannotWrite: one cannot be removed.
        """
        self.forget(one.id for one, found in self._all() if not _is_late(one, found) and now - found.st_ctime > WATCHED_FOR)
        with explained(), suppress(FileNotFoundError), Folder(self._claimed) as claimed:
            there = claimed.names()
            wanted = {names.copy(label.id) for name in there if (label := names.read(name))}
            for stray in [name for name in there if names.is_copy(name) and name not in wanted]:
                claimed.remove(stray)

    def forget(self, ids: Iterable[str]) -> None:
        """
        Remove some of them now.

        Raises:
            CannotWrite: one cannot be removed.
        """
        wanted = set(ids)
        if not wanted:
            return
        with explained(), suppress(FileNotFoundError), Folder(self._claimed) as claimed, claimed.sub(FOLDER) as read:
            for label in files.labels(read):
                if label.id in wanted:
                    read.remove(label.text)

    def _all(self) -> list[tuple[Label, os.stat_result]]:
        """What lies there and what it looks like now, oldest first."""
        found: list[tuple[Label, os.stat_result]] = []
        with explained(), suppress(FileNotFoundError), Folder(self._claimed) as claimed, claimed.sub(FOLDER) as read:
            for label in sorted(files.labels(read), key=lambda label: label.id):
                if (status := read.look(label.text)) is not None:
                    found.append((label, status))
        return found


def copy(claimed: Claimed, folder: Folder) -> Copy:
    """
    Copy a claimed file, durably, over what an earlier reading has left; it keeps the date of the file.

    Raises:
        UnreadableFile: it is no file, has a second name, or may not be read.
        OSError: the disk fails, or is full; nothing is left of the copy.
    """
    name = names.copy(claimed.id)
    with claimed.open() as original:
        seen = os.fstat(original.fileno())
        with about(folder.path):
            handle = os.open(name, _CREATE, 0o600, dir_fd=folder.handle)
            try:
                _pour(original, handle)
                os.utime(handle, ns=(seen.st_atime_ns, seen.st_mtime_ns))
                os.fsync(handle)
                os.lseek(handle, 0, os.SEEK_SET)
            except BaseException:
                os.close(handle)
                with suppress(OSError):
                    folder.remove(name)
                raise
    return Copy(claimed, os.fdopen(handle, "rb"), seen)


def _pour(original: BinaryIO, handle: int) -> None:
    """Copy within the system, where it can; a disk that shares blocks between files then shares them (copy_file_range(2))."""
    try:
        while os.copy_file_range(original.fileno(), handle, _AT_ONCE):
            pass
    except OSError as problem:
        if problem.errno not in _CANNOT or os.lseek(handle, 0, os.SEEK_CUR):
            raise
        with open(handle, "wb", closefd=False) as plainly:
            while chunk := original.read(_AT_ONCE >> 6):
                plainly.write(chunk)


def is_laid(id: str, claimed: Folder, target: Folder, name: str) -> bool:
    """Whether what stands there is the copy of a claimed file already, laid there before a crash."""
    own, found = claimed.look(names.copy(id)), target.look(name)
    if own is None or found is None or not is_plain(found) or (found.st_uid, found.st_size) != (own.st_uid, own.st_size):
        return False
    return _digest(claimed, names.copy(id)) == _digest(target, name)


def lay(id: str, claimed: Folder, target: Folder, name: str) -> None:
    """Move a copy to where it is kept, for the group of that folder to read."""
    own = names.copy(id)
    if is_laid(id, claimed, target, name):
        claimed.remove(own)
        return
    claimed.fit(own, os.stat(target.handle).st_gid)
    claimed.move(own, target, name)


def put_by(label: Label, claimed: Folder, seen: os.stat_result) -> None:
    """Move the file itself to those that were read, under a mark of what it looked like then."""
    claimed.make(FOLDER, 0o700)
    with claimed.sub(FOLDER) as read:
        claimed.move(label.text, read, replace(label, into="", number=0, seen=_mark(seen)).text)


def _mark(found: os.stat_result) -> str:
    """What a file looks like, as a word: another one behind a write, the same when it is moved, or put back by a backup."""
    told = f"{found.st_size} {found.st_mtime_ns}"
    return names.digits(int.from_bytes(hashlib.sha256(told.encode()).digest()[:8]))


def _is_late(label: Label, found: os.stat_result) -> bool:
    return _mark(found) != label.seen


def _digest(folder: Folder, name: str) -> bytes:
    with about(folder.path), os.fdopen(os.open(name, READ, dir_fd=folder.handle), "rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
