"""
Letters as files, without SMTP: mode `file` writes each to var/outbox as an .eml.

It goes through the same door as a real relay (envelope, body, dot), so that a dry run and production share every line: the
body is written to a temporary file, and the dot is the rename that makes it appear.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from mailer.durable import sync_folder
from mailer.errors import CannotWrite
from mailer.outcome import Handover, Lost, MaySend, Reply, Stage

_GO_ON = Reply(354, "", "go on")
_FINE = Reply(250, "2.0.0", "written")


def _name(wire: bytes) -> str:
    """A file's name from the letter's Message-ID, so that a letter sent again is told by its file."""
    found = re.search(rb"(?mi)^Message-ID: <([0-9a-z.]+)@", wire)
    return found[1].decode("ascii") if found else hashlib.sha256(wire).hexdigest()


class FileConnection:
    """A folder that takes every letter. Each file's first lines show the envelope, as a mail server's would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._envelope = b""
        self._unfinished: Path | None = None
        self.is_usable = True

    async def envelope(
        self, sender: str, recipients: Sequence[str], size: int, may_send: MaySend, letter: str = ""
    ) -> Handover:
        """Take every recipient."""
        answers = tuple(Reply(250, "2.1.5", "fine") for _ in recipients)
        self._envelope = f"Return-Path: <{sender}>\r\nX-Envelope-To: {', '.join(recipients)}\r\n".encode("ascii")
        return Handover(Stage.DATA, _GO_ON, answers) if may_send(answers) else Handover(Stage.RCPT, answers[0], answers)

    async def body(self, wire: bytes, rcpt: tuple[Reply | Lost, ...]) -> Handover | None:
        """Write the letter under a temporary name and see it on the disk."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._unfinished = self._folder / f"{_name(wire)}.part"
            with os.fdopen(os.open(self._unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(self._envelope + wire)
                file.flush()
                os.fsync(file.fileno())
        except OSError as problem:
            raise CannotWrite(f"{self._folder}: a letter cannot be written ({problem.strerror})") from problem
        return None

    async def dot(self, rcpt: tuple[Reply | Lost, ...]) -> Handover:
        """Give the file its name. What has none was not written: the letter is as it was."""
        if self._unfinished is None:
            raise ValueError("a dot without a body")
        try:
            os.rename(self._unfinished, str(self._unfinished).removesuffix(".part") + ".eml")
        except OSError as problem:
            return Handover(Stage.DOT, Reply(451, "4.3.0", f"{self._folder.name}: {problem.strerror}"), rcpt)
        sync_folder(self._folder)
        self._unfinished = None
        return Handover(Stage.DOT, _FINE, rcpt)

    async def close(self) -> None:
        """Nothing to close."""

    async def abort(self) -> None:
        """Leave no half letter behind."""
        if self._unfinished is not None:
            self._unfinished.unlink(missing_ok=True)
