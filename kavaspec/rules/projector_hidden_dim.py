"""objective.kv.projector.hidden_dim: the width between the projector's two matrices."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.decision import Decision, Rule


def projector_hidden_dim(kind: str, in_dim: int | Sequence[int], rank: int) -> Decision:
    """`rank` for `low_rank`; the width that enters for `mlp`, and for kinds without a middle."""
    if kind == "low_rank":
        value = rank if isinstance(in_dim, int) else (rank,) * len(in_dim)
        return Decision(value=value, because=f"low_rank goes through rank = {rank}")
    if kind == "mlp":
        return Decision(value=in_dim, because="mlp is square before it narrows, as the original")
    return Decision(value=in_dim, because=f"{kind} has no middle; what enters is what there is")


RULE = Rule(
    key="objective.kv.projector.hidden_dim",
    inputs={
        "kind": "objective.kv.projector.kind",
        "in_dim": "objective.kv.projector.in_dim",
        "rank": "objective.kv.projector.rank",
    },
    decide=projector_hidden_dim,
)
