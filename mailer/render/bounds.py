"""
How long one rendering may take and how much memory: a template that loops or grows stops, and the worker goes on.

Time is bounded by a signal, for nothing else interrupts a loop that gives no piece of text; memory by the limit that the kernel
keeps (RLIMIT_AS), for a library that asks for more is told no before the machine has none left. Both end in an exception
where the template stands. While a rendering lasts (a thousandth of a second) the limit is the whole process's.

Only the main thread hears signals; elsewhere (nowhere in mailer) nothing is bounded.
"""

from __future__ import annotations

import os
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from mailer.errors import RenderProblem

_MOST = 1_000_000  # of what arithmetic in a template may make or take: characters, or bits of a number


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one rendering may take: seconds of this process's own time (getitimer(2)), and bytes more than it has."""

    seconds: float = 5.0
    room: int = 256 * 2**20


@contextmanager
def bounded(bounds: Bounds, language: str) -> Iterator[None]:
    """Within it, whatever takes longer raises RenderProblem, and whatever needs more memory MemoryError."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise RenderProblem(f"{language}: rendering takes longer than {bounds.seconds:g} s: a loop in a template?")

    before = signal.signal(signal.SIGVTALRM, stop)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = _size() + bounds.room
    resource.setrlimit(resource.RLIMIT_AS, (most if soft == resource.RLIM_INFINITY else min(soft, most), hard))
    signal.setitimer(signal.ITIMER_VIRTUAL, bounds.seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGVTALRM, before)


def _size() -> int:
    """What this process has of memory, as RLIMIT_AS counts it, in bytes."""
    return int(os.pread(_statm(), 64, 0).split()[0]) * resource.getpagesize()


@cache
def _statm() -> int:
    # Opened once: to open it takes as long as half a letter.
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def is_too_large(operator: str, left: Any, right: Any) -> bool:
    """
    Whether arithmetic would make more than any letter needs, or takes numbers so long that no signal interrupts it: cheaper to
    see than to do.

    >>> is_too_large("*", "ab", 600_000), is_too_large("%", 1 << 2_000_000, 7), is_too_large("%", "%d letters", 3)
    (True, True, False)
    """
    return _made(operator, left, right) > _MOST


def _made(operator: str, left: Any, right: Any) -> int:
    """How much it would make, roughly: characters of a text, entries of a list, bits of a number."""
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length()
        return bits * abs(right) if operator == "**" else bits + right.bit_length()
    if operator != "*":
        return 0
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, str | bytes | list | tuple) and isinstance(times, int):
            return len(sequence) * times
    return 0
