"""
Whoever is erased leaves no trace below `var/`, wherever the erasure is cut off; counts stay, and nobody else is touched.

What is searched are all files as they lie on the disk, the ledger's log among them, for the person's words and for what had
been sealed of them.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import apsw
import pytest

from mailer import erasure, retention
from mailer.address import parse
from mailer.app import CLOCK, opened, recognisers, spool_of
from mailer.config import load
from tests.installed import COMMAND, COURT, REPOSITORY, TIMEOUT, Place, Said, at_work, copied, environment
from tests.workbooks import workbook

MINISTRY = "ministry: {name: Ministry, form_of_address: Dear Sir, to: office@ministry.example}"
CAMPAIGN = f"pace: none\ntargets: {{{COURT}, {MINISTRY}}}\n"
LETTER = "{{ target.form_of_address }},\n\n{{ signature.message }}\n\n{{ signature.name }}, {{ signature.city }}\n"
JANE = "jane.canary@example.org"


def typed(place: Place, *words: str, stdin: str) -> Said:
    """The command with something on its stdin, as a person types it."""
    done = subprocess.run(
        [COMMAND, *words],
        cwd=place.root,
        env=environment(),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def files(place: Place) -> dict[str, bytes]:
    var = place.root / "var"
    return {str(path.relative_to(var)): path.read_bytes().lower() for path in var.rglob("*") if path.is_file()}


def traces(place: Place, needles: Iterable[bytes]) -> dict[bytes, list[str]]:
    """In which files each of these stands that stands anywhere."""
    content = files(place)
    hits = {needle: [name for name, text in content.items() if needle in text] for needle in needles}
    return {needle: names for needle, names in hits.items() if names}


def sealed(place: Place) -> list[bytes]:
    """What is sealed in the ledger; each is random, so that a piece of it is nowhere else."""
    db = apsw.Connection(str(place.root / "var/ledger.db"), flags=apsw.SQLITE_OPEN_READONLY)
    found = [row[0] for row in db.execute("SELECT sealed FROM signature WHERE sealed IS NOT NULL")]
    db.close()
    return found


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path, CAMPAIGN)
    made.write("templates/c/en/letter.txt.j2", LETTER)
    return made


def with_jane(place: Place, name: str = "jane.csv") -> Place:
    """Jane has signed in one file, somebody else in another; letters of both are in the sandbox."""
    place.put(name, f"name,email,consent,city\nJane Canary,{JANE},yes,Canaryville\nBad Row,{JANE},no,\n")
    place.drop(1, "others.csv")
    assert place.mailer("run").code == 0
    assert traces(place, [JANE.encode(), b"canaryville"]).keys() == {JANE.encode(), b"canaryville"}
    return place


async def test_of_a_thousand_canaries_none_is_left_anywhere_and_nobody_else_is_touched(place):
    """
    Fifty people with twenty words each that stand nowhere else, in three files of three forms; fifty others besides. The ledger
    is open all the time, so that its log is there to be searched.
    """
    words = {number: [f"canary{number:02}x{word:02}" for word in range(20)] for number in range(50)}
    people = [
        {
            "name": " ".join(word[:6].capitalize() + word[6:] for word in mine[:3]),
            "email": f"{mine[3]}@{mine[4]}.example",
            "city": mine[5],
            "consent": "yes",
            "message": " ".join(mine[6:]),
        }
        for mine in words.values()
    ]
    heads = list(people[0])
    lines = [",".join(heads), *(",".join(person.values()) for person in people[:20])]
    place.put("first.csv", "\n".join(lines) + "\n")
    place.put("second.json", json.dumps(people[20:35]))
    place.put("third.jsonl", "".join(json.dumps(person).replace("@", "\\u0040") + "\n" for person in people[35:]))
    place.put("bad.csv", "\n".join([lines[0], lines[1].replace("yes", "no"), lines[2]]) + "\n")
    place.drop(50, "others.csv")
    assert place.mailer("run").code == 0
    canaries = [word.encode() for mine in words.values() for word in mine]
    blobs = [blob[:32].lower() for blob in sealed(place)]
    assert len(canaries) == 1000 and len(blobs) == 100
    before = traces(place, canaries)
    assert len(before) == 1000
    assert {name.split("/")[0] for names in before.values() for name in names} == {"queue", "sandbox"}
    assert len(traces(place, blobs)) == 100
    loaded = load(place.root / "config/mailer.yaml", {})
    async with opened(loaded) as office:
        ground = erasure.Ground(office.ledger, await recognisers(office), spool_of(office.configuration))
        for person in people:
            await erasure.begin(ground, parse(str(person["email"])), CLOCK.seconds)
        swept = await erasure.finish(ground)
        assert (swept.files, swept.letters, swept.waits, swept.rejected) == (4, 100, [], [])
        assert "ledger.db-wal" in files(place)
        assert traces(place, canaries) == {}
        others = [blob[:32].lower() for blob in sealed(place)]
        assert len(others) == 50 and traces(place, set(blobs) - set(others)) == {}
    assert traces(place, canaries) == {}
    assert place.sandboxed() == 100
    assert (place.root / "var/queue/done/others.csv").exists()
    told = place.mailer("status", "--json").json["campaigns"]["c"]
    assert (told["signatures"], told["letters"]) == (100, {"accepted": 200})
    assert place.mailer("verify").code == 0


def test_a_person_types_the_address_and_no_line_shows_it(place):
    said = typed(with_jane(place), "erase", "-", stdin=f"{JANE}\n")
    assert said.code == 0, said.err
    assert "Letters: 2 letters sent before." in said.out
    assert "Removed: 1 file in done/ with what lay beside, 2 letters in the sandbox or outbox." in said.out
    assert "history" not in said.err and JANE not in said.out + said.err
    place.mailer("run")
    assert traces(place, [b"canary"]) == {}
    shown = place.mailer("log", "--json")
    assert {(line["file"], line["line"]) for line in shown.lines if line["signature"] == 1} == {(None, 2)}
    assert place.mailer("verify").code == 0


def test_an_address_on_the_command_line_is_taken_and_its_place_in_the_history_is_told(place):
    said = with_jane(place).mailer("erase", JANE.upper())
    assert said.code == 0
    assert "history" in said.err and "canary" not in (said.out + said.err).lower()
    assert traces(place, [b"canary"]) == {}


def test_dropped_again_they_are_left_out_and_no_report_copies_the_row(place):
    with_jane(place).mailer("erase", JANE)
    place.put("again.csv", f"name,email,consent\nJane Canary,{JANE},yes\nNew Person,new@example.org,yes\n")
    said = place.mailer("run")
    assert ": 2 rows, 1 taken, 1 known" in said.out
    assert place.letters("accepted") == 6
    report = (place.root / "var/queue/done/again.known.csv").read_text("utf-8-sig")
    assert "erased" in report and "canary" not in report.lower()


def test_what_waits_in_incoming_is_taken_in_without_them_and_then_removed(place):
    with_jane(place)
    place.put("next.csv", f"name,email,consent\nJane Canary,{JANE},yes\nNew Person,new@example.org,yes\n")
    said = typed(place, "erase", "-", stdin=JANE)
    assert said.code == 75
    assert "1 file in incoming/" in said.err and "mailer run" in said.err
    assert "1 erasure not finished" in place.mailer("health").out
    assert place.mailer("run").code == 0
    assert traces(place, [b"canary"]) == {}
    assert place.letters("accepted") == 6
    assert place.mailer("health").code == 0


def test_while_a_reader_holds_the_log_it_is_refused_and_the_next_run_finishes_it(place):
    with_jane(place)
    (jane, *_) = [blob[:32].lower() for blob in sealed(place)]
    reader = apsw.Connection(str(place.root / "var/ledger.db"))
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM signature").fetchall()
    said = typed(place, "erase", "-", stdin=JANE)
    assert said.code == 75
    assert "another program reads the ledger" in said.err and "mailer run" in said.err
    reader.close()
    assert place.mailer("run").code == 0
    assert traces(place, [b"canary", jane]) == {}
    assert place.mailer("health").code == 0


def test_beside_a_worker_it_is_done_at_once(place, tmp_path_factory):
    with_jane(place)
    with at_work(place.root, tmp_path_factory.mktemp("socket")) as worker:
        said = typed(place, "erase", "-", stdin=JANE)
        assert said.code == 0, said.err
        assert traces(place, [b"canary"]) == {}
        assert worker.end().code == 0
    assert place.mailer("verify").code == 0


def test_of_what_was_set_aside_that_which_may_hold_them_is_named_and_stays(place):
    with_jane(place)
    place.put("strange.csv", f"no,heading,here\n{JANE},1,2\n")
    place.put("other.csv", "no,heading,here\n1,2,3\n")
    place.put("photo.png", b"\x89PNG")
    assert place.mailer("run").code == 65
    said = typed(place, "erase", "-", stdin=JANE)
    named = {Path(line.rpartition(": ")[2]).name for line in said.err.splitlines() if "remove it yourself" in line}
    assert {"strange.csv", "photo.png"} <= named and "other.csv" not in named
    assert (place.root / "var/queue/rejected/strange.csv").exists()


@pytest.mark.parametrize("how", ["Jane <JANE.Canary@EXAMPLE.org>", "x;jane.canary@example.org", '"jane.canary@example.org"'])
def test_a_file_holds_them_in_whatever_column_and_case(place, how):
    with_jane(place)
    place.put(
        "friend.csv",
        f'name,email,consent,message\nA Friend,friend@example.org,yes,"ask {how.replace(chr(34), chr(34) * 2)}!"\n',
    )
    assert place.mailer("run").code == 0
    typed(place, "erase", "-", stdin=JANE)
    assert not (place.root / "var/queue/done/friend.csv").exists()


def test_a_domain_in_its_own_script_is_the_same_person(place):
    place.put("cyrillic.csv", "name,email,consent\nJane,jane@пример.example,yes\n")
    place.put("punycode.csv", "name,email,consent\nJane,jane@xn--e1afmkfd.example,yes\n")
    place.mailer("run")
    assert typed(place, "erase", "-", stdin="jane@xn--e1afmkfd.example").code == 0
    assert os.listdir(place.root / "var/queue/done") == []


def test_letters_as_files_go_too(place):
    place.write("config/mailer.yaml", "relay: {mode: file}\n")
    place.put("jane.csv", f"name,email,consent,city\nJane Canary,{JANE},yes,Canaryville\n")
    assert place.mailer("run").code == 0
    assert len(list((place.root / "var/outbox").iterdir())) == 2
    assert typed(place, "erase", "-", stdin=JANE).code == 0
    assert list((place.root / "var/outbox").iterdir()) == []


def test_a_stranger_is_kept_out_too(place):
    place.drop(1)
    place.mailer("run")
    said = typed(place, "erase", "-", stdin=JANE)
    assert said.code == 0 and "Nobody has signed with this address" in said.out
    place.put("later.csv", f"name,email,consent\nJane,{JANE},yes\n")
    assert "0 taken, 1 known" in place.mailer("run").out


@pytest.mark.parametrize("stdin", ["", "no address\n", f"{JANE}\nother@example.org\n"])
def test_without_one_good_address_nothing_is_done(place, stdin):
    said = typed(with_jane(place), "erase", "-", stdin=stdin)
    assert said.code == 64
    assert "canary" not in (said.out + said.err).lower() and "no address\n" not in said.err
    assert traces(place, [JANE.encode()])


KILLED = """
import os, signal, sys
sys.path.insert(0, {repository!r})
from tests.torture.points import Tripwire
point, nth, *sys.argv[1:] = sys.argv[1:]
Tripwire(point, int(nth), lambda: os.kill(os.getpid(), signal.SIGKILL)).watch()
from mailer.cli import main
main()
"""
POINTS = ("ledger.engine.Engine._transact begins", "ledger.engine.Engine._transact is done", "os.remove is announced")


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_it_is_finished_by_the_next_run_or_had_not_begun(place, tmp_path_factory, point):
    with_jane(place)
    (jane, *_) = [blob[:32].lower() for blob in sealed(place)]
    for nth in range(1, 50):
        here = Place.__new__(Place)
        here.root = copied(place.root, tmp_path_factory.mktemp("killed"))
        killed = here.python(KILLED.format(repository=str(REPOSITORY)), point, str(nth), "erase", JANE)
        has_begun = bool(erasures(here)) or killed.code == 0 or not traces(here, [jane])
        assert here.mailer("run").code == 0
        assert bool(traces(here, [b"canary", jane])) != has_begun
        assert erasures(here) == 0
        assert here.mailer("verify").code == 0
        if killed.code == 0:
            break
        assert killed.code == -9
    assert nth > 2, "it was killed at least twice"


_SEEN: list[tuple[str, list[str]]] = []


@cache
def _hooked() -> None:
    sys.addaudithook(_see)


def _see(event: str, told: tuple[object, ...]) -> None:
    if event == "open" and _SEEN and isinstance(told[0], str | Path) and str(told[0]).startswith(_SEEN[-1][0]):
        _SEEN[-1][1].append(str(told[0]))


@contextmanager
def opens_below(root: Path, into: list[str]) -> Iterator[None]:
    """Which files below a folder are opened, as the interpreter announces it; such a hook stays, so that it is told when."""
    _hooked()
    _SEEN.append((str(root), into))
    try:
        yield
    finally:
        _SEEN.pop()


def erasures(place: Place) -> int:
    db = apsw.Connection(str(place.root / "var/ledger.db"))
    count = len(db.execute("SELECT id FROM erasure").fetchall())
    db.close()
    return count


def test_done_files_are_kept_for_so_many_days_and_not_longer(place):
    with_jane(place)
    queue = place.root / "var/queue"
    now = CLOCK.now()
    place.put("still-here.csv", "name,email\n")
    assert retention.remove_old(queue, 30, now + 29 * retention.DAY) == 0
    assert retention.remove_old(queue, 30, now + 31 * retention.DAY) == 2
    assert os.listdir(queue / "done") == []
    assert [path.name for path in (queue / "incoming").iterdir()] == ["still-here.csv"]
    place.put("jane.csv", f"name,email,consent\nJane Canary,{JANE},yes\n")
    assert "0 taken, 1 known" in place.mailer("run").out


def test_a_report_of_another_file_of_the_same_stem_stays(place):
    place.put("list.csv", f"name,email\nJane,{JANE}\n")
    place.put("list.json", json.dumps([{"name": "", "email": "nobody@example.org"}, {"name": "A", "email": "a@example.org"}]))
    assert place.mailer("run").code == 0
    assert typed(place, "erase", "-", stdin=JANE).code == 0
    assert sorted(os.listdir(place.root / "var/queue/done")) == ["list.json", "list.rejected.csv"]


def test_what_is_packed_and_cannot_be_read_is_not_called_clean(place):
    with_jane(place)
    aside = place.root / "var/queue/rejected"
    (aside / "packed.dat.gz").write_bytes(gzip.compress(JANE.encode()))
    said = typed(place, "erase", "-", stdin=JANE)
    assert "packed.dat.gz" in said.err


def test_a_restored_ledger_learns_from_the_journal_who_was_erased_or_has_withdrawn(place):
    place.put("people.csv", f"name,email,consent\nJane,{JANE},yes\nJohn,john@example.org,yes\nMay,may@example.org,yes\n")
    place.mailer("pause", "--why", "not yet")
    place.mailer("run")
    ledger = place.root / "var/ledger.db"
    copy = ledger.read_bytes()
    assert typed(place, "erase", "-", stdin=JANE).code == 0
    assert place.mailer("withdraw", "john@example.org").code == 0
    place.mailer("run")
    ledger.write_bytes(copy)
    assert place.mailer("run").code == 69
    place.mailer("resume", "ledger", "--why", "put back")
    place.mailer("resume", "--why", "go on")
    assert place.mailer("release", "--campaign", "c", "--why", "nothing had gone out").code == 0
    assert place.mailer("run").code == 0
    assert place.letters("accepted") == 2, "May's"
    assert place.letters("cancelled") == 4
    assert place.mailer("verify").code == 0
    assert len(sealed(place)) == 2, "Jane's is empty again"


async def test_a_large_ledger_is_left_to_the_worker_that_is_here(place):
    """Writing it anew takes longer than a worker waits for the ledger."""
    with_jane(place)
    loaded = load(place.root / "config/mailer.yaml", {})
    async with opened(loaded) as office:
        ground = erasure.Ground(office.ledger, await recognisers(office), spool_of(office.configuration))
        await erasure.begin(ground, parse(JANE), CLOCK.seconds)
        swept = await erasure.finish(ground, may_compact=False)
        assert len(swept.waits) == 1 and len(office.ledger.erasures()) == 1
        assert office.ledger.erasures()[0].sealed is None, "no file holds the address any more"
    assert place.mailer("run").code == 0
    assert erasures(place) == 0 and traces(place, [b"canary"]) == {}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ledger.db.before-2", b""),
        (".ledger.db.before-2.part", b""),
        ("kept by hand", b"SQLite format 3\0"),
        ("before-20261126T031625Z/ledger.db", b"damaged"),
        ("before-20261126T031625Z/ledger.db-wal", b""),
        ("../var.before/ledger.db", b""),
    ],
)
def test_older_ledgers_that_may_hold_them_are_named_with_what_to_type_until_they_are_gone(place, name, content):
    with_jane(place)
    assert "rm " not in typed(place, "erase", "-", stdin=f"{JANE}\n").err
    path = place.write(f"var/{name}", content)
    lies = path.resolve().relative_to(place.root)
    shown = next(at for at in (lies.parent, lies) if at.name not in ("", "var"))
    month = 31 * 86_400
    said = typed(place, "erase", "-", stdin=f"{JANE}\n")
    assert said.code == 0 and path.exists()
    (line,) = [line for line in said.err.splitlines() if "An older ledger holds the person still" in line]
    assert place.mailer("health").code == 0
    os.utime(place.root / shown, (CLOCK.now() - month,) * 2)
    told = place.mailer("health")
    assert told.code == 1 and told.out.strip().endswith(line.partition(": ")[2]), told
    subprocess.run(["sh", "-c", line.partition(": ")[2]], cwd=place.root, check=True)
    assert not path.exists() and (place.root / "var/ledger.db").exists()
    assert "rm " not in typed(place, "erase", "-", stdin=f"{JANE}\n").err
    assert place.mailer("health").code == 0


def test_every_file_that_holds_them_goes_whatever_its_form(place):
    """The first sheet, the name's encoding or the first columns are what is taken in; the person stands elsewhere."""
    other, hers = ["Other", "o@example.org", "yes"], ["Jane Canary", JANE, "yes"]
    head = ["name", "email", "consent"]
    place.put("sheets.xlsx", workbook({"First": [head, other], "Second": [head, hers]}))
    place.put("hidden.xlsx", workbook({"Old": [head, hers], "New": [head, other]}, hidden=["Old"]))
    place.put("full-width.csv", "name,email,consent\nJane Canary,jane.canary@ｅｘａｍｐｌｅ.org,yes\n")
    place.put("heading.csv.gz", gzip.compress(f"name,email,consent,by {JANE}\nOther,p@example.org,yes,\n".encode()))
    for _ in range(2):
        place.put("wide.utf-32.csv.gz", gzip.compress(f"name,email,consent\nJane Canary,{JANE},yes\n".encode("utf-32")))
        place.mailer("run")
    assert len(os.listdir(place.root / "var/queue/done")) == 6
    assert typed(place, "erase", "-", stdin=JANE).code == 0
    assert os.listdir(place.root / "var/queue/done") == []


