"""
The command `mailer`: one verb per job, one exit code per kind of ending.

Results go to stdout, the log and hints to stderr; with `--json` or `--csv` stdout holds nothing else. Every command ends by
saying what to do next. Exit codes are those of sysexits(3), see `errors`; what each verb does stands beside it:

    begin    init, demo                prepare  check, preview, approve
    send     run, work, pause, resume  look     status, log, show
    order    hold, release, retry, cancel, resolve
    audit    health, verify

No traceback reaches a terminal or a log: its values could be a signatory's.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import NoReturn

import click

from mailer.cli.audit import health, verify
from mailer.cli.begin import demo, init
from mailer.cli.look import log, show, status
from mailer.cli.order import cancel, hold, release, resolve, retry
from mailer.cli.prepare import approve, check, preview
from mailer.cli.send import pause, resume, run, work
from mailer.errors import MailerError

USAGE, BUG = 64, 70


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config", metavar="PATH", help="The instance's mailer.yaml; else MAILER_CONFIG, config/mailer.yaml, /etc/mailer."
)
@click.option("-v", "--verbose", is_flag=True, help="Tell every letter on stderr.")
@click.version_option(package_name="mailer")
@click.pass_context
def mailer(context: click.Context, config: str | None, verbose: bool) -> None:
    """Turn the signatures of a campaign into personal letters, each sent exactly once."""
    logging.getLogger("mailer").setLevel(logging.DEBUG if verbose else logging.INFO)
    context.obj = config


_BEFORE, _SENDING = (init, demo, check, preview, approve), (run, work, pause, resume)
_ORDERS, _LOOKING = (hold, release, retry, cancel, resolve), (status, log, show, health, verify)
for command in (*_BEFORE, *_SENDING, *_ORDERS, *_LOOKING):
    mailer.add_command(command)


def main() -> NoReturn:
    """Run the command line; the only place that turns endings into exit codes."""
    # What is personal is ours alone; folders that others read get their modes where they are made.
    os.umask(0o077)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("mailer: %(message)s"))
    logging.getLogger("mailer").addHandler(handler)
    sys.exit(_run())


def _run() -> int:
    try:
        code = mailer.main(standalone_mode=False)
    except click.ClickException as problem:
        problem.show(sys.stderr)
        return USAGE
    except click.Abort:
        return 130
    except MailerError as problem:
        click.echo(f"mailer: {problem}", err=True)
        return problem.exit_code
    except BrokenPipeError:
        # The reader has had enough; keep Python from complaining about it while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as bug:  # noqa: BLE001  the last door: a bug is told without its values
        places = traceback.extract_tb(bug.__traceback__)[-4:]
        where = " < ".join(f"{place.filename.rpartition('/')[2]}:{place.lineno}" for place in reversed(places))
        click.echo(f"mailer: a bug in mailer: {type(bug).__name__} at {where}; please report it", err=True)
        return BUG
    return code if isinstance(code, int) else 0
