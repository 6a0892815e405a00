"""
E-mail addresses: what is taken, in which form, and what is refused in which words.
"""

from email import message_from_string, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer import address
from mailer.address import Address, masked, parse

TAKEN = [
    ("jane@example.org", "jane@example.org"),
    (" \t jane@example.org \n", "jane@example.org"),
    ("Jane.Doe@EXAMPLE.Org", "Jane.Doe@example.org"),
    ("o'brien@example.org", "o'brien@example.org"),
    ("a+b=c_d-e@example.org", "a+b=c_d-e@example.org"),
    ("#$&*/?^`{|}~@example.org", "#$&*/?^`{|}~@example.org"),
    ("a@b-c.d.example", "a@b-c.d.example"),
    ("jane@mail.test", "jane@mail.test"),
    ("jane@bücher.example", "jane@xn--bcher-kva.example"),
    ("jane@BÜCHER.example", "jane@xn--bcher-kva.example"),
    ("jane@xn--bcher-kva.example", "jane@xn--bcher-kva.example"),
    ("jane@straße.example", "jane@xn--strae-oqa.example"),
    ("jane@почта.рф", "jane@xn--80a1acny.xn--p1ai"),
    ("jane@例え。テスト.example", "jane@xn--r8jz45g.xn--zckzah.example"),
]

REFUSED = [
    ("", "missing"),
    ("  ", "missing"),
    ("jane", "@-sign"),
    ("jane@", "after the @-sign"),
    ("@example.org", "before the @-sign"),
    ("jane@nowhere", "should have a period"),
    ("jane@localhost", "should have a period"),
    ("jane@printer.local", "special-use or reserved"),
    ("jane@example.invalid", "special-use or reserved"),
    ("jane@example..org", "two periods"),
    ("jane@example.org.", "end with a period"),
    ("jane..doe@example.org", "two periods"),
    (".jane@example.org", "start with a period"),
    ("jane.@example.org", "period"),
    ("jane@-example.org", "hyphen"),
    ("jane@exa_mple.org", "invalid characters"),
    ("jane doe@example.org", "invalid characters"),
    ('"jane doe"@example.org', "Quoting"),
    ('"jane@evil.example"@example.org', "Quoting"),
    ("jane@[192.0.2.1]", "IP address"),
    ("jane@[IPv6:::1]", "IP address"),
    ("jane@192.0.2.1", "top-level domain"),
    ("@evil.example:jane@example.org", "before the @-sign"),
    ("jane%evil.example@example.org", "do not take"),
    ("=?utf-8?q?x=40evil.example?=@example.org", "do not take"),
    ("jane.=?x@example.org", "do not take"),
    ("evil.example!jane@example.org", "do not take"),
    ("Jane <jane@example.org>", "angle brackets"),
    ("<jane@example.org>", "angle brackets"),
    ("jane(a comment)@example.org", "invalid characters"),
    ("mailto:jane@example.org", "invalid characters"),
    ("jane@example.org, bob@example.org", "invalid characters"),
    ("jane@example.org;bob@example.org", "invalid characters"),
    ("jane@bob@example.org", "invalid characters"),
    ("jane@example.org\r\nBcc: bob@example.org", "invalid characters"),
    ("jane@example.org\nRCPT TO:<bob@example.org>", "invalid characters"),
    ("jane\0@example.org", "invalid characters"),
    ("jane@example.org\0", "invalid characters"),
    ("jane@exa\u202emple.org", "unsafe characters"),
    ("jane@exa\u200bmple.org", "unsafe characters"),
    ("jäne@example.org", "Internationalized"),
    ("джейн@example.org", "Internationalized"),
    ("jane@" + "b" * 64 + ".example", "too many|too long|separated"),
    ("jane@" + ".".join(["b" * 60] * 5) + ".example", "too many|too long|characters"),
]


@pytest.mark.parametrize(("text", "address"), TAKEN)
def test_an_address_is_taken_in_the_form_that_stands_on_the_wire(text, address):
    assert str(parse(text)) == address
    assert str(parse(address)) == address


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_whatever_else_is_refused_in_words_for_the_person_who_typed_it(text, why):
    with pytest.raises(ValueError, match=why):
        parse(text)


