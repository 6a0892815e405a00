"""
The bundled campaign's letters, in each language and voice, for each target: written at the desk and read back.
"""

import os
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailer import config, desk
from mailer.address import parse
from mailer.blotter import Blotter
from mailer.campaign import Channel, route, worded
from mailer.delivery import Fixed
from mailer.desk import Desk, Stamp
from mailer.letter import fingerprint
from mailer.outcome import Recipient, Role
from mailer.render import Renderer
from mailer.seal import Seal
from mailer.signature import Kind, Signature
from tests.parsed import Named, by_new_rules, by_old_rules, without_space

REPOSITORY = Path(__file__).resolve().parents[1]
CAMPAIGN = config.load(REPOSITORY / "config" / "mailer.yaml", {}).campaigns["kazakhstan"]
RENDERER = Renderer(REPOSITORY / "templates" / "kazakhstan")
SEAL = Seal("kazakhstan", bytes(32))
DESK = Desk(CAMPAIGN, RENDERER, SEAL, "an edition", is_live=False, blotter=Blotter(Path(os.devnull)))

MAILED = [target for target in CAMPAIGN.targets.values() if target.channel is Channel.EMAIL]
AT = int(datetime(2011, 9, 20, 20, 30, tzinfo=UTC).timestamp())

SIGNATURES = {
    "a person who says little": Signature("Jane Doe", parse("jane@example.org"), country="CH"),
    "a person who says all": Signature(
        "Сара О’Брайен, «Сара»",
        parse("Sara.OBrien@example.org"),
        country="IN",
        language="ru",
        organisation="Профсоюз",
        role="секретарь",
        city="Нью-Дели",
        postal_address="ул. Примерная, 1\n110001 Нью-Дели",
        message="From me:\n> .\n.\n-- \nSend them home. {{ 7 * 7 }} =?utf-8?q?Hi?=\n\n" + "слово " * 60,
    ),
    "an organisation": Signature("Ann Example", parse("union@example.org"), Kind.ORGANISATION, "KR", organisation="Union, eV"),
    "an organisation that says all": Signature(
        "Ann Example", parse("union@example.org"), Kind.ORGANISATION, "GE", "en", "Example & Sons <Union>", "Chair", "Tbilisi",
        "1 Example Street\nTbilisi", 'We "stand" with them.', "2011-09-20T08:00:00Z",
    ),
}  # fmt: skip


def written(target, signed, language):
    reached = route(CAMPAIGN, target, signed.country, live=False)
    assert reached.to, "the countries above are those whose embassy has an address"
    return desk.write(DESK, target, reached, signed, Stamp("<1.abc@campaign.example>", AT, language)), reached


@pytest.mark.parametrize("language", CAMPAIGN.languages)
@pytest.mark.parametrize("signed", SIGNATURES.values(), ids=SIGNATURES)
@pytest.mark.parametrize("target", MAILED, ids=lambda target: target.id)
def test_a_letter_of_the_bundled_campaign_is_read_back_as_it_was_meant(target, signed, language):
    (fixed, wire), reached = written(target, signed, language)
    date = datetime.fromtimestamp(AT, UTC)
    rendered = RENDERER.render(language, desk.values(CAMPAIGN, target, signed, language, date))
    voice = signed.organisation if signed.kind is Kind.ORGANISATION else signed.name
    office = worded(target.name, language)
    for parsed, shown in ((by_old_rules(wire), str), (by_new_rules(wire), without_space)):
        to: list[Named] = [(shown(office), str(address)) for address in reached.to]
        assert parsed.sender == [(shown(f"{voice} via Kazakhstan Solidarity"), "letters@campaign.example")]
        assert parsed.reply_to == [(shown(voice), str(signed.email))]
        assert (parsed.to, parsed.cc) == (to, [("", str(address)) for address in reached.cc])
        assert (parsed.subject, parsed.date, parsed.language) == (rendered.subject, date, language)
        assert parsed.text == "\n".join(line.rstrip() for line in rendered.text.strip("\n").split("\n"))
    assert fixed == Fixed(AT, "an edition", language, fingerprint(wire))


