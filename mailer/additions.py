"""
Targets that came into a campaign later: whoever has signed before is written for to them as well.

    configuration (targets), ledger (who has signed)  >  ADDITIONS  >  ledger (letters that wait)

Asked at each pass; where nothing has been added it reads one fact. A letter begins as it does when a file is taken in, so it
waits for the approval that its new target asks for, for an address, for a confirmation. A signature has one letter to a target,
ever: a target that is taken out and brought back is written to for those alone who have signed meanwhile. Nor is an address
written to twice because its target got another name. Cut off, it is simply done again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mailer import accounts, log
from mailer import campaign as campaigns
from mailer.campaign import Campaign, Channel, Reason
from mailer.delivery import State
from mailer.desk import Desk
from mailer.ledger import Ledger, NewLetter
from mailer.rules import is_over

_AT_ONCE = 1_000  # signatures a transaction


async def complete(ledger: Ledger, desks: Mapping[str, Desk], now: int) -> int:
    """Write the letters that are missing down, for every campaign that is not over; gives how many there were."""
    facts, written = await ledger.installed(), 0
    for id, desk in desks.items():
        name, targets = f"targets {id}", " ".join(sorted(desk.campaign.targets))
        if facts.get(name) == targets or is_over(desk.campaign, now):
            continue
        for target in sorted(set(desk.campaign.targets) - set(facts.get(name, "").split())):
            if letters := await _add(ledger, desk.campaign, target, now, live=desk.is_live):
                log.letters_added(letters, id, target)
                written += letters
        await ledger.remember_install({name: targets})
    return written


async def _add(ledger: Ledger, campaign: Campaign, target: str, now: int, *, live: bool) -> int:
    behind = written = 0
    domain = campaign.sender.address.domain
    while found := await ledger.without_letter(campaign.id, target, behind, _AT_ONCE):
        letters = {
            signature: _letter(campaign, target, country, is_unconfirmed=is_unconfirmed, live=live)
            for signature, country, is_unconfirmed in found
        }
        addresses = {signature: _addresses(campaign, target, country) for signature, country, _ in found}
        written += await ledger.add_letters(campaign.id, domain, letters, addresses, now)
        behind = found[-1][0]
    return written


def _addresses(campaign: Campaign, target: str, country: str) -> list[str]:
    """To whom a letter would go, confirmed or not."""
    return [str(address) for address in campaigns.route(campaign, campaign.targets[target], country, live=False).to]


def _letter(campaign: Campaign, target: str, country: str, *, is_unconfirmed: bool, live: bool) -> NewLetter:
    """The letter of one signature to one target, as it begins."""
    letter = next(one for one in accounts.letters_of(campaign, country, live=live) if one.target == target)
    if is_unconfirmed and letter.channel == Channel.EMAIL:
        return replace(letter, state=State.HELD, reason=Reason.UNCONFIRMED)
    return letter
