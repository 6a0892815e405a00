"""
The story of one backup: an instance sends, a backup is taken, more goes on, the backup is put back; and what must follow.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.servers.threaded import ThreadedServer
from tests.torture import farside, restores
from tests.torture.farside import FarSide
from tests.torture.grounds import Ground
from tests.torture.restores import Copy
from tests.torture.runs import STEP, Ended, Trip, Zygote, until_quiet


@dataclass
class Story:
    """An instance, its far side, and what was run; time goes on from run to run."""

    zygote: Zygote
    here: Ground
    server: ThreadedServer
    ended: list[Ended] = field(default_factory=list)
    dots_then: int = 0  # when the backup was taken

    @property
    def far(self) -> FarSide:
        return farside.of_record(self.server.record())

    @property
    def later(self) -> float:
        return len(self.ended) * STEP

    def run(self, *words: str, point: Trip | None = None) -> Ended:
        self.ended.append(self.zygote.run(self.here, *words, point=point, later=self.later))
        return self.ended[-1]

    def back_up(self, *, is_whole: bool) -> Copy:
        # What the far side has seen is counted first: a letter that goes out meanwhile makes the copy older, not newer.
        self.dots_then = sum(self.far.dots.values())
        return restores.taken(self.here, self.here.root.parent / "copy", is_whole=is_whole)

    def is_refused(self) -> None:
        """What was put back sends nothing until told."""
        before = self.far
        assert sum(before.dots.values()) > self.dots_then, "the scene is none: nothing has gone out since"
        for words in (("run",), ("run", "--send-only"), ("run",)):
            ended = self.run(*words)
            sent = sum((self.far.dots - before.dots).values())
            assert (ended.code, sent) == (69, 0), f"{sent} dots left, exit {ended.code}: {ended.said}"
        assert "resume ledger" in self.ended[-1].said

    def goes_on_with_care(self) -> None:
        """It is refused, then sends nothing that went out before, and at the end all the rest."""
        self.is_refused()
        assert self.run("resume", "ledger", "--why", "the disk died").code == 0
        self.finish()
        for letter in restores.known_to_nobody(self.here, {id for id, _ in self.far.dots}):
            assert self.run("release", str(letter), "--why", "nobody has it").code == 0
        self.finish()
        kept = Counter(handed for one in self.far.kept for handed in one.handed)
        assert set(kept.values()) == {1}
        assert len({id for id, _ in kept}) == len(self.here.intent.people)
        assert self.run("verify").code == 0

    def finish(self) -> None:
        self.ended += until_quiet(self.zygote, self.here, self.later)
        judged = self.here.judge(self.far, [one.said for one in self.ended])
        assert judged.violations == [], str(judged)
        assert [fault for one in self.ended for fault in one.faults] == []
