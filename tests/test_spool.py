"""The spool on real folders: every odd kind of file, hostile names, and a death at every line."""

from __future__ import annotations

import doctest
import errno
import grp
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from mailer.errors import CannotWrite, UnreadableFile
from mailer.spool import Settings, Spool, Waiting, folders, names

NOW = 1_316_505_600.0
NOBODY = 65534
BESIDE = {".rejected.csv": b"line,reason\r\n", ".known.csv": [b"line,", b"reason\r\n"]}
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do that")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "var" / "queue"


@pytest.fixture
def spool(root: Path) -> Spool:
    spool = Spool(Settings(root))
    assert spool.prepare() == []
    return spool


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that belongs to nobody, where everybody may pass (pytest's own are for one user only)."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        os.chmod(name, 0o755)
        yield Path(name)


@contextmanager
def unprivileged() -> Iterator[None]:
    """Without root's rights, which would hide every refusal."""
    if os.geteuid() != 0:
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def drop(root: Path, name: str, content: bytes = b"name\n", folder: str = "", age: float = 60) -> Path:
    path = root / "incoming" / folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (NOW - age, NOW - age))
    return path


def claim(spool: Spool, root: Path, name: str = "list.csv", folder: str = ""):
    drop(root, name, folder=folder)
    claimed = spool.claim(spool.look(NOW)[0], NOW)
    assert claimed
    return claimed


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(names).failed == 0


# Folders


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_missing_folders_are_made_with_their_modes_whatever_the_umask(root, umask):
    before = os.umask(umask)
    try:
        assert Spool(Settings(root)).prepare(["kazakhstan"]) == []
    finally:
        os.umask(before)
    wanted = {"..": 0o711, ".": 0o711, "incoming": 0o2770, "incoming/kazakhstan": 0o2770, "claimed": 0o700}
    wanted |= {"done": 0o2750, "rejected": 0o2750}
    assert {name: mode(root / name) for name in wanted} == wanted


def test_a_looser_mode_is_mended_and_said_once(spool, root):
    (root / "claimed").chmod(0o755)
    (root / "incoming").chmod(0o2777)
    said = spool.prepare()
    assert [mode(root / "claimed"), mode(root / "incoming")] == [0o700, 0o2770]
    assert len(said) == 2 and "0755" in said[1] and "0700" in said[1]
    assert spool.prepare() == []


def test_a_stricter_mode_and_a_folder_around_the_spool_stay_as_they_are(spool, root):
    (root / "incoming").chmod(0o700)
    root.parent.chmod(0o755)
    assert spool.prepare() == []
    assert [mode(root / "incoming"), mode(root.parent)] == [0o700, 0o755]


def test_the_instances_own_folder_is_mended_where_it_is_named(spool, root):
    root.parent.chmod(0o755)
    assert len(Spool(Settings(root, var=root.parent)).prepare()) == 1
    assert mode(root.parent) == 0o711


@needs_root
def test_folders_for_organisers_are_given_to_their_group(spool, root):
    group = next(one for one in grp.getgrall() if one.gr_gid != os.getegid())
    assert Spool(Settings(root, group.gr_name)).prepare() == []
    found = {name: (root / name).stat().st_gid == group.gr_gid for name in ("incoming", "claimed", "done", "rejected")}
    assert found == {"incoming": True, "claimed": False, "done": True, "rejected": True}
    assert mode(root / "done") == 0o2750
    assert spool.finish(claim(spool, root), BESIDE).stat().st_gid == group.gr_gid


def test_a_group_that_is_unknown_or_not_ours_to_give_is_said_and_stops_nothing(ground):
    root = ground / "queue"
    with unprivileged():
        assert Spool(Settings(root, "no-such-group")).prepare() == ["there is no group «no-such-group» on this machine"]
        said = Spool(Settings(root, "daemon")).prepare()
    assert len(said) == 3 and all("must be in «daemon»" in sentence for sentence in said)


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("incoming")], ids=["file", "link"])
def test_what_stands_in_a_folders_place_is_named_and_left(spool, root, make):
    (root / "done").rmdir()
    make(root / "done")
    with pytest.raises(CannotWrite, match=r"queue/done: .*stands where a folder belongs") as caught:
        spool.prepare()
    assert caught.value.exit_code == 73


