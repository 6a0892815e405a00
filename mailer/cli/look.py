"""log, show: what became of every letter. They read the ledger beside a running worker and change nothing."""

from __future__ import annotations

import asyncio
import csv
import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from mailer.cli import completing
from mailer.cli.ground import STATES, again, configuration, counted, hint, json_line, say, table, written
from mailer.config import Configuration
from mailer.delivery import State
from mailer.errors import UsageProblem
from mailer.ledger import Ledger, Selection

_LOG_COLUMNS = (
    "letter",
    "campaign",
    "target",
    "state",
    "reason",
    "attempts",
    "reply",
    "next_attempt_at",
    "accepted_at",
    "file",
    "line",
)
_FOLLOW_SECONDS = 0.5
_LONGEST_FILE = 24


@click.command()
@click.option("--state", type=click.Choice(STATES), metavar="STATE", help=f"Only letters in this state: {', '.join(STATES)}.")
@click.option("--target", default="", shell_complete=completing.targets, help="Only letters to this target.")
@click.option("--campaign", default="", shell_complete=completing.campaigns, help="Only this campaign.")
@click.option("--reason", default="", shell_complete=completing.reasons, help="Only letters with this reason.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@click.option("--follow", is_flag=True, help="From now on, each move of a letter as it comes, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, a letter each.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, cells safe for a spreadsheet.")
@click.pass_context
def log(context: click.Context, /, **chosen: Any) -> None:
    """The delivery log: one letter a line, and what became of it."""
    as_json, as_csv, follow = (chosen.pop(name) for name in ("as_json", "as_csv", "follow"))
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    if follow and (as_csv or chosen["limit"]):
        raise click.UsageError("--follow goes with --json, --state, --target, --campaign and --reason only")
    loaded = configuration(context)
    selection = Selection(**chosen | {"state": chosen["state"] or ""})
    if follow:
        asyncio.run(_follow(loaded, selection, as_json))
    else:
        asyncio.run(_log(loaded, selection, "json" if as_json else "csv" if as_csv else "table"))


@click.command()
@click.argument("letter", type=int, metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def show(context: click.Context, letter: int, as_json: bool) -> None:
    """One letter with every attempt and every recipient's reply."""
    loaded = configuration(context)
    told = asyncio.run(_show(loaded, letter))
    if as_json:
        json_line(told)
        return
    attempts, recipients, evidence = told.pop("attempt_list"), told.pop("recipients"), told.pop("evidence")
    onward = told.pop("onward")
    for key, value in told.items():
        if value not in (None, ""):
            say(f"{key.replace('_', ' '):<16}{_shown(value)}")
    if recipients:
        table("Recipients:", ["address", "role", "state", "reply"], [r.values() for r in recipients])
    for one in attempts:
        _say_attempt(one)
    if onward:
        say("What the relay did with it, by its log:")
        for one in onward:
            say(f"  {_went_on(one, str(told['target']))}")
    if evidence:
        rows = [
            [one["at"], one["kind"], one["address"], " ".join(filter(None, (one["status"], one["said"])))] for one in evidence
        ]
        table("What came in about it:", ["read", "what", "of", "said"], rows)
    if told["state"] == State.IN_DOUBT:
        hint("In doubt: the final dot may have gone out and no answer is on record. It is not sent again by itself.")
        hint(f"Where there is evidence: {again(loaded, f'resolve {letter} --accepted --why TEXT')} (or --resend)")
    else:
        hint(f"All letters: {again(loaded, 'log')}")


def _went_on(hop: Mapping[str, Any], target: str) -> str:
    """
    What became of one recipient at the relay, in a sentence.

    >>> hop = {"address": "head@court.example", "state": "handed on", "server": "mx.court.example[192.0.2.7]:25"}
    >>> _went_on(hop | {"said": "250 2.0.0 Ok", "status": "2.0.0", "at": "T", "since": "T", "times": 1}, "court")
    "head@court.example: handed on; court's server (mx.court.example[192.0.2.7]:25) said 250 2.0.0 Ok at T"
    """
    who = f"{target}'s server ({hop['server']}) said" if "[" in hop["server"] else f"{hop['server'] or 'the relay'} said"
    said = f"{hop['address']}: {hop['state']}; {who} {hop['said'] or hop['status']} at {hop['at']}"
    return said + (f", {hop['times']} times since {hop['since']}" if hop["times"] > 1 else "")


async def _log(loaded: Configuration, selection: Selection, form: str) -> None:
    from mailer import report
    from mailer.app import opened

    async with opened(loaded) as office:
        await _see_that_it_is_known(loaded, office.ledger, selection)
        seals = {id: desk.seal for id, desk in office.desks.items()}
        lines = report.lines(office.ledger, selection, seals)
        if form == "json":
            for line in lines:
                json_line(line)
        elif form == "csv":
            _say_csv(lines)
        else:
            _say_lines(loaded, lines)


async def _see_that_it_is_known(loaded: Configuration, ledger: Ledger, selection: Selection) -> None:
    """A misspelt name finds nothing, and nothing is what everybody hopes for: say that there is no such name."""
    on_record = ledger.tally()
    campaigns = {*loaded.campaigns, *await ledger.fingerprints()}
    targets = {target for one in loaded.campaigns.values() for target in one.targets} | {target for _, target, _ in on_record}
    for name, wanted, known in (("campaign", selection.campaign, campaigns), ("target", selection.target, targets)):
        if wanted and wanted not in known:
            raise UsageProblem(f"there is no {name} «{wanted}»; there are: {', '.join(sorted(known))}")


def _say_lines(loaded: Configuration, lines: Iterable[Mapping[str, object]]) -> None:
    """A letter a line, as they are read; cut to the terminal's width, whole elsewhere."""
    several = len(loaded.campaigns) > 1
    targets = [f"{id}/{target}" if several else target for id, one in loaded.campaigns.items() for target in one.targets]
    wide = max(map(len, targets))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    count = 0
    say(f"{'letter':>8}  {'target':<{wide}}  {'state':<9}  {'from':<{_LONGEST_FILE}}  what")
    for line in lines:
        count += 1
        target = f"{line['campaign']}/{line['target']}" if several else str(line["target"])
        state, came = str(line["state"]).replace("_", " "), _came_from(line)
        text = f"{line['letter']:>8}  {target:<{wide}}  {state:<9}  {came:<{_LONGEST_FILE}}  {_what(line)}".rstrip()
        say(text if not width or len(text) <= width else text[: width - 1] + "…")
    hint(f"{counted(count, 'letter')}. One letter with all its attempts: {again(loaded, 'show ID')}")


def _came_from(line: Mapping[str, object]) -> str:
    """The file and line of a letter's signature, the file's name shortened in the middle."""
    if line["file"] is None:
        return f"line {line['line']}"
    file, number = _shown(line["file"]), f":{line['line']}"
    room = _LONGEST_FILE - len(number)
    if len(file) > room:
        file = f"{file[: room // 2]}…{file[len(file) - room + room // 2 + 1 :]}"
    return file + number


def _what(line: Mapping[str, object]) -> str:
    """What there is to say of a letter in its state."""
    said = _together(str(line["reason"]), str(line["reply"]))
    match line["state"]:
        case State.QUEUED | State.DEFERRED:
            return f"due {_minute(line['next_attempt_at'])}" + (f", {said}" if said else "")
        case State.ACCEPTED:
            return f"{_minute(line['accepted_at'])}  {said}"
        case State.BOUNCED:
            return f"{_minute(line['accepted_at'])}, came back: {line['reason']}"
        case State.BY_HAND:
            return f"by {line['channel']}"
        case _:
            return said


def _minute(moment: object) -> str:
    """A moment's day and minute, which is as much as a narrow terminal has room for."""
    return f"{str(moment)[:16].replace('T', ' ')}Z"


def _say_csv(lines: Iterable[Mapping[str, object]]) -> None:
    from mailer.sheets.written import defused

    with written():
        writer = csv.writer(sys.stdout)
        writer.writerow(_LOG_COLUMNS)
        for line in lines:
            cells = ["" if line[column] is None else str(line[column]) for column in _LOG_COLUMNS]
            writer.writerow([defused(cell) for cell in cells])


async def _follow(loaded: Configuration, selection: Selection, as_json: bool) -> None:
    """The journal as it grows, from now on; read from the ledger, which is ahead of the journal's file."""
    import json

    from mailer.app import opened

    wanted = {"campaign": selection.campaign, "target": selection.target, "to": selection.state, "why": selection.reason}
    async with opened(loaded) as office:
        ledger = office.ledger
        await _see_that_it_is_known(loaded, ledger, selection)
        last = ledger.last_link()
        behind = last.seq if last else 0
        # Said from within: an interrupt that comes while asyncio is still being set up cannot be ended cleanly.
        hint("Following the moves of letters; Ctrl-C ends it.")
        while True:
            for link in ledger.journal(behind, 1_000):
                behind, told = link.seq, json.loads(link.line)
                if told["event"] == "letter" and all(told.get(key) == value for key, value in wanted.items() if value):
                    say(link.line if as_json else _moved(told))
            await asyncio.sleep(_FOLLOW_SECONDS)


def _moved(told: Mapping[str, Any]) -> str:
    """One move of a letter, as the journal tells it."""
    said = ", ".join(str(told[key]) for key in ("why", "reply") if told.get(key))
    moved = f"{told['from']} → {told['to']}".replace("_", " ")
    return f"{told['at']}  {told['letter']:>8}  {told['target']}  {moved}" + (f"  ({said})" if said else "")


async def _show(loaded: Configuration, letter: int) -> dict[str, Any]:
    from mailer import report
    from mailer.app import opened

    async with opened(loaded) as office:
        seals = {id: desk.seal for id, desk in office.desks.items()}
        found = next(report.lines(office.ledger, Selection(letter=letter), seals), None)
        if found is None:
            raise UsageProblem(f"there is no letter {letter}; {again(loaded, 'log')} lists them")
        attempts = [report.attempt(one) for one in office.ledger.attempts(letter)]
        return {**found, "attempt_list": attempts, "evidence": report.evidence(office.ledger.evidence(letter))}


def _say_attempt(one: Mapping[str, Any]) -> None:
    times = {"opened": one["opened_at"], "dot": one["dot_at"], "settled": one["settled_at"]}
    say(f"Attempt {one['number']}: {str(one['outcome']).replace('_', ' ')}")
    for name, at in times.items():
        say(f"  {name:<12}  {at or '-'}")
    if said := _together(one["reason"], one["reply"]):
        say(f"  {one['stage'] or 'reason':<12}  {said}")


def _together(reason: str, reply: str) -> str:
    """A reason and the server's words, which some reasons hold already."""
    return reason if reply in reason else f"{reason}: {reply}" if reason else reply


def _shown(value: object) -> str:
    """A value as a terminal may show it: the name of a file can hold anything."""
    return "".join(character if character.isprintable() else "_" for character in str(value))
