"""Promises that every check keeps. A new check is tested here without a new line."""

import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kavaspec import checks
from kavaspec.checks import CHECKS
from kavaspec.checks.check import Spoken
from kavaspec.facts.names import kind_of
from kavaspec.spec.schema import choices, keys

every_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)


def test_every_file_in_checks_is_listed():
    files = {module.name for module in pkgutil.iter_modules(checks.__path__)} - {"check"}
    assert files == {check.veto.__module__.rpartition(".")[2] for check in CHECKS}


def test_names_are_unique():
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@every_check
def test_the_name_is_the_function(check):
    assert check.name == check.veto.__name__


@every_check
def test_inputs_are_the_parameters(check):
    assert list(check.inputs) == list(inspect.signature(check.veto).parameters)


@every_check
def test_every_parameter_and_the_result_have_a_type(check):
    signature = inspect.signature(check.veto)
    assert all(p.annotation is not p.empty for p in signature.parameters.values())
    assert signature.return_annotation == "Problem | None"


@every_check
def test_every_source_exists(check):
    for source in check.inputs.values():
        assert source in keys() or kind_of(source) is not None, source


@every_check
def test_it_reads_a_value_that_somebody_can_change(check):
    """Facts alone cannot be wrong; and a check without a key would ask for facts in vain."""
    assert any(source in keys() for source in check.inputs.values())


@every_check
def test_it_says_how_it_depends_on_each_machine_fact(check):
    """Guards are derived from this: a fact that is forgotten would be promised nothing about."""
    read = {
        name
        for name, source in check.inputs.items()
        if source.startswith("fact.") and kind_of(source).scope == "machine"
    }
    assert set(check.depends) == read
    assert (check.judges in keys()) is bool(read)
    assert not read or keys()[check.judges].tier != "experiment"


@every_check
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_only_spoken_of_never_decides(check, data):
    spoken = [name for name, how in check.depends.items() if isinstance(how, Spoken)]
    if not spoken:
        return
    told = {name: data.draw(anything(source)) for name, source in check.inputs.items()}
    other = {name: data.draw(anything(check.inputs[name])) for name in spoken}
    assert (check.veto(**told) is None) == (check.veto(**{**told, **other}) is None)


def anything(source):
    """Any value of a key or fact that checks may meet."""
    if source in keys():
        words = choices(keys()[source].field)
        return st.sampled_from(words) if words else st.integers(1, 100)
    kind = kind_of(source)
    if kind.one_of:
        return st.none() | st.sampled_from(kind.one_of)
    return (
        st.none()
        | {
            "text": st.sampled_from(["sm_80", "sm_70", "gfx90a", "gfx1032", "2.13.0", "A card"]),
            "int": st.integers(0, 1 << 40),
            "bool": st.booleans(),
            "texts": st.lists(st.sampled_from(["sm_80", "gfx90a", "avx512_bf16", "amx_bf16"])),
            "ints": st.tuples(st.integers(3, 12), st.integers(0, 9)),
        }[kind.type]
    )


@every_check
def test_the_module_opens_with_the_constraint_in_one_sentence(check):
    first, _, rest = import_module(check.veto.__module__).__doc__.partition("\n")
    assert re.fullmatch(r"[A-Z].*\.", first)
    assert rest.strip() == "" or rest.startswith("\n")


@every_check
def test_the_function_says_what_it_promises(check):
    assert inspect.getdoc(check.veto)


@every_check
def test_it_has_a_test_of_its_own(check):
    module = check.veto.__module__.rpartition(".")[2]
    text = (Path(__file__).parents[1] / "checks" / f"test_{module}.py").read_text(encoding="utf-8")
    assert check.name in text
