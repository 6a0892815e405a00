"""
A short run of the program that fuzzes letters (`python -m tests.fuzz_letters 200000` is the long one), and that it would tell.
"""

from __future__ import annotations

from dataclasses import replace

from mailer import signature
from mailer.letter import compose
from tests import fuzz_letters
from tests.fuzz_letters import SEED, covering, exemplars, failures
from tests.keys import signer
from tests.test_letter import RULES


def test_letters_with_every_character_of_every_language_say_what_was_meant(tmp_path):
    counted = failures(SEED, range(len(covering())), [signer(tmp_path, "ed25519")])
    assert counted.failures == ()
    assert counted.composed > 300 and counted.kept < 30
    assert len(exemplars()) > 300
    assert {character for name in covering() for character in name} >= set("жשの한آअաሀ中𞤢ⴰ")


def test_hostile_letters_say_what_was_meant_or_stay(tmp_path):
    counted = failures(SEED, range(10_000, 10_600), [signer(tmp_path, "rsa")])
    assert counted.failures == ()
    assert counted.composed > 500 and counted.kept > 10


def test_whoever_signs_in_any_script_is_taken():
    for characters in exemplars():
        name = "".join(characters).replace("\u200b", "")  # Khmer, Lao, Sinhala and Thai part words with it; no name needs it
        for start in range(0, len(name), 90):
            row = {"name": f"A {name[start : start + 90]}", "email": "a@example.org"}
            assert signature.read(row, RULES).name


def test_a_letter_that_does_not_say_what_was_meant_is_told(tmp_path):
    meant = fuzz_letters.letter(SEED, 20_001)
    keys = [signer(tmp_path, "ed25519")]
    for wrong in ({"subject": meant.subject + "!"}, {"to": meant.to * 2}, {"language": "de"}):
        wire = compose(replace(meant, **wrong))
        assert list(fuzz_letters.misread(wire, meant, keys, is_new_too=True))
    assert not list(fuzz_letters.misread(compose(meant), meant, keys, is_new_too=True))
