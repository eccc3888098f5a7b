"""`objective.kind = "kv"`: the student learns the keys and values that the teacher leaves in its cache.

    loss = ce_weight x CE + weight x (key_weight x KV(keys) + value_weight x KV(values))
    KV   = sum over pairs and tokens of distance(student side, teacher side) / (pairs x tokens)

A pair is a student layer and its teacher layer (`aggregate = "none"`), or all layers of both made
into one vector per token:

    concat     side by side                                  [N, sum of F]
    mean       the mean of the layers                        [N, F]
    weighted   weights from weight_start to weight_stop, summing to 1      [N, F]

Shapes: B rows, T tokens, N compared tokens, F = heads x head width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from kavaspec.errors import Exit, fail
from kavaspec.plain import show
from kavaspec_runtime.capture import Kept, Seen, vectors
from kavaspec_runtime.data import Batch, Totals, four_tokens
from kavaspec_runtime.losses import Distance, cosine_N, distance
from kavaspec_runtime.objectives.objective import (
    Compared,
    Models,
    Objective,
    Terms,
    cross_entropy_of,
)
from kavaspec_runtime.project import Projector, Shape
from kavaspec_runtime.settings import Settings

Aggregate = Callable[[Sequence[Tensor]], Tensor]


@dataclass(frozen=True, kw_only=True)
class KeyValue(Objective):
    """Which layers are compared, at which widths, with which weights."""

    kind: ClassVar[str] = "kv"
    needs_teacher: ClassVar[bool] = True

    ce_weight: float
    weight: float
    tensor_weights: dict[str, float]
    """`key` and `value`, those that are compared."""
    student_layers: tuple[int, ...]
    teacher_layers: tuple[int, ...]
    aggregate: str
    weight_start: float
    weight_stop: float
    student_dims: tuple[int, ...]
    teacher_dims: tuple[int, ...]
    distance: Distance
    normalise: str
    mask: str
    side: str
    shapes: tuple[Shape, ...]
    share_kv: bool
    scales: dict[tuple[str, int], float] | None
    """Standard deviation of each teacher tensor, by tensor and pair; None where not normalised."""

    @classmethod
    def of(cls, settings: Settings) -> KeyValue:
        kv = "objective.kv"
        return cls(
            ce_weight=settings.number("objective.ce_weight"),
            weight=settings.number(f"{kv}.weight"),
            tensor_weights={
                name: settings.number(f"{kv}.{name}_weight")
                for name in settings.texts(f"{kv}.tensors")
            },
            student_layers=settings.wholes(f"{kv}.layers"),
            teacher_layers=settings.wholes(f"{kv}.layer_map"),
            aggregate=settings.text(f"{kv}.aggregate"),
            weight_start=settings.number(f"{kv}.weight_start"),
            weight_stop=settings.number(f"{kv}.weight_stop"),
            student_dims=settings.widths(f"{kv}.student_dim"),
            teacher_dims=settings.widths(f"{kv}.teacher_dim"),
            distance=distance(
                settings.text(f"{kv}.loss"),
                alpha=settings.number(f"{kv}.alpha"),
                beta=settings.number(f"{kv}.beta"),
            ),
            normalise=settings.text(f"{kv}.normalise"),
            mask=settings.text(f"{kv}.mask"),
            side=settings.text(f"{kv}.projector.side"),
            shapes=shapes_of(settings),
            share_kv=settings.flag(f"{kv}.projector.share_kv"),
            scales=None,
        )

    @property
    def counts_padding(self) -> bool:
        return self.mask == "none"

    @property
    def teacher_depth(self) -> int:
        return max(self.teacher_layers) + 1

    # ---- building

    def projector(self) -> nn.Module:
        return Projector(self.shapes, tuple(self.tensor_weights), share_kv=self.share_kv)

    def checked(self, models: Models) -> None:
        """Compare the widths that both models really leave in their caches with the locked ones."""
        batch = four_tokens().to(models.device)
        with torch.no_grad():
            self._held_against("student", models.student_sees(batch).kept.widths)
            self._held_against("teacher", models.teacher_sees(batch).widths)

    def measured(self, models: Models, batches: Sequence[Batch]) -> KeyValue:
        """With `layer_std`: the standard deviation of each teacher tensor over `batches`."""
        if self.normalise == "none":
            return self
        spread: dict[tuple[str, int], Spread] = {}
        for batch in batches:
            taught = models.teacher_sees(batch)
            for tensor in self.tensor_weights:
                for pair, side in enumerate(self._teacher_side(taught, tensor, batch.mask_BT)):
                    spread[tensor, pair] = spread.get((tensor, pair), NOTHING_YET).plus(side)
        return replace(self, scales={place: seen.deviation() for place, seen in spread.items()})

    def supposed(self) -> KeyValue:
        if self.normalise == "none":
            return self
        pairs = range(len(self.student_dims))
        return replace(
            self, scales={(it, pair): 1.0 for it in self.tensor_weights for pair in pairs}
        )

    # ---- one micro-batch

    def terms(self, models: Models, batch: Batch, totals: Totals) -> Terms:
        seen = models.student_sees(batch)
        ce = self._cross_entropy(models, batch, seen) / totals.labels
        tokens = totals.places if self.counts_padding else totals.tokens
        share = 1 / (max(tokens, 1) * len(self.student_dims))
        kv = ce.new_zeros(())
        cosine = ce.new_zeros(())
        for two in self._pairs(models, batch, seen, self._counted(batch), self._trained()):
            weight = self.tensor_weights[two.tensor]
            kv = kv + weight * share * self.distance(two.student_NF, two.teacher_NF)
            cosine += share * cosine_N(two.student_NF.detach(), two.teacher_NF.detach()).sum()
        return Terms(
            loss=self.ce_weight * ce + self.weight * kv,
            metrics={
                "ce": ce.detach(),
                "kv": kv.detach(),
                "cosine": cosine / max(len(self._trained()), 1),
            },
        )

    def compared(self, models: Models, batch: Batch, seen: Seen) -> list[Compared]:
        return [
            replace(two, student_NF=two.student_NF.float(), teacher_NF=two.teacher_NF.float())
            for two in self._pairs(models, batch, seen, batch.mask_BT, self._trained())
        ]

    def _cross_entropy(self, models: Models, batch: Batch, seen: Seen) -> Tensor:
        """Reported also when it is not learned from; then it costs no backward pass."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.ce_weight > 0):
            return cross_entropy_of(models, batch, seen)

    def _counted(self, batch: Batch) -> Tensor:
        return torch.ones_like(batch.mask_BT) if self.counts_padding else batch.mask_BT

    def _trained(self) -> tuple[str, ...]:
        """Tensors with a weight. The others' maps get no gradient, as the original's value map."""
        return tuple(name for name, weight in self.tensor_weights.items() if weight > 0)

    def _pairs(
        self, models: Models, batch: Batch, seen: Seen, counted_BT: Tensor, tensors: tuple[str, ...]
    ) -> list[Compared]:
        taught = models.teacher_sees(batch)
        found = []
        for tensor in tensors:
            students = self._student_side(seen.kept, tensor, counted_BT)
            teachers = self._teacher_side(taught, tensor, counted_BT)
            for pair, (student_NF, teacher_NF) in enumerate(zip(students, teachers, strict=True)):
                found.append(self._two(models.projector, tensor, pair, student_NF, teacher_NF))
        return found

    def _two(
        self, projector: nn.Module, tensor: str, pair: int, student_NF: Tensor, teacher_NF: Tensor
    ) -> Compared:
        if self.scales is not None:
            scale = self.scales[tensor, pair]
            student_NF, teacher_NF = student_NF.float() / scale, teacher_NF.float() / scale
        if self.side == "student":
            student_NF = projector(student_NF, tensor, pair)
        else:
            teacher_NF = projector(teacher_NF, tensor, pair)
        return Compared(tensor=tensor, pair=pair, student_NF=student_NF, teacher_NF=teacher_NF)

    def _student_side(self, kept: Kept, tensor: str, counted_BT: Tensor) -> list[Tensor]:
        return self._vectors(kept, tensor, self.student_layers, counted_BT)

    def _teacher_side(self, kept: Kept, tensor: str, counted_BT: Tensor) -> list[Tensor]:
        return self._vectors(kept, tensor, self.teacher_layers, counted_BT)

    def _vectors(
        self, kept: Kept, tensor: str, layers: tuple[int, ...], counted_BT: Tensor
    ) -> list[Tensor]:
        """`[N, F]` for each pair: padding is gone before anything is computed.

        In the dtype of the model where nothing is computed yet, else in float32.
        """
        by_layer = kept.keys_BHTD if tensor == "key" else kept.values_BHTD
        chosen = [vectors(by_layer[layer], counted_BT) for layer in layers]
        if self.aggregate == "none":
            return chosen
        return [aggregate(self.aggregate, chosen, self.weight_start, self.weight_stop)]

    # ---- shapes

    def _held_against(self, role: str, here: list[int]) -> None:
        layers = self.student_layers if role == "student" else self.teacher_layers
        locked = self.student_dims if role == "student" else self.teacher_dims
        if max(layers) >= len(here):
            raise fail(
                f"the {role} leaves keys and values of {len(here)} layers, the lock compares layer {max(layers)}",
                Exit.DRIFT,
                code="KV0406",
                key="objective.kv.layers" if role == "student" else "objective.kv.layer_map",
                hint="lock again with this model",
            )
        found = self._widths([here[layer] for layer in layers])
        if found != locked:
            raise fail(
                f"the {role}'s KV width is {show(found)} as loaded, {show(locked)} in the lock",
                Exit.DRIFT,
                code="KV0406",
                key=f"objective.kv.{role}_dim",
                hint=f"this is not the {role} that was locked; check model.{role}.source, or lock again",
            )

    def _widths(self, by_layer: list[int]) -> tuple[int, ...]:
        if self.aggregate == "none":
            return tuple(by_layer)
        if self.aggregate == "concat":
            return (sum(by_layer),)
        return (by_layer[0],) if len(set(by_layer)) == 1 else tuple(by_layer)


