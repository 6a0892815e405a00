"""
From nothing to a connection that is greeted, encrypted and let in. All that is used of aiosmtplib is in this file.

    connect, greeting, EHLO, STARTTLS, EHLO, AUTH  ->  SmtpConnection, or the Handover that says where it ended

aiosmtplib speaks until the account is let in; then its transport is taken over by our own `reader`. Used of its
inside: `SMTP.transport`, `SMTP.protocol` and its `_buffer` of unread bytes. A contract test pins them.

TLS is required where it is configured, verified, 1.2 or newer; nothing falls back to plain. What fails here is never one
letter's fault. Connecting is idempotent, so tenacity may repeat it at once; nothing behind it is ever repeated here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable

import aiosmtplib
import tenacity

from mailer.outcome import Handover, Lost, Reply, Stage
from mailer.relay.reader import read, taken_over
from mailer.relay.settings import Settings, Tls
from mailer.relay.wire import SmtpConnection

_TRIES = 3
_QUICK = 3.0  # seconds; what takes longer to fail would only take as long again


class _Ended(Exception):
    """The handshake ended before the account was let in; private to this file."""

    def __init__(self, stage: Stage, answer: Reply | Lost) -> None:
        self.handover = Handover(stage, answer)
        super().__init__(str(answer))


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Verification on, TLS 1.2 or newer, the system's authorities or the ones configured."""
    context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


async def connect(settings: Settings) -> SmtpConnection | Handover:
    """Open one connection. A port that refuses is tried again at once, a few times; a silent one and an answer never."""
    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_result(_never_connected),
        stop=tenacity.stop_after_attempt(_TRIES) | tenacity.stop_after_delay(min(_QUICK, settings.connect_timeout)),
        wait=tenacity.wait_exponential(multiplier=0.1, max=1),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )
    result: SmtpConnection | Handover = await retrying(_connect_once, settings)
    return result


def _never_connected(result: SmtpConnection | Handover) -> bool:
    return isinstance(result, Handover) and result.stage is Stage.CONNECT


async def _connect_once(settings: Settings) -> SmtpConnection | Handover:
    try:
        context = tls_context(settings) if settings.tls is not Tls.NONE else None
    except OSError as problem:
        return Handover(Stage.STARTTLS, Lost(f"ca_file {settings.ca_file}: {_why(problem)}"))
    client = aiosmtplib.SMTP(
        hostname=settings.host,
        port=settings.port,
        use_tls=settings.tls is Tls.IMPLICIT,
        start_tls=False,
        tls_context=context,
        timeout=settings.connect_timeout,
        # On loopback the own name need not be looked up; elsewhere a server may ask for a name that resolves.
        local_hostname="localhost" if settings.host.startswith("127.") else None,
    )
    try:
        await _step(Stage.CONNECT, client.connect())
        await _step(Stage.EHLO, client.ehlo())
        if settings.tls is Tls.STARTTLS:
            await _start_tls(client)
        if settings.username:
            await _step(Stage.AUTH, client.login(settings.username, settings.password))
    except _Ended as ended:
        client.close()
        return ended.handover
    except BaseException:
        client.close()
        raise
    transport = client.transport
    if transport is None or transport.is_closing():
        return Handover(Stage.EHLO, Lost("the connection was closed behind the greeting"))
    if client.protocol is not None and client.protocol._buffer:
        # Spoken unasked behind the last answer (a 421, or bytes slipped in): no letter goes over such a connection.
        client.close()
        return Handover(Stage.EHLO, Lost("the server spoke unasked"))
    return SmtpConnection(taken_over(transport), frozenset(client.esmtp_extensions), settings)


async def _start_tls(client: aiosmtplib.SMTP) -> None:
    if not client.supports_extension("starttls"):
        raise _Ended(Stage.STARTTLS, Lost("the relay does not offer STARTTLS, and letters never go unencrypted"))
    await _step(Stage.STARTTLS, client.starttls())
    await _step(Stage.EHLO, client.ehlo())


async def _step(stage: Stage, step: Awaitable[object]) -> None:
    """Run one step; the one place that turns aiosmtplib's exceptions into answers."""
    try:
        await step
    except aiosmtplib.SMTPResponseException as refused:
        # Whoever answers is connected: what it says to that is its greeting.
        said_at = Stage.GREETING if stage is Stage.CONNECT else stage
        raise _Ended(said_at, _reply(refused.code, refused.message)) from refused
    except aiosmtplib.SMTPNotSupported as problem:
        raise _Ended(stage, Lost(f"the relay does not offer what is configured: {problem.message}")) from problem
    except (aiosmtplib.SMTPException, OSError, ValueError, RuntimeError) as problem:
        # A bad certificate surfaces under STARTTLS as a bare ssl.SSLCertVerificationError, which is an OSError; a password
        # that cannot be encoded as a ValueError. None of it is a letter's fault.
        raise _Ended(_tls_or(stage, problem), Lost(_why(problem))) from problem
    finally:
        _notice_cancellation()


def _notice_cancellation() -> None:
    """Before Python 3.12, asyncio.wait_for drops a cancellation that comes with its result: whoever cancelled would wait."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _tls_or(stage: Stage, problem: BaseException) -> Stage:
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return Stage.STARTTLS
        cause = cause.__cause__
    return stage


def _why(problem: BaseException) -> str:
    text = str(problem).strip() or type(problem).__name__
    return "".join(character if character.isprintable() else " " for character in text)[:300]


def _reply(code: int, message: str) -> Reply | Lost:
    """The answer that ended the handshake: a refusal. What is neither that nor the one code that goes on is garbage."""
    text = "".join(character if character.isprintable() else " " for character in message)[:500]
    if not 400 <= code <= 599:
        return Lost(f"the server's answer does not fit: {f'{code} ' if code > 0 else ''}{text[:80]}", garbled=True)
    return read(code, [text])
