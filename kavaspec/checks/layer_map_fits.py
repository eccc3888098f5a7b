"""Layer by layer, every student layer has its one teacher layer."""

from __future__ import annotations

from collections.abc import Sequence

from kavaspec.checks.check import Check, error
from kavaspec.errors import Problem


def layer_map_fits(
    aggregate: str, layers: Sequence[int], layer_map: Sequence[int]
) -> Problem | None:
    """With an aggregate the numbers may differ: both sides become one vector."""
    if aggregate != "none" or len(layers) == len(layer_map):
        return None
    return error(
        f"objective.kv.layers names {len(layers)} student layers and objective.kv.layer_map "
        f'{len(layer_map)} teacher layers, but aggregate = "none" compares them in pairs',
        key="objective.kv.layer_map",
        hint='leave objective.kv.layer_map out, or write it as "auto"',
    )


CHECK = Check(
    name="layer_map_fits",
    code="KV0727",
    inputs={
        "aggregate": "objective.kv.aggregate",
        "layers": "objective.kv.layers",
        "layer_map": "objective.kv.layer_map",
    },
    veto=layer_map_fits,
)
