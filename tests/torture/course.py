"""
The course of a siege: its time, which goes on from run to run, the far side's books as they grow, what was counted and found.

Whoever plays a part in a siege, the deaths and what happens beside, shares one.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field

from tests.servers.record import EVENTS
from tests.servers.spawned import SpawnedServer
from tests.torture.grounds import Ground
from tests.torture.judged import Violation
from tests.torture.runs import STEP, Ended, Run, Zygote

END = "end"  # the kind of a violation that is about how a run ended
_PATIENCE = 1_200  # seconds for a run that nobody kills


@dataclass
class Course:
    """One siege under way. `later`: by how many seconds its time is moved."""

    zygote: Zygote
    here: Ground
    server: SpawnedServer
    dice: random.Random
    counted: Counter[str] = field(default_factory=Counter)
    found: list[Violation] = field(default_factory=list)
    later: float = 0
    dots: int = 0
    dotted: set[str] = field(default_factory=set)  # the Message-IDs of which a dot has come
    _read: int = 0

    @property
    def booked(self) -> int:
        """How much the server has written down so far, in bytes."""
        return (self.server.store / EVENTS).stat().st_size

    def catch_up(self) -> int:
        """Read on in the server's books; gives how many dots have come in all."""
        with (self.server.store / EVENTS).open("rb") as events:
            events.seek(self._read)
            for line in events:
                if not line.endswith(b"\n"):
                    break
                self._read += len(line)
                if line.startswith(b'{"event": "dot"'):
                    self.dots += 1
                    self.dotted.add(json.loads(line)["message_id"])
        return self.dots

    def start(self, *words: str) -> Run:
        """Start a run, a step later than the last one."""
        self.later += STEP
        return self.zygote.start(self.here, *words, later=self.later)

    def kill(self, run: Run) -> Ended:
        return self._ended(self.zygote.kill(run))

    def run(self, *words: str) -> Ended:
        """A run from start to end."""
        return self._ended(self.zygote.wait(self.start(*words), _PATIENCE))

    def find(self, kind: str, what: str) -> None:
        """Something that must not be was found."""
        self.found.append(Violation(kind, what))

    def _ended(self, ended: Ended) -> Ended:
        self.counted["runs"] += 1
        self.found += [Violation(END, fault) for fault in ended.faults]
        return ended
