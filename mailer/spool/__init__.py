"""
The folder of files not yet taken in, and the way of each file through it.

    SPOOL > intake > signature > letter > courier > outcome > report

    incoming/[<campaign>/]x.csv    an organiser dropped it; it waits until it is whole
      | claim: one rename, under a name that tells id, campaign's folder and own name
    claimed/                       a worker has it; what a crash leaves here is looked at first
      | copied: what is read is mailer's own copy, which nobody else can change
      | finish: a name is reserved (a rename), files beside it are written, then one rename of the copy
    done/[<campaign>/]x.csv        the copy; beside it x.rejected.csv; the second of its name is x-2.csv
    claimed/.read/                 the file itself, for an hour: whatever is written to it late is taken in too
    rejected/[<campaign>/]x.csv    set aside whole, beside it x.csv.reason.txt

Nothing is ever replaced, and each step is durable before the next one. The same verb called again behind a crash goes on under
the same name. Whatever lies there that is no file is moved itself, never
followed.

The spool reads no file's content and knows no campaign, no ledger and no clock. One process at a time takes files in (see
`instance.Lock`), and that is for the caller to see to.

    names   what files are called        files     waiting, odd, claimed       originals   copies, and what was copied
    modes   the folders, and for whom    folders   open handles, and what the file system says
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from mailer.spool import files, modes, names, originals
from mailer.spool.files import Claimed, Done, Odd, Waiting
from mailer.spool.folders import Folder, explained
from mailer.spool.names import Into, Label
from mailer.spool.originals import Copy, Originals

__all__ = ["Claimed", "Copy", "Done", "Odd", "Settings", "Spool", "Waiting"]

WHOLE_AFTER = 10.0  # seconds for which a whole file has stood still: a copy over a bad line does for some, too
_CORRECTED = 0.1  # seconds by which a clock may be corrected between two looks

_REASON = ".reason.txt"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the spool is, and the organisers' group. `var` is the instance's folder around it, if its mode is kept too."""

    root: Path
    group: str = ""
    var: Path | None = None
    whole_after: float = WHOLE_AFTER  # 0 where whole files are renamed in


