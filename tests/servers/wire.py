"""
The bytes of one connection, seen from the server: what came in, what goes out, and all the ways to end.

A task of its own takes in whatever arrives (`unread`), because a server that watches a client must see what comes while
nobody asked: text ahead of a TLS handshake, bytes behind a dot that has no answer yet, the client's leaving.

It knows no SMTP but the end of a line and the end of a body.
"""

import asyncio
import contextlib
import socket
import ssl
import struct

END_OF_BODY = b"\r\n.\r\n"


class Ended(Exception):
    """This connection is over: the client left, or the script ended it."""


class Wire:
    """One connection. `say` collects, `flush` sends: so the answers to pipelined commands travel together."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.unread = bytearray()
        self.client_left = False
        self.is_tls = False
        self._reader = reader
        self._writer = writer
        self._unsent = bytearray()
        self._arrived = asyncio.Event()
        self._socket: socket.socket = writer.get_extra_info("socket")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pumping = asyncio.create_task(self._pump())

    # -- in

    async def line(self) -> bytes:
        """The next line with its ending. Answers go out when no whole line is here (RFC 2920 section 3.2)."""
        while b"\n" not in self.unread:
            have = len(self.unread)
            await self.flush()
            if not await self.more(have):
                raise Ended
        return self.cut(self.unread.index(b"\n") + 1)

    def cut(self, length: int) -> bytes:
        """Take that much from what is unread."""
        octets = bytes(self.unread[:length])
        del self.unread[:length]
        return octets

    def length_of_body(self) -> int | None:
        """How long the body is that a final dot ends; None while there is none (RFC 5321 section 4.1.1.4)."""
        if self.unread.startswith(END_OF_BODY[2:]):
            return 0
        place = self.unread.find(END_OF_BODY)
        return None if place < 0 else place + 2

    async def more(self, have: int) -> bool:
        """Wait until more than `have` bytes are unread; False when the client has left instead."""
        while len(self.unread) <= have and not self.client_left:
            self._arrived.clear()
            await self._arrived.wait()
        return len(self.unread) > have

    async def catch_up(self) -> None:
        """A few turns of the loop, so that what has already arrived is read."""
        for _ in range(4):
            await asyncio.sleep(0)

    async def _pump(self) -> None:
        with contextlib.suppress(OSError):
            while octets := await self._reader.read(65536):
                self.unread += octets
                self._arrived.set()
        self.client_left = True
        self._arrived.set()

    # -- out

    def say(self, text: str) -> None:
        self._unsent += as_lines(text)

    def say_raw(self, octets: bytes) -> None:
        self._unsent += octets

    async def flush(self) -> None:
        if self._unsent:
            self._writer.write(bytes(self._unsent))
            self._unsent.clear()
            await self._writer.drain()

    async def drip(self, text: str, seconds: float) -> None:
        """Send byte by byte; nothing is awaited behind the last one."""
        await self.flush()
        for place, octet in enumerate(as_lines(text)):
            if place:
                await asyncio.sleep(seconds)
            self._writer.write(bytes([octet]))
            await self._writer.drain()

    async def repeat(self, octets: bytes, times: int) -> None:
        """Send the same again and again; 0 times is until the client leaves."""
        await self.flush()
        count = 0
        while not self.client_left and (count < times or times == 0):
            self._writer.write(octets)
            await self._writer.drain()
            await asyncio.sleep(0)
            count += 1

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """
        Send what is unsent and shake hands. Raises: OSError (ssl.SSLError is one).

        Nothing may be awaited between the two, or the client's half of the handshake is read as text.
        """
        self._writer.write(bytes(self._unsent))
        self._unsent.clear()
        self._pumping.cancel()
        await self._writer.start_tls(context)
        self.is_tls = True
        self._pumping = asyncio.create_task(self._pump())

    # -- endings

    async def fin(self) -> None:
        """
        Send what is unsent and FIN, but go on reading: to close at once would turn into a reset as soon as one more
        byte comes. TLS knows no half of a connection, there it is closed.
        """
        await self.flush()
        if self._writer.can_write_eof():
            with contextlib.suppress(OSError):  # the client, killed, has reset the connection
                self._writer.write_eof()
        else:
            self._writer.close()

    async def rst(self) -> None:
        """Send what is unsent, then a reset: closing with SO_LINGER 0 is how Linux sends one."""
        await self.flush()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def stall(self) -> None:
        """Send what is unsent, then do nothing until the server stops: who does not read sees no client leave."""
        await self.flush()
        self._pumping.cancel()
        transport = self._writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()
        await asyncio.Event().wait()

    def close(self) -> None:
        self._pumping.cancel()
        self._writer.close()

    def abort(self) -> None:
        self._pumping.cancel()
        self._writer.transport.abort()


def as_lines(text: str) -> bytes:
    """
    >>> as_lines("250-one\\n250 two")
    b'250-one\\r\\n250 two\\r\\n'
    """
    return "".join(f"{line}\r\n" for line in text.split("\n")).encode()
