"""
mailer.yaml: where letters are handed over, and where everything is kept.

Every key has a default; only mode smtp needs one, the host. Relative paths count from the instance's folder. The
sandbox, the outbox and the keys have no keys of their own: they lie beside the spool and the ledger.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mailer import resolver
from mailer.campaign import Pace
from mailer.config import inboxes, paces, password, replies
from mailer.config.keys import Key, Part
from mailer.config.section import Section
from mailer.config.values import ANY_TEXT, ONE_LINE, choice, host, ip, is_loopback, number, text, whole
from mailer.config.watched import Fingerprint, look
from mailer.delivery import Retry
from mailer.mailboxes import Settings as Mailbox
from mailer.outcome import Rule
from mailer.relay.settings import Mode, Settings, Tls
from mailer.spool import WHOLE_AFTER as _WHOLE_AFTER

_RETRY = Retry()
# RFC 5321 4.5.3.2.6, in seconds.
_DOT_TIMEOUT = 600.0
# What the shipped units give a stop (TimeoutStopSec=), and what it needs behind the last answer; in seconds.
_STOPPED_WITHIN, _TO_END = 660, 60
_KEEP_FILES_DAYS = 30
# RFC 8314 3.3: TLS from the first byte has a port of its own.
_PORTS = {Tls.IMPLICIT: 465}
_PORT = 587
_DNS = resolver.Settings()
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst")


@dataclass(frozen=True, slots=True)
class MainFile:
    """What mailer.yaml says; `beside` are the relay's own files, `seen` what they looked like before they were read."""

    relay: Settings
    pace: Pace
    domain_pace: Pace
    beside: tuple[Path, ...]
    seen: Fingerprint
    spool: Path
    ledger: Path
    journal: Path
    retry: Retry
    group: str
    editors: str
    run_for: float
    whole_after: float
    keep_files_days: int
    replies: tuple[Rule, ...]
    dns: resolver.Settings
    inbox: tuple[Mailbox, ...]
    relay_log: Path | None


def read(section: Section, root: Path, environ: Mapping[str, str]) -> MainFile:
    """Read mailer.yaml; `root` is the folder from which relative paths count."""
    spool = root / section.one(SPOOL)
    relay = section.section(RELAY)
    mailboxes = section.sections(inboxes.INBOXES)
    beside = (*_beside(relay, root, environ), *inboxes.beside(mailboxes, root, environ))
    seen = look(beside)
    pace, domain_pace = (paces.read(relay, part, Pace()) for part in (paces.RELAY_PACE, paces.DOMAIN_PACE))
    relay_log = _log(relay, root)
    main = MainFile(
        pace=pace,
        domain_pace=domain_pace,
        relay=_relay(relay, root, spool.parent, environ),
        beside=beside,
        seen=seen,
        spool=spool,
        ledger=root / section.one(LEDGER),
        journal=root / section.one(JOURNAL),
        retry=_retry(section.section(RETRY)),
        group=section.one(GROUP),
        editors=section.one(EDITORS),
        run_for=section.one(RUN_FOR),
        whole_after=section.one(WHOLE_AFTER),
        keep_files_days=section.one(KEEP_FILES_DAYS),
        replies=replies.read(section.sections(replies.REPLIES)),
        dns=_dns(section.section(DNS)),
        inbox=inboxes.read(mailboxes, root),
        relay_log=relay_log,
    )
    if main.ledger == main.journal:
        section.note("journal", "is the same file as the ledger")
    section.close()
    return main


def _dns(section: Section) -> resolver.Settings:
    """Whom `check --dns` asks; without it whom this machine asks."""
    settings = resolver.Settings(section.one(NAMESERVER), section.one(NAMESERVER_PORT))
    if section.has("port") and not section.has("nameserver"):
        section.note("port", "does nothing without a `nameserver`")
    section.close()
    return settings


