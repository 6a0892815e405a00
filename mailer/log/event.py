"""
What an event of the log is, how a function becomes one, and which of them are shown.

    @event("file_set_aside", ERROR)
    def file_set_aside(file: int, reason: str) -> str:
        (its meaning)
        return f"file {file} was set aside: {reason}"

A function's parameters are the event's fields, its return value is the sentence for people, its docstring what it means. The
name beside its level is stable, for those who search by it, whatever becomes of the function's. Both stand on the logging
record, for whoever writes the lines (`cli.stderr`); nothing is written here, and no format is known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from logging import DEBUG, ERROR, INFO, WARNING
from typing import ParamSpec

P = ParamSpec("P")

QUIET, NORMAL, VERBOSE = ERROR, WARNING, DEBUG

LOG = logging.getLogger("mailer")
BESIDE = logging.getLogger("mailer.beside")  # has a level of its own: hints are shown where the log keeps silent


@dataclass(frozen=True, slots=True)
class Event:
    """A kind of record, as docs/operating.md lists it. One of a state in `calm` is for `-v` alone."""

    name: str
    level: int
    fields: tuple[str, ...]
    meaning: str
    calm: Collection[str] = ()
    is_bare: bool = False  # in plain text it stands without "mailer: " before it

    def level_of(self, fields: dict[str, object]) -> int:
        """How much it matters, by what happened."""
        return DEBUG if fields.get("state") in self.calm else self.level


EVENTS: dict[str, Event] = {}


def event(
    name: str, level: int, *, calm: Collection[str] = (), bare: bool = False, by: logging.Logger = LOG
) -> Callable[[Callable[P, str]], Callable[P, None]]:
    """Make an event of a function that says it."""

    def made(says: Callable[P, str]) -> Callable[P, None]:
        code = says.__code__
        names = code.co_varnames[: code.co_argcount]
        kind = EVENTS[name] = Event(name, level, names, says.__doc__ or "", calm, bare)

        def tell(*args: P.args, **kwargs: P.kwargs) -> None:
            fields = dict(zip(names, args, strict=False)) | kwargs
            if by.isEnabledFor(now := kind.level_of(fields)):
                by.log(now, says(*args, **kwargs), extra={"event": kind, "fields": fields})

        tell.__doc__ = says.__doc__
        return tell

    return made


def show(level: int) -> None:
    """From now on show what is at least of this level; hints go with everything but QUIET."""
    LOG.setLevel(level)
    BESIDE.setLevel(QUIET if level >= QUIET else INFO)


def show_files() -> None:
    """A worker that never ends tells each file in its log, unless it is to be quiet: nobody reads its last words."""
    if LOG.level == NORMAL:
        LOG.setLevel(INFO)


def is_quiet() -> bool:
    """Whether nothing but errors is shown."""
    return LOG.level >= QUIET
