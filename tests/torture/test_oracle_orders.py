"""
The oracle about what people ordered: each way to go on in spite of an order is found, and what they let go again is not.
"""

from __future__ import annotations

import json
from contextlib import closing
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree

import apsw
import pytest

from mailer.ledger.sqlite import SqliteLedger
from tests.installed import mailer
from tests.servers.scripted import Reply, Rule
from tests.servers.threaded import ThreadedServer
from tests.torture import farside, orders
from tests.torture.farside import FarSide
from tests.torture.grounds import Ground, ground
from tests.torture.judged import DEFIED
from tests.torture.obeyed import COARSE, stops_of
from tests.torture.runs import Zygote
from tests.torture.test_oracle import falsify, kinds


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ground, FarSide]:
    """The first letter is deferred, the other two were accepted."""
    with ThreadedServer([Rule("dot", Reply("451 4.3.0 later"), nth=1)]) as server:
        here = ground(tmp_path_factory.mktemp("sent") / "instance", server.port, files=1)
        assert mailer(here.root, "run").code == 0
        return here, farside.of_record(server.record())


@pytest.fixture
def sent(once: tuple[Ground, FarSide], tmp_path: Path) -> tuple[Ground, FarSide]:
    """A copy of it, for orders and falsehoods."""
    copytree(once[0].root, tmp_path / "instance")
    made = copy(once[0].made)
    made.root = tmp_path / "instance"
    return replace(once[0], made=made), once[1]


def order(here: Ground, *words: str) -> int:
    """Give an order; gives the time of its line in seconds since 1970."""
    assert mailer(here.root, *words, "--why", "asked").code == 0
    return int(datetime.fromisoformat(json.loads(lines(here)[-1])["at"]).timestamp())


def lines(here: Ground) -> list[str]:
    with closing(apsw.Connection(here.loaded.ledger)) as db:
        return [str(line) for (line,) in db.execute("SELECT line FROM journal ORDER BY seq")]


def add_line(here: Ground, at: int, **fields: str | int) -> None:
    """One line more, without its hash: the chain is another chapter's."""
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    seq = len(lines(here)) + 1
    line = json.dumps({"seq": seq, "at": moment, "event": "letter", "letter": 1, "campaign": "c", "target": "court", **fields})
    falsify(here, f"INSERT INTO journal VALUES ({seq}, '{line}', 'x{seq}')")


def marked(here: Ground, at: int) -> None:
    """Every mark was made at that time."""
    falsify(here, f"UPDATE attempt SET marked_at = {at}")


@pytest.mark.parametrize("words", ["hold 1", "cancel 1", "pause c", "pause"])
def test_a_mark_behind_an_order_is_found_and_one_before_it_is_none(sent: tuple[Ground, FarSide], words: str) -> None:
    here, far = sent
    at = order(here, *words.split())
    marked(here, at + COARSE - 1)
    assert DEFIED not in kinds(here.judge(far))
    marked(here, at + COARSE)
    assert DEFIED in kinds(here.judge(far))


@pytest.mark.parametrize(
    ("stop", "go"), [("hold 1", "release 1"), ("pause c", "resume c"), ("pause", "resume"), ("hold 1", "release --campaign c")]
)
def test_once_a_person_lets_it_go_marks_are_right_again(sent: tuple[Ground, FarSide], stop: str, go: str) -> None:
    here, far = sent
    order(here, *stop.split())
    marked(here, order(here, *go.split()) + COARSE + 1)
    assert DEFIED not in kinds(here.judge(far))


def test_a_pause_of_one_scope_ends_with_the_resume_of_that_scope(sent: tuple[Ground, FarSide]) -> None:
    here, far = sent
    order(here, "pause")
    order(here, "pause", "c")
    marked(here, order(here, "resume") + COARSE + 1)
    assert DEFIED in kinds(here.judge(far))
    with closing(SqliteLedger(Path(here.loaded.ledger))) as ledger:
        assert {stop.scope: stop.until < 2**40 for stop in stops_of(ledger)} == {"all": True, "campaign:c": False}


@pytest.mark.parametrize("new", ["accepted", "in_doubt", "queued"])
@pytest.mark.parametrize("words", ["hold 1", "cancel 1"])
def test_a_line_about_an_attempt_behind_an_order_is_found(sent: tuple[Ground, FarSide], words: str, new: str) -> None:
    here, far = sent
    at = order(here, *words.split())
    assert DEFIED not in kinds(here.judge(far))
    add_line(here, at, **{"from": "sending", "to": new, "who": "worker"})
    assert DEFIED in kinds(here.judge(far))


def test_a_line_about_an_attempt_behind_a_person_s_release_is_none(sent: tuple[Ground, FarSide]) -> None:
    here, far = sent
    order(here, "hold", "1")
    at = order(here, "release", "1")
    add_line(here, at, **{"from": "sending", "to": "accepted", "who": "worker"})
    assert DEFIED not in kinds(here.judge(far))


def test_a_rule_that_lets_go_what_a_person_held_is_found(sent: tuple[Ground, FarSide]) -> None:
    here, far = sent
    at = order(here, "hold", "1")
    add_line(here, at, **{"from": "held", "to": "queued", "who": "rule"})
    assert DEFIED in kinds(here.judge(far))


# -- beside a run


@pytest.mark.parametrize("words", ["hold 1", "cancel 1", "pause c", "pause"])
def test_what_is_marked_in_spite_of_an_order_is_seen_in_the_ledger(
    zygote: Zygote, sent: tuple[Ground, FarSide], words: str
) -> None:
    here, _ = sent
    given = orders.given(zygote, here, 0, *words.split())
    assert (given.count, given.tells) == (-1 if words.startswith("pause") else 1, False)
    assert given.defied(orders.marks(here)) == [] and 1 in given.stopped
    falsify(here, "INSERT INTO attempt (letter, number, worker, relay, opened_at, marked_at) VALUES (1, 2, 'w', 'r', 1, 1)")
    assert given.defied(orders.marks(here)) == [(1, 2)]


def test_a_letter_that_an_order_missed_and_whose_dot_went_out_for_it_is_seen(
    zygote: Zygote, sent: tuple[Ground, FarSide]
) -> None:
    here, _ = sent
    falsify(
        here,
        "UPDATE letter SET state = 'sending', next_attempt_at = NULL WHERE state = 'deferred'",
        "INSERT INTO attempt (letter, number, worker, relay, opened_at) VALUES (1, 2, 'w', 'r', 1)",
        "INSERT INTO attempt (letter, number, worker, relay, opened_at, marked_at) VALUES (2, 2, 'w', 'r', 1, 1)",
    )
    missed = frozenset({(1, 2), (2, 2)})
    given = replace(orders.given(zygote, here, 0, "cancel", "1"), missed=missed)
    assert (given.missed_for_nothing(orders.marks(here)), given.came_too_late_for) == ([], [(2, 2)])
    falsify(here, "UPDATE attempt SET marked_at = 1 WHERE letter = 1")
    assert given.missed_for_nothing(orders.marks(here)) == [(1, 2)]
