"""
The script of a server: rules of plain data that say what it does, when, and to whom.

A rule names a verb and an action. The first rule of the list that fits is followed; where none fits, the server behaves
as a good one. `nth` counts what fits the rest of its rule, in the whole life of the server: `Rule('rcpt', Reply('451
4.3.0 later'), nth=1, recipient='a@x.example')` defers the first RCPT for that address and no later one.

An answer is sent word for word, its lines joined by CRLF: "250-one\\n250 two" is one reply of two lines, "250 a\\n250
b" are two replies. An empty text means what a good server would say there. A server that says 2xx to the final dot has
taken the message, also when that answer is split or comes in drips.

Rules travel as JSON (`to_json`, `from_json`). This module performs nothing; that is for `conversation`.
"""

import json
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal, get_args

Verb = Literal[
    "connect", "handshake", "ehlo", "helo", "starttls", "auth", "mail", "rcpt", "data", "body", "dot", "rset", "noop",
    "quit",
]  # fmt: skip
VERBS: tuple[str, ...] = get_args(Verb)

TO_RECIPIENTS = ("mail", "rcpt", "data", "body", "dot")  # verbs of which a rule can ask for a recipient


@dataclass(frozen=True)
class Action:
    """What a server does instead of answering well. `takes`: it keeps the message, whatever it then says."""

    takes: ClassVar[bool] = False


@dataclass(frozen=True)
class Reply(Action):
    """Say `text`. `close`: hang up afterwards; unless told, only after a 421, as real servers do."""

    text: str = ""
    close: bool | None = None


@dataclass(frozen=True)
class Quote(Reply):
    """
    Say `text`, its {} filled with a part of a letter: at the dot of this one, before it of the newest that the server has seen.
    The parts are in `quoting`.
    """

    part: str = "from"


@dataclass(frozen=True)
class Drop(Action):
    """Close in good order (FIN) without a word, and swallow what still comes."""


@dataclass(frozen=True)
class Reset(Action):
    """Close with a reset (RST), without a word."""


@dataclass(frozen=True)
class Hang(Action):
    """Never answer, until the client leaves or the server stops. In a body: stop reading too, so the window fills."""


@dataclass(frozen=True)
class Drip(Action):
    """Say `text` one byte at a time, `seconds` between two bytes."""

    text: str = ""
    seconds: float = 0.001


@dataclass(frozen=True)
class Garbage(Action):
    """Send `data` as it stands, `times` over; 0 is for ever."""

    data: bytes = b"\x00\xff\x16\x03not SMTP\r\n"
    times: int = 1


@dataclass(frozen=True)
class Early(Action):
    """
    Say `text` while the body still comes. `then` swallow: it was the answer, the dot gets none; answer: the dot gets
    its own all the same; drop or reset: hang up.
    """

    text: str
    then: Literal["swallow", "answer", "drop", "reset"] = "swallow"


@dataclass(frozen=True)
class Split(Action):
    """Say the first `at` bytes of `text` (unless told, half of them), then close."""

    text: str = ""
    at: int | None = None


@dataclass(frozen=True)
class Extra(Action):
    """Say `text`, and in the same breath `extra`, which nobody asked for."""

    extra: str
    text: str = ""


@dataclass(frozen=True)
class StoreThenDrop(Drop):
    """Take the message, then close without a word."""

    takes: ClassVar[bool] = True


@dataclass(frozen=True)
class StoreThenReset(Reset):
    """Take the message, then reset."""

    takes: ClassVar[bool] = True


@dataclass(frozen=True)
class StoreThenHang(Hang):
    """Take the message, then never answer."""

    takes: ClassVar[bool] = True


_KINDS = (Reply, Quote, Drop, Reset, Hang, Drip, Garbage, Early, Split, Extra, StoreThenDrop, StoreThenReset, StoreThenHang)
ACTIONS: Mapping[str, type[Action]] = {kind.__name__: kind for kind in _KINDS}
_SILENT = (Drop, Reset, Hang, Garbage)  # what can happen where no reply is due: in a body, in place of a handshake


