"""Promises that every explanation keeps: of each decision in each lock that is shipped, and of each rule."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kavaspec.cli.render import Pen
from kavaspec.cli.why_text import explanation_lines
from kavaspec.decision import Undecidable
from kavaspec.explain import Case, explain, one_lock, one_spec, open_case, open_cases, rule_of
from kavaspec.lock.file import parse_lock
from kavaspec.lock.ids import ids
from kavaspec.lock.recover import recover_spec
from kavaspec.lock.stale import compare
from kavaspec.plain import freeze, same, show
from kavaspec.sizes import with_size
from kavaspec.spec.load import parse_spec
from kavaspec.spec.schema import keys
from kavaspec.tipping import decide_again, tipping_points
from tests.contracts.test_every_rule import arguments, evaluated, every_rule

ROOT = Path(__file__).parents[2]
LOCKS = [*sorted(ROOT.glob("tests/golden/*.lock")), *sorted(ROOT.glob("examples/**/*.lock"))]
CHOSEN = {"train.world", "loader.workers"}
"""Numbers that are chosen among a few rather than computed."""


@cache
def cases(path: Path) -> dict[str, Case]:
    """Every target of a lock, with a spec that has text: the file, or the default with the targets."""
    text, lock = path.read_text(encoding="utf-8"), None
    lock = parse_lock(text, str(path))
    beside = path.with_suffix(".toml")
    said = (beside if beside.exists() else ROOT / "kava.toml").read_text(encoding="utf-8")
    if not beside.exists():
        said += "".join(f'\n[targets.{name}]\n\nfacts = "{name}.yaml"\n' for name in lock.targets)
    return dict(open_cases(parse_spec(said, "kava.toml", set=lock.set), lock, kept={}))


def shipped() -> Iterator[object]:
    for path in LOCKS:
        for target in parse_lock(path.read_text(encoding="utf-8"), str(path)).targets:
            yield pytest.param(path, target, id=f"{path.stem}: {target}")


every_lock = pytest.mark.parametrize(("path", "target"), list(shipped()))


def by_rule(case: Case) -> list[str]:
    return [key for key, block in case.blocks.items() if rule_of(key, block.by) is not None]


@every_lock
def test_every_shipped_lock_is_what_its_rules_give(path, target):
    assert dict(cases(path)[target].doubts) == {}
    assert len(by_rule(cases(path)[target])) > 25


# ---- arithmetic --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Quiet:
    """A stream without colour."""

    encoding = "utf-8"

    def isatty(self):
        return False


def printed(case: Case, key: str) -> list[str]:
    return list(explanation_lines(explain(case, key), Pen(Quiet(), {})))


def sums(lines: list[str]) -> list[tuple[str, str]]:
    """Formula and result of every printed line of arithmetic."""
    found, inside = [], False
    for line in lines[1:]:
        name = line[:15].strip()
        inside = name == "arithmetic" or (inside and not name)
        if inside:
            formula, result = re.fullmatch(r".{15}.+?  = (.+?) +  ?= (\S+)", line).groups()
            found.append((formula.strip(), result))
    return found


@every_lock
def test_printed_arithmetic_comes_to_the_printed_value(path, target):
    """What stands on the screen is evaluated, and what it comes to stands in the first line."""
    case = cases(path)[target]
    for key in by_rule(case):
        lines, value = printed(case, key), case.blocks[key].value
        told = sums(lines)
        for formula, result in told:
            assert show(evaluated(formula)) == result, key
        assert len(told) == len(explain(case, key).terms)
        assert lines[0].startswith(f"{key} = {with_size(value, keys()[key].unit)}")
        known = {*map(show, case.blocks[key].inputs.values()), *(result for _, result in told)}
        known |= {show(item) for told in case.blocks[key].inputs.values() for item in items(told)}
        if is_number(value) and key not in CHOSEN:
            assert show(value) == told[-1][1] if told else show(value) in known, key
        if key.startswith("objective.kv") and key.endswith("_dim"):
            assert {show(width) for width in items(value)} <= known, key


def is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def items(value):
    return value if isinstance(value, tuple) else (value,)


@every_rule
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_a_number_is_told_or_has_arithmetic_that_ends_with_it(rule, data):
    told = data.draw(arguments(rule))
    try:
        decision = rule.decide(**told)
    except Undecidable:
        return
    if not is_number(decision.value) or rule.key in CHOSEN:
        return
    if decision.terms and "dtype" not in rule.key:
        assert decision.terms[-1].value == decision.value
    else:
        assert decision.value in told.values()


# ---- tipping points ----------------------------------------------------------------------------


def moved(inputs, source, value):
    """The inputs with one source, or one number of a table, at another value."""
    if source in inputs:
        return {**inputs, source: value}
    table, _, name = source.rpartition(".")
    return {**inputs, table: {**inputs[table], name: value}}


def here(inputs, source):
    if source in inputs:
        return inputs[source]
    table, _, name = source.rpartition(".")
    return inputs[table][name]


def outcome(rule, inputs):
    result = decide_again(rule, inputs)
    return "no value" if isinstance(result, Undecidable) else freeze(result.value)


def assert_true(rule, inputs, flip):
    """On this side the old value, on that side the new one, up to where it says."""
    old, new = outcome(rule, inputs), "no value" if flip.stop else freeze(flip.to)
    assert not same(old, new)
    for at in flip.at if flip.op == "in" else (flip.at,):
        assert same(outcome(rule, moved(inputs, flip.source, at)), new), flip
    now = here(inputs, flip.source)
    if not is_number(now):
        return
    direction = 1 if flip.at > now else -1
    step = 1 if isinstance(now, int) else abs(flip.at) * 1e-6
    assert same(outcome(rule, moved(inputs, flip.source, flip.at - direction * step)), old), flip
    assert flip.op == "==" or (flip.op == ">=") == (direction > 0)
    if flip.until is not None:
        beyond = flip.until + direction * step
        assert same(outcome(rule, moved(inputs, flip.source, flip.until)), new), flip
        assert not same(outcome(rule, moved(inputs, flip.source, beyond)), new), flip


@every_lock
def test_tipping_points_tip(path, target):
    """One step before: the old value. There: the new one. As far as it says: still that."""
    case = cases(path)[target]
    for key in by_rule(case):
        rule, inputs = rule_of(key, case.blocks[key].by), case.blocks[key].inputs
        for flip in explain(case, key).flips:
            assert_true(rule, inputs, flip)


@every_lock
def test_no_tipping_point_nearby_is_missed(path, target):
    """Every whole number within 40 is tried by hand."""
    case = cases(path)[target]
    for key in by_rule(case):
        rule, inputs = rule_of(key, case.blocks[key].by), case.blocks[key].inputs
        told = {(flip.source, flip.at) for flip in explain(case, key).flips}
        old = outcome(rule, inputs)
        for source, now in inputs.items():
            literal = source.startswith("fact.") or rule_of(source, case.blocks[source].by) is None
            if not literal or not isinstance(now, int) or isinstance(now, bool):
                continue
            low = 0 if source.startswith("fact.") else 1
            for direction in (-1, 1):
                steps = (now + direction * away for away in range(1, 41))
                near = next(
                    (
                        n
                        for n in steps
                        if n >= low and not same(outcome(rule, moved(inputs, source, n)), old)
                    ),
                    None,
                )
                if near is not None:
                    assert (source, near) in told, key


@every_rule
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_tipping_points_of_any_decision(rule, data):
    told = data.draw(arguments(rule))
    allowed = told.pop("allowed", None)
    inputs = {rule.inputs[name]: freeze(value) for name, value in told.items()}
    if allowed is not None and allowed.plain():
        inputs["auto"] = freeze(allowed.plain())
    for flip in tipping_points(rule, inputs, decided=()):
        assert_true(rule, inputs, flip)
        assert str(flip).startswith("to ")


# ---- the line that decides by hand -------------------------------------------------------------


@pytest.mark.slow
@every_lock
def test_each_override_gives_the_same_lock(path, target):
    """Pasted where it says, it parses, and value and ids are what they were."""
    case = cases(path)[target]
    names = case.blocks if path.parent.name == "qwen2.5" and target == "cpu" else by_rule(case)
    before = ids(case.lock, target)
    for key in names:
        override = explain(case, key).override
        assert override.lines is not None, key
        spec = parse_spec(override.into(case.spec.text), "kava.toml", set=case.lock.set)
        derived = compare(one_spec(spec, target), one_lock(case.lock, target)).derived
        assert derived.errors == ()
        again = derived.lock.blocks(target)[key]
        assert same(again.value, case.blocks[key].value), override.text
        assert again.by in ("spec", "target")
        after = ids(derived.lock, target)
        assert (after.kx, after.kn) == (before.kx, before.kn), key


# ---- without a spec ----------------------------------------------------------------------------


@every_lock
def test_a_lock_explains_itself_alike_without_its_spec(path, target):
    case = cases(path)[target]
    alone = open_case(recover_spec(case.lock), case.lock, target, kept={})
    assert dict(alone.doubts) == {}
    for key in case.blocks:
        a, b = explain(case, key), explain(alone, key)
        assert (a.value, a.because, a.terms, a.rejected) == (
            b.value,
            b.because,
            b.terms,
            b.rejected,
        )
        assert a.flips == b.flips
        assert b.asked == "as locked"
        assert b.override.at == "in kava.toml"
