"""The log of a Postfix: what its lines say, what nobody can make them say, and its files, wherever they were rotated to."""

from __future__ import annotations

import gzip
import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.maillog import Follower, Note, Place, Stamps, Trouble, What, notes
from tests.maillogs import Log, begun, full, line, named, old, queued, refused, removed, went

AT = 1_316_520_000
ID = "<1.0123456789abcdef0123@campaign.example>"
TO = "head@court.example"


def read(*texts: str | bytes, now: float = AT) -> list[Note]:
    raw = b"".join(text if isinstance(text, bytes) else text.encode() for text in texts)
    return list(notes(raw.splitlines(), Stamps(now)))


# -- what a line says


@pytest.mark.parametrize("stamp", [full, old])
@pytest.mark.parametrize("queue", ["BE629288434", "4Hr6yF0KQqzJqVW"])
@pytest.mark.parametrize("instance", ["postfix", "postfix-out", "postfix/submission"])
def test_the_way_of_a_mail_in_every_form_of_stamp_id_and_instance(stamp, queue, instance):
    def said(program: str, text: str) -> str:
        return line(program, f"{queue}: {text}", AT, stamp=stamp, instance=instance)

    found = read(
        said("smtpd", "client=localhost[127.0.0.1], sasl_username=x"),
        said("cleanup", f"message-id={ID}"),
        said("qmgr", "from=<letters@campaign.example>, size=219, nrcpt=4 (queue active)"),
        said(
            "smtp", f"to=<{TO}>, relay=mx.court.example[192.0.2.7]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 Ok)"
        ),
        said("qmgr", "from=<letters@campaign.example>, status=expired, returned to sender"),
        said("qmgr", "removed"),
        line("qmgr", f"message repeated 2 times: [ {queue}: removed]", AT, stamp=stamp, instance=instance),
    )
    assert [note.what for note in found] == [
        What.BEGUN, What.NAMED, What.QUEUED, What.HANDED_ON, What.GIVEN_UP, What.REMOVED, What.REMOVED
    ]  # fmt: skip
    assert {note.at for note in found} == {AT} and {note.queue for note in found} == {f"{instance.partition('/')[0]}/{queue}"}
    assert (found[1].message_id, found[2].count, found[3].server) == (ID, 4, "mx.court.example[192.0.2.7]:25")


CASES = Path(__file__).parent / "data/maillog/deliveries.cases"


@pytest.mark.parametrize("case", [line for line in CASES.read_text("utf-8").splitlines() if not line.startswith("#")])
def test_what_each_delivery_agent_says(case):
    program, text, what, server, said = case.split(" | ")
    (note,) = read(line(program, f"4Hr6yF0KQqzJqVW: to=<{TO}>, orig_to=<x@campaign.example>, {text}", AT))
    assert (note.what, note.address, note.original, note.server, note.said) == (what, TO, "x@campaign.example", server, said)


FORGED = f"x) 4Hr6yF0KQqzJqVW: to=<{TO}>, relay=a[1.2.3.4]:25, delay=1, dsn=5.1.1, status=bounced (550 no)"


@pytest.mark.parametrize(
    "text",
    [
        f"NOQUEUE: reject: RCPT from unknown[192.0.2.1]: 550 helo=<{FORGED}>",
        f"4Hr6yF0KQqzJqVW: warning: header Subject: {FORGED}",
        f"4Hr6yF0KQqzJqVW: to=<{FORGED}>, relay=a[1.2.3.4]:25, delay=1, dsn=2.0.0, status=sent (250 ok)",
        '4Hr6yF0KQqzJqVW: to=<"a>, relay=x, dsn=5.1.1, status=bounced (x)"@b.example>, relay=a:25, dsn=2.0.0, status=sent ()',
        f"4Hr6yF0KQqzJqVW: to=<{TO}>, relay=a b, delay=1, dsn=5.1.1, status=bounced (550 no)",
        f"4Hr6yF0KQqzJqVW: to=<{TO}>, relay=a[1.2.3.4]:25, delay=1, dsn=9.1.1, status=bounced (550 no)",
        f"4Hr6yF0KQqzJqVW: to=<{TO}>, relay=a[1.2.3.4]:25, delay=1, dsn=2.1.5, status=deliverable (250 Ok)",
        f"4Hr6yF0KQqzJqVW: host a[1.2.3.4] said: 451 {FORGED} (in reply to RCPT TO command)",
        FORGED,
    ],
)  # fmt: skip
def test_what_strangers_write_into_a_line_makes_no_other_of_it(text):
    assert read(line("smtp", text, AT)) == []


