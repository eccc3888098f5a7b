"""`objective.kind = "ce"`: next-token cross-entropy, without a teacher. The baseline of every claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from kavaspec_runtime.capture import Seen
from kavaspec_runtime.data import Batch, Totals
from kavaspec_runtime.objectives.objective import (
    Compared,
    Models,
    Objective,
    Terms,
    cross_entropy_of,
)
from kavaspec_runtime.settings import Settings


class CrossEntropy(Objective):
    """Sum of the cross-entropy of all labels, divided by how many the global batch has."""

    kind: ClassVar[str] = "ce"
    needs_teacher: ClassVar[bool] = False
    counts_padding: ClassVar[bool] = False
    teacher_layers = ()
    teacher_depth: ClassVar[int] = 0

    @classmethod
    def of(cls, settings: Settings) -> CrossEntropy:
        """Nothing to say: `ce_weight` weighs the term against others, and there are none."""
        del settings
        return cls()

    def projector(self) -> nn.Module:
        return nn.Module()

    def checked(self, models: Models) -> None:
        """A student of any shape can learn to predict tokens."""

    def measured(self, models: Models, batches: Sequence[Batch]) -> CrossEntropy:
        del models, batches
        return self

    def supposed(self) -> CrossEntropy:
        return self

    def terms(self, models: Models, batch: Batch, totals: Totals) -> Terms:
        seen = models.student_sees(batch)
        ce = cross_entropy_of(models, batch, seen) / totals.labels
        return Terms(loss=ce, metrics={"ce": ce.detach()})

    def compared(self, models: Models, batch: Batch, seen: Seen) -> list[Compared]:
        del models, batch, seen
        return []
