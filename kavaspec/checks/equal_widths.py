"""A mean of layers needs layers of one width."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem
from kavaspec.kv_layout import LayoutError, select


def equal_student_widths(aggregate: str, layers: Sequence[int], layout: str) -> Problem | None:
    """For the student's layers."""
    return _unequal("objective.kv.layers", "student", aggregate, layers, layout)


def equal_teacher_widths(aggregate: str, layer_map: Sequence[int], layout: str) -> Problem | None:
    """For the teacher's layers."""
    return _unequal("objective.kv.layer_map", "teacher", aggregate, layer_map, layout)


def _unequal(
    key: str, role: str, aggregate: str, layers: Sequence[int], layout: str
) -> Problem | None:
    if aggregate not in {"mean", "weighted"}:
        return None
    try:
        widths = sorted({layer.width for layer in select(layout, layers)})
    except LayoutError:
        return None  # kv_layers_exist names the layer
    if len(widths) == 1:
        return None
    return error(
        f'aggregate = "{aggregate}" needs layers of one width, but the {role}\'s are '
        f"{', '.join(map(str, widths))} wide ({layout})",
        key=key,
        hint='objective.kv.aggregate = "none" or "concat", or name layers of one width',
    )


CHECKS = (
    Check(
        name="equal_student_widths",
        inputs={
            "aggregate": "objective.kv.aggregate",
            "layers": "objective.kv.layers",
            "layout": "fact.student.kv_layout",
        },
        veto=equal_student_widths,
    ),
    Check(
        name="equal_teacher_widths",
        inputs={
            "aggregate": "objective.kv.aggregate",
            "layer_map": "objective.kv.layer_map",
            "layout": "fact.teacher.kv_layout",
        },
        veto=equal_teacher_widths,
    ),
)
