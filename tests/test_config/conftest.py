from __future__ import annotations

import pytest

from tests.test_config.instance import Instance


@pytest.fixture
def instance(tmp_path):
    return Instance(tmp_path)
