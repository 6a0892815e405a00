"""
What is done by hand, on paper: the page that `mailer print` writes, and that what is done is marked by it and by nothing else.

Chromium prints it to PDF in one test, so that each letter begins on a sheet of its own where it counts: on paper.
"""

from __future__ import annotations

import os
import re
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mailer.app import opened
from mailer.cli.paper import _Pages
from mailer.errors import CannotSend
from mailer.log import Watch
from mailer.paper import end, letters_in, ranges
from tests.installed import Place, environment, mailer
from tests.servers.available import program, require

NAMES = ["Å", "Wolfeschlegelsteinhausenbergerdorff Llanfairpwllgwyngyllgoge", "محمد بن عبد الله الأنصاري", 'O\'Brien "Bob" <x>']
TARGETS = """\
targets:
  court: {name: Court, to: head@court.example}
  palace: {kind: phone, name: Palace, phone: "+7 7172 745524", timezone: Asia/Almaty}
  chair: {kind: post, name: {en: The Chair & Co, ru: Председатель}, postal_address: "1 <Square>\\nTown\\nCOUNTRY", language: ru}
"""
CALL = "Good day, I call for {{ campaign.name }} about {{ count }} letters to the {{ target.name }}.\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "instance", f"approval: none\npace: none\n{TARGETS}")
    place.write("templates/c/en/call.txt.j2", CALL)
    rows = [f'"{name.replace(chr(34), chr(34) * 2)}",p{number}@example.org,IE' for number, name in enumerate(NAMES)]
    place.put("a.csv", "\n".join(["name,email,country", *rows, ""]))
    assert place.mailer("run").code == 0
    return place


