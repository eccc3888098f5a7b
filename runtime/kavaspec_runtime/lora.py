"""Low-rank adapters on the student's linear layers, merged into the weights at export.

y = W x + (alpha / rank) x B A dropout(x)        A [rank, in], B [out, rank] starts at zero
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from kavaspec.errors import Exit, fail


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """`train.lora` as the lock has it. Rank 0: all weights are trained, there are no adapters."""

    rank: int
    alpha: float
    dropout: float
    targets: tuple[str, ...]


class LoraLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank addition."""

    def __init__(self, base: nn.Linear, lora: Lora) -> None:
        super().__init__()
        self.base = base.requires_grad_(requires_grad=False)
        self.scale = lora.alpha / lora.rank
        self.dropout = nn.Dropout(lora.dropout)
        self.a = nn.Linear(base.in_features, lora.rank, bias=False)
        self.b = nn.Linear(lora.rank, base.out_features, bias=False)
        nn.init.zeros_(self.b.weight)  # the student starts as it was
        for weight in (self.a.weight, self.b.weight):
            weight.data = weight.data.to(base.weight.device, base.weight.dtype)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x) + self.scale * self.b(self.a(self.dropout(x)))
        return y

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The base layer with the addition inside its weight."""
        self.base.weight += (self.scale * self.b.weight.float() @ self.a.weight.float()).to(
            self.base.weight.dtype
        )
        return self.base


def adapt(student: Any, lora: Lora) -> None:
    """Freeze the student and put an adapter on every linear layer named in `targets`."""
    if lora.rank == 0:
        return
    student.requires_grad_(requires_grad=False)
    found = [(name, layer) for name, layer in linears(student) if _last(name) in lora.targets]
    missing = set(lora.targets) - {_last(name) for name, _ in found}
    if missing:
        raise fail(
            f"the student has no linear layer named {', '.join(sorted(missing))}",
            Exit.DRIFT,
            code="KV0407",
            key="train.lora.targets",
            hint=f"it has {', '.join(sorted({_last(name) for name, _ in linears(student)}))}",
        )
    for name, layer in found:
        _replace(student, name, LoraLinear(layer, lora))


def merge(student: Any) -> None:
    """Take the adapters off again, keeping what they learned."""
    for name, module in list(student.named_modules()):
        if isinstance(module, LoraLinear):
            _replace(student, name, module.merged())


def linears(model: nn.Module) -> Sequence[tuple[str, nn.Linear]]:
    return [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Linear)]


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
