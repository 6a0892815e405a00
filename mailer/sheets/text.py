"""
Bytes to text: the only place that knows a file's encoding.

    bytes > TEXT > csv_file | json_file | yaml_file > sheet > intake

A file is UTF-8, with or without the mark that Excel writes in front (BOM), from its first byte to its last: that is
checked before anything is taken from it. Nothing is guessed and no byte is replaced, because a wrong guess would write
a supporter's name wrongly to a ministry.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from mailer.errors import UnreadableFile

_CHUNK = 1 << 18  # bytes


def encoding_of(stream: BinaryIO) -> str:
    """
    Name the encoding of a file, after reading all of it once.

    Raises:
        UnreadableFile: it is not UTF-8; says from which line on.
    """
    stream.seek(0)
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), translate=True)
    line, size = 1, 0
    while True:
        chunk = stream.read(_CHUNK)
        size += len(chunk)
        try:
            line += decoder.decode(chunk, final=not chunk).count("\n")
        except UnicodeDecodeError as error:
            good = error.object[: error.start].decode()
            raise _not_utf8(line + count_breaks(good), size - len(error.object) + error.start) from None
        if not chunk:
            break
    stream.seek(0)
    return "utf-8-sig" if stream.read(3) == codecs.BOM_UTF8 else "utf-8"


def whole(stream: BinaryIO, most: int, advice: str) -> tuple[str, str]:
    """
    Read a file of at most `most` bytes at once: its text and its encoding.

    Raises:
        UnreadableFile: it is larger (`advice` says what to do then) or not UTF-8.
    """
    stream.seek(0)
    content = stream.read(most + 1)
    if len(content) > most:
        raise UnreadableFile(f"the file is larger than {most >> 20} MB: {advice}")
    encoding = encoding_of(io.BytesIO(content))
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
    except UnicodeDecodeError:
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


def _not_utf8(line: int, position: int) -> UnreadableFile:
    return UnreadableFile(
        f"from line {line} on (byte {position}) the file is not in the encoding UTF-8: open it where it was made and "
        "save it as UTF-8 (in Excel: Save as, «CSV UTF-8»)"
    )
