"""A lock proves itself: whatever is taken out of it is missed, by name, without a spec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from kavaspec.errors import Exit, KavaError, Problem
from kavaspec.lock.file import read_lock
from kavaspec.lock.model import Block, Lock, LockedFact
from kavaspec.lock.prove import AGAIN, prove

ROOT = Path(__file__).parents[2]
LOCKS = [
    *sorted((ROOT / "tests/golden").glob("*.lock")),
    *sorted((ROOT / "tests/lock/released").rglob("*.lock")),
    *sorted((ROOT / "examples").rglob("*.lock")),
]


@pytest.fixture
def lock() -> Lock:
    return read_lock(ROOT / "tests/golden/cpu-avx512bf16.lock")


def only_checked(lock: Lock) -> set[str]:
    """Facts on which no decision rests: only checks read them. Not every model has each of them."""
    decided_from = {name for block in lock.blocks("cpu").values() for name in block.inputs}
    return set(lock.facts_of("cpu")) - decided_from


def without(lock: Lock, name: str) -> Lock:
    """A lock from which one decision or fact was cut, wherever it stands; seals fit."""
    cpu = lock.targets["cpu"]

    def cut_facts(facts: Mapping[str, LockedFact]) -> Mapping[str, LockedFact]:
        return {it: fact for it, fact in facts.items() if it != name}

    def cut_blocks(blocks: Mapping[str, Block]) -> Mapping[str, Block]:
        return {key: block for key, block in blocks.items() if key != name}

    target = replace(cpu, facts=cut_facts(cpu.facts), decisions=cut_blocks(cpu.decisions))
    return replace(
        lock,
        facts=cut_facts(lock.facts),
        experiment=cut_blocks(lock.experiment),
        targets={"cpu": target},
    )


def changed(lock: Lock, key: str, **fields: object) -> Lock:
    """A lock with one decision of its target edited by hand, and sealed again."""
    cpu = lock.targets["cpu"]
    edited = replace(cpu.decisions[key], **fields)  # type: ignore[arg-type]  # fields of a block
    return replace(lock, targets={"cpu": replace(cpu, decisions={**cpu.decisions, key: edited})})


def refused(lock: Lock) -> Problem:
    with pytest.raises(KavaError) as caught:
        prove(lock, "cpu")
    [problem] = caught.value.problems
    return problem


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_lock_that_kavaspec_wrote_is_proved(path: Path):
    lock = read_lock(path)
    for target in lock.targets:
        unknown = prove(lock, target)
        assert unknown == () or any(block.provisional for block in lock.experiment.values())


def test_a_decision_that_was_cut_is_named(lock: Lock):
    problem = refused(without(lock, "train.threads"))
    assert (problem.exit, problem.code) == (Exit.BROKEN, "KV0605")
    assert problem.message == "the lock is not complete: it does not decide train.threads"
    assert problem.hint == AGAIN


def test_no_decision_can_be_cut_unnoticed(lock: Lock):
    for key in lock.blocks("cpu"):
        problem = refused(without(lock, key))
        assert problem.exit == Exit.BROKEN
        if key != "objective.kind":  # which says what belongs into the lock
            assert problem.message == f"the lock is not complete: it does not decide {key}"


def test_of_many_that_were_cut_some_are_named_and_the_others_counted(lock: Lock):
    for key in [key for key in lock.blocks("cpu") if key.startswith("train.")]:
        lock = without(lock, key)
    assert refused(lock).message == (
        "the lock is not complete: it does not decide train.accumulation, train.attention, "
        "train.beta1, train.beta2, train.clip, train.compile, train.device, train.epochs "
        "and 27 more"
    )


def test_a_fact_that_was_cut_is_named_with_what_rests_on_it(lock: Lock):
    problem = refused(without(lock, "fact.student.parameters"))
    assert (problem.exit, problem.code) == (Exit.BROKEN, "KV0605")
    assert problem.message == (
        "the lock is not complete: it does not hold fact.student.parameters "
        "(for train.micro_batch, train.optimizer_state_dtype and 2 more)"
    )


def test_no_fact_on_which_a_decision_rests_can_be_cut_unnoticed(lock: Lock):
    for name in set(lock.facts_of("cpu")) - only_checked(lock):
        problem = refused(without(lock, name))
        assert problem.exit == Exit.BROKEN
        assert f"it does not hold {name} (for " in problem.message


def test_a_fact_that_only_checks_read_is_told(lock: Lock):
    """Alone, a lock cannot tell whether it was cut out or never found."""
    names = only_checked(lock)
    assert {"fact.data.columns", "fact.teacher.tokenizer"} <= names
    for name in names:
        assert prove(without(lock, name), "cpu") == (name,)


def test_a_guard_that_was_cut_is_named(lock: Lock):
    problem = refused(changed(lock, "train.threads", guard=()))
    assert (problem.exit, problem.code) == (Exit.STALE, "KV0302")
    assert problem.message == (
        "the lock does not follow from its own facts: 1 of its 107 decisions is not what the "
        "rules give"
    )
    assert problem.hint == f"train.threads: its guard fact.cpu.cores >= 16 is missing\n{AGAIN}"


def test_no_guard_can_be_cut_unnoticed(lock: Lock):
    guarded = {key: it for key, it in lock.targets["cpu"].decisions.items() if it.guard}
    assert len(guarded) >= 4
    for key, block in guarded.items():
        hint = refused(changed(lock, key, guard=())).hint
        assert hint == f"{key}: its guard {', '.join(block.guard)} is missing\n{AGAIN}"


def test_a_guard_that_nobody_gave_is_named(lock: Lock):
    hint = refused(changed(lock, "train.device", guard=("fact.cpu.cores >= 2",))).hint
    assert hint == f"train.device: no check gives its guard fact.cpu.cores >= 2\n{AGAIN}"


def test_a_value_that_its_rule_does_not_give_is_named_with_what_follows(lock: Lock):
    problem = refused(changed(lock, "loader.workers", value=3))
    assert problem.exit == Exit.STALE
    assert problem.hint is not None
    assert problem.hint.startswith("loader.workers: 3 -> ")


def test_a_value_that_no_check_lets_pass_is_what_the_check_says(lock: Lock):
    literal = changed(lock, "train.threads", value=64, by="spec", inputs={}, guard=())
    with pytest.raises(KavaError) as caught:
        prove(literal, "cpu")
    first = caught.value.problems[0]
    assert (first.exit, first.code) == (Exit.UNSATISFIABLE, "KV0751")
    assert first.message == (
        "train.threads = 64 x train.world = 1 needs 64 cores, but 16 may be used"
    )


def test_a_key_that_nobody_knows_is_named(lock: Lock):
    cpu = lock.targets["cpu"]
    strange = {**cpu.decisions, "train.magic": cpu.decisions["train.device"]}
    problem = refused(replace(lock, targets={"cpu": replace(cpu, decisions=strange)}))
    assert (problem.exit, problem.code) == (Exit.BROKEN, "KV0607")
    assert problem.message == "the lock has train.magic, which this kavaspec does not know"


def test_another_target_is_another_question(lock: Lock):
    cut = without(lock, "train.threads")
    both = replace(lock, targets={"cpu": lock.targets["cpu"], "b": cut.targets["cpu"]})
    assert prove(both, "cpu") == ()
    with pytest.raises(KavaError, match="train.threads"):
        prove(both, "b")
