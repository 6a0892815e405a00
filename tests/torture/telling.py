"""
Whether anything personal stands where nobody may read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mailer.config import Configuration

CANARY = "canary"  # stands in the name and in the address of every signatory, and nowhere else


def tellers(loaded: Configuration, said: Iterable[str]) -> Iterator[str]:
    """Where the mark of all signatories stands although nobody may read it there."""
    ours = [path for folder in (loaded.keys.parent, loaded.keys) for path in folder.glob("*") if path.is_file()]
    for path in ours:
        if CANARY.encode() in path.read_bytes().lower():
            yield path.name
    if any(CANARY in text.casefold() for text in said):
        yield "what a run said"
