"""
A client with no manners of its own: it says what it is told, in the bytes it is told, and hands over what it hears.

For tests of servers, and for tests that want to see what a server does to a client that is not ours. `LETTER` is a
letter to hand in; `STUFFED` the same as it must stand on the wire.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.servers.scripted import ScriptedServer
from tests.servers.spawned import SpawnedServer

LETTER = b"Subject: Drop the charges\r\nMessage-ID: <one@x.example>\r\n\r\nDear Madam Chair,\r\n.. dots\r\n.\xd0\x96\r\n"
STUFFED = b"Subject: Drop the charges\r\nMessage-ID: <one@x.example>\r\n\r\nDear Madam Chair,\r\n... dots\r\n..\xd0\x96\r\n"
MAIL = "MAIL FROM:<a@x.example> BODY=8BITMIME"
HANDED_IN = ["EHLO me.example", MAIL, "RCPT TO:<b@y.example>", "DATA"]


class Client:
    """One connection of such a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *lines: str) -> None:
        """All lines in one write."""
        await self.send("".join(f"{line}\r\n" for line in lines).encode())

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def reply(self) -> str:
        lines = [(await self.reader.readline()).decode()]
        while lines[-1][3:4] == "-":
            lines.append((await self.reader.readline()).decode())
        return "".join(lines).replace("\r\n", "\n").rstrip("\n")

    async def ask(self, line: str) -> str:
        await self.say(line)
        return await self.reply()

    async def walk(self, *lines: str) -> str:
        """Greeting, then each line and its reply; returns the last reply."""
        reply = await self.reply()
        for line in lines:
            reply = await self.ask(line)
        return reply

    async def rest(self) -> bytes:
        """Everything until the server closes. Raises: ConnectionResetError."""
        return await self.reader.read()

    async def leave(self) -> bytes:
        """Close our half; what still comes."""
        self.writer.write_eof()
        return await self.rest()


@asynccontextmanager
async def connected(server: ScriptedServer | SpawnedServer) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    try:
        async with asyncio.timeout(20):
            yield Client(reader, writer)
    finally:
        writer.close()
