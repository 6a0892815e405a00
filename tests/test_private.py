"""A server's words without what they quote of a letter, and with all else that they say."""

from __future__ import annotations

import base64
import email.header
import quopri
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.outcome import (
    ACCOUNT_REFUSED,
    LEGIBLE,
    Handover,
    Lost,
    Private,
    Recipient,
    Reply,
    Role,
    Stage,
    decide,
    discreet,
    without,
)

MESSAGE = "My brother Anatoly was beaten in cell nine. Please stop the spam of lies; this message must not be rejected by you!"
JANE = Private(
    ["Jane Doe", "Almaty", "12 Rose Lane\nDublin D04 X285", "Nurse", "jane.doe77"],
    ["jane.doe77@private.example", "private.example"],
    MESSAGE,
)
JEROME = Private(["Jérôme Świętokrzyski"])
RUSSIAN = Private(["Анна Курманова", "Алматы"], (), "Мой брат Анатолий сидит в тюрьме")
CHINESE = Private(["王小明", "北京"], (), "我的兄弟被关在监狱里，请释放他")

QUOTED = [
    (JANE, "550 5.7.1 spam: Jane Doe", "550 5.7.1 spam: …"),
    (JANE, "550 5.7.1 bad From: Doe, Jane", "550 5.7.1 bad From: …"),
    (JANE, "550 5.7.1 no Mrs DOE here", "550 5.7.1 no Mrs … here"),
    (JANE, "550 5.7.1 'jane'   'doe' refused", "550 5.7.1 '…' refused"),
    (JANE, "550 JaneDoe refused", "550 … refused"),
    (JANE, "550 Jane_Doe/JANE-DOE refused", "550 … refused"),
    (JANE, "550 \uff2a\uff21\uff2e\uff25 refused", "550 … refused"),
    (JANE, "550 jane%2Edoe77 at private.example refused", "550 … at … refused"),
    (JANE, "550 the nurse of ALMATY, 12 Rose Lane", "550 the … of …"),
    (JANE, "550 Dublin D04-X285 is far", "550 … is far"),
    (JANE, "550 banned phrase 'brother anatoly was' seen", "550 banned phrase '…' seen"),
    (JANE, '550 banned phrase "beaten   in CELL" seen', '550 banned phrase "…" seen'),
    (JANE, "554 5.7.1 message rejected: spam, see nine rules", "554 5.7.1 message rejected: spam, see nine rules"),
    (JANE, "550 undoes the roses of a Dane", "550 undoes the roses of a Dane"),
    (JEROME, "550 Swietokrzyski Jerome listed", "550 … listed"),
    (JEROME, "550 J?r?me ?wi?tokrzyski listed", "550 … listed"),
    (JEROME, "550 J\ufffd\ufffdr\ufffd\ufffdme listed", "550 … listed"),
    (JEROME, "550 Święto krzyski listed", "550 … listed"),
    (RUSSIAN, "550 КУРМАНОВА анна в спаме", "550 … в спаме"),
    (RUSSIAN, "550 Курмановой отказано", "550 Курмановой отказано"),
    (RUSSIAN, "550 сказано: брат анатолий сидит", "550 сказано: …"),
    (CHINESE, "550 发件人王小明的邮件被拒绝", "550 发件人…的邮件被拒绝"),
    (CHINESE, "550 小明 of 北京市", "550 … of …市"),
    (CHINESE, "550 拒绝兄弟被关在监狱因为", "550 拒绝…因为"),
    (Private(["김철수"]), "550 김철수는 거부", "550 … 거부"),
    (Private(["محمد علي"]), "550 رفض ومحمد علي", "550 رفض …"),
    (Private(["สมชาย ใจดี"]), "550 คุณสมชายถูกปฏิเสธ", "550 คุณ…ถูกปฏิเสธ"),
    (Private(["Li Na"]), "550 Na, Li: a link in a list", "550 …: a link in a list"),
    (Private(["Ana Isa Ina"]), "550 there is a link in a record of an A", "550 there is a link in a record of an A"),
    (Private(["O’Brien"]), "550 O'BRIEN, OBrien, o brien", "550 …"),
    (Private(["505571 Policy"]), "505 5.7.1 policy", "505 5.7.1 …"),
    (Private(["Jane Doe"]), "550 jane%2Edoe listed", "550 … listed"),
    (Private(["Jane Doe"]), "550 mrsjanedoe1975 and Janette listed", "550 … and Janette listed"),
    (Private(["10115 Berlin"]), "250 queued as 9101157 for 10115 near berlin", "250 queued as 9101157 for … near …"),
    (Private([], (), "Free Anatoly!"), "550 'free anatoly' is no free speech", "550 '…' is no free speech"),
    (Private(), "550 5.7.1 =?utf-8?b?SsOpcsO0bWUgxZp3acSZdG9rcnp5c2tp?= listed", "550 5.7.1 … listed"),
    (Private(), "550 5.7.1 J=C3=A9r=C3=B4me listed", "550 5.7.1 … listed"),
    (Private(), "550 %D0%90%D0%BD, \\xd0\\x90, \\320\\220, &#1040;&#1085; listed", "550 … listed"),
    (Private(), "250 2.0.0 Ok: queued as 4XyZAb12CD", "250 2.0.0 Ok: queued as 4XyZAb12CD"),
    (Private(), "250 ok 5Zv0bnVhQ1yQWLNRsnEXwg a72fcca58a7a1b2c3d4e5f6a7b8c9d0e1f ip=10.0.0.1", None),
    (Private(), "550-5.7.26 see https://support.google.com/mail/answer/81126#authentication size=12345 (x)", None),
]


