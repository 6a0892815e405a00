"""
A file on its way through the spool, as the caller holds it: waiting, odd, or claimed.

Only a regular file with one link is ever opened, and only out of `claimed/`, where nobody but mailer can put another one in
its place. What it looks like is asked of the handle that is then read. Nothing is moved here.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import BinaryIO, Self

from mailer.errors import UnreadableFile
from mailer.spool import names
from mailer.spool.folders import READ, Folder, about, explained
from mailer.spool.names import Into, Label

_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """
    A file seen in `incoming/`, or one that was read and written to since: then `id` is the claim under which it was. Two looks
    at one that nobody touched are equal.

    Its name is as the organiser, or an attacker, wrote it: not for printing. `ctime_ns` is when anything about it last changed,
    which nobody can set: copies that keep a file's old date set `mtime_ns` while they still write.
    """

    campaign_folder: str
    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    seen_at: float = field(compare=False)
    id: str = ""

    @property
    def changed_at(self) -> float:
        """When it was last written to, renamed or touched, as far as the disk says; seconds since 1970."""
        return max(self.mtime_ns, self.ctime_ns) / 1e9

    @classmethod
    def of(cls, place: tuple[str, str], found: os.stat_result, now: float, id: str = "") -> Self:
        """What stands at a place: campaign's folder and name."""
        return cls(*place, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, now, id)

    def is_as_seen(self, now: os.stat_result | None) -> bool:
        """Whether the same file still stands there, unchanged."""
        seen = (self.size, self.mtime_ns, self.ctime_ns, self.inode)
        return now is not None and seen == (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino)


@dataclass(frozen=True, slots=True)
class Odd:
    """Something in `incoming/` or `claimed/` (`folder`) that is no file to read, and why; to be set aside."""

    folder: str
    campaign_folder: str
    name: str
    reason: str
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file that this worker has. `name` is its own name made safe to print; `folder` its campaign's, or empty."""

    id: str
    folder: str
    name: str
    path: Path

    def open(self) -> BinaryIO:
        """
        Open it for reading; all work is done on this one handle.

        Raises:
            UnreadableFile: it is not a file, has a second name, or may not be read.
            CannotWrite: it is gone, or the disk fails.
        """
        with explained(), Folder(self.path.parent) as folder:
            name = present(folder, self.id).text
            _refuse(folder.look(name))
            try:
                with about(folder.place_of(name)):
                    stream = os.fdopen(os.open(name, READ, dir_fd=folder.handle), "rb")
            except PermissionError as problem:
                raise UnreadableFile(
                    "mailer may not read it: let its group read it (its properties, or chmod g+r), and drop it again"
                ) from problem
            try:
                _refuse(os.fstat(stream.fileno()))
            except UnreadableFile:
                stream.close()
                raise
            return stream


@dataclass(frozen=True, slots=True)
class Done:
    """A file in `done/`, which stays there. `name` is safe to print; `folder` its campaign's, or empty."""

    folder: str
    name: str
    path: Path

    def open(self) -> BinaryIO:
        """
        Open it for reading.

        Raises:
            UnreadableFile: it is no file any more, or may not be read.
        """
        try:
            stream = os.fdopen(os.open(self.path, READ), "rb")
        except OSError as problem:
            raise UnreadableFile(f"it cannot be read: {problem.strerror}") from problem
        if fault(os.fstat(stream.fileno())):
            stream.close()
            raise UnreadableFile("it is no file")
        return stream


def claimed(folder: Path, label: Label) -> Claimed:
    """What a name in `claimed/` stands for."""
    return Claimed(label.id, label.folder, names.safe(label.name), folder / label.text)


def labels(folder: Folder) -> list[Label]:
    """The names in `claimed/` that mailer gave."""
    return [label for name in folder.names() if (label := names.read(name))]


def present(folder: Folder, id: str) -> Label:
    """What a claimed file is called just now: its name changes when one in another folder is reserved."""
    for label in labels(folder):
        if label.id == id:
            return label
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder.path / id))


def reserved(label: Label, into: Into, endings: list[str], claimed: Folder, target: Folder) -> Label:
    """
    Reserve the number under which a file leaves `claimed/`, by a rename there; one reserved before a crash stays.

    Neither the file nor one beside it may stand where another stands or is about to.
    """
    if label.into == into and target.look(label.final) is None:
        return label
    others = [other for other in labels(claimed) if other.id != label.id]
    taken = {name for other in others if (other.into, other.folder) == (into, label.folder) for name in _wanted(other, endings)}
    wishes = (replace(label, into=into, number=number) for number in count(1))
    wish = next(one for one in wishes if taken.isdisjoint(_wanted(one, endings)) and not _stand(_wanted(one, endings), target))
    claimed.move(label.text, claimed, wish.text)
    return wish


def _wanted(label: Label, endings: list[str]) -> list[str]:
    return [label.final, *(label.beside(ending) for ending in endings)]


def _stand(wanted: list[str], target: Folder) -> bool:
    return any(target.look(name) for name in wanted)


def fault(found: os.stat_result) -> str:
    """Why something cannot be taken for a file; empty for a regular file with one link."""
    if not stat.S_ISREG(found.st_mode):
        return f"it is {_KINDS.get(stat.S_IFMT(found.st_mode), 'something else')}, not a file: drop the file itself"
    if found.st_nlink > 1:
        return "the same file stands elsewhere too, under another name (a hard link): drop a copy"
    return ""


def same(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether it is the same file, not written to, linked or touched between the two."""
    return all(getattr(one, of) == getattr(other, of) for of in ("st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"))


def _refuse(found: os.stat_result | None) -> None:
    if found is not None and (reason := fault(found)):
        raise UnreadableFile(reason)
