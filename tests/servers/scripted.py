"""
Our own SMTP server for tests: it does what its script says, and keeps books on what the client did.

In the test's own loop:

    async with ScriptedServer([Rule("rcpt", Reply("550 5.1.1 no such user"), recipient="a@x.example")]) as server:
        ...                                   # 127.0.0.1, server.port
        await server.until(lambda: server.seen["dot"] == 1)
    assert server.taken == [] and server.violations == []

As a process of its own, for tests that kill things (see `spawned`); it prints its port as one line:

    python -m tests.servers.scripted --store DIR --script FILE.json --port 0

It listens on 127.0.0.1 and nowhere else, and passes nothing on.
"""

import argparse
import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

from tests.servers.conversation import Conversation
from tests.servers.offers import Offers
from tests.servers.record import Record, Taken, Violation
from tests.servers.rules import (
    Drip,
    Drop,
    Early,
    Extra,
    Garbage,
    Hang,
    Quote,
    Reply,
    Reset,
    Rule,
    Script,
    Split,
    StoreThenDrop,
    StoreThenHang,
    StoreThenReset,
    Verb,
    from_json,
    to_json,
)
from tests.servers.wire import Wire

__all__ = [
    "Drip", "Drop", "Early", "Extra", "Garbage", "Hang", "Offers", "Quote", "Record", "Reply", "Reset", "Rule",
    "ScriptedServer", "Split", "StoreThenDrop", "StoreThenHang", "StoreThenReset", "Taken", "Verb", "Violation",
    "from_json", "to_json",
]  # fmt: skip

HOST = "127.0.0.1"


class ScriptedServer(Record):
    """A server, once started and once stopped, and the record of what it saw."""

    def __init__(
        self,
        script: Iterable[Rule] = (),
        *,
        offers: Offers | None = None,
        store: Path | None = None,
        port: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(store)
        self.host = HOST
        self.port = port
        self.offers = offers or Offers()
        self._script = Script(script, seed)
        self._listening: asyncio.Server | None = None
        self._conversations: set[asyncio.Task[None]] = set()
        self._bugs: list[BaseException] = []
        self._waiting: list[tuple[Callable[[], bool], asyncio.Event]] = []
        self.listen(self._wake)

    def follow(self, script: Iterable[Rule]) -> None:
        """From the next event on follow this script, counted anew; in conversations under way too."""
        self._script.follow(script)

    async def start(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.offers.receive_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.offers.receive_buffer)
        listener.bind((HOST, self.port))
        self.port = listener.getsockname()[1]
        self._listening = await asyncio.start_server(self._accept, sock=listener, backlog=128)

    async def stop(self) -> None:
        """Stop listening and cut every connection. Raises: what went wrong in the server itself."""
        if self._listening is not None:
            self._listening.close()
        for conversation in self._conversations:
            conversation.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next turn of the loop
        self.close()
        if self._bugs:
            raise self._bugs[0]

    async def __aenter__(self) -> "ScriptedServer":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def until(self, is_so: Callable[[], bool], seconds: float = 10) -> None:
        """Wait until something holds, looked at after every event. Raises: AssertionError with the books."""
        if is_so():
            return
        happened = asyncio.Event()
        self._waiting.append((is_so, happened))
        try:
            async with asyncio.timeout(seconds):
                await happened.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s; seen {dict(self.seen)}, {dict(self.commands)}") from None

    def _wake(self) -> None:
        for is_so, happened in self._waiting:
            if not happened.is_set() and is_so():
                happened.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = self.connected()
        conversation = Conversation(number, Wire(reader, writer), self._script, self.offers, self)
        task = asyncio.create_task(conversation.run())
        self._conversations.add(task)
        task.add_done_callback(self._settle)

    def _settle(self, task: asyncio.Task[None]) -> None:
        self._conversations.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._bugs.append(bug)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.servers.scripted", description=__doc__)
    parser.add_argument("--store", type=Path, required=True, help="folder for what it takes and for its events")
    parser.add_argument("--script", type=Path, help="rules as JSON")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0, help="for rules with odds")
    parser.add_argument("--extension", action="append", help="keywords of EHLO, instead of the usual ones")
    parser.add_argument("--chain", type=Path, help="PEM with certificate and key: offers STARTTLS")
    parser.add_argument("--implicit-tls", action="store_true")
    parser.add_argument("--user", help="NAME:PASSWORD: offers AUTH and demands it")
    asyncio.run(_serve(parser.parse_args()))


async def _serve(wanted: argparse.Namespace) -> None:
    rules = from_json(wanted.script.read_text(encoding="utf-8")) if wanted.script else []
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = ScriptedServer(rules, offers=_offers(wanted), store=wanted.store, port=wanted.port, seed=wanted.seed)
    async with server:
        print(server.port, flush=True)
        await stop.wait()


def _offers(wanted: argparse.Namespace) -> Offers:
    context = None
    if wanted.chain:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(wanted.chain)
    user, _, password = (wanted.user or "").partition(":")
    return Offers(
        extensions=Offers.extensions if wanted.extension is None else tuple(wanted.extension),
        tls=context,
        implicit_tls=wanted.implicit_tls,
        credentials=(user, password) if wanted.user else None,
    )


if __name__ == "__main__":
    main()
