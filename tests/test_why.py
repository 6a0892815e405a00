"""What people give as their reason stays in the journal for good: it names nobody, and is one line that can be shown."""

from __future__ import annotations

import pytest

from tests.installed import Place

ORDERS = [("hold", "1"), ("cancel", "1"), ("release", "1"), ("retry", "1"), ("resolve", "1", "--accepted")]
STOPS = [("pause",), ("resume",), ("resume", "ledger"), ("pause", "c")]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One letter waits."""
    made = Place(tmp_path_factory.mktemp("why"), "pace: none\n")
    made.drop(1)
    assert made.mailer("run", "--intake-only").code == 0
    return made


def assert_refused(place: Place, words: tuple[str, ...], why: str) -> None:
    said = place.mailer(*words, "--why", why)
    assert said.code == 64
    assert "--why" in said.err
    assert "person.1" not in said.err
    assert (place.letters("queued"), "paused" in place.mailer("health").out) == (1, False)


@pytest.mark.parametrize("words", [*ORDERS, *STOPS])
def test_every_command_that_asks_for_a_reason_refuses_one_that_names_an_address(place, words):
    assert_refused(place, words, "person.1@example.org asked us")


@pytest.mark.parametrize(
    "why", ["asks: <person.1@example.org>", "", "  ", "two\nlines", "\x1b[31mred", "x" * 201, "\u202eereht"]
)
def test_a_reason_is_one_line_that_can_be_shown(place, why):
    assert_refused(place, ("hold", "1"), why)


@pytest.mark.parametrize("words", ORDERS)
def test_a_reason_about_a_letter_does_not_say_whose_it_is(place, words):
    assert_refused(place, words, "Mr PERSON called us")
