"""
Rows that become signatures, and rows that do not, each with the words that the organiser reads.
"""

import time
import unicodedata
from datetime import date, datetime

import pytest
from babel import Locale, localedata
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mailer import answers, garbled
from mailer.address import Address, Policy, parse
from mailer.errors import BadRow
from mailer.signature import LIMITS, Kind, Rules, Signature, identity, pack, read, unpack

RULES = Rules(today=date(2011, 9, 20), opens=date(2011, 9, 15))
JANE = {"name": "Jane Doe", "email": "jane@example.org", "consent": "yes"}


def signed(**fields: str) -> Signature:
    return read(JANE | fields, RULES)


# Names of people, in their own script

NAMES = [
    "Jane Doe",
    "Sinéad Ní Bhriain",
    'O\'Brien-Smith, Jane ("JD")',
    "Айнур Курманов",
    "Есенбек Өктешбаев",
    "Γιώργος Παπαδόπουλος",
    "王小明",
    "김철수",
    "สมชาย ใจดี",
    "فاطمة بنت محمد",
    "می\u200cخواهم",  # a zero-width non-joiner belongs to Persian
    "श्री क्\u200dष",  # a zero-width joiner to Devanagari
    "שרה \u200eCohen",  # a left-to-right mark steers nothing but its neighbours
    "ნინო ბერიძე",
    "Ṣọlá Adébáyọ̀",
    "𝓙𝓪𝓷𝓮 👩‍👩‍👧",
    "Jane  Doe",
    "{{ signature.email }}",
    "=cmd|' /C calc'!A0",
    "=?utf-8?q?Hi=0D=0ABcc=3A_x=40evil.example?=",
    "<script>alert(1)</script>",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_is_kept_byte_for_byte(name):
    assert signed(name=name).name == name


def test_only_its_form_is_made_one():
    assert signed(name="  Sine\u0301ad\u00a0\n").name == "Sinéad"
    assert signed(name="\ufeffJane Doe").name == "Jane Doe"


def test_a_message_keeps_its_lines_whatever_their_ends():
    message = signed(message="\n one\r\ntwo\rthree\x0bfour\x85five\u2028six\u2029\n\tseven\n").message
    assert message == "one\ntwo\nthree\nfour\nfive\nsix\n\n seven"


def test_what_was_not_given_is_empty():
    empty = Signature("Jane Doe", parse("jane@example.org"), consent="yes")
    assert signed() == signed(**dict.fromkeys(["city", "kind", "country", "language", "message", "signed_at"], " \t ")) == empty


REFUSED = [
    ({"name": ""}, "the name is missing"),
    ({"name": " \t"}, "the name is missing"),
    ({"name": "12345"}, "has no letter in it"),
    ({"name": "-"}, "has no letter in it"),
    ({"name": "\u3164"}, "has no letter in it"),
    ({"name": "\u200d\u200e"}, "has no letter in it"),
    ({"name": "x" * 101}, "the name is longer than 100 characters"),
    ({"name": "Jane\nDoe"}, r"the name holds a character .* \(U\+000A\)"),
    ({"name": "Jane\r\nBcc: a@evil.example"}, r"U\+000D"),
    ({"name": "Jane\0"}, r"U\+0000"),
    ({"name": "Jane\tDoe"}, r"U\+0009"),
    ({"name": "Jane\x1b[2J"}, r"U\+001B"),
    ({"name": "Jane\x7fDoe"}, r"U\+007F"),
    ({"name": "Jane\x85Doe"}, r"U\+0085"),
    ({"name": "Jane\u2028Doe"}, r"U\+2028"),
    ({"name": "Jane\u202eeoD"}, r"U\+202E"),
    ({"name": "Jane\u2066Doe\u2069"}, r"U\+2066"),
    ({"name": "Ja\u200bne"}, r"U\+200B"),
    ({"name": "Ja\u2060ne"}, r"U\+2060"),
    ({"name": "Jane\ue000"}, r"U\+E000"),
    ({"name": "Jane\U000f0000"}, r"U\+F0000"),
    ({"name": "Jane\U000e0001"}, r"U\+E0001"),
    ({"name": "Jane\U000e007f"}, r"U\+E007F"),
    ({"name": "Jane\ufffd"}, r"U\+FFFD"),
    ({"name": "Jane\uffff"}, r"U\+FFFF"),
    ({"name": "Jane\ufdd0"}, r"U\+FDD0"),
    ({"name": "Jane\ufdef"}, r"U\+FDEF"),
    ({"name": "Jane\ud800"}, r"U\+D800"),
    ({"city": "Ber\nlin"}, r"the city holds a character"),
    ({"postal_address": "1 Street\x1b"}, r"the postal address holds a character"),
    ({"message": "a\0b"}, r"the message holds a character .* \(U\+0000\)"),
    ({"email": ""}, "the e-mail address is missing"),
    ({"email": "jane@nowhere"}, "the e-mail address «jane@nowhere» is not valid: .*should have a period"),
    ({"email": "a@example.org, b@example.org"}, "is not valid"),
    ({"country": "Atlantis"}, "the country «Atlantis» is not known"),
    ({"country": "Korea"}, "not known"),
    ({"kind": "company"}, "«company» does not say who signs"),
    ({"kind": "a person for an organisation"}, "does not say who signs"),
    ({"consent": ""}, "consent is missing"),
    ({"consent": "maybe"}, "not clearly a yes"),
    ({"consent": "I do not agree"}, "not clearly a yes"),
    ({"consent": "не согласен"}, "not clearly a yes"),
    ({"consent": "ЛОЖЬ"}, "did not consent"),
    ({"consent": "Nein, danke"}, "did not consent"),
    ({"consent": "Жоқ"}, "did not consent"),
    ({"consent": "Ich stimme nicht zu"}, "not clearly a yes"),
    ({"name": "JosÃ© MuÃ±oz"}, "«JosÃ© MuÃ±oz» was read in the wrong encoding before"),
    ({"city": "РњРѕСЃРєРІР°"}, "the city «РњРѕСЃРєРІР°» was read in the wrong encoding"),
    ({"consent": "no"}, "did not consent"),
    ({"consent": "No, thanks"}, "did not consent"),
    ({"consent": "Нет"}, "did not consent"),
    ({"consent": "FALSE"}, "did not consent"),
    ({"signed_at": "2011-09-13"}, "before the campaign opened on 2011-09-15"),
    ({"signed_at": "2011-09-22"}, "has not come yet"),
    ({"signed_at": "9/10/2011"}, "«9/10/2011» can be read in two ways"),
    ({"signed_at": "01/02/2011 10:00"}, "«01/02/2011» can be read in two ways"),
    ({"signed_at": "yesterday"}, "the date «yesterday» is not understood"),
    ({"signed_at": "31.02.2011"}, "not understood"),
    ({"signed_at": "2011/09/20 25:00"}, "not understood"),
    ({"signed_at": "1316505600"}, "not understood"),
]


@pytest.mark.parametrize(("fields", "why"), REFUSED, ids=str)
def test_a_row_that_is_no_signature_is_refused_in_plain_words(fields, why):
    with pytest.raises(BadRow, match=why) as refused:
        signed(**fields)
    assert refused.value.reason == str(refused.value)


@pytest.mark.parametrize(
    ("field", "limit"),
    [("name", 100), ("organisation", 200), ("role", 100), ("city", 100), ("postal_address", 500), ("message", 5000)],
)
def test_a_field_is_bounded_in_characters_not_in_bytes(field, limit):
    assert getattr(signed(**{field: "я" * limit}), field) == "я" * limit
    assert getattr(signed(**{field: "e\u0301" * limit}), field) == "é" * limit
    with pytest.raises(BadRow, match=f"the {field.replace('_', ' ')} is longer than {limit} characters"):
        signed(**{field: "я" * (limit + 1)})


@pytest.mark.parametrize(
    "consent",
    [
    "yes", "Yes!", "YES, I do", "x", "1", "true", "on", "Да", "я согласна", "oui", "Sí",
    "I agree that a letter is sent in my name", "I consent", "Я даю согласие", "✓", "☑", "ИСТИНА", "WAHR",
    "Ja, einverstanden", "J’accepte que …", "Acepto los términos", "Иә", "Келісемін", "I accept", "Consent given.",
    "ACCEPTED",
],
)  # fmt: skip
def test_consent_is_a_yes_or_the_sentence_that_was_agreed_to(consent):
    assert signed(consent=consent).name == "Jane Doe"


def test_where_consent_is_assumed_only_a_no_counts():
    assumed = Rules(RULES.today, consent_required=False)
    assert read(JANE | {"consent": ""}, assumed).name == "Jane Doe"
    with pytest.raises(BadRow, match="did not consent"):
        read(JANE | {"consent": "no"}, assumed)


@pytest.mark.parametrize(
    ("said", "kind"),
    [("", Kind.PERSON), ("Person", Kind.PERSON), ("as an individual", Kind.PERSON), ("Физическое лицо", Kind.PERSON),
     ("organisation", Kind.ORGANISATION), ("For an Organization.", Kind.ORGANISATION), ("trade union", Kind.ORGANISATION),
     ("On behalf of our union", Kind.ORGANISATION), ("Организация", Kind.ORGANISATION)],
)  # fmt: skip
def test_who_signs_chooses_the_voice(said, kind):
    assert signed(kind=said).kind is kind


def test_an_organisation_that_gave_one_name_has_it_as_its_own():
    assert signed(kind="organisation", name="Union").organisation == "Union"
    assert signed(kind="organisation", name="Ann", organisation="Union").organisation == "Union"
    assert signed(kind="person", name="Ann").organisation == ""


@pytest.mark.parametrize(
    ("said", "language"),
    [("", ""), ("en", "en"), ("EN-gb", "en"), ("ru_RU", "ru"), ("Russian", "ru"), ("Русский язык", "ru"), ("на русском", "ru"),
     ("English (UK)", "en"), ("deu", "deu"), ("Klingon", ""), ("?", "")],
)  # fmt: skip
def test_a_language_is_read_as_its_code_and_an_unknown_one_is_none(said, language):
    assert signed(language=said).language == language


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2011-09-20", "2011-09-20T00:00:00Z"),
        ("2011-09-20T10:05:06Z", "2011-09-20T10:05:06Z"),
        ("2011-09-20 10:05", "2011-09-20T10:05:00Z"),
        ("2011-09-20T10:05:06.789+02:00", "2011-09-20T08:05:06Z"),
        ("2011/09/20 10:05:00 AM GMT+2", "2011-09-20T08:05:00Z"),
        ("2011/09/20 12:05:00 am GMT-5", "2011-09-20T05:05:00Z"),
        ("2011/9/20 12:05 PM", "2011-09-20T12:05:00Z"),
        ("2011/09/20 5:30:00 PM GMT+5:30", "2011-09-20T12:00:00Z"),
        ("2011/09/20 5:30:00 am GMT-3:30", "2011-09-20T09:00:00Z"),
        ("2011/09/20", "2011-09-20T00:00:00Z"),
        ("20.09.2011", "2011-09-20T00:00:00Z"),
        ("20.9.2011 8:05", "2011-09-20T08:05:00Z"),
        (" 2011-09-14 ", "2011-09-14T00:00:00Z"),  # a day's grace: the signatory's midnight is not ours
        ("2011-09-21", "2011-09-21T00:00:00Z"),
    ],
)
def test_a_date_is_kept_in_utc(said, at):
    assert signed(signed_at=said).signed_at == at


