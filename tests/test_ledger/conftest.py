"""The ledgers that the contract is asked of, one after another; each test has one of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer.ledger import Ledger
from tests import ledgers
from tests.ledgers import LEDGERS


@pytest.fixture(params=LEDGERS)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ledger(engine: str, tmp_path: Path) -> Iterator[Ledger]:
    with ledgers.opened(engine, tmp_path) as opened:
        yield opened


@pytest.fixture
def second(engine: str, tmp_path: Path, ledger: Ledger) -> Iterator[Ledger]:
    """The same ledger, opened by a second program."""
    with ledgers.opened(engine, tmp_path) as opened:
        yield opened
