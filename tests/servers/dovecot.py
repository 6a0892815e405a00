"""
A real Dovecot in a temporary folder: one account's Maildir, by IMAP over TLS on a free port of 127.0.0.1.

    with Dovecot(maildir) as dovecot:
        ...                                   # dovecot.port, dovecot.ca_file, USER and PASSWORD

It needs root, touches no Dovecot of the machine, and ends with the block.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

import trustme

from tests.servers.available import free_port, is_listening, program, wait

USER, PASSWORD = "letters", "secret-of-letters"
_OWNER = "nobody"
_CONF = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
mail_location = maildir:{maildir}:INDEX={folder}/index:CONTROL={folder}/index
first_valid_uid = 1
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
"""


class Dovecot:
    """One Dovecot with one account."""

    def __init__(self, maildir: Path) -> None:
        self.maildir = maildir
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="dovecot-"))
        self.ca_file = self.folder / "ca.pem"
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Dovecot":
        self.folder.chmod(0o755)
        owner = pwd.getpwnam(_OWNER)
        for name in ("run", "state", "home", "index"):
            (self.folder / name).mkdir()
        for path in (self.folder / "home", self.folder / "index", self.maildir, *self.maildir.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)
        for parent in self.maildir.parents:  # its programs leave root, and must get there
            with contextlib.suppress(OSError):
                if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
                    parent.chmod(parent.stat().st_mode | 0o011)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca_file))
        issued = authority.issue_cert("127.0.0.1", "localhost")
        issued.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        issued.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))
        conf = self.folder / "dovecot.conf"
        told = {"folder": self.folder, "maildir": self.maildir, "password": PASSWORD, "port": self.port}
        conf.write_text(_CONF.format(uid=owner.pw_uid, gid=owner.pw_gid, **told))
        command = [program("dovecot") or "dovecot", "-F", "-c", str(conf)]
        self._running = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        if not wait(lambda: is_listening(self.port), 20):
            raise RuntimeError(self.log())
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        if self._running is not None:
            self._running.send_signal(signal.SIGTERM)
            try:
                self._running.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._running.pid, signal.SIGKILL)
                self._running.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """What it has logged."""
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""
