"""A worker that is not restarted sees its configuration and templates change; what is not approved as it now stands is held."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installed import Place, at_work
from tests.servers.available import wait
from tests.servers.spawned import SpawnedServer

CAMPAIGN = "config/campaigns/c.yaml"


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[SpawnedServer]:
    with SpawnedServer(tmp_path / "far-side") as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, relay: SpawnedServer) -> Place:
    """An instance that is approved and has sent one letter."""
    place = Place(tmp_path / "instance", "pace: none\n")
    place.relay(relay.port)
    assert place.mailer("approve", "c").code == 0
    place.drop(1)
    assert place.mailer("run").code == 0
    assert len(relay.taken()) == 1
    return place


def edit(place: Place, name: str, old: str, new: str) -> None:
    path = place.root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_worker_sees_a_changed_template_and_holds_what_is_not_approved(place, relay, tmp_path):
    with at_work(place.root, tmp_path) as worker:
        edit(place, "templates/c/en/letter.txt.j2", "Drop the charges", "Press the charges")
        place.drop(1, "more.csv", first=2)
        assert wait(lambda: place.letters("held") == 1)
        assert place.mailer("approve", "c").code == 0
        relay.wait_for("dot", 2)
        said = worker.end()
    assert said.code == 0
    assert "Press the charges" in str(relay.taken()[-1].message)


def test_a_worker_waits_while_its_configuration_has_problems(place, relay, tmp_path):
    with at_work(place.root, tmp_path) as worker:
        edit(place, CAMPAIGN, "pace: none", "paec: none")
        place.drop(1, "more.csv", first=2)
        line = worker.process.stderr.readline() if worker.process.stderr else ""
        while "did you mean" not in line:
            assert worker.process.stderr is not None
            line = worker.process.stderr.readline()
        assert len(relay.taken()) == 1
        edit(place, CAMPAIGN, "paec: none", "pace: none")
        relay.wait_for("dot", 2)
        worker.end()


def test_a_worker_that_waits_for_its_configuration_to_be_mended_stops_when_it_is_asked(place, tmp_path):
    with at_work(place.root, tmp_path) as worker:
        edit(place, CAMPAIGN, "pace: none", "paec: none")
        while "did you mean" not in worker.hint():
            pass
        said = worker.end()
    assert said.code == 0


def test_a_stop_that_comes_between_two_workers_stops_both(place, relay, tmp_path):
    """Whoever deploys writes the configuration and asks for the stop at once: the first worker is over, the next one is not."""
    with at_work(place.root, tmp_path) as worker:
        edit(place, CAMPAIGN, "pace: none", "pace: none # deployed")
        while not worker.told().startswith("RELOADING="):
            pass
        place.drop(1, "more.csv", first=2)
        said = worker.end()
        assert said.code == 0
        assert "stopping" in said.err
        while worker.told() != "STOPPING=1":
            pass
    assert len(relay.taken()) == 1


def test_a_worker_reads_a_corrected_password_and_names_it_nowhere(tmp_path):
    with SpawnedServer(tmp_path / "far-side", options=["--user", "u:n3w-pass"]) as relay:
        place = Place(tmp_path / "instance", "pace: none\napproval: none\n")
        secret = place.write("secret", "0ld-pass\n")
        secret.chmod(0o600)
        place.relay(relay.port, ", username: u, password_file: secret")
        place.drop(1)
        with at_work(place.root, tmp_path) as worker:
            said = worker.hint()
            while "the relay refuses our account" not in said:
                said += worker.hint()
            secret.write_text("n3w-pass\n", encoding="utf-8")
            while "read again" not in said:
                said += worker.hint()
            assert place.mailer("resume", "relay", "--why", "password corrected").code == 0
            relay.wait_for("dot", 1)
            said += worker.end().err
    journal = (place.root / "var/journal.jsonl").read_text(encoding="utf-8")
    (resumed,) = [json.loads(line) for line in journal.splitlines() if '"resumed"' in line]
    assert (resumed["scope"], resumed["who"], resumed["why"]) == ("relay", "person", "password corrected")
    assert "-pass" not in said + journal
