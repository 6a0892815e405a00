"""status: where everything stands, in one screen, and what to do next. It reads the ledger beside a running worker."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import click

from mailer.campaign import Reason
from mailer.cli.ground import again, configuration, counted, hint, json_line, say, table, told_closing, told_pause
from mailer.config import Configuration
from mailer.delivery import State
from mailer.ledger import Count, Ledger
from mailer.rules import Ruling
from mailer.spool.names import printable

# What ends a reason for which a rule holds letters; the command, if there is one, stands beside it.
_ENDS = {
    Reason.NO_ROUTE: "no address is known for these signatories' countries: add it to the directory (config/embassies.yaml)",
    Reason.NOT_CONFIGURED: "put the campaign or the target back into the configuration, or cancel these letters",
    Reason.NOT_CONFIRMED: "look these addresses up, and write the day beside each as checked_on",
    Reason.ADDRESS_REFUSED: "three letters in a row found no such mailbox: correct the address, or release them",
    Reason.UNCONFIRMED: "nobody has confirmed these signatures: drop a file in which their confirmed_at is filled in",
    Reason.CLOSED: "these targets are closed, by a person (see below) or in the campaign's configuration",
    Reason.PRINTED: "somebody may have used the paper: mark what was done (mailer done), release what was not",
}

_NEWEST = 8  # files that are shown one by one
_ACCOUNTS = ("read", "taken", "known", "refused", "held", "unconfirmed", "confirmed", "withdrawn", "left_out")


# The ages up to which `--waiting` counts, in seconds.
_AGES = {"10 min": 600, "1 h": 3600, "6 h": 21_600, "1 day": 86_400, "5 days": 432_000}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option(
    "--waiting", is_flag=True, help="How many letters wait for each target, how long already, and how fast they may go."
)
@click.pass_context
def status(context: click.Context, as_json: bool, waiting: bool) -> None:
    """Where everything stands, in one screen."""
    loaded = configuration(context)
    if waiting:
        waits = asyncio.run(_waits(loaded))
        json_line({"waiting": waits}) if as_json else _say_what_waits(loaded, waits)
        return
    told, reasons, stops, files_shown = asyncio.run(_status(loaded))
    if as_json:
        json_line(told)
        return
    campaigns: dict[str, Any] = told["campaigns"]
    for id, campaign in campaigns.items():
        _say_campaign(id, campaign)
        _say_notices(campaign["notices"])
        _say_mail(campaign["mail"])
        _say_onward(campaign["onward"])
        _say_ahead(campaign["projection"])
    files, relay = told["files"], told["relay"]
    _say_files(files_shown, len(told["rows_by_file"]))
    say(f"Files: {files['done']} done, {files['rejected']} set aside, {files['waiting']} waiting.")
    say(f"Relay: {relay['mode']}, {relay['state']}.")
    if told["next_attempt_at"] and relay["state"] != "down":
        say(f"The next letter is due at {told['next_attempt_at']}.")
    if reasons:
        table("Why letters are not accepted:", ["campaign", "state", "reason", "letters"], reasons, right=frozenset({3}))
    for sentence in [*stops, *_advice(loaded, told, {str(row[2]) for row in reasons})]:
        hint(sentence)


async def _status(loaded: Configuration) -> tuple[dict[str, Any], list[list[object]], list[str], list[tuple[str, Count]]]:
    """What is told, why letters are not accepted, what stops them, and the newest files with their accounts."""
    from mailer import report
    from mailer.app import CLOCK, opened, spool_of

    async with opened(loaded) as office:
        ledger = office.ledger
        breaker = await ledger.breaker(loaded.relay.name)
        relay = {"mode": str(loaded.relay.mode), "state": report.relay_state(breaker, CLOCK.now())}
        spool = spool_of(loaded)
        waiting = len(spool.look(CLOCK.now())) + len(spool.claimed())
        ruling = await office.ruling()
        told = report.status(ledger, list(loaded.campaigns), waiting, relay, await _ahead(loaded, ledger, ruling))
        reasons: list[list[object]] = [[*key, count] for key, count in ledger.reasons().items()]
        reasons += [
            [id, f"{lane.removeprefix('@')} {state}", reason, count]
            for (id, lane, state, reason), count in sorted(ledger.notices().items())
            if reason and state in {State.HELD, State.DEFERRED, State.REFUSED, State.IN_DOUBT, State.EXPIRED}
        ]
        stops = [
            f"{id} is not approved as it stands: {again(loaded, f'approve {id}')} (--diff: what has changed)"
            for id in office.desks
            if not ruling.is_approved(id)
        ]
        stops += [told_pause(pause, loaded) for pause in await ledger.pauses()]
        stops += [told_closing(closing, loaded) for closing in await ledger.closings()]
        if breaker.why:
            next_try = f"; it is tried again at {report.moment(breaker.not_before)}" if relay["state"] == "down" else ""
            stops.append(f"The relay has failed {counted(breaker.failures, 'time')} ({breaker.why}){next_try}")
            stops.append(f"To ask it: {again(loaded, 'check --relay')}")
        seals = {id: desk.seal for id, desk in office.desks.items()}
        newest = [file for file in ledger.files() if file.state == "done"][-_NEWEST:]
        shown = [(report.name_of(ledger, file, seals) or f"file {file.id}", file.count) for file in newest]
        return told, reasons, stops, shown


def _say_mail(mail: Mapping[str, Mapping[str, Any]]) -> None:
    """What came in, a line a target; copies are as many as letters, and told by `show`."""
    for target, kinds in mail.items():
        if told := ", ".join(f"{one['count']} {kind}" for kind, one in kinds.items() if kind != "copy"):
            say(f"  mail about {target}: {told}")


def _say_onward(onward: Mapping[str, Mapping[str, int]]) -> None:
    """What the relay did with the letters that it took, a line a target."""
    for target, states in onward.items():
        say(f"  by the relay's log, {target}: " + ", ".join(f"{count} {state}" for state, count in states.items()))


async def _ahead(loaded: Configuration, ledger: Ledger, ruling: Ruling) -> dict[str, dict[str, Any]]:
    """What becomes of each campaign's queue at the pace of now: when it is empty, and what misses the deadline, by target."""
    from mailer import projection, report
    from mailer.app import CLOCK
    from mailer.throttle import Limits

    limits = Limits(loaded.pace, loaded.domain_pace)
    told = {}
    outlooks = await projection.outlooks(ledger, ruling, limits, loaded.relay.name, CLOCK.seconds)
    for id, outlook in outlooks.items():
        late = [
            {"target": lane.target, "country": lane.country, "letters": count, "from": ledger.nth_waiting(lane, behind)}
            for lane, (count, behind) in sorted(outlook.late.items(), key=lambda one: (one[0].target, one[0].country))
        ]
        empty_at = report.moment(outlook.empty_at) if outlook.empty_at is not None else None
        told[id] = {"letters": outlook.waiting, "empty_at": empty_at, "misses_deadline": late}
    return told


