"""Every reason that an organiser may read is told in Russian too, with what it quotes left as it was."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer import address, columns, plain, sheets
from mailer.errors import UnreadableFile
from tests.installed import Place
from tests.test_sheets import CASES

MAILER = Path(plain.__file__).parent
WRONG = """\
x|a@b@c|@b.example|a@|a..b@c.example|.a@c.example|a.@c.example|a@.c.example|a b@c.example|a@-b.example|a@b-.example|a@b.example.
ü@b.example|a,b@c.example|Jane <a@b.example>|a@[1.2.3.4]|"a b"@c.example|a%b@c.example|a@b|a@b.local|a@c.123|a@b_c.example
"""


def templates() -> Iterator[str]:
    """The sentences of every BadRow in the code, with something in each place."""
    for path in MAILER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "BadRow" and node.args:
                yield from sentences(node.args[0])


def sentences(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.IfExp():
            yield from [*sentences(node.body), *sentences(node.orelse)]
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr():
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
        case _:
            return


def test_every_reason_of_the_code_is_told_in_russian():
    found = set(templates())
    assert len(found) >= 12
    assert [sentence for sentence in found if plain.told(sentence, "ru") == sentence] == []


def test_every_problem_of_an_awkward_file_is_told_in_russian():
    problems = set()
    for path in CASES:
        with path.open("rb") as stream:
            try:
                problems |= {row.problem for row in sheets.read(stream, path.name, known=columns.is_known).rows if row.problem}
            except UnreadableFile:
                continue
    assert len(problems) >= 12
    assert [problem for problem in problems if plain.told(problem, "ru") == problem] == []


@pytest.mark.parametrize("wrong", [text for text in WRONG.replace("\n", "|").split("|") if text])
def test_what_the_library_says_of_a_wrong_address_is_told_in_russian(wrong):
    with pytest.raises(ValueError) as caught:
        address.parse(wrong)
    said = plain.told(f"the e-mail address «{wrong}» is not valid: {str(caught.value).rstrip('.')}", "ru")
    assert said.startswith(f"адрес электронной почты «{wrong}» неверен: ")
    assert not any(word in said.rpartition("неверен: ")[2] for word in ("address", "the ", "sign"))


def test_what_is_quoted_stays_and_what_is_not_known_stays_english():
    said = plain.told(
        "the country «the name is missing» is not known: write its name in any official language of Europe "
        "or the UN, or its ISO code",
        "ru",
    )
    assert "страна «the name is missing» не распознана" in said
    assert plain.told("something new", "ru") == "something new"
    assert plain.told("the name is missing", "kk") == "the name is missing"


def rejected(place: Place, name: str) -> list[list[str]]:
    raw = (place.root / "var/queue/done" / name).read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf"), "by this Excel knows it for UTF-8"
    text = raw.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=";" if text.count(";") > text.count(",") else ","))


def test_a_russian_campaign_gets_its_rows_back_in_russian_parted_as_its_excel_does(tmp_path):
    place = Place(tmp_path, "languages: {default: ru, available: [ru]}\npace: none\n")
    for name in ("subject.txt.j2", "letter.txt.j2"):
        place.write(f"templates/c/ru/{name}", (tmp_path / f"templates/c/en/{name}").read_text("utf-8"))
    place.put("semicolons.csv", "ФИО;Электронная почта;Страна\n=1+1;anna@example.org;Нарния\n;petr@example.org;\n")
    place.put("commas.csv", "name,email\n,jane@example.org\n")
    place.put("list.json", json.dumps([{"name": "", "email": "jane@example.org"}]))
    assert place.mailer("run").code == 0
    head, first, second = rejected(place, "semicolons.rejected.csv")
    assert head == ["строка", "причина", "ФИО", "Электронная почта", "Страна", "прочее"]
    assert first[:3] == ["2", "в имени «=1+1» нет ни одной буквы", "'=1+1"]
    assert second[1] == "имя не указано"
    raw = (tmp_path / "var/queue/done/list.rejected.csv").read_text("utf-8-sig")
    assert raw.splitlines()[0] == '"строка";"причина";"name";"email";"прочее"'
    assert (
        (tmp_path / "var/queue/done/commas.rejected.csv").read_text("utf-8-sig").startswith('"строка","причина","name","email"')
    )
    # Corrected and dropped again as it lies there, it is understood.
    corrected = (tmp_path / "var/queue/done/semicolons.rejected.csv").read_text("utf-8-sig")
    place.put("again.csv", corrected.replace("'=1+1", "Анна").replace("Нарния", "Россия"))
    assert "1 taken" in place.mailer("run").out


def test_an_english_campaign_gets_them_in_english_parted_by_commas(tmp_path):
    place = Place(tmp_path, "pace: none\n")
    place.put("list.json", json.dumps([{"name": "", "email": "jane@example.org"}]))
    place.mailer("run")
    assert rejected(place, "list.rejected.csv") == [
        ["line", "reason", "name", "email", "other"],
        ["1", "the name is missing", "", "jane@example.org", ""],
    ]
