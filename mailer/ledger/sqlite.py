"""
The ledger on SQLite.

Each method hands one function to the engine's line; it runs inside a transaction that other work may share, and either
changes what it says or nothing. The tables are in `sql/`, the group commit in `engine`, the one door for states in `moves`;
the methods stand by their use: `standing` `taking` `leaving` `confirming` `ruling` `handing`
`sending` `noticing` `learning` `hearing` `ordering` `reading` `foreseeing`.
"""

from __future__ import annotations

from pathlib import Path

from mailer.ledger.closings import ClosingPart
from mailer.ledger.confirming import ConfirmingPart
from mailer.ledger.engine import Engine
from mailer.ledger.foreseeing import ForeseeingPart
from mailer.ledger.handing import HandingPart
from mailer.ledger.hearing import HearingPart
from mailer.ledger.learning import LearningPart
from mailer.ledger.leaving import LeavingPart
from mailer.ledger.noticing import NoticingPart
from mailer.ledger.ordering import OrderingPart
from mailer.ledger.ruling import RulingPart
from mailer.ledger.sending import SendingPart
from mailer.ledger.standing import StandingPart
from mailer.ledger.taking import TakingPart


class SqliteLedger(
    StandingPart,
    ClosingPart,
    TakingPart,
    LeavingPart,
    ConfirmingPart,
    RulingPart,
    HandingPart,
    SendingPart,
    NoticingPart,
    LearningPart,
    HearingPart,
    OrderingPart,
    ForeseeingPart,
):
    """One ledger in one SQLite file. It decides nothing: states come from `delivery`, times from the caller."""

    def __init__(self, path: Path) -> None:
        self._engine = Engine(path)
        try:
            super().__init__(path)
        except BaseException:
            self._engine.close()
            raise

    @property
    def commits(self) -> int:
        """How many transactions were committed; what a benchmark and a test count."""
        return self._engine.commits

    def close(self) -> None:
        """Finish what stands in line, then close the file."""
        super().close()
        self._engine.close()
