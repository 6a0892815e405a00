"""
What mailer says beside its results: one function an event, so that no other module formats a log line.

    log.file_taken(file=1, campaign="c", rows=3, taken=2, known=1, rejected=0)

What came of files, letters and the relay is an event; so is what commands say on stderr (the last five: hints, why one failed).
How a function becomes one is told in `event`; functions without a name of their own only choose among events.

Events hold numbers, ids, states and the words of servers; nothing personal: no name, no address of a signatory, no text of a
letter, no name of a file.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from logging import ERROR, INFO, WARNING

from mailer.log.event import BESIDE, EVENTS, NORMAL, QUIET, VERBOSE, Event, event, is_quiet, show, show_files
from mailer.log.watch import Watch

__all__ = ["EVENTS", "NORMAL", "QUIET", "VERBOSE", "Event", "Watch", "counted", "is_quiet", "show", "show_files"]


def counted(number: int, noun: str) -> str:
    """
    A number with its noun.

    >>> counted(1, "letter"), counted(2, "letter")
    ('1 letter', '2 letters')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def recovered(let_go: int, in_doubt: int, poisonous: int) -> None:
    """Tell what a run that was cut off has left."""
    if let_go:
        recovered_unsent(let_go)
    if in_doubt:
        recovered_in_doubt(in_doubt)
    if poisonous:
        recovered_poisonous(poisonous)


@event("recovered_unsent", WARNING)
def recovered_unsent(letters: int) -> str:
    """A run before this one was cut off; these letters were in its hands, not sent, and are queued again."""
    return f"an earlier run was cut off: {counted(letters, 'letter')} not sent by it, and queued again"


@event("recovered_in_doubt", WARNING)
def recovered_in_doubt(letters: int) -> str:
    """A run before this one was cut off while it waited for the answer to these letters' final dot."""
    return f"an earlier run was cut off: {counted(letters, 'letter')} now in doubt, never sent again by itself"


@event("recovered_poisonous", ERROR)
def recovered_poisonous(letters: int) -> str:
    """Worker after worker died while it wrote these letters; they are held."""
    return f"{counted(letters, 'letter')} held: worker after worker died in the writing; please report it"


@event("ledger_is_held", WARNING)
def ledger_is_held(answers: int) -> str:
    """Another program holds the ledger, and answers of the server wait to be written down."""
    return f"another program holds the ledger: {answers} answers wait to be written down, and nothing is sent meanwhile"


@event("mended", WARNING)
def mended(what: str) -> str:
    """A folder's mode or owner was put right."""
    return what


@event("file_taken", INFO)
def file_taken(file: int, campaign: str, rows: int, taken: int, known: int, rejected: int) -> str:
    """A signature file was taken in; it is called by its number."""
    return f"file {file} ({campaign}): {rows} rows, {taken} taken, {known} known, {rejected} rejected"


def file_parts(file: int, held: int, unconfirmed: int, confirmed: int, withdrawn: int, left_out: int) -> None:
    """Tell what there is more to say of the rows of a file."""
    if held or unconfirmed or confirmed or withdrawn or left_out:
        file_rows(file, held, unconfirmed, confirmed, withdrawn, left_out)


@event("file_rows", INFO)
def file_rows(file: int, held: int, unconfirmed: int, confirmed: int, withdrawn: int, left_out: int) -> str:
    """Of the rows that a file brought: held and unconfirmed among those taken, the others among those known."""
    parts = {"held": held, "unconfirmed": unconfirmed, "confirmed": confirmed, "withdrawn": withdrawn, "left out": left_out}
    return f"file {file}: of these {', '.join(f'{number} {what}' for what, number in parts.items() if number)}"


def erased(files: int, letters: int, waits: Sequence[str]) -> None:
    """Tell what an erasure has come to."""
    erasure_removed(files, letters)
    if waits:
        erasure_waits(waits)


@event("erasure_removed", INFO)
def erasure_removed(files: int, letters: int) -> str:
    """An erasure was gone on with."""
    return f"an erasure has removed {counted(files, 'file')} and {counted(letters, 'letter')}"


@event("erasure_waits", WARNING)
def erasure_waits(waits: Sequence[str]) -> str:
    """What an erasure still waits for; it is tried again."""
    return f"an erasure is not finished, and is tried again: {'; '.join(waits)}"


