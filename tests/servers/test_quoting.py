"""The server that quotes: this letter at its dot, an earlier one before it, and each part in its own way."""

from __future__ import annotations

import pytest

from tests.servers.client import connected
from tests.servers.quoting import PARTS, quoting
from tests.servers.record import Taken
from tests.servers.scripted import Quote, Reply, Rule, ScriptedServer

LETTER = (
    "From: =?utf-8?q?Zo=C3=AB_Lark?= via S <s@x.example>\r\nReply-To: =?utf-8?q?Zo=C3=AB?= Lark <lark@y.example>\r\n"
    "Subject: of\r\n Lark\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Zo=C3=AB\r\nsings\r\n"
)
QUOTED = {
    "from": "Zoë Lark via S <s@x.example>",
    "raw from": "=?utf-8?q?Zo=C3=AB_Lark?= via S <s@x.example>",
    "reply-to": "Zoë Lark <lark@y.example>",
    "raw reply-to": "=?utf-8?q?Zo=C3=AB?= Lark <lark@y.example>",
    "subject": "of Lark",
    "raw subject": "of Lark",
    "body": "Zoë sings",
    "raw body": "Zo=C3=AB sings",
    "a word of the name": "Lark",
    "capitals": "ZOË LARK VIA S <S@X.EXAMPLE>",
    "the domain": "y.example",
}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_quoted_as_it_is(part: str) -> None:
    message = Taken(1, "s@x.example", ("b@z.example",), LETTER.encode())
    assert quoting(Quote("554 {}", part=part), message) == Quote(f"554 {QUOTED[part]}", part=part)
    assert quoting(Quote("554 {}", part=part), None) == Quote("554 nothing", part=part)
    assert quoting(Reply("554 {}"), message) == Reply("554 {}")


async def test_at_the_dot_it_quotes_this_letter_and_before_it_an_earlier_one() -> None:
    rules = [Rule("dot", Quote("554 {}", part="subject")), Rule("rcpt", Quote("451 {}", part="a word of the name"), nth=2)]
    async with ScriptedServer(rules) as server, connected(server) as client:
        await client.walk("EHLO me.example", "MAIL FROM:<s@x.example>", "RCPT TO:<b@z.example>", "DATA")
        assert await client.ask(f"{LETTER}.") == "554 of Lark"
        await client.ask("MAIL FROM:<s@x.example>")
        assert await client.ask("RCPT TO:<c@z.example>") == "451 Lark"
