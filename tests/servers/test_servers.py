"""
The servers that other tests rely on do what they say: a test's far side must be beyond doubt.

The scripted server as a process, the sink and Postfix, each met with clients that we did not write: the standard
library's smtplib, Debian's smtp-source, and Postfix itself.
"""

import os
import re
import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.servers.available import free_port, is_listening, missing, program, require
from tests.servers.client import HANDED_IN, LETTER
from tests.servers.postfix import AnotherWayOut, Postfix
from tests.servers.record import DOT_NOT_ALONE, read_record
from tests.servers.scripted import Reply, Rule, StoreThenHang
from tests.servers.sink import Sink, read_dump
from tests.servers.spawned import SpawnedServer

# -- a process of its own


def hand_in(
    port: int,
    *,
    sender: str = "a@x.example",
    letter: bytes = LETTER,
    times: int = 1,
    trust: ssl.SSLContext | None = None,
) -> None:
    """Through the standard library's client."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        if trust is not None:
            client.starttls(context=trust)
        for _ in range(times):
            client.sendmail(sender, ["b@y.example", "c@y.example"], letter, mail_options=["BODY=8BITMIME"])


def test_a_spawned_server_keeps_its_books_in_its_folder(tmp_path: Path) -> None:
    with SpawnedServer(tmp_path, [Rule("mail", Reply("451 4.3.0 once"), nth=1)]) as server:
        with pytest.raises(smtplib.SMTPSenderRefused, match="once"):
            hand_in(server.port)
        hand_in(server.port, times=2)
    record = server.record()
    assert (record.connections, record.seen["mail"], record.dots) == (2, 3, {2: 2})
    assert record.violations == []
    assert [taken.data for taken in record.taken] == [LETTER] * 2
    assert [dot.message_id for dot in record.dotted] == ["<one@x.example>"] * 2
    assert record.commands[2][-2:] == [".", "QUIT"]


def test_what_a_killed_server_had_taken_is_whole_and_it_starts_again_where_it_was(tmp_path: Path) -> None:
    with SpawnedServer(tmp_path, [Rule("dot", StoreThenHang(), nth=2)]) as server:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=20) as client:
            client.sendmail("a@x.example", ["b@y.example"], b"first")
            client.mail("a@x.example")
            client.rcpt("b@y.example")
            client.docmd("DATA")
            client.send(b"second\r\n.\r\n")
            server.wait_for("dot", 2)
            port = server.port
            server.kill()
            client.close()
        assert [taken.data for taken in server.taken()] == [b"first\r\n", b"second\r\n"]
        server.start()
        assert server.port == port
        hand_in(port)
    record = read_record(tmp_path)
    assert (record.connections, len(record.taken), len(record.dotted)) == (2, 3, 3)


@contextmanager
def watched(server: SpawnedServer, calls: Path) -> Iterator[None]:
    """The server's system calls in a file; the server is stopped at the end."""
    if (strace := program("strace")) is None:
        pytest.skip("strace is not installed")
    watch = [strace, "-f", "-y", "-s", "500", "-e", "trace=fsync,rename,sendto", "-o", str(calls)]
    with subprocess.Popen([*watch, "-p", str(server.process.pid)], stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stderr is not None
        if "attached" not in (said := watching.stderr.readline()):
            pytest.skip(f"strace may not look: {said}")
        yield
        server.stop()


def test_what_a_server_takes_is_synced_before_its_answer_leaves(tmp_path: Path) -> None:
    with SpawnedServer(tmp_path / "store") as server, watched(server, tmp_path / "calls"):
        hand_in(server.port)
    steps = re.findall(
        r"fsync\(\d+<[^>]*?(\.part|store)>\)|(rename)\([^,]*\.part|sendto\(.*?\"(250 2.0.0 taken)",
        (tmp_path / "calls").read_text(),
    )
    assert ["".join(step) for step in steps] == [".part", "rename", "store", "250 2.0.0 taken"]


def test_answers_to_pipelined_commands_leave_in_one_packet(tmp_path: Path) -> None:
    with (
        SpawnedServer(tmp_path / "store") as server,
        watched(server, tmp_path / "calls"),
        smtplib.SMTP("127.0.0.1", server.port, timeout=20) as client,
    ):
        client.ehlo()
        client.send("".join(f"{line}\r\n" for line in HANDED_IN[1:]))
        assert [client.getreply()[0] for _ in HANDED_IN[1:]] == [250, 250, 354]
        client.close()
    (packet,) = re.findall(r"sendto\(.*?\"(250 2.1.0 ok.*)\",", (tmp_path / "calls").read_text())
    assert packet.replace(r"\r\n", "\n").splitlines()[:2] == ["250 2.1.0 ok", "250 2.1.5 ok"]
    assert "354 end data" in packet


def test_an_event_that_is_still_being_written_is_left_for_later(tmp_path: Path) -> None:
    with SpawnedServer(tmp_path) as server:
        hand_in(server.port)
    with (tmp_path / "events.jsonl").open("a") as events:
        events.write('{"event": "dot", "conn')
    assert server.record().dots == {1: 1}


def test_a_spawned_server_offers_what_its_options_say(tmp_path: Path, authority: trustme.CA, trust: ssl.SSLContext) -> None:
    chain = tmp_path / "chain.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(chain)
    options = [f"--chain={chain}", "--user=user:secret", "--extension=8BITMIME", "--extension=SIZE 77"]
    server = SpawnedServer(tmp_path / "store", options=options)
    with server, smtplib.SMTP("127.0.0.1", server.port, timeout=20) as client:
        client.starttls(context=trust)
        client.login("user", "secret")
        assert set(client.esmtp_features) == {"8bitmime", "size", "auth"}
        assert client.esmtp_features["size"] == "77"
    assert server.record().violations == []


def test_a_spawned_server_that_does_not_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="did not start: exit 2"):
        SpawnedServer(tmp_path, options=["--no-such-option"]).start()


