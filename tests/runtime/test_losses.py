"""Losses by their oracles: numbers that anybody can compute by hand."""

from __future__ import annotations

import math

import pytest
import torch

from kavaspec_runtime.losses import (
    cosine,
    cosine_N,
    cross_entropy,
    distance,
    log_norm_N,
    mercator,
    mse,
    smooth_l1,
)


def row(*numbers: float) -> torch.Tensor:
    return torch.tensor([numbers])


@pytest.mark.parametrize(
    ("student", "teacher", "expected"),
    [
        pytest.param(row(1, 2, 3), row(1, 2, 3), 1.0, id="identical"),
        pytest.param(row(1, 2, 3), row(5, 10, 15), 1.0, id="scaled"),
        pytest.param(row(1, 0), row(0, 1), 0.0, id="orthogonal"),
        pytest.param(row(1, 2), row(-1, -2), -1.0, id="negated"),
        pytest.param(row(3, 4), row(6, 8), 1.0, id="oracle C"),
        pytest.param(row(0, 0), row(1, 1), 0.0, id="zero vector"),
    ],
)
def test_cosine(student, teacher, expected):
    assert cosine_N(student, teacher).item() == pytest.approx(expected, abs=1e-6)
    assert cosine(student, teacher).item() == pytest.approx(1 - expected, abs=1e-6)


def test_the_originals_loss_of_3_4_against_6_8():
    student, teacher = row(3, 4), row(6, 8)
    gap = (log_norm_N(student) - log_norm_N(teacher)).square().item()
    assert gap == pytest.approx(0.4804530139, abs=1e-6)
    assert gap == pytest.approx(math.log(2) ** 2, abs=1e-6)
    assert mercator(1.0, 0.01)(student, teacher).item() == pytest.approx(0.0048045301, abs=1e-7)


def test_elementwise_losses_are_means_over_features_and_sums_over_tokens():
    student, teacher = torch.ones(2, 2), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert mse(student, teacher).item() == pytest.approx((0 + 1) / 2 + (4 + 9) / 2)
    assert smooth_l1(student, teacher).item() == pytest.approx((0 + 0.5) / 2 + (1.5 + 2.5) / 2)


@pytest.mark.parametrize("kind", ["cosine", "mse", "smooth_l1", "mercator"])
def test_every_loss_is_zero_for_equals_a_sum_over_tokens_and_empty_without_any(kind):
    loss = distance(kind, alpha=1.0, beta=0.5)
    a, b = torch.randn(6, 5), torch.randn(6, 5)
    assert loss(a, a).item() == pytest.approx(0.0, abs=1e-5)
    parts = loss(a[:2], b[:2]) + loss(a[2:], b[2:])
    assert loss(a, b).item() == pytest.approx(parts.item(), rel=1e-6)
    assert loss(a[:0], b[:0]).item() == 0.0


@pytest.mark.parametrize("kind", ["cosine", "mse", "smooth_l1", "mercator"])
def test_losses_are_computed_in_float32(kind):
    a, b = torch.randn(3, 4).bfloat16(), torch.randn(3, 4).bfloat16()
    loss = distance(kind, alpha=1.0, beta=0.5)
    assert loss(a, b).dtype == torch.float32
    assert loss(a, b).item() == pytest.approx(loss(a.float(), b.float()).item(), rel=1e-6)


@pytest.mark.parametrize("kind", ["cosine", "mercator"])
def test_a_zero_vector_has_a_finite_gradient(kind):
    student = torch.zeros(1, 3, requires_grad=True)
    distance(kind, alpha=1.0, beta=0.0)(student, torch.ones(1, 3)).backward()
    assert torch.isfinite(student.grad).all()


def test_cross_entropy_is_a_sum_and_zero_without_labels():
    assert cross_entropy(torch.zeros(3, 7), torch.tensor([0, 1, 2])).item() == pytest.approx(
        3 * math.log(7)
    )
    assert cross_entropy(torch.zeros(0, 7), torch.zeros(0, dtype=torch.long)).item() == 0.0
