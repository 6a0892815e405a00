"""What a right configuration means."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mailer import config
from mailer.address import parse
from mailer.campaign import Channel, Pace, Window, worded
from mailer.config import yamls
from mailer.config.problems import Problems
from mailer.delivery import Retry
from mailer.outcome import TABLE, Reply, Scope, Stage, Verdict, judge
from mailer.relay.settings import Mode, Tls
from tests.test_config.instance import DIRECTORY, EMBASSY

REPOSITORY = Path(__file__).resolve().parents[2]


def test_an_empty_main_file_has_all_defaults(instance):
    loaded = instance.load()
    root = instance.root
    assert (loaded.path, loaded.root) == (root / "config/mailer.yaml", root)
    assert (loaded.spool, loaded.journal, loaded.keys) == (
        root / "var/queue",
        root / "var/journal.jsonl",
        root / "var/keys",
    )
    assert (loaded.ledger, loaded.templates) == (str(root / "var/ledger.db"), root / "templates")
    assert (loaded.retry, loaded.group, loaded.run_for, loaded.live) == (Retry(), "", 240, False)
    assert (loaded.relay.mode, loaded.relay.folder) == (Mode.SANDBOX, root / "var/sandbox")
    assert (loaded.relay.port, loaded.relay.tls, loaded.relay.connections) == (587, Tls.STARTTLS, 10)
    assert (loaded.relay.dot_timeout, loaded.warnings) == (600, ())


def test_everything_that_a_main_file_can_say(instance):
    secret = instance.write("secret", "s3 cret\n")
    secret.chmod(0o640)
    instance.write("ca.pem", "")
    instance.write(
        "config/mailer.yaml",
        f"""\
        relay: {{mode: smtp, host: smtp.example.org, port: 2525, tls: implicit, ca_file: ca.pem, username: letters,
                password_file: {secret}, connections: 010, dot_timeout: 900}}
        spool: /srv/spool
        ledger: data/ledger.db
        journal: data/journal
        retry: {{first: 1.5, max: 2e3, give_up_after: 0, jitter: 0}}
        run_for: 60
        """,
    )
    loaded = instance.load()
    relay = loaded.relay
    assert (relay.host, relay.port, relay.tls, relay.connections) == ("smtp.example.org", 2525, Tls.IMPLICIT, 10)
    assert (relay.username, relay.password, relay.ca_file) == ("letters", "s3 cret", instance.root / "ca.pem")
    assert (loaded.spool, loaded.keys) == (Path("/srv/spool"), instance.root / "data/keys")
    assert loaded.retry == Retry(1.5, 2000, 0, 0)
    assert loaded.live
    assert "s3 cret" not in repr(loaded)


def test_letters_for_files_lie_beside_the_spool(instance):
    instance.write("config/mailer.yaml", "relay: {mode: file}\nspool: /srv/letters/queue\n")
    assert instance.load().relay.folder == Path("/srv/letters/outbox")


def test_implicit_tls_has_its_own_port(instance):
    instance.write("config/mailer.yaml", "relay: {mode: smtp, host: smtp.example.org, tls: implicit}\n")
    assert instance.load().relay.port == 465


def test_a_campaign_with_what_is_required_has_all_defaults(instance):
    campaign = instance.load().campaigns["c"]
    assert (campaign.id, campaign.title, campaign.languages, campaign.prefers_signatory) == (
        "c",
        "A title",
        ("en",),
        False,
    )
    assert (campaign.copy_to, campaign.approval_required, campaign.consent_required) == ((), True, True)
    assert (campaign.opens, campaign.deadline, campaign.window, campaign.columns) == (None, None, None, {})
    court = campaign.targets["court"]
    assert (court.kind, court.channel, court.confirmed, court.closed) == ("office", Channel.EMAIL, True, "")


def test_everything_that_a_campaign_can_say(instance):
    instance.write("templates/c/ru/subject.txt.j2", "")
    instance.write("templates/c/ru/letter.txt.j2", "")
    instance.campaign("""\
