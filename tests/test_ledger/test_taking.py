"""Files and signatures are written down exactly once, however often and by however many they are read."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from mailer.campaign import Channel
from mailer.delivery import State
from mailer.errors import MailerError
from mailer.ledger import Count, Selection, Taken
from tests.ledgers import (
    CAMPAIGN,
    DOMAIN,
    NOW,
    TARGET,
    begin,
    entry,
    everything,
    new,
    put,
    states,
    told,
)


async def test_a_file_that_was_begun_before_is_the_same_file(ledger):
    first = await begin(ledger, claim="01")
    assert await begin(ledger, claim="01") == first
    assert await begin(ledger, claim="02") != first


async def test_a_signature_becomes_one_letter_to_each_target(ledger):
    letters = [
        new("court"),
        new("ministry", State.HELD, "target closed"),
        new("embassy", country="KZ"),
        new("president", State.BY_HAND, channel=Channel.PHONE),
    ]
    await put(ledger, 2, *letters)
    found = list(ledger.records(Selection()))
    assert Counter((r.signature, r.target, r.state) for r in found) == Counter(
        (signature, new.target, new.state) for signature in {r.signature for r in found} for new in letters
    )
    assert {r.target: (r.channel, r.reason, r.held_by, r.next_attempt_at) for r in found} == {
        "court": ("email", "", "", NOW),
        "ministry": ("email", "target closed", "rule", None),
        "embassy": ("email", "", "", NOW),
        "president": ("phone", "", "", None),
    }
    assert {(r.attempts, r.tries, r.queued_at, r.accepted_at, r.recipients) for r in found} == {(0, 0, NOW, None, ())}
    assert sorted((r.line, r.sealed) for r in found if r.target == "court") == [(1, b"sealed 1"), (2, b"sealed 2")]
    assert ledger.signatures() == {CAMPAIGN: 2}


async def test_every_letter_has_a_message_id_of_its_own_in_the_campaigns_domain(ledger):
    await put(ledger, 20, new("court"), new("ministry"))
    ids = [record.message_id for record in ledger.records(Selection())]
    assert len(set(ids)) == 40
    assert all(id.startswith("<") and id.endswith(f"@{DOMAIN}>") for id in ids)


async def test_reading_a_file_again_changes_nothing_and_counts_the_same(ledger):
    entries = [entry(1), entry(2), replace(entry(1), line=3)]
    file = await begin(ledger)
    first = await ledger.take_in(file, CAMPAIGN, DOMAIN, entries, NOW)
    before = everything(ledger)
    assert [taken.is_new for taken in first] == [True, True, False]
    assert [taken.is_new for taken in await ledger.take_in(file, CAMPAIGN, DOMAIN, entries, NOW + 9)] == [True, True, False]
    assert everything(ledger) == before


async def test_who_signed_in_another_file_is_known_and_writes_no_second_letter(ledger):
    await put(ledger, 1)
    file = await begin(ledger, claim="another")
    again = replace(entry(1), sealed=b"under another name")
    assert await ledger.take_in(file, CAMPAIGN, DOMAIN, [again, entry(2)], NOW) == [Taken(False, b"sealed 1"), Taken(True)]
    assert ledger.tally() == {(CAMPAIGN, TARGET, "queued"): 2}


async def test_the_same_person_may_sign_two_campaigns(ledger):
    await put(ledger, 1, campaign="one")
    await put(ledger, 1, campaign="two")
    assert ledger.signatures() == {"one": 1, "two": 1}


async def test_two_readers_of_the_same_rows_write_each_letter_once(ledger, second):
    entries = [entry(number) for number in range(50)]
    file = await begin(ledger)
    both = [reader.take_in(file, CAMPAIGN, DOMAIN, entries, NOW) for reader in (ledger, second) for _ in range(3)]
    for taken in await asyncio.gather(*both):
        assert all(one.is_new for one in taken)
    assert ledger.tally() == {(CAMPAIGN, TARGET, "queued"): 50}


async def test_a_chunk_is_taken_whole_or_not_at_all(ledger):
    file = await begin(ledger)
    bad = replace(entry(3), letters=(new(state=State.ACCEPTED),))  # nobody has accepted it
    with pytest.raises(MailerError):
        await ledger.take_in(file, CAMPAIGN, DOMAIN, [entry(1), entry(2), bad], NOW)
    assert ledger.signatures() == {}
    assert states(ledger) == {}


async def test_a_campaign_that_the_ledger_has_never_seen_takes_no_signature(ledger):
    file = await begin(ledger)
    with pytest.raises(MailerError):
        await ledger.take_in(file, "unknown", DOMAIN, [entry(1)], NOW)
    assert ledger.signatures() == {}


async def test_the_accounts_of_a_file_must_sum_up(ledger):
    file = await begin(ledger)
    with pytest.raises(MailerError):
        await ledger.end_file(file, "done", Count(read=3, taken=1, known=1, refused=0), "", NOW)
    assert [record.state for record in ledger.files()] == ["reading"]
    await ledger.end_file(file, "done", Count(read=3, taken=1, known=1, refused=1), "", NOW)
    assert [(record.state, record.count) for record in ledger.files()] == [("done", Count(3, 1, 1, 1))]


async def test_a_file_is_ended_once(ledger):
    file = await begin(ledger)
    await ledger.end_file(file, "done", Count(1, 1, 0, 0), "", NOW)
    await ledger.end_file(file, "rejected", Count(), "not a table", NOW)
    assert [(record.state, record.reason) for record in ledger.files()] == [("done", "")]
    assert [(line["state"], line["rows"]) for line in told(ledger, "file")] == [("done", 1)]


async def test_a_file_of_no_campaign_is_on_record_with_its_reason(ledger):
    file = await ledger.begin_file("01", None, NOW)
    await ledger.end_file(file, "rejected", Count(), "not a table", NOW)
    assert [(r.campaign, r.state, r.reason) for r in ledger.files()] == [("", "rejected", "not a table")]
