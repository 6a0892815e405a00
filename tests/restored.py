"""Backups put back exactly as the operators' page says, and what the sandboxes on both sides then hold."""

from __future__ import annotations

import mailbox
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.installed import REPOSITORY, TIMEOUT, Said, environment

_PAGE = (REPOSITORY / "docs/operating.md").read_text(encoding="utf-8").split("## Put a backup back")[1].split("\n## ")[0]
ELSEWHERE, OVER = (block.splitlines() for block in re.findall(r"^```sh\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL))


# Root would be let in everywhere: without its rights it is an account like mailer's.
_WITHOUT_RIGHTS = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []


def typed(lines: Sequence[str], folder: Path, backup: Path) -> dict[str, Said]:
    """Type these lines into a shell, one after the other; gives what each command of mailer's said, by its second word."""
    said: dict[str, Said] = {}
    shell = [f"cd '{folder}'"]
    for chain in re.split(r"(?<!&&)\n", "\n".join(lines)):
        if chain.startswith("BACKUP="):
            shell.append(f"BACKUP='{backup}'")
        elif found := re.search(r"^mailer (\w+)", chain, re.MULTILINE):
            done = bash("\n".join([*shell, chain]))
            said[found[1]] = Said(done.returncode, done.stdout, done.stderr)
            shell += [f"cd {where}" for where in re.findall(r"^cd (\S+)", chain, re.MULTILINE)]
        else:
            shell.append(chain)
    return said


def bash(script: str, folder: Path = Path("/")) -> subprocess.CompletedProcess[str]:
    """Give these lines to a shell in a folder, without root's rights."""
    command = [*_WITHOUT_RIGHTS, "bash", "-c", script]
    return subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False)


def message_ids(*instances: Path) -> list[str]:
    """The Message-ID of each letter in the sandboxes of some instances."""
    boxes = [root / "var/sandbox" for root in instances if (root / "var/sandbox").is_dir()]
    return [str(message["Message-ID"]) for box in boxes for message in mailbox.Maildir(box, create=False)]
