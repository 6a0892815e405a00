"""Whatever organisers make of a campaign's folder is told, and stops no pass: another campaign's files are taken in."""

from __future__ import annotations

import grp
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mailer.spool import Settings, Spool
from tests.installed import Place
from tests.test_spool.ground import NOBODY, acting, drop, needs_root, unprivileged

ORGANISER = 12345


def link(path: Path) -> None:
    path.symlink_to("d")


def loose(path: Path) -> None:
    path.mkdir()
    path.chmod(0o777)


def closed(path: Path) -> None:
    path.mkdir()
    path.chmod(0o700)


def for_looking(path: Path) -> None:
    path.mkdir()
    path.chmod(0o750)


MADE: dict[str, tuple[Callable[[Path], None], str]] = {
    "link": (link, "stands where a folder"),
    "file": (Path.touch, "stands where a folder belongs"),
    "loose": (loose, "lets more in than 2770"),
    "closed": (closed, "Permission denied"),
    "for looking": (for_looking, "chmod g+rwx"),
}


@needs_root
@pytest.mark.parametrize("what", MADE)
def test_what_an_organiser_makes_of_a_campaigns_folder_stops_no_pass(ground, what):
    make, told = MADE[what]
    root, group = ground / "queue", grp.getgrnam("daemon")
    campaigns = ["c", "d"]
    with acting(NOBODY, group.gr_gid):
        spool = Spool(Settings(root, group.gr_name))
        spool.prepare(campaigns)
        assert spool.troubles(campaigns) == []
    with acting(ORGANISER, ORGANISER, group.gr_gid):
        (root / "incoming/c").rmdir()
        make(root / "incoming/c")
        drop(root, "list.csv", folder="d")
    with acting(NOBODY, group.gr_gid):
        spool.keep()
        (trouble,) = spool.troubles(campaigns)
        assert trouble.startswith(f"{root}/incoming/c: ") and told in trouble
        if what != "for looking":  # mailer leaves it as its owner wants it; what lies in it is told
            assert any(f"{root}/incoming/c: " in sentence for sentence in Spool(Settings(root, "daemon")).prepare(campaigns))
        assert ("d", "list.csv") in [(one.campaign_folder, one.name) for one in spool.look(1e10)]
        for odd in spool.odd():
            assert spool.set_aside(odd, odd.reason)
        if what in {"link", "file"}:
            for waiting in spool.look(1e10):
                spool.claim(waiting, 1e10)
            assert spool.keep() == [f"{root}/incoming/c: it was missing, and is made again"]
            assert spool.troubles(campaigns) == []


@needs_root
def test_a_worker_says_once_what_it_cannot_mend(ground):
    root = ground / "queue"
    with unprivileged():
        spool = Spool(Settings(root))
        spool.prepare(["c", "d"])
        (root / "incoming/c").rmdir()
    loose(root / "incoming/c")
    with unprivileged():
        (sentence,) = spool.keep()
        assert "incoming/c: " in sentence and "mend the owner or the mode" in sentence
        assert spool.keep() == []


@pytest.mark.parametrize("make", [link, Path.touch])
def test_a_run_sends_for_the_other_campaign_and_health_tells(tmp_path: Path, make: Callable[[Path], None]):
    place = Place(tmp_path, "pace: none\n")
    for name in ("config/campaigns/{}.yaml", "templates/{}/en/subject.txt.j2", "templates/{}/en/letter.txt.j2"):
        text = (place.root / name.format("c")).read_text()
        place.write(name.format("d"), text.replace("id: c\n", "id: d\n"))
    assert place.mailer("run").code == 0
    folder = place.root / "var/queue/incoming/c"
    folder.rmdir()
    make(folder)
    assert "incoming/c: " in place.mailer("health").out
    place.drop(2, "d/list.csv")
    said = place.mailer("run")
    assert said.code == 65 and "2 rows, 2 taken" in said.out, said
    assert "where a folder" in said.err and place.sandboxed() == 2
    assert place.mailer("run").code == 0
    assert os.path.isdir(folder) and "incoming/c: " not in place.mailer("health").out
