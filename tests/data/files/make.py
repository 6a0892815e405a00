"""
Writes the files of this folder, and `expected.tsv` beside them: what organisers' tools export, tool by encoding by quirk.

    PYTHONPATH=. .venv/bin/python tests/data/files/make.py

No row is of a real person. What is expected of a file is known from how it is made (so many good rows, so many that are known
already, so many spoilt ones), and never asked of mailer. The same every time: nothing here is by chance.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.workbooks import Xml, workbook

HERE = Path(__file__).parent
SPREAD = ("Germany", "France", "Spain", "Kazakhstan", "UK", "USA", "England", "Scotland", "Turkey", "Türkiye", "POLAND", "KZ")

# First and last names, and where they live as a form in some language says it.
WEST = [("Jürgen", "Müller", "DE"), ("Änne", "Groß", "DE"), ("Élodie", "Lefèvre", "FR"), ("François", "Noël", "FR"),
        ("José", "Muñoz", "ES"), ("María", "Ibáñez", "ES"), ("Zoë", "O’Brien", "IE"), ("Jane", "Doe", "GB")]  # fmt: skip
EAST = [("Łukasz", "Kaczyński", "PL"), ("Małgorzata", "Wiśniewska", "PL"), ("Jiří", "Dvořák", "CZ"), ("Štěpán", "Šťastný", "CZ"),
        ("Erzsébet", "Kőrösi", "HU"), ("Győző", "Örkény", "HU"), ("Jörg", "Weiß", "DE"), ("Jane", "Doe", "GB")]  # fmt: skip
RUSSIAN = [("Иван", "Петров", "RU"), ("Мария", "Ёлкина", "RU"), ("Семён", "Щукин", "RU"), ("Анна", "Примерова", "KZ"),
           ("Юлия", "Эхова", "BY"), ("Пётр", "Цветков", "RU"), ("Ольга", "Жукова", "KZ"), ("Jane", "Doe", "GB")]  # fmt: skip
KAZAKH = [("Әсел", "Құрманова", "KZ"), ("Есенбек", "Өктешбаев", "KZ"), ("Ғалым", "Жүнісов", "KZ"), ("Айнұр", "Құрманов", "KZ"),
          ("Һауа", "Іңкәрова", "KZ"), ("Пётр", "Цветков", "RU"), ("Ұлжан", "Әбенова", "KZ"), ("Jane", "Doe", "GB")]  # fmt: skip
TURKISH = [("Ayşe", "Yılmaz", "TR"), ("Çağrı", "Öztürk", "TR"), ("İbrahim", "Şahin", "TR"), ("Gül", "Işık", "TR"),
           ("Jürgen", "Müller", "DE"), ("Ömer", "Doğan", "TR"), ("Ülkü", "Güneş", "TR"), ("Jane", "Doe", "GB")]  # fmt: skip
UKRAINIAN = [("Олена", "Їжакевич", "UA"), ("Євген", "Ґалаґан", "UA"), ("Ірина", "Шевченко", "UA"), ("Ольга", "Жукова", "RU"),
             ("Юлія", "Яценко", "UA"), ("Пётр", "Цветков", "RU"), ("Анна", "Кущ", "UA"), ("Jane", "Doe", "GB")]  # fmt: skip
LATVIAN = [("Jānis", "Bērziņš", "LV"), ("Līga", "Kalniņa", "LV"), ("Ģirts", "Ozoliņš", "LV"), ("Jane", "Doe", "GB")]
MANY = [("王", "小明", "CN"), ("Γιώργος", "Παπαδόπουλος", "GR"), ("فاطمة", "بنت محمد", "JO"), ("ნინო", "ბერიძე", "GE"),
        ("श्री", "क्‍ष", "IN"), ("Ṣọlá", "Adébáyọ̀", "NG"), ("Әсел", "Құрманова", "KZ"), ("Jane", "O’Doe", "GB")]  # fmt: skip

SPOKEN = {
    "en": {"DE": "Germany", "FR": "France", "ES": "Spain", "IE": "Ireland", "GB": "England", "PL": "Poland", "CZ": "Czech Republic",
           "HU": "Hungary", "RU": "Russia", "KZ": "Kazakhstan", "BY": "Belarus", "TR": "Turkey", "UA": "Ukraine", "CN": "China",
           "GR": "Greece", "JO": "Jordan", "GE": "Georgia", "IN": "India", "NG": "Nigeria", "LV": "Latvia"},
    "ru": {"DE": "Германия", "RU": "Россия", "KZ": "Казахстан", "BY": "Белоруссия", "GB": "Великобритания", "UA": "Украина",
           "TR": "Турция", "PL": "Польша"},
    "de": {"DE": "Deutschland", "FR": "Frankreich", "ES": "Spanien", "IE": "Irland", "GB": "Vereinigtes Königreich"},
    "fr": {"DE": "Allemagne", "FR": "France", "ES": "Espagne", "IE": "Irlande", "GB": "Royaume-Uni"},
    "es": {"DE": "Alemania", "FR": "Francia", "ES": "España", "IE": "Irlanda", "GB": "Reino Unido"},
    "kk": {"KZ": "Қазақстан", "RU": "Ресей", "GB": "Ұлыбритания"},
    "code": {},
}  # fmt: skip

Row = dict[str, str]


@dataclass(frozen=True)
class Tool:
    """One tool's export: headings and what stands under each; how it writes a date, a yes and a no."""

    columns: Sequence[tuple[str, str]]
    day: str = "%Y-%m-%d %H:%M:%S"
    yes: str = "yes"
    no: str = "no"
    language: str = "en"
    campaign: str = "c"  # "assumed" where the tool exports no consent


