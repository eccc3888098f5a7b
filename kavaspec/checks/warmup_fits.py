"""The warmup ends before the run does."""

from __future__ import annotations

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem


def warmup_fits(warmup_steps: int, steps: int) -> Problem | None:
    """Otherwise the peak learning rate is never reached."""
    if warmup_steps < steps or warmup_steps == 0:
        return None
    return error(
        f"train.warmup_steps is {warmup_steps}, but the run has only {steps} steps",
        key="train.warmup_steps",
        hint=f"train.warmup_steps = {steps // 10}",
    )


CHECK = Check(
    name="warmup_fits",
    code="KV0753",
    inputs={"warmup_steps": "train.warmup_steps", "steps": "train.steps"},
    veto=warmup_fits,
)
