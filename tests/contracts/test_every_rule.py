"""Promises that every rule keeps. A new rule is tested here without a new line."""

import inspect
import pkgutil
import re
from importlib import import_module

import pytest

from kavaspec import rules
from kavaspec.facts.names import kind_of
from kavaspec.rules import RULES
from kavaspec.spec.schema import keys

EXPERIMENT_FACTS = ("fact.teacher.", "fact.student.", "fact.data.")

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)


def sources(rule):
    return rule.inputs.values()


def test_every_file_in_rules_is_listed():
    files = {module.name for module in pkgutil.iter_modules(rules.__path__)}
    assert files == {rule.decide.__module__.rpartition(".")[2] for rule in RULES}


def test_every_auto_key_of_the_schema_has_exactly_one_rule():
    auto = sorted(name for name, key in keys().items() if key.auto)
    assert sorted(rule.key for rule in RULES) == auto


@every_rule
def test_inputs_are_the_parameters(rule):
    parameters = [name for name in inspect.signature(rule.decide).parameters if name != "allowed"]
    assert list(rule.inputs) == parameters


@every_rule
def test_every_parameter_and_the_result_have_a_type(rule):
    signature = inspect.signature(rule.decide)
    assert all(p.annotation is not p.empty for p in signature.parameters.values())
    assert signature.return_annotation == "Decision"


@every_rule
def test_every_source_exists(rule):
    for source in sources(rule):
        assert source in keys() or kind_of(source) is not None, source


@every_rule
def test_the_module_says_first_which_keys_it_decides(rule):
    module = import_module(rule.decide.__module__)
    named, colon, meaning = module.__doc__.partition(": ")
    of_this_file = [other.key for other in RULES if other.decide.__module__ == module.__name__]
    assert colon
    assert meaning
    assert named.split(", ") == of_this_file


@every_rule
def test_the_name_in_locks_is_a_plain_word_with_a_version(rule):
    assert re.fullmatch(r"[a-z][a-z0-9_]*@[1-9][0-9]*", rule.name)


@every_rule
def test_the_function_says_what_it_promises(rule):
    assert inspect.getdoc(rule.decide)


@every_rule
def test_no_rule_reads_the_key_it_decides(rule):
    assert rule.key not in sources(rule)


def test_one_name_means_one_function():
    functions = {}
    for rule in RULES:
        assert functions.setdefault(rule.name, rule.decide) is rule.decide


@every_rule
def test_the_experiment_never_follows_the_machine(rule):
    """An experiment key may be decided from models, data and other experiment keys only."""
    if keys()[rule.key].tier != "experiment":
        pytest.skip("numerics and placement may follow the machine")
    for source in sources(rule):
        of_experiment = source in keys() and keys()[source].tier == "experiment"
        assert of_experiment or source.startswith(EXPERIMENT_FACTS), source
