"""By which address a person is known again is a campaign's to say, once; and what a strict campaign does not take."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.installed import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "instance", "pace: none\n")


def take_in(place: Place, *emails: str) -> dict[str, int]:
    """Drop a file of these addresses; what has been counted since the beginning."""
    place.put("list.csv", "name,email\n" + "".join(f"Jane,{email}\n" for email in emails))
    assert place.mailer("run", "--intake-only").code == 0
    told = place.mailer("status", "--json").json["campaigns"]["c"]
    return {key: told[key] for key in ("signatures", "duplicates", "rejected_rows")}


def say(place: Place, line: str) -> None:
    path = place.root / "config/campaigns/c.yaml"
    kept = [one for one in path.read_text(encoding="utf-8").splitlines() if not one.startswith("addresses:")]
    path.write_text("\n".join([*kept, line, ""]), encoding="utf-8")


def test_a_campaign_may_take_tagged_and_dotted_addresses_for_one(place):
    say(place, "addresses: {plus_tag: same, gmail_dots: same}")
    emails = ("jane@example.org", "jane+1@example.org", "j.ane@gmail.com", "jane+x@googlemail.com")
    assert take_in(place, *emails) == {"signatures": 2, "duplicates": 2, "rejected_rows": 0}


def test_what_makes_a_person_known_cannot_be_changed_once_somebody_is(place):
    assert take_in(place, "jane+1@example.org")["signatures"] == 1
    say(place, "addresses: {plus_tag: same}")
    for command in (("run",), ("status",), ("check",)):
        said = place.mailer(*command)
        assert said.code == 78
        assert "plus_tag and gmail_dots cannot be changed once signatures were taken in" in said.err
    assert place.mailer("pause", "--why", "it is wrong").code == 0, "who says stop is not kept from it"
    say(place, "addresses: {role: refuse}")
    assert take_in(place, "jane+1@example.org", "info@example.org") == {"signatures": 1, "duplicates": 1, "rejected_rows": 1}


def test_before_the_first_signature_it_can_be_changed(place):
    say(place, "addresses: {plus_tag: same}")
    assert place.mailer("run").code == 0
    say(place, "addresses: {gmail_dots: same}")
    assert take_in(place, "j.ane@gmail.com", "jane@gmail.com", "jane+1@gmail.com")["signatures"] == 2
    say(place, "addresses: {plus_tag: same}")
    assert place.mailer("run").code == 78


def test_preview_shows_an_address_that_looks_mistyped_and_its_letter_goes_out(place, tmp_path):
    (tmp_path / "list.csv").write_text("name,email\nJane,jane@gmial.com\n")
    said = place.mailer("preview", "c", tmp_path / "list.csv")
    assert re.search(r"^ +2 +the e-mail address «jane@gmial.com» looks mistyped, for «jane@gmail.com»", said.out, re.MULTILINE)
    assert take_in(place, "jane@gmial.com")["signatures"] == 1
