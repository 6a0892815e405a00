"""A target that comes into a campaign later: whoever has signed before is written for to it as well, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailer import additions, rules
from mailer.address import parse
from mailer.delivery import ORDERS
from mailer.ledger import Selection
from tests.installed import Place
from tests.offices import NOON, RETRY, Scene, at_work, drop, instance
from tests.relays import TO, settings_for
from tests.servers.scripted import ScriptedServer

HEAD = "approval: none\nconsent: assumed\npace: none\n"
COURT = f"court: {{name: Court, to: {TO}}}"
NEW = "office: {name: Office, to: ministry@office.example}"
PALACE = 'palace: {kind: phone, name: Palace, phone: "+7 7172 745524"}'
EMBASSY = "embassy: {kind: embassy, name: E, directory: embassies.yaml}"


def targets(*of: str, more: str = "") -> str:
    return f"{HEAD}{more}targets: {{{', '.join(of)}}}\n"


async def by_target(scene: Scene) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for (_, target, state), count in sorted(scene.ledger.tally().items()):
        found.setdefault(target, {})[state] = count
    return found


async def test_who_has_signed_before_gets_one_letter_to_it_whatever_carries_it(tmp_path):
    here = instance(tmp_path, targets(COURT))
    drop(here, 3, countries=["GB", "FR"])
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        assert await additions.complete(scene.ledger, scene.office.desks, NOON) == 0
        await scene.send(settings_for(server))
    here.write(
        "config/embassies.yaml", "- {country: GB, city: London, email: london@mission.example, checked_on: 2011-09-19}\n"
    )
    here.campaign(targets(COURT, NEW, PALACE, EMBASSY))
    async with at_work(here) as scene, ScriptedServer() as server:
        assert await additions.complete(scene.ledger, scene.office.desks, NOON) == 9
        assert await additions.complete(scene.ledger, scene.office.desks, NOON) == 0
        await rules.redecide(scene.ledger, await scene.office.ruling(), RETRY, NOON)
        await scene.send(settings_for(server))
        assert await by_target(scene) == {
            "court": {"accepted": 3},
            "office": {"accepted": 3},
            "palace": {"by_hand": 3},
            "embassy": {"accepted": 1, "held": 2},
        }
        assert len({one.message_id for one in server.taken}) == len(server.taken) == 4
        lanes = {(record.target, record.country) for record in scene.records()}
        assert lanes >= {("embassy", "GB"), ("embassy", "FR"), ("office", "GB")}
        told = [json.loads(link.line) for link in scene.ledger.journal(0, 1_000)]
        added = {line["target"]: line["letters"] for line in told if line["event"] == "added"}
        assert added == {"office": 3, "palace": 3, "embassy": 3}
        assert not list(scene.ledger.disagreements())


async def test_who_has_left_gets_none_and_who_has_not_confirmed_waits(tmp_path):
    here = instance(tmp_path, targets(COURT, more="confirmation: required\n"))
    drop(here, 3)
    async with at_work(here) as scene:
        await scene.take_in()
        recogniser = scene.office.desks["c"].recogniser
        await scene.ledger.withdraw("c", recogniser.persons(parse("signer1@private.example")), NOON)
        persons = [("c", person) for person in recogniser.persons(parse("signer2@private.example"))]
        await scene.ledger.erase(persons, ("c", None), NOON)
    here.campaign(targets(COURT, NEW, PALACE, more="confirmation: required\n"))
    async with at_work(here) as scene:
        assert await additions.complete(scene.ledger, scene.office.desks, NOON) == 2
        assert (await by_target(scene))["office"] == {"held": 1} and (await by_target(scene))["palace"] == {"by_hand": 1}
        assert {record.reason for record in scene.records() if record.target == "office"} == {"signature not confirmed"}


async def test_a_target_that_comes_back_is_written_to_for_those_who_signed_meanwhile(tmp_path):
    here = instance(tmp_path, targets(COURT, NEW))
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await additions.complete(scene.ledger, scene.office.desks, NOON)
        await scene.send(settings_for(server))
    here.campaign(targets(COURT))
    drop(here, 1, first=3)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        assert await additions.complete(scene.ledger, scene.office.desks, NOON) == 0
        await scene.send(settings_for(server))
    here.campaign(targets(COURT, NEW))
    async with at_work(here) as scene, ScriptedServer() as server:
        assert await additions.complete(scene.ledger, scene.office.desks, NOON) == 1
        await scene.send(settings_for(server))
        assert [one.message["Reply-To"] for one in server.taken] == ["Signer 3 <signer3@private.example>"]
        assert scene.states() == {"accepted": 6}


async def test_cut_off_in_the_middle_it_is_done_again_and_nobody_is_missing_or_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(additions, "_AT_ONCE", 2)
    here = instance(tmp_path, targets(COURT))
    drop(here, 7)
    async with at_work(here) as scene:
        await scene.take_in()
        await additions.complete(scene.ledger, scene.office.desks, NOON)
    here.campaign(targets(COURT, NEW))
    for cut in (1, 1, 0):
        async with at_work(here) as scene:
            left = cut

            class Dies:
                def __init__(self, ledger):
                    self._ledger = ledger

                def __getattr__(self, name):
                    nonlocal left
                    if name == "add_letters":
                        left -= 1
                        if left < 0:
                            raise KeyboardInterrupt
                    return getattr(self._ledger, name)

            with pytest.raises(KeyboardInterrupt):
                await additions.complete(Dies(scene.ledger), scene.office.desks, NOON)
    async with at_work(here) as scene:
        await additions.complete(scene.ledger, scene.office.desks, NOON)
        counts = [record.signature for record in scene.records() if record.target == "office"]
        assert sorted(counts) == sorted(set(counts)) and len(counts) == 7


async def test_a_target_that_only_got_another_name_is_not_written_to_again(tmp_path):
    here = instance(tmp_path, targets(COURT, NEW))
    drop(here, 2)
    async with at_work(here) as scene, ScriptedServer() as server:
        await scene.take_in()
        await additions.complete(scene.ledger, scene.office.desks, NOON)
        await scene.send(settings_for(server), limit=3)  # both to the court, one to the office
    renamed = [COURT.replace("court:", "supreme:").replace(TO, TO.upper()), NEW.replace("office:", "ministry:")]
    here.campaign(targets(*renamed))
    async with at_work(here) as scene, ScriptedServer() as server:
        assert await additions.complete(scene.ledger, scene.office.desks, NOON) == 1
        await rules.redecide(scene.ledger, await scene.office.ruling(), RETRY, NOON)
        await scene.send(settings_for(server))
        assert [one.recipients for one in server.taken] == [("ministry@office.example",)]
        assert await by_target(scene) == {
            "court": {"accepted": 2},
            "office": {"accepted": 1, "held": 1},
            "ministry": {"accepted": 1},
        }


async def test_when_the_campaign_is_over_nothing_is_added(tmp_path):
    here = instance(tmp_path, targets(COURT))
    drop(here, 1)
    async with at_work(here) as scene:
        await scene.take_in()
        await additions.complete(scene.ledger, scene.office.desks, NOON)
    here.campaign(targets(COURT, NEW, more="deadline: 2011-09-19\n"))
    async with at_work(here) as scene:
        assert await additions.complete(scene.ledger, scene.office.desks, NOON) == 0
        assert set(await by_target(scene)) == {"court"}


def test_a_run_tells_of_it_and_its_letters_wait_for_the_approval(tmp_path):
    place = Place(tmp_path, f"approval: required\ntargets: {{{COURT}}}\n")
    place.drop(2)
    assert place.mailer("run").code == 0
    main = (place.root / "config/mailer.yaml").read_text()
    place.write("config/mailer.yaml", f"relay: {{mode: file}}\n{main}")
    text = (place.root / "config/campaigns/c.yaml").read_text()
    place.write("config/campaigns/c.yaml", text.replace(f"{{{COURT}}}", f"{{{COURT}, {NEW}}}"))
    said = place.mailer("run")
    assert said.code == 0 and "Of those who had signed before a target was added: 2 letters more." in said.out
    assert "office is new in c: 2 letters more, of those who had signed before" in said.err
    assert place.mailer("run").out == "No letter was sent.\n"
    assert place.letters("accepted") == 4 and place.mailer("verify").code == 0


def test_a_new_target_of_a_live_campaign_waits_until_it_is_approved(tmp_path):
    place = Place(tmp_path, f"approval: required\ntargets: {{{COURT}}}\n")
    place.drop(2)
    place.mailer("run")
    place.relay(9)
    text = (place.root / "config/campaigns/c.yaml").read_text()
    place.write("config/campaigns/c.yaml", text.replace(f"{{{COURT}}}", f"{{{COURT}, {NEW}}}"))
    assert place.mailer("run").code == 69
    assert place.mailer("status", "--json").json["campaigns"]["c"]["targets"]["office"] == {"held": 2}
    assert place.mailer("approve", "c").code == 0
    assert place.mailer("run").code == 75  # nobody listens there, but they are let go
    assert place.mailer("status", "--json").json["campaigns"]["c"]["targets"]["office"] == {"queued": 2}


async def test_behind_a_ledger_that_was_put_back_what_is_added_is_held_like_the_rest(tmp_path):
    """The lost ledger may have written to the new target already."""
    here = instance(tmp_path, targets(COURT))
    drop(here, 2)
    async with at_work(here) as scene:
        await scene.take_in()
        await additions.complete(scene.ledger, scene.office.desks, NOON)
    here.campaign(targets(COURT, NEW))
    async with at_work(here) as scene, ScriptedServer() as server:
        await additions.complete(scene.ledger, scene.office.desks, NOON)
        while await scene.ledger.hold_restored(NOON, 10):
            pass
        await rules.redecide(scene.ledger, await scene.office.ruling(), RETRY, NOON)
        await scene.send(settings_for(server))
        assert server.taken == [] and scene.states() == {"held": 4}
        await scene.ledger.order(Selection(), ORDERS["release"], "they are not out", NOON, 0, 100)
        await scene.send(settings_for(server))
        assert len(server.taken) == 4


def test_resume_ledger_holds_what_a_new_target_would_get(tmp_path):
    import shutil

    place = Place(tmp_path / "here", f"approval: none\npace: none\ntargets: {{{COURT}}}\n")
    place.drop(2)
    assert place.mailer("run").code == 0
    backup = tmp_path / "backup"
    shutil.copytree(place.root / "var", backup, ignore=lambda _, names: {"sandbox"} & set(names))
    text = (place.root / "config/campaigns/c.yaml").read_text()
    place.write("config/campaigns/c.yaml", text.replace(f"{{{COURT}}}", f"{{{COURT}, {NEW}}}"))
    assert place.mailer("run").code == 0 and place.sandboxed() == 4
    for name in ("ledger.db", "journal.jsonl"):
        shutil.copy2(backup / name, place.root / "var" / name)
    for name in ("ledger.db-wal", "ledger.db-shm"):
        Path(place.root / "var" / name).unlink(missing_ok=True)
    assert place.mailer("run").code == 69
    assert place.mailer("resume", "ledger", "--why", "the disk died").code == 0
    assert place.mailer("run").code == 0
    assert place.sandboxed() == 4 and place.letters("held") == 2
