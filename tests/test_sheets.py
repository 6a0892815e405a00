"""
Signature files as rows.

Each awkward file in `data/sheets` has beside it what is expected of it (`.expected`): the rows with their lines, or the
words of the reason why it cannot be read. A problem is expected by a part of its sentence.
"""

import csv
import gzip
import io
import json
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailer import columns, sheets
from mailer.errors import UnreadableFile
from mailer.sheets import json_file, yaml_file
from mailer.sheets.sheet import CELL, COLUMNS, RECORD
from tests.workbooks import workbook

FILES = sorted((Path(__file__).parent / "data" / "sheets").iterdir())
CASES = [path for path in FILES if path.suffix != ".expected" and path.name != ".gitattributes"]
NAMES = ["x.csv", "x.json", "x.jsonl", "x.yaml"]


def read(content: bytes | str, name: str = "x.csv") -> sheets.Sheet:
    return sheets.read(io.BytesIO(content.encode() if isinstance(content, str) else content), name, known=columns.is_known)


def rows(content: bytes | str, name: str = "x.csv") -> list[sheets.Row]:
    return list(read(content, name).rows)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.name)
def test_an_awkward_file_is_read_as_the_file_beside_it_says(path):
    expected = json.loads(path.with_name(f"{path.name}.expected").read_text(encoding="utf-8"))
    if "unreadable" in expected:
        with pytest.raises(UnreadableFile) as caught:
            read(path.read_bytes(), path.name)
        assert [words for words in expected["unreadable"] if words not in caught.value.reason] == [], caught.value.reason
        return
    sheet = read(path.read_bytes(), path.name)
    found = list(sheet.rows)
    assert (list(sheet.header) if sheet.header else None) == expected["header"]
    assert [(row.line, dict(row.cells)) for row in found] == [(row["line"], row["cells"]) for row in expected["rows"]]
    for row, wanted in zip(found, expected["rows"], strict=True):
        if "problem" in wanted:
            assert row.problem is not None
            assert wanted["problem"] in row.problem
        else:
            assert row.problem is None


@pytest.mark.parametrize("name", ["csv", ".csv", "signatures", "signatures.", "signatures.csv.bak", ""])
def test_a_name_without_a_form_is_refused_with_the_forms_that_are_read(name):
    with pytest.raises(UnreadableFile, match=r"accepted are \.xlsx, \.csv"):
        read("Name,Email\n", name)


def test_a_sheet_says_its_form_and_its_encoding():
    assert (read("Name,Email\n").form, read("Name,Email\n").encoding) == ("csv", "utf-8")
    assert (read(b"\xef\xbb\xbf[]", "x.JSON").form, read(b"\xef\xbb\xbf[]", "x.JSON").encoding) == ("json", "utf-8-sig")
    assert (read("", "x.ndjson").form, read("", "x.yml").form) == ("jsonl", "yaml")


# Promises for any content


@given(content=st.binary(max_size=300), name=st.sampled_from(NAMES))
def test_any_bytes_are_rows_or_one_reason_before_the_first_row(content, name):
    assert_readable_or_refused(content, name)


@given(content=st.binary(max_size=300), name=st.sampled_from([*NAMES, "x.windows-1251.csv", "x.koi8-r.jsonl", "x.utf-16.yaml"]))
def test_any_bytes_packed_or_under_a_named_encoding_are_rows_or_one_reason(content, name):
    for packed, called in ((content, name), (gzip.compress(content), f"{name}.gz"), (content, f"{name}.gz")):
        try:
            assert all(row.problem or row.cells for row in read(packed, called).rows)
        except UnreadableFile as refused:
            assert refused.reason


