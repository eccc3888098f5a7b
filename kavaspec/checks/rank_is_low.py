"""A low-rank projector is narrower than what it connects."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, warning
from kavaspec.errors import Problem


def rank_is_low(
    kind: str, rank: int, teacher_dim: int | Sequence[int], student_dim: int | Sequence[int]
) -> Problem | None:
    """From the narrower width on, `linear` can do the same with fewer parameters."""
    narrowest = min(_narrowest(teacher_dim), _narrowest(student_dim))
    if kind != "low_rank" or rank < narrowest:
        return None
    return warning(
        f"objective.kv.projector.rank is {rank}, but the narrowest side is {narrowest} wide: "
        "it is not low",
        key="objective.kv.projector.rank",
        hint='objective.kv.projector.kind = "linear", or a smaller rank',
    )


def _narrowest(width: int | Sequence[int]) -> int:
    return width if isinstance(width, int) else min(width)


CHECK = Check(
    name="rank_is_low",
    code="KV0740",
    inputs={
        "kind": "objective.kv.projector.kind",
        "rank": "objective.kv.projector.rank",
        "teacher_dim": "objective.kv.teacher_dim",
        "student_dim": "objective.kv.student_dim",
    },
    veto=rank_is_low,
)
