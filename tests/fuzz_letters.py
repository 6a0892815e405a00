"""
Composes letters from real and hostile names, and sees that each says what was meant; counts those that do not.

    python -m tests.fuzz_letters [LETTERS] [--seed N] [--processes N]

Real names are of characters that each language is written with (CLDR: tests/data/cldr); the first letters have every one of
them, the others draw. Hostile ones mix them with what has broken mail programs: encoded words, addresses, quotes, control
characters, halves of surrogates. Each letter is drawn from the seed and its number alone, so a failure is looked at with
`letter(seed, number)`.

A letter that holds what no header may (a line end, a NUL, half a surrogate) must not leave. Every other one must, and is read
back by the standard library's parser and looked at byte by byte (`meant`), signed; some also by the library's newer parser.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path

from mailer.address import Address, parse
from mailer.dkim import Signer
from mailer.errors import WireProblem
from mailer.letter import Letter, Mailbox, compose, prove
from tests.keys import signer
from tests.meant import assert_reads_as, assert_within_the_limits
from tests.parsed import by_new_rules, by_old_rules, without_space

EXEMPLARS = Path(__file__).parent / "data" / "cldr" / "exemplars.txt"
SEED = 2011
LONGEST_NAME = 100  # as a signature's may be
_CHUNK = 500
_NEWER = 25  # of so many letters one is also read by the newer parser, which takes many times as long
_NEVER = re.compile("[\r\n\0\ud800-\udfff]")
_NEVER_IN_TEXT = re.compile("[\ud800-\udfff]")

HOSTILE = (
    '"', "'", "\\", '\\"', ",", ";", ":", "<", ">", "(", ")", "@", "=", "?", "=?", "?=", "_", " ", "  ", "\t", ".", "-- ",
    "=?utf-8?q?Hi=0D=0ABcc=3A_x=40evil.example?=", "=?utf-8?b?PGFAZXZpbC5leGFtcGxlPg==?=", "=?iso-8859-1?q?=E9", "From ",
    " , <a@evil.example>", "a@evil.example", "Bcc: a@evil.example", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1b[2J",
    "\x7f", "\u200d", "\u200f", "\u202e", "\u2066", "\ufeff", "\u00ad", "\u00a0", "\U000e0041", "\ufffd",
    "\U0001f469\u200d\U0001f467", "x" * 60, "ж" * 30, "{{ 7 * 7 }}", "<script>", "&amp;", "--=_boundary", "=HYPERLINK()",
)  # fmt: skip
BREAKING = ("\r", "\n", "\r\n", "\0", "\r\nBcc: a@evil.example\r\n", "\ud800", "\udfff")
DOMAINS = (
    "court.example", "bücher.example", "пример.испытание", "例え.テスト", "مثال.إختبار", "उदाहरण.परीक्षा", "παράδειγμα.δοκιμή",
    "예.테스트", "דוגמה.טעסט", "உதாரணம்.பரிட்சை", "xn--bcher-kva.example", "a-b.c-d.example", "ministry.gov.example",
)  # fmt: skip
_ATEXT = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#$&'*+/=?^_`{|}~-"


@dataclass(frozen=True)
class Counted:
    """What a run came to: letters that left, letters that rightly did not, failures in words, seconds of work on composing."""

    composed: int = 0
    kept: int = 0
    failures: tuple[str, ...] = ()
    seconds: float = 0.0

    def __add__(self, other: Counted) -> Counted:
        failures = self.failures + other.failures
        return Counted(self.composed + other.composed, self.kept + other.kept, failures, self.seconds + other.seconds)


@cache
def exemplars() -> tuple[tuple[str, ...], ...]:
    """The characters of each language, as the CLDR lists them; some are of several code points."""
    lines = EXEMPLARS.read_text(encoding="utf-8").splitlines()[1:]
    return tuple(tuple(line.split(" ")[1:]) for line in lines)


@cache
def covering() -> tuple[str, ...]:
    """Names that together have every character of every language once."""
    names, seen = [], set[str]()
    for characters in exemplars():
        name = ""
        for character in characters:
            if character in seen:
                continue
            seen.add(character)
            if len(name) + len(character) > LONGEST_NAME:
                names.append(name)
                name = ""
            name += character
        names += [name] if name else []
    return tuple(names)


def letter(seed: int, number: int) -> Letter:
    """One letter, by its number."""
    draw = random.Random(f"{seed} {number}")
    language = draw.choice(exemplars())
    kind = draw.random()
    some = covering()[number] if number < len(covering()) else _name(draw, language, kind)
    offices = [_name(draw, language, kind) if draw.random() < 0.7 else "" for _ in range(draw.randint(1, 4))]
    cc = tuple(Mailbox("", _address(draw)) for _ in range(draw.choice((0, 0, 0, 1, 2, 12))))
    return Letter(
        sender=Mailbox(f"{some} via {_name(draw, language, 0)}", _address(draw)),
        reply_to=Mailbox(some, _address(draw)),
        to=tuple(Mailbox(office, _address(draw)) for office in offices),
        cc=cc,
        subject=f"{draw.choice(('Drop the charges', 'О деле', ''))} {some}".strip() if draw.random() < 0.8 else some,
        text=_text(draw, language, kind, some),
        html=_text(draw, language, kind, f"<p>{some}</p>") if draw.random() < 0.3 else "",
        language=draw.choice(("en", "ru", "zh-Hant-TW")),
        date=datetime(2011, 9, 20, tzinfo=UTC) + timedelta(seconds=draw.randrange(10**9)),
        message_id=f"<{number}.{draw.randrange(16**8):x}@campaign.example>",
        evidence=f"{draw.randrange(16**40):040x}",
    )


def _name(draw: random.Random, language: Sequence[str], kind: float) -> str:
    """A name: up to 0.5 a real one, up to 0.95 a hostile one, else one that no header may hold."""
    words = ["".join(draw.choices(language, k=draw.randint(1, 12))) for _ in range(draw.randint(1, 5))]
    if kind < 0.5:
        return " ".join(word.capitalize() for word in words)[:LONGEST_NAME].strip() or "x"
    pieces = [*words, *draw.choices(HOSTILE, k=draw.randint(1, 6)), *([draw.choice(BREAKING)] if kind > 0.95 else [])]
    draw.shuffle(pieces)
    return "".join(pieces)[:LONGEST_NAME].strip(" ") or "x"


def _text(draw: random.Random, language: Sequence[str], kind: float, some: str) -> str:
    lines = [some]
    for _ in range(draw.choice((0, 1, 1, 2, 3, 8))):
        words = ["".join(draw.choices(language, k=draw.randint(1, 9))) for _ in range(draw.choice((0, 1, 3, 8, 30)))]
        if kind >= 0.5:
            words += draw.choices(HOSTILE, k=draw.randint(0, 4))
            draw.shuffle(words)
        lines.append(" ".join(words))
    return "\n".join(lines)


def _address(draw: random.Random) -> Address:
    local = ".".join("".join(draw.choices(_ATEXT, k=draw.randint(1, 16))) for _ in range(draw.randint(1, 3)))
    return Address(local.replace("=?", "=-"), _a_label(draw.choice(DOMAINS)))  # an encoded word is no address


@cache
def _a_label(domain: str) -> str:
    return parse(f"x@{domain}").domain


def failures(seed: int, numbers: Sequence[int], keys: Sequence[Signer]) -> Counted:
    """Compose letters by their numbers, and see of each that it says what was meant, or rightly never leaves."""
    counted = Counted()
    for number in numbers:
        said = letter(seed, number)
        began = time.process_time()
        try:
            wire = compose(said)
        except WireProblem as problem:
            counted += Counted(kept=1, failures=() if _may_not_leave(said) else (f"letter {number} is kept: {problem}",))
            continue
        seconds = time.process_time() - began
        wrong = misread(wire, said, keys, is_new_too=number % _NEWER == 0)
        counted += Counted(1, failures=tuple(f"letter {number}: {one}" for one in wrong), seconds=seconds)
    return counted


def _may_not_leave(said: Letter) -> bool:
    names = [mailbox.name for mailbox in (said.sender, *filter(None, [said.reply_to]), *said.to, *said.cc)]
    return any(_NEVER.search(text) for text in (*names, said.subject)) or bool(_NEVER_IN_TEXT.search(said.text + said.html))


def misread(wire: bytes, said: Letter, keys: Sequence[Signer], *, is_new_too: bool) -> Iterator[str]:
    """What is wrong with the bytes of a letter, in words; nothing where they say what was meant."""
    try:
        assert not _may_not_leave(said), "it holds what no header may"
        signed = b"".join(key.signature(wire, int(said.date.timestamp())) for key in keys) + wire
        prove(signed)
        assert_within_the_limits(signed)
        assert_reads_as(by_old_rules(signed), said, str)
        if is_new_too:
            assert_reads_as(by_new_rules(signed), said, without_space)
    except Exception as problem:  # noqa: BLE001 - whatever a parser makes of it is a failure of that letter
        yield f"{type(problem).__name__}: {str(problem)[:200]!r}"


def _chunk(task: tuple[int, range]) -> Counted:
    with tempfile.TemporaryDirectory() as folder:
        return failures(task[0], task[1], [signer(Path(folder), "ed25519")])


def main() -> int:
    """Run, and say what came of it; 1 where a letter failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("letters", type=int, nargs="?", default=20_000, help="letters that leave (default 20000)")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    counted = Counted()
    with ProcessPoolExecutor(asked.processes) as pool:
        for start in count(0, _CHUNK * asked.processes):
            if counted.composed >= asked.letters or len(counted.failures) > 20:
                break
            tasks = [
                (asked.seed, range(begin, begin + _CHUNK)) for begin in range(start, start + _CHUNK * asked.processes, _CHUNK)
            ]
            counted = sum(pool.map(_chunk, tasks), counted)
    for failure in counted.failures:
        print(failure)
    told = (
        f"{counted.composed} letters composed and read back, {counted.kept} rightly kept back, {len(counted.failures)} failures"
    )
    print(f"{told}; composing alone: {counted.composed / counted.seconds:.0f} letters/s")
    return 1 if counted.failures else 0


if __name__ == "__main__":
    sys.exit(main())
