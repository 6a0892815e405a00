"""
What DNS says of a campaign's sender and targets, asked of a nameserver of the tests' own on 127.0.0.1.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mailer import alignment
from mailer.address import parse
from mailer.alignment import Said, Weight
from mailer.campaign import Campaign, Directory, Mission, Sender, Target
from mailer.resolver import Answer, Resolver, Settings
from tests.installed import Place
from tests.keys import pem, signer
from tests.servers.nameserver import Nameserver, txt

DOMAIN = "campaign.example"
COURT = Target("court", "office", {"": "Court"}, to=(parse("head@court.example"),), cc=(parse("press@court.example"),))
CAMPAIGN = Campaign(
    id="c",
    title="T",
    default_language="en",
    languages=("en",),
    prefers_signatory=False,
    sender=Sender("S", parse(f"letters@{DOMAIN}")),
    targets={
        "court": Target("court", "office", {"": "Court"}, to=(parse("head@court.example"),), cc=(parse("press@court.example"),))
    },
    copy_to=(parse(f"copies@{DOMAIN}"),),
)
WELL = {
    (DOMAIN, "MX"): ["10 mail.campaign.example."],
    (DOMAIN, "TXT"): [txt("google-site-verification=x"), txt("v=spf1 include:_spf.relay.example ~all")],
    (f"_dmarc.{DOMAIN}", "TXT"): [txt("v=DMARC1; p=quarantine")],
    ("court.example", "MX"): ["10 mx.court.example."],
}


def resolver(server: Nameserver, seconds: float = 5) -> Resolver:
    return Resolver(Settings("127.0.0.1", server.port, seconds))


async def of_sender(records, keys=(), campaign=CAMPAIGN, **others) -> list[Said]:
    with Nameserver(records, **others) as server:
        return await alignment.of_sender(resolver(server, 0.5), campaign, keys, "smtp.relay.example")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """A key's record: RSA, whose answer is longer than one string and one packet."""
    return signer(tmp_path_factory.mktemp("keys"), "rsa").record


async def test_where_all_is_there_nothing_is_said(key):
    assert await of_sender(WELL | {(key[0], "TXT"): [txt(key[1])]}, [key]) == []


async def test_without_a_key_of_our_own_it_is_said_on_what_the_letters_rest():
    (said,) = await of_sender(WELL)
    assert said.weight is Weight.NOTE and "they rest on SPF alone" in said.sentence


SPF = {
    "none at all": ([], Weight.PROBLEM, "who may send for it (SPF). Publish, or with the `include:`"),
    "only others": (["spf2.0/pra -all"], Weight.PROBLEM, 'campaign.example. TXT "v=spf1 a:smtp.relay.example ~all"'),
    "two": (["v=spf1 -all", "V=SPF1 mx -all"], Weight.PROBLEM, "it has 2 SPF records, and receivers then believe none"),
    "everybody": (["v=spf1 +all"], Weight.PROBLEM, "lets everybody send"),
    "everybody, in short": (["v=spf1 mx all"], Weight.PROBLEM, "lets everybody send"),
    "nobody denied": (["v=spf1 mx ?all"], Weight.NOTE, "denies nobody"),
    "no end": (["v=spf1 mx"], Weight.NOTE, "denies nobody"),
}


@pytest.mark.parametrize(("texts", "weight", "said"), SPF.values(), ids=SPF)
async def test_what_spf_lacks_is_said(texts, weight, said, key):
    records = WELL | {(DOMAIN, "TXT"): [txt(text) for text in texts], (key[0], "TXT"): [txt(key[1])]}
    (found,) = await of_sender(records, [key])
    assert found.weight is weight and found.sentence.startswith("campaign.example: ") and said in found.sentence


@pytest.mark.parametrize("text", ["v=spf1 mx -all", "v=spf1 redirect=_spf.relay.example", "v=spf1 ~all"])
async def test_an_spf_that_denies_somebody_will_do(text, key):
    assert await of_sender(WELL | {(DOMAIN, "TXT"): [txt(text)], (key[0], "TXT"): [txt(key[1])]}, [key]) == []