class Spool:
    """The folders, and the verbs that move a file from one to the next. `look` and `odd` change nothing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept = modes.Kept(settings.root, settings.var, settings.group)
        self.originals = Originals(settings.root / "claimed")
        self._last = ""  # the id that was given last
        self._stuck: set[tuple[str, int]] = set()  # odd things that cannot be moved and have been told of

    @property
    def root(self) -> Path:
        """The queue's folder."""
        return self._settings.root

    @property
    def scratch(self) -> Path:
        """A folder for files without a name, which nobody else can read."""
        return self._settings.root / "claimed"

    def prepare(self, campaigns: Iterable[str] = ()) -> list[str]:
        """
        Make the folders that are missing and mend looser modes; gives a sentence for each thing mended.

        `campaigns` get a folder each in `incoming/`.

        A campaign's folder that cannot be made or mended is said too, and stops nothing.

        Raises:
            CannotWrite: another one cannot be made or mended.
        """
        return self._kept.prepare(campaigns)

    def troubles(self, campaigns: Iterable[str]) -> list[str]:
        """What keeps mailer from folders of campaigns in `incoming/`, a sentence each; changes nothing."""
        return modes.troubles(self._settings.root, campaigns)

    def keep(self) -> list[str]:
        """Prepare again what was removed or loosened since; gives a sentence for each thing, what can't be mended once."""
        return self._kept.again()

    def look(self, now: float) -> list[Waiting]:
        """The files in `incoming/` and in the folders there, oldest first; those with an unfinished one's name stay unseen."""
        with explained():
            entries = self._incoming()
        found = [Waiting.of((campaign, name), status, now) for campaign, name, status, fault in entries if not fault]
        return sorted(found, key=lambda waiting: (waiting.mtime_ns, waiting.campaign_folder, waiting.name))

    def lying(self, before: float) -> int:
        """How many files have lain in `incoming/` since before a time; one that is moved there may have an old date."""
        with explained():
            entries = self._incoming()
        return sum(max(status.st_mtime, status.st_ctime) < before for _, _, status, fault in entries if not fault)

    def odd(self) -> list[Odd]:
        """What must be set aside unread: links, pipes, devices, folders in folders, and strangers in `claimed/`."""
        with explained():
            entries, claimed = self._incoming(), self._entries("claimed")
        found = [
            Odd("incoming", campaign, name, fault, status.st_mtime_ns, status.st_ino)
            for campaign, name, status, fault in entries
            if fault and (name, status.st_ino) not in self._stuck
        ]
        reason = "it lay in claimed/, where only mailer puts files: drop it into incoming/"
        strangers = [(name, status) for name, status in claimed if names.read(name) is None]
        return found + [Odd("claimed", "", name, reason, status.st_mtime_ns, status.st_ino) for name, status in strangers]

    def is_ready(self, first_seen: Waiting | None, seen_now: Waiting) -> bool:
        """
        Whether a file is whole: nothing about it has changed for `whole_after`, by the disk's times, or by ours since it was
        first seen as it is. So a disk with another clock, or a time in the future, delays a file and keeps none back.
        """
        after = self._settings.whole_after
        if not after or seen_now.seen_at - seen_now.changed_at > after:
            return True
        return first_seen == seen_now and seen_now.seen_at - first_seen.seen_at >= after - _CORRECTED

    def claim(self, waiting: Waiting, now: float) -> Claimed | None:
        """
        Take a file out of `incoming/`, or from among those that were read; None if it is gone or no longer as it was seen.

        Raises:
            CannotWrite: it cannot be moved.
        """
        self._last = names.ulid(now, self._last)
        label = names.label(self._last, waiting.campaign_folder, waiting.name)
        with explained(), self._folder("claimed") as claimed:
            try:
                with self._folder(*_place(waiting)) as source:
                    name = files.present(source, waiting.id).text if waiting.id else waiting.name
                    if not waiting.is_as_seen(source.look(name)):
                        return None
                    source.move(name, claimed, label.text)
            except FileNotFoundError:
                return None
            return files.claimed(claimed.path, label)

    def claimed(self) -> list[Claimed]:
        """The files that are claimed, oldest first: on start, what a crash left."""
        with explained():
            labels = [label for name, _ in self._entries("claimed") if (label := names.read(name))]
        return [files.claimed(self._settings.root / "claimed", label) for label in sorted(labels, key=lambda label: label.id)]

    def done(self) -> list[Done]:
        """The files in `done/` and in the folders there, without what was laid beside them."""
        root, found = self._settings.root / "done", self._settled("done")
        return [Done(folder, name, root / folder / name) for folder, name, _ in found if not name.endswith(names.REPORTS)]

    def closed(self, since: float) -> int:
        """How many files were set aside since a time that mailer may not read."""
        root, found = self._settings.root / "rejected", self._settled("rejected")
        return sum(
            at > since and not os.access(root / folder / name, os.R_OK, effective_ids=True) for folder, name, at in found
        )

    def copied(self, claimed: Claimed) -> Copy:
        """
        Copy a claimed file; the copy is what is read, and what `finish` lays into `done/`.

        Raises:
            UnreadableFile: it is not a file, has a second name, or may not be read.
            CannotWrite: it is gone, or the disk is full or fails; the file stays claimed.
        """
        with explained(), self._folder("claimed") as folder:
            return originals.copy(claimed, folder)

    def rejected_beside(self, since: float) -> list[str]:
        """The files in `done/` of which rows were rejected since a time, by the names of their reports, without the ending."""
        ending = ".rejected.csv"
        return [name.removesuffix(ending) for _, name, at in self._settled("done") if at > since and name.endswith(ending)]

    def changed(self, claimed: Claimed, before: os.stat_result) -> bool:
        """Whether it was written to, linked or touched since it looked like `before`."""
        with explained(), self._folder("claimed") as folder:
            now = folder.look(files.present(folder, claimed.id).text)
        return now is None or not files.same(now, before)

    def finish(self, copied: Copy, beside: Mapping[str, Iterable[bytes] | bytes]) -> Path:
        """
        Lay a file's copy into `done/`, and the file itself among those that were read; gives where the copy stands.

        `beside` are files to lay beside it, by the ending that takes the place of its extension (".rejected.csv"). They are
        whole before the copy itself is moved; one without content is not written.

        Raises:
            CannotWrite: calling it again, also in another process, goes on under the same name.
        """
        id = copied.claimed.id
        with explained(), self._folder("claimed") as claimed, self._out("done", files.present(claimed, id).folder) as target:
            label = files.present(claimed, id)
            if label.into != "done" or not originals.is_laid(id, claimed, target, label.final):
                label = files.reserved(label, "done", list(beside), claimed, target)
            _write(label, beside, target)
            originals.lay(id, claimed, target, label.final)
            originals.put_by(label, claimed, copied.seen)
            return target.path / label.final

    def set_aside(self, what: Claimed | Waiting | Odd, reason: str) -> Path | None:
        """
        Move something whole to `rejected/`, with its reason beside it; gives where it stands. None if it is gone.

        Something odd that cannot be moved (a mount, a folder of somebody else's) stays, and its reason is told all the same.

        Raises:
            CannotWrite: as in `finish`.
        """
        told = f"{names.safe(what.name)}\nwas set aside: {names.printable(reason)}\nNothing of it was taken in.\n"
        with explained():
            if isinstance(what, Claimed):
                return self._reject(what.id, told.encode())
            label = names.label(names.ulid(what.mtime_ns / 1e9), what.campaign_folder, what.name)
            with self._folder("claimed") as claimed:
                try:
                    with self._folder(*_place(what)) as source:
                        source.move(what.name, claimed, label.text)
                except FileNotFoundError:
                    return None
                except OSError:
                    if isinstance(what, Waiting):
                        raise
                    return self._leave(what, told)
            return self._reject(label.id, told.encode())

    def _reject(self, id: str, told: bytes) -> Path:
        """Out of `claimed/`, unread: reserve the name, write the reason beside it, move it; each durable before the next."""
        with self._folder("claimed") as claimed, self._out("rejected", files.present(claimed, id).folder) as target:
            label = files.reserved(files.present(claimed, id), "rejected", [_REASON], claimed, target)
            _write(label, {_REASON: told}, target)
            claimed.remove(names.copy(id))
            claimed.fit(label.text, os.stat(target.handle).st_gid)
            claimed.move(label.text, target, label.final)
            return target.path / label.final

    def _out(self, into: Into, campaign: str) -> Folder:
        """The folder in `done/` or `rejected/` for the files of a campaign's folder; made if it is missing."""
        parent = self._folder(into)
        if not campaign:
            return parent
        with parent:
            mode = modes.FOLDERS[into]
            choices = (names.numbered(campaign, number) for number in count(1))  # a file may have had that name
            return parent.sub(next(name for name in choices if parent.make(name, mode) or parent.has_folder(name)))

    def _leave(self, odd: Odd, told: str) -> Path:
        """Write the reason of something that cannot be moved; once, however often it is seen."""
        self._stuck.add((odd.name, odd.inode))
        content = (
            f"{told}It could not be moved and still lies in {'/'.join(filter(None, _place(odd)))}/: move it away.\n".encode()
        )
        with self._folder("rejected") as rejected:
            choices = (names.numbered(names.safe(odd.name), number) + _REASON for number in count(1))
            name = next(name for name in choices if rejected.look(name) is None or rejected.holds(name, content))
            rejected.write(name, [content], temporary=f".{names.ulid(0)}.tmp")
            return rejected.path / name

    def _incoming(self) -> list[tuple[str, str, os.stat_result, str]]:
        """What lies in `incoming/`: its campaign's folder, name and status, and why it is no file to read."""
        found = []
        for name, status in self._entries("incoming"):
            if not stat.S_ISDIR(status.st_mode):
                found.append(("", name, status, files.fault(status)))
            elif not names.can_be_campaign(name):
                found.append(("", name, status, "the name of this folder cannot be a campaign's id"))
            else:
                try:
                    found += [(name, inner, within, files.fault(within)) for inner, within in self._entries("incoming", name)]
                except PermissionError:
                    found.append(("", name, status, modes.CLOSED))
        return found

    def _settled(self, into: str) -> list[tuple[str, str, float]]:
        """The files in `done/` or `rejected/`: campaign's folder, name, and since when they lie there."""
        with explained():
            here = [("", name, status) for name, status in self._entries(into)]
            for folder in [name for _, name, status in here if stat.S_ISDIR(status.st_mode)]:
                here += [(folder, name, status) for name, status in self._entries(into, folder)]
        return sorted((folder, name, status.st_ctime) for folder, name, status in here if stat.S_ISREG(status.st_mode))

    def _entries(self, folder: str, campaign: str = "") -> list[tuple[str, os.stat_result]]:
        """Names and what stands there, without the unfinished; nothing where the folder is missing."""
        try:
            with self._folder(folder, campaign) as opened:
                if campaign and not opened.lets_take():
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(opened.path))
                return opened.entries()
        except (FileNotFoundError, NotADirectoryError):  # it is not made yet, or was replaced: the next look judges it
            return []

    def _folder(self, folder: str, campaign: str = "") -> Folder:
        with Folder(self._settings.root) as root:
            opened = root.sub(folder)
        if not campaign:
            return opened
        with opened:
            return opened.sub(campaign)


def _write(label: Label, beside: Mapping[str, Iterable[bytes] | bytes], target: Folder) -> None:
    """Lay files beside the one that is about to stand there."""
    for ending, content in beside.items():
        chunks = [content] if isinstance(content, bytes) else content
        target.write(label.beside(ending), chunks, temporary=f".{label.id}{ending}.tmp")


def _place(what: Waiting | Odd) -> tuple[str, str]:
    if isinstance(what, Waiting) and what.id:
        return "claimed", originals.FOLDER
    return (what.folder if isinstance(what, Odd) else "incoming"), what.campaign_folder
