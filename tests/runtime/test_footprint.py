"""The compiler counts the projector's parameters as the runtime builds them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kavaspec.footprint import projector_parameters
from kavaspec_runtime.project import BUILDERS, Projector, Shape


@pytest.mark.parametrize("share_kv", [False, True])
@pytest.mark.parametrize("tensors", [("key",), ("key", "value")])
@pytest.mark.parametrize("dims", [[(8, 4, 6)], [(8, 4, 6), (4, 2, 8)]], ids=["one", "each"])
@pytest.mark.parametrize("kind", BUILDERS)
def test_every_kind(
    kind: str, dims: Sequence[tuple[int, int, int]], tensors: tuple[str, ...], share_kv: bool
):
    if kind == "none":
        dims = [(wide, middle, wide) for wide, middle, _ in dims]
    shapes = [Shape(kind=kind, in_dim=a, hidden_dim=b, out_dim=c, dropout=0.0) for a, b, c in dims]
    built = Projector(shapes, tensors, share_kv=share_kv)
    names = ("in_dim", "hidden_dim", "out_dim")
    widths = {f"objective.kv.projector.{it}": column for it, column in zip(names, zip(*dims, strict=True), strict=True)}  # fmt: skip
    counted = projector_parameters(
        {
            "objective.kv.projector.kind": kind,
            "objective.kv.projector.share_kv": share_kv,
            "objective.kv.tensors": tensors,
            **widths,
        }
    )
    assert counted == sum(weight.numel() for weight in built.parameters())