@dataclass(frozen=True)
class Rule:
    """
    One line of a script. Connections and `nth` count from 1.

    `recipient` at rcpt is the address named, at mail the return path (empty: the null one), at data, body and dot one of
    those accepted. `after` is how many bytes of the body have come when a rule on the body acts; 0 is at once, right behind
    the 354. `odds` is the chance that a rule that fits is followed, drawn from the server's own seed.
    """

    verb: Verb
    action: Action
    connection: int | None = None
    nth: int | None = None
    recipient: str | None = None
    after: int = 0
    odds: float = 1.0

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise ValueError(f"{problem}: {self!r}")

    def _problem(self) -> str | None:
        """A script that cannot happen would leave a test green that proves nothing."""
        if self.verb not in VERBS:
            return f"no such verb as {self.verb!r}"
        if self.action.takes and self.verb != "dot":
            return "a message can only be stored at the dot"
        if isinstance(self.action, Early) != (self.verb == "body") and not isinstance(self.action, _SILENT):
            return "a body is answered by Early, and Early answers only a body"
        if self.verb == "handshake" and not isinstance(self.action, _SILENT):
            return "a handshake has no reply"
        if self.recipient is not None and self.verb not in TO_RECIPIENTS:
            return f"nobody is named at {self.verb}"
        if self.after and self.verb != "body":
            return "`after` counts the bytes of a body"
        if any(number is not None and number < 1 for number in (self.connection, self.nth)):
            return "connections and nth count from 1"
        return None

    def fits(self, verb: Verb, connection: int, recipients: Collection[str]) -> bool:
        """Whether this rule speaks of such an event, `nth` and `odds` left aside."""
        return (
            self.verb == verb
            and self.connection in (None, connection)
            and (self.recipient is None or self.recipient in recipients)
        )


class Script:
    """Rules in use: counts what fits them, and says which one to follow."""

    def __init__(self, rules: Iterable[Rule] = (), seed: int = 0) -> None:
        self._dice = random.Random(seed)
        self.follow(rules)

    def follow(self, rules: Iterable[Rule]) -> None:
        """Follow other rules from now on, and begin to count anew."""
        self.rules = tuple(rules)
        self._fitted = [0] * len(self.rules)

    def choose(self, verb: Verb, connection: int, recipients: Collection[str] = ()) -> Rule | None:
        """The rule to follow now; every rule that fits counts this event, followed or not."""
        chosen: Rule | None = None
        for place, rule in enumerate(self.rules):
            if not rule.fits(verb, connection, recipients):
                continue
            self._fitted[place] += 1
            is_due = rule.nth in (None, self._fitted[place])
            if chosen is None and is_due and (rule.odds >= 1 or self._dice.random() < rule.odds):
                chosen = rule
        return chosen


def to_json(rules: Sequence[Rule]) -> str:
    """
    Rules as a JSON list; `from_json` gives the same rules back.

    >>> rules = [Rule("dot", Reply("250 ok"), nth=2), Rule("connect", Garbage(bytes(range(256))))]
    >>> from_json(to_json(rules)) == rules
    True
    """
    return json.dumps([_rule_as_data(rule) for rule in rules], indent=1)


def from_json(text: str) -> list[Rule]:
    """Rules out of a JSON list. Raises: ValueError, TypeError, KeyError for what is no rule."""
    return [_rule_from_data(data) for data in json.loads(text)]


def _rule_as_data(rule: Rule) -> dict[str, Any]:
    action = {"is": type(rule.action).__name__} | asdict(rule.action)
    if isinstance(rule.action, Garbage):
        action["data"] = rule.action.data.decode("latin-1")  # JSON knows no bytes; latin-1 maps each one to itself
    return asdict(rule) | {"action": action}


def _rule_from_data(data: Mapping[str, Any]) -> Rule:
    words = dict(data["action"])
    kind = ACTIONS[words.pop("is")]
    if kind is Garbage and "data" in words:
        words["data"] = words["data"].encode("latin-1")
    return Rule(**{**data, "action": kind(**words)})