def test_waiting_for_a_spawned_server_in_vain_says_what_was_seen(tmp_path: Path) -> None:
    with SpawnedServer(tmp_path) as server:
        hand_in(server.port)
        with pytest.raises(AssertionError, match=r"not 2 x dot.*'dot': 1"):
            server.wait_for("dot", 2, seconds=0.1)


def test_a_spawned_server_that_failed_inside_says_so_when_it_stops(tmp_path: Path) -> None:
    with SpawnedServer(tmp_path) as server:
        for file in tmp_path.iterdir():
            file.unlink()
        tmp_path.rmdir()
        with pytest.raises(smtplib.SMTPServerDisconnected):
            hand_in(server.port)
        with pytest.raises(RuntimeError, match="failed: exit 1"):
            server.stop()
        tmp_path.mkdir()


@pytest.mark.parametrize("at_once", [1, 5])
def test_smtp_source_finds_a_good_server_in_it(tmp_path: Path, at_once: int) -> None:
    require("smtp-source")
    with SpawnedServer(tmp_path) as server:
        source = [program("smtp-source") or "", "-m", "20", "-s", str(at_once), "-r", "3", "-l", "2000"]
        subprocess.run([*source, "-f", "a@x.example", "-t", "b@y.example", f"127.0.0.1:{server.port}"], check=True)
    record = server.record()
    assert len(record.taken) == sum(record.dots.values()) == 20
    assert {len(taken.recipients) for taken in record.taken} == {3}
    assert record.violations == []


# -- the sink


def test_the_sink_gives_back_what_was_handed_in(sink: Sink) -> None:
    hand_in(sink.port)
    hand_in(sink.port, sender="")
    second, first = sorted(sink.messages(), key=lambda sunk: sunk.sender)
    assert (first.sender, first.recipients) == ("a@x.example", ("b@y.example", "c@y.example"))
    assert first.data == LETTER and first.message_id == "<one@x.example>"
    assert (second.sender, second.parameters) == ("", "BODY=8BITMIME")
    assert first.message["Subject"] == "Drop the charges"


