"""status, log, show: what became of every letter. They read the ledger beside a running worker and change nothing."""

from __future__ import annotations

import asyncio
import csv
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from mailer.cli.ground import configuration, hint, json_line, say, table
from mailer.config import Configuration
from mailer.delivery import State
from mailer.errors import UsageProblem
from mailer.ledger import Selection

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


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Where everything stands, in one screen."""
    loaded = configuration(context)
    told, reasons, approvals = asyncio.run(_status(loaded))
    if as_json:
        json_line(told)
        return
    campaigns: dict[str, Any] = told["campaigns"]
    for id, campaign in campaigns.items():
        states = [state for state in State if state in campaign["letters"]]
        rows = [[target, *(counts.get(state, 0) for state in states)] for target, counts in campaign["targets"].items()]
        rows.append(["all", *(campaign["letters"][state] for state in states)])
        known, rejected = campaign["duplicates"], campaign["rejected_rows"]
        title = f"{id}: {campaign['signatures']} signatures, {known} known again, {rejected} rows rejected"
        table(title, ["target", *(state.replace("_", " ") for state in states)], rows, right=frozenset(range(1, 13)))
    files, relay = told["files"], told["relay"]
    say(f"Files: {files['done']} done, {files['rejected']} set aside, {files['waiting']} waiting.")
    say(f"Relay: {relay['mode']}, {relay['state']}.")
    if told["next_attempt_at"]:
        say(f"The next letter is due at {told['next_attempt_at']}.")
    if reasons:
        table("Why letters are not accepted", ["campaign", "state", "reason", "letters"], reasons, right=frozenset({3}))
    for sentence in [*approvals, *_advice(told)]:
        hint(sentence)


@click.command()
@click.option("--state", type=click.Choice([str(state) for state in State]), help="Only letters in this state.")
@click.option("--target", default="", help="Only letters to this target.")
@click.option("--campaign", default="", help="Only this campaign.")
@click.option("--reason", default="", help="Only letters with this reason.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@click.option("--follow", is_flag=True, help="Go on with what comes, as it comes, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, a letter each.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, cells safe for a spreadsheet.")
@click.pass_context
def log(context: click.Context, /, **chosen: Any) -> None:
    """The delivery log: one letter a line, and what became of it."""
    as_json, as_csv = chosen.pop("as_json"), chosen.pop("as_csv")
    if as_json and as_csv:
        raise click.UsageError("--json and --csv exclude each other")
    form = "json" if as_json else "csv" if as_csv else "table"
    loaded = configuration(context)
    if chosen.pop("follow"):
        _follow(loaded)
        return
    asyncio.run(_log(loaded, Selection(**chosen | {"state": chosen["state"] or ""}), form))


@click.command()
@click.argument("letter", type=int, metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def show(context: click.Context, letter: int, as_json: bool) -> None:
    """One letter with every attempt and every recipient's reply."""
    told = asyncio.run(_show(configuration(context), letter))
    if as_json:
        json_line(told)
        return
    attempts, recipients = told.pop("attempt_list"), told.pop("recipients")
    table(
        f"Letter {letter}",
        ["", ""],
        [[key.replace("_", " "), value] for key, value in told.items() if value not in (None, "")],
    )
    if recipients:
        table("Recipients", ["address", "role", "state", "reply"], [r.values() for r in recipients])
    heads = ["number", "opened_at", "dot_at", "settled_at", "outcome", "stage", "reason", "reply"]
    rows = [[one[head] if one[head] is not None else "" for head in heads] for one in attempts]
    table("Attempts", [head.replace("_", " ") for head in heads], rows)
    if told["state"] == State.IN_DOUBT:
        hint("In doubt: the final dot may have gone out and no answer is on record. It is not sent again by itself.")


async def _status(loaded: Configuration) -> tuple[dict[str, Any], list[list[object]], list[str]]:
    from mailer import report
    from mailer.app import CLOCK, opened, spool_of

    async with opened(loaded) as office:
        ledger = office.ledger
        breaker = await ledger.breaker(loaded.relay.name)
        relay = {"mode": str(loaded.relay.mode), "state": report.relay_state(breaker, CLOCK.now())}
        spool = spool_of(loaded)
        waiting = len(spool.look(CLOCK.now())) + len(spool.claimed())
        told = report.status(ledger, list(loaded.campaigns), waiting, relay)
        reasons: list[list[object]] = [[*key, count] for key, count in ledger.reasons().items()]
        ruling = await office.ruling()
        hints = [
            f"Campaign {id} is not approved as it stands: mailer approve {id}"
            for id in office.desks
            if not ruling.is_approved(id)
        ]
        hints += [f"Paused ({pause.scope}): {pause.why}" for pause in await ledger.pauses()]
        if breaker.why:
            hints.append(f"The relay has failed {breaker.failures} times: {breaker.why}")
        return told, reasons, hints


def _advice(told: Mapping[str, Any]) -> list[str]:
    """What to do next, in the order of its weight."""
    found = []
    if told["in_doubt"]:
        found.append(f"{told['in_doubt']} letters are in doubt: mailer log --state in_doubt")
    if any(campaign["letters"].get("by_hand") for campaign in told["campaigns"].values()):
        found.append("Some targets are reached by phone or post: mailer log --state by_hand")
    if told["files"]["waiting"]:
        found.append("Files are waiting: mailer run")
    return found or ["Every letter: mailer log. One letter: mailer show ID"]


async def _log(loaded: Configuration, selection: Selection, form: str) -> None:
    from mailer import report
    from mailer.app import opened

    async with opened(loaded) as office:
        seals = {id: desk.seal for id, desk in office.desks.items()}
        lines = report.lines(office.ledger, selection, seals)
        if form == "json":
            for line in lines:
                json_line(line)
        elif form == "csv":
            _write_csv(lines)
        else:
            rows = [[_cell(line[column]) for column in _LOG_COLUMNS] for line in lines]
            table(
                f"{len(rows)} letters",
                [column.replace("_", " ") for column in _LOG_COLUMNS],
                rows,
                right=frozenset({0}),
            )
            hint("One letter with all its attempts: mailer show ID")


def _write_csv(lines: Iterable[Mapping[str, object]]) -> None:
    from mailer.sheets.written import defused

    writer = csv.writer(sys.stdout)
    writer.writerow(_LOG_COLUMNS)
    for line in lines:
        writer.writerow([defused(_cell(line[column])) for column in _LOG_COLUMNS])


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _follow(loaded: Configuration) -> None:
    """The journal's file as it grows: it is appended behind every commit of a pass."""
    import time

    hint(f"Following {loaded.journal}; Ctrl-C ends it.")
    try:
        with open(loaded.journal, encoding="utf-8") as file:
            file.seek(0, 2)
            while True:
                if line := file.readline():
                    click.echo(line.rstrip("\n"))
                else:
                    time.sleep(0.5)
    except FileNotFoundError:
        raise UsageProblem(f"{loaded.journal}: there is no journal yet; `mailer run` makes it") from None


async def _show(loaded: Configuration, letter: int) -> dict[str, Any]:
    from mailer import report
    from mailer.app import opened

    async with opened(loaded) as office:
        seals = {id: desk.seal for id, desk in office.desks.items()}
        found = next(report.lines(office.ledger, Selection(letter=letter), seals), None)
        if found is None:
            raise UsageProblem(f"there is no letter {letter}; `mailer log` lists them")
        attempts = [report.attempt(one) for one in office.ledger.attempts(letter)]
        return {**found, "attempt_list": attempts}
