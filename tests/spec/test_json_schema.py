"""kava.schema.json says what `parse_spec` says, as far as a JSON Schema can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from kavaspec.cli import main
from kavaspec.cli.init import START
from kavaspec.cli.schema import schema_text
from kavaspec.errors import KavaError
from kavaspec.plain import freeze, toml
from kavaspec.spec.json_schema import json_schema, key_schema, markdown
from kavaspec.spec.load import parse_spec
from kavaspec.spec.schema import groups, keys
from tests.spec.test_typos import MUTANTS

ROOT = Path(__file__).parents[2]
VALIDATOR = Draft202012Validator(json_schema())
SPECS = [ROOT / "kava.toml", *sorted(ROOT.glob("examples/**/*.toml"))]
BEYOND = {"KV0110"}
"""What no JSON Schema can say: that limits leave no number."""


def valid(text: str) -> bool:
    return VALIDATOR.is_valid(tomli.loads(text))


def codes(text: str) -> set[str]:
    """The codes of what `parse_spec` refuses a text for; empty when it takes it."""
    try:
        parse_spec(text, "kava.toml", set={})
    except KavaError as error:
        return {problem.code for problem in error.problems}
    return set()


def test_the_schema_is_one():
    Draft202012Validator.check_schema(json_schema())


def test_the_published_schema_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]):
    """If not: kavaspec schema > kava.schema.json."""
    assert main(["schema"]) == 0
    printed = capsys.readouterr().out
    assert printed == schema_text()
    assert (ROOT / "kava.schema.json").read_text(encoding="utf-8") == printed


def test_the_reference_page_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]):
    """If not: kavaspec schema --markdown > docs/keys.md."""
    assert main(["schema", "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert (ROOT / "docs/keys.md").read_text(encoding="utf-8") == printed
    assert [name for name in keys() if f"| `{name.rpartition('.')[2]}` |" not in printed] == []
    assert printed == markdown()


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_spec_that_is_shown_is_valid_and_names_its_schema(path: Path):
    text = path.read_text(encoding="utf-8")
    assert list(VALIDATOR.iter_errors(tomli.loads(text))) == []
    first = text.splitlines()[0]
    assert first.startswith(("#:schema ./", "#:schema ../"))
    schema = path.parent / first.removeprefix("#:schema ")
    assert schema.resolve() == ROOT / "kava.schema.json"


def test_what_init_writes_is_valid():
    assert valid(START)


def test_no_slip_of_the_pen_is_valid():
    assert [mutant.text for mutant in MUTANTS if valid(mutant.text)] == []
    assert [mutant.before for mutant in MUTANTS if not valid(mutant.before)] == []


def properties(schema: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """Every key of the JSON Schema by dotted name."""
    found: dict[str, dict[str, Any]] = {}
    for name, inner in schema["properties"].items():
        if "properties" in inner and "x-tier" not in inner:
            found |= properties(inner, f"{prefix}{name}.")
        else:
            found[prefix + name] = inner
    return found


def test_every_key_carries_what_an_editor_shows():
    shown = properties(json_schema())
    assert set(shown) == {*keys(), "objective.preset", "facts", "targets"}
    for name, key in keys().items():
        told = shown[name]
        assert told["title"] == name
        assert key.meaning in told["description"]
        assert (told["x-tier"], told["x-auto"]) == (key.tier, key.auto)
        assert told.get("x-unit", "") == key.unit
        assert ("default" in told) == (not key.required)


def test_auto_is_valid_exactly_where_it_may_be_written():
    for key in keys().values():
        valid = Draft202012Validator(key_schema(key)).is_valid("auto")
        assert valid == key.auto, key.name


def test_a_target_has_only_numerics_and_placement():
    target = json_schema()["properties"]["targets"]["additionalProperties"]
    local = {name for name, key in keys().items() if key.tier != "experiment"}
    assert set(properties(target)) == {*local, "facts"}


@pytest.mark.parametrize(
    ("text", "ok"),
    [
        ('objective = { kind = "ce" }', True),
        ('objective = { kind = "ce", kv.loss = "mse" }', False),
        ('objective = { kind = "ce", preset = "seed" }', False),
        ('objective = { kind = "ce" }\nmodel.teacher.revision = "x"', False),
        ('objective = { kind = "ce" }\ntargets.a.model.teacher.revision = "x"', False),
        ('objective = { preset = "seed" }\nmodel.teacher.source = "t"', True),
        ('objective = { preset = "sed" }\nmodel.teacher.source = "t"', False),
        ("", False),
        ('model.teacher.source = "t"', True),
        ('model.teacher.source = "t"\nfacts = ["a.yaml"]\ntargets.a.facts = "b.yaml"', True),
        ('model.teacher.source = "t"\ntargets.a.train.seed = 3', False),
        ('model.teacher.source = "t"\ntargets."a b".train.world = 1', False),
        ('model.teacher.source = "t"\ntargets.a.train.world = 1', True),
        ('model.teacher.source = "t"\nsoftware.torch = "auto"', True),
        ('model.teacher.source = "t"\ntrain.micro_batch = { auto = true, max = 8 }', True),
        ('model.teacher.source = "t"\ntrain.micro_batch = { auto = false, max = 8 }', False),
        ('model.teacher.source = "t"\ntrain.precision = { auto = true, max = 8 }', False),
        ('model.teacher.source = "t"\ntrain.seed = "auto"', False),
    ],
)
def test_editors_and_the_command_agree(text: str, ok: bool):
    text = 'data.source = "d"\n' + text + "\n"
    assert (codes(text) == set(), valid(text)) == (ok, ok)


LIMITS = st.fixed_dictionaries(
    {"auto": st.booleans()},
    optional={
        "min": st.integers(-2, 9),
        "max": st.integers(-2, 9),
        "multiple_of": st.integers(-1, 4),
        "one_of": st.lists(st.sampled_from([1, 4, "bfloat16", "cpu", True, "x"]), max_size=2),
        "most": st.just(1),
    },
)
VALUES = st.one_of(
    st.integers(-3, 100),
    st.sampled_from([0.5, 1.5, -0.5, 2e-4, 0.1]),
    st.booleans(),
    st.sampled_from(["auto", "x", "a b", "", "kv", "ce", "bfloat16", "cpu", "sha256:" + "a" * 64]),
    st.lists(st.integers(-1, 9) | st.sampled_from(["x", "key", "q_proj"]), max_size=3),
    st.just({"unset": True}),
    LIMITS,
)
NAMES = st.one_of(
    st.sampled_from(sorted(keys())),
    st.sampled_from(sorted(keys())).map(lambda name: f"targets.a.{name}"),
    st.sampled_from(["objective.preset", "facts", "targets.a.facts", "train.sede", "stray"]),
    st.sampled_from([name for name in groups() if name]),
)


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A few keys with a value of any kind; no key twice, no key inside a value."""
    said = {"data.source": "d"} if draw(st.integers(0, 9)) else {}
    if draw(st.booleans()):
        said["objective.kind"] = draw(st.sampled_from(["kv", "ce"]))
    if said.get("objective.kind") != "ce" or not draw(st.integers(0, 4)):
        said["model.teacher.source"] = "t"
    for name in draw(st.lists(NAMES, max_size=3)):
        clash = any(
            f"{name}.".startswith(f"{other}.") or f"{other}.".startswith(f"{name}.")
            for other in said
        )
        if not clash:
            said[name] = draw(VALUES)
    return "".join(f"{name} = {toml(freeze(value))}\n" for name, value in said.items())


@settings(max_examples=600, deadline=None)
@given(specs())
@example('data.source = "d"\nmodel.teacher.source = "t"\nsoftware.torch = { auto = true }\n')
def test_what_is_taken_is_valid_and_what_is_refused_is_not(text: str):
    refused = codes(text)
    if not refused:
        assert list(VALIDATOR.iter_errors(tomli.loads(text))) == []
    elif refused - BEYOND:
        assert not valid(text), (text, refused)


def test_the_schema_is_json_with_sorted_meaning():
    assert json.loads(schema_text()) == json_schema()
