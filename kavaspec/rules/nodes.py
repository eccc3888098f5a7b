"""scheduler.nodes: as few as hold all processes."""

from __future__ import annotations

from kavaspec.decision import Decision, Rejected, Rule, Term


def nodes(world: int, gpus_per_node: int, stated: int | None) -> Decision:
    """Processes, one for each GPU (or one for each node, without GPUs), rounded up to whole nodes."""
    each = max(1, gpus_per_node)
    value = -(-world // each)
    return Decision(
        value=value,
        because=f"world = {world}, with {each} on each node",
        rejected=(
            (Rejected(value=stated, because=f"{stated - value} nodes would stand idle"),)
            if stated is not None and stated > value
            else ()
        ),
        terms=(Term(name="nodes", formula=f"({world} + {each - 1}) // {each}", value=value),),
    )


RULE = Rule(
    key="scheduler.nodes",
    inputs={
        "world": "train.world",
        "gpus_per_node": "scheduler.gpus_per_node",
        "stated": "fact.scheduler.nodes",
    },
    decide=nodes,
)
