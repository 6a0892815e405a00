"""
The replies of a mail server, read off a transport as they come.

    transport  ->  READER (whole replies, one at a time; or why there will be none)  ->  wire

Replies are read here and not by aiosmtplib, whose reader drops what comes unasked: of four pipelined replies it gives one,
and an early 552 in the body is lost. A reply is whole, of one code, and at most 32 KB; its text is kept without control and
bidi characters and without addresses that are nobody's business. It judges nothing and knows no step of a transaction.

RFC 5321 4.2 (replies), RFC 2034 (enhanced codes).
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Sequence
from typing import cast

from mailer.outcome import Lost, Reply

LONGEST_REPLY = 32_768
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?")
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_BETWEEN = re.compile(r"[^\s<>()\[\],;:\"']+")  # what stands between the characters that end an address


class ReplyReader(asyncio.Protocol):
    """
    What stands between a transport and one reader: bytes in, whole replies out, and whether all we wrote is out.

    One task at a time waits on it. Bytes that nobody has asked for stay in the buffer and show as `is_quiet` being False.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._begun: tuple[bytes, list[str]] = (b"", [])  # the code and the texts of a reply's lines that have come
        self._read = 0  # bytes of the buffer that these lines were
        self._searched = 0  # bytes of the buffer behind which the next line end will come
        self._owed = 0  # replies to what was said at once
        self._lost: Lost | None = None
        self._is_full = False
        self._wake: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self.keep: frozenset[str] = frozenset()

    def take_over(self, transport: asyncio.Transport) -> None:
        """Become the transport's protocol; from here on every byte comes to us."""
        self._transport = transport
        transport.set_protocol(self)
        # Writing counts as paused while one byte is still ours, so that a flush means: all of it is the kernel's (under TLS
        # asyncio may keep up to 64 KB behind its count). TLS pauses at the mark, not above it: at 0 it would wait for nothing.
        is_tls = transport.get_extra_info("sslcontext") is not None
        transport.set_write_buffer_limits(high=1 if is_tls else 0)
        if transport.is_closing():
            self._lose("the connection was closed")

    def data_received(self, data: bytes) -> None:
        if self._lost:
            return
        self._buffer += data
        if len(self._buffer) > LONGEST_REPLY * max(1, self._owed):
            self._stop_listening()
        self._notify()

    def eof_received(self) -> bool:
        self._lose("the server closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lose(f"the connection was lost ({exc})" if exc else "the connection was closed")

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._notify()

    def _lose(self, why: str, *, garbled: bool = False) -> Lost:
        """From here on the connection is lost, whatever still comes: a late answer is not taken for the next one."""
        self._lost = self._lost or Lost(why, garbled)
        self._notify()
        return self._lost

    def _stop_listening(self) -> Lost:
        """One reply is too long, or more is said than was asked for."""
        if self._transport is not None:
            self._transport.pause_reading()
        return self._lose("a reply longer than 32 KB", garbled=True)

    def _notify(self) -> None:
        if self._wake and not self._wake.done():
            self._wake.set_result(None)

    async def _next(self, deadline: float) -> bool:
        """Wait for anything to happen; False if the deadline (loop time) came first."""
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        try:
            async with asyncio.timeout_at(deadline):
                await self._wake
        except TimeoutError:
            return False
        finally:
            self._wake = None
        return True

    async def catch_up(self) -> None:
        """Let the loop look at the connection once, so that what the kernel already has is read."""
        await asyncio.sleep(0)  # one turn finds the bytes, the next brings them
        await asyncio.sleep(0)

    @property
    def is_quiet(self) -> bool:
        """Whether the connection stands and nothing has come in that was not read."""
        return self._lost is None and not self._buffer

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be written any more."""
        return self._lost is not None

    def owe(self, replies: int) -> None:
        """So many replies will come together, to commands that are said at once: each may be as long as one may be."""
        self._owed = replies

    async def write(self, data: bytes, seconds: float) -> Lost | None:
        """Write and wait until all of it is the kernel's, or until something comes in that should be read first."""
        if self._lost or self._transport is None:
            return self._lost or Lost("the connection is closed")
        self._transport.write(data)
        if self._transport.is_closing():
            await asyncio.sleep(0)  # the kernel would not have it; connection_lost comes with the next turn of the loop
        deadline = asyncio.get_running_loop().time() + seconds
        while self._is_full and not self._buffer and not self._lost:
            if not await self._next(deadline):
                return self._lose(f"the server took no data for {seconds:g} s")
        return None if self._buffer else self._lost

    async def reply(self, seconds: float) -> Reply | Lost:
        """The next whole reply, or why there is none; what came before a loss is still read."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            found = self._parsed()
            if found is not None:
                return found
            if self._lost:
                return self._lost
            if not await self._next(deadline):
                # A process that stood still finds the answer and the end of its patience together: the answer counts.
                return self._parsed() or self._lose(f"no answer within {seconds:g} s")

    def _parsed(self) -> Reply | Lost | None:
        """Take one reply off the buffer; None while it is not whole yet. A line that was read is not read again."""
        code, texts = self._begun
        while (end := self._buffer.find(b"\n", self._searched, LONGEST_REPLY)) >= 0:
            line = bytes(self._buffer[self._read : end]).rstrip(b"\r")
            match = _LINE.fullmatch(line)
            if match is None or (code and match[1] != code):
                self._lose("the server's answer is not SMTP", garbled=True)
                return Lost(f"the server's answer is not SMTP: {self._shown(line)}", garbled=True)
            code = match[1]
            texts.append(self._shown(match[3] or b""))
            self._begun = code, texts
            self._read = self._searched = end + 1
            if match[2] != b"-":
                del self._buffer[: self._read]
                self._begun, self._read, self._searched = (b"", []), 0, 0
                self._owed = max(0, self._owed - 1)
                return read(int(code), texts)
        if len(self._buffer) > LONGEST_REPLY:
            return self._stop_listening()
        self._searched = len(self._buffer)
        return None

    def _shown(self, text: bytes) -> str:
        """A server's text without control and bidi characters, and without addresses that are not this letter's."""
        plain = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text.decode("utf-8", "replace"))
        return _BETWEEN.sub(lambda found: self._known(found[0]), plain).strip()

    def _known(self, word: str) -> str:
        """A word of a server's as it is shown: an address is one that has an @ in the middle."""
        return word if "@" not in word[1:-1] or word.casefold() in self.keep else "…@…"

    async def close(self) -> None:
        """Close without waiting for anybody."""
        lost = self._lose("closed by us")
        if self._transport is None:
            return
        if self._is_full or lost.garbled:
            self._transport.abort()
        else:
            self._transport.close()


def read(code: int, texts: Sequence[str]) -> Reply:
    """One reply from its lines; an enhanced code counts only if its class agrees with the code (RFC 2034 4)."""
    enhanced = _ENHANCED.match(texts[0])
    if enhanced and enhanced[1][0] == str(code)[0]:
        bare = [text[len(enhanced[0]) :] if text.startswith(enhanced[0].strip()) else text for text in texts]
        return Reply(code, enhanced[1], " ".join(filter(None, bare)))
    return Reply(code, "", " ".join(filter(None, texts)))


def taken_over(transport: asyncio.BaseTransport) -> ReplyReader:
    """A reader on a transport that somebody else has opened."""
    reader = ReplyReader()
    reader.take_over(cast(asyncio.Transport, transport))
    return reader
