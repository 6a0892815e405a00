"""A backup is whole or not there, keeps its secrets, and is noticed however and whenever it is put back."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import apsw
import pytest

from mailer import backup
from mailer.backup import Sources
from tests.backup_at_work import NEW, rehearse
from tests.installed import Place, Said, mailer, on_a_terminal, that_has_sent
from tests.keys import key_file
from tests.offices import NOON
from tests.releases import STATES, lying
from tests.restored import ELSEWHERE, OVER, bash, message_ids, typed
from tests.steps import killed_at_each_step


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return that_has_sent(3, tmp_path / "here")


def made(place: Place, *words: str) -> Path:
    """A backup, in a folder beside the instance."""
    kept = place.root.parent / "kept"
    before = set(kept.iterdir()) if kept.is_dir() else set()
    said = place.mailer("backup", *words, kept)
    assert said.code == 0, said
    (new,) = set(kept.iterdir()) - before
    return new


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def rows(ledger: Path, sql: str) -> list[tuple[object, ...]]:
    db = apsw.Connection(f"file:{ledger}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    found = db.execute(sql).fetchall()
    db.close()
    return found


WITHOUT_KEYS = {
    "ledger.db", "journal.jsonl", "SHA256SUMS", "README.txt", "configuration/mailer.yaml", "configuration/embassies.yaml",
    "configuration/campaigns/c.yaml", "templates/c/en/subject.txt.j2", "templates/c/en/letter.txt.j2",
}  # fmt: skip


def test_it_holds_what_it_says_and_nothing_else_for_its_owner_alone(place):
    place.drop(1, "Jane Doe.csv", first=9)  # a file that waits is the organisers' own
    without, with_keys = made(place), made(place, "--keys")
    assert names(without) == WITHOUT_KEYS
    assert names(with_keys) == WITHOUT_KEYS | {"keys/c.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in without.parent.rglob("*") if path.is_file()} == {0o600}
    folders = [without.parent, *(path for path in without.parent.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}
    assert (without / "journal.jsonl").read_bytes() == (place.root / "var/journal.jsonl").read_bytes()
    for line in subprocess.run(["grep", "-rl", "Person", without], capture_output=True, text=True, check=False).stdout.split():
        raise AssertionError(f"{line} names somebody")


def test_keys_that_sign_letters_are_kept_as_the_other_keys_are(tmp_path):
    secret = key_file(tmp_path, "ed25519")
    sender = "sender: {name: S, address: s@campaign.example}\n"
    place = that_has_sent(1, tmp_path / "here", f"pace: none\n{sender}dkim: {{selector: A.2011, key_file: {secret}}}\n")
    without, with_keys = made(place), made(place, "--keys")
    assert names(without) == WITHOUT_KEYS
    assert names(with_keys) == WITHOUT_KEYS | {"keys/c.key", "signing/c/a.2011.pem"}
    assert (with_keys / "signing/c/a.2011.pem").read_bytes() == secret.read_bytes()
    assert stat.S_IMODE((with_keys / "signing/c/a.2011.pem").stat().st_mode) == 0o600
    assert (
        f"signing/        c/a.2011.pem: a key that signs letters (DKIM), from {secret}\n"
        in (with_keys / "README.txt").read_text()
    )
    assert f"signing/        not in it: a key that signs letters (DKIM), from {secret};" in (without / "README.txt").read_text()
    assert f"Nor is the key that signs letters, {secret}" in place.mailer("backup", "../kept").err
    assert mailer(tmp_path, "verify", with_keys).code == 0


def test_it_says_what_to_do_next_and_names_nobody(place):
    said = place.mailer("backup", "../kept")
    assert said.code == 0
    (folder,) = (place.root.parent / "kept").iterdir()
    assert said.out.startswith(f"The backup is in {folder} (9 files, ")
    assert "The keys are not in it" in said.err
    assert "keep those of var/keys in another place" in said.err
    assert f"mailer verify {folder}" in said.err
    assert "Person" not in said.out + said.err
    assert "Its keys open everything in it" in place.mailer("backup", "--keys", "../kept").err


def test_a_person_at_a_terminal_sees_it_go_on(place):
    shown = on_a_terminal(place.root, "backup", "../kept")
    assert shown.code == 0
    assert "the ledger is copied" in shown.err
    assert "the ledger is copied" not in place.mailer("backup", "../kept").err


@pytest.mark.parametrize("into", ["var", "var/backup", "var/queue/incoming", "config", "config/x", "templates/c"])
def test_it_is_not_written_into_the_instance_s_own_folders(place, into):
    before = names(place.root)
    said = place.mailer("backup", into)
    assert said.code == 64
    assert "would be lost with it" in said.err
    assert names(place.root) == before | {"var/lock"}


def test_a_link_into_var_is_seen_through(place):
    (place.root.parent / "link").symlink_to(place.root / "var")
    assert place.mailer("backup", "../link").code == 64
    assert place.mailer("backup", "../link/deeper").code == 64


def test_an_older_one_is_never_touched_not_even_in_the_same_second(place):
    sources = Sources(
        place.root / "config/mailer.yaml", place.root / "var/ledger.db", place.root / "var/journal.jsonl",
        place.root / "templates", place.root / "var/keys", place.root / "var/queue",
    )  # fmt: skip
    first = backup.write(place.root.parent / "kept", sources, NOON)
    before = {name: (first.folder / name).read_bytes() for name in names(first.folder)}
    second = backup.write(place.root.parent / "kept", sources, NOON)
    assert (first.folder.name, second.folder.name) == ("mailer-20110920T120000Z", "mailer-20110920T120000Z.2")
    assert {name: (first.folder / name).read_bytes() for name in names(first.folder)} == before
    assert not list(backup.faults(second.folder))


def test_before_the_first_run_there_is_nothing_to_keep(tmp_path):
    said = Place(tmp_path / "here").mailer("backup", "../kept")
    assert said.code == 64
    assert "`mailer run` makes it" in said.err
    assert not (tmp_path / "kept").exists()


def test_where_it_cannot_be_written_it_says_so_and_leaves_nothing(place):
    said = place.mailer("backup", "../not-mounted/kept")
    assert said.code == 73
    assert "not-mounted/kept: no backup can be written there (No such file or directory" in said.err
    limited = (
        "import resource, signal\n"
        "from mailer import cli\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))\n"
        "cli.main()\n"
    )
    for room in (40_960, os.stat(place.root / "var/ledger.db").st_size - 4096):
        said = place.python(limited.format(room), "backup", "../kept")
        assert said.code == 73, said
        assert "kept" in said.err
        assert not list((place.root.parent / "kept").iterdir())


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "ledger.db").write_bytes(b"x"), "ledger.db: it was changed since"),
        (lambda folder: (folder / "configuration/mailer.yaml").unlink(), "configuration/mailer.yaml: it is missing"),
        (lambda folder: (folder / "more").touch(), "more: it was not in the backup"),
        (lambda folder: (folder / "SHA256SUMS").unlink(), "cannot be read as a backup"),
        (lambda folder: (folder / "SHA256SUMS").write_text("?"), "cannot be read as a backup"),
    ],
)
def test_what_is_not_whole_any_more_is_told(place, spoil, says):
    folder = made(place)
    assert mailer(place.root.parent, "verify", folder).out == "The backup is whole.\n"
    whole = ["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"]
    assert subprocess.run(whole, cwd=folder, check=False).returncode == 0
    spoil(folder)
    said = mailer(place.root.parent, "verify", folder)
    assert said.code == 1
    assert says in said.out


def test_verify_reads_the_ledger_too_and_writes_nothing_beside_it(place):
    """Sums only say that it is as it was written; and a journal that was changed before is in them as it is."""
    with apsw.Connection(str(place.root / "var/ledger.db")) as db:
        db.execute("UPDATE journal SET line = line || ' ' WHERE seq = 2")
    db.close()
    folder = made(place)
    before = names(folder)
    said = place.mailer("verify", folder)
    assert said.code == 1
    assert "the journal's table, line" in said.out
    assert names(folder) == before


def test_a_backup_killed_at_any_step_is_whole_or_nothing_that_looks_like_one(place):
    kept = place.root.parent / "kept"
    sources = Sources(
        place.root / "config/mailer.yaml", place.root / "var/ledger.db", place.root / "var/journal.jsonl",
        place.root / "templates", place.root / "var/keys", place.root / "var/queue", with_keys=True,
    )  # fmt: skip
    seen = {"left": 0, "whole": 0}

    def look(step: int) -> None:
        for folder in kept.iterdir() if kept.is_dir() else ():
            if folder.name.startswith("."):
                seen["left"] += 1
                assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            else:
                assert not list(backup.faults(folder)), step
                assert names(folder) == WITHOUT_KEYS | {"keys/c.key"}, step
                modes = {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("*")}
                assert modes == {(True, 0o700), (False, 0o600)}, step  # whatever the umask
                seen["whole"] += 1
                shutil.rmtree(folder)

    assert killed_at_each_step(lambda: backup.write(kept, sources, NOON), look) > 60
    assert seen["left"] > 50
    assert seen["whole"] >= 2
    assert not list(kept.iterdir())  # what the killed ones had left was swept away by those behind them


def put_over(folder: Path, var: Path) -> None:
    """As `cp` does, into the very files: where nothing has gone out since, all around the ledger is as it was."""
    for name in ("ledger.db", "journal.jsonl"):
        (var / name).write_bytes((folder / name).read_bytes())


def test_one_with_nothing_sent_since_is_noticed_too(place):
    place.drop(2, "second.csv", first=10)
    assert place.mailer("run", "--intake-only").code == 0
    folder = made(place)
    put_over(folder, place.root / "var")
    sent = message_ids(place.root)
    for _ in range(2):
        refused = place.mailer("run")
        assert refused.code == 69
        assert "this is the backup of 20" in refused.err
        assert "mailer resume ledger --why TEXT" in refused.err
    assert sorted(message_ids(place.root)) == sorted(sent)
    assert place.mailer("resume", "ledger", "--why", "a rehearsal").code == 0
    assert place.letters("held") == 2
    assert place.mailer("release", "--reason", "restored ledger", "--why", "nothing had gone out").code == 0
    assert place.mailer("run").code == 0
    assert len(set(message_ids(place.root))) == len(message_ids(place.root)) == 5


KILLED_BEFORE_THE_MARK_IS_SETTLED = """
import os, signal, subprocess, sys
from mailer import cli
from mailer.courier import Courier
from mailer.relay.wire import SmtpConnection
marks, dots = Courier._mark_and_dot, SmtpConnection.dot
async def backed_up(self, *words, **more):
    subprocess.run(["mailer", "backup", "--keys", "../kept"], check=True, capture_output=True)
    return await marks(self, *words, **more)
