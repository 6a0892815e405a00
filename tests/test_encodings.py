"""
Which encoding a CSV is in: proved, or asked, and never guessed.

Every file here is read as intake reads it, with a campaign's columns, so that countries and languages have their say.
"""

import gzip
import io
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer import reading
from mailer.alphabet import languages_of
from mailer.config import load
from mailer.errors import UnreadableFile
from mailer.reading import Reading
from mailer.sheets import encodings, packed
from mailer.sheets.form import IN_USE, spelt
from tests.installed import Place

TODAY = date(2011, 9, 20)
PEOPLE = {
    "DE": ["Jürgen Müller", "Änne Groß", "Jörg Weiß"],
    "FR": ["Élodie Lefèvre", "François Noël", "Irène Château", "Hélène Forêt"],
    "ES": ["José Muñoz", "María Ibáñez", "Íñigo Peña", "Begoña Núñez"],
    "PL": ["Łukasz Kaczyński", "Małgorzata Wiśniewska", "Żaneta Dąbrowska"],
    "CZ": ["Jiří Dvořák", "Zdeňka Růžičková", "Štěpán Šťastný"],
    "HU": ["Ödön Szűcs", "Erzsébet Kőrösi", "Győző Örkény"],
    "TR": ["Ayşe Yılmaz", "Çağrı Öztürk", "İbrahim Şahin"],
    "LV": ["Jānis Bērziņš", "Līga Kalniņa", "Ģirts Ozoliņš"],
    "GR": ["Γιώργος Παπαδόπουλος", "Ελένη Νικολάου", "Χρήστος Αγγέλου"],
    "RU": ["Иван Петров", "Мария Ёлкина", "Семён Щукин"],
    "UA": ["Олена Їжакевич", "Євген Ґалаґан", "Ірина Шевченко"],
    "KZ": ["Әсел Құрманова", "Есенбек Өктешбаев", "Ғалым Жүнісов"],
}  # fmt: skip
WRITTEN = [
    ("cp1252", "DE FR ES"), ("cp1252", "DE"), ("cp1252", "FR"), ("cp1252", "ES"), ("cp1250", "PL"), ("cp1250", "CZ"),
    ("cp1250", "HU"), ("cp1250", "PL CZ HU DE"), ("iso8859_2", "PL CZ"), ("cp1254", "TR"), ("cp1254", "TR DE"),
    ("cp1257", "LV"), ("cp1253", "GR"), ("cp1251", "RU"), ("cp1251", "RU UA"), ("koi8_r", "RU"), ("koi8_u", "UA RU"),
    ("kz1048", "KZ"), ("kz1048", "KZ RU"), ("cp866", "RU"), ("mac_roman", "FR"), ("mac_roman", "ES DE"),
    ("utf-16", "RU DE"), ("utf-16-le", "RU"), ("utf-16-be", "FR"), ("utf-8", "RU TR"), ("utf-8-sig", "KZ GR"), ("utf-32", "DE"),
]  # fmt: skip


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("instance"), "pace: none\n")
    return load(place.root / "config/mailer.yaml", {}).campaigns["c"]


def table(*people: tuple[str, str], delimiter: str = ";") -> str:
    rows = [["Name", "Email", "Country"], *([name, f"p{n}@example.org", code] for n, (name, code) in enumerate(people))]
    return "".join(delimiter.join(row) + "\r\n" for row in rows)


def opened(campaign, content: bytes, name: str = "list.csv") -> Reading:
    return reading.of(io.BytesIO(content), name, campaign, TODAY)


def names(campaign, content: bytes, name: str = "list.csv") -> list[str]:
    return [one.signed.name if one.signed else one.reason for one in opened(campaign, content, name).rows()]


@pytest.mark.parametrize(("encoding", "countries"), WRITTEN)
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_names_come_out_as_they_went_in(campaign, encoding, countries, delimiter):
    people = [(name, code) for code in countries.split() for name in PEOPLE[code]]
    content = table(*people, delimiter=delimiter).encode(encoding)
    assert names(campaign, content) == [name for name, _ in people]


