"""
One SMTP transaction on a connection that is already greeted, encrypted and let in.

    MAIL, RCPT, DATA  ->  envelope()      body  ->  body()      the final dot, alone  ->  dot()

The three steps are apart because of what lies between them: whoever carries the letter writes the durable dot mark behind
the body and before the dot. Up to there nothing was sent, whatever happens; from the first byte of the dot on, only a reply
tells.

Replies are read here and not by aiosmtplib, whose reader drops what comes unasked: of four pipelined replies it gives one,
and an early 552 in the body is lost. Envelopes go out in one write where PIPELINING is offered (RFC 2920); the dot never
shares a write with anything. It judges no reply, retries nothing and knows neither letters nor the ledger.

RFC 5321 4.1-4.2, 4.5.2 (dot-stuffing), 4.5.3.2 (waits), RFC 2920, RFC 1870 (SIZE), RFC 2034 (enhanced codes).
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Sequence
from typing import cast

from mailer.outcome import Handover, Lost, MaySend, Reply, Stage
from mailer.relay.settings import Settings

LONGEST_REPLY = 32_768
_CHUNK = 65_536
_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?")
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)")
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"']+@[^\s<>()\[\],;:\"']+")


def stuffed(wire: bytes) -> bytes:
    r"""
    A letter's bytes as they stand in DATA: a dot that begins a line is doubled (RFC 5321 4.5.2).

    >>> stuffed(b".hidden\r\n..\r\n")
    b'..hidden\r\n...\r\n'
    """
    stuffed = wire.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


class ReplyReader(asyncio.Protocol):
    """
    What stands between a transport and one reader: bytes in, whole replies out, and whether all we wrote is out.

    One task at a time waits on it. Bytes that nobody has asked for stay in the buffer and show as `is_quiet` being False.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
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
        if len(self._buffer) > LONGEST_REPLY and self._transport is not None:
            self._transport.pause_reading()
            self._lose("a reply longer than 32 KB", garbled=True)
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

    @property
    def is_quiet(self) -> bool:
        """Whether the connection stands and nothing has come in that was not read."""
        return self._lost is None and not self._buffer

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be written any more."""
        return self._lost is not None

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
        """Take one reply off the buffer; None while it is not whole yet."""
        texts: list[str] = []
        offset = 0
        first = b""
        while (end := self._buffer.find(b"\n", offset)) >= 0:
            line = bytes(self._buffer[offset:end]).rstrip(b"\r")
            offset = end + 1
            match = _LINE.fullmatch(line)
            if match is None or (first and match[1] != first):
                self._lose("the server's answer is not SMTP", garbled=True)
                return Lost(f"the server's answer is not SMTP: {self._shown(line)[:80]}", garbled=True)
            first = match[1]
            texts.append(self._shown(match[3] or b""))
            if match[2] != b"-":
                del self._buffer[:offset]
                return _read(int(first), texts)
        return None

    def _shown(self, text: bytes) -> str:
        """A server's text without control and bidi characters, and without addresses that are not this letter's."""
        plain = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text.decode("utf-8", "replace"))
        return _ADDRESS.sub(lambda found: found[0] if found[0].casefold() in self.keep else "…@…", plain).strip()

    async def close(self) -> None:
        """Close without waiting for anybody."""
        lost = self._lose("closed by us")
        if self._transport is None:
            return
        if self._is_full or lost.garbled:
            self._transport.abort()
        else:
            self._transport.close()


def _read(code: int, texts: Sequence[str]) -> Reply:
    """One reply from its lines; an enhanced code counts only if its class agrees with the code (RFC 2034 4)."""
    enhanced = _ENHANCED.match(texts[0])
    if enhanced and enhanced[1][0] == str(code)[0]:
        bare = [text[len(enhanced[0]) :] if text.startswith(enhanced[0].strip()) else text for text in texts]
        return Reply(code, enhanced[1], " ".join(filter(None, bare)))
    return Reply(code, "", " ".join(filter(None, texts)))


class SmtpConnection:
    """One connection to the relay, one letter at a time. `extensions` are the EHLO keywords in lower case."""

    def __init__(self, reader: ReplyReader, extensions: frozenset[str], settings: Settings) -> None:
        self._reader = reader
        self._settings = settings
        self._is_pipelining = "pipelining" in extensions
        self._has_size = "size" in extensions

    @property
    def is_usable(self) -> bool:
        """Whether another letter may begin on it: it stands, and the server has said nothing unasked."""
        return self._reader.is_quiet

    async def envelope(self, sender: str, recipients: Sequence[str], size: int, may_send: MaySend) -> Handover:
        """
        Say who writes to whom. The body may follow if the handover ends at DATA with 354.

        `may_send` is asked with the answers to RCPT, in order; where it says no, no body is offered.
        """
        self._reader.keep = frozenset(address.casefold() for address in recipients)
        parameters = f" SIZE={size}" if self._has_size else ""
        lines = [f"MAIL FROM:<{sender}>{parameters}", *(f"RCPT TO:<{address}>" for address in recipients), "DATA"]
        if self._is_pipelining and (failed := await self._say(lines)):
            return await self._give_up(Handover(Stage.MAIL, failed), 0)
        mail = await self._answer(lines[0])
        if isinstance(mail, Lost) or mail.code // 100 != 2:
            return await self._give_up(Handover(Stage.MAIL, mail), len(recipients) + 1)
        answers: list[Reply | Lost] = []
        for line in lines[1:-1]:
            answers.append(await self._answer(line))
            if isinstance(answers[-1], Lost) or answers[-1].code == 421:
                return await self._give_up(Handover(Stage.RCPT, answers[-1], tuple(answers)), 0)
        if not may_send(answers):
            against = next(answer for answer in answers if isinstance(answer, Reply) and answer.code // 100 != 2)
            return await self._give_up(Handover(Stage.RCPT, against, tuple(answers)), 1)
        return await self._data(tuple(answers))

    async def _data(self, answers: tuple[Reply | Lost, ...]) -> Handover:
        data = await self._answer("DATA")
        handover = Handover(Stage.DATA, data, answers)
        if isinstance(data, Reply) and data.code == 354:
            return handover
        return await self._give_up(handover, 0)

    async def body(self, wire: bytes, rcpt: tuple[Reply | Lost, ...]) -> Handover | None:
        """Send the body and see it flushed; None if the dot may follow. An early reply is read and ends the attempt."""
        data = stuffed(wire)
        for start in range(0, len(data), _CHUNK):
            lost = await self._reader.write(data[start : start + _CHUNK], self._settings.data_timeout)
            if lost or not self._reader.is_quiet:
                return await self._interrupted(lost, rcpt)
        return None

    async def _interrupted(self, lost: Lost | None, rcpt: tuple[Reply | Lost, ...]) -> Handover:
        """In the middle of DATA only closing ends the body without a dot."""
        answer = lost or await self._reader.reply(self._settings.command_timeout)
        await self._reader.close()
        return Handover(Stage.BODY, answer, rcpt)

    async def dot(self, rcpt: tuple[Reply | Lost, ...]) -> Handover:
        """
        Send the final dot, alone, and wait for its answer. The dot mark must be durable before.

        If the server has spoken since the body was flushed, no dot is sent: the handover then ends at the body.
        """
        if not self._reader.is_quiet:
            return await self._interrupted(None, rcpt)
        lost = await self._reader.write(b".\r\n", self._settings.dot_timeout)
        answer = lost or await self._reader.reply(self._settings.dot_timeout)
        # A 3xx is no answer to a dot: whoever gives it may wait for more, and take the next envelope for it.
        if isinstance(answer, Lost) or answer.code == 421 or answer.code // 100 == 3:
            await self._reader.close()
        return Handover(Stage.DOT, answer, rcpt)

    async def close(self) -> None:
        """Say QUIT if the server still listens, wait for nothing it says, and close."""
        if self._reader.is_quiet:
            await self._reader.write(b"QUIT\r\n", 5)
            await self._reader.reply(5)
        await self._reader.close()

    async def abort(self) -> None:
        """Close at once, without QUIT: a body that was begun must not be taken for whole."""
        await self._reader.close()

    async def _answer(self, line: str) -> Reply | Lost:
        """The answer to a line of the envelope, which is said here unless all were said at once."""
        failed = None if self._is_pipelining else await self._say([line])
        return failed or await self._reader.reply(self._settings.command_timeout)

    async def _say(self, lines: Sequence[str]) -> Reply | Lost | None:
        """Say lines to a server that has said nothing since its last answer; None if they are out."""
        if not self._reader.is_quiet:
            return await self._unasked()
        return await self._reader.write(_joined(lines), self._settings.command_timeout)

    async def _unasked(self) -> Reply | Lost:
        """What was said though nothing was asked: a 421 explains itself, all else puts the answers out of step."""
        said = await self._reader.reply(self._settings.command_timeout)
        if isinstance(said, Lost) or said.code == 421:
            return said
        return Lost(f"the server spoke unasked: {said}", garbled=True)

    async def _give_up(self, handover: Handover, pipelined: int) -> Handover:
        """Leave a transaction without a body: read what is still owed, then RSET; close where that is not safe."""
        answers = [handover.answer]
        for _ in range(pipelined if self._is_pipelining else 0):
            if isinstance(answers[-1], Lost):
                break
            answers.append(await self._reader.reply(self._settings.command_timeout))
        # Behind a 354 the server waits for a body: only closing says that there is none.
        if any(isinstance(answer, Lost) or answer.code == 421 or answer.code // 100 == 3 for answer in answers):
            await self._reader.close()
            return handover
        return await self._reset(handover)

    async def _reset(self, handover: Handover) -> Handover:
        """
        Forget the transaction, so that the next letter may follow.

        RSET is answered by 250 and nothing else (RFC 5321 4.1.1.5). Any other answer, or a second one, shows that the server
        said more than it was asked; then each answer may have been another command's, and none refuses anybody.
        """
        answer = await self._say(["RSET"]) or await self._reader.reply(self._settings.command_timeout)
        is_reset = isinstance(answer, Reply) and answer.code // 100 == 2
        if is_reset and self._reader.is_quiet:
            return handover
        if is_reset:
            answer = await self._unasked()
        await self._reader.close()
        if (isinstance(answer, Lost) and not answer.garbled) or (isinstance(answer, Reply) and answer.code == 421):
            return handover
        return Handover(handover.stage, Lost("the server's answers do not fit what it was asked", garbled=True))


def _joined(lines: Sequence[str]) -> bytes:
    """Command lines as bytes. Addresses were parsed to ASCII without white space; a control character here is a bug."""
    data = "".join(f"{line}\r\n" for line in lines).encode("ascii")
    if any(byte < 0x20 or byte == 0x7F for byte in data.replace(b"\r\n", b"")) or data.count(b"\r\n") != len(lines):
        raise ValueError("a control character in an SMTP command")
    return data


def taken_over(transport: asyncio.BaseTransport) -> ReplyReader:
    """A reader on a transport that somebody else has opened."""
    reader = ReplyReader()
    reader.take_over(cast(asyncio.Transport, transport))
    return reader
