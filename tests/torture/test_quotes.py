"""
A far side that quotes letters in its answers, whole or cut, at every step: nothing of a signatory comes to stand anywhere.

At the dot it quotes the letter that it refuses; before that it can only quote one that it has seen, which is another person's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.servers.quoting import PARTS
from tests.servers.rules import Verb
from tests.servers.scripted import Quote, Reply, Rule
from tests.servers.threaded import ThreadedServer
from tests.torture import farside
from tests.torture.grounds import ground
from tests.torture.runs import STEP, Zygote, until_quiet

NOT_NOW = "451 4.3.0 not now: {}"
NEVER = "554 5.6.0 we will not take {} from you"
PAUSING = ["550 5.7.1 {}"]  # stops the campaign, and the pause says why
BRIEF = [Rule("mail", Reply("421 4.3.2 enough"), nth=n) for n in range(2, 30, 2)]  # a connection a letter
LOOKS = (["status"], ["log"], ["log", "--json"], ["show", "1"], ["health"], ["verify"])


def quotes(verb: Verb, texts: Sequence[str], first: int, parts: Sequence[str]) -> list[Rule]:
    """One rule a part of the letter, at every other time that it comes to that verb."""
    return [Rule(verb, Quote(texts[n % len(texts)], part=part), nth=first + 2 * n) for n, part in enumerate(parts)]


@pytest.mark.parametrize(
    ("verb", "texts", "first"),
    [
        ("connect", ["421 4.3.2 {}"], 2),
        ("mail", [NOT_NOW], 2),
        ("mail", PAUSING, 12),
        ("rcpt", [NOT_NOW, NEVER], 5),
        ("data", [NOT_NOW, NEVER], 2),
        ("dot", [NOT_NOW, NEVER], 1),
        ("dot", ["554-5.7.1 we have seen\n554 5.7.1 {}", "452 4.2.2 {}"], 1),
    ],
)
def test_what_a_server_quotes_of_a_letter_stands_nowhere(
    zygote: Zygote, tmp_path: Path, verb: Verb, texts: Sequence[str], first: int
) -> None:
    parts = ("body", "raw from", "subject") if texts == PAUSING else tuple(PARTS)
    with ThreadedServer([*quotes(verb, texts, first, parts), *(BRIEF if verb == "connect" else ())]) as server:
        here = ground(tmp_path / "instance", server.port, people=8)
        ended = [zygote.run(here)]
        before = here.judge(farside.of_record(server.record()), [ended[0].said], is_quiet=False)
        for number in range(3):  # what stopped by itself goes on
            ended += [zygote.run(here, "resume", what, "--why", "asked", later=number * STEP + 1) for what in ("c", "relay")]
            ended.append(zygote.run(here, later=number * STEP + 1))
        ended += until_quiet(zygote, here, 3 * STEP)
        shown = [zygote.run(here, *words, later=20 * STEP).said for words in LOOKS]
        judged = here.judge(farside.of_record(server.record()), [*(one.said for one in ended), *shown])
    assert before.violations == [], str(before)
    assert judged.violations == [], str(judged)
