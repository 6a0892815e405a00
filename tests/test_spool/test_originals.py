"""What is read is mailer's own copy; the file itself stays out of everybody's reach for an hour, and is seen to change."""

from __future__ import annotations

import os
import shutil
import tempfile

import pytest

from mailer.errors import CannotWrite
from mailer.spool import Settings, Spool, names
from mailer.spool.originals import WATCHED_FOR, _pour
from tests.full_disk import room_for
from tests.test_spool.ground import BESIDE, MEMORY, NOW, claim, drop, finish, mode, originals, tree


def test_what_is_read_is_a_copy_that_no_handle_on_the_file_reaches(spool, root):
    claimed = claim(spool, root)
    with claimed.path.open("r+b") as handle:
        copied = spool.copied(claimed)
        handle.write(b"NAME\n")
        handle.flush()
        assert copied.stream.read() == b"name\n"
        assert spool.changed(claimed, copied.seen)
    copied.close()
    assert mode(root / "claimed" / names.copy(claimed.id)) == 0o600


@pytest.mark.parametrize(
    "change", ["none", "grown", "rewritten", "touched by a mode", "put back by a backup", "rewritten at the same time"]
)
def test_a_file_that_was_written_to_behind_its_reading_is_late_once(spool, root, change):
    claimed = claim(spool, root, folder="kazakhstan")
    finish(spool, claimed, {})
    (original,) = originals(root)
    before = original.stat()
    if change == "grown":
        original.write_bytes(b"name\nmore\n")
    elif "rewritten" in change:
        original.write_bytes(b"NAME\n" if "same" not in change else b"name\r\n")
        os.utime(original, ns=(0, before.st_mtime_ns + ("same" not in change)))
    elif "mode" in change:
        original.chmod(0o600)
    elif "backup" in change:
        kept = shutil.copy2(original, root / "kept")
        original.unlink()
        shutil.copy2(kept, original)
    late = Spool(Settings(root)).originals.late(NOW)
    if change in {"none", "touched by a mode", "put back by a backup"}:
        assert late == []
        return
    assert [(one.campaign_folder, one.name, one.id) for one in late] == [("kazakhstan", "list.csv", claimed.id)]
    again = spool.claim(late[0], NOW)
    assert again and (again.folder, again.name) == ("kazakhstan", "list.csv") and again.id != claimed.id
    assert (spool.originals.late(NOW), spool.claimed()) == ([], [again])
    assert finish(spool, again, {}) == root / "done/kazakhstan/list-2.csv"
    assert spool.originals.late(NOW) == []


def test_a_late_file_that_changes_again_before_it_is_claimed_stays(spool, root):
    finish(spool, claim(spool, root), {})
    (original,) = originals(root)
    original.write_bytes(b"name\nmore\n")
    (late,) = spool.originals.late(NOW)
    original.write_bytes(b"name\nmore and more\n")
    assert spool.claim(late, NOW) is None
    spool.originals.forget([late.id])
    assert spool.claim(late, NOW) is None


def test_it_is_let_go_of_when_it_has_stood_still_for_an_hour_and_a_late_one_is_not(spool, root):
    for name in ("a.csv", "b.csv"):
        finish(spool, claim(spool, root, name), BESIDE)
    still, late = originals(root)
    late.write_bytes(b"name\nmore\n")
    then = max(path.stat().st_ctime for path in (still, late))
    spool.originals.let_go(then + WATCHED_FOR - 1)
    assert originals(root) == [still, late]
    spool.originals.let_go(then + WATCHED_FOR + 1)
    assert originals(root) == [late]
    assert len(tree(root / "done")) == 6


def test_a_copy_whose_file_somebody_took_away_is_removed(spool, root):
    gone, there = claim(spool, root), claim(spool, root)
    for claimed in (gone, there):
        spool.copied(claimed).close()
    gone.path.unlink()
    spool.originals.let_go(NOW)
    assert [name for name in os.listdir(root / "claimed") if names.is_copy(name)] == [names.copy(there.id)]


def test_on_a_full_disk_it_stays_claimed_nothing_is_left_and_the_next_run_goes_on(spool, root):
    drop(root, "list.csv", b"name\n" * 10_000)
    claimed = spool.claim(spool.look(NOW)[0], NOW)
    with room_for(10_000), pytest.raises(CannotWrite, match="/queue/claimed"):
        spool.copied(claimed)
    assert os.listdir(root / "claimed") == [claimed.path.name]
    (again,) = Spool(Settings(root)).claimed()
    assert finish(spool, again, {}).read_bytes() == b"name\n" * 10_000


def test_what_is_set_aside_leaves_no_copy(spool, root):
    claimed = claim(spool, root)
    spool.copied(claimed).close()
    spool.set_aside(claimed, "no table")
    assert os.listdir(root / "claimed") == []


def test_an_empty_file_is_copied_like_any(spool, root):
    drop(root, "list.csv", b"")
    claimed = spool.claim(spool.look(NOW)[0], NOW)
    assert finish(spool, claimed, {}).read_bytes() == b""


def test_between_two_disks_it_is_copied_by_hand(tmp_path):
    """Where the system cannot copy by itself (copy_file_range(2): EXDEV), as on some network shares."""
    content = os.urandom(3_000_001)
    with tempfile.NamedTemporaryFile(dir=MEMORY) as source, (tmp_path / "copy").open("w+b") as target:
        source.write(content)
        source.flush()
        with open(source.name, "rb") as original:
            _pour(original, target.fileno())
    assert (tmp_path / "copy").read_bytes() == content
