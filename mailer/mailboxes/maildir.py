"""
A Maildir: every mail is a file in new/ or cur/. Part of `mailboxes`.

Nothing is moved: the mail stays where its owner's programs look for it. A name's part before the colon stays when a mail goes
from new/ to cur/ and its flags change.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from mailer.inbound.bounds import LARGEST
from mailer.mailboxes.settings import Local, Mail, Trouble


class Maildir:
    """One Maildir."""

    def __init__(self, settings: Local) -> None:
        self.name = settings.name
        self._folder = settings.folder

    def new(self, known: Collection[str], _mark: tuple[int, int], limit: int) -> Iterator[Mail]:
        """
        Mails whose keys are not known, the oldest first, at most so many.

        Raises:
            Trouble: the folder cannot be read.
        """
        found: list[tuple[int, str, str]] = []
        for part in ("new", "cur"):
            folder = self._folder / part
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        key = entry.name.partition(":")[0]
                        if not entry.name.startswith(".") and key not in known and entry.is_file(follow_symlinks=False):
                            found.append((int(entry.stat(follow_symlinks=False).st_mtime), key, str(folder / entry.name)))
            except OSError as problem:
                raise Trouble(f"{folder}: it cannot be read ({problem.strerror})") from problem
        for at, key, path in sorted(found)[:limit]:
            raw = _read(path)
            if raw is not None:
                yield Mail(key, raw, at)

    def keys(self) -> set[str]:
        """The keys of all mails that lie there, so that others can be forgotten."""
        found = set()
        for part in ("new", "cur"):
            try:
                found |= {name.partition(":")[0] for name in os.listdir(self._folder / part)}
            except OSError as problem:
                raise Trouble(f"{self._folder / part}: it cannot be read ({problem.strerror})") from problem
        return found

    def has_news(self) -> bool:
        """A folder tells of nothing by itself."""
        return False

    def close(self) -> None:
        """Nothing is open."""


def _read(path: str) -> bytes | None:
    """The beginning of a mail; None where it was moved meanwhile: it is found next time."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return file.read(LARGEST)
    except OSError:
        return None
