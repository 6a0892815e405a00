"""
Templates and what becomes of them: strict, in a sandbox, bounded; values are data; messages name the place and no value.
"""

import signal
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.errors import RenderProblem
from mailer.render import LONGEST_SUBJECT, LONGEST_TEXT, Renderer, written_date

CANARY = 'Canary O\'Brien "Bird"'
VALUES = {
    "signature": {
        "name": CANARY,
        "email": "canary@example.org",
        "message": "{{ 7 * 7 }}{% raw %}",
        "city": "",
        "voice": "person",
    },
    "target": {"name": "Court", "form_of_address": "Dear Canary"},
    "campaign": {"title": "Canaries"},
    "today": "20 September 2011",
}


@pytest.fixture
def render(tmp_path):
    """Render the letter of a campaign that has these templates; the subject is plain unless it is given."""

    def rendered(letter: str, values: Mapping[str, object] = VALUES, **others: str) -> tuple[str, str]:
        return renderer(tmp_path, {"letter": letter, "subject": "A subject", **others}).render("en", values)

    return rendered


def renderer(folder: Path, templates: Mapping[str, str]) -> Renderer:
    (folder / "en").mkdir(exist_ok=True)
    for name, text in templates.items():
        (folder / "en" / f"{name}.txt.j2").write_bytes(text.encode())
    return Renderer(folder)


def test_a_letter_is_its_template_with_the_values_in_it(render):
    template = "{{ today }}\n\n  {% if signature.city %}\n{{ signature.city }}\n  {% endif %}\n  {{ signature.name }}\n"
    assert render(template, subject="\n{{ campaign.title }} \n") == ("Canaries", f"20 September 2011\n\n  {CANARY}\n")


@pytest.mark.parametrize(
    "value",
    ["{{ 7 * 7 }}", "{% for i in range(9) %}x{% endfor %}", "{# gone #}", "{% raw %}", "}}", "{{", "<script>&amp;", "%s {0} $x",
     "# line\n## statement", "{{ signature.email }}"],
)  # fmt: skip
def test_a_value_is_data_and_never_template_text(render, value):
    values = VALUES | {"signature": {"name": value}}
    assert render("{{ signature.name }}|{{ signature.name | upper }}", values)[1] == f"{value}|{value.upper()}"
    assert render("x", values, subject="{{ signature.name | replace('\\n', ' ') }}")[0] == value.replace("\n", " ")


@given(st.text(st.sampled_from("{}%#-+ \nx'\"|.")))
def test_no_value_whatever_is_template_text(tmp_path_factory, value):
    made = renderer(tmp_path_factory.mktemp("t"), {"letter": "<{{ signature.name }}>", "subject": "s"})
    assert made.render("en", {"signature": {"name": value}})[1] == f"<{value}>"


# template, the line, and all that is said about it
PROBLEMS = [
    ("\n\n{{ nothing }}", 3, "'nothing' is undefined"),
    ("{{ signature.nmae }}", 1, "'dict object' has no attribute 'nmae'"),
    ("{{ signature.city.street }}", 1, "'str object' has no attribute 'street'"),
    ("{{ signature['pet'] }}", 1, "'dict object' has no attribute 'pet'"),
    ("{{ [][0] }}", 1, "list object has no element 0"),
    ("\n{% if nothing %}x{% endif %}", 2, "'nothing' is undefined"),
    ("{{ nothing() }}", 1, "'nothing' is undefined"),
    # out of the sandbox
    ("{{ signature.__class__ }}", 1, "access to attribute '__class__' of 'dict' object is unsafe."),
    ("{{ ''.__class__.__mro__[1].__subclasses__() }}", 1, "access to attribute '__class__' of 'str' object is unsafe."),
    ("{{ signature.name | attr('__class__') }}", 1, "access to attribute '__class__' of 'str' object is unsafe."),
    ("{{ signature['__class__'] }}", 1, "access to attribute '__class__' of 'dict' object is unsafe."),
    ("{{ '{0.__class__}'.format(signature) }}", 1, "access to attribute '__class__' of 'dict' object is unsafe."),
    ("{{ cycler.__init__.__globals__ }}", 1, "access to attribute '__init__' of 'type' object is unsafe."),
    ("{{ signature.update(name='x') }}", 1, "access to attribute 'update' of 'dict' object is unsafe."),
    # without end
    ("{% for i in range(99999999) %}x{% endfor %}", 1, "an expression fails (OverflowError)"),
    ("{% for i in range(99999) %}xy{% endfor %}", None, f"the text grows past {LONGEST_TEXT} characters"),
    ("{% macro r() %}{{ r() }}{% endmacro %}{{ r() }}", 1, "an expression fails (RecursionError)"),
    # mistakes
    ("\n{% if %}", 2, "Expected an expression, got 'end of statement block'"),
    ("\n\n{{ today | nofilter }}", 3, "No filter named 'nofilter'."),
    ("{{ 1 / 0 }}", 1, "an expression fails (ZeroDivisionError)"),
    ("{{ signature.name + 1 }}", 1, "an expression fails (TypeError)"),
    ("\n{% include 'nowhere' %}", 2, "nowhere is missing"),
    (" \n\t\n", None, "the letter is empty"),
    # values, where the words of a message would hold them
    ("{{ signature[signature.name] }}", 1, "an expression fails (UndefinedError)"),
    ("{{ signature | attr(signature.name) }}", 1, "an expression fails (UndefinedError)"),
    ("{{ {}[target.form_of_address] }}", 1, "an expression fails (UndefinedError)"),
    ("{{ signature.name.encode('ascii')['x'] }}", 1, "an expression fails (UndefinedError)"),
    ("{{ signature.name | int(signature.name) + 1 }}", 1, "an expression fails (TypeError)"),
    ("{% include signature.name %}", 1, "a template that it names is missing"),
    ("{% extends signature.name %}", 1, "a template that it names is missing"),
    ("{% include [signature.name, campaign.title] %}", 1, "a template that it names is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("template", "line", "said"), PROBLEMS)
def test_a_template_that_fails_says_where_and_why_and_no_value(render, template, line, said):
    with pytest.raises(RenderProblem) as problem:
        render(template)
    assert str(problem.value) == f"en/letter.txt.j2{f':{line}' if line else ''}: {said}"
    assert not any(word in str(problem.value).casefold() for word in ("canar", "brien", "bird"))


def test_a_failure_within_another_template_names_that_one(render):
    with pytest.raises(RenderProblem) as problem:
        render(
            "{% import 'en/macros.txt.j2' as m %}\n{{ m.sign(signature) }}",
            macros="{% macro sign(s) %}\n\n{{ s.nmae }}{% endmacro %}",
        )
    assert str(problem.value) == "en/macros.txt.j2:3: 'dict object' has no attribute 'nmae'"
    with pytest.raises(RenderProblem, match=r"^en/macros.txt.j2:2: Expected an expression"):
        render("{% import 'en/macros.txt.j2' as m %}", macros="\n{% if %}")


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("", "must be one line, and not empty"),
        (" \n ", "must be one line, and not empty"),
        ("{{ '' }}", "must be one line, and not empty"),
        ("two\nlines", "must be one line, and not empty"),
        ("x" * (LONGEST_SUBJECT + 1), f"the text grows past {LONGEST_SUBJECT} characters"),
    ],
)
def test_a_subject_is_one_line_of_bounded_length(render, subject, said):
    with pytest.raises(RenderProblem, match=f"^en/subject.txt.j2: .*{said}"):
        render("x", subject=subject)


