"""
The points at which a run can be told to die, by name, and the tripwire that waits for one of them.

Production code has no branch for any of this. A point is where a function of mailer begins or is done, where the work of a
transaction stands written and uncommitted, where its commit begins or is durable and nobody knows it yet, where fsync begins
or is done, and what CPython itself announces of files and sockets (sys.addaudithook). `sys.setprofile` sees all but the last.

A coroutine begins once and is done once, however often it waits in between; one that an exception ends is not done.
"""

from __future__ import annotations

import dis
import importlib
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

BEGINS, DONE = "begins", "is done"

# Functions by where they stand. Each is two points: it begins, it is done.
FUNCTIONS = """
cli.send.perform  instance.Lock.acquire  app.worker_of  seal.load  seal._make  spool.Spool.prepare  journal.Journal.open
ledger.engine.connect  ledger.schema.settle  ledger.sqlite.SqliteLedger.close  recovery.recover  worker.Worker._once
worker.Worker._send  worker.Worker._wait  cli.send._blocked  cli.send.told  continuity.see  blotter.Blotter.wipe
blotter.Blotter._note  consequences.Consequences.follow  intake.Intake.finish_claimed  intake.Intake.take_ready
intake.Intake._take  intake.Intake._take_rows  spool.Spool.claim  spool.Spool.changed  spool.Spool.finish
spool.files.reserved  spool.folders.rename_new  spool.folders.Folder.move  spool.folders.Folder.write
spool.folders.Folder.fit  spool.folders.Folder.sync  spool.files.Claimed.open  spool.originals.copy
spool.originals.lay  spool.originals.put_by  ledger.taking.TakingPart.begin_file
ledger.taking.TakingPart.begin_reading  ledger.taking.TakingPart.take_in  ledger.taking.TakingPart.end_file  rules.redecide
dispatch.Dispatch.next_at  dispatch.Dispatch.send  dispatch.Dispatch._claim_round  ledger.sending.SendingPart.claim
courier.Courier.carry  courier.Courier._write  relay.Relay.connect  relay.handshake.connect
relay.wire.SmtpConnection.envelope  relay.wire.SmtpConnection.body  courier.Courier._mark_and_dot
ledger.sending.SendingPart.mark  relay.wire.SmtpConnection.dot  relay.reader.ReplyReader.write  relay.reader.ReplyReader.reply
relay.reader.ReplyReader.data_received  outcome.decide  delivery.after  courier.Courier._settle
ledger.sending.SendingPart.settle  dispatch.Dispatch._account  courier.Courier.close  relay.wire.SmtpConnection.close
ledger.moves.move  chain.link  ledger.engine.Engine._begin  ledger.engine.Engine._transact  journal.Journal.catch_up
"""

# Transactions by the method that asks for them: the work is written, its commit begins, its commit is durable.
TRANSACTIONS = """
standing.StandingPart.remember_campaign  standing.StandingPart.keep_edition  standing.StandingPart.keep_breaker
taking.TakingPart.begin_file  taking.TakingPart.begin_reading  standing.StandingPart.remember_install
taking.TakingPart.take_in  taking.TakingPart.end_file
sending.SendingPart.recover  sending.SendingPart.claim  sending.SendingPart.mark  sending.SendingPart.settle
sending.SendingPart.let_go
"""

# What CPython announces by itself.
ANNOUNCED = ("os.mkdir", "os.rename", "os.link", "os.remove", "os.chmod", "os.listdir", "fcntl.flock", "socket.connect")

_SYNCS = "spool.folders.Folder.sync  spool.folders.Folder.write  spool.folders.Folder.fit  journal.Journal.catch_up  seal._make"
ANNOUNCED_ALL = " is announced"  # as a name of its own: what only counts, counts these
_ENDS = ("RETURN_VALUE", "RETURN_CONST")


