"""scheduler.cpus: what the job was given, or what its threads and workers use."""

from __future__ import annotations

from kavaspec.decision import Decision, Rule, Term


def cpus(threads: int, workers: int, world: int, nodes: int, stated: int | None) -> Decision:
    """Cores on each node: for every process its threads and its workers."""
    if stated is not None:
        return Decision(value=stated, because=f"the scheduler states {stated} cores on a node")
    processes = -(-world // nodes)
    value = processes * (threads + workers)
    return Decision(
        value=value,
        because=f"{processes} x ({threads} threads + {workers} workers) on each node",
        terms=(
            Term(
                name="cores of a node",
                formula=f"{processes} * ({threads} + {workers})",
                value=value,
            ),
        ),
    )


RULE = Rule(
    key="scheduler.cpus",
    inputs={
        "threads": "train.threads",
        "workers": "loader.workers",
        "world": "train.world",
        "nodes": "scheduler.nodes",
        "stated": "fact.scheduler.cpus",
    },
    decide=cpus,
)
