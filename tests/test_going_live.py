"""No fresh copy can ever write to a ministry: what has to be done before one letter leaves, and what stops it again."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.installed import REPOSITORY, TIMEOUT, Place, environment, mailer
from tests.servers.threaded import ThreadedServer

UNCHECKED = "targets: {court: {name: Court, form_of_address: Dear Madam Chair, to: head@court.example, checked_on: }}\n"
CHECKED = UNCHECKED.replace("checked_on: ", "checked_on: 2011-09-20")
UNMARKED = UNCHECKED.replace(", checked_on: ", "")
NOTHING_LEAVES, NEEDS_A_PERSON = 0, 69


@pytest.fixture
def relay():
    with ThreadedServer() as server:
        yield server


def far_side(relay: ThreadedServer) -> list[str]:
    return [recipient for taken in relay.taken() for recipient in taken.recipients]


def asked(relay: ThreadedServer) -> int:
    """How often the server was told who writes to whom."""
    return sum(line.upper().startswith("MAIL") for lines in relay.record().commands.values() for line in lines)


@pytest.mark.parametrize(
    ("targets", "approval", "is_approved"), [*product([UNCHECKED, CHECKED, UNMARKED], ["required", "none"], [True, False])]
)
def test_a_letter_leaves_only_where_all_is_done(tmp_path, relay, targets, approval, is_approved):
    place = Place(tmp_path / "instance", f"pace: none\napproval: {approval}\n{targets}")
    place.relay(relay.port)
    if is_approved:
        assert place.mailer("approve", "c").code == 0
    place.drop(2)
    place.mailer("run")
    may_leave = targets != UNCHECKED and (is_approved or approval == "none")
    assert far_side(relay) == (["head@court.example"] * 2 if may_leave else [])
    assert bool(asked(relay)) is may_leave
    assert place.letters("accepted" if may_leave else "held") == 2


def test_a_copy_of_the_repository_pointed_at_a_relay_still_writes_to_nobody(tmp_path, relay):
    """The bundled campaign: its addresses are of 2011, and every `checked_on` stands empty."""
    folder = tmp_path / "copy"
    assert mailer(tmp_path, "demo", folder).code == 0
    (folder / "config/mailer.yaml").write_text(
        f"relay: {{mode: smtp, host: 127.0.0.1, port: {relay.port}, tls: none}}\nrun_for: 1\nwhole_after: 0\n", encoding="utf-8"
    )
    for name in ("google-forms.csv", "excel-russia.csv"):
        text = (REPOSITORY / "samples" / name).read_bytes().replace(b"example.", b"again.example.")
        (folder / "var/queue/incoming" / name).write_bytes(text)
    assert mailer(folder, "approve", "kazakhstan").code == 0
    mailer(folder, "run")
    assert asked(relay) == 0
    letters = mailer(folder, "status", "--json").json["campaigns"]["kazakhstan"]["letters"]
    assert letters["held"] > 60
    assert letters.get("queued", 0) == 0


def live(tmp_path: Path, relay: ThreadedServer) -> Place:
    """An instance that is approved and has sent one letter."""
    place = Place(tmp_path / "instance", f"pace: none\n{CHECKED}")
    place.relay(relay.port)
    assert place.mailer("approve", "c").code == 0
    place.drop(1)
    assert place.mailer("run").code == 0
    assert len(far_side(relay)) == 1
    return place


def edit(place: Place, name: str, old: str, new: str) -> None:
    path = place.root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


CAMPAIGN = "config/campaigns/c.yaml"


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("templates/c/en/letter.txt.j2", "Drop the charges", "Press the charges", "Press the charges"),
        ("templates/c/en/subject.txt.j2", "Letter of", "Threat of", "Threat of"),
        (CAMPAIGN, "head@court.example", "head@another.example", "head@another.example"),
        (CAMPAIGN, "to: head@court.example", "to: head@court.example, cc: [press@court.example]", "press@court.example"),
        (CAMPAIGN, "pace: none", "pace: none\ncopy_to: [copies@campaign.example]", "copies@campaign.example"),
        (CAMPAIGN, "letters@campaign.example", "others@campaign.example", "others@campaign.example"),
        (CAMPAIGN, "title: A title", "title: Another title", "Another title"),
    ],
)
def test_a_change_of_what_was_approved_holds_the_queue_and_is_shown(tmp_path, relay, name, old, new, said):
    place = live(tmp_path, relay)
    edit(place, name, old, new)
    place.drop(1, "more.csv", first=2)
    assert place.mailer("run").code == NEEDS_A_PERSON
    assert len(far_side(relay)) == 1
    assert place.letters("held") == 1
    assert said in place.mailer("approve", "c", "--diff").out
    assert place.mailer("approve", "c").code == 0
    assert place.mailer("run").code == 0
    assert place.letters("accepted") == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("pace: none", "pace: {per_minute: 7, per_hour: 70}"),
        ("pace: none", "pace: none\nwindow: {days: [mon, tue, wed, thu, fri, sat, sun], from: '00:00', to: '24:00'}"),
        ("pace: none", "pace: none\ndeadline: 2999-01-01"),
    ],
)
def test_a_change_of_when_letters_go_needs_no_new_approval(tmp_path, relay, old, new):
    place = live(tmp_path, relay)
    edit(place, CAMPAIGN, old, new)
    place.drop(1, "more.csv", first=2)
    assert place.mailer("run").code == 0
    assert len(far_side(relay)) == 2


def test_a_closed_target_gets_nothing_until_it_is_opened(tmp_path, relay):
    place = live(tmp_path, relay)
    edit(place, CAMPAIGN, "to: head@court.example", "to: head@court.example, closed: {reason: they asked us}")
    place.drop(1, "more.csv", first=2)
    place.mailer("run")
    assert len(far_side(relay)) == 1
    assert place.mailer("log", "--json", "--state", "held").lines[0]["reason"] == "target closed"
    edit(place, CAMPAIGN, ", closed: {reason: they asked us}", "")
    assert place.mailer("run").code == 0
    assert len(far_side(relay)) == 2


def test_a_directory_s_addresses_are_confirmed_one_by_one_and_a_change_of_one_needs_approval(tmp_path, relay):
    embassy = "targets: {embassy: {kind: embassy, name: Embassy, directory: embassies.yaml}}\n"
    place = Place(tmp_path / "instance", f"pace: none\n{embassy}")
    missions = "- {{country: AT, city: Vienna, email: vienna@embassy.example, checked_on: 2011-09-20}}\n"
    unconfirmed = "- {{country: IE, city: Dublin, email: {}, checked_on: {}}}\n"
    place.write("config/embassies.yaml", (missions + unconfirmed).format("dublin@embassy.example", "null"))
    place.relay(relay.port)
    assert place.mailer("approve", "c").code == 0
    place.put("two.csv", "name,email,country\nAn Austrian,at@example.org,AT\nAn Irishwoman,ie@example.org,IE\n")
    assert place.mailer("run").code == 0
    assert far_side(relay) == ["vienna@embassy.example"]
    (held,) = place.mailer("log", "--json", "--state", "held").lines
    assert held["reason"] == "address not confirmed"
    place.write("config/embassies.yaml", (missions + unconfirmed).format("eire@embassy.example", "2011-09-21"))
    assert place.mailer("run").code == NEEDS_A_PERSON
    assert "eire@embassy.example" in place.mailer("approve", "c", "--diff").out
    assert place.mailer("approve", "c").code == 0
    assert place.mailer("run").code == 0
    assert far_side(relay) == ["vienna@embassy.example", "eire@embassy.example"]


# Python itself tells of every name that is looked up and every connection that is opened, whichever library does it.
_WATCHED = """
import sys
seen = []
def watch(event, facts):
    if event == "socket.connect":
        seen.append(("connect", facts[1]))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        seen.append(("lookup", facts[0]))
