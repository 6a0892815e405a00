"""
Folders as open handles: what the spool asks of the file system, and the sentence for each way in which it says no.

A name is only ever used relative to the handle of its folder, and no symbolic link is followed, so that nobody can put
another file or folder in the way between two steps. What must survive a power failure is synced, folders too. Whether
something may be done is decided elsewhere.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

from mailer.errors import CannotWrite
from mailer.spool.names import is_unfinished, printable, read

READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FILE_MODE = 0o640
_FOLDER = READ | os.O_DIRECTORY
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_REPLACE = 1  # RENAME_NOREPLACE of renameat2(2)

_ADVICE = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the disk quota is used up: make room",
    errno.EROFS: "the disk is mounted read-only",
    errno.EXDEV: "incoming, claimed, done and rejected must live under one mount: nothing can be renamed across two",
    errno.EACCES: "mailer's user may not do that there: mend the owner or the mode",
    errno.EPERM: "mailer's user may not do that there: mend the owner or the mode",
    errno.ENOTDIR: "a file or a symbolic link stands where a folder belongs: move it away",
    errno.ELOOP: "a symbolic link stands where a folder or a file belongs: move it away",
    errno.ENOENT: "it is gone: somebody else moved or deleted it",
    errno.EEXIST: "something of that name appeared meanwhile: run again",
}


class Folder:
    """An open folder: its handle, and its path for messages. Closed by `with`."""

    def __init__(self, path: Path, *, within: Folder | None = None) -> None:
        self.path = path
        with about(path):
            if within is None:  # the spool's own root may be a link that the administrator made; nothing below it may
                self.handle = os.open(path, _FOLDER & ~os.O_NOFOLLOW)
            else:
                self.handle = os.open(path.name, _FOLDER, dir_fd=within.handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self.handle)

    def place_of(self, name: str) -> Path:
        """Where a file stands, for messages: people name files after people, so a claimed one is told by its id, others not."""
        label = read(name)
        return self.path / label.id if label else self.path

    def sub(self, name: str) -> Folder:
        """Open a folder in it."""
        return Folder(self.path / name, within=self)

    def make(self, name: str, mode: int) -> bool:
        """Make a folder in it with exactly this mode; False where something of that name stands."""
        try:
            with about(self.path / name):
                os.mkdir(name, 0o700, dir_fd=self.handle)
        except FileExistsError:
            return False
        with self.sub(name) as made, about(made.path):
            os.chmod(made.handle, mode)
        self.sync()
        return True

    def names(self) -> list[str]:
        """The names in it."""
        with about(self.path):
            return os.listdir(self.handle)

    def entries(self) -> list[tuple[str, os.stat_result]]:
        """What stands in it and is not marked as unfinished, a link being a link; what vanishes meanwhile is left out."""
        found = []
        with about(self.path), os.scandir(self.handle) as entries:
            for entry in entries:
                if not is_unfinished(entry.name):
                    with suppress(FileNotFoundError):
                        found.append((entry.name, entry.stat(follow_symlinks=False)))
        return found

    def look(self, name: str = "") -> os.stat_result | None:
        """What stands there, a link being a link; None if nothing does. Without a name: the folder itself."""
        with suppress(FileNotFoundError), about(self.place_of(name)):
            return os.stat(name, dir_fd=self.handle, follow_symlinks=False) if name else os.stat(self.handle)
        return None

    def has_folder(self, name: str) -> bool:
        """Whether a folder stands there, not a link to one."""
        found = self.look(name)
        return found is not None and stat.S_ISDIR(found.st_mode)

    def lets_take(self) -> bool:
        """Whether files may be moved out of it."""
        return os.access(".", os.W_OK | os.X_OK, dir_fd=self.handle, effective_ids=True)

    def move(self, name: str, into: Folder, to: str) -> None:
        """Move whatever stands there, durably, under a name that must be free."""
        try:
            renamed = rename_new(name, self.handle, to, into.handle)
            if not renamed:
                rename_if_free(name, self.handle, to, into.handle)
        except OSError as problem:
            closed = [folder.path for folder in (self, into) if isinstance(problem, PermissionError) and not folder.lets_take()]
            with about(closed[0] if closed else self.place_of(name)):
                raise
        into.sync()
        if into is not self:
            self.sync()

    def write(self, name: str, content: Iterable[bytes], temporary: str) -> None:
        """Write a file whole or not at all; one of that name is replaced. Without content, none is written."""
        chunks = iter(content)
        if not (first := next(chunks, b"")):
            return
        with about(self.place_of(name)):
            try:
                with open(os.open(temporary, _CREATE, FILE_MODE, dir_fd=self.handle), "wb") as file:
                    os.fchmod(file.fileno(), FILE_MODE)
                    file.write(first)
                    file.writelines(chunks)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temporary, name, src_dir_fd=self.handle, dst_dir_fd=self.handle)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=self.handle)
                raise
        self.sync()

    def fit(self, name: str, group: int) -> None:
        """Sync a file and give it mode and group for organisers to read. What belongs to others keeps what they gave it."""
        found = self.look(name)
        if found is None or not is_plain(found):  # another name of a hard link may stand anywhere
            return
        with suppress(PermissionError), about(self.place_of(name)):
            handle = os.open(name, READ, dir_fd=self.handle)
            try:
                os.fsync(handle)
                with suppress(PermissionError):
                    os.fchown(handle, -1, group)
                os.fchmod(handle, FILE_MODE)
            finally:
                os.close(handle)

    def remove(self, name: str) -> None:
        """Remove a file, durably; nothing where none is."""
        try:
            with about(self.path):
                os.unlink(name, dir_fd=self.handle)
        except FileNotFoundError:
            return
        self.sync()

    def holds(self, name: str, content: bytes) -> bool:
        """Whether a file there has this content, no more and no less."""
        found = self.look(name)
        if found is None or not is_plain(found):
            return False
        with about(self.place_of(name)), os.fdopen(os.open(name, READ, dir_fd=self.handle), "rb") as file:
            return file.read(len(content) + 1) == content

    def sync(self) -> None:
        """Make what was made, moved or deleted in it durable."""
        with about(self.path):
            os.fsync(self.handle)


def is_plain(found: os.stat_result) -> bool:
    """Whether it is a file that nothing else in the file system is."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def rename_new(name: str, source: int, to: str, target: int) -> bool:
    """
    Rename where nothing stands, in one step (renameat2(2)); False where the system or its file system cannot.

    Raises:
        FileExistsError: something stands there.
    """
    import ctypes

    if (function := _renameat2()) is None:
        return False
    if function(source, os.fsencode(name), target, os.fsencode(to), _NO_REPLACE) == 0:
        return True
    if (problem := ctypes.get_errno()) in (errno.ENOSYS, errno.EINVAL):
        return False
    raise OSError(problem, os.strerror(problem))


