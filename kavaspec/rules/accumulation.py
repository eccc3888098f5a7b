"""train.accumulation: as many micro-batches as the global batch needs, exactly."""

from __future__ import annotations

from kavaspec.batch import repairs
from kavaspec.decision import Decision, Rule, Term, Undecidable


def accumulation(global_batch: int, micro_batch: int, world: int) -> Decision:
    """`global_batch / (micro_batch * world)`.

    Raises:
        Undecidable: if that is not a whole number; names the nearest values that work.
    """
    per_step = micro_batch * world
    if global_batch % per_step:
        raise Undecidable(
            f"global_batch = {global_batch} is not a multiple of "
            f"{micro_batch} (micro_batch) x {world} (world) = {per_step}",
            hint=repairs(global_batch, micro_batch, world),
        )
    value = global_batch // per_step
    return Decision(
        value=value,
        because=f"{global_batch} = {micro_batch} (micro_batch) x {value} x {world} (world)",
        terms=(
            Term(
                name="global_batch / (micro_batch x world)",
                formula=f"{global_batch} // ({micro_batch} * {world})",
                value=value,
            ),
        ),
    )


RULE = Rule(
    key="train.accumulation",
    inputs={
        "global_batch": "train.global_batch",
        "micro_batch": "train.micro_batch",
        "world": "train.world",
    },
    decide=accumulation,
)
