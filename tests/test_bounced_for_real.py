"""
A letter that comes back, end to end: the program, a Postfix whose next hop refuses it, its report in a Maildir, the same
Maildir by a Dovecot. And doubts made by cutting the connection behind the dot, ended by the copies that Postfix delivers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from mailer.mailboxes import Imap, ImapFolder, Trouble
from tests.installed import Place, started
from tests.servers.available import require, wait
from tests.servers.dovecot import PASSWORD, USER, Dovecot
from tests.servers.postfix import Postfix
from tests.servers.rules import Reply, Rule, StoreThenDrop
from tests.servers.spawned import SpawnedServer

COURT, OFFICE, COPY = "head@court.example", "ministry@office.example", "copies@campaign.example"
CAMPAIGN = f"""\
approval: none
pace: none
sender: {{name: Sender, address: letters@campaign.example, bounce_address: "bounces+{{token}}@campaign.example"}}
copy_to: [{COPY}]
targets: {{court: {{name: Court, to: {COURT}}}, office: {{name: Office, to: {OFFICE}}}}}
"""


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for part in ("new", "cur", "tmp"):
        (tmp_path / "mail" / part).mkdir(parents=True)
    return tmp_path / "mail"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[SpawnedServer, Postfix]]:
    """A Postfix, and behind it a server that knows nobody at the court."""
    require("postfix")
    nobody = Rule("rcpt", Reply("550 5.1.1 <head@court.example>: User unknown"), recipient=COURT)
    with SpawnedServer(tmp_path / "far-side", [nobody]) as far, Postfix(far) as postfix:
        yield far, postfix


def place_of(root: Path, port: int, inbox: str) -> Place:
    place = Place(root / "instance", CAMPAIGN)
    place.relay(port)
    main = root / "instance/config/mailer.yaml"
    main.write_text(f"{main.read_text()}inbox: {inbox}\n")
    return place


def imap_of(dovecot: Dovecot, folder: Path) -> str:
    """The key of the configuration that reads this account, its password in a file."""
    secret = folder / "imap.password"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    where = f"host: 127.0.0.1, port: {dovecot.port}, ca_file: {dovecot.ca_file}"
    return f"{{{where}, username: {USER}, password_file: {secret}}}"


def delivered(far: SpawnedServer, maildir: Path, domain: str = "@campaign.example") -> int:
    """Lay what came for the campaign's own addresses into its Maildir, as a local delivery does; gives how much is new."""
    new = 0
    for number, one in enumerate(far.taken()):
        path = maildir / "new" / f"{number}.M{number}.host"
        if not one.recipients[0].endswith(domain) or path.exists():
            continue
        envelope = f"Return-Path: <{one.sender}>\nDelivered-To: {one.recipients[0]}\n".encode()
        path.write_bytes(envelope + one.data.replace(b"\r\n", b"\n"))
        path.chmod(0o644)
        new += 1
    return new


def states(place: Place) -> dict[str, dict[str, int]]:
    targets: dict[str, dict[str, int]] = place.mailer("status", "--json").json["campaigns"]["c"]["targets"]
    return targets


@pytest.mark.parametrize("way", ["maildir", "imap"])
def test_a_letter_refused_at_the_next_hop_comes_to_be_bounced(tmp_path, maildir, world, way):
    far, postfix = world
    if way == "imap":
        require("dovecot")
    with Dovecot(maildir) if way == "imap" else Empty() as dovecot:
        inbox = f"{{maildir: {maildir}}}"
        if isinstance(dovecot, Dovecot):
            inbox = imap_of(dovecot, tmp_path)
        place = place_of(tmp_path, postfix.port, inbox)
        place.drop(2)
        assert place.mailer("run").code == 0
        assert states(place) == {"court": {"accepted": 2}, "office": {"accepted": 2}}
        postfix.wait_until_empty()
        assert delivered(far, maildir) == 2 + 4  # two reports, four copies
        said = place.mailer("run")
        assert "letters moved: 2 bounced" in said.out, (said, dovecot and dovecot.log())
        assert states(place) == {"court": {"bounced": 2}, "office": {"accepted": 2}}
        shown = place.mailer("show", "1").out
        assert "bounced" in shown and "5.1.1" in shown and "User unknown" in shown
        assert place.mailer("inbox").out.startswith("0 mails read.") and place.mailer("verify").code == 0
        # It was only looked at.
        assert len(list((maildir / "new").iterdir())) == 6 or way == "imap"
        assert not any(path.name.endswith("S") for path in (maildir / "cur").iterdir())


