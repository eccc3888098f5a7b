"""AdamW with two learning rates, and the schedule as a pure function of the step.

student     peak learning_rate            } weight decay on matrices and embeddings,
projector   peak projector_learning_rate  } none on biases and norms
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kavaspec_runtime.device import DTYPES
from kavaspec_runtime.narrow import MOMENTS, NarrowAdamW, converted, kept_in

MOMENT_DTYPES = {**DTYPES, "int8": torch.uint8}
"""What moments can be kept in, by the lock's names."""

PARTS = ("step", *MOMENTS, *(f"{name}_factor" for name in MOMENTS))
"""What an optimizer may remember of a weight."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """What the lock says about the optimizer."""

    learning_rate: float
    projector_learning_rate: float
    weight_decay: float
    beta1: float
    beta2: float
    epsilon: float
    state_dtype: torch.dtype
    """Of the moments; uint8 for 8 bits with a factor for each block."""
    seed: int
    """For what is rounded at random."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """Share of the peak learning rate at each step."""

    kind: str
    warmup_steps: int
    steps: int
    final: float

    def share(self, step: int) -> float:
        """`step` counts from 0: the first step of a warmup of 4 has a quarter of the peak."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.kind == "constant":
            return 1.0
        progress = (step - self.warmup_steps) / max(self.steps - self.warmup_steps, 1)
        left = 1 - progress if self.kind == "linear" else (1 + math.cos(math.pi * progress)) / 2
        return self.final + (1 - self.final) * left


def adamw(student: nn.Module, projector: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """The optimizer of a run. Its groups remember their peak as `peak`."""
    groups = [
        *groups_of(student, recipe.learning_rate, recipe.weight_decay),
        *groups_of(projector, recipe.projector_learning_rate, recipe.weight_decay),
    ]
    weights = [weight for group in groups for weight in group["params"]]
    narrow = {recipe.state_dtype, *(weight.dtype for weight in weights)} != {torch.float32}
    kind = NarrowAdamW if narrow else torch.optim.AdamW
    # fused is one kernel over all weights; on MPS it has ignored the scaler (pytorch PR 186360)
    fused = not narrow and all(weight.device.type in ("cpu", "cuda") for weight in weights)
    optimizer = kind(
        groups,
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.epsilon,
        weight_decay=recipe.weight_decay,
        foreach=False,
        fused=fused,
    )
    if isinstance(optimizer, NarrowAdamW):
        optimizer.state_dtype, optimizer.seed = recipe.state_dtype, recipe.seed
    return optimizer


def groups_of(module: nn.Module, peak: float, weight_decay: float) -> list[dict[str, Any]]:
    """Two groups: what decays (two dimensions and more) and what does not (biases, norms)."""
    weights = trainable(module).values()
    decays = [weight for weight in weights if weight.ndim >= 2]
    others = [weight for weight in weights if weight.ndim < 2]
    groups = [
        {"params": decays, "lr": peak, "peak": peak, "weight_decay": weight_decay},
        {"params": others, "lr": peak, "peak": peak, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def set_learning_rate(optimizer: torch.optim.Optimizer, share: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """Weights that learn, by name; tied ones once."""
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}


def moments(
    optimizer: torch.optim.Optimizer, named: Mapping[str, nn.Parameter]
) -> dict[str, Tensor]:
    """The optimizer's state by the names of its weights; nothing for weights never stepped."""
    found: dict[str, Tensor] = {}
    for name, weight in named.items():
        for part, value in optimizer.state.get(weight, {}).items():
            found[f"{name}:{part}"] = value
    return found


def set_moments(
    optimizer: torch.optim.Optimizer,
    named: Mapping[str, nn.Parameter],
    tensors: Mapping[str, Tensor],
) -> None:
    """The inverse of `moments`; what was kept in another dtype is converted to this optimizer's."""
    dtype = optimizer.state_dtype if isinstance(optimizer, NarrowAdamW) else torch.float32
    for name, weight in named.items():
        saved = {part: tensors[f"{name}:{part}"] for part in PARTS if f"{name}:{part}" in tensors}
        if not saved:
            continue
        for part, value in converted(saved, weight, kept_in(weight, dtype)).items():
            # the step counter stays where torch's kernels want it: beside the weight when fused
            beside = part != "step" or optimizer.defaults["fused"]
            optimizer.state[weight][part] = value.to(weight.device) if beside else value