@event("not_erased", WARNING)
def not_erased(problem: str) -> str:
    """An erasure, or the removal of old files, could not be done just now."""
    return f"what is to be erased or removed could not be, and is tried again: {problem}"


def files_removed(files: int) -> None:
    """Tell that files were kept for as long as they are to be."""
    if files:
        old_files_removed(files)


@event("old_files_removed", INFO)
def old_files_removed(files: int) -> str:
    """Files in `done/` had been kept for as long as they are to be."""
    return f"{counted(files, 'file')} removed from done/: kept for long enough (keep_files_days)"


@event("not_marked", WARNING)
def not_marked(problem: str) -> str:
    """An order is done, but the high-water mark could not be raised for it."""
    return f"done; but {problem}"


@event("file_late", WARNING)
def file_late(file: int, before: int) -> str:
    """A signature file was written to after it had been taken in: an upload that stood still, or an edit; it is read again."""
    what = f"file {file} is file {before} once more" if before else f"file {file} had been read before"
    return f"{what}, and was written to since: it is taken in again, known people stay known"


@event("file_held", WARNING)
def file_held(file: int) -> str:
    """The letters of a signature file wait for a person: it is older than the day on which the ledger was restored."""
    what = f"file {file} is from before the ledger was restored, its letters may have gone out: they are held; if they have not"
    return f"{what}: mailer release --file {file} --why TEXT, else cancel"


@event("not_adopted", WARNING)
def not_adopted(reason: str) -> str:
    """A file in `done/` could not be read again behind a restore."""
    return f"a file in done/ cannot be read again ({reason}): do not drop it a second time, its letters may be out"


@event("file_set_aside", ERROR)
def file_set_aside(file: int, reason: str) -> str:
    """A signature file could not be read at all; it lies in `rejected/`."""
    return f"file {file} was set aside: {reason}"


def ruled(held: int, released: int, expired: int, resent: int) -> None:
    """Tell what rules have moved."""
    if held or released or expired:
        rules_moved(held, released, expired)
    if resent:
        doubts_resent(resent)


@event("mailbox_trouble", WARNING)
def mailbox_trouble(problem: str) -> str:
    """A mailbox of `inbox` cannot be read just now; nothing waits for it. Told once, until it changes."""
    return f"mail that came in is not read: {problem}"


@event("mail_read", INFO)
def mail_read(mails: int, told: str) -> str:
    """New mail was read; what it said of letters."""
    return f"{counted(mails, 'mail')} read: {told}"


@event("relay_log_trouble", WARNING)
def relay_log_trouble(problem: str) -> str:
    """The relay's log (`relay: log`) cannot be read just now; nothing waits for it. Told once, until it changes."""
    return f"what the relay did with letters is not read: {problem}"


@event("relay_log_lost", WARNING)
def relay_log_lost(log: str) -> str:
    """The relay's log was cut, or rotated away before all of it was read: it goes on with what there is."""
    return f"{log}: where it was read last is not there any more, so lines may have been missed; it goes on with what there is"


@event("relay_log_read", INFO)
def relay_log_read(told: str) -> str:
    """New lines of the relay's log were read; what they said of letters."""
    return f"the relay's log: {told}"


@event("rules_moved", INFO)
def rules_moved(held: int, released: int, expired: int) -> str:
    """Rules have held letters, released them, or given them up."""
    return f"rules: {held} letters held, {released} released, {expired} expired"


@event("letters_added", WARNING)
def letters_added(letters: int, campaign: str, target: str) -> str:
    """A target was added to a campaign, and whoever had signed before is written for to it as well."""
    return f"{target} is new in {campaign}: {counted(letters, 'letter')} more, of those who had signed before"


@event("doubts_resent", WARNING)
def doubts_resent(letters: int) -> str:
    """A campaign's `in_doubt: resend_after` sends letters in doubt once more."""
    return f"rules: {letters} letters in doubt are sent once more, as the campaign's in_doubt: resend_after says"


@event("letter_settled", WARNING, calm=frozenset({"accepted", "queued"}))
def settled(letter: int, campaign: str, target: str, state: str, reason: str, answer: str) -> str:
    """An attempt ended, and the letter is in `state`; `answer` is the server's. Accepted, or queued again unsent: debug."""
    why = reason if answer in reason else f"{reason}: {answer}" if reason else answer
    return f"letter {letter} to {target}: {state}{f' ({why})' if why else ''}"