async def test_spf_is_asked_of_the_domain_that_bounces_go_to(key):
    sender = replace(CAMPAIGN.sender, bounce_address="b+{token}@bounces.campaign.example")
    records = WELL | {(key[0], "TXT"): [txt(key[1])]}
    found = await of_sender(records, [key], replace(CAMPAIGN, sender=sender))
    assert [one.sentence.partition(": ")[0] for one in found] == ["bounces.campaign.example"] * 2
    assert "no bounce comes back" in found[0].sentence and "SPF" in found[1].sentence


def keys(key):
    text = key[1]
    p = text.partition("p=")[2]
    return {
        "nothing": ([], "is not there, and every signature fails"),
        "another key": ([text.replace(p, "MII" + p[3:-4] + "AAAA")], "holds another key"),
        "a revoked key": (["v=DKIM1; p="], "is revoked there"),
        "another kind": ([text.replace("k=rsa", "k=ed25519")], "names another kind of key"),
        "two keys": ([text, "v=DKIM1; p=AAAA"], "there are 2 records where one key belongs"),
    }


@pytest.mark.parametrize("case", ["nothing", "another key", "a revoked key", "another kind", "two keys"])
async def test_what_the_key_in_dns_lacks_is_said_with_the_record_to_publish(case, key):
    texts, said = keys(key)[case]
    (found,) = await of_sender(WELL | {(key[0], "TXT"): [txt(text) for text in texts]}, [key])
    assert found.weight is Weight.PROBLEM and said in found.sentence
    published = found.sentence.partition(f"Publish: {key[0]}. TXT ")[2]
    assert "".join(published.strip('"').split('" "')) == key[1]
    assert max(len(string) for string in published.strip('"').split('" "')) == 255


async def test_a_key_in_dns_may_be_cut_and_tagged_as_people_do(key):
    for text in (
        key[1].replace("; ", ";"),
        key[1].replace("v=DKIM1; k=rsa; ", ""),
        key[1].replace("AB", "A B", 1) + "; n=note",
    ):
        assert await of_sender(WELL | {(key[0], "TXT"): [txt(text)]}, [key]) == []
    (found,) = await of_sender(WELL | {(key[0], "TXT"): [txt(key[1] + "; t=s:y")]}, [key])
    assert found.weight is Weight.NOTE and "trial" in found.sentence


DMARC = {
    "none": ({}, "(DMARC). Publish: _dmarc.campaign.example. TXT \"v=DMARC1; p=none; rua=mailto:letters@campaign"),
    "two": ({(f"_dmarc.{DOMAIN}", "TXT"): [txt("v=DMARC1; p=none"), txt("v=DMARC1; p=reject")]}, "it has 2 policies"),
    "no policy": ({(f"_dmarc.{DOMAIN}", "TXT"): [txt("v=DMARC1; p=maybe")]}, "names no p="),
}  # fmt: skip


@pytest.mark.parametrize(("records", "said"), DMARC.values(), ids=DMARC)
async def test_what_dmarc_lacks_is_said(records, said, key):
    well = {place: texts for place, texts in WELL.items() if place[0] != f"_dmarc.{DOMAIN}"}
    (found,) = await of_sender(well | records | {(key[0], "TXT"): [txt(key[1])]}, [key])
    assert found.weight is Weight.PROBLEM and said in found.sentence


async def test_the_policy_of_the_domain_above_counts_for_those_below(key):
    below = replace(CAMPAIGN, sender=Sender("S", parse(f"a@letters.{DOMAIN}")))
    records = WELL | {
        (f"letters.{DOMAIN}", "MX"): ["1 mail.campaign.example."],
        (f"letters.{DOMAIN}", "TXT"): [txt("v=spf1 mx -all")],
        (key[0], "TXT"): [txt(key[1])],
    }
    assert await of_sender(records, [key], below) == []
    del records[f"_dmarc.{DOMAIN}", "TXT"]
    (found,) = await of_sender(records, [key], below)
    assert "DMARC" in found.sentence


MAIL = {
    "no such name": ({}, Weight.PROBLEM, "there is no such name in DNS"),
    "takes no mail": ({("court.example", "MX"): ["0 ."]}, Weight.PROBLEM, "it says that it takes no mail (a null MX)"),
    "no server": ({("court.example", "TXT"): ['"x"']}, Weight.PROBLEM, "no server takes its mail"),
    "an address": ({("court.example", "A"): ["192.0.2.1"]}, None, ""),
    "a newer address": ({("court.example", "AAAA"): ["2001:db8::1"]}, None, ""),
}


