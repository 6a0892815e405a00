"""
One spool file becomes its signatures and their letters, exactly once.

    spool > INTAKE (sheets, columns, signature) > ledger

Every row ends as a signature with a letter to each target, as known since before, or as a reason beside the file: the three
sum up to the rows read. A chunk of rows is one transaction, and reading a file again changes nothing; so a file that a crash
left in `claimed/`, or that changed while it was read, is simply read again from its first row. Only its last reading counts:
what an earlier one brought and the last did not, half a row or the rows of a file that is set aside, is forgotten again.

Nothing is sent here and no file decides who is written to: targets come from the campaign alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import groupby, islice
from typing import BinaryIO

from mailer import log, reading
from mailer.accounts import Accounts
from mailer.desk import Desk
from mailer.errors import UnreadableFile, unquoted
from mailer.ledger import Count, Ledger, Left
from mailer.pace import Clock
from mailer.reading import Reading, Understood
from mailer.spool import Claimed, Odd, Spool, Waiting

CHUNK = 500  # rows a transaction
_READINGS = 3  # of a file that changes while it is read
_CHANGING = "it kept changing while it was read: close it in the program that writes it, then drop the whole file again"


@dataclass(frozen=True, slots=True)
class Result:
    """
    What became of one file: its number in the ledger; its accounts, or why it was set aside whole; whether its letters are all
    held; how many rows somebody should look at, and how many by which somebody withdraws were not understood; whether it had
    been read before, and was written to since.
    """

    file: int
    name: str
    campaign: str
    count: Count = field(default_factory=Count)
    reason: str = ""
    is_held: bool = False
    doubtful: int = 0
    is_late: bool = False
    unheard: int = 0


class _Stopped(Exception): ...  # the way out of the middle of a file


class Intake:
    """Takes files in. `desks` are the configured campaigns by id; `watch` is told of the rows as they are read."""

    def __init__(
        self, spool: Spool, ledger: Ledger, desks: Mapping[str, Desk], clock: Clock, watch: log.Watch, restored_at: int = 0
    ) -> None:
        """`restored_at`: when a person said that a restored ledger is the one to go on with (seconds since 1970; 0: never)."""
        self._restored_at = restored_at
        self._spool, self._ledger = spool, ledger
        self._desks = desks
        self._clock = clock
        self._watch = watch
        self._seen: dict[tuple[str, str, str], Waiting] = {}
        self._is_stopping = False

    def stop(self) -> None:
        """Begin no new file; the one in hand stays claimed behind its chunk, and the next run reads it again."""
        self._is_stopping = True

    async def finish_claimed(self) -> list[Result]:
        """Finish the files that a crash or a stop left claimed."""
        results: list[Result] = []
        with suppress(_Stopped):
            for claimed in self._spool.claimed():
                results.append(await self._take(claimed))
        return results

    async def take_ready(self) -> list[Result]:
        """Set aside what is no file, take in every file that is whole, and remember the young ones for the next look."""
        now = self._clock.now()
        for sentence in self._spool.keep():
            log.mended(sentence)
        results = [await self._refuse(odd) for odd in self._spool.odd()]
        young: dict[tuple[str, str, str], Waiting] = {}
        for waiting in [*self._spool.look(now), *self._spool.originals.late(now)]:
            if self._is_stopping:
                break
            first_seen = self._seen.get(key := (waiting.campaign_folder, waiting.name, waiting.id))
            if not self._spool.is_ready(first_seen, waiting):
                young[key] = first_seen if first_seen == waiting else waiting
            elif claimed := self._spool.claim(waiting, now):
                with suppress(_Stopped):
                    results.append(await self._take(claimed, waiting.id))
        self._spool.originals.let_go(now)
        self._watch.young(len(young))
        self._seen = young
        return results

    @property
    def is_waiting(self) -> bool:
        """Whether a young file should be looked at again."""
        return bool(self._seen)

    async def adopt(self) -> None:
        """
        Take in what lies in `done/` and this ledger may not know, because it was put back: with all letters held, for they may
        be out. So who is dropped again is known. No file is moved; done again it changes nothing.

        Raises:
            CannotWrite: the folder cannot be read.
        """
        for done in self._spool.done():
            try:
                desk = self._desk_of(done.folder)
                with done.open() as stream:
                    claim = f"done.{_sha256(stream)}"
                    opened = reading.of(stream, done.name, desk.campaign, self._today())
                    file = await self._ledger.begin_file(claim, desk.campaign.id, self._clock.seconds)
                    await self._ledger.begin_reading(file)
                    with closing(Accounts(desk, done.name, self._spool.scratch, opened, is_old=True)) as accounts:
                        await self._take_rows(opened, accounts, file)
                        await self._ledger.end_file(file, "done", accounts.count, "", self._clock.seconds)
                    await self._ledger.forget_file(file)
            except UnreadableFile as problem:
                log.not_adopted(unquoted(problem.reason))

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.now(), UTC).date()

    async def _take(self, claimed: Claimed, before: str = "") -> Result:
        """Take a file in; `before` is the claim under which it was read once, if it was written to since."""
        try:
            desk = self._desk_of(claimed.folder)
        except UnreadableFile as problem:
            return await self._set_aside(claimed, None, problem.reason)
        file = await self._ledger.begin_file(claimed.id, desk.campaign.id, self._clock.seconds)
        if before:
            log.file_late(file, next((known.id for known in self._ledger.files() if known.claim == before), 0))
        try:
            return replace(await self._read_until_steady(claimed, desk, file), is_late=bool(before))
        except UnreadableFile as problem:
            return await self._set_aside(claimed, desk.campaign.id, problem.reason)

    async def _read_until_steady(self, claimed: Claimed, desk: Desk, file: int) -> Result:
        """Read a copy of the file until the file stands still, then close its accounts and lay the copy into `done/`."""
        for _ in range(_READINGS):
            await self._ledger.begin_reading(file)
            with closing(await asyncio.to_thread(self._spool.copied, claimed)) as copied:
                opened = reading.of(copied.stream, claimed.name, desk.campaign, self._today())
                # It may have been taken in by the ledger that was lost, and its letters may be out. Times of files are floats.
                is_old = copied.seen.st_mtime < self._restored_at + 1
                with closing(Accounts(desk, claimed.name, self._spool.scratch, opened, is_old=is_old)) as accounts:
                    await self._take_rows(opened, accounts, file)
                    count, doubtful = accounts.count, accounts.doubtful
                    if self._spool.changed(claimed, copied.seen):
                        continue
                    await self._ledger.end_file(file, "done", accounts.count, "", self._clock.seconds)
                    self._spool.finish(copied, accounts.beside())
            log.file_taken(file, desk.campaign.id, count.read, count.taken, count.known, count.refused)
            log.file_parts(file, count.held, count.unconfirmed, count.confirmed, count.withdrawn, count.left_out)
            if is_held := is_old and count.taken > 0:
                log.file_held(file)
            unheard = count.refused if opened.is_list else 0
            name, campaign = claimed.name, desk.campaign.id
            return Result(file, name, campaign, count, is_held=is_held, doubtful=doubtful, unheard=unheard)
        return await self._set_aside(claimed, desk.campaign.id, _CHANGING)

    async def _take_rows(self, opened: Reading, accounts: Accounts, file: int) -> None:
        campaign, read = opened.campaign, opened.rows()
        domain = campaign.sender.address.domain
        while rows := list(islice(read, CHUNK)):
            if self._is_stopping:
                raise _Stopped
            for what, these in groupby(rows, _what):  # in the file's order
                if what == "withdraws":
                    await self._withdraw(campaign.id, list(these), accounts)
                elif what == "confirms":
                    await self._confirm(file, campaign.id, list(these), accounts)
                elif good := [one for row in these if (one := accounts.good(row))]:
                    entries = [one.entry for one in good]
                    taken = await self._ledger.take_in(file, campaign.id, domain, entries, self._clock.seconds)
                    for one, result in zip(good, taken, strict=True):
                        accounts.account(one, result)
            self._watch.rows(len(rows))
            await asyncio.sleep(0)  # rows that are all rejected ask the ledger nothing, and a signal has to be heard

    async def _withdraw(self, campaign: str, rows: Sequence[Understood], accounts: Accounts) -> None:
        """Rows by which people withdraw; whatever else the file holds of them, and however it ends."""
        persons = [accounts.persons(row) for row in rows]
        if flat := [person for each in persons for person in each]:
            left = iter(await self._ledger.withdraw(campaign, flat, self._clock.seconds))
            for row, each in zip(rows, persons, strict=True):
                accounts.account_withdrawn(row, sum((next(left) for _ in each), Left(False)))

    async def _confirm(self, file: int, campaign: str, rows: Sequence[Understood], accounts: Accounts) -> None:
        """Rows that only confirm signatures which came before."""
        persons = [accounts.persons(row) for row in rows]
        flat = [person for each in persons for person in each]
        found = iter(await self._ledger.confirm(file, campaign, flat, self._clock.seconds))
        for row, each in zip(rows, persons, strict=True):
            accounts.account_confirmed(row, [one for _ in each if (one := next(found)) is not None])

    async def _refuse(self, odd: Odd) -> Result:
        """Set aside what is no file (a link, a pipe, a folder), unread, and count it."""
        file = 0  # it stays where it is
        if self._spool.set_aside(odd, odd.reason) is not None:
            file = await self._ledger.begin_file(f"odd.{secrets.token_hex(10)}", None, self._clock.seconds)
            await self._ledger.end_file(file, "rejected", Count(), unquoted(odd.reason), self._clock.seconds)
            log.file_set_aside(file, unquoted(odd.reason))
        return Result(file, odd.name, "", reason=odd.reason)

    async def _set_aside(self, claimed: Claimed, campaign: str | None, reason: str) -> Result:
        file = await self._ledger.begin_file(claimed.id, campaign, self._clock.seconds)
        await self._ledger.end_file(file, "rejected", Count(), unquoted(reason), self._clock.seconds)
        self._spool.set_aside(claimed, reason)
        log.file_set_aside(file, unquoted(reason))
        return Result(file, claimed.name, campaign or "", reason=reason)

    def _desk_of(self, folder: str) -> Desk:
        """The campaign that a file is for: the one its folder names, or the only one there is."""
        if folder:
            if desk := self._desks.get(folder):
                return desk
            raise UnreadableFile(
                f"the folder «{folder}» is not a campaign's id; the campaigns are: {', '.join(sorted(self._desks))}"
            )
        if len(self._desks) == 1:
            return next(iter(self._desks.values()))
        raise UnreadableFile(
            "there are several campaigns: drop the file into the folder of its campaign, one of: "
            + ", ".join(f"incoming/{campaign}/" for campaign in sorted(self._desks))
        )


def _what(row: Understood) -> str:
    """What a row does: it signs, unless it says otherwise."""
    return "withdraws" if row.withdraws else "confirms" if row.confirms else "signs"


def _sha256(stream: BinaryIO) -> str:
    """The SHA-256 of a whole file, in hex; it is read from its beginning again behind that."""
    digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # typeshed asks for readinto
    stream.seek(0)
    return digest