@dataclass(frozen=True)
class File:
    """One file: of which tool, whose names, how it is written, and what is peculiar about it."""

    name: str
    tool: Tool
    names: Sequence[tuple[str, str, str]]
    quirk: str
    encoding: str = "utf-8"
    delimiter: str = ","
    good: int = 8
    known: int = 1
    spoilt: Sequence[str] = ("no address", "no name")
    end: str = "\r\n"
    change: Callable[[list[list[str]]], list[list[str]]] = field(default=lambda table: table)
    quoting: int = csv.QUOTE_MINIMAL
    before: str = ""


def person(file: File, number: int) -> Row:
    first, last, code = file.names[number % len(file.names)]
    slug = re.sub(r"[^a-z0-9]+", "-", file.name.lower())
    moment = datetime.fromisoformat("2011-09-16T10:05:00") + timedelta(hours=number)
    return {
        "first": first, "last": last, "name": f"{first} {last}", "surname first": f"{last} {first}",
        "email": f"p{number}@{slug}.example.org", "country": SPOKEN[file.tool.language].get(code, code), "city": "Riga", "zip": "01234",
        "message": "Please, drop the charges.", "consent": file.tool.yes, "date": moment.strftime(file.tool.day), "kind": "", "org": "",
        "role": "", "street": "Main Street 1", "phone": "+7 916 123-45-67", "number": str(number), "": "",
    }  # fmt: skip


SPOILERS: dict[str, Callable[[Row], Row]] = {
    "no address": lambda row: row | {"email": ""},
    "no name": lambda row: row | {"first": "", "last": "", "name": "", "surname first": ""},
    "no domain": lambda row: row | {"email": "jane@nowhere"},
    "two addresses": lambda row: row | {"email": "a@example.org; b@example.org"},
    "refused": lambda row: row | {"consent": "NO"},
    "silent": lambda row: row | {"consent": ""},
    "unknown country": lambda row: row | {"country": "Atlantis"},
    "next year": lambda row: row | {"date": "2012-09-16"},
    "before it opened": lambda row: row | {"date": "2011-01-31"},
    "no date": lambda row: row | {"date": "last week"},
    "bidi": lambda row: row | {"name": "Jane \u202eeoD", "first": "Jane\u202e"},
    "long": lambda row: row | {"name": "x" * 101, "first": "x" * 101},
}


