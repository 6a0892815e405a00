"""
Excel workbooks: what their cells come to, which sheet is taken, and that the process that reads them can harm nobody.
"""

import contextlib
import fcntl
import io
import os
import signal
import subprocess
import sys
import time
from datetime import date, datetime
from pathlib import Path

import pytest

from mailer import columns, sheets
from mailer.errors import UnreadableFile
from mailer.sheets import workbook as workbooks
from mailer.sheets import workbook_child
from tests.installed import TIMEOUT, Place
from tests.workbooks import Cell, Xml, column, parts, sheet_xml, workbook, zipped

HEAD = ["Name", "Email", "Country"]
JANE = ["Jane Doe", "jane@example.org", "IE"]


def read(content: bytes, name: str = "x.xlsx") -> sheets.Sheet:
    return sheets.read(io.BytesIO(content), name, known=columns.is_known)


def cells(*row: Cell) -> list[str]:
    """What the cells of one row come to."""
    content = workbook({"S": [[f"q{n}" for n in range(len(row))], list(row)]})
    return list(next(iter(read(content).rows)).cells.values())


def test_cells_become_the_texts_that_a_person_would_type():
    assert cells("Jane", 79161234567, 3.5, True, False, date(2011, 9, 20), datetime.fromisoformat("2011-09-20T10:05")) == [
        *("Jane", "79161234567", "3.5", "true", "false", "2011-09-20", "2011-09-20 10:05:00"),
    ]


def test_a_formula_is_its_last_value_and_an_error_is_empty():
    formula, error = Xml('<c t="str"><f>A1&amp;B1</f><v>Jane Doe</v></c>'), Xml('<c t="e"><v>#N/A</v></c>')
    assert cells("x", formula, error, Xml("<c><f>1+1</f></c>"), 7) == ["x", "Jane Doe", "", "", "7"]


def test_a_text_keeps_its_lines_its_spaces_and_its_script():
    assert cells(" a\nb ", "Есенбек Өктешбаев", "𝓙ane", "<&>") == [" a\nb ", "Есенбек Өктешбаев", "𝓙ane", "<&>"]


def test_rows_have_the_numbers_that_excel_shows_and_blank_ones_are_none():
    content = workbook({"S": [[], [], [None, *HEAD], [], [None, *JANE], [None, "", " ", ""], [None, "Joe", "j@example.org"]]})
    assert [(row.line, row.cells["Name"]) for row in read(content).rows] == [(5, "Jane Doe"), (7, "Joe")]


def test_the_first_sheet_that_holds_anything_is_taken_and_no_hidden_one():
    content = workbook({"Empty": [], "Notes": [HEAD], "S": [HEAD, JANE]}, hidden=["Notes"])
    assert read(content).part == "S"


def test_the_name_of_the_file_may_name_a_sheet():
    content = workbook({"First": [HEAD, JANE], "Ответы (1)": [HEAD, ["Joe", "joe@example.org"]]})
    assert [row.cells["Name"] for row in read(content, "list.ответы (1).xlsx").rows] == ["Joe"]
    assert [row.cells["Name"] for row in read(content, "list.2011.xlsx").rows] == ["Jane Doe"]


def test_text_under_no_heading_is_that_rows_problem():
    (row,) = read(workbook({"S": [HEAD, [*JANE, "", "stray"]]})).rows
    assert "column without a heading: «stray»" in (row.problem or "")


def test_a_heading_that_stands_twice_is_refused():
    with pytest.raises(UnreadableFile, match="both called «Email»"):
        read(workbook({"S": [["Name", "Email", "Email"]]}))


def test_a_row_that_is_too_long_is_that_rows_problem():
    first, second = read(workbook({"S": [HEAD, ["x" * 600_000, "y" * 600_000], JANE]})).rows
    assert (first.line, first.problem, second.problem) == (2, "the row holds more than 1000000 characters", None)


