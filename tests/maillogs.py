"""
Lines as a Postfix writes them, for a letter, and a file that grows with them.

    way(letter, 1)        a letter taken, queued, handed on, gone: four lines
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.servers.record import Taken

HOST = "relay"
SERVER = "mx.court.example[192.0.2.7]:25"
OK = "250 2.0.0 Ok: queued as 4XyZ"


def full(at: float) -> str:
    """A stamp by RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.123456+00:00", time.gmtime(at))


def old(at: float) -> str:
    """A stamp as syslog always had it."""
    return time.strftime("%b %e %H:%M:%S", time.localtime(at))


def line(program: str, text: str, at: float, *, stamp: object = full, instance: str = "postfix") -> str:
    assert callable(stamp)
    return f"{stamp(at)} {HOST} {instance}/{program}[4711]: {text}\n"


def begun(queue: str, at: float) -> str:
    return line("smtpd", f"{queue}: client=localhost[127.0.0.1]", at)


def named(queue: str, message_id: str, at: float) -> str:
    return line("cleanup", f"{queue}: message-id={message_id}", at)


def queued(queue: str, count: int, at: float) -> str:
    return line("qmgr", f"{queue}: from=<letters@campaign.example>, size=1234, nrcpt={count} (queue active)", at)


def removed(queue: str, at: float) -> str:
    return line("qmgr", f"{queue}: removed", at)


def went(
    queue: str, address: str, at: float, status: str = "sent", said: str = OK, dsn: str = "", server: str = SERVER, **more: str
) -> str:
    """What became of one recipient; `more` are fields between relay and dsn."""
    dsn = dsn or {"sent": "2.0.0", "deferred": "4.7.1", "bounced": "5.1.1"}[status]
    fields = "".join(f", {name}={value}" for name, value in more.items())
    text = (
        f"{queue}: to=<{address}>, relay={server}{fields}, delay=0.3, delays=0.1/0/0.1/0.1, dsn={dsn}, status={status} ({said})"
    )
    return line("smtp", text, at)


def refused(said: str, server: str = "mx.court.example[192.0.2.7]") -> str:
    """How Postfix tells what a server refused."""
    return f"host {server} said: {said} (in reply to RCPT TO command)"


def taken(letter: Taken, queue: str, at: float) -> str:
    """A letter that comes into the queue."""
    return begun(queue, at) + named(queue, letter.message_id, at) + queued(queue, len(letter.recipients), at)


class Log:
    """A log that is written to as syslog does."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mail.log"
        self.path.write_bytes(b"")

    def write(self, *texts: str) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(texts))

    def rotate(self) -> None:
        """Rename what is there, older ones first, and begin a new file."""
        numbered = sorted(self.path.parent.glob("mail.log.*"), key=lambda path: -int(path.suffix[1:]))
        for path in numbered:
            path.rename(path.with_suffix(f".{int(path.suffix[1:]) + 1}"))
        self.path.rename(self.path.with_name("mail.log.1"))
        self.path.write_bytes(b"")

    def copytruncate(self) -> None:
        """Copy what is there, and empty it."""
        self.path.with_name("mail.log.1").write_bytes(self.path.read_bytes())
        self.path.write_bytes(b"")
