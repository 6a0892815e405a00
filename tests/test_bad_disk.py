"""
A ledger that is damaged, a disk that is full, a file in the way of a folder: what the command says, and that it sends nothing.

Each ends with its own exit code and one sentence with what, where and what to do: never with a traceback, never as a bug of
mailer. Once the file, the room or the way is there again, `mailer run` does all that was left, and nothing a second time.
"""

import asyncio
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mailer.instance import place_of
from mailer.ledger.sqlite import SqliteLedger
from tests.full_disk import room_for
from tests.installed import Place, Said, copied, that_has_sent
from tests.ledgers import put


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance that has sent three letters."""
    return that_has_sent(3, tmp_path_factory.mktemp("sent"), "approval: none\n").root


class Copy(Place):
    """A copy of an instance, which does not know that it is one."""

    def __init__(self, root: Path, of: Path) -> None:
        self.root = copied(of, root)
        self.ledger = root / "var/ledger.db"
        self.place = place_of(self.ledger)

    def letters_sent(self) -> int:
        return letters_in(self.root)


def letters_in(root: Path) -> int:
    return len(list((root / "var/sandbox/new").glob("*")))


@pytest.fixture
def here(tmp_path: Path, sent: Path) -> Copy:
    """The same, with a new signature that waits."""
    here = Copy(tmp_path / "here", sent)
    here.drop(1, "more.csv", first=10)
    return here


def assert_explained(said: Said, codes: set[int]) -> None:
    """One sentence of ours, no traceback, no bug."""
    assert said.code in codes, said
    assert "Traceback" not in said.err
    assert "a bug in mailer" not in said.err
    assert said.err.strip().splitlines()[-1].startswith("mailer: "), said.err


# -- a damaged ledger

Damage = Callable[[bytes], bytes]
DAMAGES: dict[str, Damage] = {
    "a zeroed header": lambda whole: bytes(100) + whole[100:],
    "a part of it": lambda whole: whole[: len(whole) // 2 + 1_000],
    "every page but the first overwritten": lambda whole: whole[:4096] + b"\xff" * (len(whole) - 4096),
    "another file": lambda whole: b"These are not the letters that you are looking for.\n" * 1_000,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_ledger_is_told_by_every_command_and_nothing_is_sent(here, damage):
    damaged = DAMAGES[damage](here.ledger.read_bytes())
    here.ledger.write_bytes(damaged)
    for words in ("run", "status", "verify"):
        said = here.mailer(words)
        assert_explained(said, {74})
        assert "restore a backup" in said.err and str(here.ledger) in said.err
    assert here.ledger.read_bytes() == damaged
    assert here.letters_sent() == 3


def restore(here: Copy, whole: bytes) -> None:
    """With the ledger back all goes on, and what waited is sent once; in another file, once a person has said so."""
    for name in ("ledger.db-wal", "ledger.db-shm"):
        here.ledger.with_name(name).unlink(missing_ok=True)
    here.ledger.write_bytes(whole)
    if place_of(here.ledger) != here.place:
        assert here.mailer("run").code == 69
        for words in ("resume ledger --why restored", "run", "release --campaign c --why unsent"):
            assert here.mailer(*words.split()).code == 0
    assert here.mailer("run").code == 0
    assert here.letters_sent() == 4
    assert here.mailer("verify").code == 0


def test_an_emptied_or_vanished_ledger_is_not_begun_anew_while_the_journal_knows_better(here):
    whole = here.ledger.read_bytes()
    for content in (b"", None):
        here.ledger.unlink()
        if content is not None:
            here.ledger.write_bytes(content)
        said = here.mailer("run")
        assert_explained(said, {69})
        assert "ahead of the ledger" in said.err
        assert here.letters_sent() == 3
    restore(here, whole)


def test_the_log_of_another_ledger_beside_ours_sends_nothing(here, tmp_path):
    """SQLite cannot tell whose it is, and reads it: the journal's file can."""
    whole = here.ledger.read_bytes()
    (tmp_path / "other").mkdir()
    other = SqliteLedger(tmp_path / "other" / "ledger.db")
    asyncio.run(put(other, 5))
    shutil.copy(tmp_path / "other" / "ledger.db-wal", here.ledger.with_name("ledger.db-wal"))
    other.close()
    said = here.mailer("run")
    assert_explained(said, {69, 74, 78})
    assert here.letters_sent() == 3
    restore(here, whole)


# -- a full disk


@pytest.mark.parametrize("room", [512, 20_000, 150_000, 200_000])
def test_on_a_full_disk_the_command_says_so_and_goes_on_where_it_stood(tmp_path, room):
    here = Place(tmp_path, "approval: none\n")
    here.drop(3)
    with room_for(room):
        # Python would leave halves of its own files, and coverage has no room for what it measured.
        said = here.mailer("run", PYTHONDONTWRITEBYTECODE="1", COVERAGE_PROCESS_CONFIG="")
    if said.code:
        assert_explained(said, {73, 74, 75})
        assert re.search(r"nothing more is sent|cannot be (made|written)|disk", said.err), said.err
    before = letters_in(tmp_path)
    assert here.mailer("run").code == 0
    stand = here.mailer("status", "--json").json["campaigns"]["c"]["letters"]
    assert sum(stand.values()) == stand["accepted"] + stand.get("in_doubt", 0) == 3
    assert stand["accepted"] <= letters_in(tmp_path) <= 3
    assert stand.get("in_doubt", 0) <= min(before, 10)  # in doubt is only what may have left; 10 connections
    assert here.mailer("verify").code == 0


def test_a_full_disk_below_the_journals_file_sends_nothing(tmp_path):
    here = Place(tmp_path, "approval: none\n", "journal: /dev/full\n")
    here.drop(1)
    said = here.mailer("run")
    assert_explained(said, {73})
    assert "/dev/full" in said.err and "No space left" in said.err


# -- something in the way


@pytest.fixture
def fresh(tmp_path: Path) -> Place:
    here = Place(tmp_path, "approval: none\n")
    here.drop(1)
    return here


FOLDERS = ["var", "var/queue", "var/queue/done", "var/keys", "var/sandbox"]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_in_the_way_of_a_folder_is_said_and_once_it_is_gone_all_is_sent(fresh, tmp_path, name):
    path, aside = tmp_path / name, tmp_path / "aside"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.rename(aside)
    path.write_text("in the way\n")
    said = fresh.mailer("run")
    assert_explained(said, {73})
    assert str(path) in said.err
    path.unlink()
    if aside.exists():
        aside.rename(path)
    assert fresh.mailer("run").code == 0
    assert letters_in(tmp_path) == 1


@pytest.mark.parametrize("name", ["var/ledger.db", "var/journal.jsonl", "var/lock"])
def test_a_folder_in_the_way_of_a_file_is_said_and_once_it_is_gone_all_is_sent(fresh, tmp_path, name):
    path = tmp_path / name
    path.mkdir(parents=True)
    said = fresh.mailer("run")
    assert_explained(said, {73})
    assert str(path) in said.err
    path.rmdir()
    assert fresh.mailer("run").code == 0
    assert letters_in(tmp_path) == 1
