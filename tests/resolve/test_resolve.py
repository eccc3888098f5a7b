"""resolve: literal values stay, autos are decided in the order of their inputs, reasons are kept."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from kavaspec.checks.check import Check
from kavaspec.decision import Allowed, Decision, Rule, Undecidable
from kavaspec.errors import Exit, Problem
from kavaspec.facts.model import Fact
from kavaspec.resolve import NOTHING, Resolution, resolve, veto
from kavaspec.spec.spec import Asked


def auto(**limits: object) -> Asked:
    return Asked(tier="numerics", value=None, auto=True, by="spec", allowed=Allowed(**limits))  # type: ignore[arg-type]


def said(value: object, by: str = "spec") -> Asked:
    return Asked(tier="numerics", value=value, auto=False, by=by)  # type: ignore[arg-type]


def device(gpu: str | None) -> Decision:
    if gpu is None:
        return Decision(value="cpu", because="no GPU was found")
    return Decision(value="cuda", because=f"{gpu} is here")


def precision(device: str, allowed: Allowed) -> Decision:
    value = "bfloat16" if device == "cuda" else "float32"
    if allowed.refuses(value):
        raise Undecidable("nothing is allowed", hint="allow float32")
    return Decision(value=value, because=f"of {device}")


DEVICE = Rule(key="device", inputs={"gpu": "fact.gpu.name"}, decide=device)
PRECISION = Rule(key="precision", inputs={"device": "device"}, decide=precision, version=3)
RULES = (PRECISION, DEVICE)
CARD = {"fact.gpu.name": Fact(value="A100", how="measured", probe="nvml@1")}


def run(
    asked: Mapping[str, Asked],
    facts: Mapping[str, Fact] = CARD,
    base: Resolution = NOTHING,
    **why: str,
) -> Resolution:
    return resolve(asked, facts, RULES, base=base, not_found=why)


def test_rules_run_after_the_rules_they_read():
    decisions = run({"precision": auto(), "device": auto()}).decisions
    assert (decisions["device"].value, decisions["precision"].value) == ("cuda", "bfloat16")


def test_a_decision_keeps_its_reason_its_rule_and_what_it_was_told():
    decision = run({"precision": auto(), "device": auto()}).decisions["precision"]
    assert (decision.because, decision.by, dict(decision.inputs)) == (
        "of cuda",
        "precision@3",
        {"device": "cuda"},
    )


def test_a_value_in_the_spec_wins_and_feeds_the_rules():
    decisions = run({"precision": auto(), "device": said("cpu")}).decisions
    assert (decisions["device"].by, decisions["device"].because) == ("spec", "kava.toml says so")
    assert decisions["precision"].value == "float32"


def test_the_order_of_the_rules_does_not_matter():
    asked = {"precision": auto(), "device": auto()}
    turned = resolve(asked, CARD, RULES[::-1], base=NOTHING, not_found={})
    assert run(asked) == turned


def test_a_constraint_reaches_the_rule_and_is_recorded():
    decision = run({"precision": auto(one_of=("bfloat16",)), "device": auto()}).decisions[
        "precision"
    ]
    assert decision.inputs["auto"] == {"one_of": ("bfloat16",)}


def test_a_rule_that_cannot_decide_becomes_a_problem_with_its_hint():
    result = run({"precision": auto(one_of=("float16",)), "device": auto()})
    assert result.problems == (
        Problem(message="precision cannot be decided: nothing is allowed", exit=Exit.UNSATISFIABLE, code="KV0701", key="precision", hint="allow float32", about=("device",)),
    )  # fmt: skip


def test_a_constraint_that_the_rule_ignores_still_holds():
    result = run({"device": auto(one_of=("cpu",))})
    [problem] = result.problems
    assert problem.message == (
        'device: one_of = ["cpu"] leaves no value; possible here: cuda (A100 is here)'
    )
    assert problem.hint == 'one_of = ["cpu", "cuda"]'
    assert problem.about[0] == "device.one_of"


def test_an_optional_fact_may_be_unknown():
    assert run({"device": auto()}, facts={}).decisions["device"].value == "cpu"


def test_a_fact_that_is_needed_and_unknown_is_named_with_the_reason():
    def cores(count: int) -> Decision:
        return Decision(value=count, because="of the cores")

    rule = Rule(key="threads", inputs={"count": "fact.cpu.cores"}, decide=cores)
    result = resolve(
        {"threads": auto()},
        {},
        (rule,),
        base=NOTHING,
        not_found={"fact.cpu.cores": "no /proc here"},
    )
    [problem] = result.problems
    assert (
        problem.message == "threads cannot be decided: fact.cpu.cores is not known: no /proc here"
    )
    assert problem.exit == Exit.ENVIRONMENT


def test_a_rule_that_needs_a_fact_is_not_told_that_there_is_none():
    def cores(count: int) -> Decision:
        return Decision(value=count + 1, because="of the cores")

    rule = Rule(key="threads", inputs={"count": "fact.cpu.cores"}, decide=cores)
    none = {"fact.cpu.cores": Fact(value=None, how="declared", probe="file@1")}
    result = resolve({"threads": auto()}, none, (rule,), base=NOTHING, not_found={})
    [problem] = result.problems
    assert (
        problem.message == "threads cannot be decided: fact.cpu.cores is not known: there is none"
    )
    assert problem.exit == Exit.ENVIRONMENT


def test_what_follows_from_an_undecided_key_is_silent():
    """One cause, one message."""

    def broken(gpu: str | None) -> Decision:
        raise Undecidable("the card is ill")

    rules = (PRECISION, Rule(key="device", inputs={"gpu": "fact.gpu.name"}, decide=broken))
    result = resolve(
        {"precision": auto(), "device": auto()}, CARD, rules, base=NOTHING, not_found={}
    )
    assert [problem.message for problem in result.problems] == [
        "device cannot be decided: the card is ill"
    ]
    assert result.undecided == {"device", "precision"}


def test_undecided_keys_of_the_base_stay_undecided():
    base = Resolution(
        decisions={},
        problems=(),
        undecided=frozenset({"device"}),
        facts_wanted=frozenset(),
        facts_needed=frozenset(),
    )
    result = run({"precision": auto()}, base=base)
    assert (dict(result.decisions), result.problems) == ({}, ())


def test_facts_that_rules_ask_for_are_the_request():
    assert run({"precision": auto(), "device": auto()}, facts={}).facts_wanted == {"fact.gpu.name"}
    assert run({"precision": auto(), "device": said("cpu")}, facts={}).facts_wanted == frozenset()


@pytest.mark.parametrize("how", ["declared", "override", "assumed"])
def test_what_rests_on_an_unmeasured_fact_is_provisional_and_so_is_what_follows(how):
    facts = {"fact.gpu.name": Fact(value="A100", how=how, probe="datasheet@1")}
    decisions = run({"precision": auto(), "device": auto()}, facts=facts).decisions
    assert decisions["device"].provisional == f"fact.gpu.name is {how}, not measured"
    assert decisions["precision"].provisional == "device is provisional"


def test_a_circle_is_named():
    a = Rule(key="a", inputs={"b": "b"}, decide=lambda b: Decision(value=b, because=""))
    b = Rule(key="b", inputs={"a": "a"}, decide=lambda a: Decision(value=a, because=""))
    with pytest.raises(ValueError, match=r"rules need each other: (a -> b -> a|b -> a -> b)"):
        resolve({"a": auto(), "b": auto()}, {}, (a, b), base=NOTHING, not_found={})


def test_a_typo_in_a_rule_is_our_mistake_and_is_named():
    def bad(x: str) -> Decision:
        return Decision(value=x, because="")

    rule = Rule(key="a", inputs={"x": "devic"}, decide=bad)
    with pytest.raises(ValueError, match=r"bad@1 reads devic, which does not exist"):
        resolve({"a": auto(), "device": said("cpu")}, {}, (rule,), base=NOTHING, not_found={})


def test_an_auto_without_a_rule_is_our_mistake():
    with pytest.raises(ValueError, match="batch is auto, but no rule decides it"):
        run({"batch": auto()})


def too_big(micro: int, memory: int | None) -> Problem | None:
    if memory is not None and micro > memory:
        return Problem(message="does not fit", exit=Exit.UNSATISFIABLE, code="", key="micro")
    return None


FITS = Check(
    name="fits",
    code="KV0700",
    inputs={"micro": "micro", "memory": "fact.gpu.memory_bytes"},
    veto=too_big,
)
MICRO = {"micro": Decision(value=8, because="", by="spec")}


def test_a_check_can_veto_a_value_whoever_set_it():
    facts = {"fact.gpu.memory_bytes": Fact(value=4, how="measured", probe="nvml@1")}
    problems, wanted = veto((FITS,), MICRO, facts)
    assert ([item.message for item in problems], wanted) == (
        ["does not fit"],
        {"fact.gpu.memory_bytes"},
    )


def test_a_check_whose_key_does_not_apply_is_not_run():
    assert veto((FITS,), {}, {}) == ((), frozenset())


def test_a_check_that_needs_a_fact_is_not_run_where_there_is_none():
    def cores(micro: int, count: int) -> Problem | None:
        return None if micro <= count else Problem(message="x", exit=Exit.STALE, code="KV0700")

    inputs = {"micro": "micro", "count": "fact.cpu.cores"}
    check = Check(name="cores", code="KV0700", inputs=inputs, veto=cores)
    none = {"fact.cpu.cores": Fact(value=None, how="declared", probe="file@1")}
    assert veto((check,), MICRO, none) == ((), {"fact.cpu.cores"})


def test_an_optional_input_of_a_check_may_be_unknown():
    assert veto((FITS,), MICRO, {}) == ((), {"fact.gpu.memory_bytes"})
