"""Some term of the objective has a weight."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem


def something_to_learn(
    kind: str,
    ce_weight: float,
    weight: float | None,
    tensors: Sequence[str] | None,
    key_weight: float | None,
    value_weight: float | None,
) -> Problem | None:
    """With all weights 0 the loss is 0 and the student stays what it was."""
    if ce_weight > 0:
        return None
    if kind != "kv":
        return error(
            f'objective.ce_weight is 0, and objective.kind = "{kind}" has no other term',
            key="objective.ce_weight",
            hint="objective.ce_weight = 1.0",
        )
    by_tensor = {"key": key_weight, "value": value_weight}
    if weight and any(by_tensor[tensor] for tensor in tensors or ()):
        return None
    return error(
        "every term of the objective has weight 0: nothing would be learned",
        key="objective.ce_weight",
        hint="objective.ce_weight = 1.0, or objective.kv.weight = 1.0",
    )


def weighted_has_weight(aggregate: str, weight_start: float, weight_stop: float) -> Problem | None:
    """Weights are normalised to sum 1, which zeros cannot be."""
    if aggregate != "weighted" or weight_start > 0 or weight_stop > 0:
        return None
    return error(
        'aggregate = "weighted" with weight_start and weight_stop 0 leaves no layer any weight',
        key="objective.kv.weight_start",
        hint="objective.kv.weight_stop = 1.0",
    )


CHECKS = (
    Check(
        name="something_to_learn",
        code="KV0746",
        inputs={
            "kind": "objective.kind",
            "ce_weight": "objective.ce_weight",
            "weight": "objective.kv.weight",
            "tensors": "objective.kv.tensors",
            "key_weight": "objective.kv.key_weight",
            "value_weight": "objective.kv.value_weight",
        },
        veto=something_to_learn,
    ),
    Check(
        name="weighted_has_weight",
        code="KV0747",
        inputs={
            "aggregate": "objective.kv.aggregate",
            "weight_start": "objective.kv.weight_start",
            "weight_stop": "objective.kv.weight_stop",
        },
        veto=weighted_has_weight,
    ),
)
