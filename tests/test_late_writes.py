"""
Whoever still holds a file that was taken in: what is written to it late is taken in too, and nothing in `done/` changes by it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.installed import Place, at_work
from tests.servers.available import wait

HEAD = "name,email,country\n"


def rows(first: int, last: int) -> str:
    return "".join(f"Person {number},person.{number}@example.org,IE\n" for number in range(first, last + 1))


def done(place: Place) -> dict[str, str]:
    return {path.name: path.read_text("utf-8-sig") for path in (place.root / "var/queue/done").iterdir()}


def read(place: Place) -> list[Path]:
    return sorted((place.root / "var/queue/claimed/.read").iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "instance", "pace: none\n")


def test_an_upload_that_stood_still_and_goes_on_loses_nobody(place):
    with place.put("slow.csv", HEAD).open("a") as upload:
        upload.write(rows(1, 5))
        upload.flush()
        assert "file 1: 5 rows, 5 taken" in place.mailer("run").out
        upload.write(rows(6, 10))
    said = place.mailer("run")
    assert "file 2: 10 rows, 5 taken, 5 known, 0 rejected; once more, for it was written to after it had been read" in said.out
    assert "file 2 is file 1 once more" in said.err
    assert place.letters("accepted") == 10
    assert done(place) == {"slow.csv": HEAD + rows(1, 5), "slow-2.csv": HEAD + rows(1, 10)}
    assert "No letter was sent." in place.mailer("run").out
    assert len(read(place)) == 1
    for command in ("verify", "health"):
        assert place.mailer(command).code == 0


def test_a_worker_takes_in_what_comes_late(place, tmp_path):
    with at_work(place.root, tmp_path) as worker, place.put("slow.csv", HEAD + rows(1, 1)).open("a") as upload:
        assert wait(lambda: place.letters("accepted") == 1)
        upload.write(rows(2, 2))
        upload.flush()
        assert wait(lambda: place.letters("accepted") == 2)
        upload.write(rows(3, 3))
        upload.flush()
        assert wait(lambda: place.letters("accepted") == 3)
        assert worker.end().code == 0


def test_it_waits_for_a_late_writer_as_for_any_upload(place):
    """Each write behind a claim would be a reading else, and a file more in `done/`."""
    path = place.put("slow.csv", HEAD + rows(1, 1))
    with path.open("a") as upload:
        place.mailer("run")
        place.write("config/mailer.yaml", "whole_after: 3600\nrun_for: 1\n")
        upload.write(rows(2, 2))
        upload.flush()
        assert place.letters("accepted") == 1
        assert "slow.csv" not in place.mailer("run").out
        place.write("config/mailer.yaml", "whole_after: 0\n")
    assert "file 2: 2 rows, 1 taken, 1 known" in place.mailer("run").out


def test_nobody_changes_what_stands_in_done_by_a_handle_from_before(place):
    path = place.put("list.csv", HEAD + rows(1, 3))
    with path.open("r+") as handle:
        assert place.mailer("run").code == 0
        kept = place.root / "var/queue/done/list.csv"
        assert (kept.stat().st_ino, kept.stat().st_mode & 0o777) != (os.fstat(handle.fileno()).st_ino, 0o660)
        handle.write(HEAD + rows(7, 7))
        handle.truncate()
    assert kept.read_text() == HEAD + rows(1, 3)
    assert "1 taken" in place.mailer("run").out
    assert done(place) == {"list.csv": HEAD + rows(1, 3), "list-2.csv": HEAD + rows(7, 7)}
    assert place.letters("accepted") == 4


def test_what_a_late_write_makes_unreadable_is_set_aside_with_its_reason(place):
    with place.put("list.csv", HEAD + rows(1, 1)).open("r+") as handle:
        place.mailer("run")
        handle.write("no,heading\n")
        handle.truncate()
    assert place.mailer("run").code == 65
    assert sorted(os.listdir(place.root / "var/queue/rejected")) == ["list.csv", "list.csv.reason.txt"]
    assert place.mailer("verify").code == 0


def test_an_erasure_waits_for_no_hour_and_a_late_row_is_not_overlooked(place):
    with place.put("list.csv", HEAD + rows(1, 1)).open("a") as upload:
        place.mailer("run")
        assert place.mailer("erase", "person.1@example.org").code == 0
        assert read(place) == []
    with place.put("slow.csv", HEAD + rows(2, 2)).open("a") as upload:
        place.mailer("run")
        upload.write(rows(3, 3))
    said = place.mailer("erase", "person.3@example.org")
    assert said.code == 75
    assert "1 file written to since being read may hold this person" in said.err
    assert place.mailer("run").code == 0
    held = [path for path in (place.root / "var").rglob("*") if path.is_file() and b"person.3@" in path.read_bytes()]
    assert held == []
    assert list(done(place)) == ["slow.csv"]
    assert place.mailer("health").code == place.mailer("verify").code == 0
