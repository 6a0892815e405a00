"""
Who leaves: people withdraw, or are erased.

    cli (withdraw, erase)  >  ERASURE  >  ledger, spool, sandbox    retention  >  ERASURE (what is unfinished)

Withdrawing cancels what was not sent, and keeps the person out from then on. Erasing does so in every campaign, and leaves no
trace of the person in a file: what is sealed is emptied; files in `done/` that hold them go whole, with what lies beside them;
so do their letters in the sandbox and the outbox; the ledger's own file is written anew. It begins with one commit, in which
the address stands sealed until no file holds it any more: wherever it is cut off, whoever comes next finishes it.

However many were begun, files are looked through once. What cannot be searched may hold everybody: in `done/` it keeps all of
them unfinished.

It judges no letter (`ledger.leaving` does), and removes nothing of `incoming/` and `rejected/`: these are the organisers'.
"""

from __future__ import annotations

import asyncio
import glob
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from mailer import address
from mailer.address import Address
from mailer.desk import Recogniser
from mailer.durable import sync_folder
from mailer.errors import CannotWrite, KeyProblem
from mailer.ledger import Erasure, Ledger, Left
from mailer.log import counted
from mailer.spool import Spool, kept, originals
from mailer.traces import Trace, Wanted, in_plain_letters, search

_AT_ONCE = 500  # people a transaction
_MESSAGE_ID = re.compile(rb"(?mi)^Message-ID:\s*(<[^>\r\n]+>)")
_SQLITE = b"SQLite format 3\0"  # the first bytes of every such file
_HEAD = 65_536  # bytes of a letter in which its headers stand


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a person may stand: the ledger, with whom its campaigns know; the queue; the folders that letters are filed in."""

    ledger: Ledger
    campaigns: Mapping[str, Recogniser]
    spool: Spool

    @property
    def queue(self) -> Path:
        """The queue's folder."""
        return self.spool.root

    @property
    def letters(self) -> list[Path]:
        """The folders that letters are filed in, beside the queue."""
        return [self.queue.parent / name for name in ("sandbox", "outbox")]


@dataclass(slots=True)
class Swept:
    """
    What erasures have removed, why they are not finished yet, and the files that a person must look at: those set aside, which
    hold nothing up, and those that do (`unclear`).
    """

    files: int = 0
    letters: int = 0
    waits: list[str] = field(default_factory=list)
    rejected: list[Path] = field(default_factory=list)
    unclear: list[Path] = field(default_factory=list)


async def withdraw(ledger: Ledger, campaign: Recogniser, addresses: Iterable[Address], now: int) -> Iterator[Left]:
    """Each of these withdraws from a campaign; gives what became of each, in their order."""
    found: list[Left] = []
    each = list(addresses)
    for start in range(0, len(each), _AT_ONCE):
        chunk = each[start : start + _AT_ONCE]
        of = [campaign.persons(one) for one in chunk]
        left = iter(await ledger.withdraw(campaign.campaign, [person for each in of for person in each], now))
        found += [sum((next(left) for _ in hashes), Left(False)) for hashes in of]
    return iter(found)


async def begin(ground: Ground, who: Address, now: int) -> Left:
    """Erase a person from the ledger; durably begun, and to be finished by `finish`."""
    id, campaign = min(ground.campaigns.items())
    told = await ground.ledger.erase(_everywhere(ground, who), (id, campaign.seal.close(str(who).encode())), now)
    return sum(told, Left(False))


async def finish(ground: Ground, *, may_compact: bool = True) -> Swept:
    """
    Finish what erasures have begun, as far as it can be done just now; done again it goes on. `may_compact`: nobody is at work
    here who could not wait as long as it takes to write the ledger anew.

    Raises:
        LedgerProblem: another program reads the ledger, so that it cannot be compacted.
        CannotWrite: a file cannot be removed.
        KeyProblem: the key is gone under which an address was sealed.
    """
    swept, compact = Swept(), []
    erasures = ground.ledger.erasures()
    whom = {erasure.id: _opened(ground, erasure) for erasure in erasures if erasure.sealed is not None}
    gone = await _sweep(ground, whom, swept) if whom else frozenset()
    for erasure in erasures:
        if erasure.sealed is None:
            compact.append(erasure.id)
        elif erasure.id in gone:
            await ground.ledger.end_erasure(erasure.id, is_compact=False)
            compact.append(erasure.id)
    if compact and not may_compact:
        swept.waits.append("the worker that is here writes the ledger anew, once no letter is in its hands")
        return swept
    if compact:
        await ground.ledger.compact()
    for id in compact:
        await ground.ledger.end_erasure(id, is_compact=True)
    return swept