class Empty:
    """In the place of a server that this way does not need."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def test_doubts_end_by_the_copies_that_arrive_and_none_wrongly(tmp_path, maildir, world):
    """A server between us and Postfix takes every dot and says nothing: of each second letter it hands nothing on."""
    far, postfix = world
    place = place_of(tmp_path, postfix.port, f"{{maildir: {maildir}}}")
    with SpawnedServer(tmp_path / "between", [Rule("dot", StoreThenDrop())]) as between:
        place.relay(between.port, ", dot_timeout: 1")
        main = place.root / "config/mailer.yaml"
        main.write_text(f"{main.read_text()}inbox: {{maildir: {maildir}}}\n")
        place.drop(4)
        for _ in range(8):
            place.mailer("run")
        taken = between.taken()
        assert place.letters("in_doubt") == len(taken) == 8
        handed_on = taken[::2]
    for one in handed_on:
        submit(postfix.port, one.sender, [COPY], one.data)
    postfix.wait_until_empty()
    assert delivered(far, maildir) == 4
    said = place.mailer("inbox")
    assert said.code == 0 and "letters moved: 4 accepted" in said.out
    lines = {line["message_id"]: line["state"] for line in place.mailer("log", "--json").lines}
    assert lines == {one.message_id: "accepted" if one in handed_on else "in_doubt" for one in taken}


def submit(port: int, sender: str, recipients: list[str], data: bytes) -> None:
    import smtplib

    with smtplib.SMTP("127.0.0.1", port) as client:
        client.sendmail(sender, recipients, data)


def put(maildir: Path, number: int) -> None:
    path = maildir / "tmp" / f"{number}.M{number}.host"
    path.write_bytes(b"Subject: %d\n\nx\n" % number)
    path.chmod(0o644)
    path.rename(maildir / "new" / path.name)


def test_a_folder_is_read_behind_its_mark_and_a_new_validity_reads_all(maildir):
    require("dovecot")
    for number in range(3):
        put(maildir, number)
    with Dovecot(maildir) as dovecot:
        folder = ImapFolder(Imap("127.0.0.1", dovecot.port, USER, PASSWORD, ca_file=dovecot.ca_file))
        first = list(folder.new((), (0, 0), 2))
        assert [mail.raw.partition(b"\r\n")[0] for mail in first] == [b"Subject: 0", b"Subject: 1"]
        mark = (first[-1].validity, first[-1].uid)
        (third,) = folder.new((), mark, 2)
        assert third.raw.startswith(b"Subject: 2") and list(folder.new((), (third.validity, third.uid), 9)) == []
        assert len(list(folder.new((), (third.validity + 1, third.uid), 9))) == 3
        mark = (third.validity, third.uid)
        assert not folder.has_news() and not folder.has_news()
        put(maildir, 3)
        assert wait(folder.has_news)
        assert [mail.raw.partition(b"\r\n")[0] for mail in folder.new((), mark, 9)] == [b"Subject: 3"]
        assert not folder.has_news()
        put(maildir, 4)
        assert wait(folder.has_news)
        # A server that hung up is asked again without a word.
        folder._client.shutdown()
        assert not folder.has_news() and len(list(folder.new((), mark, 9))) == 2
        folder._client.shutdown()
        assert len(list(folder.new((), mark, 9))) == 2
        folder.close()
        folder.close()


def test_a_worker_that_stays_reads_at_once_what_the_server_tells_of(tmp_path, maildir):
    """Three mails one behind the other: a look every minute would need two minutes for them."""
    require("dovecot")
    with Dovecot(maildir) as dovecot:
        place = place_of(tmp_path, 1, imap_of(dovecot, tmp_path))
        with started(place.root, "work"):
            for number in range(3):
                put(maildir, number)
                assert wait(partial(has_read, place, number + 1), 20)


def has_read(place: Place, uid: int) -> bool:
    """Whether this mail is the last that was read."""
    with (
        suppress(sqlite3.OperationalError),
        closing(sqlite3.connect(f"file:{place.root}/var/ledger.db?mode=ro", uri=True)) as ledger,
    ):
        return (uid,) in ledger.execute("SELECT uid FROM mailbox")
    return False


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "wrong"}, "it does not let the account in"),
        ({"ca_file": None}, "its certificate is not believed"),
        ({"folder": "Nowhere"}, "it does not do as it should"),
        ({"port": 1}, "it cannot be reached"),
    ],
)
def test_what_keeps_us_from_a_mailbox_is_said_in_a_sentence_without_the_password(maildir, changes, said):
    require("dovecot")
    with Dovecot(maildir) as dovecot:
        asked = {"host": "127.0.0.1", "port": dovecot.port, "username": USER, "password": PASSWORD, "ca_file": dovecot.ca_file}
        folder = ImapFolder(Imap(**(asked | {"timeout": 5} | changes)))
        with pytest.raises(Trouble) as found:
            list(folder.new((), (0, 0), 9))
        assert said in str(found.value) and PASSWORD not in str(found.value) and "wrong" not in str(found.value)
