"""
What a spam filter makes of the bundled letters, and of those that `mailer init` begins with: Debian's SpamAssassin with its own
rules, no network and nothing learnt.

Every letter that the campaign can write is weighed as it leaves: each target, language and voice, with every field and with
none, and each of the texts that people wrote for one place.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mailer import config, specimens, starting
from mailer.address import parse
from mailer.announce import specimens_of_receipts
from mailer.campaign import Receipts
from mailer.cli import questions
from mailer.desk import Desk
from mailer.render import Renderer
from mailer.signature import Signature
from mailer.starting import Office, Plan, Words
from tests.servers.available import program, require
from tests.test_desk import DESK, MAILED, SIGNATURES

MOST = 2.0  # points; a filter as Debian sets it up takes 5 for spam
_STATUS = re.compile(r"^X-Spam-Status: \w+, score=(-?[\d.]+) required=[\d.]+\s+tests=([\w,\s]*?)\s+autolearn", re.MULTILINE)


def weighed(wires: Mapping[str, bytes], home: Path) -> dict[str, tuple[float, str]]:
    """The points of each letter and the rules that fired, by its name; one process weighs them all."""
    box = b"".join(
        b"From letters@campaign.example Tue Sep 20 08:00:00 2011\nX-Case: %s\n%s\n"
        % (name.encode(), wire.replace(b"\r\n", b"\n"))
        for name, wire in wires.items()
    )
    command = [str(program("spamassassin")), "--local", "--nocreate-prefs", "--cf=report_safe 0", "--mbox"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, input=box, env=environment, capture_output=True, timeout=300, check=True)
    letters = re.split(r"^From .*$", done.stdout.decode("utf-8", "replace"), flags=re.MULTILINE)[1:]
    found = {}
    for one in letters:
        head = re.sub(r"\n[ \t]+", " ", one.lstrip("\n").partition("\n\n")[0])
        (name,), ((points, rules),) = re.findall(r"^X-Case: (.*)$", head, re.MULTILINE), _STATUS.findall(head)
        found[name] = (float(points), rules.replace(" ", ""))
    return found


def letters(desk: Desk) -> dict[str, bytes]:
    """Every letter, by target, language, voice and who signs; signatories enough for each of the texts to be chosen."""
    signatories: dict[str, Signature] = dict(SIGNATURES)
    signatories |= {f"specimen {number}": signed for number, signed in enumerate((specimens.FULL, specimens.BARE))}
    signatories |= {f"signatory {number}": replace(specimens.BARE, email=parse(f"{number}@example.org")) for number in range(3)}
    return {
        f"{one.target}, {one.language}, {one.voice}, {who}": one.wire
        for who, signed in signatories.items()
        for one in specimens.specimens(desk, signed)
    } | receipts(desk)


def receipts(desk: Desk) -> dict[str, bytes]:
    """What signatories get, where the campaign has the texts for it."""
    told = replace(desk, campaign=replace(desk.campaign, receipts=Receipts.ALL))
    return {f"{one.target}, {one.language}, {one.voice}, told": one.wire for one in specimens_of_receipts(told)}


def started(folder: Path) -> Desk:
    """The campaign that `mailer init` makes of few answers, taking what it proposes."""
    words = {
        "en": Words(
            "Free the strikers", "In December 2011 police shot at striking oil workers.", "free all who were arrested."
        ),
        "ru": Words(
            "Освободите бастующих", "В декабре 2011 года полиция стреляла в бастующих.", "освободить всех задержанных."
        ),
    }
    names = {"en": "Ministry of Justice", "ru": "Министерство юстиции"}
    offices = [
        Office("greeted", names, questions._FORMS, "minister@justice.example", "ru"),
        Office("not-greeted", names, {"en": "", "ru": ""}, "deputy@justice.example", "en"),
    ]
    plan = Plan("strikers", "Free the strikers", words, "Solidarity", "letters@campaign.example", offices=tuple(offices))
    for name, content in starting.files(plan).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    campaign = config.load(folder / "config/mailer.yaml", {}).campaigns["strikers"]
    return replace(DESK, campaign=campaign, renderer=Renderer(folder / "templates/strikers"))


@pytest.fixture(scope="module")
def scores(tmp_path_factory) -> dict[str, tuple[float, str]]:
    require("spamassassin")
    return weighed(letters(DESK), tmp_path_factory.mktemp("home"))


def test_no_bundled_letter_and_no_receipt_looks_like_spam(scores):
    assert len(scores) == len(MAILED) * 2 * 2 * 9 + 2 * 2  # and receipts, in each language and voice
    heavy = {name: told for name, told in scores.items() if told[0] >= MOST}
    assert heavy == {}


def test_no_letter_that_init_begins_with_looks_like_spam(tmp_path):
    require("spamassassin")
    found = weighed(letters(started(tmp_path)), tmp_path)
    assert len(found) == 2 * 2 * 2 * 9
    assert {name: told for name, told in found.items() if told[0] >= MOST} == {}


def test_what_is_spam_is_weighed_as_such(tmp_path):
    """So that the test above can fail: the filter reads what we give it."""
    require("spamassassin")
    (name, wire), *_ = letters(DESK).items()
    # GTUBE, which every filter of this kind takes for spam.
    spam = wire.replace(b"\r\n\r\n", b"\r\n\r\nXJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n", 1)
    points, rules = weighed({name: spam}, tmp_path)[name]
    assert points > 5 and "GTUBE" in rules
