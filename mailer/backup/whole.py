"""
The files of a backup, and how anybody can tell that they are whole: `SHA256SUMS`, which names each with its sum.

As sha256sum(1) reads and writes it, so that a machine without mailer can tell too.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mailer.durable import sync_folder
from mailer.errors import CannotWrite
from mailer.ledger import copying

LEDGER, JOURNAL, SUMS = "ledger.db", "journal.jsonl", "SHA256SUMS"
_PIECE = 1 << 20  # bytes


def put(path: Path, pieces: Iterable[bytes]) -> None:
    """A new file of these pieces, durable, for its owner alone."""
    _make(path.parent)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(file.fileno())


def _make(folder: Path) -> None:
    """A folder for its owner alone; mkdir's own `parents` would leave those between to the umask."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700)


def pieces(origin: Path) -> Iterator[bytes]:
    """
    A file as it stands.

    Raises:
        CannotWrite: it cannot be read, so that no backup would be whole.
    """
    try:
        with origin.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    except OSError as problem:
        raise CannotWrite(f"{origin}: it cannot be read ({problem.strerror}); no backup was made") from problem


def seal(root: Path) -> list[Path]:
    """Name every file with its sum, as it reads now, and make durable what is in which folder; gives the files."""
    files = _all(root)
    lines = [f"{_sum_of(path)}  {path.relative_to(root)}\n" for path in files]
    put(root / SUMS, (os.fsencode(line) for line in lines))
    for folder in sorted({path.parent for path in files} | {root, *(path for path in root.rglob("*") if path.is_dir())}):
        sync_folder(folder)
    return [*files, root / SUMS]


def _all(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if not path.is_dir())


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def faults(folder: Path) -> Iterator[str]:
    """Why a folder is no whole backup; nothing if it is one. Reads all of it, changes nothing, needs no instance."""
    try:
        named = dict(_sums(folder))
        there = {str(path.relative_to(folder)) for path in _all(folder)} - {SUMS}
        for name in sorted(named.keys() | there):
            if name not in there:
                yield f"{folder / name}: it is missing"
            elif name not in named:
                yield f"{folder / name}: it was not in the backup when that was made"
            elif _sum_of(folder / name) != named[name]:
                yield f"{folder / name}: it was changed since the backup was made"
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        yield f"{folder}: it cannot be read as a backup of mailer's ({reason})"
        return
    if LEDGER in there and (damage := copying.disagreement(folder / LEDGER)):
        yield damage


def _sums(folder: Path) -> Iterator[tuple[str, str]]:
    for line in (folder / SUMS).read_bytes().splitlines():
        sum, apart, name = os.fsdecode(line).partition("  ")
        if not apart or len(sum) != 64:
            raise ValueError(f"{SUMS} is not as it was written")
        yield name, sum
