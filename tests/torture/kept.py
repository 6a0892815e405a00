"""
Whether what the far side keeps is what was composed, and says what the row said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailer.config import Configuration
from mailer.letter import fingerprint
from tests.parsed import by_new_rules, by_old_rules
from tests.torture.farside import FarSide, Kept
from tests.torture.judged import WIRE, Intent, Violation
from tests.torture.letters import Letter


def wire(loaded: Configuration, intent: Intent, letters: Sequence[Letter], far: FarSide) -> Iterator[Violation]:
    """Each breach of SMTP, and each message that is not what it must be."""
    yield from (Violation(WIRE, what) for what in far.broken)
    by_id = {one.record.message_id: one for one in letters}
    for kept in far.kept:
        if letter := by_id.get(kept.message_id):
            yield from (
                Violation(WIRE, f"letter {letter.record.letter}: {what}") for what in _unlike(loaded, intent, letter, kept)
            )


def _unlike(loaded: Configuration, intent: Intent, letter: Letter, kept: Kept) -> Iterator[str]:
    """Where a message differs from what was composed, and where it does not say what the row said."""
    campaign = loaded.campaigns[letter.record.campaign]
    target = campaign.targets[letter.record.target]
    # A restored ledger need not know what went out, and what a person lets go again has the date of that day.
    is_as_composed = kept.data == letter.composed and fingerprint(kept.data) == letter.record.sha256
    if not (is_as_composed or letter.restored_at):
        yield "its bytes are not those that were composed"
    named = {*map(str, target.to), *map(str, target.cc), *map(str, campaign.copy_to)}
    if not set(kept.recipients) <= named or not (set(kept.recipients) <= set(letter.standings) or letter.restored_at):
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
