"""
Instances to torture, and what was dropped into them: small, whole, and pointed at a server of this machine.

Each letter has four recipients, two of them its target, one a cc and one the campaign's copy, so that each can have its own
answer. Every signatory has canaries in name, address, city and message (`telling`). Each file holds one row twice and one that
is no signature, so that the accounts have something to add up.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mailer.config import Configuration
from tests.installed import LONG_AGO
from tests.offices import instance
from tests.relays import CC, COPY, TO
from tests.test_config.instance import Instance
from tests.torture import receipts
from tests.torture.farside import FarSide
from tests.torture.judged import Intent, Judged
from tests.torture.oracle import judge
from tests.torture.telling import CANARY, CITY, MESSAGE, NAME

# What comes back is due soon, but no run stays for it: the clock of the next run is moved (see `zygote`).
RETRY = "{first: 30, max: 60, give_up_after: 4000000, jitter: 0.1}"

SECOND = "deputy@court.example"
CAMPAIGN = f"""\
approval: none
consent: assumed
pace: none
copy_to: [{COPY}]
targets: {{court: {{name: Court, form_of_address: Dear Madam Chair, to: [{TO}, {SECOND}], cc: [{CC}], timezone: UTC}}}}
"""
LETTER = """\
{{ target.form_of_address }},

{{ signature.message }}

.hidden
Drop the charges. Снимите обвинения.

{{ signature.name }}, {{ signature.city }}, {{ today }}
"""


@dataclass(frozen=True)
class Ground:
    """An instance and what was dropped into it."""

    made: Instance
    intent: Intent

    @property
    def root(self) -> Path:
        return self.made.root

    @property
    def var(self) -> Path:
        return self.root / "var"

    @property
    def ledger(self) -> Path:
        """Where it stands, without reading the configuration again: for what must be quick, beside a run."""
        return self.var / "ledger.db"

    @property
    def loaded(self) -> Configuration:
        return self.made.load()

    def point_at(self, port: int, connections: int = 1, tls: str = "none") -> None:
        """From now on letters go to another server of this machine; `tls` with what belongs to it."""
        relay = f"mode: smtp, host: 127.0.0.1, port: {port}, connections: {connections}, tls: {tls}"
        self.made.write("config/mailer.yaml", f"relay: {{{relay}}}\nretry: {RETRY}\nrun_for: 1\nwhole_after: 0\n")

    def judge(self, far: FarSide, said: Sequence[str] = (), *, is_quiet: bool = True, cut_dots: int = 0) -> Judged:
        return judge(self.loaded, self.intent, far, said=said, is_quiet=is_quiet, cut_dots=cut_dots)


def ground(
    root: Path,
    port: int,
    *,
    files: int = 2,
    people: int = 3,
    connections: int = 1,
    tls: str = "none",
    sends_receipts: bool = False,
) -> Ground:
    """So many files with so many signatories each, all of one campaign."""
    made = instance(root, CAMPAIGN + ("receipt: all\n" if sends_receipts else ""))
    made.write("templates/c/en/receipt.txt.j2", receipts.TEMPLATE)
    made.write("templates/c/en/letter.txt.j2", LETTER)
    names: dict[str, str] = {}
    for file in range(files):
        here = {f"{CANARY}.{file}.{n}@private.example": f"{NAME} {file}.{n}" for n in range(people)}
        names |= here
        drop(made, f"{file}.csv", here)
    found = Ground(made, Intent(names, rows=files * (people + 2), known=files, refused=files, files=files))
    found.point_at(port, connections, tls)
    return found


def drop(made: Instance, file: str, people: dict[str, str]) -> None:
    """Lay a file into the incoming folder, old enough to be taken at once."""
    rows = [f'{name},{address},GB,{CITY},"{MESSAGE}"' for address, name in people.items()]
    path = made.write(
        f"var/queue/incoming/{file}", "\n".join(["name,email,country,city,message", *rows, rows[0], "nobody,nowhere,GB,,", ""])
    )
    os.utime(path, (LONG_AGO, LONG_AGO))
