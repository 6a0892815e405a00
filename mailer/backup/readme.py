"""
What a backup's `README.txt` says: what is in it, where that was, and the commands that put it back there.

The commands are one chain: each is only done where those before it went well, and none of them writes over a file. What they
move aside, as far as it is there, goes into a folder in the ledger's own, where the account that owns the ledger may make one,
whatever lies around it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from mailer.ledger import schema


def readme(
    moment: datetime,
    *,
    main: Path,
    ledger: Path,
    journal: Path,
    templates: Path,
    keys: Path,
    signing: Mapping[str, Path],
    with_keys: bool,
) -> str:
    """The text, of a backup of these files; `main` is the configuration's own."""
    return _README.format(
        moment=f"{moment:%Y-%m-%d %H:%M:%S}",
        release=schema.release() or "(not installed)",
        keys=f"the keys, from {keys}" if with_keys else _NO_KEYS.format(keys=keys),
        signing="".join(_signing(signing, with_keys)),
        configuration=main.parent,
        templates=templates,
        ledger=shlex.quote(str(ledger)),
        journal=shlex.quote(str(journal)),
        main=shlex.quote(str(main)),
        var=shlex.quote(str(ledger.parent)),
        folders=shlex.join(dict.fromkeys((str(ledger.parent), str(journal.parent)))),
        ledgers=shlex.quote(f"{ledger.name}*"),
        journals=shlex.quote(journal.name),
    )


def _signing(keys: Mapping[str, Path], with_keys: bool) -> Iterator[str]:
    """A line for each key that signs, and nothing where none does."""
    for name, key in sorted(keys.items()):
        yield (_SIGNING if with_keys else _NO_SIGNING).format(name=name, key=key)


_SIGNING = "signing/        {name}: a key that signs letters (DKIM), from {key}\n"
_NO_SIGNING = (
    "signing/        not in it: a key that signs letters (DKIM), from {key}; a new one, under a new selector, will do\n"
)
_NO_KEYS = "not in it: without them nobody can read or send from it. They were in {keys}"
_README = """\
A backup of mailer, made on {moment} UTC by mailer {release}.

ledger.db       the ledger as it stood then, from {ledger}
journal.jsonl   its journal, to the ledger's last line
configuration/  from {configuration}
templates/      from {templates}
keys/           {keys}
{signing}
Is it whole?  mailer verify FOLDER    or, here and without mailer:    sha256sum --check --quiet SHA256SUMS

To put it back where it came from: stop mailer, then, as mailer's user and in this folder, give all of these lines. If one
fails, those behind it are not done, and nothing is lost: what stood there stands there, or in the folder that is made first.

    BEFORE={var}/before-$(date -u +%Y%m%dT%H%M%SZ) &&
    mkdir -m 700 "$BEFORE" &&
    find {folders} -maxdepth 1 \\( -name {ledgers} -o -name {journals} \\) -exec mv -t "$BEFORE" {{}} + &&
    cp -n ledger.db {ledger} &&
    cp -n journal.jsonl {journal} &&
    mailer --config {main} run

That run sends nothing: it says that this is a backup, and what to do. What had gone out since is told by the journal that was
moved away; the folders of the queue stay, for what lies in done/ tells mailer whom it has written for since. Once you have
looked into it, remove the folder that was made: whoever is erased later would still be in it.
"""
