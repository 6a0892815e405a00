"""
A new campaign's own files, from what its people have answered: configuration, directory, and letters to begin with.

    answers  >  STARTING  >  config/mailer.yaml  config/campaigns/<id>.yaml  [config/embassies.yaml]  templates/<id>/<language>/

The letters say who writes, as a person or for an organisation, what has happened and what is asked, in the words that were
answered; everything else about them is for their people to write. They exist in the languages of `LANGUAGES`.

Nothing is asked here and nothing is written to a disk. Whether the answers are right is for `config` and `checks` to say, which
read these files like any others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mailer.instance import MAIN_FILE, bundled

LANGUAGES = {"en": "English", "ru": "Russian"}
_STARTER = Path(__file__).resolve().parent / "starter"
_MARK = re.compile(r"\[\[(\w+)\]\]")
_CODE = re.compile(r"\{[{%#]|[%#}]\}|\n")


@dataclass(frozen=True, slots=True)
class Words:
    """What the letters say in one language: the subject, what has happened, and the end of "I ask you to …"."""

    subject: str
    happened: str
    request: str


@dataclass(frozen=True, slots=True)
class Office:
    """An office with an address of its own; names and forms of address by language."""

    id: str
    name: Mapping[str, str]
    form_of_address: Mapping[str, str]
    to: str
    language: str


@dataclass(frozen=True, slots=True)
class Embassies:
    """The embassies of one state: which of them is written to, the signatory's country decides. `known`: country, address."""

    name: Mapping[str, str]
    form_of_address: Mapping[str, str]
    known: Mapping[str, str]
    id: str = "embassy"


@dataclass(frozen=True, slots=True)
class RelayAccount:
    """The mail server that letters are handed to."""

    host: str
    port: int
    tls: str
    username: str = ""
    password_file: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """All answers."""

    id: str
    title: str
    words: Mapping[str, Words]  # by language, the default first
    sender_name: str
    sender_address: str
    copy_to: str = ""
    offices: tuple[Office, ...] = ()
    embassies: Embassies | None = None
    relay: RelayAccount | None = None  # None: the sandbox


def plain(written: str) -> str:
    """
    A text for a letter, that no template takes for its own language.

    >>> plain("drop the charges")
    'drop the charges'

    Raises:
        ValueError: it holds what would be obeyed.
    """
    if _CODE.search(written):
        raise ValueError("must be one line without double braces; what varies is written into the template later")
    return written


def slug(name: str, otherwise: str) -> str:
    """
    An id made of a name.

    >>> slug("Ministry of Justice", "office-1"), slug("Верховный Суд", "office-2")
    ('ministry-of-justice', 'office-2')
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-") or otherwise


def files(plan: Plan) -> dict[Path, bytes]:
    """Every file of the new instance, by where it stands in it."""
    found = {Path("config", "campaigns", f"{plan.id}.yaml"): "\n".join(_campaign(plan)) + "\n"}
    if plan.embassies:
        found[Path("config", "embassies.yaml")] = "\n".join(_directory(plan.embassies)) + "\n"
    for language, words in plan.words.items():
        for name in ("subject.txt.j2", "letter.txt.j2"):
            found[Path("templates", plan.id, language, name)] = _letter(language, name, words)
    found[MAIN_FILE] = _main((bundled() / MAIN_FILE).read_text(encoding="utf-8"), plan.relay)
    return {path: text.encode() for path, text in found.items()}


def _letter(language: str, name: str, words: Words) -> str:
    text = (_STARTER / language / name).read_text(encoding="utf-8")
    return _MARK.sub(lambda mark: str(getattr(words, mark[1])), text)


def _main(text: str, relay: RelayAccount | None) -> str:
    """The bundled main file with this relay in the place of the sandbox."""
    if relay is None:
        return text
    text = text.replace("\n  mode: sandbox\n", "\n  mode: smtp\n", 1)
    for key in ("host", "port", "tls", "username", "password_file"):
        if value := getattr(relay, key):
            before, _, behind = re.split(rf"^(  # {key}: .*)$", text, maxsplit=1, flags=re.MULTILINE)
            text = f"{before}  {key}: {_text(value)}{behind}"
    return text


def _campaign(plan: Plan) -> Iterator[str]:
    languages = list(plan.words)
    yield "# A campaign: who is written to, in which language, from whom. `mailer check` reads it."
    yield f"id: {_text(plan.id)}"
    yield f"title: {_text(plan.title)}"
    yield f"languages: {{default: {languages[0]}, available: [{', '.join(languages)}], prefer: target}}   # target | signatory"
    yield ""
    yield "# Letters come from this address, in the signatory's name; replies go to the signatory."
    yield f"sender: {{name: {_text(plan.sender_name)}, address: {_text(plan.sender_address)}}}"
    yield "# A key that signs every letter, so that receivers believe it (DKIM); mailer check --dns says what to publish."
    yield "# dkim: {selector: letters2011, key_file: /etc/mailer/letters2011.pem}"
    yield f"copy_to: [{_text(plan.copy_to) if plan.copy_to else ''}]"
    yield "copy_policy: every            # every | digest | none"
    yield ""
    yield "# What has to be there before a letter goes: a person's approval of all this, and the signatory's consent."
    yield "approval: required            # required | none"
    yield "consent: required             # required | assumed"
    yield ""
    yield "# Where your form's headings are not understood (mailer preview CAMPAIGN FILE shows how they are):"
    yield "# columns: {name: Your full name}"
    yield ""
    yield "targets:"
    for office in plan.offices:
        yield from _target(office, "office")
        yield f"    to: {_text(office.to)}"
        yield f"    language: {office.language}"
    if plan.embassies:
        yield from _target(plan.embassies, "embassy")
        yield "    directory: embassies.yaml   # one line for each embassy whose address is known"
        yield "    fallback: hold              # hold | the id of another target"


def _target(target: Office | Embassies, kind: str) -> Iterator[str]:
    yield f"  {target.id}:"
    yield f"    kind: {kind}"
    yield f"    name: {_by_language(target.name)}"
    yield f"    form_of_address: {_by_language(target.form_of_address)}"


def _directory(embassies: Embassies) -> Iterator[str]:
    yield "# Which embassy a letter goes to, by the country of the person who signs: where it stands, which other countries"
    yield "# it `covers`, its address, and the day on which somebody found that on the embassy's own page (`checked_on`:"
    yield "# until then no letter goes there through a real mail server)."
    for country, email in embassies.known.items():
        yield f"- {{country: {_text(country)}, email: {_text(email)}, covers: [], checked_on: }}"


def _by_language(texts: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{language}: {_text(text)}" for language, text in texts.items()) + "}"


def _text(value: object) -> str:
    """A value as YAML takes it whatever stands in it: its double-quoted text is JSON's."""
    return json.dumps(value, ensure_ascii=False)
