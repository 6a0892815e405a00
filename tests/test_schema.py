"""The JSON Schema for editors: it takes what the loader takes, and refuses what one file alone shows to be wrong."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from mailer.config import schema
from mailer.config.keys import Declared, Key, Named, Part, Rows
from tests import editors
from tests.editors import complaints, read
from tests.installed import REPOSITORY, mailer
from tests.keys import pem
from tests.test_config.instance import REQUIRED, Instance
from tests.test_config.test_problems import cases
from tests.test_docs import blocks

# What no editor can know: it takes several keys, files, the calendar or the machine to see it. By the cases' titles.
ONLY_THE_LOADER = {
    "A longest wait that is shorter than the first",
    "No TLS to a host elsewhere",
    "A name that only begins like this machine's",
    "A user name without a password",
    "Two sources of a password, though neither is used yet",
    "A certificate authority that is not there",
    "One file for two things",
    "A group that is not there",
    "What a row about replies must not say",
    "An id that is not the file's",
    "A default language that is not available",
    "Languages without templates",
    "A deadline before the opening",
    "A window that closes before it opens",
    "A copy address that a directory lists",
    "A digest that goes to nobody",
    "Receipts without a template",
    "The sender as a target, by itself and by a directory",
    "A sender in the domain of those who sign",
    "A time zone that is a folder, or leaves its own",
    "A directory that is not there, and one elsewhere",
    "Fallbacks that lead nowhere or in a circle",
    "A mission that stands twice",
    "A mission that covers its own country",
}


@pytest.mark.parametrize("file", schema.FILES)
def test_each_schema_is_one_and_is_what_the_command_prints(file, tmp_path):
    Draft202012Validator.check_schema(schema.of(file))
    said = mailer(tmp_path, "schema", file)
    assert said.code == 0 and json.loads(said.out) == schema.of(file)


def test_the_main_file_s_is_printed_unless_told(tmp_path):
    assert json.loads(mailer(tmp_path, "schema").out)["title"] == "mailer.yaml"
    assert mailer(tmp_path, "schema", "nonsense").code == 64


def test_the_bundled_configuration_is_taken():
    found = [*REPOSITORY.glob("config/*.yaml"), *REPOSITORY.glob("config/campaigns/*.yaml")]
    assert len(found) >= 3
    for path in found:
        assert complaints(path) == []


def test_the_configuration_of_the_documents_is_taken(tmp_path):
    main, campaign = blocks("yaml")
    made = Instance(tmp_path)
    assert complaints(made.write("config/mailer.yaml", main)) == []
    assert complaints(made.write("config/campaigns/kazakhstan.yaml", campaign)) == []
    for page in ("operating", "design"):
        for rows in blocks("yaml", (REPOSITORY / f"docs/{page}.md").read_text(encoding="utf-8")):
            assert complaints(made.write("config/mailer.yaml", rows)) == []


CASES = [
    pytest.param(place, *case.values, id=str(case.id))
    for name, place in {
        "mailer": "config/mailer.yaml",
        "campaign": "config/campaigns/c.yaml",
        "targets": "config/campaigns/c.yaml",
        "directory": "config/embassies.yaml",
    }.items()
    for case in cases(name)
]


@pytest.mark.parametrize(("place", "snippet", "expected"), CASES)
def test_what_the_loader_refuses_an_editor_underlines_where_it_can_see_it(place, snippet, expected, tmp_path, request):
    made = Instance(tmp_path)
    path = made.write(place, snippet)
    if place.endswith("c.yaml"):
        made.campaign(snippet)
    title = request.node.callspec.id
    assert bool(complaints(path)) == (title not in ONLY_THE_LOADER and bool(expected)), complaints(path)


def every(declared: Declared, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Declared]:
    """All keys below a declaration, by their way."""
    match declared:
        case Part():
            below = declared.keys
        case Rows():
            below = declared.row.keys
        case Named() if isinstance(declared.of, Part):
            below = declared.of.keys
        case _:
            below = ()
    found = {(*path, key.name): key for key in below}
    return found | {way: key for one in below for way, key in every(one, (*path, one.name)).items()}


@pytest.mark.parametrize("file", schema.FILES.values(), ids=schema.FILES)
def test_every_key_has_a_sentence_on_it(file):
    for way, key in every(file).items():
        assert re.fullmatch(r"[A-Z0-9a-z].*\.", key.says, re.DOTALL) and key.says.isascii(), way


WHOLE_MAIN = """\
relay: {mode: smtp, host: h.example.org, port: "587", tls: implicit, ca_file: ca.pem, username: u, password_file: p,
  password_credential: , connections: 1, dot_timeout: 6e2, log: mail.log,
  pace: {per_minute: 1, per_hour: 2, per_day: 3}, domain_pace: {per_minute: 1, per_hour: 2, per_day: 3}}
