"""The real servers, and certificates, for the tests in this folder."""

from tests.servers.fixtures import authority, postfix, sink, tls, trust

__all__ = ["authority", "postfix", "sink", "tls", "trust"]
