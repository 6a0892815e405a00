"""Asked to stop while files are taken in: the one in hand stays claimed, no other is begun, and the next run loses no row."""

import asyncio
import os
from pathlib import Path

import pytest

from mailer import app, log
from mailer.intake import CHUNK, Intake
from tests.offices import NOON, Scene, at_work, drop, instance

ROWS = 3 * CHUNK


class Stopping(log.Watch):
    """Asks for the stop as a signal does, once the first rows were read: the loop has to come to it."""

    intake: Intake

    def rows(self, count: int) -> None:
        asyncio.get_running_loop().call_soon(self.intake.stop)


def taking(scene: Scene, watch: log.Watch) -> Intake:
    return Intake(app.spool_of(scene.office.configuration), scene.ledger, scene.office.desks, scene.time.clock, watch)


@pytest.mark.parametrize("is_left", [False, True], ids=["of the folder", "of what a crash left claimed"])
@pytest.mark.parametrize("good", [True, False], ids=["rows that are taken", "rows that are all rejected"])
async def test_a_stop_ends_the_taking_in_between_two_chunks(good, is_left, tmp_path: Path):
    made = instance(tmp_path)
    for first in (1, 10_001):
        drop(made, ROWS, first=first)
        if not good:
            path = made.root / f"var/queue/incoming/{first}.csv"
            path.write_text(path.read_text().replace("@", " at "))
            os.utime(path, (NOON - 3600, NOON - 3600))
    async with at_work(made) as scene:
        watch = Stopping()
        stopped = watch.intake = taking(scene, watch)
        spool = app.spool_of(scene.office.configuration)
        spool.prepare()
        if is_left:
            for waiting in spool.look(NOON):
                spool.claim(waiting, NOON)
        assert await (stopped.finish_claimed() if is_left else stopped.take_ready()) == []
        assert len(scene.records()) < ROWS
        assert (len(spool.claimed()), len(spool.look(NOON))) == ((2, 0) if is_left else (1, 1))
        again = taking(scene, log.Watch())
        files = [*await again.finish_claimed(), *await again.take_ready()]
        assert [(file.count.read, file.count.taken) for file in files] == [(ROWS, ROWS if good else 0)] * 2
        assert len(scene.records()) == (2 * ROWS if good else 0)
        scene.began = {record.letter: record.state for record in scene.records()}
        scene.assert_sound()