spool: var/q
ledger: var/l.db
journal: var/j.jsonl
retry: {first: 1, max: 2, give_up_after: 3, jitter: .5}
group: root
editors: root
run_for: 5
whole_after: 0
keep_files_days: 3
replies:
- {stage: [rcpt, mail], code: 550, enhanced: 5.7.1, pattern: x, class: deferred, scope: relay, reason: 2011}
dns: {nameserver: 192.0.2.53, port: 5353}
inbox:
- maildir: md
- {host: h.example.org, port: 993, tls: implicit, ca_file: ca.pem, username: u, password_file: p, folder: INBOX}
"""
WHOLE_CAMPAIGN = """\
id: c
title: 2011
languages: {default: en, available: [en], prefer: signatory}
sender: {name: S, address: s@campaign.example, bounce_address: "b+{token}@campaign.example"}
dkim: {selector: 2011, key_file: key.pem, domain: campaign.example}
copy_to: one@campaign.example
copy_policy: none
approval: none
consent: assumed
confirmation: none
receipt: off
organisers: {anna: anna@campaign.example}
opens: 2011-09-15
deadline:
pace: {per_minute: none, per_hour: 5, per_day: 6}
window: {days: [mon], from: 9:00, to: "24:00", holidays: open}
columns: {name: Your name}
addresses: {role: refuse, disposable: refuse, plus_tag: same, gmail_dots: same}
in_doubt: {resend_after: 24}
targets:
  a: {kind: office, name: {en: A}, form_of_address: Dear, to: [a@a.example], cc: b@a.example, phone: 7172747570,
    postal_address: "1 Street\\nTown", language: en, timezone: UTC,
    country: KZ, checked_on: 2011-09-20, closed: {reason: because}}
  1st: {kind: embassy, name: 1, directory: embassies.yaml, fallback: a, closed: moved}
"""
WHOLE_DIRECTORY = """\
- {country: NO, timezone: Europe/Oslo, city: Oslo, email: o@o.example, covers: [IS],
  website: w, email_source: s, checked_on: 2011-09-20}
"""


def test_what_is_declared_is_read_and_what_is_read_is_declared(tmp_path):
    """Each declared key stands here; one that no reader asked for would be unknown, one that a reader does not know as well."""
    made = Instance(tmp_path)
    files = {
        "main": made.write("config/mailer.yaml", WHOLE_MAIN),
        "campaign": made.write("config/campaigns/c.yaml", WHOLE_CAMPAIGN),
        "directory": made.write("config/embassies.yaml", WHOLE_DIRECTORY),
    }
    for name in ("ca.pem", "p"):
        made.write(name, "secret").chmod(0o600)
    for part in ("new", "cur"):
        (made.root / "md" / part).mkdir(parents=True)
    made.write("key.pem", pem("ed25519").decode("ascii")).chmod(0o600)
    loaded = made.load()
    assert loaded.relay.port == 587 and loaded.campaigns["c"].title == "2011"
    for file, path in files.items():
        written = set(ways(read(path)))
        missing = {way for way in every(schema.FILES[file]) if way not in written}
        assert missing == set(), f"{file}: not in this test"
        assert complaints(path) == []


def ways(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The way to each key of a file; the targets' own names are left out of it."""
    if isinstance(node, list):
        return [way for item in node for way in ways(item, path)]
    if not isinstance(node, dict):
        return []
    if path == () and "targets" in node:
        node = node | {"targets": list(node["targets"].values())}
    return [way for key, item in node.items() for way in ((*path, str(key)), *ways(item, (*path, str(key))))]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config/mailer.yaml", ""),
        ("config/mailer.yaml", "relay:\nretry: {}\nreplies: []\ngroup: ''\nrun_for: ~\n"),
        ("config/campaigns/c.yaml", REQUIRED),
        ("config/campaigns/c.yaml", REQUIRED + "pace: none\nwindow: {}\nopens:\ncopy_to: []\ncolumns:\nreceipt: null\n"),
        ("config/campaigns/c.yaml", REQUIRED.replace("name: Court", "name: , form_of_address: '', closed: {}, cc: []")),
    ],
)
def test_a_key_without_a_value_is_an_absent_one(tmp_path, name, text):
    made = Instance(tmp_path)
    path = made.write(name, text)
    made.load()
    assert complaints(path) == []


# Texts that people write, and that some would write; a line each, with Python's escapes.
TEXTS = [
    line.encode("latin-1", "backslashreplace").decode("unicode_escape")
    for line in (REPOSITORY / "tests/data/config/texts.txt").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("file", schema.FILES)
def test_whatever_a_key_s_reader_takes_the_schema_takes(file):
    taken = 0
    for way, key in every(schema.FILES[file]).items():
        if not isinstance(key, Key) or way[-1] in ("group", "editors"):  # whether there is such a group only the machine knows
            continue
        validator = Draft202012Validator(schema._declared(key))
        for written in TEXTS:
            try:
                key.means(written.strip())
            except ValueError:
                continue
            taken += 1
            for value in (written, plain(written)):
                assert validator.is_valid(value), (way, value)
    assert taken > 100


def plain(written: str) -> Any:
    """What the text is for an editor where it stands without quotes, if it can."""
    try:
        value = yaml.load(written, editors.Core)
    except yaml.YAMLError:
        return written
    return value if isinstance(value, str | int | float | bool) else written
