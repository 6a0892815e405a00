"""
The mail server that letters are handed to: connections, replies, the split DATA; the sandbox server; plain files.

    courier > RELAY > the world

`reachable` is the one seam to the outside. Modes sandbox and file go through the same door as a real server, so that a
demonstration, a dry run and production share every line above this package. A relay opens connections and carries one
transaction at a time; it judges no reply and knows no letter, no campaign and no ledger.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from mailer.outcome import Handover, Lost, MaySend, Reply
from mailer.relay.settings import Mode, Settings, Tls

__all__ = ["Connection", "Mode", "Relay", "Settings", "Tls", "reachable"]


class Connection(Protocol):
    """One connection, one letter at a time: envelope, body, dot."""

    @property
    def is_usable(self) -> bool: ...
    async def envelope(
        self, sender: str, recipients: Sequence[str], size: int, may_send: MaySend, letter: str = ""
    ) -> Handover: ...
    async def body(self, wire: bytes, rcpt: tuple[Reply | Lost, ...]) -> Handover | None: ...
    async def dot(self, rcpt: tuple[Reply | Lost, ...]) -> Handover: ...
    async def close(self) -> None: ...
    async def abort(self) -> None: ...


class Relay:
    """Where connections come from. `settings` say how it is reached."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @property
    def name(self) -> str:
        """The relay as attempts and the log name it."""
        return self.settings.name

    async def connect(self) -> Connection | Handover:
        """A connection that is ready for an envelope, or the step at which there is none."""
        # aiosmtplib and its TLS cost 60 ms to import, which a pass with nothing to send need not pay.
        if self.settings.mode is Mode.FILE:
            from mailer.relay.files import FileConnection

            return FileConnection(self.settings.folder)
        from mailer.relay.handshake import connect

        return await connect(self.settings)


@asynccontextmanager
async def reachable(settings: Settings) -> AsyncIterator[Relay]:
    """Have the relay ready as long as the block lasts; in mode sandbox its server runs inside."""
    if settings.mode is not Mode.SANDBOX:
        yield Relay(settings)
        return
    from mailer.relay.sandbox import serving

    async with serving(settings) as reached:
        yield Relay(reached)
