"""What is read of a ledger: a letter, an attempt, a file with its accounts, each as it stands. Part of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Count:
    """
    The accounting of one file: `read` = taken + known + refused.

    Of the taken, a letter of `held` is held, of `unconfirmed` because nobody has confirmed it. Of the known, `confirmed` rows
    confirm a signature, `withdrawn` withdraw one, and `left_out` are of somebody who has withdrawn or was erased.
    """

    read: int = 0
    taken: int = 0
    known: int = 0
    refused: int = 0
    held: int = 0
    unconfirmed: int = 0
    confirmed: int = 0
    withdrawn: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """One letter as it stands; times in seconds since 1970; `sealed` opens the name of the file it came in."""

    letter: int
    campaign: str
    signature: int
    target: str
    channel: str
    state: str
    reason: str
    held_by: str
    country: str
    attempts: int
    tries: int
    message_id: str
    recipients: tuple[tuple[str, str, str, str], ...]
    reply: str
    relay: str
    line: int
    queued_at: int
    next_attempt_at: int | None
    accepted_at: int | None
    language: str
    sha256: str
    sealed: bytes | None = field(repr=False, default=None)
    hops: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True)
class Handed:
    """Letters to one target wait by hand: people carry them, by this channel."""

    campaign: str
    target: str
    channel: str


@dataclass(frozen=True, slots=True)
class Learned:
    """
    A piece of evidence about a letter: what kind, of which recipient, with which status and words; `reason` is what is shown
    for a letter that it moves, `source` tells the mail or line that it came by from any other.
    """

    letter: int
    kind: str
    address: str = ""
    status: str = ""
    said: str = field(repr=False, default="")
    reason: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A piece of evidence as it stands; `at` in seconds since 1970."""

    at: int
    kind: str
    address: str
    status: str
    said: str


@dataclass(frozen=True, slots=True)
class Mailbox:
    """How far a mailbox was read (UIDVALIDITY, UID), when (seconds since 1970), or what keeps us from it."""

    name: str
    validity: int = 0
    uid: int = 0
    read_at: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Hop:
    """
    What became of one recipient's letter at the relay, by its log: handed on, deferred, bounced or discarded; who was next and
    in whose words, when, since when and how many times (seconds since 1970), and under which queue id.
    """

    address: str
    state: str
    server: str
    status: str
    said: str = field(repr=False)
    at: int
    since: int
    times: int
    queue: str


@dataclass(frozen=True, slots=True)
class Heard:
    """
    What a line of the relay's log says of one letter: `what` is the line's kind, `address` the letter's own recipient. Not
    `is_exact`: the relay had put another address in its place. `reason` says in plain words why it was not handed on.
    """

    what: str
    queue: str
    letter: int
    at: int
    count: int = 0
    address: str = ""
    is_exact: bool = True
    server: str = ""
    status: str = ""
    said: str = field(repr=False, default="")
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LogMark:
    """How far the relay's log was read: which file, its first bytes, the next byte; when, or what keeps us from it."""

    name: str
    file: str = ""
    length: int = 0
    print: str = ""
    offset: int = 0
    read_at: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What the ledger knows of queue ids and Message-IDs, as letters; and of these letters their campaign, their sealed signature
    (None where there is none, or it was erased) and the addresses that they name.
    """

    queues: Mapping[str, int]
    names: Mapping[str, int]
    letters: Mapping[int, tuple[str, bytes | None, tuple[str, ...]]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as it stands."""

    number: int
    worker: str
    relay: str
    opened_at: int
    marked_at: int | None
    settled_at: int | None
    verdict: str
    stage: str
    reason: str
    answer: str
    recipients: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file as it stands; `claim` is the id under which it stood in `claimed/`."""

    id: int
    campaign: str
    state: str
    count: Count
    reason: str
    claim: str
