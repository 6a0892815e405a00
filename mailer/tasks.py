"""What asyncio has to be told: a task that was cancelled, one that must not be, and which of several failures came first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def uncancelled(work: Awaitable[T]) -> T:
    """Finish `work` even when the caller is cancelled meanwhile; the cancellation comes through behind it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:  # asked a second time; the answer is the same
                continue
        if not task.cancelled():
            task.exception()  # if it failed too, whoever cancelled us tells of it; asyncio would print it with its traceback
        raise


def is_cancelled() -> bool:
    """
    Whether this courier was told to end because another failed. Before Python 3.12 a library's wait_for may swallow the
    cancellation itself, and a courier that went on would wait for a line that nobody feeds any more.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def first(problems: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first of several failures: the others followed from it."""
    found = problems.exceptions[0]
    return first(found) if isinstance(found, BaseExceptionGroup) else found
