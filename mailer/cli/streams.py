"""The standard streams, and what becomes of a line that nobody takes: nothing, for the work goes on."""

from __future__ import annotations

import os
import sys
from typing import TextIO

# A reader that has gone, a full disk, a terminal or stream that was closed. No work depends on a line: the next is tried again.
UNWRITABLE = (OSError, ValueError)


def stand_in() -> None:
    """
    Put /dev/null where a standard stream is closed, as cron and daemons start some programs: the next file that is opened,
    the ledger for one, would be taken for it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def give_up_unwritable() -> None:
    """What is left in stderr's buffer goes nowhere if it still cannot be written; else Python ends with a code of its own."""
    try:
        sys.stderr.flush()
    except UNWRITABLE:
        give_up(sys.stderr)


def give_up(stream: TextIO) -> None:
    """Nobody takes what is still to be written there; keep Python from complaining about it while it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
