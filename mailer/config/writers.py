"""
Who can write the files of a configuration: they decide what is sent, to whom, and in whose name.

    the instance's folder, config/, mailer.yaml  >  campaigns/*.yaml  *.yaml  templates/**/*.j2

Each must belong to root or to the account that works here, and be writable by nobody else. So a folder that anybody could have
laid out, as in /tmp, is no instance of ours, even if we stand in it. A group may write campaigns, directories and templates
where mailer.yaml names it (`editors`), never mailer.yaml itself. A person's own group (of the same name, as with umask 002) is
the person.

What is above the instance's folder is not looked at, nor is what stands in a file: nothing is opened here.
"""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from mailer.config.problems import Place, Problems

_ROOT = 0
_ACL = "system.posix_acl_access"


def of_main(main: Path, root: Path) -> tuple[str, ...]:
    """Who else can write the main file, or put another one there, as problems. Nothing of it may be read before."""
    writers = _Writers(os.geteuid(), problems := Problems(), is_main=True)
    all(writers.are_right(path, is_shared=path == root) for path in (root, main.parent, main))  # the first one tells enough
    return problems.lines


def of_rest(main: Path, root: Path, editors: str) -> tuple[str, ...]:
    """Who else, but the group `editors` (empty: none), can write what is read beside the main file, as problems."""
    writers = _Writers(os.geteuid(), problems := Problems(), editors)
    try:
        directories = [main.parent / name for name in sorted(os.listdir(main.parent)) if name.endswith(".yaml")]
        for path in directories:
            if path != main:
                writers.are_right(path)
        _see_tree(main.parent / "campaigns", ".yaml", writers)
        _see_tree(root / "templates", ".j2", writers)
    except OSError as problem:
        problems.note(Place(str(problem.filename)), f"cannot be read: {problem.strerror}")
    return problems.lines


def _see_tree(path: Path, ending: str, writers: _Writers, seen: frozenset[str] = frozenset()) -> None:
    """A folder, and all below it with that ending; below what anybody may write nothing is looked at any more."""
    real = os.path.realpath(path)
    if real in seen or not writers.are_right(path) or not path.is_dir():  # a link may lead to where we came from
        return
    for child in (path / name for name in sorted(os.listdir(path))):
        if child.is_dir():
            _see_tree(child, ending, writers, seen | {real})
        elif child.name.endswith(ending):
            writers.are_right(child)


@dataclass(frozen=True, slots=True)
class _Writers:
    """
    Who may write: root, this account (by its number), and a group by its name where there is one. With `is_main` no group may.
    """

    account: int
    problems: Problems
    editors: str = ""
    is_main: bool = False

    def are_right(self, path: Path, *, is_shared: bool = False) -> bool:
        """
        Whether nobody else can write what stands there; else it is noted. A link counts with what it leads to, and where that
        lies. With `is_shared` others may lay theirs beside ours in the folder, as in /tmp, but not take ours away.
        """
        try:
            found = os.lstat(path)
            if stat.S_ISLNK(found.st_mode):
                os.stat(path)
                real = Path(os.path.realpath(path))
                return self._is_ours(path, found) and self.are_right(real.parent, is_shared=True) and self.are_right(real)
        except FileNotFoundError:  # whoever reads it says so
            return True
        except OSError as problem:
            self.problems.note(Place(str(path)), f"cannot be looked at: {problem.strerror}")
            return False
        is_kept = is_shared and bool(found.st_mode & stat.S_ISVTX)
        return self._is_ours(path, found) and (is_kept or self._is_closed(path, found))

    def _is_ours(self, path: Path, found: os.stat_result) -> bool:
        if found.st_uid in {_ROOT, self.account}:
            return True
        name, ours = _account(found.st_uid), _account(self.account)
        said = f"is {name}'s, and here only root{'' if self.account == _ROOT else f' and {ours}'} may say what is sent to whom"
        if self.account == _ROOT:
            mend = f"runuser -u {name} -- mailer …" if name.isidentifier() else f"sudo -u {name} mailer …"
        else:
            mend = f"(as root) chown {self._deep(found, '-hR', '-h')} {ours} {shlex.quote(str(path))}"
        self.problems.note(Place(str(path)), f"{said}; if you meant it, type: {mend}; else cd / or name yours by --config PATH")
        return False

    def _is_closed(self, path: Path, found: os.stat_result) -> bool:
        if found.st_mode & stat.S_IWOTH:
            who, mode, more = "everybody", "o-w", ""
        elif found.st_mode & stat.S_IWGRP and not self._may_write(path, found.st_gid):
            who, mode = f"the group {(name := _group(found.st_gid))}", "g-w"
            more = "" if self.is_main else f", or write into mailer.yaml, if they may: editors: {name}"
        else:
            return True
        mend = f"chmod {self._deep(found, f'-R {mode}', mode)} {shlex.quote(str(path))}"
        said = f"can be written by {who}, who could say what is sent to whom; type: {mend}{more}"
        self.problems.note(Place(str(path)), said)
        return False

    def _may_write(self, path: Path, group: int) -> bool:
        """Whether a group is the editors, or a person's own. The mode of what has an access list may mean others (acl(5))."""
        if _ACL in os.listxattr(path):
            return False
        name = _group(group)
        if not self.is_main and name == self.editors:
            return True
        return name in {_account(_ROOT), _account(self.account)} and not _members(group) - {name}

    def _deep(self, found: os.stat_result, deep: str, flat: str) -> str:
        """What mends a folder's files with it; around the main file there may be anything else."""
        return deep if stat.S_ISDIR(found.st_mode) and not self.is_main else flat


def _account(number: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"'#{number}'"


def _group(number: int) -> str:
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _members(number: int) -> set[str]:
    import grp

    try:
        return set(grp.getgrgid(number).gr_mem)
    except KeyError:
        return set()
