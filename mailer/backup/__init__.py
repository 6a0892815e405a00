"""
A backup: one dated folder that holds what an instance cannot be made again from, whole or not there at all.

    ledger, journal, configuration, templates  >  BACKUP  >  DIR/mailer-20261126T031625Z/

It may be made while a worker works: the ledger is copied as it stands at one moment, the journal is written from that copy, to
its last line. The copy says of itself that it is one, so that whoever puts it back is asked before anything goes out again.

It is written under a hidden name and renamed once all of it is durable; `SHA256SUMS` names every file in it. Everything is
for its owner alone (0600 in 0700). What is not in it: signature files, which are the organisers' own and name people openly;
letters in a sandbox; the relay's password; the keys, those that sign too, unless they are asked for. It never writes over an
older one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from mailer.backup.readme import readme
from mailer.backup.whole import JOURNAL, LEDGER, faults, pieces, put, seal
from mailer.errors import CannotWrite, UsageProblem
from mailer.ledger import copying
from mailer.ledger.copying import Told, nobody
from mailer.spool.folders import rename_if_free, rename_new

__all__ = ["Backup", "Sources", "faults", "write"]

_README, _CONFIGURATION, _TEMPLATES, _KEYS, _SIGNING = "README.txt", "configuration", "templates", "keys", "signing"
_BEGUN = ".mailer-"  # what was cut off is left under such a name
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LOCKLESS = frozenset({errno.EBADF, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL})


@dataclass(frozen=True, slots=True)
class Sources:
    """
    What a backup is made of: files and folders as the configuration names them, `main` its own file. Of `keys` only the place
    is told, unless `with_keys`; so of `signing`, the keys that sign letters (DKIM), by the names that they get. `spool` is only
    known so that nothing is written there.
    """

    main: Path
    ledger: Path
    journal: Path
    templates: Path
    keys: Path
    spool: Path
    with_keys: bool = False
    signing: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Backup:
    """A whole backup: where it is, its files and bytes, and how many lines its journal has."""

    folder: Path
    files: int
    size: int
    lines: int


def write(into: Path, sources: Sources, now: int, told: Told = nobody) -> Backup:
    """
    Write a backup into a folder of its own in `into`, as of `now` (seconds since 1970); `told` hears how far the ledger's copy
    has come.

    Raises:
        UsageProblem: there is no ledger yet, or `into` lies in the instance's own folders.
        CannotWrite: it cannot be written; nothing of it was left.
        LedgerProblem: the ledger cannot be read.
    """
    into = into.resolve()  # a link to where another disk is mounted is fine
    _see_that_it_may_be_there(into, sources)
    if not sources.ledger.exists():
        raise UsageProblem(f"{sources.ledger}: there is no ledger yet; `mailer run` makes it")
    moment = datetime.fromtimestamp(now, UTC)
    try:
        if not into.is_dir():
            into.mkdir(mode=0o700)
        with _begun(into, moment) as part:
            lines = _fill(part, sources, moment, told)
            files = [path.relative_to(part) for path in seal(part)]
            size = sum((part / name).stat().st_size for name in files)
            return Backup(_named(part, into, f"mailer-{_stamp(moment)}"), len(files), size, lines)
    except OSError as problem:
        raise _refused(problem, into) from problem


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"


def _see_that_it_may_be_there(into: Path, sources: Sources) -> None:
    """What lies in the instance's folders is lost with them, and what is copied must not contain the copy."""
    apart = (sources.ledger.parent, sources.journal.parent, sources.spool, sources.keys, sources.templates, sources.main.parent)
    for folder in apart:
        if into.is_relative_to(folder.resolve()):
            raise UsageProblem(f"{into} lies in {folder}, and would be lost with it: name a folder elsewhere, on another disk")


@contextmanager
def _begun(into: Path, moment: datetime) -> Iterator[Path]:
    """A hidden folder to fill, whose lock says that we live; what others that died had left is removed."""
    part = into / f"{_BEGUN}{_stamp(moment)}.{os.getpid()}.part"
    with _handle(into) as folder:
        if is_alone := _lock(folder):
            _sweep(into)
        part.mkdir(mode=0o700)
        mine = os.open(part, _FOLDER)
        if is_alone:
            fcntl.flock(mine, fcntl.LOCK_EX)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)  # nothing is there any more where it has got its name
        os.close(mine)


