"""
Two campaigns in one install, each with its own sender, key, pace, texts and word of approval: what is done to one is nothing
to the other. Through the command, against a server that keeps books.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dkim
import pytest

from mailer.dkim import Signer
from tests.installed import Place
from tests.keys import signer
from tests.servers.record import Taken
from tests.servers.rules import Reply, Rule
from tests.servers.spawned import SpawnedServer

ONE, TWO = "one.example", "two.example"
OFFICE = "court: {name: Court, to: head@court.example}"
PEOPLE = ["jane", "john", "ada"]


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[SpawnedServer]:
    with SpawnedServer(tmp_path / "far-side", []) as server:
        yield server


def campaign(id: str, domain: str, more: str = "", office: str = OFFICE) -> str:
    return (
        f"id: {id}\ntitle: T\nlanguages: {{default: en}}\nconsent: assumed\n"
        f"sender: {{name: {id.upper()}, address: letters@{domain}, bounce_address: 'bounces+{{token}}@{domain}'}}\n"
        f"{more or 'approval: none'}\ntargets: {{{office}}}\n"
    )


@pytest.fixture
def place(tmp_path: Path, relay: SpawnedServer) -> Place:
    """Campaigns `c` and `d`, each with a file of the same three people."""
    place = Place(tmp_path / "instance")
    place.relay(relay.port)
    for id, domain in (("c", ONE), ("d", TWO)):
        place.write(f"config/campaigns/{id}.yaml", campaign(id, domain))
        place.write(f"templates/{id}/en/subject.txt.j2", f"{id} of {{{{ signature.name }}}}\n")
        place.write(f"templates/{id}/en/letter.txt.j2", f"Text of {id}.\n\n{{{{ signature.name }}}}\n")
        rows = [f"{name.title()},{name}@private.example" for name in PEOPLE]
        place.put(f"{id}/people.csv", "\n".join(["name,email", *rows, ""]))
    return place


def by_domain(relay: SpawnedServer) -> Counter[str]:
    return Counter(one.sender.rpartition("@")[2] for one in relay.taken())


def told(place: Place) -> dict[str, dict[str, int]]:
    campaigns = place.mailer("status", "--json").json["campaigns"]
    return {id: one["letters"] for id, one in campaigns.items()}


def is_signed_by(one: Taken, key: Signer) -> bool:
    name, text = key.record
    answer = {f"{name}.".encode(): text.encode()}
    try:
        return bool(dkim.DKIM(one.data, minkey=2048).verify(dnsfunc=lambda asked, timeout=5: answer.get(asked)))
    except dkim.DKIMException:
        return False


def test_each_writes_as_itself_under_its_own_key(place, relay, tmp_path):
    keys = {ONE: signer(tmp_path, "rsa", ONE), TWO: signer(tmp_path, "ed25519", TWO)}
    for id, domain in (("c", ONE), ("d", TWO)):
        signing = keys[domain].settings
        place.write(
            f"config/campaigns/{id}.yaml",
            campaign(id, domain) + f"dkim: {{selector: {signing.selector}, key_file: {signing.key_file}}}\n",
        )
    assert place.mailer("run").code == 0
    assert by_domain(relay) == {ONE: 3, TWO: 3}
    for one in relay.taken():
        domain = one.sender.rpartition("@")[2]
        id = {ONE: "c", TWO: "d"}[domain]
        assert str(one.message["From"]).endswith(f"via {id.upper()} <letters@{domain}>")
        assert one.message["Subject"].startswith(f"{id} of ") and f"Text of {id}." in one.message.get_content()
        assert one.message_id.endswith(f"@{domain}>")
        assert [is_signed_by(one, key) for key in keys.values()] == [domain == ONE, domain == TWO]
    # Nobody who has one campaign's key reads the other's people, or makes its evidence.
    assert (place.root / "var/keys/c.key").read_bytes() != (place.root / "var/keys/d.key").read_bytes()
    assert len({one.message["X-Letter-Evidence"] for one in relay.taken()}) == 6


def test_a_pause_of_one_lets_the_other_go(place, relay):
    place.mailer("run", "--intake-only")
    assert place.mailer("pause", "c", "--why", "wait").code == 0
    assert place.mailer("run").code == 0
    assert by_domain(relay) == {TWO: 3} and told(place) == {"c": {"queued": 3}, "d": {"accepted": 3}}
    place.mailer("resume", "c", "--why", "go")
    place.mailer("run")
    assert by_domain(relay) == {ONE: 3, TWO: 3}


def test_a_change_in_one_holds_its_own_letters_only(place, relay):
    for id, domain in (("c", ONE), ("d", TWO)):
        place.write(f"config/campaigns/{id}.yaml", campaign(id, domain, "approval: required"))
        assert place.mailer("approve", id).code == 0
    place.write("templates/c/en/letter.txt.j2", "Another text.\n")
    assert place.mailer("run").code == 0
    assert by_domain(relay) == {TWO: 3} and told(place) == {"c": {"held": 3}, "d": {"accepted": 3}}


def test_what_breaks_one_harms_the_other_not(place, relay):
    place.write("templates/c/en/letter.txt.j2", "{{ nothing }}\n")
    place.write("config/campaigns/d.yaml", campaign("d", TWO, "approval: none\ndeadline: 2011-09-20"))
    place.mailer("run")
    assert not relay.taken() and told(place) == {"c": {"held": 3}, "d": {"expired": 3}}
    place.write("templates/c/en/letter.txt.j2", "Mended.\n")
    place.mailer("run")
    assert by_domain(relay) == {ONE: 3} and told(place) == {"c": {"accepted": 3}, "d": {"expired": 3}}


def test_a_sender_that_is_refused_stops_its_own_campaign(tmp_path, place):
    with SpawnedServer(tmp_path / "strict", [Rule("mail", Reply("550 5.7.1 who are you"), nth=1)]) as strict:
        place.relay(strict.port)
        place.mailer("run")
        assert told(place) == {"c": {"deferred": 1, "queued": 2}, "d": {"accepted": 3}}
        paused = place.mailer("status").err
        assert "paused: c (the server refuses by policy" in paused and "paused: d" not in paused


def test_each_has_its_own_pace_and_one_address_the_narrower_of_two(place, relay):
    place.write("config/campaigns/c.yaml", campaign("c", ONE, "approval: none\npace: {per_hour: 1}"))
    place.write("config/campaigns/d.yaml", campaign("d", TWO, "approval: none\npace: {per_hour: 5}"))
    place.mailer("run")
    # Both write to the same office: what one sends counts for the other, and each keeps its own limit of all that comes there.
    assert by_domain(relay)[ONE] <= 1 and sum(by_domain(relay).values()) <= 5
    other = "ministry: {name: Ministry, to: head@ministry.example}"
    place.write("config/campaigns/d.yaml", campaign("d", TWO, "approval: none\npace: none", other))
    place.put("d/more.csv", "name,email\nEve,eve@private.example\n")
    place.mailer("run")
    assert Counter(one.recipients for one in relay.taken())["head@ministry.example",] == 4


def test_who_leaves_one_stays_in_the_other_and_who_is_erased_leaves_both(place, relay):
    place.mailer("run", "--intake-only")
    place.put("c/gone.withdrawn.csv", "email\njane@private.example\n")
    place.mailer("run")
    names = Counter((one.sender.rpartition("@")[2], str(one.message["Reply-To"]).partition(" ")[0]) for one in relay.taken())
    assert names == {(ONE, "John"): 1, (ONE, "Ada"): 1, (TWO, "Jane"): 1, (TWO, "John"): 1, (TWO, "Ada"): 1}
    assert place.mailer("erase", "ada@private.example").code == 0
    counts = place.mailer("status", "--json").json["campaigns"]
    assert {id: (one["withdrawn"], one["erased"]) for id, one in counts.items()} == {"c": (1, 1), "d": (0, 1)}


def test_receipts_trials_and_digests_are_each_campaign_s_own(place, relay):
    more = (
        "approval: none\nreceipt: all\norganisers: {anna: anna@two.example}\ncopy_to: copies@two.example\ncopy_policy: digest"
    )
    place.write("config/campaigns/d.yaml", campaign("d", TWO, more))
    place.write("templates/d/en/receipt.txt.j2", "Subject: Told\n\n{% for letter in letters %}{{ letter.state }}{% endfor %}\n")
    place.mailer("run")
    assert place.mailer("preview", "d", "--send-to", "anna").code == 0
    assert place.mailer("preview", "c", "--send-to", "anna").code == 64
    notices = [one for one in relay.taken() if one.message["Auto-Submitted"]]
    assert {str(one.message["From"]).rpartition("@")[2] for one in notices} == {f"{TWO}>"}
    assert Counter(one.recipients[0] for one in notices) == {
        **{f"{name}@private.example": 1 for name in PEOPLE},
        "anna@two.example": 2,
    }
    told = place.mailer("status", "--json").json["campaigns"]
    assert told["c"]["notices"] == {} and told["d"]["notices"] == {"receipt": {"accepted": 3}, "trial": {"accepted": 2}}


def test_a_campaign_that_is_taken_out_waits_and_the_other_goes_on(place, relay):
    place.mailer("run", "--intake-only")
    text = (place.root / "config/campaigns/c.yaml").read_text()
    (place.root / "config/campaigns/c.yaml").unlink()
    place.mailer("run")
    assert by_domain(relay) == {TWO: 3}
    place.write("config/campaigns/c.yaml", text)
    place.mailer("run")
    assert by_domain(relay) == {ONE: 3, TWO: 3}