@pytest.mark.parametrize(("encoding", "countries"), WRITTEN)
def test_without_a_country_a_name_is_right_or_the_file_is_set_aside(campaign, encoding, countries):
    people = [(name, "") for code in countries.split() for name in PEOPLE[code]]
    try:
        assert names(campaign, table(*people).encode(encoding)) == [name for name, _ in people]
    except UnreadableFile as refused:
        assert any(name in refused.reason for name, _ in people), "the right reading is among those shown"


def test_one_file_with_people_of_many_countries_needs_no_more_than_most_of_them(campaign):
    people = (
        [(name, "DE") for name in PEOPLE["DE"]]
        + [("José Muñoz", "DE"), ("Zoë", "GB")]
        + [(name, "ES") for name in PEOPLE["ES"]]
    )
    assert names(campaign, table(*people).encode("cp1252")) == [name for name, _ in people]


def test_a_language_that_a_row_names_counts_as_its_country_does(campaign):
    content = "Name;Email;Language\r\nŁukasz Kaczyński;l@example.org;pl\r\n"
    assert opened(campaign, content.encode("cp1250")).sheet.encoding == "cp1250"


def test_an_english_text_with_a_typographic_apostrophe_is_no_riddle(campaign):
    content = "Name;Email;Country;Message\r\nJane Doe;j@example.org;GB;I don’t understand, and “they” won’t answer…\r\n"
    (row,) = opened(campaign, content.encode("cp1252")).rows()
    assert row.signed is not None
    assert row.signed.message == "I don’t understand, and “they” won’t answer…"


def test_what_stays_unclear_is_set_aside_with_its_readings_and_the_name_decides(campaign):
    content = table(("Muñoz", "")).encode("cp1252")
    with pytest.raises(UnreadableFile) as refused:
        opened(campaign, content)
    assert "«Muñoz» in windows-1252" in refused.value.reason
    assert "«Muńoz» in windows-1250" in refused.value.reason
    assert "NAME.windows-125" in refused.value.reason
    assert names(campaign, content, "list.windows-1252.csv") == ["Muñoz"]
    assert names(campaign, content, "list.CP1250.csv") == ["Muńoz"]


# Each was read as other names before there were rivals: the encoding that it is in, and its people.
READ_WRONGLY = {
    "Ukrainians in Kazakhstan, as Kazakhs": ("cp1251", [("Євген Петро", "KZ"), ("Євгенія Їжак", "KZ")]),
    "a Ukrainian in Kazakhstan": ("cp1251", [("Євген Петро", "KZ")]),
    "Danes in Poland, as Latvians": ("cp1252", [("Søren Kjær", "PL"), ("Åse Kjær", "SE")]),
    "a Turk in Poland": ("cp1254", [("Şükrü Yıldız", "PL")]),
    "Portuguese in Hungary": ("cp1252", [("Inês Simões", "PL"), ("João Conceição", "HU")]),
    "Estonians": ("iso8859_15", [("Tõnu Mägi", "EE"), ("Jüri Šmidt", "EE")] * 8),
    "Swedes from MS-DOS": ("cp850", [("Åsa Öberg", ""), ("Märta Sjöström", "")]),
    "Britons from MS-DOS": ("cp850", [("José Jones", "GB"), ("Zoé Müller", "GB"), ("Siân Evans", "GB")]),
    "Frenchmen in Latin-9": ("iso8859_15", [("François Œuvrard", "FR"), ("Hélène Martin", "FR"), ("Zoé Béranger", "FR")] * 5),
    "Czechs on an old Macintosh": ("mac_latin2", [("Žaneta Němcová", "DE"), ("Lukáš Dvořák", "DE")]),
    "Russians on an old Macintosh": ("mac_cyrillic", [("Светлана Петрова", "RU"), ("Павел Соколов", "RU")]),
    "Serbs, as Bulgarians": ("cp1251", [("Ђорђе", "BG")]),
}  # fmt: skip


