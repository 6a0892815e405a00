"""The commands from outside: what they print, where, and how they end; as an organiser, cron or a script would start them."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import apsw
import click
import pytest

from tests.installed import (
    COMMAND,
    REPOSITORY,
    TIMEOUT,
    Place,
    at_work,
    commands,
    environment,
    mailer,
    on_a_terminal,
    shown_lines,
    started,
)
from tests.servers.available import free_port, wait
from tests.servers.offers import Offers
from tests.servers.rules import Drip, Reply, Rule
from tests.servers.threaded import ThreadedServer
from tests.workbooks import workbook

# Commands that print much or in a way of their own.
LOOKING = ("status", "log", "log --json", "log --csv", "preview kazakhstan")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A demonstration that has run; tests only look at it."""
    folder = tmp_path_factory.mktemp("demonstration")
    assert mailer(folder, "demo").code == 0
    return folder / "demo"


@pytest.fixture
def relay(tmp_path):
    with ThreadedServer() as server:
        yield server


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path / "instance", "pace: none\n")


@pytest.fixture
def approved(place, relay):
    """An instance that is live: a relay, and an approval."""
    place.relay(relay.port)
    assert place.mailer("approve", "c").code == 0
    return place


def mailer_into(stdout: IO[str], folder: Path, words: str) -> subprocess.CompletedProcess[str]:
    """Run the command with another stdout than ours."""
    return subprocess.run(
        [COMMAND, *words.split()],
        cwd=folder,
        env=environment(),
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


# -- a new user


def test_init_makes_an_instance_that_passes_its_check_and_sends_to_the_sandbox(tmp_path):
    made = mailer(tmp_path, "init", "here")
    assert made.code == 0
    assert str(tmp_path / "here") in made.out
    assert "cd here && mailer check" in made.err
    assert mailer(tmp_path / "here", "check").code == 0
    assert mailer(tmp_path / "here", "status", "--json").json["relay"] == {"mode": "sandbox", "state": "well"}


def test_init_overwrites_nothing(tmp_path):
    assert mailer(tmp_path, "init").code == 0
    (tmp_path / "config/mailer.yaml").write_text("relay: {mode: file}\n")
    again = mailer(tmp_path, "init")
    assert again.code == 64
    assert "already an instance" in again.err
    assert (tmp_path / "config/mailer.yaml").read_text() == "relay: {mode: file}\n"


def test_the_demonstration_ends_with_a_table_the_log_and_a_letter_to_read(demo):
    again = mailer(demo.parent, "demo")
    assert again.code == 0
    assert "Letters by target and state" in again.out
    assert re.search(r"^ +supreme-court +0 +41 +0$", again.out, re.MULTILINE)
    log = re.search(r"^The log: +(\S+)$", again.out, re.MULTILINE)
    letter = re.search(r"^A letter: +(\S+) ", again.out, re.MULTILINE)
    assert log
    assert letter
    assert (demo.parent / log[1]).read_text().startswith('{"seq":1,')
    assert "\nX-Envelope-To: " in "\n" + (demo.parent / letter[1]).read_text()


def test_the_demonstration_files_as_many_letters_as_it_calls_accepted_and_sends_none_twice(demo):
    before = sorted(path.name for path in (demo / "var/sandbox/new").iterdir())
    again = mailer(demo.parent, "demo")
    assert "No letter was sent." in again.out
    assert sorted(path.name for path in (demo / "var/sandbox/new").iterdir()) == before
    status = mailer(demo, "status", "--json").json
    assert len(before) == status["campaigns"]["kazakhstan"]["letters"]["accepted"] == 94


def test_the_demonstration_speaks_to_its_sandbox_whatever_its_configuration_says(tmp_path, relay):
    assert mailer(tmp_path, "demo").code == 0
    main = tmp_path / "demo/config/mailer.yaml"
    said = main.read_text()
    main.write_text(said.replace("mode: sandbox", f"mode: smtp\n  host: 127.0.0.1\n  port: {relay.port}\n  tls: none"))
    assert main.read_text() != said
    campaign = tmp_path / "demo/config/campaigns/kazakhstan.yaml"
    campaign.write_text(campaign.read_text() + "\npace: none\n")  # else that of a real relay would hold
    (tmp_path / "demo/var/queue/incoming/one.csv").write_text("name,email,consent\nJane Doe,jane@example.org,yes\n")
    os.utime(tmp_path / "demo/var/queue/incoming/one.csv", (1, 1))
    assert "Letters: 2 accepted" in mailer(tmp_path, "demo").out
    assert relay.record().connections == 0


def test_a_demonstration_never_takes_the_letters_of_an_instance_that_somebody_works_with(place):
    file = place.drop()
    said = mailer(place.root.parent, "demo", place.root.name)
    assert said.code == 64
    assert "not a demonstration" in said.err
    assert file.exists()


# -- before letters leave


def test_check_says_every_problem_of_every_file_at_once_in_its_place(place):
    place.write("config/mailer.yaml", "relay: {mode: sandbx}\nspoool: x\n")
    place.campaign("sender: {name: Sender, address: no address}\ncopies: x\n")
    said = place.mailer("check")
    assert said.code == 78
    assert said.out == ""
    *problems, last = said.err.splitlines()
    assert [re.match(r"[\w/.]+:\d+: [\w.]+: ", problem) is not None for problem in problems] == [True] * 4
    assert {problem.partition(":")[0] for problem in problems} == {"config/mailer.yaml", "config/campaigns/c.yaml"}
    assert last == "mailer: 4 problems in the configuration; nothing was done"


def test_check_finds_a_template_that_only_fails_for_some_letters(place):
    place.write(
        "templates/c/en/letter.txt.j2", "{% if signature.voice == 'organisation' %}{{ signature.nmae }}{% endif %}Text\n"
    )
    said = place.mailer("check")
    assert said.code == 78
    assert re.search(r"^problem: c: court, en, organisation: .*nmae", said.out, re.MULTILINE)
    assert "person" not in said.out
    assert "mailer check" in said.err


def test_check_greets_the_relay_and_sends_nothing(place, relay):
    place.relay(relay.port)
    said = place.mailer("check", "--relay")
    assert said.code == 0
    assert f"relay 127.0.0.1:{relay.port} answers" in said.out
    assert "c: not approved as it stands; its letters wait for: mailer approve c" in said.out
    record = relay.record()
    assert (record.connections, record.seen["mail"]) == (1, 0)


def test_check_tells_a_relay_that_is_down_from_one_that_refuses_the_account(tmp_path, place):
    place.relay(free_port())
    down = place.mailer("check", "--relay")
    assert (down.code, "problem: relay 127.0.0.1:" in down.out) == (75, True)
    with ThreadedServer(offers=Offers(credentials=("right", "password"))) as server:
        place.relay(server.port, ", username: wrong")
        refused = place.mailer("check", "--relay", MAILER_RELAY_PASSWORD="secret")
    assert (refused.code, "auth: 535" in refused.out) == (69, True)
    assert "secret" not in refused.out + refused.err


def test_preview_shows_every_letter_and_leaves_nothing_behind(demo):
    said = mailer(demo, "preview", "kazakhstan")
    assert said.code == 0
    names = re.findall(r"^== (\S+)$", said.out, re.MULTILINE)
    reached = {"supreme-court": ["ru"], "foreign-ministry": ["ru"], "embassy": ["en", "ru"]}
    voices = ("person", "organisation")
    assert names == [f"{office}-{language}-{voice}" for office in reached for language in reached[office] for voice in voices]
    assert "Subject: " in said.out
    assert said.err.endswith("Nothing was queued and nothing was sent.\n") and "--out DIR" in said.err
    assert mailer(demo, "status", "--json").json["campaigns"]["kazakhstan"]["signatures"] == 41


def test_preview_of_a_file_says_how_it_is_understood_and_takes_nothing_in(place, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("Full name,E-mail address,Country,Shoe size\nJane Doe,jane@example.org,Ireland\nNo Address,,Ireland\n")
    said = place.mailer("preview", "c", path)
    assert said.code == 0
    assert said.out.startswith("list.csv is read as CSV, in utf-8.\n")
    assert re.search(r"^ +E-mail address +email$", said.out, re.MULTILINE)
    assert re.search(r"^ +Shoe size +-$", said.out, re.MULTILINE)
    assert "2 rows: 1 good, 1 bad" in said.out
    assert re.search(r"^ +3 +the e-mail address is missing$", said.out, re.MULTILINE)
    assert "Letter of Jane Doe" in said.out
    assert place.mailer("status", "--json").json["campaigns"]["c"]["signatures"] == 0
    assert path.exists()


def test_preview_says_which_sheet_and_which_order_of_dates_a_file_has(place, tmp_path):
    rows = [["Name", "Email", "Date"], ["Jane", "j@example.org", "03/04/2011"], ["Joe", "joe@example.org", "25/04/2011"]]
    (tmp_path / "list.xlsx").write_bytes(workbook({"Notes": [], "Responses": rows}))
    said = place.mailer("preview", "c", tmp_path / "list.xlsx")
    assert said.out.startswith("list.xlsx is read as XLSX, the sheet «Responses», its dates with the day first.\n")
    assert "2 rows: 2 good, 0 bad" in said.out


def test_preview_shows_the_columns_of_a_file_without_a_header(place, tmp_path):
    (tmp_path / "list.jsonl").write_text('{"name": "Jane", "email": "j@example.org"}\n{"shoe\\u001b[2J": "9"}\n')
    said = place.mailer("preview", "c", tmp_path / "list.jsonl")
    assert re.search(r"^ +email +email$", said.out, re.MULTILINE)
    assert re.search(r"^ +shoe_\[2J +-$", said.out, re.MULTILINE)


def test_preview_of_a_file_that_cannot_be_read_names_it(place, tmp_path):
    (tmp_path / "list.docx").write_bytes(b"PK")
    said = place.mailer("preview", "c", tmp_path / "list.docx")
    assert said.code == 65
    assert said.err.startswith(f"mailer: {tmp_path}/list.docx: files of this kind (.docx) are not read")


def test_the_first_approval_says_what_is_approved_and_the_next_what_has_changed(place):
    first = place.mailer("approve", "c")
    assert first.code == 0
    assert "    sender: Sender <letters@campaign.example>" in first.out
    assert "to: head@court.example" in first.out
    assert "    template en/letter.txt.j2\n" in first.out
    assert "Nothing has changed since it was approved." in place.mailer("approve", "c", "--diff").out
    place.write("templates/c/en/subject.txt.j2", "Another letter of {{ signature.name }}\n")
    changed = place.mailer("approve", "c", "--diff")
    assert "changed: template en/subject.txt.j2" in changed.out
    assert "    -Letter of {{ signature.name }}" in changed.out
    assert "    +Another letter of {{ signature.name }}" in changed.out
    assert "is approved" not in changed.out


def test_approve_refuses_what_the_check_refuses(place):
    place.write("templates/c/en/letter.txt.j2", "{{ signature.nmae }}\n")
    said = place.mailer("approve", "c")
    assert said.code == 69
    assert "not approved: the check fails" in said.err


# -- a pass


def test_a_pass_takes_in_what_is_there_sends_what_is_due_and_says_so(approved, relay):
    approved.drop(3)
    said = approved.mailer("run")
    assert said.code == 0
    assert said.out == "file 1: 3 rows, 3 taken, 0 known, 0 rejected\nLetters: 3 accepted\n"
    assert "mailer status" in said.err
    assert len(relay.taken()) == 3
    assert (approved.root / "var/queue/done/signatures.csv").exists()


def test_a_limit_stops_a_pass_and_the_next_one_goes_on(approved, relay):
    approved.drop(5)
    assert "Letters: 2 accepted" in approved.mailer("run", "--limit", "2").out
    assert len(relay.taken()) == 2
    assert "Letters: 3 accepted" in approved.mailer("run").out
    assert len({taken.message_id for taken in relay.taken()}) == 5


def test_intake_only_sends_nothing_and_send_only_takes_nothing_in(approved, relay):
    approved.drop(2, "first.csv")
    assert approved.mailer("run", "--intake-only").code == 0
    assert (approved.letters("queued"), relay.record().connections) == (2, 0)
    second = approved.drop(1, "second.csv", first=10)
    assert approved.mailer("run", "--send-only").code == 0
    assert (len(relay.taken()), second.exists()) == (2, True)


def test_rejected_rows_are_told_with_the_place_where_their_reasons_are(place):
    place.put("list.csv", "name,email\nJane Doe,jane@example.org\nNo Address,\n")
    said = place.mailer("run")
    assert said.code == 0
    assert ": 2 rows, 1 taken, 0 known, 1 rejected" in said.out
    assert "var/queue/done/*.rejected.csv" in said.err
    assert "the e-mail address is missing" in (place.root / "var/queue/done/list.rejected.csv").read_text()


def test_hints_are_commands_that_work_from_where_they_are_read(place, tmp_path):
    said = mailer(tmp_path, "--config", place.root / "config/mailer.yaml", "run")
    command = re.search(r"mailer (--config \S+) status$", said.err.strip())
    assert command
    assert mailer(tmp_path, *command[1].split(), "status").code == 0


def test_the_log_of_a_pass_names_no_signatory_however_much_it_tells(approved):
    approved.put("Jane's list.csv", "name,email\nJane Doe,jane.doe@example.org\nBad Row,bad.row\n")
    said = approved.mailer("--verbose", "run")
    assert "letter 1 to court: accepted" in said.err
    for personal in ("Jane", "jane", "Bad Row", "bad.row"):
        assert personal not in said.err


# -- exit codes, the first that applies


def test_without_a_configuration_it_ends_with_78_and_says_where_it_looked(tmp_path):
    said = mailer(tmp_path, "run")
    assert said.code == 78
    assert f"{tmp_path}/config/mailer.yaml" in said.err
    assert "mailer init" in said.err


def test_a_missing_or_different_key_ends_with_78_and_nothing_is_sent(approved, relay):
    approved.drop()
    assert approved.mailer("run", "--intake-only").code == 0
    key = approved.root / "var/keys/c.key"
    content = key.read_text()
    key.unlink()
    for command in ("run", "status", "check", "health"):
        said = approved.mailer(*command.split())
        assert (command, said.code, "key of campaign c is missing" in said.err) == (command, 78, True)
    assert not key.exists()
    key.write_text("ab" * 32)
    said = approved.mailer("run")
    assert (said.code, "not the key" in said.err) == (78, True)
    key.write_text(content)
    assert relay.record().connections == 0
    assert approved.mailer("run").code == 0
    assert len(relay.taken()) == 1


# For root no folder is read-only, so root runs the command as nobody; before that, it runs in another instance, so that all is
# imported: the interpreter may stand where only root may read.
_AS_NOBODY = """
import os, sys
from mailer.cli import mailer, main
elsewhere, *words = sys.argv[1:]
mailer.main(["--config", elsewhere, *words], standalone_mode=False)
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
sys.argv = ["mailer", *words]
main()
"""


@pytest.mark.parametrize("words", ["run", "check", "approve c", "pause --why test"])
def test_a_folder_that_cannot_be_written_ends_with_73_and_is_named(tmp_path, words):
    rehearsal = Place(tmp_path / "rehearsal").root / "config/mailer.yaml"
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to everybody else
        os.chmod(folder, 0o755)
        place = Place(Path(folder) / "instance")
        for path in (place.root, *place.root.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        done = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, rehearsal, *words.split()],
            cwd=place.root,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        for path in (place.root, *place.root.rglob("*")):
            path.chmod(0o755)
    assert done.returncode == 73, done.stderr
    assert re.search(r"^mailer: \S*/instance/var\b", done.stderr, re.MULTILINE)


@pytest.mark.parametrize("verb", ["init", "demo"])
def test_an_instance_that_cannot_be_made_ends_with_73(tmp_path, verb):
    said = mailer(tmp_path, verb, "/proc/instance")
    assert said.code == 73
    assert "/proc/instance" in said.err


def test_a_full_disk_behind_the_output_ends_with_73_and_is_no_bug(demo):
    for words in ("status", "log", "log --csv", "log --json"):
        with open("/dev/full", "w") as full:
            done = mailer_into(full, demo, words)
        assert (words, done.returncode) == (words, 73), done.stderr
        assert "the output cannot be written" in done.stderr


def test_without_approval_it_ends_with_69_at_every_pass(place, relay):
    place.relay(relay.port)
    place.drop(2)
    for _ in range(2):
        said = place.mailer("run")
        assert said.code == 69
        assert "No letter was sent." in said.out
        assert "Waiting for you: c is not approved as it stands, 2 letters held: mailer approve c" in said.err
    assert relay.record().connections == 0


def test_with_addresses_that_nobody_confirmed_it_ends_with_69_and_says_what_to_do(place, relay):
    place.campaign("consent: assumed\ntargets: {court: {name: Court, to: head@court.example, checked_on: }}\n")
    place.relay(relay.port)
    place.drop(2)
    said = place.mailer("run")
    assert (said.code, "mailer approve c" in said.err, "no address is confirmed" in said.err) == (69, True, True)
    assert place.mailer("approve", "c").code == 0
    said = place.mailer("run")
    assert (said.code, "mailer approve c" in said.err, "no address is confirmed" in said.err) == (69, False, True)
    assert relay.record().connections == 0


def test_while_paused_it_ends_with_69_and_goes_on_when_resumed(approved, relay):
    approved.drop(2)
    paused = approved.mailer("pause", "--why", "wrong text")
    assert (paused.code, paused.out) == (0, "All sending is paused.\n")
    assert "mailer resume --why TEXT" in paused.err
    assert approved.mailer("pause", "c", "--why", "one campaign").code == 0
    said = approved.mailer("run")
    assert said.code == 69
    assert "paused: all sending (wrong text): mailer resume --why TEXT" in said.err
    assert "paused: c (one campaign): mailer resume c --why TEXT" in said.err
    assert "paused: all sending (wrong text)" in approved.mailer("status").err
    first = approved.mailer("resume", "--why", "mended")
    assert "Still paused: c (one campaign)" in first.err
    assert approved.mailer("run").code == 69
    assert relay.record().connections == 0
    assert "Letters go out" in approved.mailer("resume", "c", "--why", "mended").err
    assert "It was not stopped" in approved.mailer("resume", "c", "--why", "again").out
    assert approved.mailer("run").code == 0
    assert len(relay.taken()) == 2


def test_an_account_that_is_refused_ends_with_69_until_somebody_acts(tmp_path, place):
    with ThreadedServer(offers=Offers(credentials=("right", "password"))) as server:
        place.relay(server.port, ", username: wrong")
        assert place.mailer("approve", "c", MAILER_RELAY_PASSWORD="secret").code == 0
        place.drop(2)
        first = place.mailer("run", MAILER_RELAY_PASSWORD="secret")
        assert (first.code, "the relay refuses our account" in first.err) == (69, True)
        connections = server.record().connections
        assert place.mailer("run", MAILER_RELAY_PASSWORD="secret").code == 69
        assert server.record().connections == connections
        place.relay(server.port, ", username: right")
        assert place.mailer("resume", "relay", "--why", "user name mended", MAILER_RELAY_PASSWORD="password").code == 0
        assert place.mailer("run", MAILER_RELAY_PASSWORD="password").code == 0
        assert len(server.taken()) == 2
    assert "secret" not in first.out + first.err


def test_a_relay_that_is_down_ends_with_75_also_while_it_is_left_alone(place):
    place.relay(free_port())
    assert place.mailer("approve", "c").code == 0
    place.drop(8)
    first = place.mailer("run")
    assert first.code == 75
    assert place.letters("queued") == 8
    second = place.mailer("run")
    assert (second.code, "No letter was sent." in second.out) == (75, True)
    assert "The relay cannot be used just now" in second.err
    assert "Relay: smtp, down." in place.mailer("status").out


def test_one_outage_met_by_many_connections_counts_once(place):
    place.relay(free_port())
    place.write(
        "config/mailer.yaml", (place.root / "config/mailer.yaml").read_text().replace("connections: 1", "connections: 10")
    )
    assert place.mailer("approve", "c").code == 0
    place.drop(30)
    assert place.mailer("run").code == 75
    assert "The relay has failed 3 times" in place.mailer("status").err


def test_a_file_that_is_set_aside_whole_ends_with_65_once(approved, relay):
    approved.put("list.docx", b"PK")
    approved.drop(1)
    said = approved.mailer("run")
    assert said.code == 65
    assert "set aside whole: files of this kind (…) are not read" in said.out
    assert "var/queue/rejected/" in said.err
    assert len(relay.taken()) == 1
    assert approved.mailer("run").code == 0


def test_a_ledger_that_is_damaged_or_lacks_a_table_ends_with_74(place):
    ledger = place.root / "var/ledger.db"
    assert place.mailer("run").code == 0
    with apsw.Connection(str(ledger)) as connection:
        connection.execute("DROP TABLE pause")
    connection.close()
    assert place.mailer("run").code == 74
    ledger.write_bytes(b"not a ledger " * 1000)
    for rest in place.root.glob("var/ledger.db-*"):
        rest.unlink()
    said = place.mailer("run")
    assert (said.code, "restore a backup" in said.err) == (74, True)


def test_what_becomes_of_single_letters_leaves_the_exit_code_at_0(approved, relay):
    relay.follow([Rule("rcpt", Reply("550 5.1.1 no such user"), nth=1), Rule("rcpt", Reply("451 4.3.0 later"), nth=2)])
    approved.drop(3)
    said = approved.mailer("run")
    assert (said.code, "Letters: 1 accepted, 1 deferred, 1 refused" in said.out) == (0, True)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "run --limit 0",
        "run --intake-only --send-only",
        "log --json --csv",
        "log --follow --csv",
        "log --state lost",
        "log --target nosuch",
        "log --campaign nosuch",
        "show 999999",
        "pause nosuch --why test",
        "resume nosuch --why test",
        "approve nosuch",
        "preview kazakhstan no-such-file.csv",
    ],
)
def test_what_cannot_be_meant_ends_with_64_and_says_what_can(demo, words):
    said = mailer(demo, *words.split())
    assert said.code == 64
    assert said.out == ""
    assert re.search("there is no|Usage:", said.err)


