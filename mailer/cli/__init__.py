"""
The command `mailer`: one verb per job, one exit code per kind of ending.

Results go to stdout, the log and hints to stderr; with `--json` or `--csv` stdout holds nothing else. Every command ends by
saying what to do next. Exit codes are those of sysexits(3), see `errors`; what each verb does stands in its module:

    begin    init, demo          prepare  check, preview, approve
    send     run, work           stop     pause, resume
    status   status              look     log, show
    order    hold, release, retry, cancel, resolve
    leave    withdraw, erase         audit    health, verify

A module is imported when one of its verbs is asked for: cron starts `run` every few minutes. No traceback reaches a terminal
or a log: its values could be a signatory's.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import logging
import os
import resource
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn

import click

from mailer.cli.streams import UNWRITABLE, give_up, give_up_unwritable, hint, stand_in
from mailer.errors import ConfigurationError, MailerError

USAGE, BUG, IO_ERROR, INTERRUPTED = 64, 70, 74, 130
_PR_SET_DUMPABLE = 4  # linux/prctl.h
_DISK = frozenset({errno.EIO, errno.ENOSPC, errno.EDQUOT})

# Every verb and its module, in the order in which people meet them.
_VERBS = {
    verb: module
    for module, verbs in {
        "begin": "init demo",
        "prepare": "check preview approve",
        "send": "run work",
        "stop": "pause resume",
        "status": "status",
        "look": "log show",
        "order": "hold release retry cancel resolve",
        "leave": "withdraw erase",
        "audit": "health verify",
    }.items()
    for verb in verbs.split()
}


class _Verbs(click.Group):
    """The verbs, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            for verb in _VERBS:  # a misspelt one: click proposes one of those it has
                self.get_command(ctx, verb)
            return None
        command: click.Command = getattr(importlib.import_module(f"mailer.cli.{_VERBS[cmd_name]}"), cmd_name)
        self.add_command(command)
        return command


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config", metavar="PATH", help="The instance's mailer.yaml; else MAILER_CONFIG, config/mailer.yaml, /etc/mailer."
)
@click.option("-v", "--verbose", is_flag=True, help="Tell every file and every letter on stderr.")
@click.version_option(package_name="mailer")
@click.pass_context
def mailer(context: click.Context, config: str | None, verbose: bool) -> None:
    """Turn the signatures of a campaign into personal letters, each sent exactly once."""
    logging.getLogger("mailer").setLevel(logging.DEBUG if verbose else logging.WARNING)
    context.obj = config


class _OnStderr(logging.Handler):
    """Log lines on whatever stderr is just now: a progress bar puts itself there, and lines must go above it."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(*UNWRITABLE):
            sys.stderr.write(f"mailer: {record.getMessage()}\n")


def main() -> NoReturn:
    """Run the command line; the only place that turns endings into exit codes."""
    # What is personal is ours alone; folders that others read get their modes where they are made.
    os.umask(0o077)
    _leave_no_dump()
    stand_in()
    logging.getLogger("mailer").addHandler(_OnStderr())
    try:
        code = _run()
    finally:
        give_up_unwritable()
    sys.exit(code)


def _leave_no_dump() -> None:
    """A core dump would hold signatories, keys and the relay's password (core(5): a limit alone stops no piped one)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _run() -> int:
    stdout = sys.stdout
    try:
        code: Any = mailer.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as problem:
        with suppress(*UNWRITABLE):
            problem.show(sys.stderr)
        return USAGE
    except click.Abort:
        return INTERRUPTED
    except ConfigurationError as problem:
        from mailer.cli.ground import counted

        hint(problem)  # file:line first, which editors know
        hint(f"mailer: {counted(len(problem.problems), 'problem')} in the configuration; nothing was done")
        return problem.exit_code
    except MailerError as problem:
        hint(f"mailer: {problem}")
        return problem.exit_code
    except (BrokenPipeError, SystemExit) as ended:
        if isinstance(ended, SystemExit) and sys.stdout is stdout:  # click takes it away where its reader has gone
            raise
        give_up(sys.stdout)  # the reader has had enough
        return 0
    except Exception as bug:  # noqa: BLE001  the last door: a bug is told without its values
        places = traceback.extract_tb(bug.__traceback__)[-4:]
        where = " < ".join(f"{place.filename.rpartition('/')[2]}:{place.lineno}" for place in reversed(places))
        if isinstance(bug, OSError) and bug.errno in _DISK:  # a file of the program itself, or of a library
            hint(f"mailer: the disk failed ({bug.strerror}) at {where}; look at it, then run again")
            return IO_ERROR
        hint(f"mailer: a bug in mailer: {type(bug).__name__} at {where}; please report it")
        return BUG
    return code if isinstance(code, int) else 0