def test_who_is_one_person_to_the_campaign_is_erased_as_one(tmp_path):
    place = Place(tmp_path, CAMPAIGN + "addresses: {plus_tag: same, gmail_dots: same}\n")
    place.put("tagged.csv", "name,email,consent\nJane Canary,jane.canary+news@example.org,yes\n")
    place.put("dotted.csv", "name,email,consent\nGina Canary,g.i.n.a@googlemail.com,yes\n")
    assert place.mailer("run").code == 0
    assert typed(place, "erase", "-", stdin=JANE).code == 0
    assert os.listdir(place.root / "var/queue/done") == ["dotted.csv"]
    assert typed(place, "erase", "-", stdin="gina@gmail.com").code == 0
    assert traces(place, [b"canary", b"gina", b"g.i.n.a"]) == {}


def test_what_cannot_be_searched_in_done_is_named_and_keeps_the_erasure_open(place):
    with_jane(place)
    torn = place.root / "var/queue/done/torn.csv.gz"
    torn.write_bytes(gzip.compress(f"name,email\nJane,{JANE}\n".encode())[:-9])
    said = typed(place, "erase", "-", stdin=JANE)
    assert said.code == 75
    assert "1 file in done/ cannot be searched" in said.err and "torn.csv.gz" in said.err
    run = place.mailer("run")
    assert "1 file in done/ cannot be searched" in run.err and "torn" not in run.err
    assert place.mailer("health").code != 0
    torn.unlink()
    place.mailer("run")
    assert erasures(place) == 0 and place.mailer("health").code == 0


