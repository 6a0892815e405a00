"""
Keys and seals: what is sealed opens with its own key alone, a key is made once, and nothing shows it.
"""

import contextlib
import copy
import os
import pickle
import stat
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer import seal
from mailer.errors import CannotWrite, KeyProblem
from mailer.seal import Seal

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def file_of(folder: Path, campaign: str = "kazakhstan") -> Path:
    return folder / f"{campaign}.key"


def written(folder: Path, text: str | bytes) -> Path:
    """A key file with this content."""
    folder.mkdir(mode=0o700)
    path = file_of(folder)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# -- sealing


@given(st.binary(max_size=2_000))
def test_what_is_sealed_opens_again_and_never_looks_the_same_twice(content):
    sealing = Seal("kazakhstan", KEY)
    once, again = sealing.close(content), sealing.close(content)
    assert sealing.open(once) == sealing.open(again) == content
    assert once != again
    assert len(content) < 4 or content not in once


@pytest.mark.parametrize("other", [Seal("kazakhstan", OTHER), Seal("another", KEY)], ids=["another key", "another campaign"])
def test_it_opens_with_no_other_key_and_for_no_other_campaign(other):
    with pytest.raises(KeyProblem):
        other.open(Seal("kazakhstan", KEY).close(b"Jane"))


def test_not_one_bit_of_it_can_be_changed():
    sealing = Seal("kazakhstan", KEY)
    sealed = sealing.close(b"Jane")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(KeyProblem):
            sealing.open(bytes(changed))


@pytest.mark.parametrize("length", [0, 1, 11, 12, 13, 27, 28])
def test_what_was_cut_does_not_open(length):
    sealing = Seal("kazakhstan", KEY)
    with pytest.raises(KeyProblem):
        sealing.open(sealing.close(b"Jane")[:length])


def test_a_person_is_known_again_by_this_campaigns_key_alone():
    sealing = Seal("kazakhstan", KEY)
    known = sealing.person("kazakhstan\nperson\njane@example.org")
    assert known == sealing.person("kazakhstan\nperson\njane@example.org") and len(known) == 20
    assert known != sealing.person("kazakhstan\norganisation\njane@example.org")
    assert known != Seal("kazakhstan", OTHER).person("kazakhstan\nperson\njane@example.org")


def test_evidence_and_tokens_are_of_one_letter():
    sealing, other = Seal("kazakhstan", KEY), Seal("kazakhstan", OTHER)
    evidence = [sealing.evidence("<1@x.example>"), sealing.evidence("<2@x.example>"), other.evidence("<1@x.example>")]
    tokens = [sealing.token(1, 15_000), sealing.token(2, 15_000), sealing.token(1, 15_001), other.token(1, 15_000)]
    assert len(set(evidence)) == 3 and len(set(tokens)) == 4
    assert tokens[0] == sealing.token(1, 15_000)
    assert tokens[0].startswith("1-3a98-") and len(tokens[0].removeprefix("1-3a98-")) == 16  # 80 bits


def test_each_use_has_a_key_of_its_own():
    """One text through every use: nothing of one tells anything of another."""
    sealing = Seal("kazakhstan", KEY)
    found = [sealing.person("x").hex(), sealing.evidence("x"), sealing.fingerprint, sealing.close(b"x").hex()]
    assert len({text[:16] for text in found}) == 4


# -- keys


def test_a_key_is_made_only_for_a_campaign_that_the_ledger_has_never_seen(folder):
    made = seal.load(folder, "kazakhstan", None)
    content = file_of(folder).read_bytes()
    assert len(bytes.fromhex(content.decode())) == 32
    assert seal.load(folder, "kazakhstan", None).fingerprint == made.fingerprint
    assert seal.load(folder, "kazakhstan", made.fingerprint).open(made.close(b"Jane")) == b"Jane"
    assert seal.load(folder, "another", None).fingerprint != made.fingerprint
    assert file_of(folder).read_bytes() == content


def test_keys_are_for_their_owner_alone_whatever_the_umask(folder):
    before = os.umask(0)
    try:
        seal.load(folder, "kazakhstan", None)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file_of(folder).stat().st_mode) == 0o600
    assert os.listdir(folder) == ["kazakhstan.key"]


def test_a_missing_key_stops_everything_and_no_new_one_is_made(folder):
    made = seal.load(folder, "kazakhstan", None)
    file_of(folder).unlink()
    with pytest.raises(KeyProblem, match="missing") as caught:
        seal.load(folder, "kazakhstan", made.fingerprint)
    assert caught.value.exit_code == 78
    assert os.listdir(folder) == []


def test_a_missing_folder_is_a_missing_key(folder):
    with pytest.raises(KeyProblem, match="missing"):
        seal.load(folder, "kazakhstan", "fingerprint")
    assert not folder.exists()


def test_another_key_is_refused_and_left_as_it_is(folder):
    path = written(folder, OTHER.hex())
    with pytest.raises(KeyProblem, match="not the key that campaign kazakhstan was begun with") as caught:
        seal.load(folder, "kazakhstan", Seal("kazakhstan", KEY).fingerprint)
    assert caught.value.exit_code == 78
    assert path.read_text() == OTHER.hex()


