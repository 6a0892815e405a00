"""
Which of the old encodings a CSV is in: found out by proof, or asked.

    bytes > ENCODINGS > csv_file

UTF-8 and UTF-16 show themselves (see `text`). Of the encodings with one byte a character each can read every file, so a file
is read in each that charset-normalizer thinks possible, and those that give the same text count as one. Where they differ,
a reading in which words are no words falls; then the one is right whose letters suit the signatories' countries and languages.
What is still unclear is not taken in: the readings are shown, and the file's name decides (`NAME.windows-1251.csv`).

Who speaks what is for the caller: it weighs the texts that it is given (see `alphabet.Weight`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from mailer.alphabet import Weigh, Weight
from mailer.errors import UnreadableFile
from mailer.sheets import text
from mailer.sheets.form import IN_USE, spelt

ROWS = 1000  # rows with such letters by which a file is judged,
_LOOKED = 100_000  # among so many of its rows,
_TEXT = 200_000  # and characters of them
_SAMPLE = 1 << 14  # bytes for charset-normalizer
_CHUNK = 1 << 18
_LOOSE = 0.4  # how much of a mess charset-normalizer may find; twice its own limit, as short names look messy
_STRANGE = 0.1  # the share of words that are no words from which on a reading falls
_CLEAR = 2  # points by which the best has to lead: one word that suits in it and does not in the other
_ASCII = bytes(range(128))


Reader = Callable[[str], Iterator[list[str]]]  # an encoding > the header and the rows of the file in it


@dataclass(frozen=True, slots=True)
class _Reading:
    encoding: str
    table: list[list[str]]
    weighed: Weight

    @property
    def strangeness(self) -> float:
        return self.weighed.strange / max(1, self.weighed.words)


def of(stream: BinaryIO, named: str, reader: Reader, weigh: Weigh) -> str:
    """
    Name the encoding of a CSV. `named` is the one in its name; nothing is found out then.

    Raises:
        UnreadableFile: it is none that is known, or several are possible; says how to decide.
    """
    if named := named or text.shown_by_bytes(stream):
        return text.encoding_of(stream, named)
    if (ends := text.fault(stream, "utf-8")) is None:
        return "utf-8"
    if ends.has_begun:  # it is UTF-8, and damaged: no old encoding makes such letters by chance
        raise text.not_in("utf-8", ends)
    readings = [_read(encoding, reader, weigh) for encoding in _different(_high_bytes(stream), _proposed(stream))]
    if not readings:
        raise text.not_in("utf-8", ends)
    best = min(reading.strangeness for reading in readings)
    standing = [reading for reading in readings if best > _STRANGE or reading.strangeness <= _STRANGE]
    standing.sort(key=lambda reading: reading.weighed.points, reverse=True)
    if best > _STRANGE or not _is_proved(standing):
        raise _unclear(ends, standing)
    return standing[0].encoding


def _proposed(stream: BinaryIO) -> list[str]:
    """What charset-normalizer thinks possible, from the first lines that hold more than ASCII."""
    from charset_normalizer import from_bytes

    stream.seek(0)
    sample = b"".join(islice((line[:2000] for line in iter(lambda: stream.readline(1 << 16), b"") if not line.isascii()), 200))
    matches = from_bytes(
        sample[:_SAMPLE],
        cp_isolation=list(IN_USE),
        threshold=_LOOSE,
        preemptive_behaviour=False,
        enable_fallback=False,
    )
    found = {encoding for match in matches for encoding in match.could_be_from_charset}
    return [encoding for encoding in IN_USE if encoding in found]  # in the order of how usual they are


def _high_bytes(stream: BinaryIO) -> bytes:
    """Every byte beyond ASCII that the file holds, once."""
    stream.seek(0)
    found: set[int] = set()
    while chunk := stream.read(_CHUNK):
        found.update(chunk.translate(None, _ASCII))
    return bytes(sorted(found))


def _different(used: bytes, encodings: list[str]) -> list[str]:
    """Those encodings that can read all of the bytes, one for each text that comes of it."""
    texts: dict[str, str] = {}
    for encoding in encodings:
        try:
            texts.setdefault(used.decode(encoding), encoding)
        except UnicodeDecodeError:
            continue
    return list(texts.values())


def _read(encoding: str, reader: Reader, weigh: Weigh) -> _Reading:
    rows = reader(encoding)
    header = next(rows, [])
    table, size = [header], 0
    for row in islice((row for row in islice(rows, _LOOKED) if not "".join(row).isascii()), ROWS):
        if (size := size + sum(map(len, row))) > _TEXT:
            break
        table.append(row)
    return _Reading(encoding, table, weigh(table))


def _is_proved(readings: list[_Reading]) -> bool:
    """Whether the first reading is the only possible one, or leads clearly by letters that suit."""
    points = [reading.weighed.points for reading in readings]
    return points[0] >= 0 if len(points) == 1 else points[0] > 0 and points[0] - points[1] >= _CLEAR


def _unclear(ends: text.Fault, readings: list[_Reading]) -> UnreadableFile:
    return UnreadableFile(
        f"from line {ends.line} on the file is not in UTF-8, and which encoding it is in is not clear. It reads "
        f"{_shown(readings)}. Save it as UTF-8 (in Excel: «CSV UTF-8»), or put the right encoding into its name, as in "
        f"NAME.{spelt(readings[0].encoding)}.csv, and drop it again"
    )


def _shown(readings: list[_Reading], most: int = 6) -> str:
    """The first words in which the readings differ, in each of them."""
    tables = [[cell for row in reading.table for cell in row] for reading in readings[:most]]
    differing = [cells for cells in zip(*tables, strict=False) if len(set(cells)) > 1 or len(tables) == 1]
    differing = [cells for cells in differing if not cells[0].isascii()][:3] or [("",) * len(tables)]
    sides = zip(readings, zip(*differing, strict=True), strict=False)
    return ", ".join(f"«{' / '.join(cell.strip()[:40] for cell in cells)}» in {spelt(one.encoding)}" for one, cells in sides)
