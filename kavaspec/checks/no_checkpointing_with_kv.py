"""Gradient checkpointing and the kv objective exclude each other."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem


def no_checkpointing_with_kv(kind: str, gradient_checkpointing: bool) -> Problem | None:
    """A checkpointed model of transformers returns no cache, so there is nothing to compare."""
    if kind != "kv" or not gradient_checkpointing:
        return None
    return error(
        'gradient checkpointing takes away the cache that objective.kind = "kv" compares',
        key="train.gradient_checkpointing",
        hint="train.gradient_checkpointing = false, with a smaller train.micro_batch",
    )


CHECK = Check(
    name="no_checkpointing_with_kv",
    inputs={"kind": "objective.kind", "gradient_checkpointing": "train.gradient_checkpointing"},
    veto=no_checkpointing_with_kv,
)
