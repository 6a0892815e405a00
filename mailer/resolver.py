"""
Asks DNS, and says what it answered: texts, nothing, no such name, or no answer.

    checks  >  RESOLVER  >  the nameserver of the configuration, else those of this machine

It knows records and no rules about them; an answer that did not come is a value, never an exception. Nothing but
`mailer check --dns` asks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """Whom to ask: a nameserver's IP address, or nobody in particular: those that this machine asks."""

    nameserver: str = ""
    port: int = 53
    seconds: float = 5.0  # for one question, all tries together


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What DNS says of one name: the texts of its records (of an MX the server's name, "." where mail is not taken), or why it did
    not answer. `exists` is False where there is no such name at all.
    """

    texts: tuple[str, ...] = ()
    exists: bool = True
    failed: str = ""


class Resolver:
    """Asks one question at a time, as often as it is asked to."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._asking: Any = None

    async def ask(self, name: str, kind: str) -> Answer:
        """The records of a name; `kind` is TXT, MX, A or AAAA."""
        import dns.exception
        import dns.resolver

        try:
            found = await self._resolver().resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN:
            return Answer(exists=False)
        except dns.exception.Timeout:
            return Answer(failed="no answer in time")
        except dns.resolver.NoResolverConfiguration:
            return Answer(failed="this machine knows no nameserver")
        except dns.exception.DNSException:
            return Answer(failed="the nameservers cannot say")
        return Answer(tuple(_text(record, kind) for record in found))

    def _resolver(self) -> Any:
        # Imported when first asked: no other command needs it.
        if self._asking is None:
            from dns.asyncresolver import Resolver as Asking

            named = self._settings.nameserver
            self._asking = Asking(configure=not named)
            if named:
                self._asking.nameservers = [named]
                self._asking.port = self._settings.port
            self._asking.lifetime = self._settings.seconds
        return self._asking


def _text(record: Any, kind: str) -> str:
    if kind == "TXT":
        return b"".join(record.strings).decode("utf-8", "replace")
    if kind == "MX":
        return record.exchange.to_text(omit_final_dot=record.exchange.to_text() != ".").lower()  # type: ignore[no-any-return]
    return record.to_text()  # type: ignore[no-any-return]
