"""
A disk under SQLite that forgets, when the power goes, what it was not told to keep.

    disk = Disk(folder)                    # a VFS of its own, below every ledger that is opened from now on
    ... a ledger is used ...
    disk.moments[17].lay(elsewhere, LOST)  # the folder as it could be found, had the power gone just then

Files are written for real, in the folder. Beside them stands, for each, what was synced and what was written since; and for the
folder itself, which names were synced. Before and behind every sync, and whenever a test says so, all that is kept as a moment.
So one run gives every power loss that it could have met.

What SQLite relies on is modelled as its unix VFS does it: the first sync of a new log or rollback journal syncs the folder
too, a deletion does where it is asked to. Nothing else does; a name that was not synced may be missing, or back again. The
shared memory beside the log is memory: it is always lost. The journal's file is written by Python, which syncs with os.fsync:
`below` puts the disk there too.

Before each operation `meet` is asked, with its name; it may raise. A sync that fails loses what it was to keep, and the next
one does not know of it: so do the disks of Linux (fsyncgate).
"""

import itertools
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest

SECTOR = 512
LOST, KEPT = "all lost", "all kept"  # the two tidy ways; any other seed draws one

Write = tuple[int, bytes | None]  # where, and what; or the size to which the file was truncated, and None


@dataclass(slots=True)
class Inode:
    """One file: what it holds, what of that would outlive the power, and what was written since."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    since: list[Write] = field(default_factory=list)
    syncs_folder: bool = False

    def write(self, data: bytes, offset: int) -> None:
        self.since.append((offset, data))
        put(self.content, data, offset)

    def truncate(self, size: int) -> None:
        self.since.append((size, None))
        del self.content[size:]

    def sync(self) -> None:
        if self.since:
            self.durable = applied(self.durable, self.since)
            self.since.clear()

    def still(self) -> "Still":
        return Still(self.durable, tuple(self.since))


@dataclass(frozen=True, slots=True)
class Still:
    """A file at one moment."""

    durable: bytes
    since: tuple[Write, ...]

    def after(self, chance: Random | str) -> bytes:
        """What may be read once the power is back."""
        if chance == LOST:
            return self.durable
        content = applied(self.durable, torn(self.since, chance) if isinstance(chance, Random) else self.since)
        if isinstance(chance, Random) and chance.random() < 0.3:  # the length came through, what stands there did not
            longest = max((offset + len(data or b"") for offset, data in self.since), default=0)
            content += bytes(max(0, longest - len(content)))
        return content


def applied(before: bytes, writes: Iterable[Write]) -> bytes:
    content = bytearray(before)
    for offset, data in writes:
        if data is None:
            del content[offset:]
        else:
            put(content, data, offset)
    return bytes(content)


def put(content: bytearray, data: bytes, offset: int) -> None:
    content += bytes(max(0, offset - len(content)))
    content[offset : offset + len(data)] = data


def alike(one: bytes, other: bytes) -> int:
    """How many bytes two files have in common from their beginnings."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((number for number, (a, b) in pairs if a != b), min(len(one), len(other)))


def torn(writes: Sequence[Write], chance: Random) -> list[Write]:
    """Some sectors of some writes, in any order, here and there only the beginning of one."""
    likely = chance.choice([0.05, 0.5, 0.95])
    sectors: list[Write] = []
    for offset, data in writes:
        if data is None:
            sectors.append((offset, None))
            continue
        edges = [offset, *range(offset - offset % SECTOR + SECTOR, offset + len(data), SECTOR), offset + len(data)]
        sectors += [(a, data[a - offset : b - offset]) for a, b in itertools.pairwise(edges)]
    kept = [one for one in sectors if chance.random() < likely]
    if chance.random() < 0.7:
        chance.shuffle(kept)
    return [(at, data if data is None or chance.random() < 0.9 else data[: chance.randrange(len(data))]) for at, data in kept]


@dataclass(frozen=True, slots=True)
class Moment:
    """The folder as it is, and as it was synced, at one moment; `said` is how much the test's own list had come to."""

    what: str
    names: dict[str, Still]
    synced: dict[str, Still]
    said: int

    def lay(self, folder: Path, seed: int | str) -> None:
        """Lay the folder as it may be found once the power is back: `LOST`, `KEPT`, or by a number one of the others."""
        chance = seed if isinstance(seed, str) else Random(f"{self.what} {seed}")
        for name in self.names | self.synced:
            is_old = chance.random() < 0.5 if isinstance(chance, Random) else chance == LOST
            found = (self.synced if is_old else self.names).get(name)
            if found is not None:
                (folder / name).write_bytes(found.after(chance))