@event("notice_settled", WARNING, calm=frozenset({"accepted", "queued"}))
def notice_settled(letter: int, campaign: str, kind: str, state: str, reason: str, answer: str) -> str:
    """The same of a receipt, a digest or a trial; no letter stands still for it."""
    why = reason if answer in reason else f"{reason}: {answer}" if reason else answer
    return f"{kind.removeprefix('@')} {letter}: {state}{f' ({why})' if why else ''}"


@event("relay_failed", ERROR)
def relay_failed(relay: str, reason: str, seconds: float) -> str:
    """The relay cannot be used just now; it is left alone for so many seconds."""
    return f"relay {relay}: {reason}{f'; the next try is in {seconds:.0f} s' if seconds > 0 else ''}"


def bug(letter: int, problem: Exception) -> None:
    """Tell a bug that a letter met: the traceback's places, not its values."""
    places = traceback.extract_tb(problem.__traceback__)[-3:]
    where = ", ".join(f"{place.filename.rpartition('/')[2]}:{place.lineno}" for place in places)
    letter_met_a_bug(letter, type(problem).__name__, where)


@event("bug", ERROR)
def letter_met_a_bug(letter: int, kind: str, where: str) -> str:
    """A letter met a bug in mailer, and is held."""
    return f"letter {letter} is held: a bug in mailer ({kind} at {where}); please report it"


@event("fewer_connections", WARNING)
def fewer_connections(relay: str, reason: str) -> str:
    """The relay denied one connection while it serves another: it allows fewer than are configured."""
    return f"relay {relay}: {reason}; this pass goes on with fewer connections (relay: connections)"


@event("address_refused", ERROR)
def address_refused(campaign: str, target: str, times: int) -> str:
    """A target's address was refused too often in a row; its letters are held."""
    what = f"mailer release --campaign {campaign} --target {target} --why TEXT"
    said = f"{target} of {campaign}: its address was refused {times} times in a row"
    return f"{said}; correct it in the configuration, or: {what}"


@event("campaign_paused", ERROR)
def campaign_paused(campaign: str, reason: str) -> str:
    """A campaign was stopped by replies that are about its sender, or about all of its letters."""
    return f"campaign {campaign} is paused: {reason}; mend it, then: mailer resume {campaign} --why TEXT"


@event("read_again", INFO)
def read_again() -> str:
    """A worker has seen its configuration, the relay's password or templates change."""
    return "the configuration, the relay's password or a template has changed: everything is read again"


@event("misconfigured", ERROR)
def misconfigured(problems: Sequence[str]) -> str:
    """The changed configuration cannot be used; nothing is sent until it is mended."""
    listed = "\n".join(problems)
    return f"the configuration has changed and has problems; nothing is sent until they are mended:\n{listed}"


@event("stopping", WARNING)
def stopping() -> str:
    """A signal asks to stop; letters whose final dot has gone out are finished."""
    return "stopping: letters whose final dot has gone out are finished, no other goes out"


@event("lost", ERROR)
def lost(what: str) -> str:
    """The lock's or the ledger's file was taken away from a worker; it stops."""
    return what


@event("stuck", ERROR)
def stuck(seconds: float) -> str:
    """The event loop turns, but no row, no letter and no turn of the pass has come for longer than any may take: a bug."""
    return f"nothing has come on for {seconds:.0f} s: a bug in mailer, please report it; the watchdog is left to end this"


@event("waiting", INFO)
def waiting(seconds: float) -> str:
    """The pass stays because more is due soon."""
    return f"more is due in {seconds:.0f} s; waiting"


@event("hint", INFO, bare=True, by=BESIDE)
def hint(message: str) -> str:
    """What a command says beside its result: what to do next. Shown unless quiet."""
    return message


@event("note", WARNING, bare=True, by=BESIDE)
def note(message: str) -> str:
    """Something in the configuration works, but perhaps not as meant. Shown unless quiet."""
    return f"note: {message}"


@event("refused_configuration", ERROR, bare=True, by=BESIDE)
def refused_configuration(problems: Sequence[str]) -> str:
    """A command found these problems in the configuration; `failed` follows."""
    return "\n".join(problems)


@event("refused_usage", ERROR, bare=True, by=BESIDE)
def refused_usage(message: str) -> str:
    """A command line that is none: exit code 64."""
    return message


@event("failed", ERROR, by=BESIDE)
def failed(message: str, exit_code: int) -> str:
    """A command or a pass ended with this exit code; why, and what to do."""
    return message
