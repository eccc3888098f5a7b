"""AdamW, its groups, its schedule and its dtypes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kavaspec_runtime.optimizer import (
    Recipe,
    Schedule,
    adamw,
    moments,
    set_learning_rate,
    set_moments,
    trainable,
)


def recipe(state_dtype=torch.float32) -> Recipe:
    return Recipe(
        learning_rate=0.01,
        projector_learning_rate=0.1,
        weight_decay=0.5,
        beta1=0.9,
        beta2=0.99,
        epsilon=1e-8,
        state_dtype=state_dtype,
        seed=0,
    )


def modules(width: int = 4) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, width), nn.LayerNorm(width)), nn.Linear(width, 2)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
        ("linear", [0.5, 1.0, 1.0, 0.775, 0.55, 0.325]),
        ("cosine", [0.5, 1.0, 1.0, 0.868198, 0.55, 0.231802]),
    ],
)
def test_the_schedule_rises_over_the_warmup_and_falls_to_its_end(kind, expected):
    schedule = Schedule(kind=kind, warmup_steps=2, steps=6, final=0.1)
    assert [schedule.share(step) for step in range(6)] == pytest.approx(expected, abs=1e-6)
    assert schedule.share(6) == pytest.approx(1.0 if kind == "constant" else 0.1)


def test_student_and_projector_have_their_rates_and_biases_and_norms_do_not_decay():
    student, projector = modules()
    optimizer = adamw(student, projector, recipe())
    set_learning_rate(optimizer, 0.5)
    found = [
        (group["lr"], group["weight_decay"], [tuple(w.shape) for w in group["params"]])
        for group in optimizer.param_groups
    ]
    assert found == [
        (0.005, 0.5, [(4, 4)]),
        (0.005, 0.0, [(4,), (4,), (4,)]),
        (0.05, 0.5, [(2, 4)]),
        (0.05, 0.0, [(2,)]),
    ]


def test_moments_are_kept_in_the_locked_dtype():
    student, projector = modules()
    optimizer = adamw(student, projector, recipe(torch.bfloat16))
    projector(student(torch.randn(2, 4))).sum().backward()
    optimizer.step()
    kept = {
        name.rpartition(":")[2]: tensor.dtype
        for name, tensor in moments(optimizer, trainable(student)).items()
    }
    assert kept == {
        "step": torch.float32,
        "exp_avg": torch.bfloat16,
        "exp_avg_sq": torch.bfloat16,
    }


@pytest.mark.parametrize("state_dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_moments_travel_by_name(state_dtype):
    student, projector = modules(1100)
    optimizer = adamw(student, projector, recipe(state_dtype))
    for _ in range(3):
        projector(student(torch.randn(2, 4))).sum().backward()
        optimizer.step()
    kept = {name: tensor.clone() for name, tensor in moments(optimizer, trainable(student)).items()}
    other, beside = modules(1100)
    fresh = adamw(other, beside, recipe(state_dtype))
    set_moments(fresh, trainable(other), kept)
    again = moments(fresh, trainable(other))
    assert kept.keys() == again.keys()
    assert all(torch.equal(kept[name], again[name]) for name in kept)


def test_weights_that_were_never_stepped_have_no_moments():
    student, projector = modules()
    optimizer = adamw(student, projector, recipe())
    student(torch.randn(2, 4)).sum().backward()
    optimizer.step()
    assert moments(optimizer, trainable(projector)) == {}