def test_a_date_without_a_zone_is_utc_wherever_the_machine_stands(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Almaty")
    time.tzset()
    try:
        assert signed(signed_at="2011-09-20 10:05").signed_at == "2011-09-20T10:05:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_without_an_opening_any_past_day_will_do():
    assert read(JANE | {"signed_at": "1999-12-31"}, Rules(RULES.today)).signed_at == "1999-12-31T00:00:00Z"


@pytest.mark.parametrize("said", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_date_beyond_the_calendar_is_a_bad_row_and_no_crash(said):
    with pytest.raises(BadRow, match="not understood"):
        read(JANE | {"signed_at": said}, Rules(RULES.today))


# Who is known again

SAME = [
    ({}, {}, True),
    ({"email": "JANE@Example.ORG"}, {}, True),
    ({"name": "J. Doe", "country": "GB", "message": "Hello"}, {}, True),
    ({"kind": "organisation"}, {}, False),
    ({"kind": "organisation"}, {"kind": "union", "name": "Another"}, True),
    ({"email": "jane+1@example.org"}, {}, False),
    ({"email": "jane@bücher.example"}, {"email": "Jane@xn--bcher-kva.example"}, True),
]


@pytest.mark.parametrize(("one", "other", "same"), SAME, ids=str)
def test_a_signing_is_known_by_its_mailbox_and_kind(one, other, same):
    assert (identity("c", signed(**one)) == identity("c", signed(**other))) is same


# What the hash of an identity is made of by default, from before there was any policy: it must never change.
BEFORE = {
    "jane@example.org": "c\nperson\njane@example.org",
    "Jane.Doe+news@GMail.com": "c\nperson\njane.doe+news@gmail.com",
    "J.D@Bücher.example": "c\nperson\nj.d@xn--bcher-kva.example",
}


@pytest.mark.parametrize("text", BEFORE)
def test_by_default_a_signing_is_known_by_what_it_always_was(text):
    assert identity("c", signed(email=text)) == BEFORE[text]


@pytest.mark.parametrize(
    ("one", "other", "policy", "same"),
    [
        ("jane+news@example.org", "JANE@example.org", Policy(is_same_tagged=True), True),
        ("jane+news@example.org", "jane@example.org", Policy(is_same_dotted=True), False),
        ("j.a.n.e@gmail.com", "jane@googlemail.com", Policy(is_same_dotted=True), True),
        ("j.a.n.e@example.org", "jane@example.org", Policy(is_same_dotted=True), False),
        ("j.ane+x@gmail.com", "jane@gmail.com", Policy(is_same_tagged=True, is_same_dotted=True), True),
        ("+x@example.org", "+y@example.org", Policy(is_same_tagged=True), False),
    ],
)
def test_a_policy_may_take_two_addresses_for_one(one, other, policy, same):
    assert (identity("c", signed(email=one), policy) == identity("c", signed(email=other), policy)) is same


def test_offices_and_addresses_of_an_hour_are_taken_unless_a_campaign_says_otherwise():
    strict = Rules(RULES.today, addresses=Policy(takes_roles=False, takes_disposable=False))
    for email, why in (("info@example.org", "the address of an office"), ("jane@mailinator.com", "lasts an hour")):
        assert str(signed(email=email).email) == email
        with pytest.raises(BadRow, match=why):
            read(JANE | {"email": email}, strict)
    assert read(JANE | {"email": "info@example.org", "kind": "organisation"}, strict).kind is Kind.ORGANISATION
    with pytest.raises(BadRow, match="lasts an hour"):
        read(JANE | {"email": "jane@sub.mailinator.com"}, strict)


def test_the_consent_is_kept_as_it_was_asked_and_answered():
    asked = "I agree that a letter is sent in my name\x1b (consent)"
    signature, file = unpack(pack(signed(consent="Yes,\n I do", consent_asked=asked), "list.csv"))
    assert (signature.consent_asked, signature.consent, file) == (
        "I agree that a letter is sent in my name (consent)", "Yes, I do", "list.csv",
    )  # fmt: skip
    assert len(signed(consent="yes " + "x" * 5000).consent) == 1000


def test_what_was_sealed_before_there_was_evidence_opens():
    packed = b'{"name": "Jane", "kind": "person", "email": "jane@example.org", "file": "a"}'
    assert unpack(packed) == (Signature("Jane", parse("jane@example.org")), "a")


def test_each_campaign_knows_its_own():
    assert identity("a", signed()) != identity("b", signed())


# Promises for any row

TEXT = st.text(st.characters(), max_size=30) | st.text(
    st.sampled_from(" \r\n\t\0\u2028\u202e\u200d\ufeffaя1@./:-+"), max_size=30
)
FIELDS = [*LIMITS, "email", "kind", "consent_asked", "country", "language", "consent", "signed_at"]


@given(st.dictionaries(st.sampled_from(FIELDS), TEXT), st.booleans())
@example({"signed_at": "0001-01-01T00:00:00+14:00"}, False)
@example({"signed_at": "2011/09/20 1:00 GMT+99:99"}, False)
@example({"signed_at": "١١.١١.٢٠١١"}, False)
@example({"country": "\ud800", "kind": "\ud800", "language": "\ud800"}, False)
def test_any_row_is_a_signature_or_one_sentence(fields, complete):
    try:
        signature = read(
            JANE | fields if complete else fields | {"name": "Jane", "email": "jane@example.org"}, Rules(RULES.today)
        )
    except BadRow as refused:
        assert refused.reason
        return
    for field, limit in LIMITS.items():
        text = getattr(signature, field)
        assert len(text) <= limit
        assert text == unicodedata.normalize("NFC", text).strip()
        assert not any(unicodedata.category(c) in {"Cc", "Cs", "Co", "Zl", "Zp"} for c in text.replace("\n", ""))
        assert "\n" not in text or field in {"message", "postal_address"}
    if signature.signed_at:
        assert datetime.fromisoformat(signature.signed_at).tzname() == "UTC"
    assert unpack(pack(signature, "a file")) == (signature, "a file")


KEPT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(
    st.builds(Signature, KEPT.filter(bool), st.just(Address("jane", "example.org")), st.sampled_from(Kind), *[KEPT] * 8), KEPT
)
def test_what_is_packed_is_unpacked_again(signature, file):
    packed = pack(signature, file)
    assert unpack(packed) == (signature, file)
    assert b"\n" not in packed


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Co", "Zl", "Zp", "Cn", "Cf", "So"]), min_size=1, max_size=40))
def test_whatever_is_made_of_letters_is_somebodys_name(name):
    name = unicodedata.normalize("NFC", name).strip()
    assume(not answers.is_yes_or_no(name) and not answers.is_no_name(name))
    assume(any(c.isalpha() for c in name) and not set(name) & set("\u115f\u1160\u3164\uffa0") and len(name) <= 100)
    assume(not garbled.is_garbled(name) and not garbled.has_lost_letters(name) and "&" not in name)
    assert signed(name=name).name == name


# Texts that were spoilt before they came here

SPOILT = [
    *("JosÃ© GarcÃ\xada", "JosĂ© GarcĂ\xada", "JosГ© GarcГ\xada", "Jos√© Garc√≠a", "Jos├® Garc├¡a", "MÃ¼ller 😀", "NiccolÃ"),
    *("Èâàí Ïåòðîâ (Ìîñêâà)", "Ñ€ÑƒÑÑÐºÐ¸Ð¹", "РџРµС‚СЂ", "Donâ€™t imprison them", "å¼\xa0ä¼Ÿ", "Jos? Garc?a"),
]
WHOLE = [
    *("Ñandú", "Ýmir", "Đorđe", "Ÿ a", "O’Brien", "Ķ", "¿Qué?", "AT&T", "Nguyễn Văn Đức", "Þórður Ægisson", "Şükrü Yıldız"),
    *("Tŷ Siân", "Різдво Гість Її Їжак", "Úžasný Ôňo", "«CAFÉ ANDRÉ»", "“IRMÔ", "JOÃO", "Россия’s", "20 С°", "DeÀngelis"),
    *("Åäö", "Ærøskøbing", "L’ÉTÉ", "№ 5 abc", "ŁÓDŹ", "Her name? Jane", "Лукʼяненко", "псевдо-Bidi", "HR-директор", "aранска"),
    *("СаӀудийн тӀеэцна", "Суверенлă чалăш", "аәбвггәгьӷӷәӷьддәежжәжьзӡӡәиккәкьққәқьҟҟәҟьлмнопԥрсттәҭҭә"),
]


@pytest.mark.parametrize("text", SPOILT)
def test_a_text_that_was_spoilt_before_is_refused(text):
    with pytest.raises(BadRow, match=r"wrong encoding|question marks"):
        signed(name=text)


@pytest.mark.parametrize("text", WHOLE)
def test_a_true_name_is_never_taken_for_a_spoilt_one(text):
    assert signed(name=text).name == text


def test_no_country_or_language_by_any_of_its_names_is_taken_for_spoilt():
    locales = [Locale.parse(tag) for tag in localedata.locale_identifiers()]
    names = {str(name) for locale in locales for name in (*locale.territories.values(), *locale.languages.values())}
    sample = sorted(names)[::5]
    assert len(sample) > 15_000 and [name for name in sample if garbled.is_garbled(name)] == []


@pytest.mark.parametrize("text", ["n/a", "N/A", "NaN", "null", "Anonymous", "Аноним", "test", "ТЕСТ", "без имени"])
def test_a_word_for_no_name_is_no_name(text):
    with pytest.raises(BadRow, match="is nobody's"):
        signed(name=text)


@pytest.mark.parametrize(
    "text", ["jane@example.org", "Jane <jane@example.org>", "Jane http://x.example/?a", "buy at www.x.example"]
)
def test_no_letter_is_signed_with_an_address(text):
    with pytest.raises(BadRow, match="is nobody's"):
        signed(name=text)


@pytest.mark.parametrize("text", ["Na Hye-seok", "Testa", "Jane @ Home", "Null Agtarap", "Ann Onymous", "J. A. Non."])
def test_a_name_that_looks_like_one_of_these_is_taken(text):
    assert signed(name=text).name == text


def test_what_the_web_has_escaped_is_undone_once():
    assert signed(name="O&#039;Brien &amp; Sons", message="&lt;3 &amp;amp; AT&T &copy;").name == "O'Brien & Sons"
    assert signed(message="&lt;3 &amp;amp; AT&T &copy; &#8217;").message == "<3 &amp; AT&T &copy; ’"
    with pytest.raises(BadRow, match="U\\+202E"):
        signed(name="Jane &#8238;eoD &#x202e;" + "\u202e")
    assert signed(message="Why?Because. What?").message == "Why?Because. What?"


def test_a_zero_width_space_parts_words_where_a_script_has_no_blanks_and_nowhere_else():
    assert signed(name="สมชาย\u200bใจดี").name == "สมชาย\u200bใจดี"
    for text in ("สมชาย\u200b", "\u200bใจดี", "สมชาย\u200b\u200bใจดี", "สมชาย\u200bJane"):
        with pytest.raises(BadRow, match=r"U\+200B|no letter"):
            signed(name=text + "a")
