"""
A reply may be as long as 32 KB and say anything: what it costs to read, judge and keep one grows with its length, not faster.

Counted where something can be counted (characters that a pattern is given, calls that a reader makes). Else the processor's
time for a text is compared with that for one eight times as long: eight times as much is even growth, 64 times is what a
server could stop the whole program with.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Callable

import pytest

from mailer.outcome import (
    LEGIBLE,
    TABLE,
    Handover,
    Lost,
    Private,
    Recipient,
    Reply,
    Role,
    Rule,
    Scope,
    Stage,
    Verdict,
    decide,
    judge,
    without,
)
from mailer.outcome.judging import window
from mailer.relay.reader import LONGEST_REPLY, ReplyReader

SHORT, LONG = 2_000, 16_000  # characters; half of what is read at all
EVEN = 24  # how many times dearer eight times as much may be; the square would be 64

# What the patterns of reader and table can be led astray with, over and over.
WORDS = [
    "a",
    " ",
    "@",
    "a@",
    "@ ",
    "in ",
    "per 1",
    "/",
    "too many a ",
    "too many ",
    "mailbox ",
    "user quota",
    "over ",
    "unknown ",
    "-",
]
GAPS = [("rate limit in", "x"), ("quota per 1", "x"), ("mailbox", "full"), ("too many", "recipients")]  # long ones


def growth(work: Callable[[int], object]) -> float:
    """How many times as long it takes for LONG as for SHORT; the fastest of three, for the machine has other work."""

    def seconds(length: int) -> float:
        took = []
        for _ in range(3):
            began = time.process_time()
            work(length)
            took.append(time.process_time() - began)
        return min(took)

    return seconds(LONG) / max(seconds(SHORT), 1e-4)


def filled(word: str, length: int) -> str:
    return (word * length)[:length]


async def read(sent: bytes) -> Reply | Lost:
    reader = ReplyReader()
    reader.data_received(sent)
    return await reader.reply(10)


@pytest.mark.parametrize("word", WORDS, ids=repr)
def test_a_reply_of_one_long_line_costs_as_much_as_it_is_long(word: str) -> None:
    assert growth(lambda length: asyncio.run(read(f"550 {filled(word, length)}\r\n".encode()))) < EVEN


@pytest.mark.parametrize("line", [b"550-\r\n", b"550-5.1.1 a@b.example\r\n"], ids=repr)
def test_a_reply_of_many_lines_costs_as_much_as_it_is_long(line: bytes) -> None:
    assert growth(lambda length: asyncio.run(read(line * (length // len(line)) + b"550 end\r\n"))) < EVEN


async def calls(drips: list[bytes]) -> int:
    """How many calls a reader makes for a reply that comes in drips, each of which wakes it."""
    reader = ReplyReader()
    answer = asyncio.create_task(reader.reply(10))
    count = 0

    def one_more(*_: object) -> None:
        nonlocal count
        count += 1

    sys.setprofile(one_more)
    try:
        for drip in drips:
            reader.data_received(drip)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
    finally:
        sys.setprofile(None)
    assert isinstance(await answer, Reply)
    return count


@pytest.mark.parametrize("line", [b"250-and more\r\n", b"250-\r\n"], ids=repr)
async def test_a_reply_that_drips_in_is_not_read_from_its_beginning_again_and_again(line: bytes) -> None:
    few = await calls([line] * 100 + [b"250 end\r\n"])
    assert await calls([line] * 800 + [b"250 end\r\n"]) < 2 * 8 * few


@pytest.mark.parametrize("begin, word, end", [("", word, "") for word in WORDS] + [(a, " ", b) for a, b in GAPS])
def test_a_judgement_costs_no_more_than_the_reply_is_long(begin: str, word: str, end: str) -> None:
    def judged(length: int) -> None:
        text = begin + filled(word, length) + end
        judge(Stage.RCPT, Reply(450, "", text))
        window(text)

    assert growth(judged) < EVEN


@pytest.mark.parametrize("stage", [Stage.GREETING, Stage.MAIL, Stage.RCPT, Stage.DOT])
def test_no_pattern_is_given_more_than_the_beginning_of_a_reply(stage: Stage) -> None:
    """An operator's pattern may cost the square of what it is given: that must be little."""

    def rows(length: int) -> tuple[Rule, ...]:
        pattern = re.compile(rf"\A(?s:.){{{length}}}")
        return (Rule(frozenset({stage}), Verdict.DEFERRED, Scope.RELAY, "so many", pattern=pattern), *TABLE)

    said = Reply(550, "", "a" * LONG)
    assert judge(stage, said, rows(LEGIBLE)).reason == "so many"
    assert judge(stage, said, rows(LEGIBLE + 1)).reason != "so many"


def test_a_limit_is_looked_for_in_the_beginning_of_a_reply() -> None:
    said = [Reply(450, "", f"rate limit {'.' * length} in 5 minutes") for length in (LEGIBLE // 2, LEGIBLE)]
    assert [judge(Stage.MAIL, one).pause for one in said] == [300, 3600]


@pytest.mark.parametrize("stage, answer", [(Stage.DOT, Reply(554, "5.7.1", "a b " * 8_000)), (Stage.MAIL, Lost("?" * LONG))])
def test_what_is_kept_of_a_reply_is_its_beginning(stage: Stage, answer: Reply | Lost) -> None:
    kept = without(decide([Recipient("head@court.example", Role.TO)], Handover(stage, answer)).answer, Private())
    assert str(answer).startswith(kept.removesuffix("…")) and kept.endswith("…")
    assert LEGIBLE - 10 < len(kept) <= LEGIBLE


def test_a_reply_of_usual_length_is_kept_whole() -> None:
    said = f"550 {'a' * (LEGIBLE - 4)}"
    assert without(said, Private()) == said


async def test_what_is_no_reply_is_shown_as_far_as_a_reply_is() -> None:
    answer = await read(b"HTTP/1.1 400 Bad Request " + b"x" * LONG + b"\r\n")
    assert isinstance(answer, Lost) and len(without(str(answer), Private())) <= LEGIBLE < LONGEST_REPLY


@pytest.mark.parametrize("word", [*WORDS, "jane ", "=?", "=C3", "aB", "Jane\u0301 Doe said so "], ids=repr)
def test_taking_out_what_is_personal_costs_no_more_than_the_reply_is_long(word: str) -> None:
    known = Private(["Jane Doe", "a a a"], (), "so said Jane so ")
    assert growth(lambda length: without(f"550 {filled(word, length)}", known)) < EVEN


def test_what_is_personal_of_a_letter_costs_no_more_than_its_message_is_long() -> None:
    assert growth(lambda length: Private(["Jane Doe"], (), filled("so said Jane, 王小明 ", length))) < EVEN
