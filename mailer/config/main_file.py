"""
mailer.yaml: where letters are handed over, and where everything is kept.

Every key has a default; only mode smtp needs one, the host. Relative paths count from the instance's folder. The
sandbox, the outbox and the keys have no keys of their own: they lie beside the spool and the ledger.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mailer import resolver
from mailer.config import password, replies
from mailer.config.section import Section
from mailer.config.values import choice, host, ip, is_loopback, number, text, whole
from mailer.config.watched import Fingerprint, look
from mailer.delivery import Retry
from mailer.outcome import Rule
from mailer.relay.settings import Mode, Settings, Tls

_RETRY = Retry()
# RFC 5321 4.5.3.2.6, in seconds.
_DOT_TIMEOUT = 600.0
# RFC 8314 3.3: TLS from the first byte has a port of its own.
_PORTS = {Tls.IMPLICIT: 465}


@dataclass(frozen=True, slots=True)
class MainFile:
    """What mailer.yaml says; `beside` are the relay's own files, `seen` what they looked like before they were read."""

    relay: Settings
    beside: tuple[Path, ...]
    seen: Fingerprint
    spool: Path
    ledger: Path
    journal: Path
    retry: Retry
    group: str
    run_for: float
    replies: tuple[Rule, ...]
    dns: resolver.Settings


def read(section: Section, root: Path, environ: Mapping[str, str]) -> MainFile:
    """Read mailer.yaml; `root` is the folder from which relative paths count."""
    spool = root / section.one("spool", text, "var/queue")
    relay = section.section("relay")
    beside = _beside(relay, root, environ)
    seen = look(beside)
    main = MainFile(
        relay=_relay(relay, root, spool.parent, environ),
        beside=beside,
        seen=seen,
        spool=spool,
        ledger=root / section.one("ledger", _ledger, "var/ledger.db"),
        journal=root / section.one("journal", text, "var/journal.jsonl"),
        retry=_retry(section.section("retry")),
        group=section.one("group", _group, ""),
        run_for=section.one("run_for", number(1), 240.0),
        replies=replies.read(section.sections("replies")),
        dns=_dns(section.section("dns")),
    )
    if main.ledger == main.journal:
        section.note("journal", "is the same file as the ledger")
    section.close()
    return main


def _dns(section: Section) -> resolver.Settings:
    """Whom `check --dns` asks; without it whom this machine asks."""
    settings = resolver.Settings(section.one("nameserver", ip, ""), section.one("port", whole(1, 65535), 53))
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
    mode = relay.one("mode", choice(*Mode), Mode.SANDBOX)
    tls = relay.one("tls", choice(*Tls), Tls.STARTTLS)
    ca_file = relay.one("ca_file", text, "")
    settings = Settings(
        mode=mode,
        folder=var / ("sandbox" if mode is Mode.SANDBOX else "outbox"),
        host=relay.one("host", host, ""),
        port=relay.one("port", whole(1, 65535), _PORTS.get(tls, 587)),
        tls=tls,
        ca_file=root / ca_file if ca_file else None,
        username=relay.one("username", text, ""),
        password=password.read(relay, root, environ, is_used=mode is Mode.SMTP),
        connections=relay.one("connections", whole(1, 100), 10),
        dot_timeout=relay.one("dot_timeout", number(1), _DOT_TIMEOUT),
    )
    _check(relay, settings)
    relay.close()
    return settings


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


def _retry(section: Section) -> Retry:
    retry = Retry(
        first=section.one("first", number(1), _RETRY.first),
        max=section.one("max", number(1), _RETRY.max),
        give_up_after=section.one("give_up_after", number(0), _RETRY.give_up_after),
        jitter=section.one("jitter", number(0, 1), _RETRY.jitter),
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
