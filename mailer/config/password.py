"""
The relay's password: from one of three places, never from YAML.

    password_file: PATH          a file that others on this machine cannot read
    password_credential: NAME    $CREDENTIALS_DIRECTORY/NAME, as systemd's LoadCredential= hands it over
    MAILER_RELAY_PASSWORD        the environment

Exactly one of them, and only together with a user name; none of it matters before letters go to a real relay. Credentials are
handed to the service alone: in a shell, whatever does not speak to the relay goes without. No problem that is noted here
repeats a password.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from mailer.config.keys import Key
from mailer.config.section import Section
from mailer.config.values import ANY_TEXT, text

VARIABLE = "MAILER_RELAY_PASSWORD"
_FILE, _CREDENTIAL = "password_file", "password_credential"
_HANDED = "CREDENTIALS_DIRECTORY"
_UNHANDED = "systemd handed over no credentials: the unit needs LoadCredential={}:PATH"
_LONGEST = 4096
_NEVER = (
    "a password never stands in YAML: write it into a file that only the service's user can read, name that file in "
    f"`{_FILE}`, and change the password if others have seen this one"
)


def read(relay: Section, root: Path, environ: Mapping[str, str], *, is_used: bool) -> str:
    """Find the password that goes with `username`; empty where there is none, or where it is not used."""
    relay.refuse("password", _NEVER)
    file = relay.one(FILE)
    credential = relay.one(CREDENTIAL)
    sources = [key for key in (_FILE, _CREDENTIAL) if relay.has(key)]
    if is_used and environ.get(VARIABLE):
        sources.append(VARIABLE)
    _check(relay, sources, is_used)
    if not is_used or len(sources) != 1:
        return ""
    try:
        if sources == [VARIABLE]:
            return _line(environ[VARIABLE])
        if credential and not environ.get(_HANDED):
            relay.problems.hinder(relay.at(_CREDENTIAL), _UNHANDED.format(credential))
            return ""
        return _from_file(root / file) if file else _content(Path(environ[_HANDED]) / credential) if credential else ""
    except ValueError as problem:
        relay.note(sources[0] if sources[0] != VARIABLE else "username", str(problem))
        return ""


def of_file(section: Section, root: Path) -> str:
    """The password in the file that a section names, and from nowhere else; empty where it names none."""
    section.refuse("password", _NEVER)
    file = section.one(FILE)
    if not file:
        return ""
    try:
        return _from_file(root / file)
    except ValueError as problem:
        section.note(_FILE, str(problem))
        return ""


def file_of(relay: Section, root: Path, environ: Mapping[str, str]) -> Path | None:
    """The file in which the password stands, if one is named; whether it can be read is for `read` to say."""
    if file := relay.plain(_FILE):
        return root / file
    name, folder = relay.plain(_CREDENTIAL), environ.get(_HANDED)
    return Path(folder) / name if name and folder else None


def _check(relay: Section, sources: list[str], is_used: bool) -> None:
    """Exactly one source, and a user name with it."""
    if len(sources) > 1:
        relay.note(sources[0], f"the password comes from {' and '.join(sources)}; keep one of them")
    if is_used and sources and not relay.has("username"):
        relay.note("username", f"is missing: {sources[0]} gives a password, but nobody whose it is")
    if is_used and relay.has("username") and not sources and not relay.stands("password"):
        relay.note("username", f"has no password: name a file in `{_FILE}`, or set {VARIABLE}")


def _credential_name(written: str) -> str:
    if "/" in text(written) or written in {".", ".."}:
        raise ValueError("must be the name of a credential, as in systemd's LoadCredential=NAME:PATH")
    return written


def _from_file(path: Path) -> str:
    check_closed(path)
    return _content(path)


def check_closed(path: Path) -> None:
    """
    See that a file holds a secret as one: it is a file, and not everybody's.

    Raises:
        ValueError: with what is wrong.
    """
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise ValueError(f"`{path}` cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(mode):
        raise ValueError(f"`{path}` is not a file")
    if mode & stat.S_IRWXO:
        raise ValueError(f"`{path}` can be read or changed by everybody on this machine; chmod 600 it")


def _content(path: Path) -> str:
    try:
        with open(path, "rb") as stream:
            content = stream.read(_LONGEST + 1)
        if len(content) > _LONGEST:
            raise ValueError(f"`{path}` is too large for a password")
        return _line(content.decode())
    except OSError as error:
        raise ValueError(f"`{path}` cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"`{path}` is not UTF-8") from None


def _line(content: str) -> str:
    """The one line of a password; a line end that an editor left behind it does not count."""
    password = content.removesuffix("\n").removesuffix("\r")
    if not password.strip():
        raise ValueError("the password is empty")
    if not password.isprintable():
        raise ValueError("the password has more than one line, or a character that cannot be typed")
    return password


FILE = Key(_FILE, text, "", f"A file with the account's password, closed to others; else {VARIABLE} in the environment.")
CREDENTIAL = Key(
    _CREDENTIAL,
    _credential_name,
    "",
    "The name under which systemd hands over the password, as in LoadCredential=NAME:PATH.",
    shape={"type": ANY_TEXT, "pattern": "[^/]+"},
)
