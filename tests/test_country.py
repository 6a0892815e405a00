"""Which country is meant: as people write it in English and Russian, and what must not be guessed."""

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer import country
from tests.installed import REPOSITORY, environment


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("KZ", "KZ"), ("kz", "KZ"), (" Kz ", "KZ"), ("KAZ", "KZ"), ("398", "KZ"), ("NO", "NO"), ("AND", "AD"), ("USA", "US"),
        ("Germany", "DE"), ("GERMANY", "DE"), ("Turkey", "TR"), ("Türkiye", "TR"), ("Turkiye", "TR"),
        ("England", "GB"), ("Scotland", "GB"), ("wales", "GB"), ("Northern Ireland", "GB"), ("U.K.", "GB"), ("UK", "GB"),
        ("Great Britain", "GB"), ("The United Kingdom", "GB"), ("United Kingdom (UK)", "GB"), ("Ireland", "IE"),
        ("U.S.A.", "US"), ("America", "US"), ("the united states", "US"), ("Holland", "NL"), ("Czech Republic", "CZ"),
        ("Czechia", "CZ"), ("South Korea", "KR"), ("Korea, Republic of", "KR"), ("North Korea", "KP"), ("Russia", "RU"),
        ("Russian Federation", "RU"), ("Iran, Islamic Republic of", "IR"), ("Ivory Coast", "CI"), ("Cote d'Ivoire", "CI"),
        ("Bosnia and Herzegovina", "BA"), ("Bosnia & Herzegovina", "BA"), ("Saint Lucia", "LC"), ("St Lucia", "LC"),
        ("The Gambia", "GM"), ("Burma", "MM"), ("Myanmar", "MM"), ("Congo (Kinshasa)", "CD"), ("DR Congo", "CD"),
        ("Republic of the Congo", "CG"), ("Hong Kong", "HK"), ("Kosovo", "XK"), ("XK", "XK"), ("Georgia", "GE"),
        ("Россия", "RU"), ("РОССИЯ", "RU"), ("РФ", "RU"), ("Российская Федерация", "RU"), ("Великобритания", "GB"),
        ("Англия", "GB"), ("США", "US"), ("Казахстан", "KZ"), ("Қазақстан", "KZ"), ("Республика Казахстан", "KZ"),
        ("Белоруссия", "BY"), ("Киргизия", "KG"), ("Кыргызстан", "KG"), ("Молдавия", "MD"), ("Южная Корея", "KR"),
        ("Deutschland", "DE"), ("Allemagne", "DE"), ("Alemania", "DE"), ("Niemcy", "DE"), ("Германия", "DE"),
        ("Kazakstan", "KZ"), ("Österreich", "AT"), ("Oesterreich", None), ("Éire", "IE"), ("Ελλάδα", "GR"),
        ("საქართველო", "GE"), ("Հայաստան", "AM"), ("Україна", "UA"), ("Ўзбекистон", "UZ"), ("Oʻzbekiston", "UZ"),
        ("O‘zbekiston", "UZ"), ("Кыргызстан", "KG"), ("Тоҷикистон", "TJ"), ("Türkmenistan", "TM"), ("الأردن", "JO"),
        ("德国", "DE"), ("德國", "DE"), ("Shqipëri", "AL"), ("Србија", "RS"), ("Srbija", "RS"), ("Magyarország", "HU"),
        ("Россия Федерациясы", None), ("España", "ES"), ("Suomi", "FI"), ("Lëtzebuerg", "LU"),
        ("Виргин аралдары (Британия)", "VG"), ("Віргінські Острови (США)", "VI"), ("RAE de Hong Kong (China)", "HK"),
        ("Saint-Martin (partie néerlandaise)", "SX"), ("Svätý Martin (fr.)", "MF"), ("Kongo", None), ("Corea", None),
        ("Чешская Республика", "CZ"), ("Королевство (Нидерланды)", "NL"), ("Объединённые Арабские Эмираты", "AE"),
    ],
)  # fmt: skip
def test_a_country_is_known_as_people_write_it(text, code):
    assert country.code(text) == code


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "-", "()", "Europe", "Европа", "Прибалтика", "Korea", "Congo", "Virgin Islands", "Yugoslavia", "USSR", "SUN",
        "EU", "UN", "ZZ", "XA", "XB", "QO", "EZ", "IC", "001", "200", "Kasachstahn", "Germanys", "Georgia (USA)", "Earth",
        "Виргинские о-ва", "Germany" + "." * 100,
    ],
)  # fmt: skip
def test_what_is_no_single_country_is_not_guessed(text):
    assert country.code(text) is None


def test_every_country_is_known_by_its_codes_and_its_names_in_both_languages():
    every = country._names("en")
    assert len(every) >= 250  # ISO 3166-1 and Kosovo
    assert {code for code in every if country.code(code) != code} == set()
    for language in ("en", "ru"):
        assert {code: named for code, named in country._names(language).items() if country.code(named) != code} == {}


def test_every_alias_leads_to_its_country():
    for code, row in country._ALIASES.items():
        assert {alias: country.code(alias) for alias in row.split(", ") if country.code(alias) != code} == {}


def test_a_country_is_called_by_the_letters_language():
    assert country.name("KZ", "en") == "Kazakhstan"
    assert country.name("KZ", "ru") == "Казахстан"
    assert country.name("KZ", "pt-BR") == "Cazaquistão"


@pytest.mark.parametrize("language", ["", "tlh", "not a language", "../../etc/passwd", "e" * 1000, "en\0", "_"])
def test_in_an_unknown_language_a_country_is_called_by_its_english_name(language):
    assert country.name("KZ", language) == "Kazakhstan"


def test_what_is_no_country_is_called_by_its_code():
    assert country.name("QQ", "en") == "QQ"


@given(text=st.text(max_size=120))
def test_any_text_is_a_country_or_none(text):
    code = country.code(text)
    assert code is None or re.fullmatch("[A-Z]{2}", code)


def test_babel_is_loaded_at_the_first_question_and_not_before():
    script = (
        "import sys; from mailer import country; assert 'babel' not in sys.modules;"
        "assert country.code('Kazakhstan') == 'KZ'; assert 'babel' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_table_of_names_is_what_babel_says_and_each_leads_to_its_country():
    written = subprocess.run(
        [sys.executable, "scripts/country-names"],
        cwd=REPOSITORY, env=environment(PYTHONPATH=str(REPOSITORY)), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert written == (REPOSITORY / "mailer/country.names").read_text(encoding="utf-8")
    lost: dict[tuple[str, str], str | None] = {}
    for line in written.splitlines():
        code, names = line.split("\t")
        lost |= {(code, name): found for name in names.split("|") if (found := country.code(name)) != code}
    assert {found for (code, name), found in lost.items() if name != "Saint-Martin"} == {None}
    assert {code for code, _ in lost} == {"CD", "CG", "MF", "SX", "VG", "VI"}, (
        "two Congos, two Saint Martins, two Virgin Islands"
    )


def test_a_country_in_english_or_russian_asks_for_no_other_language():
    script = (
        "from mailer import country; assert country.code('Germany') == 'DE';"
        "assert not country._index_of_all.cache_info().currsize"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_everyday_names_of_other_languages_are_known():
    said = ("République tchèque", "Großbritannien", "Schottland", "Inglaterra", "Holanda", "EE.UU.", "Birmanie")
    assert [country.code(name) for name in said] == ["CZ", "GB", "GB", "GB", "NL", "US", "MM"]
