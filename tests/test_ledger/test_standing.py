"""What stands for the whole install: fingerprints, approvals, editions, pauses, the relay's breaker."""

from mailer.delivery import Who
from mailer.ledger import Approval
from mailer.pace import Breaker
from tests.ledgers import (
    CAMPAIGN,
    NOW,
    RELAY,
    told,
)


async def test_a_fingerprint_once_remembered_is_never_replaced(ledger):
    await ledger.remember_campaign("one", "first")
    await ledger.remember_campaign("one", "second")
    await ledger.remember_campaign("two", "other")
    assert await ledger.fingerprints() == {"one": "first", "two": "other"}


async def test_an_approval_is_of_one_edition_and_the_newest_counts(ledger):
    await ledger.remember_campaign(CAMPAIGN, "x")
    assert await ledger.approvals() == {CAMPAIGN: Approval()}
    await ledger.approve(CAMPAIGN, "first", "jane", NOW)
    await ledger.approve(CAMPAIGN, "second", "john", NOW + 1)
    assert await ledger.approvals() == {CAMPAIGN: Approval("second", NOW + 1, "john")}
    assert [line["edition"] for line in told(ledger, "approved")] == ["first", "second"]


async def test_an_edition_is_kept_once_under_its_hash(ledger):
    await ledger.keep_edition("hash", "content", NOW)
    await ledger.keep_edition("hash", "never written", NOW)
    assert await ledger.edition("hash") == "content"
    assert await ledger.edition("unknown") is None


async def test_a_scope_is_paused_once_and_resumed_once(ledger):
    assert await ledger.pause("all", Who.PERSON, "a mistake in the text", NOW)
    assert not await ledger.pause("all", Who.WORKER, "another reason", NOW + 1)
    assert await ledger.pause("campaign:one", Who.WORKER, "sender refused", NOW + 2)
    assert [(p.scope, p.who, p.why, p.at) for p in await ledger.pauses()] == [
        ("all", "person", "a mistake in the text", NOW),
        ("campaign:one", "worker", "sender refused", NOW + 2),
    ]
    assert await ledger.resume("all", "mended", NOW + 3)
    assert not await ledger.resume("all", "mended", NOW + 4)
    assert [pause.scope for pause in await ledger.pauses()] == ["campaign:one"]
    assert [line["scope"] for line in told(ledger, "paused")] == ["all", "campaign:one"]
    assert [line["why"] for line in told(ledger, "resumed")] == ["mended"]


async def test_the_breaker_of_a_relay_is_as_the_last_worker_left_it(ledger, second):
    assert await ledger.breaker(RELAY) == Breaker()
    await ledger.keep_breaker(RELAY, Breaker(3, NOW + 60, "greeting: 421"), NOW)
    assert await second.breaker(RELAY) == Breaker(3, NOW + 60, "greeting: 421")
    assert await second.breaker("another:25") == Breaker()
    await second.keep_breaker(RELAY, Breaker(), NOW)
    assert await ledger.breaker(RELAY) == Breaker()
    assert [line["why"] for line in told(ledger, "relay")] == ["greeting: 421"]
