"""
The scripted server does what its script says, at every verb, and is a good server where it says nothing.

Met with a raw client and with aiosmtplib.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import aiosmtplib
import pytest

from tests.servers.client import HANDED_IN, LETTER, MAIL, STUFFED, Client, connected
from tests.servers.record import read_taken
from tests.servers.rules import ACTIONS, Action
from tests.servers.scripted import (
    Drip,
    Drop,
    Early,
    Extra,
    Garbage,
    Hang,
    Offers,
    Quote,
    Reply,
    Reset,
    Rule,
    ScriptedServer,
    Split,
    StoreThenDrop,
    StoreThenHang,
    StoreThenReset,
    Verb,
    Violation,
    from_json,
    to_json,
)

# -- a good server


@pytest.mark.parametrize("mechanism", ["plain", "login"])
@pytest.mark.parametrize("implicit", [False, True])
async def test_a_good_server_takes_a_letter_over_tls_from_who_may(
    tls: ssl.SSLContext, trust: ssl.SSLContext, mechanism: str, implicit: bool
) -> None:
    offers = Offers(tls=tls, implicit_tls=implicit, credentials=("user", "secret"))
    async with ScriptedServer(offers=offers) as server:
        client = aiosmtplib.SMTP(
            hostname=server.host, port=server.port, use_tls=implicit, start_tls=not implicit, tls_context=trust
        )
        async with client:
            await getattr(client, f"auth_{mechanism}")("user", "secret")
            await client.mail("a@x.example", options=["BODY=8BITMIME"])
            await client.rcpt("b@y.example")
            await client.rcpt("c@y.example")
            assert (await client.data(LETTER)).code == 250
    (taken,) = server.taken
    assert (taken.connection, taken.sender, taken.recipients) == (1, "a@x.example", ("b@y.example", "c@y.example"))
    assert taken.data == LETTER
    assert taken.message_id == "<one@x.example>" and taken.message["Subject"] == "Drop the charges"
    assert taken.raw == STUFFED
    assert server.violations == [] and server.handshakes_failed == 0
    assert (server.connections, server.dots) == (1, {1: 1})
    assert server.commands[1][-6:] == [
        "MAIL FROM:<a@x.example> BODY=8BITMIME", "RCPT TO:<b@y.example>", "RCPT TO:<c@y.example>", "DATA", ".", "QUIT",
    ]  # fmt: skip


async def test_commands_sent_together_are_answered_together_and_in_order() -> None:
    script = [
        Rule("rcpt", Reply("550 5.1.1 gone"), recipient="b@y.example"),
        Rule("rcpt", Reply("452 4.5.3 too many\n250 2.1.5 nobody asked"), recipient="c@y.example"),
        Rule("rcpt", Reply("251-will\n251 forward"), recipient="d@y.example"),
    ]
    async with ScriptedServer(script) as server, connected(server) as client:
        await client.walk("EHLO me.example")
        await client.say("MAIL FROM:<a@x.example>", *(f"RCPT TO:<{name}@y.example>" for name in "bcde"), "DATA")
        assert (await client.reader.read(4096)).decode().splitlines() == [
            "250 2.1.0 ok", "550 5.1.1 gone", "452 4.5.3 too many", "250 2.1.5 nobody asked", "251-will",
            "251 forward", "250 2.1.5 ok", "354 end data with <CR><LF>.<CR><LF>",
        ]  # fmt: skip
        await client.send(b"Hi\r\n.\r\n")
        assert (await client.reply()).startswith("250 ")
    assert server.taken[0].recipients == ("d@y.example", "e@y.example")
    assert server.violations == []


async def test_an_empty_body_is_a_body() -> None:
    async with ScriptedServer() as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(b".\r\n")
        assert (await client.reply()).startswith("250 ")
    assert (server.taken[0].raw, server.taken[0].data) == (b"", b"")


async def test_the_order_of_commands_is_kept_strictly() -> None:
    async with ScriptedServer() as server, connected(server) as client:
        assert await client.walk("EHLO me.example", "RCPT TO:<b@y.example>") == "503 5.5.1 MAIL first"
        assert await client.ask("DATA") == "503 5.5.1 MAIL first"
        assert await client.ask(MAIL) == "250 2.1.0 ok"
        assert await client.ask(MAIL) == "503 5.5.1 nested MAIL"
        assert await client.ask("DATA") == "554 5.5.1 no valid recipients"
        assert await client.ask("RSET") == "250 2.0.0 ok"
        assert await client.ask("RCPT TO:<b@y.example>") == "503 5.5.1 MAIL first"
        assert await client.ask("MAIL FROM: <a@x.example>") == "501 5.5.4 not a path"
        assert await client.ask("BDAT 4") == "500 5.5.2 no such command"
        assert await client.ask("QUIT") == "221 2.0.0 bye"
        assert await client.rest() == b""


async def test_a_letter_larger_than_offered_is_refused_at_mail_and_at_the_dot() -> None:
    async with ScriptedServer(offers=Offers(extensions=("SIZE 10",))) as server, connected(server) as client:
        await client.walk("EHLO me.example")
        assert await client.ask("MAIL FROM:<a@x.example> SIZE=11") == "552 5.3.4 message too large"
        assert await client.ask("MAIL FROM:<a@x.example> SIZE=10") == "250 2.1.0 ok"
        await client.ask("RCPT TO:<b@y.example>")
        await client.ask("DATA")
        await client.send(b"eleven byt\r\n.\r\n")
        assert await client.reply() == "552 5.3.4 message too large"
    assert server.taken == [] and server.dots == {1: 1}


async def test_nobody_sends_without_the_right_password() -> None:
    async with ScriptedServer(offers=Offers(credentials=("user", "secret"))) as server:
        async with aiosmtplib.SMTP(hostname=server.host, port=server.port) as client:
            await client.ehlo()
            with pytest.raises(aiosmtplib.SMTPSenderRefused, match="authentication required"):
                await client.mail("a@x.example")
            with pytest.raises(aiosmtplib.SMTPAuthenticationError, match="wrong user or password"):
                await client.auth_plain("user", "guess")
            await client.auth_login("user", "secret")
            assert (await client.mail("a@x.example")).code == 250
        assert server.violations == []


# -- actions, at every verb where a reply is due

WALKS: dict[Verb, list[str]] = {
    "connect": [],
    "ehlo": ["EHLO me.example"],
    "helo": ["HELO me.example"],
    "starttls": ["EHLO me.example", "STARTTLS"],
    "auth": ["EHLO me.example", "AUTH PLAIN AHVzZXIAc2VjcmV0"],
    "mail": HANDED_IN[:2],
    "rcpt": HANDED_IN[:3],
    "data": HANDED_IN,
    "dot": [*HANDED_IN, "Hi\r\n."],
    "rset": ["EHLO me.example", "RSET"],
    "noop": ["EHLO me.example", "NOOP"],
    "quit": ["EHLO me.example", "QUIT"],
}

# What a client sees that then closes its half: the exact bytes, or None for a reset.
SEEN: dict[str, tuple[Action, bytes | None]] = {
    "a reply": (Reply("451 4.3.0 later"), b"451 4.3.0 later\r\n"),
    "a long reply": (Reply("550-no\n550-no\n550 no"), b"550-no\r\n550-no\r\n550 no\r\n"),
    "two replies": (Reply("451 no\n250 yes"), b"451 no\r\n250 yes\r\n"),
    "421 and FIN": (Reply("421 4.3.2 closing"), b"421 4.3.2 closing\r\n"),
    "drop": (Drop(), b""),
    "reset": (Reset(), None),
    "hang": (Hang(), b""),
    "drip": (Drip("451 4.3.0 slowly"), b"451 4.3.0 slowly\r\n"),
    "garbage": (Garbage(b"\0\xff\r\n\n", times=3), b"\0\xff\r\n\n" * 3),
    "split": (Split("451 4.3.0 later", at=5), b"451 4"),
    "split in half": (Split("451 no"), b"451 "),
    "extra": (Extra("250 unasked", text="451 no"), b"451 no\r\n250 unasked\r\n"),
}


@pytest.mark.parametrize("verb", WALKS)
@pytest.mark.parametrize("action, expected", SEEN.values(), ids=SEEN)
async def test_each_action_is_seen_at_each_verb(
    verb: Verb, action: Action, expected: bytes | None, tls: ssl.SSLContext
) -> None:
    offers = Offers(tls=tls if verb == "starttls" else None)
    async with ScriptedServer([Rule(verb, action)], offers=offers) as server, connected(server) as client:
        *before, last = [None, *WALKS[verb]]
        if before:
            await client.walk(*filter(None, before))
            await client.say(last or "")
        await server.until(lambda: server.seen[verb] == 1)
        if expected is None:
            with pytest.raises(ConnectionResetError):
                await client.rest()
        else:
            assert await client.leave() == expected
    assert server.taken == []


@pytest.mark.parametrize("verb", [verb for verb in WALKS if verb not in ("quit", "starttls")])
@pytest.mark.parametrize("action", [Reply(), Drip(), Extra("250 unasked")])
async def test_without_a_text_the_good_server_s_is_said(verb: Verb, action: Action) -> None:
    said = []
    for script in ([], [Rule(verb, action)]):
        offers = Offers(credentials=("user", "secret")) if verb == "auth" else None
        async with ScriptedServer(script, offers=offers) as server, connected(server) as client:
            said.append(await client.walk(*WALKS[verb][:-1]) if verb == "dot" else await client.walk(*WALKS[verb]))
            if verb == "dot":
                said[-1] = await client.ask("Hi\r\n.")
    assert said[0] == said[1]


async def test_a_421_can_leave_the_connection_open_and_a_250_can_close_it() -> None:
    script = [Rule("mail", Reply("421 4.3.2 not really", close=False)), Rule("noop", Reply("250 ok", close=True))]
    async with ScriptedServer(script) as server, connected(server) as client:
        assert await client.walk("EHLO me.example", MAIL, MAIL) == "421 4.3.2 not really"
        assert await client.ask("NOOP") == "250 ok"
        assert await client.rest() == b""


async def test_after_a_greeting_of_554_only_quit_is_heard() -> None:
    async with ScriptedServer([Rule("connect", Reply("554 5.7.1 go away"))]) as server, connected(server) as client:
        assert await client.walk("EHLO me.example") == "503 5.5.1 this server has said no"
        assert await client.ask("QUIT") == "221 2.0.0 bye"


async def test_garbage_can_have_no_end() -> None:
    script = [Rule("connect", Garbage(b"220-more\r\n" * 100, times=0))]
    async with ScriptedServer(script) as server, connected(server) as client:
        assert len(await client.reader.readexactly(1_000_000)) == 1_000_000


async def test_ehlo_s_answer_decides_what_was_offered() -> None:
    script = [Rule("ehlo", Reply("250-odd.example\n250 SIZE 3"))]
    async with ScriptedServer(script) as server, connected(server) as client:
        await client.walk("EHLO me.example")
        assert await client.ask("MAIL FROM:<a@x.example> SIZE=4") == "552 5.3.4 message too large"
        await client.say("NOOP", "NOOP")
        assert [await client.reply(), await client.reply()] == ["250 2.0.0 ok"] * 2
    assert server.violations == [Violation(1, "commands sent ahead though PIPELINING is not offered")]


# -- the handshake


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(
    "action, expected", [(Drop(), b""), (Reset(), None), (Hang(), b""), (Garbage(b"\x15\x03"), b"\x15\x03")]
)
async def test_a_handshake_can_go_wrong(tls: ssl.SSLContext, implicit: bool, action: Action, expected: bytes | None) -> None:
    offers = Offers(tls=tls, implicit_tls=implicit)
    async with ScriptedServer([Rule("handshake", action)], offers=offers) as server, connected(server) as client:
        if not implicit:
            await client.walk("EHLO me.example")
            await client.say("STARTTLS")
        await server.until(lambda: server.seen["handshake"] == 1)
        if expected is None:
            with pytest.raises(ConnectionResetError):
                await client.rest()
        else:
            assert (await client.leave()).removeprefix(b"220 2.0.0 ready for TLS\r\n") == expected


async def test_a_client_that_does_not_trust_the_certificate_is_counted(tls: ssl.SSLContext) -> None:
    async with ScriptedServer(offers=Offers(tls=tls)) as server:
        client = aiosmtplib.SMTP(hostname=server.host, port=server.port, start_tls=True)
        with pytest.raises(ssl.SSLCertVerificationError):
            await client.connect()
        client.close()
        await server.until(lambda: server.handshakes_failed == 1)
    assert server.commands[1] == ["EHLO " + server.commands[1][0].partition(" ")[2], "STARTTLS"]


@pytest.mark.parametrize("action", [Drop(), Reset(), Hang(), Split("250 2.1.0 ok"), Reply("421 4.3.2 closing")])
async def test_actions_hold_under_tls_too(tls: ssl.SSLContext, trust: ssl.SSLContext, action: Action) -> None:
    async with ScriptedServer([Rule("mail", action)], offers=Offers(tls=tls, implicit_tls=True)) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port, ssl=trust)
        client = Client(reader, writer)
        await client.walk("EHLO me.example")
        await client.say(MAIL)
        await server.until(lambda: server.seen["mail"] == 1)
        if isinstance(action, Hang):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.rest()
        elif isinstance(action, Reset):
            with pytest.raises(ConnectionResetError):
                await client.rest()
        else:
            assert await client.rest() == {"Split": b"250 2.1", "Reply": b"421 4.3.2 closing\r\n"}.get(
                type(action).__name__, b""
            )
        writer.close()


# -- the body


async def test_an_early_reply_comes_before_the_dot_and_instead_of_its_answer() -> None:
    script = [Rule("body", Early("552 5.3.4 too large already"), after=3)]
    async with ScriptedServer(script) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(b"abc")
        assert await client.reply() == "552 5.3.4 too large already"
        await client.send(b"def\r\n.\r\n")
        assert await client.ask("NOOP") == "250 2.0.0 ok"
    assert server.taken == [] and server.dots == {1: 1}


async def test_an_early_reply_need_not_be_the_last_one() -> None:
    script = [Rule("body", Early("250 2.0.0 too kind", then="answer"))]
    async with ScriptedServer(script) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        assert await client.reply() == "250 2.0.0 too kind"
        assert server.taken == []
        assert (await client.ask("Hi\r\n.")).startswith("250 2.0.0 taken")
    assert len(server.taken) == 1


async def test_what_a_body_meets_at_once_comes_right_behind_the_354() -> None:
    script = [Rule("body", Early("421 4.3.2 closing", then="drop"))]
    async with ScriptedServer(script) as server, connected(server) as client:
        await client.walk(*HANDED_IN[:-1])
        await client.say("DATA")
        assert await client.reader.read(4096) == b"354 end data with <CR><LF>.<CR><LF>\r\n421 4.3.2 closing\r\n"
        assert await client.rest() == b""


@pytest.mark.parametrize("action", [Reset(), Early("552 5.3.4 too large", then="reset")])
async def test_a_body_can_end_in_a_reset(action: Action) -> None:
    async with ScriptedServer([Rule("body", action, after=1)]) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(b"abc\r\n")
        with pytest.raises(ConnectionResetError):
            assert await client.reply() == "552 5.3.4 too large"
            await client.rest()
    assert server.dots == {}


async def test_a_dot_after_a_drop_in_the_body_is_booked_and_takes_nothing() -> None:
    async with ScriptedServer([Rule("body", Drop(), after=1)]) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(b"abc\r\n")
        assert await client.rest() == b""
        await client.send(b".\r\n")
        await server.until(lambda: server.dots == {1: 1})
    assert server.taken == []


async def test_garbage_in_a_body_leaves_the_answer_to_the_dot_as_it_was() -> None:
    async with ScriptedServer([Rule("body", Garbage(b"??\r\n"), after=1)]) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(b"Hi\r\n")
        assert await client.reply() == "??"
        assert (await client.ask(".")).startswith("250 2.0.0 taken")


@pytest.mark.parametrize("script, is_read", [([], True), ([Rule("body", Hang(), after=1)], False)])
async def test_a_hang_in_the_body_fills_the_window_until_the_client_cannot_write(script: list[Rule], is_read: bool) -> None:
    offers = Offers(receive_buffer=4096)
    async with ScriptedServer(script, offers=offers) as server, connected(server) as client:
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client.writer.transport.set_write_buffer_limits(0)  # drained is only what the kernel has
        await client.walk(*HANDED_IN)
        await client.send(b"a")
        try:
            async with asyncio.timeout(5 if is_read else 0.2):
                await client.send(b"b" * 100_000)
            assert is_read
        except TimeoutError:
            assert not is_read and server.seen["body"] == 1
        client.writer.transport.abort()


async def test_a_rule_on_more_body_than_comes_is_never_followed() -> None:
    async with ScriptedServer([Rule("body", Drop(), after=100)]) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        assert (await client.ask("short\r\n.")).startswith("250 ")
    assert server.seen["body"] == 0


# -- the dot


@pytest.mark.parametrize(
    "action, expected",
    [(StoreThenDrop(), b""), (StoreThenReset(), None), (StoreThenHang(), b""), (Split("250 ok"), b"250 ")],
)
async def test_a_message_can_be_taken_without_an_answer_that_says_so(
    action: Action, expected: bytes | None, tmp_path: Path
) -> None:
    async with ScriptedServer([Rule("dot", action)], store=tmp_path) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(STUFFED + b".\r\n")
        await server.until(lambda: server.seen["dot"] == 1)
        assert [taken.data for taken in server.taken] == [LETTER]
        assert read_taken(tmp_path) == server.taken
        if expected is None:
            with pytest.raises(ConnectionResetError):
                await client.rest()
        else:
            assert await client.leave() == expected
    assert server.dots == {1: 1}
    assert server.violations == []


@pytest.mark.parametrize("text", ["250 ok", "251 ok", "299-well\n299 ok"])
async def test_any_2xx_to_the_dot_takes_the_message(text: str) -> None:
    async with ScriptedServer([Rule("dot", Reply(text))]) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        assert await client.ask("Hi\r\n.") == text
    assert len(server.taken) == 1


@pytest.mark.parametrize("action", [Reply("451 4.3.0 no"), Drop(), Reset(), Hang(), Garbage(), Split("550 no")])
async def test_nothing_else_does(action: Action, tmp_path: Path) -> None:
    async with ScriptedServer([Rule("dot", action)], store=tmp_path) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(b"Hi\r\n.\r\n")
        await server.until(lambda: server.seen["dot"] == 1)
    assert server.taken == [] and read_taken(tmp_path) == []
    assert server.dots == {1: 1}


async def test_a_message_is_on_disk_before_its_dot_is_answered(tmp_path: Path) -> None:
    async with ScriptedServer(store=tmp_path) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(STUFFED + b".\r\n")
        assert (await client.reply()).startswith("250 ")
        assert [taken.raw for taken in read_taken(tmp_path)] == [STUFFED]
    assert read_taken(tmp_path) == server.taken
    assert {Path(name).suffix for name in os.listdir(tmp_path)} == {".taken", ".jsonl"}


async def test_a_server_that_cannot_store_says_nothing_and_fails_its_test(tmp_path: Path) -> None:
    server = ScriptedServer(store=tmp_path / "gone")
    await server.start()
    for file in [*(tmp_path / "gone").iterdir()]:
        file.unlink()
    (tmp_path / "gone").rmdir()
    async with connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(b"Hi\r\n.\r\n")
        assert await client.rest() == b""
    with pytest.raises(FileNotFoundError):
        await server.stop()


# -- which rule, and when


async def test_a_rule_can_be_for_one_connection_one_recipient_or_the_nth_time() -> None:
    script = [
        Rule("mail", Reply("451 4.3.0 second connection"), connection=2),
        Rule("rcpt", Reply("451 4.2.1 first time"), recipient="b@y.example", nth=1),
        Rule("dot", Reply("451 4.3.0 for c"), recipient="c@y.example"),
        Rule("dot", Reply("250 2.0.0 for others")),
    ]
    rcpt_b, rcpt_c = "RCPT TO:<b@y.example>", "RCPT TO:<c@y.example>"
    async with (
        ScriptedServer(script) as server,
        connected(server) as first,
        connected(server) as second,
        connected(server) as third,
    ):
        assert await first.walk("EHLO me.example", MAIL, rcpt_b) == "451 4.2.1 first time"
        assert await second.walk("EHLO me.example", MAIL) == "451 4.3.0 second connection"
        assert await third.walk("EHLO me.example", MAIL, rcpt_c, rcpt_b) == "250 2.1.5 ok"
        await third.ask("DATA")
        assert await third.ask("Hi\r\n.") == "451 4.3.0 for c"
        await first.ask(rcpt_b)
        await first.ask("DATA")
        assert await first.ask("Hi\r\n.") == "250 2.0.0 for others"


async def test_a_rule_counts_what_fits_it_also_when_another_is_followed() -> None:
    script = [Rule("noop", Reply("451 first"), nth=1), Rule("noop", Reply("451 second"), nth=2)]
    async with ScriptedServer(script) as server, connected(server) as client:
        assert await client.walk("EHLO me.example", "NOOP") == "451 first"
        assert await client.ask("NOOP") == "451 second"
        assert await client.ask("NOOP") == "250 2.0.0 ok"


async def test_odds_come_out_the_same_for_the_same_seed() -> None:
    async def replies(seed: int) -> list[str]:
        script = [Rule("noop", Reply("451 unlucky"), odds=0.5)]
        async with ScriptedServer(script, seed=seed) as server, connected(server) as client:
            await client.walk("EHLO me.example")
            return [await client.ask("NOOP") for _ in range(40)]

    first, again, other = await replies(1), await replies(1), await replies(2)
    assert first == again != other
    assert 5 < first.count("451 unlucky") < 35


async def test_a_server_can_follow_another_script_in_mid_conversation() -> None:
    script = [Rule("noop", Reply("451 once"), nth=1)]
    async with ScriptedServer(script) as server, connected(server) as client:
        assert await client.walk("EHLO me.example", "NOOP") == "451 once"
        assert await client.ask("NOOP") == "250 2.0.0 ok"
        server.follow(script)
        assert await client.ask("NOOP") == "451 once"
        server.follow([])
        assert await client.ask("NOOP") == "250 2.0.0 ok"


def test_every_rule_comes_back_from_json() -> None:
    rules = [
        Rule("rcpt", Reply("250-a\n250 b", close=True), connection=2, nth=3, recipient="b@y.example", odds=0.25),
        Rule("connect", Garbage(bytes(range(256)), times=0)),
        Rule("body", Early("552 no", then="answer"), after=7),
        Rule("mail", Drip("250 ok", seconds=0.5)),
        Rule("mail", Split("250 ok", at=2)),
        Rule("mail", Extra("250 b", text="250 a")),
        Rule("mail", Quote("451 {}", part="subject")),
        *(Rule("dot", action) for action in (Drop(), Reset(), Hang(), StoreThenDrop(), StoreThenReset(), StoreThenHang())),
    ]
    assert from_json(to_json(rules)) == rules
    assert {type(rule.action).__name__ for rule in rules} == set(ACTIONS)


@pytest.mark.parametrize(
    "impossible",
    [
        lambda: Rule("vrfy", Drop()),  # type: ignore[arg-type]
        lambda: Rule("rcpt", StoreThenDrop()),
        lambda: Rule("body", Reply("552 no")),
        lambda: Rule("dot", Early("552 no")),
        lambda: Rule("handshake", Reply("220 ok")),
        lambda: Rule("ehlo", Drop(), recipient="b@y.example"),
        lambda: Rule("data", Drop(), after=3),
        lambda: Rule("data", Drop(), nth=0),
        lambda: Rule("data", Drop(), connection=0),
    ],
)
def test_a_rule_that_cannot_happen_is_refused(impossible: Callable[[], Rule]) -> None:
    with pytest.raises(ValueError, match="Rule"):
        impossible()


async def test_waiting_in_vain_says_what_was_seen_instead() -> None:
    async with ScriptedServer() as server, connected(server) as client:
        await client.walk("EHLO me.example")
        with pytest.raises(AssertionError, match=r"'ehlo': 1.*EHLO me\.example"):
            await server.until(lambda: server.seen["dot"] == 1, seconds=0.01)
