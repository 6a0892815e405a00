"""
One SMTP transaction on a connection that is already greeted, encrypted and let in.

    MAIL, RCPT, DATA  ->  envelope()      body  ->  body()      the final dot, alone  ->  dot()

The three steps are apart because of what lies between them: whoever carries the letter writes the durable dot mark behind
the body and before the dot. Up to there nothing was sent, whatever happens; from the first byte of the dot on, only a reply
tells.

Replies are read by `reader`. Envelopes go out in one write where PIPELINING is offered (RFC 2920); the dot never
shares a write with anything. It judges no reply, retries nothing and knows neither letters nor the ledger.

RFC 5321 4.1, 4.5.2 (dot-stuffing), 4.5.3.2 (waits), RFC 2920, RFC 1870 (SIZE).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mailer.outcome import Handover, Lost, MaySend, Reply, Stage
from mailer.relay.reader import ReplyReader
from mailer.relay.settings import Settings

_CHUNK = 65_536


def stuffed(wire: bytes) -> bytes:
    r"""
    A letter's bytes as they stand in DATA: a dot that begins a line is doubled (RFC 5321 4.5.2).

    >>> stuffed(b".hidden\r\n..\r\n")
    b'..hidden\r\n...\r\n'
    """
    stuffed = wire.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed


def _xtext(text: str) -> str:
    """
    A text as RFC 3461 4 writes it.

    >>> _xtext("1.5a+b=c@x.example")
    '1.5a+2Bb+3Dc@x.example'
    """
    return "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in text)


class SmtpConnection:
    """One connection to the relay, one letter at a time. `extensions` are the EHLO keywords in lower case."""

    def __init__(self, reader: ReplyReader, extensions: frozenset[str], settings: Settings) -> None:
        self._reader = reader
        self._settings = settings
        self._is_pipelining = "pipelining" in extensions
        self._has_size = "size" in extensions
        self._has_dsn = "dsn" in extensions

    @property
    def is_usable(self) -> bool:
        """Whether another letter may begin on it: it stands, and the server has said nothing unasked."""
        return self._reader.is_quiet

    async def envelope(
        self, sender: str, recipients: Sequence[str], size: int, may_send: MaySend, letter: str = ""
    ) -> Handover:
        """
        Say who writes to whom. The body may follow if the handover ends at DATA with 354.

        Where the relay can and there is a return path, a report is asked for of failure and delay, with the headers of the
        `letter` and under its name (RFC 3461).

        `may_send` is asked with the answers to RCPT, in order; where it says no, no body is offered.
        """
        self._reader.keep = frozenset(address.casefold() for address in recipients)
        parameters = f" SIZE={size}" if self._has_size else ""
        asked = ""
        if self._has_dsn and sender and letter:
            parameters, asked = f"{parameters} RET=HDRS ENVID={_xtext(letter)}", " NOTIFY=FAILURE,DELAY"
        lines = [f"MAIL FROM:<{sender}>{parameters}", *(f"RCPT TO:<{address}>{asked}" for address in recipients), "DATA"]
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
        await self._reader.catch_up()
        if not self._reader.is_quiet:
            return await self._interrupted(None, rcpt)
        # Both waits have one end: a stop is given no longer than that.
        loop, seconds = asyncio.get_running_loop(), self._settings.dot_timeout
        until = loop.time() + seconds
        lost = await self._reader.write(b".\r\n", seconds)
        answer = lost or await self._reader.reply(until - loop.time())
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
        self._reader.owe(len(lines))
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
