"""
A campaign's templates, turned into the subject, the text and (where there is a template for it) the HTML of one letter.

    signature, target, campaign  >  RENDER  >  letter

Jinja2, strict and sandboxed (`sandbox`): an unknown name is an error and never an empty word, values are data and never
template text, and a letter that grows past its bound, or takes more time or memory (`bounds`), stops. What goes wrong is one
letter's matter (`RenderProblem`) and holds it.

Templates are read when the renderer is made; what they said then is what goes out, and what an approval covers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from mailer.errors import ConfigurationError, RenderProblem
from mailer.notice import TEMPLATE
from mailer.render.bounds import Bounds, bounded
from mailer.render.choice import CHOICE
from mailer.render.words import written_date

__all__ = ["CHOICE", "LONGEST_HTML", "LONGEST_SUBJECT", "LONGEST_TEXT", "Bounds", "Rendered", "Renderer", "written_date"]

LONGEST_TEXT = 100_000  # characters
LONGEST_HTML = 300_000
LONGEST_SUBJECT = 250

_EXPRESSION = re.compile(r"\{[{%].*?[%}]\}", re.DOTALL)
_WORD = re.compile(r"\w+")
_JINJAS_WORDS = frozenset(
    _WORD.findall("access to attribute of object is unsafe undefined has no element None bool dict float int list str type")
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the templates make of one letter, with LF line ends; no `html` where the language has no template for it."""

    subject: str
    text: str
    html: str = ""


