"""
An older copy of an instance put back, in each of the ways in which people do: nothing that went out since goes out again.

Through the command, in a real instance. The copy is what a backup keeps, the ledger and the journal's file, or all of `var/`;
it is put back into the files themselves, as `cp` does, or as new ones under the old names, as `tar` does.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from mailer.chain import Link, link
from mailer.highwater import HighWater
from mailer.instance import file_of
from tests.installed import Place, that_has_sent
from tests.workbooks import workbook

KEPT = ("ledger.db", "journal.jsonl")


@pytest.fixture
def place(tmp_path):
    return that_has_sent(2, tmp_path / "here", name="first.csv")


def into_the_files(backup: Path, var: Path) -> None:
    """As `cp -r` puts it back: the very files, with their old content; what is not in the backup stays."""
    for path in sorted(backup.rglob("*")):
        target = var / path.relative_to(backup)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.touch()
            target.write_bytes(path.read_bytes())


def as_new_files(backup: Path, var: Path) -> None:
    """As `tar x` puts it back: each file is taken away and made anew; what is not in the backup stays."""
    for path in sorted(backup.rglob("*")):
        if not path.is_dir():
            (var / path.relative_to(backup)).unlink(missing_ok=True)
    into_the_files(backup, var)


def as_a_mirror(backup: Path, var: Path) -> None:
    """As `rsync --inplace --delete` does: what is not in the backup is taken away, what is there already keeps its file."""
    for path in sorted(var.rglob("*"), reverse=True):
        if not (backup / path.relative_to(var)).exists() and path.name != "lock":
            path.rmdir() if path.is_dir() else path.unlink()
    into_the_files(backup, var)


def as_a_new_folder(backup: Path, var: Path) -> None:
    """All is taken away, and the backup copied to its place."""
    shutil.rmtree(var)
    shutil.copytree(backup, var)


def the_two_files(place: Place, to: Path) -> Path:
    """What a backup has to keep."""
    to.mkdir()
    for name in KEPT:
        shutil.copy2(place.root / "var" / name, to / name)
    return to


def all_but_letters(place: Place, to: Path) -> Path:
    """The whole of `var/`, but the Maildir, which is the other side's."""
    return Path(shutil.copytree(place.root / "var", to, ignore=lambda _, names: {"sandbox"} & set(names)))


def dropped_now(place: Place, first: int) -> None:
    """A file that was written behind all that was said before."""
    later = time.time() + 3
    os.utime(place.drop(1, f"{first}.csv", first=first), (later, later))


@pytest.mark.parametrize(
    ("copied", "put_back"),
    [
        (the_two_files, into_the_files),
        (the_two_files, as_new_files),
        (all_but_letters, into_the_files),
        (all_but_letters, as_new_files),
        (all_but_letters, as_a_mirror),
        (all_but_letters, as_a_new_folder),
    ],
)
def test_an_older_copy_put_back_sends_nothing_until_told_and_then_nothing_twice(
    place, tmp_path, copied: Callable[[Place, Path], Path], put_back: Callable[[Path, Path], None]
):
    place.drop(3, "second.csv", first=3)
    assert place.mailer("run", "--intake-only").code == 0
    backup = copied(place, tmp_path / "backup")
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 5
    shutil.move(place.root / "var/sandbox", tmp_path / "sandbox")
    put_back(backup, place.root / "var")
    shutil.move(tmp_path / "sandbox", place.root / "var/sandbox")
    for words in (["run"], ["run", "--send-only"]):
        refused = place.mailer(*words)
        assert refused.code == 69, refused
        assert "mailer resume ledger --why TEXT" in refused.err
    assert place.sandboxed() == 5
    assert "resume ledger" in place.mailer("health").out
    assert place.mailer("resume", "ledger", "--why", "the disk died").code == 0
    dropped_now(place, first=6)
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 5 + 1
    assert place.letters("held") == 3
    assert place.mailer("verify").code == 0
    assert place.mailer("run").code == 0  # once told, it is the ledger


