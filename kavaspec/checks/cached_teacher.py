"""A teacher that is read from disk: its keys and values of tokens are kept, and none of padding."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem


def cached_teacher(placement: str, mask: str) -> Problem | None:
    """Padding depends on the rows beside it, so it cannot be kept with a row."""
    if placement != "cached" or mask != "none":
        return None
    return error(
        'train.teacher_placement = "cached" keeps tokens, and objective.kv.mask = "none" compares '
        "padding too",
        key="train.teacher_placement",
        hint='train.teacher_placement = "same_device", or objective.kv.mask = "attention"',
    )


CHECK = Check(
    name="cached_teacher",
    code="KV0767",
    inputs={"placement": "train.teacher_placement", "mask": "objective.kv.mask"},
    veto=cached_teacher,
)
