"""
The questions of `mailer init` on a terminal: one answer at a time, each checked at once by what will read it later.

Nothing is written here. Whoever stops in the middle (Ctrl-C, Ctrl-D) leaves nothing behind.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from typing import TypeVar

import click

from mailer import country
from mailer.config import senders, values
from mailer.config.campaigns import TAKEN
from mailer.log import hint
from mailer.relay.settings import Tls
from mailer.starting import LANGUAGES, Embassies, Office, Plan, RelayAccount, Words, plain, slug

T = TypeVar("T")
_PORTS = {Tls.STARTTLS: "587", Tls.IMPLICIT: "465", Tls.NONE: "25"}
_FORMS = {"en": "To whom it may concern", "ru": "Уважаемые дамы и господа"}


def ask_all() -> Plan:
    """
    Ask for a whole campaign.

    Raises:
        click.Abort: the person stopped.
    """
    hint("A new campaign, in a few questions. Each can be changed later, in files that explain themselves. Ctrl-C ends it.\n")
    title = ask("What is the campaign called, in a few words", _line)
    id = ask("Its id, for commands, files and folders", _campaign_id, slug(title, "campaign"))
    languages = ask("Languages of the letters, the usual one first (en, ru)", _languages, "en")
    words = {language: _words(language, title) for language in languages}
    hint("\nLetters come from the campaign's address, in the name of each signatory; replies go to the signatory.")
    sender_name = ask("The campaign's name, as a sender", _line, title)
    sender = ask("The campaign's own e-mail address", _sender)
    copy_to = ask("An address for copies of all letters (empty: none)", _optional(_other_than(_email, {sender})), "")
    offices = _offices(languages, {sender, copy_to})
    embassies = _embassies(languages, {sender, copy_to} | {office.to for office in offices}, is_needed=not offices)
    return Plan(id, title, words, sender_name, sender, copy_to, offices, embassies, _relay())


def ask(question: str, meaning: Callable[[str], T], default: str | None = None) -> T:
    """Ask until the answer means something; what is wrong with one is said in the words of the configuration."""

    def parsed(written: str) -> T:
        try:
            return meaning(written.strip())
        except ValueError as problem:
            raise click.UsageError(f"{problem}") from None

    answer: T = click.prompt(question, default=default, value_proc=parsed, show_default=bool(default), err=True)
    return answer


def _words(language: str, title: str) -> Words:
    named = LANGUAGES[language]
    hint(f"\nThe letter in {named}; you can write it out later.")
    return Words(
        subject=ask("Its subject", _text, title if language == "en" else None),
        happened=ask("What has happened, in one paragraph", _text),
        request=ask(f"The end of the sentence: {'I ask you to' if language != 'ru' else 'Прошу Вас'} …", _clause),
    )


def _offices(languages: Collection[str], taken: Collection[str]) -> tuple[Office, ...]:
    hint("\nWho is written to: offices with an address of their own.")
    found: list[Office] = []
    while click.confirm("Another office" if found else "Is there an office", default=not found, err=True):
        name = {language: ask(f"Its name{_in(language, languages)}", _line) for language in languages}
        ids = {office.id for office in found} | {"hold", "embassy"}
        id = ask("Its id", _other_than(values.identifier, ids), slug(next(iter(name.values())), f"office-{len(found) + 1}"))
        form = {code: ask(f"How a letter addresses it{_in(code, languages)}", _line, _FORMS[code]) for code in languages}
        to = ask("Its e-mail address", _other_than(_email, {*taken, *(office.to for office in found)}))
        first = next(iter(languages))
        language = ask("Its language", values.choice(*languages), first) if len(languages) > 1 else first
        found.append(Office(id, name, form, to, language))
    return tuple(found)


def _embassies(languages: Collection[str], taken: Collection[str], *, is_needed: bool) -> Embassies | None:
    hint("\nEmbassies: which one is written to, the country of each signatory decides.")
    if not is_needed and not click.confirm("Are there embassies to write to", default=False, err=True):
        return None
    name = {language: ask(f"What they are called, each alike{_in(language, languages)}", _line) for language in languages}
    form = {
        language: ask(f"How a letter addresses them{_in(language, languages)}", _line, _FORMS[language])
        for language in languages
    }
    known: dict[str, str] = {}
    while not known or click.confirm("Another embassy", default=False, err=True):
        where = ask("The country in which an embassy stands", _other_than(_country, known))
        known[where] = ask("Its e-mail address", _other_than(_email, {*taken, *known.values()}))
    return Embassies(name, form, known)


def _relay() -> RelayAccount | None:
    hint("\nThe mail server. In the sandbox every letter stays on this machine: try everything there first.")
    if ask("sandbox, or smtp for a real server", values.choice("sandbox", "smtp"), "sandbox") == "sandbox":
        return None
    host = ask("Its name, like smtp.example.org", values.host)
    here = values.is_loopback(host)
    tls = ask(
        f"Encryption: starttls, implicit{', none' if here else ''}",
        values.choice(*(Tls if here else list(Tls)[:2])),
        "starttls",
    )
    port = ask("Its port", values.whole(1, 65535), _PORTS[tls])
    username = ask("The name of your account there (empty: none)", _optional(values.text), "")
    if not username:
        return RelayAccount(host, port, tls)
    return RelayAccount(host, port, tls, username, ask("The file in which its password stands", _password_file))


def _in(language: str, languages: Collection[str]) -> str:
    return f", in {LANGUAGES[language]}" if len(languages) > 1 else ""


def _line(written: str) -> str:
    if not written:
        raise ValueError("is needed")
    return values.text(written)


def _text(written: str) -> str:
    return plain(_line(written))


def _clause(written: str) -> str:
    return _text(written).rstrip(".… ") or _text("")


def _campaign_id(written: str) -> str:
    if written in TAKEN:
        raise ValueError("means something else to mailer pause and mailer resume; call it otherwise")
    return values.identifier(written)


def _languages(written: str) -> list[str]:
    found = list(dict.fromkeys(part for part in written.replace(",", " ").split()))
    if not found or not set(found) <= LANGUAGES.keys():
        raise ValueError(f"there are letters to begin with in {', '.join(LANGUAGES)}; others can be written later")
    return found


def _email(written: str) -> str:
    return str(values.email(written))


def _sender(written: str) -> str:
    return str(senders.ADDRESS.means(written))


def _country(written: str) -> str:
    if (found := country.code(written)) is None:
        raise ValueError(f"{values.shown(written)} is no country; write its name, or its two letters like KZ")
    return found


def _optional(meaning: Callable[[str], str]) -> Callable[[str], str]:
    return lambda written: meaning(written) if written else ""


def _other_than(meaning: Callable[[str], str], taken: Collection[str]) -> Callable[[str], str]:
    def other(written: str) -> str:
        if (found := meaning(written)) in taken:
            raise ValueError(f"{values.shown(found)} is taken already; every one stands once")
        return found

    return other


def _password_file(written: str) -> str:
    path = os.path.abspath(os.path.expanduser(written))
    if not os.path.isfile(path):
        raise ValueError(f"there is no file {values.shown(path)}: write the password into one, chmod 600 it, and name it again")
    if os.stat(path).st_mode & 0o007:
        raise ValueError(f"{values.shown(path)} can be read by everybody on this machine; chmod 600 it, and name it again")
    return path