class Renderer:
    """
    The templates of one campaign, by `<language>/<name>`. `sources` are their texts as they were read.

    Raises:
        ConfigurationError: the disk does not give them.
        RenderProblem: one of them is not text.
    """

    def __init__(self, folder: Path, bounds: Bounds = Bounds()) -> None:  # noqa: B008 - frozen
        try:
            self.sources: Mapping[str, str] = {
                str(path.relative_to(folder)): _read(path) for path in sorted(folder.rglob("*.j2")) if path.is_file()
            }
        except OSError as problem:
            where = problem.filename or folder
            raise ConfigurationError([f"{where}: the templates cannot be read ({problem.strerror})"]) from problem
        self._bounds = bounds
        self._environments: dict[tuple[str, bool], Any] = {}

    @property
    def is_warm(self) -> bool:
        """Whether the next letter waits for nothing any more."""
        return bool(self._environments)

    def warm(self) -> None:
        """
        Have ready what the first letter would wait for: libraries, and its templates compiled, in which nothing of them is
        worked out. Again it costs nothing.
        """
        if self._environments:
            return
        for name in self.sources:
            language, _, file = name.rpartition("/")
            if file in {"subject.txt.j2", "letter.txt.j2", "letter.html.j2"}:
                written_date(date(2011, 9, 20), language)
                with suppress(Exception), bounded(self._bounds, language):  # what is wrong with it, its first letter says
                    self._template(name, language)

    def render(self, language: str, values: Mapping[str, object]) -> Rendered:
        """
        The subject, the text and the HTML of one letter.

        Raises:
            RenderProblem: naming the template, its line where known, and what is wrong there.
        """
        name, texts = "", []
        try:
            with bounded(self._bounds, language):
                for name, longest in self._parts(language):
                    texts.append(self._generated(name, language, values, longest))
        except RenderProblem:
            raise
        except Exception as problem:  # whatever an expression of a template may raise is that template's fault
            raise RenderProblem(self._explained(problem, name)) from problem
        subject, text, html = texts[0].strip(), texts[1], "".join(texts[2:])
        if not subject or "\n" in subject:
            raise RenderProblem(f"{language}/subject.txt.j2: the subject must be one line, and not empty")
        if not text.strip() or (len(texts) > 2 and not html.strip()):
            raise RenderProblem(f"{name if text.strip() else f'{language}/letter.txt.j2'}: the letter is empty")
        return Rendered(subject, text, html)

    def receipt(self, language: str, values: Mapping[str, object]) -> Rendered:
        """
        A receipt: of what its template makes, the first line is the subject, behind the word "Subject:".

        Raises:
            RenderProblem: naming the template, its line where known, and what is wrong there.
        """
        name = f"{language}/{TEMPLATE}"
        head, _, text = self.text(name, values).lstrip().partition("\n")
        word, _, subject = head.partition(":")
        if word.strip() != "Subject" or not subject.strip() or len(subject) > LONGEST_SUBJECT:
            raise RenderProblem(f"{name}: its first line must be «Subject: …», in at most {LONGEST_SUBJECT} characters")
        if not text.strip():
            raise RenderProblem(f"{name}: the receipt is empty")
        return Rendered(subject.strip(), text.lstrip("\n"))

    def text(self, name: str, values: Mapping[str, object]) -> str:
        """
        What one template makes, by its name; within the same bounds as a letter.

        Raises:
            RenderProblem: naming the template, its line where known, and what is wrong there.
        """
        language = name.partition("/")[0]
        try:
            with bounded(self._bounds, language):
                return self._generated(name, language, values, LONGEST_TEXT)
        except RenderProblem:
            raise
        except Exception as problem:  # whatever an expression of a template may raise is that template's fault
            raise RenderProblem(self._explained(problem, name)) from problem

    def _parts(self, language: str) -> list[tuple[str, int]]:
        parts = [(f"{language}/subject.txt.j2", LONGEST_SUBJECT), (f"{language}/letter.txt.j2", LONGEST_TEXT)]
        html = f"{language}/letter.html.j2"
        return [*parts, (html, LONGEST_HTML)] if html in self.sources else parts

    def _generated(self, name: str, language: str, values: Mapping[str, object], longest: int) -> str:
        pieces, length = [], 0
        for piece in self._template(name, language).generate(values):
            pieces.append(piece)
            length += len(piece)
            if length > longest:
                raise RenderProblem(f"{name}: the text grows past {longest} characters")
        return "".join(pieces)

    def _template(self, name: str, language: str) -> Any:
        is_html = name.endswith(".html.j2")
        made = self._environments.get((language, is_html))
        if made is None:
            # Jinja2 costs 50 ms to import, which a pass without a letter need not pay.
            from mailer.render.sandbox import environment

            made = self._environments[language, is_html] = environment(self.sources, language, is_html=is_html)
        return made.get_template(name)

    def _explained(self, problem: Exception, name: str) -> str:
        """Where and why the template `name` fails."""
        import jinja2

        if isinstance(problem, jinja2.TemplateNotFound):
            if problem.name == name:
                return f"{name}: this template is missing"
            missing = self._without_values(str(problem), "a template that it names")
            return f"{self._place(problem, name)}: {missing} is missing"
        if isinstance(problem, jinja2.TemplateSyntaxError):
            return f"{problem.name or name}:{problem.lineno}: {problem.message}"
        return f"{self._place(problem, name)}: {self._told(problem)}"

    def _place(self, problem: BaseException, name: str) -> str:
        """The template and its line where it failed, which Jinja2 writes into the traceback."""
        place, frame = name, problem.__traceback__
        while frame is not None:
            file = frame.tb_frame.f_code.co_filename
            place = f"{file}:{frame.tb_lineno}" if file in self.sources else place
            frame = frame.tb_next
        return place

    def _told(self, problem: Exception) -> str:
        """What went wrong, in words that hold none of the values: where Jinja2 explains itself, in Jinja2's."""
        import jinja2

        from mailer.render.sandbox import Misused

        failed = f"an expression fails ({type(problem).__name__})"
        if isinstance(problem, Misused):
            return str(problem)
        if isinstance(problem, MemoryError):
            return f"rendering needs more than {self._bounds.room >> 20} MB: does a text grow in a loop?"
        if isinstance(problem, jinja2.UndefinedError | jinja2.exceptions.SecurityError):
            return self._without_values(str(problem), failed)
        return failed

    def _without_values(self, message: str, instead: str) -> str:
        """A message of Jinja2's if each of its words is its own or stands in an expression of these templates."""
        written = {
            word for source in self.sources.values() for part in _EXPRESSION.findall(source) for word in _WORD.findall(part)
        }
        return message if written.union(_JINJAS_WORDS).issuperset(_WORD.findall(message)) else instead


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        raise RenderProblem(f"{path}: the template cannot be read ({problem})") from problem
