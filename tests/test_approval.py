"""
What an approval covers: everything that a campaign says and to whom, and nothing of when and how fast it goes.
"""

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.address import parse
from mailer.approval import changed, content, edition, packed, unpacked
from mailer.campaign import Campaign, Directory, Mission, Pace, Receipts, Sender, Target, Window

COURT, PRESS, VIENNA, OTHER = (parse(f"{name}@office.example") for name in ("court", "press", "vienna", "other"))
DIRECTORY = Directory((Mission("AT", "Vienna", VIENNA, ("SI",)), Mission("DE", "Berlin", None)))
OFFICE = Target("court", "office", {"en": "Court", "ru": "Суд"}, {"": "Dear Sir"}, (COURT,), (PRESS,), "+7 1", "1 Square", "ru")
EMBASSY = Target("embassy", "embassy", {"": "Embassy"}, directory=DIRECTORY)
CAMPAIGN = Campaign(
    id="c",
    title="A title",
    default_language="en",
    languages=("en", "ru"),
    prefers_signatory=False,
    sender=Sender("Solidarity", parse("letters@campaign.example")),
    targets={"court": OFFICE, "embassy": EMBASSY},
    copy_to=(parse("copies@campaign.example"),),
)
TEMPLATES = {"en/subject.txt.j2": "A subject", "en/letter.txt.j2": "A letter", "macros.j2": "{% macro x() %}{% endmacro %}"}
NOW = edition(content(CAMPAIGN, TEMPLATES))


def with_office(**changes: object) -> Campaign:
    return replace(CAMPAIGN, targets={**CAMPAIGN.targets, "court": replace(OFFICE, **changes)})  # type: ignore[arg-type]


def with_directory(*missions: Mission) -> Campaign:
    return replace(CAMPAIGN, targets={**CAMPAIGN.targets, "embassy": replace(EMBASSY, directory=Directory(missions))})


VIENNAS = DIRECTORY.missions[0]

COVERED = {
    "the title": (replace(CAMPAIGN, title="Another"), "title"),
    "the sender's name": (replace(CAMPAIGN, sender=replace(CAMPAIGN.sender, name="Another")), "sender"),
    "the sender's address": (replace(CAMPAIGN, sender=replace(CAMPAIGN.sender, address=OTHER)), "sender"),
    "the bounce address": (replace(CAMPAIGN, sender=replace(CAMPAIGN.sender, bounce_address="b+{token}@c.example")), "sender"),
    "copies of each day": (replace(CAMPAIGN, digest_to=(OTHER,)), "copies, each day's together"),
    "a copy more": (replace(CAMPAIGN, copy_to=(*CAMPAIGN.copy_to, OTHER)), "copies"),
    "a language less": (replace(CAMPAIGN, languages=("en",)), "languages"),
    "the default language": (replace(CAMPAIGN, default_language="ru"), "languages"),
    "a target more": (replace(CAMPAIGN, targets={**CAMPAIGN.targets, "new": replace(OFFICE, id="new")}), "target new"),
    "a target less": (replace(CAMPAIGN, targets={"embassy": EMBASSY}), "target court"),
    "its address": (with_office(to=(OTHER,)), "target court"),
    "a second address": (with_office(to=(COURT, OTHER)), "target court"),
    "its cc": (with_office(cc=()), "target court"),
    "its name in one language": (with_office(name={"en": "Court", "ru": "Другой"}), "target court"),
    "its form of address": (with_office(form_of_address={"": "Dear Madam"}), "target court"),
    "its language": (with_office(language="en"), "target court"),
    "its phone": (with_office(phone="+7 2"), "target court"),
    "its postal address": (with_office(postal_address="2 Square"), "target court"),
    "its kind": (with_office(kind="phone"), "target court"),
    "its fallback": (with_office(fallback="embassy"), "target court"),
    "an embassy's address": (with_directory(replace(VIENNAS, email=OTHER), DIRECTORY.missions[1]), "target embassy, AT"),
    "the countries it covers": (with_directory(replace(VIENNAS, covers=("SI", "LI"))), "target embassy, AT"),
    "an embassy that gets an address": (with_directory(VIENNAS, Mission("DE", "Berlin", OTHER)), "target embassy, DE"),
    "an embassy that is gone": (with_directory(DIRECTORY.missions[1]), "target embassy, AT"),
}


