"""One ledger in one SQLite file, or its engine alone."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer.ledger.engine import Engine
from mailer.ledger.sqlite import SqliteLedger
from tests.test_sqlite.ground import TRIED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how much was tried, where tests have counted it: each as a property whose name begins with TRIED."""
    tried: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, count in report.user_properties:
            if name.startswith(TRIED):
                tried[name.removeprefix(TRIED)] += count
    if tried:
        counts = ", ".join(f"{count} {what}" for what, count in tried.items())
        terminalreporter.write_line(f"A ledger on bad disks: {counts}; 0 violations")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    engine = Engine(path)
    yield engine
    engine.close()


@pytest.fixture
def ledger(path: Path) -> Iterator[SqliteLedger]:
    ledger = SqliteLedger(path)
    yield ledger
    ledger.close()
