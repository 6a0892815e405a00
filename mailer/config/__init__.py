"""
The configuration: YAML files become the Settings and nouns that all other parts work with.

    config/mailer.yaml  config/campaigns/<id>.yaml  config/embassies.yaml  templates/  ->  Configuration

`load` reads everything once and either returns a whole Configuration or raises with all problems of all files
together, each as `file:line: path: problem`: unknown keys, wrong values, targets that nobody could reach, templates
that are not there. The parts of a file each have a module (`main_file`, `password`, `campaigns`, `senders`, `signing`,
`targets`, `directories`, `replies`); they read it through `section`, which reads `yamls`. When to load again, `watched` tells;
whether somebody else could have written it, `writers`.

It opens no connection, asks no DNS, renders no template (see `checks`) and makes no folder. Below the front nobody
sees it: each part gets only its own Settings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mailer.campaign import UNPACED, Campaign, Pace
from mailer.config import campaigns, main_file, writers, yamls
from mailer.config.campaigns import Surroundings
from mailer.config.directories import Directories
from mailer.config.problems import Place, Problems, relative
from mailer.config.section import Section, nothing
from mailer.config.watched import Fingerprint, fingerprint, look, root_of
from mailer.delivery import Retry
from mailer.errors import ConfigurationError
from mailer.mailboxes import Settings as Mailbox
from mailer.outcome import TABLE, Rule
from mailer.relay.settings import Mode, Settings
from mailer.resolver import Settings as Dns

__all__ = ["FILE", "SYSTEM", "VARIABLE", "Configuration", "find", "fingerprint", "load"]

VARIABLE = "MAILER_CONFIG"
FILE = "mailer.yaml"
SYSTEM = Path("/etc/mailer") / FILE


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    One instance as configured. All paths are absolute; `root` is the folder from which relative ones counted, `beside` the
    files that it names (the relay's, the keys that sign), and `seen` what all files looked like before they were read. With
    `hindrances` it is whole for whoever does not speak to the relay.
    """

    path: Path
    root: Path
    relay: Settings
    spool: Path
    ledger: str
    journal: Path
    keys: Path
    templates: Path
    beside: tuple[Path, ...]
    seen: Fingerprint
    retry: Retry
    group: str
    run_for: float
    whole_after: float
    keep_files_days: int
    campaigns: Mapping[str, Campaign]
    warnings: tuple[str, ...] = ()
    hindrances: tuple[str, ...] = ()
    replies: tuple[Rule, ...] = TABLE
    dns: Dns = field(default_factory=Dns)
    pace: Pace = UNPACED
    domain_pace: Pace = UNPACED
    inbox: tuple[Mailbox, ...] = ()
    relay_log: Path | None = None

    @property
    def live(self) -> bool:
        """Whether letters go to a real relay, so that approvals and confirmed addresses are asked for."""
        return self.relay.mode is Mode.SMTP


def find(explicit: str | None, environ: Mapping[str, str], cwd: Path, system: Path = SYSTEM) -> Path:
    """
    Say which mailer.yaml is meant: the one of `--config`, else of MAILER_CONFIG, else the usual places.

    Raises:
        ConfigurationError: there is none; with where it was looked for and what to do.
    """
    for source, named in (("--config", explicit), (VARIABLE, environ.get(VARIABLE))):
        if named:
            path = Path(os.path.abspath(cwd / named))
            if os.path.isfile(path):
                return path
            raise ConfigurationError([f"{path}:1: there is no such file ({source} names it)"])
    usual = (Path(os.path.abspath(cwd / "config" / FILE)), system)
    for path in usual:
        if os.path.isfile(path):
            return path
        if path.parent.is_dir() and not os.access(path.parent, os.X_OK, effective_ids=True):
            said = "you may not look at it; commands are run as the service's user: sudo -u mailer mailer …"
            raise ConfigurationError([f"{path}:1: {said}"])
    looked = " and ".join(str(path) for path in usual)
    said = f"there is no configuration: looked for {looked}; `mailer init` makes one, --config PATH names another"
    raise ConfigurationError([f"{usual[0]}:1: {said}"])


def load(path: Path, environ: Mapping[str, str]) -> Configuration:
    """
    Read the configuration whose main file is `path`, with its campaigns, directories and templates.

    Raises:
        ConfigurationError: with every problem of every file.
    """
    path = Path(os.path.abspath(path))
    seen, root = fingerprint(path), root_of(path)  # what changes from here on is not what was read
    problems = Problems()
    if found := writers.of_main(path, root):  # not a word is read of what anybody could have written
        raise ConfigurationError(found)
    main = main_file.read(_section(path, root, problems) or nothing(problems), root, environ)
    if found := writers.of_rest(path, root, main.editors):
        raise ConfigurationError((*problems.lines, *found))
    read = _campaigns(path, root, main.relay.mode is Mode.SMTP, problems)
    if problems.lines:
        raise ConfigurationError(problems.lines)
    keys = tuple(Path(each.key_file) for campaign in read.values() for each in campaign.dkim)
    return Configuration(
        path=path,
        root=root,
        relay=main.relay,
        spool=main.spool,
        ledger=str(main.ledger),
        journal=main.journal,
        keys=main.ledger.parent / "keys",
        templates=root / "templates",
        beside=(*main.beside, *keys),
        seen=seen | main.seen | look(keys),
        retry=main.retry,
        group=main.group,
        run_for=main.run_for,
        whole_after=main.whole_after,
        keep_files_days=main.keep_files_days,
        campaigns=read,
        warnings=problems.warnings,
        hindrances=problems.hindrances,
        replies=(*main.replies, *TABLE),
        dns=main.dns,
        pace=main.pace,
        domain_pace=main.domain_pace,
        inbox=main.inbox,
        relay_log=main.relay_log,
    )


def _campaigns(main: Path, root: Path, live: bool, problems: Problems) -> dict[str, Campaign]:
    """The campaigns of the files beside the main one, by id."""
    folder = main.parent / "campaigns"
    around = Surroundings(live, root, root / "templates", Directories(main.parent, root, problems))
    files = _campaign_files(folder, root, problems)
    if not files:
        said = f"there is none; write one as {relative(folder, root)}/ID.yaml (`mailer init DIR` makes an example)"
        problems.note(Place(relative(main, root), path="campaigns"), said)
    found = {}
    for file in files:
        if section := _section(file, root, problems):
            found[file.stem] = campaigns.read(section, file.stem, around)
    return found


def _campaign_files(folder: Path, root: Path, problems: Problems) -> list[Path]:
    """The campaigns' files, in the order of their names. What looks like one and is not read is told."""
    files = []
    try:
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    except OSError as problem:
        names = []
        problems.note(Place(relative(folder, root)), f"cannot be read: {problem.strerror}")
    for name in names:
        file = folder / name
        if file.suffix == ".yml":
            problems.note(Place(relative(file, root)), "is not read under this name; a campaign's file ends in .yaml")
        elif file.suffix == ".yaml" and not name.startswith("."):
            files.append(file)
    return files


def _section(path: Path, root: Path, problems: Problems) -> Section | None:
    name = relative(path, root)
    node = yamls.load(path, name, problems)
    return Section(node, Place(name), problems) if node else None
