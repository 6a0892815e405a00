"""Nothing personal can be read in the ledger's files or in the journal's."""

import random
from collections.abc import Iterator

import pytest

from mailer import seal, signature
from mailer.address import Address
from mailer.delivery import State, Who
from mailer.journal import Journal
from mailer.ledger import Entry
from mailer.ledger.sqlite import SqliteLedger
from mailer.signature import Signature
from tests.ledgers import (
    CAMPAIGN,
    DOMAIN,
    LATER,
    NEVER,
    NOW,
    begin,
    claim,
    dot,
    mark,
    new,
)


@pytest.mark.parametrize("is_closed", [False, True], ids=["while it is open", "when it is closed"])
async def test_nothing_personal_stands_in_the_ledger_or_its_journal(tmp_path, path, is_closed):
    """A canary in every field, and a life for each letter; then every byte of every file is searched for it."""
    ledger = SqliteLedger(path)
    opened = seal.load(tmp_path / "keys", CAMPAIGN, None)
    file = await begin(ledger)
    entries = [canary(opened, line) for line in range(1, 6)]
    assert [taken.is_new for taken in await ledger.take_in(file, CAMPAIGN, DOMAIN, entries * 2, NOW)] == [True] * 10
    accepted, deferred, refused, doubtful, held = await claim(ledger)
    await dot(ledger, accepted)
    await dot(ledger, deferred, LATER)
    await dot(ledger, refused, NEVER)
    await mark(ledger, doubtful)
    await ledger.let_go(held, State.HELD, Who.RULE, "render error", "letter.txt.j2:3", NOW)
    await ledger.recover(NOW)
    journal = Journal(tmp_path / "journal.jsonl", ledger.journal)
    journal.open()
    assert journal.catch_up() == 5
    if is_closed:
        ledger.close()
    files = {found.name: found.read_bytes().lower() for found in tmp_path.iterdir() if found.is_file()}
    assert {"ledger.db", "journal.jsonl"} | (set() if is_closed else {"ledger.db-wal"}) <= set(files)
    content = b"".join(files.values())
    assert b"head@court.example" in content  # what is public is found: the search works
    assert b"render error" in files["journal.jsonl"]
    assert [needle for needle in needles() if needle in content] == []
    ledger.close()


CANARY = "Kanarienvögelchen"


def canary(opened: seal.Seal, line: int) -> Entry:
    signed = Signature(
        name=f"{CANARY} {line}",
        email=Address(f"{CANARY.lower().replace('ö', 'oe')}{line}", "canary.example"),
        organisation=CANARY,
        role=CANARY,
        city=CANARY,
        postal_address=CANARY,
        message=CANARY,
        signed_at="2011-09-20T08:00:00Z",
    )
    person = opened.person(signature.identity(CAMPAIGN, signed))
    return Entry(line, person, "GB", opened.close(signature.pack(signed, f"{CANARY}.csv")), (new(),))


def needles() -> Iterator[bytes]:
    """The canary in the forms in which it could stand in a file."""
    for text in (CANARY, CANARY.lower(), "kanarienvoegelchen", "canary.example"):
        yield text.lower().encode()
        yield text.lower().encode("utf-16-le")
        yield text.lower().encode("ascii", "backslashreplace")
    yield b"kanarienv"


async def test_what_was_sealed_of_who_is_erased_is_in_no_free_space_either(path):
    """
    Records that have grown leave pieces of themselves in pages that were split, where no `secure_delete` reaches: of 2,000 such
    people some would be found, were the file not written anew.
    """
    ledger = SqliteLedger(path)
    file = await begin(ledger)
    chance = random.Random(1)
    blobs: list[bytes] = []

    def people(sizes: range) -> list[Entry]:
        found = [
            Entry(line, b"%020d" % line, "GB", chance.randbytes(chance.choice(sizes)), ())
            for line in range(1, 2_001)
            if sizes.start < 500 or not line % 3
        ]
        blobs.extend(entry.sealed for entry in found)
        return found

    for sizes in (range(150, 400), range(500, 1_500)):
        await ledger.begin_reading(file)
        await ledger.take_in(file, CAMPAIGN, DOMAIN, people(sizes), NOW)
    pieces = {blob[at : at + 24] for blob in blobs for at in (0, 60, len(blob) - 24)}
    everybody = [(CAMPAIGN, b"%020d" % line) for line in range(1, 2_001)]
    await ledger.erase(everybody, (CAMPAIGN, b"the address"), NOW)
    (erasure,) = ledger.erasures()
    await ledger.end_erasure(erasure.id, is_compact=False)
    await ledger.compact()
    content = b"".join(found.read_bytes() for found in path.parent.iterdir())
    assert len(blobs) == 2_666
    assert [piece for piece in pieces if piece in content] == []
    ledger.close()