@pytest.mark.parametrize("way", ["it came back with the copy", "it is dropped again", "a copy of it is dropped", "edited"])
def test_a_file_that_the_lost_ledger_had_taken_in_is_not_written_for_twice(place, tmp_path, way):
    queue, backup = place.root / "var/queue", the_two_files(place, tmp_path / "backup")
    file = place.drop(2, "second.csv", first=3)
    rows = file.read_text()
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 4
    into_the_files(backup, place.root / "var")
    assert place.mailer("run").code == 69
    if way == "it came back with the copy":
        file.write_text(rows)
    assert place.mailer("resume", "ledger", "--why", "the disk died").code == 0
    done = queue / "done/second.csv"
    if way == "it is dropped again":
        done.rename(file)
    if way == "a copy of it is dropped":
        file.write_text(rows)
    if way == "edited":
        file.write_text(rows.replace("Person 3", "Person III") + "Person 7,person.7@example.org,IE\n")
        os.utime(file, (time.time() + 3, time.time() + 3))
    dropped_now(place, first=5)
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 5 + (way == "edited")
    assert {line["reason"] for line in place.mailer("log", "--state", "held", "--json").lines} == {"restored ledger"}
    assert "restored ledger" in place.mailer("health").out
    assert place.letters("held") == 2  # the two of second.csv, of whom the ledger had never heard
    assert place.mailer("run").code == 0  # no rule lets them go
    assert place.mailer("verify").code == 0
    assert place.mailer("release", "--reason", "restored ledger", "--why", "they were lost").code == 0
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 7 + (way == "edited")


@pytest.mark.parametrize("is_of_an_older_release", [False, True])
def test_a_second_file_whose_name_says_how_to_read_it_is_read_so_again(place, tmp_path, is_of_an_older_release):
    """Two drops of one name: the sheet, or the encoding, that the name says is that of both, also behind a restore."""
    backup = the_two_files(place, tmp_path / "backup")
    head = ["name", "email", "consent"]
    for number in (1, 2):
        letters = [head, [f"L {number}", f"l{number}@example.org", "yes"]]
        other = [head, ["X", "x@example.org", "no"]]
        place.put("l.My letters.xlsx", workbook({"Other": other, "My letters": letters}))
        place.put("k.koi8-r.csv", f"name,email,consent\nЫ Ы,k{number}@example.org,yes\n".encode("koi8-r"))
        place.put("june.withdrawn.csv", f"email\nw{number}@example.org\n")
        assert place.mailer("run").code == 0
    done = place.root / "var/queue/done"
    seconds = {"l-2.My letters.xlsx", "k-2.koi8-r.csv", "june-2.withdrawn.csv"}
    assert seconds <= {path.name for path in done.iterdir()}
    if is_of_an_older_release:
        for name in seconds:
            first, answer, ending = name.split(".")
            (done / name).rename(done / f"{first.removesuffix('-2')}.{answer}-2.{ending}")
    into_the_files(backup, place.root / "var")
    sent = place.sandboxed()
    place.mailer("run")
    assert place.mailer("resume", "ledger", "--why", "put back").code == 0
    people = "".join(f"A,{one}{number}@example.org,yes\n" for one in "lkw" for number in (1, 2))
    later = time.time() + 3
    os.utime(place.put("all.csv", "name,email,consent\n" + people), (later, later))
    said = place.mailer("run")
    assert "6 rows, 0 taken, 6 known" in said.out
    assert place.sandboxed() == sent


def test_who_trusts_a_copy_before_any_run_has_looked_is_heard(place, tmp_path):
    backup = the_two_files(place, tmp_path / "backup")
    place.drop(1, "second.csv", first=3)
    assert place.mailer("run").code == 0
    into_the_files(backup, place.root / "var")
    assert place.mailer("resume", "ledger", "--why", "the disk died").out == "The ledger may go on.\n"
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 3


def test_while_the_clock_is_not_believed_no_ledger_is_trusted(place, tmp_path):
    """What is from before that moment is told by the clock."""
    backup = the_two_files(place, tmp_path / "backup")
    place.drop(1, "second.csv", first=3)
    assert place.mailer("run").code == 0
    into_the_files(backup, place.root / "var")
    assert place.mailer("run").code == 69
    with apsw.Connection(str(place.root / "var/ledger.db")) as db:
        db.execute("INSERT INTO pause VALUES ('clock', 'rule', 'it went back', 1, 1)")
    db.close()
    refused = place.mailer("resume", "ledger", "--why", "the disk died")
    assert refused.code == 64
    assert "first mailer resume clock --why TEXT" in refused.err
    assert place.mailer("resume", "clock", "--why", "it is right").code == 0
    assert place.mailer("resume", "ledger", "--why", "the disk died").code == 0


def sent_and_restored(place: Place, tmp_path: Path, *held: str) -> None:
    """Two letters more have gone out since a copy was made, in which they waited, or were held by an order; it is put back."""
    place.drop(2, "second.csv", first=3)
    assert place.mailer("run", "--intake-only").code == 0
    if held:
        assert place.mailer("hold", "--file", "2", "--why", *held).code == 0
    backup = the_two_files(place, tmp_path / "backup")
    if held:
        assert place.mailer("release", "--file", "2", "--why", "yes").code == 0
    assert place.mailer("run").code == 0
    into_the_files(backup, place.root / "var")
    assert place.mailer("run").code == 69