def aggregate(kind: str, layers_NF: Sequence[Tensor], start: float, stop: float) -> Tensor:
    """One vector per token from those of all layers."""
    if kind == "concat":
        return torch.cat(list(layers_NF), dim=-1)
    stacked_LNF = torch.stack(list(layers_NF)).float()
    if kind == "mean":
        return stacked_LNF.mean(0)
    weights_L = layer_weights(len(layers_NF), start, stop).to(stacked_LNF)
    # not einsum: autocast would make it a matrix product in the reduced dtype
    return (weights_L[:, None, None] * stacked_LNF).sum(0)


def layer_weights(layers: int, start: float, stop: float) -> Tensor:
    """Linear from `start` to `stop`, then normalised to sum 1."""
    weights_L = torch.linspace(start, stop, layers, dtype=torch.float64)
    return weights_L / weights_L.sum()


def shapes_of(settings: Settings) -> tuple[Shape, ...]:
    """The locked dimensions of the projector, one shape for each pair."""
    at = "objective.kv.projector"
    kind = settings.text(f"{at}.kind")
    ins, outs = settings.widths(f"{at}.in_dim"), settings.widths(f"{at}.out_dim")
    hidden = settings.widths(f"{at}.hidden_dim") if kind in ("mlp", "low_rank") else ins
    return tuple(
        Shape(
            kind=kind,
            in_dim=in_dim,
            hidden_dim=hidden_dim,
            out_dim=out_dim,
            dropout=settings.number(f"{at}.dropout"),
        )
        for in_dim, hidden_dim, out_dim in zip(ins, hidden, outs, strict=True)
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """Count, sum and sum of squares in float64, so that the order of rows hardly matters."""

    count: int
    total: float
    squares: float

    def plus(self, x_NF: Tensor) -> Spread:
        x_NF = x_NF.cpu().double()  # MPS has no float64
        return Spread(
            count=self.count + x_NF.numel(),
            total=self.total + float(x_NF.sum()),
            squares=self.squares + float(x_NF.square().sum()),
        )

    def deviation(self) -> float:
        """Unbiased standard deviation over all elements; 1 for a tensor without any spread."""
        centred = self.squares - self.total**2 / max(self.count, 1)
        variance = centred / max(self.count - 1, 1)
        return float(variance**0.5) if variance > 0 else 1.0


NOTHING_YET = Spread(count=0, total=0.0, squares=0.0)
