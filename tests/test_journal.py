"""
The journal's file follows the table, is mended where a crash cut it, and is refused where it has a story of its own.

Most tests give the file a table of their own, a list of links; what has to do with crashes has a real ledger, and really
crashes: a program of its own, killed between the commit and the append.
"""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mailer import chain
from mailer.chain import Link
from mailer.delivery import Who
from mailer.errors import CannotSend, CannotWrite
from mailer.journal import Journal
from tests import ledgers
from tests.full_disk import room_for
from tests.ledgers import LEDGERS, NOW, links

REPOSITORY = Path(__file__).resolve().parents[1]


def forged(*events: str, behind: Link | None = None) -> list[Link]:
    """A chain of lines."""
    made: list[Link] = []
    for event in events:
        made.append(chain.link(made[-1] if made else behind, {"event": event}))
    return made


class Table:
    """The journal's table, as far as its file is concerned."""

    def __init__(self, lines: Sequence[Link]) -> None:
        self.lines = list(lines)

    def read(self, behind: int, limit: int) -> Sequence[Link]:
        return [link for link in self.lines if link.seq > behind][:limit]

    def text(self) -> str:
        return "".join(link.line + "\n" for link in self.lines)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "var" / "journal.jsonl"


@pytest.fixture
def table() -> Table:
    return Table(forged("one", "two", "three"))


def follow(path: Path, table: Table) -> int:
    """What a start does."""
    journal = Journal(path, table.read)
    journal.open()
    return journal.catch_up()


def test_beside_a_worker_the_file_and_the_table_agree(path: Path, table: Table) -> None:
    """It goes on at the worst moments: its commit comes behind our look at the table, its line before our look at the file."""
    follow(path, table)
    more = forged("four", "five", "six", behind=table.lines[-1])

    def read(behind: int, limit: int) -> Sequence[Link]:
        found = table.read(behind, limit)
        if not found and more:
            table.lines.append(more.pop(0))
            path.write_text(table.text())
        return found

    assert Journal(path, read).disagreement() == ""
    assert not more


@pytest.mark.parametrize("written", [0, 1, 20])
def test_beside_a_worker_the_file_may_be_behind_and_be_appended_meanwhile(path: Path, table: Table, written: int) -> None:
    """A part of its next line stands there at our look, and all of it a moment later."""
    follow(path, table)
    whole = path.read_text()
    table.lines += forged("four", "five", behind=table.lines[-1])
    path.write_text(whole + table.lines[3].line[:written])

    def read(behind: int, limit: int) -> Sequence[Link]:
        if behind == 4:
            path.write_text(table.text())
        return table.read(behind, 1)

    assert Journal(path, read).disagreement() == ""


def test_a_line_that_no_table_has_is_told_though_its_length_fits(path: Path, table: Table) -> None:
    follow(path, table)
    lay(path, table.text() + forged("four", behind=table.lines[-1])[0].line[:10])
    assert "goes on behind" in Journal(path, table.read).disagreement()


