"""A new instance on disk, whole or not there; and the lock of who works in it."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailer import instance
from mailer.errors import CannotWrite, UsageProblem
from mailer.instance import FOLDERS, MAIN_FILE, Lock
from mailer.spool import Settings, Spool
from tests.installed import Place

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "new"


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Making one


def test_a_new_instance_is_a_copy_of_the_bundled_one_its_main_file_last(folder):
    made = instance.create(folder, samples=True)
    found = {name: content for name, content in tree(folder).items() if not name.startswith("var/")}
    assert sorted(str(path.relative_to(folder)) for path in made) == sorted(tree(folder))
    assert made[-1] == folder / MAIN_FILE
    assert found == {name: (CHECKOUT / name).read_bytes() for name in found}
    assert {name.split("/")[0] for name in found} == {"config", "templates"}
    templates = {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "templates").rglob("*.j2")}
    assert templates and templates <= set(found)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_its_folders_are_what_the_spool_wants_whatever_the_umask(folder, umask):
    before = os.umask(umask)
    try:
        instance.create(folder)
    finally:
        os.umask(before)
    made = {name: stat.S_IMODE((folder / name).stat().st_mode) for name in FOLDERS}
    assert made == FOLDERS
    assert Spool(Settings(folder / "var" / "queue", var=folder / "var")).prepare() == []
    assert {name: stat.S_IMODE((folder / name).stat().st_mode) for name in FOLDERS} == FOLDERS
    other = folder / "other" / "queue"
    Spool(Settings(other)).prepare()
    assert all((folder / "var" / "queue" / path.name).is_dir() for path in other.iterdir())


def test_sample_signatures_wait_in_its_incoming_folder_when_asked_for(folder):
    instance.create(folder, samples=True)
    waiting = Spool(Settings(folder / "var" / "queue")).look(0)
    signatures = {path.name for path in (CHECKOUT / "samples").iterdir() if path.suffix != ".md"}
    assert signatures and {one.name for one in waiting} == signatures


def test_an_instance_is_not_made_twice(folder):
    instance.create(folder)
    (folder / MAIN_FILE).write_text("mine")
    before = tree(folder)
    with pytest.raises(UsageProblem, match="is already an instance"):
        instance.create(folder, samples=True)
    assert tree(folder) == before


def test_a_file_that_stands_there_is_named_and_nothing_is_made(folder):
    theirs = folder / "config" / "embassies.yaml"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    with pytest.raises(UsageProblem, match=r"nothing was changed: config/embassies\.yaml$"):
        instance.create(folder)
    assert tree(folder) == {"config/embassies.yaml": b"theirs"}


def test_an_instance_that_was_cut_off_while_it_was_made_is_no_instance_and_is_made_whole_by_the_next_try(folder):
    instance.create(folder)
    whole = tree(folder)
    for name in [str(MAIN_FILE), *sorted(whole)]:
        (folder / name).unlink()
        (folder / name).with_name(f".{Path(name).name}.tmp").write_text("half")
        (folder / MAIN_FILE).unlink(missing_ok=True)
        made = instance.create(folder)
        assert {folder / name, folder / MAIN_FILE} == set(made)
        assert tree(folder) == whole


def test_a_folder_full_of_other_things_becomes_an_instance_beside_them(folder):
    (folder / "notes").mkdir(parents=True)
    (folder / "notes" / "todo.txt").write_text("theirs")
    instance.create(folder)
    assert tree(folder)["notes/todo.txt"] == b"theirs"


def test_a_folder_that_cannot_be_made_is_said(folder):
    folder.write_text("a file")
    with pytest.raises(CannotWrite, match=r"/new"):
        instance.create(folder)


def test_the_bundle_of_a_wheel_is_used_where_there_is_one(tmp_path):
    package = tmp_path / "site" / "mailer"
    package.mkdir(parents=True)
    for name in ("instance.py", "durable.py", "errors.py"):
        (package / name).write_bytes((CHECKOUT / "mailer" / name).read_bytes())
    (package / "__init__.py").touch()
    script = "from pathlib import Path; from mailer import instance; print(*instance.create(Path('new')), sep='\\n')"

    def run() -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PYTHONPATH": str(package.parent)}
        return subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
        )

    assert "MailerError: " in run().stderr
    (package / "bundle" / "config").mkdir(parents=True)
    (package / "bundle" / MAIN_FILE).write_text("relay: {mode: sandbox}\n")
    (package / "bundle" / "config" / ".mine.yaml").write_text("a draft\n")
    assert run().stdout == "new/config/mailer.yaml\n"


# The lock

HOLD = """
import os, sys
from pathlib import Path
from mailer.instance import Lock
lock = Lock(Path(sys.argv[1]))
assert lock.acquire()
if sys.argv[2] == "fork":
    begun, begins = os.pipe()
    if os.fork() == 0:
        os.write(begins, b"x")
        os.read(0, 1)
        os._exit(0)
    os.read(begun, 1)
elif sys.argv[2] == "spawn":
    os.posix_spawn("/bin/cat", ["cat"], {})