@settings(max_examples=20, deadline=None)
@given(flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 7)), max_size=8), cut=st.integers(0, 10_000))
def test_any_bytes_in_a_workbook_are_rows_or_one_reason(flips, cut):
    content = bytearray(workbook({"S": [["Name", "Email"], ["Jane Doe", "jane@example.org"]]}))
    for at, bit in flips:
        content[at % len(content)] ^= 1 << bit
    try:
        assert all(row.problem or row.cells for row in read(bytes(content[: len(content) - cut % 400]), "x.xlsx").rows)
    except UnreadableFile as refused:
        assert refused.reason


@given(content=st.text(alphabet='ab,;\t|"\n\r =@.sepSEP\0\ufeff', max_size=80))
@example(content='a,b\n"')
@example(content='"a" b,c\nd')
def test_any_text_is_csv_or_one_reason(content):
    assert_readable_or_refused(content.encode(), "x.csv")


@given(content=st.text(alphabet='[]{}:,"\\un08d- \n\rtrefalsN', max_size=80), name=st.sampled_from(["x.json", "x.jsonl"]))
@example(content='{"data":', name="x.json")
@example(content='{"data":[ ]}', name="x.json")
def test_any_text_is_json_or_a_reason(content, name):
    assert_readable_or_refused(content.encode(), name)


@given(content=st.text(alphabet="[]{}:,\"'\\xU08d- \n\t&*!?|>~#%@a", max_size=80))
@example(content='"\\ud800"')
@example(content='- "\\UFFFFFFFF"')
@example(content="%YAML 3.0\n---\na")
def test_any_text_is_yaml_or_one_reason(content):
    assert_readable_or_refused(content.encode(), "x.yaml")


def assert_readable_or_refused(content, name):
    try:
        sheet = read(content, name)
    except UnreadableFile as refused:
        assert refused.reason
        return
    last, ends = 0, "\n\r\x85\u2028\u2029" if sheet.form == "yaml" else "\n\r"
    for row in sheet.rows:
        assert row.problem or "".join(row.cells.values()).strip(), "a blank row is no row"
        assert all("".join(pair).encode() is not None for pair in row.cells.items()), "every text can be written again"
        assert last <= row.line <= sum(content.count(end.encode()) for end in ends) + 1
        last = row.line


@given(content=st.text(alphabet='abc,;"\n\r @.', max_size=120))
@example(content='a,b\n"c,a@b.c\na,b\n"c",a\n')
@example(content='a,b\n"c,a@b.c\na6",b\n')
def test_no_letter_of_a_csv_is_swallowed(content):
    try:
        sheet = read(content)
    except UnreadableFile:
        return
    taken = list(sheet.header or ()) + [text for row in sheet.rows for text in row.cells.values()]
    assert letters("".join(taken)) == letters(content)


def letters(text):
    return Counter(character for character in text if character.isalpha())


CELLS = st.text(alphabet='aé,;\t|"\r\n ', max_size=6)


@given(
    table=st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r", "\r\n"]),
    mark=st.sampled_from(["", "\ufeff"]),
)
def test_what_a_csv_writer_wrote_is_read_back_with_its_lines(table, delimiter, end, mark):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["Name", "Email", "City"])
    expected = []
    for cells in table:
        line = len(io.StringIO(out.getvalue(), newline=None).readlines()) + 1
        writer.writerow(cells)
        if "".join(cells).strip():
            expected.append((line, cells))
    found = rows(mark + out.getvalue())
    assert [(row.line, list(row.cells.values())) for row in found] == expected
    assert all(row.problem is None for row in found)


OBJECTS = st.lists(
    st.dictionaries(st.text(max_size=4), st.text(max_size=4) | st.booleans() | st.none() | st.integers(), max_size=4),
    max_size=5,
)


