"""Which column means which field: the exports that organisers really have, and what must not be guessed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer import columns
from mailer.errors import UnreadableFile
from mailer.headings import ALIASES, NOTHING

GOOGLE_FORMS = {
    "Timestamp": "signed_at",
    "Email Address": "email",
    "Your full name (as it should appear in the letter)": "name",
    "Which country do you live in?": "country",
    "City or town": "city",
    "Do you sign as a person or for an organisation?": "kind",
    "Name of the organisation": "organisation",
    "Your role there": "role",
    "Postal address for the reply (optional)": "postal_address",
    "A personal paragraph (optional)": "message",
    "I agree that a letter is sent in my name to the officials named above (consent)": "consent",
    "What is your shoe size?": None,
}
GOOGLE_FORMS_IN_RUSSIAN = {
    "Отметка времени": "signed_at",
    "Адрес электронной почты": "email",
    "Как вас зовут? (Имя и фамилия)": "name",
    "В какой стране вы живёте? (страна)": "country",
    "Ваш город": "city",
    "Кто подписывает: человек или организация?": "kind",
    "Я согласен на отправку письма от моего имени (согласие)": "consent",
    "Язык письма": "language",
}
EXCEL_IN_RUSSIAN = {
    "Имя и фамилия": "name",
    "Электронная почта": "email",
    "Страна": "country",
    "Город": "city",
    "Кто подписывает": "kind",
    "Организация": "organisation",
    "Должность": "role",
    "Согласие": "consent",
    "Дата": "signed_at",
    "Сообщение": "message",
    "Почтовый адрес": "postal_address",
}
ACTION_NETWORK = {
    "first_name": "first_name",
    "last_name": "last_name",
    "email": "email",
    "address": "postal_address",
    "city": "city",
    "zip_code": None,
    "country": "country",
    "language": "language",
    "created_date": "signed_at",
    "can2_phone": None,
}
MAILCHIMP = {
    "Email Address": "email",
    "First Name": "first_name",
    "Last Name": "last_name",
    "Address": "postal_address",
    "Phone Number": None,
    "MEMBER_RATING": None,
    "OPTIN_TIME": "signed_at",
    "OPTIN_IP": None,
    "CONFIRM_TIME": "confirmed_at",
    "LAST_CHANGED": None,
    "NOTES": None,
}
GRAVITY_FORMS = {
    "Name (Prefix)": None,
    "Name (First)": "first_name",
    "Name (Middle)": None,
    "Name (Last)": "last_name",
    "Name (Suffix)": None,
    "Email": "email",
    "Address (Street Address)": "postal_address",
    "Address (City)": "city",
    "Address (ZIP / Postal Code)": None,
    "Address (Country)": "country",
    "Consent (Consent)": "consent",
    "Consent (Text)": None,
    "Created By (User Id)": None,
    "Entry Id": None,
    "Entry Date": "signed_at",
    "Date Updated": None,
    "Source Url": None,
    "User Agent": None,
}
CONTACT_FORM_7 = {
    "form_id": None,
    "form_date": "signed_at",
    "status": None,
    "your-name": "name",
    "your-email": "email",
    "your-country": "country",
    "your-city": "city",
    "your-message": "message",
    "acceptance-123": "consent",
}
WPFORMS = {
    "Entry ID": None,
    "Name": "name",
    "Email": "email",
    "Country": "country",
    "Your Message": "message",
    "GDPR Agreement": None,
    "I agree that a letter is sent in my name": "consent",
    "Entry Date": "signed_at",
    "Date Modified": None,
    "User IP": None,
}
JETPACK = {"1_Name": "name", "2_Email": "email", "3_Country": "country", "4_Message": "message", "Date": "signed_at"}
CIVICRM = {
    "Contact ID": None,
    "Contact Type": "kind",
    "Contact Subtype": None,
    "Sort Name": None,
    "First Name": "first_name",
    "Middle Name": None,
    "Last Name": "last_name",
    "Do Not Email": None,
    "No Bulk Emails (User Opt Out)": None,
    "Preferred Language": "language",
    "Current Employer": "organisation",
    "Job Title": "role",
    "Street Address": "postal_address",
    "City": "city",
    "Postal Code": None,
    "Country": "country",
    "Email": "email",
    "Activity Date": "signed_at",
    "Consent": "consent",
}
ACTION_NETWORK_REPORT = {
    "Timestamp (EST)": "signed_at",
    "first_name": "first_name",
    "last_name": "last_name",
    "email": "email",
    "can2_user_address": "postal_address",
    "can2_user_city": "city",
    "can2_state_abbreviated": None,
    "can2_subscription_status": None,
    "country": "country",
}
GERMAN = {
    "Zeitstempel": "signed_at",
    "E-Mail-Adresse": "email",
    "Name": "last_name",
    "Vorname": "first_name",
    "Land": "country",
    "Wohnort": "city",
    "Straße und Hausnummer": "postal_address",
    "Geburtsdatum": None,
    "Organisation": "organisation",
    "Ihre Funktion": "role",
    "Ihre Nachricht": "message",
    "Einwilligung": "consent",
    "Sprache": "language",
}
FRENCH = {
    "Horodateur": "signed_at",
    "Nom": "last_name",
    "Prénom": "first_name",
    "Adresse e-mail": "email",
    "Pays de résidence": "country",
    "Ville": "city",
    "Votre message": "message",
    "J’accepte": "consent",
    "Association": "organisation",
    "Fonction": "role",
}
SPANISH = {
    "Marca temporal": "signed_at",
    "Nombre": "first_name",
    "Apellidos": "last_name",
    "Correo electrónico": "email",
    "País": "country",
    "Ciudad": "city",
    "Mensaje": "message",
    "Acepto": "consent",
    "Organización": "organisation",
    "Cargo": "role",
}
KAZAKH = {
    "Уақыт белгісі": "signed_at",
    "Аты-жөніңіз": "name",
    "Электрондық пошта мекенжайы": "email",
    "Елі": "country",
    "Қаласы": "city",
    "Ұйым": "organisation",
    "Лауазымы": "role",
    "Хабарлама": "message",
    "Келісемін": "consent",
}
CIVICRM_IN_RUSSIAN = {
    "Идентификатор контакта": None,
    "Тип контакта": "kind",
    "Отображаемое имя": "name",
    "Адрес электронной почты": "email",
    "Страна": "country",
    "Текущий работодатель": "organisation",
}
ONE_WORD_NAMES = [{word: "name", "E-mail": "email"} for word in ("Имя", "Nom", "Nombre", "Аты", "Есімі", "Name")]
RUSSIAN_PARTS = {"Фамилия": "last_name", "Имя": "first_name", "Отчество": None, "Эл. почта": "email"}


PLAIN = {field: field for field in columns.FIELDS}


@pytest.mark.parametrize(
    "export",
    [
        *(GOOGLE_FORMS, GOOGLE_FORMS_IN_RUSSIAN, EXCEL_IN_RUSSIAN, ACTION_NETWORK, ACTION_NETWORK_REPORT, MAILCHIMP),
        *(GRAVITY_FORMS, CONTACT_FORM_7, WPFORMS, JETPACK, CIVICRM, CIVICRM_IN_RUSSIAN, GERMAN, FRENCH, SPANISH, KAZAKH),
        *(RUSSIAN_PARTS, PLAIN, *ONE_WORD_NAMES),
    ],
)
def test_an_export_is_understood_without_configuration(export):
    expected = {field: heading for heading, field in export.items() if field}
    assert dict(columns.match(export)) == expected


@pytest.mark.parametrize("heading", ["E-MAIL", " e mail ", "Émàil:", "*E_mail*", "Email  Address?", "«e‑mail»", "Ｅｍａｉｌ"])
def test_case_accents_punctuation_and_white_space_do_not_matter(heading):
    assert columns.match(["Name", heading])["email"] == heading


def test_the_words_of_an_alias_have_to_be_whole():
    assert not columns.is_known("Nickname")
    assert not columns.is_known("Electricity")


def test_of_overlapping_aliases_the_longer_counts():
    header = ["Your last name please", "Your first name please", "Email", "And the name of the organisation?"]
    assert set(columns.match(header)) == {"last_name", "first_name", "email", "organisation"}


def test_a_question_that_mentions_two_fields_claims_neither():
    assert not columns.is_known("What is the e-mail of your organisation?")
    assert not columns.is_known("Name and country")


@pytest.mark.parametrize(
    "heading",
    [
        "I agree to receive the newsletter",
        "I consent to e-mails about other campaigns",
        "Do you give your consent to be called?",
        "Согласие на рассылку",
    ],
)
def test_another_consent_is_no_consent_to_the_letter(heading):
    assert "consent" not in columns.match(["Name", "Email", heading])


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        ("Full name", "How should we call you? (name)"),
        ("How should we call you? (name)", "May we print your name in the paper?"),
        ("Full name", "May we print your name in the paper?"),
        ("Favourite colour", "Full name"),
    ],
)
def test_a_stronger_claim_silences_a_weaker_one(stronger, weaker):
    overrides = {"name": "favourite COLOUR!"} if "Favourite colour" in stronger else {}
    for header in ([stronger, weaker, "Email"], [weaker, stronger, "Email"]):
        assert columns.match(header, overrides)["name"] == stronger


def test_two_equal_claims_are_not_chosen_between():
    with pytest.raises(
        UnreadableFile, match=r"more than one .* e-mail address: «Email», «E-Mail address»\. Rename .*columns: \{email"
    ):
        columns.match(["Name", "Email", "E-Mail address"])


def test_the_campaigns_word_settles_equal_claims():
    assert columns.match(["Name", "Email", "E-Mail address"], {"email": "E-mail address"})["email"] == "E-Mail address"


def test_a_column_that_the_campaign_names_claims_nothing_else():
    found = columns.match(["Name", "Contact", "Country"], {"email": "Contact", "city": "Country"})
    assert dict(found) == {"name": "Name", "email": "Contact", "city": "Country"}


@pytest.mark.parametrize("field", ["name", "email", "consent"])
def test_a_column_that_the_campaign_names_and_the_file_lacks_is_never_guessed(field):
    header = ["Name", "Email", "I agree to get the newsletter (consent)", "Consent"]
    with pytest.raises(
        UnreadableFile, match=rf"«My {field}», and there is none; the columns are: «Name», .*columns: \{{{field}"
    ):
        columns.match(header, {field: f"My {field}"})


def test_the_campaigns_word_for_a_column_that_nobody_needs_does_no_harm():
    assert columns.match(["Name", "Email", "City"], {"city": "Your town"})["city"] == "City"
    assert "email" in columns.match(["Email"], {"name": "My name", "consent": "My consent"}, needs=("email",))


def cases(name: str) -> list[tuple[str, dict[str, str]]]:
    """The lines of a table: a header, its headings parted by «|», and what of it is taken for what, in the same order."""
    text = (Path(__file__).with_name("data") / "headings" / name).read_text("utf-8")
    found = []
    for header, _, meant in (line.partition("\t") for line in text.splitlines() if line[:1] != "#"):
        fields = zip(header.split("|"), meant.split("|"), strict=True)
        found.append((header, {field: heading for heading, field in fields if field != "-"}))
    return found


@pytest.mark.parametrize(("header", "meant"), cases("awkward.tsv"))
def test_a_heading_about_something_or_somebody_else_is_none(header, meant):
    if "name" in meant or "first_name" in meant:
        assert dict(columns.match(header.split("|"))) == meant
    else:
        with pytest.raises(UnreadableFile, match="holds the name"):
            columns.match(header.split("|"))


def test_a_family_name_that_is_the_whole_name_is_not_put_behind_the_first_once_more():
    mapping = columns.match(["First name", "Name", "Email"])
    assert columns.fields({"First name": "Anna", "Name": "Müller"}, mapping)["name"] == "Anna Müller"
    assert columns.fields({"First name": "Anna", "Name": "Anna Müller"}, mapping)["name"] == "Anna Müller"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (["Name", "Phone"], "holds the e-mail address; the columns are: «Name», «Phone»"),
        (["Email", "Phone"], "holds the name; "),
        (["Phone"], "holds the name or the e-mail address; "),
        (["First name", "Email"], "holds the name; "),
        (["Фамилия", "Email"], "holds the name; "),
    ],
)
def test_a_missing_column_is_one_message_with_the_columns_found(header, words):
    with pytest.raises(UnreadableFile, match=words) as caught:
        columns.match(header)
    assert "columns: {" in caught.value.reason


def test_a_long_header_is_not_searched_and_is_listed_in_bounds():
    assert not columns.is_known("country " + "x" * 2000)
    with pytest.raises(UnreadableFile) as caught:
        columns.match([f"column {n} " + "x" * 5000 for n in range(200)])
    assert len(caught.value.reason) < 3000


def test_imya_alone_is_the_whole_name():
    assert dict(columns.match(["Имя", "Почта"])) == {"name": "Имя", "email": "Почта"}


def test_a_whole_name_makes_its_parts_superfluous():
    found = columns.match(["Display Name", "First Name", "Last Name", "Email"])
    assert dict(found) == {"name": "Display Name", "email": "Email"}


def test_fields_takes_the_texts_as_they_stand_and_joins_the_name():
    mapping = columns.match(["first_name", "last_name", "email", "city"])
    cells = {"first_name": " Jane ", "last_name": "Doe", "email": " j@example.org", "phone": "1"}
    assert columns.fields(cells, mapping) == {"name": "Jane Doe", "email": " j@example.org", "city": ""}
    assert columns.fields({"last_name": "Doe"}, mapping)["name"] == "Doe"


def test_a_matcher_answers_each_set_of_keys_once():
    matcher = columns.matcher({"name": "who"})
    assert matcher(("who", "email")) == {"name": "who", "email": "email"}
    assert matcher(("who", "email")) is matcher(("who", "email"))
    with pytest.raises(UnreadableFile):
        matcher(("email",))


def test_the_campaigns_columns_are_known_too():
    assert columns.is_known("Favourite  colour?", {"name": "favourite colour"})
    assert not columns.is_known("Favourite colour")
    assert not columns.is_known("")


def test_no_alias_stands_twice_or_is_longer_than_what_is_looked_for():
    rows = [(columns._fold(alias), field) for field, row in ALIASES.items() for alias in row.split(", ")]
    rows += [(columns._fold(alias), "") for alias in NOTHING.split(", ")]
    assert sorted(alias for alias, _ in rows) == sorted({alias for alias, _ in rows})
    assert all(0 < len(alias.split()) <= columns._MOST_WORDS for alias, field in rows if field)


@given(header=st.lists(st.text(max_size=20) | st.sampled_from(["Name", "Email", "Город (city)", "ФИО"]), max_size=6))
def test_any_header_is_matched_or_refused_and_each_column_has_one_field(header):
    try:
        found = columns.match(header)
    except UnreadableFile:
        return
    assert set(found.values()) <= set(header)
    assert len(set(found.values())) == len(found)
    assert "email" in found
    assert "name" in found or {"first_name", "last_name"} <= found.keys()


def test_a_middle_name_does_not_outweigh_the_parts_of_a_name_and_a_full_name_does():
    parts = ["First Name", "Last Name", "Email"]
    assert set(columns.match(["What is your name at home?", *parts])) == {"first_name", "last_name", "email"}
    assert set(columns.match(["Full name", *parts])) == {"name", "email"}


def test_what_a_campaign_requires_is_asked_of_the_header():
    with pytest.raises(UnreadableFile, match="no column holds the consent; the columns are: «Name», «Email»"):
        columns.match(["Name", "Email"], needs=("name", "email", "consent"))
    with pytest.raises(UnreadableFile, match="no column holds the name or the e-mail address or the consent"):
        columns.match(["X"], needs=("name", "email", "consent"))
