"""
The journal's chain of hashes: whoever holds its last hash sees any change of any line before.
"""

import hashlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.chain import GENESIS, Break, Link, check, hash_of, link


def forged(count: int, before: Link | None = None) -> list[Link]:
    links: list[Link] = []
    for number in range(count):
        links.append(link(links[-1] if links else before, {"event": "letter", "letter": number, "why": "потому что"}))
    return links


def lines(links: list[Link]) -> list[str]:
    return [each.line for each in links]


LINKS = forged(6)


def broken_at(changed: list[str]) -> int | None:
    """The number of the line where a chain breaks; the line behind the last one is its hash, which somebody kept."""
    found = check(changed)
    if isinstance(found, Break):
        return found.seq
    return None if found is not None and found.hash == LINKS[-1].hash else len(LINKS) + 1


def test_a_whole_chain_ends_in_its_last_link():
    assert check(lines(LINKS)) == LINKS[-1]
    assert [each.seq for each in LINKS] == [1, 2, 3, 4, 5, 6]


def test_no_line_is_no_chain_and_behind_a_link_that_link():
    assert check([]) is None
    assert check([], LINKS[2]) == LINKS[2]


def test_a_chain_is_followed_from_any_link_on():
    assert check(lines(LINKS)[3:], LINKS[2]) == LINKS[-1]
    assert check(lines(LINKS)[4:], LINKS[2]) == Break(4, "the line before it was changed or is missing")
    assert check(lines(LINKS)[3:]) == Break(1, "the line before it was changed or is missing")


def test_a_line_names_its_number_and_the_hash_of_the_exact_bytes_before():
    first, second = (json.loads(each.line) for each in LINKS[:2])
    assert (first["seq"], first["prev"]) == (1, GENESIS) == (1, "0" * 64)
    assert (second["seq"], second["prev"]) == (2, hashlib.sha256(LINKS[0].line.encode()).hexdigest())
    assert "потому что" in LINKS[0].line
    assert "\n" not in link(None, {"why": "two\nlines"}).line


@pytest.mark.parametrize("at", range(6))
def test_a_changed_line_shows_in_the_next(at):
    changed = lines(LINKS)
    changed[at] = changed[at].replace("потому", "потом")
    assert broken_at(changed) == at + 2


@pytest.mark.parametrize("at", range(6))
def test_a_space_more_is_a_change(at):
    changed = lines(LINKS)
    changed[at] = changed[at] + " "
    assert broken_at(changed) == at + 2


@pytest.mark.parametrize("at", range(6))
def test_a_dropped_line_shows(at):
    assert broken_at(lines(LINKS)[:at] + lines(LINKS)[at + 1 :]) == (at + 1 if at < 5 else 7)


@pytest.mark.parametrize("at", range(7))
def test_an_inserted_line_shows(at):
    before = LINKS[at - 1] if at else None
    inserted = link(before, {"event": "letter", "letter": 99}).line
    assert broken_at([*lines(LINKS)[:at], inserted, *lines(LINKS)[at:]]) == (at + 2 if at < 6 else 7)


@pytest.mark.parametrize("at", range(5))
def test_two_swapped_lines_show(at):
    changed = lines(LINKS)
    changed[at], changed[at + 1] = changed[at + 1], changed[at]
    assert broken_at(changed) == at + 1


@pytest.mark.parametrize("at", range(6))
def test_a_line_that_stands_twice_shows(at):
    assert broken_at(lines(LINKS)[: at + 1] + lines(LINKS)[at:]) == at + 2


def test_a_line_with_another_number_shows():
    fields = {"seq": 3, "event": "letter", "prev": LINKS[0].hash}
    assert check([LINKS[0].line, json.dumps(fields)]) == Break(2, "the line has number 3")


@pytest.mark.parametrize(
    "line", ["", "no JSON", "[]", "null", '"seq"', '{"seq":1}', '{"prev":""}', "{", "[" * 100_000, "\ufeff{}"]
)
def test_what_is_no_journal_line_shows(line):
    assert check([line[:100_000]]) == Break(1, "the line is not a journal line")
    assert check([LINKS[0].line, line]) == Break(2, "the line is not a journal line")


VALUES = st.text() | st.integers() | st.none() | st.booleans()
FIELDS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, max_size=4)


@given(st.lists(FIELDS.map(lambda fields: {k: v for k, v in fields.items() if k not in {"seq", "prev"}}), max_size=6))
def test_whatever_is_linked_holds_together(entries):
    links: list[Link] = []
    for fields in entries:
        links.append(link(links[-1] if links else None, fields))
    assert check(lines(links)) == (links[-1] if links else None)
    assert all(each.hash == hash_of(each.line) for each in links)
    assert all(
        {**json.loads(each.line), "seq": 0, "prev": ""} == {**f, "seq": 0, "prev": ""}
        for each, f in zip(links, entries, strict=True)
    )


@given(st.lists(st.text() | st.sampled_from(lines(LINKS)), max_size=8))
@example(["9" * 5000])
def test_any_lines_are_a_chain_or_break_somewhere(anything):
    found = check(anything)
    if isinstance(found, Link):
        assert anything == lines(LINKS)[: len(anything)]
