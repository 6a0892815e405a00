"""
What a server saw and took: the far side's books, to be laid beside ours.

A `Record` counts connections and final dots, keeps each command line, each message taken and each breach of SMTP by the
client. With a folder it is on disk as well, so that it outlives the server:

    *.taken          one message each: a line of JSON (the envelope), then the bytes as they came; whole and synced
                     before the dot is answered, so an answer that a client read always has its file
    events.jsonl     one line an event, in order, written before the answer but not synced

`breaches` is RFC 5321 (2.3.8, 4.1.1.4, 4.5.2, 4.5.3.1.6) as a byte-level check of a body. Nothing here speaks SMTP, and
nothing judges whether a message makes sense.
"""

import itertools
import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from io import FileIO
from pathlib import Path
from typing import Any

LONGEST_LINE = 998
EVENTS = "events.jsonl"

# Not against SMTP: RFC 2920 lets a client send the next command with the dot, and Postfix does. But a client that wants
# to know what became of a message sends nothing before it has heard.
DOT_NOT_ALONE = "something sent after the dot, before its reply"

_serial = itertools.count(1)


@dataclass(frozen=True)
class Taken:
    """
    A message that a server took. `recipients` are those it accepted.

    `raw` is what came between the 354 and the line with the final dot, still dot-stuffed; `data` is the same unstuffed.
    """

    connection: int
    sender: str
    recipients: tuple[str, ...]
    raw: bytes = field(repr=False)

    @property
    def data(self) -> bytes:
        return re.sub(rb"(\A|\r\n)\.", rb"\1", self.raw)

    @property
    def message_id(self) -> str:
        return message_id(self.data)

    @property
    def message(self) -> EmailMessage:
        """Parsed by the standard library."""
        return message_from_bytes(self.data, policy=policy.default)


@dataclass(frozen=True)
class Dot:
    """A final dot that reached the server, whatever it answered."""

    connection: int
    sender: str
    recipients: tuple[str, ...]
    message_id: str


@dataclass(frozen=True)
class Answer:
    """What a final dot was answered, noted before it is said; an empty text is nothing that a client can take for an answer."""

    connection: int
    recipients: tuple[str, ...]
    message_id: str
    text: str


@dataclass(frozen=True)
class Violation:
    """A breach of SMTP by the client, or of the rule that the dot goes alone (DOT_NOT_ALONE)."""

    connection: int
    what: str


class Record:
    """Everything that one server saw, in order."""

    def __init__(self, store: Path | None = None) -> None:
        self.store = store
        self.connections = 0
        self.commands: dict[int, list[str]] = defaultdict(list)
        self.dotted: list[Dot] = []
        self.answered: list[Answer] = []
        self.taken: list[Taken] = []
        self.violations: list[Violation] = []
        self.newest: Taken | None = None  # of the messages whose dot came, for a server that quotes
        self.handshakes_failed = 0
        self.seen: Counter[str] = Counter()  # events by verb
        self._heard: list[Callable[[], None]] = []
        self._events: FileIO | None = None
        if store is not None:
            store.mkdir(parents=True, exist_ok=True)
            self._events = FileIO(store / EVENTS, "a")

    def close(self) -> None:
        """Nothing more is written to the folder; what was seen can still be read."""
        if self._events is not None:
            self._events.close()
            self._events = None

    @property
    def dots(self) -> Counter[int]:
        """Final dots by connection."""
        return Counter(dot.connection for dot in self.dotted)

    def listen(self, hears: Callable[[], None]) -> None:
        """Call `hears` after every event."""
        self._heard.append(hears)

    def connected(self) -> int:
        """A client came; returns its number."""
        self.connections += 1
        self._tell({"event": "connected", "connection": self.connections})
        return self.connections

    def saw(self, verb: str, connection: int) -> None:
        """The server has come to that verb of its script."""
        self.seen[verb] += 1
        self._tell({"event": "saw", "verb": verb, "connection": connection})

    def command(self, connection: int, line: str) -> None:
        self.commands[connection].append(line)
        self._tell({"event": "command", "connection": connection, "line": line})

    def dot(self, message: Taken) -> None:
        """A final dot came; of how the message keeps to SMTP, note what is amiss."""
        dot = Dot(message.connection, message.sender, message.recipients, message.message_id)
        self.dotted.append(dot)
        self.newest = message
        self._tell({"event": "dot", **vars(dot)})
        self.command(message.connection, ".")
        if not message.recipients:
            self.violation(message.connection, "a final dot though no recipient was accepted")
        for what in breaches(message.raw):
            self.violation(message.connection, what)

    def answer(self, message: Taken, text: str) -> None:
        """What the dot of a message is about to be answered."""
        answer = Answer(message.connection, message.recipients, message.message_id, text)
        self.answered.append(answer)
        self._tell({"event": "answer", **vars(answer)})

    def take(self, message: Taken) -> None:
        """Keep a message; with a store, it is on disk when this returns."""
        if self.store is not None:
            _keep(message, self.store)
        self.taken.append(message)
        self._tell({"event": "taken", "connection": message.connection})

    def violation(self, connection: int, what: str) -> None:
        self.violations.append(Violation(connection, what))
        self._tell({"event": "violation", "connection": connection, "what": what})

    def handshake_failed(self, connection: int) -> None:
        self.handshakes_failed += 1
        self._tell({"event": "handshake failed", "connection": connection})

    def _tell(self, event: Mapping[str, Any]) -> None:
        if self._events is not None:
            self._events.write(json.dumps({**event, "server": os.getpid()}).encode() + b"\n")
        for hears in self._heard:
            hears()