@given(objects=OBJECTS, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_json_json_lines_and_yaml_of_the_same_objects_hold_the_same_rows(objects, ascii_only, indent):
    as_json = rows(encoded(json.dumps(objects, ensure_ascii=ascii_only, indent=indent)), "x.json")
    lines = "\n".join(json.dumps(each, ensure_ascii=ascii_only) for each in objects)
    as_lines = rows(encoded(lines), "x.jsonl")
    assert [(row.cells, row.problem) for row in as_json] == [(row.cells, row.problem) for row in as_lines]
    assert len(as_json) == sum(any(said(value).strip() for value in each.values()) for each in objects)


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def said(value: object) -> str:
    return "" if value is None else str(value)


@given(
    objects=st.lists(st.dictionaries(st.text("abNO0~é:", min_size=1, max_size=4), st.text("abNO0~é: ", max_size=4)), max_size=4)
)
def test_yaml_gives_the_texts_that_json_gives(objects):
    text = json.dumps(objects, ensure_ascii=False)  # JSON is YAML
    assert [row.cells for row in rows(text, "x.yaml")] == [row.cells for row in rows(text, "x.json")]


# Bounds


def test_a_cell_may_have_its_full_length_and_not_one_character_more():
    good, bad = rows(f"Name,Message\nJane,{'x' * CELL}\nJoe,{'x' * (CELL + 1)}\n")
    assert good.problem is None
    assert "«Message» holds 100001 characters" in (bad.problem or "")


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.yaml"])
def test_too_many_keys_or_characters_are_that_rows_problem(name):
    wide = json.dumps({f"k{n}": "x" for n in range(COLUMNS + 1)})
    long = json.dumps({"name": "x" * (CELL + 1)})
    heavy = json.dumps({f"k{n}": "x" * 9_999 for n in range(101)})
    fine = json.dumps({"name": "Jane Doe"})
    content = "\n".join([wide, long, heavy, fine]) if name == "x.jsonl" else f"[{wide},\n{long},\n{heavy},\n{fine}]"
    problems = [row.problem or "" for row in rows(content, name)]
    assert ["201 columns" in problems[0], "characters" in problems[1], "1000000" in problems[2], problems[3]] == [True] * 3 + [
        ""
    ]
    assert [row.line for row in rows(content, name)] == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["x.json", "x.jsonl", "x.yaml", "x.csv"])
def test_of_a_row_that_is_too_wide_no_more_is_kept_than_may_be_read(name):
    wide = json.dumps({f"k{n}": "x" for n in range(COLUMNS * 5)})
    content = f"Name,Email\n{',' * COLUMNS * 5}x\n" if name == "x.csv" else wide
    (row,) = rows(content, name)
    assert "columns; at most 200" in (row.problem or "")
    assert len(row.cells) <= COLUMNS


