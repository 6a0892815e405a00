"""What is no file is moved itself, never followed, never opened."""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mailer.errors import UnreadableFile
from mailer.spool import Settings, Spool
from tests.test_spool.ground import NOW, claim, drop, mode, tree, unprivileged


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


def in_child(act: Callable[[], object], on: str, name: str, meanwhile: Callable[[], object]) -> bool:
    """Act in a child, in which something else happens just before a file of that name is opened; whether it held true."""
    child = os.fork()
    if child == 0:

        def hook(event: str, args: tuple[object, ...]) -> None:
            nonlocal name
            if event == on and args[0] == name:
                name = ""
                meanwhile()

        sys.addaudithook(hook)
        held = False
        try:
            held = bool(act()) and not name
        finally:
            os._exit(0 if held else 1)
    return os.waitpid(child, 0)[1] == 0


def test_a_second_link_that_is_made_just_before_it_is_opened_shows_on_the_handle(spool, root):
    claimed = claim(spool, root)

    def refused() -> bool:
        with pytest.raises(UnreadableFile, match="hard link"):
            claimed.open()
        return True

    assert in_child(refused, "open", claimed.path.name, lambda: os.link(claimed.path, root / "elsewhere"))


def test_a_folder_that_is_exchanged_for_a_link_during_the_look_is_not_followed(spool, root):
    folder = drop(root, "list.csv", folder="kazakhstan").parent

    def exchange() -> None:
        folder.rename(root / "elsewhere")
        folder.symlink_to(root / "elsewhere")

    assert in_child(lambda: (spool.look(NOW), spool.odd()[0].name) == ([], "kazakhstan"), "open", "kazakhstan", exchange)


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
        assert (told := spool.set_aside(odd, odd.reason))
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
