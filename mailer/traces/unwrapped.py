"""
A file as the texts that somebody may read in it, whatever they are wrapped in.

    bytes  >  UNWRAPPED  >  traces

Bytes are read as UTF-8, where there are zeros among them as UTF-16 and UTF-32 too; what is packed (gzip, zip: a workbook) is
unpacked, part by part, with names and comments. Each piece is given as it stands, and once more without each kind of wrapping
that it shows: escapes of JSON and YAML, entities and tags of XML, quoted-printable, base64, links. All of it is folded: small
letters, compatible forms made one (NFKC), without characters that nobody sees.

Nothing is judged and nothing is kept; what it unpacks to is bounded. Raises Unsearchable where that was not all.
"""

from __future__ import annotations

import base64
import codecs
import html
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from gzip import GzipFile
from io import SEEK_END, BytesIO
from typing import BinaryIO, cast
from urllib.parse import unquote

from mailer.sheets.form import IN_USE

_CHUNK = 1 << 20  # a multiple of four, so that no wide character is cut
_OVERLAP = 1000  # characters of the piece before
_DEEP = 3  # packed within packed
_UNPACKED = 512 << 20  # bytes of all parts of a file together, which is more than any that is taken in holds
_RATIO = 200  # and so many times its own size, beyond what is always unpacked
_ALWAYS = 10 << 20
_PARTS = 1000
_IN_MEMORY = 64 << 20  # bytes of a packed file that is packed again
_HEAD = 1024  # bytes of a .gz in which its own name stands
_PACKED = (b"\x1f\x8b", b"PK\x03\x04")
# What is no text though it may look so: PNG, JPEG, GIF, PDF, Excel's older format, 7z, rar, bz2, xz, zstd.
_NO_TEXT = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"%PDF",
    b"\xd0\xcf\x11\xe0",
    b"7z\xbc\xaf",
    b"Rar!",
    b"BZh",
    b"\xfd7zX",
    b"(\xb5/\xfd",
)
# Parts of nearly every workbook that hold no text of a table: its pictures, and what Windows keeps of a printer.
_NO_TABLE = re.compile(r"\.(?:png|jpe?g|gif|bmp|tiff?|emf|wmf)\Z|printerSettings[0-9]*\.bin\Z", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x19\x1c-\x1f]")
_NARROW, _WIDE = "utf-8", ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_OLD = (*IN_USE, "mac_cyrillic", "iso8859_1", "iso8859_5", "iso8859_9", "iso8859_15")

