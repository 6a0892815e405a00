"""
Ledgers for the tests, what to fill them with, and how to tell that one is sound.

    @pytest.fixture(params=LEDGERS)
    def ledger(request, tmp_path):
        with opened(request.param, tmp_path) as ledger:
            yield ledger

Everything goes through the Protocol, so that what is asked of one engine is asked of all: an engine that is new stands in
`LEDGERS` and nowhere else. What an attempt comes to is decided by `outcome` and `delivery`, as the courier has it decided.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailer import chain, delivery, outcome
from mailer.campaign import Channel
from mailer.chain import GENESIS, Link
from mailer.delivery import DUE, Due, Fixed, Retry, State, Who, may_move
from mailer.ledger import Entry, Lane, Ledger, Mark, NewLetter, Record, Selection
from mailer.ledger.sqlite import SqliteLedger
from mailer.outcome import Handover, Lost, Recipient, Reply, Role, Stage

# Each opens the one ledger of a folder; opened twice, it is as if by two programs.
LEDGERS: Mapping[str, Callable[[Path], Ledger]] = {"sqlite": lambda folder: SqliteLedger(folder / "ledger.db")}

NOW = 1_316_505_600  # 2011-09-20, eight o'clock UTC
DAY = 86_400
CAMPAIGN, TARGET, DOMAIN, RELAY = "kazakhstan", "supreme-court", "campaign.example", "127.0.0.1:25"
LANE = Lane(CAMPAIGN, TARGET, "")
HEAD, PRESS, COPY = "head@court.example", "press@court.example", "copies@campaign.example"
RECIPIENTS = (Recipient(HEAD, Role.TO), Recipient(PRESS, Role.CC), Recipient(COPY, Role.COPY))
FIXED = Fixed(NOW, "edition", "en", "5a" * 32)
RETRY = Retry(first=300, max=14_400, give_up_after=5 * DAY, jitter=0)

YES = Reply(250, "2.0.0", "taken")
LATER = Reply(451, "4.3.0", "try later")
NEVER = Reply(554, "5.0.0", "no")
SILENCE = Lost("the connection was lost")
GARBAGE = Lost("the server's answer is not SMTP", garbled=True)


@contextmanager
def opened(name: str, folder: Path) -> Iterator[Ledger]:
    """The ledger of a folder, closed behind the test."""
    ledger = LEDGERS[name](folder)
    try:
        yield ledger
    finally:
        ledger.close()


# -- filling


def new(
    target: str = TARGET,
    state: State = State.QUEUED,
    reason: str = "",
    *,
    country: str = "",
    channel: Channel = Channel.EMAIL,
) -> NewLetter:
    return NewLetter(target, country, channel, state, reason)


HELD = new(state=State.HELD, reason="approval")


def entry(number: int, *letters: NewLetter) -> Entry:
    """The signature in line `number`, of one person who is in no other line."""
    person = hashlib.sha256(str(number).encode()).digest()[:20]
    return Entry(number, person, "GB", b"sealed %d" % number, letters or (new(),))


async def begin(ledger: Ledger, campaign: str = CAMPAIGN, claim: str = "01", now: int = NOW) -> int:
    await ledger.remember_campaign(campaign, f"fingerprint of {campaign}")
    return await ledger.begin_file(claim, campaign, now)


async def put(
    ledger: Ledger, count: int, *letters: NewLetter, campaign: str = CAMPAIGN, first: int = 1, now: int = NOW
) -> list[int]:
    """A file of so many signatures, from line `first`, each with these letters (one, queued); gives the letters' numbers."""
    before = set(states(ledger))
    file = await begin(ledger, campaign, f"{campaign}-{first}", now)
    await ledger.take_in(file, campaign, DOMAIN, [entry(first + n, *letters) for n in range(count)], now)
    return sorted(set(states(ledger)) - before)


# -- sending, in the steps of a courier


async def claim(ledger: Ledger, limit: int = 1_000, *, lane: Lane = LANE, now: int = NOW) -> list[Due]:
    return list(await ledger.claim(lane, limit, "worker", RELAY, now))


async def claim_one(ledger: Ledger, *letters: NewLetter, first: int = 1) -> Due:
    """A signature more, and the claim of its letter."""
    await put(ledger, 1, *letters, first=first)
    (due,) = await claim(ledger)
    return due


def recipients(due: Due) -> tuple[Recipient, ...]:
    return due.recipients or RECIPIENTS


def answers(due: Due, rcpt: Sequence[Reply]) -> tuple[Reply, ...]:
    """The answers to RCPT: as given, or yes to everybody who is asked."""
    return tuple(rcpt) or (YES,) * sum(recipient.is_asked for recipient in recipients(due))


