"""
How a target is reached for one signatory, and in which language it is written to.
"""

from zoneinfo import ZoneInfo

import pytest

from mailer.address import parse
from mailer.campaign import (
    Campaign,
    Channel,
    Directory,
    Mission,
    Reason,
    Route,
    Sender,
    Target,
    language,
    route,
    worded,
)

COURT, PRESS, VIENNA, OTTAWA, MEXICO = (
    parse(f"{name}@office.example") for name in ("court", "press", "vienna", "ottawa", "mexico")
)

# In the order of the file: Austria covers Slovenia; the Bahamas are covered by two, Haiti by two of which the first has no
# address, Malta by one without an address, Cuba by two without one; Germany's own mission has no address though Austria
# covers it.
DIRECTORY = Directory((
    Mission("AT", "Vienna", VIENNA, ("SI", "DE"), confirmed=True),
    Mission("DE", "Berlin", None),
    Mission("CA", "Ottawa", OTTAWA, ("BS",)),
    Mission("IT", "Rome", None, ("MT", "HT", "CU")),
    Mission("MX", "Mexico City", MEXICO, ("BS", "HT"), confirmed=True),
    Mission("VE", "Caracas", None, ("CU",)),
))  # fmt: skip

OFFICE = Target("court", "office", {"": "Court"}, to=(COURT,), cc=(PRESS,))
UNCONFIRMED = Target("ministry", "office", {"": "Ministry"}, to=(PRESS,), confirmed=False)
CLOSED = Target("closed", "office", {"": "Closed"}, to=(COURT,), closed="it asked us to stop")
PHONE = Target("phone", "phone", {"": "Administration"}, phone="+7 7172 745524")
POST = Target("post", "post", {"": "Administration"}, postal_address="1 Square")
EMBASSY = Target("embassy", "embassy", {"": "Embassy"}, cc=(PRESS,), directory=DIRECTORY)
OR_COURT = Target("or-court", "embassy", {"": "Embassy"}, directory=DIRECTORY, fallback="court")
OR_CLOSED = Target("or-closed", "embassy", {"": "Embassy"}, directory=DIRECTORY, fallback="closed")
OR_MINISTRY = Target("or-ministry", "embassy", {"": "Embassy"}, directory=DIRECTORY, fallback="ministry")
OR_FURTHER = Target("or-further", "embassy", {"": "Embassy"}, directory=Directory(()), fallback="or-court")
SHUT = Target("shut", "embassy", {"": "Embassy"}, directory=DIRECTORY, fallback="court", closed="it moves")

TARGETS = [OFFICE, UNCONFIRMED, CLOSED, PHONE, POST, EMBASSY, OR_COURT, OR_CLOSED, OR_MINISTRY, OR_FURTHER, SHUT]


def campaign(*, prefers_signatory: bool = False) -> Campaign:
    return Campaign(
        id="c",
        title="A title",
        default_language="en",
        languages=("en", "ru", "de"),
        prefers_signatory=prefers_signatory,
        sender=Sender("Solidarity", parse("letters@campaign.example")),
        targets={target.id: target for target in TARGETS},
    )


