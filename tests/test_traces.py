"""
A person is found in a file in whatever form the address stands there, and nobody else is.

Each case is a file as somebody may drop it, or as mailer has written one; the person is always the same.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import quopri
import zipfile

import pytest

from mailer.address import Address, Policy, parse
from mailer.traces import Trace, Wanted, search
from tests.workbooks import parts, workbook, zipped

JANE = "jane.canary@example.org"
HEAD = ["name", "email", "consent"]
OTHER = [HEAD, ["Other", "other@example.org", "yes"]]
HERS = [HEAD, ["Jane", JANE, "yes"]]
TEXT = f"name,email\nJane,{JANE}\n"
RICH = zipped(
    parts(
        {
            "S": '<worksheet xmlns="x"><c r="A1"><is><t>Jane</t></is></c><c r="B1"><is>'
            "<r><t>jane.canary@</t></r><r><t>example.org</t></r></is></c></worksheet>"
        }
    )
)

HELD = {
    "as it stands": TEXT.encode(),
    "in capitals": TEXT.upper().encode(),
    "among other words": f"ask <{JANE}>, or else".encode(),
    "before a full stop": f"Write to {JANE}.".encode(),
    "behind an ellipsis": f"mail...{JANE}".encode(),
    "in a link": b"mailto:jane.canary%40example.org",
    "in full-width letters": "Jane,jane.canary@ｅｘａｍｐｌｅ.org".encode(),
    "with an ideographic full stop": "Jane,jane.canary@example。org".encode(),
    "with a soft hyphen": "Jane,jane.canary@exam\u00adple.org".encode(),
    "in UTF-16": TEXT.encode("utf-16"),
    "in UTF-16 without a mark": TEXT.encode("utf-16-be"),
    "in UTF-32": TEXT.encode("utf-32"),
    "in an old encoding": f"Ы,{JANE}".encode("koi8-r"),
    "packed": gzip.compress(TEXT.encode()),
    "packed in UTF-32": gzip.compress(TEXT.encode("utf-32")),
    "packed in an old encoding": gzip.compress(f"Ы,{JANE}".encode("mac_cyrillic")),
    "packed twice": gzip.compress(gzip.compress(TEXT.encode())),
    "far to the right of a row": gzip.compress(f"name\nOther{',' * 450}{JANE}\n".encode()),
    "in a heading": gzip.compress(f"name,sent by {JANE}\nOther,\n".encode()),
    "across the end of a piece": b"x" * ((1 << 20) - 10) + f" {JANE} ".encode() + b"y" * 10,
    "in JSON, escaped": json.dumps(TEXT).replace("@", "\\u0040").replace("c", "\\u0063").encode(),
    "in JSON, behind an escape": b'"x\\njane.canary@example.org\\n"',
    "in YAML, escaped": b'"jane.canary\\x40example.org"',
    "in XML, escaped": b"<t>jane.canary&#64;example.org</t>",
    "in quoted-printable": b"ask jane.canary=40exam=\r\nple.org",
    "in quoted-printable of a library": quopri.encodestring(f"{'é' * 20} ask {JANE} {'é' * 20}".encode()),
    "in base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(b"Some words, then " + TEXT.encode() * 3),
    "in base64 whose begin is not to be seen": b"base64 ab" + base64.b64encode(b"Some words, then " + TEXT.encode() * 3),
    "in a header": b"Subject: =?utf-8?B?" + base64.b64encode(f"From {JANE}".encode()) + b"?=",
    "on the first sheet": workbook({"S": HERS}),
    "on the second sheet": workbook({"First": OTHER, "Second": HERS}),
    "on a hidden sheet": workbook({"Old": HERS, "New": OTHER}, hidden=["Old"]),
    "in a workbook's heading": workbook({"S": [[*HEAD, f"by {JANE}"], *OTHER[1:]]}),
    "in a sheet's name": workbook({JANE: OTHER}),
    "in pieces of a cell": RICH,
    "as Excel escapes it": workbook({"S": [["jane.canary_x0040_example.org"]]}),
}
NOT_HELD = {
    "nobody": b"name,email\n",
    "another who ends so": b"mary.jane.canary@example.org",
    "another with one letter more": b"xjane.canary@example.org",
    "another who is dashed": b"mary-jane.canary@example.org",
    "another's domain": b"jane.canary@example.organ",
    "another's domain that begins so": b"jane.canary@example.org-x.example",
    "another with a tag": b"jane.canary+news@example.org",
    "the domain alone": b"@example.org",
    "in UTF-16, somebody else": "Анна,anna@example.org\n".encode("utf-16"),
    "on a sheet, somebody else": workbook({"S": OTHER}),
    "nothing": b"",
}


def of(content: bytes, name: str = "x", who: str = JANE, *policies: Policy) -> Trace:
    return search(Wanted({1: parse(who)}, policies), io.BytesIO(content), name)


@pytest.mark.parametrize("case", HELD)
def test_whoever_stands_in_a_file_is_found(case):
    assert of(HELD[case]).found == {1}


@pytest.mark.parametrize("case", NOT_HELD)
def test_nobody_is_taken_for_another_and_what_was_searched_is_called_so(case):
    assert of(NOT_HELD[case]) == Trace(frozenset())


def test_a_files_own_name_is_searched_too():
    assert of(b"", f"{JANE}.csv").found == {1}


CYRILLIC = "name,email\nЯна,jane@пример.example\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "koi8-r", "cp1251", "mac_cyrillic"])
def test_a_domain_in_its_own_script_is_found_in_every_encoding(encoding):
    assert of(CYRILLIC.encode(encoding), "x", "jane@xn--e1afmkfd.example").found == {1}
    assert of(gzip.compress(CYRILLIC.encode(encoding)), "x", "jane@ПРИМЕР.example").found == {1}
    assert of(CYRILLIC.encode(encoding)).found == frozenset()


TAGGED, DOTTED = Policy(is_same_tagged=True), Policy(is_same_dotted=True)


@pytest.mark.parametrize(
    ("text", "who", "policy"),
    [
        ("victim+news@example.org", "victim@example.org", TAGGED),
        ("victim@example.org", "victim+news@example.org", TAGGED),
        ("victim+a+b@example.org", "victim+c@example.org", TAGGED),
        ("<g.i.n.a@googlemail.com>", "gina@gmail.com", DOTTED),
        ("gina@gmail.com", "g.i.n.a@googlemail.com", DOTTED),
        ("g.ina+x@gmail.com", "gin.a@googlemail.com", Policy(is_same_tagged=True, is_same_dotted=True)),
    ],
)
def test_who_is_one_person_to_a_campaign_is_one_in_files(text, who, policy):
    assert of(text.encode(), "x", who, policy).found == {1}
    assert of(text.encode(), "x", who).found == frozenset()


@pytest.mark.parametrize(
    "text", ["a.victim+news@example.org", "xvictim+news@example.org", "gi.na@example.org", "mar.gina@gmail.com"]
)
def test_and_who_is_another_is_another(text):
    policy = Policy(is_same_tagged=True, is_same_dotted=True)
    for who in ("victim@example.org", "gina@gmail.com", "gina@example.org"):
        assert of(text.encode(), "x", who, policy).found == frozenset()


BOMB = gzip.compress(b"text" * (5 << 20))
UNCLEAR = {
    "a picture": b"\x89PNG",
    "bytes": bytes(range(256)) * 4,
    "a document": b"%PDF-1.7 text",
    "a torn .gz": gzip.compress(TEXT.encode() * 50)[:-12],
    "a torn workbook": workbook({"S": OTHER})[:-30],
    "more than is unpacked": BOMB,
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_cannot_be_searched_is_not_called_clean(case):
    assert of(UNCLEAR[case]).is_searched is False


@pytest.mark.parametrize(
    ("part", "is_searched"),
    [("xl/media/image1.png", True), ("xl/printerSettings/printerSettings1.bin", True), ("xl/vba.bin", False)],
)
def test_a_workbook_may_hold_pictures_and_a_printer_and_of_what_else_is_no_text_nothing_is_known(part, is_searched):
    for rows, found in ((OTHER, set()), (HERS, {1})):
        book = io.BytesIO(workbook({"S": rows}))
        with zipfile.ZipFile(book, "a") as archive:
            archive.writestr(part, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
        assert of(book.getvalue()) == Trace(frozenset(found), is_searched=is_searched)


def test_many_are_looked_for_in_one_way_through_a_file():
    """A stream counts how often it is read from its beginning, for one and for five hundred people alike."""

    class Counting(io.BytesIO):
        begun = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.begun += self.tell() == 0
            return super().read(size)

    people = {number: Address(f"p{number}", f"d{number % 40}.example") for number in range(500)}
    content = "".join(f"P,{people[number]}\n" for number in range(0, 500, 7)).encode()
    begun = []
    for wanted in (people, {0: people[0]}):
        stream = Counting(content)
        assert search(Wanted(wanted), stream).found == frozenset(range(0, 500, 7)) & wanted.keys()
        begun.append(stream.begun)
    assert begun[0] == begun[1]
