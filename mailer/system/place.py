"""Where a system-wide instance is made and for whom, as its root tells; and what a step is. It changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mailer.errors import UsageProblem

USER = "mailer"
ETC, VAR = Path("etc/mailer"), Path("var/lib/mailer")
COMMAND = "/usr/local/bin/mailer"  # as the shipped units and lines of cron have it


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is made, for whom, and by which command it is started. `group` may be empty: then nobody else drops files."""

    root: Path
    group: str
    command: str = COMMAND

    @property
    def is_machine(self) -> bool:
        """Whether it is this machine, not a tree for another."""
        return self.root == Path("/")

    @property
    def has_systemd(self) -> bool:
        """Whether units are of any use there."""
        return any((self.root / folder / "systemd/systemd").exists() for folder in ("usr/lib", "lib"))

    def at(self, path: Path) -> Path:
        """
        Where something of the instance stands below the root.

        Raises:
            UsageProblem: a link on the way leads out of the root, to what is another machine's.
        """
        root, there = self.root.resolve(), self.root / path
        if not there.resolve().is_relative_to(root):
            raise UsageProblem(f"{there}: a link on the way leads out of {root}; make it a relative one, or take it away")
        return there

    def number(self, file: str, name: str) -> int | None:
        """The number of an account (`passwd`) or a group (`group`) there."""
        with suppress(OSError):
            for line in (self.root / "etc" / file).read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith(f"{name}:"):
                    return int(line.split(":")[2])
        return None

    def has_member(self, group: str) -> bool:
        """Whether the service's account is in a group there."""
        with suppress(OSError):
            for line in (self.root / "etc/group").read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith(f"{group}:"):
                    return USER in line.rpartition(":")[2].split(",")
        return False


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is missing: what will be done, in words, and how."""

    said: str
    do: Callable[[], None]