def test_what_a_person_had_held_in_the_copy_may_have_gone_out_too(place, tmp_path):
    sent_and_restored(place, tmp_path, "wait for the lawyer")
    assert "2 letters held, for they may have gone out" in place.mailer("resume", "ledger", "--why", "the disk died").err
    assert "restored ledger" in place.mailer("health").out
    assert "None of the letters" in place.mailer("release", "--reason", "organiser", "--why", "the lawyer said yes").err
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 4


@pytest.mark.parametrize(
    ("state", "reason"), [("expired", "the campaign's deadline has passed; "), ("cancelled", "")], ids=["expired", "cancelled"]
)
def test_what_ends_behind_a_restore_still_says_that_it_may_have_gone_out(place, tmp_path, state, reason):
    sent_and_restored(place, tmp_path)
    assert place.mailer("resume", "ledger", "--why", "the disk died").code == 0
    file = place.root / "config/campaigns/c.yaml"
    open_ended = file.read_text()
    if state == "expired":
        file.write_text(open_ended + "deadline: 2011-09-20\n")
        assert place.mailer("run").code == 0
        file.write_text(open_ended)
    else:
        assert place.mailer("cancel", "--reason", "restored ledger", "--why", "unsure").code == 0
    reason += "it may have gone out before the ledger was restored"
    assert [line["reason"] for line in place.mailer("log", "--state", state, "--json").lines] == [reason] * 2
    said = place.mailer("retry", "--state", state, "--why", "the deadline was moved")
    assert said.out.startswith("0 letters")
    assert "2 letters left alone, for they may have gone out before the ledger was restored" in said.err
    assert "0 letters" in place.mailer("retry", "3", "--why", "one of them").out
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 4
    assert "2 letters" in place.mailer("retry", "--reason", reason, "--why", "the old place had sent none").out
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 6


def test_a_file_that_comes_back_with_a_whole_folder_is_held(place, tmp_path):
    """Nothing in `done/` tells of it then: it lies in `incoming/` as it did before, and is older than the person's word."""
    place.drop(2, "second.csv", first=3)
    backup = all_but_letters(place, tmp_path / "backup")
    assert place.mailer("run").code == 0
    shutil.move(place.root / "var/sandbox", tmp_path / "sandbox")
    as_a_new_folder(backup, place.root / "var")
    shutil.move(tmp_path / "sandbox", place.root / "var/sandbox")
    assert place.mailer("run").code == 69
    assert place.mailer("resume", "ledger", "--why", "the disk died").code == 0
    said = place.mailer("run")
    assert said.code == 0
    assert "file 2: 2 rows, 2 taken, 0 known, 0 rejected (held)" in said.out
    assert "File 2 is from before the ledger was restored" in said.err
    assert place.sandboxed() == 4
    assert "mailer release --file 2 --why TEXT" in said.err
    assert place.mailer("release", "--file", "2", "--why", "they were lost").code == 0
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 6


def test_a_ledger_that_was_moved_aside_does_not_go_on_behind_the_back_of_the_copy(place, tmp_path):
    """The backup turns out to be the wrong one, and the older files are put back, which are the very ones."""
    var, aside = place.root / "var", place.root / "var.aside"
    place.drop(3, "second.csv", first=3)
    assert place.mailer("run", "--intake-only").code == 0
    shutil.copytree(var, tmp_path / "backup")
    var.rename(aside)
    shutil.copytree(tmp_path / "backup", var)
    assert place.mailer("run").code == 69
    trusted = place.mailer("resume", "ledger", "--why", "the disk died")
    assert f"The ledger in {aside} was stopped" in trusted.err
    assert place.mailer("release", "--reason", "restored ledger", "--why", "nothing had gone out").code == 0
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 5
    shutil.copytree(var / "sandbox", aside / "sandbox", dirs_exist_ok=True)
    var.rename(place.root / "var.wrong")
    aside.rename(var)
    refused = place.mailer("run")
    assert refused.code == 69
    assert "a copy of it was trusted" in refused.err
    assert place.sandboxed() == 5


def test_a_copy_put_back_behind_a_kill_in_the_first_letter_is_noticed(place, tmp_path):
    """Nothing of that pass is in the journal's file yet, and its letter has no line of its own."""
    place.drop(1, "second.csv", first=3)
    assert place.mailer("run", "--intake-only").code == 0
    backup = the_two_files(place, tmp_path / "backup")
    killed = (
        "import os, signal\n"
        "from mailer import cli\n"
        "from mailer.relay.wire import SmtpConnection\n"
        "async def dot(self, rcpt): os.kill(os.getpid(), signal.SIGKILL)\n"
        "SmtpConnection.dot = dot\n"
        "cli.main()\n"
    )
    assert place.python(killed, "run").code == -9
    into_the_files(backup, place.root / "var")
    for tail in ("-wal", "-shm"):
        (place.root / f"var/ledger.db{tail}").unlink(missing_ok=True)
    assert place.mailer("run").code == 69


