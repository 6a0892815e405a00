"""
Workbooks as Excel writes them, made by hand: a zip of XML, so that a test says what is in it and nothing else is.

    workbook({"Responses": [["Name", "Email"], ["Jane Doe", "jane@example.org"]]})
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from xml.sax.saxutils import escape

_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>{}</Types>'
)
_SHEET_TYPE = (
    '<Override PartName="/xl/worksheets/sheet{}.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
)
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELS = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>'
    '<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="3"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/>'
    "</cellXfs></styleSheet>"
)
_EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001  Excel's days know no zone

Cell = str | int | float | bool | date | None


class Xml(str):
    """A cell as it stands in the sheet's XML, its `r` being filled in."""


def workbook(sheets: Mapping[str, Sequence[Sequence[Cell]]], hidden: Sequence[str] = ()) -> bytes:
    """A workbook of these sheets."""
    return zipped(parts({name: sheet_xml(rows) for name, rows in sheets.items()}, hidden))


def parts(sheets: Mapping[str, str], hidden: Sequence[str] = ()) -> dict[str, str]:
    """The parts of a workbook whose sheets are given as XML."""
    numbered = list(enumerate(sheets, 1))
    state = dict.fromkeys(hidden, 'state="hidden"')
    listed = "".join(f'<sheet name="{escape(s)}" sheetId="{n}" {state.get(s, "")} r:id="r{n}"/>' for n, s in numbered)
    links = "".join(
        f'<Relationship Id="r{n}" Type="{_RELATION}/worksheet" Target="worksheets/sheet{n}.xml"/>' for n, _ in numbered
    )
    return {
        "[Content_Types].xml": _TYPES.format("".join(_SHEET_TYPE.format(n) for n, _ in numbered)),
        "_rels/.rels": _RELS.format(f'<Relationship Id="r1" Type="{_RELATION}/officeDocument" Target="xl/workbook.xml"/>'),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATION}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": _RELS.format(
            links + f'<Relationship Id="s" Type="{_RELATION}/styles" Target="styles.xml"/>'
        ),
        "xl/styles.xml": _STYLES,
        **{f"xl/worksheets/sheet{n}.xml": sheets[name] for n, name in numbered},
    }


def sheet_xml(rows: Sequence[Sequence[Cell]], dimension: str = "") -> str:
    """One sheet; None is a cell that is not there."""
    body = "".join(
        f'<row r="{r}">' + "".join(_cell(f"{column(c)}{r}", cell) for c, cell in enumerate(row, 1)) + "</row>"
        for r, row in enumerate(rows, 1)
    )
    told = f'<dimension ref="{dimension}"/>' if dimension else ""
    return f'<worksheet xmlns="{_MAIN}">{told}<sheetData>{body}</sheetData></worksheet>'


def zipped(parts: Mapping[str, str | bytes]) -> bytes:
    """The parts as one file; of the same parts always the same."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2011, 9, 20, 12, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def column(number: int) -> str:
    """The letters of a column: 1 is A, 27 is AA."""
    letters = ""
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _cell(place: str, cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case Xml():
            return cell.replace("<c ", f'<c r="{place}" ', 1)
        case bool():
            return f'<c r="{place}" t="b"><v>{int(cell)}</v></c>'
        case datetime():
            return f'<c r="{place}" s="2"><v>{(cell - _EPOCH).total_seconds() / 86400}</v></c>'
        case date():
            return f'<c r="{place}" s="1"><v>{(datetime(cell.year, cell.month, cell.day) - _EPOCH).days}</v></c>'  # noqa: DTZ001
        case int() | float():
            return f'<c r="{place}"><v>{cell!r}</v></c>'
        case _:
            return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'
