"""Progress bars for a person at a terminal; nothing else ever sees them."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from mailer import log
from mailer.cli.streams import UNWRITABLE


class Bars(log.Watch):
    """Rows that are read and letters that are sent, as they come; nothing once the terminal was closed."""

    is_shown = True

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False)
        self._rows: TaskID | None = None
        self._letters: TaskID | None = None
        self._young: TaskID | None = None

    def __enter__(self) -> Bars:
        with suppress(*UNWRITABLE):
            self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        with suppress(*UNWRITABLE):
            self._progress.stop()

    def rows(self, count: int) -> None:
        """So many more rows were read."""
        with suppress(*UNWRITABLE):
            if self._rows is None:
                self._rows = self._progress.add_task("rows read", total=None)
            self._progress.advance(self._rows, count)

    def letters(self, waiting: int) -> None:
        """So many letters are due when sending begins."""
        with suppress(*UNWRITABLE):
            if self._letters is not None:
                self._progress.remove_task(self._letters)
            self._letters = self._progress.add_task("letters", total=waiting)

    def letter(self) -> None:
        """One more letter was settled."""
        if self._letters is not None:
            self._progress.advance(self._letters)

    def young(self, files: int) -> None:
        """So many files are not taken yet, because they changed a moment ago."""
        with suppress(*UNWRITABLE):
            if self._young is not None:
                self._progress.remove_task(self._young)
                self._young = None
            if files:
                self._young = self._progress.add_task("files that are still being copied, or just were", total=files)

    def waiting(self, seconds: float) -> None:
        """The pass stays: more is due in so many seconds."""
        if self._letters is not None:
            with suppress(*UNWRITABLE):
                self._progress.update(self._letters, description=f"letters (waiting {seconds:.0f} s for the next)")
