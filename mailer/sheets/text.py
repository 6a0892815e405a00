"""
Bytes to text: strictly, whole, and with the lines that a person counts.

    bytes > TEXT > csv_file | json_file | yaml_file > sheet > intake

A file says its encoding by its mark (BOM), or it is UTF-8 from its first byte to its last, or UTF-16 whose every other byte
shows it. Nothing is replaced: a wrong guess would write a supporter's name wrongly to a ministry. What is none of these only a
CSV may be, and `encodings` finds out what it is.
"""

from __future__ import annotations

import codecs
import io
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from gzip import BadGzipFile
from typing import BinaryIO

from mailer.errors import UnreadableFile

_CHUNK = 1 << 18  # bytes
LINE = 16 << 20  # characters: no row is as long, and a file with such a line is no table at all
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

# What a packed file that changes under its reader may raise, beside what bad bytes do.
_CHANGED = (UnicodeDecodeError, EOFError, BadGzipFile, zlib.error)


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a file stops being text in an encoding: line and byte; and whether it had held more than ASCII up to there."""

    line: int
    position: int
    has_begun: bool


def encoding_of(stream: BinaryIO, named: str = "") -> str:
    """
    Name the encoding of a file, after reading all of it once. `named` is what its name says.

    Raises:
        UnreadableFile: it is not UTF-8, or not what its mark or its name says; tells from which line on. Or it holds a line
            without end.
    """
    encoding = named or shown_by_bytes(stream) or "utf-8"
    if found := fault(stream, encoding):
        raise not_in(encoding, found)
    return encoding


def not_in(encoding: str, found: Fault) -> UnreadableFile:
    """What to say of a file that is not in the encoding that it shows."""
    return UnreadableFile(
        f"from line {found.line} on (byte {found.position}) the file is not in the encoding "
        f"{encoding.upper().replace('_', '-').removesuffix('-SIG')}: open it where it was made and save it as UTF-8 "
        "(in Excel: Save as, «CSV UTF-8»)"
    )


def shown_by_bytes(stream: BinaryIO) -> str:
    """The encoding that a file's mark names, or UTF-16 without one; empty where there is neither."""
    stream.seek(0)
    begin = stream.read(_CHUNK)
    for mark, encoding in _MARKS:
        if begin.startswith(mark):
            return encoding
    # ASCII in UTF-16 has a zero in every other byte; in no other encoding is there one at all.
    even, odd, pairs = begin[::2].count(0), begin[1::2].count(0), len(begin) // 2
    if odd * 20 > pairs and even * 100 < odd:
        return "utf-16-le"
    if even * 20 > pairs and odd * 100 < even:
        return "utf-16-be"
    return ""


def fault(stream: BinaryIO, encoding: str) -> Fault | None:
    """
    Where a file stops being text in an encoding; None where it never does.

    Raises:
        UnreadableFile: a line is longer than `LINE`: a hostile file is not read to its end.
    """
    stream.seek(0)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    line, size, has_begun, length = 1, 0, False, 0
    while True:
        chunk = stream.read(_CHUNK)
        size += len(chunk)
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            good = error.object[: error.start].decode(encoding, "ignore")
            position = size - len(error.object) + error.start
            return Fault(line + count_breaks(good), position, has_begun or not good.isascii())
        except UnicodeError:  # UTF-16 and UTF-32 say no place where their mark is missing
            return Fault(line, 0, False)
        if not chunk:
            return None
        line += text.count("\n")
        length = len(text) - 1 - last if (last := text.rfind("\n")) >= 0 else length + len(text)
        if length > LINE:
            raise UnreadableFile(f"line {line} is longer than {LINE} characters: a file with such a line is no table")
        has_begun = has_begun or not text.isascii()


def whole(stream: BinaryIO, most: int, advice: str, named: str = "") -> tuple[str, str]:
    """
    Read a file of at most `most` bytes at once: its text and its encoding.

    Raises:
        UnreadableFile: it is larger (`advice` says what to do then) or not in its encoding.
    """
    stream.seek(0)
    content = stream.read(most + 1)
    if len(content) > most:
        raise UnreadableFile(f"the file is larger than {most >> 20} MB: {advice}")
    encoding = encoding_of(io.BytesIO(content), named)
    return content.decode(encoding), encoding


def lines(stream: BinaryIO, encoding: str, most: int) -> Iterator[str]:
    """
    Each physical line, with the CR, LF or CRLF that ends it.

    A line of `most` characters or more comes as its first `most`; the rest of it is skipped.
    """
    stream.seek(0)
    text = io.TextIOWrapper(stream, encoding, newline="")
    try:
        while line := text.readline(most):
            yield line
            while line and line[-1] not in "\r\n":
                line = text.readline(most)
    except _CHANGED:
        raise UnreadableFile("the file changed while it was read; put it back when it is complete") from None
    finally:
        with suppress(ValueError):  # the stream was closed under us: nothing is left to give back
            text.detach()


def count_breaks(text: str, start: int = 0, end: int | None = None) -> int:
    """
    How many line breaks stand in a text: CR, LF and CRLF count as one each.

    >>> count_breaks("a\\r\\nb\\rc\\nd")
    3
    """
    end = len(text) if end is None else end
    return text.count("\n", start, end) + text.count("\r", start, end) - text.count("\r\n", start, end)