async def mark(ledger: Ledger, due: Due, *, rcpt: Sequence[Reply] = (), now: int = NOW, fixed: Fixed = FIXED) -> bool:
    told, meant = outcome.answered(recipients(due), answers(due, rcpt))
    return await ledger.mark(due, Mark(told, meant, fixed, (HEAD,)), now)


async def settle(
    ledger: Ledger,
    due: Due,
    stage: Stage,
    answer: Reply | Lost,
    *,
    rcpt: Sequence[Reply] = (),
    now: int = NOW,
    fixed: Fixed = FIXED,
) -> bool:
    """Settle an attempt that ended at a stage with an answer."""
    got_to_rcpt = stage in {Stage.RCPT, Stage.DATA, Stage.BODY, Stage.DOT}
    decided = outcome.decide(recipients(due), Handover(stage, answer, answers(due, rcpt) if got_to_rcpt else ()))
    then = delivery.after(due, decided, RETRY, now, 0.5)
    return await ledger.settle(due, decided, then, fixed if decided.reached_data else None, now)


async def dot(ledger: Ledger, due: Due, answer: Reply | Lost = YES, *, rcpt: Sequence[Reply] = (), now: int = NOW) -> None:
    """Mark, and settle with the answer to the dot."""
    assert await mark(ledger, due, rcpt=rcpt, now=now)
    assert await settle(ledger, due, Stage.DOT, answer, rcpt=rcpt, now=now)


async def let_go(
    ledger: Ledger, due: Due, state: State = State.QUEUED, who: Who = Who.WORKER, why: str = "", *, now: int = NOW
) -> bool:
    return await ledger.let_go(due, state, who, why, "detail", now)


# -- looking


def states(ledger: Ledger) -> dict[int, str]:
    return {record.letter: record.state for record in ledger.records(Selection())}


def one(ledger: Ledger, letter: int) -> Record:
    (record,) = ledger.records(Selection(letter=letter))
    return record


def links(ledger: Ledger) -> list[Link]:
    found: list[Link] = []
    while more := ledger.journal(len(found), 1_000):
        found += more
    return found


def told(ledger: Ledger, event: str = "letter") -> list[dict[str, Any]]:
    """The journal's lines of one kind."""
    return [fields for fields in map(json.loads, (link.line for link in links(ledger))) if fields["event"] == event]


def everything(ledger: Ledger) -> object:
    """All that can be read of a ledger; equal means that nothing has changed."""
    records = list(ledger.records(Selection()))
    return records, [ledger.attempts(record.letter) for record in records], ledger.files(), links(ledger)


# -- the oracle


def assert_sound(ledger: Ledger, began: Mapping[int, str]) -> None:
    """
    What holds of every ledger at every moment. `began` are the states in which the letters were written down.

    The journal is one chain, and its lines lead each letter from where it began to where it stands, by allowed moves only.
    Attempts are numbered without a gap; the newest one alone may be open, and is open exactly while its letter is being
    sent. Behind a dot mark stands an answer, or doubt.
    """
    assert_chain(links(ledger))
    stands = replayed(ledger, began)
    for record in ledger.records(Selection()):
        attempts = ledger.attempts(record.letter)
        assert [attempt.number for attempt in attempts] == list(range(1, record.attempts + 1))
        assert [attempt.number for attempt in attempts if attempt.settled_at is None] == (
            [record.attempts] if record.state == State.SENDING else []
        )
        for attempt in attempts:
            ended = attempt.verdict not in {"", "in_doubt"}
            assert not (attempt.marked_at and ended) or attempt.stage in {Stage.BODY, Stage.DOT}, attempt
        if record.state == State.SENDING:
            assert stands[record.letter] in DUE
        else:
            assert stands[record.letter] == record.state, record


def assert_chain(chained: Sequence[Link]) -> None:
    last = chain.check(link.line for link in chained)
    assert last == (chained[-1] if chained else None)
    assert [link.seq for link in chained] == list(range(1, len(chained) + 1))
    assert [json.loads(link.line)["prev"] for link in chained] == [GENESIS, *(link.hash for link in chained)][: len(chained)]


def replayed(ledger: Ledger, began: Mapping[int, str]) -> dict[int, str]:
    """Where the journal says that each letter stands. A claim has no line of its own: its record is the open attempt."""
    stands = dict(began)
    for line in told(ledger):
        was, old, new = stands[line["letter"]], line["from"], line["to"]
        assert was == old or (old == State.SENDING and was in DUE), f"{line} does not follow from {was}"
        assert may_move(State(old), State(new)), line
        stands[line["letter"]] = new
    return stands
