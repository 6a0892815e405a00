"""An instance on disk that is whole, for a test to break or to fill."""

from __future__ import annotations

import re
from pathlib import Path

from mailer import config
from mailer.config import Configuration
from mailer.errors import ConfigurationError
from tests.editors import complaints

REQUIRED = """\
id: c
title: A title
languages: {default: en}
sender: {name: Sender, address: letters@campaign.example}
targets: {court: {name: Court, to: head@court.example}}
"""
EMBASSY = "targets: {embassy: {kind: embassy, name: E, directory: embassies.yaml}}\n"
DIRECTORY = "- {country: AT, city: Vienna, email: vienna@embassy.example, covers: [SI], checked_on: 2011-09-20}\n"


class Instance:
    """An instance on disk, whole as it stands; a test changes what it is about."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("config/mailer.yaml", "")
        self.campaign("")
        self.write("config/embassies.yaml", DIRECTORY)
        for name in ("subject.txt.j2", "letter.txt.j2"):
            self.write(f"templates/c/en/{name}", "text")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def campaign(self, snippet: str) -> None:
        """The campaign `c`: the snippet, and behind it what is required and not in it."""
        mine = set(re.findall(r"^(\w+):", snippet, re.MULTILINE))
        rest = [line for line in REQUIRED.splitlines(True) if line.partition(":")[0] not in mine]
        self.write("config/campaigns/c.yaml", snippet + "".join(rest))

    def load(self, **environ: str) -> Configuration:
        """The configuration; an editor has nothing against what is taken (see `schema`)."""
        loaded = config.load(self.root / "config/mailer.yaml", environ)
        read = [loaded.path, *(self.root / f"config/campaigns/{id}.yaml" for id in loaded.campaigns)]
        assert [said for path in read for said in complaints(path)] == []
        return loaded

    def problems(self, **environ: str) -> list[str]:
        try:
            self.load(**environ)
        except ConfigurationError as error:
            return list(error.problems)
        return []