ANYWHERE, LIVE = False, True
# target, country of the signatory, whether letters go to a real relay; to, cc, whose words, or why it waits
ROUTES = [
    (OFFICE, "AT", ANYWHERE, ([COURT], [PRESS], OFFICE)),
    (OFFICE, "", LIVE, ([COURT], [PRESS], OFFICE)),
    (UNCONFIRMED, "AT", ANYWHERE, ([PRESS], [], UNCONFIRMED)),
    (UNCONFIRMED, "AT", LIVE, Reason.NOT_CONFIRMED),
    (CLOSED, "AT", ANYWHERE, Reason.CLOSED),
    (CLOSED, "AT", LIVE, Reason.CLOSED),
    (EMBASSY, "AT", LIVE, ([VIENNA], [PRESS], EMBASSY)),
    (EMBASSY, "SI", LIVE, ([VIENNA], [PRESS], EMBASSY)),  # covered from abroad
    (EMBASSY, "CA", ANYWHERE, ([OTTAWA], [PRESS], EMBASSY)),
    (EMBASSY, "CA", LIVE, Reason.NOT_CONFIRMED),
    (EMBASSY, "BS", ANYWHERE, ([OTTAWA], [PRESS], EMBASSY)),  # covered by two: the first that has an address
    (EMBASSY, "BS", LIVE, Reason.NOT_CONFIRMED),  # that it is not confirmed does not choose the other
    (EMBASSY, "HT", LIVE, ([MEXICO], [PRESS], EMBASSY)),
    (EMBASSY, "DE", ANYWHERE, Reason.NO_ROUTE),  # its own mission serves it, address or not
    (EMBASSY, "MT", ANYWHERE, Reason.NO_ROUTE),
    (EMBASSY, "CU", ANYWHERE, Reason.NO_ROUTE),
    (EMBASSY, "FR", LIVE, Reason.NO_ROUTE),
    (EMBASSY, "", LIVE, Reason.NO_ROUTE),
    (OR_COURT, "AT", LIVE, ([VIENNA], [], OR_COURT)),
    (OR_COURT, "FR", LIVE, ([COURT], [PRESS], OFFICE)),
    (OR_COURT, "DE", LIVE, ([COURT], [PRESS], OFFICE)),
    (OR_COURT, "", LIVE, ([COURT], [PRESS], OFFICE)),
    (OR_COURT, "CA", LIVE, Reason.NOT_CONFIRMED),  # an address that waits to be confirmed is no reason to write elsewhere
    (OR_CLOSED, "FR", LIVE, Reason.CLOSED),
    (OR_MINISTRY, "FR", LIVE, Reason.NOT_CONFIRMED),
    (OR_FURTHER, "FR", LIVE, ([COURT], [PRESS], OFFICE)),
    (SHUT, "AT", LIVE, Reason.CLOSED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("target", "country", "live", "expected"),
    ROUTES,
    ids=[f"{target.id} from {country or 'nowhere'}{' live' if live else ''}" for target, country, live, _ in ROUTES],
)
def test_a_target_is_reached_or_the_letter_waits_with_a_reason(target, country, live, expected):
    found = route(campaign(), target, country, live=live)
    assert found.channel is Channel.EMAIL
    if isinstance(expected, Reason):
        assert found == Route(Channel.EMAIL, hold=expected)
    else:
        to, cc, via = expected
        assert found == Route(Channel.EMAIL, tuple(to), tuple(cc), via=via)


@pytest.mark.parametrize(("target", "channel"), [(PHONE, Channel.PHONE), (POST, Channel.POST)])
@pytest.mark.parametrize("live", [True, False])
def test_what_no_e_mail_reaches_is_work_for_a_person(target, channel, live):
    assert route(campaign(), target, "AT", live=live) == Route(channel, via=target)


@pytest.mark.parametrize("country", ["AT", "SI", "DE", "CA", "BS", "IT", "MT", "HT", "CU", "MX", "VE"])
def test_the_mission_in_the_country_itself_comes_first(country):
    serving = DIRECTORY.serving(country)
    assert serving is not None
    own = [mission for mission in DIRECTORY.missions if mission.country == country]
    assert own in ([], [serving])
    assert own or country in serving.covers


@pytest.mark.parametrize(
    ("code", "city"),
    [("BS", "Ottawa"), ("HT", "Mexico City"), ("CU", "Rome"), ("MT", "Rome"), ("SI", "Vienna"), ("DE", "Berlin")],
)
def test_who_covers_a_country_is_decided_by_the_order_of_the_file(code, city):
    serving = DIRECTORY.serving(code)
    assert serving is not None
    assert serving.city == city


# what the campaign prefers, the target's language, the signatory's; the letter's
LANGUAGES = [
    ("target", "ru", "de", "ru"),
    ("target", "", "de", "de"),
    ("target", "kk", "de", "de"),
    ("target", "kk", "fr", "en"),
    ("target", "", "", "en"),
    ("signatory", "ru", "de", "de"),
    ("signatory", "ru", "", "ru"),
    ("signatory", "ru", "fr", "ru"),
    ("signatory", "", "fr", "en"),
    ("target", "en-GB", "de", "en"),
    ("signatory", "ru", "de-AT", "de"),
    ("target", "e", "d", "en"),
]


@pytest.mark.parametrize(("prefers", "targets", "signatorys", "letters"), LANGUAGES)
def test_a_letter_is_in_a_language_that_has_templates(prefers, targets, signatorys, letters):
    target = Target("t", "office", {"": "T"}, language=targets, timezone=ZoneInfo("Asia/Almaty"))
    assert language(campaign(prefers_signatory=prefers == "signatory"), target, signatorys) == letters


@pytest.mark.parametrize(
    ("wording", "expected"),
    [({"": "Court"}, "Court"), ({"ru": "Суд", "": "Court"}, "Суд"), ({"en": "Court"}, "Court"),
     ({"ru": "", "": "Court"}, "Court"), ({}, "")],
)  # fmt: skip
def test_a_wording_is_the_languages_own_else_the_one_for_all_else_any(wording, expected):
    assert worded(wording, "ru") == expected
