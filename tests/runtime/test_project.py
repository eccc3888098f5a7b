"""The projector has exactly the locked dimensions: parameter counts of published and original shapes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kavaspec_runtime.project import Projector, Shape, build


def count(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def shape(kind: str, in_dim: int, hidden_dim: int, out_dim: int) -> Shape:
    return Shape(kind=kind, in_dim=in_dim, hidden_dim=hidden_dim, out_dim=out_dim, dropout=0.1)


def projector(kind: str, in_dim: int, hidden_dim: int, out_dim: int, pairs: int = 1) -> Projector:
    with torch.device("meta"):
        shapes = [shape(kind, in_dim, hidden_dim, out_dim)] * pairs
        return Projector(shapes, ["key", "value"], share_kv=False)


@pytest.mark.parametrize(
    ("kind", "in_dim", "hidden_dim", "out_dim", "pairs", "expected"),
    [
        pytest.param("mlp", 7168, 7168, 3072, 1, 146_849_792, id="the original, keys and values"),
        pytest.param("mlp", 1536, 1536, 896, 1, 7_482_112, id="the original on hidden sizes"),
        pytest.param("mlp", 7168, 3584, 3072, 1, 73_442_304, id="half hidden"),
        pytest.param("low_rank", 7168, 64, 3072, 1, 1_310_720, id="concat, rank 64"),
        pytest.param("low_rank", 7168, 128, 3072, 1, 2_621_440, id="concat, rank 128"),
        pytest.param("low_rank", 7168, 256, 3072, 1, 5_242_880, id="concat, rank 256"),
        pytest.param("mlp", 256, 256, 128, 24, 4_761_600, id="per layer, mlp"),
        pytest.param("linear", 256, 256, 128, 24, 1_579_008, id="per layer, linear"),
        pytest.param("low_rank", 256, 16, 128, 24, 294_912, id="per layer, rank 16"),
        pytest.param("low_rank", 256, 32, 128, 24, 589_824, id="per layer, rank 32"),
        pytest.param("low_rank", 256, 64, 128, 24, 1_179_648, id="per layer, rank 64"),
        pytest.param("mlp", 256, 256, 128, 1, 198_400, id="mean of layers, mlp"),
        pytest.param("none", 256, 256, 256, 1, 0, id="none"),
    ],
)
def test_parameters(kind, in_dim, hidden_dim, out_dim, pairs, expected):
    assert count(projector(kind, in_dim, hidden_dim, out_dim, pairs)) == expected


@pytest.mark.parametrize(
    ("in_dim", "out_dim", "expected"),
    [(7168, 3072, 73_424_896), (1536, 896, 3_741_056), (5120, 1536, 34_095_616)],
)
def test_one_of_the_originals_two_maps(in_dim, out_dim, expected):
    with torch.device("meta"):
        assert count(build(shape("mlp", in_dim, in_dim, out_dim))) == expected


def test_a_shared_map_is_counted_once():
    with torch.device("meta"):
        shared = Projector([shape("mlp", 7168, 7168, 3072)], ["key", "value"], share_kv=True)
    assert count(shared) == 73_424_896


def test_the_originals_map_is_norm_linear_silu_dropout_linear():
    assert [type(part) for part in build(shape("mlp", 4, 5, 3))] == [
        nn.LayerNorm,
        nn.Linear,
        nn.SiLU,
        nn.Dropout,
        nn.Linear,
    ]


@pytest.mark.parametrize("kind", ["linear", "mlp", "low_rank"])
def test_maps_go_from_the_one_width_to_the_other_in_the_dtype_of_the_computation(kind):
    one = Projector([shape(kind, 6, 4, 3)], ["key"], share_kv=False).bfloat16()
    out = one(torch.randn(5, 6), "key", 0)
    assert (out.shape, out.dtype) == ((5, 3), torch.bfloat16)


def test_keys_and_values_and_every_pair_have_maps_of_their_own():
    one = Projector([shape("linear", 2, 2, 2)] * 3, ["key", "value"], share_kv=False)
    names = {name.rpartition(".")[0] for name, _ in one.named_parameters()}
    assert names == {f"maps.{tensor}.{pair}" for tensor in ("key", "value") for pair in range(3)}


def test_none_leaves_everything_as_it_is():
    one = Projector([shape("none", 4, 4, 4)], ["key"], share_kv=False)
    x = torch.randn(3, 4)
    assert torch.equal(one(x, "key", 0), x)