def _say_ahead(ahead: Mapping[str, Any] | None) -> None:
    """When the queue is empty, and what misses the deadline. An estimate, and said so."""
    if ahead is None:
        return
    letters = counted(ahead["letters"], "letter")
    by = f"by about {ahead['empty_at'][:16].replace('T', ' ')}Z" if ahead["empty_at"] else "not within a year"
    say(f"  at this pace: {letters} out {by}, if all are accepted")
    for target, lanes in groupby(ahead["misses_deadline"], key=lambda one: one["target"]):
        late = list(lanes)
        first = f", from letter {late[0]['from']} on" if len(late) == 1 else ""
        say(f"  misses the deadline: {counted(sum(one['letters'] for one in late), 'letter')} to {target}{first}")


def _say_notices(notices: Mapping[str, Mapping[str, int]]) -> None:
    """Receipts, digests and trials, a line each; they are no letters."""
    for kind, counts in notices.items():
        states = ", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in State if state in counts)
        say(f"  {kind}s: {states}")


def _say_files(files: list[tuple[str, Count]], of: int) -> None:
    """The newest files, and what became of the rows of each."""
    if not files:
        return
    heads = ["file", "rows", "taken", "known", "rejected", "held", "not confirmed", "confirmed", "withdrawn", "left out"]
    rows = [[printable(name), *(getattr(count, column) for column in _ACCOUNTS)] for name, count in files]
    empty = [at for at in range(5, len(heads)) if not any(row[at] for row in rows)]
    kept = [at for at in range(len(heads)) if at not in empty]
    title = "Rows of each file:" if len(files) == of else f"Rows of each of the newest {len(files)} files:"
    table(title, [heads[at] for at in kept], [[row[at] for at in kept] for row in rows], right=frozenset(range(1, 10)))


