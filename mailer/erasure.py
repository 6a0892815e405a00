"""
Who leaves: people withdraw, or are erased.

    cli (withdraw, erase)  >  ERASURE  >  ledger, spool, sandbox    retention  >  ERASURE (what is unfinished)

Withdrawing cancels what was not sent, and keeps the person out from then on. Erasing does so in every campaign, and leaves no
trace of the person in a file: what is sealed is emptied; files in `done/` that hold them go whole, with what lies beside them;
so do their letters in the sandbox and the outbox; the ledger's own file is written anew. It begins with one commit, in which
the address stands sealed until no file holds it any more: wherever it is cut off, whoever comes next finishes it.

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
from mailer.spool import Spool, kept
from mailer.traces import Needle, in_bytes, is_there

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
    """What an erasure has removed, why it is not finished yet, and the files set aside that it may not touch."""

    files: int = 0
    letters: int = 0
    waits: list[str] = field(default_factory=list)
    rejected: list[Path] = field(default_factory=list)


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


async def finish(ground: Ground, now: float, *, may_compact: bool = True) -> Swept:
    """
    Finish what erasures have begun, as far as it can be done just now; done again it goes on. `may_compact`: nobody is at work
    here who could not wait as long as it takes to write the ledger anew.

    Raises:
        LedgerProblem: another program reads the ledger, so that it cannot be compacted.
        CannotWrite: a file cannot be removed.
        KeyProblem: the key is gone under which an address was sealed.
    """
    swept, compact = Swept(), []
    for erasure in ground.ledger.erasures():
        if erasure.sealed is not None:
            waits = await _sweep(ground, _opened(ground, erasure), now, swept)
            swept.waits += waits
            if waits:
                continue
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


async def _sweep(ground: Ground, who: Address, now: float, swept: Swept) -> list[str]:
    """Remove a person from files; gives why they may stand in one still."""
    needle = Needle(who)
    letters = ground.ledger.letters_of(_everywhere(ground, who))
    waits = ["a letter of this person is being sent just now"] if any(state == "sending" for _, state in letters) else []
    # In the order in which a file moves on: whatever a worker does meanwhile, none is behind us before it was looked for.
    await asyncio.to_thread(_forget_originals, ground, needle)
    if late := len(ground.spool.originals.late(now)):
        waits.append(f"{counted(late, 'file')} written to since being read may hold this person: taken in first, then removed")
    if waiting := await asyncio.to_thread(_waiting, ground, needle, now):
        waits.append(f"{counted(waiting, 'file')} in incoming/ may hold this person: taken in without them, then removed")
    if ground.spool.claimed():
        waits.append("a file is being taken in just now")
    swept.files += await asyncio.to_thread(_remove_files, ground.queue, needle)
    await asyncio.to_thread(_forget_originals, ground, needle)  # of what was taken in meanwhile
    ids = frozenset(id.encode() for id, _ in letters)
    for folder in ground.letters:
        swept.letters += await asyncio.to_thread(_remove_letters, folder, needle, ids)
    swept.rejected += await asyncio.to_thread(_set_aside, ground.queue, needle)
    return waits


def _waiting(ground: Ground, needle: Needle, now: float) -> int:
    """How many files that wait to be taken in hold the person, or may."""
    root = ground.queue / "incoming"
    files = [(root / one.campaign_folder / one.name, one.name) for one in ground.spool.look(now)]
    return sum(kept.asked(path, partial(is_there, needle, name=name)) is not False for path, name in files)


def _forget_originals(ground: Ground, needle: Needle) -> None:
    """Files as they were dropped, which are kept for an hour behind their reading; those that cannot be read go too."""
    originals = ground.spool.originals
    asked = [(id, kept.asked(path, partial(is_there, needle, name=path.name))) for id, path in originals.unchanged()]
    originals.forget(id for id, holds in asked if holds is not False)


def _remove_files(queue: Path, needle: Needle) -> int:
    among = kept.look(queue, "done")
    return kept.remove(queue, [one for one in among if _holds(queue, needle, one)], among)


def _set_aside(queue: Path, needle: Needle) -> list[Path]:
    """What lies in `rejected/` and holds the person, or may: a person must look."""
    among = kept.look(queue, "rejected")
    return [one.path(queue) for one in among if _holds(queue, needle, one, if_unknown=True)]


def _holds(queue: Path, needle: Needle, one: kept.Kept, *, if_unknown: bool = False) -> bool:
    found = kept.asked(one.path(queue), partial(is_there, needle, name=one.name))
    return if_unknown if found is None else found


def _remove_letters(folder: Path, needle: Needle, ids: frozenset[bytes]) -> int:
    """Remove the letters of a folder that are, by their Message-ID, the person's, or hold the address; gives how many."""
    removed = 0
    for path in sorted(path for path in folder.rglob("*") if not path.is_symlink() and path.is_file()):
        if not kept.asked(path, partial(_is_theirs, needle=needle, ids=ids)):
            continue
        try:
            path.unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as problem:
            raise CannotWrite(f"{folder}: a letter cannot be removed ({problem.strerror}); mend owner and mode") from problem
        removed += 1
    return removed


def _is_theirs(stream: BinaryIO, needle: Needle, ids: frozenset[bytes]) -> bool:
    found = _MESSAGE_ID.search(stream.read(_HEAD))
    if found and found[1] in ids:
        return True
    stream.seek(0)
    return in_bytes(needle, stream)


def still(var: Path, who: Address, besides: Sequence[Path]) -> list[Path]:
    """Every file below a folder that holds the address in plain letters, after all; those that were told already left out."""
    needle, found = Needle(who), []
    for folder, _, names in os.walk(var):
        for path in (Path(folder, name) for name in names):
            if path not in besides and kept.asked(path, partial(in_bytes, needle)):
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
