"""A file that is read more than once: only its last reading counts, and what was half read before it is forgotten."""

from dataclasses import replace

import pytest

from mailer.delivery import ORDERS, State
from mailer.ledger import Count, Entry, Ledger, Selection
from tests.ledgers import CAMPAIGN, DOMAIN, NOW, assert_sound, begin, claim, dot, entry, new, one, states, told


async def read(ledger: Ledger, file: int, *entries: Entry) -> list[bool]:
    """One reading of a file: which of its rows counted as new."""
    await ledger.begin_reading(file)
    return [taken.is_new for taken in await ledger.take_in(file, CAMPAIGN, DOMAIN, entries, NOW)]


def countries(ledger: Ledger) -> list[str]:
    return [record.country for record in ledger.records(Selection())]


async def test_a_row_that_the_last_reading_does_not_bring_is_forgotten(ledger):
    file = await begin(ledger)
    half_written = entry(3)
    assert await read(ledger, file, entry(1), entry(2), half_written) == [True, True, True]
    assert await read(ledger, file, entry(1), entry(2), replace(entry(4), line=3)) == [True, True, True]
    await ledger.end_file(file, "done", Count(3, 3, 0, 0), "", NOW)
    assert ledger.signatures() == {CAMPAIGN: 3}
    assert sorted(record.line for record in ledger.records(Selection())) == [1, 2, 3]
    assert told(ledger, "file")[-1]["dropped"] == 1
    assert await read(ledger, await begin(ledger, claim="02"), half_written) == [True]  # it is nobody that is known
    assert_sound(ledger, dict.fromkeys(states(ledger), State.QUEUED))


async def test_a_number_that_a_person_may_have_written_down_is_no_other_letter_s(ledger):
    """A letter was held while its file was being read, and is not in it any more; the next file's letter is another one."""
    file = await begin(ledger)
    await read(ledger, file, entry(1), entry(2))
    (_, gone) = sorted(states(ledger))
    await ledger.order(Selection(letter=gone), ORDERS["hold"], "he asked", NOW, 0, 10)
    assert await read(ledger, file, entry(1)) == [True]
    await ledger.end_file(file, "done", Count(1, 1, 0, 0), "", NOW)
    await read(ledger, await begin(ledger, claim="02"), entry(3))
    assert gone not in states(ledger)
    assert list(ledger.disagreements()) == []


async def test_a_row_that_moved_within_its_file_is_the_same_row(ledger):
    file = await begin(ledger)
    await read(ledger, file, entry(1), entry(2))
    assert await read(ledger, file, replace(entry(2), line=1), replace(entry(1), line=2)) == [True, True]
    await ledger.end_file(file, "done", Count(2, 2, 0, 0), "", NOW)
    assert [record.line for record in ledger.records(Selection())] == [2, 1]


async def test_a_row_twice_in_one_reading_is_known_the_second_time(ledger):
    file = await begin(ledger)
    await read(ledger, file, entry(1))
    assert await read(ledger, file, entry(1), replace(entry(1), line=2)) == [True, False]


async def test_what_the_last_reading_says_of_a_person_stands(ledger):
    file = await begin(ledger)
    await read(ledger, file, replace(entry(1), sealed=b"Jan"))
    whole = replace(entry(1, new("embassy", country="FR")), sealed=b"Jane", country="FR")
    assert await read(ledger, file, whole) == [True]
    await ledger.end_file(file, "done", Count(1, 1, 0, 0), "", NOW)
    (record,) = ledger.records(Selection())
    assert (record.sealed, record.country, record.target) == (b"Jane", "FR", "embassy")


async def test_of_a_file_that_is_set_aside_nothing_stays(ledger):
    other = await begin(ledger, claim="00")
    await read(ledger, other, entry(9))
    await ledger.end_file(other, "done", Count(1, 1, 0, 0), "", NOW)
    file = await begin(ledger)
    await read(ledger, file, entry(1), entry(2), replace(entry(9), line=3))
    await ledger.end_file(file, "rejected", Count(), "broken in the middle", NOW)
    assert ledger.signatures() == {CAMPAIGN: 1}
    assert len(states(ledger)) == 1
    assert told(ledger, "file")[-1]["dropped"] == 2
    assert list(ledger.disagreements()) == []


@pytest.mark.parametrize("state", ["done", "rejected"])
async def test_a_letter_that_was_begun_is_never_forgotten(ledger, state):
    file = await begin(ledger)
    await read(ledger, file, entry(1), entry(2))
    (due,) = await claim(ledger, 1)
    await dot(ledger, due)
    await read(ledger, file, replace(entry(1), country="FR"))
    await ledger.end_file(file, state, Count(1, 1, 0, 0) if state == "done" else Count(), "", NOW)
    assert states(ledger) == {due.letter: "accepted"}
    assert one(ledger, due.letter).attempts == 1


async def test_a_file_whose_accounts_were_closed_before_a_crash_is_read_and_closed_again(ledger):
    file = await begin(ledger)
    await read(ledger, file, entry(1), entry(2))
    await ledger.end_file(file, "done", Count(2, 2, 0, 0), "", NOW)
    assert await read(ledger, file, entry(1), entry(2)) == [True, True]
    await ledger.end_file(file, "done", Count(2, 2, 0, 0), "", NOW)
    assert [found.count for found in ledger.files()] == [Count(2, 2, 0, 0)]
    assert len(states(ledger)) == 2
