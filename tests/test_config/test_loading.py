"""Which file is loaded, at what cost, and that no file breaks the loader."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailer import config
from mailer.errors import ConfigurationError
from tests import offices
from tests.test_config.instance import EMBASSY, Instance

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_configuration_is_looked_for_in_four_places(tmp_path):
    named = tmp_path / "elsewhere.yaml"
    usual = tmp_path / "config" / "mailer.yaml"
    usual.parent.mkdir()
    named.touch()
    usual.touch()
    environ = {"MAILER_CONFIG": str(usual)}
    assert config.find("elsewhere.yaml", environ, tmp_path) == named
    assert config.find("../elsewhere.yaml", {}, usual.parent) == named
    assert config.find(None, environ, Path("/")) == usual
    assert config.find(None, {"MAILER_CONFIG": ""}, tmp_path) == usual


def test_a_named_configuration_is_never_replaced_by_another(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/mailer.yaml").touch()
    with pytest.raises(ConfigurationError, match=r"/nowhere:1: there is no such file \(--config names it\)"):
        config.find("/nowhere", {}, tmp_path)
    with pytest.raises(ConfigurationError, match=r"/nowhere:1: there is no such file \(MAILER_CONFIG names it\)"):
        config.find(None, {"MAILER_CONFIG": "/nowhere"}, tmp_path)


@pytest.mark.skipif(config.SYSTEM.exists(), reason="this machine has a mailer of its own")
def test_no_configuration_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(ConfigurationError) as raised:
        config.find(None, {}, tmp_path)
    (said,) = raised.value.problems
    assert all(words in said for words in (f"{tmp_path}/config/mailer.yaml", "/etc/mailer/mailer.yaml", "mailer init"))


def test_a_main_file_outside_a_config_folder_is_its_own_root(tmp_path):
    instance = Instance(tmp_path)
    (tmp_path / "config").rename(tmp_path / "etc")
    (tmp_path / "templates").rename(tmp_path / "etc/templates")
    loaded = config.load(tmp_path / "etc/mailer.yaml", {})
    assert (loaded.root, loaded.spool) == (instance.root / "etc", instance.root / "etc/var/queue")


def test_loading_imports_nothing_that_an_empty_pass_could_not_afford():
    heavy = {"pydantic", "jinja2", "aiosmtplib", "aiosmtpd", "babel", "rich", "cryptography", "difflib"}
    code = "import sys, pathlib, mailer.config as c; c.load(pathlib.Path(sys.argv[1]), {}); print(*sys.modules)"
    command = [sys.executable, "-c", code, str(REPOSITORY / "config/mailer.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert heavy.isdisjoint(done.stdout.split())


WORDS = [
    *(
        "relay",
        "mode",
        "smtp",
        "host",
        "id",
        "c",
        "title",
        "languages",
        "default",
        "available",
        "sender",
        "name",
        "address",
    ),
    *(
        "targets",
        "to",
        "cc",
        "kind",
        "embassy",
        "directory",
        "embassies.yaml",
        "fallback",
        "hold",
        "timezone",
        "Europe",
    ),
    *(
        "a@b.example",
        "closed",
        "reason",
        "pace",
        "none",
        "window",
        "days",
        "mon",
        "from",
        "columns",
        "copy_to",
        "2011-09-20",
    ),
    *(
        ": ",
        "\n",
        "\n  ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "&a ",
        "*a",
        "!x ",
        "'",
        '"',
        "|",
        ">",
        "#",
        "? ",
        "---\n",
        "\t",
        "\0",
    ),
]
YAML = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS), max_size=40).map("".join))
VALUE = st.one_of(st.none(), st.text(max_size=30), st.sampled_from(WORDS), st.integers().map(str))
TREE = st.recursive(VALUE, lambda t: st.lists(t, max_size=3) | st.dictionaries(st.sampled_from(WORDS[:40]), t, max_size=4))


def only_problems(instance, name, content):
    instance.write(name, content.encode("utf-8", "surrogatepass"))
    for problem in instance.problems():
        assert re.match(r"[^:]+:[0-9]+: ", problem)
        assert problem.isprintable()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.sampled_from(["mailer", "campaigns/c", "embassies"]), content=YAML)
def test_any_text_is_a_configuration_or_its_problems(instance, name, content):
    instance.campaign(EMBASSY)
    only_problems(instance, f"config/{name}.yaml", content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=st.sampled_from(["mailer", "campaigns/c", "embassies"]), tree=TREE)
def test_any_tree_is_a_configuration_or_its_problems(instance, name, tree):
    """JSON is YAML, so a tree as JSON reaches the readers behind the parser."""
    instance.campaign(EMBASSY)
    only_problems(instance, f"config/{name}.yaml", json.dumps(tree))


def test_a_folder_of_templates_that_is_a_link_is_seen_to_change(tmp_path):
    """As a release is put in place: two folders, and the link is turned from one to the other."""
    made = offices.instance(tmp_path / "here")
    templates = made.root / "templates"
    for release in ("v1", "v2"):
        shutil.copytree(templates / "c", tmp_path / release)
    shutil.rmtree(templates / "c")
    (templates / "c").symlink_to(tmp_path / "v1")
    before = made.load()
    assert config.fingerprint(before.path) == before.seen
    (templates / "new").symlink_to(tmp_path / "v2")
    (templates / "new").rename(templates / "c")
    assert config.fingerprint(before.path) != before.seen
