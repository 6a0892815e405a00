"""What a file says of people is sealed: no name and no address of theirs stands in clear anywhere but where organisers look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.installed import Place, Said
from tests.servers.rules import Reply, Rule
from tests.servers.spawned import SpawnedServer

NAME, LOCAL = "Canary Person", "canary.person"
ECHO = f"550 5.7.1 <{LOCAL}@example.org> {NAME.upper()} may not write"


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[SpawnedServer]:
    """A server that refuses each second letter, and says whose it was."""
    rules = [Rule("dot", Reply(ECHO), nth=n) for n in (2, 4)] + [Rule("rcpt", Reply(ECHO), nth=1)]
    with SpawnedServer(tmp_path / "far-side", rules) as server:
        yield server


def in_clear(place: Place) -> list[str]:
    """The files of an instance that hold a canary, but for those that are the organisers' own."""
    found = []
    for path in (place.root / "var").rglob("*"):
        parts = path.relative_to(place.root / "var").parts
        if path.is_file() and parts[:2] not in {("queue", "done"), ("queue", "rejected")}:
            text = path.read_bytes().lower()
            found += [str(path) for word in (NAME, LOCAL) if word.lower().encode() in text]
    return found


def spoken(said: Said) -> str:
    return (said.out + said.err).lower()


@pytest.mark.parametrize("words", [("run",), ("-v", "run")])
def test_no_file_and_no_log_names_a_signatory_not_even_as_a_server_s_echo(tmp_path, relay, words):
    place = Place(tmp_path / "instance", "pace: none\napproval: none\n")
    place.relay(relay.port)
    rows = [f"{NAME},{LOCAL}.{n}@example.org,IE" for n in range(6)]
    place.put(f"{LOCAL}.csv", "\n".join(["name,email,country", *rows, "", f"{NAME},not-an-address,IE", ""]))
    said = place.mailer(*words)
    assert place.letters("refused") == 3
    assert not in_clear(place)
    assert NAME.lower() not in spoken(said)
    told = [place.mailer("status"), place.mailer("health"), place.mailer("verify"), place.mailer("show", "1", "--json")]
    assert not [one for one in told if NAME.lower() in spoken(one)]
    assert "may not write" in spoken(place.mailer("log", "--json"))


def test_a_name_that_reads_like_a_reply_changes_no_judgement(tmp_path):
    """It is the server's own words that are judged; what is personal is taken out of them afterwards."""
    with SpawnedServer(tmp_path / "far-side", [Rule("rcpt", Reply("550 5.7.1 spam, said the policy"))]) as server:
        place = Place(tmp_path / "instance", "pace: none\napproval: none\n")
        place.relay(server.port)
        place.put("a.csv", "name,email,country\nspam said the policy,quota@example.org,IE\n")
        place.mailer("run")
    line = place.mailer("log", "--json").lines[0]
    assert (line["state"], line["reason"]) == ("refused", "the server refuses by policy")
