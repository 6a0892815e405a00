"""
The units under a real systemd: stopped in the middle of letters, frozen, killed, misconfigured; the pass by path and timer.

The far side is the scripted server, a process of this machine: the container shares its loopback. It keeps what it took, so
that its books and the ledger can be laid side by side behind all of it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bare.root import Root
from tests.servers.rules import Hang, Rule
from tests.servers.spawned import SpawnedServer

CONNECTIONS = 5
WATCHDOG = 4  # seconds, instead of the five minutes that ship
HANGING = 1_000  # the number of the dot that is never answered
_ETC, _QUEUE = "/etc/mailer", "/var/lib/mailer/queue"
_CAMPAIGN = """\
id: c
title: Drop the charges
languages: {default: en}
sender: {name: Sender, address: letters@campaign.example}
consent: assumed
approval: none
pace: none
targets: {court: {name: Court, form_of_address: Dear Madam Chair, to: head@court.example}}
"""


class Service:
    """mailer in the container, its campaign and its relay changed for ones that a test can count."""

    def __init__(self, root: Root, server: SpawnedServer, see: Callable[[str, bool], None]) -> None:
        self._root, self._server, self.see = root, server, see
        self._dropped = 0

    def type(self, line: str) -> str:
        return self._root.type(line).out.strip()

    def write(self, path: str, content: str, mode: str = "0640") -> None:
        self.type(f"install -D -m {mode} -g mailer /dev/null {path} && cat > {path} <<'END'\n{content}\nEND")

    def until(self, what: str, is_so: Callable[[], bool], seconds: int = 90) -> None:
        """Look ten times a second."""
        for _ in range(seconds * 10):
            if is_so():
                return
            time.sleep(0.1)
        self.see(what, False)

    def set_up(self) -> None:
        relay = f"mode: smtp, host: 127.0.0.1, port: {self._server.port}, tls: none, connections: {CONNECTIONS}"
        lines = [f"relay: {{{relay}, username: u, password_credential: relay}}", "whole_after: 1", "group: organisers"]
        lines += [f"spool: {_QUEUE}", "ledger: /var/lib/mailer/ledger.db", "journal: /var/lib/mailer/journal.jsonl"]
        self.type("systemctl stop mailer.service")
        # What the bundled campaign has left waiting in the sandbox is not for this relay.
        self.type(f"rm -rf {_ETC}/campaigns/*.yaml /var/lib/mailer/ledger.db* /var/lib/mailer/journal.jsonl")
        self.type(f"rm -rf /var/lib/mailer/high-water /var/lib/mailer/keys/* {_QUEUE}/done/* {_QUEUE}/incoming/*")
        self.write(f"{_ETC}/mailer.yaml", "\n".join(lines))
        self.write(f"{_ETC}/campaigns/c.yaml", _CAMPAIGN)
        for name in ("subject", "letter"):
            self.write(f"{_ETC}/templates/c/en/{name}.txt.j2", "Drop the charges, says {{ signature.name }}")
        self.type(f"chgrp -R mailer {_ETC}/templates; chmod -R g+rX {_ETC}/templates")
        self.write(f"{_ETC}/relay.password", "s3cret", "0600")
        shortened = f"[Service]\nWatchdogSec={WATCHDOG}\nRestartSec=1"
        self.write("/etc/systemd/system/mailer.service.d/test.conf", shortened, "0644")
        self.write("/etc/systemd/system/mailer-run.timer.d/test.conf", "[Timer]\nOnCalendar=*:*:0/10\nAccuracySec=1s", "0644")
        self.type("systemctl daemon-reload")

    def drop(self, count: int) -> None:
        """As an organiser does: under a name of its own first, then renamed."""
        people = range(self._dropped, self._dropped + count)
        rows = "".join(f"Person {n},person.{n}@example.org,IE\n" for n in people)
        name = f"{_QUEUE}/incoming/{self._dropped}.csv"
        self._dropped += count
        self.type(f"cat > {name}.part <<'END'\nname,email,country\n{rows}END\nchmod 0664 {name}.part; mv {name}.part {name}")

    def property(self, unit: str, name: str) -> str:
        return self.type(f"systemctl show --value --property={name} {unit}")

    def is_active(self) -> bool:
        return self.property("mailer.service", "ActiveState") == "active"

    def states(self) -> Counter[str]:
        told = json.loads(self._root.as_account("mailer", "mailer status --json").out)
        return Counter(told["campaigns"].get("c", {}).get("letters", {}))

    def until_sent(self, doubts: int) -> None:
        """Wait until all that was dropped was sent, or is in one of at most so many doubts."""

        def is_over() -> bool:
            states = self.states()
            return states["accepted"] + states["in_doubt"] == self._dropped

        self.until(f"all {self._dropped} letters have ended", is_over)
        found = self.states()["in_doubt"]
        self.see(f"{self._dropped} letters have ended, {found} of them in doubt", found <= doubts)

    def restarted(self, what: str, do: Callable[[], object]) -> None:
        """Do it, and wait for the service to be back by itself."""
        before, since = int(self.property("mailer.service", "NRestarts")), self.type("date +%s")
        do()
        self.until(what, lambda: int(self.property("mailer.service", "NRestarts")) > before and self.is_active())
        result = self.type(
            f"journalctl -u mailer.service -o cat --no-pager --since=@{since} | sed -n 's/.*Failed with result //p'"
        )
        self.see(f"{what}: systemd has started it again ({result or 'no failure'})", True)


def long_running(service: Service, server: SpawnedServer) -> None:
    """`mailer work`: a stop, the watchdog, kills, endings."""
    service.type("systemctl reset-failed; systemctl start mailer.service")
    service.see("it starts, with the password as a credential that only root can read", service.is_active())
    service.drop(400)
    server.wait_for("dot", 60)
    service.type("systemctl restart mailer.service")
    taken, accepted = len(server.taken()), service.states()["accepted"]
    service.see(f"restarted in the middle, {taken} of 400 letters out", taken < 400 and accepted >= 60)
    service.until_sent(doubts=0)

    service.restarted("frozen (SIGSTOP)", lambda: freeze(service))
    service.drop(3)
    service.until_sent(doubts=0)

    def frozen_in_the_middle() -> None:
        service.drop(200)
        server.wait_for("dot", 430)
        freeze(service)

    service.restarted("frozen in the middle of 200 letters", frozen_in_the_middle)
    service.until_sent(doubts=CONNECTIONS)

    def killed_in_the_middle() -> None:
        service.drop(200)
        server.wait_for("dot", 650)
        service.type("systemctl kill --kill-whom=main --signal=KILL mailer.service")

    service.restarted("killed (SIGKILL) in the middle of 200 letters", killed_in_the_middle)
    service.until_sent(doubts=2 * CONNECTIONS)
    service.restarted("its lock removed (exit 75)", lambda: service.type("rm /var/lib/mailer/lock"))


def waiting_for_an_answer(service: Service, server: SpawnedServer) -> None:
    """A dot without an answer for many times the watchdog's; it is no reason to end the worker."""
    before = service.property("mailer.service", "NRestarts")
    service.drop(300)  # one of them is answered never
    server.wait_for("dot", HANGING)
    time.sleep(3 * WATCHDOG)
    same = service.property("mailer.service", "NRestarts") == before and service.is_active()
    service.see(f"{3 * WATCHDOG} s without an answer to a dot, {WATCHDOG} s being the watchdog's: it is left alone", same)
    told = service.property("mailer.service", "StatusText")
    service.see(f"systemctl status says: {told}", "letters carried" in told)
    service.type("systemctl kill --kill-whom=main --signal=KILL mailer.service")
    service.until_sent(doubts=2 * CONNECTIONS + 1)