async def dot(self, *words, **more):
    await dots(self, *words, **more)
    os.kill(os.getpid(), signal.SIGKILL)
Courier._mark_and_dot, SmtpConnection.dot = backed_up, dot
cli.main()
"""


def test_one_made_between_a_burst_s_begin_and_a_dot_whose_run_is_killed_is_noticed(place):
    """Nothing that stands around the ledger tells of that dot: no line of the journal, no mark of the high water."""
    place.write("config/mailer.yaml", "relay: {connections: 1}\n")
    place.drop(1, "second.csv", first=10)
    assert place.mailer("run", "--intake-only").code == 0
    assert place.python(KILLED_BEFORE_THE_MARK_IS_SETTLED, "run").code == -9
    (folder,) = (place.root.parent / "kept").iterdir()
    sent = message_ids(place.root)
    assert len(sent) == 4
    for tail in ("-wal", "-shm"):
        (place.root / f"var/ledger.db{tail}").unlink(missing_ok=True)
    put_over(folder, place.root / "var")
    assert place.mailer("run").code == 69
    assert place.mailer("resume", "ledger", "--why", "a rehearsal").code == 0
    assert place.mailer("run").code == 0
    assert sorted(message_ids(place.root)) == sorted(sent)


def refused_then_resumed(said: dict[str, Said]) -> None:
    assert said["run"].code == 69
    assert "this is the backup of 20" in said["run"].err
    assert said["resume"].code == 0
    assert said["log"].code == 0


def test_the_page_s_commands_put_it_back_where_the_ledger_was_damaged(place):
    folder = made(place)
    place.drop(2, "second.csv", first=10)
    assert place.mailer("run").code == 0
    (place.root / "var/ledger.db").write_bytes(b"These are not the letters that you are looking for.\n" * 100)
    assert place.mailer("run").code == 74
    said = typed(OVER, place.root, folder)
    refused_then_resumed(said)
    assert "could not be stopped, for it cannot be used as it is: never put it back" in said["resume"].err
    # Whom the lost ledger had taken in is learned from done/, and held: their letters are out.
    assert place.letters("held") == 2
    assert place.mailer("run").code == 0
    sent = message_ids(place.root)
    assert len(sent) == len(set(sent)) == 5
    assert place.mailer("verify").code == 0


@pytest.mark.parametrize("words", ["run", "status", "health", "verify", "upgrade", "resume ledger --why x", "backup ../more"])
def test_one_put_over_a_ledger_whose_log_stayed_is_called_damaged_and_is_whole_once_the_log_is_moved_away(place, words):
    folder, var = made(place), place.root / "var"
    reader = apsw.Connection(str(var / "ledger.db"))
    reader.execute("SELECT count(*) FROM letter").fetchall()  # as long as it is open the log stays, as behind a kill
    place.drop(20, "second.csv", first=10)
    assert place.mailer("run").code == 0
    log = (var / "ledger.db-wal").read_bytes()
    reader.close()
    shutil.copyfile(folder / "ledger.db", var / "ledger.db")
    (var / "ledger.db-wal").write_bytes(log)
    said = place.mailer(*words.split())
    assert (said.code, said.out) == (74, ""), said
    assert (
        "the ledger is damaged: it is a copy that was put over another one, whose log ledger.db-wal lies beside it" in said.err
    )
    assert (var / "ledger.db").read_bytes() == (folder / "ledger.db").read_bytes()
    assert (var / "ledger.db-wal").read_bytes() == log
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (var / name).rename(place.root.parent / name) if (var / name).exists() else None
    assert "this is the backup of 20" in place.mailer("run").err


def test_the_old_ledger_that_was_moved_away_is_stopped(place):
    folder = made(place)
    assert "was stopped: put it back only with" in typed(OVER, place.root, folder)["resume"].err


def apart(root: Path) -> tuple[Path, Path]:
    """The main file and the ledger's folder of an instance as `init --system` lays it: what is around them is another's."""
    place = Place(root / "made", "pace: none\napproval: none\n")
    etc, lib = root / "etc/mailer", root / "lib/mailer"
    shutil.copytree(place.root / "config", etc)
    shutil.copytree(place.root / "templates", etc / "templates")
    lib.mkdir(parents=True)
    paths = f"spool: {lib}/queue\nledger: {lib}/ledger.db\njournal: {lib}/journal.jsonl\nwhole_after: 0\n"
    (etc / "mailer.yaml").write_text(paths)
    lib.parent.chmod(0o555)
    return etc / "mailer.yaml", lib


def together(root: Path) -> tuple[Path, Path]:
    """The main file and the ledger's folder of an instance in a folder of its own."""
    place = Place(root / "here", "pace: none\napproval: none\n")
    (place.root / "var/queue/incoming").mkdir(parents=True)
    return place.root / "config/mailer.yaml", place.root / "var"