@pytest.mark.parametrize("case", READ_WRONGLY)
def test_who_lives_abroad_or_writes_in_a_rare_encoding_gets_no_other_name(campaign, case):
    encoding, people = READ_WRONGLY[case]
    content = table(*people).encode(encoding)
    try:
        assert names(campaign, content) == [name for name, _ in people]
    except UnreadableFile:
        assert names(campaign, content, f"list.{spelt(encoding)}.csv") == [name for name, _ in people]


@pytest.mark.parametrize("rows", [1, 1100])
def test_a_letter_behind_many_others_is_among_the_readings_shown(campaign, rows):
    content = table(*[("Jürgen Müller", "DE")] * rows, ("Muñoz", "")).encode("cp1252")
    with pytest.raises(UnreadableFile, match="«Muñoz» in windows-1252"):
        opened(campaign, content)


def test_letters_that_suit_nobody_are_no_proof(campaign):
    with pytest.raises(UnreadableFile, match="not clear"):
        opened(campaign, table(*[("Kaczyński", "DE")] * 20).encode("cp1250"))


def test_a_single_row_far_down_that_reads_in_two_ways_sets_the_file_aside(campaign):
    people = [("Jürgen Müller", "DE")] * 3000 + [("Muñoz", "")]
    with pytest.raises(UnreadableFile, match="not clear"):
        opened(campaign, table(*people).encode("cp1252"))


def test_utf_8_with_one_bad_byte_is_damaged_and_in_no_old_encoding(campaign):
    content = table(*[(name, "DE") for name in PEOPLE["DE"]]).encode() + b"Jos\xe9;j@example.org;ES\r\n"
    with pytest.raises(UnreadableFile, match=r"from line 5 on \(byte 1\d\d\) the file is not in the encoding UTF-8"):
        opened(campaign, content)


@pytest.mark.parametrize("name", ["list.utf-8.csv", "list.utf-16.csv"])
def test_a_name_that_is_wrong_is_not_obeyed(campaign, name):
    with pytest.raises(UnreadableFile, match="not in the encoding UTF-"):
        opened(campaign, table(("Muñoz", "ES")).encode("cp1252") + b"x", name)


@pytest.mark.parametrize("encoding", IN_USE)
def test_every_encoding_in_use_can_be_named_as_it_is_shown(campaign, encoding):
    content = table(("Jane Doe", "IE")).encode() + b"\xc1\xe2;x@example.org;\r\n"
    assert opened(campaign, content, f"list.{spelt(encoding)}.csv").sheet.encoding == encoding


@pytest.mark.parametrize(
    "name", ["list.2011.csv", "list.us.csv", "list.greek.csv", "list.437.csv", "list.hex.csv", "list.utf-7.csv"]
)
def test_a_word_in_a_name_that_is_no_encoding_in_use_says_nothing(campaign, name):
    assert names(campaign, table(("Zoë Žák", "CZ")).encode(), name) == ["Zoë Žák"]


@given(
    name=st.text(st.sampled_from("aeioußéèñńłŁőäÄšŠžýőűřğıİşçÇ-’ "), min_size=1, max_size=12),
    code=st.sampled_from(list(PEOPLE)),
)
def test_whatever_a_name_is_made_of_it_is_never_read_as_another_in_silence(campaign, name, code):
    """Beside enough others of its country a name comes out right, or the file is set aside."""
    for encoding in ("cp1250", "cp1252", "cp1254"):
        try:
            content = table(*[(one, code) for one in PEOPLE[code]], (name, code)).encode(encoding)
        except UnicodeEncodeError:
            continue
        try:
            found = opened(campaign, content).sheet
        except UnreadableFile:
            continue
        rows = [row.cells["Name"].strip() for row in found.rows]
        count = len(PEOPLE[code])
        assert rows[:count] == PEOPLE[code]
        if found.encoding != encoding:
            assert not name.strip() or rows[count] == name.strip() or not languages_of(name)