print("held", flush=True)
os.read(0, 1)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@contextmanager
def held(path: Path, child: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock; it and its child end with the block, because their input does."""
    command = [sys.executable, "-c", HOLD, str(path), child]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        yield process


def test_one_at_a_time_holds_the_lock_and_the_file_says_who(path):
    with Lock(path) as one, Lock(path) as other:
        assert one.acquire() and one.acquire()
        assert not other.acquire()
        assert path.read_text() == f"{os.getpid()}\n"
        one.release()
        assert other.acquire()
    with Lock(path) as third:
        assert third.acquire()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_longer_id_of_a_former_holder_does_not_show_through(path):
    path.write_text("99999999999\n")
    with Lock(path) as lock:
        assert lock.acquire()
        assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("child", ["none", "fork", "spawn"])
def test_a_live_process_holds_the_lock_and_a_dead_one_does_not_even_when_its_child_lives(path, child):
    with held(path, child) as process, Lock(path) as lock:
        assert not lock.acquire()
        assert path.read_text() == f"{process.pid}\n"
        process.kill()
        process.wait()
        assert lock.acquire()


def test_a_lock_that_cannot_be_opened_is_said(path):
    with pytest.raises(CannotWrite, match=r"lock/no: the lock cannot be opened"):
        Lock(path / "no").acquire()
    path.symlink_to("elsewhere")
    with pytest.raises(CannotWrite):
        Lock(path).acquire()
    assert not path.with_name("elsewhere").exists()


def test_a_lock_whose_file_was_removed_is_lost_and_one_that_was_removed_meanwhile_is_not_taken(path):
    with Lock(path) as one, Lock(path) as other:
        assert one.acquire() and one.is_ours()
        path.unlink()
        assert not one.is_ours()
        assert other.acquire() and other.is_ours() and not one.is_ours()
        path.replace(path.with_name("elsewhere"))
        assert not other.is_ours()


def test_a_lock_that_is_removed_between_opening_and_taking_it_is_opened_again(path, monkeypatch):
    removed: list[bytes] = []
    flock = fcntl.flock

    def flock_late(handle: int, how: int) -> None:
        if not removed:
            removed.append(path.read_bytes())
            path.unlink()
        flock(handle, how)

    monkeypatch.setattr(fcntl, "flock", flock_late)
    with Lock(path) as lock, Lock(path) as other:
        assert lock.acquire() and removed and lock.is_ours()
        assert not other.acquire()


@pytest.mark.parametrize(
    "locks, is_held",
    [
        ("1: FLOCK  ADVISORY  WRITE 4711 {device}:{number} 0 EOF", True),
        ("1: FLOCK  ADVISORY  WRITE 99 {device}:{number} 0 EOF", True),
        ("1: FLOCK  ADVISORY  WRITE 4711 00:ff:{number} 0 EOF", True),
        ("1: FLOCK  ADVISORY  WRITE 99 00:ff:{number} 0 EOF", False),
        ("1: FLOCK  ADVISORY  WRITE 4711 00:ff:1{number} 0 EOF", False),
        ("1: POSIX  ADVISORY  WRITE 4711 {device}:{number} 0 EOF", False),
        ("1: -> FLOCK  ADVISORY  WRITE 4711 {device}:{number} 0 EOF", False),
        ("", False),
    ],
    ids=[
        "its own",
        "in another namespace",
        "another device",
        "a stranger's",
        "another file",
        "of another kind",
        "waits",
        "none",
    ],
)
def test_the_lock_is_known_where_the_kernel_names_another_device_than_stat_does(locks, is_held, path):
    """As on overlayfs over two file systems, and on btrfs: a live run's letters were told to be a dead worker's."""
    path.write_text("4711\n")
    status = path.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    told = locks.format(device=device, number=status.st_ino)
    assert instance._is_among(told, status, "4711") is is_held


def test_whether_the_lock_is_held_is_asked_of_the_kernel(path):
    with Lock(path) as lock, Lock(path) as other:
        assert not other.is_held()
        assert lock.acquire() and other.is_held()
        lock.release()
        assert not other.is_held()


# The way to it


def test_a_first_run_makes_a_way_to_incoming_for_organisers_whatever_the_umask(tmp_path):
    """All that a command makes is its own (umask 077): whoever drops files could not even come near."""
    place = Place(tmp_path / "home/here", "pace: none\n")
    place.write("config/mailer.yaml", "".join(f"{key}: state/mailer/{key}\n" for key in ("spool", "ledger", "journal")))
    assert place.mailer("run").code == 0
    for name in ("state", "state/mailer", "state/mailer/spool"):
        assert stat.S_IMODE((place.root / name).stat().st_mode) == 0o711
    assert stat.S_IMODE((place.root / "state/mailer/keys").stat().st_mode) == 0o700
    (place.root / "state").chmod(0o750)
    assert place.mailer("run").code == 0
    assert stat.S_IMODE((place.root / "state").stat().st_mode) == 0o750, "what stands keeps what its owner gave it"
