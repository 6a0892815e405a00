"""
A real Postfix in a temporary folder, in front of the sink: a relay that nobody wrote for us.

    with Sink(folder) as sink, Postfix(sink) as postfix:
        ...                                   # 127.0.0.1, postfix.port; STARTTLS with postfix.trust()
        postfix.wait_until_empty()
    assert len(sink.messages()) == 1

The sink is its only transport, and that is proved before it starts from what Postfix itself reads of its configuration
(`assert_only_transport_is_the_sink`): nothing is set but what stands here or is known to lead nowhere, every transport
is the sink, and no program of master.cf delivers but smtp(8). It is bound to 127.0.0.1 on both sides and asks no DNS.

It needs root, touches no Postfix of the machine, and ends by itself after an hour.

What it sends on is what it got under one `Received` of its own, one transaction for each message unless a recipient
limit splits it. It pipelines, answers the dot when the message is in its queue, and bounces by a letter to the sender.
"""

import contextlib
import grp
import os
import pwd
import re
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

import trustme

from tests.servers.available import free_port, is_listening, program, wait
from tests.servers.sink import Sink
from tests.servers.spawned import SpawnedServer

NAME = "relay.example"
LONGEST_LIFE_SECONDS = 3600
QUEUES = ("maildrop", "hold", "incoming", "active", "deferred")

# What a test may set besides: none of these leads mail anywhere.
MAY_BE_SET = frozenset({
    "defer_transports", "maximal_backoff_time", "maximal_queue_lifetime", "message_size_limit", "minimal_backoff_time",
    "queue_run_delay", "smtp_destination_recipient_limit", "smtp_tls_security_level",
    "smtpd_client_connection_count_limit", "smtpd_discard_ehlo_keywords", "smtpd_forbid_bare_newline",
    "smtpd_forbid_unauth_pipelining",
    "smtpd_hard_error_limit", "smtpd_recipient_limit", "smtpd_timeout", "smtpd_tls_security_level", "smtputf8_enable",
    "soft_bounce",
})  # fmt: skip

# local(8), virtual(8), pipe(8), lmtp(8), spawn(8) and discard(8) are missing, so that nothing can name them.
_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_WAYS_OUT = ("_transport", "relayhost", "_relay")

_QUEUE_MODES = {"": 0o755, "pid": 0o755, "public": 0o710, "maildrop": 0o730} | dict.fromkeys(
    ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"),
    0o700,
)
_ROOTS = ("", "pid")  # what master(8) itself writes


class AnotherWayOut(Exception):
    """This Postfix could send mail elsewhere than to the sink. Nothing may be handed to it."""


