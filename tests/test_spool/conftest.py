"""A spool in a folder of its own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mailer.spool import Settings, Spool
from tests.test_spool.ground import NOBODY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "var" / "queue"


@pytest.fixture
def spool(root: Path) -> Spool:
    spool = Spool(Settings(root))
    assert spool.prepare() == []
    return spool


@pytest.fixture
def ground() -> Iterator[Path]:
    """A folder that belongs to nobody, where everybody may pass (pytest's own are for one user only)."""
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() == 0:
            os.chown(name, NOBODY, NOBODY)
        os.chmod(name, 0o755)
        yield Path(name)
