"""One pass of a scene: rules are asked, then what is due is sent."""

from __future__ import annotations

from mailer import rules
from mailer.rules import Ruled
from tests.offices import RETRY, Scene
from tests.relays import settings_for
from tests.servers.scripted import ScriptedServer


async def passed(scene: Scene, server: ScriptedServer) -> Ruled:
    """One pass: rules, then what is due."""
    relay = settings_for(server)
    ruled = await rules.redecide(scene.ledger, await scene.office.ruling(), RETRY, int(scene.time.now))
    await scene.send(relay)
    return ruled
