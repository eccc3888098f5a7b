"""Two runs: do they agree, and where they part, from which step and why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kavaspec.agreement import Comparison, Parting, compare, parted
from kavaspec.run_record import read_run
from tests.verify import altered


def held(a: Path, b: Path) -> Comparison:
    return compare(read_run(a), read_run(b))


@pytest.fixture
def a() -> Path:
    return altered.RECORDED / "steady"


@pytest.fixture
def b(tmp_path: Path) -> Path:
    return altered.copy("steady", tmp_path, "other")


def parting(a: Path, b: Path) -> Parting:
    found = held(a, b).parting
    assert found is not None
    return found


def other_bits(run: Path, step: int, **bits: str) -> None:
    """From a step on, these bits are others."""
    altered.digests(run, lambda at, it: it.update(bits) if at >= step else None)
    altered.metrics_follow(run)


def test_a_run_that_was_stopped_and_resumed_is_the_run_that_was_left_alone(a: Path):
    found = held(a, altered.RECORDED / "resumed")
    assert (found.kept, found.promise, found.agreed, found.steps) == (True, "bitwise", 12, 12)
    assert found.verdict == "they agree bit for bit, in all 12 steps that both have"
    assert [(it.what, it.same) for it in found.grounds] == [
        ("experiment", True),
        ("numerics", True),
        ("device", True),
        ("versions", True),
    ]


def test_one_bit_of_one_weight_is_found_at_the_step_after_it(a: Path):
    b = altered.RECORDED / "flipped"
    found = held(a, b)
    assert (found.agreed, found.kept, found.largest_step) == (6, False, 7)
    at = parting(a, b)
    assert (at.step, at.cause) == (7, "unexplained")
    assert {it.what: it.same for it in at.values} == {
        "batch": True,
        "loss": False,
        "grad_norm": False,
    }
    assert at.before == "not recorded: the weights differed before it, or its forward pass did"
    problem = parted(found, "A", "B")
    assert problem is not None
    assert (problem.code, problem.exit) == ("KV0822", 12)
    assert problem.message == "A and B part at step 7, though bitwise was promised"


@pytest.mark.parametrize("step", [1, 2, 5, 12])
def test_the_first_step_that_differs_is_the_one_that_is_named(step: int, a: Path, b: Path):
    other_bits(b, step, loss="0x1.0p+1")
    assert parting(a, b).step == step
    assert held(a, b).agreed == step - 1


# ---- what is known of the state before


def test_an_equal_loss_shows_that_the_state_was_equal(a: Path, b: Path):
    other_bits(b, 5, grad_norm="0x1.0p+1")
    assert parting(a, b).before == (
        "the same: the loss agrees to the bit, so only the backward pass differs"
    )


def test_equal_loss_and_gradient_leave_the_update(a: Path, b: Path):
    altered.digests(b, lambda at, it: it.update(weights="0" * 16) if at == 10 else None)
    assert parting(a, b).step == 10
    assert parting(a, b).before == (
        "the same: loss and gradient agree, so only the update of this step differs"
    )


def test_weights_that_were_recorded_say_it(a: Path, b: Path):
    other_bits(b, 11, loss="0x1.0p+1")
    assert parting(a, b).before == "the same: the weights after step 10 agree"
    other_bits(b, 12, loss="0x1.0p+1")
    altered.digests(b, lambda at, it: None)
    c = altered.copy("steady", b.parent, "third")
    other_bits(c, 12, loss="0x1.0p+1")
    assert parting(a, c).before == "not recorded since step 10, when the weights agreed"


def test_what_was_exported_counts_when_every_step_agrees(a: Path, b: Path):
    altered.receipt(b, lambda it: None)
    (b / "student" / "model.safetensors").write_bytes(b"other")
    at = parting(a, b)
    assert (at.step, at.before, held(a, b).kept) == (None, "all 12 steps agree", False)
    assert [it.what for it in at.values] == ["student/model.safetensors"]
    problem = parted(held(a, b), "A", "B")
    assert problem is not None
    assert problem.message == "A and B part after the last step, though bitwise was promised"


# ---- causes


def test_other_rows_are_another_data_order(a: Path, b: Path):
    other_bits(b, 4, batch="0" * 16, loss="0x1.0p+1")
    assert (parting(a, b).step, parting(a, b).cause) == (4, "different data order")
    assert held(a, b).verdict == "they part, and bitwise was promised: the promise is broken"


def test_a_different_experiment_is_named_by_its_keys(a: Path, b: Path):
    altered.locked(b, {"train.seed": 7})
    other_bits(b, 1, batch="0" * 16, loss="0x1.0p+1")
    found = held(a, b)
    assert (found.promise, found.kept) == (None, False)
    assert found.keys == ("train.seed 0 -> 7",)
    assert (parting(a, b).cause, parting(a, b).says) == (
        "different experiment",
        "train.seed 0 -> 7",
    )
    problem = parted(found, "A", "B")
    assert problem is not None
    assert problem.message == (
        "A and B are different experiments, so nothing about them need agree"
    )


def test_different_numerics_promise_only_the_same_rows(a: Path, b: Path):
    altered.locked(b, {"train.micro_batch": 8, "train.accumulation": 1})
    other_bits(b, 2, loss="0x1.0p+3")
    found = held(a, b)
    assert (found.promise, found.kept) == ("data_exact", True)
    assert found.because == "bits are promised for the same of each: numerics"
    assert parting(a, b).cause == "different numerics"
    assert parting(a, b).says == "train.accumulation 2 -> 1; train.micro_batch 4 -> 8"
    assert found.verdict == (
        "they part in bits, which data_exact allows: both read the same rows in the same order"
    )


def test_another_device_promises_only_the_same_rows(a: Path, b: Path):
    altered.events(b, lambda it: it.update(device="NVIDIA H200") if it["ev"] == "run" else None)
    other_bits(b, 2, loss="0x1.0p+3")
    found = held(a, b)
    assert (found.promise, found.kept) == ("data_exact", True)
    assert (parting(a, b).cause, parting(a, b).says) == (
        "different device or versions",
        "device: cpu (1 threads) / NVIDIA H200",
    )


def test_another_version_of_a_library_is_named(a: Path, b: Path):
    altered.receipt(b, lambda it: it["versions"].update(tokenizers="0.1"))
    other_bits(b, 2, loss="0x1.0p+3")
    assert parting(a, b).cause == "different device or versions"
    assert "tokenizers 0.1" in parting(a, b).says
    assert held(a, b).kept


@pytest.mark.parametrize(
    ("step", "cause"),
    [
        (7, "unexplained"),
        (8, "after a resume"),
        (9, "after a resume"),
        (10, "unexplained"),
    ],
)
def test_a_resume_is_the_cause_only_just_after_it(step: int, cause: str, a: Path, tmp_path: Path):
    b = altered.copy("resumed", tmp_path)
    other_bits(b, step, loss="0x1.0p+3")
    assert parting(a, b).cause == cause
    assert held(a, b).kept is False
    if cause == "after a resume":
        assert parting(a, b).says == (
            f"{b} went on from checkpoints/step-7 (step 7), proof: bitwise"
        )


def test_a_resume_that_was_not_proved_to_the_bit_stays_the_cause(a: Path, tmp_path: Path):
    b = altered.copy("resumed", tmp_path)
    altered.events(b, lambda it: it.update(proof="data_exact") if "proof" in it else None)
    other_bits(b, 12, loss="0x1.0p+3")
    assert parting(a, b).cause == "after a resume"
    assert parting(a, b).says.endswith("(step 7), proof: data_exact")


@pytest.mark.parametrize(("step", "cause"), [(3, "unexplained"), (4, "after a deviation")])
def test_a_deviation_is_the_cause_from_its_step_on(step: int, cause: str, a: Path, b: Path):
    split: dict[str, Any] = {"ev": "deviation", "step": 4, "key": "train.micro_batch"}
    split |= {"was": 4, "now": 2, "because": "memory ran out"}
    altered.events(b, lambda it: it.update(split) if it["ev"] == "log" else None)
    other_bits(b, step, loss="0x1.0p+3")
    assert parting(a, b).cause == cause
    assert held(a, b).promise == "data_exact"
    if cause == "after a deviation":
        assert parting(a, b).says == (
            f"{b}, from step 4 on: train.micro_batch 4 -> 2: memory ran out"
        )


# ---- promises


def weaker(tmp_path: Path, promise: str) -> tuple[Path, Path]:
    runs = tuple(altered.copy("steady", tmp_path, name) for name in ("a", "b"))
    for run in runs:
        altered.locked(run, {"train.reproducibility": promise})
    return runs  # type: ignore[return-value]  # two of them


def test_data_exact_allows_other_bits_and_says_how_far_they_are_apart(tmp_path: Path):
    a, b = weaker(tmp_path, "data_exact")
    altered.digests(a, lambda at, it: it.update(loss="0x1.0p+1"))
    altered.digests(b, lambda at, it: it.update(loss="0x1.8p+1" if at == 5 else "0x1.0p+1"))
    found = held(a, b)
    assert (found.promise, found.because) == ("data_exact", "train.reproducibility says so")
    assert (found.kept, found.largest, found.largest_step) == (True, 1 / 3, 5)
    assert parted(found, "A", "B") is None


def test_data_exact_does_not_allow_other_rows_wherever_they_come(tmp_path: Path):
    a, b = weaker(tmp_path, "data_exact")
    altered.digests(
        b,
        lambda at, it: (
            it.update({"loss": "0x1.0p+1"} if at == 5 else {"batch": "0" * 16})
            if at in (5, 9)
            else None
        ),
    )
    found = held(a, b)
    assert (found.kept, found.agreed) == (False, 4)
    assert found.verdict == (
        "they read other rows, and data_exact was promised: the promise is broken"
    )


def test_rows_that_an_older_version_did_not_record_are_not_taken_for_proved(tmp_path: Path):
    a, b = weaker(tmp_path, "data_exact")
    altered.digests(b, lambda at, it: (it.pop("batch"), it.update(loss="0x1.0p+1")))
    found = held(a, b)
    assert found.kept
    assert found.verdict == (
        "they part, which data_exact allows; that both read the same rows is not proved: "
        "an older version wrote a digest.jsonl without them"
    )


def test_statistical_promises_nothing_step_by_step(tmp_path: Path):
    a, b = weaker(tmp_path, "statistical")
    other_bits(b, 1, batch="0" * 16, loss="0x1.0p+1")
    found = held(a, b)
    assert found.kept
    assert found.verdict == (
        "they part, which statistical allows: it promises nothing step by step"
    )


# ---- as far as both went


def test_an_unfinished_run_is_compared_as_far_as_it_went(a: Path, b: Path):
    altered.unfinished(b, 5)
    found = held(a, b)
    assert (found.kept, found.steps, found.agreed) == (True, 5, 5)
    assert found.verdict == "they agree bit for bit, in all 5 steps that both have"
    assert {it.what: it.same for it in found.grounds}["versions"] is None


def test_nothing_in_common_is_no_agreement(a: Path, b: Path):
    altered.unfinished(b, 0)
    found = held(a, b)
    assert (found.kept, found.steps) == (False, 0)
    problem = parted(found, "A", "B")
    assert problem is not None
    assert problem.message == ("A and B have no step in common, so nothing shows that they agree")
