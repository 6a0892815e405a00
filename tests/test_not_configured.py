"""A campaign or a target vanishes from the configuration while letters wait: it is told, and every order still works."""

from __future__ import annotations

import pytest

from tests.installed import LETTER, Place
from tests.test_config.instance import REQUIRED

NOW = "not configured any more"
OTHER = "config/campaigns/d.yaml"


@pytest.fixture
def place(tmp_path):
    """Two campaigns; a letter of `d` waits, and its file is gone since."""
    place = Place(tmp_path / "here", "pace: none\napproval: none\n")
    place.write(OTHER, REQUIRED.replace("id: c", "id: d") + "consent: assumed\napproval: none\n")
    place.write("templates/d/en/subject.txt.j2", "Letter of {{ signature.name }}\n")
    place.write("templates/d/en/letter.txt.j2", LETTER)
    place.drop(1, "d/signatures.csv")
    assert place.mailer("run", "--intake-only").code == 0
    assert place.mailer("pause", "d", "--why", "wrong text").code == 0
    (place.root / OTHER).rename(place.root / "d.yaml")
    return place


def of_d(place: Place) -> dict[str, int]:
    letters: dict[str, int] = place.mailer("status", "--json").json["campaigns"]["d"]["letters"]
    return letters


def test_letters_of_a_campaign_that_is_gone_are_told_by_each_who_looks(place):
    said = place.mailer("run")
    assert said.code == 69
    assert f"Waiting for you: d: 1 letter held, it or a target is {NOW}: put it back, or mailer cancel --campaign d" in said.err
    assert of_d(place) == {"held": 1}
    sick = place.mailer("health")
    assert sick.code == 1
    assert f"1 letter of d held, it or a target is {NOW}: put it back, or mailer cancel --campaign d" in sick.out
    advice = place.mailer("status").err
    assert f"{NOW}: put the campaign or the target back" in advice
    assert "embassies.yaml" not in advice
    (place.root / "d.yaml").rename(place.root / OTHER)
    assert place.mailer("resume", "d", "--why", "mended").code == 0
    assert place.mailer("run").code == 0
    assert of_d(place) == {"accepted": 1}
    assert place.mailer("health").code == 0


def test_letters_to_a_target_that_is_gone_are_told_too(tmp_path):
    place = Place(tmp_path / "here", "pace: none\napproval: none\n")
    place.drop(2)
    assert place.mailer("run", "--intake-only").code == 0
    path = place.root / "config/campaigns/c.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("{court:", "{ministry:"), encoding="utf-8")
    said = place.mailer("run")  # what had not gone out goes to the new one
    assert (said.code, place.letters("accepted")) == (0, 2) and f"2 letters held, it or a target is {NOW}" in said.err
    assert place.mailer("run").code == 69
    assert f"2 letters of c held, it or a target is {NOW}" in place.mailer("health").out


def test_every_order_knows_the_campaigns_that_the_ledger_knows(place):
    assert "resume d" in place.mailer("health").out
    said = place.mailer("resume", "d", "--why", "its letters are cancelled")
    assert (said.code, said.out) == (0, "Campaign d may go on.\n")
    assert place.mailer("run").code == 69
    for order, state in [("release", "queued"), ("hold", "held"), ("cancel", "cancelled"), ("retry", "queued")]:
        said = place.mailer(order, "--campaign", "d", "--why", "as said")
        assert (said.code, said.out) == (0, f"1 letter: {state}.\n"), order
    assert place.mailer("cancel", "--campaign", "d", "--why", "as said").code == 0
    assert place.mailer("log", "--campaign", "d").code == 0
    assert (place.mailer("run").code, place.mailer("health").code) == (0, 0)
    for words in (("resume", "nosuch"), ("cancel", "--campaign", "nosuch")):
        said = place.mailer(*words, "--why", "as said")
        assert said.code == 64
        assert "there is no campaign «nosuch»; the campaigns are: c, d" in said.err
