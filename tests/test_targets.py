"""
A target that a person closes and opens again, beside the configuration that may close it too; and what is done by hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.installed import Place

MINISTRY = "ministry: {name: Ministry, form_of_address: Dear all, to: head@ministry.example}"
COURT = "court: {name: Court, form_of_address: Dear Madam Chair, to: head@court.example}"
CALL = 'palace: {kind: phone, name: Palace, phone: "+7 7172 745524"}'
TARGETS = f"targets: {{{COURT}, {MINISTRY}, {CALL}}}\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path, f"approval: none\npace: none\n{TARGETS}")
    place.drop(3)
    return place


def journal(place: Place) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (place.root / "var/journal.jsonl").read_text("utf-8").splitlines()]


def by_target(place: Place, target: str) -> dict[str, int]:
    counts: dict[str, int] = place.mailer("status", "--json").json["campaigns"]["c"]["targets"][target]
    return counts


def test_what_waits_for_a_closed_target_is_held_and_goes_once_it_is_opened(place):
    assert place.mailer("run", "--intake-only").code == 0
    said = place.mailer("target", "close", "c", "court", "--why", "they asked for a list instead")
    assert (said.code, said.out) == (0, "court of c is closed.\n")
    assert "target open c court --why TEXT" in said.err
    assert place.mailer("run").code == 0
    assert (by_target(place, "court"), by_target(place, "ministry")) == ({"held": 3}, {"accepted": 3})
    told = place.mailer("status")
    assert "target closed" in told.out and "closed: court of c since " in told.err
    assert "(they asked for a list instead): mailer target open c court --why TEXT" in told.err
    assert place.mailer("health").code == 0
    assert place.mailer("target", "close", "c", "court", "--why", "again").out.endswith(
        "was closed already; nothing was changed.\n"
    )
    assert place.mailer("hold", "1", "--why", "let me look").out == "0 letters: held.\n"
    opened = place.mailer("target", "open", "c", "court", "--why", "they take letters again")
    assert opened.out == "court of c is open again.\n"
    assert place.mailer("run").code == 0
    assert by_target(place, "court") == {"accepted": 3}
    assert place.mailer("target", "open", "c", "court", "--why", "twice").out.startswith("It was not closed by a command")
    assert place.mailer("verify").code == 0
    lines = [line for line in journal(place) if line["event"] in {"closed", "opened"}]
    assert [(line["event"], line["target"], line["who"]) for line in lines] == [
        ("closed", "court", "person"),
        ("opened", "court", "person"),
    ]


def test_opening_lets_nothing_go_that_a_person_holds(place):
    place.mailer("run", "--intake-only")
    assert place.mailer("hold", "1", "--why", "let me look").out == "1 letter: held.\n"
    place.mailer("target", "close", "c", "court", "--why", "closed")
    place.mailer("run")
    place.mailer("target", "open", "c", "court", "--why", "open")
    place.mailer("run")
    assert by_target(place, "court") == {"held": 1, "accepted": 2}


def test_who_signs_for_a_closed_target_waits_too(place):
    place.mailer("target", "close", "c", "court", "--why", "closed")
    assert place.mailer("run").code == 0
    assert by_target(place, "court") == {"held": 3}


def test_a_fallback_that_is_closed_takes_no_letters_of_those_who_fall_back_on_it(tmp_path):
    embassy = "embassy: {kind: embassy, name: E, form_of_address: Sir, directory: embassies.yaml, fallback: ministry}"
    place = Place(tmp_path, f"approval: none\npace: none\ntargets: {{{embassy}, {MINISTRY}}}\n")
    place.drop(2)
    place.mailer("target", "close", "c", "ministry", "--why", "closed")
    place.mailer("run")
    assert (by_target(place, "embassy"), by_target(place, "ministry")) == ({"held": 2}, {"held": 2})


def test_a_target_that_the_configuration_closes_too_stays_closed_and_says_where(place):
    place.mailer("target", "close", "c", "court", "--why", "closed")
    path = place.root / "config/campaigns/c.yaml"
    path.write_text(path.read_text("utf-8").replace("to: head@court.example", "to: head@court.example, closed: moved"), "utf-8")
    said = place.mailer("target", "open", "c", "court", "--why", "open")
    assert "The configuration closes it too (moved): take `closed` out of config/campaigns/c.yaml." in said.err
    place.mailer("run")
    assert by_target(place, "court") == {"held": 3}


def test_what_there_is_not_cannot_be_closed(place):
    said = place.mailer("target", "close", "c", "cuort", "--why", "x")
    assert (said.code, said.err) == (64, "mailer: c has no target «cuort»; its targets are: court, ministry, palace\n")


def test_what_people_carry_is_closed_and_opened_as_mail_is(place):
    place.mailer("run")
    before = place.mailer("log", "--target", "palace", "--json").lines
    said = place.mailer("target", "close", "c", "palace", "--why", "the line is dead")
    assert (said.code, said.out) == (0, "palace of c is closed.\n") and "none is printed" in said.err
    assert "closed: palace of c since " in place.mailer("status").err
    said = place.mailer("print", "c", "--out", "page.html")  # at once, before any run
    assert said.code == 0 and "Left out, for it is closed: palace of c since " in said.out
    assert "(the line is dead): mailer target open c palace --why TEXT" in said.out
    assert not (place.root / "page.html").exists()
    place.drop(1, "late.csv", first=9)
    assert place.mailer("run").code == 0
    assert by_target(place, "palace") == {"held": 4}
    told = place.mailer("status")
    assert "target closed" in told.out and "closed: palace of c since " in told.err and place.mailer("health").code == 0
    said = place.mailer("target", "open", "c", "palace", "--why", "it rings again")
    assert said.out == "palace of c is open again.\n" and "by hand again behind the next: mailer run" in said.err
    said = place.mailer("print", "c", "--out", "page.html")
    assert "palace: 4 letters held, see mailer log --campaign c --target palace --state held" in said.err
    place.mailer("run")
    assert place.mailer("log", "--target", "palace", "--json").lines[:3] == before
    assert by_target(place, "palace") == {"by_hand": 4} and place.mailer("verify").code == 0


def test_what_people_carry_is_closed_by_the_configuration_too(tmp_path):
    shut = CALL.replace("name:", "closed: no calls, name:")
    place = Place(tmp_path, f"approval: none\npace: none\ntargets: {{{shut}, {COURT}}}\n")
    place.drop(2)
    place.mailer("run")
    assert by_target(place, "palace") == {"held": 2} and "target closed" in place.mailer("status").out
    said = place.mailer("print", "c", "palace", "--out", "page.html")
    assert "Left out, for it is closed: palace of c (no calls), by its configuration" in said.out
    assert place.mailer("print", "c", "--specimen", "--out", "specimen.html").code == 0
    place.campaign(f"consent: assumed\napproval: none\npace: none\ntargets: {{{CALL}, {COURT}}}\n")
    place.mailer("run")
    assert by_target(place, "palace") == {"by_hand": 2}


def test_what_was_printed_before_the_closing_can_be_marked_as_done(place):
    place.mailer("run")
    assert place.mailer("print", "c", "--out", "page.html").code == 0
    place.drop(1, "late.csv", first=9)
    place.mailer("target", "close", "c", "palace", "--why", "closed")
    place.mailer("run")
    assert place.mailer("done", "--printed", "page.html", "--why", "rung on Monday").out == "3 letters: done.\n"
    place.mailer("target", "open", "c", "palace", "--why", "open")
    place.mailer("run")
    assert by_target(place, "palace") == {"done": 3, "by_hand": 1} and place.mailer("verify").code == 0


def test_what_is_held_on_its_way_by_mail_is_not_done(place):
    place.mailer("run", "--intake-only")
    place.mailer("target", "close", "c", "court", "--why", "closed")
    place.mailer("run", "--intake-only")
    assert place.mailer("done", "--target", "court", "--why", "x").out == "0 letters: done.\n"
    assert by_target(place, "court") == {"held": 3}


def test_what_was_done_by_hand_is_marked_done_and_nothing_else_is(place):
    place.mailer("run")
    assert by_target(place, "palace") == {"by_hand": 3}
    number = place.mailer("log", "--target", "palace", "--json").lines[0]["letter"]
    assert place.mailer("done", str(number), "--why", "rung on Monday").out == "1 letter: done.\n"
    assert by_target(place, "palace") == {"by_hand": 2, "done": 1}
    assert place.mailer("done", "--campaign", "c", "--why", "all rung").out == "2 letters: done.\n"
    assert by_target(place, "palace") == {"done": 3}
    nothing = place.mailer("done", "--target", "court", "--why", "x")
    assert nothing.out == "0 letters: done.\n" and "by hand" in nothing.err
    assert place.mailer("cancel", str(number), "--why", "x").out == "0 letters: cancelled.\n"
    assert place.mailer("verify").code == 0