def test_a_misspelt_command_is_answered_with_a_proposal(tmp_path):
    assert "'status'" in mailer(tmp_path, "statsu").err


@pytest.mark.parametrize("words", ["status", "log", "log --json", "show 1"])
def test_looking_where_there_is_no_ledger_yet_says_what_makes_it(place, words):
    said = place.mailer(*words.split())
    assert (said.code, said.out) == (64, "")
    assert "there is no ledger yet; `mailer run` makes it" in said.err


# -- several at once, and stopping


def test_beside_a_live_worker_a_second_one_ends_with_0_and_says_so(place, tmp_path):
    with at_work(place.root, tmp_path) as worker:
        for verb in ("run", "work"):
            second = place.mailer(verb)
            assert (second.code, "Another mailer is at work here" in second.out) == (0, True)
        ended = worker.end(signal.SIGTERM)
    assert ended.code == 0
    assert "stopping" in ended.err


def test_a_worker_takes_in_what_is_dropped_and_tells_each_file_in_its_log(approved, relay, tmp_path):
    with at_work(approved.root, tmp_path) as worker:
        approved.drop(2)
        relay.wait_for("dot", 2)
        ended = worker.end()
    assert ended.code == 0
    assert "mailer: file 1 (c): 2 rows, 2 taken, 0 known, 0 rejected" in ended.err
    assert "signatures.csv" not in ended.err


