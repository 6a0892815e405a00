"""What every test may ask for: the real servers of `tests/servers`, on free ports of 127.0.0.1."""

from tests.servers.fixtures import authority, postfix, sink, tls, trust

__all__ = ["authority", "postfix", "sink", "tls", "trust"]