def rename_if_free(name: str, source: int, to: str, target: int) -> None:
    """The same in two steps, a look and a rename; enough where one process at a time takes files in."""
    try:
        os.stat(to, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(name, to, src_dir_fd=source, dst_dir_fd=target)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


@contextmanager
def explained() -> Iterator[None]:
    """Say what the file system refused, where, and what to do: the one place where the spool's OSErrors are translated."""
    try:
        yield
    except OSError as problem:
        raise CannotWrite(explanation(problem)) from problem


def explanation(problem: OSError) -> str:
    """What went wrong, where, and what to do."""
    where = f"{printable(str(problem.filename))}: " if problem.filename else ""
    return f"{where}{os.strerror(problem.errno or 0)}; {_ADVICE.get(problem.errno or 0, 'look at the disk and the mount')}"


@contextmanager
def about(path: Path) -> Iterator[None]:
    """See that an OSError names a whole path, and no file: calls relative to a handle name a part of it, or none."""
    try:
        yield
    except OSError as problem:
        problem.filename, problem.filename2 = str(path), None
        raise


@cache
def _renameat2() -> Callable[..., int] | None:
    """The system's call, where its C library has it. Imported late: a pass that finds no file needs none of it."""
    import ctypes

    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return None
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    function.restype = ctypes.c_int
    return function  # type: ignore[no-any-return]