class Postfix:
    """
    A Postfix of its own. Behind it stands the sink, or the scripted server, which passes nothing on either.

    `refuses` is what it says to the RCPT of an address ("550 5.1.1 no such user"); `settings` are parameters of
    postconf(5), of those in MAY_BE_SET.
    """

    def __init__(
        self,
        sink: Sink | SpawnedServer,
        *,
        refuses: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        if strange := set(settings or {}) - MAY_BE_SET:
            raise AnotherWayOut(f"not known to lead nowhere: {', '.join(sorted(strange))}")
        refusals = {"smtpd_recipient_restrictions": _refusals(refuses)} if refuses else {}
        self.host = "127.0.0.1"
        self.port = free_port()
        self._way_out = f"[127.0.0.1]:{sink.port}"
        self.folder = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.folder.chmod(0o755)  # its programs leave root, and must get to their files
        self.config, self.spool, self.log_file = self.folder / "etc", self.folder / "spool", self.folder / "maillog"
        self.ca_file = self.folder / "ca.pem"
        self._wanted = self._parameters() | refusals | dict(settings or {})

    # -- life

    def start(self) -> None:
        """Raises: AnotherWayOut; RuntimeError with its log when it does not listen."""
        if not self.config.exists():
            self._furnish()
        self.assert_only_transport_is_the_sink()
        master = Path(self._ask("-d", "-h", "daemon_directory").strip()) / "master"
        with (self.folder / "said").open("ab") as said:
            self._process = subprocess.Popen(
                [master, "-c", self.config, "-e", str(LONGEST_LIFE_SECONDS)], stdout=said, stderr=said
            )
        try:
            wait(lambda: is_listening(self.port) or self._process.poll() is not None)
        except BaseException:
            self.stop()
            raise
        if self._process.poll() is not None or not is_listening(self.port):
            self.stop()
            raise RuntimeError(f"Postfix does not start: {self.log()}")

    def stop(self) -> None:
        """SIGTERM to master(8), which ends its process group. The queue stays; `start` goes on with it."""
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait(30)
        if not wait(lambda: not _living(self._process.pid)):
            raise RuntimeError(f"these of Postfix's processes do not end: {_living(self._process.pid)}")

    def __enter__(self) -> "Postfix":
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self.folder)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    # -- what it is asked

    def trust(self) -> ssl.SSLContext:
        """What a client needs to believe its certificate (127.0.0.1, localhost, relay.example)."""
        return ssl.create_default_context(cafile=self.ca_file)

    def log(self) -> str:
        """What it logged so far."""
        files = [file for file in (self.folder / "said", self.log_file) if file.exists()]
        return "".join(file.read_text(errors="replace") for file in files)

    def queued(self) -> dict[str, int]:
        """How many messages stand in each queue that has any."""
        counts = {queue: sum(path.is_file() for path in (self.spool / queue).rglob("*")) for queue in QUEUES}
        return {queue: count for queue, count in counts.items() if count}

    def rotate(self) -> None:
        """Rotate its log as `postfix logrotate` does: renamed, opened anew, and compressed at once."""
        self._run("postfix", "logrotate")

    def flush(self) -> None:
        """Try everything that is deferred again, now."""
        self._run("postqueue", "-f")

    def wait_until_empty(self, seconds: float = 60) -> None:
        """Until everything is passed on or bounced. Raises: AssertionError with the log."""
        # Twice, because a message on its way from one queue to the next can be missed by one look.
        if not wait(lambda: not self.queued() and not self.queued(), seconds):
            raise AssertionError(f"still in the queue after {seconds} s: {self.queued()}\n{self.log()}")

    def wait_until_deferred(self, count: int, seconds: float = 60) -> None:
        """Until exactly so many messages wait for a later try, and nothing else is queued. Raises: AssertionError."""
        if not wait(lambda: self.queued() == {"deferred": count} == self.queued(), seconds):
            raise AssertionError(f"not {count} deferred after {seconds} s: {self.queued()}\n{self.log()}")

    # -- the proof

    def assert_only_transport_is_the_sink(self) -> None:
        """Read back main.cf and master.cf as Postfix reads them. Raises: AnotherWayOut with all that is wrong."""
        problems = [*self._strange_parameters(), *self._strange_services()]
        if problems:
            raise AnotherWayOut("; ".join(problems))

    def _strange_parameters(self) -> list[str]:
        set_here, effective = self._parameters_as_read("-n"), self._parameters_as_read("-x")
        problems = [f"main.cf sets {name}" for name in set_here if name not in self._wanted]
        for name, value in self._wanted.items():
            if (found := effective.get(name)) != value:
                problems.append(f"{name} is {found!r}, not {value!r}")
        for name, value in effective.items():  # also those that a newer Postfix may bring along
            if name.endswith(_WAYS_OUT) and value not in ("", self._way_out, f"smtp:{self._way_out}"):
                problems.append(f"{name} leads to {value!r}")
        return problems

    def _parameters_as_read(self, flag: str) -> dict[str, str]:
        lines = (line.partition(" =") for line in self._ask(flag).splitlines())
        return {name: value.strip() for name, _, value in lines}

    def _strange_services(self) -> list[str]:
        wanted = {tuple(line.split()) for line in _MASTER.format(port=self.port).splitlines()}
        found = {tuple(line.split()) for line in self._ask("-M").splitlines()}
        return [f"master.cf has {' '.join(service)!r}" for service in sorted(found - wanted)]

    # -- the furniture

    def _parameters(self) -> dict[str, str]:
        to_sink = f"smtp:{self._way_out}"
        nowhere = (
            "mydestination", "relay_domains", "alias_maps", "alias_database", "local_recipient_maps", "transport_maps",
            "virtual_alias_maps", "virtual_alias_domains", "virtual_mailbox_maps", "virtual_mailbox_domains",
            "local_header_rewrite_clients", "content_filter", "always_bcc", "smtp_fallback_relay", "header_checks",
        )  # fmt: skip
        return dict.fromkeys(nowhere, "") | {
            "default_transport": to_sink,
            "local_transport": to_sink,
            "relay_transport": to_sink,
            "virtual_transport": to_sink,
            "relayhost": self._way_out,
            "inet_interfaces": "127.0.0.1",
            "inet_protocols": "ipv4",
            "smtp_bind_address": "127.0.0.1",
            "disable_dns_lookups": "yes",
            "smtp_host_lookup": "native",
            "smtpd_peername_lookup": "no",
            "myhostname": NAME,
            "myorigin": NAME,
            "mynetworks": "127.0.0.1/32",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "compatibility_level": "3.6",
            "config_directory": str(self.config),
            "queue_directory": str(self.spool),
            "data_directory": str(self.folder / "data"),
            "maillog_file": str(self.log_file),
            "maillog_file_prefixes": str(self.folder),
            "smtpd_tls_chain_files": str(self.folder / "chain.pem"),
            "smtpd_tls_security_level": "may",
            "smtpd_error_sleep_time": "0s",
            "in_flow_delay": "0s",
        }

    def _furnish(self) -> None:
        """Everything that Debian's postinst would make, in our folder and for Debian's users."""
        owner, dropper = pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postdrop").gr_gid
        for name, mode in _QUEUE_MODES.items():
            folder = self.spool / name
            folder.mkdir()
            folder.chmod(mode)
            if name not in _ROOTS:
                os.chown(folder, owner, dropper if name in ("public", "maildrop") else 0)
        (self.folder / "data").mkdir(mode=0o700)
        os.chown(self.folder / "data", owner, 0)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        chain = authority.issue_cert("127.0.0.1", "localhost", NAME).private_key_and_cert_chain_pem
        chain.write_to_path(self.folder / "chain.pem")
        (self.folder / "chain.pem").chmod(0o600)
        self.config.mkdir()
        main = "".join(f"{name} = {value}\n" for name, value in self._wanted.items())
        (self.config / "main.cf").write_text(main)
        os.utime(self.config / "main.cf", (0, 0))  # Postfix waits two seconds for a file that looks as if still written
        (self.config / "master.cf").write_text(_MASTER.format(port=self.port))

    def _ask(self, *flags: str) -> str:
        return self._run("postconf", *flags)

    def _run(self, command: str, *flags: str) -> str:
        done = subprocess.run(
            [program(command) or command, "-c", self.config, *flags], check=True, capture_output=True, text=True
        )
        return done.stdout


def _living(group: int) -> list[int]:
    """The processes of a process group that have not ended. A zombie has, and only waits for its parent to notice."""
    living = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                living.append(int(folder.name))
    return living


def _refusals(refuses: Mapping[str, str]) -> str:
    """
    Refusals as an access(5) table in place. Only replies, since such a table can also redirect mail.

    >>> _refusals({"gone@x.example": "550 5.1.1 no such user"})
    'check_recipient_access inline:{ {gone@x.example = 550 5.1.1 no such user} }, permit'
    """
    for address, reply in refuses.items():
        if not re.fullmatch(r"[^\s{}=,]+", address) or not re.fullmatch(r"[45]\d\d [^{}]+", reply):
            raise ValueError(f"not a refusal: {address} = {reply}")
    table = " ".join(f"{{{address} = {reply}}}" for address, reply in refuses.items())
    return f"check_recipient_access inline:{{ {table} }}, permit"