def test_a_worker_that_is_asked_to_stop_finishes_the_letter_in_hand(tmp_path, place):
    slowly = Rule("dot", Drip("250 2.0.0 taken", 0.05))
    with ThreadedServer([slowly]) as server:
        place.relay(server.port)
        assert place.mailer("approve", "c").code == 0
        place.drop(3)
        with at_work(place.root, tmp_path) as worker:
            server.wait_for("dot")
            ended = worker.end(signal.SIGTERM)
        assert ended.code == 0
        assert len(server.taken()) == 1
    assert (place.letters("accepted"), place.letters("queued"), place.letters("in_doubt")) == (1, 2, 0)


def test_a_killed_worker_blocks_nobody(approved, relay, tmp_path):
    with at_work(approved.root, tmp_path) as worker:
        assert worker.end(signal.SIGKILL).code == -signal.SIGKILL
    approved.drop(1)
    assert approved.mailer("run").code == 0
    assert len(relay.taken()) == 1


def test_a_pause_is_heard_by_the_worker_that_runs(approved, relay, tmp_path):
    with at_work(approved.root, tmp_path):
        assert approved.mailer("pause", "--why", "wrong text").code == 0
        approved.drop(2)
        assert wait(lambda: approved.letters("queued") == 2, seconds=2)  # of rounds, each of which asks the command
        assert relay.record().connections == 0
        assert approved.mailer("resume", "--why", "mended").code == 0
        relay.wait_for("dot", 2)


