"""
The command `mailer`: one verb per job, one exit code per kind of ending.

Results go to stdout, the log, hints and errors to stderr (`lines`); with `--json` or `--csv` stdout holds nothing else. Every
command ends by saying what to do next. Exit codes are those of sysexits(3), see `errors`; what each verb does stands in its
module:

    begin    init, demo          prepare  check, preview, approve
    send     run, work           stop     pause, resume
    status   status              look     log, show
    order    hold, release, retry, cancel, resolve
    leave    withdraw, erase             audit    health, verify
    keep     backup, upgrade             describe schema, manual, completion

A module is imported when one of its verbs is asked for: cron starts `run` every few minutes. No traceback reaches a terminal
or a log: its values could be a signatory's.
"""

from __future__ import annotations

import ctypes
import errno
import importlib
import io
import os
import resource
import sys
import traceback
from typing import Any, NoReturn

import click

from mailer import log
from mailer.cli import lines
from mailer.cli.streams import give_up, give_up_unwritable, stand_in
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
        "target": "target",
        "status": "status",
        "look": "log show",
        "order": "hold release retry cancel done resolve",
        "paper": "print",
        "inbox": "inbox",
        "leave": "withdraw erase",
        "audit": "health verify",
        "keep": "backup upgrade",
        "describe": "schema manual completion",
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

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, list(args))
        except click.UsageError:  # also what is wrong before the verb is told in the form that is asked for there
            if form := lines.asked(args):
                lines.write_as(form)
            raise


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config", metavar="PATH", help="The instance's mailer.yaml; else MAILER_CONFIG, config/mailer.yaml, /etc/mailer."
)
@click.option("-v", "--verbose", is_flag=True, help="Tell every file and every letter on stderr.")
@click.option("-q", "--quiet", is_flag=True, help="Tell nothing but results and errors: no hints, no progress.")
@click.option(
    "--log-format",
    type=click.Choice(lines.FORMS),
    callback=lambda _context, _parameter, form: lines.write_as(form) if form else None,
    expose_value=False,
    help="How lines on stderr are written; unless told, journal where systemd reads them, else plain.",
)
@click.version_option(package_name="mailer")
@click.pass_context
def mailer(context: click.Context, config: str | None, verbose: bool, quiet: bool) -> None:
    """Turn the signatures of a campaign into personal letters, each sent exactly once."""
    if verbose and quiet:
        raise click.UsageError("--verbose and --quiet exclude each other")
    log.show(log.VERBOSE if verbose else log.QUIET if quiet else log.NORMAL)
    context.obj = config


def main() -> NoReturn:
    """Run the command line; the only place that turns endings into exit codes."""
    # What is personal is ours alone; folders that others read get their modes where they are made.
    os.umask(0o077)
    _leave_no_dump()
    stand_in()
    lines.begin()
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
    if os.environ.get("_MAILER_COMPLETE"):  # a shell asks, because somebody has pressed Tab
        from mailer.cli import shells

        return shells.answer(mailer)
    stdout = sys.stdout
    try:
        code: Any = mailer.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as problem:
        log.refused_usage(_shown(problem))
        return USAGE
    except click.Abort:
        return INTERRUPTED
    except ConfigurationError as problem:
        found = log.counted(len(problem.problems), "problem")
        log.refused_configuration(problem.problems)  # file:line first, which editors know
        log.failed(f"{found} in the configuration; nothing was done", problem.exit_code)
        return problem.exit_code
    except MailerError as problem:
        log.failed(str(problem), problem.exit_code)
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
            log.failed(f"the disk failed ({bug.strerror}) at {where}; look at it, then run again", IO_ERROR)
            return IO_ERROR
        log.failed(f"a bug in mailer: {type(bug).__name__} at {where}; please report it", BUG)
        return BUG
    return code if isinstance(code, int) else 0


def _shown(problem: click.ClickException) -> str:
    """A usage error as click writes it, with the command's usage before it."""
    written = io.StringIO()
    problem.show(written)
    return written.getvalue().rstrip("\n")
