"""A ledger of an older release: nothing touches it but `mailer upgrade`, which loses nothing of it, wherever it is killed."""

from __future__ import annotations

import mailbox
import shutil
import stat
from importlib import metadata
from pathlib import Path

import apsw
import pytest

from mailer.errors import LedgerDamaged, LedgerTooOld
from mailer.instance import Lock
from mailer.ledger import upgrading
from mailer.ledger.engine import connect
from mailer.ledger.schema import MIGRATIONS
from tests.installed import Place, copied, that_has_sent
from tests.offices import NOON
from tests.releases import RELEASES, SIGNATURES, STATES, lying
from tests.steps import killed_at_each_step

NEEDED = len(MIGRATIONS)
OLDER = [release for release in RELEASES if release == "0.1.0"]  # those whose tables are not the newest ones
TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"


@pytest.fixture
def old(tmp_path: Path) -> Place:
    return lying(tmp_path / "instance", "0.1.0")


def edition(path: Path) -> int:
    with apsw.Connection(str(path)) as db:
        found: int = db.pragma("user_version")
    db.close()
    return found


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a ledger, by table."""
    with apsw.Connection(str(path)) as db:
        tables = [name for (name,) in db.execute(TABLES)]
        found = {name: sorted(db.execute(f"SELECT * FROM {name}"), key=repr) for name in tables}
        assert db.pragma("integrity_check") == "ok"
    db.close()
    return found


def left(place: Place) -> set[str]:
    return {path.name for path in (place.root / "var").iterdir() if not path.name.startswith("ledger.db-")}


def message_ids(place: Place) -> list[str]:
    return [str(message["Message-ID"]) for message in mailbox.Maildir(place.root / "var/sandbox")]


def test_there_is_a_ledger_of_each_edition_that_was_released():
    """Who adds a step to sql/ for a release keeps a ledger of the one before as data: see tests/releases.py."""
    assert OLDER


@pytest.mark.parametrize("release", OLDER)
def test_a_release_s_ledger_is_brought_up_and_its_letters_go_on(tmp_path, release):
    place = lying(tmp_path / "instance", release)
    ledger = place.root / "var/ledger.db"
    before, started_from = content(ledger), edition(ledger)
    said = place.mailer("upgrade")
    assert said.code == 0, said
    assert f"is of edition {started_from}, this mailer needs {NEEDED}" in said.out
    kept = place.root / f"var/ledger.db.before-{NEEDED}"
    assert f"As it was it is kept: var/{kept.name}" in said.out
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    of_the_copy = content(kept)
    assert [name for name, _ in of_the_copy.pop("install")] == ["copy"]
    assert of_the_copy == {name: rows for name, rows in before.items() if name != "install"}
    campaign = place.mailer("status", "--json").json["campaigns"]["c"]
    assert campaign["signatures"] == SIGNATURES
    assert {state: count for state, count in campaign["letters"].items() if count} == STATES
    assert place.mailer("run").code == 0
    assert place.mailer("verify").code == 0
    was_accepted = {line["message_id"] for line in place.mailer("log", "--json").lines if line["state"] == "accepted"}
    sent = message_ids(place)
    assert len(sent) == len(set(sent)) == STATES["queued"] + 1  # and the one that a dead worker had not marked
    assert len(was_accepted - set(sent)) == STATES["accepted"]
    assert place.letters("in_doubt") == STATES["in_doubt"] + 1  # and the one that it had


def test_what_people_carried_before_counts_as_printed(old):
    """Nobody had written down what they had made of it."""
    assert old.mailer("upgrade").code == 0
    path = old.root / "config/campaigns/c.yaml"
    path.write_text(path.read_text("utf-8").replace('kind: phone, phone: "+1 555 0100"', "to: press@court.example"), "utf-8")
    old.mailer("run")
    letters = old.mailer("log", "--target", "press", "--json").lines
    assert {(line["state"], line["reason"]) for line in letters if line["state"] != "done"} == {
        ("held", "printed before its target changed")
    }


@pytest.mark.parametrize(
    "words", ["run", "work", "status", "log", "show 1", "health", "verify", "check", "pause --why x", "hold 1 --why x"]
)
def test_everything_else_stops_and_names_the_upgrade(old, words):
    before = content(old.root / "var/ledger.db")
    said = old.mailer(*words.split())
    assert said.code == 78
    assert "`mailer upgrade`" in said.err
    assert content(old.root / "var/ledger.db") == before
    assert edition(old.root / "var/ledger.db") == 1


def test_a_dry_run_says_each_step_and_changes_nothing(old):
    before, files = (old.root / "var/ledger.db").read_bytes(), left(old)
    said = old.mailer("upgrade", "--dry-run")
    assert said.code == 0
    assert "  2: Confirmation, withdrawal and erasure, and the whole account of a file\n" in said.out
    assert f"var/ledger.db.before-{NEEDED}" in said.out
    assert (old.root / "var/ledger.db").read_bytes() == before
    assert left(old) == files


def test_done_again_it_does_nothing(old):
    assert old.mailer("upgrade").code == 0
    before, files = content(old.root / "var/ledger.db"), left(old)
    said = old.mailer("upgrade")
    assert said.code == 0
    assert "nothing to do" in said.out
    assert (content(old.root / "var/ledger.db"), left(old)) == (before, files)


def test_a_fresh_instance_needs_none(tmp_path):
    place = Place(tmp_path)
    assert "There is no ledger yet" in place.mailer("upgrade").out
    assert place.mailer("run").code == 0
    assert ("release", metadata.version("mailer")) in content(tmp_path / "var/ledger.db")["install"]
    assert "nothing to do" in place.mailer("upgrade").out
    assert not list((tmp_path / "var").glob("ledger.db.before*"))


def test_a_newer_ledger_is_refused_by_all_and_says_which_mailer_is_needed(tmp_path):
    place = that_has_sent(1, tmp_path / "instance")
    with apsw.Connection(str(place.root / "var/ledger.db")) as db:
        db.pragma("user_version", NEEDED + 1)
        db.execute("INSERT OR REPLACE INTO install VALUES ('release', '7.1.0')")
    db.close()
    for words in (["run"], ["status"], ["upgrade"], ["upgrade", "--dry-run"]):
        said = place.mailer(*words)
        assert said.code == 78
        assert "install mailer 7.1.0 or newer" in said.err


def test_beside_a_worker_it_does_nothing(old):
    files = left(old) | {"lock"}
    with Lock(old.root / "var/lock") as lock:
        assert lock.acquire()
        said = old.mailer("upgrade")
    assert said.code == 75
    assert "another mailer is at work here: stop it, then upgrade" in said.err
    assert (edition(old.root / "var/ledger.db"), left(old)) == (1, files)


def test_what_was_kept_before_is_never_written_over(old):
    older = old.write(f"var/ledger.db.before-{NEEDED}", "of another upgrade")
    assert old.mailer("upgrade").code == 0
    assert older.read_text() == "of another upgrade"
    assert edition(old.root / f"var/ledger.db.before-{NEEDED}.2") == 1


def test_the_copy_that_was_kept_put_back_into_the_very_file_sends_nothing_until_told(old):
    assert old.mailer("upgrade").code == 0
    assert old.mailer("run").code == 0
    sent = message_ids(old)
    shutil.copyfile(old.root / f"var/ledger.db.before-{NEEDED}", old.root / "var/ledger.db")
    shutil.rmtree(old.root / "var/high-water")  # so that nothing but the copy itself can tell
    (old.root / "var/journal.jsonl").unlink()
    assert old.mailer("upgrade").code == 0
    refused = old.mailer("run")
    assert refused.code == 69
    assert "the copy that `mailer upgrade` kept" in refused.err
    assert sorted(message_ids(old)) == sorted(sent)


def test_a_copy_that_cannot_be_kept_stops_it_before_the_first_step(old):
    ledger = old.root / "var/ledger.db"
    limited = (
        "import resource, signal\n"
        "from mailer import cli\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_960, 40_960))\n"
        "cli.main()\n"
    )
    before, files = content(ledger), left(old) | {"lock"}
    said = old.python(limited, "upgrade")
    assert said.code == 73, said
    assert "nothing was kept" in said.err
    assert (content(ledger), left(old)) == (before, files)


def test_killed_at_any_step_it_leaves_the_old_ledger_or_the_new_one(old, tmp_path):
    ledger, spare = old.root / "var/ledger.db", tmp_path / "spare.db"
    shutil.copy(ledger, spare)
    before = content(ledger)
    seen: set[object] = set()

    def look(step: int) -> None:
        for kept in ledger.parent.glob("ledger.db.before-*"):
            copy = content(kept)
            assert [name for name, _ in copy.pop("install")] == ["copy"], step
            assert copy == {name: rows for name, rows in before.items() if name != "install"}, step
            seen.add("kept")
        now = edition(ledger)
        seen.add(now)
        if now == 1:
            assert content(ledger) == before, step
        else:
            assert now == NEEDED
            assert set(before) < set(content(ledger))
            assert "kept" in seen, step
        for path in [*ledger.parent.glob("ledger.db*"), *ledger.parent.glob(".ledger.db*")]:
            path.unlink()
        shutil.copy(spare, ledger)

    assert killed_at_each_step(lambda: upgrading.upgrade(ledger, NOON), look) > 40
    assert seen == {1, NEEDED, "kept"}


def test_killed_and_done_again_it_is_done(old):
    """Each goes on from what the one before has left; only the last is not killed."""
    ledger = old.root / "var/ledger.db"
    killed_at_each_step(lambda: upgrading.upgrade(ledger, NOON), lambda step: None)
    assert edition(ledger) == NEEDED
    assert not list(ledger.parent.glob(".ledger.db*"))
    with apsw.Connection(str(ledger)) as db:
        told = "SELECT count(*) FROM journal WHERE json_extract(line, '$.event') = 'upgraded'"
        assert db.execute(told).fetchall() == [(1,)]
    db.close()


def test_killed_while_it_is_made_a_new_ledger_has_all_tables_or_none(tmp_path):
    ledger, seen = tmp_path / "ledger.db", set()

    def look(step: int) -> None:
        if ledger.exists():
            tables = len(content(ledger))
            seen.add((edition(ledger), tables))
        for path in tmp_path.glob("ledger.db*"):
            path.unlink()

    killed_at_each_step(lambda: connect(ledger, create=True), look)
    assert len(seen) == 2
    assert {number for number, _ in seen} == {0, NEEDED}
    assert (0, 0) in seen


def test_a_step_that_would_tear_rows_from_each_other_is_undone(tmp_path):
    ledger = tmp_path / "ledger.db"
    connect(ledger, create=True).close()
    with apsw.Connection(str(ledger)) as db:
        db.execute("INSERT INTO campaign (id, key_fingerprint) VALUES ('c', 'f')")
        db.execute("INSERT INTO file (claim, campaign, state, begun_at) VALUES ('01', 'c', 'reading', 1)")
    db.close()
    step = tmp_path / "9999.sql"
    step.write_text("-- Forget the campaigns. Which nobody should.\nDELETE FROM campaign;\n")
    newer = (*MIGRATIONS, step)
    assert upgrading.plan(ledger, newer).steps == ((NEEDED + 1, "Forget the campaigns"),)
    with pytest.raises(LedgerDamaged, match="1 rows name others"):
        upgrading.upgrade(ledger, NOON, migrations=newer)
    assert edition(ledger) == NEEDED
    assert content(ledger)["campaign"]


def test_a_newer_mailer_s_step_is_taken_from_here_too(tmp_path):
    """Whatever comes behind the newest edition of today."""
    place = that_has_sent(2, tmp_path / "instance")
    ledger = copied(place.root, tmp_path / "copy") / "var/ledger.db"
    step = tmp_path / "9999.sql"
    step.write_text(
        "-- A table more.\nCREATE TABLE more (id INTEGER PRIMARY KEY) STRICT;\nSELECT 1;\nCREATE INDEX m ON more (id);\n"
    )
    newer = (*MIGRATIONS, step)
    with pytest.raises(LedgerTooOld, match="mailer upgrade"):
        from mailer.ledger.schema import settle

        db = apsw.Connection(str(ledger))
        settle(db, ledger, migrations=newer)
    db.close()
    before = content(ledger)
    done = upgrading.upgrade(ledger, NOON, migrations=newer)
    assert done.is_due
    after = content(ledger)
    assert after.pop("more") == []
    assert (
        len(after.pop("journal")) == len(before.pop("journal")) + 1 + 1
    )  # the clock of this test is behind: a line of its own
    assert {name: after[name] for name in ("letter", "attempt", "signature")} == {
        name: before[name] for name in ("letter", "attempt", "signature")
    }
    with apsw.Connection(str(ledger)) as db:
        assert db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'm'").fetchall() == [(1,)]
    db.close()


def test_the_copy_that_was_kept_is_named_to_whoever_erases_somebody(old):
    assert old.mailer("upgrade").code == 0
    assert f"rm var/ledger.db.before-{NEEDED}" in old.mailer("erase", "person.1@example.org").err