def signed(var: Path, number: int) -> None:
    (var / "queue/incoming").mkdir(parents=True, exist_ok=True)
    (var / f"queue/incoming/{number}.csv").write_text(f"name,email,country\nP,person.{number}@example.org,IE\n")


def sent(var: Path) -> int:
    return len(list((var / "sandbox/new").iterdir()))


def to_be_typed(folder: Path) -> str:
    lines = (folder / "README.txt").read_text().splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines if line.startswith("    "))


@pytest.mark.parametrize("laid", [together, apart])
def test_the_lines_of_its_own_readme_put_it_back_in_each_layout(tmp_path, laid):
    main, var = laid(tmp_path)
    signed(var, 1)
    assert mailer(tmp_path, "--config", main, "run").code == 0
    assert mailer(tmp_path, "--config", main, "backup", "kept").code == 0
    (folder,) = (tmp_path / "kept").iterdir()
    signed(var, 2)
    assert mailer(tmp_path, "--config", main, "run").code == 0
    newer = {name: (var / name).read_bytes() for name in ("ledger.db", "journal.jsonl")}
    done = bash(to_be_typed(folder), folder)
    assert done.returncode == 69 and "this is the backup of 20" in done.stderr, done
    (before,) = var.glob("before-*")
    assert stat.S_IMODE(before.stat().st_mode) == 0o700
    assert {name: (before / name).read_bytes() for name in newer} == newer
    said = mailer(tmp_path, "--config", main, "resume", "ledger", "--why", "a rehearsal")
    assert said.code == 0 and f"The ledger in {before} was stopped" in said.err, said
    assert mailer(tmp_path, "--config", main, "run").code == 0
    assert sent(var) == 2
    assert mailer(tmp_path, "--config", main, "verify").code == 0


