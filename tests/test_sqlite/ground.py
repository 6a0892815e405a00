"""Pieces of work that leave a trace, and a gate that makes them stand in line together."""

import asyncio
import threading
from pathlib import Path

import apsw

from mailer.ledger.engine import Engine, Work, connect

TRIED = "tried: "  # a property of a test that counts what it tried; the last lines of a run tell the sums


def remember(name: str) -> Work:
    """A piece of work that leaves a trace."""
    return lambda db: db.execute("INSERT INTO install (name, value) VALUES (?, '')", (name,)).fetchall()


def remembered(path: Path) -> list[str]:
    """The traces, as another program finds them."""
    found = connect(path).execute("SELECT name FROM install WHERE value = '' ORDER BY name").fetchall()
    return [str(name) for (name,) in found]


class Gate:
    """A piece of work at which the line stops until it is opened: what is submitted meanwhile stands behind it together."""

    def __init__(self, engine: Engine) -> None:
        self._arrived, self._may_go = threading.Event(), threading.Event()
        self._work = engine.submit(self._wait)

    def _wait(self, _: apsw.Connection) -> None:
        self._arrived.set()
        assert self._may_go.wait(60)

    async def __aenter__(self) -> None:
        await asyncio.to_thread(self._arrived.wait)

    async def __aexit__(self, *_: object) -> None:
        self._may_go.set()
        await self._work
