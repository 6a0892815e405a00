"""
From nothing to a connection that letters may go over: greeting, encryption, account; and that nothing weaker will do.

Certificates are trustme's. Whatever fails here is never a letter's fault, so each case names the step and the answer by which
the relay, not the letter, is judged.
"""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiosmtplib
import aiosmtplib.errors
import pytest
import trustme

from mailer import outcome
from mailer.outcome import Handover, Lost, Reply, Scope, Stage, Verdict
from mailer.relay import Settings, Tls
from mailer.relay.handshake import _Ended, _step, connect, tls_context
from mailer.relay.wire import SmtpConnection
from tests.relays import RECIPIENTS, SENDER, TO, WIRE, connected, handed_over, impatient, settings_for
from tests.servers.available import free_port
from tests.servers.rules import Action
from tests.servers.scripted import Drip, Drop, Extra, Garbage, Hang, Offers, Reset, Rule, ScriptedServer, Split
from tests.servers.scripted import Reply as Say

ACCOUNT = ("letters@campaign.example", "s3cret")


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """A server's context with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


async def refused(settings: Settings) -> Handover:
    """A handshake that comes to nothing: no letter is blamed for it, whoever it is told to."""
    ended = await connect(settings)
    assert isinstance(ended, Handover), "it was let in"
    decided = outcome.decide(RECIPIENTS, ended)
    assert (decided.verdict, decided.scope, decided.reached_mail) == (Verdict.DEFERRED, Scope.RELAY, False)
    return ended


def verbs(server: ScriptedServer, connection: int = 1) -> list[str]:
    """What the client said, by the first word of each line."""
    return [line.split()[0] for line in server.commands[connection]]


# -- connecting


async def test_a_port_on_which_nobody_listens_is_tried_again_and_then_the_relay_s_matter() -> None:
    async with ScriptedServer() as server:
        settings = replace(settings_for(server), port=free_port())
    ended = await refused(settings)
    assert ended.stage is Stage.CONNECT and isinstance(ended.answer, Lost)
    assert "connect" in ended.answer.why.lower()


@pytest.mark.parametrize("fault", [Drop(), Reset(), Split(at=9)], ids=["drop", "reset", "cut"])
async def test_a_server_that_does_not_greet_is_tried_three_times(fault: Action) -> None:
    async with ScriptedServer([Rule("connect", fault)]) as server:
        ended = await refused(impatient(server, connect_timeout=0.2))
        assert ended.stage is Stage.CONNECT and isinstance(ended.answer, Lost)
        assert server.connections == 3


async def test_a_server_that_is_silent_is_asked_once() -> None:
    """Asked three times, each letter of an outage would wait three times as long."""
    async with ScriptedServer([Rule("connect", Hang())]) as server:
        ended = await refused(impatient(server, connect_timeout=0.2))
        assert ended.stage is Stage.CONNECT and isinstance(ended.answer, Lost)
        assert server.connections == 1


async def test_a_server_that_comes_up_between_two_tries_is_reached() -> None:
    async with ScriptedServer([Rule("connect", Drop(), nth=1), Rule("connect", Reset(), nth=2)]) as server:
        assert (await handed_over(await connected(settings_for(server)))).stage is Stage.DOT
        assert server.connections == 3


@pytest.mark.parametrize(
    "fault, answer",
    [
        (Say("421 4.3.2 too busy"), Reply(421, "4.3.2", "too busy")),
        (Say("554-5.3.2 go\n554 5.3.2 away"), Reply(554, "5.3.2", "go 5.3.2 away")),
        (Say("450 4.3.2 later", close=True), Reply(450, "4.3.2", "later")),
    ],
)
async def test_a_server_that_greets_with_no_is_not_asked_again(fault: Action, answer: Reply) -> None:
    async with ScriptedServer([Rule("connect", fault)]) as server:
        assert await refused(settings_for(server)) == Handover(Stage.GREETING, answer)
        assert server.connections == 1 and verbs(server) == []


@pytest.mark.parametrize(
    "fault",
    [
        Garbage(),
        Garbage(b"SSH-2.0-OpenSSH_9.2\r\n"),
        Garbage(b"y" * 70_000),
        Say("100 go on"),
        Say("999 no"),
        Say("354 go on"),
        Say("250 2.0.0 welcome, but not 220"),
    ],
)
async def test_a_greeting_that_is_none_is_the_relay_s_matter_and_not_asked_for_again(fault: Action) -> None:
    """Of a code that goes on elsewhere nobody would learn that the relay does not work, and the letter would never rest."""
    async with ScriptedServer([Rule("connect", fault)]) as server:
        ended = await refused(settings_for(server))
        assert ended.stage is Stage.GREETING and isinstance(ended.answer, Lost) and ended.answer.garbled
        assert verbs(server) == [] and server.connections == 1


async def test_a_greeting_of_many_lines_that_drips_in_is_a_greeting() -> None:
    script = [Rule("connect", Drip("220-scripted.example\n220-be welcome\n220 ESMTP"))]
    async with ScriptedServer(script) as server:
        assert (await handed_over(await connected(settings_for(server)))).stage is Stage.DOT


@pytest.mark.parametrize(
    "fault, answer",
    [
        (Say("421 4.3.2 closing"), Reply(421, "4.3.2", "closing")),
        (Say("502 5.5.1 no EHLO here"), Reply(502, "5.5.1", "no EHLO here")),
        (Drop(), None),
        (Reset(), None),
        (Hang(), None),
        (Garbage(), None),
        (Say("251-scripted.example\n251 PIPELINING"), None),
    ],
    ids=["421", "5xx", "drop", "reset", "hang", "garbage", "251"],
)
async def test_whatever_goes_wrong_at_ehlo_is_the_relay_s_matter(fault: Action, answer: Reply | None) -> None:
    async with ScriptedServer([Rule("ehlo", fault)]) as server:
        ended = await refused(impatient(server, connect_timeout=0.2))
        assert ended.stage is Stage.EHLO
        assert ended.answer == answer if answer else isinstance(ended.answer, Lost)
        assert server.connections == 1 and set(verbs(server)) == {"EHLO"}


async def test_a_server_that_speaks_unasked_behind_ehlo_gets_no_letter() -> None:
    script = [Rule("ehlo", Extra("421 4.3.2 closing", "250-scripted.example\n250 PIPELINING"))]
    async with ScriptedServer(script) as server:
        opened = await connect(settings_for(server))
        handover = await handed_over(opened) if isinstance(opened, SmtpConnection) else opened
        assert handover.stage in {Stage.EHLO, Stage.MAIL}
        assert "MAIL" not in verbs(server)


# -- encryption


@pytest.mark.parametrize("kind", [Tls.STARTTLS, Tls.IMPLICIT])
async def test_letters_go_over_tls_that_is_verified(tls: ssl.SSLContext, ca_file: Path, kind: Tls) -> None:
    offers = Offers(tls=tls, implicit_tls=kind is Tls.IMPLICIT)
    async with ScriptedServer(offers=offers) as server:
        connection = await connected(settings_for(server, tls=kind, ca_file=ca_file))
        assert (await handed_over(connection)).stage is Stage.DOT
        await connection.close()
    assert [taken.data for taken in server.taken] == [WIRE] and server.violations == []
    started = ["EHLO", "STARTTLS"] if kind is Tls.STARTTLS else []
    assert verbs(server) == [*started, "EHLO", "MAIL", "RCPT", "RCPT", "DATA", ".", "QUIT"]


@pytest.mark.parametrize("size", [10, 65_000, 65_536, 65_537, 200_000, 1_000_000])
async def test_letters_of_any_length_follow_each_other_over_tls(tls: ssl.SSLContext, ca_file: Path, size: int) -> None:
    """Under TLS asyncio counts what is unwritten in another way: with the limit of a plain connection a body waits for ever."""
    letters = [WIRE + b"%d\r\n" % number + (b"x" * 70 + b"\r\n") * (size // 72) for number in range(4)]
    script = [Rule("rcpt", Drip("250 2.1.5 ok"), nth=3)]  # each piece that comes in is a turn for asyncio's count
    async with ScriptedServer(script, offers=Offers(tls=tls)) as server:
        connection = await connected(settings_for(server, tls=Tls.STARTTLS, ca_file=ca_file, data_timeout=2))
        for letter in letters:
            assert (await handed_over(connection, letter)).stage is Stage.DOT
    assert [taken.data for taken in server.taken] == letters and server.connections == 1


@pytest.mark.parametrize("account", [("", ""), ACCOUNT])
async def test_a_server_that_offers_no_starttls_hears_neither_letter_nor_password(account: tuple[str, str]) -> None:
    async with ScriptedServer(offers=Offers(credentials=ACCOUNT if account[0] else None)) as server:
        settings = settings_for(server, tls=Tls.STARTTLS, username=account[0], password=account[1])
        ended = await refused(settings)
        assert ended.stage is Stage.STARTTLS and "STARTTLS" in str(ended.answer)
        assert verbs(server) == ["EHLO"] and server.connections == 1


@pytest.mark.parametrize(
    "verb, fault, answer",
    [
        ("starttls", Say("454 4.7.0 not now"), Reply(454, "4.7.0", "not now")),
        ("starttls", Say("502 5.5.1 never"), Reply(502, "5.5.1", "never")),
        ("starttls", Say("250 2.0.0 fine, but not 220"), None),
        ("starttls", Say("354 go on"), None),
        ("starttls", Drop(), None),
        ("starttls", Hang(), None),
        ("starttls", Garbage(), None),
        ("handshake", Drop(), None),
        ("handshake", Reset(), None),
        ("handshake", Hang(), None),
        ("handshake", Garbage(b"250 hello again, in the clear\r\n"), None),
        ("handshake", Garbage(b"\x15\x03\x01\x00\x02\x02\x28"), None),  # an alert: handshake failure
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_where_the_encryption_fails_nothing_goes_in_the_clear(
    verb: Any, fault: Action, answer: Reply | None, tls: ssl.SSLContext, ca_file: Path
) -> None:
    offers = Offers(tls=tls, credentials=ACCOUNT)
    async with ScriptedServer([Rule(verb, fault)], offers=offers) as server:
        user, password = ACCOUNT
        settings = impatient(server, tls=Tls.STARTTLS, ca_file=ca_file, username=user, password=password, connect_timeout=0.3)
        ended = await refused(settings)
        assert ended.stage is Stage.STARTTLS
        assert ended.answer == answer if answer else isinstance(ended.answer, Lost)
        assert verbs(server) == ["EHLO", "STARTTLS"] and server.connections == 1


def stranger(_: trustme.CA) -> trustme.LeafCert:
    return trustme.CA().issue_cert("127.0.0.1")


def another_s(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("relay.example", "127.0.0.2")


def expired(authority: trustme.CA) -> trustme.LeafCert:
    return authority.issue_cert("127.0.0.1", not_after=datetime.datetime(2011, 9, 20, tzinfo=datetime.UTC))


@pytest.mark.parametrize("kind", [Tls.STARTTLS, Tls.IMPLICIT])
@pytest.mark.parametrize("issued", [stranger, another_s, expired], ids=["a stranger's", "another host's", "expired"])
async def test_a_wrong_certificate_ends_it(issued: Any, kind: Tls, authority: trustme.CA, ca_file: Path) -> None:
    offers = Offers(tls=of(issued(authority)), implicit_tls=kind is Tls.IMPLICIT)
    async with ScriptedServer(offers=offers) as server:
        ended = await refused(settings_for(server, tls=kind, ca_file=ca_file))
        assert ended.stage is Stage.STARTTLS and "certificate" in str(ended.answer)
        await server.until(lambda: server.handshakes_failed == 1)
        assert server.connections == 1 and verbs(server) == (["EHLO", "STARTTLS"] if kind is Tls.STARTTLS else [])


async def test_an_authority_that_is_not_configured_is_not_trusted(tls: ssl.SSLContext) -> None:
    async with ScriptedServer(offers=Offers(tls=tls)) as server:
        ended = await refused(settings_for(server, tls=Tls.STARTTLS))
        assert ended.stage is Stage.STARTTLS and "certificate" in str(ended.answer)


async def test_implicit_tls_never_talks_to_a_server_that_speaks_in_the_clear(ca_file: Path) -> None:
    async with ScriptedServer() as server:
        ended = await refused(settings_for(server, tls=Tls.IMPLICIT, ca_file=ca_file))
        assert ended.stage is Stage.STARTTLS
        assert not {"EHLO", "MAIL"} & {*verbs(server)}


@pytest.mark.parametrize("content", [None, "nonsense"])
async def test_a_ca_file_that_cannot_be_used_is_told_by_its_name(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    async with ScriptedServer() as server:
        ended = await refused(settings_for(server, tls=Tls.STARTTLS, ca_file=path))
        assert ended.stage is Stage.STARTTLS and str(path) in str(ended.answer)
        assert server.connections == 0


def test_nothing_older_than_tls_1_2_is_spoken_and_everything_is_verified() -> None:
    context = tls_context(Settings(mode="smtp", folder=Path()))  # type: ignore[arg-type]
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname


@pytest.mark.parametrize(
    "injected",
    ["250-evil.example\n250 PIPELINING", "421 4.3.2 go away", "250 2.1.0 ok\n250 2.1.5 ok\n354 go on"],
    ids=["an answer to EHLO", "a 421", "answers to an envelope"],
)
async def test_what_is_slipped_in_before_the_handshake_is_no_answer(injected: str, tls: ssl.SSLContext, ca_file: Path) -> None:
    offers = Offers(extensions=("8BITMIME",), tls=tls)
    async with ScriptedServer([Rule("starttls", Extra(injected))], offers=offers) as server:
        opened = await connect(settings_for(server, tls=Tls.STARTTLS, ca_file=ca_file))
        if isinstance(opened, SmtpConnection):  # then the true server's word counts alone: it offers no pipelining
            assert (await handed_over(opened)).stage is Stage.DOT
            assert [taken.data for taken in server.taken] == [WIRE]
    assert server.violations == []


async def test_tls_that_is_not_configured_is_not_begun(tls: ssl.SSLContext) -> None:
    """`tls: none` exists for a relay on loopback whose certificate nobody could verify."""
    async with ScriptedServer(offers=Offers(tls=tls)) as server:
        assert (await handed_over(await connected(settings_for(server)))).stage is Stage.DOT
    assert "STARTTLS" not in verbs(server)


# -- the account


@pytest.mark.parametrize("mechanisms", ["PLAIN LOGIN", "LOGIN", "PLAIN", "XOAUTH2 LOGIN"])
async def test_the_account_is_let_in_by_plain_and_by_login(mechanisms: str, tls: ssl.SSLContext, ca_file: Path) -> None:
    keywords = Say(f"250-scripted.example\n250-STARTTLS\n250 AUTH {mechanisms}")
    async with ScriptedServer([Rule("ehlo", keywords)], offers=Offers(tls=tls, credentials=ACCOUNT)) as server:
        user, password = ACCOUNT
        settings = settings_for(server, tls=Tls.STARTTLS, ca_file=ca_file, username=user, password=password)
        assert (await handed_over(await connected(settings))).stage is Stage.DOT
    assert verbs(server)[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"] and server.violations == []
    assert server.commands[1][3].split()[1] == ("PLAIN" if "PLAIN" in mechanisms else "LOGIN")


async def test_a_password_of_any_characters_is_let_in(tls: ssl.SSLContext, ca_file: Path) -> None:
    user, password = "письма", "пароль «с пробелом» 🔑"
    async with ScriptedServer(offers=Offers(tls=tls, credentials=(user, password))) as server:
        settings = settings_for(server, tls=Tls.STARTTLS, ca_file=ca_file, username=user, password=password)
        assert (await handed_over(await connected(settings))).stage is Stage.DOT


async def test_a_wrong_password_is_the_account_s_matter_and_shows_nowhere(tls: ssl.SSLContext, ca_file: Path) -> None:
    async with ScriptedServer(offers=Offers(tls=tls, credentials=ACCOUNT)) as server:
        settings = settings_for(server, tls=Tls.STARTTLS, ca_file=ca_file, username=ACCOUNT[0], password="wr0ng")
        ended = await refused(settings)
        assert ended == Handover(Stage.AUTH, Reply(535, "5.7.8", "wrong user or password"))
        assert outcome.decide(RECIPIENTS, ended).reason == "the relay refuses our account"
        assert "wr0ng" not in repr(settings) + repr(ended)
        assert server.connections == 1 and "MAIL" not in verbs(server)


@pytest.mark.parametrize(
    "fault, answer, is_account",
    [
        (Say("454 4.7.0 later"), Reply(454, "4.7.0", "later"), False),
        (Say("421 4.3.2 closing"), None, False),  # aiosmtplib tries the next mechanism, and finds nobody
        (Say("250 2.0.0 fine, but not 235"), None, False),
        (Say("534 5.7.9 too weak"), Reply(534, "5.7.9", "too weak"), True),
        (Say("550 5.7.1 not you"), Reply(550, "5.7.1", "not you"), True),
        (Drop(), None, False),
        (Reset(), None, False),
        (Hang(), None, False),
        (Garbage(), None, False),
    ],
    ids=["454", "421", "250", "534", "550", "drop", "reset", "hang", "garbage"],
)
async def test_only_a_5xx_at_auth_says_that_the_account_is_refused(
    fault: Action, answer: Reply | None, is_account: bool
) -> None:
    async with ScriptedServer([Rule("auth", fault)], offers=Offers(credentials=ACCOUNT)) as server:
        settings = impatient(server, username=ACCOUNT[0], password=ACCOUNT[1], connect_timeout=0.3)
        ended = await refused(settings)
        assert ended.stage is Stage.AUTH
        assert ended.answer == answer if answer else isinstance(ended.answer, Lost)
        assert (outcome.decide(RECIPIENTS, ended).reason == "the relay refuses our account") == is_account
        assert server.connections == 1


async def test_a_server_that_lets_nobody_in_is_told_apart_from_one_that_refuses_us() -> None:
    async with ScriptedServer() as server:
        ended = await refused(settings_for(server, username=ACCOUNT[0], password=ACCOUNT[1]))
        assert ended.stage is Stage.AUTH and isinstance(ended.answer, Lost) and "AUTH" in ended.answer.why
        assert verbs(server) == ["EHLO"]


async def test_a_cancelled_handshake_leaves_no_connection_behind() -> None:
    async with ScriptedServer([Rule("ehlo", Hang())]) as server:
        connecting = asyncio.create_task(connect(settings_for(server)))
        await server.until(lambda: server.seen["ehlo"] == 1)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
    assert verbs(server) == ["EHLO"]


# -- what is used of aiosmtplib


async def test_what_is_used_of_aiosmtplib_s_inside_is_there(tls: ssl.SSLContext, ca_file: Path) -> None:
    """Fails when a new version moves what `handshake` takes over; nothing else notices before letters are lost."""
    async with ScriptedServer(offers=Offers(tls=tls)) as server:
        context = ssl.create_default_context(cafile=str(ca_file))
        client = aiosmtplib.SMTP(
            hostname=server.host, port=server.port, use_tls=False, start_tls=False, tls_context=context, timeout=10
        )
        await client.connect()
        plain, protocol = client.transport, client.protocol
        assert isinstance(plain, asyncio.Transport)
        assert protocol is not None
        assert plain.get_protocol() is protocol
        assert protocol._buffer == bytearray()
        await client.ehlo()
        assert client.supports_extension("starttls") and {"pipelining", "size", "starttls"} <= set(client.esmtp_extensions)
        await client.starttls()
        over_tls = client.transport
        assert isinstance(over_tls, asyncio.Transport) and over_tls is not plain
        assert over_tls.get_extra_info("sslcontext") is context and client.protocol is protocol
        await client.ehlo()
        assert "starttls" not in client.esmtp_extensions
        client.close()
        assert client.transport is None and client.protocol is None


async def test_what_comes_behind_an_answer_stays_in_aiosmtplib_s_buffer() -> None:
    script = [Rule("ehlo", Extra("421 4.3.2 closing", "250 scripted.example"))]
    async with ScriptedServer(script) as server:
        client = aiosmtplib.SMTP(hostname=server.host, port=server.port, start_tls=False, timeout=10)
        await client.connect()
        await client.ehlo()
        assert client.protocol is not None and bytes(client.protocol._buffer) == b"421 4.3.2 closing\r\n"
        client.close()


# What each of the library's exceptions comes to: the arguments it is made with, the step at which it ends, and the answer.
_SAID = (535, "5.7.8 no")
_REPLY = Reply(535, "5.7.8", "no")
CLASSIFIED: Mapping[str, tuple[tuple[Any, ...], Stage, Reply | Lost]] = {
    "SMTPException": (("odd",), Stage.AUTH, Lost("odd")),
    "SMTPNotSupported": (("AUTH",), Stage.AUTH, Lost("the relay does not offer what is configured: AUTH")),
    "SMTPServerDisconnected": (("gone",), Stage.AUTH, Lost("gone")),
    "SMTPConnectError": (("no",), Stage.AUTH, Lost("no")),
    "SMTPTimeoutError": (("late",), Stage.AUTH, Lost("late")),
    "SMTPConnectTimeoutError": (("late",), Stage.AUTH, Lost("late")),
    "SMTPReadTimeoutError": (("late",), Stage.AUTH, Lost("late")),
    "SMTPConnectResponseError": (_SAID, Stage.GREETING, _REPLY),  # while connecting
    "SMTPResponseException": (_SAID, Stage.AUTH, _REPLY),
    "SMTPHeloError": (_SAID, Stage.AUTH, _REPLY),
    "SMTPAuthenticationError": (_SAID, Stage.AUTH, _REPLY),
    "SMTPDataError": (_SAID, Stage.AUTH, _REPLY),
    "SMTPSenderRefused": ((*_SAID, SENDER), Stage.AUTH, _REPLY),
    "SMTPRecipientRefused": ((*_SAID, TO), Stage.AUTH, _REPLY),
    "SMTPRecipientsRefused": (([],), Stage.AUTH, Lost("[]")),
}


async def ending(problem: BaseException, at: Stage = Stage.AUTH) -> Handover:
    """What a step comes to that raises this."""

    async def step() -> None:
        raise problem

    with pytest.raises(_Ended) as ended:
        await _step(at, step())
    return ended.value.handover


@pytest.mark.parametrize("name", aiosmtplib.errors.__all__)
async def test_every_exception_of_aiosmtplib_is_classified(name: str) -> None:
    """Fails when the library grows a new one: say here what it comes to."""
    arguments, stage, answer = CLASSIFIED[name]
    at = Stage.CONNECT if stage is Stage.GREETING else stage
    assert await ending(getattr(aiosmtplib.errors, name)(*arguments), at) == Handover(stage, answer)


def test_no_exception_of_aiosmtplib_is_missing_from_its_own_list() -> None:
    defined = {
        name
        for name, value in vars(aiosmtplib.errors).items()
        if isinstance(value, type) and issubclass(value, Exception) and value.__module__ == aiosmtplib.errors.__name__
    }
    assert defined == set(aiosmtplib.errors.__all__) == set(CLASSIFIED)


@pytest.mark.parametrize(
    "problem, stage, answer",
    [
        (ConnectionResetError("reset by peer"), Stage.AUTH, Lost("reset by peer")),
        (TimeoutError(), Stage.AUTH, Lost("TimeoutError")),
        (ssl.SSLCertVerificationError("self-signed"), Stage.STARTTLS, Lost("('self-signed',)")),
        (UnicodeEncodeError("ascii", "ж", 0, 1, "no"), Stage.AUTH, None),
        (RuntimeError("Already using TLS."), Stage.AUTH, Lost("Already using TLS.")),
    ],
)
async def test_what_python_raises_in_a_step_is_classified_too(
    problem: BaseException, stage: Stage, answer: Lost | None
) -> None:
    ended = await ending(problem)
    assert ended.stage is stage and ended.answer == (answer or ended.answer)


async def test_a_cancellation_is_no_answer() -> None:
    async def step() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await _step(Stage.EHLO, step())


@pytest.mark.parametrize("code", [-1, 0, 99, 199, 220, 250, 334, 354, 600, 999])
async def test_a_code_that_is_none_is_garbage(code: int) -> None:
    ended = await ending(aiosmtplib.SMTPResponseException(code, "Malformed SMTP response line: \x1b[31mred"))
    assert isinstance(ended.answer, Lost) and ended.answer.garbled and "\x1b" not in ended.answer.why