@pytest.mark.parametrize("known, said, kept", QUOTED, ids=[said for _, said, _ in QUOTED])
def test_what_is_quoted_of_a_letter_is_taken_out_and_the_rest_stays(known: Private, said: str, kept: str | None) -> None:
    assert without(said, known) == (said if kept is None else kept)


ENCODINGS: dict[str, Callable[[str], str]] = {
    "RFC 2047": lambda text: email.header.Header(text, "utf-8").encode(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "quoted-printable": lambda text: quopri.encodestring(text.encode()).decode(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "text", ["Анна Курманова", "My brother Anatoly was beaten in cell nine", "我的兄弟被关在监狱里，请释放他"]
)
def test_what_is_encoded_is_taken_out_unread(encoding: str, text: str) -> None:
    encoded = ENCODINGS[encoding](text)
    known = Private([], (), text)
    shown = without(f"550 5.7.1 bad words {encoded} in a line", known)
    assert not any(piece in shown for piece in encoded.split() if len(piece) > 8), shown
    assert shown.startswith("550 5.7.1 bad words") and shown.endswith("in a line")


NAMES = st.text(
    st.sampled_from("abcdefghijklmnopqrstuvwxyzäéñøłßабвгдежийклмнопрстуфяαβγδεהוזחابتث" + "कखगा"), min_size=3, max_size=12
).map(str.title)
SERVER = ["message", "rejected", "by", "policy", "of", "the", "spam", "filter", "at", "mx1", "score", "9", "see", "rule"]
WAYS: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.lower,
    lambda text: unicodedata.normalize("NFD", text),
    lambda text: unicodedata.normalize("NFKC", text),
    lambda text: f'"{text}"',
    lambda text: f"<{text}>;",
    lambda text: text.replace(" ", "  "),
    lambda text: text.replace(" ", "_"),
]


def backwards(text: str) -> str:
    """As names are written, and no sentences."""
    return ", ".join(reversed(text.split()))


def bare(text: str) -> str:
    """Letters as anybody would compare them, told apart from the code that is tested."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


@given(
    st.lists(NAMES, min_size=1, max_size=4),
    st.lists(NAMES, min_size=3, max_size=30, unique_by=bare),
    st.data(),
)
def test_no_private_word_is_left_wherever_and_however_it_is_quoted(name: list[str], message: list[str], data: st.DataObject):
    begin = data.draw(st.integers(0, len(name) - 1))
    of_name = name[begin : data.draw(st.integers(begin + 1, len(name)))]
    begin = data.draw(st.integers(0, len(message) - 3))
    of_message = message[begin : data.draw(st.integers(begin + 3, len(message)))]
    quoted = [
        data.draw(st.sampled_from([*WAYS, backwards]))(" ".join(of_name)),
        data.draw(st.sampled_from(WAYS))(" ".join(of_message)),
    ]
    said = data.draw(st.lists(st.sampled_from(SERVER), max_size=12))
    for piece in quoted:
        said.insert(data.draw(st.integers(0, len(said))), piece)
    shown = bare(without(f"550 5.7.1 {' '.join(said)}", Private([" ".join(name)], (), " ".join(message))))
    assert shown.startswith("550 5.7.1 ")
    left = shown.replace("…", " ").replace('"', " ").split()
    assert not {bare(word) for word in (*of_name, *of_message)} & set(left) - set(SERVER)


@given(st.lists(NAMES, min_size=1, max_size=4), st.lists(st.sampled_from(SERVER), max_size=40))
@example(["Spa", "Mrejecte"], ["spam", "rejected"])
def test_a_reply_without_private_words_comes_through_unchanged(name: list[str], said: list[str]) -> None:
    text = f"550 5.7.1 {', '.join(said)}".strip()
    known = Private([" ".join(word for word in name if not any(word.casefold() in one for one in SERVER))], (), " ".join(name))
    assert without(text, known) == text


@pytest.mark.parametrize("place", [LEGIBLE, 2 * LEGIBLE, 3 * LEGIBLE, 4 * LEGIBLE], ids=str)
@pytest.mark.parametrize("filling", ["so and so ", "Jane Doe "], ids=["other words", "as good as nothing"])
def test_a_reply_is_not_cut_in_the_middle_of_a_name(place: int, filling: str) -> None:
    for shift in range(25):
        said = "550 " + (filling * place)[: place - shift] + " Anastasia Kowalskaya" + " and so on" * 500
        shown = without(said, Private(["Anastasia Kowalskaya", "Jane Doe"]))
        assert len(shown) <= LEGIBLE
        assert "Ana" not in shown and "Kow" not in shown and "Doe" not in shown


def test_our_own_words_stay_in_a_reason_and_what_any_server_said_does_not() -> None:
    letter = [Recipient(f"{name}@court.example", Role.TO) for name in ("a", "b")]
    known = Private(["The Relay Account Doe"])
    refused = Handover(Stage.MAIL, Reply(530, "5.7.0", "account of Doe"))
    told = discreet(decide(letter, refused), refused, known)
    assert (told.reason, told.answer) == (ACCOUNT_REFUSED, "530 5.7.0 … of …")
    # The answer that ended it all is not the one that made the verdict.
    mixed = Handover(Stage.RCPT, Reply(550, "", "Doe"), (Reply(550, "", "Doe"), Reply(354, "", "Doe wrote to a relay")))
    told = discreet(decide(letter, mixed), mixed, known)
    assert told.reason == "nothing was sent: 354 … wrote to a …"
    assert [one.reply for one in told.recipients] == ["550 …", ""]
    # One answer begins as another does.
    alike = Handover(Stage.RCPT, Reply(354, "", "Doe"), (Reply(354, "", "Doe Relay x"), Reply(354, "", "Doe")))
    assert discreet(decide(letter, alike), alike, known).reason == "nothing was sent: 354 … x"
    lost = Handover(Stage.DOT, Lost("the server's answer is not SMTP: Doe"), (Reply(250, "", "Doe"), Reply(250, "", "Doe")))
    told = discreet(decide(letter, lost), lost, known)
    assert "Doe" not in f"{told}" and "no usable answer" in told.reason
