"""
Templates and what becomes of them: strict, in a sandbox, bounded; values are data; messages name the place and no value.
"""

import re
import resource
import signal
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.errors import RenderProblem
from mailer.render import CHOICE, LONGEST_HTML, LONGEST_SUBJECT, LONGEST_TEXT, Bounds, Rendered, Renderer, written_date

USUAL = Bounds()
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
        made = renderer(tmp_path, {"letter": letter, "subject": "A subject", **others}).render("en", values)
        return made.subject, made.text

    return rendered


def renderer(folder: Path, templates: Mapping[str, str], bounds: Bounds = USUAL) -> Renderer:
    (folder / "en").mkdir(exist_ok=True)
    for name, text in templates.items():
        (folder / "en" / f"{name}.txt.j2").write_bytes(text.encode())
    return Renderer(folder, bounds)


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
    assert made.render("en", {"signature": {"name": value}}).text == f"<{value}>"


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
    assert made.render("en", VALUES) == Rendered("before", "before")
    assert made.sources == {"en/letter.txt.j2": "before", "en/subject.txt.j2": "before"}


def test_line_ends_of_any_kind_come_out_as_line_feeds(render):
    assert render("one\r\ntwo\r\n\r\nthree\r\n")[1] == "one\ntwo\n\nthree\n"


def test_a_template_that_is_no_utf_8_is_named(tmp_path):
    (tmp_path / "letter.txt.j2").write_bytes(b"\xff")
    with pytest.raises(RenderProblem, match=r"letter\.txt\.j2: the template cannot be read"):
        Renderer(tmp_path)


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "20 September 2011"), ("en-US", "September 20, 2011"), ("ru", "20 сентября 2011 г."), ("de", "20. September 2011"),
     ("pt-BR", "20 de setembro de 2011"), ("zh-TW", "2011年9月20日"), ("qq", "2011-09-20"), ("no such", "2011-09-20")],
)  # fmt: skip
def test_a_date_is_written_as_its_language_writes_it(language, said):
    assert written_date(date(2011, 9, 20), language).replace("\u202f", " ").replace("\u00a0", " ") == said


LOOPS = {
    "a loop in a loop that gives nothing": "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}x",
    "a power": "{{ 9 ** (9 ** 9) }}",
    "a long text": "{{ ('x' * 1000000000) | length }}",
    "a long list": "{{ ([1] * 1000000000) | length }}",
    "times a text": "{{ 1000000000 * 'x' }}",
    "a constant, worked upon": "{{ 'a ' | center(9000000) | replace(' ', 'b ') | wordwrap(1) | length }}",
    "a condition of constants": "{% if 'a ' | center(9000000) | replace(' ', 'b ') | wordwrap(1) %}x{% endif %}",
}
LONG = "{% set x = ('f' * 900000) | int(0, 16) %}"
LONG_NUMBERS = ["x * x", "2 * x", "x ** 2", "x / 3", "x // 3", "x % 3", "3 % x", "3 ** x"]
DOUBLED = "{% set n = namespace(x='0123456789') %}{% for i in range(40) %}{% set n.x = STEP %}{% endfor %}{{ n.x | length }}"
GROWING = {
    "a text joined to itself": DOUBLED.replace("STEP", "n.x ~ n.x"),
    "a text added to itself": DOUBLED.replace("STEP", "n.x + n.x"),
    "a text replaced in itself": DOUBLED.replace("STEP", "n.x | replace('0', n.x)"),
    "a list added to itself": DOUBLED.replace("='0123456789'", "=[1]").replace("STEP", "n.x + n.x"),
    "a wide number": "{{ '%2000000000d' % 1 }}",
    "a wide format": "{{ '{:2000000000}'.format(1) }}",
    "a text set in the middle": "{{ 'x' | center(2000000000) }}",
    "a text filled up": "{{ 'x'.ljust(2000000000) | length }}",
    "a deep indent": "{{ 'x\ny' | indent(2000000000) }}",
    "a constant that is wide": "{{ '%0600000000d' | format(1) | length }}",
}


