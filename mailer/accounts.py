"""
One reading of one signature file, row by row: what each came to, counted, and what goes back to the organiser.

    reading > ACCOUNTS > intake (ledger, spool)

Every row is taken, known or rejected, and the three sum up to the rows read; what is told beside (held, unconfirmed, confirmed,
withdrawn, left out) are parts of these. Nothing is written down here: `intake` asks the ledger, and lays the rows that it is
given beside the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mailer import campaign as campaigns
from mailer import plain, signature
from mailer.campaign import Campaign, Channel, Reason
from mailer.delivery import RESTORED, State, waits
from mailer.desk import Desk
from mailer.ledger import Count, Entry, Left, NewLetter, Taken
from mailer.log import counted
from mailer.reading import Reading, Understood
from mailer.sheets.written import Form, RowsBeside
from mailer.signature import Signature

# The languages in which a comma stands within numbers, so that their Excel puts a semicolon between cells (CLDR).
_SEMICOLONS = re.compile("be|bg|cs|da|de|el|es|et|fi|fr|hr|hu|it|kk|ky|lt|lv|nb|nl|pl|pt|ro|ru|sk|sl|sr|sv|tg|tr|uk|uz")
_LEFT_OUT = {
    "withdrawn": "this person has withdrawn: nothing is sent",
    "erased": "this person was erased: nothing is sent, take the row out of your list",
}


@dataclass(frozen=True, slots=True)
class Good:
    """A row that is a signature, on its way into the ledger."""

    read: Understood
    signed: Signature
    entry: Entry


class Accounts:
    """One reading of one file: what each row came to, counted, and what goes back to the organiser."""

    def __init__(self, desk: Desk, name: str, scratch: Path, opened: Reading, *, is_old: bool) -> None:
        """`is_old`: its letters may be out, though this ledger does not know it."""
        self._is_old = is_old
        self._desk = desk
        self._name = name
        form = _form(opened)
        self._rejected = RowsBeside(scratch, opened.sheet.header, form)
        self._known = RowsBeside(scratch, opened.sheet.header, form)
        self._doubtful = RowsBeside(scratch, opened.sheet.header, form)
        self._language = opened.campaign.default_language
        self.count = Count()

    def good(self, read: Understood) -> Good | None:
        """A row as a signature with its letters; None where it was written down as rejected."""
        if read.signed is None:
            self._refuse(read, read.reason)
            return None
        seal, campaign = self._desk.seal, self._desk.campaign
        is_confirmed = bool(read.signed.confirmed_at)
        is_unconfirmed = campaign.confirmation_required and not is_confirmed
        letters = letters_of(campaign, read.signed.country, live=self._desk.is_live)
        why = RESTORED if self._is_old else Reason.UNCONFIRMED if is_unconfirmed else ""
        entry = Entry(
            line=read.row.line,
            person=seal.person(signature.identity(campaign.id, read.signed, campaign.addresses)),
            country=read.signed.country,
            sealed=seal.close(signature.pack(read.signed, self._name)),
            letters=tuple(_held(letter, why) if why else letter for letter in letters),
            is_confirmed=is_confirmed,
            is_unconfirmed=is_unconfirmed,
        )
        return Good(read, read.signed, entry)

    def account(self, one: Good, taken: Taken) -> None:
        """
        Count a row as taken or known; a known one of somebody who has left, or with another name, is shown to the organiser.
        """
        if taken.is_new:
            if one.read.warning:
                self._doubtful.add(one.read.row.line, plain.told(one.read.warning, self._language), one.read.row.cells)
            is_held = any(letter.state is State.HELD for letter in one.entry.letters)
            self.count = _more(self.count, "read", "taken")
            self.count = _more(self.count, "held") if is_held else self.count
            self.count = _more(self.count, "unconfirmed") if is_held and one.entry.is_unconfirmed else self.count
            return
        self.count = _more(self.count, "read", "known")
        self.count = _more(self.count, "confirmed") if taken.is_confirmed else self.count
        if taken.left:
            self.count = _more(self.count, "left_out")
            # Of who was erased no copy more is made.
            cells = {} if taken.left == "erased" else one.read.row.cells
            self._known.add(one.read.row.line, plain.told(_LEFT_OUT[taken.left], self._language), cells)
        if taken.sealed is None:
            return
        before, _ = signature.unpack(self._desk.seal.open(taken.sealed))
        if before.name.casefold() != one.signed.name.casefold():
            reason = f"this address has signed before, as «{before.name}»; nothing is sent a second time"
            self._known.add(one.read.row.line, plain.told(reason, self._language), one.read.row.cells)

    def persons(self, read: Understood) -> list[bytes]:
        """Who withdraws or is confirmed by a row, as the ledger knows them; nobody by one that is none of this."""
        who = read.withdraws or read.confirms
        return self._desk.recogniser.persons(who) if who else []

    def account_withdrawn(self, read: Understood, left: Left) -> None:
        """Count a row by which somebody withdraws; where a letter of theirs is out, or may be, the organiser is shown it."""
        self.count = _more(self.count, "read", "known", "withdrawn")
        if told := out(left):
            self._known.add(read.row.line, plain.told(f"withdrawn; {told}", self._language), read.row.cells)

    def account_confirmed(self, read: Understood, found: Sequence[Taken]) -> None:
        """Count a row that only confirms; where nobody has signed with its address, or they have left, it is shown."""
        if not found:
            self._refuse(read, "nobody has signed with this address: drop the list of signatures first, then this row again")
            return
        self.count = _more(self.count, "read", "known")
        self.count = _more(self.count, "confirmed") if any(one.is_confirmed for one in found) else self.count
        if left := next((one.left for one in found if one.left), ""):
            self.count = _more(self.count, "left_out")
            cells = {} if left == "erased" else read.row.cells
            self._known.add(read.row.line, plain.told(_LEFT_OUT[left], self._language), cells)

    def _refuse(self, read: Understood, reason: str) -> None:
        self._rejected.add(read.row.line, plain.told(reason, self._language), read.row.cells)
        self.count = _more(self.count, "read", "refused")

    @property
    def doubtful(self) -> int:
        """How many rows were taken that somebody should look at."""
        return self._doubtful.count

    def beside(self) -> dict[str, Iterator[bytes]]:
        """The files to lay beside it in `done/`, by the ending of their names."""
        found = {".rejected.csv": self._rejected, ".known.csv": self._known, ".doubtful.csv": self._doubtful}
        return {ending: rows.chunks() for ending, rows in found.items() if rows.count}

    def close(self) -> None:
        """Forget the rows."""
        self._rejected.close()
        self._known.close()
        self._doubtful.close()


def _held(letter: NewLetter, why: str) -> NewLetter:
    """A letter that waits, whatever its lane says; whom a person reaches is the person's to know."""
    return letter if letter.channel != Channel.EMAIL else replace(letter, state=State.HELD, reason=why)


