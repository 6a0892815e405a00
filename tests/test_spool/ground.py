"""What the spool's tests stand on: files that are dropped, a look at what came of them, a user without rights."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from mailer.spool import Claimed, Spool

NOW = 1_316_505_600.0
NOBODY = 65534
BESIDE: dict[str, bytes | list[bytes]] = {".rejected.csv": b"line,reason\r\n", ".known.csv": [b"line,", b"reason\r\n"]}
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # hundreds of syncs; what a kill leaves is the same
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without root's rights, which would hide every refusal."""
    if os.geteuid() != 0:
        yield
        return
    with acting(NOBODY, NOBODY):
        yield


@contextmanager
def acting(user: int, group: int, *groups: int) -> Iterator[None]:
    """As another account of this machine, with its groups and the strictest umask; for root only."""
    before, umask = os.getgroups(), os.umask(0o077)
    os.setgroups(groups)
    os.setegid(group)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)
        os.umask(umask)


def drop(root: Path, name: str, content: bytes = b"name\n", folder: str = "", age: float = 60) -> Path:
    path = root / "incoming" / folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (NOW - age, NOW - age))
    return path


def claim(spool: Spool, root: Path, name: str = "list.csv", folder: str = "") -> Claimed:
    drop(root, name, folder=folder)
    claimed = spool.claim(spool.look(NOW)[0], NOW)
    assert claimed
    return claimed


def finish(spool: Spool, claimed: Claimed, beside: Mapping[str, Iterable[bytes] | bytes]) -> Path:
    """Copy a claimed file and finish it, as intake does behind its reading."""
    with closing(spool.copied(claimed)) as copied:
        return spool.finish(copied, beside)


def originals(root: Path) -> list[Path]:
    """The files that were read, as they were dropped."""
    return sorted((root / "claimed" / ".read").iterdir())


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)
