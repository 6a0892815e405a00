"""
What this machine has: the programs that tests against real servers need, and free ports.

`require` leaves a test out where something is missing and says so in plain words. With MAILER_REQUIRE_REAL_SERVERS=1,
as in CI, what is missing fails the test instead: nothing is left out in silence there.
"""

import os
import shutil
import socket
import threading
from collections.abc import Callable

import pytest

PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])  # Debian keeps Postfix out of users' PATH
PAUSE_SECONDS = 0.02
# Debian's packages whose name is not the program's.
_PACKAGES = {
    **dict.fromkeys(("smtp-sink", "smtp-source"), "postfix"),
    **dict.fromkeys(("systemd-analyze", "systemd-sysusers", "systemd-tmpfiles"), "systemd"),
    "man": "man-db",
    "dovecot": "dovecot-imapd",
}
_AS_ROOT = {
    "postfix": "Postfix starts only as root",
    "dovecot": "Dovecot starts only as root",
    "systemd-tmpfiles": "only root gives folders to another user",
}
_LISTENS = "0A"  # /proc/net/tcp's word for LISTEN


def program(name: str) -> str | None:
    """The path of a program, in the folders for administrators too."""
    return shutil.which(name, path=PATH)


def missing(what: str) -> str | None:
    """Why tests that need `what` (smtp-sink, postfix, strace, man, a shell ...) cannot run here; None when they can."""
    if program(what) is None:
        return f"{what} is not installed (Debian: apt-get install {_PACKAGES.get(what, what)})"
    return _AS_ROOT.get(what) if os.geteuid() != 0 else None


def require(what: str) -> None:
    """Leave the test out, or fail it, when `what` cannot run here."""
    if reason := missing(what):
        if os.environ.get("MAILER_REQUIRE_REAL_SERVERS") == "1":
            pytest.fail(f"{reason}, and MAILER_REQUIRE_REAL_SERVERS=1 asks for it", pytrace=False)
        pytest.skip(reason)


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens just now; also good for "connection refused"."""
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        return int(finder.getsockname()[1])


def is_listening(port: int) -> bool:
    """Whether someone listens on that port of 127.0.0.1; asks the kernel, so the server sees no connection."""
    wanted = f"0100007F:{port:04X}"
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(line.split()[1] == wanted and line.split()[3] == _LISTENS for line in table)


def wait(is_so: Callable[[], bool], seconds: float = 30) -> bool:
    """Look again and again until it is so; False when the time is over. Bounded by rounds, not by a clock."""
    pause = threading.Event()
    for _ in range(int(seconds / PAUSE_SECONDS)):
        if is_so():
            return True
        pause.wait(PAUSE_SECONDS)
    return is_so()
