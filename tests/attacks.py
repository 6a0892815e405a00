"""
Hostile signature files, in classes, and what each must come to: a reason, and no harm.

    python -m tests.attacks           reads every one, each in a process of its own with limits, and prints a table by class

Everything is made here, the same every time. `ASIDE`: the whole file is set aside; (good, bad): so many rows are signatures, so
many are refused with a reason. Nothing may crash, nor take more than two seconds of processor time or 256 MB: the process that
reads is given no more, and neither is the child that reads a workbook.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import resource
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mailer.campaign import Campaign
from tests.workbooks import column, parts, sheet_xml, workbook, zipped

SECONDS = 2
MEMORY = 256 << 20
GIGABYTE = 1 << 30

Come = tuple[int, int] | str
ASIDE = "aside"
ANY = "any"  # what a cut or flipped file comes to is its own matter; that it comes to something is ours

HEAD = "name,email,country,consent\n"
JANE = "Jane Doe,jane@example.org,IE,yes\n"
JOE = "Joe Roe,joe@example.org,IE,yes\n"
FOUR = [["name", "email", "country", "consent"], ["Jane Doe", "jane@example.org", "IE", "yes"]]
RANDOM = random.Random()


@dataclass(frozen=True)
class Attack:
    """One file: its class, its name, what it holds (or a writer of something too large to hold), what it must come to."""

    kind: str
    name: str
    content: bytes | Callable[[Path], None]
    comes_to: Come

    def write(self, path: Path) -> None:
        if isinstance(self.content, bytes):
            path.write_bytes(self.content)
        else:
            self.content(path)


def attacks() -> Iterator[Attack]:
    """All of them, one after the other: together they take more memory than one may."""
    RANDOM.seed(5)
    for kind, made in KINDS.items():
        for number, (name, content, comes_to) in enumerate(made(), 1):
            yield Attack(kind, f"{kind.replace(' ', '-')}-{number}{name}", content, comes_to)


Made = Iterator[tuple[str, bytes | Callable[[Path], None], Come]]


def sparse(size: int, begin: bytes = b"", end: bytes = b"") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(begin)
            file.truncate(size)
            file.seek(0, 2)
            file.write(end)

    return write


def repeated(text: bytes, times: int, begin: bytes = b"", end: bytes = b"") -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("wb") as file:
            file.write(begin)
            for _ in range(times >> 10):
                file.write(text * 1024)
            file.write(text * (times & 1023) + end)

    return write


def row(**fields: str) -> bytes:
    return (json.dumps({"name": "Jane Doe", "email": "jane@example.org", "consent": "yes"} | fields) + "\n").encode()


def long_lines() -> Made:
    yield ".csv", sparse(GIGABYTE), ASIDE
    yield ".csv", sparse(GIGABYTE, HEAD.encode()), ASIDE
    yield ".jsonl", sparse(GIGABYTE, row()), ASIDE
    yield ".json", sparse(GIGABYTE, b"["), ASIDE
    yield ".yaml", sparse(GIGABYTE, b"- name: "), ASIDE
    yield ".txt", repeated(b"x", 20 << 20), ASIDE
    yield ".csv", repeated(b"x", 20 << 20, HEAD.encode() + JANE.encode()), ASIDE
    yield ".csv", (HEAD + "x" * 999_000 + ",jane@example.org,IE,yes\n" + JOE).encode(), (1, 1)
    yield ".jsonl", row() + row(name="x" * 1_500_000) + row(), (2, 1)


def wide_rows() -> Made:
    yield ".csv", b"," * 900_000 + b"\n" + JANE.encode(), ASIDE
    yield ".csv", b"a," * 400_000 + b"\n" + JANE.encode(), ASIDE
    yield ".csv", (",".join(f"c{n}" for n in range(100_000)) + "\n" + JANE).encode(), ASIDE
    yield ".csv", (HEAD + JANE + "," * 900_000 + "x\n" + JOE).encode(), (2, 1)
    yield ".tsv", b"\t" * 900_000 + b"\n", ASIDE
    yield ".csv", b";" * 900_000 + b"\n", ASIDE
    yield ".jsonl", json.dumps({f"k{n}": "x" for n in range(50_000)}).encode() + b"\n" + row(), (1, 1)
    yield ".json", json.dumps([{f"k{n}": "x" for n in range(100_000)}]).encode(), (0, 1)
    yield ".yaml", "".join(f"k{n}: x\n" for n in range(50_000)).encode(), (0, 1)
    for length in (148, 1900):  # headings that are read in every old encoding
        asked = ",".join(f"{n} я согласен, что имя".replace(",", " ") + " и" * (length // 2 - 12) for n in range(199))
        yield ".csv", f"{asked}\nИванов,jane@example.org\n".encode("cp1251"), ASIDE


def quotations() -> Made:
    yield ".csv", (HEAD + '"Jane,jane@example.org\n' + JOE * 1000).encode(), ASIDE
    yield ".csv", (HEAD + JANE + '"').encode(), ASIDE
    yield ".csv", b'"' * 900_001, ASIDE
    yield ".csv", (HEAD + 'Jane "JD" Doe,jane@example.org,IE,yes\n' + JOE).encode(), (2, 0)
    yield ".csv", (HEAD + '"Jane" Doe,jane@example.org,IE,yes\n' + JOE).encode(), (1, 1)
    yield ".csv", (HEAD + '"a""b","c\n' * 5000).encode(), ANY
    yield ".csv", ('"name,email\n' + JANE).encode(), ASIDE
    yield ".csv", (HEAD + JANE.replace("Doe", '""Doe""') * 2).encode(), (2, 0)


def nulls() -> Made:
    yield ".csv", b"\0" * 1000, ASIDE
    yield ".csv", (HEAD + JANE.replace("Doe", "D\0e") + JOE).encode(), (1, 1)
    yield ".csv", (HEAD.replace("name", "na\0me") + JANE).encode(), ASIDE
    yield ".json", b'[{"name": "Jane\\u0000", "email": "jane@example.org", "consent": "yes"}]', (0, 1)
    yield ".json", b"[\0]", ASIDE
    yield ".jsonl", row() + b"\0\n" + row(), (2, 1)
    yield ".yaml", b"- name: Jane\0\n", ASIDE
    yield ".csv", b"\0,\0" * 1000, ANY


def controls() -> Made:
    for bad in ("\x1b[2J", "\x07", "\r", "\x85", "\u2028", "\u202e", "\u2066", "\U000e0041", "\ue000", "\ufffe", "\u200b"):
        yield ".jsonl", row(name=f"Jane{bad}Doe") + row(), (1, 1)


def headers_and_mail() -> Made:
    for bad in ("Jane\r\nBcc: x@evil.example", "Jane\nSubject: x", "Jane\x0b\x0cDoe"):
        yield ".jsonl", row(name=bad) + row(), (1, 1)
    for bad in (
        "jane@example.org\nBcc: x@evil.example", "jane@example.org, x@evil.example", '"a b"@example.org', "jane%x@example.org",
        "@a,@b:jane@example.org", "jane@[127.0.0.1]", "jane!x@example.org", "<jane@example.org>", "a" * 65 + "@example.org",
        "jane@" + "a." * 130 + "example", "jane@exam ple.org", "jane@example..org", "jané@example.org",
    ):  # fmt: skip
        yield ".jsonl", row(email=bad) + row(), (1, 1)


def templates_and_formulas() -> Made:
    for shown in (
        "{{ config }}",
        "{% for x in y %}",
        "=HYPERLINK(1)",
        "<script>x</script>",
        "@SUM(a)",
        "-1+1 x",
        "%(name)s {0} $x",
    ):
        yield ".jsonl", row(name=shown), (1, 0)


def keys_twice() -> Made:
    yield ".json", b'[{"name": "Jane", "name": "Joe", "email": "jane@example.org", "consent": "yes"}]', (0, 1)
    yield ".jsonl", b'{"email": "a@example.org", "email": "b@example.org", "name": "J", "consent": "yes"}\n' + row(), (1, 1)
    yield ".yaml", b"- name: Jane\n  name: Joe\n  email: jane@example.org\n  consent: yes\n", (0, 1)
    yield ".csv", b"name,email,email,consent\nJane,a@example.org,b@example.org,yes\n", ASIDE
    yield ".csv", b"name,email,E-Mail,consent\nJane,a@example.org,b@example.org,yes\n", ASIDE
    yield ".json", b'{"data": [{"name": "J"}], "data": [{"name": "K"}]}', ASIDE
    yield ".json", b'{"data": [{"name": "J"}], "rows": [{"name": "K"}]}', ASIDE


def depth() -> Made:
    yield ".json", b"[" * 500_000, ASIDE
    yield ".json", b"[" * 100_000 + b"]" * 100_000, ASIDE
    yield ".json", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, ASIDE
    yield ".jsonl", b"[" * 400_000 + b"\n" + row(), (1, 1)
    yield ".jsonl", b'{"name":' * 100_000 + b"\n" + row(), (1, 1)
    yield ".yaml", b"[" * 100_000, ASIDE
    yield ".yaml", b"- " * 100_000 + b"x\n", ASIDE
    yield ".yaml", "".join(" " * n + "a:\n" for n in range(1500)).encode(), ASIDE


def numbers() -> Made:
    yield ".json", b'[{"name": "Jane", "email": ' + b"9" * 500_000 + b"}]", (0, 1)
    yield ".json", b'[{"name": NaN, "email": "jane@example.org"}]', ASIDE
    yield ".json", b'[{"name": Infinity}]', ASIDE
    yield ".json", b'[{"name": -Infinity}]', ASIDE
    yield ".jsonl", b'{"name": NaN}\n' + row(), (1, 1)
    yield ".jsonl", b'{"name": 1e999999999, "email": "jane@example.org", "consent": 1}\n' + row(), (2, 0)
    yield ".jsonl", b'{"name": ' + b"1" * 500_000 + b"}\n" + row(), (1, 1)
    yield ".yaml", b"- name: .nan\n  email: " + b"9" * 100_000 + b"\n", (0, 1)
    yield ".xlsx", workbook({"S": [*FOUR, [1e308, "jane@example.org", 1e-320, True]]}), (1, 1)


def many_values() -> Made:
    yield ".json", b"[" + b"[]," * 5_000_000 + b"[]]", ASIDE
    yield ".json", b"[" + b"10," * 390_000 + b"1]", ASIDE
    yield ".json", b"[{}," + b"10," * 50_000 + b"1]", (0, 50_001)
    yield ".json", b"[" + b"{}," * 100_000 + b"{}]", (0, 0)
    yield ".json", ("[" + '"\U0001f600",' * 300_000 + '""]').encode(), ASIDE
    yield ".json", repeated(b" ", 17 << 20, b"["), ASIDE
    yield ".yaml", b"[" + b"a," * 900_000 + b"a]", ASIDE
    yield ".yaml", repeated(b"- a: 1\n", 700_000), ASIDE
    yield ".yaml", b"---\n" * 100_000, ASIDE
    yield ".csv", b"\n" * 2_000_000 + HEAD.encode(), ASIDE
    yield ".csv", HEAD.encode() + b"\n" * 300_000 + JANE.encode(), (1, 0)


def anchors_and_entities() -> Made:
    laughs = "a0: &a0 [x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    yield ".yaml", laughs.encode(), ASIDE
    yield ".yaml", b"- &a {name: Jane}\n- *a\n", ASIDE
    yield ".yaml", b"- !!python/object/apply:os.system [touch /tmp/harm]\n", (0, 1)
    yield ".yaml", b"- !!binary aGk=\n", (0, 1)
    yield ".yaml", b"%TAG ! tag:evil.example,2011:\n---\n- !x {name: Jane}\n", (0, 1)
    doctype = (
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
        + "]>"
    )
    outside = '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    for told, used in ((doctype, "&j;"), (outside, "&x;")):
        cell = f'<row r="3"><c r="A3" t="str"><v>{used}</v></c></row></sheetData>'
        yield ".xlsx", zipped(parts({"S": told + sheet_xml(FOUR).replace("</sheetData>", cell)})), ANY


def encodings() -> Made:
    for cut in (
        b"\xff\xfe\x41",
        b"\xfe\xff\x00",
        b"\xff\xfe\x00\xd8",
        b"\xef\xbb\xbf\xff",
        b"\xff\xfe\x00\x00\xff\xff\xff\xff",
    ):
        yield ".csv", cut, ASIDE
    yield ".csv", HEAD.encode("utf-16") + b"\x00", ASIDE
    yield ".csv", HEAD.encode() + bytes(range(128, 256)) * 4 + b"\n", ASIDE
    yield ".csv", HEAD.encode() + RANDOM.randbytes(200_000), ANY
    yield ".csv", RANDOM.randbytes(300_000), ANY
    yield ".json", b"\xff\xfe[\0]\0", (0, 0)
    yield ".csv", HEAD.encode() + b"J\xc0\x80,jane@example.org,IE,yes\n", ASIDE
    yield ".csv", HEAD.encode() + (b"\xc9\xd1" * 250 + b",jane@example.org,IE,yes\n") * 3000, ANY
    yield ".utf-7.csv", b"+ADw-script+AD4-,email\n", ASIDE
    yield ".jsonl", b'{"name": "\\ud800", "email": "jane@example.org", "consent": "yes"}\n' + row(), (1, 1)


def gzips() -> Made:
    yield ".csv.gz", gzip.compress(b"\0" * (150 << 20), 1), ASIDE
    yield ".json.gz", gzip.compress(b"[" + b"[]," * 10_000_000, 1), ASIDE
    yield ".csv.gz", gzip.compress(gzip.compress(b"\0" * (50 << 20))), ASIDE
    yield ".csv.gz", gzip.compress((HEAD + JANE).encode())[:-5], ASIDE
    yield ".csv.gz", gzip.compress((HEAD + JANE).encode()) + b"x", ASIDE
    yield ".csv.gz", b"\x1f\x8b" + b"\xff" * 1000, ASIDE
    yield ".csv.gz", b"", ASIDE
    yield ".csv.gz", gzip.compress(b"x") * 50_000, ASIDE
    yield ".jsonl.gz", gzip.compress(b"".join(row(email=f"{n * 7919:x}@example.org") for n in range(5000))), (5000, 0)
    yield ".xlsx.gz", gzip.compress(workbook({"S": FOUR})), ASIDE


def zips() -> Made:
    book = parts({"S": sheet_xml(FOUR)})
    yield ".xlsx", zipped(book | {"xl/x.xml": " " * (40 << 20)}), ASIDE
    yield (
        ".xlsx",
        zipped(book | {"xl/worksheets/sheet1.xml": sheet_xml(FOUR).replace("<sheetData>", " " * (40 << 20) + "<sheetData>")}),
        ASIDE,
    )
    yield ".xlsx", zipped(book | {f"x{n}": "" for n in range(20_000)}), ASIDE
    lying = bytearray(zipped(book | {"xl/x.xml": " " * (30 << 20)}))
    yield ".xlsx", bytes(lying.replace((30 << 20).to_bytes(4, "little"), b"\x10\0\0\0")), ASIDE
    yield ".xlsx", zipped(book)[:-30], ASIDE
    yield ".xlsx", zipped(book)[:200], ASIDE
    yield ".xlsx", b"PK\x05\x06" + b"\0" * 18, ASIDE
    yield ".xlsx", b"PK\x03\x04" + RANDOM.randbytes(10_000), ASIDE
    yield ".xlsx", zipped({"../../../../tmp/harm": "x"} | book), (1, 0)
    yield ".xlsx", overlapping(), ASIDE
    yield ".xlsx", zipped({"[Content_Types].xml": book["[Content_Types].xml"]}), ASIDE
    yield ".xlsx", zipped(book | {"xl/workbook.xml": book["xl/workbook.xml"].replace("r:id=", "r:ix=")}), ASIDE
    for number in range(12):
        flipped = bytearray(zipped(book))
        for _ in range(1 + number):
            flipped[RANDOM.randrange(4, len(flipped))] ^= 1 << RANDOM.randrange(8)
        yield ".xlsx", bytes(flipped), ANY


def overlapping() -> bytes:
    """Many entries of the directory that all are one and the same part: a bomb of small parts (David Fifield's)."""
    with zipfile.ZipFile(out := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", " " * (9 << 20))
        archive.infolist()
        first = archive.infolist()[0]
        for number in range(900):
            copy = zipfile.ZipInfo(f"x{number}")
            copy.CRC, copy.compress_size, copy.file_size = first.CRC, first.compress_size, first.file_size
            copy.compress_type, copy.header_offset = first.compress_type, first.header_offset
            archive.filelist.append(copy)
    return out.getvalue()


def sheets() -> Made:
    def with_rows(xml: str) -> bytes:
        return zipped(parts({"S": sheet_xml(FOUR).replace("</sheetData>", xml + "</sheetData>")}))

    far = f'<row r="1048576"><c r="{column(16384)}1048576" t="str"><v>x</v></c></row>'
    yield ".xlsx", with_rows(far), ASIDE
    yield ".xlsx", with_rows('<row r="1048576"><c r="A1048576" t="str"><v>x</v></c></row>'), ANY
    yield ".xlsx", with_rows('<row r="99999999999"><c r="A99999999999" t="str"><v>x</v></c></row>'), ANY
    yield ".xlsx", with_rows('<row r="0"><c r="0"><v>x</v></c></row>'), ANY
    yield ".xlsx", with_rows('<row r="3"><c r="A3" t="s"><v>99999999</v></c></row>'), ANY
    yield ".xlsx", with_rows('<row r="3"><c r="A3" t="d"><v>9999-99-99</v></c></row>'), ANY
    yield ".xlsx", with_rows("<row>" * 5000), ANY
    yield ".xlsx", workbook({"S": [FOUR[0], ["x" * 900_000, "jane@example.org", "IE", "yes"]]}), (0, 1)
    yield ".xlsx", workbook({"S": [[f"c{n}" for n in range(5000)]]}), ASIDE
    yield ".xlsx", workbook({"S": [*FOUR, *[["J"] * 150] * 1500]}), ANY
    yield ".xlsx", zipped(parts({"S": sheet_xml(FOUR, "A1:XFD1048576")})), (1, 0)
    yield ".xlsx", zipped(parts({f"S{n}": sheet_xml([]) for n in range(300)})), ASIDE
    yield ".xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 10_000, ASIDE
    yield ".xlsx", b"<html><table>", ASIDE


def cut_and_flipped() -> Made:
    good = {
        ".csv": (HEAD + JANE * 5).encode(),
        ".json": json.dumps([{"name": "J", "email": "j@example.org", "consent": "yes"}] * 5).encode(),
        ".yaml": b"- name: J\n  email: j@example.org\n  consent: yes\n" * 5, ".jsonl": row() * 5,
    }  # fmt: skip
    for ending, content in good.items():
        for _ in range(6):
            flipped = bytearray(content[: RANDOM.randrange(1, len(content))])
            flipped[RANDOM.randrange(len(flipped))] ^= 1 << RANDOM.randrange(8)
            yield ending, bytes(flipped), ANY


def disguises() -> Made:
    book, elf = workbook({"S": FOUR}), b"\x7fELF" + struct.pack("<60B", *range(60))
    yield ".csv", book, ASIDE
    yield ".csv", elf, ASIDE
    yield ".csv", b"%PDF-1.4\n", ASIDE
    yield ".csv", b"<!DOCTYPE html><table><tr><td>name</td></tr></table>", ASIDE
    yield ".json", book, ASIDE
    yield ".yaml", b"\x89PNG\r\n\x1a\n", ASIDE
    yield ".xlsx", (HEAD + JANE).encode(), ASIDE
    yield ".xls", book, ASIDE
    yield ".csv.exe", (HEAD + JANE).encode(), ASIDE
    yield ".ods", book, ASIDE
    yield ".jsonl", (HEAD + JANE).encode(), (0, 2)
    yield ".csv", row(), ASIDE


def empty() -> Made:
    for ending in (".csv", ".txt", ".json", ".xlsx"):
        yield ending, b"", ASIDE
    yield ".jsonl", b"", (0, 0)
    yield ".yaml", b"", (0, 0)
    yield ".csv", b"\xef\xbb\xbf", ASIDE
    yield ".csv", b"\n \n,,,\n", ASIDE
    yield ".csv", HEAD.encode(), (0, 0)


def own_columns() -> Made:
    yield ".csv", b"name,email,consent,to,cc,target\nJane,jane@example.org,yes,x@evil.example,y@evil.example,x\n", (1, 0)
    yield ".jsonl", row(to="x@evil.example", template="../../etc/passwd", sender="x@evil.example", __class__="x"), (1, 0)
    yield ".json", b'{"campaign": "other", "data": [{"name": "J", "email": "j@example.org", "consent": "yes"}]}', (1, 0)


def slow_dates_and_words() -> Made:
    yield ".jsonl", row(date="1" * 90_000) + row(date="0/" * 40_000) + row(date="January " * 12_000), (0, 3)
    yield ".jsonl", row(country="(" * 90_000) + row(country="," * 90_000) + row(country="a " * 40_000), (0, 3)
    yield ".jsonl", row(consent="yes " * 20_000) + row(consent="no" * 40_000), (1, 1)
    yield ".jsonl", row(email="a" * 90_000 + "@example.org") + row(email="@" * 90_000) + row(email="a." * 40_000 + "b"), (0, 3)
    yield ".csv", ("name,email,consent," + "(" * 100_000 + "\n" + JANE).encode(), ANY
    yield ".csv", ("name,email,consent," + "name " * 100_000 + "\n" + JANE).encode(), ANY
    yield ".jsonl", row(name="\u0301" * 90_000) + row(message="\u1100\u1161" * 2600), ANY
    yield ".jsonl", b"".join(json.dumps({f"name{n}": "x", f"e{n}": "y"}).encode() + b"\n" for n in range(5000)), (0, 5000)


KINDS: dict[str, Callable[[], Made]] = {
    "a line without end": long_lines, "a million columns": wide_rows, "open quotation": quotations, "NUL": nulls,
    "control characters": controls, "headers and addresses": headers_and_mail, "templates and formulas": templates_and_formulas,
    "keys twice": keys_twice, "depth": depth, "huge numbers": numbers, "a million values": many_values,
    "anchors and entities": anchors_and_entities, "encodings": encodings, "gzip bombs": gzips, "zip bombs": zips,
    "sheets": sheets, "cut and flipped": cut_and_flipped, "disguises": disguises, "empty": empty, "own columns": own_columns,
    "slow texts": slow_dates_and_words,
}  # fmt: skip


# Reading them


def read_all(folder: Path) -> Iterator[tuple[Attack, Come, float, int]]:
    """Read each in a process of its own: what it came to, seconds of processor time, bytes of memory (its child's, if more)."""
    with _reader(folder) as reader:
        assert reader.stdin is not None and reader.stdout is not None
        for attack in attacks():
            path = folder / attack.name
            attack.write(path)
            print(path, file=reader.stdin, flush=True)
            come, seconds, memory = json.loads(reader.stdout.readline())
            yield attack, said_of(come), seconds, memory
            path.unlink()


def _reader(folder: Path) -> subprocess.Popen[str]:
    """
    A process that reads each path that it is told in a process of its own, and ends when it is told no more. A fresh one: a
    fork would hold what the tests before have grown, and leave nothing of the limit to the file.
    """
    started = [sys.executable, "-m", "tests.attacks", str(folder)]
    return subprocess.Popen(started, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])


def _read_what_is_told(folder: Path) -> None:
    campaign = _campaign(folder)
    for line in sys.stdin:
        print(json.dumps(_in_a_process(Path(line.rstrip("\n")), campaign)), flush=True)


def _campaign(folder: Path) -> Campaign:
    from mailer import country
    from mailer.config import load
    from tests.installed import Place

    made = Place(folder / "instance", "pace: none\n")
    path = made.root / "config/campaigns/c.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("consent: assumed", "consent: required"), encoding="utf-8")
    country.code("Deutschland")  # what is loaded once in a process is not counted for each file
    return load(made.root / "config/mailer.yaml", {}).campaigns["c"]


def _in_a_process(path: Path, campaign: Campaign) -> tuple[Come, float, int]:
    ours, its = os.pipe()
    if not (pid := os.fork()):
        os.close(ours)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.write(its, json.dumps(_come(path, campaign)).encode())
        os._exit(0)
    os.close(its)
    with os.fdopen(ours, "rb") as pipe:
        said = pipe.read()
    _, status, used = os.wait4(pid, 0)
    come, child = json.loads(said) if said else (f"died of {status}", 0)
    return come, used.ru_utime + used.ru_stime, max(used.ru_maxrss, child) << 10


def said_of(come: str | list[int]) -> Come:
    return come if isinstance(come, str) else (come[0], come[1])


def _come(path: Path, campaign: Campaign) -> tuple[Come, int]:
    from mailer import reading
    from mailer.errors import UnreadableFile

    good = bad = 0
    come: Come
    try:
        with path.open("rb") as stream:
            for one in reading.of(stream, path.name, campaign, date(2012, 1, 1)).rows():
                good, bad = good + (one.signed is not None), bad + (one.signed is None)
                assert one.signed or one.reason
        come = (good, bad)
    except UnreadableFile as refused:
        come = ASIDE if refused.reason else "no reason"
    except BaseException as crash:  # noqa: BLE001  whatever it is, it is the finding
        come = f"crashed: {type(crash).__name__}: {crash}"[:200]
    return come, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def main() -> None:
    """Print the table by class."""
    import tempfile

    rows: dict[str, list[tuple[Attack, Come, float, int]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for found in read_all(Path(folder)):
            rows.setdefault(found[0].kind, []).append(found)
    print(f"{'class':24} {'files':>5} {'aside':>5} {'read':>5} {'wrong':>5} {'longest s':>9} {'most MB':>7}")
    for kind, group in rows.items():
        asides = sum(come == ASIDE for _, come, _, _ in group)
        wrong = [(attack.name, come) for attack, come, _, _ in group if not is_right(attack, come)]
        longest, most = max(seconds for _, _, seconds, _ in group), max(memory for _, _, _, memory in group) >> 20
        print(f"{kind:24} {len(group):5} {asides:5} {len(group) - asides:5} {len(wrong):5} {longest:9.2f} {most:7}", *wrong)
    print(f"{sum(map(len, rows.values()))} files in {len(rows)} classes")


def is_right(attack: Attack, come: Come) -> bool:
    """Whether a file came to what it must."""
    return come == ASIDE or isinstance(come, tuple) if attack.comes_to == ANY else come == attack.comes_to


if __name__ == "__main__":
    _read_what_is_told(Path(sys.argv[1])) if sys.argv[1:] else main()