class Disk(apsw.VFS):
    """The disk of one folder, below everything that is opened while it is registered."""

    def __init__(self, folder: Path, meet: Callable[[str], None] = lambda operation: None, *, remembers: bool = True) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.remembers = remembers
        self._meet = meet
        self.moments: list[Moment] = []
        self.said: list[Any] = []  # what a test was promised, and saw, so far
        self.syncs = 0
        self._names = {path.name: Inode(bytearray(path.read_bytes()), path.read_bytes()) for path in folder.iterdir()}
        self._synced = dict(self._names)
        self._lock = threading.RLock()
        super().__init__("power", "unix", makedefault=True)

    def say(self, *what: Any) -> None:
        """Something was promised or seen: here and now it must hold, whatever becomes of the power."""
        with self._lock:
            self.said += what
            self.moment("behind " + ", ".join(map(str, what)))

    def moment(self, what: str) -> None:
        """The power may go now."""
        if not self.remembers:
            return
        with self._lock:
            self._look_at_foreign_files()
            names = {name: inode.still() for name, inode in self._names.items()}
            synced = {name: inode.still() for name, inode in self._synced.items()}
            self.moments.append(Moment(f"{len(self.moments)}: {what}", names, synced, len(self.said)))

    def meet(self, operation: str) -> None:
        self._meet(operation)

    # -- what SQLite asks of it

    def xOpen(self, name: Any, flags: list[int]) -> "File":
        self.meet("xOpen")
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name) if name else None
        with self._lock:
            if path is None or path.parent != self.folder:
                return File(self, Inode(), name, flags)
            if path.name not in self._names:
                is_log = flags[0] & (apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL)
                opened = File(self, Inode(syncs_folder=bool(is_log)), name, flags)
                self._names[path.name] = opened.inode
                return opened
            return File(self, self._names[path.name], name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.meet("xDelete")
        with self._lock:
            super().xDelete(filename, syncdir)
            path = Path(filename)
            if path.parent == self.folder:
                self._names.pop(path.name, None)
                if syncdir:
                    self._sync_folder()

    def sync(self, inode: Inode) -> None:
        with self._lock:
            self.syncs += 1
            self.moment(f"before sync {self.syncs}")
            inode.sync()
            if inode.syncs_folder:
                inode.syncs_folder = False
                self._sync_folder()
            self.moment(f"behind sync {self.syncs}")

    def _sync_folder(self) -> None:
        self._synced = dict(self._names)

    # -- what Python asks of it

    def fsync(self, handle: int) -> None:
        """In the place of os.fsync."""
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        with self._lock:
            self._look_at_foreign_files()
            self.moment(f"before an fsync of {path.name}")
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                self._sync_folder()
            elif path.name in self._names:
                self._names[path.name].sync()
            self.moment(f"behind an fsync of {path.name}")

    def _look_at_foreign_files(self) -> None:
        """What was written past this layer: a file that only grows, or is cut."""
        for path in self.folder.glob("*.jsonl"):
            inode = self._names.setdefault(path.name, Inode())
            now, before = path.read_bytes(), bytes(inode.content)
            same = len(before) if now.startswith(before) else alike(now, before)
            if same < len(before):
                inode.truncate(same)
            if same < len(now):
                inode.write(now[same:], same)


@contextmanager
def below(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """With this disk below whatever is opened, and below Python's own syncs."""
    heard = sys.unraisablehook

    def unless_ours(raised: Any) -> None:
        """A fault that SQLite passes over is raised in vain, and apsw says so; it is ours."""
        if not isinstance(raised.exc_value, apsw.Error):
            heard(raised)

    with monkeypatch.context() as patched:
        patched.setattr(sys, "unraisablehook", unless_ours)
        patched.setattr(os, "fsync", disk.fsync)
        try:
            yield disk
        finally:
            disk.unregister()


class File(apsw.VFSFile):
    """One open file. It is really written, but never really synced: nobody takes the power from this machine."""

    def __init__(self, disk: Disk, inode: Inode, name: Any, flags: list[int]) -> None:
        self.inode, self._disk = inode, disk
        super().__init__("unix", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.meet("xRead")
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.meet("xWrite")
        with self._disk._lock:
            super().xWrite(data, offset)
            self.inode.write(bytes(data), offset)

    def xTruncate(self, size: int) -> None:
        self._disk.meet("xTruncate")
        with self._disk._lock:
            super().xTruncate(size)
            self.inode.truncate(size)

    def xSync(self, flags: int) -> None:
        try:
            self._disk.meet("xSync")
        except apsw.Error:
            self.inode.since.clear()
            raise
        self._disk.sync(self.inode)

    def xFileSize(self) -> int:
        self._disk.meet("xFileSize")
        return super().xFileSize()

    def xLock(self, level: int) -> None:
        self._disk.meet("xLock")
        super().xLock(level)
