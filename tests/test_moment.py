"""Dates as people, forms and spreadsheets write them, and the two readings that are never chosen between."""

import io
import json
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer import moment, reading
from mailer.config import load
from mailer.moment import Ambiguous, Order, parse
from tests.installed import Place
from tests.workbooks import workbook

SAME_DAY = [
    "2011-09-20", "2011-09-20T00:00Z", "2011-09-20 00:00:00 UTC", "2011-09-20 02:00:00 +0200", "2011-09-19 20:00:00 -0400",
    "2011/09/20", "2011/9/20 12:00:00 AM GMT+0", "2011.09.20", "20.09.2011", "20.9.2011 0:00", "20.09.11", "20-09-2011",
    "20/09/2011", "20/09/2011 00:00:00", "9/20/2011", "09/20/2011 12:00 AM", "9/20/2011 0:00:00", "20 September 2011",
    "20 Sep 2011", "20-Sep-2011", "20 sep 2011", "20th September 2011", "September 20, 2011", "Sep 20, 2011, 12:00 am",
    "September 20th, 2011 12:00 AM", "Tuesday, September 20, 2011", "Tue, 20 Sep 2011 00:00:00 +0000",
    "Tuesday, 20 September 2011",
    "20 сентября 2011", "20 сентября 2011 г.", "20 сен 2011 г., 00:00", "20. September 2011",
    "20. September 2011 um 00:00 Uhr", "20 septembre 2011", "20 septembre 2011 à 00h00", "20 de septiembre de 2011",
    "20 қыркүйек 2011 ж.", "September 20, 2011 at 12:00 am", "  20.09.2011  ", "September 19, 2011 8:00 PM EDT",
]  # fmt: skip


@pytest.mark.parametrize("text", SAME_DAY)
def test_one_moment_in_all_its_forms(text):
    assert parse(text).isoformat() == "2011-09-20T00:00:00+00:00"


@pytest.mark.parametrize("text", ["03/04/2011", "3/4/11", "03-04-2011 10:00", "12/11/2011 8:05 PM"])
def test_two_readings_are_not_chosen_between(text):
    with pytest.raises(Ambiguous):
        parse(text)
    assert parse(text, Order.DAY_FIRST) != parse(text, Order.MONTH_FIRST)


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "31.02.2011", "2011", "1316505600", "40806", "20.13.2011", "2011-09-20 25:00", "0/0/2011", "13/13/2011",
     "20 Brumaire 2011", "9/20/2011 13:00 PM", "2011-09-20 10:05 GMT+99", "99/99/99", "20/9", "20110920", "tue, 99 sep 2011"],
)  # fmt: skip
def test_what_is_no_date_is_none(text):
    with pytest.raises(ValueError):
        parse(text)


def test_every_month_is_known_by_its_names():
    assert all(len(row.split()) == len(set(row.split())) for row in moment._MONTHS)
    assert sorted(set(moment._months().values())) == list(range(1, 13))
    assert len(moment._months()) == sum(len(row.split()) for row in moment._MONTHS), "no name stands for two months"


@given(st.text(max_size=40) | st.from_regex(r"\d{1,4}[/. -]\d{1,2}[/. -]\d{1,4}( \d{1,2}:\d\d( [ap]m)?( GMT[+-]\d{1,2})?)?"))
def test_any_text_is_a_moment_or_a_value_error(text):
    for order in Order:
        try:
            found = parse(text, order)
        except ValueError:
            continue
        assert found.tzname() == "UTC"


@given(
    st.dates(min_value=date(2000, 1, 1), max_value=date(2099, 12, 31)), st.sampled_from([Order.DAY_FIRST, Order.MONTH_FIRST])
)
def test_in_a_column_of_one_order_a_date_is_read_as_it_was_written(day, order):
    written = day.strftime("%d/%m/%Y" if order is Order.DAY_FIRST else "%m/%d/%Y")
    assert parse(written, order).date() == day


# In a file


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("instance"), "pace: none\n")
    return load(place.root / "config/mailer.yaml", {}).campaigns["c"]


def dates(campaign, *written: str, form: str = "csv") -> list[str]:
    rows = [["Name", "Email", "Date"], *([f"Jane {n}", f"j{n}@example.org", text] for n, text in enumerate(written))]
    if form == "xlsx":
        content = workbook({"S": rows})
    elif form == "jsonl":
        content = "".join(json.dumps(dict(zip(rows[0], row, strict=True))) + "\n" for row in rows[1:]).encode()
    else:
        content = "".join(";".join(row) + "\n" for row in rows).encode()
    found = reading.of(io.BytesIO(content), f"x.{form}", campaign, date(2012, 1, 1)).rows()
    return [one.signed.signed_at[:10] if one.signed else one.reason for one in found]


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
def test_the_other_dates_of_a_column_decide(campaign, form):
    assert dates(campaign, "03/04/2011", "25/04/2011", form=form) == ["2011-04-03", "2011-04-25"]
    assert dates(campaign, "03/04/2011", "04/25/2011 10:00", form=form) == ["2011-03-04", "2011-04-25"]


def test_the_one_that_decides_may_stand_far_down(campaign):
    assert dates(campaign, *["03/04/2011"] * 700, "13/04/2011")[:2] == ["2011-04-03", "2011-04-03"]


def test_nothing_that_decides_and_two_that_disagree_are_refused_row_by_row(campaign):
    told = "can be read in two ways, and no other date of the column says which"
    assert told in dates(campaign, "03/04/2011", "2011-04-25")[0]
    first, second, third = dates(campaign, "03/04/2011", "25/04/2011", "04/25/2011")
    assert told in first
    assert (second, third) == ("2011-04-25", "2011-04-25")


def test_rows_keep_their_lines_when_a_file_is_read_once_more(campaign):
    content = b"Name;Email;Date\nJane;j@example.org;03/04/2011\n\n;x@example.org;25/04/2011\n"
    found = list(reading.of(io.BytesIO(content), "x.csv", campaign, date(2012, 1, 1)).rows())
    assert [(one.row.line, one.reason) for one in found] == [(2, ""), (4, "the name is missing")]


def test_excels_own_dates_need_no_order(campaign):
    content = workbook(
        {"S": [["Name", "Email", "Date"], ["Jane", "j@example.org", datetime.fromisoformat("2011-04-03T10:05")]]}
    )
    (row,) = reading.of(io.BytesIO(content), "x.xlsx", campaign, date(2012, 1, 1)).rows()
    assert row.signed is not None
    assert row.signed.signed_at == "2011-04-03T10:05:00Z"
