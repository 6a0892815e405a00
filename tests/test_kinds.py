"""
A target whose kind changes while letters to it wait: what nobody has follows it, and what somebody may have does not.

Each signature has one letter to it in the end, by e-mail or by hand, and never both.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.installed import Place

PHONE = '{kind: phone, name: Head, phone: "+7 7172 745524"}'
POST = '{kind: post, name: Head, form_of_address: Dear Sir, postal_address: "Street 1"}'
OFFICE = "{name: Head, form_of_address: Dear Sir, to: head@court.example}"
EMBASSY = "{kind: embassy, name: Head, form_of_address: Dear Sir, directory: embassies.yaml}"
KINDS = {"phone": PHONE, "post": POST, "office": OFFICE, "embassy": EMBASSY}
PRINTED = "printed before its target changed"
OTHERWISE = "target is reached otherwise now"


def of(kind: str, more: str = "") -> str:
    return f"approval: none\nconsent: assumed\npace: none\n{more}targets: {{head: {KINDS[kind]}}}\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "instance")
    place.campaign(of("post"))
    place.write("config/embassies.yaml", "- {country: IE, city: Dublin, email: d@m.example, checked_on: 2011-09-19}\n")
    place.drop(2)
    return place


def states(place: Place) -> dict[str, int]:
    counts: dict[str, int] = place.mailer("status", "--json").json["campaigns"]["c"]["letters"]
    return counts


def reasons(place: Place) -> set[str]:
    return {line["reason"] for line in place.mailer("log", "--json").lines}


def gone(place: Place) -> int:
    """How many letters have gone out by e-mail."""
    return place.sandboxed() if (place.root / "var/sandbox/new").exists() else 0


def printed(place: Place, name: str = "page.html") -> None:
    said = place.mailer("print", "c", "--out", name)
    assert said.code == 0 and (place.root / name).exists(), said


@pytest.mark.parametrize("before", ["phone", "post"])
@pytest.mark.parametrize("after", ["office", "embassy"])
def test_what_is_by_hand_goes_by_mail_once_its_target_has_an_address(place, before, after):
    place.campaign(of(before))
    assert place.mailer("run").code == 0 and states(place) == {"by_hand": 2}
    place.campaign(of(after))
    place.drop(1, "late.csv", first=9)
    said = place.mailer("run")
    assert said.code == 0 and "Letters: 3 accepted" in said.out
    assert states(place) == {"accepted": 3} and gone(place) == 3
    lines = place.mailer("log", "--json").lines
    assert {line["channel"] for line in lines} == {"email"}
    assert (place.mailer("verify").code, place.mailer("health").code) == (0, 0)
    assert place.mailer("run").code == 0 and gone(place) == 3


@pytest.mark.parametrize("before", ["office", "embassy"])
@pytest.mark.parametrize("after", ["phone", "post"])
def test_what_waits_to_go_by_mail_is_by_hand_once_its_target_has_no_address(place, before, after):
    place.campaign(of(before))
    assert place.mailer("run", "--intake-only").code == 0 and states(place) == {"queued": 2}
    place.campaign(of(after))
    assert place.mailer("run").code == 0 and states(place) == {"by_hand": 2} and gone(place) == 0
    assert {line["channel"] for line in place.mailer("log", "--json").lines} == {after}
    printed(place)
    assert place.mailer("done", "--printed", "page.html", "--why", "posted").out == "2 letters: done.\n"
    assert (place.mailer("verify").code, place.mailer("health").code) == (0, 0)
    place.campaign(of(before))
    assert place.mailer("run").code == 0 and states(place) == {"done": 2} and gone(place) == 0


def test_an_office_whose_letters_go_to_embassies_from_now_on_is_parted_by_countries_and_back(place):
    place.campaign(of("office"))
    place.put("more.csv", "name,email,country\nJane,jane@example.org,FR\n")
    place.mailer("run", "--intake-only")
    place.campaign(of("embassy"))
    assert place.mailer("run").code == 0
    assert states(place) == {"accepted": 2, "held": 1} and reasons(place) >= {"no route"}
    to = {line["recipients"][0]["address"] for line in place.mailer("log", "--state", "accepted", "--json").lines}
    assert to == {"d@m.example"}
    place.campaign(of("office"))
    assert place.mailer("run").code == 0 and states(place) == {"accepted": 3} and place.mailer("verify").code == 0


def test_a_call_becomes_a_letter_to_post_and_what_was_rung_from_paper_waits(place):
    place.campaign(of("phone"))
    place.mailer("run")
    place.campaign(of("post"))
    # Before a run has looked, nothing is known of the letters: they are no letters to post yet.
    assert place.mailer("print", "c", "--out", "early.html").out == "Nothing is to be done by hand.\n"
    place.mailer("run")
    assert {line["channel"] for line in place.mailer("log", "--json").lines} == {"post"}
    printed(place)
    place.campaign(of("phone"))
    assert place.mailer("run").code == 69 and states(place) == {"held": 2} and reasons(place) == {PRINTED}


def test_what_is_on_paper_goes_no_other_way_before_a_person_has_said_that_it_was_not_used(place):
    place.mailer("run")
    printed(place)
    place.campaign(of("office"))
    place.drop(1, "late.csv", first=9)
    said = place.mailer("run")
    assert "Letters: 1 accepted" in said.out and states(place) == {"held": 2, "accepted": 1}
    assert f"Waiting for you: c: 2 letters {PRINTED}, and perhaps done: if so, mailer done --campaign c" in said.err
    told = place.mailer("status")
    assert PRINTED in told.out and f"{PRINTED}: somebody may have used the paper" in told.err
    sick = place.mailer("health")
    assert sick.code == 1 and f"2 letters of c {PRINTED}, and perhaps done: if so, mailer done, else mailer release" in sick.out
    assert place.mailer("run").code == 69 and gone(place) == 1
    assert place.mailer("done", "1", "--why", "it was in the post").out == "1 letter: done.\n"
    said = place.mailer("release", "--campaign", "c", "--reason", PRINTED, "--why", "the page was never printed")
    assert said.out == "1 letter: by hand.\n" and "out with the next: mailer run" in said.err
    assert place.mailer("run").code == 0 and states(place) == {"done": 1, "accepted": 2} and gone(place) == 2
    assert (place.mailer("verify").code, place.mailer("health").code) == (0, 0)


def test_what_is_on_paper_is_by_hand_again_where_its_target_is_as_it_was(place):
    place.mailer("run")
    printed(place)
    before = place.mailer("log", "--json").lines
    place.campaign(of("office"))
    place.mailer("run")
    assert states(place) == {"held": 2}
    place.campaign(of("post"))
    assert place.mailer("run").code == 0
    assert place.mailer("log", "--json").lines == before
    place.campaign(of("office"))
    place.mailer("run")
    assert reasons(place) == {PRINTED} and gone(place) == 0


def test_a_closing_in_between_hides_nothing_of_what_is_on_paper(place):
    place.mailer("run")
    printed(place)
    place.mailer("target", "close", "c", "head", "--why", "closed")
    place.mailer("run")
    place.campaign(of("office"))
    place.mailer("run")
    assert reasons(place) == {"target closed"}
    place.mailer("target", "open", "c", "head", "--why", "open")
    place.mailer("run")
    assert reasons(place) == {PRINTED} and gone(place) == 0
    # Nor does a closing behind it: else whoever releases these would not say that the paper was not used.
    place.mailer("target", "close", "c", "head", "--why", "closed again")
    place.mailer("run")
    assert reasons(place) == {PRINTED}


def test_a_page_that_nobody_could_read_is_no_paper(place):
    place.mailer("run")
    place.write("page.html", "mine")
    assert place.mailer("print", "c", "--out", "page.html").code == 64
    assert place.mailer("print", "c", "--specimen", "--out", "specimen.html").code == 0
    place.campaign(of("office"))
    assert place.mailer("run").code == 0 and states(place) == {"accepted": 2}


def test_what_a_person_holds_or_cancelled_follows_when_they_let_it_go(place):
    place.campaign(of("office"))
    place.mailer("run", "--intake-only")
    place.mailer("hold", "1", "--why", "let me look")
    place.mailer("cancel", "2", "--why", "no")
    place.campaign(of("phone"))
    assert place.mailer("run").code == 0 and states(place) == {"held": 1, "cancelled": 1}
    assert place.mailer("release", "1", "--why", "looked").out == "1 letter: queued.\n"
    place.mailer("retry", "2", "--why", "yes")
    place.mailer("run")
    assert states(place) == {"by_hand": 2}
    assert place.mailer("cancel", "2", "--why", "no").out == "1 letter: cancelled.\n"
    said = place.mailer("retry", "2", "--why", "yes")
    assert said.out == "1 letter: by hand.\n" and states(place) == {"by_hand": 2}
    assert place.mailer("verify").code == 0


def test_who_has_not_confirmed_waits_for_that_by_mail_too(place):
    place.campaign(of("phone", "confirmation: required\n"))
    place.mailer("run")
    assert states(place) == {"by_hand": 2}
    place.campaign(of("office", "confirmation: required\n"))
    place.mailer("run")
    assert states(place) == {"held": 2} and reasons(place) == {"signature not confirmed"} and gone(place) == 0
    place.put("x.confirmed.csv", "email\nperson.1@example.org\n")
    place.mailer("run")
    assert states(place) == {"held": 1, "accepted": 1}


def test_a_change_of_kind_is_approved_first_as_every_change(place):
    main = (place.root / "config/mailer.yaml").read_text()
    place.campaign(of("post").replace("approval: none", "approval: required"))
    place.write("config/mailer.yaml", f"relay: {{mode: smtp, host: 127.0.0.1, port: 9, tls: none}}\nrun_for: 1\n{main}")
    place.mailer("run")
    assert place.mailer("approve", "c").code == 0
    place.campaign(of("office").replace("approval: none", "approval: required"))
    place.mailer("run")
    assert states(place) == {"held": 2} and reasons(place) == {"approval"}
    place.campaign(of("post").replace("approval: none", "approval: required"))
    place.mailer("run")
    assert states(place) == {"by_hand": 2}
    place.campaign(of("office").replace("approval: none", "approval: required"))
    assert place.mailer("approve", "c").code == 0
    assert place.mailer("run").code == 75  # nobody listens there, but they go
    assert states(place) == {"queued": 2}


def test_letters_by_hand_to_a_target_that_is_gone_are_told_and_come_back_with_it(place):
    place.mailer("run")
    before = place.mailer("log", "--json").lines
    place.campaign(of("office").replace("head:", "other:"))
    place.mailer("run")
    assert "2 letters of c held, it or a target is not configured any more" in place.mailer("health").out
    place.campaign(of("post"))
    place.mailer("run")
    assert place.mailer("log", "--target", "head", "--json").lines == before


def test_each_step_stands_in_the_journal(place):
    place.mailer("run")
    place.campaign(of("office"))
    place.mailer("run")
    lines = [json.loads(line) for line in (place.root / "var/journal.jsonl").read_text("utf-8").splitlines()]
    moves = [(line["from"], line["to"], line.get("why")) for line in lines if line["event"] == "letter" and line["letter"] == 1]
    assert moves == [("by_hand", "held", OTHERWISE), ("held", "queued", None), ("sending", "accepted", None)]