@pytest.mark.parametrize("data", [b"", b"\r\n", b"Received: mine\r\n\r\nX\r\n", b"X-Rcpt-Args: <evil@x.example>\r\n\r\n\r\n"])
def test_the_sink_s_own_headers_and_ours_are_told_apart(sink: Sink, data: bytes) -> None:
    with smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.ehlo()
        for line in HANDED_IN[1:]:
            client.docmd(line)
        client.send(data + b".\r\n")
        assert client.getreply()[0] == 250
    (sunk,) = sink.messages()
    assert (sunk.recipients, sunk.data) == (("b@y.example",), data)


@pytest.mark.parametrize(
    "flags, code",
    [
        (["-f", "RCPT"], "'b@y.example': \\(500"),
        (["-r", "RCPT"], "'b@y.example': \\(450"),
        (["-r", "DATA", "-b", "451 4.7.1 greylisted"], "451, b'4.7.1 greylisted"),
        (["-Q", "MAIL"], "421"),
        (["-A", "0"], "550"),
    ],
)
def test_the_sink_takes_flags_and_a_message_without_a_dot_is_none(tmp_path: Path, flags: list[str], code: str) -> None:
    require("smtp-sink")
    with Sink(tmp_path / "sink", *flags) as sink:
        with pytest.raises(smtplib.SMTPException, match=code):
            hand_in(sink.port)
        assert sink.messages() == []


@pytest.mark.parametrize("flag", ["-q", "-f", "-r", "-Q"])
def test_the_sink_keeps_what_it_refuses_at_the_dot(tmp_path: Path, flag: str) -> None:
    require("smtp-sink")
    with Sink(tmp_path / "sink", flag, ".") as sink:
        with pytest.raises(smtplib.SMTPException):
            hand_in(sink.port)
        assert len(sink.messages()) == 1


def test_a_message_cut_by_the_sink_s_end_is_none(tmp_path: Path) -> None:
    require("smtp-sink")
    with Sink(tmp_path / "sink") as sink, smtplib.SMTP("127.0.0.1", sink.port) as client:
        client.sendmail("a@x.example", ["b@y.example"], b"whole")
        client.mail("a@x.example")
        client.rcpt("b@y.example")
        client.docmd("DATA")
        client.send(b"x" * 70 + b"\r\n" + b"y" * 10_000)
        assert len(sink.messages()) == 1
        sink.stop()
        assert [sunk.data for sunk in sink.messages()] == [b"whole\r\n"]
        assert len(list(sink.folder.glob("message.*"))) == 2
        client.close()


def test_the_sink_s_auth_cannot_be_used(sink: Sink) -> None:
    with smtplib.SMTP("127.0.0.1", sink.port) as client, pytest.raises(smtplib.SMTPAuthenticationError, match="250"):
        client.login("user", "secret")


def test_a_sink_that_does_not_start_says_why(tmp_path: Path) -> None:
    require("smtp-sink")
    with pytest.raises(RuntimeError, match="invalid option"):
        Sink(tmp_path / "sink", "-Y").start()


def test_what_is_no_dump_is_not_read_as_one() -> None:
    with pytest.raises(ValueError, match="not a dump"):
        read_dump(b"Received: from somewhere\n\nHi\n")


def test_a_sink_ends_when_it_is_told_to(tmp_path: Path) -> None:
    require("smtp-sink")
    with Sink(tmp_path / "sink") as sink:
        assert is_listening(sink.port)
    assert not is_listening(sink.port)


# -- Postfix


def test_postfix_passes_on_to_the_sink_what_it_was_given(postfix: Postfix, sink: Sink) -> None:
    hand_in(postfix.port)
    hand_in(postfix.port, trust=postfix.trust())
    postfix.wait_until_empty()
    for sunk in sink.messages():
        received, _, rest = sunk.data.partition(b"\r\nSubject:")
        assert received.startswith(b"Received: from ") and b"by relay.example (Postfix)" in received
        assert b"Subject:" + rest == LETTER
        assert (sunk.sender, set(sunk.recipients)) == ("a@x.example", {"b@y.example", "c@y.example"})
    assert len(sink.messages()) == 2
    assert sum(b"ESMTPS" in sunk.data for sunk in sink.messages()) == 1 and "status=sent" in postfix.log()


