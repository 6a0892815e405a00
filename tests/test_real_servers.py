"""
Servers that nobody wrote for us: Debian's smtp-sink, and a real Postfix whose only transport is that sink.

What lies at the far end is what the ledger calls accepted, letter by letter, and each parsed back says what was composed.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from mailer import campaign as campaigns
from mailer import desk, signature
from mailer.desk import Stamp
from mailer.relay import Settings, Tls
from tests.keys import signer
from tests.offices import ALL, LETTER, NOON, ONE_TARGET, Scene, at_work, beside, instance, working
from tests.parsed import by_new_rules, by_old_rules
from tests.relays import CC, COPY, SENDER, TO, settings_for
from tests.servers.available import require
from tests.servers.postfix import Postfix
from tests.servers.sink import Sink, Sunk
from tests.test_config.instance import Instance
from tests.test_dkim import holds

pytestmark = pytest.mark.postfix

AWKWARD = [
    {"name": "Сара О’Брайен «Сара»", "message": "Отпустите их.\n.\n..\n-- \nFrom me"},
    {"name": 'Jane "Joe" Doe, <x@evil>', "message": ".\r\n.\r\nMAIL FROM:<x@evil.example>"},
    {"name": "Ünïcödé " + "ж" * 80, "message": "слово " * 300},
    {"name": "=?utf-8?q?Hi=0D=0ABcc:_x=40evil.example?=", "message": "x" * 900 + " " + "y" * 2_000},
    {"name": "李小龍", "message": "no end of line"},
]


def gathered(root: Path, copies: int) -> Instance:
    """An instance with the awkward signatories, each so many times, in a file that lies ready."""
    made = instance(root, ONE_TARGET)
    made.write("templates/c/en/letter.txt.j2", LETTER + "\n{{ signature.message }}\n")
    rows = [
        row | {"email": f"signer{copy}.{number}@private.example", "country": "GB"}
        for copy in range(copies)
        for number, row in enumerate(AWKWARD)
    ]
    file = made.write("var/queue/incoming/rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    os.utime(file, (NOON - 3600, NOON - 3600))
    return made


def composed(scene: Scene, letter: int) -> bytes:
    """What the desk writes for a letter, from what the ledger keeps of it."""
    record = scene.one(letter)
    at = scene.office.desks[record.campaign]
    target = at.campaign.targets[record.target]
    assert record.sealed is not None
    signed, _ = signature.unpack(at.seal.open(record.sealed))
    with beside(scene) as db:
        ((date,),) = db.execute("SELECT date FROM letter WHERE id = ?", (letter,)).fetchall()
        assert isinstance(date, int)
    route = campaigns.route(at.campaign, target, "", live=at.is_live)
    fixed, wire = desk.write(at, target, route, signed, Stamp(record.message_id, date, record.language))
    assert fixed.sha256 == record.sha256
    return wire


def assert_arrived(scene: Scene, sunk: Sequence[Sunk], *, without: Sequence[str] = ()) -> None:
    """The far end has each accepted letter once, as it was composed, for whoever it is meant."""
    accepted = {record.message_id: record.letter for record in scene.records() if record.state == "accepted"}
    assert Counter(message.message_id for message in sunk) == dict.fromkeys(accepted, 1)
    for message in sunk:
        wire = composed(scene, accepted[message.message_id])
        # A relay writes a Received on top, and changes nothing below it.
        data = message.data[message.data.index(b"Date: ") :]
        assert data == wire
        assert message.sender == SENDER
        assert sorted(message.recipients) == sorted(r.address for r in ALL if r.address not in without)
        assert by_old_rules(data) == by_old_rules(wire) and by_new_rules(data) == by_new_rules(wire)
        assert [address for _, address in by_old_rules(data).to] == [TO]


@pytest.mark.parametrize("flags", [[], ["-p"]], ids=["as it is", "without pipelining"])
async def test_what_the_sink_has_is_what_the_ledger_calls_accepted(flags: list[str], tmp_path: Path) -> None:
    require("smtp-sink")
    with Sink(tmp_path / "sink", *flags) as sink:
        async with at_work(gathered(tmp_path / "instance", 6)) as scene:
            await scene.take_in()
            sent = await scene.send(settings_for(sink), 4)
            assert sent.states == {"accepted": 30}
            assert_arrived(scene, sink.messages())
            scene.assert_sound()


async def test_what_passes_through_postfix_is_what_the_ledger_calls_accepted(
    postfix: Postfix, sink: Sink, tmp_path: Path
) -> None:
    async with at_work(gathered(tmp_path / "instance", 6)) as scene:
        await scene.take_in()
        sent = await scene.send(over_tls(postfix), 4)
        assert sent.states == {"accepted": 30}
        postfix.wait_until_empty()
        assert_arrived(scene, sink.messages())
        scene.assert_sound()


async def test_signatures_hold_on_what_a_real_postfix_hands_on(postfix: Postfix, sink: Sink, tmp_path: Path) -> None:
    made = gathered(tmp_path / "instance", 2)
    made.write("templates/c/en/letter.html.j2", "<p>{{ signature.name }}</p>\n\n<p>{{ signature.message }}</p>\n")
    keys = [signer(tmp_path, "ed25519"), signer(tmp_path, "rsa")]
    listed = "".join(f"  - {{selector: {key.settings.selector}, key_file: {key.settings.key_file}}}\n" for key in keys)
    made.campaign(f"dkim:\n{listed}{ONE_TARGET}")
    async with at_work(made) as scene:
        await scene.take_in()
        sent = await scene.send(over_tls(postfix), 4)
        assert sent.states == {"accepted": 10}
        postfix.wait_until_empty()
        wires = {record.message_id: composed(scene, record.letter) for record in scene.records()}
        assert sorted(message.message_id for message in sink.messages()) == sorted(wires)
        for message in sink.messages():
            assert message.data.startswith(b"Received: ") and message.data.endswith(wires[message.message_id])
            assert by_old_rules(message.data).html and by_new_rules(message.data).html
            assert [holds(message.data, keys, index) for index in (0, 1)] == [True, True]
            assert not holds(message.data.replace(b"<p>", b"<b>", 1), keys)
        scene.assert_sound()


def over_tls(postfix: Postfix) -> Settings:
    plain = settings_for(postfix)
    return Settings(plain.mode, plain.folder, plain.host, plain.port, Tls.STARTTLS, postfix.ca_file)


@pytest.mark.parametrize(
    "refused, state, standing, arrives",
    [
        ({CC: "550 5.1.1 no such user"}, "accepted", "accepted refused accepted", 1),
        ({COPY: "450 4.2.1 later"}, "accepted", "accepted accepted deferred", 1),
        ({TO: "550 5.1.1 no such user"}, "refused", "refused dropped dropped", 0),
        ({TO: "450 4.2.1 later"}, "deferred", "deferred deferred waiting", 0),
        ({TO: "550 5.7.1 not from you", CC: "550 5.7.1 nor you"}, "refused", "refused refused dropped", 0),
    ],
)
async def test_what_postfix_says_to_a_recipient_is_that_recipient_s(
    refused: dict[str, str], state: str, standing: str, arrives: int, sink: Sink, tmp_path: Path
) -> None:
    require("postfix")
    with Postfix(sink, refuses=refused) as postfix:
        async with working(tmp_path / "instance") as scene:
            await scene.send(over_tls(postfix))
            assert scene.one().state == state
            assert " ".join(how for _, _, how, _ in scene.one().recipients) == standing
            postfix.wait_until_empty()
            assert len(sink.messages()) == arrives
            if arrives:
                assert_arrived(scene, sink.messages(), without=list(refused))
            scene.assert_sound()


async def test_a_letter_that_is_too_large_for_postfix_is_refused_before_its_body(sink: Sink, tmp_path: Path) -> None:
    require("postfix")
    with Postfix(sink, settings={"message_size_limit": "300"}) as postfix:
        async with working(tmp_path / "instance") as scene:
            await scene.send(over_tls(postfix))
            record, attempt = scene.one(), scene.last_attempt()
            assert (record.state, attempt.stage, attempt.marked_at) == ("refused", "mail", None)
            assert "too large" in record.reason


async def test_postfix_with_an_unknown_certificate_gets_nothing(postfix: Postfix, sink: Sink, tmp_path: Path) -> None:
    async with working(tmp_path / "instance", 2) as scene:
        plain = settings_for(postfix)
        strict = Settings(plain.mode, plain.folder, plain.host, plain.port, Tls.STARTTLS)
        sent = await scene.send(strict)
        assert "certificate" in sent.relay_failed and scene.states() == {"queued": 2}
        assert sink.messages() == [] and postfix.queued() == {}


FLAGS: dict[str, tuple[list[str], str]] = {
    "later at RCPT": (["-r", "RCPT"], "deferred"),
    "never at RCPT": (["-f", "RCPT", "-B", "550 5.1.1 no such user"], "refused"),
    "hangs up at RCPT": (["-q", "RCPT"], "deferred"),
    "421 at RCPT": (["-Q", "RCPT"], "deferred"),
    "later at MAIL": (["-r", "MAIL"], "deferred"),
    "hangs up at MAIL": (["-q", "MAIL"], "deferred"),
    "later at DATA": (["-r", "DATA"], "deferred"),
    "never at DATA": (["-f", "DATA", "-B", "554 5.7.1 no"], "refused"),
    "hangs up at DATA": (["-q", "DATA"], "deferred"),
    "later at the dot": (["-r", "."], "deferred"),
    "never at the dot": (["-f", ".", "-B", "554 5.7.1 no"], "refused"),
    "421 at the dot": (["-Q", "."], "deferred"),
    "hangs up at the dot": (["-q", "."], "in_doubt"),
    "hangs up at EHLO": (["-q", "EHLO"], "queued"),
}


@pytest.mark.parametrize("fault", FLAGS)
async def test_the_sink_s_own_faults_come_to_what_the_scripted_server_s_do(fault: str, tmp_path: Path) -> None:
    require("smtp-sink")
    flags, state = FLAGS[fault]
    with Sink(tmp_path / "sink", *flags) as sink:
        async with working(tmp_path / "instance") as scene:
            (due,) = await scene.claimed()
            courier = scene.courier(settings_for(sink, connect_timeout=10))
            await courier.carry(due)
            await courier.close()
            assert scene.one().state == state
            scene.assert_sound()
        # What is refused or lost before the dot never came to a dot there.
        assert len(sink.messages()) == ("dot" in fault)