@pytest.mark.parametrize("name", [*LOOPS, *GROWING])
def test_a_template_that_takes_for_ever_or_all_there_is_stops(tmp_path, name):
    limits = resource.getrlimit(resource.RLIMIT_AS)
    bounds = Bounds(seconds=0.3) if name in LOOPS else Bounds(seconds=60)
    templates = {"subject": "S", "letter": (LOOPS | GROWING)[name]}
    made = renderer(tmp_path, templates, bounds)
    made.warm()  # in which nothing of it is worked out
    with pytest.raises(RenderProblem) as problem:
        made.render("en", {})
    if name in GROWING:
        said = r"en/letter.txt.j2:[12]: rendering needs more than 256 MB: does a text grow in a loop\?"
        assert re.fullmatch(said, str(problem.value))
    assert renderer(tmp_path, templates | {"letter": "{{ 'x' * 10 }} {{ 2 ** 10 }}"}).render("en", {}).text == "xxxxxxxxxx 1024"
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert resource.getrlimit(resource.RLIMIT_AS) == limits
    assert _peak() < 2 * 2**30, "what was asked for was never there"


@pytest.mark.parametrize("sum", LONG_NUMBERS)
def test_arithmetic_with_numbers_longer_than_any_letter_needs_is_not_begun(render, sum):
    """No signal interrupts it: a product of two numbers of some megabytes takes minutes."""
    with pytest.raises(RenderProblem, match=r"^en/letter.txt.j2:1: an expression fails \(SecurityError\)$"):
        render(LONG + "{{ (" + sum + ") > 3 }}")
    assert render("{{ 7 * 191 }} {{ 2 ** 10 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ '%s of %s' % (1, 2) }}")[1] == "1337 1024 3 3 1 of 2"


