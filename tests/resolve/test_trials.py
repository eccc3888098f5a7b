"""Trials: facts that rest on decisions, with decisions that rest on them."""

from __future__ import annotations

import pytest

from kavaspec.decision import Decision, Rule
from kavaspec.facts.model import Fact
from kavaspec.resolve import NOTHING, resolve
from kavaspec.spec.spec import Asked
from kavaspec.trials import INDIFFERENT, INPUTS, TRIALS, made_with, needs, of

MEMORY = "fact.trial.memory"


def auto() -> Asked:
    return Asked(tier="numerics", value=None, auto=True, by="spec")


def said(value: object) -> Asked:
    return Asked(tier="numerics", value=value, auto=False, by="spec")


def precision(gpu: str) -> Decision:
    return Decision(value="bfloat16" if gpu else "float32", because=f"of {gpu}")


def rows(plain: list[list[int]] | None) -> Decision:
    return Decision(value=0 if plain is None else plain[0][1], because="tried")


RULES = (
    Rule(key="train.micro_batch", inputs={"plain": MEMORY}, decide=rows),
    Rule(key="train.precision", inputs={"gpu": "fact.gpu.name"}, decide=precision),
)
ASKED = {
    "train.precision": auto(),
    "train.micro_batch": auto(),
    "data.max_length": said(512),
    "train.learning_rate": said(0.1),
}
CARD = {"fact.gpu.name": Fact(value="A100", how="measured", probe="nvml@1")}
MADE_WITH = {"train.precision": "bfloat16", "data.max_length": 512}


def tried(**values: object) -> dict[str, Fact]:
    told = made_with({**MADE_WITH, **values})
    return {
        MEMORY: Fact(value=[[1, 7]], how="estimated", probe="step_estimate@1", of=of(told)),
        **CARD,
    }


def run(facts, asked=ASKED):
    return resolve(asked, facts, RULES, base=NOTHING, not_found={}, trials=TRIALS[:1])


def test_a_trial_that_nobody_made_is_asked_for_with_the_values_that_were_decided():
    found = run(CARD)
    assert found.trials == {MEMORY: MADE_WITH}
    assert found.decisions["train.micro_batch"].value == 0
    assert found.outdated == frozenset()


def test_a_trial_that_was_made_with_these_values_is_what_rules_are_told():
    found = run(tried())
    assert (found.trials, found.decisions["train.micro_batch"].value) == ({}, 7)
    assert found.decisions["train.micro_batch"].provisional == (
        "fact.trial.memory is estimated, not measured"
    )


def test_what_rests_on_a_trial_of_other_values_waits_for_a_new_one():
    found = run(tried(**{"data.max_length": 1024}))
    assert found.trials == {MEMORY: MADE_WITH}
    assert found.outdated == {MEMORY}
    assert "train.micro_batch" not in found.decisions
    assert found.problems == ()


def test_a_trial_is_not_asked_for_before_its_values_are_decided():
    found = run({})
    assert found.trials == {}
    assert "train.precision" in found.undecided


@pytest.mark.parametrize("key", sorted(INDIFFERENT))
def test_a_number_that_is_only_computed_with_makes_no_trial_outdated(key):
    assert of(made_with({**MADE_WITH, key: 1})) == of(made_with({**MADE_WITH, key: 2}))


@pytest.mark.parametrize("key", sorted(INPUTS))
def test_everything_that_takes_memory_does(key):
    assert of(made_with({**MADE_WITH, key: 0})) != of(made_with({**MADE_WITH, key: 3}))


def test_of_a_weight_only_whether_there_is_one_takes_memory():
    weights = [of(made_with({"objective.ce_weight": weight})) for weight in (0.0, 0.5, 2.0)]
    assert weights[0] != weights[1] == weights[2]


def test_the_axes_of_a_search_are_no_input():
    assert needs(["train.micro_batch", "train.gradient_checkpointing", "train.world"]) == []
