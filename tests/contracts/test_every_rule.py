"""Promises that every rule keeps. A new rule is tested here without a new line."""

import inspect
import pkgutil
import re
from importlib import import_module
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from kavaspec import rules
from kavaspec.decision import ANYTHING, Allowed, Undecidable
from kavaspec.facts.names import kind_of
from kavaspec.plain import freeze, same, thaw
from kavaspec.rules import RULES
from kavaspec.spec.schema import choices, keys

EXPERIMENT_FACTS = ("fact.teacher.", "fact.student.", "fact.data.")

every_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)


def sources(rule):
    return rule.inputs.values()


def test_every_file_in_rules_is_listed():
    files = {it.name for it in pkgutil.iter_modules(rules.__path__) if not it.ispkg}
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


@pytest.mark.parametrize(
    "rule",
    [rule for rule in RULES if keys()[rule.key].tier == "experiment"],
    ids=lambda rule: rule.key,
)
def test_the_experiment_never_follows_the_machine(rule):
    """An experiment key is decided from models, data and other experiment keys only."""
    for source in sources(rule):
        of_experiment = source in keys() and keys()[source].tier == "experiment"
        assert of_experiment or source.startswith(EXPERIMENT_FACTS), source


# ---- promises about decisions, for values that a spec and a machine can really have


def maybe(strategy):
    return st.none() | strategy


layouts = st.sampled_from(
    ["28x2x128", "24x2x64", "1x2x64", "3x2x64+1x4x64", "3x0x0:linear+1x2x256", "4x0x0:linear"]
)
layer_lists = st.lists(st.integers(0, 27), min_size=1, max_size=5, unique=True).map(tuple)
widths = st.integers(1, 8192) | st.lists(st.integers(1, 512), min_size=1, max_size=4).map(tuple)
digests = st.integers(0, 16**64 - 1).map(lambda number: f"sha256:{number:064x}")
sizes = st.integers(1, 1 << 40)
counts = st.integers(1, 256)

curves = st.tuples(st.integers(1 << 20, 1 << 34), st.integers(0, 1 << 33)).map(
    lambda line: tuple((rows, line[0] + rows * line[1]) for rows in (1, 4, 32))
)

PLAUSIBLE = {
    "data.max_length": st.integers(8, 131072),
    "fact.cpu.cores": counts,
    "fact.cpu.features": st.lists(st.sampled_from(["avx2", "amx_bf16", "sve_bf16"])).map(tuple),
    "fact.data.digest": digests,
    "fact.data.revision": maybe(st.just("e53f048856ff4f594e959d75785d2c2d37b678ee")),
    "fact.data.rows": st.integers(0, 10**9),
    "fact.data.token_lengths": st.integers(1, 200000).map(lambda longest: {"max": longest}),
    "fact.disk.places": maybe(
        st.lists(st.sampled_from(["$SCRATCH", "$LOCAL_SCRATCH", "/work/$USER"]), unique=True)
    ),
    "fact.gpu.arch": st.sampled_from(
        [None, "sm_80", "sm_70", "gfx90a:xnack-", "gfx1032", "gfx908"]
    ),
    "fact.gpu.capability": maybe(st.tuples(st.integers(3, 12), st.integers(0, 9))),
    "fact.gpu.count": maybe(st.integers(0, 16)),
    "fact.gpu.memory_bytes": maybe(sizes),
    "fact.gpu.name": st.sampled_from([None, "NVIDIA GeForce RTX 4070 Laptop GPU", "GTX 1660"]),
    "fact.gpu.unified": maybe(st.booleans()),
    "fact.memory.batch_table": st.just(((40 << 30, 8), (24 << 30, 4), (8 << 30, 2), (0, 1))),
    "fact.memory.total_bytes": st.integers(1 << 30, 1 << 42),
    "fact.python.version": st.sampled_from(["3.11", "3.13"]),
    "fact.scheduler.cpus": maybe(counts),
    "fact.scheduler.gpus_per_node": maybe(st.integers(0, 16)),
    "fact.scheduler.memory_bytes": maybe(sizes),
    "fact.scheduler.nodes": maybe(counts),
    "fact.scheduler.walltime_s": maybe(st.integers(60, 10**6)),
    "fact.student.digest": digests,
    "fact.student.kv_layout": layouts,
    "fact.student.max_length": maybe(st.integers(8, 10**6)),
    "fact.student.parameters": st.integers(1, 10**12),
    "fact.student.revision": maybe(st.just("989aa7980e4cf806f80c7fef2b1adb7bc71aa306")),
    "fact.teacher.digest": digests,
    "fact.teacher.kv_layout": layouts,
    "fact.teacher.revision": maybe(st.just("989aa7980e4cf806f80c7fef2b1adb7bc71aa306")),
    "fact.torch.arch_list": maybe(st.just(("sm_80", "sm_90"))),
    "fact.torch.version": st.sampled_from([None, "2.13.0"]),
    "fact.transformers.version": st.sampled_from([None, "5.23.0"]),
    "fact.trial.memory": maybe(curves),
    "fact.trial.memory_checkpointed": maybe(curves),
    "fact.trial.overhead": maybe(
        st.fixed_dictionaries(
            {"device_bytes": st.integers(0, 1 << 32), "allocator_percent": st.integers(0, 60)}
        )
    ),
    "loader.workers": st.integers(0, 64),
    "objective.kv.layer_map": layer_lists,
    "objective.kv.layers": layer_lists,
    "objective.kv.projector.in_dim": widths,
    "objective.kv.projector.rank": counts,
    "objective.kv.student_dim": widths,
    "objective.kv.teacher_dim": widths,
    "scheduler.gpus_per_node": st.integers(0, 16),
    "scheduler.nodes": counts,
    "fact.teacher.parameters": maybe(st.integers(1, 10**12)),
    "train.lora.rank": st.integers(0, 256),
    "train.beta2": st.floats(0.0, 0.9999),
    "train.epochs": maybe(counts),
    "train.gradient_checkpointing": st.booleans(),
    "train.global_batch": st.integers(1, 2048),
    "train.learning_rate": st.floats(1e-8, 10.0),
    "train.micro_batch": counts,
    "train.steps": st.integers(1, 10**7),
    "train.threads": counts,
    "train.world": st.integers(1, 64),
}


