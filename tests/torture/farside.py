"""
The far side's books in one form, whichever server kept them: every final dot that came, what it was answered, what was kept.

The scripted server notes all three. Debian's smtp-sink keeps a message whatever it then answers, so what its dots were
answered is known only from the flags that it was started with. Nothing here knows the program under test.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.servers.record import Record
from tests.servers.sink import Sunk

OURS = b"Date: "  # the first header that a letter has when it leaves; a relay writes its own above it

Handed = tuple[str, str]  # a Message-ID and one recipient


@dataclass(frozen=True)
class Kept:
    """A message that the far side has, as it left us."""

    message_id: str
    recipients: tuple[str, ...]
    data: bytes

    @property
    def handed(self) -> Iterator[Handed]:
        return ((self.message_id, recipient) for recipient in self.recipients)


@dataclass(frozen=True)
class FarSide:
    """
    One server's books. `dots`, `taken`, `refused` count by Message-ID and recipient the dots that came, those answered 2xx, and
    those answered 4xx or 5xx; `broken` are the client's breaches of SMTP.
    """

    kept: Sequence[Kept]
    dots: Counter[Handed]
    taken: Counter[Handed]
    refused: Counter[Handed]
    broken: Sequence[str] = ()

    def __add__(self, other: FarSide) -> FarSide:
        """The books of two servers as if of one."""
        return FarSide(
            [*self.kept, *other.kept],
            self.dots + other.dots,
            self.taken + other.taken,
            self.refused + other.refused,
            [*self.broken, *other.broken],
        )

    @property
    def silent(self) -> set[str]:
        """The Message-IDs of letters of which a dot had no answer."""
        left = self.dots - self.taken - self.refused
        return {message_id for message_id, _ in left}


def of_record(record: Record) -> FarSide:
    """The books of the scripted server."""
    said: dict[bool, Counter[Handed]] = {True: Counter(), False: Counter()}
    for answer in record.answered:
        if answer.text[:1] in {"2", "4", "5"}:
            said[answer.text.startswith("2")].update((answer.message_id, recipient) for recipient in answer.recipients)
    return FarSide(
        kept=[Kept(taken.message_id, taken.recipients, taken.data) for taken in record.taken],
        dots=Counter((dot.message_id, recipient) for dot in record.dotted for recipient in dot.recipients),
        taken=said[True],
        refused=said[False],
        broken=[violation.what for violation in record.violations],
    )


def of_sink(sunk: Iterable[Sunk], dot_answer: str = "2") -> FarSide:
    """The books of an smtp-sink whose every dot was answered with a code that begins so; empty: with none."""
    dumped = [Kept(one.message_id, one.recipients, one.data[one.data.index(OURS) :]) for one in sunk]
    dots = Counter(handed for one in dumped for handed in one.handed)
    is_refused = dot_answer in {"4", "5"}  # what it refused it has kept all the same, but nobody believes it has
    taken = dots if dot_answer == "2" else Counter[Handed]()
    return FarSide([] if is_refused else dumped, dots, taken, dots if is_refused else Counter[Handed]())