class Page(HTMLParser):
    """A page as a browser takes it: its tags, and the text of each section."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sections: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "section":
            self.sections.append("")

    def handle_data(self, data: str) -> None:
        if self.sections:
            self.sections[-1] += data


def printed(place: Place, *words: str) -> Page:
    said = place.mailer("print", "c", *words, "--out", "page.html")
    assert said.code == 0, said
    return Page((place.root / "page.html").read_text("utf-8"))


def test_a_page_has_a_call_sheet_and_each_letter_on_a_sheet_of_its_own(place):
    said = place.mailer("print", "c", "--out", "page.html")
    assert (said.code, said.out) == (0, "8 letters in page.html.\n")
    assert "mailer done --printed page.html --why TEXT" in said.err and "mailer erase does not find it" in said.err
    path = place.root / "page.html"
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text("utf-8")
    page = Page(text)
    calls, cover, *letters = page.sections
    assert "Palace: +7 7172 745524" in calls and "Good day, I call for Sender about 4 letters to the Palace." in calls
    assert "(UTC+0" in calls and "For these 4." in calls
    assert all(name in calls and name in cover for name in NAMES) and calls.count("Ireland") == 4
    assert "The Chair & Co: 4 to post" in cover
    assert len(letters) == 4
    for name, letter in zip(NAMES, letters, strict=True):
        assert f"{name} · Ireland" in letter and "The Chair & Co\n1 <Square>\nTown\nCOUNTRY" in letter
        assert f"Letter of {name}" in letter and f"Drop the charges.\n\n{name}" in letter
    # Nothing of it is more than text, and nothing is fetched.
    assert not {"script", "img", "iframe", "link", "x"} & set(page.tags)
    assert "default-src 'none'" in text and not re.search(r"https?://|\son\w+=|url\(", text)


def test_one_target_alone_and_another_language_and_a_template_of_its_own(place):
    text = (place.root / "config/campaigns/c.yaml").read_text()
    place.write("config/campaigns/c.yaml", text.replace("{default: en}", "{default: en, available: [en, ru]}"))
    place.write("templates/c/ru/subject.txt.j2", "Тема\n")
    place.write("templates/c/ru/letter.txt.j2", "по почте\n")
    place.write("templates/c/ru/post.txt.j2", "{{ target.name }}! Письмо на бумаге, {{ signature.name }}\n")
    cover, *letters = printed(place, "chair").sections
    assert "4 to post" in cover and len(letters) == 4
    assert "Председатель! Письмо на бумаге, Å" in letters[0] and "Тема" not in letters[0] and "по почте" not in letters[0]
    assert '<section lang="ru">' in (place.root / "page.html").read_text()


def test_just_what_was_printed_is_marked_whatever_has_come_in_since(place):
    printed(place)
    assert place.letters("by_hand") == 8
    place.drop(1, "late.csv")
    place.mailer("run")
    said = place.mailer("done", "--printed", "page.html", "--why", "posted on Monday")
    assert (said.code, said.out) == (0, "8 letters: done.\n")
    assert place.letters("done") == 8 and place.letters("by_hand") == 2
    again = place.mailer("done", "--printed", "page.html", "--why", "twice")
    assert again.out == "0 letters: done.\n"
    (place.root / "page.html").unlink()
    assert len(printed(place).sections) == 3  # a sheet, a cover, a letter: of the late one
    assert place.mailer("verify").code == 0


@pytest.mark.parametrize("name", ["two words.html", "it's.html", 'a "b" c.html', "$(touch hit).html", "-x.html", "a;b&c.html"])
def test_the_command_that_marks_a_page_can_be_pasted_from_screen_and_paper(place, name):
    place.root = place.root.rename(place.root.with_name("an instance"))
    elsewhere = place.root.parent
    said = mailer(elsewhere, "--config", "an instance/config/mailer.yaml", "print", "c", "--out", name)
    (line,) = [line.partition(": ")[2] for line in said.err.splitlines() if line.startswith("When it is done: ")]
    on_paper = re.findall(r"<code>(.*?)</code>", (elsewhere / name).read_text("utf-8"))
    assert {unescape(command) for command in on_paper} == {line} and len(on_paper) == 2
    done = subprocess.run(
        line.replace("TEXT", "posted"),
        shell=True,
        cwd=elsewhere,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "8 letters: done.\n"), done
    assert not (elsewhere / "hit").exists()


@pytest.mark.parametrize("name", ["a\nb.html", "\u202eb.html", b"\xff.html".decode(errors="surrogateescape")])
def test_a_page_that_could_not_be_named_is_not_written(place, name):
    said = place.mailer("print", "c", "--out", name)
    assert said.code == 64 and "cannot be typed" in said.err and not (place.root / name).exists()


@pytest.mark.parametrize("meanwhile", ["done", "erase", "close"])
async def test_a_page_of_which_a_letter_moves_while_it_is_written_is_given_up(place, meanwhile):
    """At the first letter that it tells of."""

    class Meddles(Watch):
        is_over = False

        def letter(self) -> None:
            if not self.is_over:
                self.is_over = True
                words = {"done": ("done", "--target", "chair", "--why", "x"), "erase": ("erase", "p0@example.org")}
                close = ("target", "close", "c", "palace", "--why", "x")
                said = place.mailer(*words.get(meanwhile, close))
                # What is read at one moment keeps the ledger from being written anew: that is said, and done by the next run.
                assert said.code == (75 if meanwhile == "erase" else 0), said
                if meanwhile == "close":
                    assert place.mailer("run").code == 0

    loaded = place.load()
    async with opened(loaded) as office:
        pages = _Pages(loaded, office, "c", place.root / "page.html", False, 1_800_000_000)
        targets = [target for target in loaded.campaigns["c"].targets.values() if target.id != "court"]
        with pytest.raises(CannotSend, match=r"moved while it was written \(\d"):
            await pages.write(targets, Meddles())
    assert not list(place.root.glob("*.html")) and not list(place.root.glob(".*.part"))
    assert place.letters("by_hand") == {"done": 4, "erase": 6, "close": 4}[meanwhile]


async def test_a_page_is_of_one_moment_though_letters_come_in(place):
    class Drops(Watch):
        is_over = False

        def letter(self) -> None:
            if not self.is_over:
                self.is_over = True
                place.drop(2, "late.csv")
                assert place.mailer("run").code == 0

    loaded = place.load()
    async with opened(loaded) as office:
        pages = _Pages(loaded, office, "c", place.root / "page.html", False, 1_800_000_000)
        targets = [target for target in loaded.campaigns["c"].targets.values() if target.id != "court"]
        await pages.write(targets, Drops())
    text = (place.root / "page.html").read_text("utf-8")
    page, found = Page(text), letters_in(text)
    assert len(page.sections) == 6 and "For these 4." in page.sections[0] and "The Chair & Co: 4 to post" in page.sections[1]
    assert found is not None and len(found[1]) == 8 and "Person" not in text
    assert (
        place.letters("by_hand") == 12 and place.mailer("print", "c", "--out", "next.html").out == "12 letters in next.html.\n"
    )


def test_of_who_was_erased_behind_the_printing_nothing_is_marked(place):
    printed(place)
    assert place.mailer("erase", "p0@example.org").code == 0
    assert place.mailer("done", "--printed", "page.html", "--why", "posted").out == "6 letters: done.\n"
    assert place.letters("cancelled") == 2 and place.mailer("verify").code == 0


def test_names_are_text_whatever_they_say(place):
    forged = end("c", [1, 2]).strip()
    names = ["</section><script>alert(1)</script>", "<b onload=1>Bob", forged.replace('"', '""')]
    place.put("b.csv", "\n".join(["name,email", *(f'"{name}",q{n}@example.org' for n, name in enumerate(names)), ""]))
    assert place.mailer("run").code == 0
    page = printed(place)
    assert page.tags.count("section") == 1 + 1 + 7 and page.tags.count("data") == 1 and not {"script", "b"} & set(page.tags)
    assert forged in page.sections[0]


def test_a_letter_that_cannot_be_written_is_told_and_not_marked(place):
    place.write("templates/c/en/post.txt.j2", "{{ signature.name if signature.name|length > 1 else nothing }}\n")
    said = place.mailer("print", "c", "chair", "--out", "page.html")
    assert said.code == 78 and "3 letters in page.html." in said.out
    assert re.search(r"letter \d+ cannot be written: en/post.txt.j2:1: 'nothing' is undefined", said.out)
    place.mailer("done", "--printed", "page.html", "--why", "posted")
    assert place.letters("done") == 3


def test_who_has_left_or_not_confirmed_is_not_on_paper(place):
    assert place.mailer("withdraw", "p0@example.org").code == 0
    assert place.mailer("erase", "p1@example.org").code == 0
    text = (place.root / "config/campaigns/c.yaml").read_text()
    sections = printed(place, "chair").sections
    assert len(sections) == 3 and not any(name in section for section in sections for name in NAMES[:2])
    place.write("config/campaigns/c.yaml", f"confirmation: required\n{text}")
    place.mailer("run")
    said = place.mailer("print", "c", "--out", "other.html")
    assert (said.code, said.out) == (0, "Nothing is to be done by hand.\n") and not (place.root / "other.html").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["c", "court"], "court gets its letters by e-mail"),
        (["c", "moon"], "c has no target «moon»; its targets are: chair, court, palace"),
        (["d"], "there is no campaign «d»"),
    ],
)
def test_what_it_is_not_for_is_refused(place, words, said):
    told = place.mailer("print", *words, "--out", "page.html")
    assert told.code == 64 and said in told.err and not (place.root / "page.html").exists()


def test_no_file_is_written_over(place):
    place.write("page.html", "mine")
    said = place.mailer("print", "c", "--out", "page.html")
    assert said.code == 64 and "is there already" in said.err and (place.root / "page.html").read_text() == "mine"
    os.symlink("elsewhere", place.root / ".other.html.part")
    said = place.mailer("print", "c", "--out", "other.html")
    assert said.code == 73 and not (place.root / "elsewhere").exists()
    assert place.mailer("print", "c", "--out", "/proc/none/page.html").code == 73


def test_paper_goes_out_by_the_rules_of_mail(place):
    text = (place.root / "config/campaigns/c.yaml").read_text()
    place.mailer("pause", "--why", "wait")
    said = place.mailer("print", "c", "--out", "page.html")
    assert said.code == 69 and "nothing is printed: paused: all sending (wait)" in said.err
    place.mailer("resume", "--why", "go")
    place.write("config/campaigns/c.yaml", f"{text}deadline: 2011-09-20\n")
    said = place.mailer("print", "c", "--out", "page.html")
    assert said.code == 69 and "the deadline of c has passed" in said.err
    place.write("config/campaigns/c.yaml", text.replace("approval: none", "approval: required"))
    main = (place.root / "config/mailer.yaml").read_text()
    place.write("config/mailer.yaml", f"relay: {{mode: smtp, host: 127.0.0.1, port: 9, tls: none}}\n{main}")
    said = place.mailer("print", "c", "--out", "page.html")
    assert said.code == 69 and "c is not approved as it stands, so nothing is printed: mailer approve c" in said.err
    said = place.mailer("print", "c", "--specimen", "--out", "page.html")
    assert said.code == 0 and "Jane O'Specimen" in (place.root / "page.html").read_text().replace("&#x27;", "'")
    said = place.mailer("done", "--printed", "page.html", "--why", "posted")
    assert said.code == 64 and "or a specimen: nothing done" in said.err


def test_what_is_no_printed_page_marks_nothing(place):
    place.write("page.html", "<html></html>")
    said = place.mailer("done", "--printed", "page.html", "--why", "posted")
    assert said.code == 64 and "is no page of mailer print" in said.err
    assert place.mailer("done", "1", "--printed", "page.html", "--why", "posted").code == 64
    assert place.letters("by_hand") == 8
    # A signatory whose words look like the end of a page ends none.
    forged = end("c", [1, 2]).strip()
    place.put("b.csv", f'name,email,country\n"{forged[:60]}",q@example.org,IE\n')
    place.mailer("run")
    assert letters_in(f"<p>{forged}</p>{end('c', [7])}") == ("c", [7])


def test_check_tries_what_goes_onto_paper(place):
    place.write("templates/c/en/call.txt.j2", "{{ nobody }}\n")
    place.write("templates/c/en/post.txt.j2", "{{ signature.nothing }}\n")
    said = place.mailer("check")
    assert said.code == 78
    assert "palace, en: en/call.txt.j2:1: 'nobody' is undefined" in said.out
    assert "chair, en: en/post.txt.j2:1:" in said.out


@pytest.mark.parametrize("numbers", [[], [1], [1, 2, 3], [1, 3, 4, 9, 10, 11, 40]])
def test_numbers_come_back_as_they_were_written(numbers):
    assert letters_in(f"…{end('c-1', numbers)}") == ("c-1", numbers)
    assert letters_in(end("c", numbers)[:-20]) is None and ranges([5, 6]) == "5-6"


def test_on_paper_each_letter_begins_a_sheet(place, tmp_path):
    require("chromium")
    place.write("templates/c/en/post.txt.j2", "{% for n in range(70) %}A line.\n{% endfor %}\n")
    printed(place)
    pdf = tmp_path / "page.pdf"
    done = subprocess.run(
        [
            program("chromium") or "",
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--no-pdf-header-footer",
            f"--print-to-pdf={pdf}",
            f"file://{place.root / 'page.html'}",
        ],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-500:]
    # The call sheet, the cover, and four letters of two sheets each.
    assert len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) == 1 + 1 + 4 * 2