def _peak() -> int:
    """The most memory that this process ever had, in bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmPeak:"))
    return int(line.split()[1]) * 1024


# HTML


HOSTILE = "<script>alert('x')</script> & \"O'Brien\""
ESCAPED = "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;O&#39;Brien&#34;"


def html(folder: Path, letter: str, name: str = HOSTILE, **others: str) -> str:
    """What a template for HTML makes of one value."""
    renderer(folder, {"letter": "text", "subject": "s", **others})
    (folder / "en/letter.html.j2").write_text(letter)
    return Renderer(folder).render("en", {"signature": {"name": name}}).html


def test_a_language_without_a_template_for_html_has_none(tmp_path):
    assert renderer(tmp_path, {"letter": "text", "subject": "s"}).render("en", {}) == Rendered("s", "text", "")


MACROS = "{% macro greet(name) %}Dear {{ name }}{% endmacro %}"


@pytest.mark.parametrize(
    "template",
    [
        "{{ signature.name }}",
        "{{ signature.name | upper | lower | replace('alert', 'alert') | replace('obrien', 'x') | trim }}",
        "{% import 'en/macros.txt.j2' as m %}{{ m.greet(signature.name) }}",
        "{% from 'en/macros.txt.j2' import greet with context %}{{ greet(signature.name) }}",
        "{% include 'en/part.txt.j2' %}",
        "{% set x %}{{ signature.name }}{% endset %}{{ x }}",
        "{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ signature.name }}{% endcall %}",
        "{{ [signature.name, signature.name] | join('<br>') }}",
        "{{ [signature.name] | listed }}",
        "<p>{{ '%s' | format(signature.name) }}</p>",
    ],
)
def test_in_html_a_value_is_escaped_wherever_it_stands(tmp_path, template):
    made = html(tmp_path, template, macros=MACROS, part="{{ signature.name }}")
    assert ESCAPED.casefold() in made.casefold()
    assert "<script" not in made.casefold() and "<br" not in made


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ signature.name | safe }}", "1: No filter named 'safe'."),
        (
            "\n{% autoescape false %}{{ signature.name }}{% endautoescape %}",
            "2: values are always escaped in HTML and never in text",
        ),
    ],
)
def test_nothing_in_a_template_switches_the_escaping_off(tmp_path, template, said):
    with pytest.raises(RenderProblem, match=f"^en/letter.html.j2:{said}"):
        html(tmp_path, template)


def test_one_file_of_macros_serves_the_text_and_the_html(tmp_path):
    (tmp_path / "macros.j2").write_text(MACROS)
    use = "{% from 'macros.j2' import greet %}{{ greet(signature.name) }}"
    renderer(tmp_path, {"letter": use, "subject": "s"})
    (tmp_path / "en/letter.html.j2").write_text(f"<p>{use}</p>")
    made = Renderer(tmp_path).render("en", {"signature": {"name": "Ann & Bob <x>"}})
    assert (made.text, made.html) == ("Dear Ann & Bob <x>", "<p>Dear Ann &amp; Bob &lt;x&gt;</p>")


def test_html_may_grow_up_to_its_bound_and_is_not_empty(tmp_path):
    assert len(html(tmp_path, "x" * LONGEST_HTML)) == LONGEST_HTML
    with pytest.raises(RenderProblem, match=r"^en/letter.html.j2: the text grows past 300000 characters$"):
        html(tmp_path, "x" * (LONGEST_HTML + 1))
    with pytest.raises(RenderProblem, match=r"^en/letter.html.j2: the letter is empty$"):
        html(tmp_path, " \n")


# Texts that people wrote, of which one is chosen


def chosen(folder: Path, template: str, seed: str, **others: str) -> Rendered:
    return renderer(folder, {"letter": template, "subject": "s", **others}).render("en", {CHOICE: seed})


def test_one_of_several_texts_is_chosen_always_the_same_and_each_as_often(tmp_path):
    made = renderer(tmp_path, {"letter": "{{ choose('opening', 'one', 'two', 'three') }}", "subject": "s"})
    texts = [made.render("en", {CHOICE: f"{number}@example.org"}).text for number in range(3000)]
    assert texts == [made.render("en", {CHOICE: f"{number}@example.org"}).text for number in range(3000)]
    assert sorted(Counter(texts)) == ["one", "three", "two"]
    assert all(900 < times < 1100 for times in Counter(texts).values())


def test_places_choose_for_themselves_and_the_same_name_alike(tmp_path):
    template = "{{ choose('a', 1, 2) }}{{ choose('b', 1, 2) }}{{ choose('a', 1, 2) }}"
    texts = {chosen(tmp_path, template, str(seed)).text for seed in range(60)}
    assert texts == {"111", "121", "212", "222"}


def test_text_and_html_choose_alike(tmp_path):
    (tmp_path / "en").mkdir()
    (tmp_path / "en/letter.html.j2").write_text(
        "{% set a %}<b>one</b>{% endset %}{% set b %}<b>two</b>{% endset %}{{ choose('way', a, b) }}"
    )
    for seed in range(20):
        made = chosen(tmp_path, "{{ choose('way', 'one', 'two') }}", str(seed))
        assert made.html == f"<b>{made.text}</b>"


def test_macros_choose_where_they_are_imported_with_context(tmp_path):
    macros = "{% macro way() %}{{ choose('way', 'one', 'two') }}{% endmacro %}"
    use = "{% import 'en/macros.txt.j2' as m CONTEXT %}\n{{ m.way() }}"
    assert chosen(tmp_path, use.replace("CONTEXT", "with context"), "1", macros=macros).text.strip() in {"one", "two"}
    with pytest.raises(
        RenderProblem, match=r"^en/macros.txt.j2:1: choose\(\) does not know the letter here; import .* `with context`"
    ):
        chosen(tmp_path, use.replace(" CONTEXT", ""), "1", macros=macros)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ choose() }}", "choose"),
        ("{{ choose('a', 'one') }}", "choose() takes a name of one word and two texts or more"),
        ("{{ choose('A first way.', 'A second.', 'A third.') }}", "choose() takes a name of one word and two texts or more"),
        ("{{ choose(1, 2, 3) }}", "choose() takes a name of one word and two texts or more"),
        ("{{ 'one' | listed }}", "listed takes a list of texts"),
        ("{{ '20.9.2011' | dated }}", "dated takes a day like '2011-09-20'"),
    ],
)
def test_a_word_of_mailers_own_that_is_misused_says_how_it_is_meant(tmp_path, template, said):
    with pytest.raises(RenderProblem) as problem:
        chosen(tmp_path, template, "1")
    assert said in str(problem.value) or (said == "choose" and "an expression fails (TypeError)" in str(problem.value))


def test_lists_and_days_are_in_the_letters_language(tmp_path):
    template = "{{ ['a', '', 'b', 'c'] | listed }}; {{ '2011-09-14' | dated }}"
    assert chosen(tmp_path, template, "1").text == "a, b and c; 14 September 2011"
    (tmp_path / "ru").mkdir()
    for name in ("subject", "letter"):
        (tmp_path / f"ru/{name}.txt.j2").write_text(template)
    assert Renderer(tmp_path).render("ru", {}).text == "a, b и c; 14 сентября 2011\u202fг."
