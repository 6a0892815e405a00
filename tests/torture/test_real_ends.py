"""
The oracle's second and third opinion: servers that nobody wrote for us, with faults of their own, and killed beside.

Debian's smtp-sink fails each command in each of its ways, then another one that takes everything follows in its place. A real
Postfix with the sink behind it is sent to by runs that die around the dot.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.servers.available import require
from tests.servers.postfix import Postfix
from tests.servers.sink import Sink
from tests.torture.farside import of_sink
from tests.torture.grounds import ground
from tests.torture.judged import Judged
from tests.torture.runs import STEP, Trip, Zygote, until_quiet

pytestmark = pytest.mark.postfix

COMMANDS = ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", ".")
WAYS = {"-r": "4", "-f": "5", "-q": "", "-Q": "4"}  # later, never, hangs up, 421 and hangs up: what a dot is answered then
SLOW = {  # it comes to the same as without, only slower; and once it says no while the body still comes
    "a window of one byte": ["-T", "1"],
    "slow at the dot": ["-W", ".:1:50"],
    "without pipelining, in plain SMTP": ["-p", "-e"],
    "no, early in the body": ["-A", "0"],
}


@pytest.fixture(scope="module")
def zygote(zygote: Zygote) -> Zygote:
    require("smtp-sink")
    return zygote


def sent_through(zygote: Zygote, root: Path, flags: list[str], dot_answer: str) -> Judged:
    """One run to a sink with faults, then runs to one without."""
    with Sink(root / "first", *flags) as first, Sink(root / "second") as second:
        here = ground(root / "instance", first.port, files=1, people=2)
        ended = [zygote.run(here)]
        judged = Judged(here.judge(of_sink(first.messages(), dot_answer), is_quiet=False).violations)
        here.point_at(second.port)
        ended.append(zygote.run(here, "resume", "c", "--why", "the relay was mended", later=STEP))
        ended += until_quiet(zygote, here, STEP)
        far = of_sink(first.messages(), dot_answer) + of_sink(second.messages())
    assert [fault for one in ended for fault in one.faults] == []
    return judged + here.judge(far, [one.said for one in ended])


@pytest.mark.parametrize("flag", WAYS)
@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_the_sink_fails_nothing_is_lost_and_nothing_goes_twice(
    zygote: Zygote, tmp_path: Path, command: str, flag: str
) -> None:
    judged = sent_through(zygote, tmp_path, [flag, command], WAYS[flag] if command == "." else "2")
    assert judged.violations == [], str(judged)
    assert judged.counted["letters in_doubt"] == (2 if (command, flag) == (".", "-q") else 0)


@pytest.mark.parametrize("how", SLOW)
def test_however_slow_the_sink_is_nothing_is_lost_and_nothing_goes_twice(zygote: Zygote, tmp_path: Path, how: str) -> None:
    judged = sent_through(zygote, tmp_path, SLOW[how], "2")
    assert judged.violations == [], str(judged)
    assert judged.counted["letters in_doubt"] == 0


@pytest.mark.parametrize(
    "point, arrives, in_doubt",
    [
        ("commit of mark is done", 5, 1),
        ("relay.wire.SmtpConnection.dot is done", 6, 1),
        ("commit of settle is done", 6, 0),
    ],
)
def test_killed_around_the_dot_beside_postfix_what_arrives_is_accepted_or_in_doubt(
    zygote: Zygote, sink: Sink, tmp_path: Path, point: str, arrives: int, in_doubt: int
) -> None:
    require("postfix")
    with Postfix(sink) as postfix:
        here = ground(tmp_path / "instance", postfix.port, tls=f"starttls, ca_file: {postfix.ca_file}")
        ended = [zygote.run(here, point=Trip(point, 2)), *until_quiet(zygote, here)]
        assert ended[0].was_killed
        postfix.wait_until_empty()
        judged = here.judge(of_sink(sink.messages()), [one.said for one in ended])
    assert judged.violations == [], str(judged)
    assert (judged.counted["kept"], judged.counted["letters in_doubt"]) == (arrives, in_doubt)
