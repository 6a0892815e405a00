"""
Orders in a siege: somebody holds, cancels, pauses, releases, retries and resumes while runs go on and are killed.

What was stopped is watched until somebody lets it go: no dot mark may be made of it. The journal's own account of the same is
the oracle's (`obeyed`).
"""

from __future__ import annotations

from tests.torture import orders
from tests.torture.course import END, Course
from tests.torture.judged import DEFIED
from tests.torture.orders import Ordered

_FINE = (0, 69, 75)  # done; nothing can be done before the ledger may go on; the ledger is busy


class Ordering:
    """A person with second thoughts, every so many deaths."""

    def __init__(self, course: Course, kills: int) -> None:
        self._course = course
        self._every = max(1, kills // 30)
        self._watched: list[Ordered] = []
        self._pauses: set[str] = set()

    def beside(self, number: int) -> None:
        """While the run that will die as the nth is at work: an order, and what follows from it."""
        if number % self._every:
            return
        self._look()
        if self._pauses and self._course.dice.random() < 0.7:
            self.resume()
        choice = self._course.dice.choice((self._one, self._one, self._pause, self._all, self._let_go))
        choice()

    def between(self) -> None:
        """Behind a death."""
        self._look()

    def forget(self) -> None:
        """The ledger is another one, or somebody let things go: what was ordered before is not to be watched any more."""
        self._look()
        self._watched.clear()
        self._pauses.clear()

    def end(self) -> bool:
        """Nothing is due any more: let go what waits for a person; whether there was any."""
        self._look()
        self._pauses = {"", "c"}  # whatever a backup may have brought back
        return self.resume() or self._give("release", "--reason", "organiser").count > 0

    def resume(self) -> bool:
        """Lift what was paused; whether anything was."""
        said = [self._give("resume", *scope.split()).ended.said for scope in sorted(self._pauses)]
        self._pauses.clear()
        return any("may go on" in words for words in said)

    def _one(self) -> None:
        """One letter, if there is one in hand that one."""
        here = self._course.here
        letters = sorted(letter for letter, _ in orders.attempts_in_hand(here)) or orders.waiting(here)[:20]
        if letters:
            self._give(self._course.dice.choice(("hold", "cancel")), str(self._course.dice.choice(letters)))

    def _all(self) -> None:
        self._give("hold", "--campaign", "c")
        self._let_go()

    def _pause(self) -> None:
        scope = self._course.dice.choice(("", "c"))
        if self._give("pause", *scope.split()).ended.code == 0:
            self._pauses.add(scope)

    def _let_go(self) -> None:
        """What a person held, and what one cancelled whose dot was never out."""
        words = self._course.dice.choice((("release", "--reason", "organiser"), ("retry", "--state", "cancelled")))
        self._give(*words)

    def _give(self, *words: str) -> Ordered:
        course = self._course
        if words[0] in {"release", "retry", "resume"}:
            self._look()
            self._unwatch(words)
        given = orders.given(course.zygote, course.here, course.later, *words)
        course.counted[f"ordered {words[0]}"] += 1
        if given.ended.code not in _FINE or "Traceback" in given.ended.said:
            course.find(END, f"{' '.join(words)}: exit {given.ended.code}: {given.ended.said[-500:]}")
        if words[0] in {"hold", "cancel"} and given.came_too_late_for and not given.tells:
            course.find(DEFIED, f"{' '.join(words)} came too late for {given.came_too_late_for}, and does not tell")
        self._watched.append(given)
        return given

    def _unwatch(self, words: tuple[str, ...]) -> None:
        """Before a person lets go: what that may be about is watched no more."""
        lifted = {"release": "hold", "retry": "cancel", "resume": "pause"}[words[0]]
        self._watched = [one for one in self._watched if one.words[0] != lifted]

    def _look(self) -> None:
        """Whether anything that was stopped was marked all the same."""
        course, left = self._course, []
        now = orders.marks(course.here) if self._watched else set()
        for one in self._watched:
            by_letter = one.words[0] in {"hold", "cancel"}
            if defied := one.defied(now):
                course.find(DEFIED, f"behind {' '.join(one.words)}, which was done, were marked {defied}")
            elif missed := one.missed_for_nothing(now) if by_letter else []:
                course.find(DEFIED, f"{' '.join(one.words)} missed {missed}, whose dots were not out")
            else:
                left.append(one)
        self._watched = left
