"""A digest written by hand is that of the files that were found."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem


def teacher_digest_matches(written: str, found: str | None) -> Problem | None:
    """`model.teacher.digest` against the teacher's files."""
    return _differs("model.teacher", written, found)


def student_digest_matches(written: str, found: str | None) -> Problem | None:
    """`model.student.digest` against the student's files."""
    return _differs("model.student", written, found)


def data_digest_matches(written: str, found: str | None) -> Problem | None:
    """`data.digest` against the rows."""
    return _differs("data", written, found)


def _differs(group: str, written: str, found: str | None) -> Problem | None:
    if found is None or written == found:
        return None
    return error(
        f"{group}.digest is {written[:15]}, but what was found at {group}.source "
        f"hashes to {found[:15]}",
        key=f"{group}.digest",
        hint=f"bring the right files, or leave {group}.digest out to take these",
    )


CHECKS = (
    Check(
        name="teacher_digest_matches",
        code="KV0720",
        inputs={"written": "model.teacher.digest", "found": "fact.teacher.digest"},
        veto=teacher_digest_matches,
    ),
    Check(
        name="student_digest_matches",
        code="KV0721",
        inputs={"written": "model.student.digest", "found": "fact.student.digest"},
        veto=student_digest_matches,
    ),
    Check(
        name="data_digest_matches",
        code="KV0722",
        inputs={"written": "data.digest", "found": "fact.data.digest"},
        veto=data_digest_matches,
    ),
)
