"""
One transaction on the wire: every way in which a server can answer, fall silent or lie, and how far the letter came.

What is proved here: up to the dot nothing was sent, whatever happens, and no dot leaves where the server has said anything
else than "go on". The reader is fed through a socket pair, the conversation goes to the scripted server.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mailer import outcome
from mailer.outcome import Handover, Lost, Recipient, Reply, Role, Stage, Verdict
from mailer.relay import Mode, Settings
from mailer.relay.handshake import connect
from mailer.relay.reader import LONGEST_REPLY, ReplyReader, taken_over
from mailer.relay.wire import SmtpConnection, stuffed
from tests.relays import (
    CC,
    COPY,
    RECIPIENTS,
    SENDER,
    TO,
    WIRE,
    connected,
    enveloped,
    eventually,
    handed_over,
    impatient,
    may_send,
    settings_for,
)
from tests.servers.rules import Action
from tests.servers.scripted import (
    Drip,
    Drop,
    Early,
    Extra,
    Garbage,
    Hang,
    Offers,
    Reset,
    Rule,
    ScriptedServer,
    Split,
    StoreThenDrop,
    StoreThenHang,
    StoreThenReset,
)
from tests.servers.scripted import Reply as Say

PIPELINING = Offers()
ONE_BY_ONE = Offers(extensions=("8BITMIME",))
both = pytest.mark.parametrize("offers", [PIPELINING, ONE_BY_ONE], ids=["pipelined", "one by one"])

OK = Reply(250, "2.1.5", "ok")
LARGE = 8_000_000  # bytes; more than the kernel takes for a server that does not read

# -- the reader


@asynccontextmanager
async def reading() -> AsyncIterator[tuple[ReplyReader, socket.socket]]:
    """A reader and the far end of its connection."""
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    reader = taken_over(transport)
    try:
        yield reader, theirs
    finally:
        theirs.close()
        await reader.close()
        await eventually(lambda: ours.fileno() < 0)


REPLIES: Mapping[bytes, Reply] = {
    b"250 ok\r\n": Reply(250, "", "ok"),
    b"250\r\n": Reply(250, "", ""),
    b"250 \r\n": Reply(250, "", ""),
    b"250 2.1.5 fine\r\n": Reply(250, "2.1.5", "fine"),
    b"550 5.1.1\r\n": Reply(550, "5.1.1", ""),
    b"250-one\r\n250-two\r\n250 three\r\n": Reply(250, "", "one two three"),
    b"550-5.1.1 one\r\n550 5.1.1 two\r\n": Reply(550, "5.1.1", "one two"),
    b"550-5.1.1 one\r\n550 5.1.2 two\r\n": Reply(550, "5.1.1", "one 5.1.2 two"),
    b"550-\r\n550 5.1.1 late\r\n": Reply(550, "", "5.1.1 late"),
    b"550 2.1.5 says two things\r\n": Reply(550, "", "2.1.5 says two things"),
    b"250 5.1.1234 no such code\r\n": Reply(250, "", "5.1.1234 no such code"),
    b"250 bare line end\n": Reply(250, "", "bare line end"),
    b"250-bare\n250 ends\n": Reply(250, "", "bare ends"),
    b"550 \x1b[31mred\x00\x07\x9b\r\n": Reply(550, "", "[31mred  \ufffd"),
    "550 \u202eesrever\u200b\r\n".encode(): Reply(550, "", "esrever"),
    "550 почтовый ящик\r\n".encode(): Reply(550, "", "почтовый ящик"),
    b"550 \xff\xfe\r\n": Reply(550, "", "\ufffd\ufffd"),
}


@pytest.mark.parametrize("sent", REPLIES, ids=repr)
async def test_a_reply_is_read_as_code_enhanced_code_and_clean_text(sent: bytes) -> None:
    async with reading() as (reader, server):
        server.sendall(sent)
        assert await reader.reply(10) == REPLIES[sent]
        assert reader.is_quiet


async def test_replies_that_come_together_are_read_one_by_one() -> None:
    async with reading() as (reader, server):
        server.sendall(b"250 one\r\n550-two\r\n550 and more\r\n354 three\r\n")
        assert [str(await reader.reply(10)) for _ in range(3)] == ["250 one", "550 two and more", "354 three"]
        assert reader.is_quiet


async def test_a_reply_that_drips_in_is_read_once_it_is_whole() -> None:
    async with reading() as (reader, server):
        read = asyncio.create_task(reader.reply(10))
        for byte in b"250-2.0.0 one\r\n250 2.0.0 two\r":
            server.sendall(bytes([byte]))
            await eventually(lambda: not reader.is_quiet)
            assert not read.done()
        server.sendall(b"\n")
        assert await read == Reply(250, "2.0.0", "one two")


NONSENSE = [
    b"\r\n",
    b"hello\r\n",
    b"100 go on\r\n",
    b"199 no\r\n",
    b"600 no\r\n",
    b"25 ok\r\n",
    b"2500 ok\r\n",
    b" 250 ok\r\n",
    b"250ok\r\n",
    b"+OK\r\n",
    b"\x16\x03\x01\x02\x00\r\n",
    b"\xd9\xa2\xd9\xa5\xd9\xa0 ok\r\n",
    b"250-one\r\n251 two\r\n",
    b"250-one\r\ntwo\r\n",
    b"250-one\r\n\r\n",
]


@pytest.mark.parametrize("sent", NONSENSE, ids=repr)
async def test_what_is_no_reply_is_garbage_and_ends_the_connection(sent: bytes) -> None:
    async with reading() as (reader, server):
        server.sendall(sent + b"250 ok\r\n")
        first, second = await reader.reply(10), await reader.reply(10)
        assert isinstance(first, Lost) and first.garbled
        assert isinstance(second, Lost) and second.garbled
        assert reader.is_lost and not reader.is_quiet


@pytest.mark.parametrize("sent", [b"x" * (LONGEST_REPLY + 1), b"250-more\r\n" * 4_000], ids=["a line", "many lines"])
async def test_a_reply_without_an_end_is_given_up_at_32_kb(sent: bytes) -> None:
    async with reading() as (reader, server):
        server.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(server, sent)
        answer = await reader.reply(10)
        assert isinstance(answer, Lost) and answer.garbled


async def test_a_server_that_talks_for_ever_is_not_listened_to_for_ever() -> None:
    async with reading() as (reader, server):
        server.setblocking(False)
        loop, most = asyncio.get_running_loop(), 16_000_000
        with pytest.raises(TimeoutError):  # it is not read any more, and so it cannot send any more
            async with asyncio.timeout(0.2):
                await loop.sock_sendall(server, b"250 and another thing\r\n" * (most // 23))
        assert reader.is_lost


async def test_what_the_server_said_before_it_hung_up_is_still_read() -> None:
    async with reading() as (reader, server):
        server.sendall(b"421 4.3.2 closing\r\n")
        server.close()
        await eventually(lambda: reader.is_lost)
        assert await reader.reply(10) == Reply(421, "4.3.2", "closing")
        assert await reader.reply(10) == Lost("the server closed the connection")


@pytest.mark.parametrize("sent", [b"", b"2", b"250 o", b"250-one\r\n", b"250-one\r\n250 two"])
async def test_half_a_reply_is_none(sent: bytes) -> None:
    async with reading() as (reader, server):
        server.sendall(sent)
        server.close()
        answer = await reader.reply(10)
        assert answer == Lost("the server closed the connection")


async def test_behind_a_silence_the_connection_is_not_used_again() -> None:
    """An answer that comes too late would be taken for the answer to the next letter."""
    async with reading() as (reader, server):
        answer = await reader.reply(0.05)
        assert isinstance(answer, Lost) and "no answer" in answer.why
        server.sendall(b"250 sorry, I was asleep\r\n")
        assert not reader.is_quiet and reader.is_lost


async def test_behind_a_stalled_write_the_connection_is_not_used_again() -> None:
    async with reading() as (reader, _):
        lost = await reader.write(b"x" * LARGE, 0.05)
        assert lost is not None and "took no data" in lost.why
        assert not reader.is_quiet
        assert await reader.write(b"more", 10) == lost


async def test_a_flush_waits_until_the_kernel_has_it_all() -> None:
    async with reading() as (reader, server):
        server.setblocking(False)
        writing = asyncio.create_task(reader.write(b"x" * LARGE, 10))
        loop, taken = asyncio.get_running_loop(), 0
        while taken < LARGE // 2:
            taken += len(await loop.sock_recv(server, 65_536))
        assert not writing.done()
        while taken < LARGE:
            taken += len(await loop.sock_recv(server, 65_536))
        assert await writing is None


async def test_what_counts_as_flushed_is_the_kernel_s_to_the_last_byte() -> None:
    async with reading() as (reader, server):
        server.setblocking(False)
        flushed = 0
        while await reader.write(b"x" * 1000, 0.05) is None:
            flushed += 1000
        arrived = 0
        with suppress(BlockingIOError):  # the loop stands still meanwhile, and nothing can follow
            while data := server.recv(65_536):
                arrived += len(data)
        assert flushed <= arrived < flushed + 1000


async def test_a_write_ends_when_the_server_speaks() -> None:
    async with reading() as (reader, server):
        writing = asyncio.create_task(reader.write(b"x" * LARGE, 10))
        server.sendall(b"552 5.3.4 enough\r\n")
        assert await writing is None
        assert await reader.reply(10) == Reply(552, "5.3.4", "enough")


async def test_nothing_is_written_to_a_closed_connection() -> None:
    async with reading() as (reader, _):
        await reader.close()
        assert await reader.write(b"MAIL", 10) == Lost("closed by us")
        assert await reader.reply(10) == Lost("closed by us")


async def test_a_connection_that_was_lost_before_it_was_taken_over_is_lost() -> None:
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    transport.close()
    reader = taken_over(transport)
    assert reader.is_lost
    assert await reader.write(b"MAIL", 10) == Lost("the connection was closed")
    theirs.close()


# -- addresses in what a server says


@pytest.mark.parametrize(
    "said, shown",
    [
        (f"<{TO}>: no such user", f"<{TO}>: no such user"),
        ("HEAD@Court.example is gone", "HEAD@Court.example is gone"),
        (f"{SENDER} may not send", "…@… may not send"),
        ("Reply-To jane.doe@private.example is listed", "Reply-To …@… is listed"),
        ("<jane@private.example> and (joe@private.example),amy@x.example", "<…@…> and (…@…),…@…"),
        ("see http://x.example/?who=jane@private.example", "see http:…@…"),
        ("жанна@почта.example неизвестна", "…@… неизвестна"),
        ("@ home", "@ home"),
    ],
)
async def test_addresses_that_are_not_the_letter_s_recipients_are_taken_out_of_replies(said: str, shown: str) -> None:
    async with ScriptedServer([Rule("dot", Say(f"554 5.7.1 {said}"))]) as server:
        handover = await handed_over(await connected(settings_for(server)))
    assert handover.answer == Reply(554, "5.7.1", shown)


async def test_the_recipients_of_one_letter_are_strangers_in_replies_to_the_next() -> None:
    script = [Rule("dot", Say(f"554 5.7.1 not for {TO}"))]
    async with ScriptedServer(script) as server:
        connection = await connected(settings_for(server))
        first = await handed_over(connection)
        other = (Recipient("consul@embassy.example", Role.TO),)
        second = await handed_over(connection, recipients=other)
    assert (str(first.answer), str(second.answer)) == (f"554 5.7.1 not for {TO}", "554 5.7.1 not for …@…")


async def test_an_address_in_garbage_is_taken_out_too() -> None:
    async with ScriptedServer([Rule("dot", Garbage(b"go away jane@private.example\r\n"))]) as server:
        handover = await handed_over(await connected(settings_for(server)))
    assert isinstance(handover.answer, Lost) and "…@…" in handover.answer.why and "jane" not in handover.answer.why


# -- a letter that goes well


@both
async def test_a_letter_arrives_as_it_was_given_and_each_recipient_has_its_answer(offers: Offers) -> None:
    script = [Rule("rcpt", Say("251-2.1.5 will\n251 2.1.5 forward"), recipient=CC)]
    async with ScriptedServer(script, offers=offers) as server:
        connection = await connected(settings_for(server))
        handover = await handed_over(connection)
        assert handover.stage is Stage.DOT
        assert isinstance(handover.answer, Reply) and handover.answer.code == 250
        assert handover.rcpt == (OK, Reply(251, "2.1.5", "will forward"))
        assert connection.is_usable
        await connection.close()
        await server.until(lambda: server.seen["quit"] == 1)
    (taken,) = server.taken
    assert (taken.sender, taken.recipients, taken.data) == (SENDER, (TO, CC), WIRE)
    assert server.violations == []


@both
async def test_letters_follow_each_other_on_one_connection(offers: Offers) -> None:
    async with ScriptedServer(offers=offers) as server:
        connection = await connected(settings_for(server))
        letters = [WIRE.replace(b"<1.", b"<%d." % number) for number in range(5)]
        for letter in letters:
            assert connection.is_usable
            assert (await handed_over(connection, letter)).stage is Stage.DOT
    assert [taken.data for taken in server.taken] == letters
    assert server.connections == 1 and server.violations == []


@pytest.mark.parametrize("offers, size", [(PIPELINING, " SIZE=99"), (ONE_BY_ONE, "")])
async def test_the_size_is_told_where_the_server_asks_for_it(offers: Offers, size: str) -> None:
    async with ScriptedServer(offers=offers) as server:
        await enveloped(await connected(settings_for(server)), size=99)
    assert f"MAIL FROM:<{SENDER}>{size}" in server.commands[1]


@pytest.mark.parametrize("size", [1, 65_535, 65_536, 65_537, 1_000_003])
async def test_a_letter_of_any_length_arrives_whole(size: int) -> None:
    wire = WIRE + b"." * 70 + b"\r\n"
    wire = (wire * (size // len(wire) + 1))[-size:].lstrip(b"\r\n") or b"x"
    wire += b"" if wire.endswith(b"\r\n") else b"\r\n"
    async with ScriptedServer(offers=Offers(extensions=("PIPELINING",))) as server:
        handover = await handed_over(await connected(settings_for(server)), wire)
    assert handover.stage is Stage.DOT and server.violations == []
    assert server.taken[0].data == wire and server.taken[0].raw == stuffed(wire)


@pytest.mark.parametrize(
    "wire, on_the_wire",
    [
        (b".\r\n", b"..\r\n"),
        (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n"),
        (b"..\r\n...\r\n", b"...\r\n....\r\n"),
        (b"a.\r\nb.c\r\n", b"a.\r\nb.c\r\n"),
        (b"\r\n.\r\n.\r\n", b"\r\n..\r\n..\r\n"),
    ],
)
async def test_a_line_that_begins_with_a_dot_never_ends_the_letter(wire: bytes, on_the_wire: bytes) -> None:
    assert stuffed(wire) == on_the_wire
    async with ScriptedServer() as server:
        assert (await handed_over(await connected(settings_for(server)), wire)).stage is Stage.DOT
    assert [(taken.raw, taken.data) for taken in server.taken] == [(on_the_wire, wire)]
    assert server.dots == {1: 1} and server.violations == []


async def test_a_control_character_in_an_address_never_reaches_the_wire() -> None:
    async with ScriptedServer() as server:
        connection = await connected(settings_for(server))
        with pytest.raises(ValueError, match="control character"):
            await connection.envelope(SENDER, [f"{TO}>\r\nDATA"], 9, lambda answers: True)
        with pytest.raises(ValueError, match="ascii"):
            await connection.envelope(SENDER, ["жанна@x.example"], 9, lambda answers: True)
    assert not any(line.startswith("MAIL") for line in server.commands[1])


class Tape(asyncio.Transport):
    """A transport that keeps each write apart, and answers as told; for what cannot be seen behind a real one."""

    def __init__(self, answers: Mapping[bytes, bytes]) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False
        self._answers = answers
        self._protocol: asyncio.Protocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self._protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        pass

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.close()

    def write(self, data: Any) -> None:
        self.writes.append(bytes(data))
        for beginning, answer in self._answers.items():
            if self.writes[-1].startswith(beginning) and self._protocol is not None:
                asyncio.get_running_loop().call_soon(self._protocol.data_received, answer)


def on(tape: Tape, *extensions: str) -> SmtpConnection:
    return SmtpConnection(taken_over(tape), frozenset(extensions), Settings(Mode.SMTP, Path()))


async def test_the_dot_shares_a_write_with_nothing_and_the_envelope_is_one() -> None:
    tape = Tape({b"MAIL": b"250 ok\r\n250 ok\r\n250 ok\r\n354 go on\r\n", b".\r\n": b"250 taken\r\n"})
    assert (await handed_over(on(tape, "pipelining"))).stage is Stage.DOT
    envelope = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{TO}>\r\nRCPT TO:<{CC}>\r\nDATA\r\n".encode()
    assert tape.writes == [envelope, stuffed(WIRE), b".\r\n"]


MANY = [f"a{number}@court.example" for number in range(90)]
WORDY = b"250 2.1.5 the recipient is fine" + b"." * 400 + b"\r\n"


async def test_the_answers_to_a_pipelined_envelope_may_together_be_longer_than_one_may_be() -> None:
    tape = Tape({b"MAIL": b"250 ok\r\n" + WORDY * len(MANY) + b"354 go on\r\n"})
    connection = on(tape, "pipelining")
    handover = await connection.envelope(SENDER, MANY, 99, lambda answers: True)
    assert len(WORDY) * len(MANY) > LONGEST_REPLY
    assert (handover.stage, handover.answer) == (Stage.DATA, Reply(354, "", "go on"))
    assert [isinstance(answer, Reply) and answer.code for answer in handover.rcpt] == [250] * len(MANY)
    assert await connection.body(WIRE, handover.rcpt) is None


async def test_one_answer_of_many_is_no_longer_than_one_may_be() -> None:
    one = b"250-2.1.5 fine\r\n"
    whole = one * (LONGEST_REPLY // len(one)) + b"250 2.1.5 fine\r\n"
    tape = Tape({b"MAIL": b"250 ok\r\n" + WORDY + whole + b"354 go on\r\n"})
    handover = await on(tape, "pipelining").envelope(SENDER, MANY[:2], 99, lambda answers: True)
    assert (handover.stage, handover.answer) == (Stage.RCPT, Lost("a reply longer than 32 KB", garbled=True))
    assert isinstance(handover.rcpt[0], Reply)
    assert tape.is_closed


async def test_what_nobody_is_owed_is_given_up_at_32_kb_also_behind_an_envelope() -> None:
    tape = Tape({b"MAIL": b"250 ok\r\n" * 3 + b"354 go on\r\n"})
    connection = on(tape, "pipelining")
    assert (await connection.envelope(SENDER, MANY[:2], 99, lambda answers: True)).stage is Stage.DATA
    reader = connection._reader
    reader.data_received(b"250 and another thing\r\n" * (LONGEST_REPLY // 23))
    assert not reader.is_lost
    reader.data_received(b"250 and another thing\r\n" * 2)
    assert reader.is_lost


async def test_where_pipelining_is_not_offered_each_command_waits_for_its_answer() -> None:
    answers = {b"MAIL": b"250 ok\r\n", b"RCPT": b"250 ok\r\n", b"DATA": b"354 go on\r\n", b".\r\n": b"250 taken\r\n"}
    tape = Tape(answers)
    assert (await handed_over(on(tape, "size"))).stage is Stage.DOT
    assert [write.split(b":")[0].strip() for write in tape.writes[:4]] == [b"MAIL FROM", b"RCPT TO", b"RCPT TO", b"DATA"]
    assert tape.writes[4:] == [stuffed(WIRE), b".\r\n"]


# -- whatever goes wrong, wherever

FAULTS: Mapping[str, Action] = {
    "drop": Drop(),
    "reset": Reset(),
    "hang": Hang(),
    "cut": Split("250 2.0.0 ok"),
    "4xx": Say("451 4.3.0 later"),
    "5xx": Say("554 5.5.0 no"),
    "multi": Say("554-5.5.0 no\n554 5.5.0 never"),
    "421": Say("421 4.3.2 closing"),
    "drip": Drip("451 4.3.0 later"),
    "garbage": Garbage(),
    "mixed": Say("554-one\n555 two"),
    "1xx": Say("150 wait"),
}
ANSWERS: Mapping[str, Reply] = {
    "4xx": Reply(451, "4.3.0", "later"),
    "5xx": Reply(554, "5.5.0", "no"),
    "multi": Reply(554, "5.5.0", "no never"),
    "421": Reply(421, "4.3.2", "closing"),
    "drip": Reply(451, "4.3.0", "later"),
}
GARBLED = {"garbage", "mixed", "1xx"}
ENDS_THE_CONNECTION = {*FAULTS} - {"4xx", "5xx", "multi", "drip"}


@both
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", ["mail", "rcpt", "data", "dot"])
async def test_a_fault_at_a_step_ends_the_attempt_at_that_step(verb: Any, fault: str, offers: Offers) -> None:
    async with ScriptedServer([Rule(verb, FAULTS[fault], nth=1)], offers=offers) as server:
        connection = await connected(impatient(server))
        handover = await handed_over(connection, recipients=RECIPIENTS[:1])
        assert handover.stage is Stage(verb)
        if fault in ANSWERS:
            assert handover.answer == ANSWERS[fault]
        else:
            assert isinstance(handover.answer, Lost) and handover.answer.garbled == (fault in GARBLED)
        assert connection.is_usable == (fault not in ENDS_THE_CONNECTION)
        if connection.is_usable:
            assert (await handed_over(connection, recipients=RECIPIENTS[:1])).stage is Stage.DOT
        # A server that hangs sees nobody leave; all others see our end of the connection go.
        await connection.abort()
    was_dotted = verb == "dot"
    assert len(server.dotted) == was_dotted + (fault not in ENDS_THE_CONNECTION)
    assert server.violations == []


@pytest.mark.parametrize("fault", [StoreThenDrop(), StoreThenReset(), StoreThenHang()], ids=["drop", "reset", "hang"])
async def test_a_loss_behind_the_dot_is_told_apart_from_one_before_it(fault: Action) -> None:
    async with ScriptedServer([Rule("dot", fault)]) as server:
        handover = await handed_over(await connected(impatient(server)))
    assert handover.stage is Stage.DOT and isinstance(handover.answer, Lost)
    assert outcome.decide(RECIPIENTS, handover).verdict is Verdict.IN_DOUBT
    assert len(server.taken) == 1


@pytest.mark.parametrize("code", [200, 250, 251, 252, 299])
async def test_every_2xx_at_the_dot_is_an_acceptance(code: int) -> None:
    async with ScriptedServer([Rule("dot", Say(f"{code} 2.0.0 fine"))]) as server:
        connection = await connected(settings_for(server))
        handover = await handed_over(connection)
        assert outcome.decide(RECIPIENTS, handover).verdict is Verdict.ACCEPTED
        assert connection.is_usable


@pytest.mark.parametrize("code", [334, 354, 399])
async def test_a_3xx_at_the_dot_is_a_doubt_and_nothing_more_goes_over_that_connection(code: int) -> None:
    """A server that waits for more of the letter would take the next envelope for a part of it."""
    async with ScriptedServer([Rule("dot", Say(f"{code} go on"))]) as server:
        connection = await connected(settings_for(server))
        handover = await handed_over(connection)
        assert outcome.decide(RECIPIENTS, handover).verdict is Verdict.IN_DOUBT
        assert not connection.is_usable


BODY_FAULTS: Mapping[str, Action] = {
    "drop": Drop(),
    "reset": Reset(),
    "4xx": Early("451 4.3.0 later"),
    "5xx": Early("552 5.3.4 too large"),
    "421": Early("421 4.3.2 closing", then="drop"),
    "5xx and drop": Early("552 5.3.4 too large", then="drop"),
    "5xx and its own to the dot": Early("552 5.3.4 too large", then="answer"),
    "2xx": Early("250 2.0.0 taken, says the server", then="answer"),
    "garbage": Garbage(),
}
BODY_ANSWERS: Mapping[str, Reply] = {
    "4xx": Reply(451, "4.3.0", "later"),
    "5xx": Reply(552, "5.3.4", "too large"),
    "421": Reply(421, "4.3.2", "closing"),
    "5xx and drop": Reply(552, "5.3.4", "too large"),
    "5xx and its own to the dot": Reply(552, "5.3.4", "too large"),
    "2xx": Reply(250, "2.0.0", "taken, says the server"),
}


@both
@pytest.mark.parametrize("after", [0, 40, len(stuffed(WIRE))], ids=["with the 354", "in the body", "behind the body"])
@pytest.mark.parametrize("fault", BODY_FAULTS)
async def test_the_dot_is_never_sent_where_the_server_spoke_before_it(fault: str, after: int, offers: Offers) -> None:
    async with ScriptedServer([Rule("body", BODY_FAULTS[fault], after=after)], offers=offers) as server:
        connection = await connected(settings_for(server))
        handover = await enveloped(connection)
        assert handover.goes_on
        ended = await connection.body(WIRE, handover.rcpt)
        if ended is None:
            # While the dot mark is written there is time to hear it.
            await eventually(lambda: not connection.is_usable)
            ended = await connection.dot(handover.rcpt)
        assert ended.stage is Stage.BODY and ended.rcpt == (OK, OK)
        assert ended.answer == BODY_ANSWERS.get(fault, ended.answer)
        assert isinstance(ended.answer, Lost) or fault in BODY_ANSWERS
        assert not connection.is_usable
        assert outcome.decide(RECIPIENTS, ended).verdict is (Verdict.REFUSED if "5xx" in fault else Verdict.DEFERRED)
    assert server.dots == {} and server.taken == [] and server.violations == []


async def test_an_answer_that_the_kernel_has_when_the_dot_is_due_keeps_the_dot_back() -> None:
    """The loop had no turn since the answer came in, as where the mark was written in no time."""
    async with reading() as (reader, theirs):
        connection = SmtpConnection(reader, frozenset(), Settings(Mode.SMTP, Path()))
        assert await connection.body(WIRE, ()) is None
        theirs.sendall(b"552 5.3.4 too large\r\n")
        ended = await connection.dot(())
        assert ended == Handover(Stage.BODY, Reply(552, "5.3.4", "too large"), ())
        assert theirs.recv(9_999) == stuffed(WIRE)


@pytest.mark.parametrize("then", ["swallow", "answer", "drop"])
async def test_an_early_answer_ends_a_long_body_and_is_used(then: Any) -> None:
    script = [Rule("body", Early("552 5.3.4 too large", then=then), after=100_000)]
    async with ScriptedServer(script, offers=Offers(extensions=("PIPELINING",))) as server:
        connection = await connected(settings_for(server))
        handover = await enveloped(connection)
        ended = await connection.body(b"x" * LARGE + b"\r\n", handover.rcpt)
        assert ended == Handover(Stage.BODY, Reply(552, "5.3.4", "too large"), (OK, OK))
        assert not connection.is_usable
    assert server.dots == {}


async def test_a_server_that_stops_reading_in_the_body_got_no_letter() -> None:
    offers = Offers(extensions=("PIPELINING",), receive_buffer=4096)
    async with ScriptedServer([Rule("body", Hang())], offers=offers) as server:
        connection = await connected(impatient(server))
        handover = await handed_over(connection, b"x" * LARGE + b"\r\n")
        assert handover.stage is Stage.BODY
        assert isinstance(handover.answer, Lost) and "took no data" in handover.answer.why
        assert not connection.is_usable
    assert server.dots == {}


# -- who may get a body


@both
@pytest.mark.parametrize("refusal", ["550 5.1.1 gone", "451 4.3.0 later", "452 4.5.3 too many"])
async def test_a_354_though_no_recipient_was_accepted_closes_the_connection_and_never_brings_a_dot(
    refusal: str, offers: Offers
) -> None:
    script = [Rule("rcpt", Say(refusal)), Rule("data", Say("354 go on"))]
    async with ScriptedServer(script, offers=offers) as server:
        connection = await connected(settings_for(server))
        async with asyncio.timeout(5):  # at once: a server that waits for a body answers nothing more
            handover = await handed_over(connection)
        assert handover.stage is Stage.RCPT and [str(answer) for answer in handover.rcpt] == [refusal, refusal]
        assert connection.is_usable == (offers is ONE_BY_ONE)  # there DATA was never said
    assert server.dots == {}


@both
async def test_cc_and_copy_alone_are_never_written_to(offers: Offers) -> None:
    recipients = (*RECIPIENTS, Recipient(COPY, Role.COPY))
    async with ScriptedServer([Rule("rcpt", Say("550 5.1.1 gone"), recipient=TO)], offers=offers) as server:
        connection = await connected(settings_for(server))
        handover = await handed_over(connection, recipients=recipients)
        assert (handover.stage, handover.answer) == (Stage.RCPT, Reply(550, "5.1.1", "gone"))
        assert handover.rcpt[1:] == (OK, OK)
    assert server.dots == {} and server.taken == []


@both
async def test_a_letter_goes_to_whoever_of_its_recipients_is_accepted(offers: Offers) -> None:
    async with ScriptedServer([Rule("rcpt", Say("550 5.1.1 gone"), recipient=CC)], offers=offers) as server:
        handover = await handed_over(await connected(settings_for(server)))
        assert handover.stage is Stage.DOT and handover.rcpt == (OK, Reply(550, "5.1.1", "gone"))
    assert [taken.recipients for taken in server.taken] == [(TO,)]


@both
async def test_a_421_at_a_recipient_ends_the_attempt_though_others_were_accepted(offers: Offers) -> None:
    async with ScriptedServer([Rule("rcpt", Say("421 4.3.2 closing"), recipient=CC)], offers=offers) as server:
        connection = await connected(settings_for(server))
        handover = await handed_over(connection)
        assert (handover.stage, handover.answer) == (Stage.RCPT, Reply(421, "4.3.2", "closing"))
        assert handover.rcpt == (OK, Reply(421, "4.3.2", "closing")) and not connection.is_usable
    assert server.dots == {}


async def test_behind_a_421_nothing_more_is_said() -> None:
    script = [Rule("rcpt", Say("421 4.3.2 closing", close=False), recipient=TO)]
    async with ScriptedServer(script, offers=ONE_BY_ONE) as server:
        connection = await connected(settings_for(server))
        handover = await handed_over(connection)
        assert handover == Handover(Stage.RCPT, Reply(421, "4.3.2", "closing"), (Reply(421, "4.3.2", "closing"),))
        assert not connection.is_usable
    assert server.commands[1][1:] == [f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{TO}>"]


@both
async def test_a_refused_sender_costs_no_connection(offers: Offers) -> None:
    async with ScriptedServer([Rule("mail", Say("550 5.1.0 who are you"), nth=1)], offers=offers) as server:
        connection = await connected(settings_for(server))
        assert (await handed_over(connection)).answer == Reply(550, "5.1.0", "who are you")
        assert (await handed_over(connection)).stage is Stage.DOT
    assert server.connections == 1 and len(server.taken) == 1


# -- what nobody asked for

UNASKED = ["250 2.0.0 hello again", "550 5.1.1 gone", "451 4.3.0 later", "354 go on", "hello"]


@both
@pytest.mark.parametrize("extra", [*UNASKED, "550 5.1.1 gone\n550 5.1.1 gone"])
@pytest.mark.parametrize("verb", ["ehlo", "mail", "rcpt"])
async def test_an_answer_too_many_refuses_no_letter_and_brings_no_dot(verb: Any, extra: str, offers: Offers) -> None:
    """From there on each answer would be taken for that to the next command."""
    said = "250-scripted.example\n250 PIPELINING" if offers is PIPELINING else "250 scripted.example"
    script = [Rule(verb, Extra(extra, said if verb == "ehlo" else ""), nth=1)]
    async with ScriptedServer(script, offers=offers) as server:
        opened = await connect(impatient(server))
        if isinstance(opened, Handover):
            assert verb == "ehlo"
            return
        handover = await handed_over(opened)
        assert not opened.is_usable
    assert outcome.decide(RECIPIENTS, handover).verdict is Verdict.DEFERRED
    assert server.dots == {}


@both
@pytest.mark.parametrize(
    "action, verdict",
    [
        (Extra("250 2.0.0 and again"), Verdict.DEFERRED),
        (Say("354 go on"), Verdict.DEFERRED),
        (Say("554 5.5.1 no valid recipients"), Verdict.DEFERRED),
        (Garbage(), Verdict.DEFERRED),
        # It only leaves: what it said before is believed.
        (Extra("421 4.3.2 closing"), Verdict.REFUSED),
        (Say("421 4.3.2 closing"), Verdict.REFUSED),
        (Drop(), Verdict.REFUSED),
        (Reset(), Verdict.REFUSED),
    ],
)
async def test_a_refusal_is_believed_only_of_a_server_that_answers_rset_as_it_must(
    action: Action, verdict: Verdict, offers: Offers
) -> None:
    script = [Rule("rcpt", Say("550 5.1.1 gone")), Rule("rset", action)]
    async with ScriptedServer(script, offers=offers) as server:
        connection = await connected(settings_for(server))
        handover = await handed_over(connection)
        assert outcome.decide(RECIPIENTS, handover).verdict is verdict
        assert not connection.is_usable


@pytest.mark.parametrize("extra", ["250 2.0.0 hello again", "421 4.3.2 closing", "hello"])
async def test_a_connection_on_which_the_server_spoke_unasked_carries_no_other_letter(extra: str) -> None:
    async with ScriptedServer([Rule("dot", Extra(extra))]) as server:
        connection = await connected(settings_for(server))
        handover = await handed_over(connection)
        assert outcome.decide(RECIPIENTS, handover).verdict is Verdict.ACCEPTED
        await eventually(lambda: not connection.is_usable)


async def test_quit_is_said_to_a_server_that_listens_and_to_no_other() -> None:
    for said, last in ((b"", b"QUIT\r\n"), (b"421 4.3.2 closing\r\n", b".\r\n")):
        tape = Tape({b"MAIL": b"250 ok\r\n" * 3 + b"354 go on\r\n", b".\r\n": b"250 taken\r\n" + said, b"QUIT": b"221 bye\r\n"})
        connection = on(tape, "pipelining")
        assert (await handed_over(connection)).stage is Stage.DOT
        await connection.close()
        assert tape.writes[-1] == last and tape.is_closed


@both
async def test_a_421_that_nobody_asked_for_is_heard_before_the_next_letter(offers: Offers) -> None:
    async with ScriptedServer([Rule("dot", Extra("421 4.3.2 closing"))], offers=offers) as server:
        connection = await connected(settings_for(server))
        await handed_over(connection)
        await eventually(lambda: not connection.is_usable)
        assert await handed_over(connection) == Handover(Stage.MAIL, Reply(421, "4.3.2", "closing"))
    assert len(server.dotted) == 1


async def test_a_connection_that_the_server_closed_meanwhile_is_not_usable() -> None:
    async with ScriptedServer([Rule("dot", Say("250 2.0.0 ok", close=True))]) as server:
        connection = await connected(settings_for(server))
        assert (await handed_over(connection)).stage is Stage.DOT
        await eventually(lambda: not connection.is_usable)


@pytest.mark.parametrize(
    "fault", [Drop(), Reset(), Garbage(), Say("554 no"), Split()], ids=lambda action: type(action).__name__
)
async def test_whatever_comes_of_quit_is_ignored(fault: Action) -> None:
    async with ScriptedServer([Rule("quit", fault)]) as server:
        connection = await connected(settings_for(server))
        assert (await handed_over(connection)).stage is Stage.DOT
        await connection.close()
    assert server.commands[1][-1] == "QUIT"


async def test_an_aborted_connection_says_nothing_more() -> None:
    async with ScriptedServer() as server:
        connection = await connected(settings_for(server))
        handover = await enveloped(connection)
        assert await connection.body(WIRE, handover.rcpt) is None
        await connection.abort()
        assert not connection.is_usable
    assert server.dots == {} and server.commands[1][-1] == "DATA"


@pytest.mark.parametrize("seed", range(3))
async def test_may_send_is_asked_with_every_answer_in_order(seed: int) -> None:
    script = [Rule("rcpt", Say("450 4.2.1 busy"), recipient=(TO, CC, COPY)[seed])]
    asked: list[list[int]] = []
    async with ScriptedServer(script) as server:
        connection = await connected(settings_for(server))

        def never(answers: Any) -> bool:
            asked.append([answer.code for answer in answers])
            return False

        await connection.envelope(SENDER, [TO, CC, COPY], 9, never)
    assert asked == [[450 if place == seed else 250 for place in range(3)]]
    assert may_send(RECIPIENTS)([OK, OK])
