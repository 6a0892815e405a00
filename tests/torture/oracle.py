"""
The one oracle: an instance's folder laid beside the far side's books, and every place where the promise was broken.

    judge(instance, intent, far)  ->  Judged(violations, counted)

It is asked after every run, however that ended, and looks only. What it holds against the folder:

    lost    a good row without exactly one letter to each e-mail target; a letter called accepted that the far side has not;
            a letter that waits for nothing
    twice   a message kept twice for one recipient, or kept and about to be sent again, or more dots than refusals and a
            person's resends explain
    doubt   more letters in doubt than crashes and silent servers explain
    wire    bytes that break SMTP, differ from what was composed, or do not say what the row said
    books   ledger, journal and folders do not agree, or the journal does not lead to where letters stand
    told    a signatory's name or address where none may be

Its figures add up, so that a thousand runs have one summary.
"""

from __future__ import annotations

import os
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from mailer import app, health, seal, signature
from mailer import campaign as campaigns
from mailer import desk as desks
from mailer.blotter import Blotter
from mailer.campaign import Channel
from mailer.config import Configuration
from mailer.delivery import DUE, State, Who
from mailer.desk import Desk, Stamp
from mailer.highwater import HighWater
from mailer.journal import Journal
from mailer.ledger import Attempt, Record, Selection
from mailer.ledger.sqlite import SqliteLedger
from mailer.letter import fingerprint
from mailer.outcome import Role, Standing, Verdict
from mailer.signature import Signature
from tests.ledgers import assert_sound, links, told
from tests.parsed import by_new_rules, by_old_rules
from tests.torture.farside import FarSide, Kept

LOST, TWICE, DOUBT, WIRE, BOOKS, TOLD = "lost", "sent twice in silence", "doubt", "wire", "books", "told"
CANARY = "canary"  # stands in the name and in the address of every signatory, and nowhere else
NOWHERE = Blotter(Path(os.devnull))  # what is written to be compared is no work in hand
_REACHED = {Standing.ACCEPTED, Standing.IN_DOUBT, Standing.BOUNCED}
_REASONED = {State.HELD, State.IN_DOUBT, State.DEFERRED, State.REFUSED}


@dataclass(frozen=True)
class Violation:
    """One way in which the promise was broken: its kind, and what was found."""

    kind: str
    what: str


@dataclass(frozen=True)
class Intent:
    """
    What was dropped, as whoever dropped it knows: each signatory's address and name, and the files' rows in all, of which
    so many are known since before or no signatures. `sends`: letters may leave; else they wait for a person.
    """

    people: Mapping[str, str]
    rows: int = 0
    known: int = 0
    refused: int = 0
    files: int = 1
    sends: bool = True


@dataclass(frozen=True)
class Judged:
    """What the oracle found, and what it counted."""

    violations: list[Violation] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Judged) -> Judged:
        return Judged(self.violations + other.violations, self.counted + other.counted)

    def __str__(self) -> str:
        lines = [f"{one.kind}: {one.what}" for one in self.violations[:40]]
        return "\n".join([*lines, f"{len(self.violations)} violations; {dict(self.counted)}"])


@dataclass(frozen=True)
class _Letter:
    """
    One letter as the ledger has it, and what only its key opens: whose it is. `composed` is the letter written once more from
    what the ledger keeps; `resends` counts how often a person let it go again, `is_told` that a person ended its doubt.
    """

    record: Record
    attempts: Sequence[Attempt]
    address: str
    name: str
    composed: bytes
    resends: int
    is_told: bool

    @property
    def standings(self) -> dict[str, str]:
        return {address: state for address, _, state, _ in self.record.recipients}

    @property
    def will_be_in_doubt(self) -> bool:
        """Whether the next start will put it in doubt: a dead worker left its mark and nothing behind it."""
        newest = self.attempts[-1] if self.attempts else None
        return newest is not None and newest.marked_at is not None and newest.settled_at is None


