"""Files leave for `done/` or `rejected/`, with what belongs beside them, once, wherever the worker dies."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from mailer.errors import CannotWrite
from mailer.spool import Settings, Spool, folders
from mailer.spool.folders import Folder
from tests.test_spool.ground import BESIDE, MEMORY, NOW, claim, drop, finish, mode, needs_root, originals, tree, unprivileged


def test_a_finished_file_stands_in_done_with_what_lies_beside_it(spool, root):
    claimed = claim(spool, root, folder="kazakhstan")
    before = os.umask(0o077)
    try:
        done = finish(spool, claimed, {**BESIDE, ".empty.csv": iter(())})
    finally:
        os.umask(before)
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
        finish(spool, claim(spool, root, name), BESIDE) for name in ("list.csv", "list.csv", "list.json", "list.rejected.csv")
    ]
    assert [end.name for end in ends] == ["list.csv", "list-2.csv", "list-3.json", "list.rejected-2.csv"]
    (root / "done" / "new.known.csv").write_text("another's")
    assert finish(spool, claim(spool, root, "new.csv"), BESIDE).name == "new-2.csv"
    assert (root / "done" / "new.known.csv").read_text() == "another's"
    assert len(tree(root / "done")) == 3 * len(ends) + 4


def test_a_finished_file_named_as_a_campaign_is_not_in_the_way_of_its_folder(spool, root):
    finish(spool, claim(spool, root, "kazakhstan"), {})
    assert finish(spool, claim(spool, root, folder="kazakhstan"), {}) == root / "done" / "kazakhstan-2" / "list.csv"


@needs_root
def test_what_stands_in_done_is_mailers_own_whoever_dropped_it_and_whatever_the_group(ground):
    root = ground / "queue"
    with unprivileged():
        spool = Spool(Settings(root))
        spool.prepare()
    drop(root, "list.csv").chmod(0o664)
    date = (root / "incoming/list.csv").stat().st_mtime_ns
    with unprivileged():
        claimed = spool.claim(spool.look(NOW)[0], NOW)
        assert claimed
        own, user = finish(spool, claimed, BESIDE), os.geteuid()
    assert (mode(own), own.stat().st_uid, own.stat().st_mtime_ns) == (0o640, user, date)
    assert own.stat().st_ino != originals(root)[0].stat().st_ino
    os.chown(root / "done", -1, 1)
    (root / "done").chmod(0o2750)
    with unprivileged():
        assert mode(finish(spool, claim(spool, root), BESIDE)) == 0o640


def test_a_name_reserved_by_another_claim_is_not_taken(spool, root):
    one, other = claim(spool, root), claim(spool, root)
    with pytest.raises(ZeroDivisionError):
        finish(spool, one, {".rejected.csv": (bytes([1 // 0]) for _ in range(1))})
    assert finish(spool, other, BESIDE).name == "list-2.csv"
    assert finish(spool, one, BESIDE).name == "list.csv"


def test_each_of_several_claims_is_finished_as_itself(spool, root):
    claimed = [claim(spool, root, f"{number}.csv") for number in range(6)]
    assert [finish(spool, each, {}).name for each in reversed(claimed)] == [f"{number}.csv" for number in reversed(range(6))]


def test_a_reserved_name_under_which_something_appeared_meanwhile_is_given_up(spool, root):
    claimed = claim(spool, root)
    with pytest.raises(ZeroDivisionError):
        finish(spool, claimed, {".rejected.csv": (bytes([1 // 0]) for _ in range(1))})
    (root / "done" / "list.csv").write_text("another's")
    assert finish(spool, claimed, BESIDE).name == "list-2.csv"
    assert (root / "done" / "list.csv").read_text() == "another's"


def test_content_that_breaks_off_leaves_nothing_half_written(spool, root):
    def broken() -> Iterator[bytes]:
        yield b"line,"
        raise OSError(errno.ENOSPC, "No space left on device", "rows")

    claimed = claim(spool, root)
    with pytest.raises(CannotWrite, match="make room"):
        finish(spool, claimed, {".rejected.csv": broken()})
    assert list((root / "done").iterdir()) == []
    assert finish(spool, claimed, BESIDE).name == "list.csv"


def test_a_folder_that_takes_nothing_is_said_and_the_next_run_goes_on(ground):
    root = ground / "queue"
    with unprivileged():
        spool = Spool(Settings(root))
        spool.prepare()
        claimed = claim(spool, root)
        (root / "done").chmod(0o500)
        with pytest.raises(CannotWrite, match=r"/queue/done: Permission denied"):
            finish(spool, claimed, BESIDE)
        (root / "done").chmod(0o2750)
        (again,) = Spool(Settings(root)).claimed()
        assert (again.id, again.name) == (claimed.id, "list.csv")
        assert finish(spool, claimed, BESIDE).name == "list.csv"  # the older handle on it does as well


PERSON = "jane.doe@example.org.csv"  # people name files after people


@pytest.mark.parametrize("folder", ["claimed", "done", "rejected"])
def test_where_a_folder_takes_nothing_it_is_named_and_the_file_is_not(ground, folder):
    root = ground / "queue"
    with unprivileged():
        spool = Spool(Settings(root))
        spool.prepare()
        claimed = claim(spool, root, PERSON)
        (root / folder).chmod(0o500)
        with pytest.raises(CannotWrite, match=rf"/queue/{folder}: Permission denied; .*mend the owner or the mode") as raised:
            if folder == "rejected":
                spool.set_aside(claimed, "not a table")
            else:
                finish(spool, claimed, {})
        assert "jane" not in str(raised.value)


def test_what_fails_with_a_claimed_file_itself_is_told_by_its_id(spool, root):
    claimed = claim(spool, root, PERSON)
    with pytest.raises(CannotWrite, match="make room") as raised:
        finish(spool, claimed, {".rejected.csv": full()})
    assert "jane" not in str(raised.value)
    with Folder(root / "claimed") as source, Folder(root / "done") as target, pytest.raises(FileNotFoundError) as gone:
        source.move(f"{claimed.id}._.{PERSON}", target, PERSON)  # it has another name by now
    assert gone.value.filename == str(root / "claimed" / claimed.id)


def full() -> Iterator[bytes]:
    yield b"line,"
    raise OSError(errno.ENOSPC, "No space left on device", PERSON)


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


def take_in(root: Path) -> None:
    """What a pass does, from the look to the end, and what the one behind a crash does before it."""
    spool = Spool(Settings(root))
    spool.prepare()
    for claimed in spool.claimed():
        finish(spool, claimed, BESIDE)
    for waiting in spool.look(NOW):
        if taken := spool.claim(waiting, NOW):
            finish(spool, taken, BESIDE)


def sort_out(root: Path) -> None:
    spool = Spool(Settings(root))
    spool.prepare()
    for claimed in spool.claimed():
        spool.set_aside(claimed, "no file")
    for odd in spool.odd():
        spool.set_aside(odd, odd.reason)


# all that changes anything on the disk
PLACES = ("spool/folders.py", "spool/originals.py")
STEPS = {"move", "write", "fit", "make", "sync", "rename_new", "remove", "copy", "_pour", "lay", "put_by"}


def killed_at(line: int, act: Callable[[Path], None], root: Path) -> bool:
    """Run in a child that kills itself before the n-th line of what changes folders; False when it came to its end."""
    child = os.fork()
    if child == 0:
        left = line

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal left
            if frame.f_code.co_name not in STEPS or not frame.f_code.co_filename.endswith(PLACES):
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


def every_death(act: Callable[[Path], None], make: Callable[[Path], object]) -> Iterator[Path]:
    line, killed = 0, True
    while killed:
        line += 1
        with tempfile.TemporaryDirectory(dir=MEMORY) as name:
            root = Path(name) / "queue"
            Spool(Settings(root)).prepare()
            make(root)
            killed = killed_at(line, act, root)
            act(root)
            yield root
    assert line > 30  # else nothing was traced


def test_a_file_is_finished_once_wherever_the_worker_dies():
    wanted = {
        "done/kazakhstan/list.csv": b"name\n",
        "done/kazakhstan/list.rejected.csv": b"line,reason\r\n",
        "done/kazakhstan/list.known.csv": b"line,reason\r\n",
    }
    for root in every_death(take_in, lambda root: drop(root, "list.csv", folder="kazakhstan")):
        (original,) = originals(root)
        assert tree(root) == wanted | {str(original.relative_to(root)): b"name\n"}


def test_a_link_is_set_aside_once_wherever_the_worker_dies():
    for root in every_death(sort_out, lambda root: (root / "incoming" / "x.csv").symlink_to("/etc/hostname")):
        assert sorted(path.name for path in (root / "rejected").iterdir()) == ["x.csv", "x.csv.reason.txt"]
        assert list((root / "incoming").iterdir()) == list((root / "claimed").iterdir()) == []


# What a power failure leaves: a rename is durable when both its folders are synced, a file when it is itself

TRACED = "import sys; from pathlib import Path; from tests.test_spool.test_finishing import take_in; take_in(Path(sys.argv[1]))"


def traced(root: Path) -> list[tuple[str, str, str]]:
    """The syncs and renames of a pass, in order: the path synced; or the path renamed and the folder it went to."""
    trace, calls = root.parent / "trace", "--trace=fsync,rename,renameat,renameat2"
    command = [
        "strace",
        "--follow-forks",
        "--decode-fds=path",
        calls,
        "--output",
        str(trace),
        sys.executable,
        "-c",
        TRACED,
        str(root),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    except FileNotFoundError:
        pytest.skip("strace is not installed")
    if "ptrace" in done.stderr:
        pytest.skip("nothing may be traced here")
    assert done.returncode == 0, done.stderr
    found = []
    for line in trace.read_text().splitlines():
        if synced := re.search(r"fsync\(\d+<(.+)>\) += 0", line):
            found.append(("sync", synced[1], ""))
        elif renamed := re.search(r'renameat2?\(\d+<(.+)>, "(.+)", \d+<(.+)>, ".+?"(?:, \w+)?\) += 0', line):
            found.append(("rename", f"{renamed[1]}/{renamed[2]}", renamed[3]))
    return found


def test_every_step_is_durable_before_the_next_one(spool, root):
    drop(root, "list.csv", folder="kazakhstan")
    synced: set[str] = set()
    wanted: set[str] = set()
    renames = 0
    for kind, path, into in traced(root):
        if kind == "sync":
            synced.add(path)
            continue
        assert wanted <= synced
        if Path(into).parent.name == "done":
            assert path in synced  # the content of what is written, or moved out of our hands
        renames, synced, wanted = renames + 1, set(), {str(Path(path).parent), into}
    assert wanted <= synced
    assert renames == 6  # claim, reserve, two files beside it, its copy, itself
