"""
A backup put back over what has gone on since: nothing goes out before a person says so, and then nothing that went out before.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers.scripted import Drip, Rule
from tests.servers.threaded import ThreadedServer
from tests.torture import restores
from tests.torture.grounds import ground
from tests.torture.restores import Way
from tests.torture.runs import Trip, Zygote
from tests.torture.stories import Story

# Tests/test_restoring.py asks the same of the command in every run.
pytestmark = pytest.mark.skipif(not os.environ.get("MAILER_TORTURE"), reason="a part of make torture")

WAYS: list[tuple[bool, Way]] = [(False, "over"), (False, "fresh"), (True, "over"), (True, "fresh"), (True, "anew")]
every_way = pytest.mark.parametrize(
    ("is_whole", "way"), WAYS, ids=[f"{'folder' if is_whole else 'backup'} put back {way}" for is_whole, way in WAYS]
)


@every_way
def test_a_backup_put_back_behind_a_clean_run(story: Story, is_whole: bool, way: Way) -> None:
    assert story.run("run", "--limit", "2").code == 0
    copy = story.back_up(is_whole=is_whole)
    assert story.run().code == 0
    restores.put_back(story.here, copy, way)
    story.goes_on_with_care()


@every_way
def test_a_backup_of_before_the_first_letter(story: Story, is_whole: bool, way: Way) -> None:
    """Not one line of the journal is about a letter then."""
    assert story.run("run", "--intake-only").code == 0
    copy = story.back_up(is_whole=is_whole)
    assert story.run("run", "--limit", "1").code == 0
    restores.put_back(story.here, copy, way)
    story.goes_on_with_care()


@pytest.mark.parametrize("nth", [1, 2])
@every_way
def test_a_backup_put_back_behind_a_run_that_died_between_mark_and_settlement(
    story: Story, is_whole: bool, way: Way, nth: int
) -> None:
    """The first dot of a run is out before any line of the journal tells of it."""
    assert story.run("run", "--intake-only").code == 0
    copy = story.back_up(is_whole=is_whole)
    assert story.run(point=Trip("relay.wire.SmtpConnection.dot is done", nth)).was_killed
    restores.put_back(story.here, copy, way)
    story.goes_on_with_care()


@pytest.mark.parametrize("way", ["over", "fresh"])
def test_a_backup_that_was_taken_while_a_worker_was_at_work(zygote: Zygote, tmp_path: Path, way: Way) -> None:
    with ThreadedServer([Rule("dot", Drip("250 2.0.0 taken", 0.01))]) as server:
        story = Story(zygote, ground(tmp_path / "instance", server.port), server)
        run = zygote.start(story.here)
        server.wait_for("dot", 2)
        copy = story.back_up(is_whole=False)
        assert run.is_alive
        story.ended.append(zygote.wait(run))
        restores.put_back(story.here, copy, way)
        story.goes_on_with_care()


@pytest.mark.parametrize("way", ["over", "fresh"])
@pytest.mark.parametrize("was_killed", [False, True])
def test_a_journal_s_file_that_is_gone_and_an_older_ledger(story: Story, way: Way, was_killed: bool) -> None:
    assert story.run("run", "--limit", "2").code == 0
    copy = story.back_up(is_whole=False)
    (copy.folder / story.here.loaded.journal.name).unlink()
    story.run(point=Trip("commit of settle is done", 2) if was_killed else None)
    restores.put_back(story.here, copy, way)
    story.here.loaded.journal.unlink()
    story.goes_on_with_care()


@every_way
def test_what_a_rule_held_when_the_backup_was_taken_is_not_let_go_by_that_rule(story: Story, is_whole: bool, way: Way) -> None:
    """It was approved, and sent, since."""
    campaign = story.here.root / "config/campaigns/c.yaml"
    campaign.write_text(campaign.read_text(encoding="utf-8").replace("approval: none", "approval: required"), encoding="utf-8")
    assert story.run().code == 69
    copy = story.back_up(is_whole=is_whole)
    assert story.run("approve", "c").code == 0
    assert story.run("run", "--limit", "4").code == 0
    restores.put_back(story.here, copy, way)
    assert story.run().code == 69
    assert story.run("approve", "c").code == 0
    story.goes_on_with_care()


def test_a_backup_as_new_as_the_ledger_goes_on(story: Story) -> None:
    assert story.run("run", "--limit", "2").code == 0
    copy = story.back_up(is_whole=True)
    restores.put_back(story.here, copy, "over")
    assert story.run().code == 0
    story.finish()
