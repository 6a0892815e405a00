"""
A ledger or a clock that is not the one of the last run: nothing is done until a person says so, and then with care.

Through the command, in a real instance: a copy is made as a backup makes one, a clock is moved by what the ledger remembers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from mailer import chain, continuity
from mailer.blotter import Blotter
from mailer.chain import Link
from mailer.continuity import Install
from mailer.delivery import State, Who
from mailer.errors import CannotSend, CannotWrite
from mailer.highwater import HighWater
from mailer.instance import file_of, place_of
from mailer.journal import Journal
from mailer.ledger import Ledger
from mailer.pace import Breaker
from tests import ledgers
from tests.installed import TIMEOUT, Place, that_has_sent
from tests.ledgers import (
    CAMPAIGN,
    DAY,
    HEAD,
    LANE,
    LATER,
    LEDGERS,
    NOW,
    RELAY,
    RETRY,
    assert_sound,
    claim,
    dot,
    mark,
    one,
    put,
    states,
)
from tests.servers.spawned import SpawnedServer


@pytest.fixture
def place(tmp_path):
    return that_has_sent(2, tmp_path / "here", name="first.csv")


def told_at(place: Place, seconds: int) -> None:
    """The journal told something last at a time so far ahead of ours, in its table, in its file, and as its mark says."""
    path = place.root / "var/journal.jsonl"
    lines = path.read_text().splitlines()
    last = json.loads(lines[-1])
    moment = datetime.fromtimestamp(int(time.time()) + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = Link(last.pop("seq") - 1, "", last.pop("prev"))
    again = chain.link(before, last | {"at": moment})
    path.write_text("\n".join([*lines[:-1], again.line, ""]))
    db = apsw.Connection(str(place.root / "var/ledger.db"))
    db.execute("UPDATE journal SET line = ?, hash = ? WHERE seq = ?", (again.line, again.hash, again.seq))
    db.close()
    (high_water,) = (place.root / "var/high-water").iterdir()
    high_water.rename(high_water.with_name(f"{again.seq}-{again.hash[:12]}"))


def copy_of(place: Place, root: Path) -> Place:
    """The instance once more, as a backup or a second machine has it."""
    shutil.copytree(place.root, root)
    again = Place.__new__(Place)
    again.__dict__.update(place.__dict__)
    again.root = root
    return again


# -- a copy


def test_a_copy_sends_nothing_until_told_and_then_nothing_that_waited(place, tmp_path):
    place.drop(3, "second.csv", first=3)
    assert place.mailer("run", "--intake-only").code == 0
    copied = copy_of(place, tmp_path / "there")
    assert place.mailer("run").code == 0  # the three go out from where they were taken in
    third = copied.drop(1, "third.csv", first=6)
    for command in ("run", "run --send-only", "work"):
        refused = copied.mailer(*command.split())
        assert refused.code == 69
        assert "copy" in refused.err
        assert "mailer resume ledger --why TEXT" in refused.err
    assert copied.letters("queued") == 3
    assert "resume ledger" in copied.mailer("health").out
    assert "resume ledger" in copied.mailer("status").err
    told = copied.mailer("resume", "ledger", "--why", "the first machine is gone")
    assert (told.code, told.out) == (0, "The ledger may go on.\n")
    assert "3 letters held, for they may have gone out" in told.err
    assert "release --reason 'restored ledger'" in told.err
    later = time.time() + 3
    os.utime(third, (later, later))  # it was written behind that
    assert copied.mailer("run").code == 0
    assert copied.sandboxed() == 2 + 1  # what came in behind the copy, and nothing twice
    assert {line["reason"] for line in copied.mailer("log", "--state", "held", "--json").lines} == {"restored ledger"}
    assert copied.mailer("verify").code == 0
    assert copied.mailer("release", "--reason", "restored ledger", "--why", "it had sent none").code == 0
    assert copied.mailer("run").code == 0
    assert copied.sandboxed() == 6


def test_a_folder_that_is_renamed_is_still_the_same_instance(place):
    place.root = place.root.rename(place.root.with_name("renamed"))
    place.drop(1, "second.csv", first=3)
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 3


def test_where_a_ledger_stands_is_told_by_the_machine_and_the_file(tmp_path, monkeypatch):
    (tmp_path / "one").touch()
    (tmp_path / "two").touch()
    first = place_of(tmp_path / "one")
    assert place_of(tmp_path / "two") != first
    (tmp_path / "one").rename(tmp_path / "three")
    assert place_of(tmp_path / "three") == first
    (tmp_path / "id").write_text("another machine\n")
    monkeypatch.setattr("mailer.instance._MACHINE", tmp_path / "id")
    assert place_of(tmp_path / "three") != first


def test_a_disk_that_does_not_say_where_we_are_is_no_other_place(tmp_path, monkeypatch):
    (tmp_path / "ledger.db").touch()
    (tmp_path / "id").mkdir()  # what can't be read, and is not just missing
    monkeypatch.setattr("mailer.instance._MACHINE", tmp_path / "id")
    with pytest.raises(CannotWrite, match=str(tmp_path / "id")):
        place_of(tmp_path / "ledger.db")
    (tmp_path / "id").rmdir()
    assert place_of(tmp_path / "ledger.db")


# -- an older copy put back


def test_a_restored_ledger_sends_nothing_until_told_and_keeps_the_newer_journal(place):
    var = place.root / "var"
    place.drop(3, "second.csv", first=3)
    assert place.mailer("run", "--intake-only").code == 0
    older = (var / "ledger.db").read_bytes()
    assert place.mailer("run").code == 0
    newer = (var / "journal.jsonl").read_bytes()
    (var / "ledger.db").write_bytes(older)  # the very file, as `cat` puts a backup back
    refused = place.mailer("run")
    assert refused.code == 69
    assert "ahead of the ledger" in refused.err
    assert place.mailer("run").code == 69
    assert place.sandboxed() == 5
    assert place.mailer("resume", "ledger", "--why", "the disk died").code == 0
    (aside,) = var.glob("journal.until-*.jsonl")
    assert aside.read_bytes() == newer
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 5
    assert place.letters("held") == 3
    assert place.mailer("verify").code == 0


def test_resuming_a_ledger_that_nothing_stopped_changes_nothing(place):
    told = place.mailer("resume", "ledger", "--why", "to be sure")
    assert (told.code, told.out) == (0, "It was not stopped; nothing was changed.\n")
    assert place.mailer("run").code == 0


@pytest.fixture(params=LEDGERS)
def ledger(request, tmp_path):
    with ledgers.opened(request.param, tmp_path) as opened:
        yield opened


async def test_going_on_puts_right_what_was_in_hand_and_is_the_same_done_twice(ledger: Ledger, tmp_path):
    letters = await put(ledger, 5)
    _, marked, deferred = await claim(ledger, 3)
    await mark(ledger, marked)
    await dot(ledger, deferred, LATER)
    journal, high_water = (
        Journal(tmp_path / "journal.jsonl", ledger.journal),
        HighWater(tmp_path / "high-water", ledger.link, file_of),
    )
    install = Install(journal, high_water, Blotter(tmp_path / "writing"), "here")

    async def adopt() -> None:
        """Nobody lies in `done/`."""

    with pytest.raises(CannotSend, match="resume ledger"):
        await ledger.remember_install({"place": "there"})
        await continuity.see(ledger, install, NOW)
    held = await continuity.trust_ledger(ledger, install, adopt, "moved", NOW)
    assert held == 4
    assert states(ledger) == dict(zip(letters, ["held", "in_doubt", "held", "held", "held"], strict=True))
    assert {one(ledger, letter).reason for letter in letters if letter != marked.letter} == {"restored ledger"}
    assert await continuity.trust_ledger(ledger, install, adopt, "moved", NOW) == 4
    await continuity.see(ledger, install, NOW)
    assert await ledger.resend_doubts(LANE, NOW + DAY, NOW, 10) == 0  # nobody knows what became of it there
    assert_sound(ledger, dict.fromkeys(letters, State.QUEUED))


# -- a clock


@pytest.mark.parametrize(("seconds", "code"), [(290, 0), (1_000, 69)])
def test_a_clock_that_went_back_stops_all_until_told(place, seconds, code):
    told_at(place, seconds)
    place.drop(1, "second.csv", first=3)
    refused = place.mailer("run")
    assert refused.code == code
    assert ("mailer resume clock --why TEXT" in refused.err) == (code == 69)
    if code:
        assert place.mailer("run").code == 69
        assert place.sandboxed() == 2
        assert place.mailer("resume", "clock", "--why", "set by hand").code == 0
        assert place.mailer("run").code == 0
    assert place.sandboxed() == 3


def test_a_clock_that_went_back_is_seen_though_an_order_was_written_down_since(place):
    told_at(place, 1_000)
    assert place.mailer("pause", "--why", "lunch").code == 0
    assert place.mailer("resume", "--why", "lunch is over").code == 0
    place.drop(1, "second.csv", first=3)
    refused = place.mailer("run")
    assert refused.code == 69
    assert "mailer resume clock --why TEXT" in refused.err
    assert place.mailer("resume", "clock", "--why", "set by hand").code == 0
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 3


async def test_a_line_that_goes_back_stops_the_clock_once_and_a_person_s_word_is_enough(ledger: Ledger):
    await ledger.pause("all", Who.PERSON, "lunch", NOW + 3_600)
    await ledger.resume("all", "lunch is over", NOW)
    (stopped,) = await ledger.pauses()
    assert (stopped.scope, stopped.who) == ("clock", "rule")
    assert "3600 s before" in stopped.why
    await ledger.pause("all", Who.PERSON, "supper", NOW + 3_600)  # it is ahead once more
    assert await ledger.resume("clock", "set by hand", NOW)
    await ledger.resume("all", "supper is over", NOW)
    assert await ledger.pauses() == []


async def test_a_pause_that_began_in_the_future_makes_no_letter_older(ledger: Ledger):
    """The clock stood ahead when somebody said stop; it was set right, and that was lifted before anybody trusted the clock."""
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await dot(ledger, due, LATER)
    await ledger.pause("all", Who.PERSON, "stop", NOW + 6 * DAY)
    await ledger.resume("all", "go", NOW + 60)
    assert await ledger.expire(CAMPAIGN, NOW - 5 * DAY + 120, "given up", NOW + 120, 10) == 0


async def test_a_letter_in_a_dead_worker_s_hands_is_not_given_up_for_a_pause(ledger: Ledger):
    letters = await put(ledger, 1)
    (due,) = await claim(ledger)
    await dot(ledger, due, LATER)
    await claim(ledger, now=NOW + 14_400)  # and it died
    await ledger.pause("all", Who.PERSON, "stop", NOW + DAY)
    await ledger.resume("all", "go", NOW + 8 * DAY)
    await ledger.recover(NOW + 8 * DAY)
    assert await ledger.expire(CAMPAIGN, NOW + 3 * DAY, "given up", NOW + 8 * DAY, 10) == 0
    assert_sound(ledger, dict.fromkeys(letters, State.QUEUED))


async def test_a_doubt_of_a_clock_that_was_ahead_can_be_resolved_once_it_is_right(ledger: Ledger):
    ahead = NOW + 10 * DAY
    letters = await put(ledger, 1)
    (due,) = await claim(ledger, now=ahead)
    await mark(ledger, due, now=ahead)
    await ledger.recover(ahead)
    await ledger.pause("clock", Who.RULE, "ahead", NOW)
    await continuity.trust_clock(ledger, RETRY, "it was ten days ahead", NOW)
    assert await ledger.resolve(due.letter, accepted=True, why="seen", now=NOW + 600, not_before=600) == ""
    assert states(ledger) == dict.fromkeys(letters, "accepted")


async def test_times_of_a_clock_that_was_ahead_do_not_keep_letters_back_once_it_is_right(ledger: Ledger):
    """It stood a year ahead: what was deferred, handed over, stopped and failed then is no matter of next year."""
    ahead, most = NOW + 365 * DAY, RETRY.max
    (letter, soon) = await put(ledger, 2)
    (due, other) = await claim(ledger, now=ahead)
    await dot(ledger, due, LATER, now=ahead)
    await ledger.let_go(other, State.QUEUED, Who.WORKER, "", "", ahead)
    await ledger.keep_breaker(RELAY, Breaker().failed(ahead, "down").failed(ahead, "down").failed(ahead, "down"), ahead)
    await ledger.pause("campaign:another", Who.PERSON, "stop", ahead)
    assert await continuity.trust_clock(ledger, RETRY, "it was a year ahead", NOW) is False
    await ledger.pause("clock", Who.RULE, "ahead", NOW)
    assert await continuity.trust_clock(ledger, RETRY, "it was a year ahead", NOW)
    assert [pause.at for pause in await ledger.pauses()] == [NOW]
    assert {w.due_at <= NOW + most * (1 + RETRY.jitter) for w in await ledger.waiting()} == {True}
    claimed = await claim(ledger, now=int(NOW + most * (1 + RETRY.jitter)))
    assert {due.letter: due.first_tried_at and due.first_tried_at > NOW + most for due in claimed} == {
        letter: False,
        soon: None,
    }
    assert (await ledger.breaker(RELAY)).not_before <= NOW + DAY
    assert (await ledger.sent_counts([([HEAD], NOW - 3_600)]), await ledger.sent_back([([HEAD], 1)])) == ([1], [NOW])
    assert_sound(ledger, dict.fromkeys([letter, soon], State.QUEUED))


def test_a_clock_that_is_set_in_mid_run_ends_it_behind_the_letters_in_hand(tmp_path):
    """The wall clock of the running command alone jumps, by a few hours, once the server has its first letter."""
    place = Place(tmp_path / "here", "pace: none\napproval: none\n")
    place.drop(50)
    jumping = (
        "import sys, time\n"
        "from mailer import app, cli\n"
        "from mailer.pace import Clock\n"
        "from pathlib import Path\n"
        "taken = Path(sys.argv.pop(1))\n"
        "app.CLOCK = Clock(lambda: time.time() + (8_000 if any(taken.glob('*.taken')) else 0), app.CLOCK.chance)\n"
        "cli.main()\n"
    )
    with SpawnedServer(tmp_path / "far-side") as server:
        place.relay(server.port)
        program = [sys.executable, "-c", jumping, str(server.store), "run"]
        ended = subprocess.run(program, cwd=place.root, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert ended.returncode == 69, ended.stderr
        assert "resume clock" in ended.stderr
        counts = Counter(line["state"] for line in place.mailer("log", "--json").lines)
        assert counts["accepted"] == len(server.taken()) >= 1
        assert counts["in_doubt"] == counts["sending"] == 0
    assert "clock" in place.mailer("health").out


# -- a pause and an outage do not count towards giving up


@pytest.mark.parametrize("scopes", [["all"], [f"campaign:{CAMPAIGN}"], ["all", f"campaign:{CAMPAIGN}"], ["clock", "all"]])
async def test_the_time_of_a_pause_gives_no_letter_up(ledger: Ledger, scopes):
    letters = await put(ledger, 1)
    (due,) = await claim(ledger)
    await dot(ledger, due, LATER)
    for number, scope in enumerate(scopes):
        await ledger.pause(scope, Who.PERSON, "why", NOW + DAY + number)
    for number, scope in enumerate(scopes):
        await ledger.resume(scope, "why", NOW + 8 * DAY + number)
    assert await ledger.expire(CAMPAIGN, NOW + 6 * DAY, "given up", NOW + 8 * DAY, 10) == 0
    (again,) = await claim(ledger, now=NOW + 9 * DAY)
    begun = NOW + 7 * DAY + len(scopes) - 1
    assert again.first_tried_at == begun  # a day old, as it was when the pause began
    assert_sound(ledger, dict.fromkeys(letters, State.QUEUED))


async def test_the_time_of_an_outage_gives_no_letter_up(ledger: Ledger):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await dot(ledger, due, LATER)
    breaker = Breaker()
    for failed in range(5):
        breaker = breaker.failed(NOW + DAY + failed * 3600, "down")
        await ledger.keep_breaker("relay", breaker, NOW + DAY + failed * 3600)
    await ledger.keep_breaker("relay", breaker.worked(), NOW + 8 * DAY)
    (again,) = await claim(ledger, now=NOW + 9 * DAY)
    assert again.first_tried_at == NOW + 7 * DAY - 2 * 3600  # from the failure that opened it


async def test_a_letter_is_as_old_as_on_its_release(ledger: Ledger):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await dot(ledger, due, LATER)
    await ledger.hold(LANE, "approval", NOW + DAY, 10)
    (held,) = await ledger.held_by_rule()
    await ledger.release(held, NOW + 9 * DAY, 10)
    assert await ledger.expire(CAMPAIGN, NOW + 4 * DAY, "given up", NOW + 9 * DAY, 10) == 0
    (again,) = await claim(ledger, now=NOW + 9 * DAY)
    assert again.first_tried_at is None
