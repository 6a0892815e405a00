"""
The one oracle: an instance's folder laid beside the far side's books, and every place where the promise was broken.

    judge(instance, intent, far)  ->  Judged(violations, counted)

It is asked after every run, however that ended, and looks only. What it holds against the folder:

    lost    a good row without exactly one letter to each e-mail target; a letter called accepted that the far side has not;
            a letter that waits for nothing; a recipient that has not accepted it, and that nobody will ask again
    stands  a letter that is not where its recipients put it
    twice   a message kept twice for one recipient, or kept and about to be sent again, or more dots than refusals and a
            person's resends explain; a person's words kept under two Message-IDs. What a restored ledger need not know may
            only be held back by it
    defied  a letter that went on although a person had stopped it, its campaign or everything
    doubt   more letters in doubt than crashes and silent servers explain
    wire    bytes that break SMTP, differ from what was composed, or do not say what the row said
    books   ledger, journal and folders do not agree, or the journal does not lead to where letters stand
    told    a signatory's name or address where none may be

Its figures add up, so that a thousand runs have one summary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from mailer.campaign import Channel
from mailer.config import Configuration
from mailer.delivery import DUE, State
from mailer.ledger.sqlite import SqliteLedger
from mailer.outcome import Standing, Verdict
from tests.parsed import by_old_rules
from tests.torture.books import books
from tests.torture.farside import FarSide, Handed
from tests.torture.judged import BOOKS, DOUBT, LOST, TOLD, TWICE, Intent, Judged, Violation
from tests.torture.kept import wire
from tests.torture.letters import Letter, letters_of, restored_at
from tests.torture.obeyed import obeyed
from tests.torture.receipts import parted, receipts
from tests.torture.recipients import each_letter, each_recipient
from tests.torture.telling import tellers

_REACHED = {Standing.ACCEPTED, Standing.IN_DOUBT, Standing.BOUNCED}
_REASONED = {State.HELD, State.IN_DOUBT, State.DEFERRED, State.REFUSED}


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
        letters = list(letters_of(loaded, ledger))
        far, far_of_receipts = parted(loaded, far)
        found += books(loaded, intent, ledger, letters, is_quiet)
        found += obeyed(ledger, letters)
        is_restored = restored_at(ledger) > 0
        found += receipts(loaded, letters, far_of_receipts, is_quiet=is_quiet, is_restored=is_restored)
        counted["receipts"] = len(far_of_receipts.kept)
    if is_quiet:
        found += _rows(loaded, intent, letters)
    found += _letter_by_letter(intent, letters, is_quiet)
    found += each_recipient(letters, far)
    found += each_letter(letters)
    found += _handed(letters, far, is_restored=is_restored)
    found += _written_twice(letters, far)
    found += _doubts(loaded, letters, far, cut_dots)
    found += wire(loaded, intent, letters, far)
    found += [Violation(TOLD, f"{where} holds what is personal") for where in tellers(loaded, said)]
    counted.update(f"letters {one.record.state}" for one in letters)
    counted += Counter({"letters": len(letters), "attempts": sum(len(one.attempts) for one in letters)})
    counted += Counter({"files": intent.files, "rows": intent.rows})
    counted.update(one.kind for one in found)
    return Judged(found, counted)


# -- lost


def _rows(loaded: Configuration, intent: Intent, letters: Sequence[Letter]) -> Iterator[Violation]:
    """Every good row has exactly one letter to each e-mail target, and no letter is nobody's."""
    have = Counter((one.record.campaign, one.record.target, one.address) for one in letters)
    for campaign in loaded.campaigns.values():
        for target in campaign.targets.values():
            for address in intent.people if target.channel is Channel.EMAIL else ():
                if (count := have.pop((campaign.id, target.id, address), 0)) != 1:
                    yield Violation(LOST, f"{address} has {count} letters to {target.id}")
    for campaign_id, target_id, address in have:
        yield Violation(BOOKS, f"a letter of {address} to {target_id} of {campaign_id} that no row asks for")


def _letter_by_letter(intent: Intent, letters: Sequence[Letter], is_quiet: bool) -> Iterator[Violation]:
    """What is open has a next time or a reason."""
    for one in letters:
        record = one.record
        if record.state in DUE and record.next_attempt_at is None:
            yield Violation(LOST, f"letter {record.letter} is {record.state} and has no next time")
        if record.state in _REASONED and not record.reason:
            yield Violation(LOST, f"letter {record.letter} is {record.state} without a reason")
        if is_quiet and (record.state == State.SENDING or (record.state == State.QUEUED and intent.sends)):
            yield Violation(LOST, f"letter {record.letter} is still {record.state}, though nothing is done any more")


# -- twice, and doubt


def _handed(letters: Sequence[Letter], far: FarSide, *, is_restored: bool) -> Iterator[Violation]:
    """No dot and no message but what was asked for; a restored ledger need not know of all that went out before."""
    by_id = {one.record.message_id: one for one in letters}
    kept = Counter(handed for one in far.kept for handed in one.handed)
    for handed, dots in far.dots.items():
        letter = by_id.get(handed[0])
        if letter is None:
            if not is_restored:
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
        if stands not in _REACHED and not (letter.will_be_in_doubt or letter.resends or letter.is_held_back):
            yield Violation(
                TWICE, f"letter {letter.record.letter} was kept for {handed[1]}, who is {stands}: it may go out again"
            )


def _written_twice(letters: Sequence[Letter], far: FarSide) -> Iterator[Violation]:
    """The same words of the same person to the same address under two Message-IDs: two letters of one signature."""
    resends = {one.record.message_id: one.resends for one in letters}
    found: dict[Handed, set[str]] = {}
    for message in far.kept:
        for _, address in by_old_rules(message.data).reply_to:
            for recipient in message.recipients:
                found.setdefault((address, recipient), set()).add(message.message_id)
    for (address, recipient), ids in found.items():
        if len(ids) > 1 + sum(resends.get(id, 0) for id in ids):
            yield Violation(TWICE, f"{len(ids)} letters of {address} were kept for {recipient}")


def _doubts(loaded: Configuration, letters: Sequence[Letter], far: FarSide, cut_dots: int) -> Iterator[Violation]:
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


def _fell_short(one: Letter, far: FarSide) -> bool:
    """Whether fewer dots of a letter arrived than left."""
    left = sum(attempt.marked_at is not None for attempt in one.attempts)
    return left > max((far.dots[one.record.message_id, address] for address in one.standings), default=0)
