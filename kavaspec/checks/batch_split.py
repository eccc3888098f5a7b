"""Micro-batch x accumulation x world is the global batch, exactly."""

from __future__ import annotations

from kavaspec.batch import repairs
from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem


def batch_split(
    global_batch: int, micro_batch: int, accumulation: int, world: int
) -> Problem | None:
    """Never rounded: a batch of another size is another experiment."""
    made = micro_batch * accumulation * world
    if made == global_batch:
        return None
    per_step = micro_batch * world
    if global_batch % per_step == 0:
        hint = f"train.accumulation = {global_batch // per_step}"
    else:
        hint = repairs(global_batch, micro_batch, world)
    return error(
        f"micro_batch {micro_batch} x accumulation {accumulation} x world {world} = {made}, "
        f"but train.global_batch is {global_batch}",
        key="train.global_batch",
        hint=hint,
    )


CHECK = Check(
    name="batch_split",
    code="KV0710",
    inputs={
        "global_batch": "train.global_batch",
        "micro_batch": "train.micro_batch",
        "accumulation": "train.accumulation",
        "world": "train.world",
    },
    veto=batch_split,
)