def test_what_a_server_said_is_all_that_stands_in_the_last_bracket():
    said = f"550 5.1.1 no), dsn=2.0.0, status=sent (250 Ok (in reply to DATA command) {FORGED}"
    (note,) = read(went("4Hr6yF0KQqzJqVW", TO, AT, "bounced", refused(said)))
    assert (note.what, note.status, note.said) == (What.BOUNCED, "5.1.1", said)


def test_a_sender_s_address_cannot_make_a_mail_expire_or_be_queued():
    odd = '<"x>, status=expired, returned to sender"@a.example>'
    assert read(line("qmgr", f"4Hr6yF0KQqzJqVW: from={odd}, size=1, nrcpt=2 (queue active)", AT))[0].count == 2
    forged = '<"x>, size=1, nrcpt=9 (queue active)"@a.example>'
    assert (
        read(line("qmgr", f"4Hr6yF0KQqzJqVW: from={forged}, status=expired, returned to sender", AT))[0].what is What.GIVEN_UP
    )


@example([b"0001-01-01T00:00:00+00:00 x -/smtp[0]: 0000A: to=<!@->, relay=-, dsn=2.0.0, status=sent ("])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=300), st.text(max_size=100).map(lambda text: went("4Hr6yF0KQ", TO, AT, said=text).encode())
        )
    )
)
def test_whatever_a_line_is_reading_raises_nothing_and_gives_one_line_of_words(raw):
    for note in notes(raw, Stamps(AT)):
        assert note.said.isprintable() and len(note.said) <= 1_000 and 0 <= note.at <= AT + 2 * 86_400


@pytest.mark.parametrize(
    ("stamp", "now", "told"),
    [
        ("Dec 31 23:59:58", "2012-01-01 00:00:05", "2011-12-31 23:59:58"),
        ("Jan  1 00:00:05", "2012-01-01 00:00:00", "2012-01-01 00:00:05"),
        ("Jan  3 00:00:05", "2011-12-31 23:00:00", "2011-01-03 00:00:05"),
        ("Feb 29 12:00:00", "2012-03-01 00:00:00", "2012-02-29 12:00:00"),
        ("Feb 29 12:00:00", "2014-03-01 00:00:00", None),
        ("Feb 31 12:00:00", "2012-03-01 00:00:00", None),
        ("Foo  1 12:00:00", "2012-03-01 00:00:00", None),
        ("Jan  1 29:00:00", "2012-03-01 00:00:00", None),
    ],
)  # fmt: skip
def test_a_stamp_without_a_year_is_of_the_newest_year_that_is_not_ahead(stamp, now, told):
    def seconds(text: str) -> int:
        return int(time.mktime(time.strptime(text, "%Y-%m-%d %H:%M:%S")))

    assert Stamps(seconds(now)).seconds(stamp.encode()) == (seconds(told) if told else None)


# -- files


def all_of(follower: Follower, place: Place | None = None) -> tuple[list[bytes], Place | None, bool]:
    """Every line behind a place, the place behind them, and whether something was lost."""
    lines: list[bytes] = []
    lost = False
    while True:
        piece = follower.next(place, AT)
        lines += piece.lines
        lost, place = lost or piece.is_lost, piece.place
        if not piece.lines:
            assert piece.left == 0 or not lines or lines[-1]
            return lines, place, lost


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


