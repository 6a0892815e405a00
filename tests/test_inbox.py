"""
Evidence from behind acceptance: what came in finds its letter, changes what is shown, and does nothing else.

Letters go to a server of our own first; what comes in is made of what it took.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mailer import inbound, inbox, notices, rules
from mailer.delivery import ORDERS
from mailer.inbox import AT_ODDS, BELIEVED_FOR, FORGED, GONE, NOTHING, UNKNOWN, UNPROVED, Inbox, key_of
from mailer.ledger import Mailbox, Selection
from mailer.mailboxes import Local, Mail, Maildir
from mailer.seal import Seal
from tests.mails import answer, bounce, headers_of, verdicts
from tests.offices import NOON, RETRY, Scene, at_work, drop, instance
from tests.relays import CC, COPY, TO, impatient, settings_for
from tests.servers.offers import Offers
from tests.servers.record import Taken
from tests.servers.scripted import Rule, ScriptedServer, StoreThenHang

DAY = 86_400
RETURNED = "sender: {name: Sender, address: letters@campaign.example, bounce_address: 'bounces+{token}@campaign.example'}\n"
BARE = "approval: none\nconsent: assumed\npace: none\n"
COURT = f"targets: {{court: {{name: Court, to: {TO}, timezone: UTC}}}}\n"


async def sent(scene: Scene, server: ScriptedServer, **settings: Any) -> list[Taken]:
    await scene.take_in()
    await scene.send(settings_for(server, **settings))
    return list(server.taken)


def reader(scene: Scene, *folders: Path) -> Inbox:
    return Inbox(scene.ledger, scene.office.desks, [Maildir(Local(folder)) for folder in folders], scene.time.clock)


async def came(scene: Scene, *mails: bytes) -> inbox.Harvest:
    """These mails came in, each as a file of a mailbox of its own."""
    found = inbox.Harvest()
    for raw in mails:
        found += await reader(scene).take(Mail(key_of(raw), raw), Mailbox("files"))
    return found


@asynccontextmanager
async def with_a_receipt(root: Path) -> AsyncIterator[tuple[Scene, Taken, Taken]]:
    """A letter and the receipt about it, both at the far side."""
    here = instance(root, BARE + RETURNED + "receipt: all\n" + COURT)
    here.write("templates/c/en/receipt.txt.j2", "Subject: Told\n\nTold.\n")
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await sent(scene, server)
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await scene.send(settings_for(server))
        letter, receipt = server.taken
        yield scene, letter, receipt


# -- reports


@pytest.mark.parametrize("name", verdicts())
async def test_each_server_s_report_finds_its_letter_and_says_why(tmp_path, name):
    kind, status, reason = verdicts()[name]
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer() as server:
        letter, other = await sent(scene, server)
        found = await came(scene, bounce(name, letter))
        (piece,) = scene.ledger.evidence(1)
        assert (found.kinds, piece.kind, piece.status) == ({kind: 1}, kind, status)
        if kind == "bounced":
            assert (scene.one(1).state, scene.one(1).reason) == ("bounced", reason)
            assert scene.one(1).recipients[0][2] == "bounced" and found.moved == {"bounced": 1}
        else:
            assert scene.one(1).state == "accepted" and not found.moved
        assert scene.one(2).state == "accepted" and not list(scene.ledger.disagreements())
        scene.assert_sound()
        # The same again, as mail is sometimes: it counts once.
        await came(scene, bounce(name, letter))
        assert len(scene.ledger.evidence(1)) == 1
        assert other.sender != letter.sender


@pytest.mark.parametrize("name", verdicts())
async def test_without_a_return_address_of_ours_what_it_quotes_finds_the_letter(tmp_path, name):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        assert letter.sender == "letters@campaign.example"
        found = await came(scene, bounce(name, letter))
        assert found.kinds == {verdicts()[name][0]: 1}


async def test_of_several_recipients_each_has_its_own_and_a_copy_changes_nothing(tmp_path):
    second = "deputy@court.example"
    targets = f"copy_to: [{COPY}]\ntargets: {{court: {{name: Court, to: [{TO}, {second}], cc: [{CC}]}}}}\n"
    here = instance(tmp_path, BARE + RETURNED + targets)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        for address in (CC, COPY, TO):
            await came(scene, bounce("postfix", letter, **{"head@court.example": address}))
            assert scene.one().state == "accepted"
        states = {address: state for address, _, state, _ in scene.one().recipients}
        assert states == {TO: "bounced", second: "accepted", CC: "bounced", COPY: "bounced"}
        await came(scene, bounce("postfix", letter, **{"head@court.example": second.upper()}))
        assert scene.one().state == "bounced"
        assert (await scene.ledger.order(Selection(), ORDERS["retry"], "a new address", NOON, 0, 9)).moved == {"queued": 1}


async def test_a_bounce_of_a_letter_in_doubt_shows_that_the_relay_had_taken_it(tmp_path):
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang())]) as server:
        await scene.take_in()
        await scene.send(impatient(server))
        assert scene.one().state == "in_doubt"
        found = await came(scene, bounce("postfix", server.taken[0]))
        assert scene.one().state == "bounced" and found.moved == {"accepted": 1, "bounced": 1}
        moves = [json.loads(link.line) for link in scene.ledger.journal(0, 99)]
        assert [(line["from"], line["to"], line["who"]) for line in moves if line["event"] == "letter"][-2:] == [
            ("in_doubt", "accepted", "rule"),
            ("accepted", "bounced", "rule"),
        ]
        assert not list(scene.ledger.disagreements())


async def test_a_report_is_asked_for_where_the_relay_can(tmp_path):
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer(offers=Offers(extensions=("DSN",))) as server:
        (letter,) = await sent(scene, server)
        commands = [line for line in server.commands[1] if line.startswith(("MAIL", "RCPT"))]
        name = letter.message_id.strip("<>")
        assert commands[0].startswith(f"MAIL FROM:<{letter.sender}>") and commands[0].endswith(f"RET=HDRS ENVID={name}")
        assert commands[1] == f"RCPT TO:<{TO}> NOTIFY=FAILURE,DELAY"
        assert server.violations == []


# -- copies


async def test_the_campaign_s_copy_ends_a_doubt_as_accepted(tmp_path):
    here = instance(tmp_path, BARE + f"copy_to: [{COPY}]\n" + COURT)
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang(), nth=1)]) as server:
        await scene.take_in()
        await scene.send(impatient(server))
        await scene.send(settings_for(server))
        assert scene.one(1).state == "in_doubt" and scene.one(2).state == "accepted"
        doubted, taken = server.taken
        found = await came(scene, taken.data, b"Received: from relay\r\n" + doubted.data)
        assert found.moved == {"accepted": 1} and found.kinds == {"copy": 2}
        assert {state for _, _, state, _ in scene.one(1).recipients} == {"accepted"}
        assert [piece.kind for piece in scene.ledger.evidence(1)] == ["copy"]
        assert not list(scene.ledger.disagreements())


@pytest.mark.parametrize("change", ["another letter's", "none", "made up"])
async def test_a_copy_without_its_proof_ends_none(tmp_path, change):
    here = instance(tmp_path, BARE + f"copy_to: [{COPY}]\n" + COURT)
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang())]) as server:
        await scene.take_in()
        await scene.send(impatient(server))
        await scene.send(impatient(server))
        first, second = server.taken
        proof, other = (str(one.message["X-Letter-Evidence"]).encode() for one in (first, second))
        wire = {
            "another letter's": first.data.replace(proof, other),
            "none": first.data.replace(b"X-Letter-Evidence: " + proof + b"\r\n", b""),
            "made up": first.data.replace(proof, b"0" * 40),
        }[change]
        found = await came(scene, wire)
        assert scene.states() == {"in_doubt": 2} and not found.moved
        assert found.ignored == {NOTHING if change == "none" else UNPROVED: 1}


async def test_a_doubt_whose_copy_did_not_come_is_told_and_stays_one(tmp_path):
    here = instance(tmp_path, BARE + f"copy_to: [{COPY}]\n" + COURT)
    drop(here, 2)
    folder = maildir(tmp_path / "mail")
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang(), nth=1)]) as server:
        await scene.take_in()
        await scene.send(impatient(server), limit=1)
        scene.time.now += 3_600
        await scene.send(settings_for(server))
        laid(folder, server.taken[1].data)
        await reader(scene, folder).look()
        assert "probably" not in scene.one(1).reason
        scene.time.now = NOON + DAY + 1
        found = await reader(scene, folder).look()
        assert found.missing == 1 and scene.one(1).state == "in_doubt" and scene.one(1).reason == inbox.MISSING
        assert (await reader(scene, folder).look()).missing == 0
        # And should it come after all, it is believed.
        laid(folder, server.taken[0].data, "late")
        await reader(scene, folder).look()
        assert scene.one(1).state == "accepted"


# -- answers


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ((), "answer"),
        (("Auto-Submitted: no",), "answer"),
        (("Auto-Submitted: auto-replied",), "automatic answer"),
        (("X-Autoreply: yes",), "automatic answer"),
        (("Precedence: bulk",), "automatic answer"),
        (("Return-Path: <>",), "automatic answer"),
        (("X-Auto-Response-Suppress: All",), "automatic answer"),
    ],
)
async def test_answers_are_counted_and_nothing_of_them_is_kept(tmp_path, headers, kind):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        await came(scene, answer(letter, *headers))
        (piece,) = scene.ledger.evidence(1)
        assert (piece.kind, piece.address, piece.status, piece.said) == (kind, "", "", "")
        assert scene.ledger.answers() == {("c", "court", kind): (1, NOON)}
        assert scene.one().state == "accepted" and len(server.taken) == 1
        assert b"CANARY" not in scene.on_disk()


# -- what is not believed


async def test_a_report_with_two_kinds_of_line_ends_is_read_to_its_end(tmp_path):
    """A server's own lines end as it likes; only what is in front of the first empty line are headers."""
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        raw = bounce("postfix", letter)
        raw = raw.replace(b"This is the mail system", b"Sorry.\n" * 1_100 + b"This is the mail system") + b"\r\n\r\nend\r\n"
        assert (await came(scene, raw)).moved == {"bounced": 1}