def test_its_lines_put_it_back_too_where_nothing_is_left_to_be_moved_aside(tmp_path):
    main, var = apart(tmp_path)
    signed(var, 1)
    assert mailer(tmp_path, "--config", main, "run").code == 0
    assert mailer(tmp_path, "--config", main, "backup", "kept").code == 0
    (folder,) = (tmp_path / "kept").iterdir()
    for path in var.glob("*.*"):
        path.unlink()
    assert bash(to_be_typed(folder), folder).returncode == 69
    assert (var / "journal.jsonl").read_bytes() == (folder / "journal.jsonl").read_bytes()


@pytest.mark.parametrize("laid", [together, apart])
@pytest.mark.parametrize("broken", ["date", "mkdir", "mv", "ledger", "journal"])
def test_where_one_of_its_lines_fails_the_newer_files_are_whole(tmp_path, laid, broken):
    main, var = laid(tmp_path)
    signed(var, 1)
    assert mailer(tmp_path, "--config", main, "run").code == 0
    assert mailer(tmp_path, "--config", main, "backup", "kept").code == 0
    (folder,) = (tmp_path / "kept").iterdir()
    signed(var, 2)
    assert mailer(tmp_path, "--config", main, "run").code == 0
    newer = {(var / name).read_bytes() for name in ("ledger.db", "journal.jsonl")}
    if broken in {"date", "mkdir", "mv"}:
        tools = tmp_path / "tools"
        tools.mkdir()
        (tools / broken).write_text("#!/bin/sh\nexit 1\n")
        (tools / broken).chmod(0o755)
        script = f"PATH={tools}:$PATH\n{to_be_typed(folder)}"
    else:
        (folder / {"ledger": "ledger.db", "journal": "journal.jsonl"}[broken]).unlink()
        script = to_be_typed(folder)
    done = bash(script, folder)
    assert done.returncode == 1 and "mailer:" not in done.stderr, done
    assert newer <= {path.read_bytes() for path in (*var.glob("*"), *var.glob("before-*/*")) if path.is_file()}
    assert sent(var) == 2


