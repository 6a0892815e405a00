"""
What a file's name says about how to read it.

    NAME.csv   NAME.windows-1251.csv   NAME.csv.gz   NAME.Responses.xlsx

The extension is the form; `.gz` behind it means packed. In front of it may stand an encoding (of a text), where the file itself
leaves doubt, or the name of a sheet (of a workbook). This is how somebody who can only rename a file answers a question.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from mailer.errors import UnreadableFile

_FORMS = {
    **dict.fromkeys(("csv", "tsv", "txt"), "csv"),
    "json": "json",
    **dict.fromkeys(("jsonl", "ndjson"), "jsonl"),
    **dict.fromkeys(("yaml", "yml"), "yaml"),
    **dict.fromkeys(("xlsx", "xlsm"), "xlsx"),
}
_READ = ".xlsx, .csv, .tsv, .txt, .json, .jsonl, .ndjson, .yaml and .yml, the texts also packed as .gz"
_TABLES = {
    **dict.fromkeys(("xls", "xlsb"), "workbooks in Excel's older formats are not read: open it and save it as .xlsx or .csv"),
    **dict.fromkeys(("ods", "fods"), "OpenDocument sheets are not read: open it in LibreOffice and save it as .xlsx or .csv"),
    "numbers": "documents of Numbers are not read: choose File, Export To, and Excel or CSV",
    **dict.fromkeys(("zip", "7z", "rar", "tar", "tgz", "bz2", "xz", "zst"), "archives are not read: unpack it, drop the files"),
}

# Encodings that signature files are really in, as Python calls them: of these one is found out, if it can be.
IN_USE = (
    *("cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1257", "koi8_r", "koi8_u", "kz1048", "cp866"),
    *("mac_roman", "iso8859_2"),
)
# All that a file may be in: a reading in one of those above has to be better than in any of these.
OLD = (
    *IN_USE,
    *("iso8859_1", "iso8859_5", "iso8859_7", "iso8859_9", "iso8859_13", "iso8859_15", "iso8859_16", "cp1258", "ptcp154"),
    *("cp437", "cp737", "cp775", "cp850", "cp852", "cp855", "cp857", "cp860", "cp861", "cp865"),
    *("mac_cyrillic", "mac_latin2", "mac_turkish", "mac_greek", "mac_iceland"),
)
_NAMED = frozenset(OLD) | {"utf_8", "utf_8_sig", "utf_16", "utf_16_le", "utf_16_be", "utf_32"}
_ENCODING = re.compile(r"(?:windows|cp|koi8|iso|utf|mac|latin|kz)[a-z0-9_-]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is read. `encoding` and `worksheet` are what its name says, or empty."""

    kind: str
    is_packed: bool = False
    encoding: str = ""
    worksheet: str = ""


def of(name: str) -> Form:
    """
    Read a file's name.

    >>> of("List.Windows-1251.CSV.gz")
    Form(kind='csv', is_packed=True, encoding='cp1251', worksheet='')
    >>> of("list.Responses.xlsx").worksheet, of("list.2011.csv").encoding
    ('Responses', '')

    Raises:
        UnreadableFile: files of this kind are not read; says what to do.
    """
    is_packed = name.casefold().endswith(".gz") and len(name) > 3
    whole = name[:-3] if is_packed else name
    stem, _, extension = whole.rpartition(".")
    kind = _FORMS.get(extension.casefold()) if stem else None
    if kind is None:
        raise _unread(extension[:20] if stem else "")
    middle = stem.rpartition(".")[2] if "." in stem else ""
    if kind == "xlsx":
        if is_packed:
            raise UnreadableFile("a workbook that is packed again (.gz) is not read: unpack it and drop the .xlsx itself")
        return Form(kind, worksheet=middle)
    return Form(kind, is_packed, _encoding(middle))


def spelt(encoding: str) -> str:
    """
    An encoding as people write it, which `of` understands.

    >>> spelt("cp1251"), spelt("koi8_r"), spelt("mac_roman")
    ('windows-1251', 'koi8-r', 'mac-roman')
    """
    return re.sub(r"^cp125", "windows-125", encoding).replace("_", "-").replace("iso8859", "iso-8859")


def _encoding(middle: str) -> str:
    """
    The encoding that a part of a name says; older releases wrote a number behind it, into `done/`.

    >>> _encoding("koi8-r-2"), _encoding("iso-8859-2"), _encoding("iso-8859-2-2"), _encoding("final-2")
    ('koi8_r', 'iso8859_2', 'iso8859_2', '')
    """
    return _known(middle) or _known(re.sub(r"-[0-9]+\Z", "", middle))


def _known(middle: str) -> str:
    if not _ENCODING.fullmatch(middle):
        return ""
    try:
        found = codecs.lookup(middle).name.replace("-", "_")
    except LookupError:
        return ""
    return found if found in _NAMED else ""


def _unread(extension: str) -> UnreadableFile:
    if told := _TABLES.get(extension.casefold()):
        return UnreadableFile(f"files of this kind (.{extension}) are not read: {told}")
    shown = f" (.{extension})" if extension else ""
    return UnreadableFile(
        f"files of this kind{shown} are not read: save the table as CSV (in Excel: «CSV UTF-8»); accepted are {_READ}"
    )
