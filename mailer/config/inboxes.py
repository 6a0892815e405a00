"""The mailboxes that mail which came in is read from: the key `inbox` of mailer.yaml."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mailer.config import password
from mailer.config.keys import Key, Part, Rows
from mailer.config.section import Section
from mailer.config.values import choice, host, text, whole
from mailer.mailboxes import Imap, Local, Settings

_PORTS = {"implicit": 993, "starttls": 143}

MAILDIR = Key("maildir", text, "", "A Maildir on this machine; it is only read.")
HOST = Key("host", host, "", "The name of an IMAP server; its folder is only read.")
PORT = Key("port", whole(1, 65535), None, "Its port; unless told, 993, or 143 where tls is starttls.")
TLS = Key("tls", choice(*_PORTS), "implicit", "How the connection is encrypted; the certificate is verified.")
CA_FILE = Key("ca_file", text, "", "The certificate of an authority of your own, where the server's comes from one.")
USERNAME = Key("username", text, "", "The account.")
FOLDER = Key("folder", text, "INBOX", "The folder of the account.")
INBOXES = Rows(
    "inbox",
    "Where bounces, the campaign's copies and answers arrive. Each mail is read once; none is moved, marked or removed.",
    Part("", "One mailbox.", (MAILDIR, HOST, PORT, TLS, CA_FILE, USERNAME, password.FILE, FOLDER)),
    or_one=True,
)


def read(sections: list[Section], root: Path) -> tuple[Settings, ...]:
    """Read the rows, in their order; those with problems are noted and left out."""
    return tuple(settings for section in sections if (settings := _mailbox(section, root)))


def beside(sections: list[Section], root: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The files that they name."""
    files = (password.file_of(section, root, environ) for section in sections)
    return tuple(file for file in files if file)


def _mailbox(row: Section, root: Path) -> Settings | None:
    before = len(row.problems.lines)
    folder, name = row.one(MAILDIR), row.one(HOST)
    tls, ca_file = row.one(TLS), row.one(CA_FILE)
    imap = Imap(
        host=name,
        port=row.one(PORT) or _PORTS[tls],
        username=row.one(USERNAME),
        password=password.of_file(row, root),
        folder=row.one(FOLDER),
        ca_file=root / ca_file if ca_file else None,
        starttls=tls == "starttls",
    )
    if folder and name:
        row.note("host", "a mailbox is a maildir or a folder of a host: write two of them")
    elif folder:
        if not os.path.isdir(root / folder / "new"):
            row.note("maildir", "there is no such Maildir (a folder with new/ and cur/ in it)")
        for key in (PORT, TLS, CA_FILE, USERNAME, password.FILE, FOLDER):
            if row.stands(key.name):
                row.note(key.name, "does nothing at a maildir; it belongs to a host")
    else:
        row.need("host", "username", "password_file")
        if imap.ca_file and not os.path.isfile(imap.ca_file):
            row.note("ca_file", "there is no such file")
    row.close()
    if len(row.problems.lines) > before:
        return None
    return Local(root / folder) if folder else imap
