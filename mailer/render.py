"""
A campaign's templates, turned into the subject and the text of one letter.

    signature, target, campaign  >  RENDER  >  letter

Jinja2, strict and sandboxed: an unknown name is an error and never an empty word, values are data and never template text,
and a letter that grows past its bound, or takes longer, stops. What goes wrong is one letter's matter (`RenderProblem`) and
holds it.

Templates are read when the renderer is made; what they said then is what goes out, and what an approval covers.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

from mailer.errors import ConfigurationError, RenderProblem

LONGEST_TEXT = 100_000  # characters
LONGEST_SUBJECT = 250
LONGEST_RENDERING = 5.0  # seconds of this process's own time (getitimer(2)); a letter takes a thousandth of one
_MOST = 1_000_000  # of what a multiplication in a template may make: characters, or bits of a number

_EXPRESSION = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_WORD = re.compile(r"\w+")
_JINJAS_WORDS = frozenset(
    _WORD.findall("access to attribute of object is unsafe undefined has no element None bool dict float int list str type")
)


class Renderer:
    """
    The templates of one campaign, by `<language>/<name>`. `sources` are their texts as they were read.

    Raises:
        ConfigurationError: the disk does not give them.
        RenderProblem: one of them is not text.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self.sources: Mapping[str, str] = {
                str(path.relative_to(folder)): _read(path) for path in sorted(folder.rglob("*.j2")) if path.is_file()
            }
        except OSError as problem:
            where = problem.filename or folder
            raise ConfigurationError([f"{where}: the templates cannot be read ({problem.strerror})"]) from problem
        self._environment: Any = None

    def warm(self) -> None:
        """Have ready what the first letter would wait for: libraries, and the templates compiled. Again it costs nothing."""
        if self._environment is None:
            written_date(date(2011, 9, 20), "en")
            jinja = self._jinja()
            for name in self.sources:
                with suppress(Exception):  # what is wrong with it, its first letter says
                    jinja.get_template(name)

    def render(self, language: str, values: Mapping[str, object]) -> tuple[str, str]:
        """
        The subject and the text of one letter, with LF line ends.

        Raises:
            RenderProblem: naming the template, its line where known, and what is wrong there.
        """
        with _bounded(language):
            subject = self._rendered(f"{language}/subject.txt.j2", values, LONGEST_SUBJECT).strip()
            text = self._rendered(f"{language}/letter.txt.j2", values, LONGEST_TEXT)
        if not subject or "\n" in subject:
            raise RenderProblem(f"{language}/subject.txt.j2: the subject must be one line, and not empty")
        if not text.strip():
            raise RenderProblem(f"{language}/letter.txt.j2: the letter is empty")
        return subject, text

    def _rendered(self, name: str, values: Mapping[str, object], longest: int) -> str:
        # Jinja2 costs 50 ms to import, which a pass without a letter need not pay.
        import jinja2

        try:
            pieces, length = [], 0
            for piece in self._jinja().get_template(name).generate(values):
                pieces.append(piece)
                length += len(piece)
                if length > longest:
                    raise RenderProblem(f"{name}: the text grows past {longest} characters")
        except jinja2.TemplateNotFound as problem:
            if problem.name == name:
                raise RenderProblem(f"{name}: this template is missing") from problem
            missing = self._without_values(str(problem), "a template that it names")
            raise RenderProblem(f"{self._place(problem, name)}: {missing} is missing") from problem
        except jinja2.TemplateSyntaxError as problem:
            raise RenderProblem(f"{problem.name or name}:{problem.lineno}: {problem.message}") from problem
        except RenderProblem:
            raise
        except Exception as problem:  # whatever an expression of a template may raise is that template's fault
            raise RenderProblem(f"{self._place(problem, name)}: {self._told(problem)}") from problem
        return "".join(pieces)

    def _place(self, problem: BaseException, name: str) -> str:
        """The template and its line where it failed, which Jinja2 writes into the traceback."""
        place, frame = name, problem.__traceback__
        while frame is not None:
            file = frame.tb_frame.f_code.co_filename
            place = f"{file}:{frame.tb_lineno}" if file in self.sources else place
            frame = frame.tb_next
        return place

    def _told(self, problem: BaseException) -> str:
        """What went wrong, in words that hold none of the values: where Jinja2 explains itself, in Jinja2's."""
        import jinja2

        failed = f"an expression fails ({type(problem).__name__})"
        if isinstance(problem, jinja2.UndefinedError | jinja2.exceptions.SecurityError):
            return self._without_values(str(problem), failed)
        return failed

    def _without_values(self, message: str, instead: str) -> str:
        """A message of Jinja2's if each of its words is its own or stands in an expression of these templates."""
        written = {
            word for source in self.sources.values() for part in _EXPRESSION.findall(source) for word in _WORD.findall(part)
        }
        return message if written.union(_JINJAS_WORDS).issuperset(_WORD.findall(message)) else instead

    def _jinja(self) -> Any:
        if self._environment is None:
            import jinja2
            from jinja2.sandbox import ImmutableSandboxedEnvironment

            class Bounded(ImmutableSandboxedEnvironment):
                """What a multiplication makes is bounded before it is made: memory that was never there can't be taken back."""

                intercepted_binops = frozenset({"*", "**"})

                def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
                    if _size(operator, left, right) > _MOST:
                        raise jinja2.exceptions.SecurityError("too long")
                    return super().call_binop(context, operator, left, right)

            self._environment = Bounded(
                loader=jinja2.FunctionLoader(lambda name: (self.sources[name], name, None) if name in self.sources else None),
                undefined=jinja2.StrictUndefined,
                autoescape=False,  # letters are plain text
                trim_blocks=True,
                lstrip_blocks=True,
                keep_trailing_newline=True,
                auto_reload=False,
            )
        return self._environment


def _size(operator: str, left: Any, right: Any) -> int:
    """How much a multiplication or a power would make, roughly: characters of a text, entries of a list, bits of a number."""
    if operator == "**":
        return int(left).bit_length() * abs(int(right)) if isinstance(left, int) and isinstance(right, int) else 0
    for sequence, times in ((left, right), (right, left)):
        if isinstance(sequence, str | bytes | list | tuple) and isinstance(times, int):
            return len(sequence) * times
    return 0


@contextmanager
def _bounded(language: str) -> Iterator[None]:
    """
    Stop a rendering that takes too long, by a signal: nothing else interrupts a loop that gives no piece of text.

    Only the main thread hears signals; elsewhere (nowhere in mailer) nothing is bounded.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise RenderProblem(f"{language}: rendering takes longer than {LONGEST_RENDERING:g} s: a loop in a template?")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, LONGEST_RENDERING)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def written_date(day: date, language: str) -> str:
    """
    A date as a letter in this language writes it.

    >>> written_date(date(2011, 9, 20), "ru")
    '20 сентября 2011\u202fг.'
    """
    from babel import UnknownLocaleError
    from babel.dates import format_date

    try:
        return format_date(day, format="long", locale=language)
    except (UnknownLocaleError, ValueError):
        return day.isoformat()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise RenderProblem(f"{path}: the template cannot be read ({problem})") from problem
