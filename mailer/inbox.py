"""
What comes in behind acceptance finds its letter, and changes what is shown of it.

    mailboxes (mail)  >  INBOX (inbound reads it, the keys verify it)  >  ledger (evidence, states)

Anybody can mail us. A return address counts with the token that only our key can make, for a while; a quoted Message-ID counts
because 80 bits of it are chance; a copy counts by the proof that stands in it. What is forged, expired, foreign or says
nothing is counted and forgotten. Whatever comes in, nothing goes out for it, and no mail is moved, marked, answered or
removed.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from mailer import inbound, log, signature
from mailer.desk import Desk, private
from mailer.errors import KeyProblem
from mailer.inbound import Kind, Tiding
from mailer.ledger import Learned, Ledger, Mailbox
from mailer.mailboxes import ImapFolder, Mail, Maildir, Trouble
from mailer.outcome import TABLE, Private, Reply, Rule, Sign, Stage, judge, without
from mailer.pace import DAY, Clock

BELIEVED_FOR = 60  # days in which a return address is believed
LATE = DAY  # seconds behind which a copy that did not come is missed
MISSING = "probably not sent: its copy did not come within a day, and copies of later letters did"
GONE = ("5.1.1", "5.1.10", "5.1.0")  # statuses by which an address is taken for gone, once enough letters have come back
_AT_ONCE = 50  # mails read at once
_OF_REPORTS = frozenset({Kind.BOUNCED, Kind.DELAYED, Kind.DELIVERED, Kind.RELAYED, Kind.EXPANDED})
_CODE = re.compile(r"\b([245][0-9]{2})\b")

FORGED = "a return address that is not ours, or has expired"
UNKNOWN = "a letter that there is not"
UNPROVED = "a letter of ours without its proof"
AT_ODDS = "a return address of one letter, and another letter quoted"
NOTHING = "nothing about letters"


Source = Maildir | ImapFolder


@dataclass(slots=True)
class Harvest:
    """What a look brought: pieces of evidence by kind, letters by the state they are in now, mail ignored; and what failed."""

    kinds: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    mails: int = 0
    troubles: list[str] = field(default_factory=list)

    def told(self) -> str:
        """What it brought, in a line; empty where it brought nothing."""
        said = [f"{count} {kind}" for kind, count in sorted(self.kinds.items())]
        said += [f"{self.ignored.total()} ignored"] * bool(self.ignored)
        moved = ", ".join(f"{count} {state}" for state, count in sorted(self.moved.items()))
        said += [f"letters moved: {moved}"] * bool(moved)
        said += [f"{self.missing} in doubt without a copy"] * bool(self.missing)
        return ", ".join(said)

    def __add__(self, more: Harvest) -> Harvest:
        return Harvest(
            self.kinds + more.kinds,
            self.moved + more.moved,
            self.ignored + more.ignored,
            self.missing + more.missing,
            self.mails + more.mails,
            self.troubles + more.troubles,
        )


class Inbox:
    """The mailboxes of an install, and what their mail says of its letters."""

    def __init__(
        self,
        ledger: Ledger,
        desks: Mapping[str, Desk],
        mailboxes: Sequence[Source],
        clock: Clock,
        table: Sequence[Rule] = TABLE,
    ) -> None:
        self._ledger = ledger
        self._desks = desks
        self._mailboxes = mailboxes
        self._clock = clock
        self._table = table
        self._returns = {id: _pattern(desk) for id, desk in desks.items() if desk.campaign.sender.bounce_address}

    @property
    def has_mailboxes(self) -> bool:
        """Whether there is anything to look into."""
        return bool(self._mailboxes)

    async def has_news(self) -> bool:
        """Whether a mail server has told of a new mail since the last look."""
        told = [await asyncio.to_thread(mailbox.has_news) for mailbox in self._mailboxes]
        return any(told)

    async def look(self) -> Harvest:
        """Read what is new in every mailbox, each mail once; one that cannot be read is told, and holds nothing up."""
        found = Harvest()
        for mailbox in self._mailboxes:
            found += await self._look_into(mailbox)
        if self._mailboxes:
            now = self._clock.seconds
            for id, desk in self._desks.items():
                if desk.campaign.copy_to:
                    found.missing += await self._ledger.call_missing(id, MISSING, now - LATE, now)
        return found

    async def _look_into(self, source: Source) -> Harvest:
        found = Harvest()
        mailbox, known = await self._ledger.mailbox(source.name)
        try:
            while True:
                ask = partial(_listed, source, known, (mailbox.validity, mailbox.uid))
                mails = await asyncio.to_thread(ask)
                for mail in mails:
                    mailbox = replace(mailbox, validity=mail.validity, uid=mail.uid)
                    found += await self.take(mail, mailbox)
                known |= {mail.key for mail in mails}
                if len(mails) < _AT_ONCE:
                    break
            keys = await asyncio.to_thread(source.keys)
            await self._ledger.looked_into(replace(mailbox, trouble=""), keys, self._clock.seconds)
        except Trouble as problem:
            if mailbox.trouble != str(problem):
                log.mailbox_trouble(str(problem))
            found.troubles.append(str(problem))
            await self._ledger.looked_into(replace(mailbox, trouble=str(problem)), None, self._clock.seconds)
        return found

    async def take(self, mail: Mail, mailbox: Mailbox) -> Harvest:
        """One mail: what it says goes into the ledger with the mark that it was read."""
        learned: list[Learned] = []
        ignored: list[str] = []
        source = key_of(mail.raw)
        tidings = inbound.read(mail.raw)
        for tiding in tidings:
            one = await self._believed(tiding)
            if isinstance(one, str):
                ignored.append(one)
            else:
                learned.append(replace(one, source=source))
        if not tidings:
            ignored.append(NOTHING)
        moved = await self._ledger.learn(mailbox, mail.key, learned, ignored, self._clock.seconds)
        return Harvest(Counter(one.kind for one in learned), Counter(moved), Counter(ignored), mails=1)

    async def _believed(self, tiding: Tiding) -> Learned | str:
        """A tiding as evidence about a letter of ours, or why it is not believed."""
        letter = await self._letter_of(tiding)
        if isinstance(letter, str):
            return letter
        number, campaign = letter
        desk = self._desks.get(campaign)
        if desk is None:
            return UNKNOWN
        proof = desk.seal.evidence(tiding.message_id) if tiding.message_id else ""
        if (tiding.kind is Kind.COPY or tiding.evidence) and tiding.evidence != proof:
            return UNPROVED
        if tiding.kind not in _OF_REPORTS:
            return Learned(number, tiding.kind)
        sealed, addresses = await self._ledger.about(number)
        named = next((one for one in addresses if one.casefold() == tiding.address.casefold()), "")
        said = without(tiding.said, private_of(desk, sealed))
        if tiding.kind is not Kind.BOUNCED:
            return Learned(number, tiding.kind, named, tiding.status, said)
        reason, _ = class_of(tiding.status, tiding.said, self._table)
        return Learned(number, tiding.kind, named, status_of(tiding.status, tiding.said, self._table), said, reason)

    async def _letter_of(self, tiding: Tiding) -> tuple[int, str] | str:
        """The letter that a tiding is about, and its campaign: by its return address, else by what it quotes."""
        by_return = self._returned(tiding) if tiding.kind in _OF_REPORTS else None
        if isinstance(by_return, str):
            return by_return
        quoted = await self._ledger.letter_of(tiding.message_id) if tiding.message_id else None
        if by_return is None:
            return quoted or UNKNOWN
        number, campaign = by_return
        if await self._ledger.campaign_of(number) != campaign:
            return FORGED
        return AT_ODDS if quoted is not None and quoted[0] != number else by_return

    def _returned(self, tiding: Tiding) -> tuple[int, str] | str | None:
        """What the address says to which a report came: a letter and its campaign; None where it is no return address."""
        today, is_one = self._clock.seconds // DAY, False
        for address in tiding.sent_to:
            for id, pattern in self._returns.items():
                if not (found := pattern.fullmatch(address)):
                    continue
                is_one = True
                if number := self._desks[id].seal.letter_of(found[1], today, BELIEVED_FOR):
                    return number, id
        return FORGED if is_one else None


def class_of(status: str, said: str, table: Sequence[Rule]) -> tuple[str, Sign]:
    """The plain words for why a letter came back, by the table that judges replies, and what it is a sign of."""
    code = _CODE.search(said)
    number = int(code[1]) if code and code[1][0] in "45" else 450 if status.startswith("4") else 550
    judged = judge(Stage.RCPT, Reply(number, status, said), table)
    return judged.reason, judged.sign


def status_of(status: str, said: str, table: Sequence[Rule]) -> str:
    """The status of a bounce; where a server gave none that tells, the one that its words come to."""
    if status in {"", "5.0.0"} and class_of(status, said, table)[1] is Sign.ADDRESS:
        return GONE[0]
    return status


def key_of(raw: bytes) -> str:
    """What tells a mail from any other: the same mail in two mailboxes says what it says once."""
    return hashlib.sha256(raw).hexdigest()[:20]


def _listed(source: Source, known: frozenset[str], mark: tuple[int, int]) -> list[Mail]:
    return list(source.new(known, mark, _AT_ONCE))


def private_of(desk: Desk, sealed: bytes | None) -> Private:
    """What no word of a server may bring into the ledger; of somebody erased nothing is known any more."""
    if not sealed:
        return Private()
    try:
        return private(signature.unpack(desk.seal.open(sealed))[0])
    except KeyProblem:
        return Private()


def _pattern(desk: Desk) -> re.Pattern[str]:
    """What the campaign's return addresses look like, with the token as a group."""
    before, _, behind = desk.campaign.sender.bounce_address.partition("{token}")
    return re.compile(f"{re.escape(before)}([0-9a-z-]{{10,80}}){re.escape(behind)}", re.IGNORECASE)