def lay(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


# -- the file follows the table


def test_a_new_file_gets_all_that_the_table_has(path: Path, table: Table) -> None:
    assert follow(path, table) == 3
    assert path.read_text() == table.text()


def test_a_file_gets_what_is_new_and_nothing_twice(path: Path, table: Table) -> None:
    journal = Journal(path, table.read)
    journal.open()
    assert [journal.catch_up(), journal.catch_up()] == [3, 0]
    table.lines += forged("four", "five", behind=table.lines[-1])
    assert [journal.catch_up(), journal.catch_up()] == [2, 0]
    assert path.read_text() == table.text()
    assert follow(path, table) == 0
    assert path.read_text() == table.text()


def test_more_than_one_portion_is_written_whole(path):
    table = Table(forged(*(f"{n}" for n in range(2_345))))
    assert follow(path, table) == 2_345
    assert path.read_text() == table.text()


def test_its_file_is_for_its_owner_to_write(path: Path, table: Table) -> None:
    before = os.umask(0)
    try:
        follow(path, table)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


# -- a crash


@pytest.mark.parametrize("cut", range(1, 120, 7))
def test_a_cut_last_line_is_mended(path, table, cut):
    lay(path, table.text()[:-cut])
    assert follow(path, table) >= 1
    assert path.read_text() == table.text()


@pytest.mark.parametrize("length", [1, 65_535, 65_536, 65_537, 300_000])
def test_what_a_crash_left_behind_the_last_line_is_taken_off_however_long(path, table, length):
    """A disk may keep the length of a file and lose its content: what is read then is zeros."""
    lay(path, table.text().encode() + b"\0" * length)
    assert follow(path, table) == 0
    assert path.read_text() == table.text()


@pytest.mark.parametrize("at", range(0, 240, 20))
@pytest.mark.parametrize("length", [1, 60, 130])
def test_what_a_power_loss_blanked_is_written_again(path, table, at, length):
    """Behind the blank a whole line may stand: the disk took its sector first."""
    blank = bytearray(table.text().encode())
    blank[at : at + length] = bytes(len(blank[at : at + length]))
    lay(path, bytes(blank))
    assert follow(path, table) >= 1
    assert path.read_text() == table.text()


def test_a_blank_far_from_the_end_is_mended_too(path):
    """As far back as is ever appended between two syncs."""
    table = Table(forged(*(f"{n}" for n in range(3_000))))
    text = table.text().encode()
    at = text.index(table.lines[2_001].line.encode()) + 10
    lay(path, text[:at] + bytes(500) + text[at + 500 :])
    assert follow(path, table) == 3_000 - 2_001
    assert path.read_text() == table.text()


@pytest.mark.parametrize("at", [0, 130])
def test_a_file_ahead_of_the_table_is_told_behind_a_blank_too(path, table, at):
    follow(path, table)
    blank = bytearray(path.read_bytes())
    blank[at : at + 20] = bytes(20)
    lay(path, bytes(blank))
    assert "ahead of the ledger" in str(refused(path, Table(table.lines[:2])))


@pytest.mark.parametrize("length", [1, 70_000])
def test_a_file_without_one_whole_line_begins_again(path, table, length):
    lay(path, b"{" * length)
    assert follow(path, table) == 3
    assert path.read_text() == table.text()


@pytest.mark.parametrize("length", [65_300, 65_536, 70_000, 200_000])
def test_a_line_longer_than_one_look_at_the_end_is_read_whole(path, length):
    table = Table(forged("one", "x" * length))
    assert follow(path, table) == 2
    assert follow(path, table) == 0
    table.lines += forged("three", behind=table.lines[-1])
    assert follow(path, table) == 1
    assert path.read_text() == table.text()


# -- a file with a story of its own


def refused(path: Path, table: Table) -> CannotSend:
    """It is refused at the start, and left as it is."""
    before = path.read_bytes()
    with pytest.raises(CannotSend) as caught:
        Journal(path, table.read).open()
    assert path.read_bytes() == before
    assert caught.value.exit_code == 69
    assert str(path) in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_file_ahead_of_the_table_means_a_restored_ledger(path, table, kept):
    follow(path, table)
    assert "ahead of the ledger" in str(refused(path, Table(table.lines[:kept])))


def test_a_file_that_differs_from_the_table_means_another_ledger(path: Path, table: Table) -> None:
    follow(path, table)
    assert "different stories" in str(refused(path, Table(forged("one", "two", "drei"))))
    assert "different stories" in str(refused(path, Table(forged("one", "two", "drei", "four"))))


@pytest.mark.parametrize(
    "end", ["\n", "a note of mine\n", "{}\n", "[]\n", '{"seq":"3"}\n', '{"seq":0}\n', '{"seq":-1}\n', f'{{"seq":{2**63}}}\n']
)
def test_a_last_line_that_is_none_of_ours_is_said_and_nothing_is_sent(path, table, end):
    follow(path, table)
    with path.open("a") as file:
        file.write(end)
    assert "the file was changed" in str(refused(path, table))


def test_bytes_that_are_no_text_are_none_of_our_lines(path: Path, table: Table) -> None:
    lay(path, b'{"seq":1,"event":"\xff"}\n')
    refused(path, table)


# -- a disk that is full, a path that is none


@pytest.mark.parametrize("room", [0, 1, 100, 150, 200, 280])
def test_on_a_full_disk_it_says_so_and_goes_on_when_there_is_room(path, table, room):
    journal = Journal(path, table.read)
    journal.open()
    with room_for(room):
        for _ in range(2):
            with pytest.raises(CannotWrite, match="cannot be written"):
                journal.catch_up()
    journal.catch_up()
    assert path.read_text() == table.text()
    assert follow(path, table) == 0


def test_a_path_that_cannot_be_written_is_said(tmp_path, table):
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "journal.jsonl"):
        with pytest.raises(CannotWrite, match=str(path)):
            Journal(path, table.read).open()


# -- a real ledger, and a program that is killed

DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from mailer.delivery import Who
from mailer.journal import Journal
from tests.ledgers import LEDGERS, NOW

async def live(name, folder, appended, committed):
    ledger = LEDGERS[name](folder)
    journal = Journal(folder / "journal.jsonl", ledger.journal)
    journal.open()
    for number in range(committed):
        await ledger.pause(f"campaign:{number}", Who.PERSON, "why", NOW)
        if number < appended:
            journal.catch_up()
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(live(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
"""


@pytest.mark.parametrize("name", LEDGERS)
@pytest.mark.parametrize("appended, committed", [(0, 1), (2, 3), (3, 3), (1, 4)])
def test_killed_between_commit_and_append_the_next_start_catches_up(tmp_path, name, appended, committed):
    path = tmp_path / "journal.jsonl"
    killed = subprocess.run([sys.executable, "-c", DIES, name, tmp_path, str(appended), str(committed)], cwd=REPOSITORY)
    assert killed.returncode == -signal.SIGKILL
    assert len(path.read_text().splitlines()) == appended
    with ledgers.opened(name, tmp_path) as ledger:
        journal = Journal(path, ledger.journal)
        journal.open()
        assert journal.catch_up() == committed - appended
        assert path.read_text() == "".join(link.line + "\n" for link in links(ledger))
    assert len(path.read_text().splitlines()) == committed


@pytest.mark.parametrize("name", LEDGERS)
async def test_a_ledger_that_was_restored_from_an_older_copy_sends_nothing(tmp_path, name):
    """The file is of the newer ledger; the restored one first knows less than it, then something else."""
    newer, older = tmp_path / "newer", tmp_path / "older"
    newer.mkdir()
    older.mkdir()
    with ledgers.opened(name, newer) as ledger:
        for number in range(3):
            await ledger.pause(f"campaign:{number}", Who.PERSON, "why", NOW)
        Journal(tmp_path / "journal.jsonl", ledger.journal).catch_up()
    with ledgers.opened(name, older) as ledger:
        for number, why in enumerate(["ahead", "ahead", "ahead", "different stories", "different stories"]):
            with pytest.raises(CannotSend, match=why):
                Journal(tmp_path / "journal.jsonl", ledger.journal).open()
            await ledger.pause(f"campaign:{number + 10}", Who.PERSON, "why", NOW)