_UNSEEN = re.compile("[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]")
_FULL_STOP = re.compile("[。｡．]")
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([nrtbf\"/\\])|\r?\n[ \t]*)")
_SOFT_BREAK = re.compile(r"=[ \t]*\r?\n")
_QUOTED = re.compile(r"(?:=[0-9A-Fa-f]{2})+")
_OF_EXCEL = re.compile(r"_x([0-9A-Fa-f]{4})_")
_ENDS = re.compile(r"</(?:si|is|c|p|td|th|li|tr|div)>")
_TAG = re.compile(r"<[^<>]*>")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{16,}(?:\r?\n[ \t]?[A-Za-z0-9+/]+)*")
_SAYS_BASE64 = re.compile(r"base64|=\?[^?\s]+\?b\?", re.IGNORECASE)


class Unsearchable(Exception):
    """Not all of a file could be read as text."""


def texts(stream: BinaryIO, *, in_old_encodings: bool = False) -> Iterator[str]:
    """
    Every text in a file, folded, piece by piece. `in_old_encodings`: also as each of these reads it, for other scripts.

    Raises:
        Unsearchable: behind all that could be read.
    """
    yield from _Unwrapping(in_old_encodings).of(stream)


def pieces(stream: BinaryIO, encoding: str) -> Iterator[str]:
    """A file in small letters as one encoding reads it, each piece with the end of the one before."""
    end = ""
    for chunk in _chunks(stream):
        piece = end + chunk.decode(encoding, "replace").lower()
        yield piece
        end = piece[-_OVERLAP:]


def views(text: str) -> Iterator[str]:
    """
    A text as it stands, and without each kind of wrapping that it shows.

    >>> [
    ...     list(views(text))[-1]
    ...     for text in (r"j\\u0040x.org", "j&#64;x.org", "j=40x=\\n.org", "j%40x.org", "<t>j@</t><t>x.org</t>")
    ... ]
    ['j@x.org', 'j@x.org', 'j@x.org', 'j@x.org', 'j@x.org']
    """
    yield text
    for mark, undo in _WRAPPINGS:
        if mark in text and (undone := undo(text)) != text:
            yield undone


def folded(text: str) -> str:
    """
    A text in the form in which addresses are compared.

    >>> folded("Jane@ｅｘａｍ\u00adｐｌｅ。ORG")
    'jane@example.org'
    """
    if text.isascii():
        return text.lower()
    text = _UNSEEN.sub("", text)
    if not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    return _FULL_STOP.sub(".", text).casefold()


class _Unwrapping:
    """One file being unwrapped: how much it has unpacked to."""

    def __init__(self, in_old_encodings: bool) -> None:
        self._old = _OLD if in_old_encodings else ()
        self._left = 0

    def of(self, stream: BinaryIO, depth: int = 0) -> Iterator[str]:
        if depth == 0:
            self._left = min(_UNPACKED, max(_ALWAYS, _RATIO * stream.seek(0, SEEK_END)))
        stream.seek(0)
        begin = stream.read(_HEAD)
        stream.seek(0)
        if not begin.startswith(_PACKED):
            yield from self._plain(_chunks(stream))
            return
        if depth >= _DEEP:
            raise Unsearchable
        try:
            if begin.startswith(_PACKED[0]):
                yield from map(folded, views(begin.decode("latin-1")))  # its own name stands in front
                yield from self._within(cast(BinaryIO, GzipFile(fileobj=stream, mode="rb")), depth)
            else:
                yield from self._archive(stream, depth)
        except (EOFError, OSError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as problem:
            raise Unsearchable from problem

    def _archive(self, stream: BinaryIO, depth: int) -> Iterator[str]:
        is_whole = True
        with zipfile.ZipFile(stream) as archive:
            entries = archive.infolist()
            if len(entries) > _PARTS:
                raise Unsearchable
            yield from map(folded, views("\n".join([archive.comment.decode("latin-1"), *(one.filename for one in entries)])))
            for entry in entries:
                try:
                    with archive.open(entry) as part:
                        yield from self._within(cast(BinaryIO, part), depth)
                except Unsearchable:  # what stands in the others is looked for all the same
                    is_whole = is_whole and bool(_NO_TABLE.search(entry.filename)) and self._left >= 0
        if not is_whole:
            raise Unsearchable

    def _within(self, stream: BinaryIO, depth: int) -> Iterator[str]:
        chunks = self._counted(stream)
        first = next(chunks, b"")
        if not first.startswith(_PACKED):
            yield from self._plain(_put_back(first, chunks))
            return
        whole = BytesIO()
        for chunk in _put_back(first, chunks):
            whole.write(chunk)
            if whole.tell() > _IN_MEMORY:
                raise Unsearchable
        yield from self.of(whole, depth + 1)

    def _counted(self, stream: BinaryIO) -> Iterator[bytes]:
        for chunk in _chunks(stream):
            self._left -= len(chunk)
            if self._left < 0:
                raise Unsearchable
            yield chunk

    def _plain(self, chunks: Iterable[bytes]) -> Iterator[str]:
        readings = {_NARROW: _Reading(_NARROW)}
        for number, chunk in enumerate(chunks):
            if number == 0 and chunk.startswith(_NO_TEXT):
                readings[_NARROW].is_text = False
            if b"\0" in chunk and _WIDE[0] not in readings:
                readings |= {encoding: _Reading(encoding) for encoding in _WIDE}
            if self._old and not chunk.isascii():
                readings |= {old: _Reading(old, is_guess=True) for old in self._old if old not in readings}
            for reading in readings.values():
                if not reading.is_given_up:
                    yield from reading.read(chunk)
        if not any(reading.is_text for reading in readings.values()):
            raise Unsearchable


class _Reading:
    """
    Bytes as one encoding reads them; whether they may be a text in it. `is_guess`: that they may says nothing.
    """

    def __init__(self, encoding: str, *, is_guess: bool = False) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._end = ""
        self._is_wide = encoding in _WIDE
        self._is_mail = False
        self.is_text = not is_guess

    @property
    def is_given_up(self) -> bool:
        """Whether it reads nothing but noise: bytes that are no text in a wide encoding were not meant in it."""
        return self._is_wide and not self.is_text

    def read(self, chunk: bytes) -> Iterator[str]:
        text = self._decoder.decode(chunk)
        if self.is_text and (_CONTROL.search(text) or (self._is_wide and "\ufffd" in text)):
            self.is_text = False
        piece = self._end + text
        self._end = piece[-_OVERLAP:]
        yield from map(folded, views(piece))
        self._is_mail = self._is_mail or bool(_SAYS_BASE64.search(piece))
        if self._is_mail:
            yield from map(folded, _of_base64(piece))


def _of_base64(text: str) -> Iterator[str]:
    """What runs of base64 hold; a run may have begun in the piece before, so that it is read from each of its first four."""
    for found in _BASE64.finditer(text):
        run = re.sub(r"\s", "", found[0])
        for begin in range(4):
            whole = run[begin : begin + (len(run) - begin) // 4 * 4]
            rest = run[begin + len(whole) :]
            yield base64.b64decode(whole).decode("utf-8", "replace")
            if len(rest) > 1:
                yield base64.b64decode(run[begin:] + "=" * (4 - len(rest))).decode("utf-8", "replace")


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):
        yield chunk


def _put_back(first: bytes, chunks: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from chunks


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    if code := found[1] or found[2] or found[3]:
        number = int(code, 16)
        return chr(number) if number < 0x110000 else ""
    return " " if found[4] else ""


def _unquoted(text: str) -> str:
    return _QUOTED.sub(
        lambda found: bytes.fromhex(found[0].replace("=", "")).decode("utf-8", "replace"), _SOFT_BREAK.sub("", text)
    )


def _of_excel(text: str) -> str:
    return _OF_EXCEL.sub(lambda found: chr(int(found[1], 16)), text)


def _untagged(text: str) -> str:
    return html.unescape(_TAG.sub("", _ENDS.sub("\n", text)))


_WRAPPINGS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("\\", _unescaped),
    ("&", html.unescape),
    ("<", _untagged),
    ("=", _unquoted),
    ("%", unquote),
    ("_x", _of_excel),
)