def rows(file: File) -> list[Row]:
    """The good ones, then some of them again (in capitals, with another name), then the spoilt."""
    good = [person(file, number) for number in range(file.good)]
    again = [row | {"email": row["email"].upper(), "first": "J.", "name": "J. " + row["last"]} for row in good[: file.known]]
    return good + again + [SPOILERS[how](person(file, 90 + n)) for n, how in enumerate(file.spoilt)]


def table(file: File) -> list[list[str]]:
    keys = [key for _, key in file.tool.columns]
    body = [[row.get(key, key.removeprefix("=")) for key in keys] for row in rows(file)]
    return file.change([[heading for heading, _ in file.tool.columns], *body])


def as_csv(file: File) -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=file.delimiter, lineterminator=file.end, quoting=file.quoting).writerows(table(file))  # type: ignore[arg-type]
    return (file.before + out.getvalue()).encode(file.encoding)


def as_objects(file: File) -> list[dict[str, str]]:
    header, *body = table(file)
    return [dict(zip(header, row, strict=False)) for row in body]


def content(file: File) -> bytes:
    name = file.name.removesuffix(".gz")
    if name.endswith((".xlsx", ".xlsm")):
        return as_workbook(file)
    if name.endswith(".json"):
        made = json.dumps({"count": 1, "data": as_objects(file)}, ensure_ascii=False, indent=1).encode(file.encoding)
    elif name.endswith((".jsonl", ".ndjson")):
        made = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in as_objects(file)).encode(file.encoding)
    elif name.endswith((".yaml", ".yml")):
        objects = as_objects(file)
        made = "".join(
            "- " + "\n  ".join(f"{k}: {json.dumps(v, ensure_ascii=False)}" for k, v in o.items()) + "\n" for o in objects
        ).encode(file.encoding)
    else:
        made = as_csv(file)
    return gzip.compress(made, mtime=0) if file.name.endswith(".gz") else made


def as_workbook(file: File) -> bytes:
    """The table in a sheet: dates as Excel's, a number as a number, a formula for the name where the quirk says so."""
    header, *body = table(file)
    cells: list[list[object]] = [list(header)]
    for row in body:
        made: list[object] = list(row)
        for at, (_, key) in enumerate(file.tool.columns):
            if key == "date" and row[at][:4] == "2011":
                made[at] = datetime.fromisoformat(row[at])
            if key in {"phone", "number"}:
                made[at] = int("".join(c for c in row[at] if c.isdigit()) or 0)
            if key == "name" and "formula" in file.quirk and row[at]:
                made[at] = Xml(f'<c t="str"><f>A1&amp;" "&amp;B1</f><v>{row[at]}</v></c>')
            if key == "consent" and "booleans" in file.quirk:
                made[at] = row[at] == file.tool.yes
        cells.append(made)
    if "blank rows above" in file.quirk:
        cells = [[], [], *cells]
    sheets: dict[str, list[list[object]]] = {"Sheet1": cells}
    if "empty sheet first" in file.quirk:
        sheets = {"Лист1": [], "Ответы": cells}
    if "named sheet" in file.quirk:
        sheets = {"Summary": [["Total"], [8]], "Responses": cells}
    return workbook(sheets, hidden=["Hidden"] if "hidden" in file.quirk else [])  # type: ignore[arg-type]


def blank_rows(table: list[list[str]]) -> list[list[str]]:
    return [table[0], [""] * len(table[0]), *table[1:4], [], [" "] * len(table[0]), *table[4:], [], []]


def padded(table: list[list[str]]) -> list[list[str]]:
    return [[f"  {cell} " for cell in row] for row in table]