title: 2011
languages: {default: ru, available: [en, ru], prefer: signatory}
sender: {name: "Off", address: letters@campaign.example, bounce_address: "bounces+{token}@campaign.example"}
copy_to: [a@campaign.example, letters@campaign.example]
copy_policy: every
approval: none
consent: assumed
confirmation: none
receipt: off
opens: 2011-09-15
deadline: 2011-12-31
pace: {per_minute: none, per_hour: 100}
window: {days: [sat, sun], from: "9:00", to: "24:00"}
columns: {name: "Your full name:"}
""")
    campaign = instance.load().campaigns["c"]
    assert (campaign.title, campaign.default_language, campaign.languages) == ("2011", "ru", ("en", "ru"))
    assert (campaign.prefers_signatory, campaign.approval_required, campaign.consent_required) == (True, False, False)
    assert (campaign.sender.name, campaign.sender.bounce_address) == ("Off", "bounces+{token}@campaign.example")
    assert [str(copy) for copy in campaign.copy_to] == ["a@campaign.example", "letters@campaign.example"]
    assert (campaign.opens, campaign.deadline) == (date(2011, 9, 15), date(2011, 12, 31))
    assert campaign.pace == Pace(None, 100)
    assert campaign.window == Window(frozenset({5, 6}), 540, 1440)
    assert campaign.columns == {"name": "Your full name:"}


def test_everything_that_a_target_can_say(instance):
    instance.campaign("""\
targets:
  court:
    kind: office
    name: {en: Court, no: Domstol}
    form_of_address: Dear Chair
    to: [a@court.example, b@court.example]
    cc: c@court.example
    phone: 77172747570
    postal_address: "Street 1\\nTown"
    language: no
    timezone: Asia/Almaty
    checked_on: 2011-09-20
    closed: {reason: "moved: see below"}
  empty: {name: E, to: e@court.example, checked_on: }
  phone: {kind: phone, name: P, phone: "+7 7172 745524"}
  post: {kind: post, name: P, postal_address: "Street 1"}
  embassy: {kind: embassy, name: E, directory: embassies.yaml, fallback: hold}
  second: {kind: embassy, name: E, directory: embassies.yaml, fallback: court, cc: d@court.example}
