"""
When there is something to tell: receipts for signatories, the day's digest for the campaign's copies.

    journal (whose letters have moved), ledger  >  NOTICES  >  ledger (rows that are due)

Asked at each pass, behind intake and behind sending. A receipt is written down once in the life of a signature, when the last
of its letters has come to an end, or waits for what nobody knows the end of; a digest once for each day, when that is over.
What was before a campaign switched them on is not told. Nothing is sent here: the rows wait for their turn as letters do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from mailer import notice
from mailer.campaign import Campaign, Channel, Reason, Receipts
from mailer.desk import Desk
from mailer.ledger import Held, Lane, Ledger
from mailer.notice import NewNotice, Receipt

_AT_ONCE = 1_000  # signatures a transaction
_LINES = 5_000  # of the journal
_ENCLOSED = 3  # letters that a digest shows
# Letters that are held for these go on as soon as somebody acts for all of them, so the receipt waits.
_PASSING = frozenset({Reason.APPROVAL, Reason.UNCONFIRMED})


async def think(ledger: Ledger, desks: Mapping[str, Desk], now: int) -> int:
    """Write down what there is to tell `now` (seconds since 1970), and cancel what is not to be told; gives how much is new."""
    campaigns = {id: desk.campaign for id, desk in desks.items()}
    told = {id for id, campaign in campaigns.items() if campaign.receipts is not Receipts.OFF}
    waiting = {waiting.lane for waiting in await ledger.waiting()} | {held.lane for held in await ledger.held_by_rule()}
    for lane in waiting:
        campaign = campaigns.get(lane.campaign)
        if campaign is not None and (why := _is_off(campaign, lane)):
            while await ledger.cancel_notices(lane.campaign, lane.target, why, now, _AT_ONCE):
                pass
    by_hand = {id for id in told if any(one.channel is not Channel.EMAIL for one in campaigns[id].targets.values())}
    while await ledger.note_moves(told, by_hand, now, _LINES) == _LINES:
        pass
    new, known = 0, await ledger.installed()
    if told:
        await _follow_templates(ledger, {id: desks[id] for id in told}, known, now)
        new += await _receipts(ledger, campaigns, now)
    for campaign in campaigns.values():
        if campaign.digest_to:
            new += await _digest(ledger, campaign, known, now)
        elif known.get(name := f"digest {campaign.id}"):
            await ledger.write_notices([], {name: ""}, now)  # switched on again, it begins anew
    return new


def _is_off(campaign: Campaign, lane: Lane) -> str:
    """Why nothing of a lane is told any more; empty where it is."""
    if lane.target == notice.Lane.RECEIPT and campaign.receipts is Receipts.OFF:
        return "the campaign sends no receipts any more"
    if lane.target == notice.Lane.DIGEST and not campaign.digest_to:
        return "the campaign sends no digest any more"
    return ""


async def _follow_templates(ledger: Ledger, desks: Mapping[str, Desk], known: Mapping[str, str], now: int) -> None:
    """Receipts that a broken template held are tried again once it was changed."""
    for id, desk in desks.items():
        texts = [f"{name}\n{text}" for name, text in sorted(desk.renderer.sources.items())]
        mark, name = hashlib.sha256("\0".join([desk.edition, *texts]).encode()).hexdigest(), f"receipts by {id}"
        if known.get(name) == mark:
            continue
        held = Held(Lane(id, notice.Lane.RECEIPT, ""), "render error")
        while await ledger.release(held, now, _AT_ONCE):
            pass
        await ledger.remember_install({name: mark})


async def _receipts(ledger: Ledger, campaigns: Mapping[str, Campaign], now: int) -> int:
    new = 0
    while looks := await ledger.looks(now, _AT_ONCE):
        notices: list[NewNotice] = []
        again: dict[int, int] = {}
        never: list[int] = []
        for look in looks:
            campaign = campaigns.get(look.campaign)
            receipts = campaign.receipts if campaign else Receipts.OFF
            may_be_told = receipts is Receipts.ALL or (receipts is Receipts.ON and look.is_confirmed)
            found = notice.receipt(look.letters, look.quiet_since, now, _PASSING) if may_be_told else None
            match found:
                case Receipt() if campaign is not None:
                    domain = campaign.sender.address.domain
                    name = f"receipt {look.signature}"
                    notices.append(NewNotice(name, campaign.id, found, domain, look.signature))
                case int():
                    again[look.signature] = found
                case _:
                    never.append(look.signature)
        new += await ledger.looked(notices, again, never, now)
    return new


async def _digest(ledger: Ledger, campaign: Campaign, known: Mapping[str, str], now: int) -> int:
    """What went out since the last digest, up to the end of yesterday (UTC); nothing where nothing has happened."""
    name = f"digest {campaign.id}"
    today = datetime.fromtimestamp(now, UTC).date()
    yesterday, told = today - timedelta(days=1), known.get(name, "")
    if told >= yesterday.isoformat():
        return 0
    facts = {name: yesterday.isoformat()}
    if not told:  # switched on just now
        return await ledger.write_notices([], facts, now)
    first = datetime.fromisoformat(told).replace(tzinfo=UTC) + timedelta(days=1)
    until = datetime(today.year, today.month, today.day, tzinfo=UTC)
    days = (first.date().isoformat(), yesterday.isoformat())
    digest = await ledger.day(campaign.id, *days, int(first.timestamp()), int(until.timestamp()), _ENCLOSED)
    is_empty = not digest.accepted and not digest.signatures
    new = NewNotice(f"{name} {days[1]}", campaign.id, digest, campaign.sender.address.domain)
    return await ledger.write_notices([] if is_empty else [new], facts, now)
