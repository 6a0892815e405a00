"""What every test may ask for: the real servers of `tests/servers`, on free ports of 127.0.0.1."""

from hypothesis import HealthCheck, settings

from tests.servers.fixtures import authority, postfix, sink, tls, trust

__all__ = ["authority", "postfix", "sink", "tls", "trust"]

# How long one example takes says more about what else the machine does than about mailer; and how many drafts of an example
# are thrown away by chance says nothing about it.
settings.register_profile("mailer", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
settings.load_profile("mailer")
