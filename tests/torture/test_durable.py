"""
Durable before the next step, as the kernel sees it: the order of a whole run's writes, syncs and sends, by strace.

A killed process loses nothing that it wrote, so no kill can show that a sync is missing: only the order of the calls can. The
same is shown of the spool alone in `tests/test_spool/test_finishing.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from tests.servers.available import require
from tests.servers.threaded import ThreadedServer
from tests.torture import faults
from tests.torture.grounds import ground
from tests.torture.runs import Zygote

_LINE = re.compile(r"(?P<thread>\d+) +(?:(?P<call>\w+)\((?P<what>.*)|<\.\.\. (?P<goes_on>\w+) resumed>(?P<rest>.*))")


@dataclass(frozen=True)
class Step:
    """One call that has succeeded: its name, and the file or the socket it is about with what stands behind it."""

    call: str
    what: str


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Step]:
    """Of a run that takes in two files and sends six letters over one connection."""
    require("strace")
    root = tmp_path_factory.mktemp("durable")
    with Zygote() as zygote, ThreadedServer() as server:
        here = ground(root / "instance", server.port)
        run = zygote.start(here, stopped=True)
        how = ["-f", "-yy", "-e", "trace=fsync,fdatasync,sendto,write,pwrite64,renameat2,link,linkat"]
        traced = faults.traced(run, root / "strace", how)
        assert zygote.wait(run).code == 0
        return list(_succeeded(traced.read().splitlines()))


def _succeeded(lines: Sequence[str]) -> Iterator[Step]:
    """The calls in the order in which they ended; a send in that in which it began."""
    begun: dict[str, tuple[str, str]] = {}
    for line in lines:
        found = _LINE.match(line)
        if found is None:
            continue
        thread, call = found["thread"], found["call"]
        if call == "sendto":
            yield Step(call, found["what"])
        elif call and found["what"].endswith("<unfinished ...>"):
            begun[thread] = call, found["what"]
        elif call and "= -1" not in found["what"]:
            yield Step(call, found["what"])
        elif found["goes_on"] and thread in begun and begun[thread][0] == found["goes_on"]:
            if "= -1" not in found["rest"]:
                yield Step(*begun[thread])
            del begun[thread]


def between(steps: Sequence[Step], first: int, last: int, call: str, what: str) -> bool:
    return any(step.call == call and what in step.what for step in steps[first:last])


def sends(steps: Sequence[Step]) -> list[tuple[int, str]]:
    """What went to the relay, by its place."""
    return [(place, step.what) for place, step in enumerate(steps) if step.call == "sendto" and "TCP" in step.what]


def test_the_ledger_is_synced_between_the_body_and_the_dot_and_between_the_dot_and_what_follows(steps: Sequence[Step]) -> None:
    sent = sends(steps)
    dots = [number for number, (_, what) in enumerate(sent) if r'".\r\n"' in what]
    assert len(dots) == 6
    for number in dots:
        (before, _), (dot, _), (after, _) = sent[number - 1 : number + 2]
        assert between(steps, before, dot, "fdatasync", "ledger.db-wal"), "the dot left before its mark was durable"
        assert between(steps, dot, after, "fdatasync", "ledger.db-wal"), (
            "the next letter began before the settlement was durable"
        )


def test_the_claim_of_a_letter_is_synced_before_the_relay_is_greeted(steps: Sequence[Step]) -> None:
    (first, _), *_ = sends(steps)
    last_row = max(place for place, step in enumerate(steps[:first]) if step.call == "renameat2")
    assert between(steps, last_row, first, "fdatasync", "ledger.db-wal")


def test_the_rows_of_a_file_are_synced_before_it_leaves_the_claimed(steps: Sequence[Step]) -> None:
    moves = [place for place, step in enumerate(steps) if step.call == "renameat2"]
    assert len(moves) == 8  # claimed, reserved, its copy done, itself put by; of two files
    for claimed, reserved in (moves[0:2], moves[4:6]):
        assert between(steps, claimed, reserved, "fdatasync", "ledger.db-wal")


@pytest.mark.parametrize("file", ["journal.jsonl", ".key."])
def test_what_is_written_to_a_file_is_synced(steps: Sequence[Step], file: str) -> None:
    written = [place for place, step in enumerate(steps) if step.call == "write" and file in step.what]
    assert written
    assert all(between(steps, place, len(steps), "fsync", file) for place in written)
