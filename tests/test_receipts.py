"""
Receipts: one mail to each signatory when the last of their letters has settled, carried like a letter and counted nowhere.

Real instances, a server with a script, a clock in hand; what goes out is read from what the server took.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from mailer import checks, notices, rules
from mailer.address import parse
from mailer.delivery import ORDERS
from mailer.ledger import Mark, Selection
from mailer.notice import PATIENCE
from mailer.outcome import Recipient, Role
from tests.ledgers import FIXED
from tests.offices import NOON, RETRY, SUBJECT, Scene, at_work, beside, copied, drop, instance
from tests.relays import TO, impatient, settings_for
from tests.servers.record import Taken
from tests.servers.scripted import Drop, Reply, Rule, ScriptedServer, StoreThenHang

OTHER = "ministry@office.example"
TARGETS = f"""\
targets:
  court: {{name: Court, to: {TO}, timezone: UTC}}
  office: {{name: Office, to: {OTHER}, timezone: UTC}}
  palace: {{kind: phone, name: Palace, phone: "+7 7172 745524"}}
"""
CAMPAIGN = f"approval: none\nconsent: assumed\npace: none\nreceipt: all\n{TARGETS}"
TEMPLATE = """\
{# told to a signatory #}
Subject: Your letters, {{ signature.name }}

{% for letter in letters %}{{ letter.target }}: {{ letter.state }} {{ letter.why }}{{ letter.phone }} {{ letter.on }}
{% endfor %}
"""


def made(root, campaign=CAMPAIGN, template=TEMPLATE):
    here = instance(root, "copy_to: []\n" + campaign if "copy_to" not in campaign else campaign)
    here.write("templates/c/en/receipt.txt.j2", template)
    return here


async def turn(scene: Scene, server: Any, **changes: Any) -> None:
    """What a pass does once files are taken in."""
    now = int(scene.time.now)
    await rules.redecide(scene.ledger, await scene.office.ruling(), RETRY, now)
    await notices.think(scene.ledger, scene.office.desks, now)
    await scene.send(settings_for(server, **changes))
    await notices.think(scene.ledger, scene.office.desks, now)


def receipts(server: ScriptedServer) -> list[Taken]:
    return [one for one in server.taken if one.message["Auto-Submitted"]]


def kinds(scene: Scene) -> Counter[str]:
    told: Counter[str] = Counter()
    for (_, _, state, _), count in scene.ledger.notices().items():
        told[state] += count
    return told


def lines(one: Taken) -> list[str]:
    return [line.strip() for line in one.message.get_content().splitlines() if line.strip()]


# -- what is said, and to whom


async def test_a_signatory_is_told_once_when_the_last_letter_has_settled(tmp_path):
    here = made(tmp_path)
    drop(here, 2)
    refusal = Rule("rcpt", Reply("550 5.1.1 no such user"), recipient=OTHER)
    async with at_work(here) as scene, ScriptedServer([refusal]) as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        for _ in range(4):
            await turn(scene, server)
        assert [one.recipients for one in receipts(server)] == [
            ("signer1@private.example",),
            ("signer2@private.example",),
        ]
        one = receipts(server)[0]
        assert (one.sender, one.message["Auto-Submitted"], one.message["Reply-To"]) == ("", "auto-generated", None)
        assert one.message["From"] == "Sender <letters@campaign.example>"
        assert one.message["To"] == "Signer 1 <signer1@private.example>"
        assert one.message["Subject"] == "Your letters, Signer 1"
        assert lines(one) == [
            "Court: accepted  20 September 2011",
            "Office: refused there is no such mailbox",
            "Palace: phone +7 7172 745524",
        ]
        assert kinds(scene) == {"accepted": 2}
        # Not among letters, whoever counts them.
        assert sum(scene.ledger.tally().values()) == len(scene.records()) == 6
        assert {record.target for record in scene.records()} == {"court", "office", "palace"}
        assert not list(scene.ledger.disagreements())
        scene.assert_sound()


async def test_no_receipt_while_a_letter_may_still_go(tmp_path):
    here = made(tmp_path)
    drop(here, 1)
    later = Rule("rcpt", Reply("451 4.3.0 later"), nth=1, recipient=OTHER)
    async with at_work(here) as scene, ScriptedServer([later]) as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await turn(scene, server)
        await turn(scene, server)
        assert receipts(server) == [] and not kinds(scene)
        scene.time.now += 600
        await turn(scene, server)
        await turn(scene, server)
        assert [lines(one)[1] for one in receipts(server)] == ["Office: accepted  20 September 2011"]


async def test_what_is_held_is_called_waiting_after_a_day(tmp_path):
    here = made(
        tmp_path,
        CAMPAIGN.replace(f"office: {{name: Office, to: {OTHER}", f"office: {{name: Office, closed: {{reason: x}}, to: {OTHER}"),
    )
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await turn(scene, server)
        scene.time.now += PATIENCE - 1
        await turn(scene, server)
        assert receipts(server) == []
        scene.time.now += 1
        await turn(scene, server)
        await turn(scene, server)
        assert [lines(one)[1] for one in receipts(server)] == ["Office: waiting it takes no letters just now"]


async def test_of_letters_in_doubt_a_day_is_waited_for_evidence(tmp_path):
    here = made(tmp_path)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang(), nth=1)]) as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await scene.send(impatient(server))
        await notices.think(scene.ledger, scene.office.desks, NOON)
        assert scene.states()["in_doubt"] == 1
        await turn(scene, server)
        assert receipts(server) == []
        scene.time.now += PATIENCE
        await turn(scene, server)
        await turn(scene, server)
        assert [lines(one)[0] for one in receipts(server)] == ["Court: doubt"]


@pytest.mark.parametrize(
    ("receipt", "told"), [("all", ["signer1@private.example", "yes@private.example"]), ("on", ["yes@private.example"])]
)
async def test_unless_written_otherwise_only_a_confirmed_address_gets_one(tmp_path, receipt, told):
    here = made(tmp_path, CAMPAIGN.replace("receipt: all", f"receipt: {receipt}"))
    drop(here, 1)
    file = here.write(
        "var/queue/incoming/b.csv", "name,email,country,consent,confirmed_at\nYolanda,yes@private.example,GB,yes,2011-09-19\n"
    )
    os.utime(file, (NOON - 3600, NOON - 3600))
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await turn(scene, server)
        await turn(scene, server)
        assert sorted(one.recipients[0] for one in receipts(server)) == told


async def test_where_all_is_by_hand_the_receipt_comes_at_once(tmp_path):
    campaign = CAMPAIGN.partition("targets:")[0] + 'targets: {palace: {kind: phone, name: Palace, phone: "+7 7172 745524"}}\n'
    here = made(tmp_path, campaign)
    async with at_work(here) as scene, ScriptedServer() as server:
        await notices.think(scene.ledger, scene.office.desks, NOON)
        drop(here, 1)
        await scene.take_in()
        await turn(scene, server)
        await turn(scene, server)
        assert [lines(one) for one in receipts(server)] == [["Palace: phone +7 7172 745524"]]


async def test_a_receipt_is_in_the_signatory_s_language_where_it_has_a_template(tmp_path):
    here = made(tmp_path, CAMPAIGN)
    text = (here.root / "config/campaigns/c.yaml").read_text()
    here.write("config/campaigns/c.yaml", text.replace("{default: en}", "{default: en, available: [en, ru, fr]}"))
    for language in ("ru", "fr"):
        here.write(f"templates/c/{language}/subject.txt.j2", SUBJECT)
        here.write(f"templates/c/{language}/letter.txt.j2", "Letter\n")
    here.write("templates/c/ru/receipt.txt.j2", "Subject: Письма\n\n{% for letter in letters %}{{ letter.why }}{% endfor %}.\n")
    rows = "".join(f"P{at},p{at}@private.example,{code}\n" for at, code in enumerate(("ru", "fr", "ru-RU", "")))
    file = here.write("var/queue/incoming/a.csv", "name,email,language\n" + rows)
    os.utime(file, (NOON - 3600, NOON - 3600))
    refusal = Rule("rcpt", Reply("550 5.1.1 no such user"), recipient=OTHER)
    async with at_work(here) as scene, ScriptedServer([refusal]) as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        for _ in range(3):
            await turn(scene, server)
        found = {one.recipients[0][:2]: one.message for one in receipts(server)}
        assert {who: message["Content-Language"] for who, message in found.items()} == {
            "p0": "ru",
            "p1": "en",
            "p2": "ru",
            "p3": "en",
        }
        assert found["p0"]["Subject"] == "Письма" and "такого почтового ящика нет." in found["p0"].get_content()


# -- never twice, never to whom it must not go


async def test_a_receipt_in_doubt_is_never_sent_again(tmp_path):
    here = made(tmp_path, CAMPAIGN + "in_doubt: {resend_after: 1}\n")
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer([Rule("dot", StoreThenHang(), nth=3)]) as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await turn(scene, server)
        await scene.send(impatient(server))
        assert len(receipts(server)) == 1 and kinds(scene) == {"in_doubt": 1}
        for _ in range(3):
            scene.time.now += 86_400
            await turn(scene, server)
        assert len(receipts(server)) == 1 and kinds(scene) == {"in_doubt": 1}
        assert scene.states()["in_doubt"] == 0
        assert not list(scene.ledger.disagreements())


async def test_a_worker_that_dies_behind_the_mark_of_a_receipt_leaves_it_in_doubt(tmp_path):
    here = made(tmp_path)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await turn(scene, server)
        (due,) = await scene.claimed()
        assert due.target == "@receipt"
        mark = Mark((Recipient("signatory", Role.TO),), ("signatory",), FIXED)
        assert await scene.ledger.mark(due, mark, NOON)
        found = await scene.ledger.recover(NOON)
        assert (found.in_doubt, found.let_go) == (0, 0)  # of letters
        assert kinds(scene) == {"in_doubt": 1}
        await turn(scene, server)
        assert receipts(server) == []


async def test_who_has_left_gets_none(tmp_path):
    here = made(tmp_path)
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await scene.send(settings_for(server))
        await withdraw(scene, "signer1@private.example")
        await notices.think(scene.ledger, scene.office.desks, NOON)
        assert kinds(scene) == {"queued": 1}
        await withdraw(scene, "signer2@private.example")
        await turn(scene, server)
        assert receipts(server) == [] and kinds(scene) == {"cancelled": 1}
        assert not list(scene.ledger.disagreements())


async def withdraw(scene: Scene, address: str) -> None:
    left = await scene.ledger.withdraw("c", scene.office.desks["c"].recogniser.persons(parse(address)), NOON)
    assert [one.letters for one in left if one.had_signed] == [{"accepted": 2, "cancelled": 1}]


async def test_switched_off_what_waits_is_cancelled_and_switched_on_again_only_what_follows_is_told(tmp_path):
    here = made(tmp_path)
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await scene.send(settings_for(server), limit=2)
        await scene.send(settings_for(server), limit=2)
        await notices.think(scene.ledger, scene.office.desks, NOON)
        assert kinds(scene) == {"queued": 2}
    text = (here.root / "config/campaigns/c.yaml").read_text()
    here.write("config/campaigns/c.yaml", text.replace("receipt: all", "receipt: off"))
    drop(here, 1, first=3)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await turn(scene, server)
        assert kinds(scene) == {"cancelled": 2} and receipts(server) == []
    here.write("config/campaigns/c.yaml", text)
    async with at_work(here) as scene, ScriptedServer() as server:
        await turn(scene, server)
        drop(here, 1, first=4)
        await scene.take_in()
        await turn(scene, server)
        await turn(scene, server)
        assert [one.recipients for one in receipts(server)] == [("signer4@private.example",)]


async def test_behind_a_ledger_that_was_put_back_nobody_who_had_signed_gets_one(tmp_path):
    here = made(tmp_path)
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await scene.send(settings_for(server), limit=2)
        await scene.send(settings_for(server), limit=1)
        await notices.think(scene.ledger, scene.office.desks, NOON)
        assert kinds(scene) == {"queued": 1}
    before = copied(here, tmp_path.parent / f"{tmp_path.name}-before")
    async with at_work(before) as scene, ScriptedServer() as server:
        while await scene.ledger.hold_restored(NOON, 10):
            pass
        assert kinds(scene)["queued"] == kinds(scene)["held"] == 0
        while (await scene.ledger.order(Selection(), ORDERS["release"], "not out", NOON, 0, 100)).behind:
            pass
        await turn(scene, server)
        drop(before, 1, first=9)
        await scene.take_in()
        await turn(scene, server)
        await turn(scene, server)
        assert [one.recipients for one in receipts(server)] == [("signer9@private.example",)]


# -- no letter stands still for one


@pytest.mark.parametrize(
    "rule",
    [
        Rule("mail", Reply("550 5.7.1 null sender not allowed")),
        Rule("mail", Reply("501 5.1.7 Invalid MAIL FROM address provided")),
        Rule("mail", Reply("530 5.7.0 authentication required")),
        Rule("mail", Reply("451 4.7.1 not now")),
        Rule("mail", Drop()),
        Rule("rcpt", Reply("554 5.7.1 relay access denied")),
        Rule("rcpt", Reply("502 5.5.1 not implemented")),
        Rule("rcpt", Drop()),
        Rule("dot", Reply("554 5.7.1 spam")),
    ],
    ids=str,
)
async def test_a_relay_that_takes_no_receipt_takes_letters_all_the_same(tmp_path, rule):
    here = made(tmp_path, CAMPAIGN)
    drop(here, 8)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await scene.send(settings_for(server), limit=8)
        await notices.think(scene.ledger, scene.office.desks, NOON)
        assert kinds(scene)["queued"] == 4
        # From now on everything that is no letter to the offices fails.
        server.follow(of_receipts(rule))
        await turn(scene, server)
        await turn(scene, server)
        assert scene.states()["accepted"] == 16 and not kinds(scene)["accepted"]
        assert (await scene.ledger.breaker("relay")).failures == 0 and not await scene.ledger.pauses()
        assert not list(await scene.ledger.streaks())
        server.follow([])
        for _ in range(4):
            scene.time.now += 14_400
            await turn(scene, server)
        told = Counter(one.recipients for one in receipts(server))
        assert max(told.values(), default=1) == 1
        assert not list(scene.ledger.disagreements())


def of_receipts(rule: Rule) -> list[Rule]:
    """The same rule for what goes to signatories, and for nothing else."""
    named = [""] if rule.verb == "mail" else [f"signer{number}@private.example" for number in range(1, 9)]
    return [replace(rule, recipient=name) for name in named]


async def test_a_refused_return_path_says_nothing_of_a_relay_that_fails(tmp_path):
    here = made(tmp_path)
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await turn(scene, server)
        drop(here, 2, first=2)
        await scene.take_in()
        account = Rule("mail", Reply("530 5.7.0 authentication required"))
        server.follow([Rule("mail", Reply("550 5.7.1 null sender not allowed"), recipient=""), account])
        await turn(scene, server)
        breaker = await scene.ledger.breaker(settings_for(server).name)
        assert breaker.failures and breaker.is_open(NOON)


async def test_also_behind_the_deadline_a_receipt_tells_of_it(tmp_path):
    here = made(tmp_path, CAMPAIGN + "deadline: 2011-09-20\n")
    drop(here, 1)
    later = Rule("rcpt", Reply("451 4.3.0 later"), recipient=OTHER)
    async with at_work(here) as scene, ScriptedServer([later]) as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await turn(scene, server)
        scene.time.now += 86_400
        await turn(scene, server)
        await turn(scene, server)
        assert [lines(one)[1] for one in receipts(server)] == ["Office: refused the campaign's deadline has passed"]


async def test_a_broken_template_holds_receipts_and_no_letter_until_it_is_mended(tmp_path):
    here = made(tmp_path, template="Subject: x\n\n{{ nothing }}\n")
    drop(here, 1)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await turn(scene, server)
        await turn(scene, server)
        assert kinds(scene) == {"held": 1} and scene.states() == {"accepted": 2, "by_hand": 1}
        await turn(scene, server)
        assert kinds(scene) == {"held": 1}
    here.write("templates/c/en/receipt.txt.j2", TEMPLATE)
    async with at_work(here) as scene, ScriptedServer() as server:
        await turn(scene, server)
        assert kinds(scene) == {"accepted": 1} and len(receipts(server)) == 1


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("Subject:\n\ntext\n", "its first line must be «Subject: …», in at most 250 characters"),
        ("text\n", "its first line must be «Subject: …», in at most 250 characters"),
        (f"Subject: {'x' * 251}\n\ntext\n", "its first line must be «Subject: …», in at most 250 characters"),
        ("Subject: x\n\n\n", "the receipt is empty"),
        ("Subject: x\n\n{{ nothing }}\n", "'nothing' is undefined"),
        ("Subject: x\n\n{% for a in range(99999) %}{{ 'x' * 99 }}{% endfor %}\n", "the text grows past 100000 characters"),
    ],
)
async def test_check_finds_what_no_receipt_can_be_written_from(tmp_path, template, said):
    async with at_work(made(tmp_path, template=template)) as scene:
        (problem,) = checks.campaign(scene.office.desks["c"]).problems
        assert problem.startswith("c: en/receipt.txt.j2") and said in problem


async def test_a_limit_counts_letters_only_and_letters_go_first(tmp_path):
    here = made(tmp_path)
    drop(here, 3)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        sent = await scene.send(settings_for(server), limit=4)
        await notices.think(scene.ledger, scene.office.desks, NOON)
        waiting = kinds(scene)["queued"]
        assert waiting and sent.states == {"accepted": 4}
        await scene.send(settings_for(server))
        assert [bool(one.message["Auto-Submitted"]) for one in server.taken] == [False] * 6 + [True] * waiting


async def test_receipts_count_for_the_relay_and_never_pass_their_own_pace(tmp_path):
    here = made(tmp_path, CAMPAIGN.replace("pace: none", "pace: {per_minute: 3}"))
    drop(here, 3)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        for _ in range(2):
            await turn(scene, server)
        assert len(receipts(server)) == 3
        drop(here, 1, first=4)
        await scene.take_in()
        scene.time.now += 30
        await turn(scene, server)
        assert len(receipts(server)) == 3
        with beside(scene) as db:
            keys = Counter(row[0] for row in db.execute("SELECT address FROM sent"))
        assert keys["relay:" + relay_of(keys)] == 9 and keys["receipts:c"] == keys["receipts over " + relay_of(keys)] == 3
        assert not [key for key in keys if "private" in key]


def relay_of(keys: Counter[str]) -> str:
    (name,) = [key.removeprefix("relay:") for key in keys if key.startswith("relay:")]
    return name


async def test_no_address_of_a_signatory_stands_in_the_ledger(tmp_path):
    here = made(tmp_path)
    drop(here, 2)
    echo = Rule("rcpt", Reply("550 5.1.1 <signer1@private.example>: Signer 1 unknown"), recipient="signer1@private.example")
    async with at_work(here) as scene, ScriptedServer([echo]) as server:
        await scene.take_in()
        await notices.think(scene.ledger, scene.office.desks, NOON)
        await turn(scene, server)
        await turn(scene, server)
        assert kinds(scene) == {"accepted": 1, "refused": 1}
        data = scene.on_disk()
    assert b"private.example" not in data and b"signer1" not in data.lower()
