"""
An SMTP server inside the worker, on loopback, that files every letter in a Maildir: what a fresh clone sends to.

A letter to it takes part in a real SMTP conversation, so a demonstration shows the real thing; and no letter to it can reach
anybody. It is aiosmtpd with a handler that answers the dot only when the letter is on the disk. It never faces a network and
is no server for anything else.
"""

from __future__ import annotations

import asyncio
import mailbox
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from mailer.errors import CannotWrite
from mailer.relay.settings import Settings, Tls


class _Filing:
    """Files what it is given; the envelope is shown in two header lines on top, as a delivering server writes them."""

    def __init__(self, folder: Path) -> None:
        for part in ("", "tmp", "new", "cur"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self._maildir = mailbox.Maildir(folder)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        sender = str(envelope.mail_from or "").strip("<>")  # the null return path comes as it was written
        top = f"Return-Path: <{sender}>\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        content = envelope.content
        try:
            self._maildir.add(top.encode("utf-8") + (content if isinstance(content, bytes) else b""))
        except OSError as problem:
            return f"452 4.3.1 the sandbox cannot file the letter: {problem.strerror}"
        return "250 2.0.0 filed in the sandbox"


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Settings]:
    """Run the sandbox as long as the block lasts; gives the settings by which it is reached."""
    old = os.umask(0o077)
    try:
        handler = _Filing(settings.folder)
    except OSError as problem:
        raise CannotWrite(f"{settings.folder}: the sandbox's folder cannot be made ({problem.strerror})") from problem
    finally:
        os.umask(old)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="sandbox.localhost", ident="mailer sandbox", loop=loop), "127.0.0.1", 0
    )
    try:
        port = server.sockets[0].getsockname()[1]
        yield replace(settings, host="127.0.0.1", port=port, tls=Tls.NONE, username="", password="")
    finally:
        server.close()
