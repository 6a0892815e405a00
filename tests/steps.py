"""
A piece of work killed at every step of it, one after the other, until it is done: what does each leave?

    tried = killed_at_each_step(lambda: backup.write(...), look)

A step is what changes something outside, or may: a call about a file or a folder, a statement of SQL. The work runs in a fork,
which ends by SIGKILL before it; `look` is asked behind each, with the number of the step, and may put back what was there.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from itertools import count
from typing import Any

import apsw

_STEPS = frozenset({
    "open", "mkdir", "rename", "unlink", "rmdir", "fsync", "flock", "write", "writelines", "flush", "backup", "step",
})  # fmt: skip


def _die_at(step: int) -> None:
    seen = 0

    def taken() -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def look(frame: object, event: str, called: Any) -> None:
        if event == "c_call" and called.__name__ in _STEPS:
            taken()

    def statement(cursor: object, sql: str, values: object) -> bool:
        taken()
        return True

    apsw.connection_hooks.append(lambda connection: connection.set_exec_trace(statement))
    sys.setprofile(look)


def killed_at_each_step(work: Callable[[], object], look: Callable[[int], None]) -> int:
    """How many steps the work has; it was done once for each, and once whole."""
    for step in count(1):
        if (child := os.fork()) == 0:
            try:
                _die_at(step)
                work()
                os._exit(0)
            except BaseException:  # noqa: BLE001  a fork must never go on as if it were the test
                sys.setprofile(None)
                traceback.print_exc()
                os._exit(1)
        _, status = os.waitpid(child, 0)
        look(step)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0, "the work failed by itself"
            return step - 1
        assert os.WTERMSIG(status) == signal.SIGKILL
    raise AssertionError("count(1) has no end")
