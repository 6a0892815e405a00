"""
Each operation on the disk fails, the first, then the second, until a life of the ledger meets no fault any more.

Every kind of operation that SQLite asks of a disk, each once, and for good from then on, as a failed and as a full disk. The
life (see `life`) then ends with an error of ours or goes on, nobody waits for ever, and a fresh ledger finds all that was
promised: in the folder as it stands, and in what a power loss would have left of it. A sync that failed has lost its data.

`make test` takes a spread of the operations; with MAILER_TORTURE=1 in the environment pytest fails every one. What was tried
is counted in the last lines of the run.
"""

import asyncio
import os
from pathlib import Path

import apsw
import pytest

from mailer.errors import MailerError
from tests.test_sqlite.ground import TRIED
from tests.test_sqlite.life import Life
from tests.test_sqlite.power import KEPT, LOST, Disk, below
from tests.test_sqlite.survivor import assert_survived, fresh

ALL = bool(os.environ.get("MAILER_TORTURE"))
TOO_LONG = 60  # seconds for which no life ever waits

# Each with the steps of a spread: most operations are writes.
KINDS = {"xOpen": 2, "xRead": 40, "xWrite": 60, "xSync": 8, "xTruncate": 2, "xDelete": 2, "xLock": 3, "xFileSize": 7}
ERRORS = {"failed": apsw.IOError, "full": apsw.FullError}


class Fault:
    """The operation of a kind with this number fails; for good, if it is to."""

    def __init__(self, kind: str, number: int, error: type[apsw.Error], *, for_good: bool) -> None:
        self._kind, self._number, self._error, self._for_good = kind, number, error, for_good
        self._count = 0

    @property
    def is_met(self) -> bool:
        return self._count >= self._number

    def __call__(self, operation: str) -> None:
        if operation != self._kind:
            return
        self._count += 1
        if self._count == self._number or (self._for_good and self.is_met):
            raise self._error(f"{operation} {self._count}")


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("kind", KINDS)
async def test_whichever_operation_fails_what_was_promised_is_found(
    tmp_path, monkeypatch, record_property, kind, error, for_good
):
    number, ended = 1, 0
    while True:
        fault = Fault(kind, number, ERRORS[error], for_good=for_good)
        try:
            ended += await assert_stands(tmp_path, monkeypatch, fault)
        except Exception as problem:
            problem.add_note(f"{kind} {number}")
            raise
        if not fault.is_met:
            break
        number += 1 if ALL else KINDS[kind]
    record_property(f"{TRIED}faults", len(range(1, number, 1 if ALL else KINDS[kind])))
    record_property(f"{TRIED}lives ended by one", ended)


async def assert_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> bool:
    """A life that meets a fault, and what is found behind it; whether the fault ended it."""
    live = tmp_path / "live"
    live.mkdir(exist_ok=True)
    for path in live.iterdir():
        path.unlink()
    with below(Disk(live, fault, remembers=False), monkeypatch) as disk:
        life = Life(live, disk.say)
        ended = await end_of(life)
        disk.remembers = True
        disk.moment("the end")
    for left in (KEPT, LOST):
        folder = fresh(tmp_path)
        disk.moments[-1].lay(folder, left)
        await assert_survived(folder, life, disk.said)
    return ended


async def end_of(life: Life) -> bool:
    """Live; whether an error of ours was the end. Any other is a bug."""
    try:
        await asyncio.wait_for(life.live_shortly(), TOO_LONG)
    except MailerError as problem:
        assert problem.exit_code in {73, 74, 75}, problem
        return True
    finally:
        if hasattr(life, "ledger"):
            life.ledger.close()
    return False
