"""
Signatures on letters, verified by somebody else's code (dkimpy), which shares none with ours.

That they still hold behind a real Postfix is for test_real_servers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer import checks, desk
from mailer.address import parse
from mailer.campaign import Signing, route
from mailer.config import fingerprint
from mailer.desk import Stamp
from mailer.dkim import Signer
from mailer.errors import ConfigurationError
from mailer.letter import Mailbox, compose, prove
from mailer.letter import fingerprint as sha256
from tests.installed import Place
from tests.keys import GOOD, key_file, pem, signer
from tests.offices import NOON, instance
from tests.test_desk import CAMPAIGN, DESK, MAILED, SIGNATURES
from tests.test_letter import HTML, NAMES, TEXTS, letter, signed

AT = int(datetime(2011, 9, 20, 8, tzinfo=UTC).timestamp())


def dns(*signers: Signer) -> Callable[[bytes, int], bytes | None]:
    """What DNS says once the records that these keys ask for are published."""
    said = {f"{name}.".encode(): text.encode() for name, text in (each.record for each in signers)}

    def answer(name: bytes, timeout: int = 0) -> bytes | None:
        return said.get(name)

    return answer


def holds(wire: bytes, signers: Iterable[Signer], index: int = 0) -> bool:
    try:
        return bool(dkim.DKIM(wire, minkey=2048).verify(idx=index, dnsfunc=dns(*signers)))
    except dkim.DKIMException:
        return False


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("html", ["", HTML], ids=["text", "html"])
def test_a_signature_holds_for_whoever_verifies_it(tmp_path, kind, html):
    by = signer(tmp_path, kind)
    wire = compose(letter(html=html, cc=(Mailbox("", parse("press@court.example")),)))
    whole = by.signature(wire, AT) + wire
    prove(whole)
    assert holds(whole, [by])


@pytest.mark.parametrize("text", [text for text, _ in TEXTS.values()], ids=TEXTS)
def test_a_signature_holds_over_every_text(tmp_path, text):
    by = signer(tmp_path, "ed25519")
    wire = compose(letter(text=text))
    assert holds(by.signature(wire, AT) + wire, [by])


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_signature_holds_over_every_name_however_it_is_folded(tmp_path, name):
    by = signer(tmp_path, "ed25519")
    wire = compose(replace(signed(name), subject=name.strip()))
    assert holds(by.signature(wire, AT) + wire, [by])


@given(text=st.text(st.sampled_from(" \t\nab.=é"), max_size=200))
def test_a_signature_holds_over_any_white_space(tmp_path_factory, text):
    by = signer(tmp_path_factory.getbasetemp(), "ed25519")
    wire = compose(letter(text=text))
    assert holds(by.signature(wire, AT) + wire, [by])


def test_two_keys_sign_and_each_signature_holds(tmp_path):
    both = [signer(tmp_path, "ed25519"), signer(tmp_path, "rsa")]
    wire = compose(letter())
    whole = b"".join(each.signature(wire, AT) for each in both) + wire
    prove(whole)
    assert [holds(whole, both, index) for index in (0, 1)] == [True, True]


WIRE = compose(letter(cc=(Mailbox("", parse("press@court.example")),)))
CHANGES = {
    "a word of the text": (b"please drop", b"please press"),
    "a line more": (b"charges.\r\n", b"charges.\r\nOr not.\r\n"),
    "the sender": (b"Jane Doe via", b"John Doe via"),
    "the subject": (b"Drop the", b"Press the"),
    "to whom": (b"head@court.example", b"head@another.example"),
    "the date": (b"2011 08", b"2011 09"),
    "the number": (b"<1.abc", b"<2.abc"),
    "the evidence": (b"0123456789", b"1123456789"),
    "a second From": (b"\r\nFrom: ", b"\r\nFrom: x@evil.example\r\nFrom: "),
    "a second From on top": (b"DKIM-Signature: ", b"From: x@evil.example\r\nDKIM-Signature: "),
    "a second Subject": (b"\r\n\r\n", b"\r\nSubject: x\r\n\r\n"),
    "a second Reply-To": (b"\r\n\r\n", b"\r\nReply-To: x@evil.example\r\n\r\n"),
    "a second Content-Type": (b"\r\n\r\n", b"\r\nContent-Type: text/html\r\n\r\n"),
}


@pytest.mark.parametrize(("before", "behind"), CHANGES.values(), ids=CHANGES)
def test_whatever_is_changed_breaks_the_signature(tmp_path, before, behind):
    by = signer(tmp_path, "rsa")
    whole = by.signature(WIRE, AT) + WIRE
    assert holds(whole, [by])
    assert before in whole
    assert not holds(whole.replace(before, behind, 1), [by])


def test_a_cc_cannot_be_added_to_a_letter_without_one(tmp_path):
    by = signer(tmp_path, "ed25519")
    wire = compose(letter())
    whole = by.signature(wire, AT) + wire
    assert holds(whole, [by])
    assert not holds(whole.replace(b"\r\nSubject:", b"\r\nCc: x@evil.example\r\nSubject:"), [by])


def test_what_servers_do_on_the_way_breaks_nothing(tmp_path):
    by = signer(tmp_path, "rsa")
    whole = by.signature(WIRE, AT) + WIRE
    assert holds(b"Received: from somewhere\r\n\tby elsewhere\r\n" + whole, [by])
    assert holds(whole.replace(b"Subject: Drop", b"Subject:   Drop"), [by])
    assert holds(whole.replace(b"charges.\r\n", b"charges.  \r\n") + b"\r\n\r\n", [by])


def test_a_signature_says_what_it_should(tmp_path):
    (text,) = re.findall(rb"(?s)^DKIM-Signature: (.*)\r\n$", signer(tmp_path, "rsa", selector="s1.letters").signature(WIRE, AT))
    tags = dict(tag.strip().split("=", 1) for tag in text.decode().split(";"))
    assert (tags["a"], tags["c"], tags["d"], tags["s"]) == ("rsa-sha256", "relaxed/relaxed", "campaign.example", "s1.letters")
    assert tags["t"] == str(AT) and "x" not in tags and "l" not in tags
    named = re.sub(r"\s", "", tags["h"]).split(":")
    assert [named.count(name) for name in ("From", "To", "Cc", "Subject", "Content-Type", "Content-Language")] == [
        2,
        2,
        2,
        2,
        2,
        1,
    ]
    assert all(len(line) <= 78 for line in text.split(b"\r\n"))


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_the_same_letter_has_the_same_signature(tmp_path, kind):
    assert signer(tmp_path, kind).signature(WIRE, AT) == signer(tmp_path, kind).signature(WIRE, AT)


# At the desk, in the configuration


def write(by: tuple[Signer, ...]):
    target = MAILED[0]
    reached = route(CAMPAIGN, target, "CH", live=False)
    stamp = Stamp("<1.abc@campaign.example>", NOON, "ru")
    return desk.write(replace(DESK, signers=by), target, reached, SIGNATURES["a person who says all"], stamp)


def test_a_letter_is_signed_and_its_fingerprint_is_the_letters_own(tmp_path):
    """So a new key holds no letter that waits for its second attempt."""
    fixed, bare = write(())
    for by in ((signer(tmp_path, "rsa"),), (signer(tmp_path, "ed25519"), signer(tmp_path, "rsa"))):
        again, whole = write(by)
        assert again == fixed and again.sha256 == sha256(bare)
        assert whole.endswith(bare) and whole != bare
        assert f"t={NOON};".encode() in whole
        assert all(holds(whole, by, index) for index in range(len(by)))
        assert write(by)[1] == whole


BAD = ["rsa of 1024 bits", "an elliptic curve", "ed25519 under a passphrase"]


@pytest.mark.parametrize("kind", BAD)
def test_a_key_that_will_not_do_says_what_would(tmp_path, kind):
    with pytest.raises(ConfigurationError, match=r"\.pem: this is no key to sign with: it must be RSA of 2048 to"):
        signer(tmp_path, kind).signature(WIRE, AT)


def test_a_key_that_is_garbage_or_gone_is_told_without_a_word_of_it(tmp_path):
    by = signer(tmp_path, "ed25519")
    path = Path(by.settings.key_file)
    path.write_bytes(pem("ed25519").replace(b"M", b"Secret", 1))
    with pytest.raises(ConfigurationError) as problem:
        by.signature(WIRE, AT)
    assert "Secret" not in str(problem.value) and "Secret" not in repr(by)
    path.unlink()
    with pytest.raises(ConfigurationError, match="the DKIM key cannot be read \\(No such file or directory\\)"):
        by.signature(WIRE, AT)


def test_a_check_opens_the_keys_and_checks_all_else_too(tmp_path):
    bad = tuple(Signer(Signing("campaign.example", "s", str(key_file(tmp_path, kind)))) for kind in BAD)
    found = checks.campaign(replace(DESK, signers=bad))
    assert len(found.problems) == len(BAD)
    assert all(problem.startswith("kazakhstan: dkim: ") for problem in found.problems)
    assert checks.campaign(replace(DESK, signers=(signer(tmp_path, "rsa"),))).problems == ()


KEYED = "dkim: {selector: one, key_file: config/one.pem}\n"


def test_a_campaigns_keys_are_read_beside_it_and_watched(tmp_path):
    made = instance(tmp_path)
    made.write("config/one.pem", pem("rsa")).chmod(0o640)
    made.write("config/two.pem", pem("ed25519")).chmod(0o600)
    made.campaign(KEYED)
    loaded = made.load()
    one = Signing("campaign.example", "one", str(made.root / "config/one.pem"))
    assert loaded.campaigns["c"].dkim == (one,)
    two = "  - {domain: campaign.example, selector: Two.x, key_file: config/two.pem}\n"
    made.campaign("dkim:\n  - {selector: one, key_file: config/one.pem}\n" + two)
    loaded = made.load()
    assert loaded.campaigns["c"].dkim == (one, Signing("campaign.example", "two.x", str(made.root / "config/two.pem")))
    assert fingerprint(loaded.path, loaded.beside) == loaded.seen
    made.write("config/two.pem", pem("rsa"))
    assert fingerprint(loaded.path, loaded.beside) != loaded.seen


def test_a_sender_below_the_domain_that_vouches_is_fine(tmp_path):
    made = instance(tmp_path)
    made.write("config/one.pem", pem("rsa")).chmod(0o600)
    made.campaign(
        "sender: {name: S, address: a@letters.campaign.example}\n" + KEYED.replace("{", "{domain: campaign.example, ")
    )
    assert made.load().campaigns["c"].dkim[0].domain == "campaign.example"


@pytest.mark.parametrize("content", [b"", b"secret", pem("ed25519 under a passphrase")], ids=["empty", "text", "passphrase"])
def test_a_file_that_holds_no_open_key_is_a_problem_of_the_configuration(tmp_path, content):
    made = instance(tmp_path)
    made.write("config/one.pem", content).chmod(0o600)
    made.campaign(KEYED)
    (problem,) = made.problems()
    assert problem.startswith("config/campaigns/c.yaml:1: dkim.key_file: ") and "holds no private key in PEM" in problem
    assert "secret" not in problem


def test_a_key_that_turns_out_to_be_none_stops_the_run_and_no_letter_is_lost(tmp_path):
    place = Place(tmp_path / "instance", f"pace: none\n{KEYED}")
    path = place.root / "config/one.pem"
    path.write_bytes(pem("an elliptic curve"))
    path.chmod(0o600)
    place.drop(2)
    said = place.mailer("check")
    assert (said.code, "dkim: " in said.out) == (78, True)
    said = place.mailer("run")
    assert (said.code, "one.pem: this is no key to sign with" in said.err) == (78, True)
    path.write_bytes(pem("rsa"))
    assert place.mailer("run").code == 0
    assert place.letters("accepted") == 2
