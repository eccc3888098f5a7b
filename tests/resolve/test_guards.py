"""Guards: the weakest condition on a machine under which a decided value passes every check."""

from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kavaspec.checks import CHECKS
from kavaspec.checks.check import AtLeast, Check, Same, Selects, error
from kavaspec.decision import Decision, Guard
from kavaspec.facts.model import Fact
from kavaspec.guards import guards
from kavaspec.resolve import NOTHING, resolve, veto
from kavaspec.rules import RULES
from kavaspec.spec.load import parse_spec
from tests.effort import effort
from tests.worlds import GIB, SPEC, experiments, known, machines, objectives, trials

A100 = {
    "fact.gpu.name": "NVIDIA A100-SXM4-80GB",
    "fact.gpu.memory_bytes": 80 * GIB,
    "fact.gpu.capability": (8, 0),
    "fact.gpu.arch": "sm_80",
    "fact.gpu.unified": False,
    "fact.torch.accelerator": "cuda",
    "fact.torch.version": "2.13.0",
    "fact.cpu.cores": 64,
    "fact.cpu.features": (),
    "fact.memory.total_bytes": 500 * GIB,
    "fact.memory.batch_table": ((40 * GIB, 8), (24 * GIB, 4), (8 * GIB, 2), (0, 1)),
    "fact.canary.bfloat16": "faster",
    "fact.canary.float16": None,
    "fact.student.parameters": 494_032_768,
}

VALUES = {
    "train.micro_batch": 8,
    "train.device": "cuda",
    "train.precision": "bfloat16",
    "train.threads": 4,
    "train.world": 1,
    "data.max_length": 512,
    "software.torch": "2.13.0",
}


def derived(facts, values):
    told = {
        name: Fact(value=value, how="measured", probe="test@1") for name, value in facts.items()
    }
    decisions = {key: Decision(value=value, because="") for key, value in values.items()}
    return {
        key: [str(it) for it in found] for key, found in guards(CHECKS, decisions, told).items()
    }


def test_on_a_gpu_every_value_says_what_it_needs():
    assert derived(A100, VALUES) == {
        "train.micro_batch": [
            f"fact.gpu.memory_bytes >= {40 * GIB}",
            "fact.gpu.unified == false",
        ],
        "train.device": ['fact.torch.accelerator == "cuda"'],
        "train.precision": [
            'fact.canary.bfloat16 not in ["wrong", "unsupported"]',
            "fact.gpu.capability >= [8, 0]",
        ],
        "train.threads": ["fact.cpu.cores >= 4"],
        "software.torch": ['fact.torch.version == "2.13.0"'],
    }


@pytest.mark.parametrize(
    ("facts", "values", "key", "guard"),
    [
        ({}, {"train.micro_batch": 2}, "train.micro_batch", f"fact.gpu.memory_bytes >= {8 * GIB}"),
        (
            {},
            {"train.device": "cpu", "train.precision": "float32"},
            "train.micro_batch",
            f"fact.memory.total_bytes >= {40 * GIB}",
        ),
        (
            {"fact.gpu.unified": True},
            {},
            "train.micro_batch",
            f"fact.memory.total_bytes >= {40 * GIB}",
        ),
        ({}, {"train.precision": "float16"}, "train.precision", "fact.gpu.capability >= [3, 0]"),
        (
            {"fact.gpu.arch": "gfx1100", "fact.torch.accelerator": "rocm"},
            {"train.device": "rocm"},
            "train.precision",
            "fact.gpu.arch in",
        ),
        ({"fact.torch.accelerator": "mps"}, {"train.device": "mps"}, "train.device", "mps"),
    ],
    ids=["less-fits-in-less", "host", "unified", "any-known-card", "amd", "apple"],
)
def test_the_guard_is_the_weakest(facts, values, key, guard):
    assert any(guard in text for text in derived(A100 | facts, VALUES | values)[key])


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"train.micro_batch": 1}, "train.micro_batch"),
        ({"train.precision": "float32"}, "train.precision"),
        ({"train.device": "cpu"}, "train.device"),
        ({"train.micro_batch": 16}, "train.micro_batch"),
    ],
    ids=["one-row-fits-everywhere", "float32-is-everywhere", "the-cpu-is-everywhere", "warned"],
)
def test_no_guard_where_nothing_can_fail_or_nothing_can_be_promised(values, key):
    assert key not in derived(A100, VALUES | values)