def test_there_is_no_local_mail_in_it(postfix: Postfix, sink: Sink) -> None:
    nearby = ["root", "postmaster", "root@localhost", "root@relay.example", "root@[127.0.0.1]", "|id@relay.example"]
    with smtplib.SMTP("127.0.0.1", postfix.port) as client:
        assert client.sendmail("root@localhost", nearby, b"Subject: to all\r\n\r\n") == {}
    postfix.wait_until_empty()
    assert sum(len(sunk.recipients) for sunk in sink.messages()) == len(nearby)


def test_postfix_refuses_whom_it_is_told_to(sink: Sink) -> None:
    require("postfix")
    with Postfix(sink, refuses={"c@y.example": "550 5.1.1 no such user"}) as postfix:
        with smtplib.SMTP("127.0.0.1", postfix.port) as client:
            refused = client.sendmail("a@x.example", ["b@y.example", "c@y.example"], LETTER, ["BODY=8BITMIME"])
        postfix.wait_until_empty()
    assert refused["c@y.example"][0] == 550 and list(refused) == ["c@y.example"]
    assert [sunk.recipients for sunk in sink.messages()] == [("b@y.example",)]


def test_postfix_keeps_what_the_sink_defers_and_tries_again_when_told(tmp_path: Path) -> None:
    require("postfix")
    defers = Rule("mail", Reply("451 4.3.0 later"), nth=1)
    with SpawnedServer(tmp_path, [defers]) as server, Postfix(server) as postfix:
        hand_in(postfix.port)
        postfix.wait_until_deferred(1)
        assert server.taken() == []
        with pytest.raises(AssertionError, match=r"still in the queue.*deferred"):
            postfix.wait_until_empty(seconds=0.1)
        postfix.stop()
        postfix.start()
        postfix.flush()
        postfix.wait_until_empty()
    assert len(server.taken()) == 1


def test_postfix_finds_a_good_pipelining_server_in_the_scripted_one(tmp_path: Path) -> None:
    require("postfix")
    script = [Rule("rcpt", Reply("550 5.1.1 gone"), recipient="c@y.example")]
    with SpawnedServer(tmp_path, script) as server, Postfix(server) as postfix:
        hand_in(postfix.port, times=10)
        postfix.wait_until_empty()
        assert "refused to talk" not in postfix.log() and "(in reply to RCPT TO command)" in postfix.log()
    record = server.record()
    to_b = [taken for taken in record.taken if taken.recipients == ("b@y.example",)]
    bounces = [taken for taken in record.taken if taken.sender == ""]
    assert (len(to_b), len(bounces)) == (10, 10)
    assert {violation.what for violation in record.violations} <= {DOT_NOT_ALONE}


WAYS_OUT = {
    "default_transport = smtp": "default_transport is 'smtp'",
    "default_transport = smtp:[mail.example.org]": "default_transport leads to",
    "relayhost = [mail.example.org]": "relayhost is",
    "relayhost =": "relayhost is ''",
    "local_transport = local": "local_transport is 'local'",
    "mailbox_transport = lmtp:unix:/x": "main.cf sets mailbox_transport",
    "fallback_transport = smtp:mail.example.org": "fallback_transport leads to",
    "smtp_fallback_relay = mail.example.org": "smtp_fallback_relay is",
    "transport_maps = inline:{ y.example=smtp:mail.example.org }": "transport_maps is",
    "sender_dependent_relayhost_maps = static:mail.example.org": "main.cf sets sender_dependent_relayhost_maps",
    "content_filter = smtp:mail.example.org": "content_filter is",
    "header_checks = inline:{ /^/=FILTER }": "header_checks is",
    "always_bcc = watcher@example.org": "always_bcc is",
    "mydestination = localhost": "mydestination is 'localhost'",
    "smtpd_recipient_restrictions = check_recipient_access static:FILTER": "main.cf sets smtpd_recipient_restrictions",
    "inet_interfaces = all": "inet_interfaces is 'all'",
    "smtp_bind_address = 0.0.0.0": "smtp_bind_address is",
    "disable_dns_lookups = no": "disable_dns_lookups is 'no'",
}  # fmt: skip


