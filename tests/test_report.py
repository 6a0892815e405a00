"""
What organisers and scripts are shown: the promised keys, and nothing personal but the name of the file for who has the key.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mailer import report, seal, signature
from mailer.address import Address
from mailer.campaign import Channel
from mailer.delivery import State, Who
from mailer.ledger import Count, Entry, Ledger, Selection
from mailer.outcome import Stage
from mailer.pace import Breaker
from mailer.seal import Seal
from mailer.signature import Signature
from tests import ledgers
from tests.ledgers import (
    CAMPAIGN,
    COPY,
    DOMAIN,
    HEAD,
    LATER,
    LEDGERS,
    NEVER,
    NOW,
    PRESS,
    RELAY,
    SILENCE,
    TARGET,
    YES,
    begin,
    claim,
    dot,
    mark,
    new,
    one,
    put,
    settle,
)

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
LINE_KEYS = {
    "letter", "campaign", "signature", "target", "channel", "state", "reason", "attempts", "reply", "relay", "message_id",
    "recipients", "file", "line", "queued_at", "next_attempt_at", "accepted_at",
}  # fmt: skip
STATUS_KEYS = {"campaigns", "files", "in_doubt", "next_attempt_at", "relay"}
EVERY = Selection()
NO_KEY: Mapping[str, Seal] = {}
CAMPAIGN_KEYS = {"signatures", "duplicates", "rejected_rows", "letters", "targets"}


@pytest.fixture(params=LEDGERS)
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with ledgers.opened(request.param, tmp_path) as opened:
        yield opened


def as_script_sees(told: object) -> Any:
    """Through JSON and back: what cannot be written down fails here."""
    return json.loads(json.dumps(told))


def status(ledger: Ledger, *campaigns: str, waiting: int = 0) -> Any:
    return as_script_sees(report.status(ledger, campaigns, waiting, {"mode": "sandbox", "state": "well"}, {}))


def lines(ledger: Ledger, selection: Selection = EVERY, seals: Mapping[str, Seal] = NO_KEY) -> list[dict[str, Any]]:
    return as_script_sees(list(report.lines(ledger, selection, seals)))  # type: ignore[no-any-return]


# -- status


def test_an_empty_install_has_all_the_keys_too(ledger):
    told = status(ledger, "one")
    assert set(told) >= STATUS_KEYS
    nothing = dict.fromkeys(["signatures", "duplicates", "rejected_rows", "unconfirmed", "withdrawn", "erased"], 0)
    assert told["campaigns"] == {
        "one": {**nothing, "letters": {}, "targets": {}, "notices": {}, "mail": {}, "onward": {}, "projection": None}
    }
    assert told["files"] == {"done": 0, "rejected": 0, "waiting": 0}
    assert (told["in_doubt"], told["next_attempt_at"]) == (0, None)
    assert told["relay"] == {"mode": "sandbox", "state": "well"}


async def test_a_status_counts_every_letter_once_by_state_and_by_target(ledger):
    await put(ledger, 5, new(), new("ministry", State.HELD, "approval"), new("president", State.BY_HAND, channel=Channel.PHONE))
    await put(ledger, 1, campaign="another")
    accepted, deferred, doubtful, silent, refused = await claim(ledger)
    await dot(ledger, accepted)
    await dot(ledger, deferred, LATER)
    await dot(ledger, doubtful, SILENCE)
    await dot(ledger, silent, SILENCE)
    await dot(ledger, refused, NEVER)
    told = status(ledger, "configured", waiting=3)
    assert list(told["campaigns"]) == ["another", "configured", CAMPAIGN]
    ours = told["campaigns"][CAMPAIGN]
    assert set(ours) >= CAMPAIGN_KEYS
    assert ours["signatures"] == 5
    assert ours["letters"] == {"accepted": 1, "deferred": 1, "in_doubt": 2, "refused": 1, "held": 5, "by_hand": 5}
    assert ours["targets"] == {
        TARGET: {"accepted": 1, "deferred": 1, "in_doubt": 2, "refused": 1},
        "ministry": {"held": 5},
        "president": {"by_hand": 5},
    }
    assert told["campaigns"]["another"]["letters"] == {"queued": 1}
    assert (told["in_doubt"], told["files"]["waiting"]) == (2, 3)
    assert told["next_attempt_at"] == "2011-09-20T08:00:00Z"


async def test_a_status_accounts_for_the_rows_of_files(ledger):
    first, second = await begin(ledger, claim="01"), await begin(ledger, claim="02")
    bad, reading = await begin(ledger, claim="03"), await begin(ledger, claim="04")
    await ledger.end_file(first, "done", Count(10, 5, 4, 1), "", NOW)
    await ledger.end_file(second, "done", Count(5, 0, 3, 2), "", NOW)
    await ledger.end_file(bad, "rejected", Count(9, 2, 4, 3), "broken in the middle", NOW)
    assert reading
    told = status(ledger)
    assert (told["campaigns"], told["files"]["done"], told["files"]["rejected"]) == ({}, 2, 1)
    ours = status(ledger, CAMPAIGN)["campaigns"][CAMPAIGN]
    assert (ours["duplicates"], ours["rejected_rows"]) == (7, 3)


@pytest.mark.parametrize(
    "breaker, state", [(Breaker(), "well"), (Breaker(3, NOW + 1, "x"), "down"), (Breaker(3, NOW, "x"), "probing")]
)
def test_the_relay_is_well_down_or_probing(breaker, state):
    assert report.relay_state(breaker, NOW) == state


# -- the delivery log


async def test_a_line_of_the_log_has_the_promised_keys_in_every_state(ledger):
    await put(ledger, 5, new(), HELD_ELSEWHERE, new("president", State.BY_HAND, channel=Channel.POST))
    first, second, third, _, _ = await claim(ledger)
    await dot(ledger, first)
    await dot(ledger, second, LATER)
    await mark(ledger, third)
    for line in lines(ledger):
        assert set(line) >= LINE_KEYS
        for key in ("queued_at", "next_attempt_at", "accepted_at"):
            assert line[key] is None or TIME.fullmatch(line[key])
        for recipient in line["recipients"]:
            assert set(recipient) == {"address", "role", "state", "reply"}


HELD_ELSEWHERE = new("ministry", State.HELD, "approval")


async def test_a_line_tells_what_became_of_its_letter(ledger):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await dot(ledger, due, rcpt=[YES, LATER, YES], now=NOW + 61)
    (line,) = lines(ledger)
    assert {key: line[key] for key in LINE_KEYS - {"message_id", "file"}} == {
        "letter": due.letter,
        "campaign": CAMPAIGN,
        "signature": 1,
        "target": TARGET,
        "channel": "email",
        "state": "deferred",
        "reason": line["reason"],
        "attempts": 1,
        "reply": f"{LATER}; dot: {YES}",  # what its reason is about, and behind it the end of the attempt
        "relay": RELAY,
        "recipients": [
            {"address": HEAD, "role": "to", "state": "accepted", "reply": "250 2.0.0 taken"},
            {"address": PRESS, "role": "cc", "state": "deferred", "reply": "451 4.3.0 try later"},
            {"address": COPY, "role": "copy", "state": "accepted", "reply": "250 2.0.0 taken"},
        ],
        "line": 1,
        "queued_at": "2011-09-20T08:00:00Z",
        "next_attempt_at": "2011-09-20T08:06:01Z",
        "accepted_at": None,
    }
    assert line["message_id"] == one(ledger, due.letter).message_id


async def test_the_log_is_of_the_letters_that_are_meant(ledger):
    await put(ledger, 3, new(), HELD_ELSEWHERE)
    assert [line["target"] for line in lines(ledger, Selection(state="held", limit=2))] == ["ministry", "ministry"]


# -- the name of the file


async def signed(ledger: Ledger, opened: Seal) -> None:
    """One signature, really sealed, from a file with a person's name."""
    packed = signature.pack(Signature("Jane Doe", Address("jane", "example.org")), "from Jane Doe.csv")
    file = await begin(ledger)
    await ledger.take_in(file, CAMPAIGN, DOMAIN, [Entry(1, b"p" * 20, "GB", opened.close(packed), (new(),))], NOW)


