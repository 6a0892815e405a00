"""
What organisers and scripts see of the ledger: status, the delivery log, one letter.

    ledger > REPORT > cli

Plain data in the shapes that are promised (keys are never renamed); how it is laid out on a terminal is for `cli`. Letters
stand here by their numbers: no name and no address of a signatory. The name of a file is unsealed only for the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from mailer import signature
from mailer.delivery import State
from mailer.errors import KeyProblem
from mailer.ledger import Attempt, Evidence, FileRecord, Hop, Ledger, Record, Selection
from mailer.notice import is_notice
from mailer.pace import Breaker
from mailer.seal import Seal


def moment(seconds: float | None) -> str | None:
    """
    A time as RFC 3339 in UTC.

    >>> moment(1316505600)
    '2011-09-20T08:00:00Z'
    """
    return None if seconds is None else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def status(
    ledger: Ledger,
    campaigns: Sequence[str],
    waiting_files: int,
    relay: Mapping[str, str],
    ahead: Mapping[str, Mapping[str, object]],
) -> dict[str, object]:
    """The whole install in one object; counts of every campaign that is configured or on record; `ahead` is by campaign."""
    tally, signed, files, silent = ledger.tally(), ledger.signatures(), ledger.files(), ledger.silent()
    notices, answers, hops = ledger.notices(), ledger.answers(), ledger.hops()
    known = sorted({*campaigns, *signed, *(campaign for campaign, _, _ in tally)})
    told = {}
    for id in known:
        letters: dict[str, int] = {}
        targets: dict[str, dict[str, int]] = {}
        for (campaign, target, state), count in sorted(tally.items()):
            if campaign == id:
                letters[state] = letters.get(state, 0) + count
                targets.setdefault(target, {})[state] = count
        of = [file.count for file in files if file.campaign == id and file.state != "rejected"]
        told[id] = {
            "signatures": signed.get(id, 0),
            "duplicates": sum(count.known for count in of),
            "rejected_rows": sum(count.refused for count in of),
            **{how: silent.get((id, how), 0) for how in ("unconfirmed", "withdrawn", "erased")},
            "letters": letters,
            "targets": targets,
            "notices": _notices(notices, id),
            "mail": _mail(answers, id),
            "onward": _onward(hops, id),
            "projection": ahead.get(id),
        }
    return {
        "campaigns": told,
        "files": {
            "done": sum(file.state == "done" for file in files),
            "rejected": sum(file.state == "rejected" for file in files),
            "waiting": waiting_files,
        },
        "rows_by_file": [account(file) for file in files],
        "in_doubt": sum(count for (_, _, state), count in tally.items() if state == State.IN_DOUBT),
        "next_attempt_at": moment(ledger.next_attempt_at()),
        "relay": dict(relay),
    }


def _notices(counts: Mapping[tuple[str, str, str, str], int], campaign: str) -> dict[str, dict[str, int]]:
    """The receipts, digests and trials of a campaign, each kind by state."""
    told: dict[str, dict[str, int]] = {}
    for (id, lane, state, _), count in sorted(counts.items()):
        if id == campaign:
            kind = told.setdefault(lane.removeprefix("@"), {})
            kind[state] = kind.get(state, 0) + count
    return told


def _mail(counts: Mapping[tuple[str, str, str], tuple[int, int]], campaign: str) -> dict[str, dict[str, dict[str, object]]]:
    """What came in about letters of a campaign, by target and kind: how much, and when the newest was read."""
    told: dict[str, dict[str, dict[str, object]]] = {}
    for (id, target, kind), (count, at) in sorted(counts.items()):
        if id == campaign and not is_notice(target):
            told.setdefault(target, {})[kind] = {"count": count, "newest": moment(at)}
    return told


def _onward(counts: Mapping[tuple[str, str, str], int], campaign: str) -> dict[str, dict[str, int]]:
    """What the relay did with a campaign's letters, by target: how many recipients are in which state."""
    told: dict[str, dict[str, int]] = {}
    for (id, target, state), count in sorted(counts.items()):
        if id == campaign:
            told.setdefault(target, {})[state] = count
    return told


