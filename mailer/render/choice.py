"""
Which of several texts a letter has at a place where people wrote more than one.

It hangs on the signature, the target and the place's name alone, so that preview, send and resend agree, a text and the HTML
beside it too; and letters spread evenly over the texts. It is no secret and hides nothing.
"""

from __future__ import annotations

import hashlib

CHOICE = "_choice"  # the value, among those that templates see, that is one for a signature and a target


def drawn(seed: str, place: str, ways: int) -> int:
    """
    The number of one of so many ways, counted from 0.

    >>> [drawn(f"signatory {number}", "opening", 3) for number in range(8)]
    [1, 2, 0, 0, 1, 1, 2, 1]
    """
    return int.from_bytes(hashlib.sha256(f"{place}\n{seed}".encode()).digest()[:8]) % ways
