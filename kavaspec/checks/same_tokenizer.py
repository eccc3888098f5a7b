"""Teacher and student read the same tokens: their caches are compared token by token."""

from __future__ import annotations

from kavaspec.checks.check import Check, error, warning
from kavaspec.errors import Problem


def same_tokenizer(source: str, teacher: str | None, student: str | None) -> Problem | None:
    """Digests of meaning, so equal vocabulary sizes are not enough. Unknown ones cannot be judged."""
    if teacher is None or student is None or teacher == student:
        return None
    return error(
        f"teacher ({source}) and student have different tokenizers, {teacher[:15]} and "
        f"{student[:15]}, so their caches are about different tokens",
        key="model.student.source",
        hint="take both from one family of models, as Qwen2.5-1.5B and Qwen2.5-0.5B",
    )


def teacher_has_tokenizer(source: str, teacher: str | None, student: str) -> Problem | None:
    """Rows become tokens with the student's, so a run would go on and compare what nobody compared."""
    if teacher is not None:
        return None
    return warning(
        f"nobody can tell whether the teacher ({source}) reads the same tokens as the student, "
        f"{student[:15]}: the teacher's tokenizer is not there, or cannot be read",
        key="model.teacher.source",
        hint="copy tokenizer.json beside the teacher's config.json, and lock again",
    )


CHECKS = (
    Check(
        name="same_tokenizer",
        code="KV0742",
        inputs={
            "source": "model.teacher.source",
            "teacher": "fact.teacher.tokenizer",
            "student": "fact.student.tokenizer",
        },
        veto=same_tokenizer,
    ),
    Check(
        name="teacher_has_tokenizer",
        code="KV0765",
        inputs={
            "source": "model.teacher.source",
            "teacher": "fact.teacher.tokenizer",
            "student": "fact.student.tokenizer",
        },
        veto=teacher_has_tokenizer,
        since=2,
    ),
)
