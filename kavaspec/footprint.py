"""How much a run writes to its disk: checkpoints, the last student, and what they are made of.

    checkpoint   weights that learn + two moments of each        (student and projector)
    student      all its weights, once more at the end            (and the projector)

A new checkpoint is written before the oldest one goes, so one more than `checkpoint.keep` is there
for a moment. What is counted is the larger of that moment and the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kavaspec.plain import Plain
from kavaspec.resident import BYTES, moments_bytes
from kavaspec.sizes import in_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """What the files of a run take, in bytes."""

    weights_bytes: int
    """Of what learns: in each checkpoint."""
    moments_bytes: int
    """The optimizer's, of the same: in each checkpoint."""
    student_bytes: int
    """Student and projector as they are left at the end."""
    saves: int
    """Checkpoints that the whole run writes."""
    keep: int
    adapters: bool
    """LoRA: the adapters' own size is not known before the model is loaded, and counts as nothing."""

    @property
    def checkpoint_bytes(self) -> int:
        return self.weights_bytes + self.moments_bytes

    @property
    def bytes(self) -> int:
        """The most that lies on the disk at once."""
        return max(self._while_saving, self._at_the_end)

    @property
    def _while_saving(self) -> int:
        return min(self.saves, self.keep + 1) * self.checkpoint_bytes

    @property
    def _at_the_end(self) -> int:
        return min(self.saves, self.keep) * self.checkpoint_bytes + self.student_bytes

    def __str__(self) -> str:
        """`3 checkpoints of 4.2 MiB (weights 1.4 MiB, optimizer 2.8 MiB)`."""
        saving = self._while_saving > self._at_the_end
        count = min(self.saves, self.keep + 1 if saving else self.keep)
        several = f"{count} checkpoint{'' if count == 1 else 's'} of"
        parts = f"weights {in_bytes(self.weights_bytes)}, optimizer {in_bytes(self.moments_bytes)}"
        text = f"{several} {in_bytes(self.checkpoint_bytes)} ({parts})"
        if not saving:
            text += f", and the student of {in_bytes(self.student_bytes)}"
        return text + (", without its adapters" if self.adapters else "")


def footprint(
    values: Mapping[str, Plain], student_parameters: int, stop_after: int | None
) -> Footprint:
    """What a run of these locked values writes; `stop_after` steps with `--smoke`."""
    weight = BYTES[str(values["train.param_dtype"])]
    adapters = _whole(values["train.lora.rank"]) > 0
    projector = projector_parameters(values)
    learning = projector + (0 if adapters else student_parameters)
    steps = _whole(values["train.steps"])
    steps = steps if stop_after is None else min(steps, stop_after)
    return Footprint(
        weights_bytes=learning * weight,
        moments_bytes=moments_bytes(str(values["train.optimizer_state_dtype"]), learning),
        student_bytes=(student_parameters + projector) * weight,
        saves=-(-steps // _whole(values["checkpoint.every"])),
        keep=_whole(values["checkpoint.keep"]),
        adapters=adapters,
    )


def projector_parameters(values: Mapping[str, Plain]) -> int:
    """Weights of the projector, as `objective.kv` sizes it; none for objectives without one."""
    at = "objective.kv.projector"
    if f"{at}.kind" not in values:
        return 0
    widths = [_wholes(values[f"{at}.{name}_dim"]) for name in ("in", "hidden", "out")]
    kind = str(values[f"{at}.kind"])
    one_each = sum(_map_parameters(kind, *dims) for dims in zip(*widths, strict=True))
    tensors = values["objective.kv.tensors"]
    maps = 1 if values[f"{at}.share_kv"] else len(tensors) if isinstance(tensors, tuple) else 1
    return maps * one_each


def _map_parameters(kind: str, in_dim: int, hidden_dim: int, out_dim: int) -> int:
    match kind:
        case "linear":
            return in_dim * out_dim + out_dim
        case "low_rank":
            return in_dim * hidden_dim + hidden_dim * out_dim
        case "mlp":
            norm, down, up = 2 * in_dim, (in_dim + 1) * hidden_dim, (hidden_dim + 1) * out_dim
            return norm + down + up
        case _:
            return 0


def _whole(value: Plain) -> int:
    return value if isinstance(value, int) else 0


def _wholes(value: Plain) -> tuple[int, ...]:
    return tuple(map(_whole, value)) if isinstance(value, tuple) else (_whole(value),)
