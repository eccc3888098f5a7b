"""objective.kv.projector.in_dim: the width of the side that is projected."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.decision import Decision, Rule
from kavaspec.kv_layout import spell


def projector_in_dim(
    side: str, teacher_dim: int | Sequence[int], student_dim: int | Sequence[int]
) -> Decision:
    """The width of `side`; one for each pair of layers when they are compared one by one."""
    width = teacher_dim if side == "teacher" else student_dim
    return Decision(value=width, because=f"the {side}'s side enters it: {spell(width)}")


RULE = Rule(
    key="objective.kv.projector.in_dim",
    inputs={
        "side": "objective.kv.projector.side",
        "teacher_dim": "objective.kv.teacher_dim",
        "student_dim": "objective.kv.student_dim",
    },
    decide=projector_in_dim,
)