async def test_a_forged_expired_or_foreign_return_address_is_counted_and_changes_nothing(tmp_path):
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer() as server:
        letter, other = await sent(scene, server)
        token = letter.sender.partition("+")[2].partition("@")[0]
        number, day, mac = token.split("-")
        foreign = Seal("c", b"x" * 32).token(1, int(day, 16))
        beyond = scene.office.desks["c"].seal.token(99, int(day, 16))
        forged = [
            f"2-{day}-{mac}",
            f"{number}-{int(day, 16) - 1:x}-{mac}",
            f"{number}-{day}-{mac[:-1]}{'b' if mac[-1] == 'a' else 'a'}",
        ]
        forged += [foreign, "zzzz-zzzz-zzzz", beyond]
        for one in forged:
            found = await came(scene, bounce("postfix", letter, RETURN=f"bounces+{one}@campaign.example"))
            assert (found.ignored, found.kinds) == ({FORGED: 1}, {}), one
        # Its own return address, and another letter quoted.
        found = await came(scene, bounce("postfix", letter, HEADERS=headers_of(other.data)))
        assert found.ignored == {AT_ODDS: 1}
        scene.time.now += (BELIEVED_FOR + 1) * DAY
        assert (await came(scene, bounce("postfix", letter))).ignored == {FORGED: 1}
        assert scene.states() == {"accepted": 2} and scene.ledger.ignored() == {FORGED: 7, AT_ODDS: 1}
        scene.time.now -= DAY
        assert (await came(scene, bounce("exchange", letter))).moved == {"bounced": 1}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", NOTHING),
        (b"Hello\r\n", NOTHING),
        (b"From: a@b.example\r\nSubject: x\r\n\r\nHello\r\n", NOTHING),
        (b"In-Reply-To: <99.0123456789abcdef0123@campaign.example>\r\n\r\nx", UNKNOWN),
        (b"In-Reply-To: <1.0123456789abcdef0123@campaign.example>\r\n\r\nx", UNKNOWN),
    ],
)
async def test_what_says_nothing_of_a_letter_of_ours_is_counted(tmp_path, raw, why):
    here = instance(tmp_path, BARE + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        await sent(scene, server)
        assert (await came(scene, raw)).ignored == {why: 1}
        assert scene.states() == {"accepted": 1}


async def test_nothing_that_comes_in_makes_a_letter_go_out(tmp_path):
    here = instance(tmp_path, BARE + RETURNED + f"copy_to: [{COPY}]\n" + COURT)
    drop(here, 3)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang(), nth=1)]) as server:
        await scene.take_in()
        await scene.send(impatient(server))
        await scene.send(settings_for(server))
        before = len(server.taken)
        for letter in list(server.taken):
            await came(scene, bounce("postfix", letter), letter.data, answer(letter), bounce("postfix-delayed", letter))
        await rules.redecide(scene.ledger, await scene.office.ruling(), RETRY, NOON)
        scene.time.now += 30 * DAY
        await scene.send(settings_for(server))
        assert len(server.taken) == before and scene.states() == {"bounced": 3}


