"""What every command stands on: its configuration, and how it says things."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from mailer.config import Configuration, find, load
from mailer.errors import UsageProblem


def configuration(context: click.Context) -> Configuration:
    """The instance's configuration; its warnings go to stderr."""
    loaded = load(find(context.obj, os.environ, Path.cwd()), os.environ)
    for warning in loaded.warnings:
        hint(f"note: {warning}")
    return loaded


def campaign_of(configuration: Configuration, campaign: str) -> str:
    """A campaign's id as given, if there is such a one."""
    if campaign not in configuration.campaigns:
        raise UsageProblem(
            f"there is no campaign «{campaign}»; the campaigns are: {', '.join(sorted(configuration.campaigns))}"
        )
    return campaign


def say(text: str = "") -> None:
    """A line of the result."""
    click.echo(text)


def hint(text: str) -> None:
    """A line for the person at the terminal, beside the result."""
    click.echo(text, err=True)


def table(title: str, heads: Iterable[str], rows: Iterable[Iterable[object]], *, right: frozenset[int] = frozenset()) -> None:
    """A table on stdout; `right` are the columns of numbers."""
    # rich is imported where something is printed: it costs 40 ms.
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(heads):
        made.add_column(head, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text(str(cell)) for cell in row))
    click.echo(title)
    width = None if sys.stdout.isatty() else 160
    Console(file=sys.stdout, width=width, highlight=False).print(made)


def json_line(value: Any) -> None:
    """One JSON value on one line of stdout."""
    import json

    click.echo(json.dumps(value, ensure_ascii=False))