def test_an_instance_whose_parts_lie_apart_is_kept_whole(tmp_path):
    """As under /etc/mailer and /var/lib/mailer."""
    place = that_has_sent(2, tmp_path / "made")
    etc, lib = tmp_path / "etc/mailer", tmp_path / "lib/mailer"
    shutil.copytree(place.root / "config", etc)
    shutil.copytree(place.root / "templates", etc / "templates")
    lib.mkdir(parents=True)
    paths = f"spool: {lib}/queue\nledger: {lib}/ledger.db\njournal: {lib}/journal.jsonl\n"
    (etc / "mailer.yaml").write_text(paths)
    (etc / "relay.password").write_text("secret")
    assert mailer(tmp_path, "--config", etc / "mailer.yaml", "run").code == 0
    assert mailer(tmp_path, "--config", etc / "mailer.yaml", "backup", "--keys", "kept").code == 0
    (folder,) = (tmp_path / "kept").iterdir()
    assert names(folder) == WITHOUT_KEYS | {"keys/c.key"}
    assert (folder / "configuration/mailer.yaml").read_text() == paths
    assert mailer(tmp_path, "--config", etc / "mailer.yaml", "backup", lib / "kept").code == 64


def test_a_ledger_of_an_older_release_can_be_kept_before_its_upgrade(tmp_path):
    place = lying(tmp_path / "here", "0.1.0")
    folder = made(place, "--keys")
    assert mailer(tmp_path, "verify", folder).code == 0
    assert typed(ELSEWHERE, tmp_path, folder)["run"].code == 78
    there = tmp_path / "kazakhstan"
    assert mailer(there, "upgrade").code == 0
    assert mailer(there, "run").code == 69
    assert mailer(there, "resume", "ledger", "--why", "moved").code == 0
    tally = json.loads(mailer(there, "status", "--json").out)["campaigns"]["c"]["letters"]
    assert tally["accepted"] == STATES["accepted"]
    assert not message_ids(there)


def test_backed_up_while_letters_go_out_and_restored_elsewhere_and_over_no_letter_goes_out_twice(tmp_path):
    figures = rehearse(tmp_path, 400)
    assert figures.at_work >= 1
    assert 0 < figures.waiting < 400
    assert all("this is the backup of" in said and "mailer resume ledger --why TEXT" in said for said in figures.refusals)
    assert figures.messages == 400 + 2 * NEW
    assert figures.repeated == 0