def ragged(table: list[list[str]]) -> list[list[str]]:
    return [table[0], *([*row, "", ""] if n % 2 else row for n, row in enumerate(table[1:]))]


def many_lines(table: list[list[str]]) -> list[list[str]]:
    return [[cell.replace("Please, drop", 'Please,\r\nI say "please",\r\n\r\ndrop') for cell in row] for row in table]


def formulas(table: list[list[str]]) -> list[list[str]]:
    return [[cell.replace("Please", '=HYPERLINK("x")') for cell in row] for row in table]


def trailing(table: list[list[str]]) -> list[list[str]]:
    return [[*row, "", "", ""] for row in table]


def spread(table: list[list[str]]) -> list[list[str]]:
    at = table[0].index("Country")
    return [table[0], *([*row[:at], SPREAD[n % len(SPREAD)], *row[at + 1 :]] for n, row in enumerate(table[1:]))]


GOOGLE = Tool(
    [("Timestamp", "date"), ("Email Address", "email"), ("Your full name (as it should appear in the letter)", "name"),
     ("Which country do you live in?", "country"), ("City or town", "city"), ("A personal paragraph (optional)", "message"),
     ("What is your shoe size?", "number"),
     ("I agree that a letter is sent in my name to the officials named above (consent)", "consent")],
    "%Y/%m/%d %I:%M:%S %p GMT+2", "I agree that a letter is sent in my name", "No",
)  # fmt: skip
GOOGLE_US = replace(GOOGLE, day="%m/%d/%Y %H:%M:%S")
GOOGLE_UK = replace(GOOGLE, day="%d/%m/%Y %H:%M:%S")
GOOGLE_RU = Tool(
    [("Отметка времени", "date"), ("Адрес электронной почты", "email"), ("Как вас зовут? (Имя и фамилия)", "name"),
     ("В какой стране вы живёте? (страна)", "country"), ("Ваш город", "city"), ("Ваше сообщение", "message"),
     ("Я согласен на отправку письма от моего имени (согласие)", "consent")],
    "%d.%m.%Y %H:%M:%S", "Да, я согласен", "Нет", "ru",
)  # fmt: skip
GOOGLE_DE = Tool(
    [("Zeitstempel", "date"), ("E-Mail-Adresse", "email"), ("Vor- und Nachname", "name"), ("Land", "country"), ("Wohnort", "city"),
     ("Ihre Nachricht", "message"), ("Ich stimme zu, dass in meinem Namen ein Brief geschickt wird (Einwilligung)", "consent")],
    "%d.%m.%Y %H:%M:%S", "Ich stimme zu", "Nein", "de",
)  # fmt: skip
GOOGLE_FR = Tool(
    [("Horodateur", "date"), ("Adresse e-mail", "email"), ("Nom", "last"), ("Prénom", "first"), ("Pays de résidence", "country"),
     ("Ville", "city"), ("Votre message", "message"), ("J'accepte", "consent")],
    "%d/%m/%Y %H:%M:%S", "Oui", "Non", "fr",
)  # fmt: skip
GOOGLE_ES = Tool(
    [("Marca temporal", "date"), ("Correo electrónico", "email"), ("Nombre", "first"), ("Apellidos", "last"), ("País", "country"),
     ("Ciudad", "city"), ("Mensaje", "message"), ("Acepto", "consent")],
    "%d/%m/%Y %H:%M:%S", "Sí", "No", "es",
)  # fmt: skip
GOOGLE_KK = Tool(
    [("Уақыт белгісі", "date"), ("Электрондық пошта", "email"), ("Аты-жөніңіз", "name"), ("Елі", "country"), ("Қаласы", "city"),
     ("Хабарлама", "message"), ("Келісемін", "consent")],
    "%Y-%m-%d %H:%M:%S", "Иә", "Жоқ", "kk",
)  # fmt: skip
ACTION = Tool(
    [("first_name", "first"), ("last_name", "last"), ("email", "email"), ("can2_user_address", "street"), ("can2_user_city", "city"),
     ("zip_code", "zip"), ("country", "country"), ("can2_phone", "phone"), ("can2_subscription_status", "=subscribed"),
     ("created_at", "date")],
    "%Y-%m-%d %H:%M:%S UTC", language="code", campaign="assumed",
)  # fmt: skip
ACTION_REPORT = replace(ACTION, columns=[("Timestamp (EST)", "date"), *ACTION.columns[:-1]], day="%Y-%m-%d %H:%M:%S -0400")
CHIMP = Tool(
    [("Email Address", "email"), ("First Name", "first"), ("Last Name", "last"), ("Address", "street"), ("Phone Number", "phone"),
     ("Country", "country"), ("MEMBER_RATING", "=2"), ("OPTIN_TIME", "date"), ("OPTIN_IP", "=192.0.2.1"), ("CONFIRM_TIME", "date"),
     ("LATITUDE", "="), ("LAST_CHANGED", "date"), ("LEID", "number"), ("NOTES", "=")],
    campaign="assumed",
)  # fmt: skip
CHIMP_RU = Tool(
    [("Адрес электронной почты", "email"), ("Имя", "first"), ("Фамилия", "last"), ("Страна", "country"), ("OPTIN_TIME", "date")],
    language="ru", campaign="assumed",
)  # fmt: skip
CF7 = Tool(
    [("form_id", "number"), ("form_date", "date"), ("status", "=read"), ("your-name", "name"), ("your-email", "email"),
     ("your-country", "country"), ("your-city", "city"), ("your-message", "message"), ("acceptance-123", "consent")],
    yes="1", no="0",
)  # fmt: skip
GRAVITY = Tool(
    [("Name (Prefix)", "="), ("Name (First)", "first"), ("Name (Middle)", "="), ("Name (Last)", "last"), ("Name (Suffix)", "="),
     ("Email", "email"), ("Address (Street Address)", "street"), ("Address (City)", "city"), ("Address (Country)", "country"),
     ("Consent (Consent)", "consent"), ("Consent (Text)", "=I agree to the letter."), ("Created By (User Id)", "="),
     ("Entry Id", "number"), ("Entry Date", "date"), ("Source Url", "=https://campaign.example/sign"), ("User Agent", "=Mozilla/5.0")],
    yes="Checked", no="",
)  # fmt: skip
WPFORMS = Tool(
    [("Entry ID", "number"), ("Name", "name"), ("Email", "email"), ("Country", "country"), ("Your Message", "message"),
     ("I agree that a letter is sent in my name", "consent"), ("Entry Date", "date"), ("Date Modified", "="), ("User IP", "=192.0.2.1")],
    "%B %d, %Y %I:%M %p", "I consent to having this website store my submitted information", "",
)  # fmt: skip
JETPACK = Tool(
    [
        ("Date", "date"),
        ("1_Name", "name"),
        ("2_Email", "email"),
        ("3_Country", "country"),
        ("4_Message", "message"),
        ("5_Consent", "consent"),
    ],
    yes="Yes",
    no="No",
)
CIVI = Tool(
    [("Contact ID", "number"), ("Contact Type", "=Individual"), ("Sort Name", "surname first"), ("First Name", "first"),
     ("Middle Name", "="), ("Last Name", "last"), ("Do Not Email", "="), ("Current Employer", "org"), ("Job Title", "role"),
     ("Street Address", "street"), ("City", "city"), ("Postal Code", "zip"), ("Country", "country"), ("Email", "email"),
     ("Activity Date", "date"), ("Consent", "consent")],
    "%B %dth, %Y %I:%M %p", "Yes", "No",
)  # fmt: skip
CIVI_RU = Tool(
    [("Идентификатор контакта", "number"), ("Отображаемое имя", "name"), ("Адрес электронной почты", "email"), ("Страна", "country"),
     ("Должность", "role"), ("Дата", "date"), ("Согласие", "consent")],
    "%d.%m.%Y", "Да", "Нет", "ru",
)  # fmt: skip
EXCEL = Tool(
    [("Name", "name"), ("E-mail", "email"), ("Country", "country"), ("Phone", "phone"), ("Date", "date"), ("Consent", "consent"),
     ("Comment", "message")],
)  # fmt: skip
EXCEL_DE = Tool(
    [("Vorname", "first"), ("Name", "last"), ("E-Mail", "email"), ("Land", "country"), ("Datum", "date"), ("Zustimmung", "consent")],
    "%d.%m.%Y", "WAHR", "FALSCH", "de",
)  # fmt: skip
EXCEL_RU = Tool(
    [("Имя и фамилия", "name"), ("Электронная почта", "email"), ("Страна", "country"), ("Город", "city"), ("Дата", "date"),
     ("Согласие", "consent"), ("Сообщение", "message")],
    "%d.%m.%Y", "ИСТИНА", "ЛОЖЬ", "ru",
)  # fmt: skip
EXCEL_RU_PARTS = replace(
    EXCEL_RU,
    columns=[
        ("Фамилия", "last"),
        ("Имя", "first"),
        ("Отчество", "="),
        ("Эл. почта", "email"),
        ("Страна", "country"),
        ("Согласие", "consent"),
    ],
)
PLAIN = Tool([("name", "name"), ("email", "email"), ("country", "country"), ("signed_at", "date"), ("consent", "consent")])
HAND = Tool([("NAME", "name"), ("MAIL", "email"), ("Country", "country"), ("agree", "consent")], yes="x", no="-")