def endings(service: Service) -> None:
    """What is no use to try again is not tried again; what waits for another is."""
    service.type(f"cp {_ETC}/mailer.yaml /tmp/kept; systemctl stop mailer.service; echo 'relai: x' >> {_ETC}/mailer.yaml")
    service.type("systemctl start mailer.service || true")
    service.until("it fails", lambda: service.property("mailer.service", "ActiveState") == "failed")
    status = service.property("mailer.service", "ExecMainStatus")
    service.see(f"a configuration with a mistake: exit {status}, and no second try", status == "78")
    service.type(f"cat /tmp/kept > {_ETC}/mailer.yaml; systemctl start mailer.service")
    service.type("systemctl start mailer-run.service || true")
    skipped = service.type("journalctl -u mailer-run.service -o cat --no-pager | grep -c 'Skipped due to'")
    service.see("a pass beside it is skipped", skipped == "1")
    service.type("systemctl stop mailer.service")
    service.type("setsid flock --exclusive /var/lib/mailer/lock sleep 8 >/dev/null 2>&1 </dev/null & sleep 1")
    service.type("systemctl start --no-block mailer.service")
    service.until("it works once the other has ended", service.is_active)
    service.see("started beside a pass at work, it is at work once that has ended", True)


def passes(service: Service) -> None:
    """`mailer run` by the path unit and by the timer."""
    service.type("systemctl disable --now mailer.service 2>&1; systemctl start mailer-run.path")
    started = service.type("date +%s")
    service.type(f"touch {_QUEUE}/incoming/left.csv.part")
    service.drop(20)
    service.until_sent(doubts=2 * CONNECTIONS + 1)
    service.see("a file that is dropped starts a pass by the path unit alone", True)
    count = f"journalctl -u mailer-run.service -o cat --no-pager --since=@{started} | grep -c ^Starting"
    service.until("the pass ends", lambda: service.property("mailer-run.service", "ActiveState") == "inactive")
    times = int(service.type(count))
    service.see(f"one that is left behind half-copied starts no more than its own ({times} passes)", times <= 4)
    service.see("the path unit still watches", service.property("mailer-run.path", "SubState") == "waiting")
    service.type("systemctl stop mailer-run.path; systemctl start mailer-run.timer")
    service.drop(20)
    service.until_sent(doubts=2 * CONNECTIONS + 1)
    service.see("what the path unit does not see is carried by the timer", True)
    service.type("systemctl stop mailer-run.timer")


def operate(root: Root, see: Callable[[str, bool], None]) -> None:
    """All of it; then the far side's books beside the ledger's."""
    print("The units, under systemd:")
    script = [Rule("dot", Hang(), nth=HANGING)]
    options = ["--user", "u:s3cret"]
    with (
        TemporaryDirectory(prefix="mailer-far-side-") as folder,
        SpawnedServer(Path(folder), script, options=options) as server,
    ):
        service = Service(root, server, see)
        service.set_up()
        long_running(service, server)
        waiting_for_an_answer(service, server)
        endings(service)
        passes(service)
        books = server.record()
        got = Counter(taken.message_id for taken in books.taken)
        see(f"{len(got)} letters came, none twice", set(got.values()) == {1} and books.violations == [])
        see("mailer verify agrees", root.as_account("mailer", "mailer verify").code == 0)


def freeze(service: Service) -> None:
    """Stop the worker as a disk or a bug can; only the watchdog finds that out."""
    service.type("systemctl kill --kill-whom=main --signal=STOP mailer.service")