async def test_what_a_server_quotes_of_a_signatory_is_not_kept(tmp_path):
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        raw = bounce("postfix", letter).replace(b"User unknown", b"Signer 1 <signer1@private.example> unknown")
        await came(scene, raw)
        (piece,) = scene.ledger.evidence(1)
        assert "igner" not in piece.said and "private" not in piece.said and "550 5.1.1" in piece.said
        assert scene.one().state == "bounced"


async def test_of_a_receipt_that_came_back_no_address_is_kept(tmp_path):
    async with with_a_receipt(tmp_path) as (scene, letter, receipt):
        await came(scene, bounce("postfix", receipt, RETURN=letter.sender.replace("+1-", "+2-")))
        raw = bounce("postfix", receipt, RETURN="postmaster@campaign.example")
        found = await came(scene, raw)
        assert found.kinds == {"bounced": 1}
        data = scene.on_disk()
        assert b"signer1" not in data.lower() and scene.one(1).state == "accepted"


# -- a target whose address is gone


async def test_three_letters_that_came_back_hold_the_target_until_a_person_believes_in_it(tmp_path):
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 3)
    async with at_work(here) as scene, ScriptedServer() as server:
        letters = await sent(scene, server)
        for letter in letters[:2]:
            await came(scene, bounce("postfix", letter))
        drop(here, 1, first=4)
        await scene.take_in()
        assert (await scene.office.ruling()).bounced == frozenset()
        await came(scene, bounce("exim", letters[2]))
        await rules.redecide(scene.ledger, await scene.office.ruling(), RETRY, NOON)
        assert scene.states() == {"bounced": 3, "held": 1} and scene.one(4).reason == "address refused"
        scene.time.now += 60
        now = int(scene.time.now)
        await scene.ledger.order(Selection(letter=4), ORDERS["release"], "it is right", now, 0, 9)
        await rules.redecide(scene.ledger, await scene.office.ruling(), RETRY, now)
        assert scene.one(4).state == "queued"


