"""The folders: made, mended, given to a group, under one mount; and what is said when the disk refuses."""

from __future__ import annotations

import grp
import os
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailer import health, log
from mailer.app import spool_of
from mailer.errors import CannotWrite, UnreadableFile
from mailer.intake import Intake
from mailer.spool import Settings, Spool, acl
from tests.offices import at_work, instance
from tests.test_spool.ground import BESIDE, NOBODY, acting, claim, drop, finish, mode, needs_root, tree, unprivileged

ORGANISER = 12345


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
    root.chmod(0o755)
    (root / "done").chmod(0o2707)  # looser and stricter at once: nobody has meant that
    assert len(spool.prepare()) == 2
    assert [mode(root), mode(root / "done")] == [0o711, 0o2750]


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
    moved_in = claim(spool, root)
    os.chown(moved_in.path, -1, os.getegid())
    done = finish(spool, moved_in, BESIDE)
    assert {path.stat().st_gid for path in done.parent.iterdir()} == {group.gr_gid}


def test_a_group_that_is_unknown_or_not_ours_to_give_is_said_and_stops_nothing(ground):
    root = ground / "queue"
    with unprivileged():
        assert Spool(Settings(root, "no-such-group")).prepare() == ["there is no group «no-such-group» on this machine"]
        said = Spool(Settings(root, "daemon")).prepare()
    assert len(said) == 3 and all("must be in «daemon»" in sentence for sentence in said)


@needs_root
@pytest.mark.parametrize("folder", ["", "kazakhstan", "of.their.own"])
def test_what_an_organiser_drops_with_the_strictest_umask_is_mailers_to_take(ground, folder):
    """Nobody is mailer here; the organiser is another account, which shares with it only a group."""
    root, group = ground / "queue", grp.getgrnam("daemon")
    file, done = root / "incoming" / folder / "list.csv", root / "done" / folder / "list.csv"
    spool = Spool(Settings(root, group.gr_name))
    with acting(NOBODY, group.gr_gid):
        assert spool.prepare(["kazakhstan"]) == []
    with acting(ORGANISER, ORGANISER, group.gr_gid):
        file.parent.mkdir(exist_ok=True)
        file.write_text("name\n")
    assert (file.stat().st_uid, file.stat().st_gid, mode(file) & 0o007) == (ORGANISER, group.gr_gid, 0)
    with acting(NOBODY, group.gr_gid):
        odd, waiting = spool.odd(), spool.look(1e10)
        if "." in folder:  # no campaign's name: it is set aside whole, with what lies in it
            assert spool.set_aside(odd[0], odd[0].reason) == root / "rejected" / folder
            return
        claimed = spool.claim(waiting[0], 1e10)
        assert claimed
        with claimed.open() as stream:
            assert stream.read() == b"name\n"
    with acting(ORGANISER, ORGANISER, group.gr_gid):
        for forbidden in (claimed.path.read_bytes, claimed.path.unlink, (root / "claimed").iterdir().__next__):
            with pytest.raises(PermissionError):
                forbidden()
    with acting(NOBODY, group.gr_gid):
        finish(spool, claimed, BESIDE)
    with acting(ORGANISER + 1, ORGANISER, group.gr_gid):
        assert [path.read_bytes() != b"" for path in done.parent.iterdir() if path.is_file()] == [True] * 3
        with pytest.raises(PermissionError):
            done.unlink()
    with acting(ORGANISER + 1, ORGANISER), pytest.raises(PermissionError):
        done.read_bytes()


@needs_root
def test_a_file_that_was_closed_on_purpose_is_set_aside_told_and_holds_up_no_other(ground):
    root, group = ground / "queue", grp.getgrnam("daemon")
    spool = Spool(Settings(root, group.gr_name))
    with acting(NOBODY, group.gr_gid):
        spool.prepare()
    with acting(ORGANISER, ORGANISER, group.gr_gid):
        for name in ("a.csv", "b.csv"):
            (root / "incoming" / name).write_text("name\n")
        (root / "incoming/a.csv").chmod(0o600)
    with acting(NOBODY, group.gr_gid):
        closed, other = (spool.claim(waiting, 1e10) for waiting in spool.look(1e10))
        assert closed and other
        with pytest.raises(UnreadableFile, match="let its group read it"):
            closed.open()
        before = time.time() - 1
        assert spool.set_aside(closed, "it may not be read") == root / "rejected/a.csv"
        with other.open() as stream:
            assert stream.read() == b"name\n"
        assert (spool.closed(before), spool.closed(before + 3600)) == (1, 0)
    with acting(ORGANISER + 1, ORGANISER, group.gr_gid):
        assert "was set aside: it may not be read" in (root / "rejected/a.csv.reason.txt").read_text()


@needs_root
async def test_health_tells_of_files_that_mailer_may_not_read(ground):
    async def told() -> list[str]:
        spool = spool_of(scene.office.configuration)
        found = await health.ailments(scene.ledger, "relay", scene.time.clock, spool, lambda: True, {})
        return [sentence for sentence in found if "may not read" in sentence]

    root = ground / "instance"  # its configuration is root's
    root.mkdir(mode=0o755)
    async with at_work(instance(root)) as scene:
        await scene.take_in()
        scene.time.now = time.time()
        closed = root / "var/queue/rejected/closed.csv"
        closed.touch(mode=0o600)
        for folder in (closed.parent.parent, *closed.parent.parent.iterdir()):
            folder.chmod(0o755)
        assert await told() == []
        with acting(NOBODY, NOBODY):
            (sentence,) = await told()
        assert sentence.startswith("1 file set aside in the last day") and "closed.csv" not in sentence