def test_a_text_may_grow_up_to_its_bound_and_not_past_it(render):
    assert len(render("x" * LONGEST_TEXT)[1]) == LONGEST_TEXT
    assert len(render("{% for i in range(50000) %}xy{% endfor %}")[1]) == LONGEST_TEXT
    with pytest.raises(RenderProblem, match="grows past"):
        render("x" * (LONGEST_TEXT + 1))


def test_a_language_without_templates_is_a_problem_of_that_letter(tmp_path):
    with pytest.raises(RenderProblem, match=r"^ru/subject.txt.j2: this template is missing$"):
        renderer(tmp_path, {"subject": "x", "letter": "x"}).render("ru", VALUES)


def test_what_templates_said_when_they_were_read_is_what_goes_out(tmp_path):
    made = renderer(tmp_path, {"subject": "before", "letter": "before"})
    renderer(tmp_path, {"subject": "after", "letter": "after"})
    assert made.render("en", VALUES) == ("before", "before")
    assert made.sources == {"en/letter.txt.j2": "before", "en/subject.txt.j2": "before"}


def test_line_ends_of_any_kind_come_out_as_line_feeds(render):
    assert render("one\r\ntwo\r\n\r\nthree\r\n")[1] == "one\ntwo\n\nthree\n"


def test_a_template_that_is_no_utf_8_is_named(tmp_path):
    (tmp_path / "letter.txt.j2").write_bytes(b"\xff")
    with pytest.raises(RenderProblem, match=r"letter\.txt\.j2: the template cannot be read"):
        Renderer(tmp_path)


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "September 20, 2011"), ("ru", "20 сентября 2011 г."), ("de", "20. September 2011"), ("qq", "2011-09-20"),
     ("no such", "2011-09-20")],
)  # fmt: skip
def test_a_date_is_written_as_its_language_writes_it(language, said):
    assert written_date(date(2011, 9, 20), language).replace("\u202f", " ").replace("\u00a0", " ") == said


LOOPS = {
    "a loop in a loop that gives nothing": "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}x",
    "a power": "{{ 9 ** (9 ** 9) }}",
    "a long text": "{{ ('x' * 1000000000) | length }}",
    "a long list": "{{ ([1] * 1000000000) | length }}",
    "times a text": "{{ 1000000000 * 'x' }}",
}


@pytest.mark.parametrize("name", LOOPS)
def test_a_template_that_takes_for_ever_or_all_there_is_stops(tmp_path, monkeypatch, name):
    monkeypatch.setattr("mailer.render.LONGEST_RENDERING", 0.3)
    (tmp_path / "en").mkdir()
    (tmp_path / "en/subject.txt.j2").write_text("S")
    (tmp_path / "en/letter.txt.j2").write_text(LOOPS[name])
    with pytest.raises(RenderProblem):
        Renderer(tmp_path).render("en", {})
    (tmp_path / "en/letter.txt.j2").write_text("{{ 'x' * 10 }} {{ 2 ** 10 }}")
    assert Renderer(tmp_path).render("en", {}) == ("S", "xxxxxxxxxx 1024")
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
