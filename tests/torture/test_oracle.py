"""
The oracle itself: it has nothing to say of a good run, and each of its checks fails when what it looks for is there.

An instance sends over real SMTP; then its books or the far side's are falsified, one thing at a time.
"""

from __future__ import annotations

import base64
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from email.header import Header
from pathlib import Path

import apsw
import pytest

from mailer.delivery import State
from tests.installed import mailer
from tests.relays import CC, TO
from tests.servers.scripted import Reply, Rule, StoreThenDrop
from tests.servers.threaded import ThreadedServer
from tests.torture import farside
from tests.torture.farside import FarSide
from tests.torture.grounds import Ground, ground
from tests.torture.judged import BOOKS, DOUBT, LOST, STANDS, TOLD, TWICE, WIRE, Intent, Judged
from tests.torture.telling import CITY, NAME

# The first letter is deferred at its dot, the second refused there, the third in doubt.
SCRIPT = [
    Rule("dot", Reply("451 4.3.0 later"), nth=1),
    Rule("dot", Reply("554 5.0.0 no"), nth=2),
    Rule("dot", StoreThenDrop(), nth=3),
]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ground, FarSide]]:
    """One instance behind a pass, and the far side's books."""
    with ThreadedServer(SCRIPT) as server:
        here = ground(tmp_path_factory.mktemp("sent") / "instance", server.port)
        assert mailer(here.root, "run").code == 0
        yield here, farside.of_record(server.record())


@pytest.fixture
def here(sent: tuple[Ground, FarSide], tmp_path: Path) -> Ground:
    """A copy of it, to be falsified."""
    shutil.copytree(sent[0].root, tmp_path / "instance")
    made = copy(sent[0].made)
    made.root = tmp_path / "instance"
    return replace(sent[0], made=made)


@pytest.fixture
def far(sent: tuple[Ground, FarSide]) -> FarSide:
    return sent[1]


def falsify(here: Ground, *statements: str) -> None:
    db = apsw.Connection(here.loaded.ledger)
    for statement in statements:
        db.execute(statement)
    db.close()


def kinds(judged: Judged) -> set[str]:
    assert judged.counted.total() > 0
    return {violation.kind for violation in judged.violations}


def test_of_a_good_pass_there_is_nothing_to_say(here: Ground, far: FarSide) -> None:
    judged = here.judge(far)
    assert judged.violations == [], str(judged)
    wanted = {"letters accepted": 3, "letters refused": 1, "letters in_doubt": 1, "letters deferred": 1}
    assert {name: count for name, count in judged.counted.items() if name.startswith("letters ")} == wanted
    assert (judged.counted["letters"], judged.counted["kept"], judged.counted["rows"]) == (6, 4, 10)
    assert (judged + judged).counted["letters"] == 12


def test_an_accepted_letter_that_the_server_has_not_is_lost(here: Ground, far: FarSide) -> None:
    assert kinds(here.judge(replace(far, kept=far.kept[:-1]))) == {LOST}
    assert LOST in kinds(here.judge(replace(far, taken=Counter())))


def test_a_row_without_its_letter_is_lost(here: Ground, far: FarSide) -> None:
    more = replace(here.intent, people=dict(here.intent.people) | {"canary@x.example": "One More"})
    assert LOST in kinds(replace(here, intent=more).judge(far))


def test_a_letter_that_no_row_asks_for_is_found(here: Ground, far: FarSide) -> None:
    fewer = dict(list(here.intent.people.items())[1:])
    assert BOOKS in kinds(replace(here, intent=replace(here.intent, people=fewer)).judge(far))


@pytest.mark.parametrize(
    "change", ["state = 'queued', next_attempt_at = 1", "state = 'held', held_by = 'rule'", "state = 'sending'"]
)
def test_a_letter_that_waits_for_nothing_is_lost(here: Ground, far: FarSide, change: str) -> None:
    falsify(here, f"UPDATE letter SET next_attempt_at = NULL, reason = '', {change} WHERE state = 'deferred'")
    assert LOST in kinds(here.judge(far))


def restate(here: Ground, letters: str, role: str, state: str, reply: str = "", *, letter: str = "id = id") -> None:
    """Falsify where the recipients of one role stand in letters of one state, and something of the letters themselves."""
    db = apsw.Connection(here.loaded.ledger)
    for id, text in db.execute("SELECT id, recipients FROM letter WHERE state = ?", (letters,)).fetchall():
        rows = [[one[0], one[1], state, reply] if one[1] == role else one for one in json.loads(str(text))]
        db.execute(f"UPDATE letter SET recipients = ?, {letter} WHERE id = ?", (json.dumps(rows), id))
    db.close()


