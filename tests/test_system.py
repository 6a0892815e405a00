"""An instance for a whole machine, made below another root: what comes where, for whom, and what is left alone."""

from __future__ import annotations

import grp
import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from mailer import config, system
from mailer.cli.machine import install, startable
from mailer.errors import UsageProblem
from mailer.instance import FOLDERS
from tests.installed import Said, mailer
from tests.test_spool.ground import needs_root, unprivileged

ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "etc/group": "root:x:0:\nstaff:x:50:\n",
    "etc/shadow": "root:*:1::::::\n",
    "etc/gshadow": "root:*::\nstaff:!::\n",
    "etc/login.defs": "SYS_UID_MAX 999\nSYS_GID_MAX 999\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree as a package is made in: nobody lives there."""
    return tmp_path / "root"


@pytest.fixture
def machine(root: Path) -> Path:
    """A tree that is a machine's, with accounts and systemd."""
    if shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin") is None:
        pytest.skip("useradd is not installed")
    root.mkdir(mode=0o755)
    for name, text in {**ACCOUNTS, "usr/lib/systemd/systemd": ""}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for folder in root.rglob("*"):
        folder.chmod(0o755)
    return root


def init(root: Path, *words: str) -> Said:
    return mailer(root.parent, "init", "--system", "--root", root, "--yes", *words)


def modes(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): stat.S_IMODE(path.lstat().st_mode) for path in root.rglob("*")}


def test_a_packages_tree_gets_files_and_folders_and_no_account(root):
    said = init(root)
    assert said.code == 0, said
    found = modes(root)
    assert {name: found[f"var/lib/mailer{name.removeprefix('var')}"] for name in FOLDERS} == FOLDERS
    assert {found[name] for name in found if name.startswith("etc/mailer/") and name.endswith((".yaml", ".j2"))} == {0o640}
    assert found["etc"] == 0o755 and found["etc/mailer"] == found["etc/mailer/templates/kazakhstan/en"] == 0o750
    assert found["etc/cron.d/mailer"] == 0o644  # there is no systemd
    assert not (root / "etc/systemd").exists() and not (root / "etc/passwd").exists()


def test_what_it_fills_lies_in_var_lib_mailer_and_the_campaign_beside_its_main_file(root):
    assert init(root, "--group", grp.getgrgid(os.getgid()).gr_name).code == 0
    loaded = config.load(root / "etc/mailer/mailer.yaml", {})
    var = Path("/var/lib/mailer")
    assert (loaded.spool, loaded.ledger, loaded.journal) == (var / "queue", str(var / "ledger.db"), var / "journal.jsonl")
    assert (loaded.keys, loaded.relay.folder) == (var / "keys", var / "sandbox")
    assert loaded.templates == root / "etc/mailer/templates" and list(loaded.campaigns) == ["kazakhstan"]
    assert loaded.group == grp.getgrgid(os.getgid()).gr_name
    assert not re.search(r"(?<![/\w])var/", (root / "etc/mailer/mailer.yaml").read_text())


@needs_root
def test_a_machine_gets_the_account_the_group_and_folders_that_are_theirs(machine):
    said = init(machine)
    assert said.code == 0, said
    place = system.Place(machine, "organisers")
    user, own, group = place.number("passwd", "mailer"), place.number("group", "mailer"), place.number("group", "organisers")
    assert user and own and group and place.has_member("organisers")
    folders = {name: (machine / "var/lib/mailer" / Path(name).relative_to("var")).stat() for name in FOLDERS}
    assert {folder.st_uid for folder in folders.values()} == {user}
    shared = {name for name, folder in folders.items() if folder.st_gid == group}
    assert shared == {"var/queue/incoming", "var/queue/done", "var/queue/rejected", "var/report"}
    assert {name: stat.S_IMODE(folder.st_mode) for name, folder in folders.items()} == FOLDERS
    main = (machine / "etc/mailer/mailer.yaml").stat()
    assert (main.st_uid, main.st_gid) == (0, own)
    assert {"mailer.service", "mailer-run.timer"} <= {path.name for path in (machine / "etc/systemd/system").iterdir()}
    assert not (machine / "etc/cron.d").exists()


@needs_root
def test_given_again_it_finds_nothing_to_do_and_mends_what_is_missing(machine):
    assert init(machine).code == 0
    before = modes(machine)
    again = init(machine)
    assert (again.code, again.out) == (0, "Everything is in place; nothing was changed.\n")
    (machine / "var/lib/mailer/queue/done").rmdir()
    (machine / "etc/mailer/embassies.yaml").unlink()
    mended = init(machine)
    assert "make /var/lib/mailer" in mended.out and "write /etc/mailer/embassies.yaml" in mended.out
    assert "Done: 2 steps." in mended.out and modes(machine) == before


