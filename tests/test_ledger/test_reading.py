"""What the commands read, and that all of it is there when the ledger is opened again."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from mailer.delivery import State, Who
from mailer.ledger import Entry, Lane, Recovered, Selection
from mailer.pace import Breaker
from tests import ledgers
from tests.ledgers import (
    CAMPAIGN,
    DOMAIN,
    HELD,
    LANE,
    LATER,
    NEVER,
    NOW,
    RELAY,
    TARGET,
    assert_sound,
    begin,
    claim,
    claim_one,
    dot,
    everything,
    let_go,
    links,
    mark,
    new,
    put,
    states,
)


@pytest.mark.parametrize(
    "selection, expected",
    [
        (Selection(), 6),
        (Selection(campaign="another"), 1),
        (Selection(target="court"), 2),
        (Selection(state="held"), 1),
        (Selection(reason="approval"), 1),
        (Selection(campaign=CAMPAIGN, target=TARGET, state="queued"), 2),
        (Selection(campaign="another", target="court"), 0),
        (Selection(letter=1), 1),
        (Selection(letter=999), 0),
        (Selection(limit=3), 3),
        (Selection(limit=0), 0),
    ],
)
async def test_records_are_selected_by_what_is_given(ledger, selection, expected):
    await put(ledger, 2, new("court"), new())
    await put(ledger, 1, new("ministry", State.HELD, "approval"), first=10)
    await put(ledger, 1, campaign="another")
    found = [record.letter for record in ledger.records(selection)]
    assert len(found) == expected
    assert found == sorted(found)
    backwards = [record.letter for record in ledger.records(replace(selection, newest_first=True, limit=None))]
    assert backwards == sorted(backwards, reverse=True)


async def test_counts_are_by_campaign_target_state_and_reason(ledger):
    await put(ledger, 3, new("court"), HELD)
    refused, deferred, _ = await claim(ledger, lane=Lane(CAMPAIGN, "court", ""))
    await dot(ledger, refused, NEVER)
    await dot(ledger, deferred, LATER)
    assert ledger.tally() == {
        (CAMPAIGN, "court", "refused"): 1,
        (CAMPAIGN, "court", "deferred"): 1,
        (CAMPAIGN, "court", "sending"): 1,
        (CAMPAIGN, TARGET, "held"): 3,
    }
    assert ledger.reasons() == {
        (CAMPAIGN, "held", "approval"): 3,
        (CAMPAIGN, "refused", "the server refuses the letter"): 1,
        (CAMPAIGN, "deferred", "the server asks to try later"): 1,
    }
    assert ledger.next_attempt_at() == NOW + 300


async def test_what_is_due_is_counted_and_its_oldest_known(ledger):
    await put(ledger, 2, now=NOW + 50)
    await put(ledger, 1, HELD, new("court"), first=10, now=NOW + 100)
    assert [await ledger.count_due(now) for now in (NOW, NOW + 50, NOW + 100)] == [0, 2, 3]
    assert [ledger.oldest_due(now) for now in (NOW, NOW + 50, NOW + 100)] == [None, NOW + 50, NOW + 50]
    await claim(ledger, now=NOW + 50)
    assert (await ledger.count_due(NOW + 100), ledger.oldest_due(NOW + 100)) == (1, NOW + 100)


async def test_what_waits_is_counted_by_target_and_age(ledger):
    await put(ledger, 2, now=NOW)
    await put(ledger, 1, new("court"), HELD, first=10, now=NOW + 100)
    await put(ledger, 1, first=20, now=NOW + 101)
    deferred, accepted = (await claim(ledger, now=NOW + 101))[:2]
    await dot(ledger, deferred, LATER)
    await dot(ledger, accepted)
    # How many, how many of them due, and how many up to 1, up to 100 and above 100 seconds old; the third is being sent.
    assert ledger.waits(NOW + 101, [1, 100]) == {(CAMPAIGN, TARGET): [1, 0, 0, 0, 1], (CAMPAIGN, "court"): [1, 1, 1, 0, 0]}


async def test_what_each_relay_has_accepted_is_counted(ledger):
    await put(ledger, 3)
    first, second, third = await claim(ledger)
    await dot(ledger, first)
    await dot(ledger, second, NEVER)
    await let_go(ledger, third)
    (again,) = await ledger.claim(LANE, 1, "worker", "another:25", NOW)
    await dot(ledger, again)
    relays = (RELAY, "another:25", "unknown")
    assert [ledger.accepted_by(relays[:count]) for count in range(4)] == [0, 1, 2, 2]


async def test_a_ledger_that_only_its_own_methods_have_written_agrees_with_itself(ledger):
    await put(ledger, 4, new(), HELD_ELSEWHERE, new("president", State.BY_HAND))
    accepted, marked, gone, _ = await claim(ledger)
    await dot(ledger, accepted)
    await mark(ledger, marked)
    await let_go(ledger, gone)
    assert list(ledger.disagreements()) == []
    await ledger.recover(NOW)
    assert list(ledger.disagreements()) == []


HELD_ELSEWHERE = new("ministry", State.HELD, "approval")


async def test_an_empty_ledger_has_nothing_to_tell(ledger):
    assert list(ledger.records(Selection())) == []
    assert (ledger.tally(), ledger.signatures(), ledger.reasons(), ledger.files()) == ({}, {}, {}, [])
    assert (ledger.next_attempt_at(), links(ledger), ledger.link(1), ledger.attempts(1)) == (None, [], None, [])
    assert (await ledger.waiting(), await ledger.held_by_rule(), await claim(ledger)) == ([], [], [])
    assert await ledger.recover(NOW) == Recovered()


async def test_the_journal_is_one_chain_however_many_write_it(ledger, second):
    began = dict.fromkeys(await put(ledger, 20), State.QUEUED)
    dues = await claim(ledger)
    await asyncio.gather(*(dot(worker, due) for worker, due in zip(itertools.cycle([ledger, second]), dues, strict=False)))
    chained = links(ledger)
    assert len(chained) == 20
    assert [link for n in range(20) for link in ledger.journal(n, 1)] == chained == [ledger.link(n) for n in range(1, 21)]
    assert_sound(ledger, began)


async def test_a_reader_sees_each_commit_at_once_and_never_half_of_it(ledger, second):
    due = await claim_one(ledger)
    reading = second.records(Selection())
    await dot(ledger, due)
    assert [record.state for record in reading] == ["accepted"]
    assert [record.state for record in second.records(Selection())] == ["accepted"]


async def test_all_of_it_is_there_when_it_is_opened_again(engine, tmp_path):
    with ledgers.opened(engine, tmp_path) as ledger:
        due = await claim_one(ledger)
        await dot(ledger, due)
        await put(ledger, 2, HELD, first=10)
        await ledger.pause("all", Who.PERSON, "stop", NOW)
        await ledger.keep_breaker(RELAY, Breaker(3, NOW + 60, "down"), NOW)
        before = everything(ledger)
    with ledgers.opened(engine, tmp_path) as ledger:
        assert everything(ledger) == before
        assert [pause.scope for pause in await ledger.pauses()] == ["all"]
        assert await ledger.breaker(RELAY) == Breaker(3, NOW + 60, "down")
        assert await ledger.fingerprints() == {CAMPAIGN: f"fingerprint of {CAMPAIGN}"}


async def test_an_entry_brings_its_country_and_no_letter_if_there_is_no_target(ledger):
    file = await begin(ledger)
    await ledger.take_in(file, CAMPAIGN, DOMAIN, [Entry(1, b"p" * 20, "KZ", b"sealed", ())], NOW)
    assert ledger.signatures() == {CAMPAIGN: 1}
    assert states(ledger) == {}
