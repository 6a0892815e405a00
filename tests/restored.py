"""Backups put back exactly as the operators' page says, and what the sandboxes on both sides then hold."""

from __future__ import annotations

import mailbox
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.installed import REPOSITORY, TIMEOUT, Said, environment

_PAGE = (REPOSITORY / "docs/operating.md").read_text(encoding="utf-8").split("## Put a backup back")[1].split("\n## ")[0]
ELSEWHERE, OVER = (block.splitlines() for block in re.findall(r"^```sh\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL))


def typed(lines: Sequence[str], folder: Path, backup: Path) -> dict[str, Said]:
    """Type these lines into a shell, one after the other; gives what each command of mailer's said, by its second word."""
    said: dict[str, Said] = {}
    shell = ["set -e", f"cd '{folder}'"]
    for line in lines:
        if line.startswith("BACKUP="):
            shell.append(f"BACKUP='{backup}'")
        elif line.startswith("mailer "):
            done = _run([*shell, line])
            said[line.split()[1]] = Said(done.returncode, done.stdout, done.stderr)
        else:
            shell.append(line)
            assert _run(shell).returncode == 0, line
            shell = shell[:-1] + ([line] if line.startswith("cd ") else [])
    return said


def _run(lines: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", "-c", "\n".join(lines)]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False)


def message_ids(*instances: Path) -> list[str]:
    """The Message-ID of each letter in the sandboxes of some instances."""
    boxes = [root / "var/sandbox" for root in instances if (root / "var/sandbox").is_dir()]
    return [str(message["Message-ID"]) for box in boxes for message in mailbox.Maildir(box, create=False)]
