"""The shape of every objective: what it compares, and what that costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from kavaspec_runtime.capture import Kept, Seen, logits_at, teach, trunk
from kavaspec_runtime.data import Batch, Totals
from kavaspec_runtime.losses import cross_entropy
from kavaspec_runtime.remember import Remembered
from kavaspec_runtime.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Models:
    """Who learns, from whom, through what."""

    student: Any
    teacher: Any | None
    projector: nn.Module
    device: torch.device
    precision: torch.dtype
    teacher_depth: int
    """How many of the teacher's layers are read, from the first on."""
    mask_padding: bool
    """Whether attention is told what is padding: only where padding is compared too."""
    remembered: Remembered | None = None
    """What the teacher saw of the rows that are trained on, where it is kept on disk."""

    def computing(self) -> torch.autocast:
        """Matrix products in `precision`; float32 leaves everything as it is."""
        reduced = self.precision != torch.float32
        return torch.autocast(
            self.device.type, dtype=self.precision if reduced else None, enabled=reduced
        )

    def student_sees(self, batch: Batch) -> Seen:
        return trunk(self.student, batch, mask_padding=self.mask_padding)

    def teacher_sees(self, batch: Batch) -> Kept:
        if self.remembered is not None and batch.split == self.remembered.split:
            return self.remembered.sees(batch)
        return self.teacher_reads(batch)

    def teacher_reads(self, batch: Batch) -> Kept:
        """A forward pass of the teacher."""
        assert self.teacher is not None, "an objective that asks for a teacher says needs_teacher"
        return teach(
            self.teacher,
            batch,
            self.device,
            depth=self.teacher_depth,
            mask_padding=self.mask_padding,
        )

    def train(self) -> None:
        """Dropout on, for those who learn."""
        self.student.train()
        self.projector.train()

    def eval(self) -> None:
        """Dropout off."""
        self.student.eval()
        self.projector.eval()


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What one micro-batch adds to the loss of its global batch."""

    loss: Tensor
    metrics: Mapping[str, Tensor]
    """Each adds up over micro-batches to the metric of the global batch; detached."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """Two sides of one comparison, token by token: `[N, F]` each."""

    tensor: str
    pair: int
    student_NF: Tensor
    teacher_NF: Tensor


class Objective(ABC):
    """One `objective.kind`."""

    kind: ClassVar[str]
    needs_teacher: ClassVar[bool]
    teacher_layers: tuple[int, ...]
    """Which of the teacher's layers are read."""

    @classmethod
    @abstractmethod
    def of(cls, settings: Settings) -> Objective:
        """What the lock says about this kind."""

    @abstractmethod
    def projector(self) -> nn.Module:
        """The trainable map, new; a module without parameters when the kind has none."""

    @abstractmethod
    def checked(self, models: Models) -> None:
        """Hold the loaded models against the lock, before the first step."""

    @abstractmethod
    def measured(self, models: Models, batches: Sequence[Batch]) -> Objective:
        """This objective with whatever constants it takes from the data, such as scales."""

    @abstractmethod
    def supposed(self) -> Objective:
        """The same before there is any data: what `measured` would find is taken to be 1."""

    @abstractmethod
    def terms(self, models: Models, batch: Batch, totals: Totals) -> Terms:
        """Loss and metrics of one micro-batch."""

    @abstractmethod
    def compared(self, models: Models, batch: Batch, seen: Seen) -> list[Compared]:
        """What the held-out cosines are about, float32: all non-padding tokens, row after row."""

    @property
    @abstractmethod
    def teacher_depth(self) -> int:
        """How many of the teacher's layers are read, from the first on."""

    @property
    @abstractmethod
    def counts_padding(self) -> bool:
        """Whether padding is part of the loss; then every row is padded to the same length."""


def cross_entropy_of(models: Models, batch: Batch, seen: Seen) -> Tensor:
    """Sum over the labels of a micro-batch, from a forward pass that is already done."""
    logits_NV = logits_at(models.student, seen.hidden_BTC, batch.label_BT)
    return cross_entropy(logits_NV, batch.ids_BT[batch.label_BT])