def names() -> list[str]:
    """Every point there is."""
    found = [f"{function} {when}" for function in FUNCTIONS.split() for when in (BEGINS, DONE)]
    for method in map(_short, TRANSACTIONS.split()):
        found += [f"{method} is written", f"commit of {method} {BEGINS}", f"commit of {method} {DONE}"]
    found += [f"fsync in {function} {when}" for function in _SYNCS.split() for when in (BEGINS, DONE)]
    return found + [f"{event}{ANNOUNCED_ALL}" for event in ANNOUNCED]


class Tripwire:
    """
    Counts the points that this process comes to, and calls `trip` at the `nth` of one name; with an empty name, or with
    ANNOUNCED_ALL, it only counts.

    Where two threads are at work, the points of both count together.
    """

    def __init__(self, name: str, nth: int, trip: Callable[[], None]) -> None:
        self.met: Counter[str] = Counter()
        self._wanted = (name, nth)
        self._trip = trip
        # By id: the hash of a code object is worked out anew each time, and every call in the process asks for it.
        self._functions = {id(_code(where)): where for where in FUNCTIONS.split()}
        self._works = {id(work): _short(where) for where in TRANSACTIONS.split() for work in _works(_code(f"ledger.{where}"))}
        self._syncs = {id(_code(where)): where for where in _SYNCS.split()}
        self._transact = id(_code("ledger.engine.Engine._transact"))
        self._watched = frozenset([*self._functions, *self._works, *self._syncs, self._transact])
        self._written: list[str] = []  # the works of the transaction that is open

    def watch(self) -> None:
        """From here on, in this thread and in those to come; by one means alone, for each look at a frame is announced too."""
        if self._wanted[0].endswith(ANNOUNCED_ALL):
            sys.addaudithook(self._hear)
        else:
            threading.setprofile(self._see)
            sys.setprofile(self._see)

    def _meet(self, name: str) -> None:
        self.met[name] += 1
        if (name, self.met[name]) == self._wanted:
            self._trip()

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in ANNOUNCED:
            self._meet(f"{event}{ANNOUNCED_ALL}")

    def _see(self, frame: FrameType, event: str, argument: Any) -> None:
        place = id(frame.f_code)
        if place not in self._watched:
            return
        if event == "call":
            if place in self._functions and _begins(frame):
                self._meet(f"{self._functions[place]} {BEGINS}")
        elif event == "return":
            if place in self._functions and _is_done(frame):
                self._meet(f"{self._functions[place]} {DONE}")
            if place in self._works:
                self._written.append(self._works[place])
                self._meet(f"{self._works[place]} is written")
        elif event in {"c_call", "c_return"}:
            self._see_built_in(place, BEGINS if event == "c_call" else DONE, argument)

    def _see_built_in(self, place: int, when: str, function: Any) -> None:
        if function is os.fsync and place in self._syncs:
            self._meet(f"fsync in {self._syncs[place]} {when}")
        if place == self._transact and getattr(function, "__name__", "") == "execute":
            for method in dict.fromkeys(self._written):
                self._meet(f"commit of {method} {when}")
            if when == DONE:
                self._written.clear()


def _short(where: str) -> str:
    return where.rpartition(".")[2]


def _code(where: str) -> CodeType:
    """The code of a function of mailer, by the dotted name of where it stands."""
    parts = where.split(".")
    for length in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(["mailer", *parts[:length]]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        code = found.__code__
        assert isinstance(code, CodeType)
        return code
    raise LookupError(where)


def _works(method: CodeType) -> Iterator[CodeType]:
    """The functions that a method of the ledger hands to the engine's line."""
    return (inner for inner in method.co_consts if isinstance(inner, CodeType) and inner.co_name in {"work", "<lambda>"})


def _begins(frame: FrameType) -> bool:
    """Whether it is called, not a coroutine that goes on."""
    return frame.f_lasti < 0 or frame.f_code.co_code[frame.f_lasti + 1] == 0


def _is_done(frame: FrameType) -> bool:
    """Whether it returns, and does not only wait."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]] in _ENDS
