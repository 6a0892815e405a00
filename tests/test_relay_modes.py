"""
Modes sandbox and file go through the same door as a real relay, and what they keep is what was composed, byte for byte.

Each letter goes envelope, body, dot; what is looked at is the folder, in between and afterwards.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from mailer.errors import CannotWrite
from mailer.outcome import Handover, Reply, Stage
from mailer.relay import Connection, Mode, Relay, Settings, Tls, reachable
from tests.relays import CC, RECIPIENTS, SENDER, TO, WIRE, may_send

TOP = f"Return-Path: <{SENDER}>\r\nX-Envelope-To: {TO}, {CC}\r\n".encode()


async def opened(relay: Relay) -> Connection:
    connection = await relay.connect()
    assert not isinstance(connection, Handover), connection
    return connection


async def sent(connection: Connection, wire: bytes = WIRE) -> None:
    handover = await connection.envelope(SENDER, [TO, CC], len(wire), may_send())
    assert handover.goes_on and len(handover.rcpt) == 2
    assert await connection.body(wire, handover.rcpt) is None
    ended = await connection.dot(handover.rcpt)
    assert ended.stage is Stage.DOT and isinstance(ended.answer, Reply) and ended.answer.code == 250
    assert ended.rcpt == handover.rcpt and connection.is_usable


def modes(folder: Path) -> set[str]:
    """The permissions of everything in a folder, folders and files told apart."""
    paths = [folder, *folder.rglob("*")]
    return {f"{'folder' if path.is_dir() else 'file'} {stat.S_IMODE(path.stat().st_mode):o}" for path in paths}


def numbered(count: int) -> Sequence[bytes]:
    return [WIRE.replace(b"<1.abc", b"<%d.abc" % number) for number in range(count)]


# -- sandbox


async def test_the_sandbox_files_each_letter_as_it_was_composed(tmp_path: Path) -> None:
    folder = tmp_path / "var" / "sandbox"
    letters = numbered(5)
    async with reachable(Settings(Mode.SANDBOX, folder)) as relay:
        connection = await opened(relay)
        for letter in letters:
            await sent(connection, letter)
            assert any(file.read_bytes() == TOP + letter for file in (folder / "new").iterdir())
        await connection.close()
    assert sorted(file.read_bytes() for file in (folder / "new").iterdir()) == sorted(TOP + letter for letter in letters)
    assert [*(folder / "tmp").iterdir(), *(folder / "cur").iterdir()] == []


@pytest.mark.parametrize("line", [b".", b"..", b"From here", b"", b"x" * 996, b" "])
async def test_no_line_is_changed_on_the_way_into_the_sandbox(line: bytes, tmp_path: Path) -> None:
    wire = WIRE + line + b"\r\n" + line + b"\r\n"
    async with reachable(Settings(Mode.SANDBOX, tmp_path / "sandbox")) as relay:
        await sent(await opened(relay), wire)
    (file,) = (tmp_path / "sandbox" / "new").iterdir()
    assert file.read_bytes() == TOP + wire


@pytest.mark.parametrize("umask, files", [(0o077, "file 600"), (0o022, "file 644")])
async def test_the_sandbox_is_nobody_else_s_to_read(umask: int, files: str, tmp_path: Path) -> None:
    """Its folders are shut whatever the umask; that of the command line, which is 077, shuts the files too."""
    old = os.umask(umask)
    try:
        async with reachable(Settings(Mode.SANDBOX, tmp_path / "sandbox")) as relay:
            await sent(await opened(relay))
    finally:
        os.umask(old)
    assert modes(tmp_path / "sandbox") == {"folder 700", files}


async def test_the_sandbox_listens_on_loopback_only_whatever_is_configured(tmp_path: Path) -> None:
    configured = Settings(Mode.SANDBOX, tmp_path / "sandbox", "smtp.example.org", 25, Tls.STARTTLS, None, "user", "secret")
    async with reachable(configured) as relay:
        settings = relay.settings
        assert (settings.host, settings.tls, settings.username, settings.password) == ("127.0.0.1", Tls.NONE, "", "")
        assert settings.port not in {25, 0} and relay.name == "sandbox"
        await sent(await opened(relay))


async def test_what_the_sandbox_cannot_file_it_does_not_accept(tmp_path: Path) -> None:
    async with reachable(Settings(Mode.SANDBOX, tmp_path / "sandbox")) as relay:
        connection = await opened(relay)
        handover = await connection.envelope(SENDER, [TO], len(WIRE), may_send(RECIPIENTS[:1]))
        assert await connection.body(WIRE, handover.rcpt) is None
        (tmp_path / "sandbox" / "tmp").rmdir()
        (tmp_path / "sandbox" / "tmp").write_text("in the way")
        ended = await connection.dot(handover.rcpt)
    assert isinstance(ended.answer, Reply) and ended.answer.code == 452


async def test_a_sandbox_that_has_no_room_is_told_before_any_letter(tmp_path: Path) -> None:
    (tmp_path / "sandbox").write_text("a file is in the way")
    with pytest.raises(CannotWrite, match="sandbox"):
        async with reachable(Settings(Mode.SANDBOX, tmp_path / "sandbox")):
            pass


async def test_the_sandbox_is_gone_behind_the_block(tmp_path: Path) -> None:
    async with reachable(Settings(Mode.SANDBOX, tmp_path / "sandbox")) as relay:
        pass
    ended = await relay.connect()
    assert isinstance(ended, Handover) and ended.stage is Stage.CONNECT


# -- file


async def test_a_letter_appears_as_a_file_with_the_dot_and_not_before(tmp_path: Path) -> None:
    folder = tmp_path / "outbox"
    async with reachable(Settings(Mode.FILE, folder)) as relay:
        connection = await opened(relay)
        handover = await connection.envelope(SENDER, [TO, CC], len(WIRE), may_send())
        assert not folder.exists()
        assert await connection.body(WIRE, handover.rcpt) is None
        assert [path.name for path in folder.iterdir()] == ["1.abc.part"]
        assert (await connection.dot(handover.rcpt)).answer == Reply(250, "2.0.0", "written")
        assert [path.name for path in folder.iterdir()] == ["1.abc.eml"]
    assert (folder / "1.abc.eml").read_bytes() == TOP + WIRE


async def test_files_are_nobody_else_s_to_read(tmp_path: Path) -> None:
    old = os.umask(0o022)
    try:
        async with reachable(Settings(Mode.FILE, tmp_path / "outbox")) as relay:
            await sent(await opened(relay))
    finally:
        os.umask(old)
    assert modes(tmp_path / "outbox") == {"folder 700", "file 600"}


async def test_letters_follow_each_other_into_their_own_files(tmp_path: Path) -> None:
    letters = numbered(3)
    async with reachable(Settings(Mode.FILE, tmp_path / "outbox")) as relay:
        connection = await opened(relay)
        for letter in letters:
            await sent(connection, letter)
        await connection.close()
    found = {path.name: path.read_bytes() for path in (tmp_path / "outbox").iterdir()}
    assert found == {f"{number}.abc.eml": TOP + letter for number, letter in enumerate(letters)}


async def test_a_letter_without_a_usable_message_id_still_has_a_file_of_its_own(tmp_path: Path) -> None:
    letters = [b"Subject: %d\r\n\r\nHi\r\n" % number for number in range(2)]
    letters.append(b"Message-ID: <../../evil@x.example>\r\n\r\nHi\r\n")
    async with reachable(Settings(Mode.FILE, tmp_path / "outbox")) as relay:
        connection = await opened(relay)
        for letter in letters:
            await sent(connection, letter)
    assert sorted(path.read_bytes() for path in (tmp_path / "outbox").iterdir()) == sorted(TOP + letter for letter in letters)


async def test_a_letter_that_is_given_up_leaves_no_half_file(tmp_path: Path) -> None:
    async with reachable(Settings(Mode.FILE, tmp_path / "outbox")) as relay:
        connection = await opened(relay)
        handover = await connection.envelope(SENDER, [TO, CC], len(WIRE), may_send())
        assert await connection.body(WIRE, handover.rcpt) is None
        await connection.abort()
    assert [*(tmp_path / "outbox").iterdir()] == []


async def test_a_letter_that_nobody_may_get_is_not_written(tmp_path: Path) -> None:
    async with reachable(Settings(Mode.FILE, tmp_path / "outbox")) as relay:
        connection = await opened(relay)
        handover = await connection.envelope(SENDER, [TO], len(WIRE), lambda answers: False)
    assert handover.stage is Stage.RCPT and not (tmp_path / "outbox").exists()


async def test_an_outbox_that_cannot_be_written_stops_the_run(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("a file is in the way")
    async with reachable(Settings(Mode.FILE, tmp_path / "outbox")) as relay:
        connection = await opened(relay)
        handover = await connection.envelope(SENDER, [TO, CC], len(WIRE), may_send())
        with pytest.raises(CannotWrite, match="outbox"):
            await connection.body(WIRE, handover.rcpt)


async def test_a_dot_without_a_body_is_a_bug(tmp_path: Path) -> None:
    async with reachable(Settings(Mode.FILE, tmp_path / "outbox")) as relay:
        with pytest.raises(ValueError, match="without a body"):
            await (await opened(relay)).dot(())
