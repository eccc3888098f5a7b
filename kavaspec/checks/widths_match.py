"""A width written by hand is what the model really leaves in its cache."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, error
from kavaspec.decision import Undecidable
from kavaspec.errors import Problem
from kavaspec.plain import Plain, same, show
from kavaspec.rules.kv_width import kv_width


def teacher_width_matches(
    teacher_dim: int | Sequence[int], layout: str, layer_map: Sequence[int], aggregate: str
) -> Problem | None:
    """`objective.kv.teacher_dim` against the teacher's layout."""
    return _mismatch(
        "objective.kv.teacher_dim", "teacher", teacher_dim, layout, layer_map, aggregate
    )


def student_width_matches(
    student_dim: int | Sequence[int], layout: str, layers: Sequence[int], aggregate: str
) -> Problem | None:
    """`objective.kv.student_dim` against the student's layout."""
    return _mismatch("objective.kv.student_dim", "student", student_dim, layout, layers, aggregate)


def _mismatch(
    key: str, role: str, written: Plain, layout: str, layers: Sequence[int], aggregate: str
) -> Problem | None:
    try:
        real = kv_width(layout, layers, aggregate)
    except Undecidable:
        return None  # kv_layers_exist and equal_widths say what is wrong
    if same(real.value, written):
        return None
    sums = f"{real.terms[0].formula} = " if len(real.terms) == 1 and aggregate == "concat" else ""
    return error(
        f"{key} is {show(written)}, but the {role}'s KV layout {layout} gives "
        f"{sums}{show(real.value)}",
        key=key,
        hint=f'{key} = "auto"',
    )


CHECKS = (
    Check(
        name="teacher_width_matches",
        code="KV0754",
        inputs={
            "teacher_dim": "objective.kv.teacher_dim",
            "layout": "fact.teacher.kv_layout",
            "layer_map": "objective.kv.layer_map",
            "aggregate": "objective.kv.aggregate",
        },
        veto=teacher_width_matches,
    ),
    Check(
        name="student_width_matches",
        code="KV0755",
        inputs={
            "student_dim": "objective.kv.student_dim",
            "layout": "fact.student.kv_layout",
            "layers": "objective.kv.layers",
            "aggregate": "objective.kv.aggregate",
        },
        veto=student_width_matches,
    ),
)
