"""
What becomes of a letter by what the server does: behaviour x step, each cell with all that follows from it.

The cells are data, in tests/data/replies/*.cases, one a line: where the server misbehaves and how; then what the ledger and the
server's own books say behind one attempt.

    step        connect ehlo starttls handshake auth mail rcpt data body dot; behind it whom or how far: `rcpt cc`, `body 100`
    behaviour   a reply as the server says it (\\n between two lines), or
                drop, reset, hang, garbage (no text), text (no SMTP), flood (more than a reply may have)
                cut X (half of X, then closed), drip X (byte by byte), X + Y (Y unasked behind X)
                early X, HOW (said in the body, then drop, answer, swallow)      stored, HOW (taken, then drop, reset, hang)
    state       of the letter; scope: whose matter the attempt was; the recipients' states; how many tries are counted
    next        in how many seconds the letter is due again
    dots        final dots that reached the server / letters that it had stored, synced, before it answered
    relay       failures in its breaker + seconds for which it is left alone
    then        paused: the campaign; address, policy: the refusals in a row

A letter goes to a to, a cc and a copy, by the real courier and dispatcher, into a real ledger on disk.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
import trustme

from mailer.relay import Tls
from mailer.relay.settings import Settings
from tests.offices import NOON, Scene, at_work, beside, copied, on_a_slow_disk, taken_in
from tests.relays import CC, COPY, TO, settings_for
from tests.servers.rules import Action
from tests.servers.scripted import (
    Drip,
    Drop,
    Early,
    Extra,
    Garbage,
    Hang,
    Offers,
    Reset,
    Rule,
    ScriptedServer,
    Split,
    StoreThenDrop,
    StoreThenHang,
    StoreThenReset,
)
from tests.servers.scripted import Reply as Say
from tests.test_config.instance import Instance

FOLDER = Path(__file__).parent / "data" / "replies"
SHORT = 0.25  # seconds after which the client gives up on a silent server
WAITS = dict.fromkeys(("mail", "rcpt", "data"), "command_timeout") | dict.fromkeys(("body", "dot"), "dot_timeout")
ACCOUNT = ("user", "secret")
WHO = {"to": TO, "cc": CC, "copy": COPY}
SILENT: dict[str, Action] = {
    "drop": Drop(),
    "reset": Reset(),
    "hang": Hang(),
    "garbage": Garbage(),
    "text": Garbage(b"Hello, who is there?\r\n"),
    "flood": Garbage(b"250-more of it\r\n" * 100, times=30),
    "stored, drop": StoreThenDrop(),
    "stored, reset": StoreThenReset(),
    "stored, hang": StoreThenHang(),
}


@dataclass(frozen=True)
class Cell:
    """One line of a file; `by_one`: the server does not offer PIPELINING."""

    by_one: bool
    step: str
    behaviour: str
    state: str
    scope: str
    recipients: str
    tries: str
    next: str
    dots: str
    relay: str
    then: str

    @property
    def rule(self) -> Rule:
        """The one line of the server's script."""
        verb, _, more = self.step.partition(" ")
        after = int(more) if more.isdigit() else 0
        return Rule(cast(Any, verb), action(self.behaviour), recipient=WHO.get(more), after=after)


def action(written: str) -> Action:
    """What a behaviour is in the server's script."""
    said = written.replace("\\n", "\n")
    if written in SILENT:
        return SILENT[written]
    kind, _, rest = said.partition(" ")
    if kind == "cut":
        return Split(rest)
    if kind == "drip":
        return Drip(rest, seconds=0)
    if kind == "early":
        text, _, then = rest.rpartition(", ")
        return Early(text, then=cast(Any, then))
    if " + " in said:
        text, _, extra = said.partition(" + ")
        return Extra(extra, text)
    return Say(said)


