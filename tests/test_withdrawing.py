"""
Whoever withdraws, by whatever way they say so, gets no letter more in their name; and what waits for a confirmation waits.

Through the command, with the files that organisers drop.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from tests.installed import Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path, "pace: none\n")


def waiting(place: Place) -> Place:
    """Three people have signed, and nothing is sent yet."""
    place.drop(3)
    assert place.mailer("run", "--intake-only").code == 0
    assert place.letters("queued") == 3
    return place


def beside(place: Place, name: str) -> list[dict[str, str]]:
    with (place.root / "var/queue/done" / name).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def by_command(place: Place) -> None:
    said = place.mailer("withdraw", "Person.2@example.org")
    assert said.code == 0 and "1 person withdrawn: 1 had signed." in said.out
    assert "history" in said.err and "person.2" not in (said.out + said.err).lower()


def by_a_list_on_the_command_line(place: Place) -> None:
    path = place.write("who.csv", "Email\nperson.2@example.org\nnot an address\nnobody@example.org\n")
    said = place.mailer("withdraw", path)
    assert said.code == 65 and "2 people withdrawn: 1 had signed." in said.out
    assert "1 row not understood: who stands there has NOT withdrawn." in said.out
    assert "line 3" in said.err and "history" not in said.err and "not an address" not in said.err


def by_a_list_that_is_dropped(place: Place) -> None:
    place.put("june.withdrawn.csv", "Email\nperson.2@example.org\nnobody@example.org\n")


def by_a_list_of_objects_that_is_dropped(place: Place) -> None:
    place.put("withdrawn.json", '[{"email": "person.2@example.org"}]')


def by_a_column(place: Place) -> None:
    rows = "Person 1,person.1@example.org,\nPerson 2,person.2@example.org,2011-09-30\nPerson 3,person.3@example.org,no\n"
    place.put("all.csv", f"name,email,withdrawn at\n{rows}")


WAYS = [by_command, by_a_list_on_the_command_line, by_a_list_that_is_dropped, by_a_list_of_objects_that_is_dropped, by_a_column]


@pytest.mark.parametrize("how", WAYS)
def test_what_waits_is_cancelled_and_they_are_left_out_for_ever(place, how):
    how(waiting(place))
    assert place.mailer("run").code == 0
    assert (place.letters("accepted"), place.letters("cancelled")) == (2, 1)
    place.drop(3, "again.csv")
    place.mailer("run")
    assert (place.letters("accepted"), place.letters("cancelled")) == (2, 1)
    for order in ("retry", "release"):
        said = place.mailer(order, "--campaign", "c", "--why", "they asked")
        assert "0 letters" in said.out and "withdrawn" in said.err
    (row,) = [row for row in beside(place, "again.known.csv") if row["email"] == "person.2@example.org"]
    assert row["reason"] == "this person has withdrawn: nothing is sent"
    assert place.mailer("verify").code == 0


LISTS = sorted((Path(__file__).with_name("data") / "withdrawals").iterdir())


@pytest.mark.parametrize("is_dropped", [True, False], ids=["dropped", "given"])
@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.name)
def test_a_list_is_read_as_mail_programs_write_addresses_and_what_is_not_understood_is_said_aloud(place, path, is_dropped):
    waiting(place)
    heard = path.name.startswith("understood")
    if is_dropped:
        place.put(f"june.withdrawn{path.suffix}", path.read_text("utf-8"))
        said = place.mailer("run")
        assert ("has NOT withdrawn" in said.err) is not heard
        assert (place.root / "var/queue/done/june.withdrawn.rejected.csv").exists() is not heard
        health = place.mailer("health")
        assert ("1 list of people who withdraw with rows" in health.out) is not heard and health.code == (0 if heard else 1)
    else:
        said = place.mailer("withdraw", place.write(f"who{path.suffix}", path.read_text("utf-8")))
        assert ("has NOT withdrawn" in said.out) is not heard
        assert "person." not in said.out + said.err
    assert said.code == (0 if heard else 65)
    assert place.letters("cancelled") == 2


def test_of_what_was_sent_already_the_organiser_is_told(place):
    place.drop(2)
    place.mailer("run")
    assert "1 letter sent before" in place.mailer("withdraw", "person.1@example.org").out
    place.put("late.withdrawn.csv", "email\nperson.2@example.org\n")
    place.mailer("run")
    assert [row["reason"] for row in beside(place, "late.withdrawn.known.csv")] == ["withdrawn; 1 letter sent before"]


def test_a_row_that_withdraws_in_whatever_words_is_heard_and_so_is_a_date_of_either_order(place):
    waiting(place)
    rows = (
        "Person 1,person.1@example.org,asked by phone\nPerson 2,person.2@example.org,03/04/2011\nNew,new@example.org,perhaps\n"
    )
    place.put("odd.csv", f"name,email,Unsubscribed at\n{rows}")
    assert "0 taken, 3 known, 0 rejected" in place.mailer("run").out
    assert (place.letters("accepted"), place.letters("cancelled")) == (1, 2)


def test_a_list_of_signatures_is_no_list_of_withdrawals_whatever_else_its_name_says(place):
    place.put("not-withdrawn.csv", "name,email\nJane,jane@example.org\n")
    assert "1 taken" in place.mailer("run").out


@pytest.mark.parametrize("words", [["withdraw", "no-such-file.csv"], ["withdraw", "jane doe@"], ["withdraw"]])
def test_what_is_neither_a_file_nor_an_address_does_nothing(place, words):
    said = waiting(place).mailer(*words)
    assert said.code == 64 and "jane" not in said.err
    assert place.letters("queued") == 3


def test_a_withdrawal_that_was_dropped_outlives_a_ledger_that_is_put_back(place):
    waiting(place)
    ledger = place.root / "var/ledger.db"
    copy = ledger.read_bytes()
    place.put("june.withdrawn.csv", "email\nperson.2@example.org\n")
    place.mailer("run", "--intake-only")
    (place.root / "var/journal.jsonl").unlink()  # as if it had been lost too: what lies in done/ tells
    ledger.write_bytes(copy)
    assert place.mailer("run").code == 69
    place.mailer("resume", "ledger", "--why", "put back")
    place.mailer("release", "--campaign", "c", "--why", "nothing had gone out")
    place.mailer("run")
    assert (place.letters("accepted"), place.letters("cancelled")) == (2, 1)


# -- confirmation


@pytest.fixture
def asking(tmp_path):
    return Place(tmp_path, "pace: none\nconfirmation: required\n")


def counts(place: Place) -> Any:
    return place.mailer("status", "--json").json["campaigns"]["c"]


def test_who_has_not_confirmed_waits_until_a_later_file_says_so(asking):
    rows = "Jane,jane@example.org,2011-09-30 10:00\nJohn,john@example.org,\nMay,may@example.org,no\nJim,jim@example.org,yes\n"
    asking.put("first.csv", f"name,email,CONFIRM_TIME\n{rows}")
    assert asking.mailer("run").code == 0
    assert (asking.letters("accepted"), asking.letters("held")) == (2, 2)
    assert counts(asking)["unconfirmed"] == 2
    told = asking.mailer("status")
    assert "2 not confirmed" in told.out and "confirmed_at" in told.err
    assert asking.mailer("health").code == 0
    asking.put("later.csv", "name,email,confirmed at\nJohn,john@example.org,2011-10-01\n")
    asking.mailer("run")
    assert (asking.letters("accepted"), asking.letters("held")) == (3, 1)
    assert counts(asking)["unconfirmed"] == 1
    assert asking.mailer("verify").code == 0


def test_a_campaign_that_asks_from_now_on_asks_those_too_who_wait_and_lets_them_go_when_it_asks_no_more(place):
    waiting(place)
    name = "config/campaigns/c.yaml"
    before = (place.root / name).read_text("utf-8")
    place.write(name, before + "confirmation: required\n")
    place.mailer("run")
    assert (place.letters("held"), place.letters("accepted")) == (3, 0)
    place.write(name, before)
    place.mailer("run")
    assert place.letters("accepted") == 3


def test_the_row_that_confirms_in_no_way_that_is_understood_is_a_reason(asking):
    asking.put("odd.csv", "name,email,confirmed at\nJane,jane@example.org,soon\n")
    assert "0 taken, 0 known, 1 rejected" in asking.mailer("run").out


def lines_of(place: Place, name: str) -> list[str]:
    """A file beside a file in `done/`: its rows, without the line of its headings."""
    return (place.root / "var/queue/done" / name).read_text("utf-8-sig").splitlines()[1:]


@pytest.fixture
def signed(asking: Place) -> Place:
    rows = "".join(f"{who},{who.lower()}@example.org,{kind}\n" for who, kind in [("Ann", ""), ("Bob", ""), ("Cid", "")])
    asking.put("first.csv", f"name,email,kind\n{rows}Bob,bob@example.org,organisation\n")
    asking.mailer("run")
    assert (asking.letters("accepted"), counts(asking)["unconfirmed"]) == (0, 4)
    return asking


def test_a_list_of_addresses_confirms_what_they_have_signed_and_brings_nobody(signed):
    """As tools export it: the address and when; each row is counted, and one that confirms nobody says why."""
    rows = "ANN@Example.org,2011-10-01\nbob@example.org,yes\ncid@example.org,\ndan@example.org,yes\n"
    signed.put("list.csv", f"Email Address,CONFIRM_TIME\n{rows}")
    said = signed.mailer("run")
    assert "4 rows, 0 taken, 2 known, 2 rejected" in said.out and "of those known 2 confirmed" in said.out
    assert signed.letters("accepted") == 3, "Bob has signed for himself and for an organisation"
    assert [line.split('","')[:2] for line in lines_of(signed, "list.rejected.csv")] == [
        ['"4', "nothing is confirmed by this row: its confirmed_at is empty or no"],
        ['"5', "nobody has signed with this address: drop the list of signatures first, then this row again"],
    ]
    assert counts(signed)["signatures"] == 4
    signed.put("list.csv", "Email Address,CONFIRM_TIME\nann@example.org,2011-10-01\n")
    assert "1 rows" not in (again := signed.mailer("run").out) and "0 taken, 1 known, 0 rejected" in again
    assert signed.letters("accepted") == 3
    assert signed.mailer("verify").code == 0


def test_every_row_confirms_of_a_list_whose_name_says_so(signed):
    signed.put("june.confirmed.csv", "E-Mail\nann@example.org\n<Bob <bob@example.org>\n")
    assert "0 taken, 1 known, 1 rejected" in signed.mailer("run").out
    assert signed.letters("accepted") == 1


def test_no_list_confirms_who_has_withdrawn(signed):
    signed.put("june.withdrawn.csv", "email\nann@example.org\nnobody@example.org\n")
    signed.mailer("run")
    signed.put("june.confirmed.csv", "email\nann@example.org\nnobody@example.org\n")
    said = signed.mailer("run").out
    assert "0 taken, 2 known, 0 rejected" in said and "of those known 2 left out" in said
    assert (signed.letters("accepted"), signed.letters("cancelled")) == (0, 1)
    assert all("has withdrawn: nothing is sent" in line for line in lines_of(signed, "june.confirmed.known.csv"))


def test_a_preview_says_what_a_list_of_confirmations_does(signed, tmp_path):
    (tmp_path / "list.csv").write_text("email,confirmed at\nann@example.org,yes\n", encoding="utf-8")
    said = signed.mailer("preview", "c", tmp_path / "list.csv").out
    assert "1 row: 0 good, 0 bad, 1 by which a signature is confirmed" in said