def events(store: Path) -> Iterator[dict[str, Any]]:
    """The events of a folder so far; a last line that is still being written is left for later."""
    if not (store / EVENTS).exists():
        return
    with (store / EVENTS).open(encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                yield json.loads(line)


def read_record(store: Path) -> Record:
    """
    The record that servers left in a folder, of all that ever ran there, in the order of time.

    Each server counts its connections from 1: of several, `connections` is the sum, and what is kept by connection runs
    together. Messages and dots do not.
    """
    record = Record()
    for event in events(store):
        number = event["connection"]
        match event["event"]:
            case "connected":
                record.connections += 1
            case "saw":
                record.seen[event["verb"]] += 1
            case "command":
                record.commands[number].append(event["line"])
            case "dot":
                record.dotted.append(Dot(number, event["sender"], tuple(event["recipients"]), event["message_id"]))
            case "answer":
                record.answered.append(Answer(number, tuple(event["recipients"]), event["message_id"], event["text"]))
            case "violation":
                record.violations.append(Violation(number, event["what"]))
            case "handshake failed":
                record.handshakes_failed += 1
    record.taken = read_taken(store)
    return record


def read_taken(store: Path) -> list[Taken]:
    """The messages that a folder holds, oldest first."""
    return [_read(path) for path in sorted(store.glob("*.taken"))]


def message_id(data: bytes) -> str:
    """The Message-ID of a message, empty where it has none."""
    return str(BytesHeaderParser(policy=policy.compat32).parsebytes(data).get("Message-ID", "")).strip()


def breaches(raw: bytes) -> list[str]:
    """
    What is wrong with the bytes of a body as they stand on the wire, each kind once.

    >>> breaches(b"Subject: good\\r\\n\\r\\n..stuffed\\r\\n")
    []
    >>> breaches(b"one\\ntwo\\rthree\\r\\n.four\\r\\n")
    ['a bare CR in the body', 'a bare LF in the body', 'a line that begins with an unstuffed dot']
    >>> breaches(b"x" * 999 + b"\\r\\n")
    ['a line longer than 998']
    """
    lines = raw.removesuffix(b"\r\n").split(b"\r\n")
    kinds = {
        "a bare CR in the body": re.search(rb"\r(?!\n)", raw),
        "a bare LF in the body": re.search(rb"(?<!\r)\n", raw),
        "a NUL in the body": b"\0" in raw,
        "a line that begins with an unstuffed dot": any(line[:1] == b"." != line[1:2] for line in lines),
        "a line longer than 998": any(len(line) - line.startswith(b".") > LONGEST_LINE for line in lines),
    }
    return [what for what, found in kinds.items() if found]


def _keep(message: Taken, store: Path) -> None:
    """One file, whole and synced, or none: written under another name, renamed, and the folder synced after it."""
    path = store / f"{time.time_ns():020d}-{os.getpid()}-{next(_serial):06d}.taken"
    envelope = {"connection": message.connection, "sender": message.sender, "recipients": message.recipients}
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(json.dumps(envelope).encode() + b"\n" + message.raw)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
    folder = os.open(store, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> Taken:
    envelope, _, raw = path.read_bytes().partition(b"\n")
    words = json.loads(envelope)
    return Taken(words["connection"], words["sender"], tuple(words["recipients"]), raw)
