"""
A letter that kills whoever writes it is found, tried alone, and held; a worker that is killed from outside blames no letter.

The template kills the process as a crashing library does: without a word, from within the writing.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mailer import log
from mailer.blotter import Blotter
from mailer.delivery import State
from mailer.ledger import Ledger, Recovered
from mailer.relay import Relay
from tests import ledgers
from tests.installed import TIMEOUT, Place
from tests.ledgers import claim, one, put, states
from tests.offices import NOON, working
from tests.relays import settings_for
from tests.servers.scripted import ScriptedServer

# The command, with a world in which whoever spells a certain name dies of it.
DEADLY = """
import os, signal, sys
from mailer import cli, render
written = render.Renderer.render
def render_or_die(self, language, values):
    if values["signature"]["name"] == "Person 2":
        os.kill(os.getpid(), signal.SIGKILL)
    return written(self, language, values)
render.Renderer.render = render_or_die
cli.main()
"""


def run(place: Place) -> int:
    """A pass in which one letter is deadly; gives how it ended."""
    program = [sys.executable, "-c", DEADLY, "run"]
    return subprocess.run(program, cwd=place.root, capture_output=True, timeout=TIMEOUT, check=False).returncode


def test_behind_three_deaths_in_its_writing_a_letter_is_held_and_the_rest_goes_out(tmp_path):
    place = Place(tmp_path, "pace: none\n")
    place.drop(5)
    assert [run(place) for _ in range(4)] == [-signal.SIGKILL] * 3 + [0]
    lines = {line["line"]: (line["state"], line["reason"]) for line in place.mailer("log", "--json").lines}
    assert lines == {2: ("accepted", ""), 3: ("held", "poison"), 4: ("accepted", ""), 5: ("accepted", ""), 6: ("accepted", "")}
    assert "poison" in place.mailer("health").out
    shown = place.mailer("show", "2").out
    assert "3 workers died while they wrote it" in shown
    assert place.mailer("verify").code == 0
    assert place.mailer("release", "2", "--why", "the library is mended").code == 0
    assert place.mailer("run").code == 0
    assert place.letters("accepted") == 5


class Watched(Blotter):
    """A blotter that sees, whenever a letter is written, which others were begun and are not settled yet."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        super().__init__(path)
        self._ledger = ledger
        self._begun: list[int] = []
        self.beside: dict[int, list[int]] = {}

    @contextmanager
    def writing(self, letter: int, attempt: int) -> Iterator[None]:
        self.beside[letter] = [begun for begun in self._begun if self._ledger.attempts(begun)[-1].settled_at is None]
        self._begun.append(letter)
        with super().writing(letter, attempt):
            yield


async def test_a_letter_that_two_died_of_goes_when_nothing_else_is_in_hand(tmp_path):
    async with ScriptedServer() as server, working(tmp_path, signatures=12) as scene:
        for _ in range(2):
            due = next(due for due in await scene.claimed(12) if due.letter == 6)
            assert await scene.ledger.recover(NOON, (6, due.attempt)) == Recovered(let_go=12)
        watched = Watched(tmp_path / "writing", scene.ledger)
        desks = {id: replace(desk, blotter=watched) for id, desk in scene.office.desks.items()}
        await scene.dispatch(4, desks).send(Relay(settings_for(server)), log.Watch())
        assert scene.states() == {"accepted": 12}
        assert watched.beside[6] == []
        assert [letter for letter, beside in watched.beside.items() if 6 in beside] == []
        assert any(watched.beside.values())  # the others do go side by side


async def test_only_the_letter_that_was_being_written_is_blamed(tmp_path):
    with ledgers.opened("sqlite", tmp_path) as ledger:
        await put(ledger, 3)
        first, second, _ = await claim(ledger)
        assert await ledger.recover(0, (second.letter, second.attempt)) == Recovered(let_go=3)
        assert [due.deaths for due in await claim(ledger, now=10**10)] == [0, 1, 0]
        assert one(ledger, first.letter).state == State.SENDING
        assert set(states(ledger).values()) == {"sending"}


async def test_a_death_is_counted_once_though_recovery_dies_before_the_note_is_wiped(tmp_path):
    with ledgers.opened("sqlite", tmp_path) as ledger:
        await put(ledger, 1)
        (due,) = await claim(ledger)
        for _ in range(5):
            await ledger.recover(0, (due.letter, due.attempt))
        (again,) = await claim(ledger, now=10**10)
        assert again.deaths == 1


# -- the note


def test_a_note_stands_as_long_as_the_letter_is_written(tmp_path):
    blotter = Blotter(tmp_path / "writing")
    assert blotter.left() is None
    with blotter.writing(17, 3):
        assert Blotter(tmp_path / "writing").left() == (17, 3)
    assert Blotter(tmp_path / "writing").left() is None
    with blotter.writing(2**63, 10**6):
        assert blotter.left() == (2**63, 10**6)
    with blotter.writing(1, 1):
        assert blotter.left() == (1, 1)
    blotter.close()


@pytest.mark.parametrize("found", [b"", b"17", b"17 x", b"17 3 5", b"\xff\x00", b"-1 2"])
def test_a_note_that_is_none_blames_nobody(tmp_path, found):
    (tmp_path / "writing").write_bytes(found)
    assert Blotter(tmp_path / "writing").left() is None


def test_the_note_holds_numbers_and_is_ours_alone(tmp_path):
    with Blotter(tmp_path / "writing").writing(17, 3):
        assert (tmp_path / "writing").read_bytes().split() == [b"17", b"3"]
        assert (tmp_path / "writing").stat().st_mode & 0o777 == 0o600


async def test_what_takes_long_before_the_first_letter_is_done_before_it_is_noted(tmp_path):
    """Whoever kills a worker at the same moment behind each start would meet the same letter each time."""
    async with working(tmp_path) as scene:
        (due,) = await scene.claimed()
        (desk,) = scene.office.desks.values()
        noted: list[bool] = []

        class Noticed(Blotter):
            @contextmanager
            def writing(self, letter: int, attempt: int) -> Iterator[None]:
                noted.append(desk.renderer.is_warm)
                yield

        desks = {"c": replace(desk, blotter=Noticed(tmp_path / "writing"))}
        async with ScriptedServer() as server:
            await scene.courier(settings_for(server), desks).carry(due)
        assert noted == [True]
