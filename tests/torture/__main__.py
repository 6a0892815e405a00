"""
The whole of it, for `make torture`: all kills, all second kills, all stops, all faults, and a siege; then a summary in figures.

    python -m tests.torture                          everything, most of an hour
    python -m tests.torture kills stops              some of it
    python -m tests.torture siege --letters 30000 --kills 1000 --seed 7

Exit code 1 if anything was lost, sent twice in silence, or not as it must be; what it was is printed at once.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from tests.servers.available import missing
from tests.torture import faults, matrix, siege
from tests.torture.course import END
from tests.torture.judged import BOOKS, DEFIED, DOUBT, LOST, STANDS, TOLD, TWICE, WIRE, Judged
from tests.torture.matrix import Told, room
from tests.torture.runs import Zygote
from tests.torture.siege import Plan
from tests.torture.trials import Tried

PARTS = ("kills", "second-kills", "stops", "faults", "siege")
_KINDS = (LOST, TWICE, DOUBT, STANDS, DEFIED, WIRE, BOOKS, TOLD, END)
_MORE = ("killed ", "exit ", "stopped by", "backups", "restored", "released", "ordered")


def main() -> int:
    """Go through the parts that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__.partition("\n\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--letters", type=int, default=30_000, help="of the siege")
    parser.add_argument("--kills", type=int, default=1_000, help="of the siege")
    parser.add_argument("--seed", type=int, default=1, help="of the siege")
    parser.add_argument(
        "--within", type=float, default=0.13, metavar="SECONDS", help="of sending in which a run of the siege dies"
    )
    parser.add_argument("--without", nargs="*", default=[], choices=sorted(siege.SCENES), help="of what happens beside a siege")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth trial, for a first look")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    beside = siege.SCENES - set(asked.without)
    plan = Plan(asked.letters, asked.kills, seed=asked.seed, within=asked.within, beside=beside)
    whole, began = Judged(), time.monotonic()
    with Zygote() as zygote:
        for part in asked.parts or PARTS:
            whole += _part(part, _trials(part, zygote, plan), asked.every)
    _say("in all", whole, time.monotonic() - began)
    return 1 if whole.violations else 0


def _trials(part: str, zygote: Zygote, plan: Plan) -> Iterator[Callable[[], Told]]:
    if part == "faults":
        if reason := missing("strace"):
            print(f"faults: left out: {reason}", flush=True)
            return
        yield from faults.all_trials(zygote)
    elif part == "siege":
        print(
            f"siege: seed {plan.seed}, {plan.letters} letters, {plan.kills} kills, {plan.connections} connections", flush=True
        )
        yield partial(_besieged, zygote, plan)
    else:
        yield from {"kills": matrix.kills, "second-kills": matrix.second_kills, "stops": matrix.stops}[part](zygote)


def _besieged(zygote: Zygote, plan: Plan) -> Told:
    with room() as root:
        return Told("siege", Tried(siege.lay(zygote, root, plan, partial(print, flush=True)), was_met=True))


def _part(part: str, trials: Iterator[Callable[[], Told]], every: int) -> Judged:
    """All trials of a part, its violations printed as they are found."""
    whole, began, unmet, number = Judged(), time.monotonic(), 0, 0
    for number, trial in enumerate(trials):
        if number % every:
            continue
        told = trial()
        unmet += not told.tried.was_met
        whole += told.tried.judged
        if told.tried.judged.violations:
            print(f"VIOLATION in {told.name}\n{told.tried.judged}", flush=True)
    _say(f"{part}: {number // every + 1} trials, {unmet} of them without meeting their point", whole, time.monotonic() - began)
    return whole


def _say(title: str, judged: Judged, seconds: float) -> None:
    counted = judged.counted
    figures: Sequence[tuple[str, int]] = [
        ("runs", counted["runs"]),
        ("kills", counted["kills"]),
        ("stops", counted["stopped"]),
        ("faults", counted["faults"]),
        ("letters", counted["letters"]),
        ("accepted", counted["letters accepted"]),
        ("in doubt", counted["letters in_doubt"]),
        ("receipts", counted["receipts"]),
        *((kind, counted[kind]) for kind in _KINDS),
    ]
    print(f"{title}; {seconds:.0f} s\n    " + ", ".join(f"{count} {name}" for name, count in figures), flush=True)
    more = {name: count for name, count in sorted(counted.items()) if name.startswith(_MORE)}
    if more:
        print("    " + ", ".join(f"{count} {name}" for name, count in more.items()), flush=True)


if __name__ == "__main__":
    sys.exit(main())
