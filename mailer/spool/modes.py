"""
The spool's folders as they must be: there, under one mount, for whom they are meant and for nobody else.

    queue 0711   incoming 2770   claimed 0700   done, rejected 2750, for the organisers' group

What is missing is made. A mode that lets more in is mended and said; one that the administrator made stricter stays. Where
there is a group, what is dropped into `incoming` is mailer's to read whatever the umask of who drops it (`acl`).

A campaign's folder in `incoming` is within its organisers' reach: whatever they make of it is told, and stops nobody's letters.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from mailer.errors import CannotWrite
from mailer.spool import acl
from mailer.spool.folders import Folder, about, explained, explanation

WAY = 0o711  # folders that one only goes through
FOLDERS = {"incoming": 0o2770, "claimed": 0o700, "done": 0o2750, "rejected": 0o2750}

CLOSED = "files cannot be taken out of this folder: let its group do that (chmod g+rwx)"
_ANEW = "once it is moved away the next run makes it anew"


class Kept:
    """The folders of one spool, kept as they must be while a worker goes on."""

    def __init__(self, root: Path, var: Path | None, group: str) -> None:
        self._root, self._var, self._group = root, var, group
        self._campaigns: tuple[str, ...] = ()
        self._given_up: list[Path] = []

    def prepare(self, campaigns: Iterable[str]) -> list[str]:
        """Make and mend the folders, as `prepare` does, and remember for which campaigns."""
        self._campaigns = tuple(campaigns)
        return prepare(self._root, self._var, self._group, self._campaigns)

    def again(self) -> list[str]:
        """The same where one is missing or lets in too much by now; a sentence for each. What cannot be mended is said once."""
        amiss = self._amiss()
        if amiss == self._given_up:
            return []
        said = [f"{path}: it was missing, and is made again" for path in amiss if not os.path.lexists(path)]
        try:
            said += prepare(self._root, self._var, self._group, self._campaigns)
        except CannotWrite as problem:
            said = [str(problem)]
        self._given_up = self._amiss()
        return said

    def _amiss(self) -> list[Path]:
        """A cheap look, which opens nothing."""
        wanted = {self._root: WAY} | {self._root / name: mode for name, mode in FOLDERS.items()}
        wanted |= {self._root / "incoming" / campaign: FOLDERS["incoming"] for campaign in self._campaigns}
        return [path for path, mode in wanted.items() if _is_amiss(path, mode, is_link_fine=path == self._root)]


def _is_amiss(path: Path, mode: int, *, is_link_fine: bool) -> bool:
    try:
        found = os.stat(path, follow_symlinks=is_link_fine).st_mode
    except OSError as problem:
        return problem.errno == errno.ENOENT
    return stat.S_ISDIR(found) and bool(found & 0o777 & ~mode)


def prepare(root: Path, var: Path | None, group: str, campaigns: Iterable[str]) -> list[str]:
    """
    Make and mend the folders; gives a sentence for each thing that was mended or could not be.

    Raises:
        CannotWrite: one of the spool's own cannot be made or mended, or they are not under one mount.
    """
    with explained():
        _make_way(root)
        said = []
        if var is not None:
            with Folder(var) as folder:
                said += _mended(folder, WAY)
        with Folder(root) as queue:
            said += _mended(queue, WAY)
            for name, mode in FOLDERS.items():
                said += _kept(queue, name, mode, group)
            with queue.sub("incoming") as incoming:
                for campaign in campaigns:
                    said += _tried(incoming, campaign, group)
            _check_mount(queue)
    return said if not group or _number(group) is not None else [*said, f"there is no group «{group}» on this machine"]


def troubles(root: Path, campaigns: Iterable[str]) -> list[str]:
    """What keeps mailer from folders of campaigns in `incoming`, or lets strangers into one; a look, which changes nothing."""
    return [told for campaign in campaigns if (told := _trouble(root / "incoming", campaign))]


def _trouble(incoming: Path, campaign: str) -> str:
    try:
        with Folder(incoming) as parent, parent.sub(campaign) as folder:
            found, wanted = os.stat(folder.handle), FOLDERS["incoming"]
            if not folder.lets_take():
                return f"{folder.path}: {CLOSED}"
            if found.st_uid != os.geteuid() and found.st_mode & 0o777 & ~wanted:
                mode = stat.S_IMODE(found.st_mode)
                return f"{folder.path}: somebody else gave it {mode:04o}, which lets more in than {wanted:04o}: {_ANEW}"
    except FileNotFoundError:  # the next pass makes it
        return ""
    except OSError as problem:
        return f"{explanation(problem)}; {_ANEW}"
    return ""


def _tried(incoming: Folder, campaign: str, group: str) -> list[str]:
    """A campaign's folder made or mended, or why it cannot be."""
    try:
        return _kept(incoming, campaign, FOLDERS["incoming"], group)
    except OSError as problem:
        return [f"{explanation(problem)}; {_ANEW}"]


def _make_way(root: Path) -> None:
    for folder in reversed([root, *root.parents]):
        if not folder.exists():
            with Folder(folder.parent) as parent:
                parent.make(folder.name, WAY)


def _kept(parent: Folder, name: str, mode: int, group: str) -> list[str]:
    """One folder made or mended, and given to the group where it is not for the service alone."""
    parent.make(name, mode)
    with parent.sub(name) as folder:
        said = _mended(folder, mode)
        number = _number(group) if group and mode & stat.S_ISGID else None
        found = os.stat(folder.handle)
        if number is not None and found.st_gid != number:
            try:
                os.chown(folder.handle, -1, number)
            except PermissionError:
                said.append(
                    f"{folder.path}: its group stays {found.st_gid}: mailer's user must be in «{group}» to give it to that"
                )
            else:
                os.chmod(folder.handle, stat.S_IMODE(found.st_mode) | stat.S_ISGID)
        if number is not None and mode & stat.S_IWGRP:
            with about(folder.path):
                acl.share(folder.handle, os.geteuid())
        return said


def _mended(folder: Folder, mode: int) -> list[str]:
    """Give a folder that lets in more than its mode that mode, and say so; a stricter one is left as its owner wants it."""
    found = stat.S_IMODE(os.stat(folder.handle).st_mode)
    looser = found & 0o777 & ~mode
    if not looser:
        return []
    with about(folder.path):
        os.chmod(folder.handle, mode)
    return [f"{folder.path}: its mode {found:04o} let more in than {mode:04o} does; it is {mode:04o} now"]


def _check_mount(queue: Folder) -> None:
    """See that a file can be renamed from one folder to the next."""
    devices = set()
    for name in FOLDERS:
        with queue.sub(name) as folder:
            devices.add(os.stat(folder.handle).st_dev)
    if len(devices) > 1:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), str(queue.path))


def _number(group: str) -> int | None:
    import grp

    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None