@pytest.mark.parametrize("at_once", [7, 64, 1 << 19])
@pytest.mark.parametrize("how", ["rotate", "copytruncate", "twice", "emptied then grown"])
def test_each_line_is_read_once_wherever_the_file_went(log, how, at_once):
    follower = Follower(log.path, at_once)
    log.write("one\n", "two\n", "hal")
    lines, place, _ = all_of(follower)
    assert lines == ([b"one", b"two"])
    log.write("f\n", "three\n")
    if how == "twice":
        log.rotate()
        log.write("four\n", "five\n")
    (log.copytruncate if how == "copytruncate" else log.rotate)()
    if how == "emptied then grown":
        lines, place, _ = all_of(follower, place)
        assert lines == [b"half", b"three"]
        assert all_of(follower, place) == ([], place, False)
        log.write("new\n" * 9)
        assert all_of(follower, place)[0] == [b"new"] * 9
        return
    log.write("six\n")
    lines, place, lost = all_of(follower, place)
    assert lines == [b"half", b"three", *([b"four", b"five"] if how == "twice" else []), b"six"] and not lost
    assert all_of(follower, place) == ([], place, False)


def test_a_file_that_was_renamed_is_not_left_before_the_next_one_is_written_to(log):
    """Whoever writes it does so to the old one until it is told to open the new one."""
    follower = Follower(log.path)
    log.write("one\n")
    _, place, _ = all_of(follower)
    log.rotate()
    lines, place, _ = all_of(follower, place)
    assert lines == []
    with log.path.with_name("mail.log.1").open("a") as late:
        late.write("late\n")
    log.write("two\n")
    assert all_of(follower, place)[0] == [b"late", b"two"]


@pytest.mark.parametrize("how", ["cut", "gone", "another"])
def test_where_it_was_read_last_is_gone_that_is_told_once_and_it_goes_on(log, how):
    follower = Follower(log.path)
    log.write("one\n", "two\n")
    _, place, _ = all_of(follower)
    if how == "cut":
        log.path.write_text("1\n")
    elif how == "gone":
        log.path.unlink()
        log.path.write_text("a\n1\n")
    else:
        log.path.write_text("zero\nand one\n1\n")
    lines, place, lost = all_of(follower, place)
    assert lost and lines[-1] == b"1"
    assert all_of(follower, place) == ([], place, False)


@pytest.mark.parametrize("at_once", [16, 1 << 19])
@pytest.mark.parametrize("name", ["mail.log.2.gz", "mail.log.20110920-120000.gz", "mail.log-20110920.gz"])
def test_what_was_compressed_behind_our_back_is_finished_first(log, name, at_once):
    follower = Follower(log.path, at_once)
    log.write("one\n")
    _, place, _ = all_of(follower)
    log.write("two\n" * 50)
    log.path.with_name(name).write_bytes(gzip.compress(log.path.read_bytes()))
    log.path.unlink()
    log.write("three\n")
    log.path.rename(log.path.with_name("mail.log.1"))
    log.write("four\n")
    lines, place, lost = all_of(follower, place)
    assert lines == [b"two"] * 50 + [b"three", b"four"] and not lost
    assert all_of(follower, place) == ([], place, False)


def test_a_file_that_is_there_packed_and_unpacked_is_read_once(log):
    follower = Follower(log.path)
    log.write("one\n")
    _, place, _ = all_of(follower)
    log.write("two\n")
    log.path.with_name("mail.log.1.gz").write_bytes(gzip.compress(log.path.read_bytes()))
    log.path.rename(log.path.with_name("mail.log.1"))
    log.write("three\n")
    assert all_of(follower, place)[0] == [b"two", b"three"]


def test_a_file_that_was_cut_behind_what_it_is_known_by_is_read_anew(log):
    follower = Follower(log.path)
    log.write("one\n" * 1_000)
    _, place, _ = all_of(follower)
    os.truncate(log.path, 2_000)
    log.write("two\n")
    lines, place, lost = all_of(follower, place)
    assert lost and lines == [b"one"] * 500 + [b"two"]
    assert all_of(follower, place) == ([], place, False)


@pytest.mark.parametrize("is_newer", [True, False])
def test_where_what_was_read_is_gone_the_rotated_ones_that_are_newer_are_read(log, is_newer):
    follower = Follower(log.path)
    log.write("one\n")
    _, place, _ = all_of(follower)
    log.path.write_text("two\n")
    log.rotate()
    os.utime(log.path.with_name("mail.log.1"), (AT + is_newer, AT + is_newer - 1))
    log.write("three\n")
    lines, _, lost = all_of(follower, place)
    assert lost and lines == [b"two"] * is_newer + [b"three"]


