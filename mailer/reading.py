"""
A signature file as a stream of signatures and reasons.

    spool > sheets, columns  >  READING  >  intake, preview

Which column means which field, and whether a row is a signature: the same answer for whoever takes a file in and for whoever
only looks. Nothing is remembered here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache, partial
from itertools import chain, islice
from typing import BinaryIO

from mailer import address, answers, columns, country, moment, sheets, signature
from mailer.address import Address
from mailer.campaign import Campaign
from mailer.errors import BadRow, UnreadableFile
from mailer.moment import Order
from mailer.sheets import Row, Sheet
from mailer.signature import Rules, Signature

# The columns without which a file is none: one of signatures, a list of people who withdraw or confirm.
_NEEDS = {False: ("name", "email"), True: ("email",)}
_PEEKED = 100  # rows that are looked at for the way in which a file writes its dates


@dataclass(frozen=True, slots=True)
class Understood:
    """
    One row: the signature that it is, the address that withdraws or is confirmed by it, or the reason why it is none of this.
    `warning` is what a person should look at.
    """

    row: Row
    signed: Signature | None = None
    reason: str = ""
    withdraws: Address | None = None
    confirms: Address | None = None
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One file, opened for its rows. `mapping` names the column of each field; None where rows bring their own keys.

    `is_list`: all of its rows withdraw; `confirms`: they confirm signatures that came before, and bring none.
    """

    sheet: Sheet
    mapping: Mapping[str, str] | None
    campaign: Campaign
    today: date
    is_list: bool = False
    confirms: bool = False
    order: Order = Order.UNKNOWN  # of day and month in its dates

    def understood(self, row: Row | None) -> dict[str, str]:
        """What each column is taken for, in its order: a field or "". Where rows bring their own keys, those of one row."""
        header = self.sheet.header if self.sheet.header is not None else tuple(row.cells) if row else ()
        mapping = self.mapping if self.mapping is not None else columns.loosely(header, self.campaign.columns)
        fields = {column: field for field, column in mapping.items()}
        return {column: fields.get(column, "") for column in header if column}

    def rows(self) -> Iterator[Understood]:
        """Every row of the file that is not blank, in its order."""
        rules = Rules(self.today, self.campaign.consent_required, self.campaign.opens, self.campaign.addresses)
        match = columns.matcher(self.campaign.columns, _NEEDS[self.is_list or self.confirms])
        for row in self.sheet.rows:
            try:
                if row.problem:
                    raise BadRow(row.problem)
                mapping = self.mapping if self.mapping is not None else match(tuple(row.cells))
                fields = columns.fields(row.cells, mapping)
                if withdrawn := signature.withdraws(fields, is_list=self.is_list):
                    yield Understood(row, withdraws=withdrawn)
                elif self.confirms:
                    yield Understood(row, confirms=signature.confirms(fields, rules, self.order))
                else:
                    signed = signature.read(fields, rules, self.order)
                    yield Understood(row, signed, warning=_warning(signed))
            except (BadRow, UnreadableFile) as problem:
                yield Understood(row, reason=problem.reason)


def _warning(signed: Signature) -> str:
    meant = address.doubt(signed.email)
    return (
        f"the e-mail address «{signed.email}» looks mistyped, for «{meant}»; its letters go out all the same" if meant else ""
    )


def of(stream: BinaryIO, name: str, campaign: Campaign, today: date, *, is_list: bool = False) -> Reading:
    """
    Open a file for reading; it is chosen how by its name. `is_list`: whatever its name, all of its rows withdraw.

    A file whose dates could be read in two ways is read once more, for the order of its column.

    Raises:
        UnreadableFile: nothing of it can be taken, or a column that every row needs is missing.
    """
    known = partial(columns.is_known, overrides=campaign.columns)
    opened = partial(sheets.read, stream, name, known=known, spoken=partial(_spoken, overrides=campaign.columns))
    sheet, order = opened(), Order.UNKNOWN
    is_list = is_list or withdraws(name)
    confirms = not is_list and (_says(name, "confirmed") or _only_confirms(sheet.header, campaign))
    needs = [*_NEEDS[is_list or confirms], *(["consent"] if campaign.consent_required and not (is_list or confirms) else [])]
    mapping = columns.match(sheet.header, campaign.columns, needs) if sheet.header is not None else None
    first = list(islice(sheet.rows, _PEEKED))
    if any(map(moment.is_slashed, _dates(first, campaign, mapping))):
        order = moment.order(_dates(chain(first, sheet.rows), campaign, mapping))
        sheet = opened()
    else:
        sheet = replace(sheet, rows=chain(first, sheet.rows))
    return Reading(sheet, mapping, campaign, today, is_list, confirms, order)


def _dates(rows: Iterable[Row], campaign: Campaign, mapping: Mapping[str, str] | None) -> Iterator[str]:
    """The text of each row's date, as it stands in the file."""
    if mapping is not None and "signed_at" not in mapping:
        return
    column = lru_cache(maxsize=256)(lambda header: columns.loosely(header, campaign.columns).get("signed_at", ""))
    for row in rows:
        yield row.cells.get(mapping["signed_at"] if mapping is not None else column(tuple(row.cells)), "")


def _spoken(table: list[list[str]], overrides: Mapping[str, str]) -> list[frozenset[str]]:
    """The languages of each row behind a table's header: those of its country, and the one that it names."""
    header, *rows = table
    places = {field: header.index(column) for field, column in columns.loosely(header, overrides).items()}
    found = []
    for row in rows:
        said = {field: row[place] for field, place in places.items() if place < len(row)}
        spoken = country.languages(country.code(said.get("country", "")) or "") | {answers.language(said.get("language", ""))}
        found.append(spoken - {""})
    return found


def withdraws(name: str) -> bool:
    """
    Whether a file is a list of people who withdraw, as its name says.

    >>> [withdraws(name) for name in ("june.withdrawn.csv", "Withdrawn.CSV.gz", "june.withdrawn-2.csv", "not-withdrawn.csv")]
    [True, True, True, False]
    """
    return _says(name, "withdrawn")


def _says(name: str, word: str) -> bool:
    """Whether a file's name says by one of its parts what its rows are."""
    return any(re.fullmatch(rf"{word}(-\d+)?", part) for part in name.casefold().split(".")[:-1])


def _only_confirms(header: tuple[str, ...] | None, campaign: Campaign) -> bool:
    """Whether a header tells who has confirmed, and of nobody who signs."""
    found = columns.loosely(header or (), campaign.columns)
    return {"email", "confirmed_at"} <= found.keys() and not found.keys() & {"name", "first_name", "last_name", "consent"}
