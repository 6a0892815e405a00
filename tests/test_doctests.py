"""
The examples in mailer's docstrings, run as they stand.
"""

import doctest
import importlib
import pkgutil

import pytest

import mailer

MODULES = ["mailer", *(module.name for module in pkgutil.walk_packages(mailer.__path__, "mailer."))]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_are_true(name):
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.FAIL_FAST)
    assert not failed, "see the captured output"


def test_there_are_examples():
    found = [test for name in MODULES for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]
    assert len(found) > 30
