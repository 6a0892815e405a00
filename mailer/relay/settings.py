"""What the relay needs to know: where the server is, how it is spoken to, and how long each step may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Mode(StrEnum):
    """Where letters go: an embedded server that keeps them, a real relay, or plain files."""

    SANDBOX = "sandbox"
    SMTP = "smtp"
    FILE = "file"


class Tls(StrEnum):
    """How the connection is encrypted; never weaker than said, whatever the server offers."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Settings:
    """
    One relay. Times are in seconds; `folder` is where modes sandbox and file keep the letters.

    The waits are those of RFC 5321 4.5.3.2: a shorter one at the dot makes duplicates.
    """

    mode: Mode
    folder: Path
    host: str = ""
    port: int = 587
    tls: Tls = Tls.STARTTLS
    ca_file: Path | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    connections: int = 10
    connect_timeout: float = 30
    command_timeout: float = 300
    data_timeout: float = 180
    dot_timeout: float = 600

    @property
    def name(self) -> str:
        """The relay as attempts and the log name it."""
        return f"{self.host}:{self.port}" if self.mode is Mode.SMTP else str(self.mode)
