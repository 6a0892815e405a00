"""
Jinja2 as templates have it: strict, in a sandbox, with the few words of mailer's own.

One environment a language and a form. In HTML every value is escaped, whatever template, macro or part it stands in, and
nothing switches that off: so both forms may share macros. In plain text nothing is escaped.

What a template may say besides Jinja2's own: `choose('name', one, another, …)`, one of several texts that people wrote;
`texts | listed`, "one, two and three" in the letter's language; `'2011-09-20' | dated`, that day in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mailer.render.bounds import is_too_large
from mailer.render.choice import CHOICE, drawn
from mailer.render.words import listed, written_date


class Misused(jinja2.TemplateRuntimeError):
    """One of mailer's own words is used in a way that it does not understand; the message holds no value."""


class _Unfolding(CodeGenerator):
    """Nothing of a template is worked out while it is compiled, before a letter is in hand: all of it in its bounds, later."""

    def _output_child_to_const(self, node: nodes.Expr, frame: Any, finalize: Any) -> str:
        if not isinstance(node, nodes.TemplateData):
            raise nodes.Impossible
        return super()._output_child_to_const(node, frame, finalize)


class Sandbox(ImmutableSandboxedEnvironment):
    """What arithmetic takes is bounded before it is done, and what is escaped stays so."""

    code_generator_class = _Unfolding
    intercepted_binops = frozenset({"*", "**", "/", "//", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Refuse what would take all there is."""
        if is_too_large(operator, left, right):
            raise SecurityError("too long")
        return super().call_binop(context, operator, left, right)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        parsed = super()._parse(source, name, filename)
        if switch := parsed.find(nodes.ScopedEvalContextModifier):
            raise jinja2.TemplateSyntaxError(
                "values are always escaped in HTML and never in text", switch.lineno, name, filename
            )
        return parsed


def environment(sources: Mapping[str, str], language: str, *, is_html: bool) -> Sandbox:
    """The templates of one campaign for letters in one language and form."""
    made = Sandbox(
        loader=jinja2.FunctionLoader(lambda name: (sources[name], name, None) if name in sources else None),
        undefined=jinja2.StrictUndefined,
        autoescape=is_html,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
        optimized=False,
    )
    del made.filters["safe"]  # a value that says so itself is not safe
    made.filters["listed"] = lambda texts: _listed(texts, language)
    made.filters["dated"] = lambda day: _dated(day, language)
    made.globals["choose"] = choose
    return made


@jinja2.pass_context
def choose(context: Context, place: Any, *ways: Any) -> Any:
    """
    One of several texts for one place of a letter, always the same for one signature and target.

    `place` names it: the same name chooses alike everywhere in a letter, in text and HTML; other names choose for themselves.
    """
    if not isinstance(place, str) or not place.replace("-", "_").isidentifier() or len(ways) < 2:
        raise Misused("choose() takes a name of one word and two texts or more, like choose('opening', one, another)")
    if CHOICE not in context:
        raise Misused("choose() does not know the letter here; import these macros `with context`")
    return ways[drawn(context[CHOICE], place, len(ways))]


def _listed(texts: Iterable[str], language: str) -> str:
    if isinstance(texts, str):
        raise Misused("listed takes a list of texts, like [one, another] | listed")
    return listed(texts, language)


def _dated(day: str | date, language: str) -> str:
    try:
        return written_date(date.fromisoformat(str(day)), language)
    except ValueError:
        raise Misused("dated takes a day like '2011-09-20'") from None
