"""
An instance for a whole machine: configuration in /etc/mailer, what it fills in /var/lib/mailer, the account that works there,
the units for systemd or the lines for cron (file-hierarchy(7)).

    mailer/bundle/  >  SYSTEM  >  /etc/mailer  /var/lib/mailer  /etc/systemd/system  /etc/{sysusers,tmpfiles,cron}.d

It is told first, step by step, what is missing; then each step is done. Done again, nothing is left to do. A file that stands
there is never overwritten: the configuration is the administrator's once it is made, and a unit gives way to a newer one only
where it is still as it was laid there (`/etc/mailer/.installed` remembers that).

Nothing is started or enabled here. Below another root (packages, containers) the machine itself is left alone.
"""

from __future__ import annotations

import subprocess

from mailer.errors import CannotWrite
from mailer.system import accounts, files
from mailer.system.place import USER, Place, Step

__all__ = ["USER", "Place", "Step", "do", "missing"]


def missing(place: Place) -> tuple[list[Step], list[str]]:
    """
    What there is to do, in its order; and what is left as somebody has it, a sentence each.

    Raises:
        MailerError: this installation is not whole.
        CannotWrite: what stands there cannot be read.
    """
    try:
        laid = files.laid(place)
        wanted = list(files.files(place))
        steps = [*accounts.accounts(place), *accounts.folders(place), *files.copies(place, wanted, laid)]
    except OSError as problem:
        raise CannotWrite(f"{problem.filename}: {problem.strerror}; mend it, and give the command again") from problem
    changed = [file.path for file in wanted if files.is_changed(place, file, laid)]
    return steps, [f"/{path}: somebody has changed it, so it stays as it is" for path in changed]


def do(steps: list[Step]) -> None:
    """
    Do all of it.

    Raises:
        CannotWrite: one cannot be done; those before it are, and the same command goes on from there.
    """
    for step in steps:
        try:
            step.do()
        except (OSError, subprocess.CalledProcessError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else (problem.stderr or "").strip() or str(problem)
            raise CannotWrite(f"it could not be done: {step.said}: {why}; mend it, and give the command again") from problem
