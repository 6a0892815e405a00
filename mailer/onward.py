"""
What the relay did with letters behind their acceptance, by its own log: handed on, deferred, bounced, and in whose words.

    maillog (notes about queue ids)  >  ONWARD (whose letter? which of its recipients?)  >  ledger (hops, evidence, states)

A letter is known by its Message-ID, 80 bits of which are chance, and from there by the queue id that the relay gave it. Only
its own recipients count: another address in the log is never kept. What a server said is scrubbed as its replies are; of
somebody who was erased only the codes stay.

The log is only read. Nothing goes out for what it says: it ends a doubt, and a letter that came back is bounced by the rules
for mail that says so. It is this machine's syslog that is believed, so whoever may write there is, too.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from mailer import log, maillog
from mailer.desk import Desk
from mailer.inbound import OURS
from mailer.inbox import Harvest, class_of, private_of, status_of
from mailer.ledger import Asked, Heard, Ledger, LogMark
from mailer.maillog import Follower, Note, Piece, Place, Stamps, Trouble, What
from mailer.outcome import TABLE, Rule, without
from mailer.pace import Clock

A_LOOK = 8  # pieces of the log that a worker reads before it goes on with its letters
_TOLD = frozenset({What.HANDED_ON, What.DEFERRED, What.BOUNCED, What.DISCARDED})
_CODES = re.compile(r"[245][0-9]{2}(?: [245]\.[0-9]{1,3}\.[0-9]{1,3})?")

Told = Callable[[int, int], None]


def nobody(_done: int, _all: int) -> None:
    """Nobody is told how far it has come."""


class Onward:
    """The log of the relay, where one is configured, and what it says of this install's letters."""

    def __init__(
        self,
        ledger: Ledger,
        desks: Mapping[str, Desk],
        follower: Follower | None,
        clock: Clock,
        table: Sequence[Rule] = TABLE,
    ) -> None:
        self._ledger = ledger
        self._desks = desks
        self._follower = follower
        self._clock = clock
        self._table = table
        self.is_behind = False

    @property
    def has_log(self) -> bool:
        """Whether there is a log to read."""
        return self._follower is not None

    async def look(self, most: int | None = None, told: Told = nobody) -> Harvest:
        """
        Read what is new in the log, at most so many pieces of it; then `is_behind` says whether there is more. `told` hears how
        many bytes were read, and how many there are. A log that cannot be read is told, and holds nothing up.
        """
        found = Harvest()
        if self._follower is None:
            return found
        mark = await self._ledger.log_mark(self._follower.name)
        try:
            found.kinds = await self._read(self._follower, mark, most, told)
        except Trouble as problem:
            if mark.trouble != str(problem):
                log.relay_log_trouble(str(problem))
            found.troubles.append(str(problem))
            mark = await self._ledger.log_mark(self._follower.name)
            await self._ledger.keep_log_mark(replace(mark, trouble=str(problem)))
        found.moved = Counter(await self._ledger.heed(self._clock.seconds))
        return found

    async def _read(self, follower: Follower, mark: LogMark, most: int | None, told: Told) -> Counter[str]:
        kinds: Counter[str] = Counter()
        done, self.is_behind = 0, False
        while True:
            piece = await asyncio.to_thread(follower.next, _place(mark), mark.read_at)
            if piece.is_lost:
                log.relay_log_lost(follower.name)
            heard = await self._heard(piece.lines) if piece.lines else []
            mark = _marked(mark, piece, self._clock.seconds)
            await self._ledger.hear(mark, heard, self._clock.seconds)
            kinds.update(one.what for one in heard if one.what in _TOLD)
            done += sum(map(len, piece.lines))
            told(done, done + piece.left)
            most = None if most is None else most - 1
            if not piece.lines or most == 0:
                self.is_behind = bool(piece.lines and piece.left)
                return kinds

    async def _heard(self, lines: Sequence[bytes]) -> list[Heard]:
        """What lines say of letters of ours, in their order."""
        notes = list(maillog.notes(lines, Stamps(self._clock.now())))
        names = {note.message_id for note in notes if OURS.fullmatch(note.message_id)}
        asked = await self._ledger.whose({note.queue for note in notes}, names)
        return list(self._ours(notes, asked)) if asked.letters else []

    def _ours(self, notes: Sequence[Note], asked: Asked) -> Iterator[Heard]:
        known = dict(asked.queues)
        for note in notes:
            letter = known.get(note.queue)
            if note.what is What.NAMED and note.message_id in asked.names:
                letter = known[note.queue] = asked.names[note.message_id]
                yield Heard(note.what, note.queue, letter, note.at)
            elif letter is None:
                continue
            elif note.what in {What.NAMED, What.BEGUN}:  # the id was given to another mail
                del known[note.queue]
                yield Heard(What.BEGUN, note.queue, letter, note.at)
            elif note.what in _TOLD:
                if one := self._of_recipient(note, letter, asked):
                    yield one
            else:
                yield Heard(note.what, note.queue, letter, note.at, note.count)

    def _of_recipient(self, note: Note, letter: int, asked: Asked) -> Heard | None:
        """What became of one of the letter's own recipients; None where it is somebody else."""
        campaign, sealed, addresses = asked.letters[letter]
        desk = self._desks.get(campaign)
        own = {one.casefold(): one for one in addresses}
        address = own.get(note.address.casefold()) or own.get(note.original.casefold())
        if desk is None or address is None:
            return None
        said = without(note.said, private_of(desk, sealed)) if sealed else _codes(note.said)
        is_on = note.what in {What.HANDED_ON, What.DISCARDED}
        return Heard(
            note.what,
            note.queue,
            letter,
            note.at,
            address=address,
            is_exact=note.address.casefold() in own,
            server="" if note.server == "none" else note.server,
            status=status_of(note.status, note.said, self._table) if note.what is What.BOUNCED else note.status,
            said=said,
            reason="" if is_on else class_of(note.status, note.said, self._table)[0],
        )


def _place(mark: LogMark) -> Place | None:
    return Place(mark.file, mark.length, mark.print, mark.offset) if mark.file else None


def _marked(mark: LogMark, piece: Piece, now: int) -> LogMark:
    place = piece.place
    return LogMark(mark.name, place.file, place.length, place.print, place.offset, now)


def _codes(said: str) -> str:
    """The codes of a reply, without its words."""
    found = _CODES.match(said)
    return found[0] if found else ""