sys.addaudithook(watch)
from mailer.cli import main
try:
    main()
finally:
    print(seen, file=sys.stderr)
"""


@pytest.mark.parametrize("mode", ["sandbox", "file"])
def test_without_a_relay_no_connection_leaves_this_machine_and_no_name_is_looked_up(tmp_path, relay, mode):
    place = Place(tmp_path / "instance", f"pace: none\n{CHECKED}")
    somewhere = f"host: 127.0.0.1, port: {relay.port}, tls: none"
    place.write("config/mailer.yaml", f"relay: {{mode: {mode}, {somewhere}}}\nrun_for: 1\nwhole_after: 0\n")
    place.drop(3)
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, "run"],
        cwd=place.root,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert "Letters: 3 accepted" in done.stdout
    seen = ast.literal_eval(done.stderr.splitlines()[-1])
    assert bool(seen) is (mode == "sandbox")
    hosts = {host for kind, facts in seen for host in [facts[0] if kind == "connect" else facts]}
    assert hosts <= {"127.0.0.1"}
    assert relay.record().connections == 0


def test_a_check_refuses_the_approval_of_what_cannot_be_written(tmp_path, relay):
    place = Place(tmp_path / "instance", f"pace: none\n{CHECKED}")
    place.relay(relay.port)
    edit(place, "templates/c/en/letter.txt.j2", "{{ signature.name }}", "{{ signature.nmae }}")
    assert place.mailer("approve", "c").code == NEEDS_A_PERSON
    place.drop(1)
    assert place.mailer("run").code == NEEDS_A_PERSON
    assert asked(relay) == 0


def test_letters_of_a_rehearsal_are_named_before_it_goes_live(tmp_path, relay):
    place = Place(tmp_path / "instance", f"pace: none\n{CHECKED}")
    place.drop(3)
    assert place.mailer("run").code == 0
    place.relay(relay.port)
    assert "3 letters went to the sandbox" in place.mailer("check").out
    assert "3 letters went to the sandbox" in place.mailer("approve", "c").err