@pytest.mark.parametrize("how", ["xz", "cut off", "being made"])
def test_what_cannot_be_unpacked_is_lost_and_told_but_not_while_it_is_still_being_packed(log, how):
    follower = Follower(log.path)
    log.write("one\n")
    _, place, _ = all_of(follower)
    log.write("two\n" * 1_000)
    packed = gzip.compress(random.Random(1).randbytes(9_000) + log.path.read_bytes())
    log.rotate()
    old = log.path.with_name("mail.log.1")
    log.path.with_name("mail.log.1.xz" if how == "xz" else "mail.log.1.gz").write_bytes(packed[:5_000])
    if how != "being made":
        old.unlink()
    log.write("three\n")
    lines, _, lost = all_of(follower, place)
    assert lines == [*([b"two"] * 1_000 if how == "being made" else []), b"three"] and lost is (how != "being made")


def test_files_by_date_are_in_their_order_and_others_beside_it_are_none_of_it(log):
    follower = Follower(log.path)
    log.write("one\n")
    _, place, _ = all_of(follower)
    for name, text in (
        ("-20110921", "two\n"),
        ("-20110921-1", ""),
        ("-20110922", "three\n"),
        (".old", "no\n"),
        (".1.gz", "not packed at all\n"),
        ("-x", "no\n"),
        ("2", "no\n"),
    ):
        if name == "-20110921":
            log.path.rename(log.path.with_name("mail.log-20110920"))
        log.path.with_name(f"mail.log{name}").write_text(text)
    log.path.write_text("four\n")
    assert all_of(follower, place)[0] == [b"two", b"three", b"four"]


def test_a_line_that_is_too_long_is_passed_over_and_its_middle_is_no_line(log):
    follower = Follower(log.path, 64)
    log.write("x" * 60 + removed("4Hr6yF0KQqzJqVW", AT), "two\n", "x" * 1_000 + "\n")
    lines, place, _ = all_of(follower)
    assert lines == [b"two"]
    log.write("x" * 60 + removed("4Hr6yF0KQqzJqVW", AT))
    log.rotate()
    log.write("next\n")
    assert all_of(follower, place)[0] == [b"next"]
    lines, place, _ = all_of(follower, place)
    log.write("y" * 1_000)
    assert all_of(follower, place) == ([], place, False)
    log.write("\nthree\n")
    assert all_of(follower, place)[0] == [b"three"]


def test_a_hole_of_a_log_that_was_emptied_under_its_writer_is_no_line(log):
    with log.path.open("ab") as file:
        file.truncate(10_000)
        file.seek(0, os.SEEK_END)
        file.write(begun("4Hr6yF0KQqzJqVW", AT).encode() + named("4Hr6yF0KQqzJqVW", ID, AT).encode())
    lines, _, _ = all_of(Follower(log.path, 1 << 14))
    assert [note.what for note in notes(lines, Stamps(AT))] == [What.BEGUN, What.NAMED]


def test_what_cannot_be_read_is_a_sentence(tmp_path):
    with pytest.raises(Trouble, match="there is no such file"):
        Follower(tmp_path / "mail.log").next(None)
    with pytest.raises(Trouble, match="cannot be read"):
        Follower(tmp_path / "nowhere/mail.log").next(None)
    os.mkfifo(tmp_path / "mail.log")
    with pytest.raises(Trouble, match="there is no such file"):
        Follower(tmp_path / "mail.log").next(None)


def test_a_log_that_is_empty_when_it_is_first_seen_is_read_from_its_first_line(log):
    follower = Follower(log.path)
    lines, place, _ = all_of(follower)
    assert lines == []
    log.write(queued("4Hr6yF0KQqzJqVW", 1, AT))
    log.rotate()
    log.write("two\n")
    lines, _, lost = all_of(follower, place)
    assert len(lines) == 2 and not lost
