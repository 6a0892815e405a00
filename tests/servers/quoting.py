"""
What a server quotes of a letter in its answers: headers and words, as a reader sees them and as they came over the wire.

Real servers do: content filters name the subject and the address that they dislike, gateways paste whole headers.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from tests.servers.record import Taken
from tests.servers.rules import Action, Quote

_LONGEST = 400  # characters: a line of a reply has an end (RFC 5321 4.5.3.1.5)


def quoting(action: Action, message: Taken | None) -> Action:
    """An action with its quotation filled in; where no letter was seen yet there is nothing to quote."""
    if not isinstance(action, Quote):
        return action
    quoted = " ".join(PARTS[action.part](message).split())[:_LONGEST] if message else "nothing"
    return replace(action, text=action.text.replace("{}", quoted))


def _header(name: str) -> Callable[[Taken], str]:
    return lambda message: str(message.message[name])


def _raw(name: str) -> Callable[[Taken], str]:
    def found(message: Taken) -> str:
        folded = re.search(rf"^{name}: ([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", message.data.decode("ascii", "replace"), re.MULTILINE)
        return folded[1] if folded else ""

    return found


def _body(message: Taken) -> str:
    return str(message.message.get_content())


def _raw_body(message: Taken) -> str:
    return message.data.partition(b"\r\n\r\n")[2].decode("ascii", "replace")


PARTS: Mapping[str, Callable[[Taken], str]] = {
    "from": _header("From"),
    "reply-to": _header("Reply-To"),
    "subject": _header("Subject"),
    "raw from": _raw("From"),
    "raw reply-to": _raw("Reply-To"),
    "raw subject": _raw("Subject"),
    "body": _body,
    "raw body": _raw_body,
    "a word of the name": lambda message: str(message.message["Reply-To"]).split()[1],
    "capitals": lambda message: str(message.message["From"]).upper(),
    "the domain": lambda message: str(message.message["Reply-To"]).partition("@")[2].strip(">"),
}
