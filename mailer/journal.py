"""
The exported delivery log: `journal.jsonl`, a copy of the ledger's journal for people and tools.

The table is the truth; it is written in the transaction of what it tells. This file is brought up to it behind the commits
and at every start, one line a link of the chain. A cut last line, as a crash leaves it, is mended, and so are lines that a
power loss left blank; a file that is ahead of the table, or tells another story, means that the ledger was restored from an
older copy: then nothing is sent until a person says so. It writes no line of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from io import BufferedRandom
from pathlib import Path

from mailer.chain import Link, check, hash_of
from mailer.durable import sync_folder
from mailer.errors import CannotSend, CannotWrite

Read = Callable[[int, int], Sequence[Link]]
_CHUNK = 1_000
_ANEW = "move the file aside, keep it, and the next run writes it anew from the ledger"
_TAIL = 65_536


class Journal:
    """The file, and how far it has come. `read(behind, limit)` gives the table's links."""

    def __init__(self, path: Path, read: Read) -> None:
        self._path = path
        self._read = read
        self._written = 0
        self._is_cut = False
        self.behind = 0  # so many lines the file lacked at its end when it was last followed

    def open(self) -> None:
        """
        Mend its last lines where a crash has cut them, find how far it has come, and see that it tells the table's story.

        Raises:
            CannotSend: the file is ahead of the ledger, or differs from it.
            CannotWrite: it cannot be read or written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640)
            with open(handle, "r+b") as file:
                start, tail = _tail(file)
                told = [line for line in tail.split(b"\n")[:-1] if b"\0" not in line]
                self._written, self._is_cut = self._agreed(told[-1]) if told else 0, False
                sound = _sound(tail)
                if sound < len(tail):
                    file.truncate(start + sound)
                    os.fsync(file.fileno())
            sync_folder(self._path.parent)
        except OSError as problem:
            raise CannotWrite(f"{self._path}: the journal's file cannot be written ({problem.strerror})") from problem
        if b"\0" in tail[: tail.rfind(b"\n") + 1]:
            self.open()  # lines were taken off: how far it has come is found out again

    def _agreed(self, last: bytes) -> int:
        """The number of the file's last line, on which the table agrees."""
        line = last.decode("utf-8", "replace")
        seq = _number_of(line)
        if not seq:
            raise CannotSend(f"{self._path}: its last line is no line of the journal: the file was changed; nothing is sent")
        ours = self._read(seq - 1, 1)
        if not ours or ours[0].seq != seq:
            raise CannotSend(
                f"{self._path}: the journal's file is ahead of the ledger: the ledger was restored from an older copy, or is"
                " another one. Letters sent since then would go out again. Put the newer ledger back"
            )
        if ours[0].hash != hash_of(line):
            raise CannotSend(f"{self._path}:{seq}: the journal's file and the ledger tell different stories; nothing is sent")
        return seq

    def begin_again(self, now: int) -> Path:
        """
        Put the file aside, beside itself under the time `now` (seconds since 1970), and begin a new one with the table's first
        line; gives where the old one stands. Nothing of it is lost.

        Raises:
            CannotWrite: it cannot be renamed; it stands as it was.
        """
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        aside = self._path.with_name(f"{self._path.stem}.until-{moment}{self._path.suffix}")
        try:
            os.rename(self._path, aside)
            sync_folder(self._path.parent)
        except OSError as problem:
            raise CannotWrite(f"{self._path}: the journal's file cannot be put aside ({problem.strerror})") from problem
        self.open()
        return aside

    def disagreement(self) -> str:
        """
        Follow the file and the table side by side from their first lines; where they part, or an empty text.

        Beside a worker too: what it commits and appends meanwhile is no difference; how many lines it lacks is in `behind`.
        """
        last: Link | None = None
        self.behind = 0
        is_behind = False  # it is appended after the commits: from a line on that it has not, it says nothing
        try:
            with open(self._path, "rb") as file:
                while True:
                    for link in self._links(last.seq if last else 0):
                        followed = check([link.line], last)
                        if not isinstance(followed, Link):
                            return f"the journal's table, line {link.seq}: {followed.why if followed else 'it is empty'}"
                        last = followed
                        line = b"" if is_behind else file.readline()
                        is_behind = not line.endswith(b"\n")
                        self.behind += is_behind
                        if not is_behind and line != link.line.encode() + b"\n":
                            return f"{self._path}:{link.seq}: this line is not what the ledger says; {_ANEW}"
                    start = file.tell()
                    if is_behind or not (rest := file.readline()):
                        return ""
                    if not self._read(last.seq if last else 0, 1):
                        shown = rest[:80].decode("utf-8", "replace").rstrip()
                        return f"{self._path}: it goes on behind the ledger's last line: {shown}"
                    file.seek(start)  # the table has grown since our last look
        except OSError as problem:
            return f"{self._path}: the journal's file cannot be read ({problem.strerror})"

    def _links(self, behind: int) -> Iterator[Link]:
        while links := self._read(behind, _CHUNK):
            yield from links
            behind = links[-1].seq

    def catch_up(self) -> int:
        """
        Append what the table has and the file has not; gives the number of lines. Durable when it returns.

        Raises:
            CannotWrite: it cannot be written; trying again is safe.
        """
        if self._is_cut:
            self.open()
        written = 0
        try:
            while links := self._read(self._written, _CHUNK):
                with open(self._path, "ab") as file:
                    file.write("".join(link.line + "\n" for link in links).encode("utf-8"))
                    file.flush()
                    os.fsync(file.fileno())
                self._written = links[-1].seq
                written += len(links)
        except OSError as problem:
            self._is_cut = True  # a part of it may stand there: how far it has come is found out again
            raise CannotWrite(f"{self._path}: the journal's file cannot be written ({problem.strerror})") from problem
        return written


def _tail(file: BufferedRandom) -> tuple[int, bytes]:
    """Where the last lines of an open file begin, and these: more than are ever appended between two syncs, or all."""
    end = file.seek(0, os.SEEK_END)
    length, tail = 0, b""
    while length < end and tail.count(b"\n") <= _CHUNK + 1:
        length = min(end, max(_TAIL, 2 * length))
        file.seek(-length, os.SEEK_END)
        tail = file.read()
    if length < end:
        tail = tail.partition(b"\n")[2]
    return end - len(tail), tail


def _sound(tail: bytes) -> int:
    """
    How many bytes of the last lines a crash or a power loss left whole: what has no line end was cut, and zeros, which no
    line holds, stand where the length of the file came to the disk and its content did not.
    """
    blank = tail.find(b"\0")
    return tail.rfind(b"\n", 0, blank if blank >= 0 else None) + 1


def _number_of(line: str) -> int:
    """The number of a journal line, 0 if it is none."""
    try:
        seq = json.loads(line)["seq"]
    except (ValueError, KeyError, TypeError):
        return 0
    return seq if isinstance(seq, int) and 0 < seq < 2**63 else 0
