"""
The hash chain of the journal: each line names the hash of the line before it.

    {"seq": 7, "at": "2011-09-20T08:00:00Z", "event": "letter", ..., "prev": "9f86d0…"}

The hash of a line is the SHA-256 of its exact bytes without the line end. Whoever holds one line and its hash can tell
whether any line before it was changed, dropped or put in. A chain proves order and wholeness, not who wrote it.

Lines hold no personal data: letters, signatures and campaigns stand in them by their numbers and ids.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Link:
    """One line of the journal: its number from 1, its text without a line end, and the hash of that text in hex."""

    seq: int
    line: str
    hash: str


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain stops holding together, and how it shows."""

    seq: int
    why: str


def link(before: Link | None, fields: Mapping[str, object]) -> Link:
    """
    Forge the next line behind `before` (None at the beginning).

    >>> first = link(None, {"event": "start"})
    >>> first.line, link(first, {"event": "next"}).seq
    ('{"seq":1,"event":"start","prev":"0000000000000000000000000000000000000000000000000000000000000000"}', 2)
    """
    seq, prev = (before.seq + 1, before.hash) if before else (1, GENESIS)
    line = json.dumps({"seq": seq, **fields, "prev": prev}, ensure_ascii=False, separators=(",", ":"))
    return Link(seq, line, hash_of(line))


def hash_of(line: str) -> str:
    """The hash of one line, given without its line end."""
    return hashlib.sha256(line.encode("utf-8")).hexdigest()


def told_at(link: Link) -> int:
    """
    When a line was written, in seconds since 1970.

    >>> told_at(link(None, {"at": "2011-09-20T08:00:00Z"}))
    1316505600
    """
    return int(datetime.fromisoformat(json.loads(link.line)["at"]).timestamp())


def check(lines: Iterable[str], before: Link | None = None) -> Link | Break | None:
    """
    Follow a chain from behind `before`. Gives its last link, or where it breaks; None if there is no line at all.

    >>> first = link(None, {"event": "start"})
    >>> check([first.line, first.line]).why
    'the line before it was changed or is missing'
    """
    last = before
    for line in lines:
        seq = last.seq + 1 if last else 1
        try:
            fields = json.loads(line)
            named, prev = fields["seq"], fields["prev"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return Break(seq, "the line is not a journal line")
        if prev != (last.hash if last else GENESIS):
            return Break(seq, "the line before it was changed or is missing")
        if named != seq:
            return Break(seq, f"the line has number {named}")
        last = Link(seq, line, hash_of(line))
    return last
