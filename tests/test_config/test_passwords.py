"""Where the relay's password may come from, and which hosts may do without TLS."""

from __future__ import annotations

import os

import pytest

from mailer.config import fingerprint
from mailer.relay.settings import Tls


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_letters_to_this_machine_need_no_tls(instance, host):
    instance.write("config/mailer.yaml", f"relay: {{mode: smtp, host: '{host}', port: 25, tls: none}}\n")
    assert instance.load().relay.tls is Tls.NONE


@pytest.mark.parametrize("host", ["126.0.0.1", "128.0.0.1", "0.0.0.0", "127.0.0.1.example.org", "::2", "localhost.", "127.1"])
def test_letters_to_all_others_do(instance, host):
    instance.write("config/mailer.yaml", f"relay: {{mode: smtp, host: '{host}', port: 25, tls: none}}\n")
    assert ["relay.tls" in problem or "relay.host" in problem for problem in instance.problems()] == [True]


SMTP = "relay: {mode: smtp, host: smtp.example.org, username: letters%s}\n"


def password_problem(instance, key, **environ):
    instance.write("config/mailer.yaml", SMTP % key)
    (problem,) = instance.problems(**environ)
    return problem.partition("config/mailer.yaml:1: relay.")[2].replace(str(instance.root), "")


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ("s3cret\n", 0o604, "can be read or changed by everybody on this machine; chmod 600 it"),
        ("s3cret\n", 0o602, "can be read or changed by everybody on this machine; chmod 600 it"),
        ("", 0o600, "the password is empty"),
        ("\n", 0o600, "the password is empty"),
        ("s3cret\nsecond\n", 0o600, "the password has more than one line, or a character that cannot be typed"),
        ("s3\0cret", 0o600, "the password has more than one line, or a character that cannot be typed"),
        (b"s3\xffcret", 0o600, "`/secret` is not UTF-8"),
        ("x" * 5000, 0o600, "`/secret` is too large for a password"),
    ],
)
def test_password_files_that_will_not_do(instance, content, mode, said):
    instance.write("secret", content).chmod(mode)
    problem = password_problem(instance, ", password_file: secret")
    assert problem.startswith("password_file: ")
    assert problem.endswith(said)
    assert "s3" not in problem


def test_a_password_file_that_is_not_there(instance):
    said = "password_file: `/secret` cannot be read: No such file or directory"
    assert password_problem(instance, ", password_file: secret") == said


def test_a_password_file_that_is_a_folder(instance):
    (instance.root / "secret").mkdir(mode=0o700)
    assert password_problem(instance, ", password_file: secret") == "password_file: `/secret` is not a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_password_file_that_we_may_not_read(instance):
    instance.write("secret", "s3cret").chmod(0)
    assert password_problem(instance, ", password_file: secret").endswith("cannot be read: Permission denied")


def test_a_password_from_the_environment(instance):
    instance.write("config/mailer.yaml", SMTP % "")
    assert instance.load(MAILER_RELAY_PASSWORD="s3cret").relay.password == "s3cret"


def test_a_password_from_systemd(instance):
    credentials = instance.write("credentials/relay", "s3cret").parent
    instance.write("config/mailer.yaml", SMTP % ", password_credential: relay")
    assert instance.load(CREDENTIALS_DIRECTORY=str(credentials)).relay.password == "s3cret"


def test_a_credential_without_systemd_hinders_nobody_who_does_not_ask_the_relay(instance):
    instance.write("config/mailer.yaml", SMTP % ", password_credential: relay")
    loaded = instance.load()
    said = "systemd handed over no credentials: the unit needs LoadCredential=relay:PATH"
    assert loaded.hindrances == (f"config/mailer.yaml:1: relay.password_credential: {said}",)
    assert (loaded.live, loaded.relay.password) == (True, "")


def test_a_credential_that_systemd_did_not_hand_over(instance):
    (instance.root / "handed").mkdir()
    problem = password_problem(instance, ", password_credential: relay", CREDENTIALS_DIRECTORY=str(instance.root / "handed"))
    assert problem == "password_credential: `/handed/relay` cannot be read: No such file or directory"


def test_a_password_comes_from_one_place_only(instance):
    instance.write("secret", "s3cret").chmod(0o600)
    said = "password_file: the password comes from password_file and MAILER_RELAY_PASSWORD; keep one of them"
    assert password_problem(instance, ", password_file: secret", MAILER_RELAY_PASSWORD="other") == said


def test_a_password_belongs_to_somebody(instance):
    instance.write("config/mailer.yaml", "relay: {mode: smtp, host: smtp.example.org}\n")
    said = "relay.username: is missing: MAILER_RELAY_PASSWORD gives a password, but nobody whose it is"
    assert instance.problems(MAILER_RELAY_PASSWORD="s3cret") == [f"config/mailer.yaml:1: {said}"]


def test_no_password_is_read_before_letters_leave(instance):
    instance.write("config/mailer.yaml", "relay: {mode: sandbox, username: letters, password_file: /nowhere}\n")
    assert instance.load(MAILER_RELAY_PASSWORD="s3cret").relay.password == ""


@pytest.mark.parametrize(
    ("key", "file"),
    [
        (", password_file: secret", "secret"),
        (", password_credential: relay", "handed/relay"),
        (", password_file: secret, ca_file: ours.pem", "ours.pem"),
    ],
)
def test_what_the_relay_s_files_say_is_part_of_what_a_worker_watches(instance, key, file):
    instance.write("config/mailer.yaml", SMTP % key)
    for name in ("secret", "handed/relay", "ours.pem"):
        instance.write(name, "before").chmod(0o600)
    loaded = instance.load(CREDENTIALS_DIRECTORY=str(instance.root / "handed"))
    assert fingerprint(loaded.path, loaded.beside) == loaded.seen
    (instance.root / "new").write_text("after", encoding="utf-8")
    (instance.root / "new").rename(instance.root / file)
    assert fingerprint(loaded.path, loaded.beside) != loaded.seen
    assert "before" not in f"{loaded.seen}{loaded.beside}"