def test_a_csv_row_without_end_names_the_line_where_it_starts():
    for endless in ('"Jane\n' + "x,y\n" * (RECORD // 4), "Jane," + "x" * RECORD, '"' + "x" * RECORD + '"'):
        with pytest.raises(UnreadableFile, match="starts in line 3 does not end"):
            read(f"Name,Email\nJoe,joe@example.org\n{endless}\nAnn,ann@example.org\n")


@pytest.mark.parametrize(("name", "most"), [("x.json", json_file._MOST), ("x.yaml", yaml_file._MOST)])
def test_a_large_file_that_cannot_be_streamed_is_refused_with_what_to_do(name, most):
    with pytest.raises(UnreadableFile, match="JSON Lines"):
        sheets.read(io.BufferedReader(Repeated(b" ", most + 1)), name)


class Repeated(io.RawIOBase):
    """A file of one byte, as often as wanted, that takes no memory."""

    def __init__(self, byte: bytes, size: int) -> None:
        self.byte, self.size, self.at = byte, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def readinto(self, buffer) -> int:
        length = min(len(buffer), self.size - self.at)
        buffer[:length] = self.byte * length
        self.at += length
        return length


@pytest.mark.parametrize(("name", "byte"), [("x.csv", b"x"), ("x.csv", b","), ("x.csv", b'"'), ("x.jsonl", b"[")])
def test_a_line_of_30_mb_takes_no_memory_to_speak_of(name, byte):
    stream = io.BufferedReader(Repeated(byte, 30_000_000))
    with peak() as most:
        try:
            found = list(sheets.read(stream, name, known=columns.is_known).rows)
            assert ["longer than 1000000" in (row.problem or "") for row in found] == [True]
        except UnreadableFile as refused:
            assert "line 1" in refused.reason
    assert most() < 25_000_000


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl"])
def test_a_file_of_any_length_is_streamed_in_flat_memory(name):
    line = b"Jane Doe,jane@example.org\n" if name == "x.csv" else b'{"Name": "Jane Doe", "Email": "jane@example.org"}\n'
    stream = io.BytesIO((b"Name,Email\n" if name == "x.csv" else b"") + line * 20_000)
    with peak() as most:
        assert sum(1 for _ in sheets.read(stream, name, known=columns.is_known).rows) == 20_000
    assert most() < 800_000


class peak:
    """Within the block: the most memory that Python took, asked for by calling it."""

    def __enter__(self):
        tracemalloc.start()
        return lambda: self.most

    def __exit__(self, *_):
        self.most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()


def test_hundred_thousand_rows_behind_a_stray_quotation_are_read_in_one_pass():
    content = 'Name,Email\n"Joe" Roe,joe@example.org\n' + 'a","b\n' * 150_000 + 'x"\n'
    assert all(row.problem for row in rows(content))


# The stream


def test_the_stream_stays_open_when_the_rows_are_let_go():
    stream = io.BytesIO(b"Name,Email\nJane Doe,jane@example.org\nJoe Roe,joe@example.org\n")
    sheet = sheets.read(stream, "x.csv")
    next(sheet.rows)
    del sheet
    assert not stream.closed


def test_a_stream_closed_before_the_last_row_leaves_no_trace():
    stream = io.BytesIO(b"Name,Email\nJane Doe,jane@example.org\nJoe Roe,joe@example.org\n")
    sheet = sheets.read(stream, "x.csv")
    next(sheet.rows)
    stream.close()
    del sheet


def test_a_file_that_changes_while_it_is_read_says_so():
    stream = io.BytesIO(b"Name,Email\n" + b"Jane Doe,jane@example.org\n" * 1000)
    sheet = sheets.read(stream, "x.csv", known=columns.is_known)
    at = stream.tell()
    stream.seek(20_000)
    stream.write(b"\xff")
    stream.seek(at)
    with pytest.raises(UnreadableFile, match="changed"):
        list(sheet.rows)


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_bad_byte_far_down_is_found_before_the_first_row_and_its_line_is_right(end):
    good = b"Name,Email" + end + (b"Jane Doe,jane@example.org" + end) * 49_999 + "Zoë,zoe@example.org".encode() + end
    with pytest.raises(UnreadableFile, match=rf"line 50002 on \(byte {len(good) + 3}\)"):
        read(good + b"Jos\xe9,jose@example.org" + end)


def test_without_known_headings_the_delimiter_is_that_of_most_cells():
    sheet = sheets.read(io.BytesIO("Имя;Почта, адрес;Город\n".encode()), "x.csv")
    assert sheet.header == ("Имя", "Почта, адрес", "Город")


def test_the_interpreters_field_limit_is_only_ever_raised():
    assert csv.field_size_limit() >= RECORD


def test_rows_whose_own_keys_are_endless_cost_no_memory():
    """What a key was taken for is remembered: hundreds of long ones, a row each, would be kept whole."""
    good = json.dumps({"name": "Jane", "email": "jane@example.org"})
    bad = json.dumps({"name": "Joan", "k" * 150_000: "x"})
    rows = list(read(f"{good}\n{bad}\n{good}\n", "list.jsonl").rows)
    assert [row.problem is None for row in rows] == [True, False, True]
    assert "longer than 30000 characters together" in str(rows[1].problem)
    assert sum(map(len, rows[1].cells)) < 200 and rows[1].cells["name… 0"] == "Joan"
