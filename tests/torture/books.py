"""
Whether an instance's own books agree: ledger, journal and folders, and the account of what was dropped.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from mailer import app, health
from mailer.config import Configuration
from mailer.delivery import State
from mailer.highwater import HighWater
from mailer.instance import file_of
from mailer.journal import Journal
from mailer.ledger.sqlite import SqliteLedger
from mailer.spool.names import REPORTS
from tests.ledgers import assert_sound, links, told
from tests.torture.judged import BOOKS, Intent, Violation
from tests.torture.letters import Letter, restored_at


def books(
    loaded: Configuration, intent: Intent, ledger: SqliteLedger, letters: Sequence[Letter], is_quiet: bool
) -> Iterator[Violation]:
    """Where they do not agree."""
    spool = app.spool_of(loaded)
    journal = Journal(loaded.journal, ledger.journal)
    if is_quiet or loaded.journal.exists():
        high_water = HighWater(Path(loaded.ledger).parent / "high-water", ledger.link, file_of)
        mark = (high_water.identity or "there has to be one") if is_quiet else ""
        for sentence in health.disagreements(ledger, journal, high_water, spool, mark=mark, is_at_work=lambda: False):
            if is_quiet or not sentence.startswith("claimed/"):
                yield Violation(BOOKS, sentence)
    try:
        assert_sound(ledger, _began(ledger, letters))
    except AssertionError as problem:
        asserted = traceback.extract_tb(problem.__traceback__)[-1].line
        yield Violation(BOOKS, f"the ledger is not sound: {asserted} {str(problem)[:500]}")
    if not is_quiet:
        return
    lines = "".join(f"{link.line}\n" for link in links(ledger)).encode()
    if loaded.journal.read_bytes() != lines:
        yield Violation(BOOKS, "the journal's file is not what its table says")
    files = [file for file in ledger.files() if file.state == "done"]
    count = tuple(sum(getattr(file.count, of) for file in files) for of in ("read", "taken", "known", "refused"))
    wanted: tuple[int, ...] = (intent.rows, len(intent.people), intent.known, intent.refused)
    if restored_at(ledger):  # what it has learned from done/ is counted there, and once more where it is dropped again
        files, count, wanted = files[: intent.files], count[1:2], wanted[1:2]
    if len(files) != intent.files or count != wanted:
        yield Violation(
            BOOKS, f"{len(files)} of {intent.files} files, rows (read, taken, known, refused) {count}, not {wanted}"
        )
    claimed = [path for path in (loaded.spool / "claimed").iterdir() if path.name != ".read"]
    left = [path.name for path in [*claimed, *(loaded.spool / "incoming").rglob("*")] if path.is_file()]
    done = [path for path in (loaded.spool / "done").rglob("*") if not path.name.endswith(REPORTS)]
    if left or len(done) != intent.files:
        yield Violation(BOOKS, f"{len(left)} files are left in the queue, {len(done)} are done")


def _began(ledger: SqliteLedger, letters: Sequence[Letter]) -> dict[int, str]:
    """In which state each letter was written down: where its first move came from."""
    began = {one.record.letter: one.record.state if one.record.state != State.SENDING else "queued" for one in letters}
    for line in reversed(told(ledger)):
        began[line["letter"]] = "queued" if line["from"] == State.SENDING else line["from"]
    return began