async def replay(ledger: Ledger, journal: Path, now: int) -> None:
    """
    What a journal's file tells of people who left, and a restored ledger does not know, is done again.

    Raises:
        CannotWrite: the file cannot be read.
    """
    known, left = await ledger.fingerprints(), _lost(ledger, journal)
    withdrawn = [one for one in left if one[0] == "withdrawn" and one[1] in known]
    erased = [(campaign, person) for event, campaign, person in left if event == "erased" and campaign in known]
    for _, campaign, person in withdrawn:
        await ledger.withdraw(campaign, [person], now)
    if erased:
        await ledger.erase(erased, (erased[0][0], None), now)


def _lost(ledger: Ledger, journal: Path) -> list[tuple[str, str, bytes]]:
    """Who has left by a line of a journal's file that the ledger does not have: how, which campaign, who."""
    try:
        with open(journal, encoding="utf-8", errors="replace") as lines:
            found = [told for line in lines if '"person":"' in line and (told := _of_line(ledger, line.rstrip("\n")))]
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise CannotWrite(f"{journal}: the journal's file cannot be read ({problem.strerror})") from problem
    return found


def _of_line(ledger: Ledger, line: str) -> tuple[str, str, bytes] | None:
    try:
        told = json.loads(line)
        link = ledger.link(told["seq"])
        who = str(told["event"]), str(told["campaign"]), bytes.fromhex(told["person"])
    except (ValueError, KeyError, TypeError):  # a cut line, or a stranger's
        return None
    return who if who[0] in {"withdrawn", "erased"} and (link is None or link.line != line) else None


def _everywhere(ground: Ground, who: Address) -> list[tuple[str, bytes]]:
    return [(id, person) for id, campaign in ground.campaigns.items() for person in campaign.persons(who)]


def _opened(ground: Ground, erasure: Erasure) -> Address:
    if (campaign := ground.campaigns.get(erasure.campaign)) is None or erasure.sealed is None:
        raise KeyProblem(f"campaign {erasure.campaign}: its key is needed to finish an erasure; put it back")
    return address.parse(campaign.seal.open(erasure.sealed).decode())


async def _sweep(ground: Ground, whom: Mapping[int, Address], swept: Swept) -> frozenset[int]:
    """
    Remove some people from files, all in one way through these; gives of whom none holds anything any more.

    In the order in which a file moves on: whatever a worker does meanwhile, none is behind us before it was looked for.
    """
    queue, everybody = ground.queue, frozenset(whom)
    wanted = Wanted(whom, {campaign.policy for campaign in ground.campaigns.values()})
    letters = {number: ground.ledger.letters_of(_everywhere(ground, who)) for number, who in whom.items()}
    stay = {number for number, theirs in letters.items() if any(state == "sending" for _, state in theirs)}
    if stay:
        swept.waits.append("a letter of this person is being sent just now")
    await asyncio.to_thread(_forget_originals, ground, wanted)
    if late := ground.spool.originals.late_ones():
        swept.waits.append(
            f"{counted(late, 'file')} written to since being read may hold this person: taken in first, then removed"
        )
        stay |= everybody
    stay |= await asyncio.to_thread(_passing, queue, wanted, everybody, swept)
    if ground.spool.claimed():
        swept.waits.append("a file is being taken in just now")
        stay |= everybody
    stay |= everybody if await asyncio.to_thread(_remove_files, queue, wanted, swept) else frozenset()
    await asyncio.to_thread(_forget_originals, ground, wanted)  # of what was taken in meanwhile
    ids = frozenset(id.encode() for theirs in letters.values() for id, _ in theirs)
    for folder in ground.letters:
        swept.letters += await asyncio.to_thread(_remove_letters, folder, wanted, ids)
    swept.rejected += await asyncio.to_thread(_set_aside, queue, wanted)
    return everybody - stay


def _passing(queue: Path, wanted: Wanted, everybody: frozenset[int], swept: Swept) -> set[int]:
    """Who stands, or may, in what waits to be taken in, or was just now: by and by that becomes a file in `done/`, or goes."""
    waiting = {one: _trace(one.path(queue), one.name, wanted) for one in kept.look(queue, "incoming")}
    waiting = {one: trace for one, trace in waiting.items() if trace.found or not (trace.is_searched or one.is_a_desktops)}
    beside = [
        path
        for folder in (queue / "claimed").glob("*/")
        if folder.name != originals.FOLDER
        for path in sorted(folder.rglob("*"))
        if _is_plain(path)
    ]
    copies = {path: _trace(path, path.name, wanted) for path in beside}
    copies = {path: trace for path, trace in copies.items() if trace.found or not trace.is_searched}
    unfinished = [one.path(queue) for one in waiting if one.is_unfinished]
    for count, told in (
        (len(waiting) - len(unfinished), "in incoming/ may hold this person: taken in without them, then removed"),
        (len(unfinished), "not wholly copied into incoming/ may hold this person"),
        (len(copies), "below claimed/ may hold this person until the worker removes what it has done with"),
    ):
        if count:
            swept.waits.append(f"{counted(count, 'file')} {told}")
    swept.unclear += unfinished
    traces = [*waiting.values(), *copies.values()]
    return set().union(*(trace.found if trace.is_searched else everybody for trace in traces))


