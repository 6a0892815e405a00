"""
What lies in `done/` and `rejected/`, looked through file by file, and removed; elsewhere in the queue it is only looked at.

The way of a file ends there, so that nobody else moves anything: a file is removed with the reports that lie beside it, and
goes last, so that whoever is cut off in between meets it again. Nothing but plain files is opened or removed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from mailer.spool import names
from mailer.spool.folders import READ, Folder, about, explained

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Kept:
    """
    A file that lies there. `since`: when it was put there, or touched since (seconds since 1970).

    No other time says when it came: its own date is the organiser's, and its name is not in the ledger.
    """

    into: str
    folder: str
    name: str
    since: float

    @property
    def is_report(self) -> bool:
        """Whether it may be a report beside another file; by its name alone an organiser's own may be called so too."""
        return self.into == "done" and self.name.endswith(names.REPORTS)

    @property
    def is_unfinished(self) -> bool:
        """Whether its name says that it is not to be taken in, or not yet."""
        return names.is_unfinished(self.name)

    @property
    def is_a_desktops(self) -> bool:
        """Whether it is what a desktop lays beside files."""
        return names.is_a_desktops(self.name)

    @property
    def stem(self) -> str:
        """Its name without what differs between a file and its reports."""
        for ending in names.REPORTS:
            if self.name.endswith(ending):
                return self.name.removesuffix(ending)
        return names.stem(self.name)

    def path(self, root: Path) -> Path:
        """Where it lies."""
        return root / self.into / self.folder / self.name


def look(root: Path, into: str) -> list[Kept]:
    """
    The plain files of one of the queue's folders, those in the folders there too, and unfinished ones.

    Raises:
        CannotWrite: a folder cannot be read.
    """
    found: list[Kept] = []
    with explained(), suppress(FileNotFoundError), _folder(root, into) as here:
        for name, status in _all(here):
            if stat.S_ISREG(status.st_mode):
                found.append(Kept(into, "", name, status.st_ctime))
            elif stat.S_ISDIR(status.st_mode):
                with here.sub(name) as inner:
                    plain = [(each, within) for each, within in _all(inner) if stat.S_ISREG(within.st_mode)]
                found += [Kept(into, name, each, within.st_ctime) for each, within in plain]
    return sorted(found, key=lambda kept: (kept.folder, kept.name))


def _folder(root: Path, into: str, folder: str = "") -> Folder:
    with Folder(root) as queue:
        opened = queue.sub(into)
    if not folder:
        return opened
    with opened:
        return opened.sub(folder)


def _all(folder: Folder) -> list[tuple[str, os.stat_result]]:
    """What stands in a folder, unfinished files too: what a crash has left half written holds people as well."""
    return [(name, status) for name in folder.names() if (status := folder.look(name)) is not None]


def asked(path: Path, ask: Callable[[BinaryIO], Answer], if_gone: Answer) -> Answer | None:
    """What is answered of a file's content; None where it cannot be read, `if_gone` where it is gone."""
    try:
        with os.fdopen(os.open(path, READ), "rb") as stream:
            return ask(stream) if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) else None
    except FileNotFoundError:
        return if_gone
    except OSError:
        return None


def remove(root: Path, which: list[Kept], among: list[Kept]) -> int:
    """
    Remove files, with the reports beside each that are not another one's; gives how many, reports not counted. Durable.

    `among` is all that lies there.

    Raises:
        CannotWrite: one cannot be removed.
    """
    gone = {(kept.folder, kept.name) for kept in which}
    stay = {(kept.folder, kept.stem) for kept in among if (kept.folder, kept.name) not in gone and not kept.is_report}
    wanted = {(kept.folder, kept.stem) for kept in which} - stay
    beside = [kept for kept in among if kept.is_report and (kept.folder, kept.stem) in wanted]
    doomed = dict.fromkeys([*beside, *sorted(which, key=lambda kept: not kept.is_report)])
    with explained():
        for kept in doomed:
            with _folder(root, kept.into, kept.folder) as here:
                with suppress(FileNotFoundError), about(here.path):
                    os.unlink(kept.name, dir_fd=here.handle)
                here.sync()
    return sum(not kept.is_report for kept in doomed)
