"""
What the service manager hears of a worker: that it is ready, what it does, and that it comes on (sd_notify(3)).

    worker (turns, rows, letters)  >  NOTIFY  >  the socket that systemd gave us

The watchdog is fed by work alone. Each row, letter and turn of the pass feeds it, be the event loop's turn near or not; where
the work rightly waits (for an answer to a dot, for a busy ledger) the event loop feeds it meanwhile. So whoever is killed
had neither: the loop is stuck, or nothing came on for longer than all waits of one letter together.

Where nobody asks to be told, nothing happens. Telling never fails the worker, and no child inherits whom to tell. It speaks
of numbers only, and decides nothing about the work.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress

from mailer import log
from mailer.log import counted

# Seconds. One letter may wait as long for a server that needs nearly all of its time at every step, with ten recipients at five
# minutes each, two waits at the dot and one for the ledger behind it. Each wait has its own end, so this one is for bugs.
LONGEST_WAIT = 7200.0
_UNWATCHED = 60.0  # seconds between two looks where no watchdog asks for more
_PATIENCE = 1.0  # seconds for which a manager that is slow to read holds us up, where it must not miss it


class Manager:
    """The service manager that started this process, if one did; `watchdog` is how long (seconds) it may hear nothing."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        """Take what is meant for this process alone out of its environment: a child must not speak in our name."""
        self._address = _address(environ.pop("NOTIFY_SOCKET", ""))
        self.watchdog = _seconds(environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", ""))

    @property
    def is_there(self) -> bool:
        """Whether anybody asks to be told."""
        return bool(self._address)

    def ready(self) -> None:
        """The worker is at work: for the first time, or by a configuration that was read again."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The configuration has changed, and is read again."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """No new letter is begun; those whose dot has gone out are finished."""
        self._tell("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._tell(f"STATUS={text}", patience=0)

    def alive(self) -> None:
        """The work comes on."""
        self._tell("WATCHDOG=1", patience=0)  # where it would wait in line, others do already

    def _tell(self, state: str, patience: float = _PATIENCE) -> None:
        if not self._address:
            return
        import socket

        # Whatever is wrong with the socket is for its other end to find out: by our silence, at the latest.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
            notify.settimeout(patience)
            notify.sendto(state.encode(), self._address)


def _address(named: str) -> str:
    """
    The socket's address; empty where it is of a kind that we do not know.

    >>> _address("/run/systemd/notify"), _address("@mailer"), _address("vsock:2:1234")
    ('/run/systemd/notify', '\\x00mailer', '')
    """
    if len(named) > 1 and named[0] == "@":
        return f"\0{named[1:]}"
    return named if named.startswith("/") else ""


def _seconds(microseconds: str, pid: str) -> float:
    """
    How long the watchdog waits; 0 where there is none, or where it waits for another process.

    >>> _seconds("300000000", ""), _seconds("300000000", "1"), _seconds("soon", "")
    (300.0, 0.0, 0.0)
    """
    if not microseconds.isdecimal() or (pid and pid != str(os.getpid())):
        return 0.0
    return int(microseconds) / 1e6


class Pulse(log.Watch):
    """
    A watch that feeds the watchdog by what it is told of the work, and hands everything on to `shown`.

    `now` gives seconds that never go back; `longest_wait` is how long nothing may come on while the event loop turns.
    """

    def __init__(
        self,
        manager: Manager,
        shown: log.Watch,
        longest_wait: float = LONGEST_WAIT,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manager = manager
        self._shown = shown
        self.is_shown = shown.is_shown
        self._longest_wait = longest_wait
        self._now = now
        self._came_on_at = self._fed_at = now()
        self._is_told = False  # that nothing comes on
        self._rows = self._letters = 0
        self._beating: asyncio.Future[None] | None = None

    def begin(self) -> None:
        """From now on feed the watchdog at half of its time, for as long as the event loop turns."""
        if self._manager.is_there and self._beating is None:
            self._beating = asyncio.ensure_future(self._beat())

    def end(self) -> None:
        """Feed it no more."""
        if self._beating is not None:
            self._beating.cancel()

    def turn(self) -> None:
        """A turn of the pass is over."""
        self._come_on()

    def rows(self, count: int) -> None:
        """So many more rows were read."""
        self._rows += count
        self._come_on()
        self._shown.rows(count)

    def letters(self, waiting: int) -> None:
        """So many letters are due when sending begins."""
        self._shown.letters(waiting)

    def letter(self) -> None:
        """One more letter was settled."""
        self._letters += 1
        self._come_on()
        self._shown.letter()

    def waiting(self, seconds: float) -> None:
        """The pass stays: more is due in so many seconds."""
        self._shown.waiting(seconds)

    async def _beat(self) -> None:
        told = ""
        while True:
            if self._is_coming_on() and self._manager.watchdog:
                self._feed()
            if (status := self._status()) != told:
                self._manager.status(told := status)
            await asyncio.sleep(self._manager.watchdog / 2 or _UNWATCHED)

    def _come_on(self) -> None:
        self._came_on_at = self._now()
        self._is_told = False
        if self._manager.watchdog and self._came_on_at - self._fed_at >= self._manager.watchdog / 2:
            self._feed()

    def _feed(self) -> None:
        self._fed_at = self._now()
        self._manager.alive()

    def _is_coming_on(self) -> bool:
        silent = self._now() - self._came_on_at
        if silent <= self._longest_wait:
            return True
        if not self._is_told:
            self._is_told = True
            log.stuck(silent)
        return False

    def _status(self) -> str:
        return f"at work; {counted(self._letters, 'letter')} carried and {counted(self._rows, 'row')} read since it began"
