"""A projector whose term has weight 0 is never trained."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, warning
from kavaspec.errors import Problem


def dead_projector(
    tensors: Sequence[str],
    key_weight: float,
    value_weight: float,
    weight: float,
    kind: str,
    share_kv: bool,
) -> Problem | None:
    """It takes memory and optimizer state, and its parameters stay where they started."""
    weights = {"key": key_weight, "value": value_weight}
    dead = [tensor for tensor in tensors if weights[tensor] == 0]
    if kind == "none" or weight == 0 or not dead or (share_kv and len(dead) < len(tensors)):
        return None
    return warning(
        f"objective.kv.{dead[0]}_weight is 0, so the projector of the {dead[0]}s "
        "is built and never trained",
        key=f"objective.kv.{dead[0]}_weight",
        hint=f'leave "{dead[0]}" out of objective.kv.tensors',
    )


CHECK = Check(
    name="dead_projector",
    code="KV0718",
    inputs={
        "tensors": "objective.kv.tensors",
        "key_weight": "objective.kv.key_weight",
        "value_weight": "objective.kv.value_weight",
        "weight": "objective.kv.weight",
        "kind": "objective.kv.projector.kind",
        "share_kv": "objective.kv.projector.share_kv",
    },
    veto=dead_projector,
)
