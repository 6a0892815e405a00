"""
The scripted server in a thread of the test's own process: for tests that start the program as a process of its own.

    with ThreadedServer([Rule("dot", Reply("451 4.3.0 later"), nth=1)]) as server:
        ...                                  # 127.0.0.1, server.port
        server.wait_for("dot", 2)
    assert len(server.taken()) == 1

It is there at once, where `spawned` takes as long as an interpreter does to start. What it saw can be read at any time.
"""

import asyncio
import threading
from collections.abc import Iterable
from types import TracebackType

from tests.servers.available import wait
from tests.servers.offers import Offers
from tests.servers.record import Record, Taken
from tests.servers.rules import Rule
from tests.servers.scripted import ScriptedServer


class ThreadedServer:
    """A server, once started and once stopped; `follow` gives it another script meanwhile."""

    def __init__(self, script: Iterable[Rule] = (), *, offers: Offers | None = None) -> None:
        self._server = ScriptedServer(script, offers=offers)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted server", daemon=True)

    @property
    def port(self) -> int:
        return self._server.port

    def __enter__(self) -> "ThreadedServer":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._server.start(), self._loop).result(30)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Raises: what went wrong in the server itself."""
        try:
            asyncio.run_coroutine_threadsafe(self._server.stop(), self._loop).result(30)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(30)
            self._loop.close()

    def follow(self, script: Iterable[Rule]) -> None:
        """From the next event on follow this script, counted anew."""
        self._loop.call_soon_threadsafe(self._server.follow, list(script))

    def taken(self) -> list[Taken]:
        return list(self._server.taken)

    def record(self) -> Record:
        return self._server

    def wait_for(self, verb: str, times: int = 1, seconds: float = 30) -> None:
        """Wait until that verb was met so often in all. Raises: AssertionError."""
        if not wait(lambda: self._server.seen[verb] >= times, seconds):
            raise AssertionError(f"not {times} x {verb} within {seconds} s, but {dict(self._server.seen)}")