@pytest.mark.parametrize(
    ("letters", "role", "state", "reply", "found"),
    [
        ("accepted", "to", "waiting", "", {LOST, TWICE, STANDS}),
        ("accepted", "cc", "deferred", "450 later", {LOST, TWICE, STANDS}),
        ("accepted", "to", "refused", "550 no", {TWICE, STANDS}),
        ("accepted", "cc", "refused", "", {LOST, TWICE}),
        ("accepted", "copy", "waiting", "", {LOST, TWICE}),
        ("accepted", "cc", "in_doubt", "lost", {LOST, STANDS}),
        ("deferred", "to", "refused", "550 no", {STANDS}),
        ("deferred", "cc", "refused", "", {LOST}),
        ("refused", "to", "deferred", "450 later", {LOST, STANDS}),
        ("refused", "cc", "waiting", "", {LOST}),
        ("refused", "to", "accepted", "250 ok", {LOST, STANDS}),
    ],
)
def test_a_recipient_that_is_forgotten_is_found_and_so_is_a_letter_that_does_not_stand_by_its_recipients(
    here: Ground, far: FarSide, letters: str, role: str, state: str, reply: str, found: set[str]
) -> None:
    restate(here, letters, role, state, reply)
    assert kinds(here.judge(far)) == found


def test_who_was_dropped_must_be_told_why(here: Ground, far: FarSide) -> None:
    restate(here, "refused", "cc", "dropped")
    assert kinds(here.judge(far)) == set()
    restate(here, "refused", "cc", "dropped", letter="reason = ''")
    assert kinds(here.judge(far)) == {LOST}


def test_a_letter_that_was_given_up_for_its_cc_is_not_lost(here: Ground, far: FarSide) -> None:
    nobody_yet = replace(
        far, kept=[replace(one, recipients=tuple(to for to in one.recipients if to != CC)) for one in far.kept]
    )
    restate(here, "accepted", "cc", "deferred", "450 later", letter="reason = 'given up for cc: later'")
    assert kinds(here.judge(nobody_yet)) == set()


def test_a_message_kept_twice_was_sent_twice(here: Ground, far: FarSide) -> None:
    assert kinds(here.judge(replace(far, kept=[*far.kept, far.kept[0]]))) == {TWICE}


def test_a_dot_more_than_refusals_explain_was_sent_twice(here: Ground, far: FarSide) -> None:
    once_more = far.dots + Counter(dict.fromkeys(far.kept[-1].handed, 1))
    assert TWICE in kinds(here.judge(replace(far, dots=once_more)))
    assert TWICE in kinds(here.judge(replace(far, refused=Counter(), dots=far.dots + far.refused)))


def test_a_message_of_which_the_ledger_knows_nothing_was_sent_twice(here: Ground, far: FarSide) -> None:
    assert kinds(here.judge(replace(far, dots=far.dots + Counter({("<other@x.example>", TO): 1})))) == {TWICE}


def test_what_was_kept_and_may_go_out_again_was_sent_twice(here: Ground, far: FarSide) -> None:
    """The worst of all: a letter whose dot had no answer is queued."""
    falsify(
        here,
        "UPDATE letter SET recipients = replace(recipients, 'in_doubt', 'deferred'), state = 'deferred', next_attempt_at = 1"
        " WHERE state = 'in_doubt'",
    )
    assert TWICE in kinds(here.judge(far))


def test_a_dead_worker_s_mark_is_a_doubt_to_come_and_no_second_letter(here: Ground, far: FarSide) -> None:
    falsify(
        here,
        "UPDATE letter SET recipients = replace(recipients, 'in_doubt', 'waiting'), state = 'sending' WHERE state = 'in_doubt'",
        "UPDATE attempt SET settled_at = NULL, verdict = NULL WHERE verdict = 'in_doubt'",
    )
    assert TWICE not in kinds(here.judge(far, is_quiet=False))


def test_more_doubt_than_a_crash_explains_is_found(here: Ground, far: FarSide) -> None:
    falsify(here, "UPDATE attempt SET stage = '', verdict = 'in_doubt' WHERE marked_at IS NOT NULL")
    assert DOUBT in kinds(here.judge(far))


def test_doubt_where_the_server_had_answered_is_found(here: Ground, far: FarSide) -> None:
    assert DOUBT in kinds(here.judge(replace(far, taken=far.taken + far.dots)))


def test_a_server_that_was_gone_before_it_saw_the_dot_explains_a_doubt(here: Ground, far: FarSide) -> None:
    answered = replace(far, taken=far.taken + far.dots)
    gone = replace(answered, dots=Counter(dict.fromkeys(far.dots, 0)))
    assert DOUBT not in kinds(here.judge(gone))


def test_a_breach_of_smtp_is_found(here: Ground, far: FarSide) -> None:
    assert kinds(here.judge(replace(far, broken=["a bare CR in the body"]))) == {WIRE}


def test_other_bytes_than_were_composed_are_found(here: Ground, far: FarSide) -> None:
    first = far.kept[0]
    changed = replace(first, data=first.data.replace(b"charges", b"changes"))
    assert kinds(here.judge(replace(far, kept=[changed, *far.kept[1:]]))) == {WIRE}


