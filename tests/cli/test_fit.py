"""Which target of a lock fits a machine: nobody has to say it where only one can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from kavaspec import fit
from kavaspec.decision import Guard
from kavaspec.errors import Exit, KavaError
from kavaspec.fit import Seen, choose_target, hold, notes, would_be
from kavaspec.lock.file import read_lock
from kavaspec.lock.model import Lock

ROOT = Path(__file__).parents[2]
GIB = 1 << 30

A100 = {
    "fact.python.version": "3.11",
    "fact.torch.version": "2.13.0",
    "fact.transformers.version": "5.23.0",
    "fact.torch.accelerator": "cuda",
    "fact.gpu.capability": (8, 0),
    "fact.gpu.memory_bytes": 85_899_345_920,
    "fact.gpu.unified": False,
    "fact.cpu.cores": 32,
    "fact.memory.total_bytes": 500 * GIB,
    "fact.canary.bfloat16": "faster",
}
LAPTOP = A100 | {"fact.torch.accelerator": None, "fact.gpu.memory_bytes": None}


@pytest.fixture
def lock() -> Lock:
    """The original pair for two cards and a CPU node."""
    found = read_lock(ROOT / "examples/qwen2.5/kava.lock")
    kept = {name: found.targets[name] for name in ("a100", "cpu", "rtx4070")}
    return replace(found, targets=MappingProxyType(kept))


def seen(facts: dict[str, object]) -> Seen:
    return Seen(
        facts=MappingProxyType({k: v for k, v in facts.items() if v is not None}),  # type: ignore[arg-type]  # plain
        reasons=MappingProxyType(
            {k: "there is no GPU here" for k, v in facts.items() if v is None}
        ),
    )


def refused(lock: Lock, named: str | None, facts: dict[str, object]) -> KavaError:
    with pytest.raises(KavaError) as caught:
        choose_target(lock, named, seen(facts))
    return caught.value


def test_a_name_is_enough(lock: Lock):
    assert choose_target(lock, "cpu", seen({})) == "cpu"


def test_the_only_target_needs_no_name(lock: Lock):
    only = replace(lock, targets={"cpu": lock.targets["cpu"]})
    assert choose_target(only, None, seen({})) == "cpu"


def test_the_only_one_that_fits_is_taken(lock: Lock):
    few = {name: lock.targets[name] for name in ("a100", "cpu")}
    assert choose_target(replace(lock, targets=few), None, seen(A100 | {"fact.cpu.cores": 8})) == (
        "a100"
    )


def test_a_target_whose_device_was_cut_out_is_not_stumbled_over(lock: Lock):
    """`prove` names what is missing; looking at the machine has to get there."""
    name, target = next(iter(lock.targets.items()))
    left = {key: block for key, block in target.decisions.items() if key != "train.device"}
    cut = replace(lock, targets={**lock.targets, name: replace(target, decisions=left)})
    assert fit._computing(cut, name) == ()
    assert fit._computing(lock, name) == ("fact.gpu.name", "fact.gpu.arch", "fact.gpu.driver")


def test_an_unknown_name_is_refused(lock: Lock):
    error = refused(lock, "v100", A100)
    assert (str(error), error.exit_code) == (
        "the lock has no target v100; it has a100, cpu, rtx4070",
        Exit.USAGE,
    )


def test_of_several_that_fit_one_must_be_named(lock: Lock):
    error = refused(lock, None, A100 | {"fact.cpu.cores": 8})
    assert error.exit_code == Exit.USAGE
    assert str(error) == "several targets of the lock fit here: a100, rtx4070"
    assert error.problems[0].hint == (
        "name one: --target a100\n"
        "the others do not:\n"
        "  cpu: train.threads needs fact.cpu.cores >= 16, here is 8"
    )


def test_where_none_fits_each_says_why(lock: Lock):
    error = refused(lock, None, LAPTOP | {"fact.cpu.cores": 8})
    assert error.exit_code == Exit.DRIFT
    assert str(error) == "no target of the lock fits here: it has a100, cpu, rtx4070"
    assert error.problems[0].hint is not None
    assert error.problems[0].hint.splitlines()[0] == (
        "a100: train.device needs fact.torch.accelerator == cuda, "
        "here is unknown (there is no GPU here) (and 2 more)"
    )


def test_a_smaller_card_names_the_one_guard(lock: Lock):
    small = seen(A100 | {"fact.gpu.memory_bytes": 24 * GIB})
    [failed] = [held for held in hold(lock, "a100", small) if not held.ok]
    assert failed.text == (
        "train.micro_batch needs fact.gpu.memory_bytes >= 46.9 GiB, here is 24 GiB"
    )


def test_where_only_bytes_differ_bytes_are_said(lock: Lock):
    [failed] = [
        held
        for held in hold(lock, "a100", seen(A100 | {"fact.gpu.memory_bytes": 50_366_401_534}))
        if not held.ok
    ]
    assert (failed.wish, failed.here) == (
        "gpu.memory_bytes >= 50366401535 (46.9 GiB)",
        "50366401534 (46.9 GiB)",
    )


@pytest.mark.parametrize(
    ("guard", "wish"),
    [
        ("fact.python.version", "3.11"),
        ("fact.cpu.cores", "cpu.cores >= 4"),
        ("fact.gpu.capability", "gpu.capability >= [8, 0]"),
        ("fact.canary.bfloat16", "canary.bfloat16 not in [wrong, unsupported]"),
        ("fact.gpu.memory_bytes", "gpu.memory_bytes >= 46.9 GiB"),
        ("fact.gpu.unified", "false"),
    ],
)
def test_a_guard_as_a_person_reads_it(guard: str, wish: str, lock: Lock):
    wishes = [held.wish for held in hold(lock, "a100", seen(A100)) if held.guard.fact == guard]
    assert wish in wishes


def test_a_bigger_card_is_no_drift_and_worth_a_note(lock: Lock):
    bigger = seen(A100)
    assert all(held.ok for held in hold(lock, "rtx4070", bigger))
    assert notes(would_be(lock, "rtx4070", bigger)) == (
        "train.optimizer_state_dtype: int8 is valid here; locked here it would be float32",
        "train.param_dtype: bfloat16 is valid here; locked here it would be float32",
    )
    assert would_be(lock, "a100", bigger) == {}


def test_of_a_value_that_does_not_hold_only_its_guard_tells(lock: Lock):
    small = seen(A100 | {"fact.gpu.memory_bytes": 24 * GIB})
    assert [held.key for held in hold(lock, "a100", small) if not held.ok] == ["train.micro_batch"]
    assert "train.micro_batch" not in would_be(lock, "a100", small)


def test_what_nothing_is_known_of_passes_only_a_guard_that_forbids(lock: Lock):
    blind = {held.guard: held.ok for held in hold(lock, "a100", seen({}))}
    assert [str(guard) for guard, ok in blind.items() if ok] == [
        'fact.canary.bfloat16 not in ["wrong", "unsupported"]'
    ]
    assert Guard(fact="fact.cpu.cores", op=">=", value=4) in blind