@pytest.mark.parametrize(
    "content", ["", "\n", KEY.hex()[:-1], KEY.hex()[:-2], KEY.hex() + "00", "z" * 64, b"\xff" * 64, b"\0" * 32]
)
@pytest.mark.parametrize("fingerprint", [None, Seal("kazakhstan", KEY).fingerprint])
def test_what_is_no_key_is_never_replaced_by_one(folder, content, fingerprint):
    path = written(folder, content)
    before = path.read_bytes()
    with pytest.raises(KeyProblem, match="this is not a key"):
        seal.load(folder, "kazakhstan", fingerprint)
    assert path.read_bytes() == before


def test_a_key_that_an_editor_gave_a_line_end_is_still_the_key(folder):
    written(folder, f"{KEY.hex().upper()}\r\n")
    assert seal.load(folder, "kazakhstan", Seal("kazakhstan", KEY).fingerprint).fingerprint


def test_a_key_that_cannot_be_read_is_not_made_anew(folder):
    file_of(folder).mkdir(parents=True)
    with pytest.raises(KeyProblem, match="cannot be read"):
        seal.load(folder, "kazakhstan", None)


def test_where_no_key_can_be_written_nothing_begins(tmp_path):
    (tmp_path / "keys").write_text("a file, where the folder should be")
    with pytest.raises((CannotWrite, KeyProblem)):
        seal.load(tmp_path / "keys", "kazakhstan", None)
    with pytest.raises(CannotWrite):
        seal.load(Path("/proc/keys"), "kazakhstan", None)


def test_programs_that_begin_at_the_same_time_have_one_key(folder):
    """Were the last one's key to stay, what the first has sealed would be lost for ever."""
    begin = "import sys; from pathlib import Path; from mailer import seal; print('ready', flush=True); input();"
    load = "print(seal.load(Path(sys.argv[1]), 'kazakhstan', None).fingerprint)"
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", begin + load, str(folder)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for program in programs:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
    for program in programs:
        assert program.stdin is not None
        program.stdin.write("\n")
        program.stdin.flush()
    found = {program.communicate()[0] for program in programs}
    assert found == {seal.load(folder, "kazakhstan", None).fingerprint + "\n"}
    assert os.listdir(folder) == ["kazakhstan.key"]


def test_a_key_that_another_program_has_made_meanwhile_is_kept(folder):
    """The race, lost on purpose: both have looked and found none, and the other one is faster."""
    written(folder, KEY.hex())
    seal._make(folder, file_of(folder))
    assert file_of(folder).read_text() == KEY.hex()
    assert os.listdir(folder) == ["kazakhstan.key"]


# -- nothing shows a key


def secrets_of(sealing: Seal) -> list[str]:
    """Everything that must not be seen, in the forms in which it would be."""
    keys = [KEY, sealing._sealing, sealing._person, sealing._evidence]
    return [form for key in keys for form in (key.hex(), repr(key)[2:-1], repr(key[:12])[2:-1], str(list(key))[1:-1])]


def assert_hidden(text: str, sealing: Seal) -> None:
    assert [secret for secret in secrets_of(sealing) if secret in text] == []


def test_no_text_of_a_seal_shows_its_key():
    sealing = Seal("kazakhstan", KEY)
    sealing.close(b"used")
    for text in (repr(sealing), str(sealing), f"{sealing}", f"{sealing!r}", f"{[sealing]}", sealing.fingerprint):
        assert_hidden(text, sealing)
    assert repr(sealing) == "Seal('kazakhstan')"


@pytest.mark.parametrize("write", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("protocol", [None, *range(pickle.HIGHEST_PROTOCOL + 1)])
def test_a_seal_is_neither_written_down_nor_copied(write, protocol):
    sealing = Seal("kazakhstan", KEY)
    with pytest.raises(TypeError, match="neither copied nor written down"):
        write(sealing) if protocol is None or write is not pickle.dumps else write(sealing, protocol)


def test_a_seal_has_no_dictionary_of_its_insides():
    with pytest.raises(TypeError):
        vars(Seal("kazakhstan", KEY))


@pytest.mark.parametrize(
    "content, fingerprint", [(KEY.hex(), "another"), (KEY.hex()[:-2], None), (KEY.hex() + "00", "another")]
)
def test_no_traceback_shows_a_key_not_even_with_its_values(folder, content, fingerprint):
    written(folder, content)
    with pytest.raises(KeyProblem) as caught:
        seal.load(folder, "kazakhstan", fingerprint)
    text = with_values(caught.value) + str(caught.value) + repr(caught.value.__cause__) + repr(caught.value.__context__)
    assert "in load" in text and "fingerprint = " in text
    assert KEY.hex()[:24] not in text
    assert_hidden(text, Seal("kazakhstan", KEY))


def test_no_traceback_of_a_broken_seal_shows_a_key():
    sealing = Seal("kazakhstan", KEY)
    with contextlib.suppress(KeyProblem):
        sealing.open(b"x")
    with pytest.raises(KeyProblem) as caught:
        sealing.open(Seal("kazakhstan", OTHER).close(b"Jane"))
    text = with_values(caught.value)
    assert "in open" in text and "Seal('kazakhstan')" in text
    assert_hidden(text, sealing)


def with_values(problem: Exception) -> str:
    """A traceback as the most talkative tool would show it, from below the test."""
    assert problem.__traceback__ is not None
    shown = traceback.TracebackException(type(problem), problem, problem.__traceback__.tb_next, capture_locals=True)
    return "".join(shown.format())
