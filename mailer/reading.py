"""
A signature file as a stream of signatures and reasons.

    spool > sheets, columns  >  READING  >  intake, preview

Which column means which field, and whether a row is a signature: the same answer for whoever takes a file in and for whoever
only looks. Nothing is remembered here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import BinaryIO

from mailer import alphabet, columns, country, sheets, signature
from mailer.alphabet import Weight
from mailer.campaign import Campaign
from mailer.errors import BadRow, UnreadableFile
from mailer.sheets import Row, Sheet
from mailer.signature import Rules, Signature


@dataclass(frozen=True, slots=True)
class Understood:
    """One row: the signature that it is, or the reason why it is none."""

    row: Row
    signed: Signature | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """One file, opened for its rows. `mapping` names the column of each field; None where rows bring their own keys."""

    sheet: Sheet
    mapping: Mapping[str, str] | None
    campaign: Campaign
    today: date

    def rows(self) -> Iterator[Understood]:
        """Every row of the file that is not blank, in its order."""
        rules = Rules(self.today, self.campaign.consent_required, self.campaign.opens)
        match = columns.matcher(self.campaign.columns)
        for row in self.sheet.rows:
            try:
                if row.problem:
                    raise BadRow(row.problem)
                mapping = self.mapping if self.mapping is not None else match(tuple(row.cells))
                yield Understood(row, signature.read(columns.fields(row.cells, mapping), rules))
            except (BadRow, UnreadableFile) as problem:
                yield Understood(row, reason=problem.reason)


def of(stream: BinaryIO, name: str, campaign: Campaign, today: date) -> Reading:
    """
    Open a file for reading; it is chosen how by its name.

    Raises:
        UnreadableFile: nothing of it can be taken, or a column that every row needs is missing.
    """
    known = partial(columns.is_known, overrides=campaign.columns)
    sheet = sheets.read(stream, name, known=known, weigh=partial(_weigh, overrides=campaign.columns))
    mapping = columns.match(sheet.header, campaign.columns) if sheet.header is not None else None
    return Reading(sheet, mapping, campaign, today)


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