@pytest.mark.parametrize(("records", "weight", "said"), MAIL.values(), ids=MAIL)
async def test_a_domain_that_takes_no_mail_is_said_with_who_is_written_to_there(records, weight, said):
    well = {place: texts for place, texts in WELL.items() if place[0] != "court.example"}
    with Nameserver(well | records) as server:
        found = await alignment.of_targets(resolver(server), CAMPAIGN)
    if weight is None:
        assert found == []
    else:
        assert [one.weight for one in found] == [weight]
        assert found[0].sentence.startswith("court.example: ") and found[0].sentence.endswith("; no letter reaches court")
        assert said in found[0].sentence


async def test_each_domain_is_asked_once_and_a_directorys_too():
    missions = tuple(Mission(code, "X", parse(f"{code.lower()}@mfa.example")) for code in ("AT", "DE", "FR", "IT", "PL"))
    embassy = Target("embassy", "embassy", {"": "E"}, directory=Directory(missions))
    campaign = replace(CAMPAIGN, targets={**CAMPAIGN.targets, "embassy": embassy})
    with Nameserver(WELL) as server:
        (found,) = await alignment.of_targets(resolver(server), campaign)
        assert sorted(server.asked) == [(DOMAIN, "MX"), ("court.example", "MX"), ("mfa.example", "MX")]
    assert (
        found.sentence
        == "mfa.example: there is no such name in DNS; no letter reaches embassy AT, embassy DE, embassy FR and 2 more"
    )


async def test_what_dns_did_not_say_is_no_good_news(key):
    troubles: list[dict[str, set[Any]]] = [{"failing": {(DOMAIN, kind)}} for kind in ("MX", "TXT")]
    troubles += [{"failing": {DOMAIN}}, {"silent": {f"_dmarc.{DOMAIN}"}}, {"failing": {key[0]}}]
    for trouble in troubles:
        found = await of_sender(WELL | {(key[0], "TXT"): [txt(key[1])]}, [key], **trouble)
        assert found and {one.weight for one in found} == {Weight.UNKNOWN}
        assert all("DNS does not say" in one.sentence for one in found)


async def test_a_long_answer_comes_by_tcp_and_strings_are_joined():
    with Nameserver({("x.example", "TXT"): [txt("y" * 900)]}) as server:
        assert await resolver(server).ask("x.example", "TXT") == Answer(("y" * 900,))
        assert server.asked == [("x.example", "TXT")] * 2


# The command


def place(tmp_path: Path, server: Nameserver, campaign: str = "") -> Place:
    made = Place(tmp_path / "instance", f"{campaign}copy_to: [copies@{DOMAIN}]\n")
    made.write("config/mailer.yaml", f"dns: {{nameserver: 127.0.0.1, port: {server.port}}}\nrun_for: 1\n")
    return made


def test_check_asks_dns_only_where_it_is_told_to_and_says_what_to_publish(tmp_path):
    with Nameserver(WELL) as server:
        made = place(tmp_path, server, "dkim: {selector: one, key_file: one.pem}\n")
        made.write("one.pem", pem("ed25519").decode()).chmod(0o600)
        assert made.mailer("check").code == 0 and server.asked == []
        said = made.mailer("check", "--dns")
        assert said.code == 78
        assert "problem: c: one._domainkey.campaign.example: the key that signs (DKIM) is not there" in said.out
        assert 'Publish: one._domainkey.campaign.example. TXT "v=DKIM1; k=ed25519; p=' in said.out
        record = said.out.partition("_domainkey.campaign.example. TXT ")[2].splitlines()[0]
        server.records["one._domainkey.campaign.example", "TXT"] = [record]
        said = made.mailer("check", "--dns")
        assert (said.code, "No problem was found." in said.out) == (0, True), said


def test_a_nameserver_that_cannot_say_ends_the_check_with_75(tmp_path):
    with Nameserver(WELL, failing={"court.example"}) as server:
        said = place(tmp_path, server).mailer("check", "--dns")
        assert (said.code, "court.example: DNS does not say whether it takes mail" in said.out) == (75, True), said