def test_a_letter_in_another_s_name_is_found(here: Ground, far: FarSide) -> None:
    other = replace(here.intent, people={address: f"{name} Junior" for address, name in here.intent.people.items()})
    assert WIRE in kinds(replace(here, intent=other).judge(far))


def test_an_address_that_the_letter_does_not_know_is_found(here: Ground, far: FarSide) -> None:
    changed = replace(far.kept[0], recipients=(*far.kept[0].recipients, "other@x.example"))
    assert {WIRE, TWICE} <= kinds(here.judge(replace(far, kept=[changed, *far.kept[1:]])))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE letter SET state = 'cancelled', next_attempt_at = NULL WHERE state = 'deferred'",
        "DELETE FROM journal WHERE seq = 2",
        "UPDATE journal SET line = replace(line, 'deferred', 'refused')",
        "INSERT INTO journal VALUES (1000, '{\"event\":\"x\"}', '')",
        "UPDATE file SET taken = taken + 1, known = known - 1 WHERE id = 1",
        "UPDATE attempt SET number = 7 WHERE letter = 1",
    ],
)
def test_books_that_do_not_agree_are_found(here: Ground, far: FarSide, statement: str) -> None:
    falsify(here, statement)
    assert BOOKS in kinds(here.judge(far))


@pytest.mark.parametrize("name", ["queue/incoming/late.csv", "queue/done/second.csv"])
def test_a_file_where_none_may_be_is_found(here: Ground, far: FarSide, name: str) -> None:
    here.made.write(f"var/{name}", "name\n")
    assert kinds(here.judge(far)) == {BOOKS}


def test_a_journal_file_that_is_cut_is_found_once_it_is_quiet(here: Ground, far: FarSide) -> None:
    file = here.loaded.journal
    file.write_bytes(file.read_bytes()[:-20])
    assert kinds(here.judge(far)) == {BOOKS}
    assert kinds(here.judge(far, is_quiet=False)) == set()


def test_a_signatory_s_name_is_found_wherever_it_may_not_be(here: Ground, far: FarSide) -> None:
    assert kinds(here.judge(far, [f"letter 1 of {NAME} 0.1 was sent"])) == {TOLD}
    falsify(here, "UPDATE edition SET content = 'CANARY.0.1@private.example'")
    assert TOLD in kinds(here.judge(far))


def encoded(text: str) -> str:
    return "".join(f"={octet:02X}" for octet in text.encode())


@pytest.mark.parametrize(
    "seen",
    [
        "550 no Canary",
        "550 spam by Žvirblisė",
        "550 spam by ŽVIRBLISĖ",
        f"550 {Header(NAME, 'utf-8').encode()}",
        f"550 =?utf-8?q?{encoded('Жаворонков')}?=",
        f"550 =?utf-8?q?{encoded('Жаворонков').lower()}?=",
        json.dumps("550 Жаворонков"),
        "550 " + "Жаворонков".encode().decode("latin-1"),
        "550 " + "Жаворонков".encode().decode("ascii", "backslashreplace"),
        "550 %D0%96%D0%B0%D0%B2%D0%BE%D1%80%D0%BE%D0%BD%D0%BA%D0%BE%D0%B2",
        *("550 " + base64.b64encode(f"{before}{CITY}.".encode()).decode() for before in ("", "a", "ab")),
        "550 Nightingale",
        "550 letters from private.example are not wanted",
    ],
)
def test_a_part_of_what_is_personal_is_found_in_every_dress_and_in_every_place(here: Ground, far: FarSide, seen: str) -> None:
    assert kinds(here.judge(far, [seen])) == {TOLD}
    here.made.write("var/journal.until-20110920T000000Z.jsonl", seen)
    assert kinds(here.judge(far)) == {TOLD}


@pytest.mark.parametrize("name", ["ledger.db-wal-kept", "high-water/000017-canary", "writing.d/of Жаворонков"])
def test_a_name_of_a_file_tells_too(here: Ground, far: FarSide, name: str) -> None:
    here.made.write(f"var/{name}", "")
    assert kinds(here.judge(far)) == ({TOLD} if "wal" not in name else set())


def test_without_a_ledger_all_is_lost(here: Ground, far: FarSide) -> None:
    Path(here.loaded.ledger).unlink()
    assert kinds(here.judge(far)) == {LOST}


def test_letters_that_wait_for_a_person_are_not_lost(here: Ground, far: FarSide) -> None:
    waits = Intent(here.intent.people, sends=False, rows=10, known=2, refused=2, files=2)
    falsify(here, f"UPDATE letter SET state = '{State.QUEUED}' WHERE state = 'deferred'")
    assert LOST not in kinds(replace(here, intent=waits).judge(far))
