"""Who may work in an instance: the account to which it belongs, so that nobody leaves files there that it cannot write."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from mailer.config import SYSTEM, find
from mailer.errors import ConfigurationError
from mailer.ledger.sqlite import SqliteLedger
from tests.installed import Place, commands
from tests.test_spool.ground import NOBODY, needs_root, unprivileged

# Each verb with what it must be given; init and demo make an instance of their own.
WORDS = {
    "preview": ["c"],
    "approve": ["c"],
    "pause": ["--why", "because"],
    "resume": ["--why", "because"],
    "target": ["close", "c", "court", "--why", "because"],
    "show": ["1"],
    "resolve": ["1", "--accepted", "--why", "because"],
    "withdraw": ["person.1@example.org"],
    "erase": ["person.1@example.org"],
    "backup": ["kept"],
    "print": ["c", "--out", "page.html"],
    **{order: ["1", "--why", "because"] for order in ("hold", "release", "retry", "cancel", "done")},
}
# These make an instance, or tell what is so in each: they touch nobody's.
VERBS = sorted(commands().keys() - {"init", "demo", "schema", "manual", "completion"})


def owned(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_uid for path in root.rglob("*")}


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An instance that has sent a letter, and is another account's."""
    place = Place(tmp_path_factory.mktemp("instance"), "approval: none\n")
    place.drop()
    assert place.mailer("run").code == 0
    for path in [place.root / "var", *(place.root / "var").rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    place.drop(name="more.csv", first=2)
    return place


@needs_root
@pytest.mark.parametrize("verb", VERBS)
def test_root_is_told_as_whom_to_type_a_command_and_nothing_is_touched(others, verb):
    before = owned(others.root)
    said = others.mailer(verb, *WORDS.get(verb, []))
    assert (said.code, said.out) == (64, ""), said
    assert f"{others.root / 'var'} is nobody's, and only that account" in said.err
    assert f"type: runuser -u nobody -- mailer {verb}" in said.err
    assert owned(others.root) == before


@needs_root
def test_an_account_without_a_name_is_told_by_its_number(others):
    os.chown(others.root / "var", 54321, -1)
    try:
        assert "type: sudo -u '#54321' mailer status …" in others.mailer("status").err
    finally:
        os.chown(others.root / "var", NOBODY, -1)


def test_ones_own_instance_asks_nothing(tmp_path):
    assert Place(tmp_path).mailer("check").code == 0


@needs_root
def test_whoever_may_not_look_at_the_systems_configuration_is_told_as_whom_to_ask():
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are for one user only
        os.chmod(name, 0o755)
        etc = Path(name, "etc")
        etc.mkdir(mode=0o700)
        (etc / SYSTEM.name).touch()
        with unprivileged(), pytest.raises(ConfigurationError, match=r"you may not look at it; .*: sudo -u mailer mailer …"):
            find(None, {}, Path("/"), etc / SYSTEM.name)


def test_behind_sudo_an_approval_is_the_persons(tmp_path):
    place = Place(tmp_path)
    assert place.mailer("approve", "c", SUDO_USER="jane").code == 0
    with closing(SqliteLedger(place.root / "var/ledger.db")) as ledger:
        assert asyncio.run(ledger.approvals())["c"].by == "jane"
