"""
What is shown before a letter leaves: each in which a target is ever written to, from usual and from awkward names, as .eml and
side by side on a page that harms nobody.
"""

from __future__ import annotations

import re
import shutil
import stat
from email import message_from_bytes
from email.header import decode_header, make_header
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mailer import preview
from mailer.signature import Kind
from mailer.specimens import AWKWARD, Specimen
from tests.installed import COURT, LETTER, Place

VOICES = ("person", "organisation")
LABELS = [label.lower().replace(" ", "-") for label in AWKWARD]
HTML = "<p>{{ signature.name }}</p><script>alert(1)</script><img src='http://example.org/seen.gif'>\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "instance", "approval: none\n")


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text outside of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return "".join(self.words)


def test_it_writes_each_letter_and_each_awkward_name_as_a_file_and_all_on_one_page(place, tmp_path):
    out = tmp_path / "letters"
    said = place.mailer("preview", "c", "--out", out)
    assert said.code == 0
    assert said.out == f"12 letters in {out}, each as .eml, and all on one page: {out / 'index.html'}\n"
    usual = {f"court-en-{voice}.eml" for voice in VOICES}
    strange = {f"court-en-{voice}-{label}.eml" for voice in VOICES for label in LABELS}
    assert {path.name for path in out.iterdir()} == usual | strange | {"index.html"}
    for label, name in zip(LABELS, AWKWARD.values(), strict=True):
        sender = message_from_bytes((out / f"court-en-person-{label}.eml").read_bytes())["From"]
        shown = str(make_header(decode_header("".join(sender.splitlines())))).replace("\\", "")
        assert shown.strip('"').startswith(f"{name} via "), shown
    page = Page((out / "index.html").read_text(encoding="utf-8"))
    assert len(page.of("article")) == 12
    assert [name for name in AWKWARD.values() if name not in page.text] == []
    assert page.of("x") == [], "a name is text"


def test_a_target_is_shown_in_the_languages_in_which_it_is_written_to(tmp_path):
    ministry = "ministry: {name: Ministry, form_of_address: Dear all, to: head@ministry.example, language: ru}"
    names = {}
    for prefers in ("target", "signatory"):
        languages = f"languages: {{default: en, available: [en, ru, kk], prefer: {prefers}}}\n"
        place = Place(tmp_path / prefers, f"{languages}targets: {{{COURT}, {ministry}}}\n")
        for language in ("ru", "kk"):
            shutil.copytree(place.root / "templates/c/en", place.root / "templates/c" / language)
        names[prefers] = re.findall(r"^== (\S+)-person$", place.mailer("preview", "c").out, re.MULTILINE)
    assert names["target"] == ["court-en", "court-ru", "court-kk", "ministry-ru"]
    assert names["signatory"] == ["court-en", "court-ru", "court-kk", "ministry-ru", "ministry-en", "ministry-kk"]


def test_the_page_runs_nothing_and_loads_nothing_whatever_a_letter_holds(place, tmp_path):
    place.write("templates/c/en/letter.html.j2", HTML)
    assert place.mailer("preview", "c", "--out", tmp_path / "letters").code == 0
    page = Page((tmp_path / "letters/index.html").read_text(encoding="utf-8"))
    assert {tag for tag, _ in page.tags} & {"script", "img", "link", "object", "form", "base"} == set()
    policies = [meta["content"] for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    frames = page.of("iframe")
    assert len(frames) == 12 and {frame["sandbox"] for frame in frames} == {""}
    assert "<script>alert(1)</script>" in str(frames[0]["srcdoc"])
    assert "<p>O&#39;Brien &#34;Bob&#34; &lt;x&gt;</p>" in str(frames[-1]["srcdoc"])


def test_a_letter_that_cannot_be_written_stands_there_with_its_reason():
    page = Page(preview.page("c <b>", "standing", [Specimen("court", "en", Kind.PERSON, problem="a <i> b")], []))
    assert "It cannot be written: a <i> b" in page.text and "c <b>" in page.text
    assert not page.of("b") and not page.of("i")


def test_letters_of_somebody_in_a_file_are_for_whoever_asked_only(place, tmp_path):
    (tmp_path / "list.csv").write_text("name,email\nJane Doe,jane@example.org\n", encoding="utf-8")
    assert place.mailer("preview", "c", tmp_path / "list.csv", "--out", tmp_path / "letters").code == 0
    files = list((tmp_path / "letters").iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert "Jane Doe via " in (tmp_path / "letters/index.html").read_text(encoding="utf-8")


def test_the_page_says_whether_its_letters_are_approved(place, tmp_path):
    def standing() -> str:
        assert place.mailer("preview", "c", "--out", tmp_path).code == 0
        return Page((tmp_path / "index.html").read_text(encoding="utf-8")).text

    assert "Nobody has approved letters of this campaign yet." in standing()
    assert place.mailer("approve", "c").code == 0
    assert "approved as it stands." in standing()
    place.write("templates/c/en/letter.txt.j2", f"{LETTER}P.S.\n")
    assert "its letters wait." in standing()


def test_awkward_names_are_left_out_of_a_campaign_that_has_too_many_targets(tmp_path):
    many = ", ".join(f"t{n}: {{name: T, form_of_address: Dear T, to: t{n}@court.example}}" for n in range(71))
    place = Place(tmp_path / "instance", f"targets: {{{many}}}\n")
    assert place.mailer("preview", "c", "--out", tmp_path / "letters").code == 0
    names = [path.stem for path in (tmp_path / "letters").glob("*.eml")]
    assert len([name for name in names if name.endswith(VOICES)]) == 142
    assert len([name for name in names if name.endswith("-arabic")]) == 120
