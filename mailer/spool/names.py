"""
What files are called on their way through the spool, whatever an organiser, or an attacker, called them.

    incoming/kazakhstan/Ärzte.csv  >  claimed/01J8…K3.kazakhstan.Ärzte.csv  >
    claimed/01J8…K3-done2.kazakhstan.Ärzte.csv  >  done/kazakhstan/Ärzte-2.csv,
    claimed/.read/01J8…K3-seen7Q….kazakhstan.Ärzte.csv

A claimed name alone tells a file's id, its campaign's folder and its own name; the second of these also the name under which
it is about to stand in `done/` or `rejected/`, so that whoever goes on behind a crash arrives at the same name; the last one
what it looked like when it was read.

Names are hostile: line ends, escape sequences, bytes that are no UTF-8, 255 of them. In `claimed/`, where only mailer looks,
they stay as they are; everywhere else stands `safe` of them. No file is touched here.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import Literal

Into = Literal["", "done", "rejected"]

LONGEST = 255  # bytes of a file's name (NAME_MAX)
REPORTS = (".rejected.csv", ".known.csv", ".doubtful.csv")  # what is laid beside a file in `done/`

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: no I, L, O, U
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_FOLDER = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
_CLAIMED = re.compile(
    rf"([{_DIGITS}]{{26}})(?:-(done|rejected)([1-9][0-9]{{0,5}})|-seen([{_DIGITS}]{{10}}))?\.(_|{_FOLDER})\.(.+)", re.DOTALL
)
_STEM = re.compile(r"(.+?)((?:\.[^.]{1,16})?(?:\.gz)?)", re.DOTALL | re.IGNORECASE)
# A part in front of the extension that says how to read the file (`sheets.form`, `reading.withdraws`): a word without a space
# in it, before a workbook's extension any. Not a report's: a file would be taken for one.
_WORKBOOKS = (".xlsx", ".xlsm")
_ANSWER = re.compile(r"(.+)(\.(?!(?:rejected|known|doubtful)\Z)[A-Za-z][A-Za-z0-9_+-]*)", re.DOTALL)
_WORKSHEET = re.compile(r"(.+)(\.[^.]+)", re.DOTALL)
_TAIL = re.compile(r"(?:\.[A-Za-z0-9_+-]{1,16}){0,3}\Z")
# What copies are called until they are whole (browsers, WinSCP, rclone, Syncthing on Windows); the rest begins with a dot.
_GROWING = (".part", ".tmp", ".filepart", ".crdownload", ".partial", ".opdownload", ".download")
# What Windows lays into each folder that somebody looks at.
_OF_WINDOWS = frozenset({"thumbs.db", "desktop.ini"})
_INTO: dict[str | None, Into] = {None: "", "done": "done", "rejected": "rejected"}
_ROOM = len("-rejected999999")


@dataclass(frozen=True, slots=True)
class Label:
    """
    What a name in `claimed/` tells. `into` and `number` are empty until a name elsewhere is reserved; `seen` is what it looked
    like when it was read, once it was.
    """

    id: str
    folder: str
    name: str
    into: Into = ""
    number: int = 0
    seen: str = ""

    @property
    def text(self) -> str:
        """The name in `claimed/`."""
        state = f"-{self.into}{self.number}" if self.into else f"-seen{self.seen}" if self.seen else ""
        return f"{self.id}{state}.{self.folder or '_'}.{self.name}"

    @property
    def final(self) -> str:
        """The name in `done/` or `rejected/`."""
        return numbered(safe(self.name), self.number)

    def beside(self, ending: str) -> str:
        """
        The name of a file that lies beside it: in `done/` in place of its extension, in `rejected/` behind its whole name.

        >>> (
        ...     Label("", "", "list.csv", "done", 2).beside(".known.csv"),
        ...     Label("", "", "list.csv", "rejected", 1).beside(".reason.txt"),
        ... )
        ('list-2.known.csv', 'list.csv.reason.txt')
        """
        return (_parts(self.final)[0] if self.into == "done" else self.final) + ending


def label(id: str, folder: str, name: str) -> Label:
    """The label of a file that is claimed now; a name that does not fit is shortened."""
    return Label(id, folder, shortened(name, LONGEST - len(id) - _ROOM - len(folder or "_") - 2))


def read(text: str) -> Label | None:
    """
    Read a name in `claimed/`; None for one that mailer never gives.

    >>> read("01J8ZK3S4T5V6W7X8Y9Z0A1B2C-done2._.list.csv")
    Label(id='01J8ZK3S4T5V6W7X8Y9Z0A1B2C', folder='', name='list.csv', into='done', number=2, seen='')
    >>> read("list.csv")
    """
    if not (found := _CLAIMED.fullmatch(text)):
        return None
    id, into, number, seen, folder, name = found.groups()
    return Label(id, "" if folder == "_" else folder, name, _INTO[into], int(number or 0), seen or "")


def copy(id: str) -> str:
    """The name in `claimed/` of mailer's own copy of a file."""
    return f".{id}.copy"


