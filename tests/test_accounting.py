"""For every file it is told what became of its rows, and what of these there is more to say; and it adds up."""

from __future__ import annotations

import apsw
import pytest

from tests.installed import Place

CAMPAIGN = "pace: none\nconfirmation: required\n"
MIXED = """\
name,email,confirmed at,withdrawn at
Ann,ann@example.org,2011-09-30,
Bob,bob@example.org,,
Cid,cid@example.org,,
,dan@example.org,,
Eve,eve@example.org,perhaps,
Ann,ann@example.org,2011-09-30,
"""
LATER = """\
name,email,confirmed at,withdrawn at
Bob,bob@example.org,yes,
Cid,cid@example.org,,2011-10-01
Fay,fay@example.org,yes,
Cid,cid@example.org,yes,
"""


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path, CAMPAIGN)
    made.put("mixed.csv", MIXED)
    assert made.mailer("run").code == 0
    return made


def test_each_row_is_counted_once_and_what_there_is_more_to_say_of_it_beside(place):
    place.put("later.csv", LATER)
    said = place.mailer("-v", "run")
    assert "file 2: 4 rows, 1 taken, 3 known, 0 rejected\n" in said.out
    assert "\n  of those known 1 confirmed, 1 withdrawn, 1 left out\n" in said.out
    assert "file 2 (c): 4 rows, 1 taken, 3 known, 0 rejected" in said.err
    assert "file 2: of these 1 confirmed, 1 withdrawn, 1 left out" in said.err
    first, second = place.mailer("status", "--json").json["rows_by_file"]
    counts = dict.fromkeys(["held", "unconfirmed", "confirmed", "withdrawn", "left_out"], 0)
    common = {"campaign": "c", "state": "done", "reason": ""}
    assert first == counts | common | {
        **{"file": 1, "rows": 6, "taken": 3, "known": 1, "rejected": 2, "held": 2, "unconfirmed": 2},
    }
    assert second == counts | common | {
        **{"file": 2, "rows": 4, "taken": 1, "known": 3, "rejected": 0, "confirmed": 1, "withdrawn": 1, "left_out": 1},
    }
    for file in (first, second):
        assert file["rows"] == file["taken"] + file["known"] + file["rejected"]


def test_status_shows_each_file_by_its_name_with_the_columns_that_say_something(place):
    table = place.mailer("status").out.split("Rows of each file:")[1].splitlines()
    assert table[1].split() == ["file", "rows", "taken", "known", "rejected", "held", "not", "confirmed"]
    assert table[3].split() == ["mixed.csv", "6", "3", "1", "2", "2", "2"]


def test_of_many_files_the_newest_are_shown_and_one_that_brought_nobody_by_its_number(place):
    for number in range(9):
        place.put(f"more-{number}.csv", f"name,email\nPerson,person{number}@example.org\n")
    place.put("nobody.csv", "name,email\n,nobody@example.org\n")
    place.mailer("run")
    said = place.mailer("status").out
    assert "Rows of each of the newest 8 files:" in said
    assert "file 11" in said and "mixed.csv" not in said


def test_sums_that_were_written_past_the_tables_checks_are_told(place):
    assert place.mailer("verify").code == 0
    db = apsw.Connection(str(place.root / "var/ledger.db"))
    db.execute("PRAGMA ignore_check_constraints = ON")
    db.execute("UPDATE file SET read = read + 1")
    db.close()
    said = place.mailer("verify")
    assert said.code == 1
    assert "file 1: its rows do not sum up" in said.out


def test_the_journal_tells_the_accounts_of_a_file(place):
    line = next(line for line in (place.root / "var/journal.jsonl").read_text("utf-8").splitlines() if '"event":"file"' in line)
    assert '"rows":6,"taken":3,"known":1,"refused":2,"held":2,"unconfirmed":2' in line


def test_rows_with_an_address_that_looks_mistyped_go_out_and_are_shown_once(tmp_path):
    place = Place(tmp_path, "pace: none\n")
    place.put("slips.csv", "name,email\nAnn,ann@gmial.com\nBob,bob@example.org\n")
    said = place.mailer("run")
    assert "2 taken" in said.out and "done/*.doubtful.csv" in said.err
    assert place.letters("accepted") == 2
    (beside,) = (place.root / "var/queue/done").glob("*.doubtful.csv")
    rows = beside.read_text("utf-8-sig").splitlines()
    assert rows[1].startswith('"2","the e-mail address «ann@gmial.com» looks mistyped, for «ann@gmail.com»') and len(rows) == 2
    place.put("again.csv", "name,email\nAnn,ann@gmial.com\n")
    assert "doubtful" not in place.mailer("run").err
    assert place.mailer("erase", "ann@gmial.com").code == 0
    assert not beside.exists()
