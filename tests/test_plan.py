"""One experiment on other numbers of processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kavaspec.lock.file import read_lock
from kavaspec.lock.ids import ids
from kavaspec.lock.model import Lock
from kavaspec.plan import plan
from kavaspec.trials import is_trial

ROOT = Path(__file__).parents[1]


@pytest.fixture
def lock() -> Lock:
    return read_lock(ROOT / "examples/qwen2.5/kava.lock")


def written(lock: Lock, micro_batch: int) -> Lock:
    """The same where a person wrote the micro-batch."""
    target = lock.targets["a100"]
    block = replace(target.decisions["train.micro_batch"], value=micro_batch, by="spec", inputs={})
    decisions = {**target.decisions, "train.micro_batch": block}
    return replace(lock, targets={"a100": replace(target, decisions=decisions)})


def test_every_number_of_processes_that_shares_the_batch_keeps_all_of_it(lock: Lock):
    possible = [split for split in plan(lock, "a100", range(1, 65)) if not split.why_not]
    assert [split.world for split in possible] == [1, 2, 4, 8, 16, 32]
    assert all(split.world * split.micro_batch * split.accumulation == 32 for split in possible)
    memory = [split.process_bytes for split in possible]
    assert memory == sorted(memory, reverse=True)


def test_with_the_locked_number_it_is_what_is_locked(lock: Lock):
    for name in lock.targets:
        values = lock.values(name)
        [here] = plan(lock, name, [values["train.world"]])
        assert here.micro_batch == values["train.micro_batch"]
        assert here.accumulation == values["train.accumulation"]


def test_a_number_that_cannot_share_names_the_nearest_that_can(lock: Lock):
    [split] = plan(lock, "a100", [5])
    assert (split.why_not, split.instead) == ("32 rows cannot be shared by 5", (4, 8))


def test_a_micro_batch_that_a_person_wrote_stays(lock: Lock):
    one, sixteen = plan(written(lock, 4), "a100", [1, 16])
    assert (one.micro_batch, one.accumulation) == (4, 8)
    assert (sixteen.why_not, sixteen.instead) == (
        "2 rows each are no multiple of train.micro_batch = 4",
        (8,),
    )


def test_where_nobody_tried_a_step_memory_is_not_known(lock: Lock):
    target = lock.targets["a100"]
    facts = {name: fact for name, fact in target.facts.items() if not is_trial(name)}
    block = target.decisions["train.micro_batch"]
    inputs = {name: value for name, value in block.inputs.items() if not is_trial(name)}
    decisions = {**target.decisions, "train.micro_batch": replace(block, inputs=inputs)}
    untried = replace(lock, targets={"a100": replace(target, facts=facts, decisions=decisions)})
    [two] = plan(untried, "a100", [2])
    assert (two.micro_batch, two.process_bytes) == (8, None)


def test_it_changes_nothing(lock: Lock):
    before = ids(lock, "a100")
    list(plan(lock, "a100", range(1, 9)))
    assert ids(lock, "a100") == before