@contextmanager
def _handle(folder: Path) -> Iterator[int]:
    handle = os.open(folder, _FOLDER)
    try:
        yield handle
    finally:
        os.close(handle)


def _lock(folder: int) -> bool:
    """Wait for a folder's lock, which ends with its handle; False where its file system has none, as some shares have not."""
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
    except OSError as problem:
        if problem.errno in _LOCKLESS:
            return False
        raise
    return True


def _sweep(into: Path) -> None:
    """Remove what is left of backups whose process is dead: their lock died with them."""
    for left in into.glob(f"{_BEGUN}*.part"):
        with suppress(OSError), _handle(left) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left)


def _fill(part: Path, sources: Sources, moment: datetime, told: Told) -> int:
    """Everything but the sums; gives the number of the journal's last line."""
    why = f"this is the backup of {moment:%Y-%m-%d %H:%M:%S} UTC: what waits in it may have gone out since it was made"
    copying.copy(sources.ledger, part / LEDGER, why, told)
    put(part / JOURNAL, (link.line.encode("utf-8") + b"\n" for link in copying.links(part / LEDGER)))
    for name, origin in _files(sources):
        put(part / name, pieces(origin))
    put(part / _README, [_words(sources, moment)])
    return copying.last_line(part / LEDGER)


def _files(sources: Sources) -> Iterator[tuple[str, Path]]:
    """The files that are copied as they are, and under which names."""
    for aside in sorted(sources.journal.parent.glob(f"{sources.journal.stem}.until-*{sources.journal.suffix}")):
        yield aside.name, aside
    apart = {sources.ledger.parent, sources.spool, sources.templates}
    yield from _tree(_CONFIGURATION, sources.main.parent, apart, suffix=".yaml")
    yield from _tree(_TEMPLATES, sources.templates, set())
    if sources.with_keys:
        yield from _tree(_KEYS, sources.keys, set())
        yield from ((f"{_SIGNING}/{name}", key) for name, key in sorted(sources.signing.items()))


def _tree(name: str, folder: Path, apart: Iterable[Path], suffix: str = "") -> Iterator[tuple[str, Path]]:
    """All files below a folder but hidden ones and what is kept apart; links are followed, as a campaign's templates may be."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path in apart:
            continue
        if path.is_dir():
            yield from _tree(f"{name}/{path.name}", path, apart, suffix)
        elif path.is_file() and path.name.endswith(suffix):
            yield f"{name}/{path.name}", path


def _words(sources: Sources, moment: datetime) -> bytes:
    it = sources
    text = readme(
        moment,
        main=it.main,
        ledger=it.ledger,
        journal=it.journal,
        templates=it.templates,
        keys=it.keys,
        signing=it.signing,
        with_keys=it.with_keys,
    )
    return text.encode("utf-8", "surrogateescape")


def _named(part: Path, into: Path, name: str) -> Path:
    """Give it its name, one that nothing has: from here on it is a backup."""
    names = (name if number == 1 else f"{name}.{number}" for number in count(1))
    with _handle(into) as folder:
        free = next(free for free in names if _renamed(part.name, free, folder))
        os.fsync(folder)
    return into / free


def _renamed(old: str, new: str, folder: int) -> bool:
    try:
        if not rename_new(old, folder, new, folder):
            rename_if_free(old, folder, new, folder)
    except FileExistsError:
        return False
    return True


def _refused(problem: OSError, into: Path) -> CannotWrite:
    what = {errno.ENOSPC: "the disk is full: make room", errno.EDQUOT: "the disk quota is used up: make room"}
    reason = what.get(problem.errno or 0, f"{problem.strerror}: look at its owner, its mode and its disk")
    return CannotWrite(f"{into}: no backup can be written there ({reason}); nothing of it was left")
