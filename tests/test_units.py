"""The units, folders and the user that ship are what systemd itself takes for right, and what the program keeps to."""

from __future__ import annotations

import re
import shlex
import stat
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from mailer.instance import FOLDERS
from tests.installed import COMMAND, REPOSITORY, TIMEOUT, Place
from tests.servers.available import program, require

UNITS = REPOSITORY / "config/systemd"
SERVICES = ("mailer.service", "mailer-run.service")
HEALTH = "mailer-health.service"
INSTALLED = "/usr/local/bin/mailer"
MOST_EXPOSED = 20  # tenths; systemd's own services stand between 2 and 9 whole ones


def text(name: str) -> str:
    return (UNITS / name).read_text(encoding="utf-8")


def options(name: str) -> list[tuple[str, str]]:
    """The settings of a unit in their order, with continued ones as they stand."""
    return re.findall(r"^(\w+)=(.*)$", text(name), re.MULTILINE)


def asked(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """A program of systemd's, which says nothing where all is well."""
    name, *words = command
    found = [program(str(name)) or str(name), *words]
    return subprocess.run(found, capture_output=True, text=True, timeout=TIMEOUT, check=False)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as they would be installed, for a command that stands on this machine."""
    for path in UNITS.iterdir():
        if path.suffix in {".service", ".timer", ".path"}:
            name = path.name.replace("@", "@kazakhstan")
            (tmp_path / name).write_text(text(path.name).replace(INSTALLED, str(COMMAND)), encoding="utf-8")
    return tmp_path


def test_systemd_finds_nothing_wrong_with_the_units(units):
    require("systemd-analyze")
    said = asked("systemd-analyze", "verify", "--man=no", *sorted(units.iterdir()))
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_systemd_does_find_what_is_wrong(units):
    """So that the test above cannot pass because nobody looks."""
    require("systemd-analyze")
    service = units / "mailer.service"
    service.write_text(service.read_text().replace("PrivateTmp=", "PrivatTmp="))
    assert "'PrivatTmp'" in asked("systemd-analyze", "verify", "--man=no", service).stderr


@pytest.mark.parametrize("name", SERVICES)
def test_the_services_are_hardly_exposed(units, name):
    require("systemd-analyze")
    said = asked("systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager", units / name)
    assert said.returncode == 0, said.stdout
    loose = [line for line in text(name).splitlines() if not line.startswith(("SystemCallFilter=", "Protect", "Restrict"))]
    (units / name).write_text("\n".join(loose))
    command = ("systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager", units / name)
    assert asked(*command).returncode != 0


def test_both_services_are_shut_in_alike():
    """Whatever a pass may not do, the loop may not do either."""
    who = [text(name).partition("# -- who it is")[2].partition("[Install]")[0].strip() for name in (*SERVICES, HEALTH)]
    assert who[0] and len(set(who)) == 1
    shut_in = [text(name).partition("# The relay's password stays")[2].partition("[Install]")[0].strip() for name in SERVICES]
    assert shut_in[0] and shut_in[0] == shut_in[1]


@pytest.mark.parametrize("name", (*SERVICES, HEALTH))
def test_each_group_of_options_has_its_reason(name):
    """A person who wonders about a line finds why it is there; only the plainest say it by themselves."""
    plain = {"Description", "Documentation", "Type", "NotifyAccess", "ExecStart", "Restart", "RestartSec", "SyslogIdentifier"}
    plain |= {"User", "Group", "WorkingDirectory", "WantedBy"}
    lines = text(name).splitlines()
    bare = [
        line
        for before, line in pairwise(lines)
        if (found := re.match(r"(\w+)=", line)) and found[1] not in plain and not re.match(r"#|\w+=", before)
    ]
    assert bare == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_stop_waits_for_the_letters_in_hand_and_ends_that_are_none_of_its_faults_are_no_failures(name):
    said = dict(options(name))
    assert int(said["TimeoutStopSec"]) >= 660
    assert said["SuccessExitStatus"].split() == ["65", "75"]
    assert said["RestartPreventExitStatus"].split() == ["64", "78"]
    assert (said["KillMode"], said["OOMPolicy"], said["StartLimitIntervalSec"]) == ("mixed", "continue", "0")
    assert said["StateDirectoryMode"] == f"{FOLDERS['var']:04o}"  # systemd gives it this mode at each start


def test_a_pass_that_stands_still_does_not_stand_for_ever():
    assert dict(options("mailer-run.service"))["TimeoutStartSec"] == "1d"


def test_what_health_finds_stands_in_the_journal_as_an_error_and_fails_the_unit(tmp_path):
    place = Place(tmp_path, "pace: none\n")
    assert place.mailer("run").code == 0
    line = dict(options(HEALTH))["ExecStart"].replace(f"{INSTALLED} --config /etc/mailer/mailer.yaml", str(COMMAND))

    def asks() -> tuple[int, str]:
        done = subprocess.run(shlex.split(line), cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return done.returncode, done.stdout

    assert asks() == (0, "")
    assert place.mailer("pause", "--why", "wrong text").code == 0
    code, told = asks()
    assert code == 1 and told.startswith("<3>mailer: all sending is paused")


def test_only_one_folder_is_written_to():
    """Two would be two mounts, and a rename from one to the other fails (EXDEV)."""
    for name in SERVICES:
        assert [
            key for key, _ in options(name) if key in {"ReadWritePaths", "BindPaths", "CacheDirectory", "LogsDirectory"}
        ] == []


def test_the_path_units_watch_the_folder_into_which_files_are_dropped():
    watched = {name: dict(options(name))["PathChanged"] for name in ("mailer-run.path", "mailer-run@.path")}
    incoming = "/var/lib/mailer/queue/incoming"
    assert watched == {"mailer-run.path": incoming, "mailer-run@.path": f"{incoming}/%i"}
    assert not {key for name in watched for key, _ in options(name)} & {"DirectoryNotEmpty", "PathExists", "PathExistsGlob"}


def test_the_folders_are_made_as_the_program_keeps_them_and_what_was_made_stricter_stays(tmp_path):
    require("systemd-sysusers")
    require("systemd-tmpfiles")
    (tmp_path / "etc").mkdir()
    user = asked("systemd-sysusers", f"--root={tmp_path}", UNITS / "sysusers.d/mailer.conf")
    assert user.returncode == 0, user.stderr
    passwd = (tmp_path / "etc/passwd").read_text()
    number = re.search(r"^mailer:[^:]*:(\d+):(\d+):[^:]*:/var/lib/mailer:.*nologin$", passwd, re.MULTILINE)
    assert number, passwd
    create = ("systemd-tmpfiles", f"--root={tmp_path}", "--create", UNITS / "tmpfiles.d/mailer.conf")
    assert (first := asked(*create)).returncode == 0, first.stderr
    var = tmp_path / "var/lib/mailer"
    made = {name: (var / name.removeprefix("var").strip("/")).stat() for name in FOLDERS}
    assert {name: stat.S_IMODE(found.st_mode) for name, found in made.items()} == FOLDERS
    assert {(str(found.st_uid), str(found.st_gid)) for found in made.values()} == {number.groups()}
    (var / "queue/done").chmod(0o2700)
    assert asked(*create).returncode == 0
    assert stat.S_IMODE((var / "queue/done").stat().st_mode) == 0o2700


def test_no_instance_gets_a_copy_of_the_units(tmp_path):
    said = subprocess.run([COMMAND, "init", tmp_path / "new"], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert said.returncode == 0
    assert {path.suffix for path in (tmp_path / "new/config").rglob("*") if path.is_file()} == {".yaml"}