@pytest.mark.parametrize(("campaign", "part"), COVERED.values(), ids=COVERED)
def test_what_a_campaign_says_and_to_whom_needs_a_new_approval(campaign, part):
    after = content(campaign, TEMPLATES)
    assert edition(after) != NOW
    assert [name for name, _, _ in changed(content(CAMPAIGN, TEMPLATES), after)] == [part]


@pytest.mark.parametrize(
    ("templates", "part"),
    [
        (TEMPLATES | {"en/letter.txt.j2": "A letter."}, "template en/letter.txt.j2"),
        (TEMPLATES | {"en/subject.txt.j2": "Another"}, "template en/subject.txt.j2"),
        (TEMPLATES | {"macros.j2": ""}, "template macros.j2"),
        (TEMPLATES | {"ru/letter.txt.j2": ""}, "template ru/letter.txt.j2"),
    ],
)
def test_every_template_needs_it_too(templates, part):
    assert [name for name, _, _ in changed(content(CAMPAIGN, TEMPLATES), content(CAMPAIGN, templates))] == [part]


NOT_COVERED = {
    "pace": replace(CAMPAIGN, pace=Pace(1, 2)),
    "window": replace(CAMPAIGN, window=Window(frozenset({0}), 0, 60)),
    "opens, deadline": replace(CAMPAIGN, opens=date(2011, 9, 1), deadline=date(2011, 12, 1)),
    "consent": replace(CAMPAIGN, consent_required=False),
    "columns": replace(CAMPAIGN, columns={"name": "Your name"}),
    "approval itself": replace(CAMPAIGN, approval_required=False),
    "a closing": with_office(closed="on holiday"),
    "a confirmation": with_office(confirmed=False),
    "a time zone": with_office(timezone=ZoneInfo("Asia/Almaty")),
    "the order of targets": replace(CAMPAIGN, targets={"embassy": EMBASSY, "court": OFFICE}),
    "a confirmed embassy": with_directory(replace(VIENNAS, confirmed=True), DIRECTORY.missions[1]),
    "an embassy without an address": with_directory(VIENNAS),
}


@pytest.mark.parametrize("campaign", NOT_COVERED.values(), ids=NOT_COVERED)
def test_when_and_how_fast_it_goes_needs_none(campaign):
    assert edition(content(campaign, TEMPLATES)) == NOW


def test_receipts_and_who_is_sent_a_trial_need_none():
    told = replace(CAMPAIGN, receipts=Receipts.ALL, organisers={"anna": OTHER})
    assert edition(content(told, TEMPLATES | {"en/receipt.txt.j2": "Subject: x"})) == NOW


def test_the_order_in_which_templates_were_read_is_of_no_account():
    assert edition(content(CAMPAIGN, dict(reversed(TEMPLATES.items())))) == NOW


def test_a_person_is_shown_what_was_and_what_is():
    after = content(with_office(to=(OTHER,)), TEMPLATES | {"new.j2": "text"})
    told = {name: (before, now) for name, before, now in changed(content(CAMPAIGN, TEMPLATES), after)}
    assert told["template new.j2"] == ("", "text")
    before, now = told["target court"]
    assert "name: en: Court, ru: Суд; form of address: all: Dear Sir; to: court@office.example;" in before
    assert "to: other@office.example" in now


CONTENTS = st.dictionaries(st.text(), st.text(), max_size=5)


@given(CONTENTS, CONTENTS)
def test_two_contents_are_one_edition_only_if_nothing_differs(one, other):
    assert unpacked(packed(one)) == one
    assert (edition(one) == edition(other)) == (one == other) == (changed(one, other) == [])