def test_a_folder_that_may_not_be_made_is_named_with_the_reason(ground):
    ground.chmod(0o555)
    with unprivileged(), pytest.raises(CannotWrite, match=r"/queue: Permission denied; .* mend the owner or the mode"):
        Spool(Settings(ground / "queue")).prepare()


# Looking


def test_files_are_seen_oldest_first_one_level_deep_and_unfinished_ones_are_not(spool, root):
    drop(root, "b.csv", age=20)
    drop(root, "a.csv", age=20)
    drop(root, "old.csv", folder="kazakhstan", age=90)
    for name in (".x.csv.Ab12cd", "x.csv.part", "x.TMP", "~$x.xlsx", ".~lock.x.csv#", "x.csv.filepart"):
        drop(root, name)
    drop(root, "x.csv", folder=".hidden")
    seen = spool.look(NOW)
    assert [(one.campaign_folder, one.name) for one in seen] == [("kazakhstan", "old.csv"), ("", "a.csv"), ("", "b.csv")]
    assert spool.odd() == []


def test_a_spool_that_was_never_prepared_is_empty(root):
    spool = Spool(Settings(root))
    assert (spool.look(NOW), spool.odd(), spool.claimed()) == ([], [], [])


def seen(age: float, at: float, size: int = 5, inode: int = 7) -> Waiting:
    return Waiting("", "list.csv", size, int((NOW - age) * 1e9), inode, at)


@pytest.mark.parametrize(
    ("before", "now", "ready"),
    [
        (None, seen(11, NOW), True),
        (None, seen(9, NOW), False),
        (seen(9, NOW - 1), seen(9, NOW), True),
        (seen(9, NOW - 0.5), seen(9, NOW), False),
        (seen(9, NOW - 1, size=4), seen(9, NOW), False),
        (seen(9, NOW - 1, inode=8), seen(9, NOW), False),
        (seen(9.5, NOW - 1), seen(9, NOW), False),
        (None, seen(-3600, NOW), False),
        (seen(-3600, NOW - 1), seen(-3600, NOW), True),
    ],
)
def test_a_file_is_ready_when_it_is_old_or_equal_at_two_looks_a_second_apart(before, now, ready):
    assert Spool.is_ready(before, now, NOW) is ready


# What is no file


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{(handle := os.open(path.parent, os.O_RDONLY))}/{path.name}")
        os.close(handle)


def _in_folder(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def made(path: Path) -> None:
        (path.parent / "kazakhstan").mkdir()
        make(path.parent / "kazakhstan" / path.name)

    return made


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inner.csv").write_text("name\n")


ODD: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (lambda path: path.symlink_to("../../../secret.csv"), "symbolic link"),
    "dangling link": (lambda path: path.symlink_to("nowhere"), "symbolic link"),
    "link to a folder": (lambda path: path.symlink_to("/etc"), "symbolic link"),
    "hard link": (lambda path: os.link(path.parents[3] / "secret.csv", path), "hard link"),
    "pipe": (os.mkfifo, "named pipe"),
    "socket": (_socket, "socket"),
    "folder in a campaign's folder": (_in_folder(_folder), "a folder"),
    "link in a campaign's folder": (_in_folder(lambda path: path.symlink_to("/etc/hostname")), "symbolic link"),
    "folder that cannot be a campaign's": (lambda path: _folder(path.with_name("no campaign!")), "cannot be a campaign"),
    "device": (lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3)), "device"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_set_aside_itself_and_never_followed(spool, root, kind):
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root makes devices")
    secret = root.parents[1] / "secret.csv"
    secret.write_text("not for mailer")
    secret.chmod(0o600)
    make, reason = ODD[kind]
    make(root / "incoming" / "x.csv")
    assert spool.look(NOW) == []
    (odd,) = spool.odd()
    before = (root / "incoming" / odd.campaign_folder / odd.name).lstat()
    assert reason in odd.reason
    moved = spool.set_aside(odd, odd.reason)
    assert moved and moved.parent == root / "rejected" / odd.campaign_folder
    after = moved.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert reason in moved.with_name(moved.name + ".reason.txt").read_text()
    assert (secret.read_text(), mode(secret)) == ("not for mailer", 0o600)
    assert (spool.odd(), spool.claimed()) == ([], [])


