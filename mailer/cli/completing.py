"""
What a shell completes where it depends on the instance: its campaigns, their targets, reasons.

Answers come from the configuration's files alone, read for their names: no ledger is opened, no key, no network. What is wrong
with them is not told here: who presses Tab gets no answer then (`shells`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click

_STANDING_STILL = ("relay", "ledger", "clock")


def campaigns(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """The ids of the campaigns."""
    return _that_begin(begun, (file.stem for file in _files(context)))


def what_stops(context: click.Context, parameter: click.Parameter, begun: str) -> list[str]:
    """What `resume` lets go on, by name."""
    return [*campaigns(context, parameter, begun), *_that_begin(begun, _STANDING_STILL)]


def targets(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """The ids of the targets, of the campaign that stands on the line if there is one."""
    campaign = context.params.get("campaign")
    return _that_begin(begun, (id for file in _files(context) if campaign in {None, "", file.stem} for id in _targets(file)))


def reasons(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """The reasons that letters have by mailer's own word."""
    from mailer.campaign import Reason
    from mailer.delivery import RESTORED
    from mailer.outcome import TABLE

    return _that_begin(begun, [*map(str, Reason), RESTORED, *(row.reason for row in TABLE)])


def _that_begin(begun: str, words: Iterable[str]) -> list[str]:
    return sorted({word for word in words if word.startswith(begun)})


def _files(context: click.Context) -> list[Path]:
    """The campaigns' files of the instance that is meant."""
    from mailer.config import find

    main = find(context.find_root().params.get("config"), os.environ, Path.cwd())
    return sorted((main.parent / "campaigns").glob("*.yaml"))


def _targets(file: Path) -> list[str]:
    from mailer.config import yamls
    from mailer.config.problems import Problems

    node = yamls.load(file, file.name, Problems())
    found = node.value.get("targets") if node and isinstance(node.value, dict) else None
    return list(found.value) if found and isinstance(found.value, dict) else []
