"""
What people answered, by tables of cases: a letter goes out in somebody's name only where they clearly said so.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mailer import answers
from mailer.errors import BadRow
from mailer.signature import Rules, read, withdraws

DATA = Path(__file__).with_name("data") / "answers"
MEANT = {"yes": True, "no": False, "unclear": None}
TODAY = date(2011, 9, 20)
JANE = {"name": "Jane Doe", "email": "jane@example.org"}


def cases(name: str) -> list[tuple[str, str]]:
    """The lines of a table: what it is, and what stood there."""
    lines = (DATA / name).read_text("utf-8").splitlines()
    return [(line.partition("\t")[0], line.partition("\t")[2]) for line in lines if line[:1] != "#"]


CONSENT = cases("consent.tsv")


@pytest.mark.parametrize(("meant", "text"), CONSENT)
def test_a_consent_is_read_only_where_it_was_given(meant, text):
    assert answers.agrees(text) is MEANT[meant]


@pytest.mark.parametrize("is_required", [True, False], ids=["required", "assumed"])
@pytest.mark.parametrize(("meant", "text"), CONSENT)
def test_whatever_stands_in_the_column_and_is_no_yes_is_a_reason_also_where_consent_is_assumed(meant, text, is_required):
    rules = Rules(TODAY, consent_required=is_required)
    if meant == "yes":
        assert read(JANE | {"consent": text}, rules).consent
        return
    with pytest.raises(BadRow, match=r"did not consent|is not clearly a yes"):
        read(JANE | {"consent": text}, rules)


def test_where_consent_is_assumed_an_empty_cell_will_do_and_elsewhere_not():
    assert read(JANE | {"consent": "  "}, Rules(TODAY, consent_required=False)).name
    with pytest.raises(BadRow, match="consent is missing"):
        read(JANE | {"consent": "  "}, Rules(TODAY))


@pytest.mark.parametrize(("meant", "text"), cases("confirmed.tsv"))
def test_a_confirmation_is_a_date_or_an_exact_word(meant, text):
    fields = JANE | {"consent": "yes", "confirmed_at": text}
    assert answers.is_confirmed(text) is MEANT[meant]
    if meant == "unclear":
        with pytest.raises(BadRow, match="neither a date"):
            read(fields, Rules(TODAY))
    else:
        assert bool(read(fields, Rules(TODAY)).confirmed_at) is MEANT[meant]


@pytest.mark.parametrize(("meant", "text"), cases("withdrawn.tsv"))
def test_whatever_stands_in_the_column_of_the_withdrawal_withdraws_unless_it_is_a_clear_no(meant, text):
    assert bool(withdraws(JANE | {"withdrawn_at": text})) is MEANT[meant]


@pytest.mark.parametrize(("field", "text"), cases("plain.tsv"))
def test_a_plain_yes_or_no_never_becomes_part_of_a_letter(field, text):
    if field == "-":
        assert read(JANE | {"consent": "yes", "message": text, "city": text}, Rules(TODAY)).city == text
        return
    with pytest.raises(BadRow, match="answers another question"):
        read(JANE | {"consent": "yes", field: text}, Rules(TODAY))