async def test_the_name_of_the_file_is_shown_to_who_has_the_key(ledger, tmp_path):
    opened = seal.load(tmp_path / "keys", CAMPAIGN, None)
    await signed(ledger, opened)
    assert [line["file"] for line in lines(ledger, seals={CAMPAIGN: opened})] == ["from Jane Doe.csv"]


async def test_without_the_key_or_with_another_the_rest_is_shown(ledger, tmp_path):
    await signed(ledger, seal.load(tmp_path / "keys", CAMPAIGN, None))
    others: list[Mapping[str, Seal]] = [
        {},
        {CAMPAIGN: Seal(CAMPAIGN, b"another key" * 3)},
        {"another": Seal(CAMPAIGN, b"x" * 32)},
    ]
    for seals in others:
        assert [(line["file"], line["line"]) for line in lines(ledger, seals=seals)] == [(None, 1)]


async def test_nothing_of_a_signatory_is_shown(ledger, tmp_path):
    opened = seal.load(tmp_path / "keys", CAMPAIGN, None)
    await signed(ledger, opened)
    (due,) = await claim(ledger)
    await dot(ledger, due)
    shown = json.dumps([status(ledger), lines(ledger)]) + repr(list(ledger.records(Selection())))
    shown += json.dumps([report.attempt(attempt) for attempt in ledger.attempts(due.letter)])
    assert [word for word in ("Jane", "Doe", "jane@", "example.org") if word in shown] == []
    assert repr(due.sealed)[2:20] not in shown


# -- attempts


async def test_an_attempt_tells_when_the_dot_was_let_go_and_what_was_answered(ledger):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    assert as_script_sees(report.attempt(ledger.attempts(due.letter)[0]))["outcome"] == "open"
    await mark(ledger, due, now=NOW + 1)
    await settle(ledger, due, Stage.DOT, YES, now=NOW + 2)
    (attempt,) = ledger.attempts(due.letter)
    told = as_script_sees(report.attempt(attempt))
    assert [recipient["state"] for recipient in told.pop("recipients")] == ["accepted"] * 3
    assert told == {
        "number": 1,
        "relay": RELAY,
        "worker": "worker",
        "opened_at": "2011-09-20T08:00:00Z",
        "dot_at": "2011-09-20T08:00:01Z",
        "settled_at": "2011-09-20T08:00:02Z",
        "outcome": "accepted",
        "stage": "dot",
        "reason": "",
        "reply": "250 2.0.0 taken",
    }


async def test_an_attempt_that_never_reached_the_dot_has_no_time_of_it(ledger):
    await put(ledger, 1)
    (due,) = await claim(ledger)
    await ledger.let_go(due, State.QUEUED, Who.WORKER, "", "let go unsent", NOW)
    told = report.attempt(ledger.attempts(due.letter)[0])
    assert (told["outcome"], told["dot_at"], told["reason"]) == ("unsent", None, "let go unsent")
