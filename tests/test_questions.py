"""`mailer init` on a terminal: questions that end in a checked configuration, or in nothing at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mailer import config, starting
from mailer.starting import Embassies, Office, Plan, RelayAccount, Words
from tests.installed import mailer, typed

CAMPAIGN = """\
Free the strikers of Zhanaozen
strikers
en ru
Free the strikers
In December 2011 police shot at striking oil workers.
free all who were arrested.
Освободите бастующих
В декабре 2011 года полиция стреляла по бастующим нефтяникам «Озенмунайгаз».
освободить всех задержанных
Solidarity
letters@campaign.example
copies@campaign.example
"""
OFFICE = """\
y
Ministry of Justice
Министерство юстиции

Dear Minister
Уважаемый господин министр
minister@justice.example
ru
n
"""
EMBASSIES = """\
y
Embassy of Kazakhstan
Посольство Казахстана


Germany
berlin@embassy.example
y
Франция
paris@embassy.example
n
"""
PASSWORD = "secret"


def test_the_answers_become_an_instance_that_passes_its_check_and_says_what_they_say(tmp_path):
    said = typed(tmp_path, "init", "new", keys=CAMPAIGN + OFFICE + EMBASSIES + "sandbox\ny\n")
    assert said.code == 0, said.out
    for shown in ("No problem was found.", 'To: "Ministry of Justice" <minister@justice.example>', "mailer preview strikers"):
        assert shown in said.out, said.out
    loaded = config.load(tmp_path / "new/config/mailer.yaml", {})
    campaign = loaded.campaigns["strikers"]
    assert (campaign.title, campaign.languages, loaded.live) == ("Free the strikers of Zhanaozen", ("en", "ru"), False)
    assert (campaign.sender.name, [str(copy) for copy in campaign.copy_to]) == ("Solidarity", ["copies@campaign.example"])
    office, embassy = campaign.targets.values()
    assert (office.id, office.language, office.name["ru"]) == ("ministry-of-justice", "ru", "Министерство юстиции")
    assert embassy.directory and [mission.country for mission in embassy.directory.missions] == ["DE", "FR"]
    assert campaign.approval_required and campaign.consent_required
    checked = mailer(tmp_path / "new", "check")
    assert (checked.code, checked.out.splitlines()[-1]) == (0, "No problem was found.")
    letters = mailer(tmp_path / "new", "preview", "strikers").out
    # The ministry is written to in Russian, the embassies in both: each as a person and as an organisation.
    assert (letters.count("free all who were arrested.\n"), letters.count("освободить всех задержанных.\n")) == (2, 4)
    assert letters.count("полиция стреляла по бастующим нефтяникам «Озенмунайгаз».\n") == 4
    assert "[[" not in letters
    assert letters.count("I therefore ask you") == letters.count("We therefore ask you") == 1
    assert letters.count("Убедительно прошу") == letters.count("Убедительно просим") == 2


WRONG = [
    ("strikers\n", "Not an id\nrelay\n", ["an id has small letters", "means something else to mailer pause"]),
    ("en ru\n", "de\n", ["there are letters to begin with in en, ru"]),
    ("free all who", "free {{ all }}\n", ["must be one line without double braces"]),
    ("letters@campaign", "letters@\n", ["`letters@` is no e-mail address"]),
    ("letters@campaign", "free.the.strikers@gmail.com\n", ["`gmail.com` is not the campaign's own"]),
    ("copies@campaign", "letters@campaign.example\n", ["`letters@campaign.example` is taken already"]),
    ("minister@", "letters@campaign.example\n", ["`letters@campaign.example` is taken already"]),
    ("ru\nn\n", "de\n", ["must be one of en, ru, not `de`"]),
    ("Франция", "Atlantis\nDE\n", ["`Atlantis` is no country", "`DE` is taken already"]),
    ("sandbox", "pigeon\n", ["must be one of sandbox, smtp, not `pigeon`"]),
]


def test_a_wrong_answer_is_told_at_once_and_asked_again(tmp_path):
    keys, told = CAMPAIGN + OFFICE + EMBASSIES + "sandbox\ny\n", []
    for before, wrong, words in WRONG:
        assert keys.count(f"\n{before}") == 1, before
        keys = keys.replace(f"\n{before}", f"\n{wrong}{before}")
        told += words
    said = typed(tmp_path, "init", "new", keys=keys)
    assert said.code == 0, said.out
    for sentence in told:
        assert f"Error: {sentence}" in said.out, sentence
    assert mailer(tmp_path / "new", "check").code == 0


def test_a_real_mail_server_is_asked_for_with_a_password_in_a_file(tmp_path):
    open_to_all, password = tmp_path / "open", tmp_path / "password"
    for file, mode in ((open_to_all, 0o644), (password, 0o600)):
        file.write_text(PASSWORD)
        file.chmod(mode)
    answers = f"smtp\nsmtp.example.org\nnone\nimplicit\n\nletters\n{tmp_path / 'no'}\n{open_to_all}\n{password}\n"
    said = typed(tmp_path, "init", "new", keys=f"{CAMPAIGN}{OFFICE}n\n{answers}y\n")
    assert said.code == 0, said.out
    assert "Error: must be one of starttls, implicit, not `none`" in said.out
    assert "Error: there is no file" in said.out and "can be read by everybody on this machine" in said.out
    relay = config.load(tmp_path / "new/config/mailer.yaml", {}).relay
    assert (relay.host, relay.port, relay.tls, relay.username) == ("smtp.example.org", 465, "implicit", "letters")
    assert relay.password == PASSWORD
    assert PASSWORD not in said.out + (tmp_path / "new/config/mailer.yaml").read_text().replace("relay.password", "")


@pytest.mark.parametrize("lines", [0, 4, 11, 15, 22])
@pytest.mark.parametrize("end", ["\x03", "\x04"], ids=["ctrl-c", "ctrl-d"])
def test_whoever_stops_in_the_middle_leaves_nothing_behind(tmp_path, lines, end):
    keys = "".join((CAMPAIGN + OFFICE + EMBASSIES).splitlines(keepends=True)[:lines])
    said = typed(tmp_path, "init", "new", keys=f"{keys}{end}\n", TMPDIR=str(tmp_path))
    assert said.code == 130 and "Nothing was written." in said.out, said.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", ["n\n", "\x03\n"])
def test_whoever_does_not_like_the_letter_leaves_nothing_behind(tmp_path, answer):
    said = typed(tmp_path, "init", "new", keys=f"{CAMPAIGN}{OFFICE}n\n\n{answer}", TMPDIR=str(tmp_path))
    assert said.code == 130 and "Nothing was written." in said.out and "Dear Minister" in said.out, said.out
    assert list(tmp_path.iterdir()) == []


def test_an_instance_is_refused_before_anything_is_asked(tmp_path):
    assert mailer(tmp_path, "init", "new").code == 0
    said = typed(tmp_path, "init", "new", keys="")
    assert said.code == 64 and "is already an instance" in said.out and "What is the campaign" not in said.out


@pytest.mark.parametrize("option", ["--bundled", "--yes"])
def test_who_wants_the_example_is_asked_nothing(tmp_path, option):
    assert typed(tmp_path, "init", "new", option, keys="").code == 0
    assert (tmp_path / "new/config/campaigns/kazakhstan.yaml").exists()


@pytest.mark.parametrize("answer", ["n", ""])
def test_an_instance_for_a_machine_is_made_only_after_a_yes(tmp_path, answer):
    said = typed(tmp_path, "init", "--system", "--root", tmp_path / "root", keys=f"{answer}\n")
    assert said.code == 130 and "write /etc/mailer/mailer.yaml" in said.out
    assert not (tmp_path / "root").exists()
    said = typed(tmp_path, "init", "--system", "--root", tmp_path / "root", keys="y\n")
    assert said.code == 0 and (tmp_path / "root/etc/mailer/mailer.yaml").exists()


HOSTILE = [
    "NO",
    "010",
    "a: b # c",
    'say "no"',
    "it's",
    "back\\slash",
    "{x}",
    "- x",
    "«Ünï» 🙂",
    "[[happened]]",
    "<b>&amp;</b>",
    "%s",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_an_answer_is_read_back_as_it_was_given_whatever_stands_in_it(tmp_path: Path, text: str):
    office = Office("court", {"en": text}, {"en": text}, "head@court.example", "en")
    embassies = Embassies({"en": text}, {"en": text}, {"NO": "oslo@embassy.example"})
    relay = RelayAccount("127.0.0.1", 25, "none")
    words = {"en": Words(text, text, text)}
    plan = Plan("c", text, words, text, "letters@campaign.example", "", (office,), embassies, relay)
    for name, content in starting.files(plan).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    loaded = config.load(tmp_path / "config/mailer.yaml", {})
    campaign = loaded.campaigns["c"]
    court, embassy = campaign.targets.values()
    assert {campaign.title, campaign.sender.name, court.name["en"], court.form_of_address["en"], embassy.name["en"]} == {text}
    assert embassy.directory and [mission.country for mission in embassy.directory.missions] == ["NO"]
    assert (loaded.relay.host, loaded.relay.port, loaded.relay.tls, loaded.live) == ("127.0.0.1", 25, "none", True)
    assert (tmp_path / "templates/c/en/subject.txt.j2").read_text() == f"{text}\n"
    assert f"\n{text}\n" in (tmp_path / "templates/c/en/letter.txt.j2").read_text()


@pytest.mark.parametrize("text", ["{{ x }}", "{% x %}", "{# x", "x #}", "two\nlines"])
def test_no_answer_becomes_a_part_of_the_templates_language(text: str):
    with pytest.raises(ValueError, match="double braces"):
        starting.plain(text)
