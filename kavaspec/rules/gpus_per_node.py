"""scheduler.gpus_per_node: as many as the processes on a node use."""

from __future__ import annotations

from kavaspec.decision import Decision, Rejected, Rule, Term


def gpus_per_node(device: str, world: int, stated: int | None, found: int | None) -> Decision:
    """One for each process, up to what a node has by the scheduler (`stated`) or by what is here."""
    if device == "cpu":
        terms = (Term(name="GPUs of a node", formula=f"min({world}, 0)", value=0),)
        return Decision(value=0, because="the CPU computes", terms=terms)
    there = max(1, stated or found or 1)
    value = min(world, there)
    return Decision(
        value=value,
        because=f"world = {world} needs one GPU for each; a node has {there}",
        rejected=(
            (Rejected(value=there, because=f"{there - value} of them would stand idle"),)
            if there > value
            else ()
        ),
        terms=(Term(name="GPUs of a node", formula=f"min({world}, {there})", value=value),),
    )


RULE = Rule(
    key="scheduler.gpus_per_node",
    inputs={
        "device": "train.device",
        "world": "train.world",
        "stated": "fact.scheduler.gpus_per_node",
        "found": "fact.gpu.count",
    },
    decide=gpus_per_node,
)