@pytest.mark.parametrize("language", CAMPAIGN.languages)
def test_what_a_signatory_wrote_stands_in_the_letter_word_for_word(language):
    signed = SIGNATURES["a person who says all"]
    (_, wire), _ = written(MAILED[0], signed, language)
    text = by_old_rules(wire).text
    said = [signed.name, signed.role, signed.organisation, signed.city, str(signed.email), "{{ 7 * 7 }} =?utf-8?q?Hi?="]
    assert [one for one in said if one not in text] == []


def test_the_language_is_the_targets_until_the_first_attempt_has_fixed_one():
    signed = SIGNATURES["an organisation that says all"]
    (fixed, wire), _ = written(CAMPAIGN.targets["supreme-court"], signed, "")
    assert (fixed.language, by_old_rules(wire).language) == ("ru", "ru")
    assert written(CAMPAIGN.targets["supreme-court"], signed, "en")[0][0].language == "en"


def test_a_letters_day_is_the_targets():
    values = [
        desk.values(CAMPAIGN, target, SIGNATURES["an organisation"], "en", datetime.fromtimestamp(AT, UTC)) for target in MAILED
    ]
    assert [one["today"] for one in values] == ["21 September 2011", "21 September 2011", "20 September 2011"]


HOMES = {
    "en": ["To defend a family's home", "Whoever stands by a family", "Nobody should face prison"],
    "ru": ["Защищать людей", "Тот, кто заступается", "Никто не должен попасть в тюрьму"],
}


@pytest.mark.parametrize("language", CAMPAIGN.languages)
def test_each_of_the_texts_that_people_wrote_goes_out_and_a_letter_keeps_its_own(language):
    seen: Counter[str] = Counter()
    for number in range(60):
        signed = replace(SIGNATURES["a person who says little"], email=parse(f"{number}@example.org"))
        (fixed, wire), _ = written(MAILED[0], signed, language)
        text = by_old_rules(wire).text
        seen.update([way for way in HOMES[language] if way in text])
        assert written(MAILED[0], signed, language)[0][0] == fixed
    assert set(seen) == set(HOMES[language]) and seen.total() == 60


@pytest.mark.parametrize("language", CAMPAIGN.languages)
def test_an_organisation_that_gave_one_name_is_named_as_the_one_that_writes_and_signs_once(language):
    union = Signature("Harbour Union", parse("u@example.org"), Kind.ORGANISATION, "GB", organisation="Harbour Union")
    (_, wire), _ = written(MAILED[0], union, language)
    text = by_old_rules(wire).text
    assert text.count("Harbour Union") == 2
    assert "signs this letter" not in text and "подписывает" not in text


def test_what_a_signatory_adds_stands_apart_and_is_tidied():
    signed = replace(SIGNATURES["a person who says little"], message="\n One.   \n\n\n\n\nT\u00adwo.\n\n")
    (_, wire), _ = written(MAILED[0], signed, "en")
    assert '\nI add, in my own words:\n\n"One.\n\nTwo."\n\nPlease let me know' in by_old_rules(wire).text


def test_a_target_without_a_form_of_address_is_greeted_all_the_same():
    assert (
        "To whom it may concern,"
        in by_old_rules(written(replace(MAILED[0], form_of_address={}), SIGNATURES["an organisation"], "en")[0][1]).text
    )


def test_the_same_facts_are_the_same_letter():
    signed = SIGNATURES["a person who says all"]
    assert written(MAILED[0], signed, "ru") == written(MAILED[0], signed, "ru")


def test_every_recipient_is_one_of_the_configuration_and_is_addressed_once():
    court = CAMPAIGN.targets["supreme-court"]
    assert desk.recipients(CAMPAIGN, route(CAMPAIGN, court, "CH", live=False)) == (
        Recipient("Rahimbekova@supcourt.kz", Role.TO),
        Recipient("Kulumbetova@supcourt.kz", Role.CC),
        Recipient("pressa@supcourt.kz", Role.CC),
        Recipient("KazakhstanSolidarity@gmail.com", Role.COPY),
    )
