"""What a person at a terminal is shown while mailer works. Part of `log`."""

from __future__ import annotations


class Watch:
    """What a person at a terminal is shown while it works; this one shows nothing."""

    is_shown = False

    def turn(self) -> None:
        """A turn of the pass is over: the folder was looked at, and what was due was sent."""

    def rows(self, count: int) -> None:
        """So many more rows were read."""

    def letters(self, waiting: int) -> None:
        """So many letters are due when sending begins."""

    def letter(self) -> None:
        """One more letter was settled."""

    def young(self, files: int) -> None:
        """So many files are not taken yet, because they changed a moment ago."""

    def waiting(self, seconds: float) -> None:
        """The pass stays: more is due in so many seconds."""