@pytest.mark.parametrize("name", ["sendmail", "office365", "ses"])
async def test_a_full_mailbox_and_a_policy_are_no_address_that_is_gone(tmp_path, name):
    assert verdicts()[name][1] not in GONE
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 4)
    async with at_work(here) as scene, ScriptedServer() as server:
        for letter in await sent(scene, server):
            await came(scene, bounce(name, letter))
        assert (await scene.office.ruling()).bounced == frozenset()


# -- mailboxes


def maildir(folder: Path) -> Path:
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    return folder


def laid(folder: Path, raw: bytes, name: str = "1.M1.host") -> Path:
    path = folder / "new" / name
    path.write_bytes(raw)
    return path


async def test_each_mail_of_a_maildir_is_read_once_wherever_it_goes_and_is_left_as_it_is(tmp_path):
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 2)
    folder = maildir(tmp_path / "mail")
    async with at_work(here) as scene, ScriptedServer() as server:
        letters = await sent(scene, server)
        path = laid(folder, bounce("postfix", letters[0]))
        before = (path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir(folder / "new")))
        assert (await reader(scene, folder).look()).mails == 1
        assert (path.read_bytes(), path.stat().st_mtime_ns, sorted(os.listdir(folder / "new"))) == before
        path.rename(folder / "cur" / f"{path.name}:2,S")
        laid(folder, bounce("qmail", letters[1]), "2.M2.host")
        found = await reader(scene, folder).look()
        assert (found.mails, found.moved) == (1, {"bounced": 1})
        assert (await reader(scene, folder).look()).mails == 0
        # What is gone is forgotten; links and pipes are not mail.
        for one in (folder / "cur").iterdir():
            one.unlink()
        os.symlink("/etc/passwd", folder / "new" / "3.link")
        os.mkfifo(folder / "new" / "4.pipe")
        assert (await reader(scene, folder).look()).mails == 0
        _, known = await scene.ledger.mailbox(Local(folder).name)
        assert known == {"2.M2.host"}


async def test_a_mailbox_that_cannot_be_read_is_told_and_stops_nothing(tmp_path):
    here = instance(tmp_path, BARE + RETURNED + COURT)
    drop(here, 1)
    folder, gone = maildir(tmp_path / "mail"), tmp_path / "gone"
    async with at_work(here) as scene, ScriptedServer() as server:
        (letter,) = await sent(scene, server)
        laid(folder, bounce("postfix", letter))
        found = await reader(scene, gone, folder).look()
        assert found.moved == {"bounced": 1} and len(found.troubles) == 1 and "cannot be read" in found.troubles[0]
        assert {box.name: bool(box.trouble) for box in scene.ledger.mailboxes()} == {
            f"maildir:{gone}": True,
            f"maildir:{folder}": False,
        }


def test_what_says_something_is_read_within_bounds_whatever_stands_around_it():
    assert inbound.read(b"\xff\xfe" * 1000) == ()
    assert inbound.read(b"Content-Type: multipart/report\r\n\r\n" + b"--x\r\n" * 10_000) == ()