def cells() -> Iterator[Cell]:
    for file in sorted(FOLDER.glob("*.cases")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                yield Cell(file.stem == "one-by-one", *(part.strip() for part in line.split(" | ")))


CELLS = list(cells())


def named(cell: Cell) -> str:
    return f"{cell.step}: {cell.behaviour}" + (", one by one" if cell.by_one else "")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Instance:
    """An instance with two letters, each to a `to`, a cc and a copy."""
    return asyncio.run(taken_in(tmp_path_factory.mktemp("prepared"), 2))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def offers(cell: Cell, authority: trustme.CA) -> Offers:
    """What the server must offer, so that the client comes to the step."""
    extensions = Offers.extensions[1:] if cell.by_one else Offers.extensions
    if cell.step in {"starttls", "handshake"}:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        return Offers(extensions, tls=context)
    return Offers(extensions, credentials=ACCOUNT if cell.step == "auth" else None)


def reached(cell: Cell, server: ScriptedServer, ca_file: Path) -> Settings:
    """The relay, by a client that is patient but at the step at which the server is silent."""
    changes: dict[str, Any] = {WAITS.get(cell.rule.verb, "connect_timeout"): SHORT} if "hang" in cell.behaviour else {}
    if cell.step in {"starttls", "handshake"}:
        changes |= {"tls": Tls.STARTTLS, "ca_file": ca_file}
    if cell.step == "auth":
        changes |= {"username": ACCOUNT[0], "password": ACCOUNT[1]}
    return settings_for(server, **changes)


async def follows(scene: Scene, relay: str) -> tuple[str, str]:
    """What follows beyond the letter: the breaker and for how long it is open; a pause, or refusals in a row."""
    breaker = await scene.ledger.breaker(relay)
    wait = int(breaker.not_before - scene.time.now)
    pauses = await scene.ledger.pauses()
    streaks = [f"{streak.sign} {streak.length}" for streak in await scene.ledger.streaks()]
    then = ["paused" for pause in pauses if pause.scope == "campaign:c"] + streaks
    return f"{breaker.failures}" + (f"+{wait}" if wait > 0 else ""), " ".join(then) or "-"


def scope_of(scene: Scene) -> str:
    with beside(scene) as db:
        return str(next(db.execute("SELECT scope FROM attempt WHERE letter = 1 ORDER BY number DESC"))[0])


@pytest.mark.parametrize("cell", CELLS, ids=named)
async def test_what_follows_from_what_a_server_does(
    cell: Cell, prepared: Instance, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with at_work(copied(prepared, tmp_path / "instance")) as scene:
        async with ScriptedServer([cell.rule], offers=offers(cell, authority), store=tmp_path / "store") as server:
            relay = reached(cell, server, tmp_path / "ca.pem")
            await (on_a_slow_disk(scene, server) if cell.rule.verb == "body" else scene).send(relay, limit=1)
        record, attempt = scene.one(), scene.last_attempt()
        states = " ".join(state for _, _, state, _ in record.recipients)
        due = "-" if record.next_attempt_at is None else str(record.next_attempt_at - NOON)
        stored = [*(tmp_path / "store").glob("*.taken")]
        breaker, then = await follows(scene, relay.name)
        found = (record.state, scope_of(scene), states or "-", str(record.tries), due)
        assert found == (cell.state, cell.scope, cell.recipients, cell.tries, cell.next)
        assert (f"{len(server.dotted)}/{len(stored)}", breaker, then) == (cell.dots, cell.relay, cell.then)
        assert server.violations == [] and server.seen[cell.rule.verb] >= 1
        # A dot has its mark; a body may be answered before the mark or behind it.
        assert cell.rule.verb == "body" or (attempt.marked_at is not None) == bool(server.dotted)
        # What the ledger calls accepted, the server had stored with these bytes; what was stored is accepted or in doubt.
        assert record.state in {"accepted", "in_doubt", "deferred"} or not stored
        assert stored or record.state != "accepted"
        assert all(hashlib.sha256(taken.data).hexdigest() == record.sha256 for taken in server.taken)
        assert scene.one(2).state == "queued" and scene.one(2).attempts == 0
        scene.assert_sound()


def test_there_are_enough_cells_and_each_says_something_of_its_own() -> None:
    assert len({named(cell) for cell in CELLS}) == len(CELLS) >= 250
    assert {cell.rule.verb for cell in CELLS} == {
        "connect", "ehlo", "starttls", "handshake", "auth", "mail", "rcpt", "data", "body", "dot",
    }  # fmt: skip
    kinds = {type(cell.rule.action) for cell in CELLS}
    assert {Say, Drop, Reset, Hang, Drip, Garbage, Early, Split, Extra, StoreThenDrop, StoreThenReset, StoreThenHang} == kinds


def test_no_cell_promises_what_nobody_may() -> None:
    """The table of cells by itself: it could be wrong as a whole."""
    for cell in CELLS:
        dots, stored = map(int, cell.dots.split("/"))
        assert (cell.state == "accepted") <= (dots == stored == 1), cell
        assert (cell.state == "refused") <= (cell.scope in {"letter", "recipient"} and not stored), cell
        assert (cell.scope == "relay") <= (cell.tries == "0" and cell.state in {"queued", "deferred"}), cell
        assert (cell.state == "in_doubt") <= (cell.step in {"dot", "body"} and cell.next == "-"), cell
        assert (cell.relay != "0") == (cell.scope == "relay"), cell
