"""Numbers that make a cosine readable."""

from __future__ import annotations

import pytest
import torch

from kavaspec_runtime.metrics import Centred, Sums, average, partners
from kavaspec_runtime.objectives.objective import Compared


def two(student: torch.Tensor, teacher: torch.Tensor) -> Compared:
    return Compared(tensor="key", pair=0, student_NF=student, teacher_NF=teacher)


def measured(student, teacher, mask=None) -> dict[str, float]:
    mask = torch.ones(1, len(student), dtype=torch.bool) if mask is None else mask
    compared = two(student, teacher)
    sums = Sums.like(compared)
    sums.add(compared, partners(mask))
    centred = Centred.after(sums)
    centred.add(compared)
    return sums.result() | centred.result()


def test_equal_sides_are_equal_and_a_constant_is_seen_as_one():
    torch.manual_seed(0)
    x = torch.randn(400, 32)
    found = measured(x, x)
    assert found["cosine"] == pytest.approx(1.0)
    assert found["cosine_centred"] == pytest.approx(1.0)
    assert found["cosine_constant"] < 0.15
    assert found["relative_variance"] > 0.95


def test_two_sides_that_share_only_a_constant_have_a_high_cosine_and_nothing_else():
    torch.manual_seed(0)
    constant = 10 * torch.ones(32)
    student, teacher = constant + torch.randn(400, 32), constant + torch.randn(400, 32)
    found = measured(student, teacher)
    assert found["cosine"] > 0.98
    assert found["cosine_constant"] >= found["cosine"]
    assert abs(found["cosine_centred"]) < 0.05
    assert found["relative_variance"] < 0.02


def test_relative_variance_of_two_opposite_vectors_is_one_and_of_equal_ones_zero():
    opposite = torch.tensor([[1.0, 2.0], [-1.0, -2.0]])
    assert measured(opposite, opposite)["relative_variance"] == pytest.approx(1.0)
    assert measured(torch.ones(3, 2), torch.ones(3, 2))["relative_variance"] == pytest.approx(0.0)


def test_the_best_constant_scores_the_length_of_the_mean_direction():
    teacher = torch.tensor([[2.0, 0.0], [0.0, 5.0]])
    assert measured(teacher, teacher)["cosine_constant"] == pytest.approx(2**-0.5)


def test_partners_are_tokens_at_the_same_place_of_the_neighbouring_row():
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=torch.bool)
    # tokens: row 0 = 0 1 2, row 1 = 3 4, row 2 = 5 and no neighbour
    assert partners(mask).tolist() == [3, 4, -1, 0, 1, -1]


def test_the_shuffled_cosine_compares_with_the_other_row_where_both_have_a_token():
    mask = torch.tensor([[1, 1], [1, 0]], dtype=torch.bool)
    student = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    teacher = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    # token 0 meets row 1's token (cosine 1), token 2 meets token 0 (cosine 0), token 1 meets nobody
    assert measured(student, teacher, mask)["cosine_shuffled"] == pytest.approx(0.5)


def test_a_single_row_has_no_shuffled_cosine():
    assert "cosine_shuffled" not in measured(torch.ones(2, 2), torch.ones(2, 2))


def test_places_are_averaged_over_the_metrics_that_all_have():
    assert average([{"a": 1.0, "b": 2.0}, {"a": 3.0}]) == {"a": 2.0}
    assert average([]) == {}