@pytest.mark.parametrize("line, problem", WAYS_OUT.items())
def test_another_way_out_in_main_cf_is_found(postfix: Postfix, line: str, problem: str) -> None:
    postfix.assert_only_transport_is_the_sink()
    _append(postfix.config / "main.cf", line)
    with pytest.raises(AnotherWayOut) as found:
        postfix.assert_only_transport_is_the_sink()
    assert problem in str(found.value)


@pytest.mark.parametrize(
    "service",
    [
        "local unix - n n - - local",
        "relay unix - - n - - smtp -o relayhost=mail.example.org",
        "prog unix - n n - - pipe user=nobody argv=/bin/true",
        "smtp unix - - n - - smtp -o smtp_fallback_relay=mail.example.org",
        "discard unix - - n - - discard",
        "0.0.0.0:2525 inet n - n - - smtpd",
    ],
)
def test_another_way_out_in_master_cf_is_found(postfix: Postfix, service: str) -> None:
    _append(postfix.config / "master.cf", service)
    with pytest.raises(AnotherWayOut, match=r"master\.cf has"):
        postfix.assert_only_transport_is_the_sink()


def test_with_another_way_out_postfix_does_not_start(postfix: Postfix) -> None:
    postfix.stop()
    _append(postfix.config / "main.cf", "relayhost = [mail.example.org]")
    with pytest.raises(AnotherWayOut, match="relayhost"):
        postfix.start()
    assert not is_listening(postfix.port)


def test_settings_that_could_lead_somewhere_are_not_taken(sink: Sink) -> None:
    require("postfix")
    with pytest.raises(AnotherWayOut, match="not known to lead nowhere: relayhost"):
        Postfix(sink, settings={"relayhost": "[mail.example.org]", "message_size_limit": "1000"})
    with pytest.raises(ValueError, match="not a refusal"):
        Postfix(sink, refuses={"b@y.example": "REDIRECT evil@example.org"})


def test_harmless_settings_are(sink: Sink) -> None:
    require("postfix")
    postfix = Postfix(sink, settings={"message_size_limit": "1000"})
    with postfix, pytest.raises(smtplib.SMTPSenderRefused, match=r"5\.3\.4"):
        hand_in(postfix.port, letter=b"x" * 2000)


def test_postfix_leaves_nothing_behind(sink: Sink) -> None:
    require("postfix")
    with Postfix(sink) as postfix:
        hand_in(postfix.port)
        postfix.wait_until_empty()
    assert not is_listening(postfix.port) and not postfix.folder.exists()


def _append(file: Path, line: str) -> None:
    """As of long ago: Postfix waits two seconds for a file that looks as if still being written."""
    with file.open("a") as text:
        text.write(line + "\n")
    os.utime(file, (0, 0))


# -- what is there


def test_what_is_not_there_leaves_a_test_out_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAILER_REQUIRE_REAL_SERVERS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no-such-server is not installed"):
        require("no-such-server")


def test_what_is_not_there_fails_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILER_REQUIRE_REAL_SERVERS", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-server is not installed"):
        require("no-such-server")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stop being root")
def test_postfix_is_missing_for_who_is_not_root() -> None:
    require("postfix")
    os.seteuid(65534)
    try:
        assert missing("postfix") == "Postfix starts only as root"
        assert missing("smtp-sink") is None
    finally:
        os.seteuid(0)


def test_nobody_listens_on_a_free_port() -> None:
    port = free_port()
    assert not is_listening(port)
    with pytest.raises(ConnectionRefusedError):
        smtplib.SMTP("127.0.0.1", port)