ALL = ("no address", "no name", "no domain", "two addresses", "refused", "silent", "unknown country", "next year", "before it opened",
       "no date", "bidi", "long")  # fmt: skip
LEGACY = ("no address", "no name")

FILES = [
    File("google-forms/en.csv", GOOGLE, MANY, "twelve spoilt rows", spoilt=ALL),
    File("google-forms/en-bom.csv", GOOGLE, MANY, "byte order mark", "utf-8-sig"),
    File("google-forms/us-dates.csv", GOOGLE_US, WEST, "9/16/2011 14:05:00, decided by its column"),
    File("google-forms/uk-dates.csv", GOOGLE_UK, WEST, "16/09/2011 14:05:00, decided by its column"),
    File("google-forms/tabs.tsv", GOOGLE, MANY, "tab separated", delimiter="\t"),
    File("google-forms/many-lines.csv", GOOGLE, WEST, "messages of many lines, with quotation marks", change=many_lines),
    File("google-forms/ru.csv", GOOGLE_RU, RUSSIAN, "Russian form", spoilt=ALL),
    File("google-forms/de.csv", GOOGLE_DE, WEST, "German form"),
    File("google-forms/fr.csv", GOOGLE_FR, WEST, "French form, Nom and Prénom"),
    File("google-forms/es.csv", GOOGLE_ES, WEST, "Spanish form, Nombre and Apellidos"),
    File("google-forms/kk.csv", GOOGLE_KK, KAZAKH, "Kazakh form"),
    File("google-forms/responses.xlsx", replace(GOOGLE, day="%Y-%m-%d %H:%M:%S"), MANY, "downloaded as a workbook"),
    File("action-network/list.csv", ACTION, WEST, "two-letter countries"),
    File("action-network/report.csv", ACTION_REPORT, MANY, "times with an offset, Timestamp (EST)"),
    File("action-network/list.csv.gz", ACTION, WEST, "packed"),
    File("action-network/api.json", ACTION, MANY, "an object with a list under data"),
    File("action-network/api.jsonl", ACTION, MANY, "one object a line"),
    File("action-network/quoted.csv", ACTION, WEST, "every cell quoted", quoting=csv.QUOTE_ALL),
    File("mailchimp/subscribed.csv", CHIMP, WEST, "everything that Mailchimp adds"),
    File("mailchimp/subscribed-bom.csv", CHIMP, MANY, "byte order mark", "utf-8-sig"),
    File("mailchimp/ru.csv", CHIMP_RU, RUSSIAN, "Russian headings"),
    File("mailchimp/resaved-1252.csv", CHIMP, WEST, "saved again by Excel in Western Europe", "cp1252", ";"),
    File("mailchimp/resaved-1250.csv", CHIMP, EAST, "saved again by Excel in Central Europe", "cp1250", ";"),
    File("wordpress/contact-form-7.csv", CF7, WEST, "field names, acceptance-123", spoilt=("no address", "refused", "silent")),
    File("wordpress/contact-form-7-bom.csv", CF7, MANY, "byte order mark, quoted", "utf-8-sig", quoting=csv.QUOTE_ALL),
    File("wordpress/gravity-forms.csv", GRAVITY, WEST, "parts of names and addresses in brackets", spoilt=("no name", "silent")),
    File("wordpress/gravity-forms-semicolons.csv", GRAVITY, MANY, "semicolons", delimiter=";"),
    File("wordpress/wpforms.csv", WPFORMS, WEST, "months by their names", spoilt=("no domain", "silent", "no date")),
    File("wordpress/wpforms.xlsx", replace(WPFORMS, day="%Y-%m-%d %H:%M:%S"), MANY, "exported as a workbook"),
    File("wordpress/jetpack.csv", JETPACK, WEST, "numbered headings", spoilt=("refused",)),
    File("civicrm/export.csv", CIVI, WEST, "September 16th, 2011", spoilt=("no address", "refused", "no date")),
    File("civicrm/export-bom.csv", CIVI, MANY, "byte order mark", "utf-8-sig"),
    File("civicrm/ru.csv", CIVI_RU, RUSSIAN, "Russian headings", spoilt=("refused", "next year")),
    File("civicrm/ru-1251.csv", CIVI_RU, RUSSIAN, "Russian headings, saved again by Excel", "cp1251", ";", spoilt=LEGACY),
    File("excel/utf-8.csv", EXCEL, MANY, "CSV UTF-8, semicolons", "utf-8-sig", ";"),
    File("excel/sep-line.csv", EXCEL, WEST, "a first line sep=;", "utf-8-sig", ";", before="sep=;\r\n"),
    File("excel/unicode-text.txt", EXCEL, MANY, "Unicode Text: UTF-16 and tabs", "utf-16", "\t"),
    File("excel/utf-16-be.csv", EXCEL, MANY, "UTF-16, big end first, no mark", "utf-16-be", ";"),
    File("excel/windows-1252.csv", EXCEL, WEST, "ANSI in Western Europe", "cp1252", ";"),
    File("excel/windows-1250.csv", EXCEL, EAST, "ANSI in Central Europe", "cp1250", ";"),
    File("excel/windows-1254.csv", EXCEL, TURKISH, "ANSI in Turkey", "cp1254", ";"),
    File("excel/windows-1251.csv", EXCEL_RU, RUSSIAN, "ANSI in Russia", "cp1251", ";", spoilt=("refused", "no address")),
    File("excel/ukrainian-1251.csv", EXCEL, UKRAINIAN, "ANSI in Ukraine", "cp1251", ";"),
    File("excel/german-1252.csv", EXCEL_DE, WEST, "Vorname and Name, WAHR", "cp1252", ";", spoilt=("refused", "no address")),
    File("excel/macintosh.csv", EXCEL, WEST, "CSV (Macintosh)", "mac_roman", ";", end="\r"),
    File("excel/dos.csv", EXCEL_RU, RUSSIAN, "CSV (MS-DOS)", "cp866", ";", spoilt=LEGACY),
    File("excel/parts-1251.csv", EXCEL_RU_PARTS, RUSSIAN, "Фамилия, Имя, Отчество", "cp1251", ";", spoilt=LEGACY),
    File("excel/named.windows-1257.csv", EXCEL, LATVIAN, "named by its file", "cp1257", ";"),
    File("excel/blank-rows.csv", EXCEL, WEST, "blank rows between", change=blank_rows),
    File("excel/trailing-columns.csv", EXCEL, WEST, "empty columns behind", change=trailing),
    File("excel/plain.xlsx", EXCEL, MANY, "numbers, dates"),
    File("excel/blank-rows-above.xlsx", EXCEL, MANY, "blank rows above"),
    File("excel/empty-sheet-first.xlsx", replace(EXCEL_RU, day="%Y-%m-%d"), RUSSIAN, "empty sheet first"),
    File("excel/two.Responses.xlsx", EXCEL, WEST, "named sheet, not the first"),
    File("excel/formula.xlsx", EXCEL, WEST, "formula for the name"),
    File("excel/booleans.xlsm", EXCEL, WEST, "booleans, with macros", spoilt=("refused", "silent", "no address")),
    File("libreoffice/commas.csv", EXCEL, MANY, "commas", end="\n"),
    File("libreoffice/koi8-r.csv", EXCEL_RU, RUSSIAN, "KOI8-R", "koi8_r", spoilt=LEGACY, end="\n"),
    File("libreoffice/koi8-u.csv", EXCEL, UKRAINIAN, "KOI8-U", "koi8_u", spoilt=LEGACY, end="\n"),
    File("libreoffice/latin-2.csv", EXCEL, EAST, "ISO 8859-2", "iso8859_2", spoilt=LEGACY, end="\n"),
    File("libreoffice/kz-1048.csv", GOOGLE_KK, KAZAKH, "KZ-1048", "kz1048", spoilt=LEGACY, end="\n"),
    File("libreoffice/pipes.txt", EXCEL, MANY, "pipes", delimiter="|", end="\n"),
    File("by-hand/padded.csv", HAND, WEST, "blanks around everything", delimiter=";", change=padded, spoilt=("refused",)),
    File("by-hand/ragged.csv", HAND, WEST, "rows of different lengths", change=ragged, spoilt=("silent",)),
    File("by-hand/countries.csv", HAND, WEST, "countries as people write them", good=12, change=spread, spoilt=("no domain",)),
    File("by-hand/formulas.csv", EXCEL, WEST, "messages that begin like formulas", change=formulas),
    File("by-hand/list.yaml", PLAIN, MANY, "YAML"),
    File("by-hand/list.json", PLAIN, MANY, "JSON", spoilt=("bidi", "long", "next year")),
    File("by-hand/list-utf-16.json", PLAIN, MANY, "JSON as PowerShell writes it", "utf-16"),
    File("by-hand/list.ndjson", PLAIN, MANY, "JSON Lines", spoilt=("bidi", "two addresses")),
    File("by-hand/list.windows-1251.csv.gz", EXCEL_RU, RUSSIAN, "packed, named by its file", "cp1251", ";", spoilt=LEGACY),
    File("by-hand/only-known.csv", PLAIN, WEST, "the same people again and again", good=1, known=1, spoilt=()),
]  # fmt: skip


def main() -> None:
    """Write everything."""
    lines = ["\t".join(("file", "campaign", "encoding", "rows", "taken", "known", "rejected", "about"))]
    for file in FILES:
        path = HERE / file.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content(file))
        counts = (file.good + file.known + len(file.spoilt), file.good, file.known, len(file.spoilt))
        encoding = "workbook" if ".xls" in file.name else file.encoding.replace("_", "-")
        lines.append("\t".join((file.name, file.tool.campaign, encoding, *map(str, counts), file.quirk)))
    (HERE / "expected.tsv").write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
