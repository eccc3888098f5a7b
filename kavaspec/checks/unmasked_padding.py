"""Padding counts in the loss."""

from __future__ import annotations

from kavaspec.checks.check import Check, warning
from kavaspec.errors import Problem


def unmasked_padding(mask: str) -> Problem | None:
    """The mean then depends on how long the other rows of the batch are."""
    if mask != "none":
        return None
    return warning(
        'objective.kv.mask = "none" counts padding as if it were text',
        key="objective.kv.mask",
        hint='objective.kv.mask = "attention"',
    )


CHECK = Check(
    name="unmasked_padding",
    code="KV0752",
    inputs={"mask": "objective.kv.mask"},
    veto=unmasked_padding,
)
