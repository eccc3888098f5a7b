"""A mean of layers needs layers of one width."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem
from kavaspec.kv_layout import LayoutError, select
from kavaspec.plain import Plain, show


def equal_student_widths(
    student_dim: int | Sequence[int], aggregate: str, layers: Sequence[int], layout: str
) -> Problem | None:
    """For the student. Where the width is `auto`, its rule says the same."""
    return _unequal("objective.kv.student_dim", student_dim, aggregate, layers, layout)


def equal_teacher_widths(
    teacher_dim: int | Sequence[int], aggregate: str, layer_map: Sequence[int], layout: str
) -> Problem | None:
    """For the teacher, likewise."""
    return _unequal("objective.kv.teacher_dim", teacher_dim, aggregate, layer_map, layout)


def _unequal(
    key: str, written: Plain, aggregate: str, layers: Sequence[int], layout: str
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
        f'{key} is {show(written)}, but aggregate = "{aggregate}" needs layers of one width, '
        f"and those of {layout} are {' and '.join(map(str, widths))} wide",
        key=key,
        hint='objective.kv.aggregate = "none" or "concat", or name layers of one width',
    )


CHECKS = (
    Check(
        name="equal_student_widths",
        code="KV0723",
        inputs={
            "student_dim": "objective.kv.student_dim",
            "aggregate": "objective.kv.aggregate",
            "layers": "objective.kv.layers",
            "layout": "fact.student.kv_layout",
        },
        veto=equal_student_widths,
    ),
    Check(
        name="equal_teacher_widths",
        code="KV0724",
        inputs={
            "teacher_dim": "objective.kv.teacher_dim",
            "aggregate": "objective.kv.aggregate",
            "layer_map": "objective.kv.layer_map",
            "layout": "fact.teacher.kv_layout",
        },
        veto=equal_teacher_widths,
    ),
)
