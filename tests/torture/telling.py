"""
Whether anything personal stands where nobody may read it: a bird in each part of a signature, looked for in every dress.

A server may quote any part of a letter, whole or cut, as it was read or as it came over the wire. So each bird is looked for as
it is, in other letters' cases, as JSON, percent, quoted-printable and base64 write it, and as it looks when read by a wrong
charset.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from functools import cache
from urllib.parse import quote

from mailer.config import Configuration

CANARY = "canary"  # stands in the name and in the address of every signatory, and nowhere else
NAME = "Žvirblisė Жаворонков Canary"
CITY = "Wrenbury"
MESSAGE = "Let the nightingale sing; соловью не запретишь."
BIRDS = (CANARY, "private.example", "Žvirbl", "Жавор", CITY, "nightingale", "соловь")


def tellers(loaded: Configuration, said: Iterable[str]) -> Iterator[str]:
    """Where a bird of any signatory was seen; `said` is what commands printed."""
    var = loaded.keys.parent
    for path in sorted(var.rglob("*")):
        if loaded.spool in (path, *path.parents):
            continue  # the organisers' own files
        where = str(path.relative_to(var))
        seen = [*birds_in(where.encode()), *(birds_in(path.read_bytes()) if path.is_file() else ())]
        if seen:
            yield f"{where} ({', '.join(seen)})"
    if seen := birds_in("\n".join(said).encode()):
        yield f"what a run said ({', '.join(seen)})"


def birds_in(text: bytes) -> list[str]:
    """The birds that are in some bytes, in whatever dress."""
    lower = text.lower()
    return [bird for bird in BIRDS if bird.lower().encode() in lower or any(dress in text for dress in dresses(bird))]


@cache
def dresses(bird: str) -> frozenset[bytes]:
    """
    >>> {b"%D0%B6", b"=D0=96", b"=d0=96", b"\\\\u0436"} <= dresses("ж")
    True
    """
    found: set[bytes] = set()
    for case in {bird, bird.upper(), bird.lower(), bird.title()}:
        raw = case.encode()
        printable = "".join(chr(octet) if octet < 128 else f"={octet:02X}" for octet in raw)
        escaped = json.dumps(case)[1:-1]
        slashed = raw.decode("ascii", "backslashreplace")
        texts = {case, printable, printable.lower(), quote(case), quote(case).lower(), escaped, escaped.upper(), slashed}
        texts |= {raw.decode(charset, "replace") for charset in ("latin-1", "cp1252", "cp1251")}
        found |= {text.encode() for text in texts} | set(_in_base64(raw))
    return frozenset(found)


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """What of it is sure to be seen, wherever it begins in its group of three octets; too little would say nothing."""
    for shift in range(3):
        sure = base64.b64encode(bytes(shift) + raw + b"..")[-(-shift * 4 // 3) : (shift + len(raw)) * 4 // 3]
        if len(sure) >= 6:
            yield sure
