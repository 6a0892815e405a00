"""What a file says of people is sealed: no name and no address of theirs stands in clear anywhere but where organisers look."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.installed import Place, Said, started
from tests.servers.rules import Early, Extra, Garbage, Reply, Rule, StoreThenHang
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
        is_theirs = parts[:2] in {("queue", "done"), ("queue", "rejected")} or parts[:3] == ("queue", "claimed", ".read")
        if path.is_file() and not is_theirs:
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


ROW = {
    "name": "Jérôme Świętokrzyski",
    "email": "jerome.swie@private.example",
    "country": "IE",
    "organisation": "Canary Breeders",
    "role": "Ornithologist",
    "city": "Ballyhaunis",
    "postal_address": "12 Kanarienweg",
    "message": "My brother Anatoly was beaten in cell nine. Nobody may visit him.",
}
CANARIES = ["świętokrzyski", "swietokrzyski", "jérôme", "jerome", "canary breeders", "ornithologist", "ballyhaunis"]
CANARIES += [
    "kanarienweg",
    "brother anatoly",
    "beaten in cell",
    "may visit him",
    "ssopcso0bwug",
    "=c5=9awi",
    "bxkgynjvdghlcib",
]
QUOTING = [
    'From: "=?utf-8?b?SsOpcsO0bWUgxZp3acSZdG9rcnp5c2tp?= via Sender" is listed',
    "From: J=C3=A9r=C3=B4me =C5=9Awi=C4=99tokrzyski is listed",
    "Subject: Letter of Jérôme Świętokrzyski (Swietokrzyski, Jerome)",
    'no mail from an ORNITHOLOGIST at "Canary  Breeders", Ballyhaunis, 12 Kanarienweg',
    "<jerome.swie@private.example> jerome.swie%private.example@gw 'jerome.swie' at private.example",
    "banned: <<my brother anatoly was beaten in cell nine>>",
    "banned: bXkgYnJvdGhlciBBbmF0b2x5IHdhcyBiZWF0ZW4gaW4gY2VsbCBuaW5l",
    "banned: nobody may visit him",
]


def quoting(code: str) -> str:
    """A reply of several lines, over which a name and a sentence are broken too."""
    broken = ["Jérôme", "Świętokrzyski said: My brother", "Anatoly was beaten"]
    return "".join(f"{code}-5.7.1 {line}\n" for line in [*QUOTING, *broken]).rstrip("\n") + f"\n{code} 5.7.1 may not write"


def garbage() -> Garbage:
    return Garbage(" ".join(QUOTING).encode() + b"\r\n")


def in_the_ledger(place: Place) -> list[str]:
    """What can be read in the files of ledger and journal, whatever way it is written."""
    files = [place.root / "var" / name for name in ("ledger.db", "ledger.db-wal", "journal.jsonl")]
    texts = [path.read_bytes().decode("utf-8", "replace") for path in files if path.exists()]
    return [re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text).lower() for text in texts]


def found_in(texts: Sequence[str]) -> list[str]:
    """Each canary that stands in a text, with what stands around it."""
    return [text[max(0, text.find(word) - 80) :][:200] for text in texts for word in CANARIES if word in text]


@pytest.mark.parametrize(
    "script",
    [
        [Rule("mail", Reply(quoting("550")))],
        [Rule("rcpt", Reply(quoting("550")))],
        [Rule("rcpt", Reply(quoting("421")))],
        [Rule("data", Reply(quoting("554")))],
        [Rule("body", Early(quoting("554")))],
        [Rule("dot", Reply(quoting("554")))],
        [Rule("dot", Reply(quoting("250").replace("5.7.1", "2.0.0")))],
        [Rule("mail", garbage())],
        [Rule("rcpt", garbage())],
        [Rule("dot", garbage())],
        [Rule("connect", Reply(quoting("554")))],
        [Rule("rset", Extra(quoting("250"), "250 ok")), Rule("dot", Reply("554 5.7.1 no"))],
    ],
    ids=lambda script: f"{script[0].verb} {type(script[0].action).__name__}",
)
def test_whatever_a_server_quotes_of_a_letter_stands_nowhere_in_clear(tmp_path, script):
    with SpawnedServer(tmp_path / "far-side", script) as server:
        place = Place(tmp_path / "instance", "pace: none\napproval: none\n")
        letter = "{{ target.form_of_address }},\n\n{{ signature.message }}\n\n{{ signature.name }}, {{ signature.city }}\n"
        place.write("templates/c/en/letter.txt.j2", letter)
        place.relay(server.port)
        rows = [ROW | {"email": f"{n}.{ROW['email']}"} for n in range(3)]
        place.put("rows.json", json.dumps(rows))
        told = [place.mailer("-v", "run")]
    words = [("status",), ("health",), ("log", "--json"), ("show", "1")]
    told += [place.mailer(*each) for each in words]
    texts = in_the_ledger(place) + [spoken(each) for each in told]
    assert found_in(texts) == []
    assert any("may not write" in text or "not smtp" in text or "5.7.1 no" in text for text in texts), "or nothing was quoted"


def test_what_was_said_before_the_dot_stands_nowhere_in_clear_while_its_answer_is_awaited(tmp_path):
    """With the dot mark stands what each recipient was told so far; a worker that dies then leaves it as it is."""
    script = [Rule("rcpt", Reply(quoting("550")), recipient="press@court.example"), Rule("dot", StoreThenHang())]
    with SpawnedServer(tmp_path / "far-side", script) as server:
        court = "{name: Court, form_of_address: Dear, to: head@court.example, cc: [press@court.example]}"
        place = Place(tmp_path / "instance", f"pace: none\napproval: none\ntargets: {{court: {court}}}\n")
        place.relay(server.port)
        place.put("rows.json", json.dumps([ROW]))
        with started(place.root, "run") as run:
            server.wait_for("dot")
            run.process.kill()
            run.process.wait()
    texts = in_the_ledger(place)
    assert any("may not write" in text for text in texts)
    assert found_in(texts) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("nohead.csv", f"{NAME},{LOCAL}@example.org,IE\n"),
        ("lists.json", json.dumps({NAME: [{}], LOCAL: [{}]})),
        (f"list.{NAME}", "name,email\n"),
        (f"{NAME.replace(' ', '_')}/list.csv", "name,email\n"),
    ],
)
def test_why_a_file_was_set_aside_is_told_to_organisers_in_full_and_elsewhere_without_its_words(tmp_path, name, content):
    place = Place(tmp_path / "here", "pace: none\n")
    place.put(name, content)
    for words in (["-v", "run"], ["status"], ["health"], ["log"]):
        said = place.mailer(*words)
        assert not [word for word in (NAME, NAME.replace(" ", "_"), LOCAL) if word.lower() in said.err.lower()], said.err
    assert in_clear(place) == []
    (reason,) = (place.root / "var/queue/rejected").rglob("*.reason.txt")
    assert "was set aside" in reason.read_text()


def test_a_worker_leaves_no_core_dump(tmp_path):
    place = Place(tmp_path / "here", "pace: none\n")
    place.drop(1)
    dumped = "import os, resource, sys\nfrom mailer import cli, worker\n" + (
        "resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "def find(*_): print(resource.getrlimit(resource.RLIMIT_CORE), os.stat('/proc/self/environ').st_uid, file=sys.stderr)\n"
        "worker.recovery.recover = find\ncli.main()\n"
    )
    assert "(0, 0)" in place.python(dumped, "run").err
