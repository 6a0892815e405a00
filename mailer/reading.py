"""
A signature file as a stream of signatures and reasons.

    spool > sheets, columns  >  READING  >  intake, preview

Which column means which field, and whether a row is a signature: the same answer for whoever takes a file in and for whoever
only looks. Nothing is remembered here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import BinaryIO

from mailer import alphabet, columns, country, sheets, signature
from mailer.address import Address
from mailer.alphabet import Weight
from mailer.campaign import Campaign
from mailer.errors import BadRow, UnreadableFile
from mailer.sheets import Row, Sheet
from mailer.signature import Rules, Signature

# The columns without which a file is none: one of signatures, a list of those who withdraw.
_NEEDS = {False: ("name", "email"), True: ("email",)}


@dataclass(frozen=True, slots=True)
class Understood:
    """One row: the signature that it is, the address that withdraws by it, or the reason why it is neither."""

    row: Row
    signed: Signature | None = None
    reason: str = ""
    withdraws: Address | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """
    One file, opened for its rows. `mapping` names the column of each field; None where rows bring their own keys.

    `is_list`: all of its rows withdraw.
    """

    sheet: Sheet
    mapping: Mapping[str, str] | None
    campaign: Campaign
    today: date
    is_list: bool = False

    def rows(self) -> Iterator[Understood]:
        """Every row of the file that is not blank, in its order."""
        rules = Rules(self.today, self.campaign.consent_required, self.campaign.opens)
        match = columns.matcher(self.campaign.columns, _NEEDS[self.is_list])
        for row in self.sheet.rows:
            try:
                if row.problem:
                    raise BadRow(row.problem)
                mapping = self.mapping if self.mapping is not None else match(tuple(row.cells))
                fields = columns.fields(row.cells, mapping)
                if address := signature.withdraws(fields, rules, is_list=self.is_list):
                    yield Understood(row, withdraws=address)
                else:
                    yield Understood(row, signature.read(fields, rules))
            except (BadRow, UnreadableFile) as problem:
                yield Understood(row, reason=problem.reason)


def of(stream: BinaryIO, name: str, campaign: Campaign, today: date, *, is_list: bool = False) -> Reading:
    """
    Open a file for reading; it is chosen how by its name. `is_list`: whatever its name, all of its rows withdraw.

    Raises:
        UnreadableFile: nothing of it can be taken, or a column that every row needs is missing.
    """
    known = partial(columns.is_known, overrides=campaign.columns)
    sheet = sheets.read(stream, name, known=known, weigh=partial(_weigh, overrides=campaign.columns))
    is_list = is_list or withdraws(name)
    mapping = columns.match(sheet.header, campaign.columns, _NEEDS[is_list]) if sheet.header is not None else None
    return Reading(sheet, mapping, campaign, today, is_list)


def _weigh(table: list[list[str]], overrides: Mapping[str, str]) -> Weight:
    """Weigh a table's words against the languages of each row: those of its country, and the one that it names."""
    header, *rows = table
    places = {field: header.index(column) for field, column in columns.loosely(header, overrides).items()}
    total = sheets.by_words([header])
    for row in rows:
        said = {field: row[place] for field, place in places.items() if place < len(row)}
        spoken = country.languages(country.code(said.get("country", "")) or "") | {signature.language(said.get("language", ""))}
        for cell in row:
            total += alphabet.weigh(cell, spoken - {""})
    return total


def withdraws(name: str) -> bool:
    """
    Whether a file is a list of people who withdraw, as its name says.

    >>> [withdraws(name) for name in ("june.withdrawn.csv", "Withdrawn.CSV.gz", "june.withdrawn-2.csv", "not-withdrawn.csv")]
    [True, True, True, False]
    """
    return any(re.fullmatch(r"withdrawn(-\d+)?", part) for part in name.casefold().split(".")[:-1])
