"""
A text packed with gzip, unpacked as it is read, and never kept.

    bytes > PACKED > text > csv_file | json_file | yaml_file

What it unpacks to is counted before anything is read of it: a few kilobytes can stand for gigabytes. RFC 1952.
"""

from __future__ import annotations

import zlib
from gzip import BadGzipFile, GzipFile
from typing import BinaryIO, cast

from mailer.errors import UnreadableFile

MOST = 256 << 20  # bytes, unpacked
_RATIO = 100  # a table with one answer to every question is packed to a fiftieth
_ALWAYS = 1 << 20  # bytes, unpacked, for which no ratio is asked
_CHUNK = 1 << 18


def unpacked(stream: BinaryIO) -> BinaryIO:
    """
    The text within a .gz, as a seekable stream over the given one.

    Raises:
        UnreadableFile: it is not gzip, is cut off, or unpacks to too much.
    """
    stream.seek(0, 2)
    most = min(MOST, max(_ALWAYS, stream.tell() * _RATIO))
    stream.seek(0)
    opened, size = GzipFile(fileobj=stream, mode="rb"), 0
    try:
        while chunk := opened.read(_CHUNK):
            size += len(chunk)
            if size > most:
                raise UnreadableFile(
                    f"unpacked, the file holds more than {most >> 20} MB, which no table of its size does: look at it, and "
                    "drop the text itself"
                )
    except (BadGzipFile, EOFError, zlib.error):
        raise UnreadableFile("the file is not a whole .gz: pack it again, or drop the text itself") from None
    return cast(BinaryIO, opened)