def judge(
    loaded: Configuration,
    intent: Intent,
    far: FarSide,
    *,
    said: Iterable[str] = (),
    is_quiet: bool = True,
    cut_dots: int = 0,
) -> Judged:
    """
    Judge an instance in which no worker lives.

    `said` is all that runs printed. `is_quiet`: runs have gone on until nothing was due, so nothing may be left undone.
    `cut_dots`: how many dots, apart from crashes and silent servers, were cut short on our side by an injected fault.
    """
    counted = Counter({"kept": len(far.kept), "dots": sum(far.dots.values())})
    if not Path(loaded.ledger).exists():
        return Judged([Violation(LOST, "there is no ledger")] if is_quiet or far.dots else [], counted)
    found: list[Violation] = []
    with closing(SqliteLedger(Path(loaded.ledger))) as ledger:
        letters = list(_letters(loaded, ledger))
        found += _books(loaded, intent, ledger, letters, is_quiet)
    if is_quiet:
        found += _rows(loaded, intent, letters)
    found += _letter_by_letter(intent, letters, far, is_quiet)
    found += _handed(letters, far)
    found += _doubts(loaded, letters, far, cut_dots)
    found += _wire(loaded, intent, letters, far)
    found += [Violation(TOLD, f"{where} holds what is personal") for where in _tellers(loaded, said)]
    counted.update(f"letters {one.record.state}" for one in letters)
    counted += Counter({"letters": len(letters), "attempts": sum(len(one.attempts) for one in letters)})
    counted += Counter({"files": intent.files, "rows": intent.rows})
    counted.update(one.kind for one in found)
    return Judged(found, counted)


# -- reading


def _letters(loaded: Configuration, ledger: SqliteLedger) -> Iterator[_Letter]:
    with closing(apsw.Connection(loaded.ledger, flags=apsw.SQLITE_OPEN_READWRITE)) as db:
        fingerprints = _pairs(db, "SELECT id, key_fingerprint FROM campaign")
        dates = _pairs(db, "SELECT id, date FROM letter WHERE sha256 IS NOT NULL")
    made = {
        id: Desk(loaded.campaigns[id], renderer, seal.load(loaded.keys, id, str(fingerprints[id])), "", loaded.live, NOWHERE)
        for id, renderer in app.renderers(loaded).items()
        if id in fingerprints
    }
    again, arrived = _ordered(ledger)
    for record in ledger.records(Selection()):
        at = made[record.campaign]
        assert record.sealed is not None
        signed, _ = signature.unpack(at.seal.open(record.sealed))
        composed = _composed(at, record, signed, dates[record.letter]) if record.letter in dates else b""
        attempts = ledger.attempts(record.letter)
        by_person = again[record.letter], arrived[record.letter] > 0
        yield _Letter(record, attempts, str(signed.email), signed.name, composed, *by_person)


def _pairs(db: apsw.Connection, sql: str) -> dict[Any, Any]:
    found: Any = db.execute(sql).fetchall()
    return dict(found)


def _composed(at: Desk, record: Record, signed: Signature, date: int) -> bytes:
    target = at.campaign.targets[record.target]
    route = campaigns.route(at.campaign, target, record.country, live=at.is_live)
    return desks.write(at, target, route, signed, Stamp(record.message_id, date, record.language))[1]


def _ordered(ledger: SqliteLedger) -> tuple[Counter[int], Counter[int]]:
    """How often a person let each letter go again, and how often one said that it had arrived."""
    again: Counter[int] = Counter()
    arrived: Counter[int] = Counter()
    for line in told(ledger):
        if line["who"] == Who.PERSON and line["from"] != State.HELD:
            (again if line["to"] == State.QUEUED else arrived)[line["letter"]] += 1
    return again, arrived


# -- lost


def _rows(loaded: Configuration, intent: Intent, letters: Sequence[_Letter]) -> Iterator[Violation]:
    """Every good row has exactly one letter to each e-mail target, and no letter is nobody's."""
    have = Counter((one.record.campaign, one.record.target, one.address) for one in letters)
    for campaign in loaded.campaigns.values():
        for target in campaign.targets.values():
            for address in intent.people if target.channel is Channel.EMAIL else ():
                if (count := have.pop((campaign.id, target.id, address), 0)) != 1:
                    yield Violation(LOST, f"{address} has {count} letters to {target.id}")
    for campaign_id, target_id, address in have:
        yield Violation(BOOKS, f"a letter of {address} to {target_id} of {campaign_id} that no row asks for")