def account(file: FileRecord) -> dict[str, object]:
    """What became of the rows of one file; it is called by its number, as `--file` takes it."""
    count = file.count
    return {
        "file": file.id,
        "campaign": file.campaign,
        "state": file.state,
        "rows": count.read,
        "taken": count.taken,
        "known": count.known,
        "rejected": count.refused,
        "held": count.held,
        "unconfirmed": count.unconfirmed,
        "confirmed": count.confirmed,
        "withdrawn": count.withdrawn,
        "left_out": count.left_out,
        "reason": file.reason,
    }


def name_of(ledger: Ledger, file: FileRecord, seals: Mapping[str, Seal]) -> str:
    """The name of a file, where somebody of it is on record and the key is at hand; else empty."""
    found = ledger.name_of(file.id) if file.count.taken else None
    if found is None or (opened := seals.get(found[0])) is None:
        return ""
    try:
        return signature.unpack(opened.open(found[1]))[1]
    except KeyProblem:
        return ""


def relay_state(breaker: Breaker, now: float) -> str:
    """
    The relay's state in one word: `well`, `probing` (the next letter tries it alone) or `down`.

    >>> relay_state(Breaker(), 0)
    'well'
    """
    if breaker.is_open(now):
        return "down"
    return "probing" if breaker.is_probing else "well"


def lines(ledger: Ledger, selection: Selection, seals: Mapping[str, Seal]) -> Iterator[dict[str, object]]:
    """The delivery log: one object a letter, with the promised keys."""
    for record in ledger.records(selection):
        yield line(record, _file_of(record, seals))


def line(record: Record, file: str | None) -> dict[str, object]:
    """One letter as the delivery log shows it."""
    return {
        "letter": record.letter,
        "campaign": record.campaign,
        "signature": record.signature,
        "target": record.target,
        "channel": record.channel,
        "state": record.state,
        "reason": record.reason,
        "attempts": record.attempts,
        "reply": record.reply,
        "relay": record.relay,
        "message_id": record.message_id,
        "recipients": [recipient(*row) for row in record.recipients],
        "onward": [hop(one) for one in record.hops],
        "file": file,
        "line": record.line,
        "country": record.country,
        "queued_at": moment(record.queued_at),
        "next_attempt_at": moment(record.next_attempt_at),
        "accepted_at": moment(record.accepted_at),
    }


def hop(one: Hop) -> dict[str, object]:
    """What the relay's log says of one recipient, as JSON shows it."""
    return {
        "address": one.address,
        "state": one.state,
        "server": one.server,
        "status": one.status,
        "said": one.said,
        "at": moment(one.at),
        "since": moment(one.since),
        "times": one.times,
        "queue_id": one.queue.partition("/")[2],
    }


def recipient(address: str, role: str, state: str, reply: str) -> dict[str, str]:
    """One recipient as JSON shows it."""
    return {"address": address, "role": role, "state": state, "reply": reply}


def attempt(one: Attempt) -> dict[str, object]:
    """One attempt as `show` tells it."""
    return {
        "number": one.number,
        "relay": one.relay,
        "worker": one.worker,
        "opened_at": moment(one.opened_at),
        "dot_at": moment(one.marked_at),
        "settled_at": moment(one.settled_at),
        "outcome": one.verdict or "open",
        "stage": one.stage,
        "reason": one.reason,
        "reply": one.answer,
        "recipients": [recipient(*row) for row in one.recipients],
    }


def evidence(pieces: Sequence[Evidence]) -> list[dict[str, object]]:
    """What came in about a letter, as `show` tells it."""
    return [
        {"at": moment(one.at), "kind": one.kind, "address": one.address, "status": one.status, "said": one.said}
        for one in pieces
    ]


def _file_of(record: Record, seals: Mapping[str, Seal]) -> str | None:
    """The name of the file a letter came in; None once it was erased, or where its campaign's key is not at hand."""
    opened = seals.get(record.campaign)
    if record.sealed is None or opened is None:
        return None
    try:
        return signature.unpack(opened.open(record.sealed))[1]
    except KeyProblem:
        return None