def _beside(relay: Section, root: Path, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The files that a relay's keys name: a worker reads a corrected password without being told."""
    ca_file = relay.plain("ca_file")
    files = (password.file_of(relay, root, environ), root / ca_file if ca_file else None)
    return tuple(file for file in files if file)


def _relay(relay: Section, root: Path, var: Path, environ: Mapping[str, str]) -> Settings:
    mode = relay.one(MODE)
    tls = relay.one(TLS)
    ca_file = relay.one(CA_FILE)
    settings = Settings(
        mode=mode,
        folder=var / ("sandbox" if mode is Mode.SANDBOX else "outbox"),
        host=relay.one(HOST),
        port=relay.one(PORT) or _PORTS.get(tls, _PORT),
        tls=tls,
        ca_file=root / ca_file if ca_file else None,
        username=relay.one(USERNAME),
        password=password.read(relay, root, environ, is_used=mode is Mode.SMTP),
        connections=relay.one(CONNECTIONS),
        dot_timeout=relay.one(DOT_TIMEOUT),
    )
    _check(relay, settings)
    relay.close()
    return settings


def _log(relay: Section, root: Path) -> Path | None:
    """The log that the relay writes, where it is a Postfix on this machine."""
    named = relay.one(LOG)
    if named.endswith(_COMPRESSED):
        relay.note("log", "is a compressed file; name the log that is being written, like /var/log/mail.log")
    elif named and relay.one(MODE) is Mode.SMTP and (asked := relay.one(HOST)) and not is_loopback(asked):
        said = f"is a log of this machine, but {asked} may be another one: only a Postfix here writes what is looked for in it"
        relay.problems.warn(relay.at("log"), said)
    return root / named if named else None


def _check(relay: Section, settings: Settings) -> None:
    """What the keys of a relay ask of each other."""
    if settings.tls is Tls.NONE and settings.host and not is_loopback(settings.host):
        relay.note("tls", "none is for this machine only (127.0.0.1, ::1, localhost); write starttls or implicit")
    if settings.mode is not Mode.SMTP:
        return
    relay.need("host")
    if settings.ca_file and not os.path.isfile(settings.ca_file):
        relay.note("ca_file", "there is no such file")
    if settings.dot_timeout < _DOT_TIMEOUT:
        said = f"is shorter than the {_DOT_TIMEOUT:g} seconds of RFC 5321: a slow server's letters will end in doubt"
        relay.problems.warn(relay.at("dot_timeout"), said)
    if settings.dot_timeout + _TO_END > _STOPPED_WITHIN:
        asked = f"TimeoutStopSec={settings.dot_timeout + _TO_END:g}"
        said = f"outlasts a stop, which systemd gives {_STOPPED_WITHIN} seconds as shipped: give the unit {asked} as well"
        relay.problems.warn(relay.at("dot_timeout"), said)


def _retry(section: Section) -> Retry:
    retry = Retry(
        first=section.one(FIRST),
        max=section.one(MAX),
        give_up_after=section.one(GIVE_UP_AFTER),
        jitter=section.one(JITTER),
    )
    if retry.max < retry.first:
        section.note("max", f"must not be shorter than `first` ({retry.first:g} seconds)")
    section.close()
    return retry


def _ledger(written: str) -> str:
    if written.startswith(("postgresql:", "postgres:")):
        raise ValueError("needs the PostgreSQL ledger, which this version does not have yet; use a file")
    if "://" in written:
        raise ValueError("must be a file, like var/ledger.db")
    return text(written)


def _group(written: str) -> str:
    from grp import getgrnam

    try:
        return getgrnam(text(written)).gr_name
    except KeyError:
        raise ValueError(f"this machine has no group `{written}`") from None


# What may stand in mailer.yaml.
MODE = Key(
    "mode",
    choice(*Mode),
    Mode.SANDBOX,
    "sandbox files every letter in var/sandbox by a mail server of its own, and delivers nothing; smtp hands letters to the"
    " host below; file writes one .eml file a letter into var/outbox.",
)
HOST = Key("host", host, "", "The name or IP address of the mail server; needed for mode smtp.")
PORT = Key("port", whole(1, 65535), None, f"Its port; unless told, {_PORT}, and {_PORTS[Tls.IMPLICIT]} where tls is implicit.")
TLS = Key(
    "tls",
    choice(*Tls),
    Tls.STARTTLS,
    "How the connection is encrypted; the certificate is verified. implicit: from the first byte. none: this machine only.",
)
CA_FILE = Key("ca_file", text, "", "The certificate of an authority of your own, where the server's comes from one.")
USERNAME = Key("username", text, "", "The account at the mail server.")
CONNECTIONS = Key("connections", whole(1, 100), 10, "How many connections are open at the same time.")
DOT_TIMEOUT = Key(
    "dot_timeout",
    number(1),
    _DOT_TIMEOUT,
    "Seconds to wait for the answer to a letter's final dot. Shorter than this default leaves letters in doubt.",
)
LOG = Key(
    "log",
    text,
    "",
    "The log of a Postfix on this machine, like /var/log/mail.log: what it did with each letter is read there, and shown.",
    shape={"type": ANY_TEXT, "pattern": rf"(?!.*({'|'.join(map(re.escape, _COMPRESSED))})\s*$)" + ONE_LINE},
)
RELAY = Part(
    "relay",
    "Where letters are handed over.",
    (
        MODE,
        HOST,
        PORT,
        TLS,
        CA_FILE,
        USERNAME,
        password.FILE,
        password.CREDENTIAL,
        CONNECTIONS,
        DOT_TIMEOUT,
        LOG,
        paces.RELAY_PACE,
        paces.DOMAIN_PACE,
    ),
    also={
        "if": {"properties": {MODE.name: {"const": str(Mode.SMTP)}}, "required": [MODE.name]},
        "then": {"properties": {HOST.name: {"not": {"enum": [None, ""]}}}, "required": [HOST.name]},
    },
)
FIRST = Key("first", number(1), _RETRY.first, "Seconds to the second try of a letter; each wait is twice the one before.")
MAX = Key("max", number(1), _RETRY.max, "The longest wait, in seconds.")
GIVE_UP_AFTER = Key(
    "give_up_after",
    number(0),
    _RETRY.give_up_after,
    "Seconds from its first try to a letter's end as expired; pauses, holds and outages of the relay are not counted.",
)
JITTER = Key("jitter", number(0, 1), _RETRY.jitter, "By which part a wait may be longer or shorter, by chance.")
RETRY = Part("retry", "When a letter that was deferred is tried again.", (FIRST, MAX, GIVE_UP_AFTER, JITTER))
SPOOL = Key("spool", text, "var/queue", "The folder of the queue: files are dropped into incoming/ in it.")
LEDGER = Key(
    "ledger",
    _ledger,
    "var/ledger.db",
    "The durable record of all letters; var/keys lies beside it.",
    shape={"type": ANY_TEXT, "pattern": "(?!.*://)" + ONE_LINE},
)
JOURNAL = Key("journal", text, "var/journal.jsonl", "Every move of a letter, a line each, for people and tools.")
GROUP = Key("group", _group, "", "Members of this group may drop files and read done/, rejected/ and the report.")
EDITORS = Key("editors", _group, "", "Members of this group may write campaigns, directories and templates, not mailer.yaml.")
WHOLE_AFTER = Key(
    "whole_after",
    number(0),
    _WHOLE_AFTER,
    "For how long nothing about a file may have changed before it is taken in, in seconds; 0 where whole files are renamed in.",
)
KEEP_FILES_DAYS = Key(
    "keep_files_days",
    whole(1, 36_500),
    _KEEP_FILES_DAYS,
    "For how many days a file that was taken in is kept in done/, with what lies beside it.",
)
RUN_FOR = Key("run_for", number(1), 240.0, "The longest that one `mailer run` stays, in seconds.")
NAMESERVER = Key("nameserver", ip, _DNS.nameserver, "Its IP address; unless told, those that this machine asks.")
NAMESERVER_PORT = Key("port", whole(1, 65535), _DNS.port, "Its port.")
DNS = Part(
    "dns",
    "The nameserver that mailer check --dns asks.",
    (NAMESERVER, NAMESERVER_PORT),
    also={
        "if": {"properties": {NAMESERVER_PORT.name: {"not": {"enum": [None, ""]}}}, "required": [NAMESERVER_PORT.name]},
        "then": {"properties": {NAMESERVER.name: {"not": {"enum": [None, ""]}}}, "required": [NAMESERVER.name]},
    },
)
FILE = Part(
    "mailer.yaml",
    "The main file: where letters are handed over, where everything is kept. Paths count from the folder that holds config/.",
    (
        RELAY,
        SPOOL,
        LEDGER,
        JOURNAL,
        RETRY,
        GROUP,
        EDITORS,
        RUN_FOR,
        WHOLE_AFTER,
        KEEP_FILES_DAYS,
        replies.REPLIES,
        inboxes.INBOXES,
        DNS,
    ),
)