def _letter_by_letter(intent: Intent, letters: Sequence[_Letter], far: FarSide, is_quiet: bool) -> Iterator[Violation]:
    """What is called accepted is at the far side; what is open has a next time or a reason."""
    kept = {handed for one in far.kept for handed in one.handed}
    for one in letters:
        record = one.record
        accepted = [address for address, _, state, _ in record.recipients if state == Standing.ACCEPTED]
        for address in accepted if not one.is_told else ():
            if (record.message_id, address) not in kept or not far.taken[record.message_id, address]:
                yield Violation(LOST, f"letter {record.letter} is accepted for {address}, but the server has not taken it")
        if record.state == State.ACCEPTED and not any(a in accepted for a, role, *_ in record.recipients if role == Role.TO):
            yield Violation(LOST, f"letter {record.letter} is accepted, but no target of it is")
        if record.state in DUE and record.next_attempt_at is None:
            yield Violation(LOST, f"letter {record.letter} is {record.state} and has no next time")
        if record.state in _REASONED and not record.reason:
            yield Violation(LOST, f"letter {record.letter} is {record.state} without a reason")
        if is_quiet and (record.state == State.SENDING or (record.state == State.QUEUED and intent.sends)):
            yield Violation(LOST, f"letter {record.letter} is still {record.state}, though nothing is done any more")


# -- twice, and doubt


def _handed(letters: Sequence[_Letter], far: FarSide) -> Iterator[Violation]:
    by_id = {one.record.message_id: one for one in letters}
    kept = Counter(handed for one in far.kept for handed in one.handed)
    for handed, dots in far.dots.items():
        letter = by_id.get(handed[0])
        if letter is None:
            yield Violation(TWICE, f"{handed[0]} came, and the ledger knows no such letter")
        elif dots > 1 + far.refused[handed] + letter.resends:
            yield Violation(TWICE, f"letter {letter.record.letter}: {dots} dots for {handed[1]}, {far.refused[handed]} refused")
    for handed, count in kept.items():
        letter = by_id.get(handed[0])
        if letter is None:
            continue
        if count > 1 + letter.resends:
            yield Violation(TWICE, f"letter {letter.record.letter} was kept {count} times for {handed[1]}")
        stands = letter.standings.get(handed[1], "nowhere")
        if stands not in _REACHED and not letter.will_be_in_doubt and not letter.resends:
            yield Violation(
                TWICE, f"letter {letter.record.letter} was kept for {handed[1]}, who is {stands}: it may go out again"
            )


def _doubts(loaded: Configuration, letters: Sequence[_Letter], far: FarSide, cut_dots: int) -> Iterator[Violation]:
    """
    Each crash explains as many doubts as there are connections, each silent server its own; and so does one that was gone, with
    a reset behind the body, before it could see the dot.
    """
    crashed: Counter[str] = Counter()
    unexplained, silent = [], far.silent
    for one in letters:
        for attempt in one.attempts:
            if attempt.verdict == Verdict.IN_DOUBT and not attempt.stage:
                crashed[attempt.worker] += 1
            elif attempt.verdict == Verdict.IN_DOUBT and not (one.record.message_id in silent or _fell_short(one, far)):
                unexplained.append(one.record.letter)
    most = loaded.relay.connections
    for worker, count in crashed.items():
        if count > most:
            yield Violation(DOUBT, f"{count} letters in doubt by the crash of {worker}, with {most} connections")
    if len(unexplained) > cut_dots:
        yield Violation(DOUBT, f"in doubt though the server had answered, letters {unexplained}")


def _fell_short(one: _Letter, far: FarSide) -> bool:
    """Whether fewer dots of a letter arrived than left."""
    left = sum(attempt.marked_at is not None for attempt in one.attempts)
    return left > max((far.dots[one.record.message_id, address] for address in one.standings), default=0)


# -- wire


def _wire(loaded: Configuration, intent: Intent, letters: Sequence[_Letter], far: FarSide) -> Iterator[Violation]:
    yield from (Violation(WIRE, what) for what in far.broken)
    by_id = {one.record.message_id: one for one in letters}
    for kept in far.kept:
        if letter := by_id.get(kept.message_id):
            yield from (
                Violation(WIRE, f"letter {letter.record.letter}: {what}") for what in _unlike(loaded, intent, letter, kept)
            )


