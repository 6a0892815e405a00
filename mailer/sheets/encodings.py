"""
Which of the old encodings a CSV is in: found out by proof, or asked.

    bytes > ENCODINGS (rivals) > csv_file

UTF-8 and UTF-16 show themselves (see `text`). Of the encodings with one byte a character each can read every file, so a file
is read in every one that there is, and those that give the same text count as one. It is in one of those in daily use that
charset-normalizer thinks possible, if this reading wins over all the others, those of rare encodings too (see `rivals`): who
looks at a few candidates only takes the best of the wrong ones.

What is still unclear is not taken in: the readings are shown, and the file's name decides (`NAME.windows-1251.csv`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import BinaryIO

from mailer.errors import UnreadableFile
from mailer.sheets import rivals, text
from mailer.sheets.form import IN_USE, OLD, spelt
from mailer.sheets.rivals import Reading, Spoken, Table
from mailer.sheets.sheet import COLUMNS

ROWS = 1000  # rows with such letters by which a file is judged, beside the first with each byte,
_TEXT = 200_000  # and characters of them
_CELL = 2000  # characters of a cell that are judged
_SAMPLE = 1 << 14  # bytes for charset-normalizer
_CHUNK = 1 << 18
_LOOSE = 0.4  # how much of a mess charset-normalizer may find; twice its own limit, as short names look messy
_ASCII = bytes(range(128))


Reader = Callable[[list[str]], Iterator[list[str]]]  # encodings > the header and the rows of the file, as Latin-1


def of(stream: BinaryIO, named: str, reader: Reader, spoken: Spoken) -> str:
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
    encodings = _different(_high_bytes(stream), OLD)
    table = _sample(reader(encodings))
    readings = [rivals.read(encoding, table, spoken) for encoding in encodings]
    if not readings:
        raise text.not_in("utf-8", ends)
    found = rivals.winner(readings, _proposed(stream))
    if found is None:
        raise _unclear(ends, rivals.likely(readings))
    return found.encoding


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
    return [encoding for encoding in IN_USE if encoding in found]


def _high_bytes(stream: BinaryIO) -> bytes:
    """Every byte beyond ASCII that the file holds, once."""
    stream.seek(0)
    found: set[int] = set()
    while chunk := stream.read(_CHUNK):
        found.update(chunk.translate(None, _ASCII))
    return bytes(sorted(found))


def _different(used: bytes, encodings: tuple[str, ...]) -> list[str]:
    """Those encodings that can read all of the bytes, one for each text that comes of it."""
    texts: dict[str, str] = {}
    for encoding in encodings:
        try:
            texts.setdefault(used.decode(encoding), encoding)
        except UnicodeDecodeError:
            continue
    return list(texts.values())


def _sample(rows: Iterator[list[str]]) -> Table:
    """The header, the first rows that hold more than ASCII, and each that holds a byte which no row before it did."""
    first: Table = []
    usual: Table = []
    header, size, met = next(rows, [])[:COLUMNS], 0, set[str]()
    for row in rows:
        if (joined := "".join(row)).isascii():
            continue
        new = set(joined) - met
        if not all(map(str.isascii, new)):
            first.append([cell[:_CELL] for cell in row[:COLUMNS]])
        elif len(usual) < ROWS and size <= _TEXT:
            usual.append([cell[:_CELL] for cell in row[:COLUMNS]])
            size += len(joined)
        met |= new
    return [header, *first, *usual]


def _unclear(ends: text.Fault, readings: list[Reading]) -> UnreadableFile:
    return UnreadableFile(
        f"from line {ends.line} on the file is not in UTF-8, and which encoding it is in is not clear. It reads "
        f"{_shown(readings)}. Save it as UTF-8 (in Excel: «CSV UTF-8»), or put the right encoding into its name, as in "
        f"NAME.{spelt(readings[0].encoding)}.csv, and drop it again"
    )


def _shown(readings: list[Reading], most: int = 6) -> str:
    """The first words in which the readings differ, in each of them."""
    tables = [[cell for row in reading.table for cell in row] for reading in readings[:most]]
    differing = [cells for cells in zip(*tables, strict=False) if len(set(cells)) > 1 or len(tables) == 1]
    differing = [cells for cells in differing if not cells[0].isascii()][:3] or [("",) * len(tables)]
    sides = zip(readings, zip(*differing, strict=True), strict=False)
    return ", ".join(f"«{' / '.join(cell.strip()[:40] for cell in cells)}» in {spelt(one.encoding)}" for one, cells in sides)