def _say_campaign(id: str, campaign: Mapping[str, Any]) -> None:
    known, rejected = campaign["duplicates"], campaign["rejected_rows"]
    title = f"{id}: {counted(campaign['signatures'], 'signature')}, {known} known again, {counted(rejected, 'row')} rejected"
    silent = {"not confirmed": "unconfirmed", "withdrawn": "withdrawn", "erased": "erased"}
    title += "".join(f", {campaign[how]} {said}" for said, how in silent.items() if campaign[how])
    if not campaign["letters"]:
        say(title)
        return
    states = [state for state in State if state in campaign["letters"]]
    rows = [[target, *(counts.get(state, 0) for state in states)] for target, counts in campaign["targets"].items()]
    rows.append(["all", *(campaign["letters"][state] for state in states)])
    table(title, ["target", *(state.replace("_", " ") for state in states)], rows, right=frozenset(range(1, 13)))


async def _waits(loaded: Configuration) -> list[dict[str, Any]]:
    """What waits to go out, a target each: the longest queue first."""
    from mailer.app import CLOCK, opened

    async with opened(loaded, needs_keys=False) as office:
        found = office.ledger.waits(CLOCK.seconds, list(_AGES.values()))
    return [
        {
            "campaign": campaign,
            "target": target,
            "letters": letters,
            "due": due,
            "ages": dict(zip([*map(str, _AGES.values()), "older"], ages, strict=True)),
            "per_hour": loaded.campaigns[campaign].pace.hourly if campaign in loaded.campaigns else None,
        }
        for (campaign, target), (letters, due, *ages) in sorted(found.items(), key=lambda item: (-item[1][0], item[0]))
    ]


def _say_what_waits(loaded: Configuration, waits: list[dict[str, Any]]) -> None:
    if not waits:
        say("No letter waits to go out.")
        return
    rows = [
        [
            *(wait[key] for key in ("campaign", "target", "letters", "due")),
            *wait["ages"].values(),
            wait["per_hour"] or "no limit",
        ]
        for wait in waits
    ]
    heads = ["campaign", "target", "letters", "due", *_AGES, "older", "an hour"]
    table("What waits to go out, by the time since it was taken in:", heads, rows, right=frozenset(range(2, 11)))
    hint("due: not deferred, or to be tried again now. an hour: the most that go to one address, the campaign's pace.")
    hint(f"Why letters wait: {again(loaded, 'status')}")


def _advice(loaded: Configuration, told: Mapping[str, Any], reasons: set[str]) -> list[str]:
    """What to do next, in the order of its weight."""
    found = []
    if told["in_doubt"]:
        found.append(f"{counted(told['in_doubt'], 'letter')} in doubt: {again(loaded, 'log --state in_doubt')}")
    found += [f"{reason}: {end}" for reason, end in _ENDS.items() if reason in reasons]
    if any(campaign["letters"].get("by_hand") for campaign in told["campaigns"].values()):
        found.append(f"by hand: some targets are reached by phone or post: {again(loaded, 'log --state by_hand')}")
    if told["files"]["waiting"]:
        found.append(f"Files are waiting: {again(loaded, 'run')}")
    return [*found, f"Every letter: {again(loaded, 'log')}. One letter: {again(loaded, 'show ID')}"]
