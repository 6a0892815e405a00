"""
Hostile files harm nothing: each comes to a reason within two seconds and 256 MB, and the files beside it are taken in.

What they are stands in `attacks`; `python -m tests.attacks` shows the time and the memory that each class takes.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mailer.spool.names import REPORTS
from tests import attacks
from tests.attacks import MEMORY
from tests.installed import COMMAND, Place, environment

HOSTILE_NAMES = [
    b"list\n\x1b[2J.csv", b"\xff\xfe.csv", b"-rf.csv", b"...csv", b"a" * 240 + b".csv", b"%s%n.csv", b"$(touch harm).csv",
    b"; rm -rf x.csv", "\u202evsc.exe.csv".encode(), b"list.csv.rejected.csv", b"CON.csv", b" .csv", b"'\"`.csv",
    b"<script>.csv", "\u2028.csv".encode(),
    b"01J8ZK3S4T5V6W7X8Y9Z0A1B2C-done2._.list.csv", b"x.windows-1251.xlsx.csv.gz.csv",
]  # fmt: skip


def test_every_attack_comes_to_what_it_must_within_its_limits(tmp_path: Path):
    found = {attack.name: (attack, come) for attack, come, _, _ in attacks.read_all(tmp_path)}
    assert {name: come for name, (attack, come) in found.items() if not attacks.is_right(attack, come)} == {}
    assert len(found) >= 150
    assert len({attack.kind for attack, _ in found.values()}) >= 20


# A process counts as its own what the one that started it held: so a small one starts it.
LAUNCHER = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "instance", "pace: none\n")
    place.drop(3, "first.csv", first=1)
    place.drop(3, "last.csv", first=4)
    return place


def run_measured(place: Place) -> tuple[int, int]:
    """Take in all that lies there; the exit code, and the most memory in bytes of the worker or a child of it."""
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, COMMAND, "run", "--intake-only"],
        cwd=place.root,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in done.stderr and "bug" not in done.stderr, done.stderr
    code, kilobytes = map(int, done.stdout.split())
    return code, kilobytes << 10


def test_all_of_them_at_once_leave_the_good_files_taken_in_and_nothing_behind(place: Place):
    incoming = place.root / "var/queue/incoming"
    dropped = 0
    for attack in attacks.attacks():
        attack.write(incoming / attack.name)
        os.utime(incoming / attack.name, (1, 1))
        dropped += 1
    code, most = run_measured(place)
    assert code == 65
    assert most < MEMORY
    assert list(incoming.iterdir()) == []
    assert os.listdir(place.root / "var/queue/claimed") == [".read"]
    done, rejected = (
        sorted(path.name for path in (place.root / "var/queue" / name).iterdir()) for name in ("done", "rejected")
    )
    files = [name for name in done if not name.endswith(REPORTS)]
    aside = [name for name in rejected if not name.endswith(".reason.txt")]
    assert len(files) + len(aside) == dropped + 2
    assert {f"{name}.reason.txt" for name in aside} == {name for name in rejected if name.endswith(".reason.txt")}
    assert not (place.root.parent / "harm").exists() and not Path("/tmp/harm").exists()
    told = place.mailer("status", "--json").json
    assert told["files"] == {"done": len(files), "rejected": len(aside), "waiting": 0}
    assert "first.csv" in files and "last.csv" in files
    assert place.mailer("verify").code == 0


def test_no_name_is_obeyed_and_each_file_is_taken_in_under_a_safe_one(place: Place):
    incoming = os.fsencode(place.root / "var/queue/incoming")
    for number, name in enumerate(HOSTILE_NAMES):
        path = os.path.join(incoming, name)
        Path(os.fsdecode(path)).write_text(f"name,email\nPerson,h{number}@example.org\n", encoding="utf-8")
        os.utime(path, (1, 1))
    assert run_measured(place)[0] in {0, 65}
    left = os.listdir(incoming)
    assert left == [b"...csv"], "a name that begins with a dot is not finished yet"
    names = [path.name for folder in ("done", "rejected") for path in (place.root / "var/queue" / folder).iterdir()]
    assert all(name.isprintable() and not name.startswith("-") for name in names)
    assert len(names) == len(HOSTILE_NAMES) - 1 + 2
    assert not list(place.root.rglob("harm"))


def test_what_is_no_file_is_set_aside_unread_and_what_it_points_at_is_untouched(place: Place, tmp_path: Path):
    incoming, outside = place.root / "var/queue/incoming", tmp_path / "outside.csv"
    outside.write_text("name,email\nSecret,secret@example.org\n", encoding="utf-8")
    before = outside.stat()
    (incoming / "link.csv").symlink_to(outside)
    (incoming / "loop.csv").symlink_to("loop.csv")
    (incoming / "up.csv").symlink_to("../../../config/mailer.yaml")
    (incoming / "folder-link").symlink_to(tmp_path)
    os.link(outside, incoming / "hard.csv")
    os.mkfifo(incoming / "pipe.csv")
    (incoming / "folder.csv").mkdir()
    (incoming / "c").mkdir()
    (incoming / "c/deeper").mkdir()
    (incoming / "c/link.csv").symlink_to("/etc/passwd")
    odd = 9
    try:
        os.mknod(incoming / "device.csv", stat.S_IFCHR | 0o600, os.makedev(1, 5))
        odd += 1
    except PermissionError:  # only root makes devices
        pass
    assert run_measured(place)[0] == 65
    reasons = list((place.root / "var/queue/rejected").rglob("*.reason.txt"))
    assert len(reasons) == odd
    assert outside.read_text(encoding="utf-8").endswith("secret@example.org\n")
    assert outside.stat().st_mtime_ns == before.st_mtime_ns
    assert place.mailer("status", "--json").json["campaigns"]["c"]["signatures"] == 6