# Packed


@pytest.mark.parametrize(("name", "content"), [
    ("l.csv.gz", table(("Zoë", "DE"), ("Иван", "RU")).encode()),
    ("l.windows-1251.csv.gz", table(("Иван", "RU")).encode("cp1251")),
    ("l.jsonl.GZ", b'{"name": "Jane", "email": "j@example.org"}\n'),
    ("l.json.gz", b'[{"name": "Jane", "email": "j@example.org"}]\n'),
    ("l.yaml.gz", b"- {name: Jane, email: j@example.org}\n"),
])  # fmt: skip
def test_a_packed_text_is_read_as_the_text(campaign, name, content):
    bare = name[:-3]
    assert names(campaign, gzip.compress(content), name) == names(campaign, content, bare)


BROKEN = {
    "no gzip": (b"Name,Email\n", "not a whole .gz"),
    "cut off": (gzip.compress(b"Name,Email\n" * 100)[:-9], "not a whole .gz"),
    "something behind it": (gzip.compress(b"Name,Email\n") + b"x", "not a whole .gz"),
    "wrong sum": (gzip.compress(b"Name,Email\n")[:-8] + b"\0" * 8, "not a whole .gz"),
    "a bomb": (gzip.compress(b"\0" * (40 << 20)), "unpacked, the file holds more than"),
    "a bomb in many members": (gzip.compress(b"x" * (1 << 20)) * 40, "unpacked, the file holds more than"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_not_a_whole_gz_or_too_much_is_refused(campaign, case):
    content, why = BROKEN[case]
    with pytest.raises(UnreadableFile, match=why):
        opened(campaign, content, "l.csv.gz")


def test_a_packed_file_that_changes_while_it_is_read_says_so(campaign):
    stream = io.BytesIO(gzip.compress(b"Name,Email\n" + b"".join(b"Jane %d,j%d@example.org\n" % (n, n) for n in range(50_000))))
    found = reading.of(stream, "l.csv.gz", campaign, TODAY).rows()
    next(found)
    at = stream.tell()
    stream.seek(at + 100)
    stream.write(b"\xff" * 2000)
    stream.seek(at)
    with pytest.raises(UnreadableFile, match="changed"):
        list(found)


@pytest.mark.parametrize("name", ["l.xls", "l.ods", "l.numbers", "l.zip", "l.xlsx.gz", "l.docx", "l.gz", "l.csv.zip"])
def test_other_forms_are_refused_with_what_to_do(campaign, name):
    with pytest.raises(UnreadableFile, match=r"open it|unpack it|save the table|Export"):
        opened(campaign, b"x", name)


@pytest.mark.parametrize(
    "begin", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF-1.4", b"\x1f\x8b", b"\n<!DOCTYPE html>", b"<table>"]
)
def test_what_only_has_the_name_of_a_csv_is_called_by_its_own(campaign, begin):
    with pytest.raises(UnreadableFile, match="has the name of a CSV, but is"):
        opened(campaign, begin + b"Name,Email\n", "l.csv")


def test_the_bounds_are_what_the_documents_say():
    assert (packed.MOST >> 20, encodings.ROWS) == (128, 1000)


def test_an_unclear_file_tells_its_readings_to_the_organiser_and_to_no_log(tmp_path: Path):
    place = Place(tmp_path / "instance", "pace: none\n")
    place.put("list.csv", table(("Muñoz", "")).encode("cp1252"))
    said = place.mailer("-v", "run", "--intake-only")
    assert said.code == 65
    reason = (place.root / "var/queue/rejected/list.csv.reason.txt").read_text(encoding="utf-8")
    assert "«Muñoz» in windows-1252" in reason
    assert "Muñoz" not in said.err + (place.root / "var/journal.jsonl").read_text(encoding="utf-8")
