"""objective.kv.projector.out_dim: the width of the side that is not projected."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.decision import Decision, Rule
from kavaspec.kv_layout import spell


def projector_out_dim(
    side: str, teacher_dim: int | Sequence[int], student_dim: int | Sequence[int]
) -> Decision:
    """The width of the other side; one for each pair when layers are compared one by one."""
    other, width = ("student", student_dim) if side == "teacher" else ("teacher", teacher_dim)
    return Decision(value=width, because=f"it must meet the {other}'s side: {spell(width)}")


RULE = Rule(
    key="objective.kv.projector.out_dim",
    inputs={
        "side": "objective.kv.projector.side",
        "teacher_dim": "objective.kv.teacher_dim",
        "student_dim": "objective.kv.student_dim",
    },
    decide=projector_out_dim,
)
