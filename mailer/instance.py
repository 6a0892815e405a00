"""
An instance on disk: a configuration, templates, and the folder `var/` that they fill; and the lock of who works in it.

    a wheel's mailer/bundle/, or the checkout around the package  >  INSTANCE  >  DIR/{config,templates,var}

A new instance is a copy of the bundled one. `config/mailer.yaml` is written last: until it stands there, DIR is no instance
to any command, and making it again goes on where it was cut off. No file is ever overwritten.

What the files mean is not known here, and the folders of `var/` are kept in order by whoever fills them; this is only how
they begin.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from weakref import WeakSet

from mailer.durable import sync_folder
from mailer.errors import CannotWrite, MailerError, UsageProblem

_MACHINE = Path("/etc/machine-id")
_AT_FDCWD, _STATX_BTIME = -100, 0x800  # linux/fcntl.h, linux/stat.h
MAIN_FILE = Path("config", "mailer.yaml")
INCOMING = Path("var", "queue", "incoming")

FOLDERS = {
    "var": 0o711,
    "var/queue": 0o711,
    "var/queue/incoming": 0o2770,
    "var/queue/claimed": 0o700,
    "var/queue/done": 0o2750,
    "var/queue/rejected": 0o2750,
    "var/keys": 0o700,
    "var/report": 0o2750,
    "var/sandbox": 0o700,
}
_COPIED = {"templates": (".j2",), "config": (".yaml",)}
_SIGNATURES = (".csv", ".tsv", ".json", ".jsonl", ".yaml", ".xlsx")


def bundled() -> Path:
    """
    The folder of the bundled configuration, templates and samples.

    Raises:
        MailerError: this installation is not whole.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "bundle", package.parent):
        if (folder / MAIN_FILE).is_file():
            return folder
    raise MailerError(f"{package}: the bundled configuration is missing: install mailer again")


def refuse_to_repeat(folder: Path) -> None:
    """
    See that a folder is no instance yet.

    Raises:
        UsageProblem: it is one.
    """
    if os.path.lexists(folder / MAIN_FILE):
        raise UsageProblem(f"{folder} is already an instance; nothing was changed")


def create(folder: Path, *, samples: bool = False, source: Path | None = None) -> list[Path]:
    """
    Make a new instance in a folder, with the sample signatures in its incoming folder if asked for; gives the files made.

    It is a copy of the bundled one, or of another `source`.

    Raises:
        UsageProblem: the folder is an instance already, or a file that belongs to one stands in it with other content.
        CannotWrite: a folder or a file cannot be made.
    """
    refuse_to_repeat(folder)
    source = source or bundled()
    wanted = dict(_wanted(source, samples))
    try:
        if standing := [str(name) for name, origin in wanted.items() if _differs(folder / name, origin)]:
            raise UsageProblem(f"{folder}: these files stand there already, nothing was changed: {', '.join(standing)}")
        _make_folders(folder)
        made = [folder / name for name, origin in wanted.items() if _copy(origin, folder, name)]
    except OSError as problem:
        raise CannotWrite(f"{problem.filename or folder}: {problem.strerror}; no instance was made, try again") from problem
    return made


def _wanted(source: Path, samples: bool) -> Iterator[tuple[Path, Path]]:
    """Each file of a new instance and where it comes from; the main file last."""
    for part, endings in _COPIED.items():
        for origin in files_of(source / part, endings):
            if (name := origin.relative_to(source)) != MAIN_FILE:
                yield name, origin
    if samples:
        for origin in files_of(source / "samples", _SIGNATURES):
            yield INCOMING / origin.relative_to(source / "samples"), origin
    yield MAIN_FILE, source / MAIN_FILE


