"""
The service's account, the organisers' group, and the folders that are theirs.

The account is in the organisers' group, because it may give its folders only to a group of its own. Below its first folder
everything is made by that account itself: root follows nobody's links there.
"""

from __future__ import annotations

import grp
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from mailer.instance import FOLDERS
from mailer.spool import Settings, Spool
from mailer.system import files
from mailer.system.place import USER, VAR, Place, Step


def accounts(place: Place) -> Iterator[Step]:
    """The service's own account, and the organisers' group with it in there: it may give folders only to a group of its own."""
    if not (place.root / "etc/passwd").exists():  # a package's tree: whoever unpacks it has sysusers.d
        return
    if place.number("passwd", USER) is None:
        own = ("--gid", USER) if place.number("group", USER) is not None else ("--user-group",)
        home = ("--home-dir", f"/{VAR}", "--no-create-home", "--shell", "/usr/sbin/nologin")
        yield _run(place, f"make the user and the group {USER}", "useradd", "--system", *own, *home, USER)
    if place.group and place.number("group", place.group) is None:
        yield _run(place, f"make the group {place.group}, for people who drop files", "groupadd", "--system", place.group)
    if place.group and not place.has_member(place.group):
        yield _run(place, f"put {USER} into the group {place.group}", "usermod", "--append", "--groups", place.group, USER)


def _run(place: Place, said: str, command: str, *words: str) -> Step:
    where = () if place.is_machine else ("--root", str(place.root.resolve()))
    line = [command, *where, *words]
    path = {**os.environ, "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}
    return Step(said, lambda: _quietly(line, path))


def _quietly(line: list[str], environ: dict[str, str]) -> None:
    subprocess.run(line, check=True, capture_output=True, text=True, env=environ)  # noqa: S603 - no shell, words of our own


def folders(place: Place) -> Iterator[Step]:
    """The service's folders. All below the first are made by its own account: root follows nobody's links there."""
    var = place.at(VAR)
    wanted = [var / Path(name).relative_to("var") for name in FOLDERS]
    if any(not folder.is_dir() for folder in wanted):
        for_whom = f", its queue for the group {place.group}" if place.group else ""
        yield Step(f"make /{VAR}, for {USER} alone{for_whom}", lambda: _make_var(place))


def _make_var(place: Place) -> None:
    var = place.root / VAR
    files.make_folders(place, VAR)
    owner, group = place.number("passwd", USER), place.number("group", USER)
    if os.geteuid() != 0 or owner is None or group is None:
        _fill(var, "")
        return
    os.chown(var, owner, group, follow_symlinks=False)
    also = place.number("group", place.group) if place.group else None
    if (child := os.fork()) == 0:
        code = 1
        with suppress(BaseException):
            os.chroot(place.root)
            os.chdir("/")
            os.setgroups([also] if also is not None else [])
            os.setgid(group)
            os.setuid(owner)
            _fill(Path("/") / VAR, place.group)
            code = 0
        os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        raise PermissionError(0, f"{USER} cannot make its folders there", str(var))


def _fill(var: Path, group: str) -> None:
    var.chmod(FOLDERS["var"])
    Spool(Settings(var / "queue", group, var)).prepare()
    for name, mode in FOLDERS.items():
        folder = var / Path(name).relative_to("var")
        if not folder.is_dir():
            folder.mkdir()
            if group and mode & 0o2000:
                os.chown(folder, -1, grp.getgrnam(group).gr_gid)
            folder.chmod(mode)