def _unlike(loaded: Configuration, intent: Intent, letter: _Letter, kept: Kept) -> Iterator[str]:
    """Where a message differs from what was composed, and where it does not say what the row said."""
    campaign = loaded.campaigns[letter.record.campaign]
    target = campaign.targets[letter.record.target]
    if kept.data != letter.composed or fingerprint(kept.data) != letter.record.sha256:
        yield "its bytes are not those that were composed"
    if not set(kept.recipients) <= set(letter.standings):
        yield f"it went to {kept.recipients}"
    name = intent.people.get(letter.address, "")
    old, new = by_old_rules(kept.data), by_new_rules(kept.data)
    if old.addresses != new.addresses:
        yield "two parsers find different addresses in it"
    if old.reply_to != [(name, letter.address)] or name not in old.text or old.message_id != letter.record.message_id:
        yield f"it is not of {name}"
    if target.to and [address for _, address in old.to] != [str(address) for address in target.to]:
        yield f"it is addressed to {old.to}"
    if old.sender[0][1] != str(campaign.sender.address) or [address for _, address in old.cc] != [str(a) for a in target.cc]:
        yield "its sender or its cc is another"


# -- books, and what is told


def _books(
    loaded: Configuration, intent: Intent, ledger: SqliteLedger, letters: Sequence[_Letter], is_quiet: bool
) -> Iterator[Violation]:
    spool = app.spool_of(loaded)
    journal = Journal(loaded.journal, ledger.journal)
    if is_quiet or loaded.journal.exists():
        high_water = HighWater(Path(loaded.ledger).parent / "high-water", ledger.link)
        for sentence in health.disagreements(ledger, journal, high_water, spool, was_at_work=is_quiet, is_at_work=False):
            if is_quiet or not sentence.startswith("claimed/"):
                yield Violation(BOOKS, sentence)
    try:
        assert_sound(ledger, _began(ledger, letters))
    except AssertionError as problem:
        asserted = traceback.extract_tb(problem.__traceback__)[-1].line
        yield Violation(BOOKS, f"the ledger is not sound: {asserted} {str(problem)[:500]}")
    if not is_quiet:
        return
    lines = "".join(f"{link.line}\n" for link in links(ledger)).encode()
    if loaded.journal.read_bytes() != lines:
        yield Violation(BOOKS, "the journal's file is not what its table says")
    files = [file for file in ledger.files() if file.state == "done"]
    count = tuple(sum(getattr(file.count, of) for file in files) for of in ("read", "taken", "known", "refused"))
    wanted = (intent.rows, len(intent.people), intent.known, intent.refused)
    if len(files) != intent.files or count != wanted:
        yield Violation(
            BOOKS, f"{len(files)} of {intent.files} files, rows (read, taken, known, refused) {count}, not {wanted}"
        )
    left = [path.name for name in ("incoming", "claimed") for path in (loaded.spool / name).rglob("*") if path.is_file()]
    done = [path for path in (loaded.spool / "done").rglob("*") if not path.name.endswith((".rejected.csv", ".known.csv"))]
    if left or len(done) != intent.files:
        yield Violation(BOOKS, f"{len(left)} files are left in the queue, {len(done)} are done")


def _began(ledger: SqliteLedger, letters: Sequence[_Letter]) -> dict[int, str]:
    """In which state each letter was written down: where its first move came from."""
    began = {one.record.letter: one.record.state if one.record.state != State.SENDING else "queued" for one in letters}
    for line in reversed(told(ledger)):
        began[line["letter"]] = "queued" if line["from"] == State.SENDING else line["from"]
    return began


def _tellers(loaded: Configuration, said: Iterable[str]) -> Iterator[str]:
    """Where the mark of all signatories stands although nobody may read it there."""
    ours = [path for folder in (loaded.keys.parent, loaded.keys) for path in folder.glob("*") if path.is_file()]
    for path in ours:
        if CANARY.encode() in path.read_bytes().lower():
            yield path.name
    if any(CANARY in text.casefold() for text in said):
        yield "what a run said"
