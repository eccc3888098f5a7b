"""Cosine and cross-entropy of rows, each with a backward pass of its own: a block of rows at a time.

The plain functions write every step of the way for all rows to memory, in float32: for 1,200 labels
and a vocabulary of 49,152 that is 236 MB, six times over. Here a block of rows is read in the dtype
it has, widened, and left behind; what is kept for the backward pass is the input and one number per
row. Rows do not meet, so the size of a block changes no bit.

Shapes: N rows, F features, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from kavaspec_runtime.alike import backend_for, rounds

BLOCK_BYTES = {"cpu": 1 << 21}
"""By device: what a core's cache holds; other devices need rows enough to be busy."""
ELSEWHERE_BYTES = 1 << 26


def cosine_rows(student_NF: Tensor, teacher_NF: Tensor, *, tiny: float) -> Tensor:
    """Cosine of each row `[N]`, at least float32; a norm below `tiny` counts as `tiny`."""
    cosine_N: Tensor = _Cosine.apply(student_NF, teacher_NF, tiny)  # type: ignore[no-untyped-call]  # torch has no annotation here
    return cosine_N


def cross_entropy_rows(logits_NV: Tensor, ids_N: Tensor) -> Tensor:
    """Minus the log-probability of `ids_N`, one number for each row `[N]`, at least float32."""
    loss_N: Tensor = _CrossEntropy.apply(logits_NV, ids_N)  # type: ignore[no-untyped-call]  # torch has no annotation here
    return loss_N


class _Cosine(Function):
    """cos = s.t / (|s| |t|);  dcos/ds = t / (|s| |t|) - cos s / |s|^2."""

    @staticmethod
    def forward(ctx: Any, student_NF: Tensor, teacher_NF: Tensor, tiny: float) -> Tensor:
        dot_N, student_N, teacher_N = (_per_row(student_NF) for _ in range(3))
        for rows in _blocks(student_NF):
            s, t = _wide(student_NF[rows]), _wide(teacher_NF[rows])
            dot_N[rows] = (s * t).sum(-1)
            student_N[rows] = torch.linalg.vector_norm(s, dim=-1)
            teacher_N[rows] = torch.linalg.vector_norm(t, dim=-1)
        long = [(norm_N > tiny).to(dot_N.dtype) for norm_N in (student_N, teacher_N)]
        over = [norm_N.clamp_min(tiny).reciprocal() for norm_N in (student_N, teacher_N)]
        cosine_N = dot_N * over[0] * over[1]
        ctx.save_for_backward(student_NF, teacher_NF, cosine_N, *over, *long)
        return cosine_N

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_N: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        student_NF, teacher_NF, cosine_N, *scales = ctx.saved_tensors
        over, long = scales[:2], scales[2:]
        both_N1 = (grad_N * over[0] * over[1])[:, None]
        found: list[Tensor | None] = [None, None]
        for side, (own_NF, other_NF) in enumerate(
            ((student_NF, teacher_NF), (teacher_NF, student_NF))
        ):
            if not ctx.needs_input_grad[side]:
                continue
            own_N1 = (grad_N * cosine_N * over[side].square() * long[side])[:, None]
            grad_NF = torch.empty_like(own_NF)
            for rows in _blocks(own_NF):
                grad = _wide(other_NF[rows]) * both_N1[rows]
                grad_NF[rows] = grad.sub_(_wide(own_NF[rows]) * own_N1[rows])
            found[side] = grad_NF
        return found[0], found[1], None


class _CrossEntropy(Function):
    """-log p = logsumexp(l) - l[id];  d/dl = softmax(l) - onehot(id)."""

    @staticmethod
    def forward(ctx: Any, logits_NV: Tensor, ids_N: Tensor) -> Tensor:
        total_N = _per_row(logits_NV)
        for rows in _blocks(logits_NV):
            total_N[rows] = torch.logsumexp(_wide(logits_NV[rows]), dim=-1)
        ctx.save_for_backward(logits_NV, ids_N, total_N)
        return total_N - _wide(logits_NV.gather(1, ids_N[:, None])[:, 0])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_N: Tensor) -> tuple[Tensor, None]:
        logits_NV, ids_N, total_N = ctx.saved_tensors
        grad_NV = torch.empty_like(logits_NV)
        for rows in _blocks(logits_NV):
            grad = (_wide(logits_NV[rows]) - total_N[rows, None]).exp_()
            grad.scatter_add_(1, ids_N[rows, None], torch.full_like(grad[:, :1], -1.0))
            grad_NV[rows] = grad.mul_(grad_N[rows, None])
        return grad_NV, None


def _wide(x: Tensor) -> Tensor:
    return x if x.dtype == torch.float64 else x.float()


def _per_row(x_NF: Tensor) -> Tensor:
    wide = torch.float64 if x_NF.dtype == torch.float64 else torch.float32
    return x_NF.new_zeros(len(x_NF), dtype=wide)


def _blocks(x_NF: Tensor) -> Iterator[slice]:
    room = BLOCK_BYTES.get(backend_for(x_NF), ELSEWHERE_BYTES)
    size = max(1, room // (4 * max(1, x_NF.shape[1])))
    for start in rounds(range(0, len(x_NF), size)):
        yield slice(start, start + size)