@needs_root
def test_an_acl_that_the_administrator_gave_is_left_alone(spool, root):
    group = grp.getgrgid(os.getegid()).gr_name
    mine = acl.shared_with(NOBODY)
    os.setxattr(root / "incoming", "system.posix_acl_default", mine)
    assert Spool(Settings(root, group)).prepare(["kazakhstan"]) == []
    assert os.getxattr(root / "incoming", "system.posix_acl_default") == mine
    assert mode(root / "incoming/kazakhstan") == 0o2770


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


MOUNTED = """
import sys
import time
from pathlib import Path
from mailer.errors import CannotWrite, UnreadableFile
from mailer.spool import Settings, Spool, acl
root = Path(sys.argv[1])
spool = Spool(Settings(root))
try:
    spool.prepare()
    for waiting in spool.look(1e10):
        claimed = spool.claim(waiting, 1e10)
        print(spool.finish(spool.copied(claimed), {".rejected.csv": (b"x" * 4096 for _ in range(64))}))
except CannotWrite as problem:
    print(problem)
"""


def mounted(root: Path, mount: str) -> str:
    """Run a pass in a mount namespace of its own, behind a mount command."""
    script = f'{mount} || exit 99; exec "$2" -c "$3" "$1"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(root), sys.executable, MOUNTED]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if told.returncode == 99 or told.stderr.startswith("unshare:"):
        pytest.skip(f"no mount namespace here: {told.stderr.strip()[-80:]}")
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_a_folder_on_a_disk_of_its_own_is_said_before_there_is_anything_to_move(spool, root):
    assert "must live under one mount" in mounted(root, 'mount -t tmpfs none "$1/claimed"')


def test_a_folder_under_a_mount_of_its_own_is_said_and_nothing_is_moved(spool, root):
    drop(root, "list.csv")
    assert "must live under one mount" in mounted(root, 'mount --bind "$1/claimed" "$1/claimed"')
    assert list(tree(root)) == ["incoming/list.csv"]


def test_a_full_disk_is_said(spool, root):
    drop(root, "list.csv")
    mount = 'mount -t tmpfs -o size=64k none "$1" && mkdir "$1/incoming" && echo name > "$1/incoming/list.csv"'
    assert "the disk is full: make room" in mounted(root, mount)


def test_a_disk_mounted_read_only_is_said(spool, root):
    drop(root, "list.csv")
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1"'
    assert "mounted read-only" in mounted(root, mount)


# -- kept while a worker goes on


@pytest.mark.parametrize("name", ["", "incoming", "incoming/c", "claimed", "done", "rejected"])
def test_a_folder_that_vanishes_is_made_again_and_said_once(spool, root, name):
    spool.prepare(["c", "d"])
    assert spool.keep() == []
    shutil.rmtree(root / name)
    said = spool.keep()
    assert f"{root / name}: it was missing, and is made again" in [sentence.removesuffix("/") for sentence in said]
    assert (root / "incoming/c").is_dir() and (root / "rejected").is_dir()
    assert spool.keep() == []


def test_a_folder_that_was_made_again_by_hand_loses_what_lets_in_too_much(spool, root):
    spool.prepare()
    os.chmod(root / "incoming", 0o777)
    (sentence,) = spool.keep()
    assert "its mode 0777 let more in than 2770" in sentence
    assert stat.S_IMODE((root / "incoming").stat().st_mode) & 0o007 == 0
    assert spool.keep() == []


def test_what_cannot_be_mended_is_said_once_and_stops_nothing(spool, root):
    spool.prepare()
    shutil.rmtree(root / "done")
    (root / "claimed").rmdir()
    (root / "claimed").write_text("in the way")
    (sentence,) = spool.keep()
    assert str(root / "claimed") in sentence
    assert spool.keep() == []


async def test_a_pass_keeps_the_folders(tmp_path, caplog):
    async with at_work(instance(tmp_path)) as scene:
        await scene.take_in()
        spool = spool_of(scene.office.configuration)
        spool.prepare()
        intake = Intake(spool, scene.ledger, scene.office.desks, scene.time.clock, log.Watch())
        shutil.rmtree(tmp_path / "var/queue/incoming")
        await intake.take_ready()
        assert [record.getMessage() for record in caplog.records if "made again" in record.getMessage()]
        assert (tmp_path / "var/queue/incoming").is_dir()


async def test_a_file_that_the_disks_clock_calls_new_for_ever_is_taken_once_ten_looks_a_second_apart_found_it_the_same(
    tmp_path,
):
    """The scene's clock stands in 2011, the disk's does not."""
    async with at_work(instance(tmp_path)) as scene:
        spool = Spool(Settings(tmp_path / "var/queue"))
        spool.prepare()
        intake = Intake(spool, scene.ledger, scene.office.desks, scene.time.clock, log.Watch())
        path = tmp_path / "var/queue/incoming/list.csv"
        path.write_text("name,email,country\n")
        results = []
        for second in range(15):
            if second == 3:
                with path.open("a") as copy:
                    copy.write("Jane Doe,jane@example.org,IE\n")
            results.append(len(await intake.take_ready()))
            scene.time.now += 1
        assert results.index(1) == 13 and sum(results) == 1  # first seen as it is at the fourth look, ten seconds before
        assert not intake.is_waiting
