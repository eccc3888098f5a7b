"""What a run writes is known before it starts: from parameter counts and dtypes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kavaspec.footprint import Footprint, footprint, projector_parameters
from kavaspec.lock.file import read_lock
from kavaspec.plain import Plain
from kavaspec.sizes import in_bytes

ROOT = Path(__file__).parents[1]
STUDENT = 1_000


def values(**otherwise: Plain) -> dict[str, Plain]:
    plain: dict[str, Plain] = {
        "train.param_dtype": "float32",
        "train.optimizer_state_dtype": "float32",
        "train.lora.rank": 0,
        "train.steps": 1000,
        "checkpoint.every": 100,
        "checkpoint.keep": 2,
    }
    return plain | {name.replace("__", "."): value for name, value in otherwise.items()}


def size(stop_after: int | None = None, **otherwise: Plain) -> Footprint:
    return footprint(values(**otherwise), STUDENT, stop_after)


def test_a_checkpoint_holds_weights_and_two_moments_of_each():
    assert size().weights_bytes == 4_000
    assert size().moments_bytes == 8_000
    assert size(train__optimizer_state_dtype="bfloat16").moments_bytes == 4_000
    assert size(train__optimizer_state_dtype="int8").moments_bytes == 2 * (1_000 + 4 * 4)
    assert size(train__param_dtype="bfloat16").weights_bytes == 2_000


def test_one_checkpoint_more_than_is_kept_is_there_while_it_is_written():
    assert size().bytes == 3 * 12_000
    assert str(size()) == "3 checkpoints of 11.7 KiB (weights 3.9 KiB, optimizer 7.8 KiB)"


def test_a_short_run_has_fewer_and_then_its_student_counts():
    assert size(stop_after=3).bytes == 12_000 + 4_000
    assert str(size(stop_after=3)) == (
        "1 checkpoint of 11.7 KiB (weights 3.9 KiB, optimizer 7.8 KiB), and the student of 3.9 KiB"
    )


@pytest.mark.parametrize(
    ("steps", "every", "saves"), [(1000, 100, 10), (1001, 100, 11), (99, 100, 1), (3, 1, 3)]
)
def test_the_last_step_is_saved_too(steps: int, every: int, saves: int):
    assert size(train__steps=steps, checkpoint__every=every).saves == saves


def test_of_adapters_only_the_projector_is_known_before_the_model_is_loaded():
    adapted = size(train__lora__rank=8)
    assert (adapted.checkpoint_bytes, adapted.student_bytes) == (0, 4_000)
    assert str(adapted).endswith(", and the student of 3.9 KiB, without its adapters")


def test_the_original_projector_has_its_146_849_792_parameters():
    original = {
        "objective.kv.projector.kind": "mlp",
        "objective.kv.projector.in_dim": 7168,
        "objective.kv.projector.hidden_dim": 7168,
        "objective.kv.projector.out_dim": 3072,
        "objective.kv.projector.share_kv": False,
        "objective.kv.tensors": ("key", "value"),
    }
    assert projector_parameters(original) == 146_849_792
    assert projector_parameters(original | {"objective.kv.projector.share_kv": True}) * 2 == (
        146_849_792
    )


def test_an_objective_without_a_projector_has_none():
    assert projector_parameters({"objective.kind": "ce"}) == 0


def test_the_default_takes_what_its_checkpoints_took():
    """Two cores, torch 2.13: step-1000 had 4460816 bytes in its three files of tensors."""
    lock = read_lock(ROOT / "tests/golden/cpu-avx512bf16.lock")
    told = footprint(lock.values("cpu"), 348_384, None)
    assert told.checkpoint_bytes == pytest.approx(2_976_376 + 87_032 + 1_397_416, rel=0.01)


def test_bytes_are_said_in_units():
    assert [in_bytes(count) for count in (0, 1023, 2**20, 3 * 2**29)] == [
        "0 bytes",
        "1023 bytes",
        "1 MiB",
        "1.5 GiB",
    ]
