"""
How a record of the log, a hint or an error stands on stderr: as plain text, for the journal, or as JSON.

    plain     mailer: file 1 was set aside: it is empty
    journal   <3>file 1 was set aside: it is empty            (sd-daemon(3); each line of a record has the prefix)
    json      {"time": "2026-11-26T03:16:25.123Z", "level": "error", "event": "file_set_aside", "message": …, "file": 1, …}

What is shown is decided before (`log.show`) and is the same in each form. Nobody need take a line: where it cannot be written
the work goes on, and the next one is tried again.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from typing import TextIO

from mailer import log
from mailer.cli.streams import UNWRITABLE
from mailer.log import Event

FORMS = ("plain", "journal", "json")
_PRIORITIES = {logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.DEBUG: 7}  # syslog(3)


class _OnStderr(logging.Handler):
    """Records on whatever stderr is just now: a progress bar puts itself there, and lines must go above it."""

    form = "plain"

    def emit(self, record: logging.LogRecord) -> None:
        """Write it with one call, so that the lines of two programs on one stderr do not mix."""
        with suppress(*UNWRITABLE):
            sys.stderr.write(_WRITTEN[self.form](record) + "\n")


_ON_STDERR = _OnStderr()


def begin() -> None:
    """From now on what is shown goes to stderr, as the journal wants it where it is that."""
    write_as("journal" if is_journal(sys.stderr) else "plain")
    log.show(log.NORMAL)
    logging.getLogger("mailer").addHandler(_ON_STDERR)


def write_as(form: str) -> None:
    """From now on write in this form, one of FORMS."""
    _ON_STDERR.form = form


def asked(words: Sequence[str]) -> str:
    """
    The form that a command line asks for, also where it is none that can be read; empty if it asks for none.

    >>> asked(["--log-format=json", "--nope"]), asked(["--nope", "--log-format", "journal"]), asked(["--log-format"])
    ('json', 'journal', '')
    """
    said = " ".join(words).replace("--log-format=", "--log-format ").split()
    return next((form for word, form in pairwise(said) if word == "--log-format" and form in FORMS), "")


def are_for_a_person() -> bool:
    """Whether somebody looks at a terminal and wants more than errors: then a progress bar may stand below the lines."""
    return sys.stderr.isatty() and _ON_STDERR.form == "plain" and not log.is_quiet()


def is_journal(stream: TextIO) -> bool:
    """Whether a stream leads to journald, as it tells those whom systemd starts (systemd.exec(5), JOURNAL_STREAM)."""
    told = os.environ.get("JOURNAL_STREAM")
    if not told:
        return False
    try:
        found = os.fstat(stream.fileno())
    except UNWRITABLE:
        return False
    return told == f"{found.st_dev}:{found.st_ino}"


def _plain(record: logging.LogRecord) -> str:
    event: Event | None = getattr(record, "event", None)
    return record.getMessage() if event and event.is_bare else f"mailer: {record.getMessage()}"


def _journal(record: logging.LogRecord) -> str:
    prefix = f"<{_PRIORITIES.get(record.levelno, 5)}>"
    return "\n".join(prefix + line for line in record.getMessage().splitlines() or [""])


def _json(record: logging.LogRecord) -> str:
    import json  # it is wanted by few

    event: Event | None = getattr(record, "event", None)
    fields: dict[str, object] = getattr(record, "fields", {})
    told: dict[str, object] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": event.name if event else record.name,
        "message": record.getMessage(),
    }
    return json.dumps(told | fields)  # ASCII: whatever encoding stderr has, the line is JSON


_WRITTEN: dict[str, Callable[[logging.LogRecord], str]] = {"plain": _plain, "journal": _journal, "json": _json}
