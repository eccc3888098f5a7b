"""A lock whose seals all fit may still say what no lock can say: it is broken, and the block is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from kavaspec.errors import KavaError, Problem
from kavaspec.lock.file import intact_parts, lock_text, parse_lock
from kavaspec.lock.model import Block, Lock, LockedFact
from kavaspec.plain import Plain, freeze

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "tests/golden/a100-slurm.lock").read_text(encoding="utf-8")
LOCK = parse_lock(TEXT, "kava.lock")


def with_block(key: str, target: str = "", **changes: object) -> Lock:
    """The golden lock with one block made anew, seal and all."""
    blocks = LOCK.targets[target].decisions if target else LOCK.experiment
    base = blocks.get(key, Block(value=1, by="spec"))
    changed = {**blocks, key: replace(base, **changes)}  # type: ignore[arg-type]  # strange on purpose
    if not target:
        return replace(LOCK, experiment=changed)
    inside = replace(LOCK.targets[target], decisions=changed)
    return replace(LOCK, targets=MappingProxyType({**LOCK.targets, target: inside}))


def with_fact(name: str, value: Plain, target: str = "") -> Lock:
    facts = LOCK.targets[target].facts if target else LOCK.facts
    base = facts.get(name, LockedFact(value=1, how="measured", probe="cpu@1"))
    changed = {**facts, name: replace(base, value=value)}
    if not target:
        return replace(LOCK, facts=changed)
    inside = replace(LOCK.targets[target], facts=changed)
    return replace(LOCK, targets=MappingProxyType({**LOCK.targets, target: inside}))


def problem(lock: Lock) -> Problem:
    with pytest.raises(KavaError) as caught:
        parse_lock(lock_text(lock), "kava.lock")
    [found] = caught.value.problems
    assert found.exit == 6
    assert found.where is not None
    return found


@pytest.mark.parametrize(
    ("lock", "code", "message"),
    [
        (with_block("train.steps", value="many"), "KV0608",
         "train.steps is many; expected an integer >= 1"),
        (with_block("train.seed", value=-1), "KV0608",
         "train.seed is -1; expected an integer >= 0"),
        (with_block("objective.kv.layers", value=()), "KV0608",
         "objective.kv.layers is []; expected a list of integers >= 0"),
        (with_block("train.precision", "a100", value="auto"), "KV0608",
         'train.precision is auto; expected "float32", "bfloat16" or "float16"'),
        (with_block("train.device", "a100", value=None), "KV0608",
         'train.device is none; expected "cuda", "rocm", "mps" or "cpu"'),
        (with_block("train.zeal"), "KV0607",
         "the lock decides train.zeal, which this kavaspec does not know"),
        (with_block("train.seed", "a100", value=0), "KV0606",
         "train.seed stands in the wrong part of the lock: it belongs to the experiment"),
        (with_block("train.threads", value=1), "KV0606",
         "train.threads stands in the wrong part of the lock: it belongs to each target"),
        (with_block("train.steps", by="somebody"), "KV0606",
         "train.steps: nobody is called 'somebody' who could have decided it"),
        (with_block("train.seed", by="steps@1"), "KV0606",
         "train.seed was decided by steps@1, and no rule may decide it"),
        (with_block("train.steps", inputs={"fact.luck": 1}), "KV0606",
         "train.steps was decided from fact.luck, which this kavaspec does not know"),
        (with_block("train.steps", inputs={"auto": {"most": 1}}), "KV0606",
         "train.steps: {most: 1} are no limits of an auto"),
        (with_block("train.threads", "a100", guard=("fact.cpu.cores ~ 1",)), "KV0606",
         "train.threads: 'fact.cpu.cores ~ 1' is not a guard"),
        (with_block("train.threads", "a100", guard=("fact.luck >= 1",)), "KV0606",
         "train.threads is guarded by fact.luck, which this kavaspec does not know"),
        (with_block("train.threads", "a100", guard=('fact.cpu.cores >= "a"',)), "KV0606",
         "train.threads: 'fact.cpu.cores >= \"a\"' does not fit fact.cpu.cores"),
        (with_block("train.threads", "a100", guard=("fact.gpu.name in 3",)), "KV0606",
         "train.threads: 'fact.gpu.name in 3' does not fit fact.gpu.name"),
        (with_fact("fact.data.columns", 3), "KV0606",
         "fact.data.columns is 3; expected a list of texts"),
        (with_fact("fact.memory.batch_table", freeze([[1, 2, 3]]), "a100"), "KV0606",
         "fact.memory.batch_table is [[1, 2, 3]]; expected a list of pairs of whole numbers"),
        (with_fact("fact.luck", 3), "KV0607",
         "fact.luck is a fact that this kavaspec does not know"),
        (replace(LOCK, set={"train.zeal": 1}), "KV0607",
         "--set train.zeal: this kavaspec has no such key"),
    ],
)  # fmt: skip
def test_what_means_nothing_is_broken(lock: Lock, code: str, message: str):
    found = problem(lock)
    assert (found.code, found.message) == (code, message)


def test_it_is_shown_where_it_stands():
    found = problem(with_block("train.steps", value="many"))
    assert found.where is not None
    assert found.where.text == "  train.steps:"
    assert found.hint == (
        "restore it with `git checkout kava.lock`, or derive it again with `kavaspec lock`"
    )


def test_the_rest_of_such_a_lock_can_still_be_trusted():
    spoilt = with_block("train.steps", value="many")
    kept = intact_parts(lock_text(spoilt), "kava.lock")
    assert kept is not None
    assert set(LOCK.experiment) - set(kept.experiment) == {"train.steps"}
    assert kept.targets == LOCK.targets


WRITTEN = [
    *ROOT.glob("tests/golden/*.lock"),
    *ROOT.glob("tests/lock/released/*/kava.lock"),
    *ROOT.glob("examples/**/*.lock"),
]


@pytest.mark.parametrize(
    "path", sorted(WRITTEN), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_every_lock_that_was_ever_written_makes_sense(path: Path):
    assert parse_lock(path.read_text(encoding="utf-8"), str(path)).experiment