def test_orders_in_an_older_copy_do_not_make_it_the_newest(place, tmp_path):
    """They write lines of their own, more than were lost."""
    place.drop(9, "second.csv", first=3)
    assert place.mailer("run", "--intake-only").code == 0
    backup = the_two_files(place, tmp_path / "backup")
    assert place.mailer("run", "--limit", "2").code == 0
    into_the_files(backup, place.root / "var")
    for _ in range(3):
        assert place.mailer("hold", "--campaign", "c", "--why", "wrong text").code == 0
        assert place.mailer("release", "--campaign", "c", "--why", "right again").code == 0
    assert place.mailer("verify").code == 1
    assert place.mailer("run").code == 69
    assert place.sandboxed() == 4


def test_an_order_is_not_forgotten_by_a_copy_put_back(place, tmp_path):
    place.drop(1, "second.csv", first=3)
    assert place.mailer("run", "--intake-only").code == 0
    backup = the_two_files(place, tmp_path / "backup")
    assert place.mailer("cancel", "3", "--why", "withdrawn").code == 0
    into_the_files(backup, place.root / "var")
    assert place.mailer("run").code == 69
    assert place.sandboxed() == 2


def test_a_journal_whose_file_is_gone_is_written_anew_from_the_ledger_it_belongs_to(place):
    path = place.root / "var/journal.jsonl"
    told = path.read_bytes()
    path.unlink()
    assert place.mailer("run").code == 0
    assert path.read_bytes().startswith(told)


def test_a_mark_that_is_gone_is_no_mark_of_an_empty_ledger(place):
    shutil.rmtree(place.root / "var/high-water")
    refused = place.mailer("run")
    assert refused.code == 69
    assert "high-water" in refused.err
    assert place.mailer("verify").code == 1
    assert place.mailer("resume", "ledger", "--why", "removed by mistake").code == 0
    assert place.mailer("run").code == 0
    assert place.mailer("verify").code == 0


# -- the mark itself


def chained(count: int, word: str = "") -> list[Link]:
    found: list[Link] = []
    for number in range(count):
        found.append(link(found[-1] if found else None, {"event": f"{word}{number}"}))
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def table(lines: list[Link]) -> Callable[[int], Link | None]:
    return lambda seq: lines[seq - 1] if 0 < seq <= len(lines) else None


def test_one_name_tells_how_far_it_had_come(tmp_path):
    lines = chained(12)
    mark = HighWater(tmp_path / "high-water", table(lines), file_of)
    mark.begin_again(None)
    assert names(tmp_path / "high-water") == ["0-000000000000"]
    for last in lines:
        mark.rise(last)
    assert names(tmp_path / "high-water") == [f"12-{lines[-1].hash[:12]}"]
    mark.rise(lines[3])
    assert names(tmp_path / "high-water") == [f"12-{lines[-1].hash[:12]}"]
    assert mark.disagreement("") == ""


@pytest.mark.parametrize("other", [chained(11), chained(40, "another")])
def test_a_table_that_lacks_the_line_is_not_believed_and_does_not_move_the_mark(tmp_path, other):
    mark = HighWater(tmp_path / "high-water", table(chained(12)), file_of)
    mark.begin_again(chained(12)[-1])
    before = names(tmp_path / "high-water")
    restored = HighWater(tmp_path / "high-water", table(other), file_of)
    assert "older copy" in restored.disagreement("")
    restored.rise(other[-1])
    assert names(tmp_path / "high-water") == before
    restored.begin_again(other[-1])
    assert restored.disagreement("") == ""


def test_every_name_counts_and_not_only_the_highest(tmp_path):
    """A copy was put back and trusted; then one that is older still, of the life before, whose number is higher."""
    first, second = chained(12), chained(9, "another")
    HighWater(tmp_path / "high-water", table(second), file_of).begin_again(second[-1])
    (tmp_path / "high-water" / f"12-{first[-1].hash[:12]}").touch()
    assert HighWater(tmp_path / "high-water", table(first), file_of).disagreement("")
    assert HighWater(tmp_path / "high-water", table(second), file_of).disagreement("")


def test_what_is_no_mark_is_no_mark(tmp_path):
    mark = HighWater(tmp_path / "high-water", table(chained(2)), file_of)
    mark.begin_again(None)
    for name in ("README", "7", "x-0123456789ab", ".hidden"):
        (tmp_path / "high-water" / name).touch()
    assert mark.disagreement("") == ""