def small(low: int, high: int | None, mode: str | None):
    """A check of our own: `a` needs `low` of one fact, and in mode "both" also of another."""

    def fits(a: int, one: int, other: int | None, how: str | None):
        need = a * low
        if one >= need and (how != "both" or (other or 0) >= need):
            return None
        return error("does not fit", key="a")

    check = Check(
        name="fits",
        code="KV0700",
        inputs={"a": "a", "one": "fact.one", "other": "fact.other", "how": "fact.how"},
        veto=fits,
        judges="a",
        depends={
            "one": AtLeast(),
            "other": AtLeast(),
            "how": Selects(values=("both", "one", None)),
        },
    )
    facts = {"fact.one": 100, "fact.other": high, "fact.how": mode}
    told = {name: Fact(value=value, how="measured", probe="t@1") for name, value in facts.items()}
    return [str(it) for it in guards((check,), {"a": Decision(value=3, because="")}, told)["a"]]


def test_a_fact_that_selects_is_named_with_what_it_selects():
    assert small(5, 40, "both") == [
        'fact.how == "both"',
        "fact.one >= 15",
        "fact.other >= 15",
    ]
    assert small(5, 40, "one") == ['fact.how == "one"', "fact.one >= 15"]


@pytest.mark.parametrize(
    ("op", "value", "seen", "holds"),
    [
        (">=", 4, 4, True),
        (">=", 4, 3, False),
        (">=", 4, None, False),
        (">=", (8, 0), (8, 6), True),
        ("<=", 4, 5, False),
        ("==", "cuda", "cuda", True),
        ("==", "cuda", None, False),
        ("in", ("a", "b"), "b", True),
        ("in", ("a", "b"), None, False),
        ("not in", ("wrong",), "wrong", False),
        ("not in", ("wrong",), None, True),
    ],
)
def test_what_a_guard_says(op, value, seen, holds):
    guard = Guard(fact="fact.some.thing", op=op, value=value)
    assert Guard.parse(str(guard)) == guard
    assert guard.holds(seen) is holds


@st.composite
def two_machines(draw):
    """A machine, and another that is like it in some things."""
    one, two = draw(machines()), draw(machines())
    other = {name: draw(st.sampled_from([one[name], two[name]])) for name in one}
    return one, other


@given(added=objectives(), experiment=experiments(), both=two_machines(), data=st.data())
@settings(max_examples=effort(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_value_is_valid_wherever_its_guards_hold(added, experiment, both, data):
    """Soundness, for every check that reads a machine: its verdict on another machine."""
    here, there = both
    spec = parse_spec(SPEC + added, "kava.toml", set=MappingProxyType({}))
    about = known(experiment)
    base = resolve(spec.experiment, about, RULES, base=NOTHING, not_found={})
    travelling = known(
        {**data.draw(trials()), "fact.memory.batch_table": here["fact.memory.batch_table"]}
    )
    facts = {**about, **known(here), **travelling}
    target = resolve(spec.targets["here"].asked, facts, RULES, base=base, not_found={})
    decisions = {**base.decisions, **target.decisions}
    found = guards(CHECKS, decisions, facts)
    elsewhere = {**about, **known(there)}
    for check in [check for check in CHECKS if check.depends]:
        if veto((check,), decisions, facts)[0]:
            continue  # refused here already: no guard can promise anything
        holds = all(
            guard.holds(elsewhere[guard.fact].value) for guard in found.get(check.judges, ())
        )
        # a fact that was unknown here was promised nothing about
        unknown = any(
            isinstance(dependence, AtLeast | Same)
            and facts[check.inputs[name]].value is None
            and elsewhere[check.inputs[name]].value is not None
            for name, dependence in check.depends.items()
        )
        if holds and not unknown:
            problems, _ = veto((check,), decisions, {**elsewhere, **travelling})
            assert problems == (), (check.name, found.get(check.judges))


@given(experiment=experiments(), machine=machines())
@settings(max_examples=150, deadline=None)
def test_one_less_than_a_guard_asks_is_too_little(experiment, machine):
    """Weakness: a number that is guarded could not be smaller."""
    spec = parse_spec(SPEC, "kava.toml", set=MappingProxyType({}))
    about = known(experiment)
    base = resolve(spec.experiment, about, RULES, base=NOTHING, not_found={})
    facts = {**about, **known(machine)}
    target = resolve(spec.targets["here"].asked, facts, RULES, base=base, not_found={})
    decisions = {**base.decisions, **target.decisions}
    for key, found in guards(CHECKS, decisions, facts).items():
        for guard in found:
            if guard.op == ">=" and isinstance(guard.value, int):
                less = Fact(value=guard.value - 1, how="measured", probe="t@1")
                problems, _ = veto(CHECKS, decisions, {**facts, guard.fact: less})
                assert key in {problem.key for problem in problems}, str(guard)
