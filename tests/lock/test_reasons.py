"""Why a lock is stale: all of it, causes with their place, consequences below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kavaspec.lock.file import read_lock
from kavaspec.lock.model import Lock
from kavaspec.lock.reasons import Reason, reasons
from kavaspec.lock.stale import compare
from kavaspec.spec.load import parse_spec
from kavaspec.spec.spec import Spec
from tests.effort import effort

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "examples/qwen2.5/kava.toml").read_text(encoding="utf-8")
LOCK = read_lock(ROOT / "examples/qwen2.5/kava.lock")

PRESET_LINE = next(line for line in TEXT.splitlines(True) if line.startswith("preset = "))

CHANGES = {
    "train.global_batch": ("global_batch = 32", "global_batch = 64"),
    "train.steps": ("steps = 233", "steps = 466"),
    "train.learning_rate": ("learning_rate = 5e-5", "learning_rate = 1e-4"),
    "data.max_length": ("max_length = 512", "max_length = 256"),
    "name": ('name = "qwen2.5-gsm8k"', 'name = "another"'),
    "model.student.source": ("models/qwen2.5-0.5b-instruct", "models/another"),
    "model.teacher.source": ("models/qwen2.5-1.5b-instruct", "models/larger"),
}
"""Key -> words of the spec, and what stands there instead."""


def spec(*keys: str, more: str = "") -> Spec:
    text = TEXT
    for key in keys:
        old, new = CHANGES[key]
        assert old in text
        text = text.replace(old, new, 1)
    return parse_spec(text + more, "kava.toml", set=MappingProxyType({}))


def told(spec: Spec, lock: Lock) -> tuple[Reason, ...]:
    return reasons(spec, lock, compare(spec, lock))


def every(told: tuple[Reason, ...]) -> Iterator[Reason]:
    for reason in told:
        yield reason
        yield from every(reason.below)


@given(st.sets(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=5))
@settings(max_examples=effort(40), deadline=None)
def test_every_cause_and_every_consequence_is_told(changed: set[str]):
    now = spec(*changed)
    found = compare(now, LOCK)
    tree = reasons(now, LOCK, found)
    causes = {reason.key: reason for reason in tree}
    assert changed <= causes.keys()
    for key in changed:
        where = causes[key].where
        assert where is not None
        assert where.text == TEXT.replace(*CHANGES[key]).splitlines()[where.line - 1]
    keys = {reason.key for reason in every(tree) if reason.kind not in {"fact", "target"}}
    assert keys == {key for _, key in found.differing}
    facts = {reason.key for reason in every(tree) if reason.kind == "fact"}
    outdated = {fact for facts in found.outdated.values() for fact in facts}
    assert facts == {*found.missing_facts, *outdated}


def lines(told: tuple[Reason, ...], depth: int = 0) -> Iterator[str]:
    for it in told:
        where = f" {it.where.line}:{it.where.column}" if it.where else ""
        yield f"{'  ' * depth}{it.key} {it.change}: {it.because}{where}"
        yield from lines(it.below, depth + 1)


def with_preset(line: str, more: str = "") -> tuple[Reason, ...]:
    text = TEXT.replace(PRESET_LINE, line + "\n")
    return told(parse_spec(text + more, "kava.toml", set=MappingProxyType({})), LOCK)


def test_another_preset_is_one_cause_and_all_that_it_decides_follows():
    [cause] = with_preset('preset = "safe"')
    assert (cause.key, cause.kind, cause.old, cause.new) == (
        "objective.preset",
        "changed",
        "seed",
        "safe",
    )
    otherwise = "default@1 decides it now; before preset seed@1"
    assert [it for it in lines((cause,)) if not it.startswith("    ")] == [
        "objective.preset seed -> safe: kava.toml changed it 29:1",
        f"  objective.ce_weight 0.0 -> 1.0: {otherwise}",
        f"  objective.kv.aggregate concat -> none: {otherwise}",
        f"  objective.kv.loss mercator -> cosine: {otherwise}",
        f"  objective.kv.mask none -> attention: {otherwise}",
        f"  objective.kv.normalise none -> layer_std: {otherwise}",
        f"  objective.kv.projector.dropout 0.1 -> 0.0: {otherwise}",
        f"  objective.kv.projector.kind mlp -> low_rank: {otherwise}",
        f"  objective.kv.projector.side teacher -> student: {otherwise}",
        f"  objective.kv.tensors [key, value], as before: {otherwise}",
        f"  objective.kv.value_weight 0.0 -> 1.0: {otherwise}",
    ]
    below = {it.key for it in every(cause.below) if it.because.startswith("follows ")}
    assert below == {
        "objective.kv.layer_map",
        "objective.kv.student_dim",
        "objective.kv.teacher_dim",
        "objective.kv.projector.in_dim",
        "objective.kv.projector.hidden_dim",
        "objective.kv.projector.out_dim",
        "train.teacher_placement",
    }


def test_a_preset_that_is_gone_has_no_place_and_is_named_all_the_same():
    [cause] = with_preset("")
    assert cause.where is None
    assert next(lines((cause,))) == (
        "objective.preset seed -> safe: kava.toml names none, which is safe"
    )


def test_a_line_that_was_written_with_another_preset_is_a_cause_of_its_own():
    first, second = with_preset('preset = "safe"\n\nce_weight = 0.5')
    assert first.key == "objective.preset"
    assert "objective.ce_weight" not in {it.key for it in every((first,))}
    first_line, *below = lines((second,))
    assert first_line == (
        "objective.ce_weight 0.0 -> 0.5: kava.toml decides it now; before preset seed@1 31:1"
    )
    assert [it for it in below if not it.startswith("    ")] == [
        f"  {fact} has to be seen anew: tried with another objective.ce_weight"
        for fact in ("fact.trial.memory", "fact.trial.memory_checkpointed")
    ]


@given(st.sets(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=5))
@settings(max_examples=effort(20), deadline=None)
def test_what_follows_stands_below_what_it_follows(changed: set[str]):
    for reason in every(told(spec(*changed), LOCK)):
        for below in reason.below:
            if below.kind in {"changed", "waits"}:
                assert reason.key in below.because


def test_what_is_alike_on_several_targets_is_told_once():
    [cause] = told(spec("train.global_batch"), LOCK)
    assert (cause.key, cause.change, cause.targets) == ("train.global_batch", "32 -> 64", ())
    assert [(it.key, it.targets, it.change) for it in cause.below] == [
        ("train.accumulation", ("a100",), "1, as before"),
        ("train.accumulation", ("cpu",), "8 -> 16"),
        ("train.accumulation", ("m2max",), "16 -> 32"),
        ("train.accumulation", ("rtx4070",), "32 -> 64"),
        ("train.micro_batch", ("a100",), "32 -> 64"),
        ("train.micro_batch", ("cpu",), "4, as before"),
        ("train.micro_batch", ("m2max",), "2, as before"),
        ("train.micro_batch", ("rtx4070",), "1, as before"),
        ("train.teacher_placement", (), "same_device, as before"),
    ]


def test_a_target_more_and_a_target_less():
    more = told(spec(more='\n[targets."v1.5"]\n\nfacts = "x.yaml"\n'), LOCK)
    assert [(it.key, it.kind, it.change, it.because) for it in more] == [
        ("v1.5", "target", "missing", "kava.toml has a new target")
    ]
    assert more[0].where is not None
    fewer = replace(LOCK, targets={**LOCK.targets, "old": LOCK.targets["cpu"]})
    [less] = [it for it in told(spec(), fewer) if it.kind == "target"]
    assert (less.key, less.change, less.because, less.where) == (
        "old",
        "not wanted any more",
        "kava.toml has no such target",
        None,
    )


@pytest.mark.parametrize("key", sorted(CHANGES))
def test_a_fresh_lock_has_no_reasons(key: str):
    assert told(spec(), LOCK) == ()
    assert told(spec(key), LOCK) != ()


def test_a_guard_that_is_other_is_a_reason():
    target = LOCK.targets["cpu"]
    block = replace(target.decisions["train.threads"], guard=("fact.cpu.cores >= 2",))
    decisions = {**target.decisions, "train.threads": block}
    lock = replace(LOCK, targets={**LOCK.targets, "cpu": replace(target, decisions=decisions)})
    [reason] = told(spec(), lock)
    assert (reason.key, reason.kind, reason.targets, reason.because) == (
        "train.threads",
        "decided otherwise",
        ("cpu",),
        "valid while fact.cpu.cores >= 16, not fact.cpu.cores >= 2",
    )
