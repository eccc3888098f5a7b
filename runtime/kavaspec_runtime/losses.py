"""What is lost, as sums over tokens in float32, or float64 where both sides have it.

    cosine      1 - cos(s, t)
    mse         mean over features of (s - t)^2
    smooth_l1   mean over features of the Huber loss with knee 1
    mercator    alpha x (1 - cos(s, t)) + beta x (log|s| - log|t|)^2        the original's

Sums, because only a sum over the whole global batch divided once by its number of tokens has the
same gradient however the batch is cut into micro-batches; a mean of means has not.

Shapes: N tokens, F features, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from kavaspec_runtime.rowwise import cosine_rows, cross_entropy_rows

Distance: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Student `[N, F]` and teacher `[N, F]` to a sum over the N tokens."""

TINY = 1e-8
"""Keeps the logarithm of a zero vector finite, and its cosine zero."""


def cosine_N(student_NF: Tensor, teacher_NF: Tensor) -> Tensor:
    """Cosine of each token; 0 for a zero vector."""
    return cosine_rows(student_NF, teacher_NF, tiny=TINY)


def cosine(student_NF: Tensor, teacher_NF: Tensor) -> Tensor:
    return (1 - cosine_N(student_NF, teacher_NF)).sum()


def mse(student_NF: Tensor, teacher_NF: Tensor) -> Tensor:
    return (student_NF.float() - teacher_NF.float()).square().mean(-1).sum()


def smooth_l1(student_NF: Tensor, teacher_NF: Tensor) -> Tensor:
    error_NF = functional.smooth_l1_loss(student_NF.float(), teacher_NF.float(), reduction="none")
    return error_NF.mean(-1).sum()


def mercator(alpha: float, beta: float) -> Distance:
    """The original's loss with its two weights."""

    def distance(student_NF: Tensor, teacher_NF: Tensor) -> Tensor:
        gap_N = log_norm_N(student_NF) - log_norm_N(teacher_NF)
        return alpha * cosine(student_NF, teacher_NF) + beta * gap_N.square().sum()

    return distance


def log_norm_N(x_NF: Tensor) -> Tensor:
    return torch.log(torch.linalg.vector_norm(x_NF.float(), dim=-1) + TINY)


def distance(kind: str, *, alpha: float, beta: float) -> Distance:
    """The function that `objective.kv.loss` names."""
    plain: dict[str, Distance] = {"cosine": cosine, "mse": mse, "smooth_l1": smooth_l1}
    return mercator(alpha, beta) if kind == "mercator" else plain[kind]


def cross_entropy(logits_NV: Tensor, ids_N: Tensor) -> Tensor:
    """Sum over the N predicted tokens; 0 when there are none."""
    return cross_entropy_rows(logits_NV, ids_N).sum()
