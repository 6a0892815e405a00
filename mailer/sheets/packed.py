"""
A text packed with gzip, unpacked as it is read, and never kept.

    bytes > PACKED > text > csv_file | json_file | yaml_file

What it unpacks to is counted before anything is read of it: a few kilobytes can stand for gigabytes. RFC 1952.
"""

from __future__ import annotations

import zlib
from gzip import GzipFile
from typing import BinaryIO, cast

from mailer.errors import UnreadableFile

MOST = 128 << 20  # bytes, unpacked
_RATIO = 100  # a table with one answer to every question is packed to a fiftieth
_ALWAYS = 1 << 20  # bytes, unpacked, for which no ratio is asked
_MEMBERS = 100  # parts packed each by itself, one behind the other
_GZIP = 31  # for zlib: with gzip's header and sum
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
    try:
        whole = _unpacks_to(stream, most)
    except zlib.error:
        whole = False
    if not whole:
        raise UnreadableFile("the file is not a whole .gz: pack it again, or drop the text itself")
    stream.seek(0)
    return cast(BinaryIO, GzipFile(fileobj=stream, mode="rb"))


def _unpacks_to(stream: BinaryIO, most: int) -> bool:
    """
    Whether the stream is whole: its members, one behind the other, and nothing else.

    Raises:
        UnreadableFile: they are too many, or hold more than `most` bytes together.
    """
    size, members, rest = 0, 0, stream.read(_CHUNK)
    while rest or members == 0:
        member, members = zlib.decompressobj(_GZIP), members + 1
        while True:
            size += len(member.decompress(rest, _CHUNK))
            if size > most or members > _MEMBERS:
                raise UnreadableFile(
                    f"unpacked, the file holds more than {most >> 20} MB or {_MEMBERS} parts, which no table of its size does: "
                    "look at it, and drop the text itself"
                )
            if member.eof:
                break
            if not (rest := member.unconsumed_tail or stream.read(_CHUNK)):
                return False
        rest = member.unused_data or stream.read(_CHUNK)
    return True
