"""
A bare Debian root, made by debootstrap and booted in a container, and its shell, into which is typed as a person would.

It shares the machine's network and kernel and nothing else, and is thrown away. The packages that pip would fetch are fetched
outside, by this machine's own settings, and lie in a folder that is mounted into it: no setting of this machine is written
anywhere.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
QUESTION = re.compile(rb"\[y/N\]:? ?$")
HALTED_WITHIN = 60  # seconds
_ENVIRONMENT = {
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "dumb",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "PIP_NO_INDEX": "1",
    "PIP_FIND_LINKS": "/srv/wheels",
}


@dataclass(frozen=True)
class Typed:
    """What one line printed, how it ended, and how long it took."""

    line: str
    code: int
    out: str
    seconds: float


class Root:
    """A Debian of its own, booted; `leader` is the process id of its systemd."""

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def type(self, line: str, *, must: bool = True) -> Typed:
        """Type a line into its shell, on a terminal, and say yes where it asks."""
        began = time.monotonic()
        ours, its = pty.openpty()
        enter = ["nsenter", f"--target={self._leader}", "--mount", "--pid", "--uts", "--ipc", "env", "--ignore-environment"]
        enter += [f"{name}={value}" for name, value in _ENVIRONMENT.items()]
        process = subprocess.Popen([*enter, "bash", "-c", f"cd /srv/wheels && {line}"], stdin=its, stdout=its, stderr=its)
        os.close(its)
        shown = b""
        with suppress(OSError):  # Linux ends a terminal without a writer with EIO
            while chunk := os.read(ours, 65_536):
                shown += chunk
                if QUESTION.search(shown):
                    os.write(ours, b"y\n")
        os.close(ours)
        typed = Typed(line, process.wait(), shown.decode(errors="replace").replace("\r\n", "\n"), time.monotonic() - began)
        if must and typed.code:
            raise SystemExit(f"this ended with {typed.code}: {line}\n{typed.out}")
        return typed

    def as_account(self, account: str, line: str, *, must: bool = True) -> Typed:
        """Type a line as somebody else."""
        return self.type(f"runuser -u {account} -- sh -c '{line}'", must=must)


@contextmanager
def bare(folder: Path, wheels: Path) -> Iterator[Root]:
    """A fresh root below a folder, copied from one that debootstrap made there once, booted; thrown away at the end."""
    made, path = folder / SUITE, folder / "root"
    if not (made / "etc/debian_version").exists():
        packages = "--include=ca-certificates,dbus,systemd,systemd-sysv"
        command = ["debootstrap", "--variant=minbase", packages, SUITE, str(made), MIRROR]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(path, ignore_errors=True)
    subprocess.run(["cp", "--archive", made, path], check=True)
    try:
        with booted(path, wheels) as root:
            yield root
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def booted(path: Path, wheels: Path) -> Iterator[Root]:
    """Boot a root in a container of systemd's own, with the wheels in /srv/wheels; halted at the end."""
    options = ["--quiet", "--boot", "--register=no", "--keep-unit", "--console=pipe", "--resolv-conf=copy-host"]
    command = ["systemd-nspawn", *options, f"--directory={path}", f"--bind-ro={wheels}:/srv/wheels"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        root = Root(_leader(process))
        root.type("systemctl is-system-running --wait >/dev/null")
        yield root
    finally:
        process.terminate()
        try:
            process.wait(HALTED_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _leader(process: subprocess.Popen[bytes]) -> int:
    """The container's first process, once it is systemd."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    for _ in range(600):
        with suppress(OSError):
            for child in map(int, children.read_text().split()):
                is_systemd = Path(f"/proc/{child}/comm").read_text().strip() == "systemd"
                if is_systemd and Path(f"/proc/{child}/root/run/systemd/private").exists():
                    return child
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit("the container does not boot: systemd-nspawn needs root, and a kernel that lets it mount")


def wheelhouse(folder: Path) -> Path:
    """The wheel as `make build` makes it, and beside it what it needs, as the lock names it."""
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(REPOSITORY)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    lock, into = str(REPOSITORY / "requirements.lock"), ["download", "-qq", "--dest", str(folder)]
    subprocess.run([*pip, *into, "--no-deps", "--require-hashes", "-r", lock], check=True)
    subprocess.run([*pip, *into, "setuptools", "wheel", "pip"], check=True)  # pipx keeps its own, and looks for newer ones
    return folder
