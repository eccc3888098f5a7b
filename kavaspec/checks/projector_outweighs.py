"""The projector is thrown away after training, so it should not be the larger part of what learns."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, warning
from kavaspec.errors import Problem

Dim = int | Sequence[int]


def projector_outweighs(
    kind: str,
    in_dim: Dim,
    hidden_dim: Dim,
    out_dim: Dim,
    tensors: Sequence[str],
    share_kv: bool,
    parameters: int | None,
) -> Problem | None:
    """Its weights, gradients and moments take memory beside the student's."""
    if parameters is None:
        return None
    widths = (_widths(in_dim), _widths(hidden_dim), _widths(out_dim))
    if len({len(of) for of in widths}) != 1:
        return None  # another check says so
    each = sum(_map(kind, *dims) for dims in zip(*widths, strict=True))
    count = each * (1 if share_kv else len(tensors))
    if count <= parameters:
        return None
    return warning(
        f"the {kind} projector has {count} parameters, more than the student's {parameters}: most of "
        "what is trained is thrown away",
        key="objective.kv.projector.kind",
        hint='objective.kv.projector.kind = "low_rank"',
    )


def _widths(dim: Dim) -> Sequence[int]:
    return (dim,) if isinstance(dim, int) else dim


def _map(kind: str, in_dim: int, hidden_dim: int, out_dim: int) -> int:
    """Parameters of one map, as the runtime builds it."""
    if kind == "linear":
        return in_dim * out_dim + out_dim
    if kind == "low_rank":
        return in_dim * hidden_dim + hidden_dim * out_dim
    if kind == "mlp":
        return 2 * in_dim + in_dim * hidden_dim + hidden_dim + hidden_dim * out_dim + out_dim
    return 0


CHECK = Check(
    name="projector_outweighs",
    code="KV0770",
    inputs={
        "kind": "objective.kv.projector.kind",
        "in_dim": "objective.kv.projector.in_dim",
        "hidden_dim": "objective.kv.projector.hidden_dim",
        "out_dim": "objective.kv.projector.out_dim",
        "tensors": "objective.kv.tensors",
        "share_kv": "objective.kv.projector.share_kv",
        "parameters": "fact.student.parameters",
    },
    veto=projector_outweighs,
    since=4,
)
