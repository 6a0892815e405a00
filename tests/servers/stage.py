"""
What the actions of a script do to a connection.

An action either says something and the conversation goes on, or it ends the connection (`Ended`). A server that has
said its last still reads until the client leaves, and calls `watch` on what comes: a dot that arrives after a hang-up
is a dot all the same.
"""

from collections.abc import Callable

from tests.servers.rules import Action, Drip, Drop, Early, Extra, Garbage, Hang, Reply, Reset, Split
from tests.servers.wire import Ended, Wire, as_lines


class Stage:
    """One connection on which actions are performed."""

    def __init__(self, wire: Wire, watch: Callable[[], None]) -> None:
        self.wire = wire
        self._watch = watch

    async def perform(self, action: Action, default: str, *, is_reading: bool = True) -> str:
        """
        Returns what was said, nothing where that is no SMTP. What is said waits for the next flush, to travel with what
        follows. With `is_reading` False a hang stops reading too. Raises: Ended.
        """
        text = text_of(action, default)
        match action:
            case Drop():
                await self._leave()
            case Reset():
                await self._reset()
            case Hang():
                await self._hang(is_reading)
            case Split():
                whole = as_lines(text)
                self.wire.say_raw(whole[: len(whole) // 2 if action.at is None else action.at])
                await self._leave()
            case Garbage():
                await self.wire.repeat(action.data, action.times)
            case Drip():
                await self.wire.drip(text, action.seconds)
            case Extra():
                self.wire.say(f"{text}\n{action.extra}")
            case Early():
                self.wire.say(text)
                await {"drop": self._leave, "reset": self._reset}.get(action.then, self.wire.flush)()
            case Reply():
                self.wire.say(text)
                if text.startswith("421") if action.close is None else action.close:
                    await self._leave()
        return text

    async def _leave(self) -> None:
        await self.wire.fin()
        await self._swallow()

    async def _reset(self) -> None:
        await self.wire.rst()
        raise Ended

    async def _hang(self, is_reading: bool) -> None:
        await self.wire.flush()
        if not is_reading:
            await self.wire.stall()
        await self._swallow()

    async def _swallow(self) -> None:
        while True:
            self._watch()
            if not await self.wire.more(len(self.wire.unread)):
                raise Ended


def text_of(action: Action, default: str) -> str:
    """
    What an action says in the end: its own text, or the good server's; nothing where it is silent.

    >>> (
    ...     text_of(Split("250 ok"), "250 2.0.0 taken"),
    ...     text_of(Drip(), "250 2.0.0 taken"),
    ...     text_of(Drop(), "250 2.0.0 taken"),
    ... )
    ('250 ok', '250 2.0.0 taken', '')
    """
    if isinstance(action, Drop | Reset | Hang | Garbage):
        return ""
    return str(getattr(action, "text", "")) or default
