"""
That a letter's bytes say what was meant: read back by both of the standard library's parsers, and looked at byte by byte.

Shared by the tests of letters and by the program that fuzzes them.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable

from mailer.letter import HEADERS, Letter, compose
from tests.parsed import Parsed, by_new_rules, by_old_rules, without_space


def meant(said: Letter) -> str:
    """The text that a reader should get: without white space at the ends of lines, and no empty lines around it."""
    return "\n".join(line.rstrip() for line in said.text.strip("\n").split("\n"))


def meant_in_html(said: Letter) -> str:
    lines = (line.rstrip() for line in said.html.strip("\n").split("\n"))
    return "\n".join(" " + line if line.startswith("From ") else line for line in lines)


def assert_read_back_as_meant(said: Letter) -> bytes:
    """Compose a letter and read it back by both parsers; gives its bytes."""
    wire = compose(said)
    assert_reads_as(by_old_rules(wire), said, str)
    assert_reads_as(by_new_rules(wire), said, without_space)
    assert_within_the_limits(wire)
    return wire


def assert_reads_as(parsed: Parsed, said: Letter, shown: Callable[[str], str]) -> None:
    """What a parser made of a letter is what was meant; `shown` is what this parser leaves of a name."""
    lists = [(said.sender,), (said.reply_to,) if said.reply_to else (), said.to, said.cc]
    expected = [[(shown(m.name), str(m.address)) for m in mailboxes] for mailboxes in lists]
    assert [parsed.sender, parsed.reply_to, parsed.to, parsed.cc] == expected
    assert parsed.addresses == [str(m.address) for mailboxes in lists for m in mailboxes]
    assert (parsed.subject, parsed.text) == (said.subject, meant(said))
    assert (parsed.date, parsed.message_id, parsed.language) == (said.date, said.message_id, said.language)
    assert parsed.html == (f"{meant_in_html(said)}\n" if said.html else "")
    assert_one_of_each(parsed, said)


def assert_one_of_each(parsed: Parsed, said: Letter) -> None:
    assert parsed.headers == [name.decode() for name in HEADERS if name != b"Cc" or said.cc]


def assert_within_the_limits(wire: bytes) -> None:
    """The bytes keep to the rules of the wire and of good form, looked at by other code than that which proves them."""
    head, _, body = wire.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        assert len(line) <= 78 or b" " not in line.partition(b": ")[2].strip(), "a header line is folded where a space allows"
        assert line.strip(), "a line of white space ends the headers for some readers"
    for word in re.findall(rb"=\?[^ ]*\?=", head):
        assert len(word) <= 75
        b64decode(word[10:-2], validate=True).decode("utf-8")  # each word holds whole characters
    is_encoded = b"quoted-printable" in head
    assert all(len(line) <= (76 if is_encoded else 998) for line in body.split(b"\r\n"))
    assert re.fullmatch(rb"(?:[^\r\n\0\x80-\xff]*\r\n)+", wire)
