"""A letter for the wire, and ways to hand it to a test's server: what tests of `mailer.relay` share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from mailer import outcome
from mailer.outcome import Handover, MaySend, Recipient, Role
from mailer.relay import Mode, Settings, Tls
from mailer.relay.handshake import connect
from mailer.relay.wire import SmtpConnection
from tests.servers.scripted import ScriptedServer

SENDER = "letters@campaign.example"
TO, CC, COPY = "head@court.example", "press@court.example", "copies@campaign.example"
RECIPIENTS = (Recipient(TO, Role.TO), Recipient(CC, Role.CC))
WIRE = b"Subject: Drop the charges\r\nMessage-ID: <1.abc@campaign.example>\r\n\r\nDear Madam Chair,\r\n.hidden\r\n..\r\n"

# Long enough for a server in the same loop, short enough to wait for.
SHORT = 0.25


class Listening(Protocol):
    """Any server: it has a port of 127.0.0.1."""

    port: int


def settings_for(server: Listening, **changes: Any) -> Settings:
    """The relay as a test's server: loopback, no TLS, and waits that no test comes to the end of."""
    plain = Settings(Mode.SMTP, Path(), "127.0.0.1", server.port, Tls.NONE, connect_timeout=10)
    return replace(plain, **{"command_timeout": 10, "data_timeout": 10, "dot_timeout": 10} | changes)


def impatient(server: ScriptedServer, **changes: Any) -> Settings:
    """The same, with a client that soon gives up."""
    short = settings_for(server, command_timeout=SHORT, data_timeout=SHORT, dot_timeout=SHORT)
    return replace(short, **changes)


async def connected(settings: Settings) -> SmtpConnection:
    """A connection that is ready for an envelope."""
    opened = await connect(settings)
    assert isinstance(opened, SmtpConnection), opened
    return opened


def may_send(recipients: Sequence[Recipient] = RECIPIENTS) -> MaySend:
    """What the courier asks before a body leaves."""
    return partial(outcome.may_send, recipients)


async def enveloped(connection: SmtpConnection, recipients: Sequence[Recipient] = RECIPIENTS, size: int = 99) -> Handover:
    """The envelope alone."""
    return await connection.envelope(SENDER, [r.address for r in recipients], size, may_send(recipients))


async def handed_over(connection: SmtpConnection, wire: bytes = WIRE, recipients: Sequence[Recipient] = RECIPIENTS) -> Handover:
    """A whole letter, as far as it comes."""
    handover = await enveloped(connection, recipients, len(wire))
    if not handover.goes_on:
        return handover
    ended = await connection.body(wire, handover.rcpt)
    return ended or await connection.dot(handover.rcpt)


async def eventually(is_so: Callable[[], bool], seconds: float = 10) -> None:
    """Let the loop turn until something holds. Raises: AssertionError when it does not come to that."""
    try:
        async with asyncio.timeout(seconds):
            while not is_so():  # noqa: ASYNC110  what is waited for tells nobody
                await asyncio.sleep(0)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s") from None
