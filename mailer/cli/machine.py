"""init --system: what is missing on this machine is told, and done once somebody has said yes."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import click

from mailer import system
from mailer.cli.ground import counted, hint, say
from mailer.errors import UsageProblem
from mailer.spool.names import printable

_GROUP = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")  # goes into mailer.yaml and to groupadd as it stands
_FOR_ALL = "PIPX_HOME=/opt/pipx PIPX_BIN_DIR=/usr/local/bin pipx install"


def install(root: Path, group: str, *, yes: bool) -> None:
    """
    Make the instance of a machine, or of another root; told first, and asked where a person sits there.

    Raises:
        UsageProblem: somebody else must give this command, nobody was there to say yes, a link leads out of the root, or the
            group has no group's name.
        CannotWrite: a step failed; the same command goes on from there.
    """
    if group and not _GROUP.fullmatch(group):
        raise UsageProblem(f"«{printable(group)}» is no group's name: 1 to 32 letters, digits, dots, - and _, a letter first")
    is_machine = root.resolve() == Path("/")
    if is_machine and os.geteuid() != 0:
        raise UsageProblem("an account, /etc/mailer and /var/lib/mailer are root's to make; type: sudo mailer init --system")
    place = system.Place(Path("/"), group, startable(sys.argv[0])) if is_machine else system.Place(root, group)
    steps, left = system.missing(place)
    for sentence in left:
        hint(f"note: {sentence}")
    if not steps:
        say("Everything is in place; nothing was changed.")
    else:
        say(f"To do{'' if is_machine else f' below {root}'}:")
        for step in steps:
            say(f"  - {step.said}")
        if not yes:
            _ask()
        system.do(steps)
        say(f"Done: {counted(len(steps), 'step')}.")
    _what_next(place)


def startable(called: str) -> str:
    """
    The command that was called so, as units start it.

    Raises:
        UsageProblem: the service's account could not start it.
    """
    path = Path(os.path.abspath(shutil.which(called) or called))
    for part in {path, *path.parents, path.resolve(), *path.resolve().parents}:
        if part.exists() and not part.stat().st_mode & 0o001:
            said = f"{path}: only some accounts may go through {part}, so the service could not start it"
            raise UsageProblem(f"{said}; install it for the whole machine: {_FOR_ALL} FILE.whl")
    return str(path)


def _ask() -> None:
    if not sys.stdin.isatty():
        raise UsageProblem("nothing was changed: nobody is here to say yes; a script says --yes")
    if not click.confirm("Go on?", err=True):
        raise click.Abort


def _what_next(place: system.Place) -> None:
    if not place.is_machine:
        hint(f"Whoever starts from {place.root} finds it in /etc/mailer and /var/lib/mailer.")
        return
    hint("Next: write your campaign into /etc/mailer (mailer.yaml, campaigns/, templates/), then")
    hint(f"    runuser -u {system.USER} -- mailer check")
    if place.group:
        hint(f"Who drops files and reads results:    usermod --append --groups {place.group} NAME")
    if place.has_systemd:
        hint("Start it, now and with the machine:    systemctl daemon-reload && systemctl enable --now mailer.service")
    else:
        hint("cron starts it every five minutes: /etc/cron.d/mailer")