@needs_root
def test_what_somebody_has_changed_stays_and_is_named_and_an_older_unit_of_ours_is_replaced(machine):
    assert init(machine).code == 0
    ours, theirs = machine / "etc/systemd/system/mailer-run.timer", machine / "etc/systemd/system/mailer.service"
    newest = ours.read_bytes()
    older = newest + b"# as an older version had it\n"
    memory = machine / "etc/mailer/.installed"
    ours.write_bytes(older)
    told = init(machine)
    assert "/etc/systemd/system/mailer-run.timer: somebody has changed it" in told.err and ours.read_bytes() == older
    memory.write_text(memory.read_text().replace(system.files._sha256(newest), system.files._sha256(older)))
    theirs.write_text("mine\n")
    (machine / "etc/mailer/campaigns/kazakhstan.yaml").write_text("mine\n")
    told = init(machine)
    assert "replace /etc/systemd/system/mailer-run.timer by this version's" in told.out and ours.read_bytes() == newest
    assert "/etc/systemd/system/mailer.service: somebody has changed it" in told.err and theirs.read_text() == "mine\n"
    assert (machine / "etc/mailer/campaigns/kazakhstan.yaml").read_text() == "mine\n"
    assert "campaigns" not in told.err + told.out  # that is what the configuration is for


@needs_root
def test_root_follows_no_link_that_the_service_has_laid(machine, tmp_path):
    """The service's account owns /var/lib/mailer; whoever gets into it must not become root by the next `init --system`."""
    assert init(machine).code == 0
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o700)
    queue = machine / "var/lib/mailer/queue"
    shutil.rmtree(queue)
    queue.symlink_to(victim)
    said = init(machine)
    assert said.code == 73 and "mailer cannot make its folders there" in said.err
    assert list(victim.iterdir()) == [] and (victim.stat().st_uid, stat.S_IMODE(victim.stat().st_mode)) == (0, 0o700)


def test_nothing_is_changed_where_nobody_is_there_to_say_yes(root):
    said = mailer(root.parent, "init", "--system", "--root", root)
    assert said.code == 64 and "a script says --yes" in said.err
    assert "write /etc/mailer/mailer.yaml" in said.out and not root.exists()


@needs_root
def test_only_root_makes_it_for_the_machine_and_nothing_is_asked_before_that():
    with unprivileged(), pytest.raises(UsageProblem, match="type: sudo mailer init --system"):
        install(Path("/"), "organisers", yes=True)


def test_a_command_that_only_some_accounts_can_start_is_no_units_command():
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are for one user only
        os.chmod(name, 0o755)
        real, called = Path(name, "home/venv/mailer"), Path(name, "bin/mailer")
        for path in (real, called):
            path.parent.mkdir(parents=True)
        real.touch(mode=0o755)
        called.symlink_to(real)
        assert startable(str(called)) == str(called)
        for closed in (real, real.parents[1], called.parent):
            closed.chmod(0o700)
            with pytest.raises(
                UsageProblem, match=r"only some accounts may go through .*PIPX_BIN_DIR=/usr/local/bin pipx install"
            ):
                startable(str(called))
            closed.chmod(0o755)


@pytest.mark.parametrize("words", [["--root", "x"], ["--group", "x"], ["--system", "DIR"], ["--system", "--bundled"]])
def test_options_that_do_not_go_together_are_said(root, words):
    assert mailer(root.parent, "init", *words).code == 64
    assert list(root.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("blocked", "told"),
    [
        ("etc/mailer/templates", "it could not be done: write /etc/mailer/templates"),
        ("etc", "etc/mailer/.installed: Not a directory"),
    ],
)
def test_what_stands_in_the_way_is_named_and_so_is_what_to_do(root, blocked, told):
    path = root / blocked
    path.parent.mkdir(parents=True)
    path.write_text("a file\n")
    said = init(root)
    assert said.code == 73
    assert told in said.err and "mend it, and give the command again" in said.err


@pytest.mark.parametrize("link", ["etc/cron.d", "etc", "var/lib/mailer", "etc/mailer/mailer.yaml"])
def test_nothing_is_written_through_a_link_that_leads_out_of_the_root(link, root, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(elsewhere)
    said = init(root)
    assert said.code == 64 and "leads out of" in said.err
    assert list(elsewhere.iterdir()) == []


def test_a_link_within_the_root_is_followed(root):
    (root / "usr/etc").mkdir(parents=True)
    (root / "etc").symlink_to("usr/etc")
    assert init(root).code == 0
    assert (root / "usr/etc/mailer/mailer.yaml").is_file()


@pytest.mark.parametrize("group", ["x\nrelay: {mode: smtp}", "a b", "-x", "a:b", "x" * 33])
def test_what_is_no_groups_name_gets_nowhere(group, root):
    said = init(root, f"--group={group}")
    assert said.code == 64 and "no group's name" in said.err
    assert not root.exists()
