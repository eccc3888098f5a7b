"""The projector leads from the width of one side to the width of the other."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem
from kavaspec.plain import Plain, same, show

Dim = int | Sequence[int]


def projector_enters(side: str, in_dim: Dim, teacher_dim: Dim, student_dim: Dim) -> Problem | None:
    """`in_dim` is the width of `side`."""
    width = teacher_dim if side == "teacher" else student_dim
    return _differs("in_dim", in_dim, side, width)


def projector_leaves(side: str, out_dim: Dim, teacher_dim: Dim, student_dim: Dim) -> Problem | None:
    """`out_dim` is the width of the other side."""
    other, width = ("student", student_dim) if side == "teacher" else ("teacher", teacher_dim)
    return _differs("out_dim", out_dim, other, width)


def projector_is_needed(kind: str, teacher_dim: Dim, student_dim: Dim) -> Problem | None:
    """Without a projector both sides must have one width."""
    if kind != "none" or same(_plain(teacher_dim), _plain(student_dim)):
        return None
    return error(
        'objective.kv.projector.kind = "none" needs equal widths, but the teacher has '
        f"{show(teacher_dim)} and the student {show(student_dim)}",
        key="objective.kv.projector.kind",
        hint='objective.kv.projector.kind = "low_rank"',
    )


def hidden_is_right(kind: str, hidden_dim: Dim, in_dim: Dim, rank: int) -> Problem | None:
    """One hidden width for each projector, and for `low_rank` it is the rank."""
    key = "objective.kv.projector.hidden_dim"
    if isinstance(hidden_dim, int) != isinstance(in_dim, int):
        each = "each layer has its own" if isinstance(hidden_dim, int) else "there is one projector"
        return error(
            f"{key} is {show(hidden_dim)}, but {each}: {show(in_dim)}",
            key=key,
            hint=f'{key} = "auto"',
        )
    if _count(hidden_dim) != _count(in_dim):
        return error(
            f"{key} has {_count(hidden_dim)} widths for {_count(in_dim)} projectors",
            key=key,
            hint=f'{key} = "auto"',
        )
    widths = [hidden_dim] if isinstance(hidden_dim, int) else hidden_dim
    if kind == "low_rank" and any(width != rank for width in widths):
        return error(
            f"{key} is {show(hidden_dim)}, but low_rank goes through rank = {rank}",
            key=key,
            hint=f"objective.kv.projector.rank = {widths[0]}, and leave hidden_dim out",
        )
    return None


def _differs(name: str, written: Dim, role: str, width: Dim) -> Problem | None:
    if same(_plain(written), _plain(width)):
        return None
    key = f"objective.kv.projector.{name}"
    return error(
        f"{key} is {show(written)}, but the {role}'s side is {show(width)} wide",
        key=key,
        hint=f'{key} = "auto"',
    )


def _plain(width: Dim) -> Plain:
    return width if isinstance(width, int) else tuple(width)


def _count(width: Dim) -> int:
    return 1 if isinstance(width, int) else len(width)


CHECKS = (
    Check(
        name="projector_enters",
        code="KV0736",
        inputs={
            "side": "objective.kv.projector.side",
            "in_dim": "objective.kv.projector.in_dim",
            "teacher_dim": "objective.kv.teacher_dim",
            "student_dim": "objective.kv.student_dim",
        },
        veto=projector_enters,
    ),
    Check(
        name="projector_leaves",
        code="KV0737",
        inputs={
            "side": "objective.kv.projector.side",
            "out_dim": "objective.kv.projector.out_dim",
            "teacher_dim": "objective.kv.teacher_dim",
            "student_dim": "objective.kv.student_dim",
        },
        veto=projector_leaves,
    ),
    Check(
        name="projector_is_needed",
        code="KV0738",
        inputs={
            "kind": "objective.kv.projector.kind",
            "teacher_dim": "objective.kv.teacher_dim",
            "student_dim": "objective.kv.student_dim",
        },
        veto=projector_is_needed,
    ),
    Check(
        name="hidden_is_right",
        code="KV0739",
        inputs={
            "kind": "objective.kv.projector.kind",
            "hidden_dim": "objective.kv.projector.hidden_dim",
            "in_dim": "objective.kv.projector.in_dim",
            "rank": "objective.kv.projector.rank",
        },
        veto=hidden_is_right,
    ),
)
