"""What makes a cosine readable: the same number for a constant, and for a teacher of other text.

    cosine             mean of cos(s, t)
    cosine_centred     mean of cos(s - mean s, t - mean t)
    cosine_constant    the best that one constant vector can score: |mean of t / |t||
    cosine_shuffled    mean of cos(s, t of another row at the same position)
    relative_variance  share of the student side's energy that is not its mean: 1 - |mean s|^2 / mean |s|^2

A cosine near `cosine_constant` or `cosine_shuffled`, or a relative variance near 0, means that
little was learned, however high the cosine. Each is computed for every tensor and pair over all
tokens, then averaged.

Shapes: N tokens, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from kavaspec_runtime.losses import TINY, cosine_N
from kavaspec_runtime.objectives.objective import Compared

Place: TypeAlias = tuple[str, int]
"""Which tensor, which pair of layers."""


@dataclass(slots=True)
class Sums:
    """Running sums of one place. float32 on the device; a few hundred rows do not strain it."""

    tokens: int
    cosine: Tensor
    student_F: Tensor
    energy: Tensor
    teacher_F: Tensor
    direction_F: Tensor
    shuffled: Tensor
    shuffled_tokens: int

    @classmethod
    def like(cls, two: Compared) -> Sums:
        nothing, one_F = (
            two.student_NF.new_zeros(()),
            two.student_NF.new_zeros(two.student_NF.shape[1]),
        )
        return cls(0, nothing, one_F, nothing, one_F, one_F, nothing, 0)

    def add(self, two: Compared, partner_N: Tensor) -> None:
        """`partner_N`: for each token the number of one of another row, or -1."""
        student_NF, teacher_NF = two.student_NF, two.teacher_NF
        self.tokens += len(student_NF)
        self.cosine = self.cosine + cosine_N(student_NF, teacher_NF).sum()
        self.student_F = self.student_F + student_NF.sum(0)
        self.energy = self.energy + student_NF.square().sum()
        self.teacher_F = self.teacher_F + teacher_NF.sum(0)
        norm_N1 = torch.linalg.vector_norm(teacher_NF, dim=-1, keepdim=True)
        self.direction_F = self.direction_F + (teacher_NF / norm_N1.clamp_min(TINY)).sum(0)
        has_N = partner_N >= 0
        self.shuffled = (
            self.shuffled + cosine_N(student_NF[has_N], teacher_NF[partner_N[has_N]]).sum()
        )
        self.shuffled_tokens += int(has_N.sum())

    def result(self) -> dict[str, float]:
        mean_F = self.student_F / self.tokens
        energy = (self.energy / self.tokens).clamp_min(TINY**2)
        found = {
            "cosine": self.cosine / self.tokens,
            "cosine_constant": torch.linalg.vector_norm(self.direction_F / self.tokens),
            "relative_variance": (1 - mean_F.square().sum() / energy).clamp_min(0),
        }
        if self.shuffled_tokens > 0:
            found["cosine_shuffled"] = self.shuffled / self.shuffled_tokens
        return {name: value.item() for name, value in found.items()}


@dataclass(slots=True)
class Centred:
    """The second look: cosines after the means of the first have been taken away."""

    tokens: int
    cosine: Tensor
    student_mean_F: Tensor
    teacher_mean_F: Tensor

    @classmethod
    def after(cls, sums: Sums) -> Centred:
        mean_F, target_F = sums.student_F / sums.tokens, sums.teacher_F / sums.tokens
        return cls(0, sums.cosine.new_zeros(()), mean_F, target_F)

    def add(self, two: Compared) -> None:
        student_NF = two.student_NF - self.student_mean_F
        self.cosine = self.cosine + cosine_N(student_NF, two.teacher_NF - self.teacher_mean_F).sum()
        self.tokens += len(student_NF)

    def result(self) -> dict[str, float]:
        return {"cosine_centred": (self.cosine / self.tokens).item()}


def partners(mask_BT: Tensor) -> Tensor:
    """For each token, the number of the token at its place in the neighbouring row, or -1.

    Rows are neighbours in twos: 0 and 1, 2 and 3, ... A last odd row has none. Tokens are numbered
    row after row without padding, as `x_BTF[mask_BT]` numbers them.
    """
    rows = len(mask_BT)
    number_BT = torch.full(mask_BT.shape, -1, device=mask_BT.device, dtype=torch.long)
    number_BT[mask_BT] = torch.arange(int(mask_BT.sum()), device=mask_BT.device)
    swapped_B = torch.arange(rows, device=mask_BT.device) ^ 1
    swapped_BT = number_BT[swapped_B.clamp_max(rows - 1)]
    swapped_BT[swapped_B >= rows] = -1
    return swapped_BT[mask_BT]


def average(results: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean over tensors and pairs of each metric that all of them have."""
    if not results:
        return {}
    names = [name for name in results[0] if all(name in result for result in results)]
    return {name: sum(result[name] for result in results) / len(results) for name in names}
