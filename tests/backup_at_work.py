"""
A backup made while letters go out, put back in another folder and over the files, and the books of both sandboxes.

    python -m tests.backup_at_work 10000        # prints what it measured

A real worker sends; once a third has gone out, backups are made one after the other until it has ended. The one from the
middle is put back as the operators' page says. Its letters all went out from the first place, so they are cancelled there, by a
person's word, and a new file goes out. No Message-ID may be in both sandboxes, or twice in one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.installed import Place, mailer, started
from tests.restored import ELSEWHERE, OVER, message_ids, typed

NEW = 3


@dataclass(frozen=True)
class Figures:
    """What one rehearsal came to; times in seconds, sizes in bytes."""

    letters: int
    backups: int
    at_work: int  # of these, made before the worker had ended
    waiting: int  # letters that the one put back still had to send
    refusals: tuple[str, ...]  # what the first run on each restored ledger said
    messages: int
    repeated: int
    longest: float
    size: int
    sending: float


def rehearse(folder: Path, letters: int) -> Figures:
    """Do it once in an empty folder."""
    place = Place(folder / "instance", "pace: none\napproval: none\n")
    place.drop(letters)
    assert place.mailer("run", "--intake-only").code == 0
    lasted, at_work, sending = _send(place, folder / "kept", letters)
    backups = sorted((folder / "kept").iterdir(), key=lambda path: (path / "SHA256SUMS").stat().st_mtime_ns)
    assert place.letters("accepted") == len(message_ids(place.root)) == letters
    for each in {backups[0], backups[-1]}:
        assert mailer(folder, "verify", each).out == "The backup is whole.\n"
    middle = backups[0]
    there = typed(ELSEWHERE, folder, middle)
    waiting = _go_on(folder / "kazakhstan", letters + 1)
    over = typed(OVER, place.root, middle)
    _go_on(place.root, letters + NEW + 1)
    for said in (there, over):
        assert said["run"].code == 69, said["run"]
        assert said["resume"].code == 0, said["resume"]
    sent = message_ids(place.root, folder / "kazakhstan")
    return Figures(
        letters=letters,
        backups=len(backups),
        at_work=at_work,
        waiting=waiting,
        refusals=(there["run"].err, over["run"].err),
        messages=len(sent),
        repeated=len(sent) - len(set(sent)),
        longest=max(lasted),
        size=sum(path.stat().st_size for path in middle.rglob("*") if path.is_file()),
        sending=sending,
    )


def _send(place: Place, kept: Path, letters: int) -> tuple[list[float], int, float]:
    """Let the worker send all; gives how long each backup took, how many were made beside it, how long it sent."""
    begun, at_work = time.monotonic(), 0
    lasted: list[float] = []
    a_third = threading.Event()
    with started(place.root, "-v", "run") as worker:
        assert worker.process.stderr is not None
        lines = worker.process.stderr

        def read() -> None:
            for number, _ in enumerate(lines, 1):
                if number >= letters // 3:
                    a_third.set()
            a_third.set()

        reader = threading.Thread(target=read)
        reader.start()
        a_third.wait()
        while worker.process.poll() is None or not lasted:
            before = time.monotonic()
            made = place.mailer("backup", "--keys", kept)
            assert made.code == 0, made
            lasted.append(time.monotonic() - before)
            at_work += worker.process.poll() is None
        reader.join()
        assert worker.process.returncode == 0
    return lasted, at_work, time.monotonic() - begun


def _go_on(root: Path, first: int) -> int:
    """A new file goes out from a restored ledger, what waited in it is cancelled; gives how many letters that were."""
    place = Place.__new__(Place)
    place.root = root
    held = len(place.mailer("log", "--state", "held", "--json").lines)
    later = time.time() + 3
    os.utime(place.drop(NEW, f"{first}.csv", first=first), (later, later))
    assert place.mailer("run").code == 0
    assert place.letters("held") == held
    if held:
        assert place.mailer("cancel", "--reason", "restored ledger", "--why", "they went out before").code == 0
    assert place.mailer("run").code == 0
    assert place.mailer("verify").code == 0
    return held


if __name__ == "__main__":
    made = Path(tempfile.mkdtemp(prefix="mailer-backup-"))
    try:
        for name, value in rehearse(made, int(sys.argv[1])).__dict__.items():
            print(f"{name:10} {value}")
    finally:
        shutil.rmtree(made)
