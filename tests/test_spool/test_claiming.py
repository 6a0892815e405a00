"""Files are seen, found whole, and claimed under a name that tells everything."""

from __future__ import annotations

import doctest
import os
import time

import pytest

from mailer.errors import CannotWrite, UnreadableFile
from mailer.spool import Settings, Spool, Waiting, names
from tests.installed import LONG_AGO
from tests.test_spool.ground import BESIDE, NOW, claim, drop, finish, originals, tree, unprivileged


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(names).failed == 0


UNFINISHED = [
    ".x.csv.Ab12cd",  # rsync
    ".goutputstream-Ab12cd",  # GNOME's files, over SFTP
    ".syncthing.x.csv.tmp",
    "~syncthing~x.csv.tmp",
    ".smbdelete0001",
    "._x.csv",  # macOS, over Samba
    ".~lock.x.csv#",  # LibreOffice
    "~$x.xlsx",  # Excel
    "x.csv.filepart",  # WinSCP
    "x.csv.part",
    "x.csv.partial",
    "x.csv.crdownload",
    "x.TMP",
    "Thumbs.db",
    "desktop.ini",
]


def test_files_are_seen_oldest_first_one_level_deep_and_unfinished_ones_are_not(spool, root):
    drop(root, "b.csv", age=20)
    drop(root, "a.csv", age=20)
    drop(root, "old.csv", folder="kazakhstan", age=90)
    for name in UNFINISHED:
        drop(root, name)
    drop(root, "x.csv", folder=".hidden")
    seen = spool.look(NOW)
    assert [(one.campaign_folder, one.name) for one in seen] == [("kazakhstan", "old.csv"), ("", "a.csv"), ("", "b.csv")]
    assert spool.odd() == []


def test_a_spool_that_was_never_prepared_is_empty(root):
    spool = Spool(Settings(root))
    assert (spool.look(NOW), spool.odd(), spool.claimed()) == ([], [], [])


def seen(age: float, at: float, size: int = 5, inode: int = 7, touched: float | None = None) -> Waiting:
    mtime, ctime = (int((NOW - since) * 1e9) for since in (age, age if touched is None else touched))
    return Waiting("", "list.csv", size, mtime, ctime, inode, at)


@pytest.mark.parametrize(
    ("first", "now", "ready"),
    [
        (None, seen(11, NOW), True),
        (None, seen(9, NOW), False),
        (None, seen(1e9, NOW, touched=9), False),
        (None, seen(1e9, NOW, touched=11), True),
        (seen(9, NOW - 10), seen(9, NOW), True),
        (seen(9, NOW - 9.5), seen(9, NOW), False),
        (seen(9, NOW - 10, size=4), seen(9, NOW), False),
        (seen(9, NOW - 10, inode=8), seen(9, NOW), False),
        (seen(9.5, NOW - 10), seen(9, NOW), False),
        (seen(1e9, NOW - 10, touched=9.5), seen(1e9, NOW, touched=9), False),
        (None, seen(-3600, NOW), False),
        (seen(-3600, NOW - 10), seen(-3600, NOW), True),
    ],
)
def test_a_file_is_ready_when_nothing_about_it_has_changed_for_ten_seconds(root, first, now, ready):
    assert Spool(Settings(root)).is_ready(first, now) is ready


def test_where_whole_files_are_renamed_in_none_waits(root):
    assert Spool(Settings(root, whole_after=0)).is_ready(None, seen(-3600, NOW))


def test_a_slow_copy_that_keeps_the_old_date_waits_until_it_is_whole(root):
    """As robocopy does over Samba, which sets 1980 first, and `rsync --inplace` that goes on with a part of yesterday."""
    spool, now = Spool(Settings(root)), time.time()
    spool.prepare()
    path, first = root / "incoming/list.csv", None
    for part in (b"name,email\n", b"Jane Doe,jane@exam", b"ple.org\n"):
        with path.open("r+b" if path.exists() else "xb") as copy:  # in place, at its full size from the beginning
            copy.truncate(64)
            copy.seek(len(path.read_bytes().rstrip(b"\0")))
            before = os.fstat(copy.fileno()).st_ctime_ns
            copy.write(part)
            copy.flush()
            while os.fstat(copy.fileno()).st_ctime_ns == before:  # the disk's clock ticks some hundred times a second
                os.utime(path, (LONG_AGO, LONG_AGO))
        os.utime(path, (LONG_AGO, LONG_AGO))
        (waiting,) = spool.look(now)
        assert not spool.is_ready(first, waiting), part
        first, now = waiting, now + 5  # it stalls for less than it would take to be believed
    (whole,) = spool.look(time.time() + 11)
    assert whole.mtime_ns == LONG_AGO * 10**9
    assert spool.is_ready(first, whole)


