"""
The manual pages mailer(1) and mailer.yaml(5), as man(7) source: made of what --help says and of the keys' declarations.

They stand in man/ and in the wheel (`make manual` makes them anew). No date and no version: a page changes when its words do.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterable, Iterator

import click

from mailer.config import schema
from mailer.config.keys import Declared, Key, Named, Part, Rows
from mailer.config.values import shape_of
from mailer.errors import BadRow, MailerError

_WIDTH = 76
_DATE = "2026-11-26"  # of the release that these pages belong to (man(7)): the same whenever and wherever they are made
_FILES = {
    "config/mailer.yaml": "the main file, mailer.yaml(5); else MAILER_CONFIG, else /etc/mailer/mailer.yaml",
    "config/campaigns/ID.yaml": "a campaign; config/embassies.yaml: a directory of embassies",
    "templates/ID/LANGUAGE/": "subject.txt.j2 and letter.txt.j2 of a campaign",
    "var/queue/incoming/": "where signature files are dropped; what became of each is in done/ and rejected/",
    "var/ledger.db": "the record of all letters; var/keys belongs to it",
    "var/journal.jsonl": "every move of a letter, a line each, hash-chained",
}
_ENVIRONMENT = {
    "MAILER_CONFIG": "the main file, where --config names none",
    "MAILER_RELAY_PASSWORD": "the relay's password, where no file and no credential holds it",
    "CREDENTIALS_DIRECTORY": "where systemd lays credentials, for password_credential",
    "JOURNAL_STREAM": "how systemd tells that stderr is the journal: lines then carry their priority",
}


def command() -> str:
    """mailer(1)."""
    from mailer.cli import mailer

    context = click.Context(mailer, info_name="mailer")
    lines = [
        *_head("mailer", "1", (mailer.help or "").rstrip("."), "mailer [OPTIONS] COMMAND [ARGS]"),
        ".SH DESCRIPTION",
        *_text(
            "Signature files that lie in the queue's folder become one letter to each target of their campaign. A letter whose"
        ),
        *_text(
            "final dot may have reached the mail server, but whose answer is not on record, is in doubt: it is shown, and never"
        ),
        *_text("sent again by itself. Results go to stdout; the log, hints and errors to stderr."),
        ".SH OPTIONS",
        *_options(mailer, context),
        ".SH COMMANDS",
    ]
    for verb in mailer.list_commands(context):
        if found := mailer.get_command(context, verb):
            lines += _verb(found, click.Context(found, parent=context, info_name=verb))
    lines += [".SH EXIT STATUS", *_listed(_endings())]
    lines += [".SH FILES", *_listed(_FILES.items()), ".SH ENVIRONMENT", *_listed(_ENVIRONMENT.items())]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR mailer.yaml (5)"])


def configuration() -> str:
    """mailer.yaml(5)."""
    what = (
        "YAML, read as written: a plain text is never made a number, a date or a truth value. Aliases, tags and keys that stand"
    )
    lines = [
        *_head(
            "mailer.yaml",
            "5",
            "the configuration of mailer",
            "config/mailer.yaml  config/campaigns/ID.yaml  config/embassies.yaml",
        ),
        ".SH DESCRIPTION",
        *_text(f"{what} twice are refused. A key without a value counts as absent; an unknown one is an error."),
        *_text("All problems are told at once, as file:line: path: problem, by mailer check and by every other command."),
    ]
    for name, file in schema.FILES.items():
        lines += [f".SH {_escaped(file.name.upper())}", *_text(file.says), *_keys(file)]
        lines += [".PP", *_text(f"For editors: mailer schema {name}")]
    return "\n".join([*lines, ".SH SEE ALSO", ".BR mailer (1)"])


def _head(name: str, section: str, does: str, usage: str) -> list[str]:
    does = does[:1].lower() + does[1:]
    return [
        f'.TH {name.upper()} {section} "{_DATE}" mailer',
        ".SH NAME",
        f"{_escaped(name)} \\- {_escaped(does)}",
        ".SH SYNOPSIS",
        f".B {_escaped(usage)}",
    ]


def _verb(found: click.Command, context: click.Context) -> list[str]:
    usage = " ".join([context.command_path, *found.collect_usage_pieces(context)])
    first, *others = (_text(paragraph) for paragraph in inspect.cleandoc(found.help or "").split("\n\n"))
    further = [line for other in others for line in (".PP", *other)]
    return [f".SS {_escaped(usage)}", *first, *further, *_options(found, context)]


def _options(of: click.Command, context: click.Context) -> list[str]:
    records = (option.get_help_record(context) for option in of.get_params(context) if isinstance(option, click.Option))
    return _listed(record for record in records if record and "--help" not in record[0])


def _endings() -> Iterator[tuple[str, str]]:
    """The exit codes, with what `errors` says of each."""
    yield "0", "The pass ended, whatever became of single letters; or nothing needs a person."
    yield "1", "health, verify: something needs a person."
    told: dict[int, list[str]] = {70: ["A bug in mailer; please report it."], 74: ["A disk failed."]}
    for kind in _tree(MailerError):
        if "exit_code" in vars(kind) and kind not in {MailerError, BadRow}:
            told.setdefault(kind.exit_code, []).append(inspect.cleandoc(kind.__doc__ or "").replace("\n", " "))
    for code in sorted(told):
        yield str(code), " ".join(told[code])
    yield "130", "Interrupted."


def _tree(kind: type[MailerError]) -> Iterator[type[MailerError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _tree(below)


def _keys(declared: Declared) -> list[str]:
    """What stands under a key, each with its sentence; deeper ones indented."""
    match declared:
        case Part():
            found: Iterable[Declared] = declared.keys
        case Rows():
            found = declared.row.keys
        case Named() if isinstance(declared.of, Part):
            found = declared.of.keys
        case _:
            return []
    lines: list[str] = []
    for one in found:
        lines += [".TP", f".B {_escaped(one.name)}", *_text(_told(one))]
        if below := _keys(one):
            lines += [".RS", *below, ".RE"]
    return lines


def _told(declared: Declared) -> str:
    """A key's sentence, with what may stand there and what stands for it."""
    said = [declared.says]
    if isinstance(declared, Key):
        words = (declared.shape or shape_of(declared.means)).get("enum")
        said += [f"One of: {', '.join(words)}."] if words and len(words) > 1 else []
        said += ["One, or a list."] if declared.several else []
        default = schema.default_of(declared)
        said += [f"Default: {default}."] if default is not None and not declared.required else []
    if isinstance(declared, Rows):
        said.append("One, or a list; of each:" if declared.or_one else "A list; of each row:")
    return " ".join([*said, *(["Required."] if declared.required else [])])


def _listed(entries: Iterable[tuple[str, str]]) -> list[str]:
    return [line for term, said in entries for line in (".TP", f".B {_escaped(term)}", *_text(said))]


def _text(said: str) -> list[str]:
    return [_escaped(line) for line in textwrap.wrap(said, _WIDTH, break_on_hyphens=False)]


def _escaped(text: str) -> str:
    """
    A text as man(7) reads it: backslashes, hyphens that are typed, and a line that begins like a request.

    >>> _escaped(".part and --json")
    '\\\\&.part and \\\\-\\\\-json'
    """
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    return "\\&" + plain if plain.startswith((".", "'")) else plain
