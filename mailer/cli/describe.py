"""schema, manual, completion: what mailer says of itself, for editors, man(1) and shells. They read no configuration."""

from __future__ import annotations

import click

from mailer.cli.ground import hint, say

_SHELLS = {
    "bash": "~/.local/share/bash-completion/completions/mailer",
    "zsh": "_mailer in a folder of your fpath",
    "fish": "~/.config/fish/completions/mailer.fish",
}
_FILES = {"main": "mailer.yaml", "campaign": "campaigns/*.yaml", "directory": "embassies.yaml"}
_PAGES = ("mailer", "mailer.yaml")


@click.command()
@click.argument("file", type=click.Choice(list(_FILES)), default="main")
def schema(file: str) -> None:
    """
    Print the schema of a configuration file for your editor.

    JSON Schema, of config/mailer.yaml unless told; of a campaign's file; of a directory of embassies.
    Editors with the YAML language server
    take it from a first line of the file: # yaml-language-server: $schema=PATH
    """
    import json

    from mailer.config import schema

    say(json.dumps(schema.of(file), indent=2, ensure_ascii=False))
    hint(f"Keep it in a file, and name that in the first line of {_FILES[file]}: # yaml-language-server: $schema=PATH")


@click.command()
@click.argument("page", type=click.Choice(_PAGES), default="mailer")
def manual(page: str) -> None:
    """
    Print a manual page, as source for man.

    That of the command, or mailer.yaml(5). The wheel brings both, so that man(1) finds them where it looks. Without that:
    mailer manual | man -l -
    """
    from mailer.cli import pages

    say(pages.command() if page == "mailer" else pages.configuration())


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
def completion(shell: str) -> None:
    """
    Print the completion script of a shell.

    It completes verbs, options, and the campaigns, targets, states and reasons of the instance that is meant.
    """
    from mailer.cli import shells

    say(shells.script(shell))
    hint(f"Keep it as {_SHELLS[shell]}")
