"""
Hostile mail: what strangers may send to a campaign's mailbox, made at random, read as the program reads it.

    python -m tests.fuzz_mail --mails 10000 --seed 7

Each is a real report, copy or answer about a letter that is not ours or whose proof is broken, bent by some of the mutations
below, or noise. None may raise, none may move a letter; the longest time and the memory are told.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mailer.inbox import Inbox, key_of
from mailer.ledger import Mailbox
from mailer.mailboxes import Mail
from tests.mails import answer, bounce, headers_of, verdicts
from tests.offices import Scene, at_work, drop, instance
from tests.relays import TO, settings_for
from tests.servers.record import Taken
from tests.servers.scripted import ScriptedServer

CAMPAIGN = (
    "approval: none\nconsent: assumed\npace: none\n"
    "sender: {name: S, address: letters@campaign.example, bounce_address: 'bounces+{token}@campaign.example'}\n"
    f"copy_to: [copies@campaign.example]\ntargets: {{court: {{name: Court, to: {TO}}}}}\n"
)
Change = Callable[[random.Random, bytes], bytes]


def _nest(dice: random.Random, raw: bytes) -> bytes:
    """Parts within parts, as deep as somebody likes."""
    depth = dice.choice([5, 50, 500, 3_000])
    opened = b"".join(b'Content-Type: multipart/report; boundary="b%d"\r\n\r\n--b%d\r\n' % (at, at) for at in range(depth))
    return b"Subject: x\r\n" + opened + raw


def _attach(dice: random.Random, raw: bytes) -> bytes:
    """A letter within a letter within a letter."""
    return b"Content-Type: message/rfc822\r\n\r\n" * dice.choice([5, 50, 1_000, 20_000]) + raw


def _flood(dice: random.Random, raw: bytes) -> bytes:
    """Headers without an end, or one without one."""
    many = b"".join(b"X-%d: %s\r\n" % (at, b"y" * dice.randrange(200)) for at in range(dice.choice([100, 5_000, 50_000])))
    one = dice.choice([b"Received", b"References", b"Content-Type", b"To", b"In-Reply-To"]) + b": "
    return (
        many
        + one
        + dice.choice([b"<", b"(", b'"', b";a=", b"a@", b"=?", b"\r\n "]) * dice.choice([1_000, 100_000])
        + b"\r\n"
        + raw
    )


def _swell(dice: random.Random, raw: bytes) -> bytes:
    """Larger than anything is read."""
    more = dice.choice([b"A", b"--=_b1\r\n", b"\r\n\r\n", b"Action: failed\r\n", b"=3D", b"\xff"])
    return raw + more * dice.choice([10_000, 3_000_000])


def _encode(dice: random.Random, raw: bytes) -> bytes:
    """Another charset, another transfer encoding, words encoded wrongly."""
    ways = [b"base64", b"quoted-printable", b"uuencode", b"x-none", b"7bit\r\nContent-Transfer-Encoding: base64"]
    status, how = b"Content-Type: message/delivery-status", dice.choice(ways)
    raw = raw.replace(status, status + b"\r\nContent-Transfer-Encoding: " + how)
    charset, form = dice.choice([b"utf-7", b"punycode", b"\xff", b"idna"]), dice.choice([b"b", b"q", b"x"])
    return raw.replace(b"Subject: ", b"Subject: =?%s?%s?" % (charset, form))


def _noise(dice: random.Random, raw: bytes) -> bytes:
    """Bytes changed, taken out or doubled."""
    found = bytearray(raw)
    for _ in range(dice.choice([1, 10, 300])):
        at = dice.randrange(len(found) + 1)
        found[at : at + dice.randrange(4)] = dice.randbytes(dice.randrange(4))
    return bytes(found)


def _repeat(dice: random.Random, raw: bytes) -> bytes:
    """A report of very many recipients."""
    block = b"\r\nFinal-Recipient: rfc822; a@b.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    return raw.replace(b"\n--", block.replace(b"\r\n", b"\n") * dice.choice([10, 5_000]) + b"\n--", 1)


CHANGES: Sequence[Change] = (_nest, _attach, _flood, _swell, _encode, _noise, _repeat)


@dataclass
class Read:
    """What came of it."""

    mails: int = 0
    longest: float = 0
    worst: str = ""
    failed: list[str] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)


def hostile(dice: random.Random, letter: Taken) -> tuple[bytes, str]:
    """One mail, and which changes made it. Whatever in it is about a letter of ours has a broken proof."""
    token = f"bounces+{dice.randrange(1, 9):x}-{dice.randrange(10**5):x}-{'a' * 16}@campaign.example"
    name = dice.choice(list(verdicts()))
    # What only those know who have the letter is not for strangers: its Message-ID.
    chance = letter.message_id.partition(".")[2].partition("@")[0]
    unknown = {"HEADERS": headers_of(letter.data), "MESSAGE-ID": letter.message_id}
    unknown = {name: known.replace(chance, chance[::-1]) for name, known in unknown.items()}
    made = dice.choice(
        [
            bounce(name, letter, RETURN=token, **unknown),
            bounce(name, letter, RETURN=token, HEADERS="X-Nothing: here", **{"MESSAGE-ID": "<1.0@x.example>"}),
            letter.data.replace(b"X-Letter-Evidence: ", b"X-Letter-Evidence: 0"),
            answer(letter).replace(b"In-Reply-To: <", b"In-Reply-To: <9"),
            answer(letter).replace(b"In-Reply-To: ", b"References: <a@b> " * 400),
            dice.randbytes(dice.randrange(5_000)),
        ]
    )
    chosen = dice.sample(CHANGES, dice.randrange(1, 4))
    for change in chosen:
        made = change(dice, made)
    return made, " ".join([name, *(change.__name__ for change in chosen)])


async def read_all(scene: Scene, server: ScriptedServer, mails: int, seed: int) -> Read:
    """Read so many hostile mails about one letter."""
    await scene.take_in()
    await scene.send(settings_for(server))
    dice, found = random.Random(seed), Read()
    inbox = Inbox(scene.ledger, scene.office.desks, [], scene.time.clock)
    for _ in range(mails):
        raw, how = hostile(dice, server.taken[0])
        began = time.process_time()
        try:
            came = await inbox.take(Mail(key_of(raw), raw), Mailbox("files"))
            found.ignored += came.ignored
        except Exception as problem:  # noqa: BLE001  that is what is looked for
            found.failed.append(f"{how}: {problem!r}")
        seconds = time.process_time() - began
        if seconds > found.longest:
            found.longest, found.worst = seconds, how
        found.mails += 1
    found.states = scene.states()
    return found


async def _main(mails: int, seed: int) -> Read:
    with tempfile.TemporaryDirectory() as folder:
        here = instance(Path(folder), CAMPAIGN)
        drop(here, 3)
        async with at_work(here) as scene, ScriptedServer() as server:
            return await read_all(scene, server, mails, seed)


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    found = asyncio.run(_main(asked.mails, asked.seed))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{found.mails} mails: {len(found.failed)} failed, states {dict(found.states)}")
    print(f"longest {found.longest:.2f} s ({found.worst})")
    print(f"peak memory of the whole test {peak:.0f} MB; ignored: {dict(found.ignored)}")
    print("\n".join(found.failed[:5]))
    return 1 if found.failed or found.states != {"accepted": 3} else 0


if __name__ == "__main__":
    sys.exit(main())