def _more(count: Count, *names: str) -> Count:
    """A count with one more of each of these."""
    return replace(count, **{name: getattr(count, name) + 1 for name in names})


def out(left: Left) -> str:
    """
    What of the letters of somebody who has left is out, or may be; empty if nothing is.

    >>> from collections import Counter
    >>> out(Left(True, Counter({"accepted": 2, "in_doubt": 1, "cancelled": 3})))
    '2 letters sent before, 1 letter in doubt: it may have been sent'
    """
    told = [
        (State.ACCEPTED, "{} sent before"),
        (State.BOUNCED, "{} sent before and came back"),
        (State.IN_DOUBT, "{} in doubt: it may have been sent"),
        (State.SENDING, "{} being sent just now"),
        (State.DONE, "{} done by hand before"),
    ]
    return ", ".join(text.format(counted(left.letters[state], "letter")) for state, text in told if left.letters[state])


def _form(opened: Reading) -> Form:
    """
    How rows of a file go back to its organiser: parted as the file was; those of one that is no CSV as an Excel in the
    campaign's language does it.
    """
    language = opened.campaign.default_language
    delimiter = opened.sheet.delimiter or (";" if _SEMICOLONS.fullmatch(language) else ",")
    line, reason, other = (plain.told(word, language) for word in Form().headings)
    return Form(delimiter, (line, reason, other))


def parts(count: Count) -> str:
    """
    What there is more to say of the rows of a file: of those taken, and of those known; empty where there is nothing.

    >>> parts(Count(read=9, taken=5, known=3, refused=1, held=2, unconfirmed=1, left_out=1))
    'of those taken 2 held (1 not confirmed); of those known 1 left out'
    """
    told = []
    if count.held:
        told.append(
            f"of those taken {count.held} held" + (f" ({count.unconfirmed} not confirmed)" if count.unconfirmed else "")
        )
    known = {"confirmed": count.confirmed, "withdrawn": count.withdrawn, "left out": count.left_out}
    if text := ", ".join(f"{number} {what}" for what, number in known.items() if number):
        told.append(f"of those known {text}")
    return "; ".join(told)


def letters_of(campaign: Campaign, country: str, *, live: bool) -> Iterator[NewLetter]:
    """The letters of one signature, one to each target, each in the state in which it begins; none is left out."""
    for target in campaign.targets.values():
        route = campaigns.route(campaign, target, country, live=live)
        lane_country = country if target.directory is not None else ""
        if route.hold is not None:
            yield NewLetter(target.id, lane_country, route.channel, State.HELD, route.hold)
        else:
            yield NewLetter(target.id, lane_country, route.channel, waits(route.channel))
