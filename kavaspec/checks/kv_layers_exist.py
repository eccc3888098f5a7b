"""Every layer that is compared exists, and keeps keys and values of its own."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem
from kavaspec.kv_layout import LayoutError, holders, select


def student_layers_exist(layers: Sequence[int], layout: str) -> Problem | None:
    """`objective.kv.layers` against the student."""
    return _missing("objective.kv.layers", "student", layers, layout)


def teacher_layers_exist(layer_map: Sequence[int], layout: str) -> Problem | None:
    """`objective.kv.layer_map` against the teacher."""
    return _missing("objective.kv.layer_map", "teacher", layer_map, layout)


def _missing(key: str, role: str, layers: Sequence[int], layout: str) -> Problem | None:
    try:
        usable = ", ".join(map(str, holders(layout))) or "none"
    except LayoutError:
        return None  # the rule of the width says that the layout cannot be read
    try:
        select(layout, layers)
    except LayoutError as wrong:
        return error(f"{role} {wrong}", key=key, hint=f"layers that can be compared: {usable}")
    return None


CHECKS = (
    Check(
        name="student_layers_exist",
        code="KV0725",
        inputs={"layers": "objective.kv.layers", "layout": "fact.student.kv_layout"},
        veto=student_layers_exist,
    ),
    Check(
        name="teacher_layers_exist",
        code="KV0726",
        inputs={"layer_map": "objective.kv.layer_map", "layout": "fact.teacher.kv_layout"},
        veto=teacher_layers_exist,
    ),
)
