"""
What the configuration itself decides about letters that wait: hold, release, expire, and the one resend of a doubt.

    campaigns, approvals, pauses  >  RULES  >  ledger

Rules are asked again at every pass: a letter that a rule held is released when the cause is gone (approval given, address
found and confirmed, target opened). What a person held only a person releases. A rule speaks of a whole lane at once, a
lane being one target of one campaign and, where a directory decides the route, one country.

Which letter goes next and how fast is not decided here (`worker`, `pace`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from mailer import campaign as campaigns
from mailer.campaign import Campaign, Channel, Reason, Route
from mailer.delivery import Retry
from mailer.ledger import Approval, Handed, Held, Lane, Ledger
from mailer.outcome import Sign
from mailer.pace import Streak

_AT_ONCE = 10_000  # letters a transaction


@dataclass(frozen=True, slots=True)
class Ruling:
    """
    What is known when rules are asked: the campaigns, the editions on disk, what was approved, whether it is live, the
    refusals in a row, which targets a person has closed, as (campaign, target), and which addresses of lanes gave letters back,
    as (campaign, target, country, address in small letters).
    """

    campaigns: Mapping[str, Campaign]
    editions: Mapping[str, str]
    approvals: Mapping[str, Approval]
    is_live: bool
    streaks: Sequence[Streak] = ()
    closed: frozenset[tuple[str, str]] = frozenset()
    bounced: frozenset[tuple[str, str, str, str]] = frozenset()

    def is_approved(self, campaign: str) -> bool:
        """Whether this campaign's content may go out as it stands."""
        if not self.is_live or not self.campaigns[campaign].approval_required:
            return True
        approval = self.approvals.get(campaign, Approval())
        return bool(approval.hash) and approval.hash == self.editions[campaign]

    def hold(self, lane: Lane) -> Reason | None:
        """Why the letters of a lane must not go out now; None if they may. Notices may, where their campaign is configured."""
        if lane.is_notices:
            return None if lane.campaign in self.campaigns else Reason.NOT_CONFIGURED
        route = self._route(lane)
        if route is None:
            return Reason.NOT_CONFIGURED
        if {(lane.campaign, lane.target), (lane.campaign, route.via.id if route.via else "")} & self.closed:
            return Reason.CLOSED
        if route.hold is not None or (not route.to and route.channel is Channel.EMAIL):
            return route.hold or Reason.NO_ROUTE
        if not self.is_approved(lane.campaign):
            return Reason.APPROVAL
        if route.channel is not Channel.EMAIL:
            return Reason.OTHERWISE
        addresses = _addresses(route)
        is_gone = any(streak.is_gone and _lane(streak) == lane and streak.addresses == addresses for streak in self.streaks)
        came_back = all((lane.campaign, lane.target, lane.country, one.lower()) in self.bounced for one in addresses)
        return Reason.ADDRESS_REFUSED if is_gone or came_back else None

    def recall(self, handed: Handed) -> Reason | None:
        """Why letters must not wait by hand any more; None if they may. An approval is asked for before they are printed."""
        campaign = self.campaigns.get(handed.campaign)
        target = campaign.targets.get(handed.target) if campaign else None
        if target is None:
            return Reason.NOT_CONFIGURED
        if target.channel != handed.channel:
            return Reason.OTHERWISE
        return Reason.CLOSED if target.closed or (handed.campaign, target.id) in self.closed else None

    def follows(self, lane: Lane) -> tuple[Channel, bool]:
        """Which channel the letters of a lane have that may go, and whether the country decides their route."""
        campaign = self.campaigns.get(lane.campaign)
        target = campaign.targets.get(lane.target) if campaign else None
        return (target.channel, target.directory is not None) if target else (Channel.EMAIL, False)

    def addresses(self, lane: Lane) -> tuple[str, ...]:
        """To whom the letters of a lane go; nobody where it has no route."""
        return _addresses(self._route(lane))

    def written_to(self, lane: Lane) -> frozenset[str]:
        """Every address that the letters of a lane name, but copies."""
        route = self._route(lane)
        return frozenset(map(str, (*route.to, *route.cc))) if route else frozenset()

    def _route(self, lane: Lane) -> Route | None:
        """How a lane's target is reached; None where it is not configured any more."""
        campaign = self.campaigns.get(lane.campaign)
        target = campaign.targets.get(lane.target) if campaign else None
        if campaign is None or target is None:
            return None
        return campaigns.route(campaign, target, lane.country, live=self.is_live)


def _addresses(route: Route | None) -> tuple[str, ...]:
    return tuple(map(str, route.to)) if route else ()


def _lane(streak: Streak) -> Lane:
    return Lane(streak.campaign, streak.target, streak.country)


@dataclass(frozen=True, slots=True)
class Ruled:
    """How many letters rules have moved."""

    held: int = 0
    released: int = 0
    expired: int = 0
    resent: int = 0

    def __add__(self, more: Ruled) -> Ruled:
        held, released, expired = self.held + more.held, self.released + more.released, self.expired + more.expired
        return Ruled(held, released, expired, self.resent + more.resent)


# What rules release when its cause is gone; what was printed, only where its target is again as it was. A render error ends
# with a new edition; a changed letter only by a person; what was not confirmed is each signature's own matter.
_BY_LANE = frozenset(Reason) - {Reason.UNCONFIRMED}


