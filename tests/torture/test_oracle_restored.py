"""
The oracle behind a ledger that was restored: what that need not know, and what is a second letter all the same.

The instance is a copy of one that has sent; a person says that it may go on. Then its books or the far side's are falsified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from tests.installed import mailer
from tests.servers.threaded import ThreadedServer
from tests.torture import farside
from tests.torture.farside import FarSide, Kept
from tests.torture.grounds import Ground, ground
from tests.torture.judged import TWICE, WIRE
from tests.torture.test_oracle import falsify, kinds

FORGOTTEN = "recipients = '[]', accepted_at = NULL, sha256 = NULL"  # an older ledger knows nothing of what went out since


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ground, FarSide]]:
    with ThreadedServer() as server:
        here = ground(tmp_path_factory.mktemp("sent") / "instance", server.port)
        assert mailer(here.root, "run").code == 0
        yield here, farside.of_record(server.record())


@pytest.fixture
def far(sent: tuple[Ground, FarSide]) -> FarSide:
    return sent[1]


@pytest.fixture
def here(sent: tuple[Ground, FarSide], tmp_path: Path) -> Ground:
    """A copy of it, with which a person has gone on."""
    copytree(sent[0].root, tmp_path / "instance")
    made = copy(sent[0].made)
    made.root = tmp_path / "instance"
    assert mailer(made.root, "run").code == 69
    assert mailer(made.root, "resume", "ledger", "--why", "the disk died").code == 0
    return replace(sent[0], made=made)


def again(far: FarSide, message: Kept) -> FarSide:
    """Its books where one more message was kept."""
    return replace(far, kept=[*far.kept, message], dots=far.dots + Counter(message.handed), taken=far.taken + far.taken)


def test_what_went_out_before_may_be_unknown_to_it_as_long_as_it_is_held(here: Ground, far: FarSide) -> None:
    assert kinds(here.judge(far)) == set()
    falsify(here, f"UPDATE letter SET state = 'held', held_by = 'rule', reason = 'restored ledger', {FORGOTTEN} WHERE id = 1")
    assert not {TWICE, WIRE} & kinds(here.judge(far))


@pytest.mark.parametrize(
    "change",
    ["state = 'queued', next_attempt_at = 1", "state = 'held', held_by = 'rule', reason = 'approval'"],
    ids=["queued", "held by a rule that may let it go"],
)
def test_what_went_out_before_and_may_go_out_again_is_found(here: Ground, far: FarSide, change: str) -> None:
    falsify(here, f"UPDATE letter SET {change}, {FORGOTTEN} WHERE id = 1")
    assert TWICE in kinds(here.judge(far))


def test_what_was_kept_again_is_found_unless_a_person_released_it(here: Ground, far: FarSide) -> None:
    falsify(here, f"UPDATE letter SET state = 'held', held_by = 'rule', reason = 'restored ledger', {FORGOTTEN} WHERE id = 1")
    (first,) = [one for one in far.kept if one.message_id == far.kept[0].message_id]
    twice = again(far, first)
    assert TWICE in kinds(here.judge(twice))
    falsify(here, f"UPDATE letter SET message_id = '{first.message_id}' WHERE id = 1")
    assert mailer(here.root, "release", "1", "--why", "it came back").code == 0
    assert TWICE not in kinds(here.judge(twice))


def test_a_second_letter_of_the_same_person_is_found_under_whatever_name(here: Ground, far: FarSide) -> None:
    first = far.kept[0]
    unknown = replace(first, message_id="<other@campaign.example>")
    assert TWICE in kinds(here.judge(again(far, unknown)))
    only = replace(far, kept=[unknown, *far.kept[1:]], dots=far.dots + Counter(unknown.handed))
    falsify(here, f"UPDATE letter SET state = 'held', held_by = 'rule', reason = 'restored ledger', {FORGOTTEN} WHERE id = 1")
    assert TWICE not in kinds(here.judge(only))