@pytest.mark.parametrize("kind", ["link", "dangling link", "link to a folder", "hard link", "pipe", "socket", "device"])
def test_a_file_that_was_exchanged_behind_the_claim_is_not_opened(spool, root, kind):
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root makes devices")
    (root.parents[1] / "secret.csv").write_text("not for mailer")
    claimed = claim(spool, root)
    claimed.path.unlink()
    make, reason = ODD[kind]
    make(claimed.path)
    with pytest.raises(UnreadableFile, match=reason):
        claimed.open()
    assert spool.set_aside(claimed, "no file") == root / "rejected" / "list.csv"


def test_a_second_link_that_is_made_while_it_is_read_is_a_change_and_then_a_reason(spool, root):
    claimed = claim(spool, root)
    with claimed.open() as stream:
        before = os.fstat(stream.fileno())
    os.link(claimed.path, root / "elsewhere")
    assert spool.changed(claimed, before)
    with pytest.raises(UnreadableFile, match="hard link"):
        claimed.open()


def test_a_stranger_in_claimed_is_set_aside_with_a_word(spool, root):
    (root / "claimed" / "list.csv").write_text("name\n")
    (odd,) = spool.odd()
    assert spool.claimed() == []
    assert spool.set_aside(odd, odd.reason) == root / "rejected" / "list.csv"
    assert "drop it into incoming/" in (root / "rejected" / "list.csv.reason.txt").read_text()


def test_a_campaigns_folder_out_of_which_nothing_can_be_taken_is_told_of_once_and_stops_nothing(ground):
    root = ground / "queue"
    with unprivileged():
        spool = Spool(Settings(root))
        spool.prepare()
        drop(root, "good.csv")
        drop(root, "list.csv", folder="kazakhstan")
        (root / "incoming" / "kazakhstan").chmod(0o555)
        assert [one.name for one in spool.look(NOW)] == ["good.csv"]
        (odd,) = spool.odd()
        told = spool.set_aside(odd, odd.reason)
        assert told == root / "rejected" / "kazakhstan.reason.txt"
        assert "still lies in incoming/" in told.read_text() and "chmod g+rwx" in told.read_text()
        assert spool.odd() == []
        again = Spool(Settings(root))
        assert again.set_aside(again.odd()[0], odd.reason) == told
        assert sorted(tree(root)) == ["incoming/good.csv", "incoming/kazakhstan/list.csv", "rejected/kazakhstan.reason.txt"]
        (root / "incoming" / "kazakhstan").chmod(0o755)


def test_a_campaigns_folder_that_may_not_be_looked_into_stops_nothing(ground):
    root = ground / "queue"
    with unprivileged():
        spool = Spool(Settings(root))
        spool.prepare()
        (root / "incoming" / "kazakhstan").mkdir(mode=0o000)
        assert ([odd.name for odd in spool.odd()], spool.look(NOW)) == (["kazakhstan"], [])


# Claiming

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
    done = spool.finish(again, BESIDE)
    assert sorted(tree(root)) == sorted(
        str((done.parent / one).relative_to(root))
        for one in (done.name, *(f"{done.name.removesuffix('.csv')}{end}" for end in BESIDE))
    )
    assert all(name.isprintable() for name in tree(root))


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
        with pytest.raises(CannotWrite, match=r"incoming/list\.csv: Permission denied"):
            spool.claim(spool.look(NOW)[0], NOW)
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
    for use in (claimed.open, lambda: spool.finish(claimed, {}), lambda: spool.set_aside(claimed, "late")):
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


# Finishing


def test_a_finished_file_stands_in_done_with_what_lies_beside_it(spool, root):
    claimed = claim(spool, root, folder="kazakhstan")
    with claimed.open() as stream:  # still open, as the intake has it
        done = spool.finish(claimed, {**BESIDE, ".empty.csv": iter(())})
        assert stream.read() == b"name\n"
    assert done == root / "done" / "kazakhstan" / "list.csv"
    assert tree(root / "done" / "kazakhstan") == {
        "list.csv": b"name\n",
        "list.rejected.csv": b"line,reason\r\n",
        "list.known.csv": b"line,reason\r\n",
    }
    assert {mode(path) for path in done.parent.iterdir()} == {0o640}
    assert mode(done.parent) == 0o2750
    assert spool.claimed() == []


def test_nothing_is_ever_replaced_in_done(spool, root):
    ends = [
        spool.finish(claim(spool, root, name), BESIDE) for name in ("list.csv", "list.csv", "list.json", "list.rejected.csv")
    ]
    assert [end.name for end in ends] == ["list.csv", "list-2.csv", "list-3.json", "list.rejected-2.csv"]
    (root / "done" / "new.known.csv").write_text("another's")
    assert spool.finish(claim(spool, root, "new.csv"), BESIDE).name == "new-2.csv"
    assert (root / "done" / "new.known.csv").read_text() == "another's"
    assert len(tree(root / "done")) == 3 * len(ends) + 4