def _forget_originals(ground: Ground, wanted: Wanted) -> None:
    """Files as they were dropped, which are kept for an hour behind their reading; those that cannot be read go too."""
    read = ground.spool.originals
    traces = [(id, _trace(path, path.name, wanted)) for id, path in read.unchanged()]
    read.forget(id for id, trace in traces if trace.found or not trace.is_searched)


def _remove_files(queue: Path, wanted: Wanted, swept: Swept) -> bool:
    """Remove from `done/` what holds somebody; whether anything stays there of which it is not known."""
    among = kept.look(queue, "done")
    traces = {one: _trace(one.path(queue), one.name, wanted) for one in among}
    swept.files += kept.remove(queue, [one for one, trace in traces.items() if trace.found], among)
    unclear = [one.path(queue) for one, trace in traces.items() if not (trace.found or trace.is_searched)]
    unclear = [path for path in unclear if path.exists()]  # a report goes with its file
    if unclear:
        swept.waits.append(
            f"{counted(len(unclear), 'file')} in done/ cannot be searched and may hold this person: remove it yourself"
        )
    swept.unclear += unclear
    return bool(unclear)


def _set_aside(queue: Path, wanted: Wanted) -> list[Path]:
    """What lies in `rejected/` and holds somebody, or may: a person must look."""
    traces = {one.path(queue): _trace(one.path(queue), one.name, wanted) for one in kept.look(queue, "rejected")}
    return [path for path, trace in traces.items() if trace.found or not trace.is_searched]


def _trace(path: Path, name: str, wanted: Wanted) -> Trace:
    """Who stands in a file; nobody once it is gone, and perhaps anybody where it cannot be read."""
    found = kept.asked(path, partial(search, wanted, name=name), if_gone=Trace(frozenset()))
    return Trace(frozenset(), is_searched=False) if found is None else found


def _is_plain(path: Path) -> bool:
    return not path.is_symlink() and path.is_file()


def _remove_letters(folder: Path, wanted: Wanted, ids: frozenset[bytes]) -> int:
    """Remove the letters of a folder that are, by their Message-ID, the people's, or hold an address; gives how many."""
    removed = 0
    for path in sorted(path for path in folder.rglob("*") if _is_plain(path)):
        if not kept.asked(path, partial(_is_theirs, wanted=wanted, ids=ids), if_gone=False):
            continue
        try:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as problem:
            raise CannotWrite(f"{folder}: a letter cannot be removed ({problem.strerror}); mend owner and mode") from problem
        removed += 1
    return removed


def _is_theirs(stream: BinaryIO, wanted: Wanted, ids: frozenset[bytes]) -> bool:
    found = _MESSAGE_ID.search(stream.read(_HEAD))
    if found and found[1] in ids:
        return True
    stream.seek(0)
    return bool(search(wanted, stream).found)


def still(var: Path, who: Address, besides: Sequence[Path]) -> list[Path]:
    """Every file below a folder that holds the address in plain letters, after all; those that were told already left out."""
    wanted, found = Wanted({0: who}), []
    for folder, _, names in os.walk(var):
        for path in (Path(folder, name) for name in names):
            if path not in besides and kept.asked(path, partial(in_plain_letters, wanted), if_gone=False):
                found.append(path)
    return sorted(found)


def aside(ledger: Path) -> list[Path]:
    """
    What else than the ledger itself may hold, sealed, whom it has forgotten, with the keys beside it: the copy that an upgrade
    kept or had begun, a ledger that was moved aside when a backup was put back. A folder of such files is given for all of it.
    """
    var, live = ledger.parent, {ledger.name + tail for tail in ("", "-wal", "-shm", "-journal")}
    lying = [path for path in _listed(var) if path.name not in live and path.is_file() and not path.is_symlink()]
    found = {path for path in lying if _is_named(path, ledger) or _is_sqlite(path)}
    folders = {path for path in (*_listed(var), *var.parent.glob(f"{glob.escape(var.name)}.before*")) if _is_folder(path)}
    return sorted(found | {folder for folder in folders if any(_is_named(path, ledger) for path in _listed(folder))})


def _is_named(path: Path, ledger: Path) -> bool:
    """Whether a file is called as the ledger, its log, or a copy of it."""
    return path.name.lstrip(".").startswith(ledger.name)


def _is_sqlite(path: Path) -> bool:
    """Whether it is a ledger by its first bytes, whatever name it has got."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
