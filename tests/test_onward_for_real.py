"""
What a Postfix on this machine did with letters, end to end: the program, a Postfix, a server behind it that takes, defers and
refuses, the log that Postfix wrote, and what `mailer show` says of it.
"""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.installed import Place
from tests.servers.available import require, wait
from tests.servers.postfix import Postfix
from tests.servers.rules import Reply, Rule, StoreThenDrop
from tests.servers.spawned import SpawnedServer
from tests.test_bounced_for_real import states, submit

GONE, LATER, OFFICE, COPY = "gone@court.example", "later@court.example", "ministry@office.example", "copies@campaign.example"
FORGERY = "550 5.1.1 no, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4XYZ)"
CAMPAIGN = f"""\
approval: none
pace: none
sender: {{name: Sender, address: letters@campaign.example}}
copy_to: [{COPY}]
targets:
  court: {{name: Court, to: {GONE}}}
  clerk: {{name: Clerk, to: {LATER}}}
  office: {{name: Office, to: {OFFICE}}}
"""
SCRIPT = [
    Rule("rcpt", Reply(FORGERY), recipient=GONE),
    Rule("rcpt", Reply("451 4.7.1 greylisted for person.1@example.org (try later)"), recipient=LATER),
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[SpawnedServer, Postfix]]:
    require("postfix")
    with SpawnedServer(tmp_path / "far-side", SCRIPT) as far, Postfix(far) as postfix:
        yield far, postfix


def followed(root: Path, postfix: Postfix, port: int | None = None, more: str = "") -> Place:
    place = Place(root / "instance", CAMPAIGN)
    place.relay(port or postfix.port, f", log: {postfix.log_file}{more}")
    return place


def test_what_the_next_server_said_stands_in_show_and_the_letter_moves_only_if_it_came_back(tmp_path, world):
    _, postfix = world
    place = followed(tmp_path, postfix)
    place.drop(1)
    assert place.mailer("run").code == 0
    postfix.wait_until_deferred(1)
    said = place.mailer("inbox")
    assert said.code == 0 and "1 bounced, 1 deferred, " in said.out and "letters moved: 1 bounced" in said.out, said
    assert states(place) == {"clerk": {"accepted": 1}, "court": {"bounced": 1}, "office": {"accepted": 1}}
    court, clerk, office = (place.mailer("show", str(number)).out for number in (1, 2, 3))
    server = r"\(127\.0\.0\.1\[127\.0\.0\.1\]:\d+\)"
    at = r"at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert re.search(rf"{OFFICE}: handed on; office's server {server} said 250 2\.0\.0 taken as [\d.]+ {at}", office)
    assert re.search(rf"{LATER}: deferred; clerk's server {server} said 451 4\.7\.1 greylisted for … \(try later\) {at}", clerk)
    # What it says cannot make another line of the one in which it stands.
    assert re.search(rf"{GONE}: bounced; court's server {server} said {re.escape(FORGERY)} {at}", court)
    assert re.search(rf"{COPY}: handed on; ", court) and "state           bounced" in court
    (line,) = (one for one in place.mailer("log", "--json").lines if one["target"] == "office")
    assert {one["address"]: one["state"] for one in line["onward"]} == {OFFICE: "handed on", COPY: "handed on"}
    status = place.mailer("status")
    assert "by the relay's log, clerk: 1 deferred" in status.out
    assert place.mailer("status", "--json").json["campaigns"]["c"]["onward"]["court"] == {"bounced": 1}
    # Read once; nothing goes out for it; what is on record still agrees.
    assert "nothing new of a letter" in place.mailer("inbox").out
    assert place.mailer("verify").code == 0


def test_rotated_in_the_middle_by_its_own_command_nothing_is_missed(tmp_path, world):
    """`postfix logrotate` renames the log and has postlogd open a new one; a letter's lines stand in both."""
    _, postfix = world
    place = followed(tmp_path, postfix)
    place.drop(1)
    assert place.mailer("run").code == 0
    postfix.wait_until_deferred(1)
    assert place.mailer("inbox").code == 0
    postfix.rotate()
    place.drop(1, "more.csv", 2)
    assert place.mailer("run").code == 0
    postfix.wait_until_deferred(2)
    assert place.mailer("inbox").code == 0
    names = sorted(path.name for path in postfix.folder.glob("maillog*"))
    assert len(names) == 2, names
    told = place.mailer("status", "--json").json["campaigns"]["c"]["onward"]
    assert told == {"clerk": {"deferred": 2}, "court": {"bounced": 2}, "office": {"handed on": 2}}


def test_doubts_end_where_the_relay_s_log_names_the_letter_and_nowhere_else(tmp_path, world):
    """A server between us and Postfix takes every dot and says nothing: of each second letter it hands nothing on."""
    _, postfix = world
    with SpawnedServer(tmp_path / "between", [Rule("dot", StoreThenDrop())]) as between:
        place = followed(tmp_path, postfix, between.port, ", dot_timeout: 1")
        place.drop(2)
        for _ in range(8):
            place.mailer("run")
        taken = between.taken()
        assert place.letters("in_doubt") == len(taken) == 6
    handed_on = taken[::2]
    for one in taken[1::2]:
        cut(postfix.port, one.sender, one.recipients, one.data)
        assert wait(partial(is_named, postfix, one.message_id)), "it is in the log, and yet no proof"
    for one in handed_on:
        submit(postfix.port, one.sender, list(one.recipients), one.data)
    postfix.wait_until_deferred(sum(LATER in one.recipients for one in handed_on))
    assert place.mailer("inbox").code == 0
    lines = {line["message_id"]: line for line in place.mailer("log", "--json").lines}
    for one in taken:
        line = lines[one.message_id]
        if one not in handed_on:
            assert line["state"] == "in_doubt" and line["onward"] == []
        else:
            assert line["state"] == ("bounced" if GONE in one.recipients else "accepted")
            assert "in the relay's queue as" in place.mailer("show", str(line["letter"])).out
    assert place.mailer("verify").code == 0


def cut(port: int, sender: str, recipients: Sequence[str], data: bytes) -> None:
    """Hand a letter over but for its end, and hang up."""
    client = smtplib.SMTP("127.0.0.1", port)
    client.ehlo()
    client.mail(sender)
    for address in recipients:
        client.rcpt(address)
    assert client.docmd("DATA")[0] == 354
    client.send(data + b"and more of it\r\n" * 1_000)
    client.close()


def is_named(postfix: Postfix, message_id: str) -> bool:
    return f"message-id={message_id}" in postfix.log()