""")
    targets = instance.load().campaigns["c"].targets
    court = targets["court"]
    assert (worded(court.name, "no"), worded(court.form_of_address, "en")) == ("Domstol", "Dear Chair")
    assert [str(address) for address in (*court.to, *court.cc)] == [
        "a@court.example",
        "b@court.example",
        "c@court.example",
    ]
    assert (court.phone, court.postal_address, court.language) == ("77172747570", "Street 1\nTown", "no")
    assert (court.timezone, court.confirmed, court.closed) == (ZoneInfo("Asia/Almaty"), True, "moved: see below")
    assert not targets["empty"].confirmed
    assert [targets[id].channel for id in ("phone", "post", "embassy")] == [Channel.PHONE, Channel.POST, Channel.EMAIL]
    assert (targets["embassy"].fallback, targets["second"].fallback) == ("", "court")
    assert targets["embassy"].directory is targets["second"].directory


def test_a_mission_is_confirmed_only_by_a_day(instance):
    instance.campaign(EMBASSY)
    instance.write(
        "config/embassies.yaml",
        DIRECTORY
        + "- {country: NO, city: Oslo, email: oslo@embassy.example, checked_on: null}\n"
        + "- {country: DE, city: Berlin, email: berlin@embassy.example}\n",
    )
    directory = instance.load().campaigns["c"].targets["embassy"].directory
    assert [(each.country, each.confirmed) for each in directory.missions] == [
        ("AT", True),
        ("NO", False),
        ("DE", False),
    ]
    assert directory.missions[0].covers == ("SI",)


@pytest.mark.parametrize(
    ("mode", "pace", "expected"),
    [
        ("smtp", "", Pace(20, 500)),
        ("smtp", "pace: none\n", Pace()),
        ("smtp", "pace: {per_minute: 5}\n", Pace(5, 500)),
        ("sandbox", "", Pace()),
        ("sandbox", "pace: {per_minute: 5}\n", Pace(5, None)),
    ],
)
def test_only_a_real_relay_has_a_pace_by_default(instance, mode, pace, expected):
    instance.write("config/mailer.yaml", f"relay: {{mode: {mode}, host: smtp.example.org}}\n")
    instance.campaign(pace)
    assert instance.load().campaigns["c"].pace == expected


def test_no_copies_where_the_policy_says_none(instance):
    instance.campaign("copy_to: copies@campaign.example\ncopy_policy: none\n")
    assert instance.load().campaigns["c"].copy_to == ()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "mail.campaign.example"])
def test_a_log_of_this_machine_is_doubted_where_the_relay_may_be_another(instance, host):
    instance.write("config/mailer.yaml", f"relay: {{mode: smtp, host: {host}, log: var/mail.log}}\n")
    loaded = instance.load()
    assert loaded.relay_log == instance.root / "var/mail.log"
    said = "is a log of this machine, but mail.campaign.example may be another one"
    said += ": only a Postfix here writes what is looked for in it"
    assert loaded.warnings == ((f"config/mailer.yaml:1: relay.log: {said}",) if host.startswith("mail") else ())


def test_no_log_is_read_unless_one_is_named(instance):
    assert instance.load().relay_log is None


def test_warnings_stop_nothing(instance):
    instance.write("config/mailer.yaml", "relay: {mode: smtp, host: smtp.example.org, dot_timeout: 60}\n")
    instance.campaign("targets:\n  court: {to: head@court.example, form_of_address: {ru: Dear}}\n")
    assert instance.load().warnings == (
        "config/campaigns/c.yaml:2: targets.court.name: is missing; letters and reports will show `court`",
        "config/campaigns/c.yaml:2: targets.court.form_of_address: has no text in en; letters in it will show the one in ru",
        "config/mailer.yaml:1: relay.dot_timeout: "
        "is shorter than the 600 seconds of RFC 5321: a slow server's letters will end in doubt",
    )


@pytest.mark.parametrize("seconds, is_told", [(600, False), (601, True)])
def test_a_wait_that_outlasts_the_stop_of_the_shipped_units_is_told(seconds, is_told, instance):
    instance.write("config/mailer.yaml", f"relay: {{mode: smtp, host: smtp.example.org, dot_timeout: {seconds}}}\n")
    instance.campaign("targets:\n  court: {name: Court, to: head@court.example}\n")
    told = "config/mailer.yaml:1: relay.dot_timeout: outlasts a stop, which systemd gives 660 seconds as shipped: "
    assert instance.load().warnings == ((f"{told}give the unit TimeoutStopSec=661 as well",) if is_told else ())


def value_of(written):
    document = yamls.read(f"key: {written}", "f", Problems()).value
    assert isinstance(document, dict)
    return document["key"].value


@pytest.mark.parametrize(
    "word",
    ["NO", "no", "yes", "on", "off", "010", "1_000", "0x1F", "1e3", "12:30:45", "2011-09-20", "=", "<<", "True", ".5"],
)
def test_a_plain_word_stays_what_was_written(word):
    assert value_of(word) == word


@pytest.mark.parametrize("word", ["", "~", "null", "Null", "NULL"])
def test_only_nothing_is_nothing(word):
    assert value_of(word) is None
    assert value_of(f"'{word}'") == word


def test_the_configuration_of_the_repository_loads():
    loaded = config.load(REPOSITORY / "config/mailer.yaml", {})
    campaign = loaded.campaigns["kazakhstan"]
    assert (loaded.warnings, loaded.live) == ((), False)
    assert list(campaign.targets) == ["supreme-court", "foreign-ministry", "administration", "embassy"]
    assert not any(each.confirmed for each in campaign.targets.values() if each.to)
    directory = campaign.targets["embassy"].directory
    missions = directory.missions if directory else ()
    assert len(missions) >= 45
    assert not any(mission.confirmed for mission in missions)
    assert campaign.copy_to == (parse("KazakhstanSolidarity@gmail.com"),)


def test_an_operators_rows_about_replies_in_their_order(instance):
    instance.write(
        "config/mailer.yaml",
        """\
replies:
- {stage: [rcpt, dot], code: [550, "45"], enhanced: 5.7.1, pattern: Grey.?List, class: deferred, scope: campaign, reason: r}
- {stage: auth, code: 454, class: deferred, scope: relay, reason: busy}
""",
    )
    first, second, *shipped = instance.load().replies
    assert tuple(shipped) == TABLE
    assert (first.stages, first.codes, first.enhanced) == ({Stage.RCPT, Stage.DOT}, ("550", "45"), ("5.7.1",))
    assert (first.verdict, first.scope, first.reason) == (Verdict.DEFERRED, Scope.CAMPAIGN, "r")
    assert judge(Stage.DOT, Reply(550, "5.7.1", "greylisted"), (first, *TABLE)).reason == "r"
    assert judge(Stage.DOT, Reply(550, "5.7.1", "spam"), (first, *TABLE)).reason != "r"
    assert second.reason == "busy" and second.pattern is None


def test_without_rows_of_its_own_the_shipped_table_judges(instance):
    assert instance.load().replies == TABLE
