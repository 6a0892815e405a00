"""
A million lines of a relay's log, of which some are about our letters: how long, how much memory.

    python -m tests.long_maillog --lines 1000000 --letters 2000

The log is what a busy Postfix writes, letters of ours among the mail of others; it is read to its end as `mailer inbox` does.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mailer.maillog import Follower
from mailer.onward import Onward
from tests.maillogs import begun, named, queued, removed, went
from tests.offices import NOON, at_work, drop, instance
from tests.relays import TO, settings_for
from tests.servers.scripted import ScriptedServer

CAMPAIGN = f"approval: none\nconsent: assumed\npace: none\ntargets: {{court: {{name: Court, to: {TO}}}}}\n"


def lines(ids: list[str], count: int, seed: int) -> Iterator[str]:
    """So many lines, five a mail; our letters' among them."""
    dice = random.Random(seed)
    mails = count // 5
    ours = dict(zip(dice.sample(range(mails), len(ids)), ids, strict=True))
    for number in range(mails):
        queue, at = f"4Hr{number:09d}", NOON + number // 100
        id = ours.get(number) or f"<{dice.getrandbits(80):020x}@other.example>"
        to = TO if number in ours else f"someone{number}@other.example"
        yield begun(queue, at) + named(queue, id, at) + queued(queue, 1, at) + went(queue, to, at) + removed(queue, at)


async def measure(count: int, letters: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        here = instance(Path(folder), CAMPAIGN)
        drop(here, letters)
        async with at_work(here) as scene, ScriptedServer() as server:
            await scene.take_in()
            await scene.send(settings_for(server), connections=4)
            path = Path(folder) / "mail.log"
            with path.open("w") as file:
                file.writelines(lines([one.message_id for one in scene.records()], count, seed))
            scene.time.now += count
            reader = Onward(scene.ledger, scene.office.desks, Follower(path), scene.time.clock)
            began, cpu = time.monotonic(), time.process_time()
            found = await reader.look()
            seconds, used = time.monotonic() - began, time.process_time() - cpu
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            size = path.stat().st_size / 1e6
            print(f"{count} lines, {size:.0f} MB: {seconds:.1f} s, {used:.1f} s of CPU, peak {peak:.0f} MB; {found.told()}")
            assert found.kinds["handed on"] == letters
            began = time.monotonic()
            await reader.look(4)
            print(f"nothing new: {(time.monotonic() - began) * 1000:.1f} ms")


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--lines", type=int, default=1_000_000)
    words.add_argument("--letters", type=int, default=2_000)
    words.add_argument("--seed", type=int, default=7)
    given = words.parse_args()
    asyncio.run(measure(given.lines, given.letters, given.seed))
