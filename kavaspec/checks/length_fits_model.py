"""Rows are no longer than the models can read."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem


def length_fits_student(max_length: int, limit: int | None) -> Problem | None:
    """Positions that a model has never seen give it nonsense, and some kernels a crash."""
    return _too_long("student", max_length, limit)


def length_fits_teacher(max_length: int, source: str, limit: int | None) -> Problem | None:
    """The teacher reads the same rows."""
    return _too_long(f"teacher ({source})", max_length, limit)


def _too_long(who: str, max_length: int, limit: int | None) -> Problem | None:
    if limit is None or max_length <= limit:
        return None
    return error(
        f"data.max_length is {max_length} tokens, but the {who} reads at most {limit}",
        key="data.max_length",
        hint=f"data.max_length = {limit}; longer rows are cut",
    )


CHECKS = (
    Check(
        name="length_fits_student",
        code="KV0728",
        inputs={"max_length": "data.max_length", "limit": "fact.student.max_length"},
        veto=length_fits_student,
    ),
    Check(
        name="length_fits_teacher",
        code="KV0729",
        inputs={
            "max_length": "data.max_length",
            "source": "model.teacher.source",
            "limit": "fact.teacher.max_length",
        },
        veto=length_fits_teacher,
    ),
)
