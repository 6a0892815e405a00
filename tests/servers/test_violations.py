"""What a client must not do is noted, and nothing else is."""

import ssl

import pytest

from tests.servers.client import HANDED_IN, MAIL, connected
from tests.servers.record import DOT_NOT_ALONE
from tests.servers.scripted import Drop, Hang, Offers, Reply, Rule, ScriptedServer, StoreThenHang


def whats(server: ScriptedServer) -> list[str]:
    return [violation.what for violation in server.violations]


@pytest.mark.parametrize(
    "body, what",
    [
        (b"bare\nLF\r\n", "a bare LF in the body"),
        (b"bare\rCR\r\n", "a bare CR in the body"),
        (b"smuggled\n.\nMAIL FROM:<evil@x.example>\r\n", "a bare LF in the body"),
        (b"nul\0\r\n", "a NUL in the body"),
        (b"x" * 999 + b"\r\n", "a line longer than 998"),
        (b"..one\r\n.two\r\n", "a line that begins with an unstuffed dot"),
        (b".x\r\n", "a line that begins with an unstuffed dot"),
    ],
)
async def test_bytes_that_may_not_be_in_a_body_are_violations(body: bytes, what: str) -> None:
    async with ScriptedServer() as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(body + b".\r\n")
        assert (await client.reply()).startswith("250 ")
        assert whats(server) == [what]
        assert server.violations[0].connection == 1
        assert server.taken[0].raw == body


@pytest.mark.parametrize(
    "body, data",
    [
        (b"x" * 998 + b"\r\n", b"x" * 998 + b"\r\n"),
        (b".." + b"x" * 997 + b"\r\n", b"." + b"x" * 997 + b"\r\n"),
        (b"..\r\n...\r\n", b".\r\n..\r\n"),
        (b"\r\n\r\n", b"\r\n\r\n"),
    ],
)
async def test_bytes_that_may_are_not(body: bytes, data: bytes) -> None:
    async with ScriptedServer() as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(body + b".\r\n")
        assert (await client.reply()).startswith("250 ")
    assert server.violations == []
    assert (server.taken[0].raw, server.taken[0].data) == (body, data)


async def test_octets_above_127_need_8bitmime() -> None:
    async with ScriptedServer() as server, connected(server) as client:
        await client.walk("EHLO me.example", "MAIL FROM:<a@x.example>", *HANDED_IN[2:])
        await client.send("Жук\r\n.\r\n".encode())
        await client.reply()
    assert whats(server) == ["octets above 127 in the body without BODY=8BITMIME"]


async def test_a_dot_for_nobody_is_a_violation() -> None:
    script = [Rule("rcpt", Reply("550 5.1.1 gone")), Rule("data", Reply("354 all the same"))]
    async with ScriptedServer(script) as server, connected(server) as client:
        assert await client.walk(*HANDED_IN) == "354 all the same"
        assert await client.ask("Hi\r\n.") == "554 5.5.1 no valid recipients"
    assert whats(server) == ["a final dot though no recipient was accepted"]
    assert server.taken == []


@pytest.mark.parametrize("script", [[], [Rule("dot", Drop())], [Rule("dot", StoreThenHang())]])
async def test_what_comes_with_the_dot_is_a_violation(script: list[Rule]) -> None:
    async with ScriptedServer(script) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(b"Hi\r\n.\r\nQUIT\r\n")
        await server.until(lambda: server.seen["dot"] == 1)
    assert whats(server) == [DOT_NOT_ALONE]


async def test_what_comes_while_the_dot_has_no_answer_is_a_violation() -> None:
    async with ScriptedServer([Rule("dot", Hang())]) as server, connected(server) as client:
        await client.walk(*HANDED_IN)
        await client.send(b"Hi\r\n.\r\n")
        await server.until(lambda: server.seen["dot"] == 1)
        assert server.violations == []
        await client.say("RSET")
        await server.until(lambda: whats(server) == [DOT_NOT_ALONE])


async def test_a_body_before_the_354_is_a_violation_and_no_body() -> None:
    async with ScriptedServer() as server, connected(server) as client:
        await client.walk(*HANDED_IN[:-1])
        await client.say("DATA", "Hi", ".")
        assert (await client.reply()).startswith("354 ")
        assert (await client.ask("Ho\r\n.")).startswith("250 ")
    assert whats(server) == ["something sent behind DATA, before its reply"]
    assert server.taken[0].data == b"Ho\r\n"


async def test_plain_text_behind_starttls_is_a_violation_and_never_counts(tls: ssl.SSLContext, trust: ssl.SSLContext) -> None:
    async with ScriptedServer(offers=Offers(tls=tls)) as server, connected(server) as client:
        await client.walk("EHLO me.example", MAIL)
        await client.say("STARTTLS", "RCPT TO:<evil@x.example>")
        assert (await client.reply()).startswith("220 ")
        await client.writer.start_tls(trust, server_hostname="127.0.0.1")
        assert await client.ask("RCPT TO:<b@y.example>") == "503 5.5.1 MAIL first"
        assert await client.ask(MAIL) == "250 2.1.0 ok"
    assert server.commands[1] == ["EHLO me.example", MAIL, "STARTTLS", "RCPT TO:<b@y.example>", MAIL]
    assert whats(server) == [
        "something sent behind STARTTLS, before its reply",
        "parameters of MAIL without ESMTP",  # what EHLO said in the clear is forgotten
    ]


async def test_credentials_in_the_clear_are_a_violation(tls: ssl.SSLContext) -> None:
    offers = Offers(tls=tls, credentials=("user", "secret"))
    async with ScriptedServer(offers=offers) as server, connected(server) as client:
        assert "AUTH" not in await client.walk("EHLO me.example")
        await client.ask("AUTH PLAIN AHVzZXIAc2VjcmV0")
    assert whats(server) == ["credentials sent in the clear"]


@pytest.mark.parametrize(
    "line, what",
    [
        (b"NOOP\n", "a command line that does not end in CRLF"),
        (b"NO\rOP\r\n", "a command line that does not end in CRLF"),
        ("MAIL FROM:<жук@x.example>\r\n".encode(), "octets above 127 in a command without SMTPUTF8"),
        (b"MAIL FROM: <a@x.example>\r\n", "not a path behind MAIL: 'FROM: <a@x.example>'"),
        (b"RCPT TO:b@y.example\r\n", "not a path behind RCPT: 'TO:b@y.example'"),
        (b"AUTH PLAIN !!!\r\n", "AUTH that cannot be decoded"),
    ],
)
async def test_commands_that_are_none_are_violations(line: bytes, what: str) -> None:
    async with ScriptedServer() as server, connected(server) as client:
        await client.walk("EHLO me.example")
        await client.send(line)
        await client.reply()
        assert whats(server) == [what]


async def test_parameters_without_esmtp_are_a_violation() -> None:
    async with ScriptedServer() as server, connected(server) as client:
        assert await client.walk("HELO me.example", MAIL) == "250 2.1.0 ok"
        await client.say("RCPT TO:<b@y.example>", "DATA")
        await client.reply()
    assert whats(server) == [
        "parameters of MAIL without ESMTP",
        "commands sent ahead though PIPELINING is not offered",
    ]