def test_a_mailbox_is_known_again_without_regard_to_case():
    assert parse("Jane@Example.org").key == parse("JANE@example.ORG").key == "jane@example.org"
    assert parse("jane@bücher.example").key == parse("Jane@XN--BCHER-KVA.example").key
    assert parse("jane+1@example.org").key != parse("jane@example.org").key


def test_the_local_part_keeps_its_case_for_whoever_tells_it_apart():
    assert parse("Jane@Example.org") == Address("Jane", "example.org")


@pytest.mark.parametrize(
    ("text", "shown"),
    [("jane.doe@example.org", "j…@example.org"), ("j@example.org", "j…@example.org"), ("@example.org", "…@example.org"),
     ("jane", "…"), ("", "…"), ("a@b@example.org", "a…@example.org")],
)  # fmt: skip
def test_a_log_shows_an_address_without_naming_a_person(text, shown):
    assert masked(text) == shown


ODD = st.text(st.sampled_from("ab.@ <>\"'\\,;:()[]%!-_=?+\r\n\0éбß。\u202e\u200d1"), max_size=20)


@given(st.text() | ODD | st.tuples(ODD, ODD).map("@".join) | st.emails())
def test_whatever_is_taken_is_one_address_in_plain_ascii(text):
    try:
        address = parse(text)
    except ValueError as refused:
        assert str(refused)
        return
    assert str(address).isascii()
    assert not set(str(address)) & set(' <>"\\,;:()[]%!\r\n\0')
    assert str(address).count("@") == 1
    assert parse(str(address)) == address
    (read,) = message_from_string(f"To: {address}\n\n", policy=policy.default)["To"].addresses
    assert read.addr_spec == str(address)


TYPOS = {
    "gmial.com": "gmail.com", "gmai.com": "gmail.com", "gmaill.com": "gmail.com", "gmail.co": "gmail.com",
    "gmail.cm": "gmail.com", "gnail.com": "gmail.com", "gmail.con": "gmail.com", "hotmial.com": "hotmail.com",
    "hotmai.com": "hotmail.com", "yaho.com": "yahoo.com", "yahooo.com": "yahoo.com", "outlok.com": "outlook.com",
    "iclud.com": "icloud.com", "yandx.ru": "yandex.ru", "rambler.rru": "rambler.ru", "ramler.ru": "rambler.ru",
    "example.con": "example.com",
}  # fmt: skip


@pytest.mark.parametrize("typo", TYPOS)
def test_a_domain_that_looks_mistyped_is_doubted(typo):
    assert address.doubt(parse(f"jane@{typo}")) == f"jane@{TYPOS[typo]}"


@pytest.mark.parametrize(
    "domain",
    [
    "gmail.com", "mail.com", "email.com", "ymail.com", "googlemail.com", "yahoo.co.uk", "yahoo.co", "hotmail.fr",
    "hotmail.fi", "gmx.de", "web.de", "mail.ru", "list.ru", "inbox.ru", "yandex.ru", "yandex.by", "yandex.kz",
    "proton.me", "example.org", "free.fr",
],
)  # fmt: skip
def test_a_domain_of_its_own_is_not_doubted(domain):
    assert address.doubt(parse(f"jane@{domain}")) == ""


@given(one=st.text("abc", max_size=5), other=st.text("abc", max_size=5))
def test_one_slip_is_what_one_slip_makes(one, other):
    slips = {one[:n] + one[n + 1 :] for n in range(len(one))}
    slips |= {one[:n] + c + one[n:] for n in range(len(one) + 1) for c in "abc"}
    slips |= {one[:n] + c + one[n + 1 :] for n in range(len(one)) for c in "abc"}
    slips |= {one[:n] + one[n + 1] + one[n] + one[n + 2 :] for n in range(len(one) - 1)}
    assert address._is_one_slip(one, other) is (other in slips - {one})