def test_a_file_that_is_still_being_copied_keeps_no_pass_longer_than_run_for(tmp_path):
    place = Place(tmp_path, "approval: none\n")
    place.write("config/mailer.yaml", "run_for: 1\nwhole_after: 3600\n")
    file = place.drop()
    assert place.mailer("run").code == 0
    assert file.exists() and place.letters("queued") == 0
    place.write("config/mailer.yaml", "run_for: 1\nwhole_after: 0\n")
    assert place.mailer("run").code == 0
    assert not file.exists() and place.letters("accepted") == 1


def test_ctrl_c_ends_a_pass_cleanly_while_it_waits_for_the_pace(tmp_path, relay):
    place = Place(tmp_path / "instance", "approval: none\npace: {per_minute: 1}\n")
    place.relay(relay.port)
    place.write("config/mailer.yaml", (place.root / "config/mailer.yaml").read_text().replace("run_for: 1\n", ""))
    place.drop(2)
    with started(place.root, "--verbose", "run") as running:
        assert any("waiting" in line for line in iter(running.hint, ""))
        ended = running.end(signal.SIGINT)
    assert ended.code == 0
    assert "Letters: 1 accepted" in ended.out
    assert "stopping" in ended.err
    assert (place.letters("accepted"), place.letters("queued")) == (1, 1)