def is_copy(name: str) -> bool:
    """Whether a name in `claimed/` is that of such a copy."""
    return re.fullmatch(rf"\.[{_DIGITS}]{{26}}\.copy", name) is not None


def digits(number: int) -> str:
    """
    The lowest fifty bits of a number, as a name tells them.

    >>> digits(0), digits((1 << 50) + 33)
    ('0000000000', '0000000011')
    """
    return "".join(_DIGITS[number >> shift & 31] for shift in range(45, -1, -5))


def ulid(now: float, after: str = "") -> str:
    """
    A new id that sorts by time: 48 bits of milliseconds since 1970, 80 random ones (github.com/ulid/spec).

    `after` is the id made before; of the same millisecond, the new one follows it.

    >>> one = ulid(1469918176.385)
    >>> one[:10], one < ulid(1469918176.385, one) < ulid(1469918176.386)
    ('01ARYZ6S41', True)
    """
    moment = min(max(0, round(now * 1000)), (1 << 48) - 1)
    value = moment << 80 | int.from_bytes(os.urandom(10), "big")
    if after and (last := _number(after)) >> 80 == moment:
        value = last + 1
    return "".join(_DIGITS[value >> shift & 31] for shift in range(125, -1, -5))


def can_be_campaign(folder: str) -> bool:
    """Whether a folder's name may be a campaign's id; whether there is such a campaign is for others to know."""
    return re.fullmatch(_FOLDER, folder) is not None


def is_unfinished(name: str) -> bool:
    """
    Whether a name in `incoming/` says that this is no file to take in, or not yet.

    >>> [is_unfinished(name) for name in (".x.csv.Ab12", "x.csv.part", "~$x.xlsx", ".~lock.x.csv#", "x.csv")]
    [True, True, True, True, False]
    """
    lower = name.lower()
    return name.startswith((".", "~$")) or lower.endswith(_GROWING) or lower in _OF_WINDOWS


def is_a_desktops(name: str) -> bool:
    """
    Whether it is what a desktop lays beside files, which is never taken in and never becomes a file.

    >>> [is_a_desktops(name) for name in ("Thumbs.db", ".DS_Store", "~$x.xlsx", "x.xlsx.part")]
    [True, True, True, False]
    """
    return name.lower() in _OF_WINDOWS | {".ds_store"} or name.startswith("~$")


def safe(name: str) -> str:
    r"""
    A name that can be printed, typed and given to other programs.

    >>> safe("list\n\x1b[2J.csv"), safe("\udcff.csv"), safe("-rf.csv"), safe("Подписи 1.csv")
    ('list__[2J.csv', '_.csv', '_-rf.csv', 'Подписи 1.csv')
    """
    name = printable(name)
    return "_" + name if name.startswith((".", "-")) else name


def printable(text: str) -> str:
    """Text without what a terminal obeys or cannot show: control and bidi characters, bytes that are no text."""
    return "".join(char if char.isprintable() else "_" for char in text)


def numbered(name: str, number: int) -> str:
    """
    The name under which the n-th file called so stands.

    >>> numbered("list.csv", 1), numbered("list.csv", 2), numbered("list.csv.gz", 2), numbered("list", 3)
    ('list.csv', 'list-2.csv', 'list-2.csv.gz', 'list-3')

    The part that says how to read a file stays as it is:

    >>> numbered("list.koi8-r.csv", 2), numbered("list.My answers.xlsx", 2), numbered("june.withdrawn.csv.gz", 2)
    ('list-2.koi8-r.csv', 'list-2.My answers.xlsx', 'june-2.withdrawn.csv.gz')
    """
    if number <= 1:
        return name
    stem, extension = _parts(name)
    answer = (_WORKSHEET if extension.casefold() in _WORKBOOKS else _ANSWER).fullmatch(stem)
    begin, rest = (answer[1], answer[2]) if answer else (stem, "")
    return f"{begin}-{number}{rest}{extension}"


def stem(name: str) -> str:
    """
    A name without its extension, as reports beside it begin.

    >>> stem("list-2.csv.gz")
    'list-2'
    """
    return _parts(name)[0]


def shortened(name: str, longest: int) -> str:
    """
    A name of at most so many bytes: its beginning, a mark that tells it from others, and its extensions.

    >>> shortened("a" * 300 + ".windows-1251.csv", 40)
    'aaaaaaaaaaaaaa~d0a25eda.windows-1251.csv'
    """
    raw = os.fsencode(name)
    if len(raw) <= longest:
        return name
    found = _TAIL.search(name)
    tail = ("~" + hashlib.sha256(raw).hexdigest()[:8]).encode() + os.fsencode(found[0] if found else "")
    begin = raw[: longest - len(tail)]
    while begin and raw[len(begin)] & 0xC0 == 0x80:  # not within a character
        begin = begin[:-1]
    return os.fsdecode(begin + tail)


def _parts(name: str) -> tuple[str, str]:
    """A name as its stem and its extension; `.gz` counts with the one before it."""
    found = _STEM.fullmatch(name)
    return (found[1], found[2]) if found else (name, "")


def _number(id: str) -> int:
    value = 0
    for digit in id:
        value = value << 5 | _VALUES[digit]
    return value
