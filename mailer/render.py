"""
A campaign's templates, turned into the subject and the text of one letter.

    signature, target, campaign  >  RENDER  >  letter

Jinja2, strict and sandboxed: an unknown name is an error and never an empty word, values are data and never template text,
and a letter that grows past its bound stops. What goes wrong is one letter's matter (`RenderProblem`) and holds it.

Templates are read when the renderer is made; what they said then is what goes out, and what an approval covers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from mailer.errors import RenderProblem

LONGEST_TEXT = 100_000  # characters
LONGEST_SUBJECT = 250


class Renderer:
    """The templates of one campaign, by `<language>/<name>`. `sources` are their texts as they were read."""

    def __init__(self, folder: Path) -> None:
        self.sources: Mapping[str, str] = {
            str(path.relative_to(folder)): _read(path) for path in sorted(folder.rglob("*.j2")) if path.is_file()
        }
        self._environment: Any = None

    def render(self, language: str, values: Mapping[str, object]) -> tuple[str, str]:
        """
        The subject and the text of one letter, with LF line ends.

        Raises:
            RenderProblem: naming the template, its line where known, and what is wrong there.
        """
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
            raise RenderProblem(f"{problem.message}: this template is missing") from problem
        except jinja2.TemplateSyntaxError as problem:
            raise RenderProblem(f"{problem.name or name}:{problem.lineno}: {problem.message}") from problem
        except RenderProblem:
            raise
        except Exception as problem:  # whatever an expression of a template may raise is that template's fault
            raise RenderProblem(f"{name}{_line_of(problem)}: {_without_values(problem)}") from problem
        return "".join(pieces)

    def _jinja(self) -> Any:
        if self._environment is None:
            import jinja2
            from jinja2.sandbox import ImmutableSandboxedEnvironment

            self._environment = ImmutableSandboxedEnvironment(
                loader=jinja2.DictLoader(dict(self.sources)),
                undefined=jinja2.StrictUndefined,
                autoescape=False,  # letters are plain text
                trim_blocks=True,
                lstrip_blocks=True,
                keep_trailing_newline=True,
                auto_reload=False,
            )
        return self._environment


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
    except (OSError, UnicodeDecodeError) as problem:
        raise RenderProblem(f"{path}: the template cannot be read ({problem})") from problem


def _line_of(problem: BaseException) -> str:
    """The template's line, which Jinja2 writes into the traceback."""
    line, frame = "", problem.__traceback__
    while frame is not None:
        if frame.tb_frame.f_globals.get("__jinja_template__") or frame.tb_frame.f_code.co_name in {"top-level template code"}:
            line = f":{frame.tb_lineno}"
        frame = frame.tb_next
    return line


def _without_values(problem: BaseException) -> str:
    """What went wrong, in words that hold none of the values: an undefined name is safe, another message may not be."""
    import jinja2

    if isinstance(problem, jinja2.UndefinedError | jinja2.exceptions.SecurityError):
        return str(problem)
    return f"an expression fails ({type(problem).__name__})"
