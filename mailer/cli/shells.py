"""
How a shell completes: the script that it reads once, and the answers that the script asks for. click's own, made quiet.

Whatever goes wrong, a person who presses Tab sees no error.
"""

from __future__ import annotations

import os
import shlex
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    shell_complete,
)

VARIABLE = "_MAILER_COMPLETE"


class _Bash(BashComplete):
    """Bash puts an answer on the line as it is: one with a blank must come in quotes."""

    def format_completion(self, item: CompletionItem[Any]) -> str:
        return f"{item.type},{shlex.quote(item.value) if item.type == 'plain' else item.value}"


_SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": ZshComplete, "fish": FishComplete}


def script(shell: str) -> str:
    """The script of a shell, which asks `answer`."""
    made = _SHELLS[shell](click.Group("mailer"), {}, "mailer", VARIABLE)
    return made.source_template % made.source_vars()  # `source` itself starts a bash, to see its version


def answer(group: click.Group) -> int:
    """Answer a shell's script, which puts what it asks into the environment."""
    add_completion_class(_Bash)
    try:
        return shell_complete(group, {}, "mailer", VARIABLE, os.environ[VARIABLE])
    except Exception:  # noqa: BLE001  nobody is there to read of it
        return 1
