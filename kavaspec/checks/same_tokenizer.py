"""Teacher and student read the same tokens: their caches are compared token by token."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
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


CHECK = Check(
    name="same_tokenizer",
    code="KV0742",
    inputs={
        "source": "model.teacher.source",
        "teacher": "fact.teacher.tokenizer",
        "student": "fact.student.tokenizer",
    },
    veto=same_tokenizer,
)
