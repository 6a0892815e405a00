"""
Servers as pytest fixtures: to be imported by name in a conftest.

`sink` takes everything; `postfix` is a relay with that same sink behind it. Both are new for each test, and a test that
asks for one is left out, with the reason, where it cannot run. For other flags or settings, `require("smtp-sink")` or
`require("postfix")` and start `Sink` or `Postfix` in the test.

`tls` is a server's context for 127.0.0.1 and `trust` a client's that believes it, both of one `authority`.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.servers.available import require
from tests.servers.postfix import Postfix
from tests.servers.sink import Sink

__all__ = ["authority", "postfix", "sink", "tls", "trust"]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    require("smtp-sink")
    with Sink(tmp_path / "sink") as running:
        yield running


@pytest.fixture
def postfix(sink: Sink) -> Iterator[Postfix]:
    require("postfix")
    with Postfix(sink) as running:
        yield running
        print(running.log())  # pytest shows it when the test fails


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
