"""
What the worker says while it works: one function an event, so that no other module formats a log line.

Lines go to stderr through the standard library's logging. They hold numbers, ids, states and the words of servers; nothing
personal: no name, no address of a signatory, no text of a letter, no name of a file.
"""

from __future__ import annotations

import logging
import traceback

_log = logging.getLogger("mailer")


def counted(number: int, noun: str) -> str:
    """
    A number with its noun.

    >>> counted(1, "letter"), counted(2, "letter")
    ('1 letter', '2 letters')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def recovered(let_go: int, in_doubt: int, poisonous: int) -> None:
    """A run before this one was cut off; this is what it left."""
    if let_go:
        _log.warning("an earlier run was cut off: %s not sent by it, and queued again", counted(let_go, "letter"))
    if in_doubt:
        _log.warning("an earlier run was cut off: %s now in doubt, never sent again by itself", counted(in_doubt, "letter"))
    if poisonous:
        _log.error("%s held: worker after worker died in the writing; please report it", counted(poisonous, "letter"))


def ledger_is_held(answers: int) -> None:
    """Another program holds the ledger, and answers of the server wait to be written down."""
    _log.warning("another program holds the ledger: %d answers wait to be written down, and nothing is sent meanwhile", answers)


def mended(what: str) -> None:
    """A folder's mode or owner was put right."""
    _log.warning("%s", what)


def file_taken(file: int, campaign: str, read: int, taken: int, known: int, refused: int) -> None:
    """A signature file was taken in."""
    _log.info("file %d (%s): %d rows, %d taken, %d known, %d rejected", file, campaign, read, taken, known, refused)


def not_marked(problem: str) -> None:
    """An order is done, but the high-water mark could not be raised for it."""
    _log.warning("done; but %s", problem)


def file_held(file: int) -> None:
    """The letters of a signature file wait for a person: it is older than the day on which the ledger was restored."""
    what = "file %d is from before the ledger was restored, its letters may have gone out: they are held; if they have not"
    _log.warning(what + ": mailer release --file %d --why TEXT, else cancel", file, file)


def not_adopted(reason: str) -> None:
    """A file in `done/` could not be read again behind a restore."""
    _log.warning("a file in done/ cannot be read again (%s): do not drop it a second time, its letters may be out", reason)


def file_set_aside(file: int, reason: str) -> None:
    """A signature file could not be read at all."""
    _log.error("file %d was set aside: %s", file, reason)


def ruled(held: int, released: int, expired: int, resent: int) -> None:
    """Rules have moved letters."""
    if held or released or expired:
        _log.info("rules: %d letters held, %d released, %d expired", held, released, expired)
    if resent:
        _log.warning("rules: %d letters in doubt are sent once more, as the campaign's in_doubt: resend_after says", resent)


def settled(letter: int, target: str, state: str, reason: str, answer: str = "") -> None:
    """An attempt was settled; `answer` is the server's. One that came to nothing is the relay's matter, told as such."""
    level = logging.DEBUG if state in {"accepted", "queued"} else logging.WARNING
    why = reason if answer in reason else f"{reason}: {answer}" if reason else answer
    _log.log(level, "letter %d to %s: %s%s", letter, target, state, f" ({why})" if why else "")


def relay_failed(relay: str, why: str, wait: float) -> None:
    """The relay cannot be used just now."""
    _log.error("relay %s: %s%s", relay, why, f"; the next try is in {wait:.0f} s" if wait > 0 else "")


def bug(letter: int, problem: Exception) -> None:
    """A letter met a bug in mailer; the traceback's places are told, its values are not."""
    places = traceback.extract_tb(problem.__traceback__)[-3:]
    where = ", ".join(f"{place.filename.rpartition('/')[2]}:{place.lineno}" for place in places)
    _log.error("letter %d is held: a bug in mailer (%s at %s); please report it", letter, type(problem).__name__, where)


def fewer_connections(relay: str, why: str) -> None:
    """The relay denied one connection while it serves another: it allows fewer than are configured."""
    _log.warning("relay %s: %s; this pass goes on with fewer connections (relay: connections)", relay, why)


def address_refused(campaign: str, target: str, times: int) -> None:
    """A target's address was refused too often in a row; its letters are held."""
    what = "correct it in the configuration, or: mailer release --campaign %s --target %s --why TEXT"
    _log.error("%s of %s: its address was refused %d times in a row; " + what, target, campaign, times, campaign, target)


def campaign_paused(campaign: str, why: str) -> None:
    """A campaign was stopped by replies that are about its sender, or about all of its letters."""
    _log.error("campaign %s is paused: %s; mend it, then: mailer resume %s --why TEXT", campaign, why, campaign)


def read_again() -> None:
    """A worker has seen its configuration, the relay's password or templates change."""
    _log.info("the configuration, the relay's password or a template has changed: everything is read again")


def misconfigured(problems: str) -> None:
    """The changed configuration cannot be used."""
    _log.error("the configuration has changed and has problems; nothing is sent until they are mended:\n%s", problems)


def stopping() -> None:
    """A signal asks to stop."""
    _log.warning("stopping: the letters in hand are finished, no new one is begun")


def lost(what: str) -> None:
    """What only one at a time may have was taken from us."""
    _log.error("%s", what)


def stuck(seconds: float) -> None:
    """The event loop turns, but no row, no letter and no turn of the pass has come for longer than any may take: a bug."""
    _log.error("nothing has come on for %.0f s: a bug in mailer, please report it; the watchdog is left to end this", seconds)


def waiting(seconds: float) -> None:
    """The pass stays because more is due soon."""
    _log.info("more is due in %.0f s; waiting", seconds)


class Watch:
    """What a person at a terminal is shown while it works; this one shows nothing."""

    is_shown = False

    def turn(self) -> None:
        """A turn of the pass is over: the folder was looked at, and what was due was sent."""

    def rows(self, count: int) -> None:
        """So many more rows were read."""

    def letters(self, waiting: int) -> None:
        """So many letters are due when sending begins."""

    def letter(self) -> None:
        """One more letter was settled."""

    def young(self, files: int) -> None:
        """So many files are not taken yet, because they changed a moment ago."""

    def waiting(self, seconds: float) -> None:
        """The pass stays: more is due in so many seconds."""
