"""
A letter's bytes.

Each one is read back with the standard library's email package (see `parsed`) and compared with what was meant.
"""

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from mailer import signature
from mailer.address import Address, parse
from mailer.errors import BadRow, WireProblem
from mailer.letter import HEADERS, Letter, Mailbox, compose, fingerprint, flowed, prove
from mailer.preview import readable
from tests.meant import assert_read_back_as_meant, meant
from tests.parsed import unflowed

JANE, COURT, PRESS = parse("jane@example.org"), parse("head@court.example"), parse("press@court.example")
LETTERS = parse("letters@campaign.example")
RULES = signature.Rules(date(2011, 9, 20), consent_required=False)


def letter(**changes: object) -> Letter:
    plain = Letter(
        sender=Mailbox("Jane Doe via Solidarity", LETTERS),
        reply_to=Mailbox("Jane Doe", JANE),
        to=(Mailbox("Supreme Court", COURT),),
        cc=(),
        subject="Drop the charges",
        text="Dear Madam Chair,\n\nplease drop the charges.\n",
        language="en",
        date=datetime(2011, 9, 20, 8, 0, tzinfo=UTC),
        message_id="<1.abc@campaign.example>",
        evidence="0123456789abcdef",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def signed(name: str) -> Letter:
    """A letter in whose every name a supporter's name stands, beside a plain one."""
    court = (Mailbox(name, COURT), Mailbox("Press, Office", PRESS))
    return letter(sender=Mailbox(f"{name} via Solidarity", LETTERS), reply_to=Mailbox(name, JANE), to=court, cc=court[:1])


# Names, subjects and texts as people, and others, write them

NAMES = {
    "plain": "Jane Doe",
    "an apostrophe": "Sinéad O’Brien",
    "two spaces": "Jane  Doe",
    "quotes": 'Jane "JD" Doe',
    "only a quote": '"',
    "backslashes": "Jane \\ Doe \\",
    "a quote escaped": 'Jane \\" Doe',
    "a comma": "Doe, Jane",
    "a second address": "Jane <a@evil.example>",
    "a list of addresses": "Jane, a@evil.example; <b@evil.example>",
    "a group": "Jane: a@evil.example;",
    "a comment": "Jane (a@evil.example) Doe",
    "sixty characters and an address": "x" * 60 + " , <a@evil.example>",
    "sixty-one plain characters": "x" * 61,
    "a hundred plain characters": "Jane " * 19 + "Janet",
    "an accent, a comma and an address": "Doé, <a@evil.example>",
    "an encoded word": "=?utf-8?q?Hi=0D=0ABcc=3A_x=40evil.example?=",
    "an encoded address": "=?utf-8?b?PGFAZXZpbC5leGFtcGxlPg==?=",
    "half an encoded word": "Jane =?utf-8?q?Doe",
    "an encoded word that folding would join": "=?utf-8?q?" + "x" * 60 + " ?=",
    "Cyrillic": "Айнур Курманов",
    "long Cyrillic": "Есенбек Уктешбаев " * 5,
    "Arabic": "فاطمة بنت محمد",
    "Hebrew": "שרה כהן",
    "Devanagari with joiners": "श्री क्‍ष",
    "Thai without spaces": "สมชายใจดี" * 8,
    "Chinese": "王小明" * 30,
    "Georgian, a hundred": "ა" * 100,
    "combining marks": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A",
    "beyond the basic plane": "𝓙𝓪𝓷𝓮 👩‍👩‍👧",
    "bidi override": "Jane \u202eeoD\u202c",
    "a byte order mark": "\ufeffJane",
    "soft hyphen and no-break space": "Ja\u00adne\u00a0Doe",
    "line separator": "Jane\u2028Bcc: a@evil.example",
    "next line": "Jane\u0085Bcc: a@evil.example",
    "a tab": "Jane\tDoe",
    "escape": "Jane\x1b[2J",
    "a template": "{{ 7 * 7 }}",
    "a header": "Bcc: a@evil.example",
    "a dot": ".",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_read_back_as_it_was_and_adds_no_address(name):
    assert_read_back_as_meant(signed(name))


@pytest.mark.parametrize("subject", NAMES.values(), ids=NAMES)
def test_a_subject_is_read_back_as_it_was(subject):
    assert_read_back_as_meant(letter(subject=subject.strip()))


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\n ", "\0", "\r\nBcc: a@evil.example\r\n"])
@pytest.mark.parametrize("name", ["Jane", "Сара", "x" * 70])
def test_a_line_end_or_a_nul_in_a_name_or_a_subject_never_leaves(name, end):
    hostile = name + end + "Doe"
    for said in (signed(hostile), letter(subject=hostile), letter(subject=end)):
        with pytest.raises(WireProblem, match="line end or a NUL"):
            compose(said)


def test_addresses_without_a_name_stand_bare():
    said = letter(to=(Mailbox("", COURT), Mailbox("", PRESS)), cc=(Mailbox("", LETTERS),))
    assert b"\r\nTo: head@court.example, press@court.example\r\nCc: letters@campaign.example\r\n" in assert_read_back_as_meant(
        said
    )


def test_a_list_with_one_name_that_is_not_ascii_keeps_its_commas():
    to = tuple(
        Mailbox(name, Address(f"a{i}", "court.example")) for i, name in enumerate(["Plain", "Tribunal suprême", "", "B, C"])
    )
    assert_read_back_as_meant(letter(to=to, cc=to))


def test_a_long_list_is_folded_between_its_addresses():
    to = tuple(Mailbox("", Address(f"office-{i}", "ministry.example")) for i in range(100))
    assert assert_read_back_as_meant(letter(to=to)).count(b"office-") == 100


TEXTS = {
    "no text": ("", "7bit"),
    "one line": ("Hello", "7bit"),
    "empty lines around and between": ("\n\nOne\n\n\n\nTwo\n\n", "7bit"),
    "trailing spaces": ("One   \nTwo \t\n \nThree\u00a0\n", "7bit"),
    "leading spaces": (" One\n  Two\n      " + "word " * 30, "7bit"),
    "From at the beginning": ("From me\nFrom \n" + "x" * 66 + " From here on " + "x" * 60, "7bit"),
    "quotations": (">\n> One\n>>Two\n" + "x" * 66 + " > " + "y" * 30, "7bit"),
    "dots": (".\n..\n.One\n" + "x" * 69 + " . and on", "7bit"),
    "signature separators": ("--\n-- \n--One\n-- two", "7bit"),
    "two dashes before a long word": ("-- " + "x" * 100, "7bit"),
    "two dashes at a break": ("x" * 67 + " -- " + "y" * 100, "7bit"),
    "two dashes, two spaces": ("--  " + "x" * 100, "7bit"),
    "a paragraph": ("We ask you to drop the charges at once. " * 40, "7bit"),
    "many spaces in a paragraph": (("word   " * 40).strip(), "7bit"),
    "a very long word": ("x" * 500 + " y", "7bit"),
    "a word as long as a line may be": ("x" * 998, "7bit"),
    "a word longer than a line may be": ("x" * 999, "quoted-printable"),
    "a word that stuffing makes too long": (">" + "x" * 997, "quoted-printable"),
    "an accent": ("Sinéad\n.\nFrom \n-- \nend", "quoted-printable"),
    "Cyrillic": ("Просим прекратить преследование. " * 30, "quoted-printable"),
    "Chinese without spaces": ("释放" * 200, "quoted-printable"),
    "equals signs": ("=\n=20\n=0D=0A.\n" + "=" * 200, "7bit"),
    "a tab": ("One\ttwo\n\tThree", "quoted-printable"),
    "control characters": ("One\x1b[2J\x7f\x00\x0c", "quoted-printable"),
    "bare carriage returns": ("One\rtwo\r\nthree\r", "quoted-printable"),
    "other line ends": ("One\x0btwo\x85three\u2028four", "quoted-printable"),
    "a MIME boundary": ("--=_boundary\nContent-Type: text/html\n\n<script>", "7bit"),
}


@pytest.mark.parametrize(("text", "encoding"), TEXTS.values(), ids=TEXTS)
def test_a_text_is_read_back_as_it_was(text, encoding):
    wire = assert_read_back_as_meant(letter(text=text))
    assert f"\r\nContent-Transfer-Encoding: {encoding}\r\n".encode() in wire


@pytest.mark.parametrize("text", [text for text, encoding in TEXTS.values() if encoding == "7bit"], ids=str)
def test_a_text_in_ascii_keeps_to_72_columns_where_it_has_spaces(text):
    for line in flowed(text).split("\n"):
        assert len(line) <= 72 or " " not in line.strip(" ").removeprefix("-- ")


def test_a_line_of_70_columns_is_not_broken_and_one_of_71_is():
    assert flowed("x" * 35 + " " + "x" * 34) == "x" * 35 + " " + "x" * 34
    assert flowed("x" * 35 + " " + "x" * 35) == "x" * 35 + " \n" + "x" * 35


def test_an_encoded_text_stays_readable_where_it_is_plain():
    assert b"\r\nSin=C3=A9ad was here =3D yes\r\n" in compose(letter(text="Sinéad was here = yes"))


def test_the_same_letter_is_the_same_bytes():
    assert fingerprint(compose(letter())) == fingerprint(compose(letter()))
    assert fingerprint(compose(letter())) != fingerprint(compose(letter(text="Dear Madam")))
    assert fingerprint(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


# The same in HTML beside the text

HTML = "<!doctype html>\n<p>Dear Madam Chair,</p>\n<p>please drop the charges.</p>\n"
BOUNDED = compose(letter(html=HTML))
(BOUNDARY,) = re.findall(rb'boundary="([^"]+)"', BOUNDED)


@pytest.mark.parametrize("text", [text for text, _ in TEXTS.values()], ids=TEXTS)
def test_html_and_text_are_both_read_back_whatever_they_hold(text):
    assert_read_back_as_meant(letter(text=text, html=HTML))
    assert_read_back_as_meant(letter(html=text))


def test_a_preview_shows_the_text_and_the_html():
    shown = readable(BOUNDED)
    assert "Subject: Drop the charges\n\nDear Madam Chair,\n\nplease drop the charges.\n" in shown
    assert shown.endswith(f"\nThe same in HTML:\n\n{HTML}")
    assert readable(compose(letter())).endswith("please drop the charges.\n")


def test_with_html_the_text_stands_first_for_who_reads_no_html():
    assert BOUNDED.index(b"text/plain") < BOUNDED.index(b"text/html")


def test_every_attempt_chooses_the_same_boundary_and_another_letter_another_one():
    assert compose(letter(html=HTML)) == BOUNDED
    assert BOUNDARY not in compose(letter(html=HTML, message_id="<2.abc@campaign.example>"))


@pytest.mark.parametrize("where", ["text", "html"])
def test_a_boundary_never_stands_in_what_it_bounds(where):
    """Who knows how it is derived cannot end a part: then the letter has another one."""
    hostile = f"--{BOUNDARY.decode()}\nContent-Type: text/html\n\n<script>\n--{BOUNDARY.decode()}--"
    said = letter(**{"html": HTML, where: hostile})
    wire = assert_read_back_as_meant(said)
    (chosen,) = re.findall(rb'boundary="([^"]+)"', wire)
    assert chosen != BOUNDARY
    assert wire.count(chosen) == 4
    assert wire == compose(said)


# Anything at all

ANY = st.text(st.characters())  # surrogates too
HOSTILE = st.text(st.sampled_from(" \t\r\n\0\",;:<>()[]@.\\=?-'_éЖ\u2028\u202ea"), max_size=90) | ANY


@given(name=HOSTILE, subject=HOSTILE, text=HOSTILE, html=HOSTILE)
@example(name="=?utf-8?q?=0D=0A?=", subject="=?", text="-- " + "x" * 80, html="")
@example(name="\ud800", subject="a", text="a", html="")
@example(name="a", subject="\udfff", text="a", html="")
@example(name="a", subject="a", text="\ud83d", html="")
@example(name="a", subject="a", text="a", html="\ud83d")
def test_whatever_is_written_is_read_back_or_never_leaves(name, subject, text, html):
    try:
        assert_read_back_as_meant(replace(signed(name), subject=subject, text=text, html=html))
    except WireProblem:
        assert re.search("[\r\n\0\ud800-\udfff]", name + subject + text + html)


SIGNABLE = st.characters(exclude_categories=["Cc", "Cs", "Co", "Zl", "Zp"])


@given(name=st.text(SIGNABLE, max_size=100), message=st.text(SIGNABLE | st.just("\n")))
def test_whatever_a_signature_may_hold_does_leave(name, message):
    try:
        signed_by = signature.read({"name": name, "email": "jane@example.org", "message": message}, RULES)
    except BadRow:
        reject()
    assert_read_back_as_meant(replace(signed(signed_by.name), text=signed_by.message))


PIECES = [" ", "  ", "\n", "--", "-- ", "From ", ">", ".", "é", "word", "x" * 35, "x" * 66, "x" * 67, "x" * 120]


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_flowing_is_undone_by_a_reader(text):
    assert unflowed(flowed(text) + "\n") == meant(letter(text=text))


# The last look

FINE = compose(letter(cc=(Mailbox("", PRESS),)))

BROKEN = {
    "no body": (FINE.partition(b"\r\n\r\n")[0] + b"\r\n", "has no body"),
    "no line end at the end": (FINE.rstrip(b"\r\n"), "does not end in CRLF"),
    "a bare LF": (FINE.replace(b"please", b"pl\nease"), "bare CR or LF"),
    "a bare CR": (FINE.replace(b"please", b"pl\rease"), "bare CR or LF"),
    "CR CR LF": (FINE.replace(b"Chair,\r\n", b"Chair,\r\r\n"), "bare CR or LF"),
    "LF CR": (FINE.replace(b"Chair,\r\n", b"Chair,\n\r"), "bare CR or LF"),
    "NUL": (FINE.replace(b"please", b"pl\0ase"), "not 7-bit"),
    "eight bits": (FINE.replace(b"please", "plêase".encode()), "not 7-bit"),
    "eight bits in a header": (FINE.replace(b"Doe", "Doé".encode()), "not 7-bit"),
    "a long line": (FINE + b"x" * 999 + b"\r\n", "longer than 998"),
    "a long header": (FINE.replace(b"Drop the", b"x" * 999), "longer than 998"),
    "a header twice": (FINE.replace(b"Subject:", b"Subject: x\r\nSubject:"), "exactly one of each"),
    "Cc twice": (FINE.replace(b"Cc:", b"Cc: a@evil.example\r\nCc:"), "exactly one of each"),
    "one more header": (FINE.replace(b"Subject:", b"Bcc: a@evil.example\r\nSubject:"), "exactly one of each"),
    "a header in other letters": (FINE.replace(b"Subject:", b"SUBJECT:"), "exactly one of each"),
    "a space before the colon": (FINE.replace(b"Subject:", b"Subject :"), "exactly one of each"),
    "a line that is no header": (FINE.replace(b"Subject:", b"x\r\nSubject:"), "exactly one of each"),
    "headers cut short": (FINE.replace(b"Subject:", b"\r\nSubject:"), "exactly one of each"),
    "an empty line before the headers": (b"\r\n" + FINE, "exactly one of each"),
    **{
        f"no {name.decode()}": (re.sub(rb"(?m)^%s:.*\r\n" % name, b"", FINE, count=1), "exactly one of each")
        for name in HEADERS
        if name != b"Cc"
    },
}


IN_PARTS = {
    "no end of the last part": (BOUNDED.replace(BOUNDARY + b"--", b""), "not bounded"),
    "a third part": (BOUNDED.replace(b"<p>", b"\r\n--" + BOUNDARY + b"\r\n<p>", 1), "not bounded"),
    "a boundary within a line": (BOUNDED.replace(b"<p>", b"<p>" + BOUNDARY, 1), "not bounded"),
    "something before the first part": (BOUNDED.replace(b"\r\n\r\n", b"\r\n\r\nHello\r\n", 1), "not bounded"),
    "something behind the last part": (BOUNDED + b"Hello\r\n", "not bounded"),
    "one part": (re.sub(rb"(?s)(--=_\w+\r\n)Content-Type: text/html.*?\r\n(--=_)", rb"\2", BOUNDED), "not bounded"),
    "another boundary": (BOUNDED.replace(b'boundary="=_', b'boundary="=-'), "type that mailer does not write"),
    "a boundary without quotes": (BOUNDED.replace(b'"', b""), "type that mailer does not write"),
    "another kind of parts": (BOUNDED.replace(b"/alternative", b"/mixed"), "type that mailer does not write"),
    "HTML alone": (FINE.replace(b"text/plain", b"text/html"), "type that mailer does not write"),
    "another character set": (FINE.replace(b"utf-8; format", b"utf-7; format"), "type that mailer does not write"),
    "a part with another header": (BOUNDED.replace(b"\r\n\r\n<!", b"\r\nX: y\r\n\r\n<!"), "not exactly its two headers"),
    "a part with a header less": (
        BOUNDED.replace(b"Content-Type: text/html; charset=utf-8\r\n", b""),
        "exactly its two headers",
    ),
    "a part without a body": (re.sub(rb"(?s)<!doctype.*?\r\n--", b"--", BOUNDED), "no body"),
}
SIGNED = b"DKIM-Signature: v=1; a=rsa-sha256;\r\n b=AAAA\r\n"
OF_SIGNATURES = {
    "three signatures": (SIGNED * 3 + FINE, "exactly one of each"),
    "a signature among the headers": (FINE.replace(b"Subject:", SIGNED + b"Subject:"), "exactly one of each"),
}


@pytest.mark.parametrize(("wire", "why"), (IN_PARTS | OF_SIGNATURES).values(), ids=IN_PARTS | OF_SIGNATURES)
def test_parts_and_signatures_that_break_a_rule_never_leave(wire, why):
    with pytest.raises(WireProblem, match=why):
        prove(wire)


def test_a_letter_may_have_no_signature_or_one_for_each_kind_of_key():
    for wire in (FINE, BOUNDED):
        for signatures in range(3):
            prove(SIGNED * signatures + wire)


@pytest.mark.parametrize(("wire", "why"), BROKEN.values(), ids=BROKEN)
def test_bytes_that_break_a_rule_never_leave(wire, why):
    with pytest.raises(WireProblem, match=why):
        prove(wire)


def test_cc_may_be_missing_and_a_line_may_be_as_long_as_the_wire_takes():
    prove(FINE + b"x" * 998 + b"\r\n")
    prove(re.sub(rb"Cc:.*\r\n", b"", FINE))


@pytest.mark.parametrize(
    "broken",
    [
        {"to": (Mailbox("", Address("a", "b.example\r\nBcc: c@evil.example")),)},
        {"to": (Mailbox("", Address("ä", "b.example")),)},
        {"language": "en\r\nBcc: a@evil.example"},
        {"language": "en\r\n\r\n<script>"},
        {"message_id": "<a@b>\nBcc: a@evil.example"},
        {"evidence": "é"},
        {"evidence": "x" * 999},
    ],
    ids=str,
)
def test_values_that_are_ours_alone_cannot_end_a_header_either(broken):
    with pytest.raises(WireProblem):
        compose(letter(**broken))
