"""
A Python in which everything that `mailer run` imports is loaded, and from which runs are forked: a run a tenth of a second.

    python -m tests.torture.zygote        asked by lines of JSON on stdin, answers by lines of JSON on stdout (see `runs`)

The child runs the real command line in the folder of an instance, its stdout and stderr in one file. It may be told to have a
moved clock, to stop before its first step until somebody has attached to it, and to send itself a signal at a named point.
The parent runs nothing of mailer, so every child starts from the same, fresh memory.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

import time_machine

from mailer import cli
from tests.torture.points import Tripwire

# What a run imports when it comes to need it.
LATE = """
mailer.app mailer.cli.send mailer.cli.order mailer.cli.audit mailer.ledger.sqlite mailer.relay.handshake mailer.relay.files
mailer.sheets.csv_file mailer.sheets.json_file mailer.sheets.text mailer.sheets.written mailer.country
aiosmtplib cryptography.hazmat.primitives.ciphers.aead email_validator idna ctypes csv tempfile grp zoneinfo
babel.dates babel.localedata jinja2.sandbox asyncio.unix_events encodings.idna stringprep
babel.numbers encodings.ascii encodings.utf_8_sig
"""


def main() -> None:
    """Answer requests until stdin ends."""
    for module in LATE.split():
        __import__(module)
    Tripwire("", 0, lambda: None)  # finds all the functions once
    print(json.dumps({"ready": os.getpid()}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            _, status = os.waitpid(asked["wait"], 0)
            print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), flush=True)
            continue
        child = os.fork()
        if child == 0:
            _live(asked)
        print(json.dumps({"pid": child}), flush=True)


def _live(asked: dict[str, Any]) -> NoReturn:
    """Be one run, from its first step to its last."""
    _settle_in(asked)
    wire = Tripwire(asked["point"], asked["nth"], lambda: os.kill(os.getpid(), asked["signal"])) if asked["watch"] else None
    time_machine.travel(asked["clock"]).start()
    if wire:
        wire.watch()
    try:
        cli.main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    sys.setprofile(None)
    if wire and asked["counts"]:
        Path(asked["counts"]).write_text(json.dumps(wire.met), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # nothing of it comes back into the parent's loop; an exception would end the process with its traceback


def _settle_in(asked: dict[str, Any]) -> None:
    """In the instance's folder, with nothing of the parent's but its memory."""
    said = os.open(asked["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for handle, of in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(handle, of)
    os.close(said)
    os.close(nothing)
    os.chdir(asked["root"])
    sys.argv = ["mailer", *asked["words"]]
    if asked["stopped"]:
        os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    main()
