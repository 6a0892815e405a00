"""
What organisers' tools export, tool by encoding by quirk: each file in `data/files` comes to what `expected.tsv` says.

The files and what is expected of them are written by `data/files/make.py`. Each is taken in twice, as an organiser drops it
twice: the second time everybody who was taken is known.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import unicodedata
import zipfile
from pathlib import Path

import apsw
import pytest

from mailer import app, log
from mailer.intake import Intake
from mailer.ledger import Count
from mailer.signature import unpack
from tests.data.files import make
from tests.offices import ONE_TARGET, Scene, another_campaign, at_work, instance

FOLDER = Path(__file__).parent / "data/files"
with (FOLDER / "expected.tsv").open(encoding="utf-8", newline="") as table:
    EXPECTED = {row["file"]: row for row in csv.DictReader(table, delimiter="\t")}


def test_there_are_sixty_files_and_no_other():
    lying = {str(path.relative_to(FOLDER)) for path in FOLDER.glob("*/*") if "__pycache__" not in path.parts}
    assert lying == EXPECTED.keys()
    assert len(EXPECTED) >= 60
    assert len({row["encoding"] for row in EXPECTED.values()}) >= 12


@pytest.mark.parametrize("file", make.FILES, ids=lambda file: file.name)
def test_a_file_is_what_its_maker_writes(file):
    assert unpacked(file.name, (FOLDER / file.name).read_bytes()) == unpacked(file.name, make.content(file))


def unpacked(name: str, content: bytes) -> object:
    """What a file holds, without how one version of zlib or another packed it."""
    if name.endswith(".gz"):
        return gzip.decompress(content)
    if ".xls" in name:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {part: archive.read(part) for part in archive.namelist()}
    return content


async def taken_in(scene: Scene, name: str, round: int) -> Count:
    """Drop one file into its campaign's folder and take it in; gives its accounts."""
    row = EXPECTED[name]
    parts = Path(name).name.split(".")
    parts[0] = f"{name.partition('/')[0]}-{parts[0]}-{round}"
    path = scene.made.write(f"var/queue/incoming/{row['campaign']}/{'.'.join(parts)}", (FOLDER / name).read_bytes())
    os.utime(path, (scene.time.now - 60, scene.time.now - 60))
    office = scene.office
    intake = Intake(app.spool_of(office.configuration), office.ledger, office.desks, scene.time.clock, log.Watch())
    (result,) = await intake.take_ready()
    assert result.reason == ""
    return result.count


async def test_every_file_comes_to_what_is_expected_of_it_and_twice_to_nothing_new(tmp_path):
    made = instance(tmp_path, ONE_TARGET.replace("consent: assumed", "consent: required\nopens: 2011-09-15"))
    another_campaign(made, "assumed", ONE_TARGET + "sender: {name: Us, address: us@private.example}\nopens: 2011-09-15\n")
    wrong = {}
    async with at_work(made) as scene:
        app.spool_of(scene.office.configuration).prepare(scene.office.configuration.campaigns)
        for name, row in EXPECTED.items():
            rows, taken, known, rejected = (int(row[key]) for key in ("rows", "taken", "known", "rejected"))
            first, second = await taken_in(scene, name, 1), await taken_in(scene, name, 2)
            if first != Count(rows, taken, known, rejected) or second != Count(rows, 0, taken + known, rejected):
                wrong[name] = (first, second)
        assert wrong == {}
        written = {f"{first} {last}" for file in make.FILES for first, last, _ in file.names[: file.good]}
        assert names_in(scene) == {unicodedata.normalize("NFC", name) for name in written}


def names_in(scene: Scene) -> set[str]:
    """Every name that stands in the ledger, opened: no letter is another than in its file."""
    found = set()
    for id, desk in scene.office.desks.items():
        with apsw.Connection(str(scene.made.root / "var/ledger.db")) as db:
            for (sealed,) in db.execute("SELECT sealed FROM signature WHERE campaign = ?", (id,)):
                found.add(unpack(desk.seal.open(sealed))[0].name)
    return found