REFUSED = {
    "text": (b"Name,Email\n", "is none"),
    "encrypted or old": (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "password or in Excel's older format"),
    "another archive": (zipped({"a.txt": "x"}), "another kind of archive"),
    "cut off": (workbook({"S": [HEAD, JANE]})[:-200], "damaged"),
    "empty": (workbook({"S": []}), "is empty"),
    "only spaces": (workbook({"S": [[" ", "  "]]}), "is empty"),
    "no sheet": (zipped(parts({})), "empty|damaged"),
    "broken XML": (zipped(parts({"S": "<worksheet><sheetData><row"})), "damaged|empty"),
    "many parts": (zipped(parts({"S": sheet_xml([HEAD])}) | {f"x{n}": "" for n in range(1001)}), "parts; at most 1000"),
    "bomb": (
        zipped(parts({"S": sheet_xml([HEAD])}) | {"xl/x.xml": " " * (60 << 20)}),
        "unpacked, the workbook holds more than",
    ),
    "wide": (workbook({"S": [["x"] * 300]}), "201 columns; at most 200"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_workbook_is_refused_with_what_to_do(case):
    content, why = REFUSED[case]
    with pytest.raises(UnreadableFile, match=why):
        read(content)


def test_a_workbook_that_says_less_than_it_unpacks_to_is_found_out():
    content = bytearray(zipped(parts({"S": sheet_xml([HEAD])}) | {"xl/x.xml": " " * (60 << 20)}))
    real, told = (60 << 20).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert content.count(real) == 2  # the local header and the directory
    with pytest.raises(UnreadableFile, match=r"damaged|unpacked"):
        read(bytes(content.replace(real, told)))


def test_one_cell_at_the_far_corner_costs_its_row_and_not_the_memory():
    far = f'<row r="1048576"><c r="{column(16384)}1048576" t="str"><v>x</v></c></row></sheetData>'
    content = zipped(parts({"S": sheet_xml([HEAD, JANE]).replace("</sheetData>", far)}))
    with pytest.raises(UnreadableFile, match=r"too much memory|damaged, or too large"):
        list(read(content).rows)


def test_a_workbook_larger_than_is_read_is_refused_before_anything_is_started():
    with pytest.raises(UnreadableFile, match="larger than 32 MB"):
        read(b"PK" + b"\0" * workbooks.MOST)


# The child


def children() -> set[int]:
    return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()}


def test_the_child_ends_with_its_rows_however_many_were_taken():
    before = children()
    content = workbook({"S": [HEAD, *[JANE] * 20_000]})
    assert sum(1 for _ in read(content).rows) == 20_000
    sheet = read(content)
    next(sheet.rows)
    assert len(children() - before) == 1
    del sheet
    assert children() == before


def test_the_child_holds_no_lock_no_file_and_no_environment_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("MAILER_RELAY_PASSWORD", "secret")
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)
        before = children()
        sheet = read(workbook({"S": [HEAD, *[JANE] * 20_000]}))
        next(sheet.rows)
        (child,) = children() - before
        held = {os.readlink(path) for path in Path(f"/proc/{child}/fd").iterdir()}
        assert {name.partition(":")[0] for name in held} == {"pipe", "/dev/null", "/memfd"}
        assert b"secret" not in Path(f"/proc/{child}/environ").read_bytes()
        limits = Path(f"/proc/{child}/limits").read_text(encoding="ascii")
        assert f"Max address space         {workbook_child.MEMORY} " in limits
        assert "Max cpu time              2 " in limits


def test_a_stop_that_reaches_the_child_too_does_not_set_the_file_aside():
    before = children()
    sheet = read(workbook({"S": [HEAD, *[JANE] * 20_000]}))
    next(sheet.rows)
    (child,) = children() - before
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(child, stop)
    assert sum(1 for _ in sheet.rows) == 19_999


def test_a_child_that_is_killed_in_the_middle_is_no_end_of_the_file():
    before = children()
    sheet = read(workbook({"S": [HEAD, *[JANE] * 20_000]}))
    next(sheet.rows)
    (child,) = children() - before
    os.kill(child, signal.SIGKILL)
    with pytest.raises(UnreadableFile, match="cannot be read"):
        list(sheet.rows)


PARENT = """
import os, signal, sys
from mailer import sheets
sheet = sheets.read(open(sys.argv[1], "rb"), "x.xlsx")
next(sheet.rows)
child = int(open(f"/proc/self/task/{os.getpid()}/children").read())
print(child, flush=True)
os.kill(child, signal.SIGSTOP)  # as if it were long at work: it will not see that nobody reads what it writes
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_child_dies_with_a_worker_that_is_killed(tmp_path):
    (tmp_path / "x.xlsx").write_bytes(workbook({"S": [HEAD, *[JANE] * 20_000]}))
    done = subprocess.run(
        [sys.executable, "-c", PARENT, str(tmp_path / "x.xlsx")], stdout=subprocess.PIPE, timeout=TIMEOUT, check=False
    )
    child = int(done.stdout)
    deadline = time.monotonic() + TIMEOUT
    try:
        while _is_alive(child):
            assert time.monotonic() < deadline
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_workbook_is_taken_in_and_known_again(tmp_path):
    place = Place(tmp_path / "instance", "pace: none\n")
    content = workbook({"Sheet1": [HEAD, JANE, ["Joe", "joe@example.org", 7], ["Ann", "ann@example.org", "Norway"]]})
    for _ in range(2):
        place.put("list.xlsx", content)
        assert place.mailer("run", "--intake-only").code == 0
    told = place.mailer("status", "--json").json["campaigns"]["c"]
    assert (told["signatures"], told["duplicates"], told["rejected_rows"]) == (2, 2, 2)
    assert '"3","the country «7» is not known' in (place.root / "var/queue/done/list.rejected.csv").read_text(encoding="utf-8")