def test_ctrl_c_ends_following_the_log_without_a_traceback(demo):
    with started(demo, "log", "--follow") as following:
        assert "Ctrl-C" in following.hint()
        ended = following.end(signal.SIGINT)
    assert ended.code == 130
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("words", LOOKING)
def test_a_reader_that_has_had_enough_is_no_error(demo, words):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = mailer_into(closed, demo, words)
    assert done.returncode == 0
    assert "Error" not in done.stderr
    assert "Traceback" not in done.stderr


# -- what stands on stdout, what a terminal shows


def test_stdout_holds_the_result_alone_where_a_script_reads(demo):
    assert set(mailer(demo, "status", "--json").json) >= {"campaigns", "files", "relay"}
    assert len(mailer(demo, "log", "--json").lines) == 164
    rows = list(csv.reader(mailer(demo, "log", "--csv").out.splitlines()))
    assert (len(rows), {len(row) for row in rows}) == (165, {11})
    assert mailer(demo, "show", "1", "--json").json["letter"] == 1


def test_hints_stand_beside_the_result(demo):
    for words in ("status", "log", "show 1", "check", "preview kazakhstan"):
        said = mailer(demo, *words.split())
        assert said.err, words
        assert not any(line in said.out for line in said.err.splitlines())


def test_progress_is_shown_on_a_terminal_and_nowhere_else(tmp_path):
    place = Place(tmp_path, "pace: none\n")
    place.drop(3)
    assert "\x1b" not in (said := place.mailer("run")).out + said.err
    place.drop(3, "more.csv", first=10)
    shown = on_a_terminal(place.root, "run")
    assert shown.code == 0
    assert "rows read" in shown.err
    assert "\x1b" in shown.err
    assert shown.out == "more.csv: 3 rows, 3 taken, 0 known, 0 rejected\r\nLetters: 3 accepted\r\n"
    assert shown_lines(shown.err)[-1] == "Where everything stands: mailer status"


@pytest.mark.parametrize("words", ["status", "log --limit 9", "log --state held --limit 3", "show 1", "show 4"])
def test_what_organisers_look_at_fits_a_terminal_of_eighty_columns(demo, words):
    shown = on_a_terminal(demo, *words.split())
    assert shown.code == 0
    assert len(shown_lines(shown.out)) > 3
    assert [line for line in shown_lines(shown.out) if len(line.rstrip()) > 80] == []


def test_the_help_names_every_command_in_a_whole_sentence(tmp_path):
    said = mailer(tmp_path, "--help")
    assert said.code == 0
    assert re.findall(r"^  (\w+) {2,}\S.*[^.]\.$", said.out.partition("Commands:")[2], re.MULTILINE) == list(commands())


@pytest.mark.parametrize("verb", commands())
def test_each_command_explains_itself_within_eighty_columns(verb):
    command = commands()[verb]
    told = command.get_help(click.Context(command, info_name=verb, terminal_width=80))
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    assert [line for line in told.splitlines() if len(line) > 80] == []


def test_the_module_is_the_same_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mailer", "--version"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"python -m {mailer(tmp_path, '--version').out}"
