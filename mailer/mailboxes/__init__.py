"""
The mailboxes in which bounces, copies and answers arrive. They are only read: no mail is moved, marked or removed.

    a Maildir, an IMAP folder  >  MAILBOXES  >  inbox (each mail once)

What was read before is the caller's to remember: a mailbox is asked for what is new behind a mark, and gives each mail with the
mark behind it. A Maildir's mails are known by their names, which stay when a program marks them as seen; an IMAP folder's by
UIDVALIDITY and UID, and where that validity changes all of it is new.
"""

from __future__ import annotations

from mailer.mailboxes.imap import ImapFolder
from mailer.mailboxes.maildir import Maildir
from mailer.mailboxes.settings import Imap, Local, Mail, Settings, Trouble

__all__ = ["Imap", "ImapFolder", "Local", "Mail", "Maildir", "Settings", "Trouble", "opened"]


def opened(settings: Settings) -> Maildir | ImapFolder:
    """The mailbox of these settings; nothing is asked of it yet."""
    return ImapFolder(settings) if isinstance(settings, Imap) else Maildir(settings)
