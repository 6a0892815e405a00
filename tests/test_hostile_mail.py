"""Hostile mail in small: a few hundred made at random, and whatever Hypothesis thinks of; none raises, none moves a letter."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer import inbound
from tests.fuzz_mail import CAMPAIGN, read_all
from tests.offices import at_work, drop, instance
from tests.servers.scripted import ScriptedServer

_HEADS = st.sampled_from(
    [
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n",
        b"Content-Type: message/delivery-status\r\n",
        b"X-Letter-Evidence: 00\r\nMessage-ID: <1.0123456789abcdef0123@c.example>\r\n",
        b"In-Reply-To: <1.0123456789abcdef0123@c.example>\r\n",
        b"Return-Path: <>\r\nFrom: MAILER-DAEMON@x.example\r\n",
        b"Auto-Submitted: auto-replied\r\n",
        b"\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nFinal-Recipient: rfc822; a@b\r\nAction: failed\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"\r\n",
    ]
)


async def test_no_hostile_mail_raises_or_moves_a_letter_or_takes_long(tmp_path):
    here = instance(tmp_path, CAMPAIGN)
    drop(here, 3)
    async with at_work(here) as scene, ScriptedServer() as server:
        found = await read_all(scene, server, 300, seed=3)
        assert (found.mails, found.failed, found.states) == (300, [], {"accepted": 3})
        assert found.ignored.total() >= 300 - 30 and len(server.taken) == 3


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_HEADS | st.binary(max_size=200), max_size=12))
def test_whatever_a_mail_is_reading_it_raises_nothing(parts):
    for tiding in inbound.read(b"".join(parts)):
        assert len(tiding.said) <= inbound.LONGEST_SAID and tiding.said.isprintable()
