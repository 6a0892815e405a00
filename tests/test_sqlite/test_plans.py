"""What is asked at every pass and for every letter stays cheap, however many letters there are."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import apsw
import apsw.ext

from mailer.campaign import Channel
from mailer.delivery import State, Who
from mailer.ledger import Handed, Held, Lane
from mailer.ledger.engine import connect
from mailer.ledger.sqlite import SqliteLedger
from mailer.outcome import Sign
from tests.ledgers import (
    CAMPAIGN,
    DOMAIN,
    HELD,
    LANE,
    LATER,
    NOW,
    begin,
    claim,
    dot,
    entry,
    mark,
    new,
    put,
)


async def test_no_statement_of_the_flow_reads_the_whole_table_of_letters(ledger, path):
    await put(ledger, 5, new("court"), HELD)
    asked: set[str] = set()

    def ask(cursor: apsw.Cursor, sql: str, values: object) -> bool:
        asked.add(sql)
        return True

    await ledger._engine.run(lambda db: setattr(db, "exec_trace", ask))
    lane = Lane(CAMPAIGN, "court", "")
    await ledger.waiting()
    await ledger.held_by_rule()
    await ledger.hold(Lane(CAMPAIGN, "ministry", ""), "approval", NOW, 10)
    await ledger.release(Held(LANE, "no route"), NOW, 10)
    await ledger.restate(Held(LANE, "no route"), "approval")
    await ledger.release_unrendered(CAMPAIGN, "edition", NOW)
    await ledger.handed()
    await ledger.hold_handed(Handed(CAMPAIGN, "president", "phone"), "target closed", NOW, 10)
    await ledger.follow(Held(LANE, "target closed"), "email", is_by_country=False, now=NOW, limit=10)
    await ledger.expire(CAMPAIGN, NOW, "given up", NOW, 10)
    marked, settled, gone, _ = await claim(ledger, 4, lane=lane)
    await mark(ledger, marked)
    await dot(ledger, settled, LATER)
    await ledger.let_go(gone, State.QUEUED, Who.WORKER, "", "", NOW)
    await ledger.sent_counts([(["head@court.example"], NOW)])
    await ledger.sent_back([(["head@court.example"], 3)])
    await ledger.lengthen(Sign.ADDRESS, lane, ["head@court.example"], "pass")
    await ledger.end_streak(Sign.ADDRESS, lane)
    await ledger.recover(NOW)
    await ledger.cancel_notices(CAMPAIGN, "@receipt", "off", NOW, 10)
    await ledger.expire(CAMPAIGN, None, "too late", NOW, 10)
    assert {"campaign", "pause", "letter", "attempt", "sent", "streak", "journal"} <= {
        word for sql in asked for word in sql.split()
    }
    looking = connect(path)
    for sql in sorted(asked):
        for step in plan(looking, sql):
            assert "TEMP B-TREE" not in step, sql
            assert not step.startswith("SCAN") or step in ALLOWED_SCANS, sql


# The index of open attempts holds nothing else; the newest line and the newest letter are at the end of their tables.
# What went longest ago is at the beginning of its table, of which no more than some rows are read.
ALLOWED_SCANS = {"SCAN attempt USING INDEX attempt_open", "SCAN journal", "SCAN sent", "SCAN CONSTANT ROW"}


def plan(db: apsw.Connection, sql: str) -> Iterator[str]:
    """The steps by which SQLite would answer a statement."""
    steps = [apsw.ext.query_info(db, sql, explain_query_plan=True).query_plan]
    while steps:
        step = steps.pop()
        assert step is not None
        yield step.detail
        steps += step.sub or []


async def test_one_step_a_lane_however_many_letters_wait_or_are_held_in_it(ledger):
    """An index alone does not do it: one may walk through all of it. Asked is what finds nothing to move."""
    asked: dict[str, Callable[[], Any]] = {
        "waiting": ledger.waiting,
        "held_by_rule": ledger.held_by_rule,
        "handed": ledger.handed,
        "hold_handed": lambda: ledger.hold_handed(Handed(CAMPAIGN, "deputy", "post"), "target closed", NOW, 10),
        "follow": lambda: ledger.follow(Held(LANE, "target closed"), "phone", is_by_country=True, now=NOW, limit=10),
        "hold": lambda: ledger.hold(Lane(CAMPAIGN, "president", ""), "approval", NOW, 10),
        "release": lambda: ledger.release(Held(LANE, "target closed"), NOW, 10),
        "release_unrendered": lambda: ledger.release_unrendered(CAMPAIGN, "", NOW),
        "expire": lambda: ledger.expire(CAMPAIGN, NOW, "given up", NOW, 10),
        "claim": lambda: ledger.claim(Lane(CAMPAIGN, "court", ""), 1, "worker", "relay", NOW - 1),
        "recover": lambda: ledger.recover(NOW),
    }
    file = 0

    async def grow(lines: range) -> None:
        nonlocal file
        file = file or await begin(ledger)
        deputy = new("deputy", State.BY_HAND, channel=Channel.PHONE)
        letters = (new("court"), new("embassy", country="GB"), HELD, new("ministry", State.HELD, "no route"), deputy)
        await ledger.take_in(file, CAMPAIGN, DOMAIN, [entry(line, *letters) for line in lines], NOW)

    await grow(range(10))
    few = await steps(ledger, asked)
    await grow(range(10, 1_500))
    many = await steps(ledger, asked)
    assert {name: count for name, count in many.items() if count > 1.5 * few[name] + 10} == {}


async def test_behind_the_deadline_a_pass_reads_only_what_it_could_move(ledger):
    """Those that ended, or are work for a person, are nothing to it."""
    asked: dict[str, Callable[[], Any]] = {"overdue": lambda: ledger.expire(CAMPAIGN, None, "too late", NOW, 10)}
    await put(ledger, 10, new("president", State.BY_HAND))
    few = await steps(ledger, asked)
    await put(ledger, 1_500, new("president", State.BY_HAND), first=100)
    assert (await steps(ledger, asked))["overdue"] <= few["overdue"] + 10


async def steps(ledger: SqliteLedger, asked: Mapping[str, Callable[[], Any]]) -> dict[str, int]:
    """How many steps of its machine SQLite takes for each question."""
    counts: dict[str, int] = {}
    for name, ask in asked.items():
        counter = Counter()
        await ledger._engine.run(counter.watch)
        await ask()
        counts[name] = counter.steps
    await ledger._engine.run(lambda db: db.set_progress_handler(None))
    return counts


class Counter:
    """Counts the steps of a connection from now on."""

    def __init__(self) -> None:
        self.steps = 0

    def watch(self, db: apsw.Connection) -> None:
        db.set_progress_handler(self._step, 1)

    def _step(self) -> bool:
        self.steps += 1
        return False