def test_a_file_that_is_not_wholly_copied_is_waited_for(place):
    """Taken in once it is whole, and without them, it is removed: were the erasure forgotten, it would stay."""
    with_jane(place)
    part = place.put("next.csv.part", f"name,email,consent\nJane Canary,{JANE},yes\n")
    place.put(".DS_Store", bytes(range(256)))
    said = typed(place, "erase", "-", stdin=JANE)
    assert said.code == 75
    assert "1 file not wholly copied" in said.err and "next.csv.part" in said.err
    place.mailer("run")
    assert erasures(place) == 1
    part.rename(part.with_name("next.csv"))
    place.mailer("run")
    assert erasures(place) == 0 and traces(place, [b"canary"]) == {}


def test_what_lies_below_claimed_is_waited_for(place):
    with_jane(place)
    below = place.root / "var/queue/claimed/below/c"
    below.mkdir(parents=True)
    (below / "original.csv").write_text(f"name,email\nJane,{JANE}\n")
    said = typed(place, "erase", "-", stdin=JANE)
    assert said.code == 75 and "1 file below claimed/" in said.err
    (below / "original.csv").unlink()
    below.rmdir()
    below.parent.rmdir()
    place.mailer("run")
    assert erasures(place) == 0


async def test_many_erasures_look_through_the_files_once_and_each_ends_by_itself(place):
    """As the machine counts it: each file is opened once, for three people as for one."""
    with_jane(place)
    place.put("waits.csv", "name,email,consent\nOther,waits@example.org,yes\n")
    done = {str(path) for path in (place.root / "var/queue/done").iterdir()}
    opened_files: list[str] = []
    loaded = load(place.root / "config/mailer.yaml", {})
    async with opened(loaded) as office:
        ground = erasure.Ground(office.ledger, await recognisers(office), spool_of(office.configuration))
        for who in (JANE, "waits@example.org", "nobody@example.org"):
            await erasure.begin(ground, parse(who), CLOCK.seconds)
        with opens_below(place.root, opened_files):
            swept = await erasure.finish(ground)
        assert swept.files == 1 and len(swept.waits) == 1
        assert [one.sealed is not None for one in office.ledger.erasures()] == [True], "who waits"
    assert sorted(name for name in opened_files if name in done) == sorted(done)
