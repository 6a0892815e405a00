"""The lock or the ledger is taken away beside a worker: it stops as for SIGTERM, says why, and no letter is doubled."""

import os
import shutil
from pathlib import Path

import pytest

from tests.installed import Place, Said, at_work, that_has_sent
from tests.servers.available import wait
from tests.servers.scripted import Drip, Rule
from tests.servers.spawned import SpawnedServer


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return that_has_sent(1, tmp_path / "here", "approval: none\npace: none\n")


def test_a_worker_whose_lock_is_removed_finishes_what_it_has_in_hand_and_says_why(here, tmp_path):
    slow = [Rule("dot", Drip("250 2.0.0 taken", seconds=0.1), nth=1)]
    with SpawnedServer(tmp_path / "server", slow) as server:
        here.relay(server.port)
        with at_work(here.root, tmp_path) as worker:
            here.drop(3, "more.csv", first=10)
            server.wait_for("dot")
            (here.root / "var/lock").unlink()
            ended = ended_by_itself(worker)
        assert ended.code == 75
        assert "the lock's file was removed" in ended.err
        assert (len(server.taken()), here.letters("accepted"), here.letters("queued")) == (1, 2, 2)
        assert here.mailer("run").code == 0
        assert (len(server.taken()), here.letters("accepted")) == (3, 4)
    assert here.mailer("verify").code == 0


def test_one_at_work_appends_to_the_journal_no_more_once_another_has_the_lock(here, tmp_path):
    slow = [Rule("dot", Drip("250 2.0.0 taken", seconds=0.1), nth=1)]
    with SpawnedServer(tmp_path / "server", slow) as server:
        here.relay(server.port)
        with at_work(here.root, tmp_path) as worker:
            here.drop(3, "more.csv", first=10)
            server.wait_for("dot")
            (here.root / "var/lock").unlink()
            assert "now in doubt" in here.mailer("run").err
            assert ended_by_itself(worker).code == 75
        assert len(server.taken()) == 3
    assert here.mailer("verify").code == 0


def test_a_worker_whose_ledger_is_moved_away_takes_nothing_in_and_goes_on_once_it_is_back(here, tmp_path):
    aside = tmp_path / "aside"
    aside.mkdir()
    with at_work(here.root, tmp_path) as worker:
        for file in (here.root / "var").glob("ledger.db*"):
            os.rename(file, aside / file.name)
        ended = ended_by_itself(worker)
    assert ended.code == 75
    assert "the ledger's file was moved away" in ended.err
    here.drop(2, "more.csv", first=10)
    for file in aside.iterdir():
        shutil.move(file, here.root / "var" / file.name)
    assert here.mailer("run").code == 0
    assert here.letters("accepted") == 3


def ended_by_itself(worker) -> Said:
    assert wait(lambda: worker.process.poll() is not None)
    out, err = worker.process.communicate()
    return Said(worker.process.returncode, out, err)
