"""
How far an instance had come, kept where a copy that is put back does not reach it.

    ledger (the journal's newest line)  >  HIGH-WATER MARK  >  continuity (is this the newest ledger)

An older ledger and an older journal's file, put back together, agree in everything; whatever stands *in* files is put back with
them. So the mark is no content: it is the name of an empty file in a folder beside the ledger, the number of the journal's
newest line and the first digits of its hash. A copy put back over the files lays its older name beside the newer one and takes
nothing away. Every name that stands there must be a line of the ledger's journal; one that is not tells of what was lost. The
file itself is always the same one, renamed: who takes it away and lays the older one there (`rsync --delete`) makes another.

The mark is raised behind the commits, by renaming, without waiting for the disk: it may stand lower than the ledger, which says
nothing wrong, and never higher.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailer.chain import GENESIS, Link
from mailer.durable import sync_folder
from mailer.errors import CannotWrite

_DIGITS = 12  # of the hash
_NAME = re.compile(rf"(\d{{1,18}})-([0-9a-f]{{{_DIGITS}}})")


@dataclass(frozen=True, slots=True, order=True)
class _Mark:
    seq: int
    hash: str

    @property
    def name(self) -> str:
        return f"{self.seq}-{self.hash}"


class HighWater:
    """
    The mark in its folder; `read(seq)` gives a line of the ledger's journal, None where it has no such line, and `name(path)` a
    file by what no copy of it has.
    """

    def __init__(self, folder: Path, read: Callable[[int], Link | None], name: Callable[[Path], str]) -> None:
        self._folder = folder
        self._read = read
        self._name = name

    @property
    def identity(self) -> str:
        """Which file the mark is; empty if there is none."""
        while marks := self._marks():
            with suppress(FileNotFoundError):  # it was raised by another program just now
                return self._name(self._folder / marks[-1].name)
        return ""

    def disagreement(self, known: str) -> str:
        """
        Why the ledger may not be the newest that was here, or an empty text. Looks only.

        `known` is the mark's identity as the ledger has it; empty for one that never was at work.
        """
        marks = self._marks()
        if known and not marks:
            return f"{self._folder}: the high-water mark is gone: whether this is the newest ledger cannot be told. Put it back"
        for mark in marks:
            if not self._is_ours(mark):
                return (
                    f"the ledger does not know line {mark.seq} of its journal, to which it had come ({self._folder}): it is an"
                    " older copy, or another one. What went out since would go out again. Put the newer ledger back"
                )
        if known and self.identity != known:
            return f"{self._folder}: the high-water mark is a copy, so the ledger may be an older copy too; put the newer back"
        return ""

    def rise(self, last: Link | None) -> None:
        """
        The ledger has come to this line, durably. A mark that the ledger does not know stays, and so does a higher one.

        Raises:
            CannotWrite: it cannot be renamed; the old one stands.
        """
        marks, mark = self._marks(), _of(last)
        if not marks or mark <= marks[-1] or not all(map(self._is_ours, marks)):
            return
        try:
            # Another program may have raised it just now: then there is nothing of this name, and nothing to do.
            with suppress(FileNotFoundError):
                os.rename(self._folder / marks[-1].name, self._folder / mark.name)
            for lower in marks[:-1]:
                (self._folder / lower.name).unlink(missing_ok=True)
        except OSError as problem:
            raise self._failed(problem) from problem

    def begin_again(self, last: Link | None) -> None:
        """
        From here on this line is the mark, durably, whatever it was before.

        Raises:
            CannotWrite: the folder or the file cannot be made; done again it goes on where it was.
        """
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            mark = _of(last)
            os.close(os.open(self._folder / mark.name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            for other in self._marks():
                if other != mark:
                    (self._folder / other.name).unlink(missing_ok=True)
            for folder in (self._folder, self._folder.parent):
                sync_folder(folder)
        except OSError as problem:
            raise self._failed(problem) from problem

    def _marks(self) -> list[_Mark]:
        """All names that are marks, the highest last."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        except OSError as problem:
            raise self._failed(problem) from problem
        found = (_NAME.fullmatch(name) for name in names)
        return sorted(_Mark(int(match[1]), match[2]) for match in found if match)

    def _is_ours(self, mark: _Mark) -> bool:
        return mark.seq == 0 or ((line := self._read(mark.seq)) is not None and line.hash.startswith(mark.hash))

    def _failed(self, problem: OSError) -> CannotWrite:
        return CannotWrite(f"{self._folder}: the high-water mark cannot be read or written ({problem.strerror})")


def _of(last: Link | None) -> _Mark:
    return _Mark(last.seq, last.hash[:_DIGITS]) if last else _Mark(0, GENESIS[:_DIGITS])