def files_of(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """The files with such endings in a folder and below it, in the order of their names, without hidden ones."""
    return sorted(
        path for path in folder.rglob("*") if path.suffix in endings and not path.name.startswith(".") and path.is_file()
    )


def _differs(path: Path, origin: Path) -> bool:
    """Whether something else than a copy of the origin stands there."""
    if not os.path.lexists(path):
        return False
    return not path.is_file() or path.read_bytes() != origin.read_bytes()


def _make_folders(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(FOLDERS["var"])  # the group's people pass through it to the queue
    for name, mode in FOLDERS.items():
        path = folder / name
        if not path.is_dir():
            path.mkdir()
            path.chmod(mode)


def _copy(origin: Path, folder: Path, name: Path) -> bool:
    """Copy a file, durably, whole or not at all; False where it stands already."""
    path = folder / name
    if os.path.lexists(path):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(origin.read_bytes())
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    for parent in name.parents:
        sync_folder(folder / parent)
    return True


def place_of(ledger: Path) -> str:
    """
    A name for where a ledger's file stands: this machine, and this very file, by its number and the time of its birth. A copy
    of it has another, a renamed one has not.

    Raises:
        CannotWrite: the disk does not say; a guess would be another place.
    """
    machine = ""
    try:
        with suppress(FileNotFoundError, PermissionError):  # in a container there may be none: then the file alone tells
            machine = _MACHINE.read_text(encoding="ascii", errors="replace").strip()
        return hashlib.sha256(f"{machine} {file_of(ledger)}".encode()).hexdigest()[:32]
    except OSError as problem:
        raise CannotWrite(
            f"{problem.filename or ledger}: it cannot be read ({problem.strerror}); look at the disk"
        ) from problem


def file_of(path: Path) -> str:
    """
    A name for a file by what no copy of it has: its number and the time of its birth.

    Raises:
        OSError: the disk does not say.
    """
    return f"{path.stat().st_ino} {_born(path)}"


def _born(path: Path) -> int:
    """
    When a file was made, in nanoseconds since 1970, 0 where the file system does not keep it: the number of one that was
    removed is soon another's, its birth is not. No copy can set it (statx(2)), and Python does not give it before 3.15.
    """
    libc, told = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(256)
    if not hasattr(libc, "statx"):
        return 0
    if libc.statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, told):
        raise OSError(number := ctypes.get_errno(), os.strerror(number), str(path))
    (mask,) = struct.unpack_from("=I", told, 0)
    seconds, nanoseconds = struct.unpack_from("=qI", told, 80)
    return int(seconds * 10**9 + nanoseconds) if mask & _STATX_BTIME else 0


def _is_among(locks: str, status: os.stat_result, holder: str) -> bool:
    """
    Whether a file is among the kernel's flocks (proc_locks(5)), by device and number. On overlayfs and btrfs the kernel names
    another device than stat(2) does: there the number and the process that wrote its id into the file say it.
    """
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for fields in (line.split() for line in locks.splitlines()):
        if len(fields) > 5 and fields[1] == "FLOCK":
            place, _, number = fields[5].rpartition(":")
            if number == str(status.st_ino) and (place == device or fields[4] == holder):
                return True
    return False


def make_way(folder: Path) -> None:
    """
    Make a folder, and those above it that are missing, for everybody to pass through; one that stands keeps its mode.

    Raises:
        CannotWrite: it cannot be made.
    """
    try:
        for path in [each for each in reversed([folder, *folder.parents]) if not each.is_dir()]:
            with suppress(FileExistsError):
                path.mkdir()
                path.chmod(FOLDERS["var"])  # whatever the umask says
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    except OSError as problem:
        raise CannotWrite(f"{folder}: the folder cannot be made ({problem.strerror})") from problem


class Lock:
    """
    The lock of whoever sends and takes files in; one process at a time holds it (flock(2)).

    It ends with its process, however that ends, and no child inherits it: a dead worker blocks nobody. The file stays; what is
    written in it, the holder's process id, is for people.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def acquire(self) -> bool:
        """
        Take the lock without waiting; False if another holds it.

        Raises:
            CannotWrite: its file cannot be opened.
        """
        while self._handle is None:
            try:
                handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            except OSError as problem:
                raise CannotWrite(f"{self._path}: the lock cannot be opened: {problem.strerror}") from problem
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                return False
            self._handle = handle
            if not self.is_ours():  # it was removed before we had it: the next one opens another file
                self.release()
                continue
            _HELD.add(self)
            with suppress(OSError):  # a full disk takes nothing from the lock itself
                os.ftruncate(handle, 0)
                os.write(handle, f"{os.getpid()}\n".encode())
        return True

    def is_ours(self) -> bool:
        """Whether we hold it, and its file still stands where the next one looks for it; also where the disk does not say."""
        if self._handle is None:
            return False
        try:
            return os.path.samestat(os.fstat(self._handle), self._path.stat())
        except OSError as problem:
            return problem.errno != errno.ENOENT

    def is_held(self) -> bool:
        """Whether anybody holds it; it is not taken to find out, and so nobody finds it taken by us (proc_locks(5))."""
        try:
            status = self._path.stat()
            holder = self._path.read_text(encoding="ascii", errors="replace").strip()
            locks = Path("/proc/locks").read_text(encoding="ascii", errors="replace")
        except OSError:
            return False
        return _is_among(locks, status, holder)

    def come_on(self) -> None:
        """Say to whoever looks, by the time of the file, that its holder comes on."""
        if self._handle is not None:
            with suppress(OSError):
                os.utime(self._handle)

    def came_on_at(self) -> float | None:
        """When its holder last came on (seconds since 1970); None where nobody holds it."""
        try:
            return self._path.stat().st_mtime if self.is_held() else None
        except OSError:
            return None

    def release(self) -> None:
        """Let go of it, if it is held."""
        _HELD.discard(self)
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


_HELD: WeakSet[Lock] = WeakSet()


def _let_go_in_child() -> None:
    """A forked child shares the lock as long as it has the handle open, even when the worker is dead."""
    for lock in list(_HELD):
        lock.release()


os.register_at_fork(after_in_child=_let_go_in_child)
