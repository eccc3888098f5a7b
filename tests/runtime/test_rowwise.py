"""Cosine and cross-entropy in blocks of rows: the same numbers and gradients as the plain functions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from kavaspec_runtime import rowwise
from kavaspec_runtime.rowwise import cosine_rows, cross_entropy_rows

TINY = 1e-8


def plain_cosine(s: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return functional.cosine_similarity(s, t, dim=-1, eps=TINY)


def plain_cross_entropy(logits: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(logits, ids, reduction="none")


def numbers(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def gradients(loss_N: torch.Tensor, *of: torch.Tensor) -> list[torch.Tensor]:
    weights = torch.linspace(-1, 2, len(loss_N), dtype=loss_N.dtype)  # rows do not weigh the same
    return list(torch.autograd.grad((loss_N * weights).sum(), of))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 9),
    width=st.integers(1, 40),
    room=st.sampled_from([1, 64, 400, 1 << 20]),
    seed=st.integers(0, 99),
)
def test_in_double_precision_they_are_the_plain_functions(
    rows: int, width: int, room: int, seed: int
):
    s, t = numbers(rows, width, seed=seed), numbers(rows, width, seed=seed + 100)
    ids = torch.arange(rows) % width
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(rowwise.BLOCK_BYTES, "cpu", room)
        for x in (s, t):
            x.requires_grad_()
        ours, plain = cosine_rows(s, t, tiny=TINY), plain_cosine(s, t)
        torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-14)
        for a, b in zip(gradients(ours, s, t), gradients(plain, s, t), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
        ours, plain = cross_entropy_rows(s, ids), plain_cross_entropy(s, ids)
        torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(gradients(ours, s), gradients(plain, s), rtol=1e-12, atol=1e-14)


def test_the_derivatives_are_those_of_the_values():
    s, t = numbers(3, 5).requires_grad_(), numbers(3, 5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, b: cosine_rows(a, b, tiny=TINY), (s, t))
    assert torch.autograd.gradcheck(lambda a: cross_entropy_rows(a, torch.tensor([4, 0, 2])), (s,))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_how_large_a_block_is_changes_no_bit(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch):
    s, t = (numbers(37, 33, seed=it, dtype=dtype).requires_grad_() for it in (0, 1))
    ids = torch.arange(37) % 33
    seen = []
    for room in (1, 700, 1 << 20):
        monkeypatch.setitem(rowwise.BLOCK_BYTES, "cpu", room)
        cosine, loss = cosine_rows(s, t, tiny=TINY), cross_entropy_rows(s, ids)
        seen.append([cosine, loss, *gradients(cosine, s, t), *gradients(loss, s)])
    for other in seen[1:]:
        assert all(torch.equal(a, b) for a, b in zip(seen[0], other, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_narrow_inputs_are_computed_in_float32(dtype: torch.dtype):
    s, t = (numbers(6, 50, seed=it, dtype=dtype).requires_grad_() for it in (0, 1))
    ids = torch.arange(6)
    assert cosine_rows(s, t, tiny=TINY).dtype == torch.float32
    assert cross_entropy_rows(s, ids).dtype == torch.float32
    torch.testing.assert_close(cosine_rows(s, t, tiny=TINY), plain_cosine(s.float(), t.float()))
    torch.testing.assert_close(cross_entropy_rows(s, ids), plain_cross_entropy(s.float(), ids))
    for ours, plain in (
        (cosine_rows(s, t, tiny=TINY), plain_cosine(s.float(), t.float())),
        (cross_entropy_rows(s, ids), plain_cross_entropy(s.float(), ids)),
    ):
        # both are rounded once, to the dtype of the input: at most one last place apart
        [a], [b] = gradients(ours, s), gradients(plain, s)
        assert a.dtype == b.dtype == dtype
        torch.testing.assert_close(a, b, rtol=2 * torch.finfo(dtype).eps, atol=1e-7)


def test_a_zero_vector_has_cosine_zero_and_a_finite_gradient():
    s, t = torch.zeros(1, 3, requires_grad=True), torch.ones(1, 3)
    cosine = cosine_rows(s, t, tiny=TINY)
    assert cosine.item() == 0.0
    [gradient] = torch.autograd.grad(cosine.sum(), s)
    assert torch.isfinite(gradient).all()


def test_certain_and_impossible_predictions_stay_finite():
    logits = torch.tensor([[80.0, -80.0], [80.0, -80.0]], requires_grad=True)
    loss = cross_entropy_rows(logits, torch.tensor([0, 1]))
    assert loss.tolist() == [0.0, 160.0]
    [gradient] = torch.autograd.grad(loss.sum(), logits)
    torch.testing.assert_close(gradient, torch.tensor([[0.0, 0.0], [1.0, -1.0]]))
