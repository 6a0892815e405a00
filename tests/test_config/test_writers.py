"""Who else could have written a configuration: it is refused, unread, and what to type is said."""

from __future__ import annotations

import grp
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer import config
from mailer.errors import ConfigurationError
from tests.installed import Place
from tests.test_config.instance import Instance
from tests.test_spool.ground import NOBODY, needs_root, unprivileged

MAIN = ("", "config", "config/mailer.yaml")
REST = (
    "config/campaigns", "config/campaigns/c.yaml", "config/embassies.yaml",
    "templates", "templates/c", "templates/c/en", "templates/c/en/letter.txt.j2",
)  # fmt: skip
OTHERS = next(group for group in grp.getgrall() if group.gr_gid not in (0, os.getgid(), NOBODY) and not group.gr_mem)


@pytest.fixture
def here() -> Iterator[Instance]:
    """An instance where every account may look."""
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are for one user only
        os.chmod(name, 0o755)
        made = Instance(Path(name, "here"))
        for path in [made.root, *made.root.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield made


@needs_root
@pytest.mark.parametrize("name", [*MAIN, *REST])
def test_what_a_stranger_owns_is_refused(here, name):
    path = here.root / name
    os.chown(path, NOBODY, -1)
    (said,) = here.problems()
    assert said.startswith(f"{path}:1: is nobody's, and here only root may say what is sent to whom")
    assert "type: runuser -u nobody -- mailer …; else cd / or name yours by --config PATH" in said


@needs_root
@pytest.mark.parametrize("name", [*MAIN, *REST])
def test_to_the_services_account_a_third_ones_file_is_a_strangers(here, name):
    path = here.root / name
    os.chown(path, 1, -1)
    with unprivileged():
        (said,) = here.problems()
    deep = "-hR" if path.is_dir() and name in REST else "-h"
    assert "is daemon's, and here only root and nobody may say" in said
    assert f"type: (as root) chown {deep} nobody {path}; else" in said


@pytest.mark.parametrize("name", [*MAIN, *REST])
def test_what_everybody_may_write_is_refused_and_what_is_to_be_typed_mends_it(here, name):
    path = here.root / name
    path.chmod(path.stat().st_mode | 0o002)
    (said,) = here.problems()
    assert said.startswith(f"{path}:1: can be written by everybody, who could say what is sent to whom; type: chmod ")
    subprocess.run(["sh", "-c", said.partition("type: ")[2]], check=True)
    assert here.problems() == []


@needs_root
@pytest.mark.parametrize("name", [*MAIN, *REST])
def test_what_a_group_may_write_is_refused_unless_it_is_the_editors_and_they_never_write_the_main_file(here, name):
    path = here.root / name
    os.chown(path, -1, OTHERS.gr_gid)
    path.chmod(path.stat().st_mode | 0o020)
    (said,) = here.problems()
    assert said.startswith(f"{path}:1: can be written by the group {OTHERS.gr_name}, who could say")
    assert (f", or write into mailer.yaml, if they may: editors: {OTHERS.gr_name}" in said) == (name in REST)
    here.write("config/mailer.yaml", f"editors: {OTHERS.gr_name}\n")
    assert (here.problems() == []) == (name in REST)
    subprocess.run(["sh", "-c", said.partition("type: ")[2].partition(",")[0]], check=True)
    here.write("config/mailer.yaml", "")
    assert here.problems() == []


@needs_root
def test_a_persons_own_group_is_the_person_unless_others_are_in_it_or_on_the_access_list(here):
    for path in here.root.rglob("*"):
        path.chmod(path.stat().st_mode | 0o020)  # a checkout with umask 002
    assert here.problems() == []
    acl = b"\x02\x00\x00\x00" + b"".join(
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + who.to_bytes(4, "little")
        for tag, rights, who in [(1, 6, 2**32 - 1), (2, 6, NOBODY), (4, 4, 2**32 - 1), (16, 6, 2**32 - 1), (32, 4, 2**32 - 1)]
    )
    os.setxattr(here.root / "config/campaigns/c.yaml", "system.posix_acl_access", acl)
    (said,) = here.problems()
    assert "campaigns/c.yaml:1: can be written by the group root" in said


@needs_root
def test_roots_files_and_its_own_are_the_services_own(here):
    main, root = here.root / "config/mailer.yaml", here.root
    for path in root.rglob("*"):  # as /etc/mailer has them
        os.chown(path, 0, NOBODY)
        path.chmod(0o750 if path.is_dir() else 0o640)
    with unprivileged():
        assert config.load(main, {}).path == main
    for path in [root, *root.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)
    with unprivileged():
        assert config.load(main, {}).path == main


@needs_root
def test_a_link_counts_with_whose_it_is_and_with_what_it_leads_to(here):
    templates, release = here.root / "templates", here.root.parent / "release"
    templates.rename(release)
    templates.symlink_to(release)
    assert here.problems() == []
    os.lchown(templates, NOBODY, -1)
    assert "templates:1: is nobody's" in here.problems()[0]
    os.lchown(templates, 0, -1)
    os.chown(release / "c/en/letter.txt.j2", NOBODY, -1)
    assert "templates/c/en/letter.txt.j2:1: is nobody's" in here.problems()[0]
    os.chown(release / "c/en/letter.txt.j2", 0, -1)
    os.chown(release.parent, NOBODY, -1)
    assert f"{release.parent}:1: is nobody's" in here.problems()[0]


def test_links_in_a_circle_end(here):
    (here.root / "templates/c/en/again").symlink_to("..")
    assert here.problems() == []
    (here.root / "templates/self.j2").symlink_to("self.j2")
    assert ["templates/self.j2:1: cannot be looked at" in said for said in here.problems()] == [True]


def test_in_a_folder_where_everybody_may_lay_things_beside_ours_ours_is_ours(here):
    here.root.chmod(0o1777)
    assert here.problems() == []
    here.root.chmod(0o777)
    assert here.problems() != []
    here.root.chmod(0o755)
    (here.root / "templates").chmod(0o1777)  # what lies in it is ours too; a file more would be a template more
    assert here.problems() != []


def test_of_what_anybody_could_have_written_not_a_word_is_read(here):
    here.write("config/mailer.yaml", "nonsense: [")
    (here.root / "config").chmod(0o777)
    with pytest.raises(ConfigurationError) as raised:
        config.load(here.root / "config/mailer.yaml", {})
    assert ["can be written by everybody" in said for said in raised.value.problems] == [True]


@needs_root
def test_whoever_stands_in_a_strangers_folder_sends_nothing_of_theirs_from_the_real_ledger(tmp_path):
    real = Place(tmp_path / "real", "approval: none\n")
    real.drop(3)
    assert real.mailer("run", "--intake-only").code == 0
    eve = Place(tmp_path / "shared", "approval: none\ntargets: {court: {name: Court, to: eve@attacker.example}}\n")
    eve.write("config/mailer.yaml", "".join(f"{key}: {real.root}/var/{name}\n" for key, name in (
        ("spool", "queue"), ("ledger", "ledger.db"), ("journal", "journal.jsonl"))))  # fmt: skip
    eve.root.chmod(0o1777)
    for path in eve.root.rglob("*"):
        os.chown(path, NOBODY, NOBODY)
    said = eve.mailer("run")
    assert said.code == 78 and "is nobody's" in said.err and "cd / or name yours by --config" in said.err, said
    assert real.letters("queued") == 3
