"""
A folder of an IMAP account, over verified TLS. Part of `mailboxes`.

It is opened by EXAMINE, and bodies are asked for with PEEK, so that nothing of it changes, not even what is seen. What is new
is what has a higher UID than the last that was read; where UIDVALIDITY has changed, all of it (RFC 3501 2.3.1.1).
"""

from __future__ import annotations

import ssl
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any

from mailer.inbound.bounds import LARGEST
from mailer.mailboxes.settings import Imap, Mail, Trouble

_AT_ONCE = 20  # mails of one FETCH


class ImapFolder:
    """One folder; connected when it is first asked, and again after it failed."""

    def __init__(self, settings: Imap) -> None:
        self.name = settings.name
        self._settings = settings
        self._client: Any = None
        self._validity = 0
        self._is_idle = False

    def new(self, _known: Collection[str], mark: tuple[int, int], limit: int) -> Iterator[Mail]:
        """
        Mails behind a mark (UIDVALIDITY, UID), in the order of their UIDs, at most so many.

        Raises:
            Trouble: the server, the account or the folder cannot be used just now.
        """
        try:
            client = self._opened()
            last = mark[1] if mark[0] == self._validity else 0
            # "n:*" names the newest even where its UID is lower (RFC 3501 6.4.8).
            uids = sorted(uid for uid in client.search(["UID", f"{last + 1}:*"]) if uid > last)[:limit]
            for first in range(0, len(uids), _AT_ONCE):
                some = uids[first : first + _AT_ONCE]
                fetched = client.fetch(some, [f"BODY.PEEK[]<0.{LARGEST}>", "INTERNALDATE"])
                for uid in some:
                    yield self._mail(uid, fetched.get(uid))
        except Trouble:
            raise
        except Exception as problem:
            self.close()
            raise Trouble(f"{self.name}: {_told(problem)}") from problem

    def _mail(self, uid: int, fetched: Any) -> Mail:
        """One mail; of one that was removed meanwhile nothing is left but its UID."""
        parts = fetched or {}
        raw = next((value for name, value in parts.items() if isinstance(name, bytes) and name.startswith(b"BODY[]")), b"")
        at = parts.get(b"INTERNALDATE")
        return Mail(f"{self._validity}.{uid}", raw or b"", int(at.timestamp()) if at else 0, self._validity, uid)

    def _opened(self) -> Any:
        if self._client is not None:
            with suppress(Exception):  # servers hang up on whoever is silent
                if self._is_idle:
                    self._client.idle_done()
                    self._is_idle = False
                self._client.noop()
                return self._client
            self.close()
        from imapclient import IMAPClient  # 40 ms, where a mailbox is asked

        settings = self._settings
        context = ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        client = IMAPClient(
            settings.host,
            settings.port,
            ssl=not settings.starttls,
            ssl_context=None if settings.starttls else context,
            timeout=settings.timeout,
        )
        try:
            if settings.starttls:
                client.starttls(context)
            client.login(settings.username, settings.password)
            self._validity = int(client.select_folder(settings.folder, readonly=True)[b"UIDVALIDITY"])
        except BaseException:
            client.shutdown()
            raise
        self._client = client
        return client

    def keys(self) -> set[str]:
        """Nothing has to be remembered of single mails: their UIDs rise."""
        return set()

    def has_news(self) -> bool:
        """
        Whether the server has told of a new mail since the folder was last asked (IDLE, RFC 2177); it waits for nothing.

        Each look ends the IDLE that this begins, so that none lasts the half hour after which a server hangs up.
        """
        client = self._client
        if client is None:
            return False
        with suppress(Exception):  # lost: the next look connects again, and tells if it cannot
            if not client.has_capability("IDLE"):
                return False
            if self._is_idle:
                return _tells_of_mail(client.idle_check(timeout=0))
            # What comes in one piece with the answer to IDLE stays unread in the library's buffer: ask for it before.
            if _tells_of_mail(client.noop()[1]):
                return True
            client.idle()
            self._is_idle = True
            return False
        self.close()
        return False

    def close(self) -> None:
        """Say goodbye, wait for nothing."""
        client, self._client, self._is_idle = self._client, None, False
        if client is not None:
            with suppress(Exception):  # it was lost already
                client.shutdown()


def _tells_of_mail(responses: Iterable[Any]) -> bool:
    """Whether one of a server's untagged responses says that the folder has grown (RFC 3501 7.3.1)."""
    return any(len(one) > 1 and one[1] == b"EXISTS" for one in responses)


def _told(problem: Exception) -> str:
    """What went wrong, without what a server says of an account."""
    name = type(problem).__name__
    if isinstance(problem, ssl.SSLError):
        return f"its certificate is not believed ({getattr(problem, 'verify_message', '') or name})"
    if "Login" in name or "auth" in str(problem).lower():
        return "it does not let the account in"
    if isinstance(problem, OSError):
        return f"it cannot be reached ({problem.strerror or name})"
    return f"it does not do as it should ({name})"
