"""
Debian's smtp-sink, the end of every road: it takes what comes on a port of 127.0.0.1 and passes nothing on.

    with Sink(folder) as sink: ...                       # takes everything
    with Sink(folder, "-r", "RCPT") as sink: ...         # refuses; all its flags, see smtp-sink(1)

A message's dump is complete before its dot is answered. It says that a dot came, not that it was accepted: with -f,
-r, -q or -Q at the dot smtp-sink keeps the message and refuses it all the same.

What a dump cannot show: smtp-sink leaves out every CR and writes LF for CRLF, so a bare CR is lost and a bare LF looks
like a line's end. For bytes exactly as they stood on the wire use the scripted server. It announces neither SIZE nor
STARTTLS nor SMTPUTF8, ends its list of extensions with an empty keyword, and answers AUTH, which it announces, with 250
instead of 235: clients rightly take that for a failure.
"""

import contextlib
import os
import pwd
import re
import signal
import subprocess
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from types import TracebackType

from tests.servers.available import free_port, is_listening, program, wait
from tests.servers.record import message_id

_USER = "nobody"  # smtp-sink refuses to run as root
_DUMP = re.compile(
    rb"X-Client-Addr: [^\n]*\nX-Client-Proto: [^\n]*\n(?:X-Helo-Args: (?P<helo>[^\n]*)\n)?"
    rb"X-Mail-Args: (?P<mail>[^\n]*)\n(?P<rcpts>(?:X-Rcpt-Args: [^\n]*\n)*)"
    rb"Received: [^\n]*\n(?:\t[^\n]*\n){2}(?P<data>.*)\n\Z",
    re.DOTALL,
)


@dataclass(frozen=True)
class Sunk:
    """A message in the sink. `parameters` is what stood behind the path in MAIL; `data` has CRLF again, unstuffed."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes = field(repr=False)
    helo: str = ""
    parameters: str = ""

    @property
    def message_id(self) -> str:
        return message_id(self.data)

    @property
    def message(self) -> EmailMessage:
        """Parsed by the standard library."""
        return message_from_bytes(self.data, policy=policy.default)


class Sink:
    """A running smtp-sink and the folder of what it took."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.folder = folder
        self._flags = flags
        self._cut: set[Path] = set()  # what was in the taking when it ended

    def start(self) -> None:
        """Raises: RuntimeError with its own words when it does not listen."""
        self.folder.mkdir(parents=True, exist_ok=True)
        user: list[str] = []
        if os.geteuid() == 0:
            user = ["-u", _USER]
            os.chown(self.folder, pwd.getpwnam(_USER).pw_uid, -1)
        said = ""
        for _ in range(5):  # between finding a port and taking it, someone else may
            self.port = free_port()
            said = self._try([*user, *self._flags])
            if not said:
                return
            if "Address already in use" not in said:
                break
        raise RuntimeError(f"smtp-sink does not start: {said}")

    def _try(self, flags: list[str]) -> str:
        """
        Start it; what it said when it ended at once.

        The dump's name is relative, so that the folders above need not be open to its user.
        """
        command = [program("smtp-sink") or "smtp-sink", *flags, "-d", "message.", f"{self.host}:{self.port}", "128"]
        with (self.folder / "said").open("wb") as said:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=said, stderr=said)
        try:
            wait(lambda: is_listening(self.port) or self._process.poll() is not None)
        except BaseException:
            self.stop()
            raise
        return (self.folder / "said").read_text(errors="replace") if self._process.poll() is not None else ""

    def stop(self) -> None:
        """End it at once; what it had answered is in its folder. Frozen first, to know which dumps it cuts."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            self._cut = self._open_dumps()
            self._process.kill()
        self._process.wait(30)

    def __enter__(self) -> "Sink":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def messages(self) -> list[Sunk]:
        """The messages whose dot came, in the order of time as far as files tell it: not within some milliseconds."""
        dumps = set(self.folder.glob("message.*"))
        dumps -= self._cut if self._process.poll() is not None else self._open_dumps()
        return [read_dump(path.read_bytes()) for path in sorted(dumps, key=_age) if path.exists()]

    def _open_dumps(self) -> set[Path]:
        """The dumps that it still has in hand. Whatever stood in the folder before and is not among them is whole."""
        dumps = set()
        for file in Path(f"/proc/{self._process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed since
                dumps.add(self.folder / file.readlink().name)
        return dumps


def read_dump(dump: bytes) -> Sunk:
    """
    A message without what smtp-sink wrote in front of it. Raises: ValueError when that is not what smtp-sink writes.

    >>> read_dump(
    ...     b"X-Client-Addr: 127.0.0.1\\nX-Client-Proto: ESMTP\\nX-Helo-Args: me\\nX-Mail-Args: <a@x.example> SIZE=9\\n"
    ...     b"X-Rcpt-Args: <b@y.example>\\nReceived: from me ([127.0.0.1])\\n\\tby sink\\n\\tnow\\n"
    ...     b"Received: mine\\n\\nHi\\n\\n"
    ... )
    Sunk(sender='a@x.example', recipients=('b@y.example',), helo='me', parameters='SIZE=9')
    """
    parts = _DUMP.match(dump)
    if parts is None:
        raise ValueError(f"not a dump of smtp-sink: {dump[:500]!r}")
    sender, parameters = _path(parts["mail"].decode())
    recipients = [_path(line.removeprefix(b"X-Rcpt-Args: ").decode())[0] for line in parts["rcpts"].splitlines()]
    data = parts["data"].replace(b"\n", b"\r\n")
    return Sunk(sender, tuple(recipients), data, (parts["helo"] or b"").decode(), parameters)


def _age(path: Path) -> tuple[int, str]:
    return (path.stat().st_mtime_ns if path.exists() else 0), path.name


def _path(words: str) -> tuple[str, str]:
    path, _, parameters = words.partition(">")
    return path.removeprefix("<"), parameters.strip()
