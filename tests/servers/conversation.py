"""
One conversation of the scripted server, from the greeting to the end.

Where no rule acts, it is a good ESMTP server (RFC 5321, 2920, 3207, 4954): strict about the order of commands, answers
to pipelined commands batched and in order. What the client does that SMTP forbids is noted in the record, and the
conversation goes on as real servers let it.

Bytes are for `wire`, actions for `stage`, the choice among rules for `rules`, what was seen for `record`.
"""

import base64
import re
from collections.abc import Awaitable, Callable, Collection

from tests.servers.offers import Offers
from tests.servers.quoting import quoting
from tests.servers.record import DOT_NOT_ALONE, Record, Taken
from tests.servers.rules import Early, Hang, Reply, Script, Split, Verb
from tests.servers.stage import Stage, text_of
from tests.servers.wire import Ended, Wire

NAME = "scripted.example"
_PATH = re.compile(r"(?:FROM|TO):<([^<>]*)>(?: (.+))?", re.IGNORECASE)


class Conversation:
    """One connection, by its number. When `run` returns, all that it saw is in the record."""

    def __init__(self, number: int, wire: Wire, script: Script, offers: Offers, record: Record) -> None:
        self.number = number
        self.wire = wire
        self.stage = Stage(wire, self._watch)
        self.script = script
        self.offers = offers
        self.record = record
        self._keywords = ""  # the answer to EHLO, in capitals
        self._is_authenticated = offers.credentials is None
        self._sender: str | None = None
        self._parameters = ""
        self._recipients: list[str] = []
        self._is_in_body = False
        self._owes_answer_to_dot = False
        self._verbs: dict[str, Callable[[str], Awaitable[None]]] = {
            "EHLO": self._ehlo, "HELO": self._helo, "STARTTLS": self._starttls, "AUTH": self._auth, "MAIL": self._mail,
            "RCPT": self._rcpt, "DATA": self._data, "RSET": self._rset, "NOOP": self._noop, "QUIT": self._quit,
        }  # fmt: skip

    async def run(self) -> None:
        try:
            if self.offers.implicit_tls:
                await self._shake_hands()
            await self._talk()
        except (Ended, ConnectionError):
            self.wire.close()
        except BaseException:
            self.wire.abort()
            raise

    async def _talk(self) -> None:
        greeting = await self._answer("connect", f"220 {NAME} ESMTP")
        while True:
            verb, rest = await self._command()
            if self.wire.unread and "PIPELINING" not in self._keywords:
                self._violation("commands sent ahead though PIPELINING is not offered")
            if not greeting.startswith("2") and verb != "QUIT":
                self.wire.say("503 5.5.1 this server has said no")
            elif verb in self._verbs:
                await self._verbs[verb](rest)
            else:
                self.wire.say("500 5.5.2 no such command")

    async def _command(self) -> tuple[str, str]:
        verb, _, rest = (await self._line()).partition(" ")
        return verb.upper(), rest

    async def _line(self) -> str:
        raw = await self.wire.line()
        if not raw.endswith(b"\r\n") or b"\r" in raw[:-2]:
            self._violation("a command line that does not end in CRLF")
        line = raw.rstrip(b"\r\n").decode("utf-8", "backslashreplace")
        if not line.isascii() and "SMTPUTF8" not in line.upper() + self._parameters:
            self._violation("octets above 127 in a command without SMTPUTF8")
        self.record.command(self.number, line)
        return line

    # -- the verbs

    async def _ehlo(self, rest: str) -> None:
        self._must_be_last("EHLO")
        self._forget()
        keywords = [NAME, *self.offers.extensions]
        if self.offers.tls and not self.wire.is_tls:
            keywords.append("STARTTLS")
        if self.offers.credentials and self._may_authenticate():
            keywords.append("AUTH PLAIN LOGIN")
        lines = [f"250-{keyword}" for keyword in keywords[:-1]] + [f"250 {keywords[-1]}"]
        text = await self._answer("ehlo", "\n".join(lines))
        self._keywords = text.upper() if text.startswith("2") else ""

    async def _helo(self, rest: str) -> None:
        self._forget()
        self._keywords = ""
        await self._answer("helo", f"250 {NAME}")

    async def _starttls(self, rest: str) -> None:
        if not self._must_be_last("STARTTLS"):
            self.wire.unread.clear()  # RFC 3207 section 4.2: nothing said in the clear may count afterwards
        if self.offers.tls is None or self.wire.is_tls:
            await self._answer("starttls", "502 5.5.1 no TLS here")
            return
        text = await self._answer("starttls", "220 2.0.0 ready for TLS")
        if text.startswith("220"):
            await self._shake_hands()
            self._forget()
            self._keywords = ""

    async def _auth(self, rest: str) -> None:
        self._must_be_last("AUTH")
        if not self._may_authenticate():
            self._violation("credentials sent in the clear")
        mechanism, _, initial = rest.partition(" ")
        try:
            given = await self._credentials(mechanism.upper(), initial)
        except ValueError:
            self._violation("AUTH that cannot be decoded")
            given = None
        is_right = given is not None and given == self.offers.credentials
        text = await self._answer("auth", "235 2.7.0 welcome" if is_right else "535 5.7.8 wrong user or password")
        self._is_authenticated = text.startswith("2")

    async def _mail(self, rest: str) -> None:
        path = self._path("MAIL", rest)
        if path and path[2] and not self._keywords:
            self._violation("parameters of MAIL without ESMTP")
        text = await self._answer("mail", self._judge_mail(path), [path[1]] if path else [])
        if path and text.startswith("2"):
            self._sender, self._parameters, self._recipients = path[1], (path[2] or "").upper(), []

    async def _rcpt(self, rest: str) -> None:
        path = self._path("RCPT", rest)
        default = "250 2.1.5 ok" if path else "501 5.5.4 not a path"
        if self._sender is None:
            default = "503 5.5.1 MAIL first"
        text = await self._answer("rcpt", default, [path[1]] if path else [])
        if path and text.startswith("2"):
            self._recipients.append(path[1])

    async def _data(self, rest: str) -> None:
        if not self._must_be_last("DATA"):
            self.wire.unread.clear()
        default = "354 end data with <CR><LF>.<CR><LF>" if self._recipients else "554 5.5.1 no valid recipients"
        if self._sender is None:
            default = "503 5.5.1 MAIL first"
        text = await self._answer("data", default, self._recipients)
        if text.startswith("354"):
            await self._body()
            self._forget()

    async def _rset(self, rest: str) -> None:
        self._forget()
        await self._answer("rset", "250 2.0.0 ok")

    async def _noop(self, rest: str) -> None:
        await self._answer("noop", "250 2.0.0 ok")

    async def _quit(self, rest: str) -> None:
        if (await self._answer("quit", "221 2.0.0 bye")).startswith("221"):
            await self.wire.flush()
            raise Ended

    # -- a message

    async def _body(self) -> None:
        """From the 354 to the answer to the dot."""
        rule = self.script.choose("body", self.number, self._recipients)
        self._is_in_body, is_answered = True, False
        await self.wire.flush()
        while True:
            if rule is not None and len(self.wire.unread) >= rule.after:
                action, rule = rule.action, None
                self.record.saw("body", self.number)
                await self.stage.perform(action, "", is_reading=False)
                await self.wire.flush()
                is_answered = isinstance(action, Early) and action.then == "swallow"
            if (length := self.wire.length_of_body()) is not None:
                break
            if not await self.wire.more(len(self.wire.unread)):
                raise Ended
        message = self._cut_message(length)
        if not is_answered:
            await self._answer_dot(message)

    def _cut_message(self, length: int) -> Taken:
        """Take a whole body and its dot off the wire, and book the dot."""
        raw = self.wire.cut(length)
        self.wire.cut(len(".\r\n"))
        self._is_in_body = False
        message = Taken(self.number, self._sender or "", tuple(self._recipients), raw)
        self.record.dot(message)
        if not raw.isascii() and "BODY=8BITMIME" not in self._parameters:
            self._violation("octets above 127 in the body without BODY=8BITMIME")
        return message

    async def _answer_dot(self, message: Taken) -> None:
        default = f"250 2.0.0 taken as {self.number}.{len(self.record.taken) + 1}"
        if self._is_too_large(len(message.raw)):
            default = "552 5.3.4 message too large"
        if not message.recipients:
            default = "554 5.5.1 no valid recipients"
        rule = self.script.choose("dot", self.number, message.recipients)
        action = quoting(rule.action, message) if rule else Reply()
        self._owes_answer_to_dot = True
        await self.wire.catch_up()
        self._watch()
        self._owes_answer_to_dot &= isinstance(action, Hang)
        if action.takes or text_of(action, default).startswith("2"):
            self.record.take(message)
        self.record.answer(message, "" if isinstance(action, Split) else text_of(action, default))
        self.record.saw("dot", self.number)
        await self.stage.perform(action, default)
        await self.wire.flush()

    async def _answer(self, verb: Verb, default: str, recipients: Collection[str] = ()) -> str:
        """Do what the script says at this verb, else say `default`. Returns what was said. Raises: Ended."""
        rule = self.script.choose(verb, self.number, recipients)
        self.record.saw(verb, self.number)
        return await self.stage.perform(quoting(rule.action, self.record.newest) if rule else Reply(), default)

    def _watch(self) -> None:
        """Look at what comes while nothing is asked: a dot is booked all the same, and some must not come at all."""
        if self._is_in_body and (length := self.wire.length_of_body()) is not None:
            self._cut_message(length)
        if self.wire.unread and self._owes_answer_to_dot:
            self._violation(DOT_NOT_ALONE)
            self._owes_answer_to_dot = False  # once is enough

    async def _shake_hands(self) -> None:
        assert self.offers.tls is not None
        rule = self.script.choose("handshake", self.number)
        self.record.saw("handshake", self.number)
        if rule is not None:
            await self.stage.perform(rule.action, "")
            await self.stage.perform(Hang(), "")
        try:
            await self.wire.start_tls(self.offers.tls)
        except OSError as refused:
            self.record.handshake_failed(self.number)
            raise Ended from refused

    # -- what a good server says

    async def _credentials(self, mechanism: str, initial: str) -> tuple[str, str] | None:
        """User and password (RFC 4954, RFC 4616); None where the mechanism is not offered. Raises: ValueError."""
        if mechanism == "PLAIN":
            _, user, password = _decode(initial or await self._ask("334 ")).split("\0")
            return user, password
        if mechanism == "LOGIN":
            user = _decode(initial or await self._ask("334 VXNlcm5hbWU6"))
            return user, _decode(await self._ask("334 UGFzc3dvcmQ6"))
        return None

    async def _ask(self, challenge: str) -> str:
        self.wire.say(challenge)
        return await self._line()

    def _path(self, verb: str, rest: str) -> re.Match[str] | None:
        """Group 1 is the address, group 2 the parameters."""
        path = _PATH.fullmatch(rest)
        if path is None:
            self._violation(f"not a path behind {verb}: {rest!r}")
        return path

    def _judge_mail(self, path: re.Match[str] | None) -> str:
        """What a good server says to MAIL."""
        size = re.search(r"\bSIZE=(\d+)", path[2] or "", re.IGNORECASE) if path else None
        if path is None:
            return "501 5.5.4 not a path"
        if self._sender is not None:
            return "503 5.5.1 nested MAIL"
        if not self._is_authenticated:
            return "530 5.7.0 authentication required"
        if size and self._is_too_large(int(size[1])):
            return "552 5.3.4 message too large"
        return "250 2.1.0 ok"

    def _is_too_large(self, size: int) -> bool:
        limit = re.search(r"^250.SIZE (\d+)$", self._keywords, re.MULTILINE)
        return limit is not None and size > int(limit[1])

    def _may_authenticate(self) -> bool:
        return self.offers.tls is None or self.wire.is_tls

    def _must_be_last(self, verb: str) -> bool:
        """Whether nothing stands behind a command that must end its group (RFC 2920 section 3.1)."""
        if self.wire.unread:
            self._violation(f"something sent behind {verb}, before its reply")
        return not self.wire.unread

    def _forget(self) -> None:
        self._sender, self._parameters, self._recipients = None, "", []

    def _violation(self, what: str) -> None:
        self.record.violation(self.number, what)


def _decode(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()