HOSTILE = ["list\n\x1b[2J.csv", "..", "a..csv", "-rf.csv", "\udcff\udcfe.csv", "‮txt.csv", "n" * 251 + ".csv", "я" * 127 + "x"]


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != ".."])
@pytest.mark.parametrize("folder", ["", "kazakhstan", "k" * 64])
def test_a_hostile_name_is_claimed_told_again_and_harmless_where_it_ends(spool, root, name, folder):
    claimed = claim(spool, root, name, folder)
    (again,) = Spool(Settings(root)).claimed()
    assert (again, again.folder, len(again.id)) == (claimed, folder, 26)
    assert claimed.name.isprintable() and not claimed.name.startswith(("-", "."))
    assert claimed.name.endswith(".csv") == name.endswith(".csv")
    if len(os.fsencode(name)) < 100:
        assert os.fsencode(claimed.path.name).endswith(os.fsencode(name))
    done = finish(spool, again, BESIDE)
    assert len(originals(root)) == 1
    assert sorted(tree(root / "done")) == sorted(
        str((done.parent / one).relative_to(root / "done"))
        for one in (done.name, *(f"{done.name.removesuffix('.csv')}{end}" for end in BESIDE))
    )
    assert all(name.isprintable() for name in tree(root / "done"))


@pytest.mark.parametrize("longest", range(30, 40))
def test_a_long_name_is_not_cut_within_a_character(longest):
    short = names.shortened("я€" * 100 + ".csv", longest)
    assert longest - 2 <= len(short.encode("utf-8")) <= longest  # lone halves would not encode


def test_two_long_names_stay_apart_and_keep_their_extensions():
    one, other = (names.shortened("n" * 240 + end, 200) for end in ("1.windows-1251.csv", "2.windows-1251.csv"))
    assert one != other
    assert all(name.endswith(".windows-1251.csv") and len(name) == 200 for name in (one, other))


def test_files_claimed_at_the_same_moment_keep_their_order(spool, root):
    for number in range(20):
        drop(root, f"{number:02}.csv", age=100 - number)
    claimed = [spool.claim(one, NOW) for one in spool.look(NOW)]
    assert spool.claimed() == claimed
    assert [one.name for one in spool.claimed()] == [f"{number:02}.csv" for number in range(20)]


@pytest.mark.parametrize("change", ["gone", "grown", "replaced", "folder gone"])
def test_a_file_that_is_gone_or_not_as_it_was_seen_is_not_claimed(spool, root, change):
    path = drop(root, "list.csv", folder="kazakhstan")
    (waiting,) = spool.look(NOW)
    match change:
        case "gone" | "folder gone":
            path.unlink()
        case "grown":
            path.write_bytes(b"name\nJane Doe\n")
        case "replaced":
            drop(root, "new.csv", folder="kazakhstan").rename(path)
    if change == "folder gone":
        path.parent.rmdir()
    assert spool.claim(waiting, NOW) is None
    assert (spool.claimed(), path.exists()) == ([], "gone" not in change)


def test_a_claim_that_the_folder_refuses_says_where_and_why(ground):
    root = ground / "queue"
    with unprivileged():
        spool = Spool(Settings(root))
        spool.prepare()
        drop(root, "list.csv")
        (root / "claimed").chmod(0o500)
        with pytest.raises(CannotWrite, match=r"/queue/claimed: Permission denied") as raised:
            spool.claim(spool.look(NOW)[0], NOW)
        assert "list" not in str(raised.value)
        assert list(tree(root)) == ["incoming/list.csv"]


def test_a_file_that_may_not_be_read_says_what_to_change(ground):
    root = ground / "queue"
    with unprivileged():
        spool = Spool(Settings(root))
        spool.prepare()
        drop(root, "list.csv").chmod(0o000)
        claimed = spool.claim(spool.look(NOW)[0], NOW)
        assert claimed
        with pytest.raises(UnreadableFile, match="let its group read it"):
            claimed.open()
        assert spool.set_aside(claimed, "unreadable")


def test_a_claimed_file_that_somebody_deleted_is_said(spool, root):
    claimed = claim(spool, root)
    claimed.path.unlink()
    for use in (claimed.open, lambda: finish(spool, claimed, {}), lambda: spool.set_aside(claimed, "late")):
        with pytest.raises(CannotWrite, match="somebody else moved or deleted it"):
            use()


@pytest.mark.parametrize("change", ["none", "grown", "rewritten with its old time"])
def test_a_change_between_opening_and_the_end_of_reading_shows(spool, root, change):
    claimed = claim(spool, root)
    writer = claimed.path.open("r+b")
    with claimed.open() as stream, writer:
        before = os.fstat(stream.fileno())
        assert stream.read() == b"name\n"
        if change != "none":
            writer.seek(0, os.SEEK_END if change == "grown" else os.SEEK_SET)
            writer.write(b"NAME\n")
            writer.flush()
            os.utime(writer.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
        assert spool.changed(claimed, before) is (change != "none")
