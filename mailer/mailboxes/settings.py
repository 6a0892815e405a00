"""How a mailbox is reached, and one mail of it. Part of `mailboxes`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


class Trouble(Exception):
    """A mailbox cannot be read just now, in a sentence; it stops nothing else."""


@dataclass(frozen=True, slots=True)
class Local:
    """A Maildir on this machine."""

    folder: Path

    @property
    def name(self) -> str:
        """By what the ledger knows it."""
        return f"maildir:{self.folder}"


@dataclass(frozen=True, slots=True)
class Imap:
    """One folder of an account, over TLS; `timeout` in seconds."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    ca_file: Path | None = None
    starttls: bool = False
    timeout: float = 30

    @property
    def name(self) -> str:
        """By what the ledger knows it."""
        return f"imap:{self.username}@{self.host}/{self.folder}"


Settings = Local | Imap


@dataclass(frozen=True, slots=True)
class Mail:
    """
    One mail: by what it is known (`key`), its first bytes, and since when it has lain there (seconds since 1970).

    `validity` and `uid` are an IMAP folder's mark behind it; 0 in a Maildir.
    """

    key: str
    raw: bytes = field(repr=False)
    at: int = 0
    validity: int = 0
    uid: int = 0
