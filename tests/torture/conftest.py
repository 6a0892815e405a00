"""What the torture tests may ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.threaded import ThreadedServer
from tests.torture.grounds import ground
from tests.torture.runs import Zygote
from tests.torture.stories import Story


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote() as process:
        yield process


@pytest.fixture
def story(zygote: Zygote, tmp_path: Path) -> Iterator[Story]:
    with ThreadedServer() as server:
        yield Story(zygote, ground(tmp_path / "instance", server.port), server)