def limits(field):
    """What `{ auto = true, ... }` may say about a key."""
    if field.annotation is int:
        some = st.builds(Allowed, min=maybe(st.integers(0, 64)), max=maybe(st.integers(0, 64)))
    else:
        words = choices(field) or (False, True)
        some = st.lists(st.sampled_from(words), min_size=1, unique=True).map(
            lambda chosen: Allowed(one_of=tuple(chosen))
        )
    return st.just(ANYTHING) | some


def plausible(source):
    """Values of a source; words come from the schema and the table of facts themselves."""
    if source in PLAUSIBLE:
        return PLAUSIBLE[source]
    words = choices(keys()[source].field) if source in keys() else kind_of(source).one_of
    assert words, f"say in PLAUSIBLE which values {source} can have"
    return st.sampled_from(words if source in keys() else (None, *words))


def arguments(rule):
    told = {name: plausible(source) for name, source in rule.inputs.items()}
    if "allowed" in inspect.signature(rule.decide).parameters:
        told["allowed"] = limits(keys()[rule.key].field)
    return st.fixed_dictionaries(told)


def decided(rule, told):
    """The decision, or None when the rule cannot decide and says so properly."""
    try:
        return rule.decide(**told)
    except Undecidable as stop:
        assert_a_clause(stop.because, longest=1000)
        return None


def assert_a_clause(text, *, longest):
    assert text == text.strip() != ""
    assert "\n" not in text
    assert not text.endswith((".", "!", ","))
    assert len(text) < longest


def evaluated(formula):
    """What a term's formula comes to; only arithmetic may stand in it."""
    assert re.fullmatch(r"[0-9eE.+*/() ,-]*", re.sub(r"\b(min|max)\b", "", formula)), formula
    return eval(formula, {"__builtins__": {}, "min": min, "max": max})


@every_rule
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_decisions(rule, data):
    """Pure, explained, within the spec's limits, accepted by the schema, and true where they were made."""
    told = data.draw(arguments(rule))
    decision = decided(rule, told)
    assert decision == decided(rule, told)
    if decision is None:
        return
    assert_the_schema_accepts(decision.value, keys()[rule.key].field)
    assert told.get("allowed", ANYTHING).refuses(decision.value) is None
    assert_it_explains_itself(decision)
    assert decision.guard == (), "guards are derived from checks"


def assert_the_schema_accepts(value, field):
    type = field.annotation
    for limit in field.metadata:
        type = Annotated[type, limit]
    TypeAdapter(type).validate_python(thaw(freeze(value)), strict=True)


def assert_it_explains_itself(decision):
    assert_a_clause(decision.because, longest=110)
    for no in decision.rejected:
        assert_a_clause(no.because, longest=160)
        assert not same(no.value, decision.value)
    for term in decision.terms:
        assert term.name
        assert evaluated(term.formula) == term.value