async def redecide(ledger: Ledger, ruling: Ruling, retry: Retry, now: int) -> Ruled:
    """Ask every rule about everything that waits; gives what was moved."""
    await _follow_confirmation(ledger, ruling, now)
    await _follow_directories(ledger, ruling)
    expired = await _expire(ledger, ruling, retry, await ledger.is_down(), now)
    held = released = 0
    for waiting in await ledger.waiting():
        reason = ruling.hold(waiting.lane)
        while reason and (moved := await ledger.hold(waiting.lane, reason, now, _AT_ONCE)):
            held += moved
    for handed in await ledger.handed():
        reason = ruling.recall(handed)
        while reason and (moved := await ledger.hold_handed(handed, reason, now, _AT_ONCE)):
            held += moved
    for before in await ledger.held_by_rule():
        if before.reason not in _BY_LANE:
            continue
        reason = ruling.hold(before.lane)
        released += await _let_go(ledger, ruling, before, reason, now)
        if reason not in (None, Reason.OTHERWISE, before.reason) and before.reason != Reason.PRINTED:
            await ledger.restate(before, reason)
    for streak in ruling.streaks:
        lane = _lane(streak)
        if streak.sign is Sign.ADDRESS and ruling.addresses(lane) != streak.addresses:
            await ledger.end_streak(streak.sign, lane)  # the configuration names another address, or none
        if streak.sign is Sign.BESIDE and not set(streak.addresses) <= ruling.written_to(lane):
            await ledger.end_streak(streak.sign, lane)
    for campaign, edition in ruling.editions.items():
        released += await ledger.release_unrendered(campaign, edition, now)
    return Ruled(held, released, expired, await _resend(ledger, ruling, now))


async def _let_go(ledger: Ledger, ruling: Ruling, before: Held, reason: Reason | None, now: int) -> int:
    """
    Release what nothing stops any more, as its target is reached now; what was printed for another way stays, whatever the
    reason is for which its lane is held.
    """
    lane, released = before.lane, 0
    channel, is_by_country = ruling.follows(lane)
    stopped_by = reason if channel is Channel.EMAIL else ruling.recall(Handed(lane.campaign, lane.target, channel))
    while stopped_by is None and (moved := await ledger.release(before, now, _AT_ONCE, channel)):
        released += moved
    may_follow = reason in (None, Reason.OTHERWISE) and before.reason != Reason.PRINTED
    while may_follow and (moved := await ledger.follow(before, channel, is_by_country=is_by_country, now=now, limit=_AT_ONCE)):
        released += moved
    return released


async def _follow_confirmation(ledger: Ledger, ruling: Ruling, now: int) -> None:
    """Where a campaign asks for confirmed signatures from now on, or does not any more, all that is on record is asked once."""
    asked = await ledger.asked_confirmation()
    for campaign in ruling.campaigns.values():
        is_asked = campaign.confirmation_required
        if is_asked == (campaign.id in asked):
            continue
        behind = 0
        while is_asked and (behind := await ledger.hold_unconfirmed(campaign.id, now, behind, _AT_ONCE)):
            pass
        while not is_asked and await ledger.release_unconfirmed(campaign.id, now, _AT_ONCE):
            pass
        await ledger.ask_confirmation(campaign.id, is_asked)


async def _follow_directories(ledger: Ledger, ruling: Ruling) -> None:
    """Where a target has come to be one of a directory, what is on record is parted by countries once: each has a route."""
    facts = await ledger.installed()
    for campaign in ruling.campaigns.values():
        name = f"directories {campaign.id}"
        targets, before = {target.id for target in campaign.targets.values() if target.directory}, facts.get(name, "").split()
        if targets == set(before):
            continue
        for target in sorted(targets - set(before)):
            while await ledger.part(campaign.id, target, _AT_ONCE):
                pass
        await ledger.remember_install({name: " ".join(sorted(targets))})


async def _resend(ledger: Ledger, ruling: Ruling, now: int) -> int:
    """
    Where a campaign's policy says so, a letter that has long been in doubt is sent again, once in its life, if it could go.
    """
    resent = 0
    pauses, is_down = await ledger.pauses(), await ledger.is_down()
    for campaign in ruling.campaigns.values():
        is_stopped = is_down or is_over(campaign, now) or any(pause.stops(campaign.id) for pause in pauses)
        if campaign.resend_doubts_after is None or is_stopped:
            continue
        before = int(now - campaign.resend_doubts_after)
        for lane in await ledger.doubtful(campaign.id):
            while ruling.hold(lane) is None and (moved := await ledger.resend_doubts(lane, before, now, _AT_ONCE)):
                resent += moved
    return resent


async def _expire(ledger: Ledger, ruling: Ruling, retry: Retry, is_down: bool, now: int) -> int:
    expired = 0
    pauses = await ledger.pauses()
    for campaign in ruling.campaigns.values():
        over = is_over(campaign, now)
        if not over and (is_down or any(pause.stops(campaign.id) for pause in pauses)):
            continue  # a letter is not given up while nobody can send it
        before = None if over else int(now - retry.give_up_after)
        reason = "the campaign's deadline has passed" if over else "given up: it was deferred for too long"
        while moved := await ledger.expire(campaign.id, before, reason, now, _AT_ONCE):
            expired += moved
    return expired


def is_over(campaign: Campaign, now: float) -> bool:
    """Whether a campaign's deadline has passed: nothing of it goes out any more, not even in a pass that began before."""
    end = over_at(campaign)
    return end is not None and now >= end


def over_at(campaign: Campaign) -> float | None:
    """The end of a campaign's last day, in UTC (seconds since 1970); None: it has none."""
    if campaign.deadline is None:
        return None
    return datetime.combine(campaign.deadline + timedelta(days=1), time(), UTC).timestamp()