def test_a_finished_file_named_as_a_campaign_is_not_in_the_way_of_its_folder(spool, root):
    spool.finish(claim(spool, root, "kazakhstan"), {})
    assert spool.finish(claim(spool, root, folder="kazakhstan"), {}) == root / "done" / "kazakhstan-2" / "list.csv"


def test_a_finished_file_of_another_owner_keeps_its_mode_behind_the_folders(ground):
    if os.geteuid() != 0:
        pytest.skip("only root makes files of two owners")
    root = ground / "queue"
    with unprivileged():
        spool = Spool(Settings(root))
        spool.prepare()
    drop(root, "list.csv").chmod(0o644)
    with unprivileged():
        claimed = spool.claim(spool.look(NOW)[0], NOW)
        assert claimed
        assert mode(spool.finish(claimed, BESIDE)) == 0o644


def test_a_name_reserved_by_another_claim_is_not_taken(spool, root):
    one, other = claim(spool, root), claim(spool, root)
    with pytest.raises(ZeroDivisionError):
        spool.finish(one, {".rejected.csv": (bytes([1 // 0]) for _ in range(1))})
    assert spool.finish(other, BESIDE).name == "list-2.csv"
    assert spool.finish(one, BESIDE).name == "list.csv"


def test_content_that_breaks_off_leaves_nothing_half_written(spool, root):
    def broken() -> Iterator[bytes]:
        yield b"line,"
        raise OSError(errno.ENOSPC, "No space left on device", "rows")

    claimed = claim(spool, root)
    with pytest.raises(CannotWrite, match="make room"):
        spool.finish(claimed, {".rejected.csv": broken()})
    assert list((root / "done").iterdir()) == []
    assert spool.finish(claimed, BESIDE).name == "list.csv"


def test_a_folder_that_takes_nothing_is_said_and_the_next_run_goes_on(ground):
    root = ground / "queue"
    with unprivileged():
        spool = Spool(Settings(root))
        spool.prepare()
        claimed = claim(spool, root)
        (root / "done").chmod(0o500)
        with pytest.raises(CannotWrite, match=r"done/list\.rejected\.csv: Permission denied"):
            spool.finish(claimed, BESIDE)
        (root / "done").chmod(0o2750)
        (again,) = Spool(Settings(root)).claimed()
        assert (again.id, again.name) == (claimed.id, "list.csv")
        assert spool.finish(claimed, BESIDE).name == "list.csv"  # the older handle on it does as well


def test_set_aside_again_and_again_replaces_nothing(spool, root):
    (root / "rejected" / "list-2.csv.reason.txt").write_text("another's")
    ends = [spool.set_aside(claim(spool, root), "bad\x1b[2J") for _ in range(2)]
    assert [end and end.name for end in ends] == ["list.csv", "list-3.csv"]
    told = (root / "rejected" / "list.csv.reason.txt").read_text()
    assert told == "list.csv\nwas set aside: bad_[2J\nNothing of it was taken in.\n"
    assert mode(root / "rejected" / "list.csv") == mode(root / "rejected" / "list.csv.reason.txt") == 0o640


def test_a_waiting_file_is_set_aside_without_being_taken_in(spool, root):
    drop(root, "list.csv", folder="kasakhstan")
    (waiting,) = spool.look(NOW)
    assert spool.set_aside(waiting, "there is no such campaign") == root / "rejected" / "kasakhstan" / "list.csv"
    assert spool.set_aside(waiting, "there is no such campaign") is None


def test_where_the_system_cannot_rename_in_one_step_nothing_is_replaced_either(tmp_path):
    (tmp_path / "one").write_text("1")
    (tmp_path / "other").write_text("2")
    with folders.Folder(tmp_path) as folder:
        for rename in (folders.rename_new, folders.rename_if_free):
            with pytest.raises(FileExistsError):
                rename("one", folder.handle, "other", folder.handle)
        folders.rename_if_free("one", folder.handle, "third", folder.handle)
    assert tree(tmp_path) == {"other": b"2", "third": b"1"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EXDEV, errno.EACCES, errno.EIO])
def test_every_refusal_of_the_file_system_says_where_what_and_what_to_do(code):
    with pytest.raises(CannotWrite, match=r"^/queue/a_b: .+; .+") as caught, folders.explained():
        raise OSError(code, os.strerror(code), "/queue/a\nb")
    assert caught.value.__cause__


# A death at every line


def take_in(root: Path) -> None:
    """What a pass does, from the look to the end, and what the one behind a crash does before it."""
    spool = Spool(Settings(root))
    spool.prepare()
    for claimed in spool.claimed():
        spool.finish(claimed, BESIDE)
    for waiting in spool.look(NOW):
        if claimed := spool.claim(waiting, NOW):
            spool.finish(claimed, BESIDE)


def sort_out(root: Path) -> None:
    spool = Spool(Settings(root))
    spool.prepare()
    for claimed in spool.claimed():
        spool.set_aside(claimed, "no file")
    for odd in spool.odd():
        spool.set_aside(odd, odd.reason)


def killed_at(line: int, act: Callable[[Path], None], root: Path) -> bool:
    """Run in a child that kills itself before the n-th line of the spool's code; False when it came to its end."""
    child = os.fork()
    if child == 0:
        left = line

        def trace(frame: FrameType, event: str, _: object) -> Callable[..., object] | None:
            nonlocal left
            if "/mailer/spool/" not in frame.f_code.co_filename:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        try:
            act(root)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def every_death(tmp_path: Path, act: Callable[[Path], None], make: Callable[[Path], object]) -> Iterator[Path]:
    line, killed = 0, True
    while killed:
        line += 1
        root = tmp_path / str(line)
        Spool(Settings(root)).prepare()
        make(root)
        killed = killed_at(line, act, root)
        act(root)
        yield root
    assert line > 100


def test_a_file_is_finished_once_wherever_the_worker_dies(tmp_path):
    wanted = {
        "done/kazakhstan/list.csv": b"name\n",
        "done/kazakhstan/list.rejected.csv": b"line,reason\r\n",
        "done/kazakhstan/list.known.csv": b"line,reason\r\n",
    }
    for root in every_death(tmp_path, take_in, lambda root: drop(root, "list.csv", folder="kazakhstan")):
        assert tree(root) == wanted


def test_a_link_is_set_aside_once_wherever_the_worker_dies(tmp_path):
    for root in every_death(tmp_path, sort_out, lambda root: (root / "incoming" / "x.csv").symlink_to("/etc/hostname")):
        assert sorted(path.name for path in (root / "rejected").iterdir()) == ["x.csv", "x.csv.reason.txt"]
        assert list((root / "incoming").iterdir()) == list((root / "claimed").iterdir()) == []


# Mounts of their own

MOUNTED = """
import sys
from pathlib import Path
from mailer.errors import CannotWrite
from mailer.spool import Settings, Spool
root = Path(sys.argv[1])
spool = Spool(Settings(root))
try:
    spool.prepare()
    for waiting in spool.look(1e10):
        claimed = spool.claim(waiting, 1e10)
        print(spool.finish(claimed, {".rejected.csv": (b"x" * 4096 for _ in range(64))}))
except CannotWrite as problem:
    print(problem)
"""


def mounted(root: Path, mount: str) -> str:
    """Run a pass in a mount namespace of its own, behind a mount command."""
    script = f'{mount} || exit 99; exec "$2" -c "$3" "$1"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(root), sys.executable, MOUNTED]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1])
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if told.returncode:
        pytest.skip(f"no mount namespace here: {told.stderr.strip()[-80:]}")
    return told.stdout


@pytest.mark.parametrize("mount", ['mount -t tmpfs none "$1/claimed"', 'mount --bind "$1/claimed" "$1/claimed"'])
def test_queue_folders_under_two_mounts_are_said_and_nothing_is_moved(spool, root, mount):
    drop(root, "list.csv")
    assert "must live under one mount" in mounted(root, mount)
    assert list(tree(root)) == ["incoming/list.csv"]


def test_a_full_disk_is_said(spool, root):
    drop(root, "list.csv")
    mount = 'mount -t tmpfs -o size=64k none "$1" && mkdir "$1/incoming" && echo name > "$1/incoming/list.csv"'
    assert "the disk is full: make room" in mounted(root, mount)


def test_a_disk_mounted_read_only_is_said(spool, root):
    drop(root, "list.csv")
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'
    assert "mounted read-only" in mounted(root, mount)
