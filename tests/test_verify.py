"""`mailer verify`: chain, file, ledger and queue folders laid against each other; each way in which they may differ is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from mailer.instance import Lock
from tests.installed import that_has_sent


@pytest.fixture
def place(tmp_path):
    return that_has_sent(3, tmp_path)


def sql(*statements: str) -> Callable[[Path], None]:
    def change(var: Path) -> None:
        db = apsw.Connection(str(var / "ledger.db"))
        for statement in statements:
            db.execute(statement)
        db.close()

    return change


def edit(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def changed(var: Path) -> None:
        file = var / "journal.jsonl"
        file.write_text("".join(change(file.read_text().splitlines(keepends=True))))

    return changed


def claimed(var: Path) -> None:
    (var / "queue/claimed/01J8ZK3S4T5V6W7X8Y9Z0A1B2C._.list.csv").write_text("name,email\n")


DIFFERENCES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a letter that the journal does not know": (sql("UPDATE letter SET state = 'refused' WHERE id = 1"), "letter 1 is refused"),
    "a line that was changed": (
        sql("UPDATE journal SET line = replace(line, 'accepted', 'refused') WHERE seq = 3"),
        "journal.jsonl:3: this line is not",
    ),
    "a line that is missing": (sql("DELETE FROM journal WHERE seq = 2"), "the journal's table, line 3"),
    "an attempt that was taken away": (sql("DELETE FROM attempt WHERE letter = 2"), "letter 2 is accepted, but no attempt"),
    "a changed line of the file": (
        edit(lambda lines: [*lines[:2], lines[2].replace("accepted", "refused"), *lines[3:]]),
        "journal.jsonl:3",
    ),
    "a file that goes on": (edit(lambda lines: [*lines, json.dumps({"seq": 99}) + "\n"]), "goes on behind"),
    "a claimed file": (claimed, "claimed/01J8ZK3S4T5V6W7X8Y9Z0A1B2C…: a file was left in the middle"),
    "a claimed file that is gone": (
        sql("UPDATE file SET state = 'reading' WHERE id = 1"),
        "file 1 was being taken in, and is not in claimed/ any more",
    ),
    "a signature without a letter": (
        sql("DELETE FROM attempt WHERE letter = 2", "DELETE FROM letter WHERE id = 2"),
        "signature 2 has no letter",
    ),
    "a signature that is gone": (
        sql("DELETE FROM attempt WHERE letter = 2", "DELETE FROM letter WHERE id = 2", "DELETE FROM signature WHERE id = 2"),
        "file 1: 3 signatures were taken in, 2 are there",
    ),
    "a letter that is gone": (
        sql("DELETE FROM attempt WHERE letter = 2", "DELETE FROM letter WHERE id = 2"),
        "letter 2 is not there, but the journal says accepted",
    ),
    "a row that names nobody": (sql("PRAGMA foreign_keys = OFF", "DELETE FROM signature WHERE id = 1"), "table letter, row 1"),
}


def test_where_nothing_differs_it_says_so(place):
    said = place.mailer("verify")
    assert (said.code, said.out) == (0, "The ledger, the journal and the folders agree.\n")


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_each_difference_is_told_and_nothing_is_changed(place, difference):
    change, sentence = DIFFERENCES[difference]
    change(place.root / "var")
    before = (place.root / "var/journal.jsonl").read_bytes()
    said = place.mailer("verify")
    assert said.code == 1
    assert sentence in said.out, said.out
    assert (place.root / "var/journal.jsonl").read_bytes() == before


@pytest.mark.parametrize("left", ["", "whole lines", "a cut line"])
def test_a_journal_s_file_that_lacks_its_last_lines_is_told(place, left):
    """It is no difference: an order writes into the table alone, and the next run appends it. A worker is about to."""
    file = place.root / "var/journal.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    kept = {"": "", "whole lines": "".join(lines[:2]), "a cut line": "".join(lines[:2]) + lines[2][:9]}[left]
    file.write_text(kept)
    told = f"journal.jsonl is behind the ledger by {len(lines) - kept.count(chr(10))} lines: mailer run writes them"
    said = place.mailer("verify")
    assert (said.code, told in said.err) == (0, True), said
    with Lock(place.root / "var/lock") as lock:
        assert lock.acquire()
        assert "behind" not in place.mailer("verify").err
    assert place.mailer("run").code == 0
    assert "behind" not in place.mailer("verify").err
    assert file.read_text().startswith("".join(lines))


def test_beside_a_worker_a_file_that_it_is_taking_in_is_no_difference(place):
    claimed(place.root / "var")
    with Lock(place.root / "var/lock") as lock:
        assert lock.acquire()
        assert place.mailer("verify").code == 0
    assert place.mailer("verify").code == 1


def test_a_claimed_file_is_finished_by_the_next_run(place):
    claimed(place.root / "var")
    assert place.mailer("run").code in {0, 65}
    assert place.mailer("verify").code == 0


def test_a_journal_file_that_two_have_appended_to_is_moved_aside_and_written_anew(place):
    file = place.root / "var/journal.jsonl"
    sound = file.read_bytes()
    lines = sound.splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:3], *lines[1:]]))
    assert place.mailer("run").code in {0, 65}  # its last line is the table's: nothing is stopped
    said = place.mailer("verify")
    assert said.code == 1
    assert "move the file aside, keep it, and the next run writes it anew from the ledger" in said.out
    file.rename(file.with_name("journal.aside.jsonl"))
    assert place.mailer("run").code in {0, 65}
    assert place.mailer("verify").code == 0
    assert file.read_bytes().startswith(sound)
